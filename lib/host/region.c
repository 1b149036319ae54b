#include "host/internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096u
#define BLOCK (64 * 1024)

/* An ELF or PE image begins at a page's start. */
static bool image_header(const unsigned char *p, size_t n)
{
	size_t at;

	if (n >= 20 && !memcmp(p, "\177ELF", 4) && (p[4] == 1 || p[4] == 2) && (p[5] == 1 || p[5] == 2) && p[6] == 1)
		return true;
	if (n < PAGE || memcmp(p, "MZ", 2))
		return false;
	at = p[0x3c] | (size_t)p[0x3d] << 8 | (size_t)p[0x3e] << 16 | (size_t)p[0x3f] << 24;
	return at <= PAGE - 4 && !memcmp(p + at, "PE\0", 4);
}

struct dump {
	struct digest *digest;
	struct pages *pages;
	uint64_t at;          /* bytes done */
	uint64_t read;        /* bytes that came from the process */
	uint64_t header;      /* 1 + where an image's header stands */
};

static void zeros(struct dump *d, uint64_t n)
{
	static const unsigned char none[BLOCK];

	for (d->at += n; n; n -= n < BLOCK ? n : BLOCK)
		digest_add(d->digest, none, n < BLOCK ? n : BLOCK);
}

static int copy_run(struct host *h, int mem, const struct page_run *run, uint64_t from, int64_t offset, struct dump *d, struct err *e)
{
	static unsigned char block[BLOCK];
	uint64_t a = run->start, page;

	while (a < run->end) {
		size_t want = run->end - a < BLOCK ? (size_t)(run->end - a) : BLOCK;
		ssize_t n = pread(mem, block, want, (off_t)a);

		if (n <= 0) {
			zeros(d, want);
			pages_missing(d->pages);
			a += want;
			continue;
		}
		for (page = 0; !d->header && page < (uint64_t)n; page += PAGE)
			if (image_header(block + page, (size_t)n - page))
				d->header = 1 + a + page;
		if (n % PAGE)
			pages_missing(d->pages);
		for (page = 0; page + PAGE <= (uint64_t)n; page += PAGE)
			pages_note(d->pages, a + page, block + page);
		if (spool_put(h->spool, offset + (int64_t)(a - from), block, (size_t)n, e) < 0)
			return -1;
		digest_add(d->digest, block, (size_t)n);
		d->at += (uint64_t)n;
		d->read += (uint64_t)n;
		a += (uint64_t)n;
	}
	return 0;
}

/* What is before the first and behind the last present page is not part of it: a reserve has no content. */
static int dump(struct host *h, int mem, struct region *r, const struct page_runs *runs, int64_t *offset, struct dump *d, struct err *e)
{
	uint64_t from = runs->run[0].start, to = runs->run[runs->count - 1].end;
	size_t i;

	if (to - from > CAP_DUMP)
		to = from + CAP_DUMP;
	if (spool_begin(h->spool, to - from, offset, e) < 0)
		return -1;
	for (i = 0; i < runs->count && runs->run[i].start < to; i++) {
		struct page_run run = runs->run[i];

		if (run.end > to)
			run.end = to;
		zeros(d, run.start - from - d->at);
		if (copy_run(h, mem, &run, from, *offset, d, e) < 0)
			return -1;
	}
	zeros(d, to - from - d->at);
	r->start = from;
	r->end = to;
	return 0;
}

static void signs_of(struct host *h, struct piece *p, const struct proc *proc, const struct region *r, const struct dump *d,
                     bool header)
{
	char where[160];

	snprintf(where, sizeof(where), "process %d (%s) at %llx, %llu bytes, %s", (int)proc->pid, proc->comm,
	         (unsigned long long)r->start, (unsigned long long)(r->end - r->start), r->perms);
	if (r->unread) {
		piece_sign(h, p, "unreadable-file", "%s: its file %s is too large, or does not answer", where, r->file);
		return;
	}
	piece_sign(h, p, r->expected ? "jit-memory" : "anonymous-exec", "%s: no file backs it", where);
	if (r->writable && !r->expected)
		piece_sign(h, p, "wx-memory", "%s: writable and executable", where);
	if (r->heap)
		piece_sign(h, p, "exec-heap", "%s: the heap", where);
	if (r->stack)
		piece_sign(h, p, "exec-stack", "%s: the stack", where);
	if (r->shared && !r->expected)
		piece_sign(h, p, "shared-exec", "%s: shared memory", where);
	if (d->header)
		piece_sign(h, p, "elf-in-memory", "%s: an image's header stands at %llx", where, (unsigned long long)d->header - 1);
	else if (header)
		piece_sign(h, p, "elf-in-memory", "%s: an image's header stands before it", where);
}

