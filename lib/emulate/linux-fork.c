/*
 * Processes of the model: one runs, at first the youngest, for what goes on in a child is what matters; the others are kept and go on when
 * it ends, waits for one of them, or reads from a pipe that is empty.
 */
#include "emulate/linux.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

#define FORKS 64u     /* of one run */
#define TURNS 256u    /* processes that wait for each other */
#define OWN offsetof(struct linux_process, fd)

struct linux_saved {
	struct machine_copy *memory;
	struct linux_process process;   /* of which the process's own counts */
};

static struct linux_saved *save(struct linux_process *l)
{
	struct machine_copy *memory = machine_save(l->m);
	struct linux_saved *s = memory ? buf_alloc(sizeof *s) : NULL;

	if (!s)
		return NULL;
	s->memory = memory;
	s->process = *l;
	return s;
}

static void go_on(struct linux_process *l, struct linux_saved *s)
{
	memcpy((unsigned char *)l + OWN, (const unsigned char *)&s->process + OWN, sizeof *l - OWN);
	machine_restore(l->m, s->memory);
	free(s);
}

void linux_drop_threads(struct linux_process *l)
{
	while (l->threads)
		uc_context_free(l->thread[--l->threads]);
}

int64_t linux_fork(struct linux_process *l)
{
	struct linux_saved *parent;

	if (l->forks >= FORKS)
		return -EAGAIN;
	l->forks++;
	linux_finding(l, "forks", "it starts a child, which is followed");
	/* A call's result is set when it returns; who is kept gets his here. */
	machine_set(l->m, l->width == 8 ? UC_X86_REG_RAX : UC_X86_REG_EAX, l->last_pid + 1);
	parent = l->waiters < LINUX_PROCESSES ? save(l) : NULL;
	if (parent) {
		l->waiting[l->waiters++] = parent;
		l->threads = 0;   /* of the parent's, who has them still */
	} else {
		linux_drop_threads(l);  /* the child has but the one that called */
	}
	l->parent = l->pid;
	l->pid = ++l->last_pid;
	return 0;
}

int64_t linux_leave(struct linux_process *l, const char *how, int status)
{
	written_finish(l->m);
	linux_drop_threads(l);
	l->moved = true;
	if (!l->waiters || l->m->stopped) {
		l->exited = true;
		l->m->out->end = how;
		return 0;
	}
	if (l->ended_count < LINUX_ENDED)
		l->ended[l->ended_count++] = (struct linux_ended){ l->pid, l->parent, status };
	go_on(l, l->waiting[--l->waiters]);
	return 0;
}

/* The instruction that called is two bytes long, however it calls. */
static void again(struct linux_process *l)
{
	machine_set_pc(l->m, l->m->pc);
	l->moved = true;
}

bool linux_yield(struct linux_process *l)
{
	struct linux_saved *next, *own;

	if (!l->waiters || l->turns >= TURNS)
		return false;
	again(l);
	own = save(l);
	if (!own) {
		l->moved = false;
		machine_set_pc(l->m, l->m->pc + 2);
		return false;
	}
	l->turns++;
	next = l->waiting[--l->waiters];
	memmove(&l->waiting[1], &l->waiting[0], l->waiters * sizeof(struct linux_saved *));
	l->waiting[0] = own;
	l->waiters++;
	go_on(l, next);
	return true;
}

static bool has_child(const struct linux_process *l)
{
	for (size_t i = 0; i < l->waiters; i++)
		if (l->waiting[i]->process.parent == l->pid)
			return true;
	return false;
}

int64_t linux_wait(struct linux_process *l, uint64_t status)
{
	for (size_t i = 0; i < l->ended_count; i++) {
		struct linux_ended e = l->ended[i];

		if (e.parent != l->pid)
			continue;
		memmove(&l->ended[i], &l->ended[i + 1], (--l->ended_count - i) * sizeof *l->ended);
		if (status)
			machine_put_number(l->m, status, (uint64_t)(unsigned)e.status, 4);
		return e.pid;
	}
	return has_child(l) && linux_yield(l) ? 0 : -ECHILD;
}

void linux_forget(struct linux_process *l)
{
	linux_drop_threads(l);
	while (l->waiters) {
		struct linux_saved *s = l->waiting[--l->waiters];

		linux_drop_threads(&s->process);
		machine_copy_free(s->memory);
		free(s);
	}
}
