#include "garden/garden-internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEN 4096u

struct dump_seen { char hex[DIGEST_HEX]; int64_t at; };

static void put(struct record *r, json_t *o)
{
	r->line.len = 0;
	jsonio_dump_line(o, &r->line);
	if (r->bytes + r->line.len > GARDEN_EVENT_BYTES || io_write(r->events, r->line.p, r->line.len))
		r->full = true;
	r->bytes += r->line.len;
	r->count++;
}

void record_event(struct record *r, pid_t pid, pid_t ppid, const char *event, json_t *members)
{
	int64_t now = clock_mono_ms();
	json_t *o;

	r->last_ms = now;
	if (r->events < 0 || r->full) {
		json_decref(members);
		return;
	}
	if (r->count + 1 >= r->max) {
		r->full = true;
		event = "limit";
		json_decref(members);
		members = json_pack("{s:s}", "what", "events");
	}
	o = json_object();
	json_object_set_new(o, "t", json_real((double)(now - r->began_ms) / 1000));
	json_object_set_new(o, "pid", json_integer(pid));
	json_object_set_new(o, "ppid", json_integer(ppid));
	json_object_set_new(o, "event", json_string(event));
	if (members)
		json_object_update(o, members);
	json_decref(members);
	put(r, o);
	json_decref(o);
}

bool record_dump(struct record *r, json_t *o, const void *p, size_t n)
{
	char hex[DIGEST_HEX];
	struct dump_seen *s = NULL;
	bool fresh = true;

	digest_bytes(p, n, hex);
	json_object_set_new(o, "sha256", json_string(hex));
	for (size_t i = 0; i < r->seen_count && fresh; i++) {
		if (!strcmp(r->seen[i].hex, hex)) {
			s = &r->seen[i];
			fresh = false;
		}
	}
	if (fresh && r->seen_count < SEEN) {
		r->seen = buf_realloc(r->seen, r->seen_count + 1, sizeof *r->seen);
		s = &r->seen[r->seen_count++];
		memcpy(s->hex, hex, sizeof hex);
		s->at = -1;
		if (r->dumps >= 0 && r->dumped + n <= GARDEN_DUMPS && io_write(r->dumps, p, n) == 0) {
			s->at = (int64_t)r->dumped;
			r->dumped += n;
		}
	}
	if (s && s->at >= 0) {
		json_object_set_new(o, "dump_at", json_integer(s->at));
		json_object_set_new(o, "dump_size", json_integer((json_int_t)n));
	}
	return fresh;
}

/* ---- the tool's side ---- */

int record_collect(struct run *r, int events, struct err *e)
{
	struct buf b = { 0 };
	size_t count = 0;
	int rc = 0;

	if (!r->events)
		return 0;
	if (lseek(events, 0, SEEK_SET) || io_slurp(events, CAP_JSON, &b, "the garden's events", e))
		return -1;
	for (size_t at = 0; rc == 0 && at < b.len && count++ < GARDEN_EVENTS; ) {
		unsigned char *end = memchr(b.p + at, '\n', b.len - at);
		json_t *o;
		const char *name;

		if (!end)
			break;   /* the last line of a warden that was killed */
		o = jsonio_parse(b.p + at, (size_t)(end - (b.p + at)), "an event of the garden", e);
		at = (size_t)(end - b.p) + 1;
		if (!o) {
			rc = -1;
			break;
		}
		name = jsonio_str(o, "what");
		if (name && !strcmp(name, "events"))
			r->limit_events = true;
		json_array_append_new(r->events, o);
	}
	buf_free(&b);
	return rc;
}
