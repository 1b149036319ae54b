/* How much of one start-up file is looked at: nothing that pads it may hide an entry, nor make a scan large. */
#include "host/internal.h"

#include <stdlib.h>
#include <string.h>

#define CAP_TIMES 1024u            /* of one command: a piece has no more sightings */
#define CAP_LOOKS 524288u          /* of one file; then only what is new is looked at */
#define CAP_GIVEN 16384u           /* sightings of one file that are settled when all were read: some 1.1 KB each */

struct met { uint64_t hash; unsigned times; };

static void grow(struct startup *s)
{
	size_t size = s->met_size ? 2 * s->met_size : 64, i, at;
	struct met *bigger = buf_alloc(size * sizeof(*bigger));

	memset(bigger, 0, size * sizeof(*bigger));
	for (i = 0; i < s->met_size; i++) {
		if (!s->met[i].hash)
			continue;
		for (at = s->met[i].hash & (size - 1); bigger[at].hash; at = (at + 1) & (size - 1))
			;
		bigger[at] = s->met[i];
	}
	free(s->met);
	s->met = bigger;
	s->met_size = size;
}

static struct met *place_of(struct startup *s, uint64_t hash)
{
	size_t at;

	if (2 * s->met_count >= s->met_size)
		grow(s);
	for (at = hash & (s->met_size - 1); s->met[at].hash && s->met[at].hash != hash; at = (at + 1) & (s->met_size - 1))
		;
	return &s->met[at];
}

void crowd_over(struct startup *s, const char *what)
{
	if (!s->crowded)
		host_missed(s->h, "a start-up file (%s) holds more %s than are looked at", s->place, what);
	s->crowded = true;
}

bool crowd_admit(struct startup *s, const char *where, const char *what, size_t n)
{
	uint64_t key[2] = { s->h->secret, s->as ? 1 : 0 }, hash;
	struct met *m;

	if (where)
		key[1] ^= sip_hash(key, where, strlen(where));
	hash = sip_hash(key, what, n) | 1;
	m = place_of(s, hash);
	if (!(s->looks & 1023))
		watch_beat();
	if (m->hash) {
		if (m->times >= CAP_TIMES || s->looks >= CAP_LOOKS)
			return false;
	} else if (s->met_count >= CAP_COMMANDS) {
		crowd_over(s, "different commands");
		return false;
	} else {
		m->hash = hash;
		s->met_count++;
	}
	m->times++;
	s->looks++;
	return true;
}

void crowd_own(struct startup *s, json_t *sighting)
{
	size_t n = json_array_size(s->own);
	json_int_t line = jsonio_int(sighting, "line", 0);

	/* one line is told once, and no more of them than a piece takes */
	if (n >= CAP_SIGHTINGS || (n && line && jsonio_int(json_array_get(s->own, n - 1), "line", 0) == line))
		json_decref(sighting);
	else
		json_array_append_new(s->own, sighting);
}

void crowd_given(struct startup *s, json_t *sighting)
{
	if (json_array_size(s->given) < CAP_GIVEN) {
		json_array_append(s->given, sighting);
		return;
	}
	/* what is not settled later is not called the file as a whole */
	s->several = true;
	json_object_set_new(sighting, "whole", json_false());
}

void crowd_free(struct startup *s)
{
	free(s->met);
	s->met = NULL;
	s->met_size = s->met_count = 0;
}
