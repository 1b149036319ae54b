/* The disassembler on each processor: one function with a call, a branch and a return, made by hand, in ELF and PE files. */
#include "code/view.h"
#include "unit.h"

#include <elf.h>
#include <stdlib.h>

#define CALLEE 0x20u             /* all of them call it, */
#define JOIN 0x18u               /* and branch to here */

/* Code in words of `size` bytes. */
struct machine_code { const char *name; unsigned machine; bool wide, big, code_big; uint32_t flags; unsigned entry_bit; size_t instructions, size; uint32_t word[20]; };

static const struct machine_code codes[] = {
	{ "elf64-aarch64", EM_AARCH64, true, false, false, 0, 0, 8, 4,
	  { 0xa9bf7bfd, 0x94000007, 0xd503201f, 0xb4000060, 0xd2800020, 0xd503201f, 0xa8c17bfd, 0xd65f03c0, 0xd65f03c0 } },
	{ "elf64-aarch64-be", EM_AARCH64, true, true, false, 0, 0, 8, 4,
	  { 0xa9bf7bfd, 0x94000007, 0xd503201f, 0xb4000060, 0xd2800020, 0xd503201f, 0xa8c17bfd, 0xd65f03c0, 0xd65f03c0 } },
	{ "elf32-arm", EM_ARM, false, false, false, 0, 0, 8, 4,
	  { 0xe92d4010, 0xeb000005, 0xe3500000, 0x0a000001, 0xe3a00001, 0xe1a00000, 0xe8bd4010, 0xe12fff1e, 0xe12fff1e } },
	{ "elf32-arm-be", EM_ARM, false, true, true, 0, 0, 8, 4,
	  { 0xe92d4010, 0xeb000005, 0xe3500000, 0x0a000001, 0xe3a00001, 0xe1a00000, 0xe8bd4010, 0xe12fff1e, 0xe12fff1e } },
	{ "elf32-arm-be", EM_ARM, false, true, false, EF_ARM_BE8, 0, 8, 4,
	  { 0xe92d4010, 0xeb000005, 0xe3500000, 0x0a000001, 0xe3a00001, 0xe1a00000, 0xe8bd4010, 0xe12fff1e, 0xe12fff1e } },
	{ "elf32-arm", EM_ARM, false, false, false, 0, 1, 12, 2,
	  { 0xb510, 0xf000, 0xf80d, 0x2800, 0xd006, 0x2001, 0xbf00, 0xbf00, 0xbf00, 0xbf00, 0xbf00, 0xbf00, 0xbd10, 0xbf00, 0xbf00, 0xbf00, 0x4770 } },
	{ "elf32-mips-be", EM_MIPS, false, true, true, 0x50001007, 0, 8, 4,
	  { 0x27bdffe0, 0x0c000000, 0, 0x10400002, 0, 0x24020001, 0x03e00008, 0x27bd0020, 0x03e00008, 0 } },
	{ "elf32-mips", EM_MIPS, false, false, false, 0x50001007, 0, 8, 4,
	  { 0x27bdffe0, 0x0c000000, 0, 0x10400002, 0, 0x24020001, 0x03e00008, 0x27bd0020, 0x03e00008, 0 } },
	{ "elf64-mips-be", EM_MIPS, true, true, true, 0x80000007, 0, 8, 4,
	  { 0x67bdffe0, 0x0c000000, 0, 0x10400002, 0, 0x24020001, 0x03e00008, 0x67bd0020, 0x03e00008, 0 } },
	{ "elf64-mips", EM_MIPS, true, false, false, 0x80000007, 0, 8, 4,
	  { 0x67bdffe0, 0x0c000000, 0, 0x10400002, 0, 0x24020001, 0x03e00008, 0x67bd0020, 0x03e00008, 0 } },
	{ "elf32-ppc-be", EM_PPC, false, true, true, 0, 0, 8, 4,
	  { 0x9421fff0, 0x4800001d, 0x2c030000, 0x4182000c, 0x38600001, 0x60000000, 0x38210010, 0x4e800020, 0x4e800020 } },
	{ "elf64-ppc64", EM_PPC64, true, false, false, 2, 0, 8, 4,
	  { 0xf821fff1, 0x4800001d, 0x2c030000, 0x4182000c, 0x38600001, 0x60000000, 0x38210010, 0x4e800020, 0x4e800020 } },
	{ "elf32-sparc-be", EM_SPARC, false, true, true, 0, 0, 8, 4,
	  { 0x9de3bfa0, 0x40000007, 0x01000000, 0x02800003, 0x01000000, 0x90102001, 0x81c7e008, 0x81e80000, 0x81c3e008, 0x01000000 } },
	{ "elf64-sparc-be", EM_SPARCV9, true, true, true, 0, 0, 8, 4,
	  { 0x9de3bfa0, 0x40000007, 0x01000000, 0x02800003, 0x01000000, 0x90102001, 0x81c7e008, 0x81e80000, 0x81c3e008, 0x01000000 } },
	{ "elf64-s390-be", EM_S390, true, true, true, 0, 0, 8, 2,
	  { 0xeb6f, 0xf030, 0x0024, 0xc0e5, 0, 0x000d, 0x1222, 0xa784, 0x0005, 0xa729, 0x0001, 0x0707, 0xeb6f, 0xf030, 0x0004, 0x07fe, 0x07fe } },
	{ "elf64-x86-64", EM_X86_64, true, false, false, 0, 0, 8, 1,
	  { 0x55, 0xe8, 0x1a, 0, 0, 0, 0x85, 0xc0, 0x74, 0x0e, 0xb8, 1, 0, 0, 0, 0xeb, 0x07 } },
	{ "elf32-i386", EM_386, false, false, false, 0, 0, 8, 1,
	  { 0x55, 0xe8, 0x1a, 0, 0, 0, 0x85, 0xc0, 0x74, 0x0e, 0xb8, 1, 0, 0, 0, 0xeb, 0x07 } },
};

