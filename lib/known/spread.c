#include "known/spread.h"
#include "known/known-format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define BLOCK 8192u                        /* of a part: 8 MiB for all, and whole pages in the file */
#define QUEUE 128u                         /* full blocks that are written at once: 1 MiB */
#define BLOCKS (SPREAD_PARTS + QUEUE)
#define PART_MOST ((uint64_t)1 << 23)      /* twice what a part of the largest index has */

/* Rows of one form: the digest's bytes, the number of the source, the place of the name where there are names. */
enum { FORM_CUT = 1, FORM_NAMES = 2 };
struct chunk { uint64_t at; uint32_t count; unsigned form; };
struct part {
	unsigned char *block;           /* or NULL */
	uint32_t rows;                  /* in it */
	unsigned form;                  /* theirs */
	uint64_t count;                 /* of the chunks */
	struct chunk *chunks;
	size_t n, cap;
};

struct spread {
	int fd;
	uint64_t end, count;
	unsigned form;                  /* of the next row */
	unsigned char *blocks, *spare[BLOCKS], *queue[QUEUE];
	struct iovec iov[QUEUE];        /* of the queue */
	size_t spares, queued;
	struct part parts[SPREAD_PARTS];
};

struct spread *spread_new(struct err *e)
{
	struct spread *s = buf_alloc(sizeof(*s));
	void *p;

	if ((s->fd = io_tmp(e)) < 0)
		goto fail;
	/* Few digests touch little of it. */
	p = mmap(NULL, (size_t)BLOCKS * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		err_sys(e, "no memory for digests");
		goto fail;
	}
	s->blocks = p;
	for (size_t i = BLOCKS; i--;)
		s->spare[s->spares++] = s->blocks + i * BLOCK;
	return s;
fail:
	spread_free(s);
	return NULL;
}

void spread_many(struct spread *s)
{
	/* A thousand places are written to in turn: more pages than the processor's tables hold, if they are small ones. */
	if (s->blocks && madvise(s->blocks, (size_t)BLOCKS * BLOCK, MADV_HUGEPAGE) < 0)
		msg_debug("no large pages for digests");
}

static void free_blocks(struct spread *s)
{
	if (s->blocks)
		munmap(s->blocks, (size_t)BLOCKS * BLOCK);
	s->blocks = NULL;
}

void spread_free(struct spread *s)
{
	if (!s)
		return;
	free_blocks(s);
	for (struct part *t = s->parts; t < s->parts + SPREAD_PARTS; t++)
		free(t->chunks);
	io_close(&s->fd);
	free(s);
}

uint64_t spread_count(const struct spread *s)
{
	return s->count;
}

bool spread_cut(const struct spread *s)
{
	return s->form & FORM_CUT;
}

uint64_t spread_part_count(const struct spread *s, uint32_t part)
{
	return s->parts[part].count + s->parts[part].rows;
}

/* ---- rows ---- */

static inline size_t row_size(unsigned form)
{
	return (form & FORM_CUT ? FORMAT_KEPT : KNOWN_DIGEST) + (form & FORM_NAMES ? 2 : 1) * sizeof(uint32_t);
}

/* With a form that is a constant where it is called: copies of a constant size are a few instructions. */
static inline void put_row(unsigned char *to, const struct entry *n, unsigned form)
{
	size_t kept = form & FORM_CUT ? FORMAT_KEPT : KNOWN_DIGEST;

	memcpy(to, n->digest, kept);
	memcpy(to + kept, &n->source, row_size(form) - kept);   /* and the name behind it */
}

static inline void get_rows(const unsigned char *from, size_t n, struct entry *to, unsigned form, unsigned cut)
{
	size_t kept = form & FORM_CUT ? FORMAT_KEPT : KNOWN_DIGEST;

	for (size_t i = 0; i < n; i++, from += row_size(form), to++) {
		to->name = FORMAT_NO_NAME;
		memcpy(to->digest, from, kept);
		memcpy(&to->source, from + kept, row_size(form) - kept);
		if (form & FORM_CUT || cut)
			memset(to->digest + FORMAT_KEPT, 0, KNOWN_DIGEST - FORMAT_KEPT);
	}
}

static void get_chunk(const unsigned char *from, const struct chunk *c, struct entry *to, unsigned kept)
{
	unsigned cut = kept < KNOWN_DIGEST;

	switch (c->form) {
	case 0:
		get_rows(from, c->count, to, 0, cut);
		break;
	case FORM_CUT:
		get_rows(from, c->count, to, FORM_CUT, cut);
		break;
	case FORM_NAMES:
		get_rows(from, c->count, to, FORM_NAMES, cut);
		break;
	default:
		get_rows(from, c->count, to, FORM_CUT | FORM_NAMES, cut);
	}
}

/* ---- blocks ---- */

static int write_queue(struct spread *s, struct err *e)
{
	struct iovec *v = s->iov;
	size_t left = s->queued;

	while (left) {
		ssize_t n = writev(s->fd, v, (int)left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, "cannot write a temporary file");
		for (; left && (size_t)n >= v->iov_len; v++, left--)
			n -= (ssize_t)v->iov_len;
		if (left) {
			v->iov_base = (unsigned char *)v->iov_base + n;
			v->iov_len -= (size_t)n;
		}
	}
	while (s->queued)
		s->spare[s->spares++] = s->queue[--s->queued];
	return 0;
}

