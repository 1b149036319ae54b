/*
 * A few facts of an ELF file's headers. This reads hostile bytes in a process with all rights, so it is kept small: each
 * read is a pread of a fixed size into an array, and no length from the file is used but to bound a loop.
 */
#include "host/internal.h"

#include "code/code.h"

#include <elf.h>
#include <string.h>
#include <unistd.h>

#define MAX_SEGMENTS 64
#define MAX_SECTIONS 256
#define SAMPLES 64
#define SAMPLE 4096
#define DENSE_ENTROPY 7.8         /* of 4096 bytes: random ones measure 7.94 to 7.97, OpenSSL's tables of constants 7.8 */
#define DENSE_SAMPLES 4u
#define APPENDED 64               /* bytes behind the image that are no padding */
#define HIGH_ENTROPY 7.2          /* x86-64 code measures 5.8 to 6.6, deflated data 7.9 */

struct segment {
	uint32_t type, flags;
	uint64_t offset, size;
};

struct elf_facts {
	bool is64;
	unsigned type;
	uint64_t section_offset;
	unsigned section_count, names_at, section_size;
	uint64_t end;             /* of the headers and their tables */
	struct segment segment[MAX_SEGMENTS];
	size_t segments;
};

/* The last bytes that were read for a piece of a table: the next piece is likely to stand in them. */
struct block { unsigned char bytes[8192]; uint64_t offset; size_t size; };
static struct block tables, names;

/* How many of n small bytes there are. */
static size_t read_near(struct block *b, int fd, uint64_t offset, void *p, size_t n)
{
	ssize_t got;

	if (offset >= (uint64_t)INT64_MAX - sizeof(b->bytes) || n > sizeof(b->bytes))
		return 0;
	if (!b->size || offset < b->offset || offset - b->offset + n > b->size) {
		got = pread(fd, b->bytes, sizeof(b->bytes), (off_t)offset);
		b->offset = offset;
		b->size = got > 0 ? (size_t)got : 0;
	}
	if (n > b->size - (size_t)(offset - b->offset))
		n = b->size - (size_t)(offset - b->offset);
	memcpy(p, b->bytes + (offset - b->offset), n);
	return n;
}

static bool read_at(int fd, uint64_t offset, void *p, size_t n)
{
	return read_near(&tables, fd, offset, p, n) == n;
}

/* Little-endian only: what runs here. */
static int read_header(int fd, struct elf_facts *f)
{
	union { unsigned char ident[EI_NIDENT]; Elf64_Ehdr h64; Elf32_Ehdr h32; } u;
	uint64_t table;
	unsigned i, count, size;

	tables.size = names.size = 0;
	memset(f, 0, sizeof(*f));
	memset(&u, 0, sizeof(u));
	if (pread(fd, &u, sizeof(u), 0) < (ssize_t)sizeof(u.h32) || memcmp(u.ident, ELFMAG, SELFMAG)
	    || u.ident[EI_DATA] != ELFDATA2LSB)
		return -1;
	f->is64 = u.ident[EI_CLASS] == ELFCLASS64;
	f->type = f->is64 ? u.h64.e_type : u.h32.e_type;
	f->section_offset = f->is64 ? u.h64.e_shoff : u.h32.e_shoff;
	f->section_count = f->is64 ? u.h64.e_shnum : u.h32.e_shnum;
	f->section_size = f->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
	f->names_at = f->is64 ? u.h64.e_shstrndx : u.h32.e_shstrndx;
	table = f->is64 ? u.h64.e_phoff : u.h32.e_phoff;
	count = f->is64 ? u.h64.e_phnum : u.h32.e_phnum;
	size = f->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	f->end = f->is64 ? sizeof(u.h64) : sizeof(u.h32);
	if (f->section_offset < CAP_BODY && f->section_offset + (uint64_t)f->section_count * f->section_size > f->end)
		f->end = f->section_offset + (uint64_t)f->section_count * f->section_size;
	if (table < CAP_BODY && table + (uint64_t)count * size > f->end)
		f->end = table + (uint64_t)count * size;
	for (i = 0; i < count && i < MAX_SEGMENTS; i++) {
		union { Elf64_Phdr p64; Elf32_Phdr p32; } ph;

		if (!read_at(fd, table + (uint64_t)i * size, &ph, size))
			break;
		if (f->is64)
			f->segment[i] = (struct segment){ ph.p64.p_type, ph.p64.p_flags, ph.p64.p_offset, ph.p64.p_filesz };
		else
			f->segment[i] = (struct segment){ ph.p32.p_type, ph.p32.p_flags, ph.p32.p_offset, ph.p32.p_filesz };
		f->segments++;
	}
	return 0;
}

