#include "export/yara.h"

#include <ctype.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHORTEST 6u
#define LONGEST 96u
#define FUNCTIONS 4000u      /* looked at */
#define SKIPPED 12u          /* bytes at a function's head: the prologue is everybody's */
#define DISTINCT 14u         /* different fixed bytes that a window has at least */

/* ---- strings ---- */

/* What compilers, linkers and C libraries put into everything. */
static bool is_everybodys(const char *s)
{
	static const char *const begins[] = { ".", "_", "GCC: ", "GLIBC", "Linker: ", "clang version", "Debian clang", "/lib/ld-", "/lib64/ld-", "/usr/lib/", "lib",
		"crtstuff", "deregister_tm", "register_tm", "frame_dummy", "completed.", "ELF", "/build/", "/usr/src/", "!This program", "KERNEL32", "USER32", "ADVAPI32", "msvcrt", "MSVCRT" };
	size_t n = strlen(s);

	for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
		if (!strncmp(s, begins[i], strlen(begins[i])) && !(begins[i][0] == '.' && s[1] == '/'))
			return true;
	return (n > 2 && !strcmp(s + n - 2, ".c")) || (n > 3 && !strcmp(s + n - 3, ".so")) || strstr(s, ".so.") || strstr(s, "@GLIBC");
}

static void note(json_t *set, const json_t *list, const char *key)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		const char *s = key ? jsonio_str(o, key) : json_string_value(o);

		if (s && strlen(s) < 400)
			json_object_set_new(set, s, json_true());
	}
}

/* Names of the format's own tables. */
static json_t *names_of(const json_t *stat)
{
	const json_t *elf = json_object_get(stat, "elf"), *pe = json_object_get(stat, "pe"), *o;
	json_t *set = json_object();
	size_t i;

	note(set, json_object_get(elf, "imports"), NULL);
	note(set, json_object_get(elf, "needed"), NULL);
	note(set, json_object_get(elf, "sections"), "name");
	note(set, json_object_get(pe, "sections"), "name");
	note(set, json_object_get(pe, "imports"), NULL);
	json_array_foreach(json_object_get(pe, "imports"), i, o) {
		note(set, json_object_get(o, "functions"), NULL);
		note(set, json_object_get(o, "functions"), "name");
		note(set, json_object_get(o, "names"), NULL);
	}
	return set;
}

static int score_of(const struct buf *s)
{
	bool seen[256] = { false };
	int distinct = 0, letters = 0, score;

	for (size_t i = 0; i < s->len; i++) {
		distinct += !seen[s->p[i]];
		seen[s->p[i]] = true;
		letters += isalpha(s->p[i]) != 0;
	}
	if (distinct < 5 || letters * 2 < (int)s->len)
		return 0;
	score = distinct + (int)(s->len < 40 ? s->len : 40);
	score += 14 * (memmem(s->p, s->len, "://", 3) != NULL) + 8 * (memchr(s->p, '/', s->len) != NULL) + 4 * (memchr(s->p, '%', s->len) != NULL);
	score += 5 * (memchr(s->p, ' ', s->len) != NULL);
	return score;
}

static bool is_part_of_another(const struct yara_choice *c, const struct buf *s)
{
	for (size_t i = 0; i < c->strings; i++)
		if (memmem(c->string[i].bytes.p, c->string[i].bytes.len, s->p, s->len))
			return true;
	return false;
}

/* Takes the bytes. The list is kept by falling score, of equals the first. */
static void offer(struct yara_choice *c, struct buf *s, bool wide, int score)
{
	size_t at = c->strings;

	if (c->strings == YARA_STRINGS && score <= c->string[at - 1].score) {
		buf_free(s);
		return;
	}
	if (c->strings == YARA_STRINGS)
		buf_free(&c->string[--at].bytes);
	else
		c->strings++;
	for (; at && c->string[at - 1].score < score; at--)
		c->string[at] = c->string[at - 1];
	c->string[at] = (struct yara_string){ *s, wide, score };
}

void yara_choose_strings(struct yara_choice *c, const json_t *list, const json_t *stat)
{
	json_t *names = names_of(stat);
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		const char *text = json_is_string(o) ? json_string_value(o) : jsonio_str(o, "text");
		struct buf s = { 0 };
		int score;

		if (!text || strlen(text) < SHORTEST || is_everybodys(text) || json_object_get(names, text) || jsonio_tobytes(text, &s))
			continue;
		if (s.len > LONGEST)
			s.p[s.len = LONGEST] = '\0';
		score = score_of(&s);
		if (score && !is_part_of_another(c, &s))
			offer(c, &s, jsonio_str(o, "encoding") != NULL, score);
		else
			buf_free(&s);
	}
	json_decref(names);
}

void yara_choice_free(struct yara_choice *c)
{
	for (size_t i = 0; i < c->strings; i++)
		buf_free(&c->string[i].bytes);
	*c = (struct yara_choice){ 0 };
}

/* ---- code ---- */

