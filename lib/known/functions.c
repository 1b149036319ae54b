/*
 * functions: an index of code. It is a whitelist index (known-format.h) whose keys are not the SHA-256 of files but of the lines
 * "function DIGEST", "sample SHA256" and "program NUMBER", each complemented as pages_key() does, so that no file can be taken
 * for one of them. Its sources are "goodware NAME" and "malware NAME". The name of a program's entry is the SHA-256 of the file, its
 * MinHash in hexadecimal, and what it is called, with blanks between.
 */
#include "known/build.h"

#include <stdlib.h>
#include <string.h>

#define CAP_PROGRAMS 1000000u     /* half a kilobyte each */
#define HEX_MINHASH ((size_t)FUNCTIONS_MINHASH * 8)
#define CAP_CALLED 200u

static const char goodware[] = "goodware ", malware[] = "malware ";

struct program { char sha256[DIGEST_HEX]; uint32_t set; bool has_minhash; uint32_t minhash[FUNCTIONS_MINHASH]; };
struct functions { struct index *x; struct program *program; size_t programs; };

static void key_of(const char *kind, const char *what, unsigned char key[KNOWN_DIGEST])
{
	char line[128], hex[DIGEST_HEX];
	int n = snprintf(line, sizeof line, "%s %s", kind, what);

	digest_bytes(line, n > 0 && (size_t)n < sizeof line ? (size_t)n : 0, hex);
	digest_unhex(hex, key, KNOWN_DIGEST);
	pages_key(key);
}

static void program_key(size_t number, unsigned char key[KNOWN_DIGEST])
{
	char text[32];

	snprintf(text, sizeof text, "%zu", number);
	key_of("program", text, key);
}

static bool is_digest(const char *s)
{
	return s && strlen(s) == 16 && strspn(s, "0123456789abcdef") == 16;
}

/* ---- reading ---- */

static bool parse_program(const char *name, struct program *p)
{
	if (strnlen(name, DIGEST_HEX) < DIGEST_HEX - 1 || name[DIGEST_HEX - 1] != ' ')
		return false;
	memcpy(p->sha256, name, DIGEST_HEX - 1);
	p->sha256[DIGEST_HEX - 1] = '\0';
	if (!digest_ok(p->sha256))
		return false;
	name += DIGEST_HEX;
	if (name[0] == '-' && name[1] == ' ')
		return true;
	if (strnlen(name, HEX_MINHASH + 1) < HEX_MINHASH + 1 || name[HEX_MINHASH] != ' ')
		return false;
	for (size_t k = 0; k < FUNCTIONS_MINHASH; k++) {
		unsigned char four[4];
		char digits[9];

		memcpy(digits, name + 8 * k, 8);
		digits[8] = '\0';
		if (digest_unhex(digits, four, sizeof four))
			return false;
		p->minhash[k] = (uint32_t)four[0] << 24 | (uint32_t)four[1] << 16 | (uint32_t)four[2] << 8 | four[3];
	}
	p->has_minhash = true;
	return true;
}

static int read_programs(struct functions *f, struct err *e)
{
	for (size_t i = 0; i < CAP_PROGRAMS; i++) {
		unsigned char key[KNOWN_DIGEST];
		struct index_hit hit;
		struct program *p;

		program_key(i, key);
		if (!index_find(f->x, key, &hit))
			return 0;
		if (f->programs % 256 == 0)
			f->program = buf_realloc(f->program, f->programs + 256, sizeof *f->program);
		p = &f->program[f->programs];
		*p = (struct program){ .set = hit.number };
		if (!hit.name || !parse_program(hit.name, p))
			return err_set(e, EX_DATAERR, "program %zu of the index is malformed", i);
		f->programs++;
	}
	return 0;
}

struct functions *functions_open(const char *path, struct err *e)
{
	struct functions *f = buf_alloc(sizeof *f);

