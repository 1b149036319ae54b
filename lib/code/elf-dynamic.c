/* Symbols, needed libraries and function starts: what the dynamic linker sees first, the section table after it. */
#include "code/elf-internal.h"

#include <stdlib.h>

struct dynamic { uint64_t strtab, strsz, symtab, hash, gnu_hash, init, fini, array[3], arraysz[3]; };

static const struct { int64_t size, address; } arrays[3] = {
	{ DT_INIT_ARRAYSZ, DT_INIT_ARRAY }, { DT_FINI_ARRAYSZ, DT_FINI_ARRAY }, { DT_PREINIT_ARRAYSZ, DT_PREINIT_ARRAY },
};

static void add_start(struct elf *f, uint64_t address)
{
	if (f->starts >= ELF_STARTS || !elf_executable_at(f, address))
		return;
	if (f->starts % 1024 == 0)
		f->start = buf_realloc(f->start, f->starts + 1024, sizeof *f->start);
	f->start[f->starts++] = address;
}

static void add_symbols(const struct elf *f, uint64_t at, uint64_t count, uint64_t names, uint64_t names_size,
			struct elf_symbol **list, size_t *length)
{
	size_t size = ELF_SIZE(f, Sym);

	if (at >= f->n)
		return;
	if (count > (f->n - at) / size)
		count = (f->n - at) / size;
	if (count > ELF_SYMBOLS)
		count = ELF_SYMBOLS;
	if (!count)
		return;
	*list = buf_alloc(count * sizeof **list);
	for (uint64_t i = 0; i < count; i++, at += size) {
		struct elf_symbol *s = &(*list)[*length];
		uint64_t name = ELF_FIELD(f, at, Sym, st_name), section;
		unsigned info = (unsigned)ELF_FIELD(f, at, Sym, st_info);

		s->name = name && name < names_size ? elf_string(f, names + name, names_size - name) : NULL;
		if (!s->name || !*s->name)
			continue;
		s->type = info & 15;
		s->bind = (unsigned char)(info >> 4);
		s->value = ELF_FIELD(f, at, Sym, st_value);
		s->size = ELF_FIELD(f, at, Sym, st_size);
		section = ELF_FIELD(f, at, Sym, st_shndx);
		s->undefined = section == SHN_UNDEF;
		/* Not laid out yet: values count from their section, which elf.c gave a place. */
		if (f->type == ET_REL && section < f->sections && !s->undefined)
			s->value += f->section[section].address;
		(*length)++;
	}
}

/* The number of dynamic symbols stands nowhere: the hash tables know it (gABI "Hash Table"; GNU: the last chain's end). */
static uint64_t count_symbols(const struct elf *f, const struct dynamic *d)
{
	uint64_t at, left, buckets, first, bloom, most = 0, chain;

	if (d->hash && elf_offset(f, d->hash, &at, &left))
		return elf_number(f, at + 4, 4);
	if (d->gnu_hash && elf_offset(f, d->gnu_hash, &at, &left)) {
		buckets = elf_number(f, at, 4);
		first = elf_number(f, at + 4, 4);
		bloom = elf_number(f, at + 8, 4) * (f->is64 ? 8 : 4);
		if (bloom > left || buckets > left / 4)
			return 0;
		at += 16 + bloom;
		for (uint64_t i = 0; i < buckets; i++) {
			uint64_t b = elf_number(f, at + 4 * i, 4);

			most = b > most ? b : most;
		}
		if (most < first)
			return first;
		chain = at + 4 * buckets;
		while (most - first < ELF_SYMBOLS && chain + 4 * (most - first) < f->n && !(elf_number(f, chain + 4 * (most - first), 4) & 1))
			most++;
		return most + 1;
	}
	return d->strtab > d->symtab ? (d->strtab - d->symtab) / ELF_SIZE(f, Sym) : 0;
}

