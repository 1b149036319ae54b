#include "code/elf-internal.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

bool elf_is(const void *p, size_t n)
{
	return n >= sizeof(Elf32_Ehdr) && !memcmp(p, ELFMAG, SELFMAG);
}

void elf_problem(struct elf *f, const char *what)
{
	if (!f->problem)
		f->problem = what;
}

uint64_t elf_number(const struct elf *f, uint64_t offset, size_t size)
{
	uint64_t v = 0;

	if (offset > f->n || size > f->n - offset)
		return 0;
	for (size_t i = 0; i < size; i++)
		v = v << 8 | f->p[offset + (f->big ? i : size - 1 - i)];
	return v;
}

const char *elf_string(const struct elf *f, uint64_t offset, uint64_t limit)
{
	if (offset >= f->n)
		return NULL;
	if (limit > f->n - offset)
		limit = f->n - offset;
	return memchr(f->p + offset, 0, limit) ? (const char *)f->p + offset : NULL;
}

static void reach(struct elf *f, uint64_t offset, uint64_t size)
{
	uint64_t end;

	if (__builtin_add_overflow(offset, size, &end) || end > f->n) {
		elf_problem(f, "a table or section reaches beyond the end of the file");
		end = f->n;
	}
	if (end > f->end)
		f->end = end;
}

/* Linux's loader goes by the machine and the size of a program header, not by the class and order bytes. */
static void find_class(struct elf *f)
{
	unsigned machine_le = (unsigned)f->p[19] << 8 | f->p[18];

	f->is64 = f->p[EI_CLASS] == ELFCLASS64;
	f->big = f->p[EI_DATA] == ELFDATA2MSB;
	if (machine_le == EM_X86_64 && f->n >= sizeof(Elf64_Ehdr)) {
		unsigned phentsize = (unsigned)f->p[55] << 8 | f->p[54];

		if (phentsize == sizeof(Elf64_Phdr) && (!f->is64 || f->big)) {
			f->is64 = true;
			f->big = false;
			elf_problem(f, "the class or byte order is not that of the machine");
		}
	}
	if (f->p[EI_CLASS] != ELFCLASS64 && f->p[EI_CLASS] != ELFCLASS32)
		elf_problem(f, "the class is unknown");
	if (f->p[EI_DATA] != ELFDATA2MSB && f->p[EI_DATA] != ELFDATA2LSB)
		elf_problem(f, "the byte order is unknown");
	if (f->is64 && f->n < sizeof(Elf64_Ehdr)) {
		f->is64 = false;
		elf_problem(f, "the file is shorter than its header");
	}
}

static void read_segments(struct elf *f)
{
	uint64_t at = ELF_FIELD(f, 0, Ehdr, e_phoff), count = ELF_FIELD(f, 0, Ehdr, e_phnum);
	size_t size = ELF_SIZE(f, Phdr);

	if (!at || !count)
		return;
	if (ELF_FIELD(f, 0, Ehdr, e_phentsize) != size)
		elf_problem(f, "program headers have an odd size");
	if (count > ELF_SEGMENTS) {
		elf_problem(f, "there are too many program headers");
		count = ELF_SEGMENTS;
	}
	reach(f, at, count * size);
	if (at >= f->n)
		return;
	if (count > (f->n - at) / size)
		count = (f->n - at) / size;
	f->segment = buf_alloc(count * sizeof *f->segment);
	for (uint64_t i = 0; i < count; i++, at += size) {
		struct elf_segment *s = &f->segment[f->segments++];

		s->type = (uint32_t)ELF_FIELD(f, at, Phdr, p_type);
		s->flags = (uint32_t)ELF_FIELD(f, at, Phdr, p_flags);
		s->offset = ELF_FIELD(f, at, Phdr, p_offset);
		s->address = ELF_FIELD(f, at, Phdr, p_vaddr);
		s->filesize = ELF_FIELD(f, at, Phdr, p_filesz);
		s->memsize = ELF_FIELD(f, at, Phdr, p_memsz);
		s->align = ELF_FIELD(f, at, Phdr, p_align);
		if (s->filesize)
			reach(f, s->offset, s->filesize);
		if (s->type == PT_LOAD && s->memsize < s->filesize)
			elf_problem(f, "a segment is larger in the file than in memory");
		if (s->type == PT_INTERP && !f->interpreter) {
			f->interpreter = elf_string(f, s->offset, s->filesize);
			if (!f->interpreter)
				elf_problem(f, "the interpreter's name does not end");
		}
	}
}

