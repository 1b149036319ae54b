#include "emulate/machine.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

/* What the processor needs to be in user mode: descriptors as Windows has them, which are Linux's but for the numbers. */
#define KERNEL_PAGE 0xffffe000u
#define KERNEL_PAGE_64 UINT64_C(0xffffff0000000000)
#define FIRST_STACK 0x1000u      /* the processor begins with a stack of 64 KiB */
enum { SELECTOR_CODE = 0x1b, SELECTOR_DATA = 0x23, SELECTOR_CODE64 = 0x33, SELECTOR_THREAD = 0x3b };
#define TSC_A_INSTRUCTION 1u   /* a modern processor retires about that many */
#define CR4_TSD 0x4u
#define CR4_FXSR 0x600u

static void pend(struct machine *m, enum machine_event event)
{
	if (!m->pending_set) {
		m->pending = (int)event;
		m->pending_set = true;
	}
	uc_emu_stop(m->uc);
}

/* ---- hooks ---- */

static void on_code(uc_engine *uc, uint64_t address, uint32_t size, void *ctx)
{
	struct machine *m = ctx;

	if (m->own_write) {
		/* Unicorn 2.0 runs an instruction that changed its own block once more, and tells of no write from then on until it is started anew. */
		if (address == m->pc) {
			m->deaf = true;
		} else {
			m->own_write = false;
			if (m->deaf) {
				m->resume = address;
				uc_emu_stop(uc);
				return;
			}
		}
	}
	m->before = m->pc;
	m->pc = address;
	if (m->instructions++ >= m->l.instructions) {
		m->stopped = "instructions";
		pend(m, EVENT_END);
		return;
	}
	if (m->loading && address - m->image < m->image_size)
		m->loading = false;
	/* Most code runs where nothing was written. */
	if (!m->elsewhere && (!m->near_none || (address ^ m->near_base) >= MACHINE_PAGE))
		written_run(m, address, size > 15 ? 1 : size);
}

static void on_write(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *ctx)
{
	struct machine *m = ctx;

	(void)uc;
	(void)type;
	(void)value;
	m->own_write |= (address ^ m->pc) < MACHINE_PAGE;
	written_add(m, address, (uint64_t)size);
}

static bool on_invalid_memory(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *ctx)
{
	struct machine *m = ctx;

	(void)uc;
	(void)size;
	(void)value;
	m->fault_address = address;
	m->fault_kind = type == UC_MEM_WRITE_UNMAPPED || type == UC_MEM_WRITE_PROT ? MACHINE_W :
		type == UC_MEM_FETCH_UNMAPPED || type == UC_MEM_FETCH_PROT ? MACHINE_X : MACHINE_R;
	return false;
}

static void on_interrupt(uc_engine *uc, uint32_t number, void *ctx)
{
	struct machine *m = ctx;

	(void)uc;
	m->number = number;
	pend(m, EVENT_INTERRUPT);
}

static bool on_illegal(uc_engine *uc, void *ctx)
{
	(void)uc;
	(void)ctx;
	return false;
}

static void on_syscall(uc_engine *uc, void *ctx)
{
	(void)uc;
	pend(ctx, EVENT_SYSCALL);
}

static void on_sysenter(uc_engine *uc, void *ctx)
{
	(void)uc;
	pend(ctx, EVENT_SYSENTER);
}

/*
 * Unicorn 2.0 has lost FPU, TSC and MMX from what it says of itself, without which the C library does not start. What is said here is a
 * desktop's processor, less what cannot be emulated: AVX and the like, and POPCNT. No word of a hypervisor.
 */
static int on_cpuid(uc_engine *uc, void *ctx)
{
	static const struct { uint32_t leaf, a, b, c, d; } said[] = {
		{ 0, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69 }, { 1, 0x000806ea, 0x00040800, 0x00182201, 0x0f8bfbff },
		{ 0x80000000, 0x80000008, 0, 0, 0 }, { 0x80000001, 0, 0, 0x1, 0x20100800 },
		{ 0x80000002, 0x65746e49, 0x2952286c, 0x726f4320, 0x4d542865 }, { 0x80000003, 0x35692029, 0x3532382d, 0x43205530, 0x40205550 },
		{ 0x80000004, 0x362e3120, 0x7a484730, 0, 0 }, { 0x80000008, 0x00003027, 0, 0, 0 },
	};
	struct machine *m = ctx;
	uint32_t leaf = (uint32_t)machine_reg(m, UC_X86_REG_EAX), v[4] = { 0 };

	(void)uc;
	for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
		if (said[i].leaf == leaf) {
			const uint32_t answer[4] = { said[i].a, said[i].b, said[i].c, said[i].d };

			memcpy(v, answer, sizeof v);
		}
	}
	if (leaf >= 0x40000000 && leaf < 0x50000000)
		emulation_find(m->out, "anti-sandbox", "it asks the processor for a hypervisor");
	machine_set(m, m->bits == 64 ? UC_X86_REG_RAX : UC_X86_REG_EAX, v[0]);
	machine_set(m, m->bits == 64 ? UC_X86_REG_RBX : UC_X86_REG_EBX, v[1]);
	machine_set(m, m->bits == 64 ? UC_X86_REG_RCX : UC_X86_REG_ECX, v[2]);
	machine_set(m, m->bits == 64 ? UC_X86_REG_RDX : UC_X86_REG_EDX, v[3]);
	return 1;
}

