#include "code/trace.h"

#include <string.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

#define TRACE_BOUND 65536u       /* no switch has more cases */

void trace_begin(struct trace *t, bool is64)
{
	uint64_t got = t->got;

	memset(t, 0, sizeof *t);
	t->is64 = is64;
	t->got = got;
}

static void forget(struct trace *t, unsigned reg)
{
	if (reg < 16)
		t->kind[reg] = TRACE_UNKNOWN;
}

static void set(struct trace *t, unsigned reg, uint64_t value, bool wide)
{
	t->kind[reg] = TRACE_CONST;
	t->value[reg] = wide ? value : value & UINT32_MAX;
}

static void copy(struct trace *t, unsigned to, unsigned from)
{
	t->kind[to] = t->kind[from];
	t->width[to] = t->width[from];
	t->value[to] = t->value[from];
	t->base[to] = t->base[from];
}

static uint64_t cut(const struct trace *t, uint64_t v)
{
	return t->is64 ? v : v & UINT32_MAX;
}

static bool constant(const struct trace *t, unsigned reg)
{
	return reg < 16 && t->kind[reg] == TRACE_CONST;
}

/* The constant part of a memory operand; *whole: nothing else is in it. False: something unknown has no place in a table. */
static bool operand(const struct trace *t, const struct insn *i, uint64_t *address, bool *whole)
{
	uint64_t sum = (uint64_t)i->disp;
	bool any = i->disp_size >= 4;

	if (!i->memory || i->segment)
		return false;
	*whole = true;
	if (i->rip)
		sum += i->address + i->size;
	if (constant(t, i->base)) {
		sum += t->value[i->base];
		any = true;
	} else if (i->base != INSN_NONE) {
		*whole = false;
	}
	if (constant(t, i->index)) {
		sum += t->value[i->index] * i->scale;
		any |= i->scale == 1;
	} else if (i->index != INSN_NONE) {
		*whole = false;
	}
	*address = cut(t, sum);
	/* Of two registers one is the table's address, or neither is needed. */
	if (i->base != INSN_NONE && !constant(t, i->base) && i->index != INSN_NONE && !(constant(t, i->index) && i->scale == 1))
		return false;
	return any && (*whole || i->base == INSN_NONE || constant(t, i->base) || constant(t, i->index));
}

bool trace_reference(const struct trace *t, const struct insn *i, uint64_t *address)
{
	bool whole;

	return operand(t, i, address, &whole);
}

static void load(struct trace *t, const struct insn *i, unsigned width)
{
	uint64_t address;
	bool whole;

	if (!operand(t, i, &address, &whole) || whole) {
		forget(t, i->reg);
		return;
	}
	t->kind[i->reg] = TRACE_ENTRY;
	t->width[i->reg] = (unsigned char)width;
	t->value[i->reg] = address;
}

static void add(struct trace *t, unsigned to, unsigned from)
{
	unsigned entry = t->kind[to] == TRACE_ENTRY ? to : from, other = entry == to ? from : to;

	if (constant(t, to) && constant(t, from)) {
		t->value[to] = cut(t, t->value[to] + t->value[from]);
	} else if (t->kind[entry] == TRACE_ENTRY && constant(t, other)) {
		uint64_t base = t->value[other];

		copy(t, to, entry);
		t->kind[to] = TRACE_TARGET;
		t->base[to] = base;
	} else {
		forget(t, to);
	}
}

static void add_number(struct trace *t, unsigned reg, uint64_t by, bool word)
{
	/* "call next; pop ebx; add ebx, _GLOBAL_OFFSET_TABLE_" */
	bool first = word && t->pushed && constant(t, reg) && t->push == t->value[reg];

	if (!constant(t, reg))
		return forget(t, reg);
	t->value[reg] = cut(t, t->value[reg] + by);
	if (first && !t->got)
		t->got = t->value[reg];
}

/* add, or, adc, sbb, and, sub, xor, cmp with an immediate */
static void arithmetic(struct trace *t, const struct insn *i)
{
	switch (i->reg & 7) {
	case 7:
		t->compared = i->imm >= 0 && i->imm < (int64_t)TRACE_BOUND;
		t->compare = (uint64_t)i->imm;
		return;
	case 0: case 5:
		if (i->mod != 3 || i->narrow || i->opcode == 0x80)
			break;
		add_number(t, i->rm, i->reg & 7 ? 0 - (uint64_t)i->imm : (uint64_t)i->imm, i->imm_size == 4);
		return;
	case 4:
		if (i->imm > 0 && i->imm < (int64_t)TRACE_BOUND) {
			t->bounded = true;
			t->bound = (uint64_t)i->imm + 1;
		}
		break;
	}
	if (i->mod == 3)
		forget(t, i->rm);
}

