/* What a file is said to be beyond its headers: uses, texts of code, makers, indicators, digest. rooms: code confine base */
#include "code/traits.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Bytes as x86 code of either width, without headers that would have to hold. */
static void as_code(const uint8_t *p, size_t n)
{
	for (unsigned bits = 32; bits <= 64; bits += 32) {
		struct layout v = { .bits = bits, .table = 0x2000, .regions = 1, .region = { { 0x1000, p, n, true } } };
		json_t *list;
		bool cut;

		json_decref(uses_find(&v, &cut));
		list = strings_stack(&v, 20);
		if (json_array_size(list) > 20)
			abort();
		json_decref(list);
	}
}

/* Bytes as one text. */
static void as_text(const uint8_t *p, size_t n)
{
	json_t *text = jsonio_bytes(p, n < 400 ? n : 400), *strings = json_array(), *o = json_object(), *list = json_array(), *v;
	size_t i;

	json_object_set_new(o, "text", text);
	json_object_set_new(o, "offset", json_integer(7));
	json_array_append_new(strings, o);
	indicators_add(list, strings, "strings");
	json_array_foreach(list, i, v)
		if (!jsonio_str(v, "kind") || !jsonio_str(v, "value") || strcmp(jsonio_str(v, "from"), "strings:7"))
			abort();
	json_decref(list);
	json_decref(strings);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	json_t *o = json_object();
	struct buf b = { 0 };

	json_object_set_new(o, "strings", strings_find(p, n, NULL));
	traits_add(o, p, n);
	jsonio_dump_line(o, &b);
	buf_free(&b);
	json_decref(o);
	if (n < 8192)
		as_code(p, n);
	as_text(p, n);
	json_decref(strings_new(p, n / 2, p + n / 2, n - n / 2, NULL));
	return 0;
}
