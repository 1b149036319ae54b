/* build: makes an index. Entries are sorted in runs of a million, spilled to unnamed files and merged: memory stays bounded. */
#include "known/known.h"
#include "known/known-format.h"
#include "known/sources.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_ENTRIES ((size_t)1 << 20)   /* 40 MiB in memory */
#define MAX_RUNS 4096u                  /* one descriptor carries them all: this bounds the merge's memory */
#define MERGE_ENTRIES 512u              /* read ahead of each run */

struct entry {
	unsigned char digest[KNOWN_DIGEST];
	uint32_t source, name;
};

struct run {
	off_t at, end;                  /* of what is still to be read, in the spill file */
	struct entry *p;
	size_t len, next;
};

/* The numbers here of the members of a source of another index; none: it is left behind. */
struct vouchers { uint32_t *number; size_t count; };

struct build {
	struct entry *entries;
	size_t len;
	int spill, text;                /* unnamed files */
	off_t spilled;
	struct run runs[MAX_RUNS];
	size_t n_runs;
	struct buf text_tail;           /* not yet written to text */
	uint64_t text_size;
	struct sources *sources;
	const struct index *base;       /* what it has from the same source is not added again */
	struct vouchers *base_vouchers; /* of each of its sources */
	uint64_t base_sources;
	unsigned from;
	int64_t created, dpkg_time;
	bool names_full;
};

struct build *build_new(struct err *e)
{
	struct build *b = buf_alloc(sizeof(*b));

	b->spill = b->text = -1;
	b->created = clock_now();
	b->sources = sources_new();
	if ((b->spill = io_tmp(e)) < 0 || (b->text = io_tmp(e)) < 0) {
		build_abort(b);
		return NULL;
	}
	b->entries = buf_alloc(RUN_ENTRIES * sizeof(*b->entries));
	buf_addc(&b->text_tail, '\0');   /* offset 0 is the empty text */
	b->text_size = 1;
	return b;
}

static int flush_text(struct build *b, struct err *e)
{
	if (io_write(b->text, b->text_tail.p, b->text_tail.len) < 0)
		return err_sys(e, "cannot write a temporary file");
	buf_clear(&b->text_tail);
	return 0;
}

/* 1 when there is no room left. */
static int add_text(struct build *b, const char *s, uint32_t *offset, struct err *e)
{
	size_t n = strlen(s) + 1;

	if (b->text_size + n > FORMAT_MAX_TEXT)
		return 1;
	*offset = (uint32_t)b->text_size;
	buf_add(&b->text_tail, s, n);
	b->text_size += n;
	return b->text_tail.len >= MIB ? flush_text(b, e) : 0;
}

int build_source(struct build *b, const char *name, uint32_t *source, struct err *e)
{
	return sources_number(b->sources, name, source, e);
}

static int order(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;
	int c = memcmp(a->digest, b->digest, KNOWN_DIGEST);

	if (c)
		return c;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	return a->name < b->name ? -1 : a->name > b->name;
}

static int spill_run(struct build *b, struct err *e)
{
	struct run *r;

	if (!b->len)
		return 0;
	if (b->n_runs == MAX_RUNS)
		return err_set(e, EX_DATAERR, "too many digests for one index");
	qsort(b->entries, b->len, sizeof(*b->entries), order);
	if (io_write(b->spill, b->entries, b->len * sizeof(*b->entries)) < 0)
		return err_sys(e, "cannot write a temporary file");
	r = &b->runs[b->n_runs++];
	r->at = b->spilled;
	r->end = b->spilled += (off_t)(b->len * sizeof(*b->entries));
	b->len = 0;
	return 0;
}

/* Whether the index that was added has the digest from this source. */
static bool in_base(const struct build *b, const unsigned char *digest, uint32_t source)
{
	struct index_hit hit;

	if (!b->base || !index_find(b->base, digest, &hit) || hit.number >= index_sources(b->base))
		return false;
	for (size_t i = 0; i < b->base_vouchers[hit.number].count; i++)
		if (b->base_vouchers[hit.number].number[i] == source)
			return true;
	return false;
}

