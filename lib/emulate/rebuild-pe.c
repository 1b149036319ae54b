/*
 * A dump as a PE file ("PE Format", Microsoft): the sections of the image as they stand in memory, further memory as sections behind them, and
 * at the end a section with an import directory made of the pointers that were found in the image.
 */
#include "emulate/rebuild.h"

#include "code/pe.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096u
#define FILE_ALIGN 512u
#define SECTIONS 96u              /* the loader takes no more */
#define FLAGS 0xe0000020u         /* code that can be read, written and run */
#define IMPORT_FLAGS 0xc0000040u
#define DESCRIPTOR 20u

struct section { char name[8]; uint32_t rva, size; const unsigned char *bytes; size_t filled; uint32_t flags; };
struct layout { struct section s[SECTIONS]; size_t n; uint32_t end; };

static uint32_t up(uint64_t v, uint32_t to)
{
	return (uint32_t)((v + to - 1) / to * to);
}

static void add(struct layout *l, const char *name, uint32_t rva, uint32_t size, const unsigned char *bytes, uint32_t flags)
{
	struct section *s;
	struct rebuild_part p = { rva, bytes, size };

	if (l->n >= SECTIONS || !size)
		return;
	s = &l->s[l->n++];
	*s = (struct section){ .rva = rva, .size = size, .bytes = bytes, .filled = rebuild_filled(&p), .flags = flags };
	strncpy(s->name, name, sizeof s->name);
	l->end = up((uint64_t)rva + size, PAGE);
}

/* The file's own sections, where they are as a loader wants them in a file whose sections are pages apart. */
static bool usable(const struct pe *f, uint32_t from, size_t size)
{
	uint32_t next = from;

	for (size_t i = 0; i < f->sections; i++) {
		const struct pe_section *s = &f->section[i];
		uint64_t end = (uint64_t)s->address + (s->memsize ? s->memsize : s->filesize);

		if (s->address % PAGE || s->address < next || end > size || end == s->address)
			return false;
		next = up(end, PAGE);
	}
	return f->sections > 0 && f->sections < SECTIONS / 2;
}

/* Each section reaches to the next one: memory between them is the loader's, but may have been written. */
static void add_sections(struct layout *l, const struct pe *f, const struct rebuild_part *image)
{
	char name[32];

	for (size_t i = 0; i < f->sections; i++) {
		const struct pe_section *s = &f->section[i];
		uint32_t end = i + 1 < f->sections ? f->section[i + 1].address : (uint32_t)image->size;

		/* "/4" would be a place in a table of strings that is not there any more */
		if (s->name[0] == '/' || !s->name[0])
			snprintf(name, sizeof name, ".part%zu", i);
		else
			snprintf(name, sizeof name, "%.8s", s->name);
		add(l, name, s->address, end - s->address, image->bytes + s->address, s->flags | FLAGS);
	}
}

static void lay_out(struct layout *l, const struct emulation *o, const struct pe *f, const struct rebuild_part *part, size_t parts)
{
	char name[32];

	for (size_t i = 0; i < parts; i++) {
		uint32_t rva = (uint32_t)(part[i].address - o->base);

		if (!rva && usable(f, PAGE, part[i].size)) {
			add_sections(l, f, &part[i]);
		} else if (rva || part[i].size > PAGE) {
			uint32_t skip = rva ? 0 : PAGE;   /* the headers' page */

			snprintf(name, sizeof name, rva >= o->size ? ".made%zu" : ".image%zu", i);
			add(l, name, rva + skip, (uint32_t)part[i].size - skip, part[i].bytes + skip, FLAGS);
		}
	}
	/* The loader wants no hole between them. */
	for (size_t i = 0; i + 1 < l->n; i++)
		l->s[i].size = l->s[i + 1].rva - l->s[i].rva;
}

/* ---- imports ---- */

/* Slots side by side of one library: an import descriptor. */
static size_t group(const struct emulation *o, size_t i, size_t width)
{
	size_t n = 1;

	while (i + n < o->imports && o->import[i + n].slot == o->import[i].slot + n * width && !strcmp(o->import[i + n].library, o->import[i].library))
		n++;
	return n;
}

static void put(struct buf *b, size_t at, uint64_t v, size_t n)
{
	rebuild_number((unsigned char *)b->p + at, v, n);
}

/* Adds a string, with room for a hint before it; its place. */
static size_t add_name(struct buf *b, const char *s, bool hint)
{
	size_t at;

	if (b->len % 2)
		buf_addc(b, '\0');
	at = b->len;
	if (hint)
		buf_add(b, "\0\0", 2);
	buf_add(b, s, strlen(s) + 1);
	return at;
}

static void zeros(struct buf *b, size_t n)
{
	buf_reserve(b, n + 1);
	memset(b->p + b->len, 0, n);
	b->len += n;
}

/* The import directory for a section at that address; the number of its bytes that are descriptors. */
static uint32_t make_imports(const struct emulation *o, uint32_t rva, size_t width, struct buf *b)
{
	size_t groups = 0, table, d = 0;

	for (size_t i = 0; i < o->imports; i += group(o, i, width))
		groups++;
	if (!groups)
		return 0;
	zeros(b, DESCRIPTOR * (groups + 1));
	table = b->len;
	zeros(b, (o->imports + groups) * width);
	for (size_t i = 0; i < o->imports; d += DESCRIPTOR) {
		size_t n = group(o, i, width);

		put(b, d, rva + table, 4);
		put(b, d + 12, rva + add_name(b, o->import[i].library, false), 4);
		put(b, d + 16, o->import[i].slot - o->base, 4);
		for (size_t k = 0; k < n; k++, table += width) {
			const struct emulate_import *m = &o->import[i + k];

			if (m->name)
				put(b, table, rva + add_name(b, m->name, true), width);
			else
				put(b, table, (UINT64_C(1) << (8 * width - 1)) | m->ordinal, width);
		}
		table += width;
		i += n;
	}
	return (uint32_t)(DESCRIPTOR * (groups + 1));
}

