#include "code/pe.h"

#include <stdlib.h>

#define EXPORTS 65536u           /* ordinals have 16 bits */

const char *pe_exports_library(const struct pe *f)
{
	uint64_t at = f->directory[PE_DIR_EXPORT].rva;
	const char *s = at ? pe_string(f, pe_number(f, at + 12, 4), 256) : NULL;

	return s && *s ? s : NULL;
}

/* An address within the export directory itself is that of a text which names another library's export. */
static bool forwarded(const struct pe *f, struct pe_export *e)
{
	uint64_t at = f->directory[PE_DIR_EXPORT].rva;

	if (e->rva < at || e->rva - at >= f->directory[PE_DIR_EXPORT].size)
		return true;
	e->forward = pe_string(f, e->rva, 512);
	return e->forward != NULL;
}

bool pe_exports(const struct pe *f, pe_export_fn *fn, void *ctx)
{
	uint64_t at = f->directory[PE_DIR_EXPORT].rva, base, functions, names, addresses, texts, indexes;
	unsigned char *named;
	bool well = true;

	if (!at)
		return true;
	base = pe_number(f, at + 16, 4);
	functions = pe_number(f, at + 20, 4);
	names = pe_number(f, at + 24, 4);
	addresses = pe_number(f, at + 28, 4);
	texts = pe_number(f, at + 32, 4);
	indexes = pe_number(f, at + 36, 4);
	if (functions > EXPORTS || names > EXPORTS || addresses + 4 * functions > f->image_size || texts + 4 * names > f->image_size)
		well = false;
	functions = functions > EXPORTS ? EXPORTS : functions;
	names = names > EXPORTS ? EXPORTS : names;
	named = buf_alloc(EXPORTS / 8);
	for (uint64_t i = 0; i < names && texts + 4 * i < f->image_size; i++) {
		uint64_t index = pe_number(f, indexes + 2 * i, 2);
		struct pe_export e = { .name = pe_string(f, pe_number(f, texts + 4 * i, 4), 512), .ordinal = (uint32_t)(base + index) };

		if (!e.name || index >= functions) {
			well = false;
			continue;
		}
		named[index / 8] |= (unsigned char)(1u << index % 8);
		e.rva = (uint32_t)pe_number(f, addresses + 4 * index, 4);
		well &= forwarded(f, &e);
		fn(ctx, &e);
	}
	for (uint64_t i = 0; i < functions && addresses + 4 * i < f->image_size; i++) {
		struct pe_export e = { .ordinal = (uint32_t)(base + i), .rva = (uint32_t)pe_number(f, addresses + 4 * i, 4) };

		if (named[i / 8] >> i % 8 & 1 || !e.rva)   /* a hole in the ordinals */
			continue;
		well &= forwarded(f, &e);
		fn(ctx, &e);
	}
	free(named);
	return well;
}
