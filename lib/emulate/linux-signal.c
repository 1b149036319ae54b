/* Signals as the kernel delivers them (arch/x86/kernel/signal.c): a frame on the stack, and the way back through sigreturn. */
#include "emulate/linux.h"

#include <signal.h>
#include <unicorn/unicorn.h>

#define SIGNALS 100000u           /* of one run */
#define RESTORER 0x04000000u

/* Where a register stands in the context: ucontext's on x86-64, sigcontext's on i386. */
struct place { int reg; unsigned at; };
static const struct place gregs_64[] = {
	{ UC_X86_REG_R8, 40 }, { UC_X86_REG_R9, 48 }, { UC_X86_REG_R10, 56 }, { UC_X86_REG_R11, 64 }, { UC_X86_REG_R12, 72 }, { UC_X86_REG_R13, 80 },
	{ UC_X86_REG_R14, 88 }, { UC_X86_REG_R15, 96 }, { UC_X86_REG_RDI, 104 }, { UC_X86_REG_RSI, 112 }, { UC_X86_REG_RBP, 120 }, { UC_X86_REG_RBX, 128 },
	{ UC_X86_REG_RDX, 136 }, { UC_X86_REG_RAX, 144 }, { UC_X86_REG_RCX, 152 }, { UC_X86_REG_RSP, 160 }, { UC_X86_REG_RIP, 168 }, { UC_X86_REG_EFLAGS, 176 },
};
static const struct place gregs_32[] = {
	{ UC_X86_REG_EDI, 16 }, { UC_X86_REG_ESI, 20 }, { UC_X86_REG_EBP, 24 }, { UC_X86_REG_ESP, 28 }, { UC_X86_REG_EBX, 32 }, { UC_X86_REG_EDX, 36 },
	{ UC_X86_REG_ECX, 40 }, { UC_X86_REG_EAX, 44 }, { UC_X86_REG_EIP, 56 }, { UC_X86_REG_EFLAGS, 64 },
};

static void save(struct linux_process *l, uint64_t at)
{
	bool wide = l->width == 8;
	const struct place *p = wide ? gregs_64 : gregs_32;
	size_t n = wide ? sizeof gregs_64 / sizeof *p : sizeof gregs_32 / sizeof *p;

	for (size_t i = 0; i < n; i++)
		machine_put_number(l->m, at + p[i].at, machine_reg(l->m, p[i].reg), l->width);
}

static void restore(struct linux_process *l, uint64_t at)
{
	bool wide = l->width == 8;
	const struct place *p = wide ? gregs_64 : gregs_32;
	size_t n = wide ? sizeof gregs_64 / sizeof *p : sizeof gregs_32 / sizeof *p;

	for (size_t i = 0; i < n; i++) {
		uint64_t v = machine_number(l->m, at + p[i].at, l->width);

		machine_set(l->m, p[i].reg, p[i].reg == UC_X86_REG_EFLAGS ? (v & 0xdd5) | 2 : v);
	}
}

static void put_info(struct linux_process *l, uint64_t at, int signal, int code, uint64_t address)
{
	for (unsigned i = 0; i < 128; i += 8)
		machine_put_number(l->m, at + i, 0, 8);
	machine_put_number(l->m, at, (uint64_t)signal, 4);
	machine_put_number(l->m, at + 8, (uint64_t)(int64_t)code, 4);
	machine_put_number(l->m, at + (l->width == 8 ? 16 : 12), address, l->width);
}