/* ---- the file ---- */

static void put_optional(unsigned char *p, const struct emulation *o, const struct pe *f, const struct layout *l, uint64_t entry, uint32_t headers, uint32_t imports, uint32_t imports_size)
{
	unsigned n = f->is64 ? 8 : 4;
	unsigned char *d = p + (f->is64 ? 112 : 96);
	static const unsigned char kept[] = { PE_DIR_EXPORT, PE_DIR_RESOURCE, PE_DIR_EXCEPTION };

	rebuild_number(p, f->is64 ? 0x20b : 0x10b, 2);
	rebuild_number(p + 4, l->end - PAGE, 4);
	rebuild_number(p + 16, entry - o->base, 4);
	rebuild_number(p + 20, l->s[0].rva, 4);
	rebuild_number(p + (n == 8 ? 24 : 28), o->base, n);
	rebuild_number(p + 32, PAGE, 4);
	rebuild_number(p + 36, FILE_ALIGN, 4);
	rebuild_number(p + 40, 5, 2);
	rebuild_number(p + 48, 5, 2);
	rebuild_number(p + 56, l->end, 4);
	rebuild_number(p + 60, headers, 4);
	rebuild_number(p + 68, f->subsystem, 2);
	rebuild_number(p + 72, 0x100000, n);
	rebuild_number(p + 72 + n, 0x1000, n);
	rebuild_number(p + 72 + 2 * n, 0x100000, n);
	rebuild_number(p + 72 + 3 * n, 0x1000, n);
	rebuild_number(d - 4, PE_DIRECTORIES, 4);
	for (size_t i = 0; i < sizeof kept && kept[i] < f->directories; i++) {
		rebuild_number(d + 8 * kept[i], f->directory[kept[i]].rva, 4);
		rebuild_number(d + 8 * kept[i] + 4, f->directory[kept[i]].size, 4);
	}
	if (imports_size) {
		rebuild_number(d + 8 * PE_DIR_IMPORT, imports, 4);
		rebuild_number(d + 8 * PE_DIR_IMPORT + 4, imports_size, 4);
	}
}

static void put_sections(unsigned char *p, const struct layout *l, uint32_t at)
{
	for (size_t i = 0; i < l->n; i++, p += 40) {
		const struct section *s = &l->s[i];

		memcpy(p, s->name, sizeof s->name);
		rebuild_number(p + 8, s->size, 4);
		rebuild_number(p + 12, s->rva, 4);
		rebuild_number(p + 16, up(s->filled, FILE_ALIGN), 4);
		rebuild_number(p + 20, s->filled ? at : 0, 4);
		rebuild_number(p + 36, s->flags, 4);
		at += up(s->filled, FILE_ALIGN);
	}
}

static void write_file(const struct emulation *o, const struct pe *f, const struct layout *l, uint64_t entry, uint32_t imports, uint32_t imports_size, struct buf *out)
{
	size_t optional = (f->is64 ? 112 : 96) + 8 * PE_DIRECTORIES, size = up(64 + 24 + optional + 40 * l->n, FILE_ALIGN), at;
	unsigned char *h = buf_alloc(size), *pe = h + 64;

	rebuild_number(h, 0x5a4d, 2);
	rebuild_number(h + 60, 64, 4);
	rebuild_number(pe, 0x4550, 4);   /* "PE" */
	rebuild_number(pe + 4, f->machine, 2);
	rebuild_number(pe + 6, l->n, 2);
	rebuild_number(pe + 20, optional, 2);
	rebuild_number(pe + 22, (f->flags & PE_FLAG_DLL) | (f->is64 ? 0x23u : 0x103u), 2);   /* no relocations, runs */
	put_optional(pe + 24, o, f, l, entry, (uint32_t)size, imports, imports_size);
	put_sections(pe + 24 + optional, l, (uint32_t)size);
	buf_add(out, h, size);
	free(h);
	for (size_t i = 0; i < l->n; i++) {
		at = out->len + up(l->s[i].filled, FILE_ALIGN);
		buf_add(out, l->s[i].bytes, l->s[i].filled);
		zeros(out, at - out->len);
	}
}

bool rebuild_pe(const struct emulation *o, const void *file, size_t n, uint64_t entry, const struct rebuild_part *part, size_t parts, struct buf *out)
{
	struct pe *f = pe_open(file, n);
	struct layout *l = buf_alloc(sizeof *l);
	struct buf imports = { 0 };
	uint32_t rva, size = 0;

	if (f) {
		f->is64 = f->machine == PE_AMD64;
		lay_out(l, o, f, part, parts);
	}
	if (f && l->n) {
		rva = l->end;
		size = make_imports(o, rva, f->is64 ? 8 : 4, &imports);
		if (size)
			add(l, ".imports", rva, (uint32_t)imports.len, (const unsigned char *)imports.p, IMPORT_FLAGS);
		write_file(o, f, l, entry, rva, size, out);
	}
	buf_free(&imports);
	pe_free(f);
	free(l);
	return out->len > 0;
}
