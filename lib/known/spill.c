#include "known/spill.h"
#include "known/known-format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM 400u                          /* entries of a part in memory: 16 MiB for all parts */
#define PART_MOST ((uint64_t)1 << 23)      /* twice what a part of the largest index has */

struct chunk { off_t at; uint32_t count; bool cut, names; };
struct part {
	struct entry *p;                /* ROOM of them, or NULL */
	size_t len;
	uint64_t count;                 /* with those written */
	struct chunk *chunks;
	size_t n, cap;
};
struct spill {
	int fd;
	off_t end;
	uint64_t count;
	bool cut;
	struct part parts[SPILL_PARTS];
};

struct spill *spill_new(struct err *e)
{
	struct spill *s = buf_alloc(sizeof(*s));

	if ((s->fd = io_tmp(e)) < 0) {
		spill_free(s);
		return NULL;
	}
	return s;
}

uint64_t spill_count(const struct spill *s)
{
	return s->count;
}

bool spill_cut(const struct spill *s)
{
	return s->cut;
}

uint64_t spill_part_count(const struct spill *s, uint32_t part)
{
	return s->parts[part].count;
}

/* ---- chunks: the digests' bytes, the numbers of sources, the places of names where there is one ---- */

static size_t row_size(const struct chunk *c)
{
	return (c->cut ? FORMAT_KEPT : KNOWN_DIGEST) + sizeof(uint32_t) * (c->names ? 2 : 1);
}

static int write_chunk(struct spill *s, struct part *t, const struct entry *p, size_t count, struct err *e)
{
	struct chunk c = {.at = s->end, .count = (uint32_t)count, .cut = s->cut};
	unsigned char block[ROOM * sizeof(struct entry)], *to = block;

	for (size_t i = 0; i < count; i++)
		c.names |= p[i].name != FORMAT_NO_NAME;
	for (size_t i = 0; i < count; i++, to += row_size(&c)) {
		size_t kept = c.cut ? FORMAT_KEPT : KNOWN_DIGEST;

		memcpy(to, p[i].digest, kept);
		memcpy(to + kept, &p[i].source, row_size(&c) - kept);   /* and the name behind it */
	}
	if (io_write(s->fd, block, (size_t)(to - block)) < 0)
		return err_sys(e, "cannot write a temporary file");
	s->end += to - block;
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 16;
		t->chunks = buf_realloc(t->chunks, t->cap, sizeof(*t->chunks));
	}
	t->chunks[t->n++] = c;
	return 0;
}

static int read_chunk(const struct spill *s, const struct chunk *c, struct entry *to, struct err *e)
{
	unsigned char block[ROOM * sizeof(struct entry)];
	size_t row = row_size(c), kept = c->cut ? FORMAT_KEPT : KNOWN_DIGEST;
	ssize_t n;

	do
		n = pread(s->fd, block, row * c->count, c->at);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)(row * c->count))
		return err_sys(e, "cannot read a temporary file");
	for (size_t i = 0; i < c->count; i++, to++) {
		memset(to, 0, sizeof(*to));
		memcpy(to->digest, block + i * row, kept);
		memcpy(&to->source, block + i * row + kept, row - kept);
	}
	return 0;
}

int spill_load(const struct spill *s, uint32_t part, struct entry *to, struct err *e)
{
	const struct part *t = &s->parts[part];

	for (size_t i = 0; i < t->n; to += t->chunks[i++].count)
		if (read_chunk(s, &t->chunks[i], to, e) < 0)
			return -1;
	return 0;
}

/* ---- adding ---- */

static int flush(struct spill *s, struct part *t, struct err *e)
{
	size_t n = t->len;

	t->len = 0;
	return n ? write_chunk(s, t, t->p, n, e) : 0;
}