/* ---- coming up ---- */

static int failed(struct err *e, const char *what, uc_err code)
{
	return err_set(e, EX_SOFTWARE, "the emulator cannot %s: %s", what, uc_strerror(code));
}

/* Down to user mode, as an operating system gets there: by a return from an interrupt. */
static int enter_user_mode(struct machine *m, struct err *e)
{
	uint64_t page = m->bits == 64 ? KERNEL_PAGE_64 : KERNEL_PAGE, gdt[8] = { 0 }, cr4 = CR4_TSD | CR4_FXSR, code;
	uint64_t frame[5] = { page + 0x100, m->bits == 64 ? SELECTOR_CODE64 : SELECTOR_CODE, 2, page + 0x800, SELECTOR_DATA };
	unsigned char stack[40];
	size_t width = m->bits / 8;
	uc_x86_mmr table = { .base = page, .limit = sizeof gdt - 1 };
	uc_err c;

	gdt[1] = m->bits == 64 ? 0x00af9b000000ffff : 0x00cf9b000000ffff;   /* the kernel's, that it is left from */
	gdt[2] = 0x00cf93000000ffff;
	gdt[SELECTOR_CODE >> 3] = 0x00cffb000000ffff;
	gdt[SELECTOR_DATA >> 3] = 0x00cff3000000ffff;
	gdt[SELECTOR_CODE64 >> 3] = 0x00affb000000ffff;
	c = uc_mem_map(m->uc, page, MACHINE_PAGE, UC_PROT_ALL);
	if (!c)
		c = uc_mem_map(m->uc, FIRST_STACK, MACHINE_PAGE, UC_PROT_ALL);
	if (c)
		return failed(e, "map its own page", c);
	uc_mem_write(m->uc, page, gdt, sizeof gdt);
	for (size_t i = 0; i < 5; i++)
		memcpy(stack + i * width, &frame[i], width);
	uc_mem_write(m->uc, FIRST_STACK, stack, 5 * width);
	uc_mem_write(m->uc, page + 0x80, "\x48\xcf", 2);   /* iretq; its second byte alone is iretd */
	machine_set_sp(m, FIRST_STACK);
	uc_reg_write(m->uc, UC_X86_REG_GDTR, &table);
	uc_reg_write(m->uc, UC_X86_REG_CR4, &cr4);
	code = page + (m->bits == 64 ? 0x80 : 0x81);
	c = uc_emu_start(m->uc, code, page + 0x100, 0, 0);
	if (c)
		return failed(e, "enter user mode", c);
	uc_mem_unmap(m->uc, FIRST_STACK, MACHINE_PAGE);
	machine_set(m, UC_X86_REG_DS, SELECTOR_DATA);
	machine_set(m, UC_X86_REG_ES, SELECTOR_DATA);
	return 0;
}

/*
 * Unicorn 2.0 hands exceptions to a hook but leaves the processor's note that one is being delivered, so that the second becomes
 * a double fault, the third a reset. The note stands somewhere in the saved context: it is found by what a fault changes there
 * from -1 to 13, and put right after each.
 */
