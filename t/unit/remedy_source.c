/* The generated source: literals of hostile bytes, determinism, and the parts' own SHA-256. */
#include "remedy/remedy.h"
#include "unit.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include "../../rules/remover/sha256.c"
#pragma GCC diagnostic pop

static void test_sha(void)
{
	static unsigned char data[70000];
	char ours[65], theirs[DIGEST_HEX];
	bool same = true;
	struct sha s;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * 131 + (i >> 8));
	for (size_t n = 0; n < 300; n++) {
		sha_bytes(data, n, ours);
		digest_bytes(data, n, theirs);
		same &= !strcmp(ours, theirs);
	}
	OK(same, "every length up to 300");
	sha_bytes(data, sizeof data, ours);
	digest_bytes(data, sizeof data, theirs);
	OK_STR(ours, theirs, "70,000 bytes");
	sha_begin(&s);
	for (size_t at = 0, k = 1; at < sizeof data; at += k, k = k * 7 % 199 + 1)
		sha_add(&s, data + at, at + k > sizeof data ? sizeof data - at : k);
	sha_end(&s, ours);
	OK_STR(ours, theirs, "in odd pieces");
	sha_bytes("abc", 3, ours);
	OK_STR(ours, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "FIPS 180-4's own");
}

static void test_literal(void)
{
	struct buf b = { 0 };
	bool plain = true;
	char all[256];

	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	source_literal(&b, all, sizeof all);
	for (size_t i = 0; i < b.len; i++)
		plain &= b.p[i] >= 0x20 && b.p[i] < 0x7f && b.p[i] != '?';
	OK(plain, "nothing but printable ASCII, no trigraph");
	buf_clear(&b);
	source_literal(&b, "a\"b\\c\n9", 7);
	OK_STR(buf_str(&b), "\"a\\042b\\134c\\0129\"", "quotes, backslashes, digits behind an escape");
	buf_free(&b);
}

static json_t *plan_with(const char *path)
{
	char created[CLOCK_RFC3339], expires[CLOCK_RFC3339];
	static const char code[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", id[] = "0123456789abcdef0123456789abcdef";

	clock_rfc3339(1800000000, created);
	clock_rfc3339(1800000000 + 86400, expires);
	return json_pack("{s:s, s:s, s:s, s:{s:s}, s:s, s:s, s:s, s:i, s:[s], s:[{s:s, s:i, s:o, s:s, s:i, s:s}]}", "format", PLAN_FORMAT, "id", id, "case", id,
		"host", "id", id, "target", REMEDY_TARGET, "created", created, "expires", expires, "version", 1, "codes", code, "operations", "op",
		"quarantine", "id", 1, "path", jsonio_name(path), "sha256", code, "size", 5, "why", code);
}

static void test_source(void)
{
	json_t *plan = plan_with("/tmp/*/\" };int x;/* \\\xff\t?\?/z");
	struct buf a = { 0 }, b = { 0 };
	struct err e = { 0 };
	int fd;

	OK(source_make(plan, &a, &e) == 0, "a source from a plan that has expired long ago or not");
	printf("# %s\n", e.msg);
	OK(source_make(plan, &b, &e) == 0 && a.len == b.len && !memcmp(a.p, b.p, a.len), "the same plan, the same source");
	OK(!strstr(buf_str(&a), "\" };int x") && strstr(buf_str(&a), "quarantine_apply(const") && !strstr(buf_str(&a), "line_apply(const"), "data stay data; parts as needed");
	fd = compile_linux(&a, &e);
	OK(fd >= 0, "it compiles");
	io_close(&fd);
	json_object_set_new(plan, "target", json_string("windows"));
	OK(source_make(plan, &b, &e) == -1 && e.code == EX_DATAERR, "no source from an unsafe plan");
	json_decref(plan);
	buf_clear(&a);
	buf_adds(&a, "#error no\nint main(void){return x;}\n");
	err_clear(&e);
	OK(compile_linux(&a, &e) == -1 && e.code == EX_DATAERR && strstr(e.msg, "cannot compile"), "what does not compile is said");
	buf_clear(&a);
	buf_adds(&a, "#include \"/etc/hostname\"\nint main(void){return 0;}\n");
	err_clear(&e);
	OK(compile_linux(&a, &e) == -1, "the compiler reads nothing of this machine but its libraries");
	buf_free(&a);
	buf_free(&b);
}

int main(void)
{
	test_sha();
	test_literal();
	test_source();
	return unit_end();
}
