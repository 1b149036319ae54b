/* PE files (Microsoft, "PE Format"): headers, sections, and the image as the loader of Windows lays it out in memory. */
#ifndef CODE_PE_H
#define CODE_PE_H

#include "base/base.h"

#define PE_SECTIONS 96u          /* the loader refuses more */
#define PE_DIRECTORIES 16u
#ifndef PE_IMAGE                 /* the fuzz targets' sanitizer takes its time with each */
#define PE_IMAGE (256 * MIB)     /* of a larger image the rest is left out, which is a problem told */
#endif
#define PE_LIBRARIES 1024u       /* imported from, that are believed */
#define PE_IMPORTS 65536u        /* names, that are believed */
#define PE_RELOCATIONS 8000000u  /* a block may be told to have the length of the image */

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
	uint16_t optional_size;                  /* bytes of the optional header */
	uint32_t time, checksum, entry, section_align, file_align, told_size, headers_size;
	uint64_t base, stack;
	struct { uint32_t rva, size; } directory[PE_DIRECTORIES]; size_t directories;
	struct pe_section *section; size_t sections;
	unsigned char *image; size_t image_size; /* as it would stand in memory, before relocation and import */
	struct { uint32_t offset, count; } symbols;   /* COFF's symbol table, in the file */
	uint64_t end;                            /* of the file's bytes that headers, sections and symbols account for */
	const char *problem;                     /* the first thing that is not as it must be; NULL: well-formed */
};

bool pe_is(const void *p, size_t n);
/* NULL: no PE file. The bytes must outlive it. */
struct pe *pe_open(const void *p, size_t n);
void pe_free(struct pe *f);

/* A little-endian number in the image; 0 outside of it. A string that ends within limit bytes and the image, or NULL. */
uint64_t pe_number(const struct pe *f, uint64_t rva, size_t size);
uint64_t pe_file_number(const struct pe *f, uint64_t offset, size_t size);   /* the same in the file */
const char *pe_string(const struct pe *f, uint64_t rva, size_t limit);
const struct pe_section *pe_section_at(const struct pe *f, uint64_t rva);   /* or NULL */

/* ---- pe-imports.c ---- */

/* Each import; name NULL: by ordinal. slot: where its address is to be written. fn returns false to stop. False: the table is
 * malformed, and what was read until there was told. */
struct pe_import { const char *library, *name; uint16_t ordinal; uint32_t slot; };
typedef bool pe_import_fn(void *ctx, const struct pe_import *i);
bool pe_imports(const struct pe *f, pe_import_fn *fn, void *ctx);
bool pe_imports_delayed(const struct pe *f, pe_import_fn *fn, void *ctx);   /* such as are bound at their first call */
/*
 * The MD5, in lower-case hex, of "library.name" of each import in the file's order, joined by commas, all in lower case, the
 * library without ".dll", ".ocx" or ".sys", one by ordinal as "ordN": what is known as imphash. It differs from others'
 * where ws2_32, wsock32 or oleaut32 are imported by ordinal, for which those keep tables of names. False: no imports.
 */
bool pe_imports_digest(const struct pe *f, char hex[33]);

/* ---- pe-exports.c ---- */

/* Each export: name NULL: by ordinal alone; forward: "library.name" that stands for it, or NULL. Those with a name come first, in
 * the table's order. False: malformed. */
struct pe_export { const char *name, *forward; uint32_t ordinal, rva; };
typedef void pe_export_fn(void *ctx, const struct pe_export *e);
bool pe_exports(const struct pe *f, pe_export_fn *fn, void *ctx);
const char *pe_exports_library(const struct pe *f);   /* the name it gives itself, or NULL */

/* ---- pe-resources.c ---- */

#define PE_RESOURCES 4096u       /* that are told */
/* Each resource of the tree type, name, language. type: "icon", "manifest" ..., a number, or a name of its own; texts are UTF-8. */
struct pe_resource { char type[64], name[128]; unsigned type_id, language; uint32_t rva, size; };
typedef void pe_resource_fn(void *ctx, const struct pe_resource *r);
bool pe_resources(const struct pe *f, pe_resource_fn *fn, void *ctx);   /* false: malformed, cyclic or too many */

/* ---- pe-version.c: a resource of type 16 (Microsoft, VS_VERSIONINFO) ---- */

/* {"file","product": "1.2.3.4","strings":{"CompanyName":...}}; NULL: it is none. New reference. */
json_t *pe_version(const struct pe *f, uint32_t rva, uint32_t size);
/* UTF-16LE in the image as UTF-8: up to `units` of its 16-bit units or a NUL; what does not fit in out is cut, what is no character
 * becomes '?'. Returns how many units were read. */
size_t pe_version_text(const struct pe *f, uint64_t rva, size_t units, char *out, size_t room);

/* ---- pe-facts.c: the smaller tables, each as JSON; new reference, NULL where there is none ---- */

json_t *pe_facts_tls(const struct pe *f);
json_t *pe_facts_debug(const struct pe *f);
json_t *pe_facts_clr(const struct pe *f);
json_t *pe_facts_signature(const struct pe *f);
bool pe_facts_reproducible(const struct pe *f);   /* the time is a digest of the contents, and says so */
/* The virtual addresses of its TLS callbacks, at most `most`. */
size_t pe_facts_callbacks(const struct pe *f, uint64_t *out, size_t most);
/* The checksum of PE files as Windows computes it; 0 was written where f->checksum is 0. */
uint32_t pe_facts_checksum(const struct pe *f);
/* Certificates stand behind the sections: what follows f->end and is none of them is overlay. */
void pe_facts_overlay(const struct pe *f, uint64_t *offset, uint64_t *size);

/* ---- pe-rich.c: the linker's list of the tools that made the objects, between the DOS stub and the header ---- */

json_t *pe_rich(const struct pe *f, bool *right);   /* NULL: there is none. right: its checksum is */

/* ---- relocations ---- */

/* Each base relocation: IMAGE_REL_BASED_HIGHLOW is 3, DIR64 is 10. False: malformed. */
typedef void pe_relocation_fn(void *ctx, uint32_t rva, unsigned type);
bool pe_relocations(const struct pe *f, pe_relocation_fn *fn, void *ctx);

#endif