static void both(struct trace *t, const struct insn *i)
{
	if (!i->has_modrm)
		return;
	forget(t, i->reg);
	if (i->mod == 3)
		forget(t, i->rm);
}

/* What a called function may change (System V and Windows alike). */
static void called(struct trace *t)
{
	static const unsigned char lost[] = { RAX, RCX, RDX, RSI, RDI, 8, 9, 10, 11 };

	for (size_t k = 0; k < sizeof lost; k++)
		forget(t, lost[k]);
	t->compared = t->bounded = false;
}

static void to_register(struct trace *t, const struct insn *i, unsigned to, unsigned from)
{
	if (i->narrow)
		forget(t, to);
	else
		copy(t, to, from);
}

static void step_low(struct trace *t, const struct insn *i)
{
	unsigned form = i->opcode & 7;
	bool same = i->mod == 3 && i->reg == i->rm;

	if (i->opcode >= 0x38) {         /* cmp */
		t->compared = form >= 4 && form < 6 && i->imm >= 0 && i->imm < (int64_t)TRACE_BOUND;
		t->compare = (uint64_t)i->imm;
	} else if (form == 5 && (i->opcode == 0x05 || i->opcode == 0x2d) && !i->narrow) {
		add_number(t, RAX, i->opcode == 0x05 ? (uint64_t)i->imm : 0 - (uint64_t)i->imm, i->imm_size == 4);
	} else if (form >= 4) {
		if (form < 6)
			forget(t, RAX);
	} else if (same && form & 1 && ((i->opcode & 0xf8) == 0x30 || (i->opcode & 0xf8) == 0x28)) {
		set(t, i->reg, 0, true);
	} else if (i->opcode == 0x01 && i->mod == 3) {
		add(t, i->rm, i->reg);
	} else if (i->opcode == 0x03 && i->mod == 3) {
		add(t, i->reg, i->rm);
	} else if (i->opcode == 0x03 && constant(t, i->reg)) {
		uint64_t base = t->value[i->reg];

		load(t, i, i->wide ? 8 : 4);
		t->base[i->reg] = base;
		t->kind[i->reg] = t->kind[i->reg] == TRACE_ENTRY ? TRACE_TARGET : TRACE_UNKNOWN;
	} else if (form & 2) {
		forget(t, i->reg);
	} else if (i->mod == 3) {
		forget(t, i->rm);
	}
}

static void step_one(struct trace *t, const struct insn *i)
{
	uint64_t address;
	bool whole;

	switch (i->opcode) {
	case 0x8d:
		if (operand(t, i, &address, &whole) && whole)
			set(t, i->reg, address, i->wide || !t->is64);
		else
			forget(t, i->reg);
		return;
	case 0xc7:
		if (i->mod == 3 && !i->narrow)
			set(t, i->rm, (uint64_t)i->imm, i->wide);
		return;
	case 0x89:
		if (i->mod == 3)
			to_register(t, i, i->rm, i->reg);
		return;
	case 0x8b: case 0x63:
		if (i->mod == 3)
			to_register(t, i, i->reg, i->rm);
		else if (!i->narrow && (i->opcode == 0x8b || t->is64))
			load(t, i, i->opcode == 0x8b && i->wide ? 8 : 4);
		else
			forget(t, i->reg);
		return;
	case 0x80: case 0x81: case 0x83: arithmetic(t, i); return;
	case 0x98:
		if (t->kind[RAX] != TRACE_ENTRY)
			forget(t, RAX);
		return;
	case 0x99: forget(t, RDX); return;
	case 0x84: case 0x85: case 0xa8: case 0xa9: t->compared = false; return;
	case 0xc6: case 0x68: case 0x6a: case 0x90: case 0xf5: case 0xf8: case 0xf9: case 0xfc: case 0xfd: return;
	case 0x88:
		if (i->mod == 3)
			forget(t, i->rm);
		return;
	case 0xf6: case 0xf7:
		if ((i->reg & 7) >= 2 && i->mod == 3)
			forget(t, i->rm);
		if ((i->reg & 7) >= 4) {
			forget(t, RAX);
			forget(t, RDX);
		}
		return;
	case 0xff:
		if ((i->reg & 7) < 2 && i->mod == 3)
			forget(t, i->rm);
		return;
	case 0xc9: forget(t, RSP); forget(t, RBP); return;
	}
	if (i->opcode < 0x40) {
		step_low(t, i);
	} else if (i->opcode >= 0xb8 && i->opcode <= 0xbf) {
		if (i->narrow)
			forget(t, i->rm);
		else
			set(t, i->rm, (uint64_t)i->imm, i->wide);
	} else if (i->opcode >= 0x58 && i->opcode <= 0x5f) {
		if (t->pushed && t->push == i->address)
			set(t, i->rm, t->push, true);
		else
			forget(t, i->rm);
	} else if (i->opcode >= 0xa0 && i->opcode <= 0xaf) {
		static const unsigned char lost[] = { RAX, RCX, RSI, RDI };

		for (size_t k = 0; k < sizeof lost; k++)
			forget(t, lost[k]);
	} else if (!i->has_modrm && !(i->opcode >= 0x50 && i->opcode <= 0x57) && !(i->opcode >= 0x70 && i->opcode <= 0x7f)) {
		forget(t, i->rm);
		forget(t, RAX);
	} else {
		both(t, i);
	}
}

