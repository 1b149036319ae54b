/* The model of Windows: the run of a program under it. */
#include "emulate/windows.h"

#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

#define SYSTEM_CALL 0x2e        /* the interrupt by which functions ask us, as Windows NT's own did */

void windows_finding(struct windows *w, const char *name, const char *fmt, ...)
{
	char reason[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof reason, fmt, ap);
	va_end(ap);
	emulation_find(w->m->out, name, reason);
}

char *windows_name(struct windows *w, const char *s)
{
	w->name = buf_realloc(w->name, w->names + 1, sizeof *w->name);
	return w->name[w->names++] = buf_strdup(s);
}

static void returned(struct windows *w, uint64_t id)
{
	switch (id) {
	case STUB_VECTORED: case STUB_FRAME: case STUB_FILTER:
		windows_handled(w, (unsigned)id);
		break;
	case STUB_TABLE:
		windows_unwound(w, (int32_t)machine_reg(w->m, UC_X86_REG_EDX));
		break;
	case STUB_SCOPE:
		windows_filtered(w, (int32_t)machine_reg(w->m, UC_X86_REG_EDX));
		break;
	case STUB_THREAD:
		windows_thread_end(w);
		w->moved = false;
		break;
	case STUB_CALLBACK:
		windows_enter(w);
		break;
	default:
		w->exited = true;
		w->m->out->end = "exit";
	}
}

static void asked(struct windows *w)
{
	uint64_t id = machine_reg(w->m, UC_X86_REG_EAX);

	if (id < STUBS)
		returned(w, id);
	else
		windows_call(w, id);
}

static void interrupted(struct windows *w)
{
	struct machine *m = w->m;
	uint64_t pc = machine_pc(m);

	switch (m->number) {
	case SYSTEM_CALL:
		asked(w);
		return;
	case 3:
		windows_finding(w, "breakpoint", "it runs into a breakpoint of its own at %llx", (unsigned long long)m->pc);
		machine_set_pc(m, m->pc);
		windows_raise(w, (uint32_t)EXCEPTION_BREAKPOINT, 1, (uint64_t[]){ 0 });
		return;
	case 0x2d:   /* a debugger's service: without one a breakpoint, behind which a byte is passed over */
		windows_finding(w, "anti-debugger", "it asks the debugger's service (int 2d) at %llx", (unsigned long long)m->pc);
		machine_set_pc(m, pc + 1);
		windows_raise(w, (uint32_t)EXCEPTION_BREAKPOINT, 1, (uint64_t[]){ 0 });
		return;
	case 4:
		windows_raise(w, 0xc0000095, 0, NULL);
		return;
	default:     /* no such service */
		machine_set_pc(m, m->pc);
		windows_raise(w, (uint32_t)EXCEPTION_ACCESS, 2, (uint64_t[]){ 0, UINT32_MAX });
	}
}

static void faulted(struct windows *w)
{
	struct machine *m = w->m;
	struct machine_region *r = machine_region_at(m, m->fault_address);
	uint64_t kind = m->fault_kind == MACHINE_W ? 1 : m->fault_kind == MACHINE_X ? 8 : 0;

	if (r && r->tag == WINDOWS_GUARDED) {
		uint64_t page = m->fault_address & ~(uint64_t)(MACHINE_PAGE - 1);

		machine_protect(m, page, MACHINE_PAGE, MACHINE_R | MACHINE_W | MACHINE_X);
		r = machine_region_at(m, page);
		r->tag = 0;
		windows_raise(w, (uint32_t)EXCEPTION_GUARD, 2, (uint64_t[]){ kind, m->fault_address });
		return;
	}
	windows_raise(w, (uint32_t)EXCEPTION_ACCESS, 2, (uint64_t[]){ kind, m->fault_address });
}

static void happened(struct windows *w, enum machine_event event)
{
	switch (event) {
	case EVENT_INTERRUPT: interrupted(w); break;
	case EVENT_SYSCALL: asked(w); break;
	case EVENT_MEMORY: faulted(w); break;
	case EVENT_ILLEGAL: windows_raise(w, (uint32_t)EXCEPTION_ILLEGAL, 0, NULL); break;
	case EVENT_DIVIDE: windows_raise(w, (uint32_t)EXCEPTION_DIVIDE, 0, NULL); break;
	case EVENT_STEP:
		windows_finding(w, "single-step", "it steps through its own code by the trap flag");
		windows_raise(w, (uint32_t)EXCEPTION_SINGLE_STEP, 0, NULL);
		break;
	case EVENT_FLOAT: windows_raise(w, (uint32_t)EXCEPTION_FLOAT, 0, NULL); break;
	default: windows_raise(w, (uint32_t)EXCEPTION_PRIVILEGED, 0, NULL); break;
	}
}

int windows_run(struct machine *m, const struct pe *f, const char *exports, size_t exports_size, struct err *e)
{
	struct windows *w = buf_alloc(sizeof *w);
	int rc = -1;

	w->m = m;
	w->f = f;
	w->width = f->is64 ? 8 : 4;
	w->exports = exports;
	w->exports_size = exports_size;
	w->next_library = 0x71000000;
	w->random = 0x2545f4914f6cdd1d;
	if (windows_load(w, e))
		goto out;
	m->out->base = w->base;
	m->out->size = f->image_size;
	m->out->entry = w->entry;
	for (windows_enter(w); !w->exited;) {
		enum machine_event event = machine_run(m);

		if (event == EVENT_END)
			break;
		happened(w, event);
	}
	if (!m->out->end)
		m->out->end = m->stopped ? m->stopped : "exit";
	windows_imports(w);
	rc = 0;
out:
	windows_files_end(w);
	while (w->threads)
		uc_context_free(w->thread[--w->threads]);
	for (size_t i = 0; i < w->names; i++)
		free(w->name[i]);
	free(w->name);
	free(w->function);
	free(w->callback);
	free(w);
	return rc;
}
