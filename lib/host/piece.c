#include "host/internal.h"

#include <stdlib.h>
#include <string.h>

/* Kinds in the order in which they win when one digest was met as several: whoever collects the bytes needs the best source. */
static const char *const kinds[] = { "file", "script", "module", "startup", "deleted", "memfd", "memory" };

static size_t rank(const char *kind)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i], kind))
			break;
	return i;
}

static const char *kind_constant(const char *kind)
{
	size_t i = rank(kind);

	return i < sizeof(kinds) / sizeof(*kinds) ? kinds[i] : "file";
}

static uint64_t slot_of(const char *sha256)
{
	uint64_t v = 0;

	digest_unhex(sha256, (unsigned char *)&v, sizeof(v));
	return v;
}

static size_t find_slot(const struct host *h, const char *sha256)
{
	size_t i = slot_of(sha256) & (h->index_size - 1);

	while (h->index[i] && strcmp(h->pieces[h->index[i] - 1]->sha256, sha256))
		i = (i + 1) & (h->index_size - 1);
	return i;
}

static void grow(struct host *h)
{
	size_t i;

	if (h->piece_count * 2 < h->index_size)
		return;
	h->index_size = h->index_size ? h->index_size * 2 : 1024;
	free(h->index);
	h->index = buf_alloc(h->index_size * sizeof(*h->index));
	h->pieces = buf_realloc(h->pieces, h->index_size, sizeof(struct piece *));
	for (i = 0; i < h->piece_count; i++)
		h->index[find_slot(h, h->pieces[i]->sha256)] = i + 1;
}

struct piece *piece_find(const struct host *h, const char *sha256)
{
	size_t at;

	if (!h->index_size)
		return NULL;
	at = h->index[find_slot(h, sha256)];
	return at ? h->pieces[at - 1] : NULL;
}

struct piece *piece_get(struct host *h, const char *sha256, const char *kind, uint64_t size)
{
	struct piece *p = piece_find(h, sha256);

	if (p) {
		if (rank(kind) < rank(p->kind))
			p->kind = kind_constant(kind);
		return p;
	}
	grow(h);
	p = buf_alloc(sizeof(*p));
	memcpy(p->sha256, sha256, DIGEST_HEX);
	p->kind = kind_constant(kind);
	p->size = size;
	p->paths = json_array();
	p->sightings = json_array();
	p->signs = json_array();
	p->memory = json_array();
	p->placed = json_array();
	h->pieces[h->piece_count++] = p;
	h->index[find_slot(h, sha256)] = h->piece_count;
	return p;
}

bool piece_has_path(const struct piece *p, const char *path)
{
	json_t *name = jsonio_name(path);
	const json_t *o;
	size_t i;
	bool found = false;

	json_array_foreach(p->paths, i, o)
		if (json_equal(o, name)) {
			found = true;
			break;
		}
	json_decref(name);
	return found;
}

bool piece_path(struct piece *p, const char *path)
{
	if (!*path || piece_has_path(p, path))
		return false;
	if (json_array_size(p->paths) < CAP_PATHS)
		json_array_append_new(p->paths, jsonio_name(path));
	return true;
}

void piece_sign(struct host *h, struct piece *p, const char *name, const char *fmt, ...)
{
	char reason[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	judge_add(h->judge, p->signs, name, reason);
}

bool piece_signed(const struct piece *p, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(p->signs, i, o) {
		const char *have = jsonio_str(o, "name");

		if (have && !strcmp(have, name))
			return true;
	}
	return false;
}

struct piece *piece_gone(const struct host *h, const char *path)
{
	size_t i;

	for (i = 0; i < h->piece_count; i++)
		if (piece_signed(h->pieces[i], "deleted") && piece_has_path(h->pieces[i], path))
			return h->pieces[i];
	return NULL;
}

/* Mapped libraries are met in every process; they must not crowd out what removal depends on. */
void piece_sight(struct piece *p, json_t *sighting)
{
	const char *how = jsonio_str(sighting, "how");
	bool mapped = how && !strcmp(how, "mapped");

	if (json_array_size(p->sightings) >= CAP_SIGHTINGS || (mapped && p->mapped >= CAP_SIGHTINGS / 2)) {
		json_decref(sighting);
		return;
	}
	p->mapped += mapped;
	json_array_append_new(p->sightings, sighting);
}

bool piece_part(struct piece *p, const char *name, int64_t offset, uint64_t size)
{
	struct part *part;
	size_t i;

	for (i = 0; i < p->part_count; i++)
		if (!strcmp(p->parts[i].name, name))
			return false;
	if (p->part_count >= CAP_PARTS)
		return false;
	p->parts = buf_realloc(p->parts, p->part_count + 1, sizeof(*p->parts));
	part = &p->parts[p->part_count++];
	snprintf(part->name, sizeof(part->name), "%s", name);
	part->offset = offset;
	part->size = size;
	return true;
}

json_t *piece_about(const struct piece *p)
{
	json_t *o = json_object();
	size_t i;

	json_object_set_new(o, "sha256", json_string(p->sha256));
	json_object_set_new(o, "kind", json_string(p->kind));
	json_object_set_new(o, "size", json_integer((json_int_t)p->size));
	json_object_set(o, "paths", p->paths);
	json_object_set(o, "sightings", p->sightings);
	json_object_set(o, "signs", p->signs);
	json_object_set_new(o, "score", json_real(p->score));
	for (i = 0; i < p->part_count; i++)
		if (!strcmp(p->parts[i].name, "body"))
			json_object_set_new(o, "body", json_string("collected"));
	if (json_array_size(p->memory))
		json_object_set(o, "memory", p->memory);
	if (p->history)
		json_object_set(o, "history", p->history);
	if (p->pages)
		json_object_update(o, p->pages);
	return o;
}

void piece_free(struct piece *p)
{
	if (!p)
		return;
	json_decref(p->paths);
	json_decref(p->sightings);
	json_decref(p->signs);
	json_decref(p->memory);
	json_decref(p->history);
	json_decref(p->pages);
	json_decref(p->placed);
	free(p->parts);
	free(p);
}
