/*
 * Exceptions on x86-64, where no chain on the stack leads to handlers but tables (Microsoft, "x64 exception handling"): for each function what
 * its prologue did, by which a frame is unwound, and the handler of its language. For C that one is __C_specific_handler, with a table of
 * the places that __try guards.
 */
#include "emulate/windows.h"

#include <string.h>
#include <unicorn/unicorn.h>

#define FRAMES 256u
#define SCOPES 256u
#define DISPATCHER 0x60u
#define CONTEXT_SIZE 0x4d0u
enum { HANDLES = 1, CHAINED = 4 };
enum { AT_PC = 0, AT_BASE = 8, AT_FUNCTION = 0x10, AT_FRAME = 0x18, AT_CONTEXT = 0x28, AT_HANDLER = 0x30, AT_DATA = 0x38, AT_SCOPE = 0x48, AT_RECORD = 0x50,
	AT_FIRST = 0x58 };
#define CONTEXT_RAX 0x78u      /* sixteen registers, in the order of their numbers */
#define CONTEXT_RIP 0xf8u
#define RSP 4u

static uint64_t get(const struct windows *w, uint64_t at, size_t n) { return machine_number(w->m, at, n); }
static void set(struct windows *w, uint64_t at, uint64_t v) { machine_put_number(w->m, at, v, 8); }
static uint64_t reg(const struct windows *w, uint64_t context, unsigned r) { return get(w, context + CONTEXT_RAX + 8 * r, 8); }
static void set_reg(struct windows *w, uint64_t context, unsigned r, uint64_t v) { set(w, context + CONTEXT_RAX + 8 * r, v); }

/* Whose function it is: the image's table, or one that the program added. False: a leaf, or nobody's. */
static bool find_function(const struct windows *w, uint64_t pc, uint64_t *base, uint64_t *entry)
{
	for (size_t t = 0; t <= w->tables; t++) {
		uint64_t at = t < w->tables ? w->table[t].at : w->base + w->f->directory[PE_DIR_EXCEPTION].rva;
		uint64_t count = t < w->tables ? w->table[t].count : w->f->directory[PE_DIR_EXCEPTION].size / 12;

		*base = t < w->tables ? w->table[t].base : w->base;
		if (at == w->base)
			continue;
		for (uint64_t i = 0; i < count && i < 65536; i++) {
			*entry = at + 12 * i;
			if (pc >= *base + get(w, *entry, 4) && pc < *base + get(w, *entry + 4, 4))
				return true;
		}
	}
	return false;
}

/* How many further slots of two bytes a code of a prologue takes. */
static unsigned more(unsigned op, unsigned info)
{
	switch (op) {
	case 1: return info ? 2 : 1;
	case 4: case 8: return 1;
	case 5: case 9: return 2;
	default: return 0;
	}
}

/* Takes back one step of a prologue; true: it was a frame of the machine's own, and the pc with it. */
static bool undo(struct windows *w, uint64_t context, uint64_t code, unsigned op, unsigned info, uint64_t frame)
{
	uint64_t sp = reg(w, context, RSP);

	switch (op) {
	case 0: set_reg(w, context, info, get(w, sp, 8)); set_reg(w, context, RSP, sp + 8); break;
	case 1: set_reg(w, context, RSP, sp + (info ? get(w, code + 2, 4) : 8 * get(w, code + 2, 2))); break;
	case 2: set_reg(w, context, RSP, sp + 8 * info + 8); break;
	case 3: set_reg(w, context, RSP, frame); break;
	case 4: set_reg(w, context, info, get(w, frame + 8 * get(w, code + 2, 2), 8)); break;
	case 5: set_reg(w, context, info, get(w, frame + get(w, code + 2, 4), 8)); break;
	case 10:
		sp += info ? 8 : 0;
		set(w, context + CONTEXT_RIP, get(w, sp, 8));
		set_reg(w, context, RSP, get(w, sp + 24, 8));
		return true;
	default: break;
	}
	return false;
}

/* From a function into its caller; *frame: where its frame is; *handler: of its language, 0: none; *data: behind it. */
static void unwind_one(struct windows *w, uint64_t context, uint64_t base, uint64_t entry, uint64_t *frame, uint64_t *handler, uint64_t *data)
{
	uint64_t pc = get(w, context + CONTEXT_RIP, 8);
	bool machine = false, chained = false;

	*handler = 0;
	*frame = reg(w, context, RSP);
	for (unsigned chain = 0; chain < 32; chain++) {
		uint64_t info = base + get(w, entry + 8, 4), offset = pc - base - get(w, entry, 4);
		unsigned flags = (unsigned)get(w, info, 1) >> 3, count = (unsigned)get(w, info + 2, 1), by = (unsigned)get(w, info + 3, 1);
		uint64_t tail = info + 4 + 2 * ((count + 1) & ~1u);

		if (by & 15 && !chain)
			*frame = reg(w, context, by & 15) - 16 * (by >> 4);
		if (!chain && flags & HANDLES && offset >= get(w, info + 1, 1)) {
			*handler = base + get(w, tail, 4);
			*data = tail + 4;
		}
		for (unsigned i = 0; i < count; i++) {
			uint64_t code = info + 4 + 2 * i;
			unsigned at = (unsigned)get(w, code, 1), op = (unsigned)get(w, code + 1, 1);

			if (chained || at <= offset)
				machine |= undo(w, context, code, op & 15, op >> 4, *frame);
			i += more(op & 15, op >> 4);
		}
		if (!(flags & CHAINED))
			break;
		entry = tail;
		chained = true;
	}
	if (!machine) {
		uint64_t sp = reg(w, context, RSP);

		set(w, context + CONTEXT_RIP, get(w, sp, 8));
		set_reg(w, context, RSP, sp + 8);
	}
}