static void find_note(struct machine *m)
{
	size_t n = uc_context_size(m->uc);
	uint64_t page = m->bits == 64 ? KERNEL_PAGE_64 : KERNEL_PAGE;
	int32_t none = -1, general = 13;
	uc_context *before, *after;
	const char *b, *a;

	if (uc_context_alloc(m->uc, &before))
		return;
	if (uc_context_alloc(m->uc, &after)) {
		uc_context_free(before);
		return;
	}
	m->context = after;
	b = (const char *)(const void *)before;
	a = (const char *)(const void *)after;
	uc_mem_write(m->uc, page + 0x100, "\xf4", 1);   /* hlt: not for user mode */
	uc_context_save(m->uc, before);
	uc_emu_start(m->uc, page + 0x100, 0, 0, 0);
	uc_context_save(m->uc, after);
	for (size_t i = 0; i + 4 <= n && m->pending_set && m->number == 13; i += 4) {
		if (!memcmp(b + i, &none, 4) && !memcmp(a + i, &general, 4)) {
			m->context_fix = i;
			m->context_known = true;
			break;
		}
	}
	m->pending_set = false;
	uc_context_restore(m->uc, before);
	uc_context_free(before);
}

static void settle(struct machine *m)
{
	int32_t none = -1;

	if (!m->context_known)
		return;
	uc_context_save(m->uc, m->context);
	memcpy((char *)m->context + m->context_fix, &none, 4);
	uc_context_restore(m->uc, m->context);
}

static int add_hooks(struct machine *m, struct err *e)
{
	const struct { int type; void *fn; int instruction; } hooks[] = {
		{ UC_HOOK_CODE, (void *)on_code, 0 }, { UC_HOOK_MEM_WRITE, (void *)on_write, 0 },
		{ UC_HOOK_MEM_INVALID, (void *)on_invalid_memory, 0 }, { UC_HOOK_INSN_INVALID, (void *)on_illegal, 0 },
		{ UC_HOOK_INSN, (void *)on_syscall, UC_X86_INS_SYSCALL }, { UC_HOOK_INSN, (void *)on_sysenter, UC_X86_INS_SYSENTER },
		{ UC_HOOK_INSN, (void *)on_cpuid, UC_X86_INS_CPUID },
	};
	uc_hook h;

	for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
		uc_err c = uc_hook_add(m->uc, &h, hooks[i].type, hooks[i].fn, m, (uint64_t)1, (uint64_t)0, hooks[i].instruction);

		if (c)
			return failed(e, "be watched", c);
	}
	return 0;
}

int machine_open(struct machine *m, unsigned bits, const struct emulate_limits *l, struct emulation *out, struct err *e)
{
	uc_engine *uc;
	uc_hook h;
	uc_err c;

	*m = (struct machine){ .bits = bits, .out = out, .l = l ? *l : (struct emulate_limits){ 0 } };
	if (!m->l.instructions)
		m->l.instructions = 300000000;
	if (!m->l.layers)
		m->l.layers = 64;
	if (!m->l.memory)
		m->l.memory = 512 * MIB;
	if (!m->l.calls)
		m->l.calls = 20000;
	c = uc_open(UC_ARCH_X86, bits == 64 ? UC_MODE_64 : UC_MODE_32, &uc);
	if (c)
		return failed(e, "be started", c);
	m->uc = uc;
	c = uc_hook_add(uc, &h, UC_HOOK_INTR, (void *)on_interrupt, m, (uint64_t)1, (uint64_t)0);
	if (c)
		return failed(e, "be watched", c);
	if (enter_user_mode(m, e))
		return -1;
	find_note(m);
	return add_hooks(m, e);
}

void machine_close(struct machine *m)
{
	if (m->context)
		uc_context_free(m->context);
	if (m->uc)
		uc_close(m->uc);
	written_free(m);
	free(m->region);
	free(m->section);
}

/* ---- registers ---- */

uint64_t machine_reg(const struct machine *m, int reg)
{
	uint64_t v = 0;

	uc_reg_read(m->uc, reg, &v);
	return v;
}

void machine_set(struct machine *m, int reg, uint64_t v)
{
	uc_reg_write(m->uc, reg, &v);
}

uint64_t machine_pc(const struct machine *m)
{
	return machine_reg(m, m->bits == 64 ? UC_X86_REG_RIP : UC_X86_REG_EIP);
}

void machine_set_pc(struct machine *m, uint64_t v)
{
	machine_set(m, m->bits == 64 ? UC_X86_REG_RIP : UC_X86_REG_EIP, v);
}

uint64_t machine_sp(const struct machine *m)
{
	return machine_reg(m, m->bits == 64 ? UC_X86_REG_RSP : UC_X86_REG_ESP);
}

void machine_set_sp(struct machine *m, uint64_t v)
{
	machine_set(m, m->bits == 64 ? UC_X86_REG_RSP : UC_X86_REG_ESP, v);
}

void machine_push(struct machine *m, uint64_t v)
{
	uint64_t sp = machine_sp(m) - m->bits / 8;

	machine_set_sp(m, sp);
	machine_put_number(m, sp, v, m->bits / 8);
}