static void put(unsigned char *b, size_t at, size_t size, uint64_t v, bool big)
{
	for (size_t i = 0; i < size; i++)
		b[at + (big ? size - 1 - i : i)] = (unsigned char)(v >> 8 * i);
}

/* Returns the address of the code. */
static uint64_t make(unsigned char b[512], const struct machine_code *c)
{
	uint64_t base = 0x10000, code = base + 0x100;
	bool big = c->big;

	memset(b, 0, 512);
	memcpy(b, ELFMAG, SELFMAG);
	b[EI_VERSION] = EV_CURRENT;
	b[EI_CLASS] = c->wide ? ELFCLASS64 : ELFCLASS32;
	b[EI_DATA] = big ? ELFDATA2MSB : ELFDATA2LSB;
	put(b, 16, 2, ET_EXEC, big); put(b, 18, 2, c->machine, big); put(b, 20, 4, EV_CURRENT, big);
	if (c->wide) {
		put(b, 24, 8, code + c->entry_bit, big); put(b, 32, 8, 64, big); put(b, 48, 4, c->flags, big); put(b, 52, 2, 64, big);
		put(b, 54, 2, 56, big); put(b, 56, 2, 1, big);
		put(b, 64, 4, PT_LOAD, big); put(b, 68, 4, PF_R | PF_X, big); put(b, 80, 8, base, big); put(b, 96, 8, 512, big); put(b, 104, 8, 512, big);
	} else {
		put(b, 24, 4, code + c->entry_bit, big); put(b, 28, 4, 52, big); put(b, 36, 4, c->flags, big); put(b, 40, 2, 52, big);
		put(b, 42, 2, 32, big); put(b, 44, 2, 1, big);
		put(b, 52, 4, PT_LOAD, big); put(b, 60, 4, base, big); put(b, 68, 4, 512, big); put(b, 72, 4, 512, big); put(b, 76, 4, PF_R | PF_X, big);
	}
	for (size_t i = 0; i < sizeof c->word / sizeof *c->word && i * c->size < 64; i++) {
		/* MIPS names its target within 256 MiB: what the table leaves out. */
		uint32_t w = c->word[i] == 0x0c000000 ? 0x0c000000 | (uint32_t)((code + CALLEE) >> 2 & 0x3ffffff) : c->word[i];

		put(b, 0x100 + i * c->size, c->size, w, c->code_big);
	}
	if (c->size == 1)
		memcpy(b + 0x100 + JOIN, "\x5d\xc3\x90\x90\x90\x90\x90\x90\xc3", 9);
	return code;
}

static const json_t *function_at(const json_t *list, uint64_t address)
{
	char text[32];
	const json_t *o;
	size_t i;

	snprintf(text, sizeof text, "%llx", (unsigned long long)address);
	json_array_foreach(list, i, o)
		if (!strcmp(jsonio_str(o, "address"), text))
			return o;
	return NULL;
}

static void test_machine(const struct machine_code *c)
{
	unsigned char b[512];
	uint64_t code = make(b, c);
	struct elf *f = elf_open(b, sizeof b);
	char name[32], callee[32];
	const json_t *fn;
	struct disasm d;

	OK_STR(format_of(b, sizeof b, name), c->name, c->name);
	OK(f && !f->problem && f->flags == c->flags && disasm_elf(f, NULL, &d), "it is read and disassembled");
	fn = function_at(d.functions, code);
	snprintf(callee, sizeof callee, "%llx", (unsigned long long)code + CALLEE);
	OK(fn && jsonio_int(fn, "blocks", 0) >= 2, "blocks");
	if (!OK(fn && jsonio_int(fn, "instructions", 0) == (json_int_t)c->instructions, "of all its instructions"))
		printf("# %s\n", buf_str(&d.text));
	OK(fn && json_array_size(json_object_get(fn, "calls")) == 1 && !strcmp(json_string_value(json_array_get(json_object_get(fn, "calls"), 0)), callee), "one call");
	OK(function_at(d.functions, code + CALLEE) != NULL, "of a function that is found");
	disasm_free(&d);
	elf_free(f);
}

static void test_formats(void)
{
	static const struct { const char *bytes, *name; size_t n; } kinds[] = {
		{ "\xcf\xfa\xed\xfe\x0c\0\0\1\0\0\0\0\2\0\0\0", "mach-o64-aarch64", 16 }, { "\xfe\xed\xfa\xce\0\0\0\x12\0\0\0\0", "mach-o32-ppc", 12 },
		{ "\xca\xfe\xba\xbe\0\0\0\2\1\0\0\7", "mach-o-fat", 12 }, { "\xca\xfe\xba\xbe\0\0\0\x34\0\x1d", "java-class", 10 },
		{ "dex\n039\0", "dex", 8 }, { "dex\nxyz\0", "data", 8 }, { "MZ", "data", 2 },
	};
	unsigned char b[128];
	char name[32];

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		memset(b, 0, sizeof b);
		memcpy(b, kinds[i].bytes, kinds[i].n);
		OK_STR(format_of(b, sizeof b, name), kinds[i].name, kinds[i].name);
	}
}

int main(void)
{
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		test_machine(&codes[i]);
	test_formats();
	return unit_end();
}
