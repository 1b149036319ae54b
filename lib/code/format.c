#include "code/code.h"

#include <elf.h>
#include <string.h>

static const struct { unsigned machine; const char *name; } machines[] = {
	{ EM_X86_64, "x86-64" }, { EM_386, "i386" }, { EM_AARCH64, "aarch64" }, { EM_ARM, "arm" },
	{ EM_MIPS, "mips" }, { EM_PPC, "ppc" }, { EM_PPC64, "ppc64" }, { EM_RISCV, "riscv" }, { EM_S390, "s390" },
};

static void elf_name(const unsigned char *b, char out[32])
{
	bool big = b[EI_DATA] == ELFDATA2MSB;
	unsigned machine = big ? (unsigned)b[18] << 8 | b[19] : (unsigned)b[19] << 8 | b[18];
	/* Linux goes by the machine and never looks at the class byte. */
	bool is64 = b[EI_CLASS] == ELFCLASS64 || (b[EI_CLASS] != ELFCLASS32 && (machine == EM_X86_64 || machine == EM_AARCH64));

	for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) {
		if (machines[i].machine == machine) {
			snprintf(out, 32, "elf%d-%s%s", is64 ? 64 : 32, machines[i].name, big ? "-be" : "");
			return;
		}
	}
	snprintf(out, 32, "elf%d-%u%s", is64 ? 64 : 32, machine, big ? "-be" : "");
}

static bool is_pe(const unsigned char *b, size_t n)
{
	size_t at;

	if (n < 64 || b[0] != 'M' || b[1] != 'Z')
		return false;
	at = (size_t)b[60] | (size_t)b[61] << 8 | (size_t)b[62] << 16 | (size_t)b[63] << 24;
	return at <= n - 4 && !memcmp(b + at, "PE\0\0", 4);
}

const char *format_of(const void *p, size_t n, char out[32])
{
	char line[256];

	if (elf_is(p, n)) {
		elf_name(p, out);
		return out;
	}
	format_interpreter(p, n, line);
	snprintf(out, 32, "%s", is_pe(p, n) ? "pe" : *line ? "script" : "data");
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
