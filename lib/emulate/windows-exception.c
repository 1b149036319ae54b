/*
 * Exceptions as Windows delivers them (Pietrek, "A Crash Course on the Depths of Win32 Structured Exception Handling"): vectored handlers
 * first, then on 32-bit machines the frames that fs:[0] leads to, then the filter of what nobody handled. Packers raise them on
 * purpose. Everything that is needed when a handler comes back stands on the program's own stack.
 */
#include "emulate/windows.h"

#include <string.h>
#include <unicorn/unicorn.h>

#define EXCEPTIONS 100000u      /* of one run */
#define FRAMES 4096u            /* of a chain */
#define RECORD 0x98u            /* bytes of EXCEPTION_RECORD, the larger of both */
#define CONTEXT_SIZE 0x4d0u
#define CONTEXT_ALL_86 0x1003fu
#define CONTEXT_ALL_64 0x10001fu
enum { SEARCH = 1, NESTED_OR_ON = 0, FILTER_ON = -1 };

struct place { int reg; uint16_t at; };
static const struct place context_86[] = {
	{ UC_X86_REG_GS, 0x8c }, { UC_X86_REG_FS, 0x90 }, { UC_X86_REG_ES, 0x94 }, { UC_X86_REG_DS, 0x98 }, { UC_X86_REG_EDI, 0x9c },
	{ UC_X86_REG_ESI, 0xa0 }, { UC_X86_REG_EBX, 0xa4 }, { UC_X86_REG_EDX, 0xa8 }, { UC_X86_REG_ECX, 0xac }, { UC_X86_REG_EAX, 0xb0 },
	{ UC_X86_REG_EBP, 0xb4 }, { UC_X86_REG_EIP, 0xb8 }, { UC_X86_REG_CS, 0xbc }, { UC_X86_REG_EFLAGS, 0xc0 }, { UC_X86_REG_ESP, 0xc4 },
	{ UC_X86_REG_SS, 0xc8 },
};
static const struct place context_64[] = {
	{ UC_X86_REG_RAX, 0x78 }, { UC_X86_REG_RCX, 0x80 }, { UC_X86_REG_RDX, 0x88 }, { UC_X86_REG_RBX, 0x90 }, { UC_X86_REG_RSP, 0x98 },
	{ UC_X86_REG_RBP, 0xa0 }, { UC_X86_REG_RSI, 0xa8 }, { UC_X86_REG_RDI, 0xb0 }, { UC_X86_REG_R8, 0xb8 }, { UC_X86_REG_R9, 0xc0 },
	{ UC_X86_REG_R10, 0xc8 }, { UC_X86_REG_R11, 0xd0 }, { UC_X86_REG_R12, 0xd8 }, { UC_X86_REG_R13, 0xe0 }, { UC_X86_REG_R14, 0xe8 },
	{ UC_X86_REG_R15, 0xf0 }, { UC_X86_REG_RIP, 0xf8 },
};

/* What is pushed for each exception, behind the arguments of the handler: where its record and context are, and how far it went. */
struct state { uint64_t record, context, next; };

static bool is64(const struct windows *w)
{
	return w->width == 8;
}

void windows_context(struct windows *w, uint64_t at)
{
	const struct place *p = is64(w) ? context_64 : context_86;
	size_t n = is64(w) ? sizeof context_64 / sizeof *p : sizeof context_86 / sizeof *p;
	static const unsigned char debug_86[] = { 0x04, 0x08, 0x0c, 0x10, 0x14, 0x18 }, debug_64[] = { 0x48, 0x50, 0x58, 0x60, 0x68, 0x70 };

	machine_put_number(w->m, at + (is64(w) ? 0x30 : 0), is64(w) ? CONTEXT_ALL_64 : CONTEXT_ALL_86, 4);
	for (size_t i = 0; i < 6; i++)
		machine_put_number(w->m, at + (is64(w) ? debug_64[i] : debug_86[i]), w->debug[i < 4 ? i : i + 2], w->width);
	for (size_t i = 0; i < n; i++)
		machine_put_number(w->m, at + p[i].at, machine_reg(w->m, p[i].reg), w->width);
	if (is64(w))
		machine_put_number(w->m, at + 0x44, machine_reg(w->m, UC_X86_REG_EFLAGS), 4);
}

