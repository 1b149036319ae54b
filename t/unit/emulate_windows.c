/* Windows programs of a few instructions under emulation: imports, initialisers, exceptions, and what they unpack. */
#include "emulate_windows.h"
#include "unit.h"

static struct buf exports;

/* VirtualAlloc(0, 4096, MEM_COMMIT, PAGE_EXECUTE_READWRITE): a function is put there, run, and calls ExitProcess; before it, initialisers. */
__asm__(".section .rodata\n.code32\n"
	"unpack: push $0x40\n push $0x1000\n push $0x1000\n push $0\n call *0x402000\n"
	" mov %eax, %edi\n mov $0x401000+piece-unpack, %esi\n mov $16, %ecx\n"
	"0: lodsb\n xor $0x33, %al\n stosb\n loop 0b\n sub $16, %edi\n call *%edi\n"
	" push $0\n call *0x402004\n"
	"piece: .byte 0xb8^0x33, 7^0x33, 0^0x33, 0^0x33, 0^0x33, 0xc3^0x33, 'm'^0x33, 'a'^0x33, 'd'^0x33, 'e'^0x33, ' '^0x33, 't'^0x33, 'h'^0x33, 'e'^0x33, 'r'^0x33, 'e'^0x33\n"
	"unpack_end:\n"
	/* _initterm calls two functions and passes over a zero; _initterm_e stops at the first that fails; then LoadLibraryA of what they left. */
	"begin: push $0x401000+table_end-begin\n push $0x401000+table-begin\n call *0x402000\n add $8, %esp\n"
	" push $0x401000+table_end-begin\n push $0x401000+table-begin\n call *0x402004\n add $8, %esp\n"
	" add %eax, 0x402800\n call *0x402008\n mov (%eax), %eax\n push %eax\n call *0x40200c\n push 0x402800\n call *0x402010\n"
	"up: incl 0x402800\n xor %eax, %eax\n ret\n"
	"fail: addl $0x10, 0x402800\n mov $0x100, %eax\n ret\n"
	".balign 4\n"
	"table: .long 0, 0x401000+up-begin, 0, 0x401000+fail-begin, 0x401000+up-begin\n"
	"table_end:\n begin_end:\n"
	/* A handler on the chain of frames goes on behind the instruction that raised. */
	"guard: push $0x401000+handler-guard\n push %fs:0\n mov %esp, %fs:0\n xor %eax, %eax\n mov %eax, (%eax)\n"
	" pop %fs:0\n pop %eax\n push $0x2a\n call *0x402000\n"
	"handler: mov 12(%esp), %eax\n addl $2, 0xb8(%eax)\n xor %eax, %eax\n ret\n"
	"guard_end:\n"
	".code64\n"
	/* The thread's block leads to itself, to the stack and to the process's block, where the base is. */
	"block: mov %gs:0x30, %rax\n xor %ecx, %ecx\n cmp %rax, 0x30(%rax)\n jne 5f\n inc %ecx\n cmp %rsp, 8(%rax)\n jbe 5f\n inc %ecx\n"
	" mov 0x60(%rax), %rax\n cmpq $0x400000, 0x10(%rax)\n jne 5f\n inc %ecx\n5: call *0x402000\n"
	"block_end:\n"
	/* 64-bit initialisers. */
	"wide: sub $40, %rsp\n mov $0x401000+list-wide, %ecx\n mov $0x401000+list_end-wide, %edx\n call *0x402000\n"
	" mov $0x401000+list-wide, %ecx\n mov $0x401000+list_end-wide, %edx\n call *0x402008\n mov 0x402800, %ecx\n add %eax, %ecx\n call *0x402010\n"
	"wide_up: incl 0x402800\n xor %eax, %eax\n ret\n"
	"wide_fail: addl $0x10, 0x402800\n mov $0x100, %eax\n ret\n"
	".balign 8\nlist: .quad 0, 0x401000+wide_up-wide, 0x401000+wide_fail-wide, 0x401000+wide_up-wide\nlist_end:\nwide_end:\n"
	/* Writes to the section before its own, and jumps there: nothing that it wrote is run. */
	".code32\nhop: mov $0x402000, %edi\n mov $32, %ecx\n mov $0x6d757373, %eax\n rep stosl\n mov $0x401000, %eax\n jmp *%eax\nhop_end:\n"
	"real: push $0\n call *0x401100\nreal_end:\n"
	".code64\n.previous\n");
extern const unsigned char block[], block_end[], wide[], wide_end[], hop[], hop_end[], real[], real_end[];
extern const unsigned char unpack[], unpack_end[], begin[], begin_end[], guard[], guard_end[];

static bool run(bool wide_one, const unsigned char *code, const unsigned char *end, const struct pe_wanted *w, size_t n, struct emulation *o)
{
	const struct emulate_system s = { .windows = (const char *)exports.p, .windows_size = exports.len };
	struct buf b = { 0 };
	struct err e = { 0 };
	bool well;

	well = OK(pe_program(wide_one, code, (size_t)(end - code), w, n, &b) && emulate_can(b.p, b.len), "a program is made") &&
		OK(!emulate_run(&s, b.p, b.len, NULL, o, &e), "it is emulated");
	buf_free(&b);
	return well;
}

