/*
 * traits: what a sample is said to be, beyond its headers: strings that code puts together, indicators, who made it, what it
 * calls and where, and a digest of likeness. Part of the room code: hostile bytes, so in a confined helper; but for
 * indicators_add(), which reads JSON that was looked at already and is small enough to be called anywhere.
 */
#ifndef CODE_TRAITS_H
#define CODE_TRAITS_H

#include "code/code.h"

/* ---- layout.c: code as the passes below want it, from whichever format ---- */

#define LAYOUT_REGIONS 64u
struct layout_region { uint64_t address; const unsigned char *p; size_t n; bool executable; };
struct layout_slot { uint64_t address; const char *name; };   /* where the address of an imported function is written */
struct layout {
	unsigned bits;                  /* 64, 32: x86 code of that width; 0: none that is understood */
	bool windows;
	struct layout_region region[LAYOUT_REGIONS]; size_t regions;   /* all that is loaded, in order of address */
	struct layout_slot *slot; size_t slots;                      /* sorted by address; names are borrowed from the file */
	uint64_t table;                 /* the address that i386's indirect jumps count from (DT_PLTGOT); 0: none */
	uint64_t *start; size_t starts; /* where functions begin, sorted, each once */
};
/* bits is 0 for anything but ELF and PE of x86. The bytes must outlive it. */
void layout_open(struct layout *v, const void *p, size_t n);
void layout_free(struct layout *v);
const struct layout_region *layout_at(const struct layout *v, uint64_t address);           /* or NULL */
const char *layout_import(const struct layout *v, uint64_t slot);                        /* or NULL */
uint64_t layout_function(const struct layout *v, uint64_t address);                      /* the nearest start below, or the region's */

/* ---- uses.c: which functions call what of the system ---- */

/*
 * [{"function","calls":{name:address,...},"syscalls":{name:address,...}}], functions by address, of each name its first call. Calls are
 * those of imports, through tables of addresses or stubs; system calls those whose number stands before the instruction.
 * *cut is set when there was more than the caps let in. New reference.
 */
json_t *uses_find(const struct layout *v, bool *cut);
/* The name of a system call of Linux on x86-64 (wide) or i386: "syscall_<number>" where it has none here. */
const char *uses_syscall(bool wide, uint32_t number, char out[24]);

/* ---- strings-stack.c: texts put together by code (FLOSS calls them stack strings) ---- */

/* [{"address","text"}]: at least 4 characters that stores of constants put side by side; address: the first store. */
json_t *strings_stack(const struct layout *v, size_t most);

/* ---- strings-new.c ---- */

/* As strings_find(), of those in the dump that the file does not contain in the same encoding. New reference. */
json_t *strings_new(const void *dump, size_t dn, const void *file, size_t fn, const struct strings_options *o);

/* ---- tlsh.c: TLSH (Oliver, Cheng and Chen: TLSH, a locality sensitive hash, CTC 2013) ---- */

#define TLSH_TEXT 73             /* "T1", 70 upper-case hexadecimal digits, NUL: 128 buckets, one byte of checksum */
/* false: fewer than 50 bytes, or too little variety for a digest. */
bool tlsh_digest(const void *p, size_t n, char out[TLSH_TEXT]);
/* How unlike two digests are: 0 the same, below 50 alike, above 150 hardly. -1: one of them is no digest. */
int tlsh_distance(const char *a, const char *b);

/* ---- indicators.c, indicators-net.c ---- */

#define INDICATORS_MOST 500u
/*
 * Adds to list ([{"kind","value","from"}]) what the texts of `strings` ([{"text", "offset" | "address"}]) name: paths, URLs, addresses,
 * domains, registry keys, mail addresses, keys, wallets, user agents, lines of cron and systemd. from: source:offset, such as
 * "strings:1f40". Each value once; at most INDICATORS_MOST.
 */
void indicators_add(json_t *list, const json_t *strings, const char *source);
/* The same of calls ([{"call","args","from"}]): the arguments' texts, and names of mutexes and the like. from: "calls:<index>". */
void indicators_calls(json_t *list, const json_t *calls);
/* For the parts: takes the value as it stands. */
void indicators_put(json_t *list, const char *kind, const char *value, size_t n, const char *from);
struct indicators_text { json_t *list; const char *s; size_t n; const char *from; };
void indicators_net(const struct indicators_text *t);    /* URLs, addresses, domains, mail */

/* ---- maker.c ---- */

/* [{"kind","name","evidence"}]: packer, compiler, runtime, by what they leave in the file. New reference. */
json_t *maker_find(const void *p, size_t n);

/* ---- traits.c ---- */

/* Adds "uses", "stack_strings", "indicators", "identified", "similarity"."tlsh" to static.json's object, whose "strings" are there. */
void traits_add(json_t *o, const void *p, size_t n);

#endif