/* Samples spread over the executable segments; a quarter megabyte tells the entropy to a hundredth. *dense: how many of them
 * are as dense as compressed data by themselves, which the mean does not show where much honest code stands around them. */
static double code_entropy(int fd, const struct elf_facts *f, unsigned *dense)
{
	unsigned char bytes[SAMPLE];
	size_t all[256] = { 0 }, i, k, n = 0;
	uint64_t total = 0, step, at;

	for (i = 0; i < f->segments; i++)
		if (f->segment[i].type == PT_LOAD && f->segment[i].flags & PF_X && f->segment[i].size < CAP_BODY)
			total += f->segment[i].size;
	if (total < 4 * SAMPLE)
		return 0;
	step = total / SAMPLES < SAMPLE ? SAMPLE : total / SAMPLES;
	for (i = 0; i < f->segments; i++) {
		const struct segment *s = &f->segment[i];

		if (s->type != PT_LOAD || !(s->flags & PF_X) || s->size >= CAP_BODY)
			continue;
		for (at = 0; at + SAMPLE <= s->size && n < SAMPLES; at += step, n++) {
			size_t count[256] = { 0 };

			if (s->offset >= CAP_BODY || pread(fd, bytes, SAMPLE, (off_t)(s->offset + at)) != SAMPLE)
				break;
			entropy_count(bytes, SAMPLE, count);
			*dense += entropy_counted(count, SAMPLE) > DENSE_ENTROPY;
			for (k = 0; k < 256; k++)
				all[k] += count[k];
		}
	}
	return entropy_counted(all, n * SAMPLE);
}

static const char *packer_section(int fd, const struct elf_facts *f)
{
	static const char *const marks[] = { "UPX", ".upx", ".packed", ".aspack", ".petite", ".nsp", ".vmp", ".themida", ".enigma" };
	uint64_t table;
	unsigned i, k;

	if (!f->section_offset || !f->section_count || f->names_at >= f->section_count)
		return NULL;
	for (i = 0; i <= f->section_count && i < MAX_SECTIONS; i++) {
		union { Elf64_Shdr s64; Elf32_Shdr s32; } sh;
		unsigned which = i ? i - 1 : f->names_at;
		static char name[16];

		if (!read_at(fd, f->section_offset + (uint64_t)which * f->section_size, &sh, f->section_size))
			return NULL;
		if (!i) {
			table = f->is64 ? sh.s64.sh_offset : sh.s32.sh_offset;
			continue;
		}
		memset(name, 0, sizeof(name));
		if (table > CAP_BODY || !read_near(&names, fd, table + (f->is64 ? sh.s64.sh_name : sh.s32.sh_name), name, sizeof(name) - 1))
			continue;
		for (k = 0; k < sizeof(marks) / sizeof(*marks); k++)
			if (!strncmp(name, marks[k], strlen(marks[k])))
				return name;
	}
	return NULL;
}

