/*
 * capable: the test's side of rules/capability. Verbs:
 *   list              {"name","scope","example","near"} a line, of all rules
 *   match             the names of the rules that hold over static.json's object on standard input
 *   trace             the same over {"trace":[[call,argument...]...]}
 *   pe FILE           writes a PE32+ file that calls and says what {"calls":[],"strings":[]} on standard input lists
 *   tlsh FILE...      our digest of each file; tlsh= DIGEST DIGEST their distance
 */
#include "code/traits.h"
#include "micro/capability.h"

#include <stdlib.h>
#include <string.h>

static json_t *input(struct err *e)
{
	struct buf b = { 0 };
	json_t *j = io_slurp(0, CAP_JSON, &b, "input", e) ? NULL : jsonio_parse(b.p, b.len, "input", e);

	buf_free(&b);
	return j;
}

static void list(const struct capability_rules *r)
{
	static const char *const scopes[] = { "file", "function", "trace" };

	for (size_t i = 0; i < r->count; i++) {
		json_t *o = json_object();

		json_object_set_new(o, "name", json_string(r->rule[i].name));
		json_object_set_new(o, "scope", json_string(scopes[r->rule[i].scope]));
		json_object_set(o, "example", r->rule[i].example);
		json_object_set(o, "near", r->rule[i].near);
		jsonio_print(stdout, o);
		json_decref(o);
	}
}

/* [["open","/x"]] as emulation tells it. */
static json_t *as_static(const json_t *short_form)
{
	json_t *calls = json_array(), *one;
	size_t i, k;

	json_array_foreach(json_object_get(short_form, "trace"), i, one) {
		json_t *call = json_object(), *args = json_array();

		json_object_set(call, "call", json_array_get(one, 0));
		for (k = 1; k < json_array_size(one); k++)
			json_array_append(args, json_array_get(one, k));
		json_object_set_new(call, "args", args);
		json_array_append_new(calls, call);
	}
	return json_pack("{s:s, s:{s:o}}", "format", "elf64-x86-64", "unpack", "calls", calls);
}

static void match(const struct capability_rules *r, json_t *stat)
{
	const json_t *o;
	size_t i;

	capability_static(r, stat);
	json_array_foreach(json_object_get(stat, "capabilities"), i, o)
		printf("%s\n", jsonio_str(o, "name"));
}

/* ---- a PE file: one section of everything at 1000h, file and memory alike ---- */

static void put(struct buf *b, size_t at, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++, v >>= 8)
		b->p[at + i] = (unsigned char)v;
}

static size_t text(struct buf *b, const char *s)
{
	size_t at = b->len;

	buf_add(b, s, strlen(s) + 1);
	return at;
}

static void zeroes(struct buf *b, size_t n)
{
	static const unsigned char zero[4096];

	for (; n > sizeof zero; n -= sizeof zero)
		buf_add(b, zero, sizeof zero);
	buf_add(b, zero, n);
}

static void write_pe(const json_t *what, struct buf *b)
{
	const json_t *calls = json_object_get(what, "calls"), *strings = json_object_get(what, "strings");
	size_t n = json_array_size(calls), code, table, directory, name;

	zeroes(b, 0x1000);
	code = b->len;
	zeroes(b, 6 * n + 16);
	table = b->len;
	zeroes(b, 8 * (n + 1));
	directory = b->len;
	zeroes(b, 40);
	name = text(b, "kernel32.dll");
	for (size_t i = 0; i < n; i++) {
		put(b, code + 6 * i, 0x15ff, 2);   /* call [rip + slot] */
		put(b, code + 6 * i + 2, table + 8 * i - (code + 6 * i + 6), 4);
		put(b, table + 8 * i, b->len, 8);
		zeroes(b, 2);
		text(b, json_string_value(json_array_get(calls, i)));
	}
	put(b, code + 6 * n, 0xc3, 1);
	put(b, directory, table, 4);
	put(b, directory + 12, name, 4);
	put(b, directory + 16, table, 4);
	for (size_t i = 0; i < json_array_size(strings); i++)
		text(b, json_string_value(json_array_get(strings, i)));
	zeroes(b, 0x1000 - b->len % 0x1000);
	memcpy(b->p, "MZ", 2);
	put(b, 0x3c, 0x80, 4);
	memcpy(b->p + 0x80, "PE\0\0", 4);
	put(b, 0x84, 0x8664, 2);
	put(b, 0x86, 1, 2);
	put(b, 0x94, 240, 2);
	put(b, 0x96, 0x22, 2);
	put(b, 0x98, 0x20b, 2);
	put(b, 0x98 + 16, code, 4);              /* entry */
	put(b, 0x98 + 24, 0x140000000, 8);       /* base */
	put(b, 0x98 + 32, 0x1000, 4);
	put(b, 0x98 + 36, 0x1000, 4);
	put(b, 0x98 + 40, 6, 2);
	put(b, 0x98 + 48, 6, 2);
	put(b, 0x98 + 56, b->len, 4);
	put(b, 0x98 + 60, 0x1000, 4);
	put(b, 0x98 + 68, 3, 2);
	put(b, 0x98 + 108, 16, 4);
	put(b, 0x98 + 120, directory, 4);
	put(b, 0x98 + 124, 40, 4);
	memcpy(b->p + 0x188, ".text", 5);
	put(b, 0x190, b->len - 0x1000, 4);
	put(b, 0x194, 0x1000, 4);
	put(b, 0x198, b->len - 0x1000, 4);
	put(b, 0x19c, 0x1000, 4);
	put(b, 0x1ac, 0xe0000020, 4);
}

static int digests(int n, char **paths, struct err *e)
{
	for (int i = 0; i < n; i++) {
		struct buf b = { 0 };
		char digest[TLSH_TEXT];

		if (io_slurp_path(paths[i], 256 * MIB, &b, e))
			return -1;
		printf("%s %s\n", tlsh_digest(b.p, b.len, digest) ? digest : "-", paths[i]);
		buf_free(&b);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	char *folder = spawn_share("capability");
	struct capability_rules *r = NULL;
	const char *verb = argc > 1 ? argv[1] : "";
	json_t *in = NULL, *stat = NULL;
	struct buf out = { 0 };
	int rc = 0;

	msg_init("capable");
	if (!strcmp(verb, "tlsh")) {
		rc = digests(argc - 2, argv + 2, &e);
	} else if (!strcmp(verb, "tlsh=") && argc == 4) {
		printf("%d\n", tlsh_distance(argv[2], argv[3]));
	} else if (!strcmp(verb, "pe") && argc == 3) {
		in = input(&e);
		if (in)
			write_pe(in, &out);
		rc = in ? atomic_write(argv[2], 0600, out.p, out.len, &e) : -1;
	} else {
		r = capability_open(folder, &e);
		in = r && strcmp(verb, "list") ? input(&e) : NULL;
		rc = r && (in || !strcmp(verb, "list")) ? 0 : -1;
		stat = in && !strcmp(verb, "trace") ? as_static(in) : json_incref(in);
		if (!rc && !in)
			list(r);
		else if (!rc)
			match(r, stat);
	}
	json_decref(in);
	json_decref(stat);
	buf_free(&out);
	capability_free(r);
	free(folder);
	return rc ? msg_fail(&e) : 0;
}
