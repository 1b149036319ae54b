/* The Rich header: undocumented; as Daniel Pistelli described it ("Microsoft's Rich Signature (undocumented)", 2008). */
#include "code/pe.h"

#define ENTRIES 256u
#define RICH 0x68636952u         /* "Rich", in the clear */
#define DANS 0x536e6144u         /* "DanS", under the key, as all before "Rich" */
#define STUB_END 0x1000u         /* no linker's stub is longer */

static uint32_t word(const struct pe *f, uint64_t at)
{
	return (uint32_t)f->p[at] | (uint32_t)f->p[at + 1] << 8 | (uint32_t)f->p[at + 2] << 16 | (uint32_t)f->p[at + 3] << 24;
}

static uint32_t rotated(uint32_t v, unsigned by)
{
	by &= 31;
	return by ? v << by | v >> (32 - by) : v;
}

/* The key is a sum over the DOS header and stub, without the field that leads to the header, and over the entries. */
static uint32_t sum(const struct pe *f, uint64_t begin, uint64_t end, uint32_t key)
{
	uint32_t v = (uint32_t)begin;

	for (uint32_t i = 0; i < begin; i++)
		if (i < 60 || i >= 64)
			v += rotated(f->p[i], i);
	for (uint64_t at = begin + 16; at + 8 <= end; at += 8)
		v += rotated(word(f, at) ^ key, word(f, at + 4) ^ key);
	return v;
}

json_t *pe_rich(const struct pe *f, bool *right)
{
	uint64_t limit = f->header < STUB_END ? f->header : STUB_END, end = 0, begin;
	uint32_t key;
	json_t *o, *list;
	char text[16];

	if (limit > f->n)
		limit = f->n;
	for (uint64_t at = 0x40; at + 8 <= limit && !end; at += 4)
		if (word(f, at) == RICH)
			end = at;
	if (!end)
		return NULL;
	key = word(f, end + 4);
	for (begin = end; begin >= 0x44 && (word(f, begin - 4) ^ key) != DANS; begin -= 4)
		;
	if (begin < 0x44)
		return NULL;
	begin -= 4;
	*right = sum(f, begin, end, key) == key;
	o = json_object();
	list = json_array();
	for (uint64_t at = begin + 16; at + 8 <= end && json_array_size(list) < ENTRIES; at += 8) {
		uint32_t id = word(f, at) ^ key;
		json_t *e = json_object();

		json_object_set_new(e, "product", json_integer(id >> 16));
		json_object_set_new(e, "build", json_integer(id & 0xffff));
		json_object_set_new(e, "count", json_integer(word(f, at + 4) ^ key));
		json_array_append_new(list, e);
	}
	json_object_set_new(o, "entries", list);
	snprintf(text, sizeof text, "%08x", key);
	json_object_set_new(o, "key", json_string(text));
	json_object_set_new(o, "right", json_boolean(*right));
	return o;
}