	f->x = index_open(path, e);
	if (!f->x)
		goto fail;
	if (!(index_from(f->x) & KNOWN_FROM_FUNCTIONS)) {
		err_set(e, EX_DATAERR, "%s is an index of files, not of functions", err_q(path));
		goto fail;
	}
	if (read_programs(f, e)) {
		err_wrap(e, "%s", err_q(path));
		goto fail;
	}
	return f;
fail:
	functions_close(f);
	return NULL;
}

void functions_close(struct functions *f)
{
	if (!f)
		return;
	index_close(f->x);
	free(f->program);
	free(f);
}

static bool find(const struct functions *f, const char *digest, struct index_hit *hit)
{
	unsigned char key[KNOWN_DIGEST];

	if (!is_digest(digest))
		return false;
	key_of("function", digest, key);
	return index_find(f->x, key, hit);
}

static unsigned kinds_of(const char *set)
{
	const char *name;
	unsigned kinds = 0;
	size_t len;

	while (source_next(&set, &name, &len)) {
		if (len >= sizeof goodware && !memcmp(name, goodware, sizeof goodware - 1))
			kinds |= FUNCTIONS_GOODWARE;
		if (len >= sizeof malware && !memcmp(name, malware, sizeof malware - 1))
			kinds |= FUNCTIONS_MALWARE;
	}
	return kinds;
}

unsigned functions_find(const struct functions *f, const char *digest)
{
	struct index_hit hit;

	return find(f, digest, &hit) ? kinds_of(hit.source) : 0;
}

/* ---- what is told of a program ---- */

/* Of a family: functions of it; the best estimate of similarity. */
static json_t *family(json_t *families, const char *name, size_t len)
{
	json_t *key = jsonio_bytes(name, len), *o = json_object_get(families, json_string_value(key));

	if (!o) {
		o = json_object();
		json_object_set(o, "name", key);
		json_object_set_new(o, "functions", json_integer(0));
		json_object_set_new(o, "similarity", json_real(0));
		json_object_set_new(families, json_string_value(key), o);
	}
	json_decref(key);
	return o;
}

/* Each malware family of a set of sources. */
static json_t *next_family(json_t *families, const char **set)
{
	const char *name;
	size_t len;

	while (source_next(set, &name, &len))
		if (len >= sizeof malware && !memcmp(name, malware, sizeof malware - 1))
			return family(families, name + sizeof malware - 1, len - (sizeof malware - 1));
	return NULL;
}

static void tell_function(struct functions *const *f, size_t n, json_t *function, json_t *families, json_int_t *good)
{
	const char *digest = jsonio_str(function, "digest"), *set;
	struct index_hit hit;
	unsigned kinds = 0;
	json_t *o;

	for (size_t i = 0; i < n; i++)
		kinds |= functions_find(f[i], digest);
	if (kinds & FUNCTIONS_GOODWARE)
		++*good;
	if (kinds)
		json_object_set_new(function, "known", json_string(kinds & FUNCTIONS_GOODWARE ? "goodware" : "malware"));
	if (kinds != FUNCTIONS_MALWARE)
		return;
	for (size_t i = 0; i < n; i++) {
		if (!find(f[i], digest, &hit))
			continue;
		for (set = hit.source; (o = next_family(families, &set));)
			json_object_set_new(o, "functions", json_integer(jsonio_int(o, "functions", 0) + 1));
	}
}

static bool minhash_of(const json_t *list, uint32_t out[FUNCTIONS_MINHASH])
{
	if (json_array_size(list) != FUNCTIONS_MINHASH)
		return false;
	for (size_t k = 0; k < FUNCTIONS_MINHASH; k++) {
		const json_t *v = json_array_get(list, k);

		if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX)
			return false;
		out[k] = (uint32_t)json_integer_value(v);
	}
	return true;
}

/* The share of equal numbers estimates the share of common code (Broder 1997). */
static double similarity(const struct program *p, const uint32_t minhash[FUNCTIONS_MINHASH])
{
	unsigned same = 0;

	for (size_t k = 0; p->has_minhash && k < FUNCTIONS_MINHASH; k++)
		same += p->minhash[k] == minhash[k];
	return (double)same / FUNCTIONS_MINHASH;
}

