/* One instruction as the walk sees it. x86.c decodes x86 by itself, which is fifty times as fast as a library that makes text. */
#ifndef CODE_INSN_H
#define CODE_INSN_H

#include "base/base.h"

enum insn_flow { INSN_ON, INSN_CALL, INSN_BRANCH, INSN_JUMP, INSN_END };

#define INSN_NONE 0xffu          /* no such register */
enum { MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A, MAP_OTHER };

struct insn {
	uint64_t address;
	const unsigned char *p;
	unsigned char size;
	unsigned char flow;              /* enum insn_flow */
	bool direct;                     /* target is known from the instruction alone */
	uint64_t target;
	bool nop;                        /* does nothing: padding, or a mark for indirect jumps */
	/* x86 alone */
	unsigned char map, opcode;       /* map: MAP_ONE ..; VEX and EVEX have theirs, with vector set */
	bool vector, wide, narrow;       /* wide: 64-bit operand; narrow: 16-bit */
	bool has_modrm, memory, rip;     /* rip: the address is relative to the next instruction */
	bool segment;                    /* relative to fs or gs */
	unsigned char mod, reg, rm;      /* with their extensions; rm: of a register operand, or the one in the opcode */
	unsigned char base, index, scale;
	unsigned char disp_at, disp_size, imm_at, imm_size;   /* offsets in the instruction; size 0: none */
	int64_t disp, imm;               /* sign-extended */
};

/* False: no instruction, or cut short. i->p points into p. */
bool x86_decode(const unsigned char *p, size_t left, uint64_t address, bool is64, struct insn *i);

#endif