static const json_t *called(const struct emulation *o, const char *name, size_t nth)
{
	const json_t *c;
	size_t i;

	json_array_foreach(o->calls, i, c)
		if (!strcmp(jsonio_str(c, "call"), name) && !nth--)
			return c;
	return NULL;
}

static const char *argument(const json_t *call, size_t i)
{
	const char *s = json_string_value(json_array_get(json_object_get(call, "args"), i));

	return s ? s : "";
}

static void test_unpack(void)
{
	static const struct pe_wanted w[] = { { "kernel32.dll", "VirtualAlloc" }, { "kernel32.dll", "ExitProcess" } };
	struct emulation o;
	bool found = false;

	if (!run(false, unpack, unpack_end, w, 2, &o))
		return;
	OK_STR(o.end, "exit", "it runs to its end");
	OK(o.layers == 1, "what it put into memory that it asked for is a layer");
	for (size_t i = 0; i < o.last.ranges; i++)
		found |= o.last.range[i].ran && memmem(o.last.range[i].bytes, o.last.range[i].size, "made there", 10);
	OK(found, "and is kept");
	OK(o.imports == 2 && !strcmp(o.import[0].name, "VirtualAlloc") && !strcmp(o.import[1].library, "kernel32.dll") && o.import[1].slot == PE_BASE + PE_SLOTS + 4,
		"its imports are found where they stand");
	emulate_free(&o);
}

static void test_begin(void)
{
	static const struct pe_wanted w[] = { { "msvcrt.dll", "_initterm" }, { "msvcrt.dll", "_initterm_e" }, { "msvcrt.dll", "__p__acmdln" },
		{ "kernel32.dll", "OutputDebugStringA" }, { "kernel32.dll", "ExitProcess" } };
	struct emulation o;

	if (!run(false, begin, begin_end, w, 5, &o))
		return;
	OK_STR(o.end, "exit", "it runs to its end");
	/* _initterm: 1 + 0x10 + 1; _initterm_e: 1 + 0x10, and answers 0x100. */
	OK_STR(argument(called(&o, "ExitProcess", 0), 0), "0x123", "all initialisers of _initterm are called, those of _initterm_e until one fails");
	OK(strstr(argument(called(&o, "OutputDebugStringA", 0), 0), "setup.exe"), "the command line is where __p__acmdln says");
	emulate_free(&o);
}

static void test_guard(void)
{
	static const struct pe_wanted w[] = { { "kernel32.dll", "ExitProcess" } };
	struct emulation o;

	if (!run(false, guard, guard_end, w, 1, &o))
		return;
	OK_STR(o.end, "exit", "a handler of structured exceptions goes on");
	OK_STR(argument(called(&o, "ExitProcess", 0), 0), "0x2a", "behind the instruction");
	emulate_free(&o);
}

static void test_block(void)
{
	static const struct pe_wanted w[] = { { "kernel32.dll", "ExitProcess" } };
	struct emulation o;

	if (!run(true, block, block_end, w, 1, &o))
		return;
	OK_STR(argument(called(&o, "ExitProcess", 0), 0), "0x3", "on x86-64 the thread's block leads to itself, to the stack, and to the image");
	emulate_free(&o);
}

static void test_wide(void)
{
	static const struct pe_wanted w[] = { { "msvcrt.dll", "_initterm" }, { "msvcrt.dll", "_initterm_e" }, { "kernel32.dll", "ExitProcess" } };
	struct emulation o;

	if (!run(true, wide, wide_end, w, 3, &o))
		return;
	OK_STR(argument(called(&o, "ExitProcess", 0), 0), "0x123", "initialisers are called on x86-64 as well");
	emulate_free(&o);
}

/* Three sections: code as it is, data that is packed, the stub. */
static void test_hop(void)
{
	const struct emulate_system s = { .windows = (const char *)exports.p, .windows_size = exports.len };
	unsigned char file[4096] = { 0 }, *p = file + 88 + 224;
	struct err e = { 0 };
	struct emulation o;

	pe_head(file, false);
	pe_put(file + 64 + 6, 3, 2);
	pe_put(file + 88 + 16, 0x3000, 4);
	pe_put(file + 88 + 56, 0x4000, 4);
	for (unsigned i = 0; i < 3; i++, p += 40) {
		pe_put(p + 8, 0x1000, 4);
		pe_put(p + 12, 0x1000 * (i + 1), 4);
		pe_put(p + 16, 512, 4);
		pe_put(p + 20, 512 * (i + 1), 4);
		pe_put(p + 36, 0xe0000020, 4);
	}
	memcpy(file + 512, real, (size_t)(real_end - real));
	memcpy(file + 3 * 512, hop, (size_t)(hop_end - hop));
	if (!OK(!emulate_run(&s, file, sizeof file, NULL, &o, &e), "a program of three sections is emulated"))
		return;
	OK(o.layers == 1 && o.layer[0].entry == 0x401000, "a jump back to a section, when others were written to, is a layer");
	emulate_free(&o);
}

int main(void)
{
	char *path = spawn_share("windows/exports.txt");
	struct err e = { 0 };

	if (OK(!io_slurp_path(path, CAP_SLURP, &exports, &e), "the table of exports is read")) {
		test_unpack();
		test_begin();
		test_guard();
		test_block();
		test_wide();
		test_hop();
	}
	buf_free(&exports);
	free(path);
	return unit_end();
}
