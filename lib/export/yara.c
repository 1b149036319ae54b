/* YARA rules: one of each malicious or suspicious piece of code, and one of what it unpacked. */
#include "export/yara.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_STRINGS 3u     /* a rule of fewer would be one about a word */
#define LEAST_CODES 3u

static void rule_name(struct buf *b, const struct piece *p, const char *suffix)
{
	const char *base = piece_base(p);

	buf_adds(b, "muss_");
	for (size_t i = 0; base && base[i] && i < 40; i++)
		buf_addc(b, isalnum((unsigned char)base[i]) ? base[i] : '_');
	buf_addf(b, "%s%.12s%s", base ? "_" : "", p->sha256, suffix);
}

static void quoted(struct buf *b, const unsigned char *s, size_t n)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '"' || s[i] == '\\')
			buf_addf(b, "\\%c", s[i]);
		else if (s[i] >= 0x20 && s[i] < 0x7f)
			buf_addc(b, (char)s[i]);
		else
			buf_addf(b, "\\x%02x", s[i]);
	}
	buf_addc(b, '"');
}

static void add_meta(struct buf *b, const struct exporter *x, const struct piece *p, bool unpacked, bool proven)
{
	char day[CLOCK_RFC3339];

	clock_rfc3339(x->time, day);
	buf_addf(b, "\tmeta:\n\t\tdescription = \"made from one sample: expect it to miss other versions, and look at what else it matches\"\n"
		"\t\tauthor = \"muss %s\"\n\t\tdate = \"%.10s\"\n\t\tcase = \"%s\"\n\t\thash = \"%s\"\n\t\tsamples = 1\n\t\tverdict = \"%s\"\n",
		MUSS_VERSION, day, x->id, p->sha256, verdict_names[piece_verdict(p)]);
	buf_addf(b, "\t\tscope = \"%s\"\n\t\tproven = %s\n", unpacked ? "memory and unpacked code" : "the file", proven ? "true" : "false");
}

static void add_strings(struct buf *b, const struct yara_choice *c)
{
	buf_adds(b, "\tstrings:\n");
	for (size_t i = 0; i < c->strings; i++) {
		buf_addf(b, "\t\t$s%zu = ", i + 1);
		quoted(b, c->string[i].bytes.p, c->string[i].bytes.len);
		buf_adds(b, c->string[i].wide ? " wide\n" : "\n");
	}
	for (size_t i = 0; i < c->codes; i++) {
		const struct yara_code *code = &c->code[i];

		buf_addf(b, "\t\t// of the function at %llx\n\t\t$c%zu = {", (unsigned long long)code->address, i + 1);
		for (size_t k = 0; k < code->n; k++)
			if (code->fixed[k])
				buf_addf(b, " %02x", code->bytes[k]);
			else
				buf_adds(b, " ??");
		buf_adds(b, " }\n");
	}
}

/* The file's kind and about its size first: they are cheap. */
static void add_head(struct buf *b, const struct piece *p)
{
	const char *format = jsonio_str(p->stat, "format");
	json_int_t size = jsonio_int(p->about, "size", 0);

	if (format && !strncmp(format, "elf", 3))
		buf_adds(b, "uint32(0) == 0x464c457f and ");
	else if (format && !strncmp(format, "pe", 2))
		buf_adds(b, "uint16(0) == 0x5a4d and ");
	else if (format && !strcmp(format, "script"))
		buf_adds(b, "uint16(0) == 0x2123 and ");
	if (size > 0 && size < INT64_MAX / 4)
		buf_addf(b, "filesize < %lldKB and ", (long long)(size * 2 / 1024 + 4));
}

static void add_condition(struct buf *b, const struct piece *p, const struct yara_choice *c, bool unpacked)
{
	size_t most = c->strings * 2 / 3 > LEAST_STRINGS ? c->strings * 2 / 3 : LEAST_STRINGS, some = c->strings / 4 ? c->strings / 4 : 1;

	buf_adds(b, "\tcondition:\n\t\t");
	if (!unpacked)
		add_head(b, p);
	if (c->strings >= LEAST_STRINGS && c->codes >= LEAST_CODES)
		buf_addf(b, "(%zu of ($s*) or (%zu of ($c*) and %zu of ($s*)))", most, c->codes / 2 + 1, some);
	else if (c->strings >= LEAST_STRINGS)
		buf_addf(b, "%zu of ($s*)", most);
	else
		buf_adds(b, c->strings ? "all of them" : "all of ($c*)");
	buf_adds(b, "\n}\n");
}

static void write_rule(struct buf *b, const struct exporter *x, const struct piece *p, const struct yara_choice *c, bool unpacked, bool proven)
{
	buf_clear(b);
	buf_adds(b, "rule ");
	rule_name(b, p, unpacked ? "_unpacked" : "");
	buf_adds(b, "\n{\n");
	add_meta(b, x, p, unpacked, proven);
	add_strings(b, c);
	add_condition(b, p, c, unpacked);
}

static int add_rule(struct exporter *x, const struct piece *p, struct yara_choice *c, bool unpacked, struct err *e)
{
	const int *file = unpacked ? p->unpacked : &p->body;
	size_t files = unpacked ? p->unpackeds : p->body >= 0;
	struct buf rule = { 0 };
	int proven = 1;

	if (c->codes < LEAST_CODES)
		c->codes = 0;
	if (c->strings < LEAST_STRINGS && !c->codes) {
		fprintf(x->held, "// %.12s%s: no rule: nothing in it is distinctive\n\n", p->sha256, unpacked ? ", unpacked" : "");
		return 0;
	}
	write_rule(&rule, x, p, c, unpacked, files > 0);
	if (files)
		proven = yara_prove(buf_str(&rule), file, files, e);
	if (proven > 0) {
		fprintf(x->held, "%s\n", buf_str(&rule));
		x->written++;
	} else if (proven == 0) {
		fprintf(x->held, "// %.12s%s: no rule: what was chosen does not match it\n\n", p->sha256, unpacked ? ", unpacked" : "");
	}
	buf_free(&rule);
	return proven < 0 ? -1 : 0;
}

static int yara_piece(struct exporter *x, const struct piece *p, struct err *e)
{
	const json_t *decoded = json_object_get(json_object_get(p->stat, "unpack"), "strings"), *unpacked = json_object_get(p->stat, "unpacked");
	struct yara_choice c = { 0 };
	int rc;

	if (piece_verdict(p) != MALICIOUS && piece_verdict(p) != SUSPICIOUS)
		return 0;
	yara_choose_strings(&c, json_object_get(p->stat, "strings"), p->stat);
	yara_choose_code(&c, p->stat, p->body);
	rc = add_rule(x, p, &c, false, e);
	yara_choice_free(&c);
	if (rc || (!json_array_size(decoded) && !json_array_size(json_object_get(unpacked, "strings"))))
		return rc;
	yara_choose_strings(&c, decoded, p->stat);
	yara_choose_strings(&c, json_object_get(unpacked, "strings"), unpacked);
	rc = add_rule(x, p, &c, true, e);
	yara_choice_free(&c);
	return rc;
}

static int yara_begin(struct exporter *x, FILE *out, struct err *e)
{
	(void)e;
	fprintf(out, "/*\n * Rules of case %s, by muss %s. Each was made from one sample; where proven is true it was compiled and matched that sample.\n */\n\n",
		x->id, MUSS_VERSION);
	return 0;
}

static int yara_end(struct exporter *x, FILE *out, struct err *e)
{
	(void)x;
	(void)out;
	(void)e;
	return 0;
}

const struct export_writer export_yara = { "yara", "yar", false, true, yara_piece, yara_begin, yara_end };
