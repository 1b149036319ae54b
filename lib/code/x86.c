/*
 * The lengths, operands and targets of x86 instructions (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2,
 * chapter 2 and appendix A). What is rare is decoded for its length alone. An opcode that no processor has is refused.
 */
#include "code/insn.h"

#include <string.h>

enum {
	M = 1,          /* ModRM */
	B = 2,          /* immediate of one byte */
	W = 4,          /* of two bytes */
	Z = 8,          /* of two or four, by operand size */
	V = 16,         /* of two, four or eight */
	J = 32,         /* a relative target of one byte */
	K = 64,         /* of two or four */
	O = 128,        /* an address, by address size */
	X = 256,        /* not in 64-bit mode */
	N = 512,        /* no instruction */
};

static const unsigned short one[256] = {
#define ALU(p6, p7) M, M, M, M, B, Z, p6, p7
	ALU(X, X), ALU(X, N), ALU(X, X), ALU(X, X), ALU(N, X), ALU(N, X), ALU(N, X), ALU(N, X),
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	X, X, M | X, M, N, N, N, N, Z, M | Z, B, M | B, 0, 0, 0, 0,
	J, J, J, J, J, J, J, J, J, J, J, J, J, J, J, J,
	M | B, M | Z, M | B | X, M | B, M, M, M, M, M, M, M, M, M, M, M, M,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, Z | W | X, 0, 0, 0, 0, 0,
	O, O, O, O, 0, 0, 0, 0, B, Z, 0, 0, 0, 0, 0, 0,
	B, B, B, B, B, B, B, B, V, V, V, V, V, V, V, V,
	M | B, M | B, W, 0, M | X, M | X, M | B, M | Z, W | B, 0, W, 0, 0, B, X, 0,
	M, M, M, M, B | X, B | X, X, 0, M, M, M, M, M, M, M, M,
	J, J, J, J, B, B, B, B, K, K, Z | W | X, J, 0, 0, 0, 0,
	N, 0, N, N, 0, 0, M, M, 0, 0, 0, 0, 0, 0, M, M,
};

static const unsigned short two[256] = {
	M, M, M, M, N, 0, 0, 0, 0, 0, N, 0, N, M, 0, M | B,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	M, M, M, M, N, N, N, N, M, M, M, M, M, M, M, M,
	0, 0, 0, 0, 0, 0, N, 0, N, N, N, N, N, N, N, N,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	M | B, M | B, M | B, M | B, M, M, M, 0, M, M, N, N, M, M, M, M,
	K, K, K, K, K, K, K, K, K, K, K, K, K, K, K, K,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	0, 0, 0, M, M | B, M, N, N, 0, 0, 0, M, M | B, M, M, M,
	M, M, M, M, M, M, M, M, M, M, M | B, M, M, M, M, M,
	M, M, M | B, M, M | B, M | B, M | B, M, 0, 0, 0, 0, 0, 0, 0, 0,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
	M, M, M, M, M, M, M, M, M, M, M, M, M, M, M, M,
};

struct decoding {
	const unsigned char *p;
	size_t left, at;
	bool is64, narrow_address, repeat, repeat_ne;
	unsigned rex;
	struct insn *i;
};

static bool number(struct decoding *d, size_t size, unsigned char *where, unsigned char *length, int64_t *value)
{
	uint64_t v = 0;

	if (d->left - d->at < size)
		return false;
	for (size_t k = 0; k < size; k++)
		v |= (uint64_t)d->p[d->at + k] << (8 * k);
	if (size < 8 && v >> (8 * size - 1))
		v |= UINT64_MAX << (8 * size);
	*where = (unsigned char)d->at;
	*length = (unsigned char)size;
	*value = (int64_t)v;
	d->at += size;
	return true;
}

static bool displacement(struct decoding *d, size_t size)
{
	return number(d, size, &d->i->disp_at, &d->i->disp_size, &d->i->disp);
}

/* Where an instruction has two immediates the first counts. */
static bool immediate(struct decoding *d, size_t size)
{
	unsigned char at, length;
	int64_t v;

	if (!d->i->imm_size)
		return number(d, size, &d->i->imm_at, &d->i->imm_size, &d->i->imm);
	return number(d, size, &at, &length, &v);
}

static bool modrm16(struct decoding *d)
{
	unsigned rm = d->i->rm;

	if (d->i->mod == 1)
		return displacement(d, 1);
	return (d->i->mod == 2 || rm == 6) ? displacement(d, 2) : true;
}