int build_add(struct build *b, const unsigned char digest[KNOWN_DIGEST], uint32_t source, const char *name, struct err *e)
{
	struct entry *n;
	uint32_t at = FORMAT_NO_NAME;

	if (in_base(b, digest, source))
		return 0;
	if (b->len == RUN_ENTRIES && spill_run(b, e) < 0)
		return -1;
	if (name && *name) {
		int rc = add_text(b, name, &at, e);

		if (rc < 0)
			return -1;
		if (rc && !b->names_full) {
			msg_warn("the index holds no more than 4 GiB of names; further digests have none");
			b->names_full = true;
		}
	}
	n = &b->entries[b->len++];
	memcpy(n->digest, digest, KNOWN_DIGEST);
	n->source = source;
	n->name = at;
	return 0;
}

/* What each member of a set is called from now on. */
static int rename_set(struct build *b, const char *set, build_rename_fn *fn, void *ctx, struct vouchers *v, struct err *e)
{
	const char *name;
	size_t len;

	while (source_next(&set, &name, &len)) {
		struct buf old = {0}, new = {0};
		uint32_t number;
		bool twice = false;
		int rc = 0;

		buf_add(&old, name, len);
		if (!fn || fn(ctx, buf_str(&old), &new)) {
			rc = sources_number(b->sources, new.len ? buf_str(&new) : buf_str(&old), &number, e);
			for (size_t i = 0; !rc && i < v->count; i++)
				twice |= v->number[i] == number;
			if (!rc && !twice) {
				v->number = buf_realloc(v->number, v->count + 1, sizeof(*v->number));
				v->number[v->count++] = number;
			}
		}
		buf_free(&old);
		buf_free(&new);
		if (rc < 0)
			return -1;
	}
	return 0;
}

int build_add_index(struct build *b, const struct index *x, build_rename_fn *fn, void *ctx, struct err *e)
{
	struct vouchers *v = b->base_vouchers = buf_alloc((index_sources(x) + 1) * sizeof(*v));

	b->base_sources = index_sources(x);
	for (uint64_t i = 0; i < index_sources(x); i++)
		if (rename_set(b, index_source(x, i), fn, ctx, &v[i], e) < 0)
			return -1;
	for (uint64_t i = 0; i < index_count(x); i++) {
		struct index_hit hit;
		const unsigned char *digest = index_get(x, i, &hit);

		if (hit.number >= index_sources(x))
			return err_set(e, EX_DATAERR, "the whitelist index is damaged: an entry without a source");
		for (size_t k = 0; k < v[hit.number].count; k++)
			if (build_add(b, digest, v[hit.number].number[k], hit.name, e) < 0)
				return -1;
	}
	b->base = x;
	b->from |= index_from(x);
	if (index_dpkg_time(x) > b->dpkg_time)
		b->dpkg_time = index_dpkg_time(x);
	return 0;
}

void build_from(struct build *b, unsigned from, int64_t when)
{
	b->from |= from;
	if ((from & KNOWN_FROM_DPKG) && when > b->dpkg_time)
		b->dpkg_time = when;
}

/* ---- merging ---- */

static int refill(struct build *b, struct run *r, struct err *e)
{
	size_t want = MERGE_ENTRIES * sizeof(*r->p);
	ssize_t n;

	if ((off_t)want > r->end - r->at)
		want = (size_t)(r->end - r->at);
	r->next = r->len = 0;
	if (!want)
		return 0;
	if (!r->p)
		r->p = buf_alloc(MERGE_ENTRIES * sizeof(*r->p));
	do
		n = pread(b->spill, r->p, want, r->at);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)want)
		return err_sys(e, "cannot read a temporary file");
	r->at += n;
	r->len = want / sizeof(*r->p);
	return 0;
}

static const struct entry *head(const struct run *r)
{
	return &r->p[r->next];
}

