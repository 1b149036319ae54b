#include "code/elf-internal.h"
#include "code/view.h"

#include <stdlib.h>
#include <string.h>

#define NX_COMPATIBLE 0x100      /* of the DLL characteristics */

static void add_region(struct code_view *v, const unsigned char *p, size_t n, uint64_t offset, struct code_region r, uint64_t size)
{
	if (v->regions == VIEW_REGIONS || offset >= n || !size)
		return;
	r.p = p + offset;
	r.n = size < n - offset ? (size_t)size : (size_t)(n - offset);
	v->region[v->regions++] = r;
}

static void reach(struct code_view *v, uint64_t address, uint64_t size)
{
	if (!size)
		return;
	if (v->highest <= v->lowest || address < v->lowest)
		v->lowest = address;
	if (size > UINT64_MAX - address)
		size = UINT64_MAX - address;
	if (address + size > v->highest)
		v->highest = address + size;
}

static void add_start(struct code_view *v, uint64_t address)
{
	if (v->starts == VIEW_STARTS)
		return;
	if (v->starts % 1024 == 0)
		v->start = buf_realloc(v->start, v->starts + 1024, sizeof *v->start);
	v->start[v->starts++] = address;
}

static void add_symbol(struct code_view *v, struct code_symbol s)
{
	if (v->symbols % 1024 == 0)
		v->symbol = buf_realloc(v->symbol, v->symbols + 1024, sizeof *v->symbol);
	v->symbol[v->symbols++] = s;
}

static void add_section(struct code_view *v, struct code_section s)
{
	if (v->sections == VIEW_REGIONS)
		return;
	if (v->sections % 64 == 0)
		v->section = buf_realloc(v->section, v->sections + 64, sizeof *v->section);
	v->section[v->sections++] = s;
}

static void add_import(struct code_view *v, struct code_import i)
{
	if (v->imports == VIEW_IMPORTS)
		return;
	if (v->imports % 1024 == 0)
		v->import = buf_realloc(v->import, v->imports + 1024, sizeof *v->import);
	v->import[v->imports++] = i;
}

/* ---- ELF ---- */

static void elf_regions(struct code_view *v, const struct elf *f)
{
	if (!f->segments || f->type == ET_REL) {
		for (size_t i = 0; i < f->sections; i++) {
			const struct elf_section *s = &f->section[i];

			if (s->flags & SHF_ALLOC && s->type != SHT_NOBITS)
				add_region(v, f->p, f->n, s->offset, (struct code_region){ .address = s->address, .writable = s->flags & SHF_WRITE,
					.executable = s->flags & SHF_EXECINSTR }, s->size);
		}
		return;
	}
	for (size_t i = 0; i < f->segments; i++) {
		const struct elf_segment *s = &f->segment[i];
		uint64_t before = s->address % 4096;

		/* Whole pages are mapped, see elf_offset(). */
		if (before > s->offset)
			before = 0;
		if (s->type == PT_LOAD && s->filesize)
			add_region(v, f->p, f->n, s->offset - before, (struct code_region){ .address = s->address - before, .writable = s->flags & PF_W,
				.executable = s->flags & PF_X }, s->filesize + before < before ? UINT64_MAX : s->filesize + before);
	}
}

static void on_slot(void *ctx, const char *name, uint64_t slot)
{
	add_import(ctx, (struct code_import){ .name = name, .slot = slot });
}

struct code_view *view_elf(const struct elf *f)
{
	struct code_view *v = buf_alloc(sizeof *v);

