#include "code/pe.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

static void problem(struct pe *f, const char *what)
{
	if (!f->problem)
		f->problem = what;
}

static uint64_t number(const unsigned char *p, size_t n, uint64_t at, size_t size)
{
	uint64_t v = 0;

	if (at > n || size > n - at)
		return 0;
	for (size_t i = size; i-- > 0;)
		v = v << 8 | p[at + i];
	return v;
}

uint64_t pe_number(const struct pe *f, uint64_t rva, size_t size)
{
	return number(f->image, f->image_size, rva, size);
}

uint64_t pe_file_number(const struct pe *f, uint64_t at, size_t size)
{
	return number(f->p, f->n, at, size);
}

const char *pe_string(const struct pe *f, uint64_t rva, size_t limit)
{
	size_t left;

	if (rva >= f->image_size)
		return NULL;
	left = f->image_size - (size_t)rva;
	return memchr(f->image + rva, 0, left < limit ? left : limit) ? (const char *)f->image + rva : NULL;
}

static uint64_t header(const void *p, size_t n)
{
	uint64_t at = number(p, n, 60, 4);

	return n >= 64 && !memcmp(p, "MZ", 2) && at <= n - 4 && !memcmp((const unsigned char *)p + at, "PE\0\0", 4) ? at : 0;
}

bool pe_is(const void *p, size_t n)
{
	return header(p, n) != 0;
}