/* A part that grows beyond all measure: of what was added many times, one stays. */
static int thin(struct spill *s, uint32_t part, struct err *e)
{
	struct part *t = &s->parts[part];
	size_t n = (size_t)t->count, left = 0;
	struct entry *all = buf_realloc(NULL, n, sizeof(*all)), *work = buf_realloc(NULL, n, sizeof(*work));
	int rc = -1;

	if (flush(s, t, e) < 0 || spill_load(s, part, all, e) < 0)
		goto out;
	spill_sort(all, work, n, 0);
	for (size_t i = 0; i < n; i++)
		if (!left || memcmp(all[i].digest, all[left - 1].digest, KNOWN_DIGEST) || all[i].source != all[left - 1].source)
			all[left++] = all[i];
	if (left > PART_MOST / 2) {
		err_set(e, EX_DATAERR, "%zu digests begin with the same %u bits: they are not SHA-256 of files", left, SPILL_BITS);
		goto out;
	}
	t->n = 0;
	s->count -= n - left;
	t->count = left;
	for (size_t i = 0; i < left; i += ROOM)
		if (write_chunk(s, t, all + i, left - i < ROOM ? left - i : ROOM, e) < 0)
			goto out;
	rc = 0;
out:
	free(all);
	free(work);
	return rc;
}

int spill_add(struct spill *s, const struct entry *n, struct err *e)
{
	uint32_t part = (uint32_t)n->digest[0] << 2 | n->digest[1] >> 6;
	struct part *t = &s->parts[part];

	if (t->len == ROOM && flush(s, t, e) < 0)
		return -1;
	if (t->count == PART_MOST && thin(s, part, e) < 0)
		return -1;
	if (s->count == FORMAT_MAX_COUNT)
		return err_set(e, EX_DATAERR, "too many digests for one index");
	if (!t->p)
		t->p = buf_realloc(NULL, ROOM, sizeof(*t->p));
	t->p[t->len++] = *n;
	t->count++;
	if (++s->count > FORMAT_WHOLE)
		s->cut = true;
	return 0;
}

int spill_close(struct spill *s, struct err *e)
{
	for (struct part *t = s->parts; t < s->parts + SPILL_PARTS; t++) {
		if (flush(s, t, e) < 0)
			return -1;
		free(t->p);
		t->p = NULL;
	}
	return 0;
}

void spill_free(struct spill *s)
{
	if (!s)
		return;
	for (struct part *t = s->parts; t < s->parts + SPILL_PARTS; t++) {
		free(t->p);
		free(t->chunks);
	}
	io_close(&s->fd);
	free(s);
}

/* ---- sorting ---- */

static int order(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;
	uint64_t ka = format_key(a->digest), kb = format_key(b->digest);
	int c;

	if (ka != kb)
		return ka < kb ? -1 : 1;
	c = memcmp(a->digest, b->digest, KNOWN_DIGEST);
	if (c)
		return c;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	return a->name < b->name ? -1 : a->name > b->name;
}

static void sort_few(struct entry *p, size_t n)
{
	if (n > 24) {
		qsort(p, n, sizeof(*p), order);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		struct entry t = p[i];
		size_t k = i;

		for (; k && order(&t, &p[k - 1]) < 0; k--)
			p[k] = p[k - 1];
		p[k] = t;
	}
}

/* Digests are uniform: one pass spreads them over as many places as they are, and few share one. */
void spill_sort(struct entry *p, struct entry *work, size_t n, unsigned skip)
{
	unsigned bits = 0;
	uint32_t *at;

	while (bits < 22 && ((size_t)4 << bits) < n)
		bits++;
	at = buf_alloc((((size_t)1 << bits) + 1) * sizeof(*at));
	for (size_t i = 0; i < n; i++)
		at[format_bits(format_key(p[i].digest), skip, bits) + 1]++;
	for (size_t i = 1; i <= (size_t)1 << bits; i++)
		at[i] += at[i - 1];
	for (size_t i = 0; i < n; i++)
		work[at[format_bits(format_key(p[i].digest), skip, bits)]++] = p[i];
	memcpy(p, work, n * sizeof(*p));
	/* at[i] is the end of place i now */
	for (size_t i = 0, from = 0; i < (size_t)1 << bits; from = at[i++])
		sort_few(p + from, at[i] - from);
	free(at);
}
