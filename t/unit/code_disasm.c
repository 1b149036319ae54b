/* Functions, blocks, switches, calls, digests and the listing, on programs that the compiler at hand makes. */
#include "code/insn.h"
#include "code/view.h"
#include "unit.h"

#include <capstone/capstone.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/muss-disasm-XXXXXX";

/* A switch whose cases are the only way to ten functions, with text, and calls of the system. No library. */
static const char source[] =
	"#ifndef SEED\n#define SEED 7\n#endif\n"
	"volatile int sink; volatile int table[4] = { 1, 2, 3, 4 };\n"
	"#define F(n) __attribute__((noipa)) static int f##n(int a) { for (int i = 0; i < a; i++) sink += i * (n + 11) + table[i & 3]; return sink ^ (n * 321 + 9); }\n"
	"#ifdef PAD\nvolatile int more[30] = { 1 };\n__attribute__((noipa)) int pad(int a) { for (int i = 0; i < a; i++) more[i % 30] += a * 5; return more[a & 7]; }\n#endif\n"
	"F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9)\n"
	"__attribute__((noipa)) static int pure(int a, int b) { int r = SEED; while (a > b) { r = r * 33 + (a ^ b); a -= r & 3; a--; } return r + (r >> 5) + 77; }\n"
	"__attribute__((noipa)) static const char *words(int a) { sink += a; return a > 3 ? \"attack at dawn\" : (const char *)L\"wide words\"; }\n"
	"__attribute__((noipa)) static int choose(int n) { switch (n) {\n"
	"case 20: return f0(n); case 21: return f1(n) + 1; case 22: return f2(n) + 2; case 23: return f3(n) + 3; case 24: return f4(n) + 4;\n"
	"case 25: return f5(n) + 5; case 26: return f6(n) + 6; case 27: return f7(n) + 7; case 28: return f8(n) + 8; case 29: return f9(n) + 9; }\n"
	"return n; }\n"
	"__attribute__((noipa)) static int last(int n) { sink = n; return pure(n, sink) ; }\n"
	"void _start(void);\n"
	"void _start(void) { sink = choose(sink) + pure(sink, 3) + *words(sink) + last(sink);\n"
	"#if defined __x86_64__\n __asm__ volatile(\"mov $60, %%eax\\n xor %%edi, %%edi\\n syscall\" ::: \"rax\", \"rdi\", \"rcx\", \"r11\", \"memory\");\n"
	"#elif defined __i386__\n __asm__ volatile(\"mov $1, %%eax\\n int $0x80\" ::: \"eax\", \"memory\");\n#endif\n"
	"for (;;); }\n";

static bool compile(const char *flags, struct buf *out)
{
	char *command = buf_printf("cc %s -fshort-wchar -ffreestanding -nostdlib -fno-asynchronous-unwind-tables -fno-stack-protector -w -o %s/p %s/s.c 2>/dev/null",
		flags, folder, folder), *path = buf_printf("%s/p", folder);
	const char *argv[] = { "sh", "-c", command, NULL };
	struct spawn s = { .argv = argv, .in = -1, .out = -1, .errfd = -1 };
	struct err e = { 0 };
	bool good;

	buf_clear(out);
	unlink(path);
	good = !spawn_start(&s, &e) && spawn_wait(&s, 60000, &e) == 0 && !io_slurp_path(path, CAP_SLURP, out, &e);
	free(command);
	free(path);
	return good;
}

struct program { struct buf file; struct elf *f; struct disasm d; };

static bool take_apart(const char *flags, struct program *p)
{
	*p = (struct program){ 0 };
	if (!compile(flags, &p->file))
		return false;
	p->f = elf_open(p->file.p, p->file.len);
	return disasm_elf(p->f, NULL, &p->d);
}

static void put_away(struct program *p)
{
	disasm_free(&p->d);
	elf_free(p->f);
	buf_free(&p->file);
}

static const json_t *named(const struct program *p, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(p->d.functions, i, o)
		if (jsonio_str(o, "name") && !strcmp(jsonio_str(o, "name"), name))
			return o;
	return NULL;
}

static const char *digest_of(const struct program *p, const char *name)
{
	const char *s = named(p, name) ? jsonio_str(named(p, name), "digest") : NULL;

	return s ? s : "";
}

static bool says(const struct program *p, const char *text)
{
	return strstr(buf_str(&p->d.text), text) != NULL;
}

/* ---- switches ---- */

