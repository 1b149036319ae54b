#include "garden/bend.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <unistd.h>

/*
 * The vDSO reads the clock without a system call, so without a tracer. At each exec its functions are replaced by the code
 * below: a real clock_gettime with a sixth argument that the run's filter lets pass, plus what stands in the same page, where
 * the tracer writes it. Where that can't be done (another vDSO than ours, a kernel that doesn't let its pages be written)
 * the program is told that there is none, and each reading stops for the tracer.
 */
__asm__(".pushsection .rodata\n"
	"	.balign 8\n"
	"vdso_code:\n"
	"vdso_mono:	.quad 0\n"       /* ns to add to clocks that run since some start */
	"vdso_date:	.quad 0\n"       /* to those that tell the date */
	"vdso_magic:	.quad 0\n"
	"vdso_clock_gettime:\n"
	"	endbr64\n"
	"	movl $228, %eax\n"
	"	movq vdso_magic(%rip), %r9\n"
	"	syscall\n"
	"	testl %eax, %eax\n"
	"	jnz 9f\n"
	"	cmpl $11, %edi\n"
	"	ja 9f\n"
	"	leaq vdso_date(%rip), %rcx\n"
	"	movl $0x921, %edx\n"     /* REALTIME, its coarse and alarm kinds, TAI */
	"	btl %edi, %edx\n"
	"	jc 1f\n"
	"	leaq vdso_mono(%rip), %rcx\n"
	"	movl $0x2d2, %edx\n"     /* MONOTONIC, RAW, COARSE, BOOTTIME and its alarm kind */
	"	btl %edi, %edx\n"
	"	jnc 9f\n"
	"1:	movq 8(%rsi), %rax\n"
	"	addq (%rcx), %rax\n"
	"	cqto\n"
	"	movl $1000000000, %ecx\n"
	"	idivq %rcx\n"
	"	testq %rdx, %rdx\n"
	"	jns 2f\n"
	"	addq %rcx, %rdx\n"
	"	decq %rax\n"
	"2:	addq %rax, (%rsi)\n"
	"	movq %rdx, 8(%rsi)\n"
	"	xorl %eax, %eax\n"
	"9:	ret\n"
	"vdso_gettimeofday:\n"
	"	endbr64\n"
	"	testq %rsi, %rsi\n"
	"	jz 1f\n"
	"	movq $0, (%rsi)\n"
	"1:	testq %rdi, %rdi\n"
	"	jz 2f\n"
	"	pushq %rbx\n"
	"	movq %rdi, %rbx\n"
	"	movq %rdi, %rsi\n"
	"	xorl %edi, %edi\n"
	"	call vdso_clock_gettime\n"
	"	movq 8(%rbx), %rax\n"
	"	cqto\n"
	"	movl $1000, %ecx\n"
	"	idivq %rcx\n"
	"	movq %rax, 8(%rbx)\n"
	"	popq %rbx\n"
	"2:	xorl %eax, %eax\n"
	"	ret\n"
	"vdso_time:\n"
	"	endbr64\n"
	"	pushq %rdi\n"
	"	subq $16, %rsp\n"
	"	movq %rsp, %rsi\n"
	"	xorl %edi, %edi\n"
	"	call vdso_clock_gettime\n"
	"	popq %rax\n"
	"	popq %rdx\n"
	"	popq %rdi\n"
	"	testq %rdi, %rdi\n"
	"	jz 1f\n"
	"	movq %rax, (%rdi)\n"
	"1:	ret\n"
	"vdso_end:\n"
	"	.popsection\n");
extern const unsigned char vdso_code[], vdso_clock_gettime[], vdso_gettimeofday[], vdso_time[], vdso_end[];

#define IMAGE 16384u
#define JUMP 5u
#define VALUES 24u               /* the three above */

static const struct { const char *name; const unsigned char *code; } FUNCTIONS[] = {
	{ "__vdso_clock_gettime", vdso_clock_gettime }, { "__vdso_gettimeofday", vdso_gettimeofday }, { "__vdso_time", vdso_time },
};
#define COUNT (sizeof FUNCTIONS / sizeof *FUNCTIONS)

/* Where things stand in this kernel's vDSO, from its start. */
struct plan { bool looked, good; uint64_t function[COUNT], block; };

static size_t code_size(void)
{
	return (size_t)((uintptr_t)vdso_end - (uintptr_t)vdso_code);
}

