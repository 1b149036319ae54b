/* Linux programs of a few instructions under emulation: what was written and run is kept, however short it was there. */
#include "code/code.h"
#include "emulate/emulate.h"
#include "unit.h"

#include <elf.h>
#include <stdlib.h>

#define BASE 0x400000u
#define BUFFER 0x1000u

/* Two functions are decrypted to the same place, one after the other, run, and scrambled again. */
__asm__(".section .rodata\n"
	".macro piece from\n"
	" lea \\from(%rip), %rsi\n lea once+0x1000(%rip), %rdi\n mov $16, %ecx\n"
	"0: lodsb\n xor $0x5a, %al\n stosb\n loop 0b\n"
	" lea once+0x1000(%rip), %rax\n call *%rax\n"
	" lea once+0x1000(%rip), %rdi\n mov $16, %ecx\n"
	"1: xorb $0x77, (%rdi)\n inc %rdi\n loop 1b\n"
	".endm\n"
	"once:\n piece one\n piece two\n mov $60, %eax\n xor %edi, %edi\n syscall\n"
	"one: .byte 0xb8^0x5a, 1^0x5a, 2^0x5a, 3^0x5a, 4^0x5a, 0xc3^0x5a, 'n'^0x5a, 'e'^0x5a, 'v'^0x5a, 'e'^0x5a, 'r'^0x5a, ' '^0x5a, 'r'^0x5a, 'a'^0x5a, 'n'^0x5a, '1'^0x5a\n"
	"two: .byte 0x31^0x5a, 0xc0^0x5a, 0xff^0x5a, 0xc0^0x5a, 0x90^0x5a, 0x90^0x5a, 0xc3^0x5a, 'n'^0x5a, 'o'^0x5a, 't'^0x5a, ' '^0x5a, 'r'^0x5a, 'u'^0x5a, 'n'^0x5a, ' '^0x5a, '2'^0x5a\n"
	"once_end:\n"
	/* A loop that counts in its own first instruction: one layer, not sixty-four. */
	"count: mov $200, %ecx\n"
	"2: mov $1, %eax\n incl 2b+1(%rip)\n movb $0xb8, 2b(%rip)\n loop 2b\n mov $60, %eax\n xor %edi, %edi\n syscall\n"
	"count_end:\n"
	/* Behind a hole of a page that it unmaps, its last page is kept. */
	"hole: mov $11, %eax\n lea hole+0x1000(%rip), %rdi\n mov $4096, %esi\n syscall\n"
	" lea hole+0x2000(%rip), %rdi\n movl $0xc3c3c3c3, (%rdi)\n call *%rdi\n mov $60, %eax\n xor %edi, %edi\n syscall\n"
	"hole_end:\n"
	/* The clock, with prefixes that packers put before it; it must go on. */
	"clock_: rdtsc\n mov %eax, %ebx\n .byte 0xf3\n rdtsc\n .byte 0x48, 0x0f, 0x31\n .byte 0x0f, 0x01, 0xf9\n sub %ebx, %eax\n"
	" lea -1(%rax), %edi\n cmp $1000, %edi\n mov $60, %eax\n jb 3f\n ud2\n3: syscall\n"
	"clock_end:\n"
	".code32\n"
	"narrow: mov $192, %eax\n xor %ebx, %ebx\n mov $4096, %ecx\n mov $7, %edx\n mov $0x22, %esi\n mov $-1, %edi\n xor %ebp, %ebp\n int $0x80\n"
	" movb $0x40, (%eax)\n movb $0xc3, 1(%eax)\n call *%eax\n mov $1, %eax\n xor %ebx, %ebx\n int $0x80\n"
	"narrow_end:\n"
	".code64\n.previous\n");
extern const unsigned char once[], once_end[], count[], count_end[], hole[], hole_end[], clock_[], clock_end[], narrow[], narrow_end[];

static void program(struct buf *b, bool wide, const unsigned char *code, const unsigned char *end, size_t memory)
{
	size_t n = (size_t)(end - code);
	Elf64_Ehdr w = { .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = 1, .e_entry = BASE, .e_phoff = sizeof w, .e_ehsize = sizeof w,
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1 };
	Elf64_Phdr wp = { .p_type = PT_LOAD, .p_flags = 7, .p_offset = 4096, .p_vaddr = BASE, .p_filesz = n, .p_memsz = memory, .p_align = 4096 };
	Elf32_Ehdr h = { .e_type = ET_EXEC, .e_machine = EM_386, .e_version = 1, .e_entry = BASE, .e_phoff = sizeof h, .e_ehsize = sizeof h,
		.e_phentsize = sizeof(Elf32_Phdr), .e_phnum = 1 };
	Elf32_Phdr hp = { .p_type = PT_LOAD, .p_flags = 7, .p_offset = 4096, .p_vaddr = BASE, .p_filesz = (Elf32_Word)n, .p_memsz = (Elf32_Word)memory, .p_align = 4096 };
	unsigned char ident[EI_NIDENT] = { 0x7f, 'E', 'L', 'F', wide ? ELFCLASS64 : ELFCLASS32, ELFDATA2LSB, 1 };

	memcpy(w.e_ident, ident, sizeof ident);
	memcpy(h.e_ident, ident, sizeof ident);
	buf_clear(b);
	buf_add(b, wide ? (const void *)&w : &h, wide ? sizeof w : sizeof h);
	buf_add(b, wide ? (const void *)&wp : &hp, wide ? sizeof wp : sizeof hp);
	while (b->len < 4096)
		buf_addc(b, '\0');
	buf_add(b, code, n);
}