static void read_sections(struct elf *f)
{
	uint64_t at = ELF_FIELD(f, 0, Ehdr, e_shoff), count = ELF_FIELD(f, 0, Ehdr, e_shnum), names = ELF_FIELD(f, 0, Ehdr, e_shstrndx);
	size_t size = ELF_SIZE(f, Shdr);
	uint64_t names_at = 0, names_size = 0;

	if (!at)
		return;
	if (at >= f->n || f->n - at < size) {
		elf_problem(f, "the section table is not in the file");
		return;
	}
	/* gABI: what does not fit stands in section 0. */
	if (!count)
		count = ELF_FIELD(f, at, Shdr, sh_size);
	if (names == SHN_XINDEX)
		names = ELF_FIELD(f, at, Shdr, sh_link);
	if (ELF_FIELD(f, 0, Ehdr, e_shentsize) != size)
		elf_problem(f, "section headers have an odd size");
	if (count > ELF_SECTIONS) {
		elf_problem(f, "there are too many sections");
		count = ELF_SECTIONS;
	}
	reach(f, at, count * size);
	if (count > (f->n - at) / size)
		count = (f->n - at) / size;
	if (names < count) {
		names_at = ELF_FIELD(f, at + names * size, Shdr, sh_offset);
		names_size = ELF_FIELD(f, at + names * size, Shdr, sh_size);
	}
	f->section = buf_alloc(count * sizeof *f->section);
	for (uint64_t i = 0; i < count; i++, at += size) {
		struct elf_section *s = &f->section[f->sections++];
		uint64_t name = ELF_FIELD(f, at, Shdr, sh_name);

		s->type = (uint32_t)ELF_FIELD(f, at, Shdr, sh_type);
		s->flags = ELF_FIELD(f, at, Shdr, sh_flags);
		s->address = ELF_FIELD(f, at, Shdr, sh_addr);
		s->offset = ELF_FIELD(f, at, Shdr, sh_offset);
		s->size = ELF_FIELD(f, at, Shdr, sh_size);
		s->link = (uint32_t)ELF_FIELD(f, at, Shdr, sh_link);
		s->entsize = ELF_FIELD(f, at, Shdr, sh_entsize);
		s->name = name < names_size && names_at < f->n ? elf_string(f, names_at + name, names_size - name) : NULL;
		if (!s->name)
			s->name = "";
		if (f->type == ET_REL && s->flags & SHF_ALLOC)
			s->address = s->offset;   /* not laid out yet: any distinct places do */
		if (s->type != SHT_NOBITS && s->type != SHT_NULL)
			reach(f, s->offset, s->size);
	}
}

struct elf *elf_open(const void *p, size_t n)
{
	struct elf *f;

	if (!elf_is(p, n))
		return NULL;
	f = buf_alloc(sizeof *f);
	f->p = p;
	f->n = n;
	find_class(f);
	f->type = (unsigned)ELF_FIELD(f, 0, Ehdr, e_type);
	f->machine = (unsigned)ELF_FIELD(f, 0, Ehdr, e_machine);
	f->flags = (uint32_t)ELF_FIELD(f, 0, Ehdr, e_flags);
	f->entry = ELF_FIELD(f, 0, Ehdr, e_entry);
	reach(f, 0, ELF_SIZE(f, Ehdr));
	read_segments(f);
	read_sections(f);
	if (!f->segments && !f->sections)
		elf_problem(f, "there are neither segments nor sections");
	else if (!f->segments && (f->type == ET_EXEC || f->type == ET_DYN))
		elf_problem(f, "there are no program headers");
	elf_dynamic_read(f);
	return f;
}

void elf_free(struct elf *f)
{
	if (!f)
		return;
	free(f->section);
	free(f->segment);
	free(f->needed);
	free(f->symbol);
	free(f->local);
	free(f->start);
	free(f);
}

static bool inside(const struct elf *f, uint64_t address, uint64_t base, uint64_t offset, uint64_t size, uint64_t *out, uint64_t *left)
{
	if (address < base || address - base >= size || offset >= f->n || address - base >= f->n - offset)
		return false;
	*out = offset + (address - base);
	*left = size - (address - base);
	if (*left > f->n - *out)
		*left = f->n - *out;
	return true;
}

bool elf_offset(const struct elf *f, uint64_t address, uint64_t *offset, uint64_t *left)
{
	if (!f->segments || f->type == ET_REL) {
		for (size_t i = 0; i < f->sections; i++) {
			const struct elf_section *s = &f->section[i];

			if (s->flags & SHF_ALLOC && s->type != SHT_NOBITS && inside(f, address, s->address, s->offset, s->size, offset, left))
				return true;
		}
		return false;
	}
	for (size_t i = 0; i < f->segments; i++) {
		const struct elf_segment *s = &f->segment[i];

		if (s->type == PT_LOAD && inside(f, address, s->address, s->offset, s->filesize, offset, left))
			return true;
	}
	/* The loader maps whole pages: tiny programs put code before a segment's first byte. */
	for (size_t i = 0; i < f->segments; i++) {
		const struct elf_segment *s = &f->segment[i];
		uint64_t before = s->address % PAGE;

		if (s->type == PT_LOAD && before && s->offset >= before &&
		    inside(f, address, s->address - before, s->offset - before, before, offset, left))
			return true;
	}
	return false;
}

const unsigned char *elf_at(const struct elf *f, uint64_t address, size_t *left)
{
	uint64_t offset, rest;

	if (!elf_offset(f, address, &offset, &rest))
		return NULL;
	*left = rest;
	return f->p + offset;
}

bool elf_executable_at(const struct elf *f, uint64_t address)
{
	if (!f->segments || f->type == ET_REL) {
		for (size_t i = 0; i < f->sections; i++) {
			const struct elf_section *s = &f->section[i];

			if (s->flags & SHF_EXECINSTR && address >= s->address && address - s->address < s->size)
				return true;
		}
		return false;
	}
	for (size_t i = 0; i < f->segments; i++) {
		const struct elf_segment *s = &f->segment[i];

		if (s->type == PT_LOAD && s->flags & PF_X && address >= s->address - s->address % PAGE &&
		    address - (s->address - s->address % PAGE) < s->memsize + s->address % PAGE)
			return true;
	}
	return false;
}
