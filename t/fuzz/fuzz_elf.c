/* The ELF reader, the disassembler and the strings, on anything; half of the changes are made to fields. rooms: code confine base */
#include "code/view.h"
#include "fields.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
size_t LLVMFuzzerMutate(uint8_t *p, size_t n, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *p, size_t n, size_t most, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *p, size_t n, size_t most, unsigned seed)
{
	uint64_t state = seed;

	if (seed & 1)
		return LLVMFuzzerMutate(p, n, most);
	for (unsigned i = 0; i < 1 + seed % 5; i++)
		fields_change(p, n, &state);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const struct disasm_limits l = { 100, 3000, 8192, 1000 };
	const struct strings_options few = { .most = 20 };
	char name[32], interpreter[256];
	struct elf *f = elf_open(p, n);
	struct code_view *v;
	struct disasm d;
	size_t left;

	format_of(p, n, name);
	format_interpreter(p, n, interpreter);
	json_decref(strings_find(p, n, &few));
	if (!f)
		return 0;
	if (f->end > n || f->neededs > 512 || (f->interpreter && !*name))
		abort();
	for (size_t i = 0; i < f->symbols; i++)
		if ((const uint8_t *)f->symbol[i].name < p || (const uint8_t *)f->symbol[i].name >= p + n)
			abort();
	if (elf_at(f, f->entry, &left) && left > n)
		abort();
	v = view_elf(f);
	for (size_t i = 0; i < v->regions; i++)
		if (v->region[i].p < p || v->region[i].n > n - (size_t)(v->region[i].p - p))
			abort();
	for (size_t i = 0; i < v->imports; i++)
		if ((const uint8_t *)v->import[i].name < p || (const uint8_t *)v->import[i].name >= p + n)
			abort();
	disasm_view(v, &l, &d);
	disasm_free(&d);
	view_free(v);
	/* The whole object, as the helper makes it; its text must be JSON. */
	if (n < 8192) {
		json_t *o = inspect(p, n, NULL), *back;
		struct buf b = { 0 };
		struct err e = { 0 };

		jsonio_dump_line(o, &b);
		back = jsonio_parse(b.p, b.len, "own words", &e);
		if (!back)
			abort();
		json_decref(back);
		json_decref(o);
		buf_free(&b);
	}
	elf_free(f);
	return 0;
}
