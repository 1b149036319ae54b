/* A PE file of a few instructions of 32-bit code, its imports made by the rebuilder. */
#ifndef EMULATE_WINDOWS_TEST_H
#define EMULATE_WINDOWS_TEST_H

#include "code/pe.h"
#include "emulate/emulate.h"

#include <stdlib.h>
#include <string.h>

#define PE_BASE 0x400000u
#define PE_SIZE 0x3000u
#define PE_CODE 0x1000u
#define PE_SLOTS 0x2000u    /* an import after another, in one word each */

static inline void pe_put(unsigned char *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

/* Headers alone, as pe_open() wants them. */
static inline void pe_head(unsigned char h[512], bool wide)
{
	memset(h, 0, 512);
	memcpy(h, "MZ", 2);
	pe_put(h + 60, 64, 4);
	memcpy(h + 64, "PE\0", 4);
	pe_put(h + 68, wide ? PE_AMD64 : PE_I386, 2);
	pe_put(h + 84, wide ? 240 : 224, 2);
	pe_put(h + 86, 0x103, 2);
	pe_put(h + 88, wide ? 0x20b : 0x10b, 2);
	pe_put(h + 88 + 16, PE_CODE, 4);
	pe_put(h + 88 + (wide ? 24 : 28), PE_BASE, wide ? 8 : 4);
	pe_put(h + 88 + 32, 4096, 4);
	pe_put(h + 88 + 36, 512, 4);
	pe_put(h + 88 + 56, PE_SIZE, 4);
	pe_put(h + 88 + 60, 512, 4);
	pe_put(h + 88 + 68, 3, 2);
	pe_put(h + 88 + (wide ? 108 : 92), 16, 4);
}

struct pe_wanted { const char *library, *name; };

/* The program: code, and slots for those functions from PE_SLOTS on. */
static inline bool pe_program(bool wide, const void *code, size_t n, const struct pe_wanted *w, size_t count, struct buf *out)
{
	unsigned char head[512], *image = buf_alloc(PE_SIZE);
	struct emulate_import import[16];
	struct emulate_range range = { .address = PE_BASE, .size = PE_SIZE, .bytes = image };
	struct emulation o = { .base = PE_BASE, .size = PE_SIZE, .entry = PE_BASE + PE_CODE, .import = import, .imports = count,
		.last = { .entry = PE_BASE + PE_CODE, .range = &range, .ranges = 1 } };
	bool used[1], well;

	pe_head(head, wide);
	memcpy(image + PE_CODE, code, n);
	for (size_t i = 0; i < count; i++)
		import[i] = (struct emulate_import){ PE_BASE + PE_SLOTS + i * (wide ? 8 : 4), (char *)(uintptr_t)w[i].library, (char *)(uintptr_t)w[i].name, 0 };
	well = rebuild_file(&o, head, sizeof head, out, used) && used[0];
	free(image);
	return well;
}

#endif
