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
	p->pass = h->pass;
	h->pieces[h->piece_count++] = p;
	h->index[find_slot(h, sha256)] = h->piece_count;
	return p;
}

/* Room for one more of a list of n. */
static void *room(void *list, size_t n, size_t size)
{
	return n & (n - 1) ? list : buf_realloc(list, n ? n * 2 : 1, size);
}

bool piece_has_path(const struct piece *p, const char *path)
{
	size_t i;

	for (i = 0; i < p->path_count; i++)
		if (!strcmp(p->path[i], path))
			return true;
	return false;
}

bool piece_path(struct piece *p, const char *path)
{
	if (!*path || piece_has_path(p, path))
		return false;
	if (p->path_count < CAP_PATHS) {
		p->path = room(p->path, p->path_count, sizeof(*p->path));
		p->path[p->path_count++] = buf_strdup(path);
	}
	return true;
}

bool piece_placed(struct piece *p, uint64_t place)
{
	size_t i;

	for (i = 0; i < p->placed_count; i++)
		if (p->placed[i] == place)
			return true;
	if (p->placed_count < CAP_PATHS) {
		p->placed = room(p->placed, p->placed_count, sizeof(*p->placed));
		p->placed[p->placed_count++] = place;
	}
	return false;
}

void piece_sign(struct host *h, struct piece *p, const char *name, const char *fmt, ...)
{
	char reason[1024];
	va_list ap;
	char *text;

	(void)h;
	if (piece_signed(p, name))
		return;
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	text = buf_realloc(NULL, strlen(name) + strlen(reason) + 2, 1);
	memcpy(text, name, strlen(name) + 1);
	memcpy(text + strlen(name) + 1, reason, strlen(reason) + 1);
	p->sign = room(p->sign, p->sign_count, sizeof(*p->sign));
	p->sign[p->sign_count++] = text;
}

bool piece_signed(const struct piece *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->sign_count; i++)
		if (!strcmp(p->sign[i], name))
			return true;
	return false;
}

json_t *piece_signs(const struct host *h, const struct piece *p)
{
	json_t *signs = json_array();
	size_t i;

	for (i = 0; i < p->sign_count; i++)
		judge_add(h->judge, signs, p->sign[i], p->sign[i] + strlen(p->sign[i]) + 1);
	return signs;
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
	if (!p->sightings)
		p->sightings = json_array();
	json_array_append_new(p->sightings, sighting);
}

json_t *piece_memory(struct piece *p)
{
	if (!p->memory)
		p->memory = json_array();
	return p->memory;
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

static json_t *first_seen(const struct piece *p)
{
	char when[CLOCK_RFC3339];
	json_t *o = json_object();

	clock_rfc3339(p->since, when);
	json_object_set_new(o, "path", jsonio_name(p->path[0]));
	json_object_set_new(o, "since", json_string(when));
	json_object_set_new(o, "changes", json_integer(0));
	return o;
}

json_t *piece_about(const struct host *h, const struct piece *p)
{
	json_t *o = json_object(), *paths = json_array();
	size_t i;

	for (i = 0; i < p->path_count; i++)
		json_array_append_new(paths, jsonio_name(p->path[i]));

	json_object_set_new(o, "sha256", json_string(p->sha256));
	json_object_set_new(o, "kind", json_string(p->kind));
	json_object_set_new(o, "size", json_integer((json_int_t)p->size));
	json_object_set_new(o, "paths", paths);
	if (p->sightings)
		json_object_set(o, "sightings", p->sightings);
	else
		json_object_set_new(o, "sightings", json_array());
	json_object_set_new(o, "signs", piece_signs(h, p));
	json_object_set_new(o, "score", json_real(p->score));
	for (i = 0; i < p->part_count; i++)
		if (!strcmp(p->parts[i].name, "body"))
			json_object_set_new(o, "body", json_string("collected"));
	if (json_array_size(p->memory))
		json_object_set(o, "memory", p->memory);
	if (p->history)
		json_object_set(o, "history", p->history);
	else if (p->since && p->path_count)
		json_object_set_new(o, "history", first_seen(p));
	if (p->pages)
		json_object_update(o, p->pages);
	return o;
}

static void free_all(char **list, size_t n)
{
	while (n)
		free(list[--n]);
	free(list);
}

void piece_free(struct piece *p)
{
	if (!p)
		return;
	free_all(p->path, p->path_count);
	free_all(p->sign, p->sign_count);
	free(p->placed);
	json_decref(p->sightings);
	json_decref(p->memory);
	json_decref(p->history);
	json_decref(p->pages);
	free(p->parts);
	free(p);
}
