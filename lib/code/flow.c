/* What an instruction does to the flow, machine by machine. By mnemonic where capstone's numbers do not tell enough. */
#include "code/disasm-internal.h"

#include <stdlib.h>
#include <string.h>

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static bool ends(const char *s, const char *with)
{
	size_t n = strlen(s), m = strlen(with);

	return n >= m && !strcmp(s + n - m, with);
}

static enum flow x86(const cs_insn *i)
{
	switch (i->id) {
	case X86_INS_CALL: return FLOW_CALL;
	case X86_INS_JMP: return FLOW_JUMP;
	case X86_INS_RET: case X86_INS_RETF: case X86_INS_RETFQ: case X86_INS_IRET: case X86_INS_IRETD: case X86_INS_IRETQ:
	case X86_INS_HLT: case X86_INS_UD2: case X86_INS_INT3: case X86_INS_LJMP:
		return FLOW_END;
	case X86_INS_LOOP: case X86_INS_LOOPE: case X86_INS_LOOPNE: return FLOW_BRANCH;
	default: return i->mnemonic[0] == 'j' ? FLOW_BRANCH : FLOW_ON;
	}
}

static enum flow aarch64(const cs_insn *i)
{
	switch (i->id) {
	case ARM64_INS_BL: case ARM64_INS_BLR: return FLOW_CALL;
	case ARM64_INS_B: return i->mnemonic[1] == '.' ? FLOW_BRANCH : FLOW_JUMP;
	case ARM64_INS_BR: return FLOW_JUMP;
	case ARM64_INS_RET: case ARM64_INS_ERET: case ARM64_INS_BRK: case ARM64_INS_HLT: return FLOW_END;
	case ARM64_INS_CBZ: case ARM64_INS_CBNZ: case ARM64_INS_TBZ: case ARM64_INS_TBNZ: return FLOW_BRANCH;
	default: return FLOW_ON;
	}
}

static enum flow arm(const cs_insn *i)
{
	const char *m = i->mnemonic;

	switch (i->id) {
	case ARM_INS_BL: case ARM_INS_BLX: return FLOW_CALL;
	case ARM_INS_B: return m[1] == '\0' || !strcmp(m, "b.w") ? FLOW_JUMP : FLOW_BRANCH;
	case ARM_INS_BX: return m[2] != '\0' ? FLOW_BRANCH : strcmp(i->op_str, "lr") ? FLOW_JUMP : FLOW_END;
	case ARM_INS_CBZ: case ARM_INS_CBNZ: return FLOW_BRANCH;
	case ARM_INS_TBB: case ARM_INS_TBH: return FLOW_JUMP;
	case ARM_INS_POP: case ARM_INS_LDM:
		return (!strcmp(m, "pop") || !strcmp(m, "pop.w") || !strcmp(m, "ldm") || !strcmp(m, "ldm.w")) && strstr(i->op_str, "pc") ? FLOW_END : FLOW_ON;
	case ARM_INS_LDR: case ARM_INS_ADD: case ARM_INS_MOV:
		if (!begins(i->op_str, "pc, ") || (strcmp(m, "ldr") && strcmp(m, "ldr.w") && strcmp(m, "add") && strcmp(m, "mov")))
			return FLOW_ON;
		return strcmp(i->op_str, "pc, lr") && !begins(i->op_str, "pc, [sp]") ? FLOW_JUMP : FLOW_END;
	case ARM_INS_UDF: return FLOW_END;
	default: return FLOW_ON;
	}
}

static enum flow mips(const cs_insn *i)
{
	static const char *const branches[] = { "beq", "bge", "bgt", "ble", "blt", "bc1", "bc2", "bbit", "bovc", "bnvc", "bz.", "bnz." };
	const char *m = i->mnemonic;

	if (m[0] == 'j') {
		if (begins(m, "jal") || begins(m, "jialc"))
			return begins(i->op_str, "$zero, ") ? strcmp(i->op_str, "$zero, $ra") ? FLOW_JUMP : FLOW_END : FLOW_CALL;
		return begins(m, "jr") && !strcmp(i->op_str, "$ra") ? FLOW_END : FLOW_JUMP;
	}
	if (!strcmp(m, "break") || !strcmp(m, "eret") || !strcmp(m, "deret"))
		return FLOW_END;
	if (m[0] != 'b')
		return FLOW_ON;
	if (!strcmp(m, "b") || !strcmp(m, "bc"))
		return FLOW_JUMP;
	if (begins(m, "bal") && strcmp(m, "balign"))
		return FLOW_CALL;
	if (begins(m, "bgezal") || begins(m, "bltzal"))
		return FLOW_CALL;
	if (begins(m, "bne"))
		return begins(m, "bneg") ? FLOW_ON : FLOW_BRANCH;
	for (size_t k = 0; k < sizeof branches / sizeof *branches; k++)
		if (begins(m, branches[k]))
			return FLOW_BRANCH;
	return FLOW_ON;
}

static enum flow ppc(const cs_insn *i)
{
	char m[CS_MNEMONIC_SIZE];
	size_t n;

	if (i->mnemonic[0] != 'b')
		return i->id == PPC_INS_RFI || i->id == PPC_INS_RFID || i->id == PPC_INS_TRAP ? FLOW_END : FLOW_ON;
	snprintf(m, sizeof m, "%s", i->mnemonic);
	n = strlen(m);
	if (m[n - 1] == '+' || m[n - 1] == '-')   /* the hint which way it goes */
		m[n - 1] = '\0';
	if (!strcmp(m, "b") || !strcmp(m, "ba") || !strcmp(m, "bctr"))
		return FLOW_JUMP;
	if (!strcmp(m, "blr"))
		return FLOW_END;
	/* "bcl 20, 31, next": how code finds its own address, never a call */
	if (!strcmp(m, "brinc") || !strcmp(m, "bpermd") || !strcmp(m, "bcl"))
		return FLOW_ON;
	return ends(m, "l") || ends(m, "la") ? FLOW_CALL : FLOW_BRANCH;
}