static void tell_similar(const struct functions *f, const uint32_t minhash[FUNCTIONS_MINHASH], json_t *families)
{
	for (size_t i = 0; i < f->programs; i++) {
		const char *set = index_source(f->x, f->program[i].set);
		double s = similarity(&f->program[i], minhash);
		json_t *o;

		while (s > 0 && (o = next_family(families, &set)))
			if (s > jsonio_num(o, "similarity", 0))
				json_object_set_new(o, "similarity", json_real(s));
	}
}

struct share { json_t *family; };

/* Most functions first, then the most similar, then by name. */
static int by_share(const void *a, const void *b)
{
	const json_t *x = ((const struct share *)a)->family, *y = ((const struct share *)b)->family;
	json_int_t f = jsonio_int(x, "functions", 0), g = jsonio_int(y, "functions", 0);
	double s = jsonio_num(x, "similarity", 0), t = jsonio_num(y, "similarity", 0);

	if (f != g)
		return f > g ? -1 : 1;
	if (s < t || s > t)
		return s > t ? -1 : 1;
	return strcmp(jsonio_str(x, "name"), jsonio_str(y, "name"));
}

#define FAMILIES 32u             /* told */
#define LEAST_SIMILAR 0.1        /* below, with no function in common, it is what all programs have in common */

static json_t *families_json(const json_t *families)
{
	size_t n = json_object_size(families), kept = 0;
	struct share *o = buf_alloc((n + 1) * sizeof *o);
	json_t *list = json_array(), *v;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)families, key, v)
		if (jsonio_int(v, "functions", 0) > 0 || jsonio_num(v, "similarity", 0) >= LEAST_SIMILAR)
			o[kept++].family = v;
	if (kept)
		qsort(o, kept, sizeof *o, by_share);
	for (size_t i = 0; i < kept && i < FAMILIES; i++)
		json_array_append(list, o[i].family);
	free(o);
	return list;
}

json_t *functions_tell(struct functions *const *f, size_t n, json_t *functions, const json_t *minhash)
{
	json_t *families = json_object(), *o = json_object(), *good = json_object(), *function;
	uint32_t mine[FUNCTIONS_MINHASH];
	json_int_t of = 0, known = 0;
	size_t i;

	json_array_foreach(functions, i, function) {
		if (!is_digest(jsonio_str(function, "digest")))
			continue;
		of++;
		tell_function(f, n, function, families, &known);
	}
	for (i = 0; i < n && minhash_of(minhash, mine); i++)
		tell_similar(f[i], mine, families);
	json_object_set_new(good, "functions", json_integer(known));
	json_object_set_new(good, "of", json_integer(of));
	json_object_set_new(o, "goodware", good);
	json_object_set_new(o, "malware", families_json(families));
	json_decref(families);
	return o;
}

json_t *functions_info(const struct functions *f)
{
	json_t *o = index_info(f->x), *names = json_array(), *count = json_object(), *v;
	const char *key;

	for (size_t i = 0; i < f->programs; i++) {
		const char *set = index_source(f->x, f->program[i].set), *name;
		size_t len;

		while (source_next(&set, &name, &len)) {
			json_t *k = jsonio_bytes(name, len);

			json_object_set_new(count, json_string_value(k), json_integer(jsonio_int(count, json_string_value(k), 0) + 1));
			json_decref(k);
		}
	}
	json_object_foreach(count, key, v) {
		const char *blank = strchr(key, ' ');
		json_t *one = json_object();

		json_object_set_new(one, "kind", json_stringn(key, blank ? (size_t)(blank - key) : 0));
		json_object_set_new(one, "name", json_string(blank ? blank + 1 : key));
		json_object_set(one, "programs", v);
		json_array_append_new(names, one);
	}
	json_object_set_new(o, "programs", json_integer((json_int_t)f->programs));
	json_object_set_new(o, "names", names);
	json_decref(count);
	return o;
}

/* ---- building ---- */

struct functions_build {
	struct build *b;
	uint32_t source;
	json_t *samples;               /* those of this build */
	size_t first, programs;        /* programs that the index had, and has */
};

