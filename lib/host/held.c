/*
 * The text of a script that an interpreter read from a pipe to its end, as far as its own buffer still holds it. Only pages that
 * are present are read, and nothing is stopped or traced. Where the buffer is, is not known by offsets of one interpreter's build
 * but by what all of them leave: glibc's FILE of descriptor 0 tells it (Python, Lua, awk); shells that read blocks have one among
 * their static data or in a heap chunk of a power of two (dash, ash), as Perl has; bash reads byte by byte and keeps the last line.
 */
#include "host/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 4096u
#define CAP_HELD_MEMORY (64 * MIB)    /* of one interpreter's data that is looked through; they have 1 to 10 when they begin */
#define CAP_HELD (1 * MIB)            /* of a buffer: the largest met has 64 KiB */
#define CAP_CHILDREN 16u              /* a shell has one in the foreground, and some behind it */
#define LEAST 8u                      /* bytes of text: "sleep 9\n" */
#define IO_MAGIC 0xfbad0000u          /* libio.h: _IO_MAGIC */

enum { FILE_READ_BASE = 24, FILE_BUF_BASE = 56, FILE_BUF_END = 64, FILE_FILENO = 112, FILE_BYTES = 120 };

/* Writable private data that is present, without gaps. */
struct range { uint64_t start; struct buf bytes; bool heap; };
struct data { struct range *range; size_t count; uint64_t total; };
struct children { char *name[CAP_CHILDREN]; size_t count; };
struct text { uint64_t at; const unsigned char *p; size_t n; };

static bool is_text(unsigned char c)
{
	return (c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t' || c == '\r';
}

static size_t text_length(const unsigned char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && is_text(p[i]); i++)
		;
	return i;
}

static void read_run(struct data *d, int mem, uint64_t start, uint64_t end, bool heap)
{
	struct range *r = d->count ? &d->range[d->count - 1] : NULL;
	unsigned char page[PAGE];

	for (; start < end && d->total < CAP_HELD_MEMORY; start += PAGE, d->total += PAGE) {
		if (pread(mem, page, PAGE, (off_t)start) != PAGE)
			continue;
		if (!r || r->start + r->bytes.len != start || r->heap != heap) {
			if (!(d->count & (d->count - 1)))
				d->range = buf_realloc(d->range, d->count ? d->count * 2 : 1, sizeof(*d->range));
			r = &d->range[d->count++];
			*r = (struct range){ .start = start, .heap = heap };
		}
		buf_add(&r->bytes, page, PAGE);
	}
	watch_beat();
}

static bool wanted(const struct map *m)
{
	return m->perms[0] == 'r' && m->perms[1] == 'w' && m->perms[3] == 'p' && strncmp(m->path, "[stack", 6) != 0
		&& (m->path[0] != '[' || !strcmp(m->path, "[heap]"));
}

static void load(const struct proc *proc, struct data *d)
{
	struct buf maps = { 0 };
	struct page_runs runs;
	const char *text;
	struct map m;
	size_t i;
	int mem, got;

	mem = openat(proc->dir, "mem", O_RDONLY | O_CLOEXEC);
	if (mem < 0 || io_slurp_at(proc->dir, "maps", 4 * CAP_SLURP, &maps) < 0)
		goto out;
	for (text = buf_str(&maps); (got = maps_next(&text, &m));) {
		if (got != 1 || !wanted(&m) || pagemap_runs(proc->dir, m.start, m.end, false, &runs) < 0)
			continue;
		for (i = 0; i < runs.count; i++)
			read_run(d, mem, runs.run[i].start, runs.run[i].end, !strcmp(m.path, "[heap]"));
		pagemap_free(&runs);
	}
out:
	io_close(&mem);
	buf_free(&maps);
}

static uint64_t word_at(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* What is at that address; NULL: not among the data. Ranges stand in order, as the kernel lists them; a hostile heap has thousands,
 * and asks as often. */
static const unsigned char *at_address(const struct data *d, uint64_t at, size_t *left)
{
	size_t low = 0, high = d->count;
	const struct range *r;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (d->range[middle].start <= at)
			low = middle + 1;
		else
			high = middle;
	}
	r = low ? &d->range[low - 1] : NULL;
	if (!r || at - r->start >= r->bytes.len)
		return NULL;
	*left = r->bytes.len - (size_t)(at - r->start);
	return r->bytes.p + (at - r->start);
}

/* The buffer of standard input, when this is its FILE. */
static bool file_text(const struct data *d, const unsigned char *f, struct text *t)
{
	uint64_t base = word_at(f + FILE_BUF_BASE), end = word_at(f + FILE_BUF_END);
	uint32_t magic, number;
	size_t left;

	memcpy(&magic, f, sizeof(magic));
	memcpy(&number, f + FILE_FILENO, sizeof(number));
	if ((magic & 0xffff0000u) != IO_MAGIC || number || !base || end <= base || end - base > CAP_HELD
	    || word_at(f + FILE_READ_BASE) != base)
		return false;
	t->at = base;
	t->p = at_address(d, base, &left);
	t->n = t->p ? text_length(t->p, left < end - base ? left : (size_t)(end - base)) : 0;
	return t->n >= LEAST;   /* one byte: it is read without a buffer */
}

static bool from_stdio(const struct data *d, struct text *t)
{
	size_t i, at;

	for (i = 0; i < d->count; i++) {
		watch_beat();
		for (at = 0; at + FILE_BYTES <= d->range[i].bytes.len; at += 8)
			if (file_text(d, d->range[i].bytes.p + at, t))
				return true;
	}
	return false;
}