static void step_two(struct trace *t, const struct insn *i)
{
	unsigned o = i->opcode;

	/* Vector registers have numbers of their own. */
	if ((o >= 0x10 && o < 0x20) || (o >= 0x28 && o < 0x2c) || o == 0x2e || o == 0x2f || (o > 0x50 && o < 0x80 && o != 0x7e) || (o >= 0xd0 && o != 0xd7))
		return;
	if (o >= 0x80 && o < 0x90)
		return;
	if (o == 0x05 || o == 0x34) {
		forget(t, RAX);
		forget(t, RCX);
		forget(t, 11);
	} else if (o == 0xa2 || o == 0x31) {
		for (unsigned r = RAX; r <= RBX; r++)
			forget(t, r);
	} else if (i->has_modrm) {
		both(t, i);
	} else {
		forget(t, i->rm);
		forget(t, RAX);
	}
}

void trace_step(struct trace *t, const struct insn *i)
{
	if (i->nop)
		return;
	if (i->flow == INSN_CALL) {
		called(t);
		t->pushed = i->direct && i->target == i->address + i->size;
		t->push = i->target;
		return;
	}
	if (i->vector) {
		if (i->map != MAP_0F && i->opcode >= 0xf0)
			memset(t->kind, TRACE_UNKNOWN, sizeof t->kind);
		return;
	}
	if (i->map == MAP_ONE && i->opcode == 0xcd)
		forget(t, RAX);
	else if (i->map == MAP_ONE)
		step_one(t, i);
	else if (i->map == MAP_0F)
		step_two(t, i);
	else
		both(t, i);
}

void trace_thunk(struct trace *t, unsigned reg, uint64_t next)
{
	set(t, reg, next, true);
	t->pushed = true;
	t->push = next;
}

bool trace_table(const struct trace *t, const struct insn *i, uint64_t *table, unsigned *width, uint64_t *base)
{
	bool whole;

	if (i->flow != INSN_JUMP || i->direct || !i->has_modrm)
		return false;
	*base = 0;
	if (i->memory) {
		*width = t->is64 ? 8 : 4;
		return i->scale == *width && operand(t, i, table, &whole) && !whole;
	}
	*table = t->value[i->rm];
	*width = t->width[i->rm];
	*base = t->base[i->rm];
	if (t->kind[i->rm] == TRACE_TARGET)
		return *width == 4;
	*base = 0;
	return t->kind[i->rm] == TRACE_ENTRY && *width == (t->is64 ? 8u : 4u);
}

struct trace_kept trace_keep(const struct trace *t)
{
	struct trace_kept k = { .bound = t->bounded ? (uint32_t)t->bound : 0 };

	for (unsigned r = 0; r < 16; r++) {
		if (t->kind[r] == TRACE_CONST) {
			k.value[r] = t->value[r];
			k.known |= (uint16_t)(1u << r);
		}
	}
	return k;
}

void trace_again(struct trace *t, const struct trace_kept *k)
{
	trace_begin(t, t->is64);
	for (unsigned r = 0; r < 16; r++)
		if (k->known >> r & 1)
			set(t, r, k->value[r], true);
	t->bounded = k->bound != 0;
	t->bound = k->bound;
}

void trace_branch(const struct trace *t, const struct insn *i, uint32_t *on, uint32_t *there)
{
	unsigned condition = i->map == MAP_0F || (i->opcode & 0xf0) == 0x70 ? i->opcode & 15u : 16u;

	*on = *there = t->bounded ? (uint32_t)t->bound : 0;
	if (!t->compared)
		return;
	switch (condition) {
	case 7: *on = (uint32_t)t->compare + 1; break;       /* ja */
	case 3: *on = (uint32_t)t->compare; break;           /* jae */
	case 6: *there = (uint32_t)t->compare + 1; break;    /* jbe */
	case 2: *there = (uint32_t)t->compare; break;        /* jb */
	}
}