void machine_segment(struct machine *m, int reg, unsigned selector, uint64_t base)
{
	uint64_t page = m->bits == 64 ? KERNEL_PAGE_64 : KERNEL_PAGE, v = selector;
	uint64_t d = 0x00cff3000000ffff | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;

	uc_mem_write(m->uc, page + (selector & ~7u), &d, sizeof d);
	uc_reg_write(m->uc, reg, &v);
}

uint64_t machine_clock(const struct machine *m)
{
	return UINT64_C(0x1c0000000000) + m->instructions * TSC_A_INSTRUCTION;
}

/* ---- running ---- */

/* rdtsc and rdtscp: not for user mode here, so that the clock is ours. True: done, and the pc is behind it. */
static bool is_prefix(const struct machine *m, unsigned char b)
{
	static const unsigned char prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3 };

	return memchr(prefixes, b, sizeof prefixes) || (m->bits == 64 && (b & 0xf0) == 0x40);
}

/* With prefixes that mean nothing to it, as well: packers put them there. */
static bool read_clock(struct machine *m)
{
	unsigned char b[17] = { 0 }, *p = b;
	uint64_t pc = machine_pc(m), t = machine_clock(m);
	bool with_processor;

	for (size_t i = 0; i < 15 && machine_read(m, pc + i, b + i, 1); i++)
		;
	while (p < b + 12 && is_prefix(m, *p))
		p++;
	with_processor = p[0] == 0x0f && p[1] == 0x01 && p[2] == 0xf9;
	if (!with_processor && (p[0] != 0x0f || p[1] != 0x31))
		return false;
	machine_set(m, m->bits == 64 ? UC_X86_REG_RAX : UC_X86_REG_EAX, (uint32_t)t);
	machine_set(m, m->bits == 64 ? UC_X86_REG_RDX : UC_X86_REG_EDX, t >> 32);
	if (with_processor)
		machine_set(m, m->bits == 64 ? UC_X86_REG_RCX : UC_X86_REG_ECX, 0);
	machine_set_pc(m, pc + (uint64_t)(p - b) + (with_processor ? 3 : 2));
	return true;
}

static enum machine_event interrupt(struct machine *m, bool *on)
{
	*on = false;
	switch (m->number) {
	case 0: case 13: case 16: case 17: case 19: case 6: case 8: case 12:
		settle(m);
		machine_set_pc(m, m->pc);
		break;
	default:
		return m->number == 1 ? EVENT_STEP : EVENT_INTERRUPT;
	}
	if (m->number == 0)
		return EVENT_DIVIDE;
	if (m->number == 6)
		return EVENT_ILLEGAL;
	if (m->number == 16 || m->number == 19)
		return EVENT_FLOAT;
	*on = m->number == 13 && read_clock(m);
	return EVENT_PRIVILEGED;
}

enum machine_event machine_run(struct machine *m)
{
	for (;;) {
		enum machine_event event;
		bool on = false;
		uc_err c;

		if (m->stopped)
			return EVENT_END;
		m->pending_set = false;
		if (m->resume)
			machine_set_pc(m, m->resume);
		m->resume = 0;
		m->deaf = m->own_write = false;
		c = uc_emu_start(m->uc, machine_pc(m), m->bits == 64 ? UINT64_MAX : UINT32_MAX, 0, 0);
		if (m->resume && c == UC_ERR_OK && !m->pending_set)
			continue;
		if (m->pending_set) {
			event = (enum machine_event)m->pending;
			if (event == EVENT_INTERRUPT)
				event = interrupt(m, &on);
			if (on)
				continue;
			return m->stopped ? EVENT_END : event;
		}
		if (m->stopped)
			return EVENT_END;
		switch (c) {
		case UC_ERR_READ_UNMAPPED: case UC_ERR_WRITE_UNMAPPED: case UC_ERR_READ_PROT: case UC_ERR_WRITE_PROT:
			machine_set_pc(m, m->pc);   /* Unicorn leaves it where the block began */
			return EVENT_MEMORY;
		case UC_ERR_FETCH_UNMAPPED: case UC_ERR_FETCH_PROT:
			return EVENT_MEMORY;
		case UC_ERR_INSN_INVALID:
			return EVENT_ILLEGAL;
		case UC_ERR_OK:             /* hlt, where the processor's note could not be put right */
			machine_set_pc(m, m->pc);
			return EVENT_PRIVILEGED;
		default:
			m->stopped = "fault";
			return EVENT_END;
		}
	}
}