static bool has(const struct emulate_layer *l, const void *p, size_t n)
{
	for (size_t i = 0; i < l->ranges; i++)
		if (memmem(l->range[i].bytes, l->range[i].size, p, n))
			return true;
	return false;
}

static bool run(const struct buf *b, struct emulation *o)
{
	const struct emulate_system s = { 0 };
	struct err e = { 0 };

	return OK(emulate_can(b->p, b->len), "it can be emulated") && OK(!emulate_run(&s, b->p, b->len, NULL, o, &e), "it is emulated");
}

static void test_once(void)
{
	static const unsigned char one[] = { 0xb8, 1, 2, 3, 4, 0xc3, 'n', 'e', 'v', 'e', 'r', ' ', 'r', 'a', 'n', '1' };
	static const unsigned char two[] = { 0x31, 0xc0, 0xff, 0xc0, 0x90, 0x90, 0xc3, 'n', 'o', 't', ' ', 'r', 'u', 'n', ' ', '2' };
	struct buf b = { 0 };
	struct emulation o;

	program(&b, true, once, once_end, 0x2000);
	OK(!memmem(b.p, b.len, one, sizeof one) && !memmem(b.p, b.len, two, sizeof two), "neither function is in the file");
	if (run(&b, &o)) {
		OK_STR(o.end, "exit", "it runs to its end");
		OK(o.layers == 2, "two functions at one place are two layers");
		OK(o.layers && has(&o.layer[0], one, sizeof one), "the first is whole in its layer, with what of it never ran");
		OK(has(&o.last, two, sizeof two), "the second is put back as it was when it ran, though it was scrambled behind it");
		emulate_free(&o);
	}
	buf_free(&b);
}

static void test_count(void)
{
	struct buf b = { 0 };
	struct emulation o;

	program(&b, true, count, count_end, 0x1000);
	if (run(&b, &o)) {
		OK_STR(o.end, "exit", "a loop that changes its own operand runs to its end");
		OK(o.layers == 1, "and is one layer");
		emulate_free(&o);
	}
	buf_free(&b);
}

static void test_hole(void)
{
	struct buf b = { 0 };
	struct emulation o;

	program(&b, true, hole, hole_end, 0x3000);
	if (run(&b, &o)) {
		OK_STR(o.end, "exit", "a program that unmaps a page of its own runs to its end");
		OK(o.last.ranges == 2 && has(&o.last, "\xc3\xc3\xc3\xc3", 4) && has(&o.last, hole, 16), "what lies on either side of the hole is kept");
		emulate_free(&o);
	}
	buf_free(&b);
}

static void test_clock(void)
{
	struct buf b = { 0 };
	struct emulation o;

	program(&b, true, clock_, clock_end, 0x1000);
	if (run(&b, &o)) {
		OK_STR(o.end, "exit", "the clock is read, whatever prefixes stand before the instruction, and goes on");
		emulate_free(&o);
	}
	buf_free(&b);
}

static void test_narrow(void)
{
	struct buf b = { 0 };
	struct emulation o;

	program(&b, false, narrow, narrow_end, 0x1000);
	if (run(&b, &o)) {
		OK_STR(o.end, "exit", "a 32-bit program runs to its end");
		OK(o.layers == 1 && o.last.ranges == 2 && o.last.range[1].ran, "what it made in memory of its own and ran is a layer");
		emulate_free(&o);
	}
	buf_free(&b);
}

static void test_repeats(void)
{
	struct buf b = { 0 };
	struct emulation o, again;
	bool same;

	program(&b, true, once, once_end, 0x2000);
	if (run(&b, &o) && run(&b, &again)) {
		same = o.instructions == again.instructions && o.layers == again.layers && o.last.ranges == again.last.ranges && json_equal(o.calls, again.calls);
		for (size_t i = 0; same && i < o.last.ranges; i++)
			same = o.last.range[i].size == again.last.range[i].size && !memcmp(o.last.range[i].bytes, again.last.range[i].bytes, o.last.range[i].size);
		OK(same, "a second run shows the same");
		emulate_free(&o);
		emulate_free(&again);
	}
	buf_free(&b);
}

int main(void)
{
	test_once();
	test_count();
	test_hole();
	test_clock();
	test_narrow();
	test_repeats();
	return unit_end();
}