static enum flow sparc(const cs_insn *i)
{
	char m[CS_MNEMONIC_SIZE];

	snprintf(m, sizeof m, "%s", i->mnemonic);
	m[strcspn(m, ",")] = '\0';   /* ",a": annulled, ",pt": predicted */
	if (!strcmp(m, "call"))
		return FLOW_CALL;
	if (begins(m, "ret"))
		return FLOW_END;
	if (!strcmp(m, "jmp") || !strcmp(m, "jmpl") || !strcmp(m, "b") || !strcmp(m, "ba") || !strcmp(m, "fb") || !strcmp(m, "fba"))
		return FLOW_JUMP;
	if (!strcmp(m, "bn") || !strcmp(m, "bmask") || !strcmp(m, "bshuffle"))
		return FLOW_ON;
	return m[0] == 'b' || begins(m, "fb") ? FLOW_BRANCH : FLOW_ON;
}

static enum flow s390(const cs_insn *i)
{
	const char *m = i->mnemonic;

	if (begins(m, "bras") || !strcmp(m, "basr"))
		return FLOW_CALL;
	if (!strcmp(m, "br"))
		return strcmp(i->op_str, "%r14") ? FLOW_JUMP : FLOW_END;
	if (!strcmp(m, "j") || !strcmp(m, "jg"))
		return FLOW_JUMP;
	if (!strcmp(m, "bcr"))   /* never or always, for its side effect */
		return FLOW_ON;
	return m[0] == 'j' || m[0] == 'b' || (m[0] == 'c' && strchr(m, 'j')) ? FLOW_BRANCH : FLOW_ON;
}

enum flow flow_of(enum machine machine, const cs_insn *i)
{
	switch (machine) {
	case MACHINE_X86_64: case MACHINE_I386: return x86(i);
	case MACHINE_AARCH64: return aarch64(i);
	case MACHINE_ARM: return arm(i);
	case MACHINE_MIPS: return mips(i);
	case MACHINE_PPC: case MACHINE_PPC64: return ppc(i);
	case MACHINE_SPARC: return sparc(i);
	case MACHINE_S390: return s390(i);
	default: return FLOW_ON;
	}
}

/* The last operand when it is a plain number: "0x401000", "x0, #0x401000". */
bool flow_target(const cs_insn *i, uint64_t *target)
{
	const char *last = strrchr(i->op_str, ' ');
	char *end;

	last = last ? last + 1 : i->op_str;
	if (*last == '#')
		last++;
	if (last[0] != '0' || last[1] != 'x')
		return false;
	*target = strtoull(last, &end, 16);
	return *end == '\0';
}

bool flow_delayed(enum machine m)
{
	return m == MACHINE_MIPS || m == MACHINE_SPARC;
}

size_t flow_step(enum machine m, bool thumb)
{
	switch (m) {
	case MACHINE_X86_64: case MACHINE_I386: return 1;
	case MACHINE_S390: return 2;
	case MACHINE_ARM: return thumb ? 2 : 4;
	default: return 4;
	}
}

bool flow_prologue(const struct code_view *v, bool thumb, const unsigned char *p, size_t left)
{
	uint32_t word = 0;

	if (left < 4)
		return false;
	for (size_t i = 0; i < 4; i++)
		word |= (uint32_t)p[i] << 8 * (v->code_big ? 3 - i : i);
	switch (v->machine) {
	case MACHINE_X86_64: return !memcmp(p, "\xf3\x0f\x1e\xfa", 4) || !memcmp(p, "\x55\x48\x89\xe5", 4);
	case MACHINE_I386: return !memcmp(p, "\xf3\x0f\x1e\xfb", 4) || !memcmp(p, "\x55\x89\xe5", 3) || !memcmp(p, "\x55\x8b\xec", 3);
	case MACHINE_AARCH64: return (word & 0xffc07fff) == 0xa9807bfd;            /* stp x29, x30, [sp, #-n]! */
	case MACHINE_ARM:
		if (!thumb)
			return (word & 0xffff4000) == 0xe92d4000;                  /* push {.., lr} */
		return (p[v->code_big ? 0 : 1] == 0xb5) ||                         /* the same in 16 bits, in 32 bits */
			(p[v->code_big ? 0 : 1] == 0xe9 && p[v->code_big ? 1 : 0] == 0x2d && p[v->code_big ? 2 : 3] & 0x40);
	case MACHINE_MIPS: return (word & 0xffff8000) == 0x27bd8000 || (word & 0xffff8000) == 0x67bd8000;   /* (d)addiu sp, sp, -n */
	case MACHINE_PPC: return (word & 0xffff8000) == 0x94218000;                /* stwu r1, -n(r1) */
	case MACHINE_PPC64: return word == 0x7c0802a6 || (word & 0xffff8003) == 0xf8218001;  /* mflr r0; stdu r1, -n(r1) */
	case MACHINE_SPARC: return (word & 0xffffe000) == 0x9de3a000;              /* save %sp, n, %sp */
	case MACHINE_S390: return p[0] == 0xeb && p[2] == 0xf0 && left >= 6 && p[5] == 0x24;   /* stmg %rm, %rn, d(%r15) */
	default: return false;
	}
}