	v->machine = machines_elf(f->machine);
	v->bits = f->is64 ? 64 : 32;
	v->file_size = f->n;
	v->big = f->big;
	v->flags = f->flags;
	v->code_big = f->big && v->machine != MACHINE_AARCH64 && !(v->machine == MACHINE_ARM && f->flags & EF_ARM_BE8);
	v->placed = f->type != ET_REL;
	v->has_entry = v->placed && (f->entry || f->type == ET_EXEC);
	v->entry = f->entry;
	v->region = buf_alloc(VIEW_REGIONS * sizeof *v->region);
	elf_regions(v, f);
	for (size_t i = 0; i < f->segments && f->type != ET_REL; i++)
		if (f->segment[i].type == PT_LOAD)
			reach(v, f->segment[i].address - f->segment[i].address % 4096, f->segment[i].memsize + f->segment[i].address % 4096);
	for (size_t i = 0; i < f->sections; i++)
		if (f->section[i].flags & SHF_ALLOC && (!f->segments || f->type == ET_REL))
			reach(v, f->section[i].address, f->section[i].size);
	for (size_t i = 0; i < f->sections; i++)
		if (f->section[i].flags & SHF_ALLOC)
			add_section(v, (struct code_section){ f->section[i].name, f->section[i].address, f->section[i].size });
	for (size_t i = 0; i < f->starts; i++)
		add_start(v, f->start[i]);
	for (size_t pass = 0; pass < 2; pass++) {
		const struct elf_symbol *s = pass ? f->local : f->symbol;
		size_t n = pass ? f->locals : f->symbols;

		for (size_t i = 0; i < n; i++)
			if (!s[i].undefined && (s[i].type == STT_FUNC || s[i].type == STT_GNU_IFUNC || s[i].type == STT_OBJECT || s[i].type == STT_NOTYPE))
				add_symbol(v, (struct code_symbol){ s[i].name, s[i].value, s[i].size, s[i].type == STT_FUNC || s[i].type == STT_GNU_IFUNC });
	}
	elf_slots(f, on_slot, v);
	return v;
}

/* ---- PE ---- */

/* A function's address; Windows on ARM is Thumb throughout. */
static uint64_t pe_address(const struct pe *f, uint64_t rva)
{
	return (f->base + rva) | (machines_pe(f->machine) == MACHINE_ARM ? 1 : 0);
}

static void pe_regions(struct code_view *v, const struct pe *f)
{
	/* Windows runs data, too, in 32-bit programs that do not say they bear its refusal. */
	bool runs_data = !f->is64 && !(f->dll_flags & NX_COMPATIBLE);
	const struct pe_section *entered = pe_section_at(f, f->entry);

	/* Below a page's alignment the file is one mapping, with all rights. */
	if (f->section_align < 4096) {
		add_region(v, f->image, f->image_size, 0, (struct code_region){ .address = f->base, .writable = true, .executable = true }, f->n);
		return;
	}
	for (size_t i = 0; i < f->sections; i++) {
		const struct pe_section *s = &f->section[i];
		uint64_t room = (s->memsize ? (uint64_t)s->memsize : s->filesize) + 4095, begin = s->offset & ~UINT64_C(511);

		room -= room % 4096;
		/* As much as the file has, whatever is told: see lay_out() in pe.c. */
		if (!s->offset || begin >= f->n)
			continue;
		if (room > f->n - begin)
			room = f->n - begin;
		add_region(v, f->image, f->image_size, s->address, (struct code_region){ .address = f->base + s->address,
			.writable = s->flags & (uint32_t)PE_WRITE, .executable = s->flags & PE_EXECUTE || (runs_data && s == entered) },
			s->filesize < room ? s->filesize : room);
	}
	add_region(v, f->image, f->image_size, 0, (struct code_region){ .address = f->base }, f->headers_size < f->n ? f->headers_size : f->n);
}

struct pe_ctx { struct code_view *v; const struct pe *f; };

static bool on_import(void *ctx, const struct pe_import *i)
{
	struct pe_ctx *c = ctx;

	add_import(c->v, (struct code_import){ i->library, i->name, i->ordinal, c->f->base + i->slot });
	return true;
}

/* Microsoft, "PE Format", ".pdata": where each function begins (x64: three words, of which the last leads to the unwind
 * information, whose flag 4 says that this is a further part of one; ARM and ARM64: two words). */
static void pe_unwind(struct code_view *v, const struct pe *f)
{
	size_t size = f->machine == PE_AMD64 ? 12 : 8;
	uint64_t at = f->directory[PE_DIR_EXCEPTION].rva, end = at + f->directory[PE_DIR_EXCEPTION].size;

	if (!at || v->machine == MACHINE_I386)
		return;
	for (; at + size <= end && at + size <= f->image_size; at += size) {
		uint64_t begin = pe_number(f, at, 4);

		if (!begin || (size == 12 && pe_number(f, pe_number(f, at + 8, 4), 1) >> 3 & 4))
			continue;
		add_start(v, pe_address(f, begin));
	}
}

