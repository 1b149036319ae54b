/* build: makes an index. Entries are sorted in runs of a million, spilled to unnamed files and merged: memory stays bounded. */
#include "known/known.h"
#include "known/known-format.h"

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

struct build {
	struct entry *entries;
	size_t len;
	int spill, text;                /* unnamed files */
	off_t spilled;
	struct run runs[MAX_RUNS];
	size_t n_runs;
	struct buf text_tail;           /* not yet written to text */
	uint64_t text_size;
	struct buf source_table;        /* 4 bytes a source */
	uint32_t sources;
	json_t *numbers;                /* name of a source: its number */
	const struct index *base;       /* what it has is not added again */
	unsigned from;
	int64_t created, dpkg_time;
	bool names_full;
};

struct build *build_new(struct err *e)
{
	struct build *b = buf_alloc(sizeof(*b));

	b->spill = b->text = -1;
	b->created = clock_now();
	b->numbers = json_object();
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
	unsigned char place[4];
	uint32_t offset;
	int rc;

	json_t *seen = json_object_get(b->numbers, name);

	if (seen) {
		*source = (uint32_t)json_integer_value(seen);
		return 0;
	}
	if ((rc = add_text(b, name, &offset, e)) < 0)
		return -1;
	if (rc || b->sources == UINT32_MAX)
		return err_set(e, EX_DATAERR, "too many sources for one index");
	format_put32(place, offset);
	buf_add(&b->source_table, place, sizeof(place));
	if (json_object_set_new_nocheck(b->numbers, name, json_integer(b->sources)) < 0)
		return err_set(e, EX_OSERR, "out of memory");
	*source = b->sources++;
	return 0;
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

int build_add(struct build *b, const unsigned char digest[KNOWN_DIGEST], uint32_t source, const char *name, struct err *e)
{
	struct entry *n;
	uint32_t at = FORMAT_NO_NAME;

	if (b->base && index_find(b->base, digest, NULL))
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

int build_add_index(struct build *b, const struct index *x, struct err *e)
{
	uint32_t *numbers = buf_realloc(NULL, index_sources(x) + 1, sizeof(*numbers));
	int rc = -1;

	for (uint64_t i = 0; i < index_sources(x); i++)
		if (build_source(b, index_source(x, i), &numbers[i], e) < 0)
			goto out;
	for (uint64_t i = 0; i < index_count(x); i++) {
		struct index_hit hit;
		const unsigned char *digest = index_get(x, i, &hit);

		if (hit.number >= index_sources(x)) {
			err_set(e, EX_DATAERR, "the whitelist index is damaged: an entry without a source");
			goto out;
		}
		if (build_add(b, digest, numbers[hit.number], hit.name, e) < 0)
			goto out;
	}
	b->base = x;
	b->from |= index_from(x);
	if (index_dpkg_time(x) > b->dpkg_time)
		b->dpkg_time = index_dpkg_time(x);
	rc = 0;
out:
	free(numbers);
	return rc;
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

/* Writes the digests in order, each once, to out; what belongs to them to the file records. */
static int merge(struct build *b, struct output *out, int records, uint64_t *count, struct err *e)
{
	struct run **heap = buf_realloc(NULL, b->n_runs + 1, sizeof(struct run *));
	struct buf tail = {0};
	unsigned char last[KNOWN_DIGEST];
	size_t n = 0;
	int rc = -1;

	*count = 0;
	for (size_t i = 0; i < b->n_runs; i++) {
		if (refill(b, &b->runs[i], e) < 0)
			goto out;
		heap[n++] = &b->runs[i];
	}
	for (size_t i = n / 2; i-- > 0;)
		sift(heap, n, i);
	while (n) {
		const struct entry *t = head(heap[0]);

		if (!*count || memcmp(t->digest, last, KNOWN_DIGEST)) {
			unsigned char record[FORMAT_RECORD];

			format_put32(record, t->source);
			format_put32(record + 4, t->name);
			buf_add(&tail, record, sizeof(record));
			memcpy(last, t->digest, KNOWN_DIGEST);
			if (put(out, t->digest, KNOWN_DIGEST, e) < 0)
				goto out;
			++*count;
			if (!(*count & 0xfffff))
				progress("merge", *count, 0);
		}
		if (tail.len >= MIB) {
			if (io_write(records, tail.p, tail.len) < 0) {
				err_sys(e, "cannot write a temporary file");
				goto out;
			}
			buf_clear(&tail);
		}
		if (++heap[0]->next == heap[0]->len) {
			if (refill(b, heap[0], e) < 0)
				goto out;
			if (!heap[0]->len)
				heap[0] = heap[--n];
		}
		if (n)
			sift(heap, n, 0);
	}
	if (io_write(records, tail.p, tail.len) < 0) {
		err_sys(e, "cannot write a temporary file");
		goto out;
	}
	rc = 0;
out:
	progress_end();
	buf_free(&tail);
	free(heap);
	return rc;
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
	format_put64(h + AT_SOURCES, b->sources);
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

	if (spill_run(b, e) < 0 || flush_text(b, e) < 0 || (records = io_tmp(e)) < 0)
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
	if (merge(b, &o, records, &n, e) < 0 || put_file(&o, records, e) < 0 ||
	    put(&o, b->source_table.p ? b->source_table.p : (const void *)"", b->source_table.len, e) < 0 ||
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
	json_decref(b->numbers);
	buf_free(&b->text_tail);
	buf_free(&b->source_table);
	io_close(&b->spill);
	io_close(&b->text);
	free(b);
}
