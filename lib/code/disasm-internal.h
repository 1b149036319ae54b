/* What the disassembler's files share: the way to capstone, and what an instruction does to the flow. */
#ifndef CODE_DISASM_INTERNAL_H
#define CODE_DISASM_INTERNAL_H

#include "code/view.h"

#include <capstone/capstone.h>

/* capstone's architecture and mode for a view; thumb: for ARM code of that kind. False: it knows no such machine. */
bool machines_capstone(const struct code_view *v, bool thumb, cs_arch *arch, cs_mode *mode);

/* ---- flow.c ---- */

enum flow { FLOW_ON, FLOW_CALL, FLOW_BRANCH, FLOW_JUMP, FLOW_END };

enum flow flow_of(enum machine m, const cs_insn *i);
/* The address that a call, jump or branch names itself; false: it stands in a register or in memory. */
bool flow_target(const cs_insn *i, uint64_t *target);
bool flow_delayed(enum machine m);      /* the instruction behind a jump is run before it */
size_t flow_step(enum machine m, bool thumb);  /* instructions stand at multiples of it */
/* Bytes with which compilers begin a function. */
bool flow_prologue(const struct code_view *v, bool thumb, const unsigned char *p, size_t left);

#endif