static void read_dynamic(struct elf *f, uint64_t at, uint64_t size)
{
	struct dynamic d = { 0 };
	size_t entry = ELF_SIZE(f, Dyn), count;
	uint64_t names = 0, symbols, left;

	if (at >= f->n)
		return;
	count = (size < f->n - at ? size : f->n - at) / entry;
	if (count > 4096)
		count = 4096;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < count; i++) {
			uint64_t tag = ELF_FIELD(f, at + i * entry, Dyn, d_tag), value = ELF_FIELD(f, at + i * entry, Dyn, d_un.d_val);

			if (tag == DT_NULL)
				break;
			if (pass && tag == DT_NEEDED && f->neededs < ELF_NEEDED && value < d.strsz) {
				const char *name = elf_string(f, names + value, d.strsz - value);

				if (!f->needed)
					f->needed = buf_alloc(ELF_NEEDED * sizeof *f->needed);
				if (name)
					f->needed[f->neededs++] = name;
			}
			if (pass)
				continue;
			switch (tag) {
			case DT_STRTAB: d.strtab = value; break;
			case DT_STRSZ: d.strsz = value; break;
			case DT_SYMTAB: d.symtab = value; break;
			case DT_HASH: d.hash = value; break;
			case DT_GNU_HASH: d.gnu_hash = value; break;
			case DT_INIT: d.init = value; break;
			case DT_FINI: d.fini = value; break;
			}
			for (int a = 0; a < 3; a++) {
				if (tag == (uint64_t)arrays[a].address)
					d.array[a] = value;
				if (tag == (uint64_t)arrays[a].size)
					d.arraysz[a] = value;
			}
		}
		if (!pass && (!d.strtab || !elf_offset(f, d.strtab, &names, &left))) {
			elf_problem(f, "the dynamic section has no string table");
			return;
		}
	}
	if (d.symtab && elf_offset(f, d.symtab, &symbols, &left))
		add_symbols(f, symbols, count_symbols(f, &d), names, d.strsz, &f->symbol, &f->symbols);
	if (d.init)
		add_start(f, d.init);
	if (d.fini)
		add_start(f, d.fini);
	for (int a = 0; a < 3; a++) {
		size_t word = f->is64 ? 8 : 4;
		uint64_t list;

		if (!d.array[a] || !elf_offset(f, d.array[a], &list, &left))
			continue;
		for (uint64_t i = 0; i < d.arraysz[a] / word && i < left / word && i < 4096; i++)
			add_start(f, elf_number(f, list + i * word, word));
	}
}

/* The sorted table of .eh_frame_hdr (Linux Standard Base, "The .eh_frame_hdr section"), in the one form that linkers write. */
static void read_eh_frame_hdr(struct elf *f, const struct elf_segment *s)
{
	uint64_t at = s->offset, count;

	if (elf_number(f, at, 1) != 1 || elf_number(f, at + 1, 1) != 0x1b || elf_number(f, at + 2, 1) != 0x03 || elf_number(f, at + 3, 1) != 0x3b)
		return;
	count = elf_number(f, at + 8, 4);
	for (uint64_t i = 0; i < count && i < ELF_STARTS && at + 12 + 8 * i < f->n; i++)
		add_start(f, s->address + (uint64_t)(int64_t)(int32_t)elf_number(f, at + 12 + 8 * i, 4));
}

void elf_dynamic_read(struct elf *f)
{
	for (size_t i = 0; i < f->segments; i++) {
		if (f->segment[i].type == PT_DYNAMIC) {
			read_dynamic(f, f->segment[i].offset, f->segment[i].filesize);
			break;
		}
	}
	for (size_t i = 0; i < f->segments; i++)
		if (f->segment[i].type == PT_GNU_EH_FRAME)
			read_eh_frame_hdr(f, &f->segment[i]);
	for (size_t i = 0; i < f->sections; i++) {
		const struct elf_section *s = &f->section[i], *names = s->link < f->sections ? &f->section[s->link] : NULL;

		if (!names || names->type != SHT_STRTAB)
			continue;
		if (s->type == SHT_DYNSYM && !f->symbol)
			add_symbols(f, s->offset, s->size / ELF_SIZE(f, Sym), names->offset, names->size, &f->symbol, &f->symbols);
		if (s->type == SHT_SYMTAB && f->type == ET_REL && !f->symbol)
			add_symbols(f, s->offset, s->size / ELF_SIZE(f, Sym), names->offset, names->size, &f->symbol, &f->symbols);
		else if (s->type == SHT_SYMTAB && !f->local)
			add_symbols(f, s->offset, s->size / ELF_SIZE(f, Sym), names->offset, names->size, &f->local, &f->locals);
	}
}
