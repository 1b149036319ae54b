/* The ELF reader: on this very program, on small files made by hand, and on damaged ones. */
#include "code/code.h"
#include "unit.h"

#include <elf.h>
#include <stdlib.h>
#include <unistd.h>

static struct buf self;

static bool has_symbol(const struct elf *f, const char *name, bool undefined)
{
	for (size_t i = 0; i < f->symbols; i++)
		if (!strcmp(f->symbol[i].name, name) && f->symbol[i].undefined == undefined)
			return true;
	return false;
}

static bool needs(const struct elf *f, const char *prefix)
{
	for (size_t i = 0; i < f->neededs; i++)
		if (!strncmp(f->needed[i], prefix, strlen(prefix)))
			return true;
	return false;
}

static bool has_section(const struct elf *f, const char *name)
{
	for (size_t i = 0; i < f->sections; i++)
		if (!strcmp(f->section[i].name, name))
			return true;
	return false;
}

static void test_self(void)
{
	struct elf *f = elf_open(self.p, self.len);
	size_t imports, left;

	if (!OK(f && !f->problem, "a linker's work is well-formed") || !f)
		return;
	OK(f->is64 && !f->big && f->type == ET_DYN, "class, order and type");
	OK(has_section(f, ".text") && has_section(f, ".dynsym"), "sections have their names");
	OK(f->interpreter && strstr(f->interpreter, "ld-"), "the interpreter is read");
	OK(needs(f, "libc.so"), "needed libraries are read");
	OK(has_symbol(f, "__libc_start_main", true), "imports are read");
	OK(f->locals > 0 && f->starts > 10, "local symbols and function starts are read");
	OK(elf_executable_at(f, f->entry), "the entry point is executable");
	OK(elf_at(f, f->entry, &left) && left > 16, "the entry point's bytes are found");
	OK(!elf_at(f, UINT64_MAX - 3, &left), "an address outside has no bytes");
	OK(f->end == self.len, "nothing follows the last section");
	imports = f->symbols;
	elf_free(f);

	/* The same without a section table, as sstrip leaves it. */
	memset(self.p + offsetof(Elf64_Ehdr, e_shoff), 0, 8);
	memset(self.p + offsetof(Elf64_Ehdr, e_shnum), 0, 4);
	f = elf_open(self.p, self.len);
	if (!OK(f && !f->sections && needs(f, "libc.so"), "without sections, libraries come from PT_DYNAMIC") || !f)
		return;
	OK(f->symbols == imports && has_symbol(f, "__libc_start_main", true), "and so do all symbols");
	OK(f->end < self.len, "what only the section table named is overlay then");
	elf_free(f);
}

static size_t tiny(unsigned char *b, bool is64, bool big, unsigned machine)
{
	static const unsigned char code[] = { 0xb8, 0x3c, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05 };
	size_t at;

	memset(b, 0, 256);
#define PUT(off, size, v) do { for (size_t k_ = 0; k_ < (size); k_++) \
		b[(off) + (big ? (size) - 1 - k_ : k_)] = (unsigned char)((uint64_t)(v) >> (8 * k_)); } while (0)
	memcpy(b, ELFMAG, SELFMAG);
	b[EI_VERSION] = EV_CURRENT;
	b[EI_CLASS] = is64 ? ELFCLASS64 : ELFCLASS32;
	b[EI_DATA] = big ? ELFDATA2MSB : ELFDATA2LSB;
	PUT(16, 2, ET_EXEC);
	PUT(18, 2, machine);
	if (is64) {
		PUT(24, 8, 0x400078); PUT(32, 8, 64); PUT(52, 2, 64); PUT(54, 2, 56); PUT(56, 2, 1);
		PUT(64, 4, PT_LOAD); PUT(68, 4, PF_R | PF_X); PUT(80, 8, 0x400000); PUT(96, 8, 0x81); PUT(104, 8, 0x81);
		at = 0x78;
	} else {
		PUT(24, 4, 0x8054); PUT(28, 4, 52); PUT(40, 2, 52); PUT(42, 2, 32); PUT(44, 2, 1);
		PUT(52, 4, PT_LOAD); PUT(60, 4, 0x8000); PUT(68, 4, 0x5d); PUT(72, 4, 0x5d); PUT(76, 4, PF_R | PF_X);
		at = 0x54;
	}
