/*
 * commit: writes an index: a new file, which appears whole or not at all, or behind what a file has. There the slot is written
 * last, when all it speaks of is on the disk: until then the file says what it said before.
 */
#include "known/build.h"
#include "known/shards.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define YOUNGER 8u   /* a segment is this many times as large as all younger ones together, or is made one with them */

struct commit {
	struct build *b;
	int fd;
	uint64_t at, live;
	unsigned kept;                  /* segments of the older state that stay */
	struct shards made;
	bool has_made;
	unsigned char slot[FORMAT_SECTOR];
};

/* ---- the state ---- */

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, KNOWN_DIGEST);
}

/* In order, each once. */
static void sort_revoked(struct buf *r)
{
	size_t n = r->len / KNOWN_DIGEST, left = 0;

	if (!n)
		return;
	qsort(r->p, n, KNOWN_DIGEST, compare);
	for (size_t i = 0; i < n; i++)
		if (!left || compare(r->p + (left - 1) * KNOWN_DIGEST, r->p + i * KNOWN_DIGEST))
			memmove(r->p + left++ * KNOWN_DIGEST, r->p + i * KNOWN_DIGEST, KNOWN_DIGEST);
	r->len = left * KNOWN_DIGEST;
}

static void add64(struct buf *b, uint64_t v)
{
	unsigned char place[8];

	format_put64(place, v);
	buf_add(b, place, sizeof(place));
}

static void add_segment(struct buf *s, uint64_t offset, uint64_t size, uint64_t count, uint64_t names, uint64_t head_size,
                        const unsigned char *sum)
{
	add64(s, offset);
	add64(s, size);
	add64(s, count);
	add64(s, names);
	add64(s, head_size);
	add64(s, 0);
	buf_add(s, sum, KNOWN_DIGEST);
}

static int add_sources(const struct build *b, struct buf *s, struct buf *text, struct err *e)
{
	unsigned char place[4];

	buf_addc(text, '\0');
	for (size_t i = 0; i < sources_count(b->sources); i++) {
		const char *name = sources_name(b->sources, (uint32_t)i);

		if (text->len + strlen(name) + 1 > FORMAT_MAX_TEXT)
			return err_set(e, EX_DATAERR, "too many sources for one index");
		format_put32(place, (uint32_t)text->len);
		buf_add(s, place, sizeof(place));
		buf_add(text, name, strlen(name) + 1);
	}
	return 0;
}

/* Puts the state behind what is there, and the slot that speaks of it into c->slot. */
static int put_state(struct commit *c, struct err *e)
{
	const struct build *b = c->b;
	const struct index *x = b->extended;
	struct buf s = {0}, text = {0};
	unsigned char head[FORMAT_STATE] = {0};
	char hex[DIGEST_HEX];
	int rc = -1;

	format_put32(head + AT_SEGMENTS, c->kept + c->has_made);
	format_put32(head + AT_FROM, b->from);
	format_put64(head + AT_DPKG_TIME, (uint64_t)b->dpkg_time);
	format_put64(head + AT_LIVE, c->live);
	format_put64(head + AT_SOURCES, sources_count(b->sources));
	format_put64(head + AT_REVOKED, b->revoked.len / KNOWN_DIGEST);
	format_put64(head + AT_DELTA, b->delta);
	memcpy(head + AT_DELTA_SUM, b->delta_sum, sizeof(b->delta_sum));
	buf_add(&s, head, sizeof(head));
	for (unsigned i = 0; i < c->kept; i++) {
		const struct segment *k = &x->segments[i];

		add_segment(&s, k->offset, k->size, k->count, k->names, k->head_size, k->sum);
	}
	if (c->has_made)
		add_segment(&s, c->made.at, c->made.size, c->made.count, c->made.names, c->made.head_size, c->made.head_sum);
	if (add_sources(b, &s, &text, e) < 0)
		goto out;
	buf_add(&s, b->revoked.p ? b->revoked.p : (const void *)"", b->revoked.len);
	buf_add(&s, text.p, text.len);
	format_put64(s.p + AT_STATE_TEXT, text.len);
	digest_bytes(s.p, s.len, hex);
	if (shards_put(c->fd, s.p, s.len, c->at, e) < 0)
		goto out;
	memset(c->slot, 0, sizeof(c->slot));
	format_put64(c->slot + AT_GENERATION, x ? x->generation + 1 : 1);
	format_put64(c->slot + AT_CREATED, (uint64_t)b->created);
	format_put64(c->slot + AT_STATE, c->at);
	format_put64(c->slot + AT_STATE_SIZE, s.len);
	format_put64(c->slot + AT_END, c->at += s.len);
	digest_unhex(hex, c->slot + AT_STATE_SUM, KNOWN_DIGEST);
	state_seal(c->slot);
	rc = 0;
out:
	buf_free(&s);
	buf_free(&text);
	return rc;
}

/* The segment of what was gathered, at c->at. */
static int put_segment(struct commit *c, const struct index *older, struct err *e)
{
	struct build *b = c->b;
	const struct spread *spread;

	if (build_flush_text(b, e) < 0 || !(spread = spill_close(b->spill, e)))
		return -1;
	c->made = (struct shards){
		.spread = spread, .sources = b->sources, .kept = b->cut || spread_cut(spread) ? FORMAT_KEPT : KNOWN_DIGEST,
		.revoked = b->revoked.p, .revocations = b->revoked.len / KNOWN_DIGEST, .older = older, .text = b->text,
		.text_size = b->text_size, .fd = c->fd, .at = c->at,
	};
	if (shards_make(&c->made, e) < 0)
		return -1;
	c->has_made = true;
	c->at += c->made.size;
	return 0;
}