static void test_switch(const char *flags)
{
	char *all = buf_printf("%s -s", flags), name[160];
	struct program p;

	snprintf(name, sizeof name, "%s: stripped", flags);
	if (!take_apart(all, &p)) {
		printf("ok %d # SKIP the compiler cannot %s\n", ++unit_count, flags);
		free(all);
		return;
	}
	snprintf(name, sizeof name, "%s: a switch is found with its cases", flags);
	OK(says(&p, "; switch of 10 at "), name);
	/* _start, choose, pure, words, last, ten cases */
	snprintf(name, sizeof name, "%s: and what only its cases call", flags);
	if (!OK(json_array_size(p.d.functions) >= 14, name))
		printf("# %zu functions\n", json_array_size(p.d.functions));
	snprintf(name, sizeof name, "%s: a system call is named", flags);
	OK(says(&p, "; system call 60: exit") || says(&p, "; system call 1: exit"), name);
	snprintf(name, sizeof name, "%s: text stands where its address is used", flags);
	OK(says(&p, "; \"attack at dawn\"") && says(&p, "; L\"wide words\""), name);
	put_away(&p);
	free(all);
}

/* ---- digests ---- */

static size_t common(const struct program *a, const struct program *b)
{
	static const char *const names[] = { "f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "choose", "pure", "words", "_start" };
	size_t n = 0;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		n += *digest_of(a, names[i]) && !strcmp(digest_of(a, names[i]), digest_of(b, names[i]));
	return n;
}

static unsigned alike(const json_t *a, const json_t *b)
{
	unsigned n = 0;

	for (size_t i = 0; i < json_array_size(a); i++)
		n += json_equal(json_array_get(a, i), json_array_get(b, i));
	return n;
}

static void test_digests(void)
{
	struct program here, there, pie, changed, moved, between;

	if (!OK(take_apart("-O2 -static -fno-pie -no-pie", &here) && take_apart("-O2 -static -fno-pie -no-pie -Wl,-Ttext-segment=0x10000000", &there) &&
		take_apart("-O2 -fPIE -static-pie", &pie) && take_apart("-O2 -static -fno-pie -no-pie -DSEED=8", &changed) &&
		take_apart("-O2 -fPIE -static-pie -Wl,-Ttext-segment=0x70000", &moved) && take_apart("-O2 -fPIE -static-pie -DPAD", &between), "the compiler works"))
		return;
	OK(strlen(digest_of(&here, "pure")) == 16, "a function has a digest");
	OK(common(&here, &there) == 14, "no digest changes where the program is linked to another base");
	OK(json_equal(here.d.minhash, there.d.minhash), "nor does the MinHash");
	OK(common(&pie, &moved) == 14, "position-independent code has the same digests at zero and elsewhere");
	OK(common(&pie, &between) == 14, "nor where another function and more data stand between");
	OK_STR(digest_of(&here, "pure"), digest_of(&pie, "pure"), "code that holds no address is the same whether it is position-independent or not");
	OK(common(&here, &changed) == 13 && strcmp(digest_of(&here, "pure"), digest_of(&changed, "pure")), "one number changed: one digest changes");
	OK(json_array_size(here.d.minhash) == CODE_MINHASH, "the MinHash has its numbers");
	OK(alike(here.d.minhash, changed.d.minhash) > 100 && alike(here.d.minhash, changed.d.minhash) < 128, "and they say how much is the same");
	put_away(&here);
	put_away(&there);
	put_away(&pie);
	put_away(&changed);
	put_away(&moved);
	put_away(&between);
}

static void test_short(void)
{
	struct program p;

	if (!take_apart("-O2 -static -fno-pie -no-pie", &p))
		return;
	OK(named(&p, "last") && !jsonio_str(named(&p, "last"), "digest"), "a function of fewer than six instructions has no digest");
	put_away(&p);
}

/* ---- the graph and the listing ---- */

static bool has_pair(const json_t *tails, const char *from, const char *to)
{
	const json_t *o;
	size_t i;

	json_array_foreach(tails, i, o)
		if (!strcmp(json_string_value(json_array_get(o, 0)), from) && !strcmp(json_string_value(json_array_get(o, 1)), to))
			return true;
	return false;
}

static void test_listing(void)
{
	struct disasm_limits little = { .text = 1000 };
	const char *line, *next;
	struct disasm cut, again;
	struct program p;
	char want[200];
	size_t longest = 0;
	bool clean = true;

	if (!take_apart("-O2 -static -fno-pie -no-pie", &p))
		return;
	OK(has_pair(json_object_get(p.d.graph, "tails"), jsonio_str(named(&p, "last"), "address"), jsonio_str(named(&p, "pure"), "address")), "a tail call is told apart");
	snprintf(want, sizeof want, "; function %s: %lld bytes, %lld blocks, %lld instructions, digest %s\n; called by ", jsonio_str(named(&p, "pure"), "address"),
		(long long)jsonio_int(named(&p, "pure"), "size", 0), (long long)jsonio_int(named(&p, "pure"), "blocks", 0),
		(long long)jsonio_int(named(&p, "pure"), "instructions", 0), digest_of(&p, "pure"));
	OK(says(&p, want), "a function's head has size, blocks, digest and who calls it");
	OK(says(&p, ", jump)"), "a tail call is marked there");
	OK(says(&p, "call choose\n"), "calls have names");
	OK(says(&p, ":  ; <- "), "labels tell where they are reached from");
	OK(says(&p, "; sink") && says(&p, "; table"), "data has its name");
	for (line = buf_str(&p.d.text); *line; line = next) {
		next = strchr(line, '\n') + 1;
		longest = (size_t)(next - line) > longest ? (size_t)(next - line) : longest;
	}
	for (size_t i = 0; i < p.d.text.len; i++)
		clean &= p.d.text.p[i] == '\n' || (p.d.text.p[i] >= 0x20 && p.d.text.p[i] < 0x7f);
	OK(longest <= 200 && clean, "no line is longer than 200 columns, and all is printable");
	disasm_elf(p.f, NULL, &again);
	OK(!strcmp(buf_str(&again.text), buf_str(&p.d.text)) && json_equal(again.functions, p.d.functions) && json_equal(again.minhash, p.d.minhash), "it comes out the same again");
	disasm_free(&again);
	disasm_elf(p.f, &little, &cut);
	OK(cut.text.len < 4000 && strstr(buf_str(&cut.text), "(the listing is cut here at ") && json_equal(cut.functions, p.d.functions), "a listing is cut, and says so; the rest is whole");
	disasm_free(&cut);
	put_away(&p);
}

/* This program: libraries and linkage tables. */
static void test_imports(void)
{
	struct buf self = { 0 };
	struct err e = { 0 };
	struct disasm d;
	struct elf *f;
	const json_t *o;
	size_t i, from = 0;

	if (io_slurp_path("/proc/self/exe", 4 * CAP_SLURP, &self, &e))
		return;
	f = elf_open(self.p, self.len);
	disasm_elf(f, NULL, &d);
	json_array_foreach(json_object_get(d.graph, "imports"), i, o)
		if (!strcmp(jsonio_str(o, "name"), "mkdtemp"))
			from = json_array_size(json_object_get(o, "from"));
	OK(from == 1, "an import names the one function that calls it");
	OK(strstr(buf_str(&d.text), "__libc_start_main"), "calls through the global offset table have names in the listing");
	OK(!strstr(buf_str(&d.text), "  .byte\n"), "nothing of it is left undecoded");
	disasm_free(&d);
	elf_free(f);
	buf_free(&self);
}

/* ---- lengths ---- */

static void compare_lengths(const struct elf *f, csh cs, size_t *same, size_t *other)
{
	cs_insn *insn = cs_malloc(cs);

	for (size_t s = 0; s < f->sections; s++) {
		const uint8_t *p = f->p + f->section[s].offset;
		uint64_t at = f->section[s].address;
		size_t left = (size_t)f->section[s].size;

		if (strcmp(f->section[s].name, ".text"))
			continue;
		while (left) {
			const uint8_t *before = p;
			uint64_t address = at;
			struct insn i;

			if (!cs_disasm_iter(cs, &p, &left, &at, insn))
				break;
			if (x86_decode(before, left + insn->size, address, true, &i) && i.size == insn->size)
				++*same;
			else if (++*other < 5)
				printf("# %llx: %u, not %u: %s %s\n", (unsigned long long)address, i.size, insn->size, insn->mnemonic, insn->op_str);
		}
	}
	cs_free(insn, 1);
}

/* By hand, from the manual's encodings: what compilers seldom write. */
static void test_encodings(void)
{
	static const struct { const char *bytes; unsigned char n; bool is64; const char *what; } list[] = {
		{ "\xc5\xf9\x70\xc1\x1b", 5, true, "VEX with an immediate" },
		{ "\x62\xf1\x7d\x48\x70\xc1\x1b", 7, true, "EVEX with an immediate" },
		{ "\x62\xf3\xfd\x48\x00\xca\x4e", 7, true, "EVEX of map 3" },
		{ "\xc5\xf8\x77", 3, true, "VEX without operands" },
		{ "\x48\xa1\1\2\3\4\5\6\7\10", 10, true, "an address of eight bytes" },
		{ "\x67\xa1\1\2\3\4", 6, true, "and of four" },
		{ "\xa1\1\2\3\4", 5, false, "and in 32-bit code" },
		{ "\x67\xa1\1\2", 4, false, "and of two" },
		{ "\x48\xb8\1\2\3\4\5\6\7\10", 10, true, "an immediate of eight bytes" },
		{ "\x66\x81\xc0\1\2", 5, true, "an immediate of two" },
		{ "\xf7\x05\1\2\3\4\5\6\7\10", 10, true, "test, which alone of its group has an immediate" },
		{ "\xf7\x15\1\2\3\4", 6, true, "not, which has none" },
		{ "\xc8\1\2\3", 4, true, "enter" },
		{ "\xc4\x01", 2, false, "les" },
		{ "\x62\x08", 2, false, "bound" },
		{ "\xea\1\2\3\4\5\6", 7, false, "a far jump" },
		{ "\x67\x8b\x86\1\2", 5, false, "16-bit addresses" },
		{ "\x8b\x84\x24\1\2\3\4", 7, true, "an index byte and a displacement" },
		{ "\x8b\x04\x25\1\2\3\4", 7, true, "an index byte without base" },
		{ "\x0f\x3a\x0f\xc1\x08", 5, true, "map 3" },
		{ "\xf3\x48\x0f\xb8\xc1", 5, true, "a prefix before REX" },
		{ "\x06", 0, true, "push es is none in 64-bit code" },
		{ "\xc6\xc8\x01", 0, true, "nor is another member of mov's group" },
		{ "\xe8\1\2\3", 0, true, "nor what is cut" },
		{ "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90", 0, true, "nor what is longer than fifteen bytes" },
	};
	struct insn i;

	for (size_t k = 0; k < sizeof list / sizeof *list; k++) {
		size_t n = list[k].n ? list[k].n : strlen(list[k].bytes);

		OK(x86_decode((const unsigned char *)list[k].bytes, n, 0x1000, list[k].is64, &i) == (list[k].n != 0) && (!list[k].n || i.size == list[k].n), list[k].what);
		if (list[k].n && x86_decode((const unsigned char *)list[k].bytes, n - 1u, 0x1000, list[k].is64, &i))
			printf("not ok %d - %s: decoded though it is cut\n", ++unit_count, list[k].what), unit_failed++;
	}
}

static void test_lengths(void)
{
	static const char *const files[] = { "/proc/self/exe", "/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3" };
	size_t same = 0, other = 0;
	csh cs;

	if (cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK)
		return;
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		struct buf b = { 0 };
		struct err e = { 0 };
		struct elf *f;

		if (!io_slurp_path(files[i], 4 * CAP_SLURP, &b, &e) && (f = elf_open(b.p, b.len))) {
			compare_lengths(f, cs, &same, &other);
			elf_free(f);
		}
		buf_free(&b);
	}
	cs_close(&cs);
	printf("# %zu instructions of the same length, %zu not\n", same, other);
	OK(same > 100000 && other * 10000 < same, "instructions have the lengths that capstone gives them");
}

int main(void)
{
	struct err e = { 0 };
	char *path;

	if (!mkdtemp(folder))
		return 1;
	path = buf_printf("%s/s.c", folder);
	if (atomic_write(path, 0600, source, sizeof source - 1, &e))
		return 1;
	test_lengths();
	test_encodings();
	test_switch("-O0 -static -fno-pie -no-pie");
	test_switch("-O2 -static -fno-pie -no-pie");
	test_switch("-O0 -fPIE -static-pie");
	test_switch("-O2 -fPIE -static-pie");
	test_switch("-Os -fPIE -static-pie -fcf-protection=full");
	test_switch("-m32 -O0 -static -fno-pie -no-pie");
	test_switch("-m32 -O2 -static -fno-pie -no-pie");
	test_switch("-m32 -O0 -fPIE -static-pie");
	test_switch("-m32 -O2 -fPIE -static-pie");
	test_digests();
	test_short();
	test_listing();
	test_imports();
	io_rmtree(-100, folder, &e);
	free(path);
	return unit_end();
}