/* UPX has no sections; its header stands behind the program headers and at the end. */
static bool upx_magic(int fd, uint64_t size)
{
	unsigned char head[512], tail[64];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	if (n > 0 && memmem(head, (size_t)n, "UPX!", 4))
		return true;
	n = size > sizeof(tail) ? pread(fd, tail, sizeof(tail), (off_t)(size - sizeof(tail))) : 0;
	return n > 0 && memmem(tail, (size_t)n, "UPX!", 4);
}

/* Where what the headers describe ends: segments, sections, and the tables of both. */
static uint64_t image_end(int fd, const struct elf_facts *f)
{
	uint64_t end = f->end;
	size_t i;

	for (i = 0; i < f->segments; i++)
		if (f->segment[i].size < CAP_BODY && f->segment[i].offset < CAP_BODY && f->segment[i].offset + f->segment[i].size > end)
			end = f->segment[i].offset + f->segment[i].size;
	for (i = 0; f->section_offset && i < f->section_count && i < MAX_SECTIONS; i++) {
		union { Elf64_Shdr s64; Elf32_Shdr s32; } sh;
		uint64_t offset, size;

		if (!read_at(fd, f->section_offset + i * f->section_size, &sh, f->section_size))
			break;
		offset = f->is64 ? sh.s64.sh_offset : sh.s32.sh_offset;
		size = f->is64 ? sh.s64.sh_size : sh.s32.sh_size;
		if ((f->is64 ? sh.s64.sh_type : sh.s32.sh_type) != SHT_NOBITS && offset < CAP_BODY && size < CAP_BODY && offset + size > end)
			end = offset + size;
	}
	return end;
}

/* Kernel modules are objects, and have their signature there. */
static void appended(struct host *h, struct piece *p, int fd, const struct elf_facts *f, uint64_t size)
{
	uint64_t end = f->type == ET_REL || f->section_count > MAX_SECTIONS ? size : image_end(fd, f);

	if (size > end && size - end > APPENDED)
		piece_sign(h, p, "appended-data", "%llu bytes follow the image that its headers describe", (unsigned long long)(size - end));
}

void facts_look(struct host *h, struct piece *p, int fd, uint64_t size)
{
	struct elf_facts f;
	const char *section;
	unsigned dense = 0;
	double entropy;

	if (read_header(fd, &f) < 0)
		return;
	if (!f.section_offset || !f.section_count)
		piece_sign(h, p, "no-section-table", "the ELF header names no section table");
	section = packer_section(fd, &f);
	if (section)
		piece_sign(h, p, "packer-section", "it has a section %s", section);
	else if (upx_magic(fd, size))
		piece_sign(h, p, "packer-section", "it bears UPX's mark");
	entropy = code_entropy(fd, &f, &dense);
	if (entropy > HIGH_ENTROPY)
		piece_sign(h, p, "high-entropy", "its code has %.2f bits a byte", entropy);
	else if (dense >= DENSE_SAMPLES)
		piece_sign(h, p, "high-entropy", "%u of %u samples of its code are as dense as compressed data", dense, SAMPLES);
	appended(h, p, fd, &f, size);
}

bool facts_textrel(int fd)
{
	struct elf_facts f;
	size_t i, k;

	if (read_header(fd, &f) < 0)
		return false;
	for (i = 0; i < f.segments; i++) {
		const struct segment *s = &f.segment[i];
		size_t size = f.is64 ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);

		if (s->type != PT_DYNAMIC)
			continue;
		for (k = 0; k < 512 && (k + 1) * size <= s->size; k++) {
			union { Elf64_Dyn d64; Elf32_Dyn d32; } d;
			int64_t tag;
			uint64_t value;

			if (!read_at(fd, s->offset + k * size, &d, size))
				break;
			tag = f.is64 ? d.d64.d_tag : d.d32.d_tag;
			value = f.is64 ? d.d64.d_un.d_val : d.d32.d_un.d_val;
			if (tag == DT_NULL)
				break;
			if (tag == DT_TEXTREL || (tag == DT_FLAGS && value & DF_TEXTREL))
				return true;
		}
	}
	return false;
}
