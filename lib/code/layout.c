#include "code/traits.h"

#include "code/elf-internal.h"
#include "code/pe.h"

#include <stdlib.h>
#include <string.h>

#define LAYOUT_SLOTS 65536u
#define LAYOUT_STARTS 400000u

static void add_region(struct layout *v, uint64_t address, const unsigned char *p, uint64_t n, bool executable)
{
	if (v->regions < LAYOUT_REGIONS && n && !layout_at(v, address))
		v->region[v->regions++] = (struct layout_region){ address, p, (size_t)n, executable };
}

static void add_slot(struct layout *v, uint64_t address, const char *name)
{
	if (v->slots >= LAYOUT_SLOTS)
		return;
	if (v->slots % 1024 == 0)
		v->slot = buf_realloc(v->slot, v->slots + 1024, sizeof *v->slot);
	v->slot[v->slots++] = (struct layout_slot){ address, name };
}

static void add_start(struct layout *v, uint64_t address)
{
	if (v->starts >= LAYOUT_STARTS)
		return;
	if (v->starts % 4096 == 0)
		v->start = buf_realloc(v->start, v->starts + 4096, sizeof *v->start);
	v->start[v->starts++] = address;
}

const struct layout_region *layout_at(const struct layout *v, uint64_t address)
{
	for (size_t i = 0; i < v->regions; i++)
		if (address >= v->region[i].address && address - v->region[i].address < v->region[i].n)
			return &v->region[i];
	return NULL;
}

/* ---- ELF ---- */

struct linkage { uint64_t symtab, strtab, strsz, table[3], size[3]; bool addend[3]; };

/* Relocations that bind a function: R_X86_64_GLOB_DAT and JUMP_SLOT are 6 and 7, and so are i386's. */
static void read_relocations(struct layout *v, const struct elf *f, const struct linkage *l, int k)
{
	size_t word = f->is64 ? 8 : 4, entry = word * (l->addend[k] ? 3 : 2), symbol = ELF_SIZE(f, Sym);
	uint64_t at, left, symbols, names, unused;

	if (!l->table[k] || !elf_offset(f, l->table[k], &at, &left) || !elf_offset(f, l->symtab, &symbols, &unused) || !elf_offset(f, l->strtab, &names, &unused))
		return;
	for (uint64_t i = 0; i < l->size[k] / entry && i < left / entry && v->slots < LAYOUT_SLOTS; i++) {
		uint64_t slot = elf_number(f, at + i * entry, word), info = elf_number(f, at + i * entry + word, word), name;
		uint64_t type = f->is64 ? info & 0xffffffff : info & 0xff, index = f->is64 ? info >> 32 : info >> 8;
		const char *s;

		if ((type != 6 && type != 7) || !index || index > ELF_SYMBOLS)
			continue;
		name = ELF_FIELD(f, symbols + index * symbol, Sym, st_name);
		s = name && name < l->strsz ? elf_string(f, names + name, l->strsz - name) : NULL;
		if (s && *s)
			add_slot(v, slot, s);
	}
}

static void read_linkage(struct layout *v, const struct elf *f, const struct elf_segment *s)
{
	struct linkage l = { .addend = { f->is64, true, false } };

	for (uint64_t i = 0; i < s->filesize / ELF_SIZE(f, Dyn) && i < 4096; i++) {
		uint64_t at = s->offset + i * ELF_SIZE(f, Dyn), value = ELF_FIELD(f, at, Dyn, d_un.d_val);

		switch (ELF_FIELD(f, at, Dyn, d_tag)) {
		case DT_NULL: i = 4096; break;
		case DT_SYMTAB: l.symtab = value; break;
		case DT_STRTAB: l.strtab = value; break;
		case DT_STRSZ: l.strsz = value; break;
		case DT_JMPREL: l.table[0] = value; break;
		case DT_PLTRELSZ: l.size[0] = value; break;
		case DT_PLTREL: l.addend[0] = value == DT_RELA; break;
		case DT_RELA: l.table[1] = value; break;
		case DT_RELASZ: l.size[1] = value; break;
		case DT_REL: l.table[2] = value; break;
		case DT_RELSZ: l.size[2] = value; break;
		case DT_PLTGOT: v->table = value; break;
		}
	}
	for (int k = 0; k < 3; k++)
		read_relocations(v, f, &l, k);
}

static void open_elf(struct layout *v, const void *p, size_t n)
{
	struct elf *f = elf_open(p, n);

	if (!f || f->big || (f->machine != EM_X86_64 && f->machine != EM_386))
		goto out;
	v->bits = f->is64 ? 64 : 32;
	for (size_t i = 0; i < f->segments; i++) {
		const struct elf_segment *s = &f->segment[i];

		if (s->type == PT_LOAD && s->offset < n)
			add_region(v, s->address, f->p + s->offset, s->filesize < n - s->offset ? s->filesize : n - s->offset, s->flags & PF_X);
		if (s->type == PT_DYNAMIC)
			read_linkage(v, f, s);
	}
	for (size_t i = 0; !f->segments && i < f->sections; i++) {
		const struct elf_section *s = &f->section[i];

		if (s->flags & SHF_EXECINSTR && s->type != SHT_NOBITS && s->offset < n)
			add_region(v, s->address, f->p + s->offset, s->size < n - s->offset ? s->size : n - s->offset, true);
	}
	for (size_t i = 0; i < f->starts; i++)
		add_start(v, f->start[i]);
	for (int pass = 0; pass < 2 && f->type != ET_REL; pass++) {
		const struct elf_symbol *s = pass ? f->local : f->symbol;

		for (size_t i = 0; i < (pass ? f->locals : f->symbols); i++)
			if (s[i].type == STT_FUNC && !s[i].undefined)
				add_start(v, s[i].value);
	}
out:
	elf_free(f);
}

