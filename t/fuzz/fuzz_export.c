/*
 * What an analysis says, in every format of an export: JSON with the keys about, static, dynamic, verdict.
 * rooms: export confine casefile base
 * Nothing crashes; STIX and MISP come out as JSON; the page's tags are closed in their order, it brings no script and no byte that a browser
 * obeys; a rule's text has no quote or comment that ends early, as far as lines tell.
 */
#include "export/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEEP 64
#define NAME 32

/* Well-formed XML in the little that the page uses of it. */
static void check_page(const char *p)
{
	char open[DEEP][NAME];
	size_t depth = 0;

	if (strstr(p, "<script") || !strstr(p, "default-src 'none'"))
		abort();
	for (; *p; p++) {
		bool closing, empty;
		size_t n = 0;

		if ((unsigned char)*p < 0x20 && *p != '\n')
			abort();
		if (*p != '<' || p[1] == '!')
			continue;
		closing = p[1] == '/';
		p += 1 + closing;
		while (isalnum((unsigned char)p[n]) || p[n] == '-')
			n++;
		if (!n || n >= NAME)
			abort();
		if (!closing) {
			if (depth == DEEP)
				abort();
			snprintf(open[depth++], NAME, "%.*s", (int)n, p);
		} else if (!depth || strncmp(open[depth - 1], p, n) || open[depth - 1][n]) {
			abort();
		}
		for (bool quoted = false; *p && (quoted || *p != '>'); p++) {
			if (*p == '<')
				abort();
			quoted ^= *p == '"';
		}
		empty = p[-1] == '/';
		if (!*p)
			abort();
		depth -= closing || empty;
	}
	if (depth)
		abort();
}

static void check_json(const char *p)
{
	struct err e = { 0 };
	json_t *j = jsonio_parse(p, strlen(p), "what was exported", &e);

	if (!j)
		abort();
	json_decref(j);
}

/* Outside of comments and quotes a rule is letters, digits and a few signs. */
static void check_rules(const char *p)
{
	for (bool quoted = false; *p; p++) {
		if ((unsigned char)*p >= 0x7f || ((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t'))
			abort();
		if (quoted && *p == '\\')
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (quoted && *p == '\n')
			abort();
	}
}

static FILE *held(void)
{
	FILE *f = tmpfile();

	if (!f)
		abort();
	return f;
}

static void copy(FILE *from, FILE *to)
{
	char chunk[8192];
	size_t n;

	rewind(from);
	while ((n = fread(chunk, 1, sizeof chunk, from)) > 0)
		fwrite(chunk, 1, n, to);
	fclose(from);
}

static void export(const struct export_writer *w, json_t *all, json_t *attack, void (*check)(const char *))
{
	struct piece p = { .about = json_object_get(all, "about"), .stat = json_object_get(all, "static"), .dynamic = json_object_get(all, "dynamic"),
		.verdict = json_object_get(all, "verdict"), .body = -1 };
	struct exporter x = { .w = w, .head = json_object_get(all, "head"), .id = "0123456789abcdef0123456789abcdef", .time = 1, .attack = attack, .seen = json_object() };
	struct err e = { 0 };
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	memset(p.sha256, 'a', 64);
	buf_adds(&p.disasm, jsonio_str(all, "disasm") ? jsonio_str(all, "disasm") : "");
	x.held = held();
	for (size_t i = 0; i < LATER; i++)
		x.later[i] = held();
	x.count[piece_verdict(&p)]++;
	if (!out || w->piece(&x, &p, &e) || w->begin(&x, out, &e))
		abort();
	copy(x.held, out);
	for (size_t i = 0; i < LATER; i++)
		copy(x.later[i], out);
	if (w->end(&x, out, &e) || fclose(out))
		abort();
	check(text);
	free(text);
	json_decref(x.seen);
	buf_free(&p.disasm);
	for (size_t i = 0; i < 4; i++)
		buf_free(&x.rows[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static json_t *attack;
	struct err e = { 0 };
	json_t *all = jsonio_parse(data, size, "input", &e);

	if (!attack)
		attack = attack_load(&e);
	if (!attack)
		abort();
	if (!all)
		return 0;
	export(&export_stix, all, attack, check_json);
	export(&export_misp, all, attack, check_json);
	export(&export_yara, all, attack, check_rules);
	export(&export_html, all, attack, check_page);
	json_decref(all);
	return 0;
}