void windows_continue(struct windows *w, uint64_t at)
{
	const struct place *p = is64(w) ? context_64 : context_86;
	size_t n = is64(w) ? sizeof context_64 / sizeof *p : sizeof context_86 / sizeof *p;

	for (size_t i = 0; i < 6; i++)
		w->debug[i < 4 ? i : i + 2] = machine_number(w->m, at + (is64(w) ? 0x48 + 8 * i : 4 + 4 * i), w->width);
	for (size_t i = 0; i < n; i++) {
		uint64_t v = machine_number(w->m, at + p[i].at, w->width);

		/* A selector that is none would be the emulator's fault, not the program's. */
		if (p[i].reg == UC_X86_REG_EFLAGS)
			v = (v & 0xdd5) | 2;
		else if (p[i].reg == UC_X86_REG_GS || p[i].reg == UC_X86_REG_FS || p[i].reg == UC_X86_REG_ES || p[i].reg == UC_X86_REG_DS ||
				p[i].reg == UC_X86_REG_CS || p[i].reg == UC_X86_REG_SS)
			continue;
		machine_set(w->m, p[i].reg, v);
	}
	if (is64(w))
		machine_set(w->m, UC_X86_REG_EFLAGS, (machine_number(w->m, at + 0x44, 4) & 0xdd5) | 2);
}

static void put_record(struct windows *w, uint64_t at, uint32_t code, uint64_t address, unsigned count, const uint64_t *information)
{
	unsigned n = w->width;

	machine_put_number(w->m, at, code, 4);
	machine_put_number(w->m, at + 4, 0, 4);
	machine_put_number(w->m, at + 8, 0, n);
	machine_put_number(w->m, at + 8 + n, address, n);
	machine_put_number(w->m, at + 8 + 2 * n, count, 4);
	for (unsigned i = 0; i < count; i++)
		machine_put_number(w->m, at + (n == 8 ? 0x20 : 0x14) + n * i, information[i], n);
}

static void end(struct windows *w)
{
	w->exited = true;
	w->m->out->end = "fault";
}

/* While a handler runs, a frame of the system's own is the innermost: handlers reach their own one through it. */
static void enter_frame(struct windows *w, uint64_t sp, uint64_t establisher)
{
	machine_put_number(w->m, sp + 16, machine_number(w->m, w->teb, 4), 4);
	machine_put_number(w->m, sp + 20, w->stub + 16 * STUB_LAST, 4);
	machine_put_number(w->m, sp + 24, establisher, 4);
	machine_put_number(w->m, w->teb, sp + 16, 4);
}

/* Calls to(a, b, c, d), which returns to a stub; the state lies above its arguments. */
static void call_handler(struct windows *w, uint64_t to, unsigned stub, const uint64_t arg[4], const struct state *s)
{
	struct machine *m = w->m;
	uint64_t sp = (s->record - 0x100) & ~(uint64_t)15;
	const uint64_t kept[3] = { s->record, s->context, s->next };
	unsigned n = w->width;

	for (unsigned i = 0; i < 3; i++)
		machine_put_number(m, sp + n * (8 + i), kept[i], n);
	for (unsigned i = 0; i < 4; i++)
		machine_put_number(m, sp + n * i, arg[i], n);
	if (is64(w)) {
		machine_set(m, UC_X86_REG_RCX, arg[0]);
		machine_set(m, UC_X86_REG_RDX, arg[1]);
		machine_set(m, UC_X86_REG_R8, arg[2]);
		machine_set(m, UC_X86_REG_R9, arg[3]);
	}
	if (stub == STUB_FRAME)
		enter_frame(w, sp, arg[1]);
	machine_set_sp(m, sp);
	machine_push(m, w->stub + 16 * stub);
	machine_set_pc(m, to);
}

/* EXCEPTION_POINTERS, above the record. */
static uint64_t pointers(struct windows *w, const struct state *s)
{
	uint64_t at = s->record - 0x40;

	machine_put_number(w->m, at, s->record, w->width);
	machine_put_number(w->m, at + w->width, s->context, w->width);
	return at;
}

