#include "code/traits.h"

#include <capstone/capstone.h>
#include <stdlib.h>
#include <string.h>

#define STACK_SHORTEST 4u        /* characters */
#define STACK_TEXT 400u
#define STACK_BYTES 512u         /* of one function's buffers that are followed at a time */
#define STACK_PATIENCE 24u       /* instructions without a store that end a sequence */
#define STACK_WORK 400000u       /* instructions decoded in all: under half a second */

struct stored { unsigned base; int64_t at; uint64_t from; unsigned char byte; };
struct pass {
	const struct layout *v;
	csh cs;
	cs_insn *insn;
	size_t work, most;
	json_t *out;
	/* the sequence at hand */
	struct stored stored[STACK_BYTES]; size_t count;
	struct { bool known; uint64_t value; } reg[16];
	int64_t pushed;                     /* what the stack pointer moved since the sequence began */
};

static bool printable(unsigned char c)
{
	return (c >= 0x20 && c < 0x7f) || c == '\t' || c == '\n';
}

/* ---- from stores to texts ---- */

static int by_place(const void *a, const void *b)
{
	const struct stored *x = a, *y = b;

	if (x->base != y->base)
		return x->base > y->base ? 1 : -1;
	return (x->at > y->at) - (x->at < y->at);
}

/* A text needs two stores at least, or it is a number that happens to be printable; eight characters at once are no number. */
static void tell(struct pass *p, size_t begin, size_t end, size_t step)
{
	const struct stored *s = p->stored + begin;
	size_t n = (end - begin) / step, blanks = 0;
	uint64_t first = s->from, last = s->from;
	char text[STACK_TEXT], at[24];
	json_t *o;

	if (n < STACK_SHORTEST || json_array_size(p->out) >= p->most)
		return;
	n = n < STACK_TEXT ? n : STACK_TEXT;
	for (size_t i = 0; i < n; i++) {
		text[i] = (char)s[i * step].byte;
		blanks += i && text[i] == text[i - 1];
		first = s[i * step].from < first ? s[i * step].from : first;
		last = s[i * step].from > last ? s[i * step].from : last;
	}
	if ((first == last && n < 8) || blanks > n / 2)
		return;
	o = json_object();
	snprintf(at, sizeof at, "%llx", (unsigned long long)first);
	json_object_set_new(o, "address", json_string(at));
	json_object_set_new(o, "text", jsonio_bytes(text, n));
	json_array_append_new(p->out, o);
}

/* The run of neighbours from i on: narrow or wide characters. Returns where it ends. */
static size_t run_of(const struct pass *p, size_t i, size_t step)
{
	const struct stored *s = p->stored;
	size_t k = i;

	for (; k + step <= p->count; k += step) {
		if (s[k].base != s[i].base || s[k].at != s[i].at + (int64_t)(k - i) || !printable(s[k].byte))
			break;
		if (step == 2 && (s[k + 1].base != s[i].base || s[k + 1].at != s[k].at + 1 || s[k + 1].byte))
			break;
	}
	return k;
}

static void flush(struct pass *p)
{
	if (p->count > 1)
		qsort(p->stored, p->count, sizeof *p->stored, by_place);
	for (size_t i = 0; i < p->count;) {
		size_t narrow = run_of(p, i, 1), wide = run_of(p, i, 2), end;

		if (wide - i >= 2 * STACK_SHORTEST) {
			tell(p, i, wide, 2);
			end = wide;
		} else {
			tell(p, i, narrow, 1);
			end = narrow;
		}
		i = end > i ? end : i + 1;
	}
	p->count = 0;
}

static void store(struct pass *p, unsigned base, int64_t at, uint64_t value, unsigned width)
{
	for (unsigned i = 0; i < width; i++, value >>= 8) {
		struct stored s = { base, at + i, p->insn->address, (unsigned char)value };
		size_t k = 0;

		while (k < p->count && (p->stored[k].base != base || p->stored[k].at != s.at))
			k++;
		/* An earlier text at the same place was complete. */
		if (k < p->count && p->stored[k].byte != s.byte && i == 0) {
			flush(p);
			k = 0;
		}
		if (k == STACK_BYTES) {
			flush(p);
			k = 0;
		}
		p->stored[k] = s;
		p->count = k == p->count ? k + 1 : p->count;
	}
}

/* ---- one instruction ---- */