/* ---- a new file ---- */

static int put_new(struct commit *c, struct err *e)
{
	unsigned char page[FORMAT_PAGE] = {0};

	c->at = FORMAT_PAGE;
	memcpy(page + AT_MAGIC, format_magic, sizeof(format_magic));
	format_put32(page + AT_VERSION, FORMAT_VERSION);
	format_put32(page + AT_HEADER_SIZE, FORMAT_PAGE);
	memcpy(page + AT_ID, c->b->id, FORMAT_ID);
	state_seal(page);
	if (put_segment(c, NULL, e) < 0)
		return -1;
	c->live = c->made.count;
	if (put_state(c, e) < 0)
		return -1;
	memcpy(page + FORMAT_SECTOR, c->slot, FORMAT_SECTOR);
	return shards_put(c->fd, page, sizeof(page), 0, e);
}

static int write_new(struct commit *c, const char *path, struct err *e)
{
	struct atomic *a = atomic_open(path, 0644, false, e);

	if (!a)
		return -1;
	c->fd = atomic_fd(a);
	if (put_new(c, e) < 0) {
		atomic_abort(a);
		return -1;
	}
	return atomic_commit(a, e);
}

int build_finish_fd(struct build *b, int fd, uint64_t *count, struct err *e)
{
	struct commit c = {.b = b, .fd = fd};
	int rc;

	sort_revoked(&b->revoked);
	rc = put_new(&c, e);
	*count = c.live;
	build_abort(b);
	return rc;
}

/* ---- behind an old one ---- */

struct absorbing { struct build *b; struct err *e; };

static int absorb(void *ctx, const unsigned char *digest, const struct index_hit *hit)
{
	const struct absorbing *t = ctx;

	return build_take(t->b, digest, hit, t->e);
}

/* How many segments stay: none when all is to be written anew. */
static unsigned segments_kept(const struct build *b)
{
	const struct index *x = b->extended;
	uint64_t young = spill_count(b->spill), used = x->state_size;
	unsigned kept = x->n;

	while (young && kept && x->segments[kept - 1].count < YOUNGER * young)
		young += x->segments[--kept].count;
	for (unsigned i = 0; i < kept; i++)
		used += x->segments[i].size;
	/* What older commits left behind in the file. */
	if (x->end > 2 * used + MIB || kept == FORMAT_MAX_SEGMENTS)
		return 0;
	return kept;
}

/* Of those that were known, how many are revoked now. */
static uint64_t count_revoked(const struct build *b)
{
	uint64_t n = 0;

	for (size_t i = 0; i < b->revoked.len; i += KNOWN_DIGEST)
		n += index_find(b->extended, b->revoked.p + i, NULL);
	return n;
}

static int put_behind(struct commit *c, struct err *e)
{
	const struct index *x = c->b->extended;

	if (ftruncate(c->fd, (off_t)x->end) < 0)   /* what a killed one may have left */
		return err_sys(e, "cannot write the index");
	c->at = x->end;
	c->live = x->live - count_revoked(c->b);
	if (spill_count(c->b->spill)) {
		c->at = format_round(c->at, FORMAT_PAGE);
		if (put_segment(c, x, e) < 0)
			return -1;
		c->live += c->made.count - c->made.again;
	}
	if (put_state(c, e) < 0)
		return -1;
	return fdatasync(c->fd) < 0 ? err_sys(e, "cannot write the index") : 0;
}

static int write_behind(struct commit *c, struct err *e)
{
	const struct index *x = c->b->extended;

	if (put_behind(c, e) < 0) {
		if (ftruncate(c->fd, (off_t)x->end) < 0)
			msg_debug("what could not be written whole stays behind the index's end");
		return -1;
	}
	if (shards_put(c->fd, c->slot, sizeof(c->slot), (uint64_t)(2 - x->slot_number) * FORMAT_SECTOR, e) < 0)
		return -1;
	return fdatasync(c->fd) < 0 ? err_sys(e, "cannot write the index") : 0;
}

static int write_extended(struct commit *c, const char *path, struct err *e)
{
	struct build *b = c->b;
	struct absorbing t = {b, e};
	char *own = buf_printf("/proc/self/fd/%d", b->lock);
	int rc = -1;

	c->kept = strcmp(path, b->extended->path) ? 0 : segments_kept(b);
	/* Who may not write to the file may still put another one in its place. */
	if (c->kept && (c->fd = open(own, O_RDWR | O_CLOEXEC)) < 0)
		c->kept = 0;
	/* What is revoked alone makes no segment. */
	if ((!c->kept || spill_count(b->spill)) && index_walk(b->extended, c->kept, absorb, &t) < 0)
		goto out;
	if (!c->kept) {
		rc = write_new(c, path, e);
	} else {
		rc = write_behind(c, e);
		io_close(&c->fd);
	}
out:
	free(own);
	return rc;
}

int build_finish(struct build *b, const char *path, uint64_t *count, struct err *e)
{
	struct commit c = {.b = b, .fd = -1};
	int rc;

	sort_revoked(&b->revoked);
	rc = b->extended ? write_extended(&c, path, e) : write_new(&c, path, e);
	if (!rc && count)
		*count = c.live;
	build_abort(b);
	return rc;
}