static bool fit_name(const char *s)
{
	for (const char *c = s; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	return *s && strlen(s) <= CAP_CALLED;
}

struct functions_build *functions_build_new(const char *extend, bool is_malware, const char *name, struct err *e)
{
	struct functions_build *b = buf_alloc(sizeof *b);
	unsigned char key[KNOWN_DIGEST];
	char *source = NULL;

	b->samples = json_object();
	if (!fit_name(name)) {
		err_set(e, EX_USAGE, "%s is no name for an index of functions", err_q(name));
		goto fail;
	}
	b->b = build_new(e);
	if (!b->b || (extend && build_extend(b->b, extend, e)))
		goto fail;
	if (extend && !(index_from(b->b->extended) & KNOWN_FROM_FUNCTIONS)) {
		err_set(e, EX_DATAERR, "%s is an index of files, not of functions", err_q(extend));
		goto fail;
	}
	for (; extend && b->first < CAP_PROGRAMS; b->first++) {
		program_key(b->first, key);
		if (!index_find(b->b->extended, key, NULL))
			break;
	}
	b->programs = b->first;
	source = buf_printf("%s%s", is_malware ? malware : goodware, name);
	if (build_source(b->b, source, &b->source, e))
		goto fail;
	build_from(b->b, KNOWN_FROM_FUNCTIONS, 0);
	free(source);
	return b;
fail:
	free(source);
	functions_build_abort(b);
	return NULL;
}

static int add_program(struct functions_build *b, const char *sha256, const char *called, const json_t *minhash, struct err *e)
{
	unsigned char key[KNOWN_DIGEST];
	uint32_t mine[FUNCTIONS_MINHASH];
	struct buf name = { 0 };
	int rc;

	buf_addf(&name, "%s ", sha256);
	if (minhash_of(minhash, mine))
		for (size_t k = 0; k < FUNCTIONS_MINHASH; k++)
			buf_addf(&name, "%08x", mine[k]);
	else
		buf_addc(&name, '-');
	buf_addc(&name, ' ');
	for (size_t k = 0; k < CAP_CALLED && called[k]; k++)
		buf_addc(&name, (unsigned char)called[k] < 0x20 ? '?' : called[k]);
	program_key(b->programs, key);
	rc = build_add(b->b, key, b->source, buf_str(&name), e);
	buf_free(&name);
	b->programs++;
	return rc;
}

int functions_build_add(struct functions_build *b, const char *sha256, const char *called, const json_t *digests, const json_t *minhash,
                        struct err *e)
{
	unsigned char key[KNOWN_DIGEST];
	const json_t *v;
	size_t i;

	if (!digest_ok(sha256))
		return err_set(e, EX_DATAERR, "%s is no SHA-256", err_q(sha256));
	key_of("sample", sha256, key);
	if (json_object_get(b->samples, sha256) || (b->b->extended && index_find(b->b->extended, key, NULL)))
		return 1;
	if (b->programs >= CAP_PROGRAMS)
		return err_set(e, EX_DATAERR, "an index of functions holds no more than %u programs", CAP_PROGRAMS);
	json_object_set_new(b->samples, sha256, json_true());
	if (build_add(b->b, key, b->source, NULL, e))
		return -1;
	json_array_foreach(digests, i, v) {
		if (!is_digest(json_string_value(v)))
			continue;
		key_of("function", json_string_value(v), key);
		if (build_add(b->b, key, b->source, NULL, e))
			return -1;
	}
	return add_program(b, sha256, called, minhash, e);
}

int functions_build_finish(struct functions_build *b, const char *path, uint64_t *programs, struct err *e)
{
	struct build *inner = b->b;
	uint64_t digests;

	*programs = b->programs - b->first;
	b->b = NULL;
	functions_build_abort(b);
	return build_finish(inner, path, &digests, e);
}

void functions_build_abort(struct functions_build *b)
{
	if (!b)
		return;
	build_abort(b->b);
	json_decref(b->samples);
	free(b);
}