static void to_filter(struct windows *w, struct state *s)
{
	if (!w->filter) {
		end(w);
		return;
	}
	s->next = 0;
	call_handler(w, w->filter, STUB_FILTER, (uint64_t[]){ pointers(w, s), 0, 0, 0 }, s);
}

void windows_unhandled(struct windows *w, uint64_t record, uint64_t context)
{
	struct state s = { record, context, 0 };

	to_filter(w, &s);
}

static void to_table(struct windows *w, struct state *s)
{
	uint64_t d = windows_unwind_begin(w, s->record, s->context);

	if (!d || !windows_unwind_next(w, d))
		to_filter(w, s);
}

/* The frame at s->next, or the end of the chain. */
static void to_frame(struct windows *w, struct state *s)
{
	uint64_t frame = s->next, handler;

	if (is64(w)) {
		to_table(w, s);
		return;
	}
	if (frame == UINT32_MAX || !machine_region_at(w->m, frame)) {
		to_filter(w, s);
		return;
	}
	handler = machine_number(w->m, frame + 4, 4);
	/* Frames of the system's own: of a handler that was left by a jump. */
	for (unsigned i = 0; handler == w->stub + 16 * STUB_LAST && i < FRAMES; i++) {
		s->next = frame = machine_number(w->m, frame, 4);
		handler = machine_region_at(w->m, frame) ? machine_number(w->m, frame + 4, 4) : 0;
	}
	if (!handler) {
		to_filter(w, s);
		return;
	}
	if (windows_library_at(w, handler)) {   /* the outermost one */
		to_filter(w, s);
		return;
	}
	call_handler(w, handler, STUB_FRAME, (uint64_t[]){ s->record, frame, s->context, 0 }, s);
}

static void to_vectored(struct windows *w, struct state *s, unsigned index)
{
	if (index < w->handlers) {
		s->next = index;
		call_handler(w, w->handler[index], STUB_VECTORED, (uint64_t[]){ pointers(w, s), 0, 0, 0 }, s);
		return;
	}
	s->next = machine_number(w->m, w->teb, w->width);
	to_frame(w, s);
}

void windows_raise(struct windows *w, uint32_t code, unsigned count, const uint64_t *information)
{
	struct machine *m = w->m;
	uint64_t sp = machine_sp(m), pc = machine_pc(m);
	struct state s = { .context = ((sp - CONTEXT_SIZE - 0x80) & ~(uint64_t)15) };

	s.record = (s.context - RECORD) & ~(uint64_t)15;
	if (w->exceptions++ >= EXCEPTIONS || !machine_region_at(m, s.record - 0x200)) {
		end(w);
		return;
	}
	windows_context(w, s.context);
	put_record(w, s.record, code, pc, count, information);
	machine_set(m, UC_X86_REG_EFLAGS, machine_reg(m, UC_X86_REG_EFLAGS) & ~(uint64_t)0x500);
	to_vectored(w, &s, 0);
}

void windows_handled(struct windows *w, unsigned stub)
{
	struct machine *m = w->m;
	uint64_t sp = machine_sp(m), n = w->width;
	int32_t answer = (int32_t)machine_reg(m, UC_X86_REG_EDX);
	struct state s;

	/* A vectored handler and a filter take their argument off the stack. */
	if (!is64(w) && stub != STUB_FRAME)
		sp -= 4;
	s.record = machine_number(m, sp + n * 8, n);
	s.context = machine_number(m, sp + n * 9, n);
	s.next = machine_number(m, sp + n * 10, n);
	if (stub == STUB_FRAME)
		machine_put_number(m, w->teb, machine_number(m, sp + 16, 4), 4);
	if ((stub == STUB_FRAME && answer == NESTED_OR_ON) || (stub != STUB_FRAME && answer == FILTER_ON)) {
		windows_continue(w, s.context);
		return;
	}
	if (stub == STUB_VECTORED) {
		to_vectored(w, &s, (unsigned)s.next + 1);
	} else if (stub == STUB_FRAME && answer == SEARCH) {
		s.next = machine_number(m, s.next, 4);
		to_frame(w, &s);
	} else {
		end(w);
	}
}