/*
 * The next frame with a handler, from the context in a dispatcher's on; the dispatcher is filled for it, with the context of that frame, and
 * the context that is gone on with behind it. Both stand below the record: dispatcher, context of the frame, context behind it.
 */
static bool next_frame(struct windows *w, uint64_t d)
{
	uint64_t here = d + DISPATCHER, behind = here + CONTEXT_SIZE;
	unsigned char copy[CONTEXT_SIZE];

	for (unsigned i = 0; i < FRAMES; i++) {
		uint64_t pc = get(w, behind + CONTEXT_RIP, 8), base, entry, frame, handler = 0, data = 0, sp = reg(w, behind, RSP);

		if (!machine_region_at(w->m, pc) || !machine_region_at(w->m, sp))
			return false;
		machine_read(w->m, behind, copy, sizeof copy);
		machine_put(w->m, here, copy, sizeof copy);
		if (!find_function(w, pc, &base, &entry)) {
			set(w, behind + CONTEXT_RIP, get(w, sp, 8));
			set_reg(w, behind, RSP, sp + 8);
			continue;
		}
		unwind_one(w, behind, base, entry, &frame, &handler, &data);
		if (!handler)
			continue;
		set(w, d + AT_PC, pc);
		set(w, d + AT_BASE, base);
		set(w, d + AT_FUNCTION, entry);
		set(w, d + AT_FRAME, frame);
		set(w, d + AT_CONTEXT, here);
		set(w, d + AT_HANDLER, handler);
		set(w, d + AT_DATA, data);
		set(w, d + AT_SCOPE, 0);
		return true;
	}
	return false;
}

/* Room for it lies well below what is pushed for a handler. */
uint64_t windows_unwind_begin(struct windows *w, uint64_t record, uint64_t context)
{
	uint64_t d = (record - 0x400 - DISPATCHER - 2 * CONTEXT_SIZE) & ~(uint64_t)15;
	unsigned char copy[CONTEXT_SIZE];

	if (!machine_region_at(w->m, d - 0x400))
		return 0;
	machine_read(w->m, context, copy, sizeof copy);
	machine_put(w->m, d + DISPATCHER + CONTEXT_SIZE, copy, sizeof copy);
	set(w, d + AT_RECORD, record);
	set(w, d + AT_FIRST, context);
	return d;
}

static void call(struct windows *w, uint64_t d, uint64_t to, unsigned stub, const uint64_t a[4])
{
	static const int r[] = { UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_R8, UC_X86_REG_R9 };
	uint64_t sp = (d - 0x100) & ~(uint64_t)15;

	for (unsigned i = 0; i < 4; i++)
		machine_set(w->m, r[i], a[i]);
	set(w, sp + 0x28, d);
	machine_set_sp(w->m, sp);
	machine_push(w->m, w->stub + 16 * stub);
	machine_set_pc(w->m, to);
}

bool windows_unwind_next(struct windows *w, uint64_t d)
{
	if (!next_frame(w, d))
		return false;
	call(w, d, get(w, d + AT_HANDLER, 8), STUB_TABLE, (uint64_t[]){ get(w, d + AT_RECORD, 8), get(w, d + AT_FRAME, 8), get(w, d + AT_FIRST, 8), d });
	return true;
}

/* The dispatcher of a handler or filter that came back. */
static uint64_t returned(const struct windows *w)
{
	return get(w, machine_sp(w->m) + 0x28, 8);
}

void windows_unwound(struct windows *w, int32_t answer)
{
	uint64_t d = returned(w);

	if (answer == 0)
		windows_continue(w, get(w, d + AT_FIRST, 8));
	else if (!windows_unwind_next(w, d))
		windows_unhandled(w, get(w, d + AT_RECORD, 8), get(w, d + AT_FIRST, 8));
}

/* Goes on at `to` in the frame of the dispatcher. */
static void land(struct windows *w, uint64_t d, uint64_t to)
{
	uint64_t context = get(w, d + AT_CONTEXT, 8);

	set(w, context + CONTEXT_RIP, to);
	set_reg(w, context, 0, get(w, get(w, d + AT_RECORD, 8), 4));
	windows_continue(w, context);
}

