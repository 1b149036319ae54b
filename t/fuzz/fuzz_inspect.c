/* All of static.json's object but the rules, of ELF, PE and whatever else; twice the same. rooms: code confine base */
#include "code/code.h"
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
	struct buf first = { 0 }, second = { 0 };
	struct err e = { 0 };
	json_t *o, *back;

	if (n > 32768)
		return 0;
	o = inspect(p, n, NULL);
	jsonio_dump_line(o, &first);
	json_decref(o);
	o = inspect(p, n, NULL);
	jsonio_dump_line(o, &second);
	json_decref(o);
	if (first.len != second.len || memcmp(first.p, second.p, first.len))
		abort();
	back = jsonio_parse(first.p, first.len, "own words", &e);
	if (!back)
		abort();
	json_decref(back);
	buf_free(&first);
	buf_free(&second);
	return 0;
}
