/* The next index: what the old one had and still holds, and what this scan added. */
#include "known/cache-internal.h"

#include <stdlib.h>
#include <string.h>

#define HOUR (60 * 60)

static int by_inode(const void *a, const void *b)
{
	const struct cache_entry *x = a, *y = b;

	if (x->volume != y->volume)
		return x->volume < y->volume ? -1 : 1;
	return (x->ino > y->ino) - (x->ino < y->ino);
}

static int by_path(const void *a, const void *b)
{
	const struct cache_change *x = a, *y = b;

	return (x->path.path > y->path.path) - (x->path.path < y->path.path);
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static size_t sort(void *p, size_t n, size_t size, int (*order)(const void *, const void *))
{
	unsigned char *list = p;
	size_t i, kept = 0;

	if (n)
		qsort(p, n, size, order);
	for (i = 0; i < n; i++)   /* of equals, one */
		if (!kept || order(list + (kept - 1) * size, list + i * size)) {
			memmove(list + kept * size, list + i * size, size);
			kept++;
		}
	return kept;
}

static uint32_t aged(unsigned char fate, uint32_t age, bool ages)
{
	return fate == CACHE_SEEN ? 0 : age + ages;
}

/* Whether an old one with that fate and, now, that age stays, of which no more than `most` may. */
static bool stays(unsigned char fate, uint32_t age, uint64_t have, uint64_t most)
{
	return fate != CACHE_GONE && age <= CACHE_MAX_AGE && have < most;
}

static void add_facts(struct cache_entry *x, const char *facts, struct buf *text)
{
	x->facts = (uint32_t)text->len;
	if (x->facts_length && text->len + x->facts_length <= CACHE_MAX_TEXT)
		buf_add(text, facts, x->facts_length);
	else
		x->facts_length = 0;
}

static struct cache_entry *merge_entries(struct cache *c, bool ages, struct buf *text, uint64_t *count)
{
	uint64_t olds = c->old.header && c->same_stamp ? c->old.header->entries : 0, i = 0, k = 0, n = 0;
	uint64_t room = CACHE_MAX_ENTRIES - c->entry_count;
	struct cache_entry *out = buf_realloc(NULL, olds + c->entry_count + 1, sizeof(*out));

	while (i < olds || k < c->entry_count) {
		bool fresh = i == olds || (k < c->entry_count && by_inode(&c->entries[k], &c->old.entries[i]) <= 0);

		if (fresh) {
			i += i < olds && !by_inode(&c->entries[k], &c->old.entries[i]);
			out[n] = c->entries[k++];
			add_facts(&out[n], buf_str(&c->text) + out[n].facts, text);
			n++;
			continue;
		}
		out[n] = c->old.entries[i];
		out[n].age = aged(c->entry_fate[i], out[n].age, ages);
		if (stays(c->entry_fate[i], out[n].age, n, room + k)) {
			add_facts(&out[n], c->old.text + out[n].facts, text);
			n++;
		}
		i++;
	}
	*count = n;
	return out;
}

static struct cache_path *merge_paths(struct cache *c, bool ages, uint64_t *count, struct cache_past **pasts, uint64_t *past_count)
{
	uint64_t olds = c->old.header ? c->old.header->histories : 0, i = 0, k = 0, n = 0, p = 0;
	uint64_t room = CACHE_MAX_HISTORIES - c->path_count;
	struct cache_path *out = buf_realloc(NULL, olds + c->path_count + 1, sizeof(*out));

	*pasts = NULL;
	while (i < olds || k < c->path_count) {
		bool fresh = i == olds || (k < c->path_count && c->paths[k].path.path <= c->old.paths[i].path);
		const struct cache_past *before;

		if (fresh) {
			i += i < olds && c->old.paths[i].path == c->paths[k].path.path;
			out[n] = c->paths[k].path;
			before = c->paths[k++].before;
		} else {
			unsigned char fate = c->path_fate[i];

			out[n] = c->old.paths[i++];
			out[n].age = aged(fate, out[n].age, ages);
			if (!stays(fate, out[n].age, n, room + k))
				continue;
			before = out[n].changes ? c->old.pasts + out[n].past : NULL;
			if (fate == CACHE_SEEN) {
				out[n].seen = (uint32_t)c->now;
				out[n].streak = 0;
			}
		}
		if (out[n].changes && before) {
			if (!(p & (p - 1)))
				*pasts = buf_realloc(*pasts, p ? p * 2 * CACHE_BEFORE : CACHE_BEFORE, sizeof(**pasts));
			memcpy(*pasts + p * CACHE_BEFORE, before, CACHE_BEFORE * sizeof(**pasts));
			out[n].past = (uint32_t)(p++ * CACHE_BEFORE);
		}
		n++;
	}
	*count = n;
	*past_count = p * CACHE_BEFORE;
	return out;
}

static uint64_t *merge_no_code(struct cache *c, bool ages, uint64_t *count)
{
	uint64_t olds = c->old.header && c->same_stamp ? c->old.header->no_code : 0, i = 0, k = 0, n = 0;
	uint64_t room = CACHE_MAX_NO_CODE - c->no_code_count;
	uint64_t *out = buf_realloc(NULL, olds + c->no_code_count + 1, sizeof(*out));

	while (i < olds || k < c->no_code_count) {
		uint32_t age;

		if (i == olds || (k < c->no_code_count && c->no_code[k] >> 8 <= c->old.no_code[i] >> 8)) {
			i += i < olds && c->no_code[k] >> 8 == c->old.no_code[i] >> 8;
			out[n++] = c->no_code[k++];
			continue;
		}
		age = aged(c->no_code_fate[i], c->old.no_code[i] & 0xff, ages);
		if (stays(c->no_code_fate[i], age, n, room + k))
			out[n++] = (c->old.no_code[i] & ~(uint64_t)0xff) | age;
		i++;
	}
	*count = n;
	return out;
}

static bool any_gone(const unsigned char *fate, uint64_t n)
{
	return n && memchr(fate, CACHE_GONE, n);
}

/* Is there anything to write? What did not change is written once an hour, for it says when the last scan was. */
static bool news(const struct cache *c, bool ages)
{
	const struct cache_header *h = c->old.header;

	return !h || !c->same_stamp || ages || c->entry_count || c->path_count || c->no_code_count || any_gone(c->entry_fate, h->entries)
		|| any_gone(c->path_fate, h->histories) || any_gone(c->no_code_fate, h->no_code) || c->now - h->written >= HOUR
		|| c->now < h->written;
}

int cachemerge_write(struct cache *c, bool round, struct err *e)
{
	const struct cache_header *old = c->old.header;
	bool ages = old && round && (c->now - old->round >= CACHE_ROUND || c->now < old->round);
	struct cache_header h = { .written = c->now, .round = ages || !old ? c->now : old->round };
	struct cache_view v = { .header = &h };
	struct buf text = { 0 };
	struct cache_entry *entries;
	struct cache_path *paths;
	struct cache_past *pasts;
	uint64_t *no_code;
	int rc;

	if (!news(c, ages))
		return 0;
	memcpy(h.stamp, c->stamp, sizeof(h.stamp));
	c->entry_count = sort(c->entries, c->entry_count, sizeof(*c->entries), by_inode);
	c->path_count = sort(c->paths, c->path_count, sizeof(*c->paths), by_path);
	c->no_code_count = sort(c->no_code, c->no_code_count, sizeof(*c->no_code), by_value);
	v.entries = entries = merge_entries(c, ages, &text, &h.entries);
	v.paths = paths = merge_paths(c, ages, &h.histories, &pasts, &h.pasts);
	v.pasts = pasts;
	v.no_code = no_code = merge_no_code(c, ages, &h.no_code);
	v.text = buf_str(&text);
	h.text = text.len;
	rc = cachefile_write(c->file, &h, &v, e);
	c->counts.kept = h.entries;
	free(entries);
	free(paths);
	free(pasts);
	free(no_code);
	buf_free(&text);
	return rc;
}
