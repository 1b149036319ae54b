/* The PE reader, its tables and their description, on anything; half of the changes are made to fields. rooms: code confine base */
#include "code/describe.h"
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

/* What the loader takes from the image must lie in it. */
static bool on_import(void *ctx, const struct pe_import *i)
{
	const struct pe *f = ctx;
	const unsigned char *name = (const unsigned char *)(i->name ? i->name : i->library);

	if (name < f->image || name >= f->image + f->image_size)
		abort();
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const struct disasm_limits few = { 100, 3000, 8192, 1000 };
	struct findings l = { json_array(), json_array() };
	struct pe *f = pe_open(p, n);
	struct code_view *v;
	struct disasm d;
	struct buf b = { 0 };
	struct err e = { 0 };
	json_t *o, *back;
	char name[32];

	if (!f) {
		json_decref(l.anomalies);
		json_decref(l.signs);
		return 0;
	}
	if (f->end > n || f->sections > PE_SECTIONS || f->image_size > PE_IMAGE || !*format_of(p, n, name))
		abort();
	pe_imports(f, on_import, f);
	pe_imports_delayed(f, on_import, f);
	o = pe_describe(f);
	pe_anomalies(f, &l);
	json_object_set_new(o, "anomalies", l.anomalies);
	json_object_set_new(o, "signs", l.signs);
	jsonio_dump_line(o, &b);
	back = jsonio_parse(b.p, b.len, "own words", &e);
	if (!back)
		abort();
	json_decref(back);
	json_decref(o);
	buf_free(&b);
	v = view_pe(f);
	for (size_t i = 0; i < v->regions; i++)
		if (v->region[i].p < f->image || v->region[i].p + v->region[i].n > f->image + f->image_size + 1)
			abort();
	disasm_view(v, &few, &d);
	disasm_free(&d);
	view_free(v);
	pe_free(f);
	return 0;
}