static bool modrm(struct decoding *d)
{
	struct insn *i = d->i;
	unsigned b, low;

	if (d->at >= d->left)
		return false;
	b = d->p[d->at++];
	i->has_modrm = true;
	i->mod = (unsigned char)(b >> 6);
	i->reg = (unsigned char)((b >> 3 & 7) | (d->rex & 4) << 1);
	low = b & 7;
	i->rm = (unsigned char)(low | (d->rex & 1) << 3);
	i->base = i->index = INSN_NONE;
	if (i->mod == 3)
		return true;
	i->memory = true;
	if (d->narrow_address && !d->is64) {
		i->rm = (unsigned char)low;
		return modrm16(d);
	}
	if (low == 4) {
		unsigned sib, index;

		if (d->at >= d->left)
			return false;
		sib = d->p[d->at++];
		index = (sib >> 3 & 7) | (d->rex & 2) << 2;
		if (index != 4) {
			i->index = (unsigned char)index;
			i->scale = (unsigned char)(1u << (sib >> 6));
		}
		low = sib & 7;
		if (low == 5 && i->mod == 0)
			return displacement(d, 4);
		i->base = (unsigned char)(low | (d->rex & 1) << 3);
	} else if (low == 5 && i->mod == 0) {
		i->rip = d->is64;
		return displacement(d, 4);
	} else {
		i->base = (unsigned char)(low | (d->rex & 1) << 3);
	}
	return i->mod == 0 || displacement(d, i->mod == 1 ? 1 : 4);
}

static bool prefixes(struct decoding *d)
{
	for (; d->at < d->left && d->at < 15; d->at++) {
		unsigned b = d->p[d->at];

		if (d->is64 && (b & 0xf0) == 0x40) {
			d->rex = b;
			continue;
		}
		switch (b) {
		case 0x26: case 0x2e: case 0x36: case 0x3e: case 0xf0: break;
		case 0x64: case 0x65: d->i->segment = true; break;
		case 0x66: d->i->narrow = true; break;
		case 0x67: d->narrow_address = true; break;
		case 0xf2: d->repeat_ne = true; break;
		case 0xf3: d->repeat = true; break;
		default:
			d->i->wide = d->rex & 8;
			return true;
		}
		d->rex = 0;      /* counts directly before the opcode only */
	}
	return false;
}

/* VEX (c4, c5) and EVEX (62) prefixes; 0: they are none here, 1: they are, -1: cut or no instruction. */
static int vector(struct decoding *d)
{
	unsigned b = d->p[d->at], next, map = MAP_0F, wide = 0, rex = 0;

	if (b != 0xc4 && b != 0xc5 && b != 0x62)
		return 0;
	if (d->at + 1 >= d->left)
		return -1;
	next = d->p[d->at + 1];
	if (!d->is64 && next < 0xc0)
		return 0;
	if (b == 0xc5) {
		rex = next & 0x80 ? 0 : 4;
		d->at += 2;
	} else {
		size_t size = b == 0xc4 ? 3 : 4;

		if (d->left - d->at < size)
			return -1;
		map = b == 0xc4 ? next & 31 : next & 7;
		wide = d->p[d->at + 2] >> 7;
		rex = (~next >> 5) & 7;
		d->at += size;
	}
	if (map < 1 || map > 7 || map == 4 || (b == 0xc4 && map > 3))
		return -1;
	d->i->map = (unsigned char)(map <= 3 ? map : MAP_OTHER);
	d->i->wide = wide;
	d->rex = d->is64 ? rex : 0;
	d->i->vector = true;
	return 1;
}

static bool opcode(struct decoding *d, unsigned *form)
{
	struct insn *i = d->i;
	int v = vector(d);

	if (v < 0 || d->at >= d->left)
		return false;
	i->opcode = d->p[d->at++];
	if (v) {
		*form = i->map == MAP_0F ? (two[i->opcode] & B) | (i->opcode == 0x77 ? 0u : (unsigned)M) : i->map == MAP_0F3A ? M | B : M;
		return true;
	}
	*form = one[i->opcode];
	if (i->opcode == 0x0f) {
		if (d->at >= d->left)
			return false;
		i->opcode = d->p[d->at++];
		i->map = MAP_0F;
		*form = two[i->opcode];
		if (i->opcode == 0x38 || i->opcode == 0x3a) {
			i->map = i->opcode == 0x38 ? MAP_0F38 : MAP_0F3A;
			*form = i->opcode == 0x38 ? M : M | B;
			if (d->at >= d->left)
				return false;
			i->opcode = d->p[d->at++];
		}
	}
	return !(*form & N) && !(*form & X && d->is64);
}

