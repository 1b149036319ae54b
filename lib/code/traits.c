#include "code/traits.h"

#define TRAITS_STACK 500u      /* texts put together by code that are told */

static void similarity(json_t *o, const void *p, size_t n)
{
	json_t *s = json_object_get(o, "similarity");
	char digest[TLSH_TEXT];

	if (!tlsh_digest(p, n, digest))
		return;
	if (!json_is_object(s))
		json_object_set_new(o, "similarity", s = json_object());
	json_object_set_new(s, "tlsh", json_string(digest));
}

void traits_add(json_t *o, const void *p, size_t n)
{
	json_t *stack, *indicators = json_array();
	struct layout v;
	bool cut;

	layout_open(&v, p, n);
	json_object_set_new(o, "uses", uses_find(&v, &cut));
	stack = strings_stack(&v, TRAITS_STACK);
	layout_free(&v);
	if (cut)
		json_array_append_new(jsonio_array(o, "limits"), json_string("uses"));
	json_object_set_new(o, "stack_strings", stack);
	indicators_add(indicators, json_object_get(o, "strings"), "strings");
	indicators_add(indicators, stack, "stack_strings");
	json_object_set_new(o, "indicators", indicators);
	json_object_set_new(o, "identified", maker_find(p, n));
	similarity(o, p, n);
}
