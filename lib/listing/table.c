#include "listing/internal.h"

#include <string.h>

#define PIDS_SHOWN 3
#define SIGNS_SHOWN 3
#define LIST_SHOWN 24
#define NAME_MOST 40        /* the longest of a rule has 30 letters */

/* A name out of JSON, fit for a terminal: quoted only where something had to be escaped. */
static void add_name(struct buf *out, const char *json)
{
	struct buf raw = { 0 };
	const char *q;

	if (!json || jsonio_tobytes(json, &raw)) {
		buf_clear(&raw);
		buf_adds(&raw, "-");
	}
	q = err_qn(raw.p ? raw.p : (const unsigned char *)"", raw.len);
	if (raw.len && strlen(q) == raw.len + 2)
		buf_add(out, q + 1, raw.len);
	else
		buf_adds(out, q);
	buf_free(&raw);
}

/* Words of ours have these letters only. */
static const char *word(const char *s, size_t most)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	if (!s)
		return "-";
	return *s && strlen(s) <= most && strspn(s, letters) == strlen(s) ? s : "?";
}

static const char *colour_of(const char *verdict)
{
	if (!verdict)
		return "";
	return !strcmp(verdict, "malicious") ? "\033[31m" : !strcmp(verdict, "suspicious") ? "\033[33m" :
		!strcmp(verdict, "good") ? "\033[32m" : "";
}

static void add_pids(const json_t *pids, struct buf *out)
{
	struct buf cell = { 0 };
	size_t i;

	for (i = 0; i < json_array_size(pids) && i < PIDS_SHOWN; i++)
		buf_addf(&cell, "%s%lld", i ? "," : "", (long long)json_integer_value(json_array_get(pids, i)));
	if (json_array_size(pids) > PIDS_SHOWN)
		buf_addf(&cell, ",+%zu", json_array_size(pids) - PIDS_SHOWN);
	buf_addf(out, "%-16s  ", cell.len ? buf_str(&cell) : "-");
	buf_free(&cell);
}

/* The heaviest signs that the score is made of, by name. */
static void add_reasons(const json_t *why, struct buf *out)
{
	struct buf cell = { 0 };
	size_t i, counting = 0;
	const json_t *o;

	json_array_foreach(why, i, o) {
		if (!jsonio_bool(o, "counts", false) || jsonio_num(o, "weight", 0) <= 0)
			continue;
		if (counting++ < SIGNS_SHOWN)
			buf_addf(&cell, "%s%s", cell.len ? " " : "", word(jsonio_str(o, "sign"), NAME_MOST));
	}
	if (counting > SIGNS_SHOWN)
		buf_addf(&cell, " +%zu", counting - SIGNS_SHOWN);
	buf_addf(out, "%-40s  ", cell.len ? buf_str(&cell) : "-");
	buf_free(&cell);
}

static void add_detail(const json_t *o, struct buf *out)
{
	const char *meaning = jsonio_str(o, "meaning"), *reason = jsonio_str(o, "reason");
	bool counts = jsonio_bool(o, "counts", false);

	buf_addf(out, "        %c%5.1f%c %-22s ", counts ? ' ' : '(', jsonio_num(o, "weight", 0), counts ? ' ' : ')',
	         word(jsonio_str(o, "sign"), NAME_MOST));
	if (meaning)
		buf_adds(out, meaning);
	else
		buf_addf(out, "(%s)", word(jsonio_str(o, "source"), NAME_MOST));
	if (reason && *reason) {
		buf_adds(out, meaning ? "\n                                        " : " ");
		add_name(out, reason);
	}
	buf_addc(out, '\n');
}

static void add_list(const char *title, const json_t *names, struct buf *out)
{
	const json_t *o;
	size_t i;

	json_array_foreach(names, i, o) {
		if (i >= LIST_SHOWN)
			break;
		buf_addf(out, "%s", i ? ", " : title);
		add_name(out, json_string_value(o));
	}
	if (json_array_size(names) > LIST_SHOWN)
		buf_addf(out, " +%zu", json_array_size(names) - LIST_SHOWN);
	if (json_array_size(names))
		buf_addc(out, '\n');
}

static void add_traits(const json_t *code, struct buf *out)
{
	add_list("        made by: ", json_object_get(code, "identified"), out);
	add_list("        can: ", json_object_get(code, "capabilities"), out);
	add_list("        talked to: ", json_object_get(code, "contacted"), out);
	add_list("        scanned: ", json_object_get(code, "scanned"), out);
	if (json_is_number(json_object_get(code, "waited")))
		buf_addf(out, "        waited: %.0f s\n", jsonio_num(code, "waited", 0));
	if (jsonio_str(code, "tlsh"))
		buf_addf(out, "        TLSH: %s\n", word(jsonio_str(code, "tlsh"), 72));
}

void table_head(FILE *f)
{
	fprintf(f, "%7s  %-8s %-10s  %-12s  %-16s  %-40s  %s\n", "SCORE", "KIND", "VERDICT", "SHA256", "PIDS", "WHY", "PATH");
}

void table_row(const json_t *code, const struct listing_options *o, struct buf *out)
{
	const json_t *paths = json_object_get(code, "paths"), *why = json_object_get(code, "why"), *sign;
	const char *verdict = jsonio_str(code, "verdict"), *colour = o->colour ? colour_of(verdict) : "";
	size_t i;

	buf_addf(out, "%s%c%6.1f  %-8s %-10s  %.12s  ", colour, jsonio_bool(code, "suspicious", false) ? '>' : ' ', jsonio_num(code, "score", 0),
	         word(jsonio_str(code, "kind"), 10), word(verdict, 10), jsonio_str(code, "sha256"));
	add_pids(json_object_get(code, "pids"), out);
	add_reasons(why, out);
	add_name(out, json_string_value(json_array_get(paths, 0)));
	if (json_array_size(paths) > 1)
		buf_addf(out, " (+%zu)", json_array_size(paths) - 1);
	buf_addf(out, "%s\n", *colour ? "\033[0m" : "");
	if (!o->details)
		return;
	json_array_foreach(why, i, sign)
		add_detail(sign, out);
	add_traits(code, out);
}