static int index_of(unsigned reg)
{
	static const struct { unsigned reg[4]; } names[] = {
		{ { X86_REG_RAX, X86_REG_EAX, X86_REG_AX, X86_REG_AL } }, { { X86_REG_RBX, X86_REG_EBX, X86_REG_BX, X86_REG_BL } },
		{ { X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL } }, { { X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL } },
		{ { X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL } }, { { X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL } },
		{ { X86_REG_RBP, X86_REG_EBP, X86_REG_BP, X86_REG_BPL } }, { { X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL } },
		{ { X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B } }, { { X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B } },
		{ { X86_REG_R10, X86_REG_R10D, X86_REG_R10W, X86_REG_R10B } }, { { X86_REG_R11, X86_REG_R11D, X86_REG_R11W, X86_REG_R11B } },
		{ { X86_REG_R12, X86_REG_R12D, X86_REG_R12W, X86_REG_R12B } }, { { X86_REG_R13, X86_REG_R13D, X86_REG_R13W, X86_REG_R13B } },
		{ { X86_REG_R14, X86_REG_R14D, X86_REG_R14W, X86_REG_R14B } }, { { X86_REG_R15, X86_REG_R15D, X86_REG_R15W, X86_REG_R15B } },
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		for (size_t k = 0; k < 4; k++)
			if (names[i].reg[k] == reg)
				return (int)i;
	return -1;
}

#define STACK_POINTER 7

/* The value of an operand when it is known: a constant, or a register that holds one. */
static bool value_of(const struct pass *p, const cs_x86_op *op, uint64_t *value)
{
	int i;

	if (op->type == X86_OP_IMM) {
		*value = (uint64_t)op->imm;
		return true;
	}
	i = op->type == X86_OP_REG ? index_of(op->reg) : -1;
	if (i < 0 || !p->reg[i].known)
		return false;
	*value = p->reg[i].value;
	return true;
}

static bool push(struct pass *p, const cs_x86 *x)
{
	unsigned width = p->v->bits / 8;
	uint64_t value;

	p->pushed -= width;
	if (!x->op_count || !value_of(p, &x->operands[0], &value))
		return false;
	store(p, STACK_POINTER, p->pushed, value, width);
	return true;
}

/* A store of a constant to memory at a register and a number. */
static bool move(struct pass *p, const cs_x86_op *to, const cs_x86_op *from)
{
	int base = to->type == X86_OP_MEM && to->mem.index == X86_REG_INVALID && to->mem.segment == X86_REG_INVALID ? index_of(to->mem.base) : -1;
	uint64_t value;

	if (base < 0 || !value_of(p, from, &value))
		return false;
	store(p, (unsigned)base, to->mem.disp + (base == STACK_POINTER ? p->pushed : 0), value, to->size > 8 ? 8 : to->size);
	return true;
}

/* Registers that the instruction changes: what was known of them, and of buffers that they pointed to, ends. */
static void forget(struct pass *p)
{
	cs_regs read, written;
	uint8_t reads, writes;

	if (cs_regs_access(p->cs, p->insn, read, &reads, written, &writes))
		return;
	for (uint8_t i = 0; i < writes; i++) {
		int k = index_of(written[i]);

		if (k < 0)
			continue;
		p->reg[k].known = false;
		for (size_t s = 0; k != STACK_POINTER && s < p->count; s++) {
			if (p->stored[s].base == (unsigned)k) {
				flush(p);
				break;
			}
		}
	}
}

static void set(struct pass *p, const cs_x86_op *to, const cs_x86_op *from)
{
	int k = index_of(to->reg);
	uint64_t value;
	bool known = k >= 0 && to->size >= 4 && value_of(p, from, &value);

	forget(p);
	if (!known)
		return;
	p->reg[k].known = true;
	p->reg[k].value = value;
}

/* True: it stored a constant. */
static bool step(struct pass *p)
{
	const cs_x86 *x = &p->insn->detail->x86;
	const cs_x86_op *to = &x->operands[0], *from = &x->operands[1];
	int k;

	switch (p->insn->id) {
	case X86_INS_PUSH:
		return push(p, x);
	case X86_INS_POP:
		forget(p);
		p->pushed += p->v->bits / 8;
		return false;
	case X86_INS_MOV: case X86_INS_MOVABS:
		if (x->op_count != 2)
			break;
		if (to->type == X86_OP_MEM)
			return move(p, to, from);
		if (to->type == X86_OP_REG) {
			set(p, to, from);
			return false;
		}
		break;
	case X86_INS_XOR:
		if (x->op_count == 2 && to->type == X86_OP_REG && from->type == X86_OP_REG && to->reg == from->reg) {
			forget(p);
			k = index_of(to->reg);
			if (k >= 0)
				p->reg[k].known = true;
			if (k >= 0)
				p->reg[k].value = 0;
			return false;
		}
		break;
	case X86_INS_ADD: case X86_INS_SUB:
		if (x->op_count == 2 && to->type == X86_OP_REG && index_of(to->reg) == STACK_POINTER && from->type == X86_OP_IMM) {
			p->pushed += p->insn->id == X86_INS_ADD ? from->imm : -from->imm;
			return false;
		}
		break;
	}
	forget(p);
	return false;
}

static bool ends(unsigned id)
{
	return id == X86_INS_RET || id == X86_INS_JMP || id == X86_INS_HLT || id == X86_INS_UD2 || id == X86_INS_INT3;
}

/* ---- where it is worth to look ---- */

static size_t all_printable(const unsigned char *p, size_t n)
{
	size_t i = 0;

	while (i < n && printable(p[i]))
		i++;
	return i;
}

/* Length of the head (opcode, ModRM, SIB, displacement) of "mov [reg + n], constant"; 0: something else. */
static size_t store_head(const unsigned char *p, size_t left)
{
	size_t n = 2;

	if (left < 12 || (p[0] != 0xc6 && p[0] != 0xc7) || p[1] & 0x38)
		return 0;
	if ((p[1] & 0xc0) == 0xc0 || (p[1] & 0xc7) == 0x05)
		return 0;
	if ((p[1] & 7) == 4)
		n++;
	if ((p[1] & 0xc0) == 0x40)
		n++;
	if ((p[1] & 0xc0) == 0x80)
		n += 4;
	return n;
}

/* Could a sequence begin here? Cheap, and right about where an instruction begins for the most part. */
static bool candidate(const unsigned char *p, size_t left, bool wide)
{
	size_t head = store_head(p, left);

	if (head && head + 4 <= left)
		return p[0] == 0xc6 ? printable(p[head]) : printable(p[head]) && (all_printable(p + head, 4) >= 2 || !p[head + 1]);
	/* push constant */
	if (left >= 5 && p[0] == 0x68)
		return all_printable(p + 1, 4) == 4;
	if (!wide)
		return false;
	return left >= 10 && (p[0] & 0xfe) == 0x48 && (p[1] & 0xf8) == 0xb8 && all_printable(p + 2, 8) >= 4;
}

/* Decodes from a candidate until the sequence ends; returns how far that was. */
static size_t sequence(struct pass *p, const struct layout_region *r, size_t begin)
{
	const uint8_t *at = r->p + begin;
	size_t left = r->n - begin, idle = 0;
	uint64_t address = r->address + begin;

	memset(p->reg, 0, sizeof p->reg);
	p->pushed = 0;
	while (idle < STACK_PATIENCE && p->work && cs_disasm_iter(p->cs, &at, &left, &address, p->insn)) {
		p->work--;
		if (ends(p->insn->id))
			break;
		idle = step(p) ? 0 : idle + 1;
	}
	flush(p);
	return r->n - left;
}

static void look(struct pass *p, const struct layout_region *r)
{
	bool wide = p->v->bits == 64;

	for (size_t i = 0; i < r->n && p->work && json_array_size(p->out) < p->most; i++) {
		size_t begin = i, end;

		if (!candidate(r->p + i, r->n - i, wide))
			continue;
		/* Prefixes: 16-bit constants, the registers r8 to r15, 64-bit stores. */
		if (begin && (r->p[i] == 0xc6 || r->p[i] == 0xc7) && wide && (r->p[begin - 1] & 0xf0) == 0x40)
			begin--;
		if (begin && r->p[i] == 0xc7 && r->p[begin - 1] == 0x66)
			begin--;
		end = sequence(p, r, begin);
		i = end > i + 1 ? end - 1 : i;
	}
}

json_t *strings_stack(const struct layout *v, size_t most)
{
	struct pass *p;
	json_t *out = json_array();

	if (!v->bits)
		return out;
	p = buf_alloc(sizeof *p);
	*p = (struct pass){ .v = v, .work = STACK_WORK, .most = most, .out = out };
	if (cs_open(CS_ARCH_X86, v->bits == 64 ? CS_MODE_64 : CS_MODE_32, &p->cs) == CS_ERR_OK) {
		cs_option(p->cs, CS_OPT_DETAIL, CS_OPT_ON);
		p->insn = cs_malloc(p->cs);
		for (size_t i = 0; p->insn && i < v->regions; i++)
			if (v->region[i].executable)
				look(p, &v->region[i]);
		if (p->insn)
			cs_free(p->insn, 1);
		cs_close(&p->cs);
	}
	free(p);
	return out;
}