static bool hex(const json_t *v, uint64_t *out)
{
	const char *s = json_string_value(v);

	if (json_is_integer(v) && json_integer_value(v) >= 0) {
		*out = (uint64_t)json_integer_value(v);
		return true;
	}
	if (!s || !*s || strspn(s, "0123456789abcdefx") != strlen(s))
		return false;
	*out = strtoull(s, NULL, 16);
	return true;
}

/* Where an address stands in the file, by a PE file's sections. */
static bool in_section(const json_t *stat, uint64_t address, uint64_t *offset)
{
	const json_t *s;
	uint64_t at;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(stat, "pe"), "sections"), i, s) {
		json_int_t size = jsonio_int(s, "size", 0), from = jsonio_int(s, "offset", -1);

		if (size <= 0 || from < 0 || !hex(json_object_get(s, "addr"), &at) || address < at || address - at >= (uint64_t)size)
			continue;
		*offset = (uint64_t)from + (address - at);
		return true;
	}
	return false;
}

/* The same by an ELF file's loadable segments. */
static bool in_file(const json_t *stat, uint64_t address, uint64_t *offset)
{
	const json_t *s;
	uint64_t at;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(stat, "elf"), "segments"), i, s) {
		json_int_t size = jsonio_int(s, "filesize", 0), from = jsonio_int(s, "offset", -1);

		if (jsonio_int(s, "type", 0) != PT_LOAD || size <= 0 || from < 0 || !hex(json_object_get(s, "addr"), &at) || address < at || address - at >= (uint64_t)size)
			continue;
		*offset = (uint64_t)from + (address - at);
		return true;
	}
	return in_section(stat, address, offset);
}

/* x86: distances of calls and jumps, and addresses relative to the next instruction, are the linker's. Whatever only looks like one is
 * left open as well: the rule says less then, never something wrong. */
static void leave_open(struct yara_code *c)
{
	for (size_t i = 0; i < c->n; i++)
		c->fixed[i] = true;
	for (size_t i = 0; i + 1 < c->n; i++) {
		size_t from = 0;

		if (c->bytes[i] == 0xe8 || c->bytes[i] == 0xe9)
			from = i + 1;
		else if (c->bytes[i] == 0x0f && (c->bytes[i + 1] & 0xf0) == 0x80)
			from = i + 2;
		else if ((c->bytes[i] == 0x8b || c->bytes[i] == 0x8d || c->bytes[i] == 0x89 || c->bytes[i] == 0x3b || c->bytes[i] == 0x39 ||
		          c->bytes[i] == 0x80 || c->bytes[i] == 0x83 || c->bytes[i] == 0xff || c->bytes[i] == 0xc7 || c->bytes[i] == 0xc6) && (c->bytes[i + 1] & 0xc7) == 0x05)
			from = i + 2;
		if (!from)
			continue;
		for (size_t k = from; k < from + 4 && k < c->n; k++)
			c->fixed[k] = false;
		i = from + 3;
	}
	while (c->n && !c->fixed[c->n - 1])
		c->n--;
}

static bool says_enough(const struct yara_code *c)
{
	bool seen[256] = { false };
	size_t distinct = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (!c->fixed[i] || seen[c->bytes[i]])
			continue;
		seen[c->bytes[i]] = true;
		distinct++;
	}
	return distinct >= DISTINCT;
}

static json_int_t worth(const json_t *f)
{
	const char *name = jsonio_str(f, "name");
	json_int_t size = jsonio_int(f, "size", 0);

	if (jsonio_str(f, "known") && !strcmp(jsonio_str(f, "known"), "goodware"))
		return 0;
	/* Names that begin so are the C library's start-up code; very long functions are tables of an interpreter or unrolled. */
	if ((name && is_everybodys(name)) || size < (json_int_t)(SKIPPED + YARA_WINDOW) || size > 16384)
		return 0;
	return jsonio_int(f, "instructions", 0);
}

void yara_choose_code(struct yara_choice *c, const json_t *stat, int body)
{
	const json_t *list = json_object_get(stat, "functions"), *f;
	const char *format = jsonio_str(stat, "format");
	json_int_t last = INT64_MAX;
	size_t i;

	if (body < 0 || !format || (!strstr(format, "x86-64") && !strstr(format, "i386")))
		return;
	/* By falling worth; of equals one is enough. */
	for (size_t tries = 0; tries < 4 * YARA_CODES && c->codes < YARA_CODES; tries++) {
		struct yara_code *code = &c->code[c->codes];
		const json_t *best = NULL;
		uint64_t offset;
		ssize_t n;

		json_array_foreach(list, i, f)
			if (i < FUNCTIONS && worth(f) > (best ? worth(best) : 0) && worth(f) < last)
				best = f;
		if (!best)
			return;
		last = worth(best);
		if (!hex(json_object_get(best, "address"), &code->address) || !in_file(stat, code->address + SKIPPED, &offset) || offset > INT64_MAX)
			continue;
		n = pread(body, code->bytes, sizeof code->bytes, (off_t)offset);
		if (n != (ssize_t)sizeof code->bytes)
			continue;
		code->n = (size_t)n;
		leave_open(code);
		c->codes += says_enough(code);
	}
}
