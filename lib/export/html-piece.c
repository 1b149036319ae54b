#include "export/html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WEIGHT_MOST 50.0     /* as verdicts weigh at most */
#define PATHS_SHOWN 12u

static void reason_row(struct buf *b, const json_t *o)
{
	double weight = jsonio_num(o, "weight", 0), wide = fabs(weight) > WEIGHT_MOST ? WEIGHT_MOST : fabs(weight);

	buf_adds(b, "<tr>");
	html_cell(b, "code", jsonio_str(o, "sign"), 60);
	html_cell(b, "note", jsonio_str(o, "source"), 20);
	html_cell(b, NULL, jsonio_str(o, "text"), 400);
	if (!isfinite(weight))
		buf_adds(b, "<td></td><td></td></tr>\n");
	else
		buf_addf(b, "<td><svg class=\"bar short\" role=\"img\" aria-label=\"weight %.0f\" viewBox=\"0 0 80 10\"><rect class=\"ground\" width=\"80\" height=\"10\" rx=\"2\"/>"
			"<rect class=\"%s\" width=\"%.1f\" height=\"10\" rx=\"2\"/></svg></td><td class=\"num\">%+.0f</td></tr>\n", weight, weight < 0 ? "less" : "more",
			wide / WEIGHT_MOST * 80, weight);
}

static void reasons(struct buf *b, const struct piece *p)
{
	const json_t *list = json_object_get(p->verdict, "reasons"), *o;
	size_t i;

	buf_adds(b, "<h3>Why</h3>");
	if (!json_array_size(list)) {
		buf_adds(b, "<p class=\"note\">Nothing speaks for or against it.</p>");
		return;
	}
	html_scroll(b, "Reasons of the verdict");
	buf_adds(b, "<table><thead><tr><th>Sign</th><th>Seen by</th><th>What it says</th><th>Weight</th><th class=\"num\">Decibans</th></tr></thead><tbody>\n");
	json_array_foreach(list, i, o)
		if (i < 100)
			reason_row(b, o);
	buf_adds(b, "</tbody></table>");
	html_scroll_end(b);
}

static void fact(struct buf *b, const char *name, const char *value, size_t most)
{
	if (!value || !*value)
		return;
	buf_addf(b, "<div><dt>%s</dt><dd>", name);
	html_text(b, value, most);
	buf_adds(b, "</dd></div>");
}

static void identified(struct buf *b, const json_t *stat)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(stat, "identified"), i, o) {
		if (i >= 8 || !jsonio_str(o, "name"))
			break;
		buf_adds(b, "<div><dt>");
		html_text(b, jsonio_str(o, "kind") ? jsonio_str(o, "kind") : "made with", 20);
		buf_adds(b, "</dt><dd>");
		html_text(b, jsonio_str(o, "name"), 60);
		buf_adds(b, "</dd></div>");
	}
}

static void known(struct buf *b, const json_t *stat)
{
	const json_t *k = json_object_get(stat, "known"), *g = json_object_get(k, "goodware"), *o;
	size_t i;

	if (json_is_object(g))
		buf_addf(b, "<div><dt>known from goodware</dt><dd>%lld of %lld functions</dd></div>", (long long)jsonio_int(g, "functions", 0), (long long)jsonio_int(g, "of", 0));
	json_array_foreach(json_object_get(k, "malware"), i, o) {
		if (i >= 4)
			break;
		buf_adds(b, "<div><dt>like malware</dt><dd>");
		html_text(b, jsonio_str(o, "name"), 64);
		buf_addf(b, ": %lld functions", (long long)jsonio_int(o, "functions", 0));
		if (json_is_number(json_object_get(o, "similarity")))
			buf_addf(b, ", similarity %.2f", jsonio_num(o, "similarity", 0));
		buf_adds(b, "</dd></div>");
	}
}

static void facts(struct buf *b, const struct piece *p)
{
	const char *format = jsonio_str(p->stat, "format");

	buf_adds(b, "<dl class=\"facts\">");
	buf_addf(b, "<div class=\"wide\"><dt>SHA-256</dt><dd class=\"code\">%s</dd></div>", p->sha256);
	fact(b, "kind", jsonio_str(p->about, "kind"), 20);
	fact(b, "format", format, 40);
	if (json_is_number(json_object_get(p->about, "size"))) {
		buf_adds(b, "<div><dt>size</dt><dd>");
		html_size(b, jsonio_num(p->about, "size", 0));
		buf_adds(b, "</dd></div>");
	}
	if (json_is_number(json_object_get(p->stat, "entropy")))
		buf_addf(b, "<div><dt>entropy</dt><dd>%.2f bits a byte</dd></div>", jsonio_num(p->stat, "entropy", 0));
	if (jsonio_str(p->stat, "parser") && strcmp(jsonio_str(p->stat, "parser"), "ok"))
		fact(b, "parser", jsonio_str(p->stat, "parser"), 20);
	identified(b, p->stat);
	known(b, p->stat);
	fact(b, "TLSH", jsonio_str(json_object_get(p->stat, "similarity"), "tlsh"), 80);
	buf_adds(b, "</dl>");
}

