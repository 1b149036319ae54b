/* A program's code and what is known about it, whatever its format: what the disassembler walks. */
#ifndef CODE_VIEW_H
#define CODE_VIEW_H

#include "code/code.h"
#include "code/pe.h"

#define VIEW_REGIONS 1024u       /* as many as an ELF file's segments are believed */
#define VIEW_STARTS 200000u
#define VIEW_IMPORTS 65536u

enum machine {
	MACHINE_OTHER, MACHINE_X86_64, MACHINE_I386, MACHINE_ARM, MACHINE_AARCH64, MACHINE_MIPS, MACHINE_PPC, MACHINE_PPC64,
	MACHINE_SPARC, MACHINE_S390, MACHINE_RISCV,
};

/* ---- machines.c: the processors' numbers in ELF and PE, and their names ---- */

enum machine machines_elf(unsigned e_machine);
enum machine machines_pe(unsigned machine);
const char *machines_elf_name(unsigned e_machine);   /* NULL: unknown */
const char *machines_pe_name(unsigned machine);

/* ---- view.c ---- */

/* Bytes as they stand in memory before anything ran; those that the file does not hold are left out. */
struct code_region { uint64_t address; const unsigned char *p; size_t n; bool writable, executable; };
struct code_symbol { const char *name; uint64_t address, size; bool function; };
/* What tells an analyst where data lies; nothing else depends on it. Names live as long as the file. */
struct code_section { const char *name; uint64_t address, size; };
/* slot: the address of the word that the loader fills with the import's own address (GOT, import address table). name NULL: by
 * ordinal. library NULL: whichever has it (ELF). */
struct code_import { const char *library, *name; unsigned ordinal; uint64_t slot; };

struct code_view {
	enum machine machine;
	unsigned bits;                  /* 32, 64: the file's class */
	bool big;                       /* data is big-endian */
	bool code_big;                  /* and so are instructions (not so in ARM's BE8 and AArch64) */
	size_t file_size;
	uint32_t flags;                 /* ELF: e_flags, which tell a MIPS's generation */
	uint64_t lowest, highest;       /* of all that is mapped, with what the file holds no bytes of; highest is behind the last */
	bool placed;                    /* addresses are final; a relocatable object's are its offsets in the file */
	bool has_entry; uint64_t entry;
	struct code_region *region; size_t regions;      /* by order in the file; where they overlap, the first counts */
	struct code_symbol *symbol; size_t symbols;      /* defined ones; names live as long as the view and the file's bytes */
	char *names;                                     /* those that had to be copied */
	struct code_import *import; size_t imports;
	struct code_section *section; size_t sections;
	uint64_t *start; size_t starts;                  /* function starts that tables tell (unwind tables, initialisers, exports, TLS);
	                                                  * on ARM bit 0 tells Thumb, in symbols and the entry as well */
};
/* The ELF or PE file must outlive its view. Never NULL. */
struct code_view *view_elf(const struct elf *f);
struct code_view *view_pe(const struct pe *f);
void view_free(struct code_view *v);
const struct code_region *view_region(const struct code_view *v, uint64_t address);   /* NULL: none holds it */
/* The bytes at an address; *left: how many follow in its region. NULL: the file holds none. */
const unsigned char *view_at(const struct code_view *v, uint64_t address, size_t *left);

/* ---- disasm.c ---- */

/* As disasm_elf(), of any view. */
bool disasm_view(const struct code_view *v, const struct disasm_limits *l, struct disasm *d);

#endif