/* Of glibc's chunk whose bytes begin at `at`: how many its user has; 0: none does. */
static size_t chunk_of(const struct data *d, const struct range *r, size_t at)
{
	uint64_t size = at >= 8 ? word_at(r->bytes.p + at - 8) : 0;
	const unsigned char *next;
	size_t left;

	/* the three lowest bits are flags; one says that it is of another thread's heap, or a mapping */
	if (size & 0xe || size < 32 || size > CAP_HELD + 16)
		return 0;
	size &= ~(uint64_t)7;
	/* the next one tells whether this one is in use; pages between may never have been touched */
	next = at_address(d, r->start + at - 8 + size, &left);
	return next && left >= 8 && word_at(next) & 1 ? (size_t)size - 8 : 0;
}

static bool power_of_two(size_t n, size_t least)
{
	/* a chunk is a multiple of 16 less 8: what was asked for may be 8 less */
	n -= 8;
	return n >= least && !(n & (n - 1));
}

/* The name of a child's program, as it was called; NULL: it has none. */
static char *child_name(const struct host *h, pid_t pid)
{
	struct proc child = { 0 };
	const char *base, *arg;
	char number[16], *name = NULL;

	snprintf(number, sizeof(number), "%d", (int)pid);
	child.pid = pid;
	child.dir = openat(h->proc, number, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (child.dir < 0)
		return NULL;
	if (proc_memory_text(&child, "cmdline", &child.cmdline) > 0) {
		arg = buf_str(&child.cmdline);
		base = strrchr(arg, '/');
		base = base ? base + 1 : arg;
		name = *base ? buf_strdup(base) : NULL;
	}
	proc_close(&child);
	return name;
}

/* Asked once: what the heap holds is looked through for them as often as it likes. */
static void load_children(const struct host *h, const struct proc *proc, struct children *c)
{
	struct buf text = { 0 };
	char name[64], *at, *end;

	snprintf(name, sizeof(name), "task/%d/children", (int)proc->pid);
	if (io_slurp_at(proc->dir, name, CAP_SLURP, &text) > 0)
		for (at = (char *)text.p; c->count < CAP_CHILDREN; at = end) {
			long pid = strtol(at, &end, 10);

			if (end == at)
				break;
			c->name[c->count] = child_name(h, (pid_t)pid);
			c->count += c->name[c->count] != NULL;
		}
	buf_free(&text);
}

/* A command of its own that the process waits for stands in the line that it read last. */
static bool names_child(const struct children *c, const unsigned char *p, size_t n)
{
	size_t i;

	for (i = 0; i < c->count; i++)
		if (memmem(p, n, c->name[i], strlen(c->name[i])))
			return true;
	return false;
}

/* By blocks into a buffer, byte by byte, through a buffer among others in the heap; or only through stdio, whose output would be
 * taken for the script by the last one. */
enum way { BLOCKS, LINES, HEAP, STDIO };

/* May the text that begins there be the buffer? */
static bool fits(const struct children *c, const struct data *d, enum way way, const struct range *r, size_t at, size_t n)
{
	size_t chunk;

	if (n < LEAST || !memchr(r->bytes.p + at, '\n', n))
		return false;
	chunk = r->heap ? chunk_of(d, r, at) : 0;
	switch (way) {
	case BLOCKS: return !r->heap || (power_of_two(chunk, 1024) && n <= chunk);
	case LINES: return chunk >= n && names_child(c, r->bytes.p + at, n);
	case HEAP: return power_of_two(chunk, 4096) && n <= chunk;
	case STDIO: break;
	}
	return false;
}

static bool from_data(const struct children *c, const struct data *d, enum way way, struct text *best)
{
	size_t i, at, n;

	*best = (struct text){ 0 };
	for (i = 0; way != STDIO && i < d->count; i++) {
		const struct range *r = &d->range[i];

		watch_beat();
		for (at = 0; at < r->bytes.len; at += n < 16 ? 16 : (n + 15) & ~(size_t)15) {
			n = text_length(r->bytes.p + at, r->bytes.len - at);
			if (n <= best->n || !fits(c, d, way, r, at, n))
				continue;
			*best = (struct text){ r->start + at, r->bytes.p + at, n };
			if (way == HEAP)   /* what it read first was read before it wrote anything */
				return true;
		}
	}
	return best->n > 0;
}

static enum way way_of(const char *name)
{
	const char *base = strrchr(name, '/');

	base = base ? base + 1 : name;
	if (!script_shell(name))
		return !strncmp(base, "perl", 4) ? HEAP : STDIO;
	return strstr(name, "bash") ? LINES : BLOCKS;
}

bool held_text(const struct host *h, const struct proc *proc, const char *interpreter, struct buf *out, uint64_t *address)
{
	enum way way = way_of(interpreter);
	struct children c = { .count = 0 };
	struct data d = { 0 };
	struct text t;
	bool is;
	size_t i;

	load(proc, &d);
	if (way == LINES)
		load_children(h, proc, &c);
	is = from_stdio(&d, &t) || from_data(&c, &d, way, &t);
	if (is) {
		buf_add(out, t.p, t.n < CAP_HELD ? t.n : CAP_HELD);
		*address = t.at;
	}
	while (c.count)
		free(c.name[--c.count]);
	for (i = 0; i < d.count; i++)
		buf_free(&d.range[i].bytes);
	free(d.range);
	return is;
}
