#include "code/disasm-internal.h"

#include <elf.h>

/* MIPS' generation, in e_flags (MIPS ELF ABI supplement, "e_flags"; MIPS32 r6 and later: binutils' include/elf/mips.h). */
#define MIPS_ARCH 0xf0000000u
#define MIPS_32R6 0x90000000u
#define MIPS_64R6 0xa0000000u
#define ARM_BE8 0x00800000u      /* instructions are little-endian, data is not */

static const struct { unsigned number; enum machine machine; const char *name; } elf_machines[] = {
	{ EM_X86_64, MACHINE_X86_64, "x86-64" }, { EM_386, MACHINE_I386, "i386" }, { EM_AARCH64, MACHINE_AARCH64, "aarch64" },
	{ EM_ARM, MACHINE_ARM, "arm" }, { EM_MIPS, MACHINE_MIPS, "mips" }, { EM_PPC, MACHINE_PPC, "ppc" }, { EM_PPC64, MACHINE_PPC64, "ppc64" },
	{ EM_RISCV, MACHINE_RISCV, "riscv" }, { EM_S390, MACHINE_S390, "s390" }, { EM_SPARC, MACHINE_SPARC, "sparc" },
	{ EM_SPARC32PLUS, MACHINE_SPARC, "sparc" }, { EM_SPARCV9, MACHINE_SPARC, "sparc" }, { EM_68K, MACHINE_OTHER, "m68k" },
	{ EM_SH, MACHINE_OTHER, "sh" }, { EM_PARISC, MACHINE_OTHER, "hppa" }, { EM_IA_64, MACHINE_OTHER, "ia64" },
	{ EM_ARC_COMPACT, MACHINE_OTHER, "arc" }, { EM_LOONGARCH, MACHINE_OTHER, "loongarch" }, { EM_BPF, MACHINE_OTHER, "bpf" },
};

/* Microsoft, "PE Format", "Machine Types". */
static const struct { unsigned number; enum machine machine; const char *name; } pe_machines[] = {
	{ PE_I386, MACHINE_I386, "i386" }, { PE_AMD64, MACHINE_X86_64, "x86-64" }, { PE_ARM, MACHINE_ARM, "arm" },
	{ 0x1c0, MACHINE_ARM, "arm" }, { 0x1c2, MACHINE_ARM, "arm" }, { PE_ARM64, MACHINE_AARCH64, "aarch64" },
	{ 0x200, MACHINE_OTHER, "ia64" }, { 0xebc, MACHINE_OTHER, "efi-bytecode" }, { 0x166, MACHINE_OTHER, "mips" },
	{ 0x1f0, MACHINE_OTHER, "ppc" }, { 0x5032, MACHINE_OTHER, "riscv32" }, { 0x5064, MACHINE_OTHER, "riscv64" },
	{ 0x6264, MACHINE_OTHER, "loongarch64" },
};

#define FIND(table, wanted, member, otherwise) \
	for (size_t i = 0; i < sizeof (table) / sizeof *(table); i++) \
		if ((table)[i].number == (wanted)) \
			return (table)[i].member; \
	return otherwise

enum machine machines_elf(unsigned e_machine) { FIND(elf_machines, e_machine, machine, MACHINE_OTHER); }
enum machine machines_pe(unsigned machine) { FIND(pe_machines, machine, machine, MACHINE_OTHER); }
const char *machines_elf_name(unsigned e_machine) { FIND(elf_machines, e_machine, name, NULL); }
const char *machines_pe_name(unsigned machine) { FIND(pe_machines, machine, name, NULL); }

static cs_mode mips_mode(const struct code_view *v)
{
	uint32_t generation = v->flags & MIPS_ARCH;

	if (generation == MIPS_32R6)
		return CS_MODE_MIPS32R6;
	/* N32 files are of class 32 and hold 64-bit instructions: III, IV, V, 64. */
	return v->bits == 64 || (generation >= 0x20000000u && generation != 0x50000000u && generation != 0x70000000u) ? CS_MODE_MIPS64 : CS_MODE_MIPS32;
}

bool machines_capstone(const struct code_view *v, bool thumb, cs_arch *arch, cs_mode *mode)
{
	cs_mode order = v->code_big ? CS_MODE_BIG_ENDIAN : CS_MODE_LITTLE_ENDIAN;

	switch (v->machine) {
	case MACHINE_X86_64: *arch = CS_ARCH_X86; *mode = CS_MODE_64; return true;
	case MACHINE_I386: *arch = CS_ARCH_X86; *mode = CS_MODE_32; return true;
	case MACHINE_ARM: *arch = CS_ARCH_ARM; *mode = order | (thumb ? CS_MODE_THUMB : CS_MODE_ARM); return true;
	case MACHINE_AARCH64: *arch = CS_ARCH_ARM64; *mode = CS_MODE_LITTLE_ENDIAN; return true;
	case MACHINE_MIPS: *arch = CS_ARCH_MIPS; *mode = order | mips_mode(v); return true;
	case MACHINE_PPC: *arch = CS_ARCH_PPC; *mode = order | CS_MODE_32; return true;
	case MACHINE_PPC64: *arch = CS_ARCH_PPC; *mode = order | CS_MODE_64; return true;
	case MACHINE_SPARC: *arch = CS_ARCH_SPARC; *mode = CS_MODE_BIG_ENDIAN | (v->bits == 64 ? CS_MODE_V9 : 0); return v->big;
	case MACHINE_S390: *arch = CS_ARCH_SYSZ; *mode = CS_MODE_BIG_ENDIAN; return v->big;
	default: return false;
	}
}