static bool operands(struct decoding *d, unsigned form)
{
	struct insn *i = d->i;
	size_t by_size = i->narrow && !i->wide ? 2 : 4;

	if (!(form & M))
		i->rm = (unsigned char)((i->opcode & 7) | (d->rex & 1) << 3);
	else if (!modrm(d))
		return false;
	if (i->map == MAP_ONE && !i->vector) {
		if ((i->opcode & 0xfe) == 0xf6 && (i->reg & 7) < 2)
			form |= i->opcode & 1 ? Z : B;
		if (i->opcode == 0xfe && (i->reg & 7) > 1)
			return false;
		if (i->opcode == 0xff && (i->reg & 7) == 7)
			return false;
		if (i->opcode == 0x8f && i->reg & 7)
			return false;
		if ((i->opcode == 0xc6 || i->opcode == 0xc7) && i->reg & 7 && d->p[d->at - 1] != 0xf8)
			return false;
		if (i->opcode == 0x8d && !i->memory)
			return false;
	}
	if (form & O)
		return displacement(d, d->is64 ? (d->narrow_address ? 4 : 8) : (d->narrow_address ? 2 : 4)) && (i->memory = true);
	if (form & J)
		return immediate(d, 1);
	if (form & K)
		return immediate(d, i->narrow && !d->is64 ? 2 : 4);
	if (form & V && !immediate(d, i->wide ? 8 : by_size))
		return false;
	if (form & Z && !immediate(d, by_size))
		return false;
	if (form & W && !immediate(d, 2))
		return false;
	return !(form & B) || immediate(d, 1);
}

static void flow_one(struct insn *i)
{
	switch (i->opcode) {
	case 0xe8: i->flow = INSN_CALL; i->direct = true; break;
	case 0x9a: i->flow = INSN_CALL; break;
	case 0xe9: case 0xeb: i->flow = INSN_JUMP; i->direct = true; break;
	case 0xe0: case 0xe1: case 0xe2: case 0xe3: i->flow = INSN_BRANCH; i->direct = true; break;
	case 0xc2: case 0xc3: case 0xca: case 0xcb: case 0xcf: case 0xcc: case 0xf4: case 0xea: i->flow = INSN_END; break;
	case 0xcd:
		/* __fastfail of Windows never returns. */
		if (i->imm == 0x29)
			i->flow = INSN_END;
		break;
	case 0xff:
		switch (i->reg & 7) {
		case 2: case 3: i->flow = INSN_CALL; break;
		case 4: i->flow = INSN_JUMP; break;
		case 5: i->flow = INSN_END; break;
		}
		break;
	default:
		if ((i->opcode & 0xf0) == 0x70) {
			i->flow = INSN_BRANCH;
			i->direct = true;
		}
	}
}

static void flow_two(struct insn *i)
{
	switch (i->opcode) {
	case 0x0b: case 0xb9: case 0xff: case 0x07: case 0x35: i->flow = INSN_END; break;
	default:
		if ((i->opcode & 0xf0) == 0x80) {
			i->flow = INSN_BRANCH;
			i->direct = true;
		}
	}
}

static bool is_nop(const struct decoding *d)
{
	const struct insn *i = d->i;

	if (i->vector)
		return false;
	if (i->map == MAP_0F)
		return i->opcode == 0x1f || (i->opcode == 0x1e && d->repeat && i->mod == 3 && (i->rm & 7) >= 2 && (i->reg & 7) == 7);
	if (i->map != MAP_ONE)
		return false;
	if (i->opcode == 0x90)
		return !d->repeat && !(d->rex & 1);
	/* lea esi, [esi+0], as 32-bit assemblers pad */
	return i->opcode == 0x8d && i->memory && i->base == i->reg && i->index == INSN_NONE && i->disp_size && !i->disp && i->wide == d->is64;
}

bool x86_decode(const unsigned char *p, size_t left, uint64_t address, bool is64, struct insn *i)
{
	struct decoding d = { .p = p, .left = left < 15 ? left : 15, .is64 = is64, .i = i };
	unsigned form;

	memset(i, 0, sizeof *i);
	i->address = address;
	i->p = p;
	i->base = i->index = INSN_NONE;
	if (!prefixes(&d) || !opcode(&d, &form) || !operands(&d, form))
		return false;
	i->size = (unsigned char)d.at;
	if (!i->vector && i->map == MAP_ONE)
		flow_one(i);
	else if (!i->vector && i->map == MAP_0F)
		flow_two(i);
	if (i->direct) {
		i->target = address + i->size + (uint64_t)i->imm;
		if (!is64)
			i->target &= UINT32_MAX;
	}
	i->nop = is_nop(&d);
	return true;
}
