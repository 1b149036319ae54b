#include "code/pe.h"

#include <string.h>

#define STRINGS 256u
#define FIXED 0xfeef04bdu        /* the signature of VS_FIXEDFILEINFO */

/* Where its parts begin; parts stand at multiples of 4 from the resource's first byte. */
struct node { uint64_t value, value_units, children, end; char key[64]; };
struct resource { const struct pe *f; uint64_t begin; };

static size_t put_utf8(char *out, size_t room, uint32_t c)
{
	char b[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	if (n == 1)
		b[0] = (char)c;
	else
		for (size_t i = n; i-- > 0; c >>= 6)
			b[i] = (char)(i ? 0x80 | (c & 0x3f) : (0xf0u << (4 - n)) | c);
	if (n > room)
		return 0;
	memcpy(out, b, n);
	return n;
}

size_t pe_version_text(const struct pe *f, uint64_t rva, size_t units, char *out, size_t room)
{
	size_t i = 0, n = 0;
	bool full = false;

	while (i < units && rva + 2 * i + 2 <= f->image_size) {
		uint32_t c = (uint32_t)pe_number(f, rva + 2 * i++, 2);

		if (!c)
			break;
		if (c >= 0xd800 && c < 0xe000) {
			uint32_t low = i < units ? (uint32_t)pe_number(f, rva + 2 * i, 2) : 0;

			if (c < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
				c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
				i++;
			} else {
				c = '?';
			}
		}
		if (!full) {
			size_t m = put_utf8(out + n, room - 1 - n, c);

			full = !m;
			n += m;
		}
	}
	out[n] = '\0';
	return i;
}

static uint64_t aligned(const struct resource *r, uint64_t at)
{
	return r->begin + ((at - r->begin + 3) & ~UINT64_C(3));
}

/* wLength, wValueLength, wType, szKey, padding, value, padding, children. */
static bool read_node(const struct resource *r, uint64_t at, uint64_t end, struct node *n)
{
	uint64_t length = pe_number(r->f, at, 2), text = pe_number(r->f, at + 4, 2);

	if (at + 6 > end || length < 6)
		return false;
	n->end = at + length < end ? at + length : end;
	n->value = aligned(r, at + 6 + 2 * pe_version_text(r->f, at + 6, (size_t)(n->end - at - 6) / 2, n->key, sizeof n->key));
	n->value_units = pe_number(r->f, at + 2, 2);
	n->children = aligned(r, n->value + (text == 1 ? 2 * n->value_units : n->value_units));
	return true;
}

/* level 1: StringFileInfo and VarFileInfo; 2: a table for each language; 3: its strings. */
static void read_strings(const struct resource *r, uint64_t at, uint64_t end, unsigned level, json_t *strings)
{
	struct node n;

	for (; read_node(r, at, end, &n) && json_object_size(strings) < STRINGS; at = aligned(r, n.end)) {
		char text[1024];

		if (level < 3) {
			if (level > 1 || !strcmp(n.key, "StringFileInfo"))
				read_strings(r, n.children, n.end, level + 1, strings);
			continue;
		}
		/* Some compilers count the value in bytes: it ends with its NUL or its node. */
		pe_version_text(r->f, n.value, n.value < n.end ? (size_t)(n.end - n.value) / 2 : 0, text, sizeof text);
		if (n.value_units && !json_object_get(strings, n.key))
			json_object_set_new_nocheck(strings, n.key, jsonio_name(text));
	}
}

static json_t *number_text(uint64_t ms, uint64_t ls)
{
	char text[48];

	snprintf(text, sizeof text, "%u.%u.%u.%u", (unsigned)(ms >> 16), (unsigned)(ms & 0xffff), (unsigned)(ls >> 16), (unsigned)(ls & 0xffff));
	return json_string(text);
}

json_t *pe_version(const struct pe *f, uint32_t rva, uint32_t size)
{
	uint64_t end = (uint64_t)rva + size < f->image_size ? (uint64_t)rva + size : f->image_size;
	struct resource r = { f, rva };
	json_t *o, *strings;
	struct node n;

	if (!read_node(&r, rva, end, &n) || strcmp(n.key, "VS_VERSION_INFO"))
		return NULL;
	o = json_object();
	if (n.value + 52 <= n.end && pe_number(f, n.value, 4) == FIXED) {
		json_object_set_new(o, "file", number_text(pe_number(f, n.value + 8, 4), pe_number(f, n.value + 12, 4)));
		json_object_set_new(o, "product", number_text(pe_number(f, n.value + 16, 4), pe_number(f, n.value + 20, 4)));
	}
	strings = json_object();
	read_strings(&r, n.children, n.end, 1, strings);
	json_object_set_new(o, "strings", strings);
	return o;
}
