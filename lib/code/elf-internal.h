/* What elf.c and elf-dynamic.c share. */
#ifndef CODE_ELF_INTERNAL_H
#define CODE_ELF_INTERNAL_H

#include "code/code.h"

#include <elf.h>

/* Hostile tables: how much of each is believed. */
#define ELF_SECTIONS 16384u     /* -ffunction-sections objects have some thousands */
#define ELF_SEGMENTS 1024u      /* Linux itself takes at most 64 KiB of headers: 1,170 */
#define ELF_SYMBOLS 200000u     /* a browser has some 100,000 */
#define ELF_NEEDED 512u
#define ELF_STARTS 200000u

/* An unsigned number of `size` bytes at an offset in the file's byte order; 0 outside the file. */
uint64_t elf_number(const struct elf *f, uint64_t offset, size_t size);
#define ELF_FIELD(f, base, structure, member) \
	((f)->is64 ? elf_number(f, (base) + offsetof(Elf64_##structure, member), sizeof(((Elf64_##structure *)0)->member)) \
		   : elf_number(f, (base) + offsetof(Elf32_##structure, member), sizeof(((Elf32_##structure *)0)->member)))
#define ELF_SIZE(f, structure) ((f)->is64 ? sizeof(Elf64_##structure) : sizeof(Elf32_##structure))
/* A string that ends before offset + limit and in the file; NULL otherwise. */
const char *elf_string(const struct elf *f, uint64_t offset, uint64_t limit);
void elf_problem(struct elf *f, const char *what);
/* The file offset of an address; false when the file holds no byte of it. */
bool elf_offset(const struct elf *f, uint64_t address, uint64_t *offset, uint64_t *left);

void elf_dynamic_read(struct elf *f);   /* symbols, libraries, function starts */
/* elf-slots.c: each word (virtual address) that the dynamic linker fills with the address of the import of that name. */
typedef void elf_slot_fn(void *ctx, const char *name, uint64_t slot);
void elf_slots(const struct elf *f, elf_slot_fn *fn, void *ctx);

#endif
