/* One self-contained page a case: no script, nothing from elsewhere; its policy lets a browser load and run nothing else. */
#include "export/html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MOST 4000u        /* of the summary */

/* Pieces told in full, by verdict: a page of thousands is read by nobody. The others stand in the summary. */
static const size_t told_most[4] = { 200, 200, 40, 10 };

static void row(struct exporter *x, const struct piece *p, bool told)
{
	enum verdict v = piece_verdict(p);
	struct buf *b = &x->rows[v];
	const char *path = piece_path(p);
	double score = jsonio_num(p->verdict, "score", jsonio_num(p->about, "score", 0));
	const json_t *first = json_array_get(json_object_get(p->verdict, "reasons"), 0);

	if (x->count[v] > ROWS_MOST)
		return;
	buf_addf(b, "<tr><td><span class=\"badge %s\">%s</span></td><td class=\"num\">%.0f</td>", verdict_names[v], verdict_names[v], isfinite(score) ? score : 0);
	buf_addf(b, "<td class=\"code\">%s%.*s%s", told ? "<a href=\"#c-" : "", told ? 16 : 0, p->sha256, told ? "\">" : "");
	html_text(b, path ? path : p->sha256, 100);
	buf_addf(b, "%s</td>", told ? "</a>" : "");
	html_cell(b, "note", jsonio_str(p->stat, "format") ? jsonio_str(p->stat, "format") : jsonio_str(p->about, "kind"), 30);
	buf_adds(b, "<td class=\"num\">");
	if (json_is_number(json_object_get(p->about, "size")))
		html_size(b, jsonio_num(p->about, "size", 0));
	buf_adds(b, "</td>");
	html_cell(b, NULL, jsonio_str(first, "text"), 90);
	buf_adds(b, "</tr>\n");
}

static int page_piece(struct exporter *x, const struct piece *p, struct err *e)
{
	enum verdict v = piece_verdict(p);
	bool told = x->told[v] < told_most[v];
	struct buf b = { 0 };

	(void)e;
	row(x, p, told);
	if (!told)
		return 0;
	x->told[v]++;
	html_piece(&b, x, p);
	fwrite(b.p, 1, b.len, v ? x->later[v - 1] : x->held);
	buf_free(&b);
	return 0;
}

/* CSP's 'sha256-...': that style sheet and no other. */
static void style_digest(struct buf *b)
{
	unsigned char raw[32];
	char hex[DIGEST_HEX];
	json_t *text;

	digest_bytes(html_style, strlen(html_style), hex);
	digest_unhex(hex, raw, sizeof raw);
	text = jsonio_base64(raw, sizeof raw);
	buf_adds(b, json_string_value(text));
	json_decref(text);
}

static void head(struct buf *b, const struct exporter *x)
{
	buf_adds(b, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-");
	style_digest(b);
	buf_adds(b, "'\"/><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/><meta name=\"referrer\" content=\"no-referrer\"/>"
		"<meta name=\"color-scheme\" content=\"light dark\"/>");
	buf_addf(b, "<title>muss: case %.12s</title><style>%s</style></head>\n<body><a class=\"skip\" href=\"#pieces\">To the pieces of code</a>", x->id, html_style);
	/* The arrow's tip that all drawings use. */
	buf_adds(b, "<svg class=\"defs\" aria-hidden=\"true\" width=\"0\" height=\"0\"><defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"6\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto-start-reverse\">"
		"<path class=\"tip\" d=\"M0 1 L7 4 L0 7 z\"/></marker></defs></svg>");
}

static void fact(struct buf *b, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	buf_addf(b, "<div><dt>%s</dt><dd>", name);
	html_text(b, value, 120);
	buf_adds(b, "</dd></div>");
}

static void case_facts(struct buf *b, const struct exporter *x)
{
	const json_t *host = json_object_get(x->head, "host"), *os = json_object_get(host, "os"), *o;
	char time[CLOCK_RFC3339];
	size_t i;

	clock_rfc3339(x->time, time);
	buf_adds(b, "<header class=\"top\"><p class=\"brand\">muss <span>analysis of a case</span></p><h1>");
	html_text(b, jsonio_str(host, "name") ? jsonio_str(host, "name") : "A case", 80);
	buf_adds(b, "</h1><dl class=\"facts\">");
	buf_addf(b, "<div class=\"wide\"><dt>case</dt><dd class=\"code\">%s</dd></div>", x->id);
	fact(b, "scanned", x->time ? time : NULL);
	if (jsonio_str(os, "id")) {
		buf_adds(b, "<div><dt>system</dt><dd>");
		html_text(b, jsonio_str(os, "id"), 40);
		buf_addc(b, ' ');
		html_text(b, jsonio_str(os, "version"), 40);
		buf_adds(b, "</dd></div>");
	}
	fact(b, "kernel", jsonio_str(host, "kernel"));
	fact(b, "processor", jsonio_str(host, "arch"));
	buf_adds(b, "<div><dt>tools</dt><dd>");
	json_array_foreach(json_object_get(x->head, "trail"), i, o) {
		if (i >= 12)
			break;
		buf_adds(b, i ? ", " : "");
		html_text(b, jsonio_str(o, "tool"), 20);
	}
	buf_adds(b, "</dd></div></dl></header>\n");
}

static void tally(struct buf *b, const struct exporter *x)
{
	buf_adds(b, "<ul class=\"tally\">");
	for (int v = 0; v < 4; v++)
		buf_addf(b, "<li class=\"%s%s\"><strong>%zu</strong> %s</li>", verdict_names[v], x->count[v] ? "" : " none", x->count[v], verdict_names[v]);
	buf_adds(b, "</ul>");
}

static void summary(struct buf *b, const struct exporter *x)
{
	size_t left = 0;

	buf_adds(b, "<main><section id=\"summary\" aria-labelledby=\"summary-head\"><h2 id=\"summary-head\">Summary</h2>");
	tally(b, x);
	html_scroll(b, "Pieces of code");
	buf_adds(b, "<table class=\"summary\"><thead><tr><th>Verdict</th><th class=\"num\">Score</th><th>Code</th><th>Format</th><th class=\"num\">Size</th><th>First reason</th></tr></thead><tbody>\n");
	for (int v = 0; v < 4; v++) {
		buf_add(b, x->rows[v].p, x->rows[v].len);
		left += x->count[v] > ROWS_MOST ? x->count[v] - ROWS_MOST : 0;
	}
	buf_adds(b, "</tbody></table>");
	html_scroll_end(b);
	if (left)
		buf_addf(b, "<p class=\"note\">%zu more are not listed; mls lists all.</p>", left);
	buf_adds(b, "</section>\n<div id=\"pieces\" tabindex=\"-1\">\n");
}

static int page_begin(struct exporter *x, FILE *out, struct err *e)
{
	struct buf b = { 0 };

	(void)e;
	head(&b, x);
	case_facts(&b, x);
	summary(&b, x);
	fwrite(b.p, 1, b.len, out);
	buf_free(&b);
	return 0;
}

static int page_end(struct exporter *x, FILE *out, struct err *e)
{
	size_t left = 0;

	(void)e;
	for (int v = 0; v < 4; v++)
		left += x->count[v] - x->told[v];
	fputs("</div></main>\n<footer>", out);
	if (left)
		fprintf(out, "<p>%zu of the pieces stand in the summary alone.</p>", left);
	fputs("<p>Made by muss " MUSS_VERSION ". What stands here of a sample is its own word; a verdict is a weighing of signs, no proof.</p></footer></body></html>\n", out);
	return 0;
}

const struct export_writer export_html = { "html", "html", true, false, page_piece, page_begin, page_end };