static void sift(struct run **heap, size_t n, size_t i)
{
	for (;;) {
		size_t least = i, l = 2 * i + 1;

		for (size_t c = l; c < l + 2 && c < n; c++)
			if (order(head(heap[c]), head(heap[least])) < 0)
				least = c;
		if (least == i)
			return;
		struct run *t = heap[i];

		heap[i] = heap[least];
		heap[least] = t;
		i = least;
	}
}

struct output {
	int fd;
	struct buf b;
	struct digest *sum;
	uint64_t size;
};

static int put(struct output *o, const void *p, size_t n, struct err *e)
{
	if (p) {
		buf_add(&o->b, p, n);
		digest_add(o->sum, p, n);
		o->size += n;
	}
	if (o->b.len >= MIB || !p) {
		if (io_write(o->fd, o->b.p, o->b.len) < 0)
			return err_sys(e, "cannot write the index");
		buf_clear(&o->b);
	}
	return 0;
}

/* One digest, and who vouches for it. */
struct merged {
	unsigned char digest[KNOWN_DIGEST];
	uint32_t name, source[CAP_VOUCHERS];
	size_t sources;
	uint64_t count;                 /* of digests before and with it */
};

static int flush_records(int records, struct buf *tail, struct err *e)
{
	if (io_write(records, tail->p, tail->len) < 0)
		return err_sys(e, "cannot write a temporary file");
	buf_clear(tail);
	return 0;
}

static int put_merged(struct build *b, const struct merged *m, struct output *out, int records, struct buf *tail, struct err *e)
{
	unsigned char record[FORMAT_RECORD];
	uint32_t source;

	if (!m->count)
		return 0;
	if (sources_set(b->sources, m->source, m->sources, &source, e) < 0)
		return -1;
	format_put32(record, source);
	format_put32(record + 4, m->name);
	buf_add(tail, record, sizeof(record));
	if (!(m->count & 0xfffff))
		progress("merge", m->count, 0);
	if (put(out, m->digest, KNOWN_DIGEST, e) < 0)
		return -1;
	return tail->len >= MIB ? flush_records(records, tail, e) : 0;
}

/* Entries come in order, those of one digest by the number of their source. */
static int merge_entry(struct build *b, const struct entry *t, struct merged *m, struct output *out, int records, struct buf *tail,
                       struct err *e)
{
	if (m->count && !memcmp(t->digest, m->digest, KNOWN_DIGEST)) {
		if (m->source[m->sources - 1] != t->source && m->sources < CAP_VOUCHERS)
			m->source[m->sources++] = t->source;
		return 0;
	}
	if (put_merged(b, m, out, records, tail, e) < 0)
		return -1;
	memcpy(m->digest, t->digest, KNOWN_DIGEST);
	m->source[0] = t->source;
	m->sources = 1;
	m->name = t->name;
	m->count++;
	return 0;
}

/* Writes the digests in order, each once, to out; what belongs to them to the file records. */
static int merge(struct build *b, struct output *out, int records, uint64_t *count, struct err *e)
{
	struct run **heap = buf_realloc(NULL, b->n_runs + 1, sizeof(struct run *));
	struct merged m = {.count = 0};
	struct buf tail = {0};
	size_t n = 0;
	int rc = -1;

	for (size_t i = 0; i < b->n_runs; i++) {
		if (refill(b, &b->runs[i], e) < 0)
			goto out;
		heap[n++] = &b->runs[i];
	}
	for (size_t i = n / 2; i-- > 0;)
		sift(heap, n, i);
	while (n) {
		if (merge_entry(b, head(heap[0]), &m, out, records, &tail, e) < 0)
			goto out;
		if (++heap[0]->next == heap[0]->len) {
			if (refill(b, heap[0], e) < 0)
				goto out;
			if (!heap[0]->len)
				heap[0] = heap[--n];
		}
		if (n)
			sift(heap, n, 0);
	}
	rc = put_merged(b, &m, out, records, &tail, e) < 0 || flush_records(records, &tail, e) < 0 ? -1 : 0;
	*count = m.count;
out:
	progress_end();
	buf_free(&tail);
	free(heap);
	return rc;
}