static bool header_in(int dir, int mem, uint64_t from, uint64_t to)
{
	unsigned char page[PAGE];
	struct page_runs runs;
	bool is = false;
	uint64_t at;
	size_t i;

	if (pagemap_runs(dir, from, to, false, &runs) < 0)
		return false;
	for (i = 0; i < runs.count; i++)
		for (at = runs.run[i].start; !is && at < runs.run[i].end; at += PAGE)
			is = pread(mem, page, PAGE, (off_t)at) == PAGE && image_header(page, PAGE);
	pagemap_free(&runs);
	return is;
}

/* A loader that keeps headers and code apart leaves the header in memory that is not executable, before the code: where the
 * unbacked memory that ends at `end` begins, or, when that happens to follow somebody's data, shortly before the code. */
static bool header_before(int dir, int mem, uint64_t begin, uint64_t end)
{
	enum { NEAR = 64 * PAGE };

	if (!begin)
		return false;
	return header_in(dir, mem, begin, begin + PAGE) ||
	       header_in(dir, mem, end - begin > NEAR ? end - NEAR : begin, end);
}

/* The same bytes were met already: their pages need not be listed twice. */
static bool has_body(const struct piece *p)
{
	const json_t *o;
	size_t i;

	json_array_foreach(p->memory, i, o)
		if (!strcmp(jsonio_str(o, "member"), "body"))
			return true;
	return false;
}

/* d: whose pages are listed, or NULL. */
static json_t *memory_entry(const struct proc *proc, const struct region *r, struct dump *d)
{
	json_t *o = json_object();

	json_object_set_new(o, "start", json_sprintf("%llx", (unsigned long long)r->start));
	json_object_set_new(o, "end", json_sprintf("%llx", (unsigned long long)r->end));
	json_object_set_new(o, "perms", json_string(r->perms));
	json_object_set_new(o, "pid", json_integer(proc->pid));
	json_object_set_new(o, "member", json_string("body"));
	if (d) {
		pages_put(d->pages, o);
		d->pages = NULL;
	}
	return o;
}

int region_take(struct host *h, const struct proc *proc, struct region *r, struct piece **p, struct err *e)
{
	struct page_runs runs;
	struct dump d = { 0 };
	char sha256[DIGEST_HEX];
	int64_t offset;
	uint64_t span, begin = r->start;   /* dump() moves r->start to the first page that is there */
	int mem, rc = 0;

	*p = NULL;
	if (pagemap_runs(proc->dir, r->start, r->end, false, &runs) < 0)
		return 0;
	mem = runs.count ? openat(proc->dir, "mem", O_RDONLY | O_CLOEXEC) : -1;
	if (mem < 0) {
		if (runs.count)
			host_missed(h, "memory of other processes may not be read");
		goto out;
	}
	span = runs.run[runs.count - 1].end - runs.run[0].start;
	if (span > CAP_DUMP) {
		host_missed(h, "executable memory was dumped only up to %llu bytes a region", (unsigned long long)CAP_DUMP);
		span = CAP_DUMP;
	}
	if (span + spool_used(h->spool) > CAP_DUMPS) {
		host_missed(h, "not all executable memory was dumped: there is more than %llu bytes", (unsigned long long)CAP_DUMPS);
		goto out;
	}
	d.digest = digest_new();
	d.pages = pages_new();
	if (runs.swapped || span == CAP_DUMP)
		pages_missing(d.pages);
	rc = dump(h, mem, r, &runs, &offset, &d, e);
	if (rc < 0)
		goto out;
	digest_end(d.digest, sha256);
	if (!d.read) {
		spool_take_back(h->spool, offset);
		goto out;
	}
	*p = piece_get(h, sha256, "memory", r->end - r->start);
	if (!piece_part(*p, "body", offset, r->end - r->start))
		spool_take_back(h->spool, offset);
	h->bytes += d.read;
	if (json_array_size((*p)->memory) < CAP_PARTS && !(h->pass && (*p)->pass < h->pass))
		json_array_append_new(piece_memory(*p), memory_entry(proc, r, has_body(*p) ? NULL : &d));
	signs_of(h, *p, proc, r, &d, header_before(proc->dir, mem, r->before, begin));
out:
	digest_free(d.digest);
	pages_free(d.pages);
	io_close(&mem);
	pagemap_free(&runs);
	return rc;
}
