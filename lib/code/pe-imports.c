#include "code/pe.h"

#include <ctype.h>
#include <string.h>

struct reader { const struct pe *f; pe_import_fn *fn; void *ctx; size_t left; bool stopped; };

/* One library's names: until the zero, or fn wants no more. base: what the addresses in the table count from beside the image. */
static bool read_names(struct reader *r, uint64_t names, uint64_t slots, const char *library, uint64_t base)
{
	size_t step = r->f->is64 ? 8 : 4;
	uint64_t ordinal = r->f->is64 ? UINT64_C(1) << 63 : UINT64_C(1) << 31;

	for (; r->left; r->left--, names += step, slots += step) {
		struct pe_import i = { .library = library, .slot = (uint32_t)slots };
		uint64_t v = pe_number(r->f, names, step);

		if (!v)
			return true;
		if (v & ordinal) {
			i.ordinal = (uint16_t)v;
		} else {
			i.name = pe_string(r->f, v - base + 2, 512);
			if (!i.name)
				return false;
		}
		if (!r->fn(r->ctx, &i)) {
			r->stopped = true;
			return true;
		}
	}
	return false;
}

bool pe_imports(const struct pe *f, pe_import_fn *fn, void *ctx)
{
	struct reader r = { f, fn, ctx, PE_IMPORTS, false };
	uint64_t at = f->directory[PE_DIR_IMPORT].rva;
	bool well = true;

	for (unsigned i = 0; at && i < PE_LIBRARIES && !r.stopped; i++, at += 20) {
		uint64_t names = pe_number(f, at, 4), name = pe_number(f, at + 12, 4), slots = pe_number(f, at + 16, 4);
		const char *library;

		if (!name || !slots)
			return well;
		library = pe_string(f, name, 256);
		if (!library)
			return false;
		/* A packed file's lookup table is often missing or garbage: the slots hold the same before they are filled. */
		if (!names || names >= f->image_size)
			names = slots;
		well &= read_names(&r, names, slots, library, 0);
	}
	return well && (!at || r.stopped);
}

bool pe_imports_delayed(const struct pe *f, pe_import_fn *fn, void *ctx)
{
	struct reader r = { f, fn, ctx, PE_IMPORTS, false };
	uint64_t at = f->directory[PE_DIR_DELAY].rva;
	bool well = true;

	for (unsigned i = 0; at && i < PE_LIBRARIES && !r.stopped; i++, at += 32) {
		/* Visual C++ 6 wrote virtual addresses here, and told so by a clear bit 0. */
		uint64_t base = pe_number(f, at, 4) & 1 ? 0 : f->base;
		uint64_t name = pe_number(f, at + 4, 4), slots = pe_number(f, at + 12, 4), names = pe_number(f, at + 16, 4);
		const char *library;

		if (!name || !names)
			return well;
		library = pe_string(f, name - base, 256);
		if (!library)
			return false;
		well &= read_names(&r, names - base, slots - base, library, base);
	}
	return well && (!at || r.stopped);
}

/* ---- imphash ---- */

static void add_lower(struct buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_addc(b, (char)tolower((unsigned char)s[i]));
}

static bool add_import(void *ctx, const struct pe_import *i)
{
	struct buf *b = ctx;
	size_t n = strlen(i->library);

	if (n > 4 && (!strcasecmp(i->library + n - 4, ".dll") || !strcasecmp(i->library + n - 4, ".ocx") || !strcasecmp(i->library + n - 4, ".sys")))
		n -= 4;
	if (b->len)
		buf_addc(b, ',');
	add_lower(b, i->library, n);
	buf_addc(b, '.');
	if (i->name)
		add_lower(b, i->name, strlen(i->name));
	else
		buf_addf(b, "ord%u", i->ordinal);
	return true;
}

bool pe_imports_digest(const struct pe *f, char hex[33])
{
	struct buf b = { 0 };
	struct digest *d;
	char text[DIGEST_HEX];

	pe_imports(f, add_import, &b);
	if (!b.len)
		return false;
	d = digest_new_md5();
	digest_add(d, b.p, b.len);
	digest_end(d, text);
	digest_free(d);
	buf_free(&b);
	memcpy(hex, text, 32);
	hex[32] = '\0';
	return true;
}