/* Our own one, from the kernel: every 64-bit process has the same. */
static void look(struct plan *p)
{
	const unsigned char *base = (const unsigned char *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *h = (const void *)base;
	const Elf64_Shdr *s;
	uint64_t size[COUNT] = { 0 };

	p->looked = true;
	if (!base || memcmp(h->e_ident, ELFMAG, SELFMAG) || h->e_shoff == 0)
		return;
	s = (const void *)(base + h->e_shoff);
	for (unsigned i = 0; i < h->e_shnum; i++) {
		const Elf64_Sym *sym = (const void *)(base + s[i].sh_offset);
		const char *names;

		if (s[i].sh_type != SHT_DYNSYM || s[i].sh_link >= h->e_shnum)
			continue;
		names = (const char *)base + s[s[i].sh_link].sh_offset;
		for (size_t n = 0; n < s[i].sh_size / sizeof *sym; n++)
			for (size_t f = 0; f < COUNT; f++)
				if (!strcmp(names + sym[n].st_name, FUNCTIONS[f].name)) {
					p->function[f] = sym[n].st_value;
					size[f] = sym[n].st_size;
				}
	}
	/* The block stands in the body of one of them, behind its jump. */
	for (size_t f = 0; f < COUNT && !p->block; f++)
		if (size[f] >= code_size() + JUMP + 8)
			p->block = (p->function[f] + JUMP + 7) & ~(uint64_t)7;
	for (size_t f = 0; f < COUNT; f++)
		if (size[f] < JUMP)
			return;
	p->good = p->block && p->block + code_size() < IMAGE;
}

static const struct plan *plan(void)
{
	static struct plan p;

	if (!p.looked)
		look(&p);
	return &p;
}

/* Tells a process that was just exec'd that there is no vDSO: AT_IGNORE is what every libc passes over. */
static void take_away(const struct task *k)
{
	struct user_regs_struct regs;
	uint64_t word[2], ignore = AT_IGNORE;
	unsigned ends = 0;

	if (ptrace(PTRACE_GETREGS, k->tid, NULL, &regs))
		return;
	/* On the stack: argc, arguments, a zero, environment, a zero, pairs. The kernel bounds both lists. */
	for (uint64_t at = regs.rsp + 8, step; at < regs.rsp + 64 * MIB; at += step) {
		step = ends < 2 ? 8 : 16;
		if (tracee_bytes(k->tid, at, word, sizeof word) != sizeof word)
			return;
		if (ends < 2) {
			ends += word[0] == 0;
		} else if (word[0] == AT_SYSINFO_EHDR) {
			tracee_write(k->tid, at, &ignore, sizeof ignore);
			return;
		} else if (word[0] == AT_NULL) {
			return;
		}
	}
}

static uint64_t base_of(pid_t tid)
{
	char path[32];
	struct buf b = { 0 };
	uint64_t base = 0, word[2];

	snprintf(path, sizeof path, "/proc/%d/auxv", tid);
	if (io_slurp_at(AT_FDCWD, path, 65536, &b) > 0) {
		for (size_t at = 0; at + sizeof word <= b.len && !base; at += sizeof word) {
			memcpy(word, b.p + at, sizeof word);
			if (word[0] == AT_SYSINFO_EHDR)
				base = word[1];
		}
	}
	buf_free(&b);
	return base;
}

static bool write_code(const struct bend *b, const struct task *k)
{
	const struct plan *p = plan();
	unsigned char code[1024], jump[JUMP] = { 0xe9 };
	uint64_t values[3] = { (uint64_t)b->skipped, (uint64_t)(b->skipped + b->start), b->magic };
	int32_t distance;

	if (!p->good || code_size() > sizeof code || k->memory < 0)
		return false;
	memcpy(code, vdso_code, code_size());
	memcpy(code, values, VALUES);
	if (pwrite(k->memory, code, code_size(), (off_t)(k->vdso + p->block)) != (ssize_t)code_size())
		return false;
	for (size_t f = 0; f < COUNT; f++) {
		distance = (int32_t)(p->block + ((uintptr_t)FUNCTIONS[f].code - (uintptr_t)vdso_code) - p->function[f] - JUMP);
		memcpy(jump + 1, &distance, sizeof distance);
		if (pwrite(k->memory, jump, JUMP, (off_t)(k->vdso + p->function[f])) != JUMP)
			return false;
	}
	return true;
}

static void open_memory(struct task *k)
{
	char path[32];

	io_close(&k->memory);
	snprintf(path, sizeof path, "/proc/%d/mem", k->tid);
	k->memory = open(path, O_RDWR | O_CLOEXEC);
}

void vdso_patch(struct bend *b, struct task *k)
{
	k->vdso = base_of(k->tid);
	open_memory(k);
	if (k->vdso && write_code(b, k))
		return;
	if (k->vdso)
		take_away(k);
	k->vdso = 0;
	io_close(&k->memory);
}

void vdso_follow(const struct task *parent, struct task *child)
{
	child->vdso = parent->vdso;
	if (child->vdso)
		open_memory(child);
}

void vdso_set(const struct bend *b, const struct task *k)
{
	int64_t values[2] = { b->skipped, b->skipped + b->start };

	/* It fails only where the process is about to end. */
	if (k->vdso && k->memory >= 0 && pwrite(k->memory, values, sizeof values, (off_t)(k->vdso + plan()->block)) < 0)
		return;
}

bool vdso_holds(const struct task *k, uint64_t rip)
{
	return k->vdso && rip >= k->vdso && rip < k->vdso + IMAGE;
}
