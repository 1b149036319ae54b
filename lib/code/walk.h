/* The way through a program's code: functions, their blocks, and what leads where. Text and digests are made from what it leaves. */
#ifndef CODE_WALK_H
#define CODE_WALK_H

#include "code/disasm-internal.h"
#include "code/trace.h"

#define WALK_REGIONS 256u
#define WALK_NEAR (1u << 20)     /* a jump further than that leaves the function */
#define WALK_TABLE 4096u         /* targets of one switch */
#define WALK_TABLE_UNBOUND 512u  /* and where no comparison bounds it */
#define WALK_NOTES 2000000u
#define WALK_EDGES 4000000u
#define WALK_WORDS 1000000u     /* of all jump tables: a file can be made of jumps through one */

/*
 * Executable bytes, with one bit each: an instruction begins here; is part of one; a function starts here; a block does; in Thumb.
 */
struct walk_region { uint64_t address; const unsigned char *p; size_t n; unsigned char *seen, *covered, *start, *leader, *thumb; };

struct walk_run { uint64_t address, size; };      /* instructions one behind the other, of one block or of several */
enum walk_edge_kind { WALK_CALL, WALK_TAIL, WALK_BRANCH };
struct walk_edge { uint64_t to, from; uint32_t function; unsigned char kind; };   /* function: the caller's number */
enum walk_note_kind { WALK_REFERENCE, WALK_SYSTEM_CALL, WALK_SWITCH };
/* Of the instruction at `at`: an address; a number, with count 1 of i386's on x86-64; a table's address and how many targets it has. */
struct walk_note { uint64_t at, value; uint32_t count; unsigned char kind; };

struct walk_function {
	uint64_t address, size;
	size_t first_run, runs, instructions, blocks;
	bool thumb;
};

struct walk {
	const struct code_view *v;
	const struct disasm_limits *l;
	int64_t end;
	const char *stopped;
	bool x86;
	csh cs;
	cs_insn *cs_insn;                                     /* the last one decoded, but for x86 */
	bool thumb;
	struct walk_region region[WALK_REGIONS];
	size_t regions, region_bytes;
	struct { uint64_t address; struct trace_kept kept; } *pending;
	size_t pendings, pending_room;
	uint64_t *queue; size_t queued, taken, queue_room;
	/* the result: by address, but runs, which stand by function and then by address */
	struct walk_function *function; size_t functions;
	struct walk_run *run; size_t runs;
	struct walk_edge *edge; size_t edges;                /* by target */
	struct walk_note *note; size_t notes;
	size_t instructions, words;
	struct trace trace;
	/* the number that a system call takes, where it was set just before (not x86) */
	uint64_t number; bool has_number;
};

/* Walks all of it; false: no memory for capstone, or it knows no such machine. l and v must outlive it. */
bool walk_all(struct walk *w, const struct code_view *v, const struct disasm_limits *l);
void walk_free(struct walk *w);
/* One instruction, of which address and size say where the next one is; thumb as w->thumb. False: there is none. */
bool walk_decode(struct walk *w, const unsigned char *p, size_t left, uint64_t address, struct insn *i);
void walk_thumb(struct walk *w, bool thumb);
struct walk_region *walk_region(struct walk *w, uint64_t address);   /* NULL: none holds it */
bool walk_leads(struct walk *w, uint64_t address);     /* a block begins there */
static inline bool walk_bit(const unsigned char *map, uint64_t i) { return map[i / 8] >> (i % 8) & 1; }

/* ---- order.c ---- */

void order_all(struct walk *w);   /* the end of walk_all() */
const struct walk_function *order_function_at(const struct walk *w, uint64_t address);   /* that begins there, or NULL */
const struct walk_edge *order_edges_to(const struct walk *w, uint64_t address, size_t *n);
const struct walk_note *order_note_of(const struct walk *w, uint64_t at, enum walk_note_kind kind);   /* or NULL */

/* ---- names.c ---- */

/* What an address is called, for people: "" is never given. NULL: nothing is known of it. Valid as long as the view. */
struct names;
struct names *names_new(const struct walk *w);
void names_free(struct names *n);
const char *names_of(const struct names *n, uint64_t address);                /* a symbol that begins there */
const char *names_import(const struct names *n, uint64_t slot);               /* what the loader writes into that word */
/* What the code there jumps to when it does nothing else: an entry of the procedure linkage table, or a thunk. */
const char *names_thunk(const struct names *n, const struct walk *w, uint64_t address);
/* The call, jump or thunk leads to something that never comes back. */
bool names_noreturn(const char *name);

/* ---- identity.c ---- */

#define IDENTITY_HASHES CODE_MINHASH

struct identity;                /* gathers the program's MinHash */
struct identity *identity_new(void);
/* The function's digest as 16 hex digits; "": it is too short to tell anything. */
void identity_function(struct identity *d, struct walk *w, const struct walk_function *fn, char digest[17]);
json_t *identity_minhash(struct identity *d);    /* new reference; NULL: there was nothing */
void identity_free(struct identity *d);

/* ---- listing.c ---- */

void listing_entry(struct walk *w, json_t *entry, struct buf *text);
/* Functions in order of address until the text has more than `most` bytes. digest: 17 bytes for each function. */
void listing_all(struct walk *w, const struct names *n, const char *digest, size_t most, struct buf *text);

#endif
