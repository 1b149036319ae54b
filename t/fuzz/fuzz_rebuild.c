/*
 * The rebuilder of dumps, on any program and any memory: the input is the file's first half and the memory's bytes; what comes out must be read by
 * the readers of both formats, with each import in its slot. rooms: emulate code confine base
 */
#include "code/code.h"
#include "code/pe.h"
#include "emulate/emulate.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static bool count(void *ctx, const struct pe_import *i)
{
	(void)i;
	++*(size_t *)ctx;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static char library[] = "kernel32.dll", name[] = "ExitProcess";
	size_t half = n / 2, memory = (n - half) & ~(size_t)4095, seen = 0;
	struct emulate_import import[3] = { { 0x401000, library, name, 1 }, { 0x401008, library, NULL, 2 }, { 0x401010, library, name, 0 } };
	struct emulate_range range[2];
	struct emulate_layer layer = { .entry = 0x400000 + (n ? p[0] * 16u : 0) };
	struct emulation o = { .base = 0x400000, .size = memory, .entry = 0x400000, .layer = &layer, .layers = n & 1, .import = import, .imports = 3,
		.last = { .range = range, .ranges = 2 } };
	struct buf b = { 0 }, again = { 0 };
	bool used[2];

	if (!emulate_can(p, half) || memory < 8192)
		return 0;
	range[0] = (struct emulate_range){ .address = 0x400000, .size = memory, .bytes = (unsigned char *)(uintptr_t)(p + half) };
	range[1] = (struct emulate_range){ .address = n & 2 ? 0x300000 : 0x900000, .size = 4096, .bytes = (unsigned char *)(uintptr_t)(p + half), .ran = true };
	if (rebuild_file(&o, p, half, &b, used)) {
		struct pe *f = pe_open(b.p, b.len);
		struct elf *e = elf_open(b.p, b.len);

		if (!f == !e || !used[0])
			abort();
		if (f && (f->problem || !pe_imports(f, count, &seen) || seen != 3))
			abort();
		if (e && (e->problem || !e->segments))
			abort();
		rebuild_file(&o, p, half, &again, used);
		if (b.len != again.len || memcmp(b.p, again.p, b.len))
			abort();
		pe_free(f);
		elf_free(e);
	}
	buf_free(&b);
	buf_free(&again);
	return 0;
}