static void on_export(void *ctx, const struct pe_export *e)
{
	struct pe_ctx *c = ctx;
	const struct code_region *r = e->forward ? NULL : view_region(c->v, c->f->base + e->rva);

	if (r && r->executable)
		add_start(c->v, pe_address(c->f, e->rva));
	if (r && e->name)
		add_symbol(c->v, (struct code_symbol){ e->name, c->f->base + e->rva, 0, r->executable });
}

/* Microsoft, "PE Format", "COFF Symbol Table": names of up to eight bytes stand in place, others in the strings behind it. */
static void pe_symbols(struct code_view *v, const struct pe *f)
{
	uint64_t strings = f->symbols.offset + (uint64_t)18 * f->symbols.count;

	if (!f->symbols.count)
		return;
	v->names = buf_alloc((size_t)9 * f->symbols.count);
	for (uint64_t i = 0; i < f->symbols.count && v->symbols < VIEW_STARTS; i++) {
		const unsigned char *s = f->p + f->symbols.offset + 18 * i;
		uint32_t long_name = (uint32_t)s[4] | (uint32_t)s[5] << 8 | (uint32_t)s[6] << 16 | (uint32_t)s[7] << 24;
		uint32_t value = (uint32_t)s[8] | (uint32_t)s[9] << 8 | (uint32_t)s[10] << 16 | (uint32_t)s[11] << 24;
		unsigned section = (unsigned)s[12] | (unsigned)s[13] << 8, type = (unsigned)s[14] | (unsigned)s[15] << 8;
		const char *name = v->names + 9 * i;

		if (s[0] || s[1] || s[2] || s[3])
			memcpy(v->names + 9 * i, s, 8);
		else
			name = long_name >= 4 && strings + long_name < f->n && memchr(f->p + strings + long_name, 0, f->n - strings - long_name) ?
				(const char *)f->p + strings + long_name : NULL;
		i += s[17];   /* what belongs to it takes the place of further ones */
		if (!name || !*name || !section || section > f->sections || (s[16] != 2 && s[16] != 3) || (s[16] == 3 && type >> 4 != 2))
			continue;
		add_symbol(v, (struct code_symbol){ name, f->base + f->section[section - 1].address + value, 0, type >> 4 == 2 });
	}
}

struct code_view *view_pe(const struct pe *f)
{
	struct code_view *v = buf_alloc(sizeof *v);
	struct pe_ctx c = { v, f };
	uint64_t callback[64];
	size_t n;

	v->machine = machines_pe(f->machine);
	v->bits = f->is64 ? 64 : 32;
	v->file_size = f->n;
	v->placed = true;
	v->has_entry = f->entry != 0;
	v->entry = pe_address(f, f->entry);
	v->region = buf_alloc(VIEW_REGIONS * sizeof *v->region);
	pe_regions(v, f);
	reach(v, f->base, f->image_size);
	for (size_t i = 0; i < f->sections; i++)
		add_section(v, (struct code_section){ f->section[i].name, f->base + f->section[i].address, f->section[i].memsize });
	pe_unwind(v, f);
	n = pe_facts_callbacks(f, callback, sizeof callback / sizeof *callback);
	for (size_t i = 0; i < n; i++)
		add_start(v, callback[i]);
	pe_symbols(v, f);
	pe_exports(f, on_export, &c);
	pe_imports(f, on_import, &c);
	pe_imports_delayed(f, on_import, &c);
	return v;
}

void view_free(struct code_view *v)
{
	if (!v)
		return;
	free(v->region);
	free(v->symbol);
	free(v->names);
	free(v->import);
	free(v->section);
	free(v->start);
	free(v);
}

const struct code_region *view_region(const struct code_view *v, uint64_t address)
{
	for (size_t i = 0; i < v->regions; i++)
		if (address >= v->region[i].address && address - v->region[i].address < v->region[i].n)
			return &v->region[i];
	return NULL;
}

const unsigned char *view_at(const struct code_view *v, uint64_t address, size_t *left)
{
	const struct code_region *r = view_region(v, address);

	if (!r)
		return NULL;
	*left = r->n - (size_t)(address - r->address);
	return r->p + (address - r->address);
}
