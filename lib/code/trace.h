/* What x86 registers hold as far as a straight reading tells: addresses that code computes, and the tables it jumps through. */
#ifndef CODE_TRACE_H
#define CODE_TRACE_H

#include "code/insn.h"

enum trace_kind { TRACE_UNKNOWN, TRACE_CONST, TRACE_ENTRY /* a word of a table */, TRACE_TARGET /* and a constant added to it */ };

struct trace {
	bool is64;
	unsigned char kind[16], width[16];
	uint64_t value[16];             /* the constant, or the table's address */
	uint64_t base[16];              /* what was added to a TARGET */
	bool compared, bounded, pushed;
	uint64_t compare, bound, push;  /* bound: an index seen lately is below it */
	uint64_t got;                   /* what "call next; pop; add" computed first; 0: nothing */
};

/* What is worth keeping of it for a block that is read later. */
struct trace_kept { uint64_t value[16]; uint16_t known; uint32_t bound; };

void trace_begin(struct trace *t, bool is64);
/* The address that the instruction's memory operand or lea names, as far as it is known; false: it is not. */
bool trace_reference(const struct trace *t, const struct insn *i, uint64_t *address);
void trace_step(struct trace *t, const struct insn *i);
/* A call returns its own address in that register, as compilers write it for i386. */
void trace_thunk(struct trace *t, unsigned reg, uint64_t next);
/* The table that an indirect jump goes through; *base is 0 where its words are addresses. */
bool trace_table(const struct trace *t, const struct insn *i, uint64_t *table, unsigned *width, uint64_t *base);
struct trace_kept trace_keep(const struct trace *t);
void trace_again(struct trace *t, const struct trace_kept *k);
/* How many words it has at most, behind a comparison and this branch: in what follows it, and where it leads; 0: not told. */
void trace_branch(const struct trace *t, const struct insn *i, uint32_t *on, uint32_t *there);

#endif
