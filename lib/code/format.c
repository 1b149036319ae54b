#include "code/view.h"

#include <elf.h>
#include <string.h>

static void elf_name(const unsigned char *b, char out[32])
{
	bool big = b[EI_DATA] == ELFDATA2MSB;
	unsigned machine = big ? (unsigned)b[18] << 8 | b[19] : (unsigned)b[19] << 8 | b[18];
	/* Linux goes by the machine and never looks at the class byte. */
	bool is64 = b[EI_CLASS] == ELFCLASS64 || (b[EI_CLASS] != ELFCLASS32 && (machine == EM_X86_64 || machine == EM_AARCH64));
	const char *name = machines_elf_name(machine);
	char number[12];

	snprintf(number, sizeof number, "%u", machine);
	snprintf(out, 32, "elf%d-%s%s", is64 ? 64 : 32, name ? name : number, big ? "-be" : "");
}

static void pe_name(const unsigned char *b, size_t n, char out[32])
{
	size_t at = (size_t)b[60] | (size_t)b[61] << 8 | (size_t)b[62] << 16 | (size_t)b[63] << 24;
	const char *name = n - at >= 6 ? machines_pe_name((unsigned)b[at + 5] << 8 | b[at + 4]) : NULL;

	snprintf(out, 32, "pe%d-%s", n - at >= 26 && b[at + 25] == 2 ? 64 : 32, name ? name : "other");
}

static uint32_t word(const unsigned char *b, bool big)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++)
		v |= (uint32_t)b[i] << 8 * (big ? 3 - i : i);
	return v;
}

/* Apple's <mach-o/loader.h>, <mach-o/fat.h>. */
static bool mach_name(const unsigned char *b, size_t n, char out[32])
{
	static const struct { uint32_t number; const char *name; } processors[] = {
		{ 7, "i386" }, { 0x01000007, "x86-64" }, { 12, "arm" }, { 0x0100000c, "aarch64" }, { 18, "ppc" }, { 0x01000012, "ppc64" },
	};
	uint32_t magic = n >= 28 ? word(b, true) : 0, processor;
	const char *name = "other";

	/* Java's class files have the same magic, and their version, 45 or more, where the number of programs stands here. */
	if ((magic == 0xcafebabe || magic == 0xcafebabf) && word(b + 4, true) < 40) {
		snprintf(out, 32, "mach-o-fat");
		return true;
	}
	if (magic != 0xfeedface && magic != 0xfeedfacf && magic != 0xcefaedfe && magic != 0xcffaedfe)
		return false;
	processor = word(b + 4, b[0] == 0xfe);
	for (size_t i = 0; i < sizeof processors / sizeof *processors; i++)
		if (processors[i].number == processor)
			name = processors[i].name;
	snprintf(out, 32, "mach-o%d-%s", (b[0] == 0xfe ? b[3] : b[0]) == 0xcf ? 64 : 32, name);
	return true;
}

const char *format_of(const void *p, size_t n, char out[32])
{
	const unsigned char *b = p;
	char line[256];

	if (elf_is(p, n)) {
		elf_name(p, out);
		return out;
	}
	if (pe_is(p, n)) {
		pe_name(p, n, out);
		return out;
	}
	if (mach_name(p, n, out))
		return out;
	format_interpreter(p, n, line);
	snprintf(out, 32, "%s", *line ? "script" : n >= 10 && word(b, true) == 0xcafebabe ? "java-class" :
		n >= 112 && !memcmp(b, "dex\n0", 5) && !b[7] ? "dex" : "data");
	return out;
}

void format_interpreter(const void *p, size_t n, char out[256])
{
	const char *s = p;
	size_t i = 2, end;

	out[0] = '\0';
	if (n < 3 || s[0] != '#' || s[1] != '!')
		return;
	while (i < n && (s[i] == ' ' || s[i] == '\t'))
		i++;
	for (end = i; end < n && end - i < 255 && s[end] != '\n' && s[end] != '\0'; end++)
		;
	while (end > i && (s[end - 1] == ' ' || s[end - 1] == '\t' || s[end - 1] == '\r'))
		end--;
	/* An interpreter is a path: "#!" may open other files too. */
	if (end == i || s[i] != '/')
		return;
	memcpy(out, s + i, end - i);
	out[end - i] = '\0';
}
