#include "host/internal.h"

#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define PAGE 4096u
#define CAP_SMAPS (128 * MIB)     /* some 900 bytes of each of 65530 mappings, and long names */

/* A run of changed pages on its way into the spool. */
struct changed {
	struct buf bytes;
	uint64_t start;
};

static int flush(struct host *h, const struct proc *proc, const struct map *m, struct piece *p, struct changed *c, struct err *e)
{
	char name[48];
	uint64_t end = c->start + c->bytes.len;
	struct pages *pages;
	int64_t offset;
	json_t *o;
	int rc = -1;

	if (!c->bytes.len)
		return 0;
	if (spool_begin(h->spool, c->bytes.len, &offset, e) < 0 || spool_put(h->spool, offset, c->bytes.p, c->bytes.len, e) < 0)
		goto out;
	snprintf(name, sizeof(name), "memory/%llx-%llx", (unsigned long long)c->start,
	         (unsigned long long)end);
	rc = 0;
	if (!piece_part(p, name, offset, c->bytes.len)) {
		/* the same place of another process of this program, or too many: once is enough */
		spool_take_back(h->spool, offset);
		goto out;
	}
	o = json_object();
	json_object_set_new(o, "start", json_sprintf("%llx", (unsigned long long)c->start));
	json_object_set_new(o, "end", json_sprintf("%llx", (unsigned long long)end));
	json_object_set_new(o, "perms", json_string(m->perms));
	json_object_set_new(o, "pid", json_integer(proc->pid));
	json_object_set_new(o, "member", json_string(name));
	pages = pages_new();
	for (size_t at = 0; at + PAGE <= c->bytes.len; at += PAGE)
		pages_note(pages, c->start + at, c->bytes.p + at);
	pages_put(pages, o);
	json_array_append_new(piece_memory(p), o);
out:
	buf_clear(&c->bytes);
	return rc;
}

/*
 * Was the mapping never one that its process could write to? The kernel accounts for a private mapping (VmFlags "ac", proc(5))
 * from when it is made writable on, and for good once pages of it were written to. What was written past that came from without:
 * by ptrace(2), or through /proc/PID/mem.
 */
static bool never_writable(const struct proc *proc, struct map_flags *f, const struct map *m)
{
	const char *next, *flags;
	struct map one;
	int got;

	if (!f->asked && io_slurp_at(proc->dir, "smaps", CAP_SMAPS, &f->smaps) > 0)
		f->at = buf_str(&f->smaps);
	f->asked = true;
	for (; f->at; f->at = next) {
		next = f->at;
		got = maps_next(&next, &one);
		if (!got || (got == 1 && one.start > m->start))
			break;
		if (got != 1 || one.start != m->start || one.end != m->end)
			continue;
		flags = strstr(next, "VmFlags:");
		return flags && !maps_flag(flags, "ac") && !maps_flag(flags, "wr");
	}
	return false;
}

void text_flags_free(struct map_flags *f)
{
	buf_free(&f->smaps);
	*f = (struct map_flags){ .at = NULL };
}

/* How many bytes differ; whether all that do are breakpoint instructions in memory. */
static size_t differing(const unsigned char *memory, const unsigned char *file, bool *breakpoints)
{
	size_t i, n = 0;

	for (i = 0; i < PAGE; i++)
		if (memory[i] != file[i]) {
			n++;
			if (memory[i] != 0xcc)
				*breakpoints = false;
		}
	return n;
}

/* FNV-1a, to tell one look from another */
static uint64_t hash_page(uint64_t hash, const unsigned char *page)
{
	size_t i;

	for (i = 0; i < PAGE; i++)
		hash = (hash ^ page[i]) * 0x100000001b3u;
	return hash;
}

int text_compare(struct host *h, const struct proc *proc, const struct map *m, int file, struct map_flags *flags, struct piece *p,
                 struct text_change *change, struct err *e)
{
	unsigned char memory[PAGE], original[PAGE];
	struct page_runs r;
	struct changed c = { 0 };
	uint64_t at;
	size_t i, n;
	int mem, rc = -1;

	*change = (struct text_change){ .breakpoints_only = true };
	if (pagemap_runs(proc->dir, m->start, m->end, flags != NULL, &r) < 0)
		return 0;
	if (!r.count) {
		pagemap_free(&r);
		return 0;
	}
	change->forced = flags && m->perms[1] != 'w' && never_writable(proc, flags, m);
	mem = openat(proc->dir, "mem", O_RDONLY | O_CLOEXEC);
	if (mem < 0)
		host_missed(h, "memory of other processes may not be read");
	for (i = 0; mem >= 0 && i < r.count; i++) {
		for (at = r.run[i].start; at < r.run[i].end; at += PAGE) {
			memset(original, 0, sizeof(original));
			if (pread(mem, memory, PAGE, (off_t)at) != PAGE
			    || pread(file, original, PAGE, (off_t)(m->offset + (at - m->start))) < 0)
				continue;
			n = differing(memory, original, &change->breakpoints_only);
			if (!n)
				continue;
			if (c.bytes.len && (c.start + c.bytes.len != at || c.bytes.len >= MIB))
				if (flush(h, proc, m, p, &c, e) < 0)
					goto out;
			if (!c.bytes.len)
				c.start = at;
			buf_add(&c.bytes, memory, PAGE);
			if (!change->pages)
				change->first = at;
			change->hash = hash_page(change->hash ^ at, memory);
			change->pages++;
			change->bytes += n;
		}
	}
	rc = flush(h, proc, m, p, &c, e);
out:
	io_close(&mem);
	buf_free(&c.bytes);
	pagemap_free(&r);
	return rc;
}

bool text_vdso_differs(const struct proc *proc, const struct map *m)
{
	static uint64_t ours, length;
	unsigned char theirs[16384];
	bool differs;
	ssize_t n;
	int mem;

	if (!ours) {
		struct buf maps = { 0 };
		struct map mine;
		const char *text;
		int got;

		ours = getauxval(AT_SYSINFO_EHDR);
		io_slurp_at(AT_FDCWD, "/proc/self/maps", CAP_SLURP, &maps);
		text = buf_str(&maps);
		while ((got = maps_next(&text, &mine)))
			if (got == 1 && mine.start == ours)
				length = mine.end - mine.start;
		buf_free(&maps);
	}
	/* a 32-bit process has another one */
	if (!ours || !length || length > sizeof(theirs) || m->end - m->start != length || m->start >> 32 == 0)
		return false;
	mem = openat(proc->dir, "mem", O_RDONLY | O_CLOEXEC);
	if (mem < 0)
		return false;
	/* what nobody touched is as the kernel made it */
	n = pagemap_all(proc->dir, m->start, m->end) ? pread(mem, theirs, length, (off_t)m->start) : 0;
	differs = n == (ssize_t)length && memcmp(theirs, (const void *)(uintptr_t)ours, length);
	close(mem);
	return differs;
}