static void paths(struct buf *b, const struct piece *p)
{
	const json_t *list = json_object_get(p->about, "paths"), *o;
	size_t i;

	if (json_array_size(list) < 2)
		return;
	buf_adds(b, "<details><summary>Also seen at</summary><ul class=\"names\">");
	json_array_foreach(list, i, o) {
		if (i >= PATHS_SHOWN)
			break;
		buf_adds(b, "<li>");
		html_text(b, json_string_value(o), 200);
		buf_adds(b, "</li>");
	}
	buf_adds(b, "</ul></details>");
}

static void anomalies(struct buf *b, const json_t *stat)
{
	const json_t *o;
	size_t i;

	if (!json_array_size(json_object_get(stat, "anomalies")))
		return;
	buf_adds(b, "<h3>Anomalies of the file</h3><ul class=\"plain\">");
	json_array_foreach(json_object_get(stat, "anomalies"), i, o) {
		if (i >= 60)
			break;
		buf_adds(b, "<li><code>");
		html_text(b, jsonio_str(o, "name"), 60);
		buf_adds(b, "</code> ");
		html_text(b, jsonio_str(o, "reason"), 300);
		buf_adds(b, "</li>");
	}
	buf_adds(b, "</ul>");
}

/* unpacked-1, what it made and what it hides have all that a sample has. */
static void inner(struct buf *b, const char *title, const json_t *u)
{
	if (!json_is_object(u))
		return;
	buf_addf(b, "<section class=\"unpacked\"><h3>%s</h3><p class=\"note\">", title);
	html_text(b, jsonio_str(u, "format"), 40);
	buf_adds(b, ", <span class=\"code\">");
	html_text(b, jsonio_str(u, "sha256"), 64);
	buf_adds(b, "</span></p>");
	html_sections(b, u);
	html_graph(b, u);
	html_functions(b, u);
	html_imports(b, u);
	html_strings(b, u);
	buf_adds(b, "</section>");
}

void html_piece(struct buf *b, const struct exporter *x, const struct piece *p)
{
	const char *path = piece_path(p), *verdict = verdict_names[piece_verdict(p)];
	const json_t *o;
	size_t i;

	buf_addf(b, "<article class=\"piece %s\" id=\"c-%.16s\" aria-labelledby=\"h-%.16s\"><header><span class=\"badge %s\">%s</span><h2 id=\"h-%.16s\">", verdict, p->sha256,
		p->sha256, verdict, verdict, p->sha256);
	html_text(b, path ? path : "code without a file", 200);
	buf_adds(b, "</h2>");
	if (json_is_number(json_object_get(p->verdict, "score")) && isfinite(jsonio_num(p->verdict, "score", 0)))
		buf_addf(b, "<p class=\"score\"><strong>%.0f</strong> decibans</p>", jsonio_num(p->verdict, "score", 0));
	buf_adds(b, "</header>\n");
	facts(b, p);
	paths(b, p);
	reasons(b, p);
	html_techniques(b, x, p);
	html_behaviour(b, p->dynamic);
	html_layers(b, json_object_get(p->stat, "unpack"));
	html_calls(b, json_object_get(p->stat, "unpack"));
	html_carved(b, json_object_get(p->stat, "carved"));
	html_indicators(b, p);
	anomalies(b, p->stat);
	html_sections(b, p->stat);
	html_graph(b, p->stat);
	html_functions(b, p->stat);
	html_imports(b, p->stat);
	html_strings(b, p->stat);
	inner(b, "What it unpacked", json_object_get(p->stat, "unpacked"));
	json_array_foreach(json_object_get(p->stat, "dropped"), i, o)
		inner(b, "What it made", o);
	json_array_foreach(json_object_get(p->stat, "embedded"), i, o)
		inner(b, "What it hides", o);
	html_disassembly(b, p);
	buf_adds(b, "<p class=\"up\"><a href=\"#summary\">Back to the summary</a></p></article>\n");
}
