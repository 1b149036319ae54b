/* The index of functions: what goes in comes out, per family; what is damaged or of another kind is refused. */
#include "known/known.h"
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/muss-functions-XXXXXX";

static json_t *digests(unsigned from, unsigned to)
{
	json_t *list = json_array();

	for (; from < to; from++) {
		char text[17];

		snprintf(text, sizeof text, "%016x", from * 2654435761u);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

/* Equal to that of another seed but for the last `other` numbers. */
static json_t *minhash(unsigned other)
{
	json_t *list = json_array();

	for (unsigned k = 0; k < FUNCTIONS_MINHASH; k++)
		json_array_append_new(list, json_integer(k < FUNCTIONS_MINHASH - other ? 4000000000u + k : k * 1000 + other));
	return list;
}

static char *sample(unsigned n)
{
	char hex[DIGEST_HEX];

	digest_bytes(&n, sizeof n, hex);
	return buf_strdup(hex);
}

static int add(struct functions_build *b, unsigned number, unsigned from, unsigned to, unsigned other)
{
	json_t *d = digests(from, to), *m = minhash(other);
	char *sha = sample(number);
	struct err e = { 0 };
	int rc = functions_build_add(b, sha, "some/pro\ngram", d, m, &e);

	free(sha);
	json_decref(d);
	json_decref(m);
	return rc;
}

static json_t *functions_json(unsigned from, unsigned to)
{
	json_t *d = digests(from, to), *list = json_array(), *v;
	size_t i;

	json_array_foreach(d, i, v)
		json_array_append_new(list, json_pack("{sO}", "digest", v));
	json_array_append_new(list, json_pack("{ss}", "address", "1000"));
	json_decref(d);
	return list;
}

static const json_t *family(const json_t *known, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(known, "malware"), i, o)
		if (!strcmp(jsonio_str(o, "name"), name))
			return o;
	return NULL;
}

static void make(const char *good, const char *bad)
{
	struct functions_build *b;
	struct err e = { 0 };
	uint64_t n = 0;

	b = functions_build_new(NULL, false, "debian", &e);
	OK(b && add(b, 1, 0, 1000, 128) == 0 && add(b, 2, 500, 2000, 100) == 0, "goodware is taken in");
	OK(b && add(b, 1, 0, 1000, 128) == 1, "a program once");
	OK(b && functions_build_finish(b, good, &n, &e) == 0 && n == 2, "and written");
	b = functions_build_new(NULL, true, "worm", &e);
	OK(b && add(b, 3, 1990, 2100, 0) == 0 && functions_build_finish(b, bad, &n, &e) == 0, "malware is taken in");
	b = functions_build_new(bad, true, "bot", &e);
	OK(b && add(b, 4, 2050, 2200, 64) == 0 && add(b, 3, 0, 5, 0) == 1, "another family is added; a program that is there stays as it is");
	OK(b && functions_build_finish(b, bad, &n, &e) == 0 && n == 1, "and written behind the first");
	OK(!functions_build_new(NULL, true, "a\nb", &e) && e.code == EX_USAGE, "a family's name has no control characters");
	err_clear(&e);
	OK(!functions_build_new(NULL, true, "", &e) && e.code == EX_USAGE, "and is not empty");
}

static void ask(const char *good, const char *bad)
{
	struct err e = { 0 };
	struct functions *f[2] = { functions_open(good, &e), functions_open(bad, &e) };
	json_t *list = functions_json(1980, 2150), *m = minhash(0), *known, *info;

	if (!OK(f[0] && f[1], "both are opened"))
		return;
	known = functions_tell(f, 2, list, m);
	OK(jsonio_int(json_object_get(known, "goodware"), "functions", -1) == 20, "functions of goodware are counted");
	OK(jsonio_int(json_object_get(known, "goodware"), "of", -1) == 170, "of those that have a digest");
	OK(jsonio_int(family(known, "worm"), "functions", -1) == 100, "a family's functions, without those of goodware");
	OK(jsonio_int(family(known, "bot"), "functions", -1) == 100, "and another's");
	OK(jsonio_num(family(known, "worm"), "similarity", 0) > 0.999 && jsonio_num(family(known, "bot"), "similarity", 0) > 0.499 &&
		jsonio_num(family(known, "bot"), "similarity", 0) < 0.501, "similarity is the share of equal numbers");
	OK_STR(jsonio_str(json_array_get(json_object_get(known, "malware"), 0), "name"), "worm", "the likeliest family comes first");
	OK_STR(jsonio_str(json_array_get(list, 0), "known"), "goodware", "a function is marked");
	OK_STR(jsonio_str(json_array_get(list, 169), "known"), "malware", "as malware's too");
	OK(!jsonio_str(json_array_get(list, 170), "known"), "and one without digest is not");
	OK(functions_find(f[0], "0000000000000000") == FUNCTIONS_GOODWARE && !functions_find(f[1], "0000000000000000"), "an index is asked by digest");
	OK(!functions_find(f[0], "000000000000000") && !functions_find(f[0], NULL) && !functions_find(f[0], "000000000000000G"), "what is no digest is in none");
	info = functions_info(f[1]);
	OK(jsonio_int(info, "programs", 0) == 2 && json_array_size(json_object_get(info, "names")) == 2, "families are told");
	json_decref(info);
	json_decref(known);
	known = functions_tell(f, 2, json_object_get(known, "nothing"), NULL);
	OK(jsonio_int(json_object_get(known, "goodware"), "of", -1) == 0 && json_array_size(json_object_get(known, "malware")) == 0, "no functions, nothing known");
	json_decref(known);
	json_decref(list);
	json_decref(m);
	functions_close(f[0]);
	functions_close(f[1]);
}

/* A byte changed anywhere: refused, or the same as before (what no sum covers says nothing). */
static void damage(const char *good, const char *to)
{
	struct buf b = { 0 };
	struct err e = { 0 };
	size_t refused = 0, opened = 0;

	if (io_slurp_path(good, CAP_SLURP, &b, &e))
		return;
	for (size_t i = 0; i < b.len; i += i < 4096 ? 61 : 1013) {
		struct functions *f;

		b.p[i] ^= 0x41;
		if (atomic_write(to, 0600, b.p, b.len, &e))
			return;
		f = functions_open(to, &e);
		if (f && functions_find(f, "0000000000000000") == FUNCTIONS_GOODWARE)
			opened++;
		else if (!f)
			refused += e.code == EX_DATAERR;
		functions_close(f);
		err_clear(&e);
		b.p[i] ^= 0x41;
	}
	printf("# %zu refused, %zu as before\n", refused, opened);
	OK(refused > 10, "a damaged index is refused");
	OK(refused + opened == (4096 + 60) / 61 + (b.len - 4148 + 1012) / 1013, "and never believed");
	OK(!atomic_write(to, 0600, b.p, b.len / 2, &e) && !functions_open(to, &e) && e.code == EX_DATAERR, "one that is cut, too");
	buf_free(&b);
}

static void other_kind(const char *to)
{
	unsigned char digest[KNOWN_DIGEST] = { 1 };
	struct err e = { 0 };
	struct build *b = build_new(&e);
	uint32_t source;
	uint64_t n;

	if (!b || build_source(b, "list x", &source, &e) || build_add(b, digest, source, NULL, &e))
		return;
	build_from(b, KNOWN_FROM_LIST, 0);
	if (build_finish(b, to, &n, &e))
		return;
	OK(!functions_open(to, &e) && e.code == EX_DATAERR && strstr(e.msg, "of files"), "a whitelist of files is no index of functions");
	err_clear(&e);
	OK(!functions_build_new(to, false, "x", &e) && e.code == EX_DATAERR, "nor is it added to");
}

int main(void)
{
	struct err e = { 0 };
	char *good, *bad, *third;

	if (!mkdtemp(folder))
		return 1;
	good = buf_printf("%s/good", folder);
	bad = buf_printf("%s/bad", folder);
	third = buf_printf("%s/third", folder);
	make(good, bad);
	ask(good, bad);
	damage(good, third);
	other_kind(third);
	io_rmtree(-100, folder, &e);
	free(good);
	free(bad);
	free(third);
	return unit_end();
}
