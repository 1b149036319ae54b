/*
 * code: executable formats, disassembly, strings, entropy, rules. Uses confine and base; the only room to include
 * <capstone/capstone.h> and <yara.h>. Everything here takes hostile bytes in memory: call it in a confined helper, but for
 * format_of(), elf_is(), pe_is() and entropy_of(), which are small enough to be called anywhere. It never knows where bytes came from.
 */
#ifndef CODE_H
#define CODE_H

#include "base/base.h"

/* ---- entropy.c ---- */

double entropy_of(const void *p, size_t n);    /* Shannon, bits a byte, 0..8; 0 when n is 0 */
/* The same in parts: entropy_count() adds to the counts of each byte, n is their sum. */
void entropy_count(const void *p, size_t n, size_t count[256]);
double entropy_counted(const size_t count[256], size_t n);

/* ---- format.c ---- */

/* "elf64-x86-64", "elf32-i386", "elf64-aarch64", "elf32-arm", "elf64-<machine number>-be" ..., "pe32-i386", "pe64-x86-64" ...,
 * "mach-o64-aarch64" ..., "mach-o-fat", "java-class", "dex", "script", "data". out has at least 32 bytes. */
const char *format_of(const void *p, size_t n, char out[32]);
/* A script's interpreter line without "#!", blanks trimmed, at most 255 bytes; "" when it is no script. */
void format_interpreter(const void *p, size_t n, char out[256]);

/* ---- elf.c: headers; elf-dynamic.c: symbols and libraries ---- */

struct elf_section { const char *name; uint32_t type; uint64_t flags, address, offset, size; uint32_t link; uint64_t entsize; };
struct elf_segment { uint32_t type, flags; uint64_t offset, address, filesize, memsize, align; };
/* value: its address; of a relocatable file its section's place, see elf_at(), is counted in. */
struct elf_symbol { const char *name; uint64_t value, size; unsigned char type, bind; bool undefined; };

/* An ELF file as far as it could be read. Names point into the file's bytes and end there within its bounds. */
struct elf {
	const unsigned char *p; size_t n;
	bool is64, big;                 /* class and byte order */
	unsigned type, machine; uint32_t flags;          /* e_type, e_machine, e_flags */
	uint64_t entry;
	struct elf_section *section; size_t sections;
	struct elf_segment *segment; size_t segments;
	const char *interpreter;        /* PT_INTERP, or NULL */
	const char **needed; size_t neededs;
	struct elf_symbol *symbol; size_t symbols;      /* dynamic symbols (of a relocatable file: all) */
	struct elf_symbol *local; size_t locals;        /* .symtab's, when there */
	uint64_t *start; size_t starts;                 /* function starts told by .eh_frame_hdr and init arrays */
	uint64_t end;                   /* where the last header, section or segment ends: what follows is overlay */
	const char *problem;            /* the first thing that is not as it must be; NULL: well-formed */
};
bool elf_is(const void *p, size_t n);
/* NULL: not ELF (no magic, or shorter than its header). The bytes must outlive it. */
struct elf *elf_open(const void *p, size_t n);
void elf_free(struct elf *f);
/* The file's bytes at a virtual address (relocatable files: section offset as laid out by elf_open); NULL: not in the file.
 * *left: how many follow in the same segment. */
const unsigned char *elf_at(const struct elf *f, uint64_t address, size_t *left);
bool elf_executable_at(const struct elf *f, uint64_t address);

/* ---- strings.c ---- */

struct strings_options { size_t shortest; size_t most; };   /* 0: 6 characters; 2,000 strings */
/* [{"offset","text"}...], interesting ones (paths, addresses, commands, keys) first, then by offset; "encoding":"utf-16le"
 * on wide ones. Texts are cut at 400 characters. New reference. */
json_t *strings_find(const void *p, size_t n, const struct strings_options *o);
bool strings_interesting(const char *s, size_t n);

/* ---- rules.c: YARA ---- */

struct rules;
/* Compiles every *.yar of a folder, in order of name. Includes are off. 78 with the file and line that is wrong. */
struct rules *rules_open(const char *folder, struct err *e);
/* Has libyara open the files that it wants to: for a helper that compiles when it is confined already. 69. */
int rules_prepare(struct err *e);
/* The same from text in memory. 78: it is no set of rules. */
struct rules *rules_compile(const char *text, struct err *e);
/* Compiled rules into a new memory file that nobody can write to, and out of one's bytes: a tenth of what compiling them takes. The bytes are believed. -1; NULL, 70. */
int rules_save(struct rules *r, struct err *e);
struct rules *rules_load(const void *p, size_t n, struct err *e);
/* [{"name","tags":[],"meta":{},"matches":[{"offset","text"}]}]: at most 16 matches a rule. When time runs out: what was found so
 * far, and e->code is 75. NULL: out of memory. */
json_t *rules_scan(struct rules *r, const void *p, size_t n, int seconds, struct err *e);
void rules_free(struct rules *r);

/* ---- disasm.c: functions and their text; what each key means: muss-analysis(5) ---- */

#define CODE_MINHASH 128u       /* numbers of a MinHash */

struct disasm_limits { size_t functions, instructions, text; int ms; };   /* 0: as DISASM_USUAL */
#define DISASM_USUAL { 20000, 2000000, 4 * MIB, 5000 }
struct disasm {
	json_t *entry;              /* [{"address","text"}]: the first instructions at the entry point */
	json_t *functions;          /* [{"address","size","blocks","instructions","calls":[..],"digest"?,"name"?}] by address */
	json_t *graph;              /* {"calls","tails":[[from,to]],"imports":[{"name","from":[..]}]} */
	json_t *minhash;            /* CODE_MINHASH numbers, or NULL: there is no code */
	struct buf text;            /* disasm.txt */
	size_t instructions;
	const char *stopped;        /* which limit ended it, or NULL */
};
/* False: this machine type is not disassembled. disasm_view() in view.h does the same for any format. */
bool disasm_elf(const struct elf *f, const struct disasm_limits *l, struct disasm *d);
void disasm_free(struct disasm *d);

/* ---- identify.c ---- */

/* Of an ELF or PE file: {"functions":[digests],"minhash":[..]?,"stopped"?}; else an empty object. New reference. */
json_t *identify(const void *p, size_t n);

/* ---- inspect.c: all of it as static.json's object ---- */

/* Lets libraries open the files that they read once: to be called before the confinement. */
void inspect_prepare(void);
/* "sha256" is left to the caller; "disasm" holds the text. New reference. */
json_t *inspect(const void *p, size_t n, struct rules *r);

#endif