/* The names of the sources into the text, and where they stand there. */
static int put_sources(struct build *b, struct output *o, struct err *e)
{
	unsigned char place[4];

	for (size_t i = 0; i < sources_count(b->sources); i++) {
		uint32_t offset = 0;
		int rc = add_text(b, sources_name(b->sources, (uint32_t)i), &offset, e);

		if (rc)
			return rc < 0 ? -1 : err_set(e, EX_DATAERR, "too many sources for one index");
		format_put32(place, offset);
		if (put(o, place, sizeof(place), e) < 0)
			return -1;
	}
	return flush_text(b, e);
}

static int put_file(struct output *o, int fd, struct err *e)
{
	unsigned char block[65536];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, block, sizeof(block), at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "cannot read a temporary file");
		if (put(o, block, (size_t)n, e) < 0)
			return -1;
		at += n;
	}
	return 0;
}

static int put_header(struct build *b, struct output *o, uint64_t count, struct err *e)
{
	unsigned char h[FORMAT_HEADER] = {0};
	char hex[DIGEST_HEX];
	size_t done = 0;

	memcpy(h + AT_MAGIC, format_magic, sizeof(format_magic));
	format_put32(h + AT_VERSION, FORMAT_VERSION);
	format_put32(h + AT_HEADER_SIZE, FORMAT_HEADER);
	format_put64(h + AT_FILE_SIZE, o->size + FORMAT_HEADER);
	format_put64(h + AT_COUNT, count);
	format_put64(h + AT_SOURCES, sources_count(b->sources));
	format_put64(h + AT_TEXT, b->text_size);
	format_put64(h + AT_CREATED, (uint64_t)b->created);
	format_put64(h + AT_DPKG_TIME, (uint64_t)b->dpkg_time);
	format_put32(h + AT_FROM, b->from);
	digest_add(o->sum, h, sizeof(h));
	digest_end(o->sum, hex);
	digest_unhex(hex, h + AT_SHA256, KNOWN_DIGEST);
	while (done < sizeof(h)) {
		ssize_t n = pwrite(o->fd, h + done, sizeof(h) - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, "cannot write the index");
		done += (size_t)n;
	}
	return 0;
}

int build_finish(struct build *b, const char *path, uint64_t *count, struct err *e)
{
	struct output o = {.fd = -1};
	struct atomic *a = NULL;
	int records = -1, rc = -1;
	uint64_t n = 0;

	if (spill_run(b, e) < 0 || (records = io_tmp(e)) < 0)
		goto out;
	free(b->entries);
	b->entries = NULL;
	if (!(a = atomic_open(path, 0644, false, e)))
		goto out;
	o.fd = atomic_fd(a);
	o.sum = digest_new();
	if (lseek(o.fd, FORMAT_HEADER, SEEK_SET) < 0) {
		err_sys(e, "cannot write an index to %s", err_q(path));
		goto out;
	}
	if (merge(b, &o, records, &n, e) < 0 || put_file(&o, records, e) < 0 || put_sources(b, &o, e) < 0 ||
	    put_file(&o, b->text, e) < 0 || put(&o, NULL, 0, e) < 0 || put_header(b, &o, n, e) < 0)
		goto out;
	rc = atomic_commit(a, e);
	a = NULL;
	if (count)
		*count = n;
out:
	atomic_abort(a);
	io_close(&records);
	digest_free(o.sum);
	buf_free(&o.b);
	build_abort(b);
	return rc;
}

void build_abort(struct build *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n_runs; i++)
		free(b->runs[i].p);
	free(b->entries);
	for (uint64_t i = 0; b->base_vouchers && i < b->base_sources; i++)
		free(b->base_vouchers[i].number);
	free(b->base_vouchers);
	sources_free(b->sources);
	buf_free(&b->text_tail);
	io_close(&b->spill);
	io_close(&b->text);
	free(b);
}