static uint32_t round_up(uint64_t v, uint32_t to)
{
	v = (v + to - 1) / to * to;
	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static void read_optional(struct pe *f, uint64_t at, size_t size)
{
	unsigned magic = (unsigned)number(f->p, f->n, at, 2);
	uint64_t count;

	f->is64 = magic == 0x20b;
	if (magic != 0x20b && magic != 0x10b)
		problem(f, "the optional header is of no known kind");
	f->linker = (uint16_t)(number(f->p, f->n, at + 2, 1) << 8 | number(f->p, f->n, at + 3, 1));
	f->entry = (uint32_t)number(f->p, f->n, at + 16, 4);
	f->base = f->is64 ? number(f->p, f->n, at + 24, 8) : number(f->p, f->n, at + 28, 4);
	f->section_align = (uint32_t)number(f->p, f->n, at + 32, 4);
	f->file_align = (uint32_t)number(f->p, f->n, at + 36, 4);
	f->told_size = (uint32_t)number(f->p, f->n, at + 56, 4);
	f->headers_size = (uint32_t)number(f->p, f->n, at + 60, 4);
	f->checksum = (uint32_t)number(f->p, f->n, at + 64, 4);
	f->subsystem = (uint16_t)number(f->p, f->n, at + 68, 2);
	f->dll_flags = (uint16_t)number(f->p, f->n, at + 70, 2);
	f->stack = f->is64 ? number(f->p, f->n, at + 72, 8) : number(f->p, f->n, at + 72, 4);
	at += f->is64 ? 108 : 92;
	count = number(f->p, f->n, at, 4);
	f->directories = count < PE_DIRECTORIES ? (size_t)count : PE_DIRECTORIES;
	if (count > PE_DIRECTORIES)
		problem(f, "there are more data directories than are defined");
	/* The section table may begin within the directories: the loader reads both all the same. */
	if (size < (f->is64 ? 112u : 96u) + 8 * f->directories)
		problem(f, "the optional header is shorter than its directories");
	for (size_t i = 0; i < f->directories; i++) {
		f->directory[i].rva = (uint32_t)number(f->p, f->n, at + 4 + 8 * i, 4);
		f->directory[i].size = (uint32_t)number(f->p, f->n, at + 8 + 8 * i, 4);
	}
}

static void read_sections(struct pe *f, uint64_t at, size_t count)
{
	uint64_t next = 0;

	if (count > PE_SECTIONS) {
		problem(f, "there are more sections than the loader takes");
		count = PE_SECTIONS;
	}
	f->section = buf_alloc((count + 1) * sizeof *f->section);
	for (size_t i = 0; i < count; i++, at += 40) {
		struct pe_section *s = &f->section[f->sections];

		if (at > f->n || 40 > f->n - at) {
			problem(f, "the section table reaches beyond the end of the file");
			break;
		}
		memcpy(s->name, f->p + at, 8);
		s->memsize = (uint32_t)number(f->p, f->n, at + 8, 4);
		s->address = (uint32_t)number(f->p, f->n, at + 12, 4);
		s->filesize = (uint32_t)number(f->p, f->n, at + 16, 4);
		s->offset = (uint32_t)number(f->p, f->n, at + 20, 4);
		s->flags = (uint32_t)number(f->p, f->n, at + 36, 4);
		if (s->address < next)
			problem(f, "sections lie over one another or out of order");
		next = (uint64_t)s->address + (s->memsize ? s->memsize : s->filesize);
		if (s->filesize && (uint64_t)s->offset + s->filesize > f->n)
			problem(f, "a section reaches beyond the end of the file");
		else if (s->filesize && (uint64_t)s->offset + s->filesize > f->end)
			f->end = (uint64_t)s->offset + s->filesize;
		f->sections++;
	}
}

/* The loader never looks there; compilers of the GNU project leave it, with its strings behind it, after the sections. */
static void read_symbols(struct pe *f, uint64_t at)
{
	uint64_t offset = number(f->p, f->n, at + 12, 4), count = number(f->p, f->n, at + 16, 4), end = offset + 18 * count;

	if (!offset || !count || end > f->n)
		return;
	f->symbols.offset = (uint32_t)offset;
	f->symbols.count = (uint32_t)count;
	end += number(f->p, f->n, end, 4);
	if (end > f->n)
		end = f->n;
	if (end > f->end)
		f->end = end;
}

/* As the loader of Windows maps it: offsets rounded down to 512, no more of a section than its memory size rounded up. */
static void lay_out(struct pe *f)
{
	uint64_t size = round_up(f->told_size, PAGE);
	bool flat = f->section_align < PAGE;
	size_t n;

	for (size_t i = 0; i < f->sections; i++) {
		const struct pe_section *s = &f->section[i];
		uint64_t end = (uint64_t)s->address + round_up(s->memsize ? s->memsize : s->filesize, PAGE);

		if (end > size) {
			problem(f, "a section lies outside of the image");
			size = end;
		}
	}
	if (flat && size < f->n)
		size = round_up(f->n, PAGE);
	if (size > PE_IMAGE) {
		problem(f, "the image is larger than what is taken");
		size = PE_IMAGE;
	}
	f->image_size = (size_t)size;
	f->image = buf_alloc(f->image_size + 1);
	n = flat ? f->n : f->headers_size < PAGE ? PAGE : f->headers_size;
	n = n < f->n ? n : f->n;
	memcpy(f->image, f->p, n < f->image_size ? n : f->image_size);
	for (size_t i = 0; i < f->sections && !flat; i++) {
		const struct pe_section *s = &f->section[i];
		uint64_t offset = s->offset & ~(uint64_t)511;
		uint64_t bytes = round_up(s->filesize, f->file_align && f->file_align <= PAGE ? f->file_align : 512);
		uint64_t room = round_up(s->memsize ? s->memsize : s->filesize, PAGE);

		if (bytes > room)
			bytes = room;
		if (!s->offset || offset >= f->n || s->address >= f->image_size)
			continue;
		if (bytes > f->n - offset)
			bytes = f->n - offset;
		if (bytes > f->image_size - s->address)
			bytes = f->image_size - s->address;
		memcpy(f->image + s->address, f->p + offset, bytes);
	}
}

struct pe *pe_open(const void *p, size_t n)
{
	uint64_t at = header(p, n);
	size_t optional;
	struct pe *f;

	if (!at)
		return NULL;
	f = buf_alloc(sizeof *f);
	f->p = p;
	f->n = n;
	f->header = (uint32_t)at;
	f->machine = (uint16_t)number(p, n, at + 4, 2);
	f->time = (uint32_t)number(p, n, at + 8, 4);
	optional = (size_t)number(p, n, at + 20, 2);
	f->optional_size = (uint16_t)optional;
	f->flags = (uint16_t)number(p, n, at + 22, 2);
	read_optional(f, at + 24, optional);
	f->end = f->headers_size < n ? f->headers_size : n;
	read_sections(f, at + 24 + optional, (size_t)number(p, n, at + 6, 2));
	read_symbols(f, at);
	lay_out(f);
	if (f->entry >= f->image_size)
		problem(f, "the entry point lies outside of the image");
	return f;
}

void pe_free(struct pe *f)
{
	if (!f)
		return;
	free(f->section);
	free(f->image);
	free(f);
}

const struct pe_section *pe_section_at(const struct pe *f, uint64_t rva)
{
	for (size_t i = 0; i < f->sections; i++) {
		const struct pe_section *s = &f->section[i];
		uint32_t size = s->memsize > s->filesize ? s->memsize : s->filesize;

		if (rva >= s->address && rva - s->address < round_up(size, PAGE))
			return s;
	}
	return NULL;
}

bool pe_relocations(const struct pe *f, pe_relocation_fn *fn, void *ctx)
{
	uint64_t at = f->directory[PE_DIR_RELOCATION].rva, end = at + f->directory[PE_DIR_RELOCATION].size;
	size_t left = PE_RELOCATIONS;

	if (!at || end > f->image_size)
		return !at;
	while (at + 8 <= end) {
		uint64_t page = pe_number(f, at, 4), size = pe_number(f, at + 4, 4);

		if (size < 8 || size > end - at)
			return size == 0;
		for (uint64_t i = 8; i + 2 <= size; i += 2) {
			unsigned v = (unsigned)pe_number(f, at + i, 2);

			if (!left--)
				return false;
			if (v >> 12)
				fn(ctx, (uint32_t)(page + (v & 0xfff)), v >> 12);
		}
		at += size;
	}
	return true;
}
