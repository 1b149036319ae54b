#include "host/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u
#define STACK (4 * PAGE)      /* of each thread, from its innermost frame outwards: some ten calls */
#define CAP_NAMED 4096u       /* threads of a process whose names are read */
#define CAP_FOLLOWED 256u     /* whose stacks are */
#define PATIENCE 3            /* looks at a thread that runs just now: where, is told only of one that waits */

struct look {
	struct host *h;
	const struct proc *proc;
	const struct span *spans;
	size_t count;
	int tasks, mem;
};

static const struct span *span_of(const struct look *l, uint64_t address)
{
	size_t i;

	for (i = 0; i < l->count; i++)
		if (address >= l->spans[i].start && address < l->spans[i].end)
			return &l->spans[i];
	return NULL;
}

bool threads_parse(const char *text, uint64_t *sp, uint64_t *ip)
{
	const char *p = text, *last = NULL, *before = NULL;
	unsigned words = 0;

	for (p += strspn(p, " \n"); *p; p += strcspn(p, " \n"), p += strspn(p, " \n"), words++) {
		before = last;
		last = p;
	}
	if (words < 3 || strncmp(before, "0x", 2) || strncmp(last, "0x", 2))
		return false;
	*sp = strtoull(before, NULL, 16);
	*ip = strtoull(last, NULL, 16);
	return true;
}

/* Where a thread waits. False: it ends, or does not wait. */
static bool waits_at(const struct look *l, pid_t tid, uint64_t *sp, uint64_t *ip)
{
	const struct timespec pause = { .tv_nsec = 200000 };
	struct buf text = { 0 };
	char name[32];
	bool at = false;
	int i;

	snprintf(name, sizeof(name), "%d/syscall", (int)tid);
	for (i = 0; !at && i < PATIENCE; i++) {
		buf_clear(&text);
		if (io_slurp_at(l->tasks, name, 512, &text) <= 0)
			break;
		at = threads_parse(buf_str(&text), sp, ip);
		if (!at && i + 1 < PATIENCE)
			nanosleep(&pause, NULL);
	}
	buf_free(&text);
	return at;
}

static bool present(const struct look *l, uint64_t page)
{
	struct page_runs r;
	bool is = !pagemap_runs(l->proc->dir, page, page + PAGE, false, &r) && r.count;

	pagemap_free(&r);
	return is;
}

/* Does a call stand before it? A call that is told in the instruction, or one through a register or memory. */
static bool behind_call(const struct look *l, const struct span *s, uint64_t address)
{
	unsigned char code[7] = "";
	size_t n = address - s->start < sizeof(code) ? (size_t)(address - s->start) : sizeof(code), i;
	unsigned char *begin = code + sizeof(code) - n;

	if (!n || !present(l, (address - n) & ~(uint64_t)(PAGE - 1)) || !present(l, (address - 1) & ~(uint64_t)(PAGE - 1))
	    || pread(l->mem, begin, n, (off_t)(address - n)) != (ssize_t)n)
		return false;
	if (code[2] == 0xe8)
		return true;
	for (i = 0; i < 6; i++)      /* ff /2, two to seven bytes with its operand */
		if (code[i] == 0xff && (code[i + 1] & 0x38) == 0x10)
			return true;
	return false;
}

/* The innermost return address that leads to one of the spans. */
static const struct span *returns_to(const struct look *l, uint64_t sp, uint64_t *where)
{
	const struct span *found = NULL, *s;
	uint64_t at = sp & ~(uint64_t)7, end = (sp & ~(uint64_t)(PAGE - 1)) + STACK, words[PAGE / 8];
	size_t i, n;

	for (; !found && at < end; at += n * 8) {
		n = (PAGE - (at & (PAGE - 1))) / 8;
		if (!present(l, at & ~(uint64_t)(PAGE - 1)) || pread(l->mem, words, n * 8, (off_t)at) != (ssize_t)(n * 8))
			break;
		for (i = 0; !found && i < n; i++)
			if ((s = span_of(l, words[i])) && behind_call(l, s, words[i])) {
				*where = words[i];
				found = s;
			}
	}
	return found;
}

static void follow(const struct look *l, pid_t tid, const char *comm)
{
	const struct span *s;
	uint64_t sp, ip, where;

	if (!waits_at(l, tid, &sp, &ip))
		return;
	s = span_of(l, ip);
	if (s) {
		piece_sign(l->h, s->piece, "thread-in-memory", "thread %d (%s) of process %d (%s) stands at %llx", (int)tid, comm,
		           (int)l->proc->pid, l->proc->comm, (unsigned long long)ip);
		return;
	}
	s = l->mem >= 0 && sp ? returns_to(l, sp, &where) : NULL;
	if (s && !s->expected)
		piece_sign(l->h, s->piece, "thread-through-memory", "thread %d (%s) of process %d (%s) will return to %llx", (int)tid, comm,
		           (int)l->proc->pid, l->proc->comm, (unsigned long long)where);
}

static void name_of(const struct look *l, pid_t tid, char *comm, size_t size)
{
	struct buf text = { 0 };
	char name[32];

	snprintf(name, sizeof(name), "%d/comm", (int)tid);
	*comm = '\0';
	if (io_slurp_at(l->tasks, name, 256, &text) > 0)
		snprintf(comm, size, "%.*s", (int)(text.len - (text.p[text.len - 1] == '\n')), buf_str(&text));
	buf_free(&text);
}

void threads_look(struct host *h, const struct proc *p, const struct span *spans, size_t count, struct piece *main)
{
	struct look l = { .h = h, .proc = p, .spans = spans, .count = count, .mem = -1 };
	pid_t *list;
	size_t n, i;
	char comm[64];

	l.tasks = openat(p->dir, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l.tasks < 0)
		return;
	if (count)
		l.mem = openat(p->dir, "mem", O_RDONLY | O_CLOEXEC);
	n = pids_listed(l.tasks, &list);
	for (i = 0; i < n && i < CAP_NAMED; i++) {
		name_of(&l, list[i], comm, sizeof(comm));
		if (list[i] != p->pid && disguise_kernel_thread(comm))
			piece_sign(h, main, "kernel-thread-name", "thread %d of process %d (%s) calls itself %s", (int)list[i], (int)p->pid, p->comm,
			           comm);
		if (count && i < CAP_FOLLOWED)
			follow(&l, list[i], comm);
	}
	if (n > CAP_NAMED || (count && n > CAP_FOLLOWED))
		host_missed(h, "of a process with more than %u threads not all were looked at", count ? CAP_FOLLOWED : CAP_NAMED);
	free(list);
	io_close(&l.tasks);
	io_close(&l.mem);
}