/* A part's block is to be written: whole, so that the file's pages are, or only what is in it. */
static int put_block(struct spread *s, struct part *t, bool whole, struct err *e)
{
	size_t size = whole ? BLOCK : t->rows * row_size(t->form);

	if (!t->rows)
		return 0;
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 16;
		t->chunks = buf_realloc(t->chunks, t->cap, sizeof(*t->chunks));
	}
	t->chunks[t->n++] = (struct chunk){s->end, t->rows, t->form};
	t->count += t->rows;
	t->rows = 0;
	s->end += size;
	s->iov[s->queued] = (struct iovec){t->block, size};
	s->queue[s->queued++] = t->block;
	t->block = NULL;
	return s->queued == QUEUE ? write_queue(s, e) : 0;
}

int spread_load(const struct spread *s, uint32_t part, struct entry *to, unsigned kept, struct err *e)
{
	const struct part *t = &s->parts[part];
	unsigned char block[BLOCK];

	for (size_t i = 0; i < t->n; to += t->chunks[i++].count) {
		const struct chunk *c = &t->chunks[i];
		ssize_t n, size = (ssize_t)(c->count * row_size(c->form));

		do
			n = pread(s->fd, block, (size_t)size, (off_t)c->at);
		while (n < 0 && errno == EINTR);
		if (n != size)
			return err_sys(e, "cannot read a temporary file");
		get_chunk(block, c, to, kept);
	}
	return 0;
}

int spread_close(struct spread *s, struct err *e)
{
	for (struct part *t = s->parts; t < s->parts + SPREAD_PARTS; t++)
		if (put_block(s, t, false, e) < 0)
			return -1;
	if (write_queue(s, e) < 0)
		return -1;
	free_blocks(s);
	return 0;
}

/* ---- adding ---- */

static void add_row(struct spread *s, struct part *t, const struct entry *n)
{
	unsigned char *to;

	if (!t->block) {
		t->block = s->spare[--s->spares];
		t->form = s->form;
	}
	to = t->block + t->rows++ * row_size(t->form);
	switch (t->form) {
	case 0:
		put_row(to, n, 0);
		break;
	case FORM_CUT:
		put_row(to, n, FORM_CUT);
		break;
	case FORM_NAMES:
		put_row(to, n, FORM_NAMES);
		break;
	default:
		put_row(to, n, FORM_CUT | FORM_NAMES);
	}
}

static bool full(const struct spread *s, const struct part *t)
{
	return t->block && (t->form != s->form || (t->rows + 1) * row_size(t->form) > BLOCK);
}

/* A part that grows beyond all measure: of what was added many times, one stays. */
static int thin(struct spread *s, uint32_t part, struct err *e)
{
	struct part *t = &s->parts[part];
	size_t n = (size_t)t->count, left = 0;
	struct entry *all = buf_realloc(NULL, n, sizeof(*all)), *work = buf_realloc(NULL, n, sizeof(*work));
	int rc = -1;

	if (write_queue(s, e) < 0 || spread_load(s, part, work, KNOWN_DIGEST, e) < 0)
		goto out;
	spread_sort(work, all, n, 0);
	for (size_t i = 0; i < n; i++)
		if (!left || memcmp(all[i].digest, all[left - 1].digest, KNOWN_DIGEST) || all[i].source != all[left - 1].source)
			all[left++] = all[i];
	if (left > PART_MOST / 2) {
		err_set(e, EX_DATAERR, "%zu digests begin with the same %u bits: they are not SHA-256 of files", left, SPREAD_BITS);
		goto out;
	}
	t->n = 0;
	t->count = 0;
	s->count -= n - left;
	for (size_t i = 0; i < left; i++) {
		if (full(s, t) && put_block(s, t, true, e) < 0)
			goto out;
		add_row(s, t, &all[i]);
	}
	rc = 0;
out:
	free(all);
	free(work);
	return rc;
}

static int make_room(struct spread *s, uint32_t part, struct err *e)
{
	struct part *t = &s->parts[part];

	if (put_block(s, t, true, e) < 0)
		return -1;
	return t->count >= PART_MOST ? thin(s, part, e) : 0;
}

int spread_add(struct spread *s, const struct entry *p, size_t n, struct err *e)
{
	for (; n; n--, p++) {
		uint32_t part = (uint32_t)p->digest[0] << 2 | p->digest[1] >> 6;

		if (s->count == FORMAT_MAX_COUNT)
			return err_set(e, EX_DATAERR, "too many digests for one index");
		if (++s->count > FORMAT_WHOLE)
			s->form |= FORM_CUT;
		if (p->name != FORMAT_NO_NAME)
			s->form |= FORM_NAMES;
		if (full(s, &s->parts[part]) && make_room(s, part, e) < 0)
			return -1;
		add_row(s, &s->parts[part], p);
	}
	return 0;
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
		struct entry t;
		size_t k = i;

		if (order(&p[i - 1], &p[i]) <= 0)
			continue;
		t = p[i];
		for (; k && order(&t, &p[k - 1]) < 0; k--)
			p[k] = p[k - 1];
		p[k] = t;
	}
}

/* Digests are uniform: one pass spreads them over about as many places as they are, and few share one. */
void spread_sort(const struct entry *from, struct entry *to, size_t n, unsigned skip)
{
	unsigned bits = 0;
	uint32_t *at;

	while (bits < 22 && ((size_t)2 << bits) < n)
		bits++;
	at = buf_alloc((((size_t)1 << bits) + 1) * sizeof(*at));
	for (size_t i = 0; i < n; i++)
		at[format_bits(format_key(from[i].digest), skip, bits) + 1]++;
	for (size_t i = 1; i <= (size_t)1 << bits; i++)
		at[i] += at[i - 1];
	for (size_t i = 0; i < n; i++)
		to[at[format_bits(format_key(from[i].digest), skip, bits)]++] = from[i];
	/* at[i] is the end of place i now */
	for (size_t i = 0, begin = 0; i < (size_t)1 << bits; begin = at[i++])
		sort_few(to + begin, at[i] - begin);
	free(at);
}
