/* The model of Linux: the run of a program under it. */
#include "emulate/linux.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

void linux_finding(struct linux_process *l, const char *name, const char *fmt, ...)
{
	char reason[320];
	va_list ap;

	if (l->m->elsewhere && strcmp(name, "executes"))
		return;   /* a program of the system does it */
	va_start(ap, fmt);
	vsnprintf(reason, sizeof reason, fmt, ap);
	va_end(ap);
	emulation_find(l->m->out, name, reason);
}

static void happened(struct linux_process *l, enum machine_event event)
{
	struct machine *m = l->m;

	switch (event) {
	case EVENT_SYSCALL:
		linux_call(l, false);
		break;
	case EVENT_INTERRUPT:
		if (m->number == 0x80) {
			linux_call(l, true);
		} else if (m->number == 3) {
			linux_signal(l, SIGTRAP, SI_KERNEL, 0);
		} else {
			machine_set_pc(m, m->pc);
			linux_signal(l, SIGSEGV, SI_KERNEL, 0);
		}
		break;
	case EVENT_MEMORY: linux_signal(l, SIGSEGV, machine_region_at(m, m->fault_address) ? 2 : 1, m->fault_address); break;
	case EVENT_ILLEGAL: linux_signal(l, SIGILL, 2, machine_pc(m)); break;
	case EVENT_DIVIDE: linux_signal(l, SIGFPE, 1, machine_pc(m)); break;
	case EVENT_FLOAT: linux_signal(l, SIGFPE, 7, machine_pc(m)); break;
	case EVENT_STEP: linux_signal(l, SIGTRAP, 2, machine_pc(m)); break;
	default: linux_signal(l, SIGSEGV, SI_KERNEL, 0); break;
	}
	l->moved = false;
}

int linux_run(struct machine *m, const struct emulate_system *s, const void *p, size_t n, struct err *e)
{
	struct linux_process *l = buf_alloc(sizeof *l);
	int rc = -1;

	l->m = m;
	l->system = s;
	l->width = m->bits / 8;
	l->pid = l->last_pid = 2817;
	l->parent = 2790;
	l->random = UINT64_C(0x9e3779b97f4a7c15);
	linux_files_begin(l, p, n);
	if (!linux_load(l, p, n, NULL, NULL)) {
		err_set(e, EX_DATAERR, "the program cannot be loaded");
		goto out;
	}
	while (!l->exited) {
		enum machine_event event = machine_run(m);

		if (event == EVENT_END)
			break;
		happened(l, event);
	}
	if (!m->out->end)
		m->out->end = m->stopped ? m->stopped : "exit";
	rc = 0;
out:
	linux_files_end(l);
	linux_forget(l);
	free(l);
	return rc;
}