#undef PUT
	memcpy(b + at, code, sizeof code);
	return at + sizeof code;
}

static void test_kinds(void)
{
	static const struct { bool is64, big; unsigned machine; const char *name; } kinds[] = {
		{ true, false, EM_X86_64, "elf64-x86-64" }, { true, true, EM_PPC64, "elf64-ppc64-be" },
		{ false, false, EM_386, "elf32-i386" }, { false, true, EM_MIPS, "elf32-mips-be" },
	};
	unsigned char b[256];
	char name[32];

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		size_t n = tiny(b, kinds[i].is64, kinds[i].big, kinds[i].machine), left;
		struct elf *f = elf_open(b, n);

		OK(f && !f->problem && f->segments == 1 && f->machine == kinds[i].machine && elf_at(f, f->entry, &left) && left == 9, kinds[i].name);
		OK_STR(format_of(b, n, name), kinds[i].name, "its name");
		elf_free(f);
	}
	OK_STR(format_of("#! /bin/sh -e\r\n", 15, name), "script", "a script");
	OK_STR(format_of("#!relative\n", 11, name), "data", "no interpreter, no script");
	OK_STR(format_of("", 0, name), "data", "nothing is data");
	format_interpreter("#! /bin/sh -e\r\n", 15, (char[256]){ 0 });
}

/* Linux runs an x86-64 file whatever its class and order bytes say: so must we read it. */
static void test_liar(void)
{
	unsigned char b[256];
	size_t n = tiny(b, true, false, EM_X86_64);
	struct elf *f;

	b[EI_CLASS] = ELFCLASS32;
	b[EI_DATA] = ELFDATA2MSB;
	f = elf_open(b, n);
	OK(f && f->is64 && !f->big && f->entry == 0x400078 && f->segments == 1, "a wrong class byte deceives nobody");
	OK(f && f->problem, "and is remarked");
	elf_free(f);
}

static void look(const unsigned char *p, size_t n)
{
	/* A copy of its exact size: the sanitizer sees each byte too far. */
	unsigned char *copy = malloc(n ? n : 1);
	struct disasm_limits l = { 200, 5000, 10000, 200 };
	struct disasm d;
	struct elf *f;

	memcpy(copy, p, n);
	f = elf_open(copy, n);
	if (f) {
		disasm_elf(f, &l, &d);
		disasm_free(&d);
	}
	elf_free(f);
	free(copy);
}

static void test_damage(void)
{
	unsigned char b[256];
	size_t n = tiny(b, true, false, EM_X86_64);

	for (size_t i = 0; i <= n; i++)
		look(b, i);
	for (size_t i = 0; i < n; i++) {
		unsigned char old = b[i];

		b[i] = 0xff;
		look(b, n);
		b[i] = old ^ 0x80;
		look(b, n);
		b[i] = old;
	}
	OK(true, "a small file cut or changed at any byte is read without harm");
	/* This program's own tables, damaged here and there. */
	for (size_t i = 0; i < 60; i++) {
		size_t at = (i * 7919) % (i % 2 ? 4096 : self.len);
		unsigned char old = self.p[at];

		self.p[at] = (unsigned char)~old;
		look(self.p, i % 3 ? self.len : at);
		self.p[at] = old;
	}
	OK(true, "and so is a large one");
}

int main(void)
{
	struct err e = { 0 };

	if (io_slurp_path("/proc/self/exe", CAP_SLURP * 4, &self, &e)) {
		printf("# %s\n", e.msg);
		return 1;
	}
	OK(!elf_open("\177ELF", 4), "a magic alone is no ELF file");
	test_self();
	test_kinds();
	test_liar();
	test_damage();
	buf_free(&self);
	return unit_end();
}