/* ---- PE ---- */

struct binding { struct layout *v; const struct pe *f; };

/* The image goes, the file stays: a name is looked for in the file's bytes. */
static const char *in_file(const struct pe *f, const char *name)
{
	size_t rva = (size_t)((const unsigned char *)name - f->image), len = strlen(name) + 1;
	const struct pe_section *s = pe_section_at(f, rva);
	uint64_t at = s ? (uint64_t)s->offset + (rva - s->address) : rva;

	return at < f->n && len <= f->n - at && !memcmp(f->p + at, name, len) ? (const char *)f->p + at : NULL;
}

static bool on_import(void *ctx, const struct pe_import *i)
{
	const struct binding *b = ctx;
	const char *name = i->name ? in_file(b->f, i->name) : NULL;

	if (name && *name)
		add_slot(b->v, b->f->base + i->slot, name);
	return b->v->slots < LAYOUT_SLOTS;
}

static void open_pe(struct layout *v, const void *p, size_t n)
{
	struct pe *f = pe_open(p, n);
	struct binding b = { v, f };

	if (!f || (f->machine != PE_I386 && f->machine != PE_AMD64))
		goto out;
	v->bits = f->is64 ? 64 : 32;
	v->windows = true;
	for (size_t i = 0; i < f->sections; i++) {
		const struct pe_section *s = &f->section[i];

		if (s->offset < n)
			add_region(v, f->base + s->address, f->p + s->offset, s->filesize < n - s->offset ? s->filesize : n - s->offset,
				s->flags & (PE_EXECUTE | 0x20));
	}
	pe_imports(f, on_import, &b);
	/* RUNTIME_FUNCTION (Microsoft, "x64 exception handling"): begin, end, unwind. */
	for (uint64_t at = f->directory[PE_DIR_EXCEPTION].rva, end = at + f->directory[PE_DIR_EXCEPTION].size;
	     f->is64 && at + 12 <= end && at + 12 <= f->image_size && v->starts < LAYOUT_STARTS; at += 12) {
		uint64_t begin = pe_number(f, at, 4);

		if (begin)
			add_start(v, f->base + begin);
	}
	add_start(v, f->base + f->entry);
out:
	pe_free(f);
}

/* ---- both ---- */

/* Where near calls lead. A number that merely looks like one rarely lands in code. */
static void find_calls(struct layout *v)
{
	for (size_t k = 0; k < v->regions; k++) {
		const struct layout_region *r = &v->region[k];
		const unsigned char *p = r->p, *end = r->p + r->n;

		if (!r->executable || r->n < 5)
			continue;
		while (end - p > 4 && (p = memchr(p, 0xe8, (size_t)(end - 4 - p)))) {
			uint32_t d = (uint32_t)p[1] | (uint32_t)p[2] << 8 | (uint32_t)p[3] << 16 | (uint32_t)p[4] << 24;
			uint64_t to = r->address + (uint64_t)(p - r->p) + 5 + (uint64_t)(int64_t)(int32_t)d;

			if (to >= r->address && to - r->address < r->n)
				add_start(v, to);
			p++;
		}
	}
}

static int by_address(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int by_slot(const void *a, const void *b)
{
	return by_address(&((const struct layout_slot *)a)->address, &((const struct layout_slot *)b)->address);
}

void layout_open(struct layout *v, const void *p, size_t n)
{
	size_t kept = 0;

	*v = (struct layout){ 0 };
	if (elf_is(p, n))
		open_elf(v, p, n);
	else if (pe_is(p, n))
		open_pe(v, p, n);
	find_calls(v);
	if (v->slots)
		qsort(v->slot, v->slots, sizeof *v->slot, by_slot);
	if (v->starts)
		qsort(v->start, v->starts, sizeof *v->start, by_address);
	for (size_t i = 0; i < v->starts; i++)
		if (!kept || v->start[kept - 1] != v->start[i])
			v->start[kept++] = v->start[i];
	v->starts = kept;
}

void layout_free(struct layout *v)
{
	free(v->slot);
	free(v->start);
	*v = (struct layout){ 0 };
}

const char *layout_import(const struct layout *v, uint64_t slot)
{
	const struct layout_slot key = { slot, NULL }, *s = v->slots ? bsearch(&key, v->slot, v->slots, sizeof key, by_slot) : NULL;

	return s ? s->name : NULL;
}

uint64_t layout_function(const struct layout *v, uint64_t address)
{
	const struct layout_region *r = layout_at(v, address);
	uint64_t least = r ? r->address : 0;
	size_t low = 0, high = v->starts;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (v->start[mid] <= address)
			low = mid + 1;
		else
			high = mid;
	}
	return low && v->start[low - 1] >= least ? v->start[low - 1] : least;
}