/* The next place that is guarded by __try and holds the pc; 1 EXCEPTION_EXECUTE_HANDLER stands for a filter that always says so. */
static bool next_scope(struct windows *w, uint64_t d)
{
	uint64_t base = get(w, d + AT_BASE, 8), data = get(w, d + AT_DATA, 8), pc = get(w, d + AT_PC, 8) - base, i = get(w, d + AT_SCOPE, 4);

	for (; i < get(w, data, 4) && i < SCOPES; i++) {
		uint64_t s = data + 4 + 16 * i, filter = get(w, s + 8, 4), to = get(w, s + 12, 4), pointers = d - 0x40;

		if (pc < get(w, s, 4) || pc >= get(w, s + 4, 4) || !to)
			continue;
		set(w, d + AT_SCOPE, i + 1);
		if (filter == 1) {
			land(w, d, base + to);
			return true;
		}
		set(w, pointers, get(w, d + AT_RECORD, 8));
		set(w, pointers + 8, get(w, d + AT_FIRST, 8));
		call(w, d, base + filter, STUB_SCOPE, (uint64_t[]){ pointers, get(w, d + AT_FRAME, 8), 0, 0 });
		return true;
	}
	return false;
}

void windows_filtered(struct windows *w, int32_t answer)
{
	uint64_t d = returned(w), scope = get(w, d + AT_DATA, 8) + 4 + 16 * (get(w, d + AT_SCOPE, 4) - 1);

	if (answer > 0)
		land(w, d, get(w, d + AT_BASE, 8) + get(w, scope + 12, 4));
	else if (answer < 0)
		windows_continue(w, get(w, d + AT_FIRST, 8));
	else if (!next_scope(w, d) && !windows_unwind_next(w, d))
		windows_unhandled(w, get(w, d + AT_RECORD, 8), get(w, d + AT_FIRST, 8));
}

/* Called by the program's own thunk, or as the handler itself: the dispatcher is the fourth argument. */
static uint64_t c_handler(struct windows *w, const uint64_t *a)
{
	if (get(w, a[0] + 4, 4) & 0x66)   /* it is being unwound */
		return 1;
	w->moved = next_scope(w, a[3]);
	return 1;
}

static uint64_t add_table(struct windows *w, const uint64_t *a)
{
	if (w->tables == sizeof w->table / sizeof *w->table)
		return 0;
	w->table[w->tables++] = (struct windows_table){ a[0], a[1], a[2] };
	return 1;
}

static uint64_t delete_table(struct windows *w, const uint64_t *a)
{
	for (size_t i = 0; i < w->tables; i++) {
		if (w->table[i].at != a[0])
			continue;
		w->table[i] = w->table[--w->tables];
		return 1;
	}
	return 0;
}

static uint64_t lookup(struct windows *w, const uint64_t *a)
{
	uint64_t base, entry;

	if (!find_function(w, a[0], &base, &entry))
		return 0;
	set(w, a[1], base);
	return entry;
}

static uint64_t virtual_unwind(struct windows *w, const uint64_t *a)
{
	uint64_t frame, handler, data = 0;

	set(w, a[4] + CONTEXT_RIP, a[2]);
	unwind_one(w, a[4], a[1], a[3], &frame, &handler, &data);
	set(w, a[5], data);
	set(w, a[6], frame);
	return a[0] & 1 ? handler : 0;
}

/* RtlUnwindEx(frame, ip, record, value, context, history): to a frame that is still there. */
static uint64_t unwind_to(struct windows *w, const uint64_t *a)
{
	uint64_t d = windows_unwind_begin(w, machine_sp(w->m), a[4]);

	windows_context(w, a[4]);
	while (d && next_frame(w, d)) {
		if (get(w, d + AT_FRAME, 8) != a[0])
			continue;
		set_reg(w, get(w, d + AT_CONTEXT, 8), 0, a[3]);
		set(w, get(w, d + AT_CONTEXT, 8) + CONTEXT_RIP, a[1]);
		windows_continue(w, get(w, d + AT_CONTEXT, 8));
		w->moved = true;
		return 0;
	}
	return 0;
}

static uint64_t capture(struct windows *w, const uint64_t *a)
{
	uint64_t sp = machine_sp(w->m);

	windows_context(w, a[0]);
	if (w->width == 8) {   /* as the caller sees itself */
		set(w, a[0] + CONTEXT_RIP, get(w, sp, 8));
		set_reg(w, a[0], RSP, sp + 8);
	}
	return 0;
}

const struct windows_entry windows_unwind_table[] = {
	{ "__C_specific_handler", c_handler }, { "RtlAddFunctionTable", add_table }, { "RtlDeleteFunctionTable", delete_table },
	{ "RtlLookupFunctionEntry", lookup }, { "RtlVirtualUnwind", virtual_unwind }, { "RtlUnwindEx", unwind_to }, { "RtlCaptureContext", capture },
	{ NULL, NULL },
};
