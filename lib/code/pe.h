/* PE files (Microsoft, "PE Format"): headers, sections, and the image as the loader of Windows lays it out in memory. */
#ifndef CODE_PE_H
#define CODE_PE_H

#include "base/base.h"

#define PE_SECTIONS 96u          /* the loader refuses more */
#define PE_DIRECTORIES 16u
#define PE_IMAGE (256 * MIB)     /* of a larger image the rest is left out, which is a problem told */
#define PE_LIBRARIES 1024u       /* imported from, that are believed */
#define PE_IMPORTS 65536u        /* names, that are believed */

enum { PE_I386 = 0x14c, PE_AMD64 = 0x8664, PE_ARM = 0x1c4, PE_ARM64 = 0xaa64 };
enum { PE_DIR_EXPORT, PE_DIR_IMPORT, PE_DIR_RESOURCE, PE_DIR_EXCEPTION, PE_DIR_SECURITY, PE_DIR_RELOCATION, PE_DIR_DEBUG,
	PE_DIR_ARCHITECTURE, PE_DIR_GLOBAL, PE_DIR_TLS, PE_DIR_CONFIG, PE_DIR_BOUND, PE_DIR_IAT, PE_DIR_DELAY, PE_DIR_CLR };
enum { PE_EXECUTE = 0x20000000, PE_READ = 0x40000000, PE_WRITE = (int)0x80000000 };
enum { PE_FLAG_DLL = 0x2000 };

struct pe_section { char name[9]; uint32_t address, memsize, offset, filesize, flags; };

/* A PE file as far as it could be read. Addresses are relative to the image (RVA) but for base. */
struct pe {
	const unsigned char *p; size_t n;        /* the file */
	bool is64;
	uint16_t machine, flags, subsystem, dll_flags, linker;
	uint32_t header;                         /* offset of "PE" */
	uint32_t time, checksum, entry, section_align, file_align, told_size, headers_size;
	uint64_t base, stack;
	struct { uint32_t rva, size; } directory[PE_DIRECTORIES]; size_t directories;
	struct pe_section *section; size_t sections;
	unsigned char *image; size_t image_size; /* as it would stand in memory, before relocation and import */
	uint64_t end;                            /* of the file's bytes that headers and sections account for: the rest is overlay */
	const char *problem;                     /* the first thing that is not as it must be; NULL: well-formed */
};

bool pe_is(const void *p, size_t n);
/* NULL: no PE file. The bytes must outlive it. */
struct pe *pe_open(const void *p, size_t n);
void pe_free(struct pe *f);

/* A little-endian number in the image; 0 outside of it. A string that ends within limit bytes and the image, or NULL. */
uint64_t pe_number(const struct pe *f, uint64_t rva, size_t size);
const char *pe_string(const struct pe *f, uint64_t rva, size_t limit);
const struct pe_section *pe_section_at(const struct pe *f, uint64_t rva);   /* or NULL */

/* Each import; name NULL: by ordinal. slot: where its address is to be written. fn returns false to stop. False: the table is
 * malformed, and what was read until there was told. */
struct pe_import { const char *library, *name; uint16_t ordinal; uint32_t slot; };
typedef bool pe_import_fn(void *ctx, const struct pe_import *i);
bool pe_imports(const struct pe *f, pe_import_fn *fn, void *ctx);
/* Each base relocation: IMAGE_REL_BASED_HIGHLOW is 3, DIR64 is 10. False: malformed. */
typedef void pe_relocation_fn(void *ctx, uint32_t rva, unsigned type);
bool pe_relocations(const struct pe *f, pe_relocation_fn *fn, void *ctx);

#endif
