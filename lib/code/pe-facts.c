#include "code/describe.h"

#include <string.h>

#define CALLBACKS 256u
#define DEBUG_ENTRIES 64u
#define CERTIFICATES 64u
#define DEBUG_CODEVIEW 2u
#define DEBUG_REPRODUCIBLE 16u

/* ---- thread-local storage: its callbacks run before the entry point ---- */

size_t pe_facts_callbacks(const struct pe *f, uint64_t *out, size_t most)
{
	uint64_t at = f->directory[PE_DIR_TLS].rva, list;
	size_t word = f->is64 ? 8 : 4, n = 0;

	if (!at)
		return 0;
	list = pe_number(f, at + 3 * word, word);
	if (list <= f->base)
		return 0;
	for (list -= f->base; n < most && (out[n] = pe_number(f, list + n * word, word)); n++)
		;
	return n;
}

json_t *pe_facts_tls(const struct pe *f)
{
	uint64_t at = f->directory[PE_DIR_TLS].rva, address[CALLBACKS];
	size_t word = f->is64 ? 8 : 4, n;
	json_t *o, *list;

	if (!at || at >= f->image_size)
		return NULL;
	o = json_object();
	list = json_array();
	n = pe_facts_callbacks(f, address, CALLBACKS);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, describe_hex(address[i]));
	json_object_set_new(o, "callbacks", list);
	json_object_set_new(o, "data_size", json_integer((json_int_t)(uint32_t)(pe_number(f, at + word, word) - pe_number(f, at, word))));
	return o;
}

/* ---- debug directory ---- */

static void add_codeview(const struct pe *f, json_t *o, uint64_t at, uint64_t size)
{
	uint64_t path, n = 0;

	if (at >= f->n || size > f->n - at || size < 16)
		return;
	if (!memcmp(f->p + at, "RSDS", 4) && size >= 24) {
		char guid[33];

		digest_tohex(f->p + at + 4, 16, guid);
		json_object_set_new(o, "guid", json_string(guid));
		json_object_set_new(o, "age", json_integer((json_int_t)pe_file_number(f, at + 20, 4)));
		path = at + 24;
	} else if (!memcmp(f->p + at, "NB10", 4)) {
		json_object_set_new(o, "age", json_integer((json_int_t)pe_file_number(f, at + 12, 4)));
		path = at + 16;
	} else {
		return;
	}
	while (path + n < at + size && n < 1024 && f->p[path + n])
		n++;
	json_object_set_new(o, "pdb", jsonio_bytes(f->p + path, n));
}

json_t *pe_facts_debug(const struct pe *f)
{
	uint64_t at = f->directory[PE_DIR_DEBUG].rva, count = f->directory[PE_DIR_DEBUG].size / 28;
	json_t *list;

	if (!at || at >= f->image_size || !count)
		return NULL;
	list = json_array();
	for (uint64_t i = 0; i < count && i < DEBUG_ENTRIES && at + 28 <= f->image_size; i++, at += 28) {
		json_t *o = json_object();

		json_object_set_new(o, "type", json_integer((json_int_t)pe_number(f, at + 12, 4)));
		json_object_set_new(o, "size", json_integer((json_int_t)pe_number(f, at + 16, 4)));
		if (pe_number(f, at + 12, 4) == DEBUG_CODEVIEW)
			add_codeview(f, o, pe_number(f, at + 24, 4), pe_number(f, at + 16, 4));
		json_array_append_new(list, o);
	}
	return list;
}

bool pe_facts_reproducible(const struct pe *f)
{
	uint64_t at = f->directory[PE_DIR_DEBUG].rva, count = f->directory[PE_DIR_DEBUG].size / 28;

	for (uint64_t i = 0; at && i < count && i < DEBUG_ENTRIES; i++, at += 28)
		if (pe_number(f, at + 12, 4) == DEBUG_REPRODUCIBLE)
			return true;
	return false;
}

/* ---- .NET: ECMA-335, II.25.3.3 (CLI header) and II.24.2.1 (metadata root) ---- */

json_t *pe_facts_clr(const struct pe *f)
{
	uint64_t at = f->directory[PE_DIR_CLR].rva, root, length;
	char text[32];
	json_t *o;

	if (!at || at >= f->image_size)
		return NULL;
	o = json_object();
	snprintf(text, sizeof text, "%u.%u", (unsigned)pe_number(f, at + 4, 2), (unsigned)pe_number(f, at + 6, 2));
	json_object_set_new(o, "header", json_string(text));
	json_object_set_new(o, "flags", json_integer((json_int_t)pe_number(f, at + 16, 4)));
	json_object_set_new(o, "entry", describe_hex(pe_number(f, at + 20, 4)));
	root = pe_number(f, at + 8, 4);
	length = pe_number(f, root + 12, 4);
	if (pe_number(f, root, 4) == 0x424a5342 && length <= 255 && root + 16 + length <= f->image_size)
		json_object_set_new(o, "runtime", jsonio_bytes(f->image + root + 16, strnlen((const char *)f->image + root + 16, length)));
	return o;
}

/* ---- certificates: the one directory whose place is an offset in the file ---- */

json_t *pe_facts_signature(const struct pe *f)
{
	uint64_t at = f->directory[PE_DIR_SECURITY].rva, size = f->directory[PE_DIR_SECURITY].size, end = at + size;
	json_t *list;

	if (!at || !size)
		return NULL;
	list = json_array();
	while (at + 8 <= end && end <= f->n && json_array_size(list) < CERTIFICATES) {
		uint64_t length = pe_file_number(f, at, 4), type = pe_file_number(f, at + 6, 2);
		json_t *o;

		if (length < 8 || length > end - at)
			break;
		o = json_object();
		json_object_set_new(o, "offset", json_integer((json_int_t)at));
		json_object_set_new(o, "size", json_integer((json_int_t)length));
		json_object_set_new(o, "type", json_string(type == 2 ? "pkcs7" : type == 1 ? "x509" : type == 0xef0 ? "efi-pkcs115" : type == 0xef1 ? "efi-guid" : "other"));
		json_array_append_new(list, o);
		at += (length + 7) & ~UINT64_C(7);
	}
	return list;
}

void pe_facts_overlay(const struct pe *f, uint64_t *offset, uint64_t *size)
{
	uint64_t signature = f->directory[PE_DIR_SECURITY].rva, length = f->directory[PE_DIR_SECURITY].size;

	*offset = f->end;
	*size = f->n - f->end;
	if (!signature || !length || signature < f->end || signature > f->n || length > f->n - signature)
		return;
	/* What stands before the certificates; and only where nothing does, what stands behind them. Padding is neither. */
	if (signature - f->end >= 8) {
		*size = signature - f->end;
	} else {
		*offset = signature + length;
		*size = f->n - *offset;
	}
}

/* The sum of all 16-bit words with the carry taken in again, the field itself left out, and the file's length. */
uint32_t pe_facts_checksum(const struct pe *f)
{
	uint64_t field = (uint64_t)f->header + 24 + 64, sum = 0;

	for (uint64_t i = 0; i < f->n; i += 2) {
		uint32_t low = f->p[i], high = i + 1 < f->n ? f->p[i + 1] : 0;

		if (i >= field && i < field + 4)
			low = 0;
		if (i + 1 >= field && i + 1 < field + 4)
			high = 0;
		sum += low | high << 8;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)(sum + f->n);
}
