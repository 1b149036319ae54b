/*
 * The walk, digests and the listing over arbitrary bytes as code: the first byte chooses the machine, the second where they stand, the
 * third where they are entered, the fourth where a symbol and an import are; half of the rest is code, half data. What comes out is the same again, and every line is fit for a terminal. rooms: code confine base
 */
#include "code/view.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check_text(const struct buf *text)
{
	size_t column = 0;

	for (size_t i = 0; i < text->len; i++) {
		column = text->p[i] == '\n' ? 0 : column + 1;
		if (column > 200 || (text->p[i] != '\n' && (text->p[i] < 0x20 || text->p[i] >= 0x7f)))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const enum machine machines[] = { MACHINE_X86_64, MACHINE_I386, MACHINE_ARM, MACHINE_AARCH64, MACHINE_MIPS, MACHINE_PPC,
		MACHINE_PPC64, MACHINE_SPARC, MACHINE_S390 };
	const struct disasm_limits l = { 100, 1500, 16384, 10000 };
	struct code_import import = { .name = "exit", .slot = 0 };
	struct code_symbol symbol = { "na\x1b[31mme\n", 0, 0, true };
	struct code_region region[2];
	struct code_view v = { .region = region, .regions = 2, .import = &import, .imports = 1, .symbol = &symbol, .symbols = 1 };
	struct disasm a, b;
	uint64_t base;

	if (n < 8)
		return 0;
	v.machine = machines[p[0] % 9];
	v.bits = v.machine == MACHINE_X86_64 || v.machine == MACHINE_AARCH64 || v.machine == MACHINE_PPC64 || v.machine == MACHINE_S390 ? 64 : 32;
	v.big = v.code_big = v.machine == MACHINE_SPARC || v.machine == MACHINE_S390 || (v.machine != MACHINE_AARCH64 && p[1] & 1);
	if (v.machine == MACHINE_X86_64 || v.machine == MACHINE_I386)
		v.big = v.code_big = false;
	base = p[1] & 2 ? 0x400000 : p[1] & 4 ? UINT64_MAX - 0xffff : 0;
	if (v.bits == 32 && p[1] & 4)
		base = 0xffff0000;
	v.entry = base + p[2];
	symbol.address = base + p[3];
	import.slot = base + 0x4000 + p[3];
	p += 4;
	n -= 4;
	region[0] = (struct code_region){ base, p, n / 2, false, true };
	region[1] = (struct code_region){ base + 0x4000, p + n / 2, n - n / 2, true, false };
	v.file_size = n;
	v.placed = v.has_entry = true;
	v.lowest = base;
	v.highest = base + 0x4000 + n > base ? base + 0x4000 + n : UINT64_MAX;
	if (!disasm_view(&v, &l, &a))
		return 0;
	check_text(&a.text);
	if (!disasm_view(&v, &l, &b) || a.text.len != b.text.len || !json_equal(a.functions, b.functions) || !json_equal(a.minhash ? a.minhash : a.graph, b.minhash ? b.minhash : b.graph))
		abort();
	disasm_free(&a);
	disasm_free(&b);
	return 0;
}