/* ret address, ucontext (936 with its mask), siginfo */
static void enter_64(struct linux_process *l, const struct linux_action *s, uint64_t sp, int signal, int code, uint64_t address)
{
	uint64_t info = sp - 128, context = info - 448, frame;

	context &= ~(uint64_t)15;
	frame = context - 8;
	for (unsigned i = 0; i < 40; i += 8)
		machine_put_number(l->m, context + i, 0, 8);
	save(l, context);
	machine_put_number(l->m, context + 184, 0x002b000000000033, 8);   /* cs, ss */
	machine_put_number(l->m, context + 208, address, 8);              /* cr2 */
	machine_put_number(l->m, context + 216, 0, 8);                    /* no floating-point state */
	put_info(l, info, signal, code, address);
	machine_put_number(l->m, frame, s->restorer, 8);
	machine_set_sp(l->m, frame);
	machine_set(l->m, UC_X86_REG_RDI, (uint64_t)signal);
	machine_set(l->m, UC_X86_REG_RSI, info);
	machine_set(l->m, UC_X86_REG_RDX, context);
	machine_set(l->m, UC_X86_REG_RAX, 0);
}

/* With SA_SIGINFO: return, signal, pointers to siginfo and ucontext, these; else: return, signal, sigcontext. The way back is code of the kernel's own (vdso). */
static void enter_32(struct linux_process *l, const struct linux_action *s, uint64_t sp, int signal, int code, uint64_t address)
{
	bool info = s->flags & SA_SIGINFO;
	uint64_t frame = ((sp - 512) & ~(uint64_t)15) - 4, context = frame + (info ? 16 + 128 + 20 : 8), back = l->returns + (info ? 16 : 0);

	save(l, context);
	machine_put_number(l->m, context + 48, (uint64_t)(signal == SIGSEGV ? 14 : 3), 4);
	machine_put_number(l->m, context + 76, 0, 4);                     /* no floating-point state */
	machine_put_number(l->m, context + 84, address, 4);
	if (info) {
		machine_put_number(l->m, frame + 8, frame + 16, 4);
		machine_put_number(l->m, frame + 12, frame + 16 + 128, 4);
		put_info(l, frame + 16, signal, code, address);
	}
	machine_put_number(l->m, frame, s->flags & RESTORER ? s->restorer : back, 4);
	machine_put_number(l->m, frame + 4, (uint64_t)signal, 4);
	machine_set_sp(l->m, frame);
	machine_set(l->m, UC_X86_REG_EAX, (uint64_t)signal);
	machine_set(l->m, UC_X86_REG_EDX, info ? frame + 16 : 0);
	machine_set(l->m, UC_X86_REG_ECX, info ? frame + 16 + 128 : 0);
}

static bool ignored(int signal)
{
	return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT;
}

void linux_signal(struct linux_process *l, int signal, int code, uint64_t address)
{
	struct linux_action *s = &l->action[signal], now = *s;
	uint64_t sp = machine_sp(l->m);
	bool fault = code > 0;

	if (now.handler == 1 || (!now.handler && ignored(signal))) {
		if (!fault)
			return;
		now.handler = 0;
	}
	if (!now.handler || l->signals++ >= SIGNALS) {
		linux_leave(l, fault ? "fault" : "exit", signal);
		return;
	}
	if (now.flags & SA_ONSTACK && l->alt_stack)
		sp = l->alt_stack + l->alt_size;
	else if (l->width == 8)
		sp -= 128;   /* the red zone */
	if (!machine_region_at(l->m, sp - 1024)) {
		linux_leave(l, "fault", SIGSEGV);
		return;
	}
	if (fault)
		linux_finding(l, "exception", "it raises signal %d on purpose and handles it", signal);
	if (now.flags & SA_RESETHAND)
		s->handler = 0;
	if (l->width == 8)
		enter_64(l, &now, sp, signal, code, address);
	else
		enter_32(l, &now, sp, signal, code, address);
	machine_set(l->m, UC_X86_REG_EFLAGS, machine_reg(l->m, UC_X86_REG_EFLAGS) & ~(uint64_t)0x500);
	machine_set_pc(l->m, now.handler);
}

/* The stack pointer is where the return address was taken off. */
void linux_sigreturn(struct linux_process *l, bool rt)
{
	uint64_t sp = machine_sp(l->m);

	if (l->width == 8)
		restore(l, sp);
	else
		restore(l, rt ? sp + 12 + 128 + 20 : sp);
}
