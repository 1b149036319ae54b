#include "export/html.h"

#include <stdlib.h>
#include <string.h>

#define STRINGS_SHOWN 120u
#define IMPORTS_SHOWN 300u
#define INDICATORS_SHOWN 120u
#define FUNCTIONS_SHOWN 80u
#define DISASSEMBLY_SHOWN ((size_t)192 << 10)

/* ---- strings ---- */

static void string_row(struct buf *b, const json_t *o, const char *how)
{
	const json_t *at = json_object_get(o, json_object_get(o, "address") ? "address" : "offset");
	uint64_t address;

	buf_adds(b, "<tr><td class=\"code num\">");
	if (json_is_string(at) && html_address(at, &address))
		buf_addf(b, "%llx", (unsigned long long)address);
	else if (json_is_integer(at))
		buf_addf(b, "%llx", (unsigned long long)json_integer_value(at));
	buf_addf(b, "</td><td class=\"note\">%s</td>", how);
	html_cell(b, "code", json_is_string(o) ? json_string_value(o) : jsonio_str(o, "text"), 240);
	buf_adds(b, "</tr>\n");
}

static size_t string_rows(struct buf *b, const json_t *list, const char *how)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (i < STRINGS_SHOWN)
			string_row(b, o, jsonio_str(o, "encoding") ? "UTF-16" : how);
	return json_array_size(list) > STRINGS_SHOWN ? json_array_size(list) - STRINGS_SHOWN : 0;
}

void html_strings(struct buf *b, const json_t *stat)
{
	const json_t *plain = json_object_get(stat, "strings"), *stack = json_object_get(stat, "stack_strings"),
		*decoded = json_object_get(json_object_get(stat, "unpack"), "strings");
	size_t left;

	if (!json_array_size(plain) && !json_array_size(stack) && !json_array_size(decoded))
		return;
	buf_addf(b, "<details><summary>Strings <span class=\"note\">%zu in the file, %zu built on the stack, %zu after unpacking</span></summary>", json_array_size(plain),
		json_array_size(stack), json_array_size(decoded));
	html_scroll(b, "Strings");
	buf_adds(b, "<table><thead><tr><th class=\"num\">At</th><th>How</th><th>Text</th></tr></thead><tbody>\n");
	left = string_rows(b, stack, "stack") + string_rows(b, decoded, "unpacked") + string_rows(b, plain, "");
	buf_adds(b, "</tbody></table>");
	html_scroll_end(b);
	if (left)
		buf_addf(b, "<p class=\"note\">%zu more stand in static.json.</p>", left);
	buf_adds(b, "</details>");
}

/* ---- what it hides ---- */

#define CARVED 60u

void html_carved(struct buf *b, const json_t *carved)
{
	const json_t *list = json_object_get(carved, "pieces"), *o;
	size_t i;

	if (!json_array_size(list) && !jsonio_str(carved, "stopped"))
		return;
	buf_adds(b, "<h3>What it hides</h3>");
	if (jsonio_str(carved, "stopped")) {
		buf_adds(b, "<p class=\"note\">The search ended early: ");
		html_text(b, jsonio_str(carved, "stopped"), 20);
		buf_adds(b, ".</p>");
	}
	if (!json_array_size(list))
		return;
	html_scroll(b, "What it hides");
	buf_adds(b, "<table><thead><tr><th class=\"num\">No.</th><th>In</th><th class=\"num\">At</th><th>As</th><th>What</th><th>Name</th>"
		"<th class=\"num\">Size</th><th>SHA-256</th></tr></thead><tbody>\n");
	json_array_foreach(list, i, o) {
		json_int_t parent = jsonio_int(o, "parent", -1);

		if (i >= CARVED)
			break;
		buf_addf(b, "<tr><td class=\"num\">%zu</td>", i);
		if (parent < 0)
			buf_adds(b, "<td>the file</td>");
		else
			buf_addf(b, "<td>no. %lld</td>", (long long)parent);
		buf_addf(b, "<td class=\"num\">%lld</td>", (long long)jsonio_int(o, "at", 0));
		html_cell(b, NULL, jsonio_str(o, "coding"), 40);
		html_cell(b, NULL, jsonio_str(o, "what"), 20);
		html_cell(b, "code", jsonio_str(o, "name") ? jsonio_str(o, "name") : jsonio_str(o, "key") ? jsonio_str(o, "key") : "", 120);
		html_size_cell(b, o);
		html_cell(b, "code", jsonio_str(o, "sha256"), 64);
		buf_adds(b, "</tr>\n");
	}
	buf_adds(b, "</tbody></table>");
	html_scroll_end(b);
	if (json_array_size(list) > CARVED)
		buf_addf(b, "<p class=\"note\">%zu more stand in static.json.</p>", json_array_size(list) - CARVED);
}

/* ---- imports: names, or libraries with names ---- */

static void name_list(struct buf *b, const json_t *list, size_t *shown)
{
	const json_t *o;
	size_t i;

	buf_adds(b, "<ul class=\"names\">");
	json_array_foreach(list, i, o) {
		const char *name = json_is_string(o) ? json_string_value(o) : jsonio_str(o, "name");

		if (*shown >= IMPORTS_SHOWN)
			break;
		(*shown)++;
		buf_adds(b, "<li>");
		if (name)
			html_text(b, name, 100);
		else if (json_is_integer(json_object_get(o, "ordinal")))
			buf_addf(b, "#%lld", (long long)jsonio_int(o, "ordinal", 0));
		buf_adds(b, "</li>");
	}
	buf_adds(b, "</ul>");
}

void html_imports(struct buf *b, const json_t *stat)
{
	const json_t *elf = json_object_get(stat, "elf"), *of = elf ? elf : json_object_get(stat, "pe"), *list = json_object_get(of, "imports"), *o;
	size_t i, shown = 0;
	bool grouped = json_is_array(json_object_get(json_array_get(list, 0), "functions")) || json_is_array(json_object_get(json_array_get(list, 0), "names"));

	if (!json_array_size(list) && !json_array_size(json_object_get(of, "needed")))
		return;
	buf_addf(b, "<details><summary>Imports <span class=\"note\">%zu %s</span></summary>", json_array_size(list), grouped ? "libraries" : "names");
	if (json_array_size(json_object_get(of, "needed"))) {
		buf_adds(b, "<h4>Libraries</h4>");
		name_list(b, json_object_get(of, "needed"), &shown);
		buf_adds(b, "<h4>Names</h4>");
	}
	if (!grouped) {
		name_list(b, list, &shown);
	} else {
		json_array_foreach(list, i, o) {
			const char *library = jsonio_str(o, "library");

			if (shown >= IMPORTS_SHOWN)
				break;
			buf_adds(b, "<h4>");
			html_text(b, library ? library : jsonio_str(o, "name"), 100);
			buf_adds(b, "</h4>");
			name_list(b, json_object_get(o, json_object_get(o, "functions") ? "functions" : "names"), &shown);
		}
	}
	buf_adds(b, "</details>");
}

/* ---- indicators ---- */

void html_indicators(struct buf *b, const struct piece *p)
{
	json_t *list = checked_indicators(p);
	const json_t *o;
	size_t i;

	if (json_array_size(list)) {
		buf_adds(b, "<h3>Indicators</h3>");
		html_scroll(b, "Indicators");
		buf_adds(b, "<table><thead><tr><th>Kind</th><th>Value</th></tr></thead><tbody>\n");
		json_array_foreach(list, i, o) {
			if (i >= INDICATORS_SHOWN)
				break;
			buf_adds(b, "<tr>");
			html_cell(b, "note", jsonio_str(o, "kind"), 20);
			html_cell(b, "code", jsonio_str(o, "value"), 300);
			buf_adds(b, "</tr>\n");
		}
		buf_adds(b, "</tbody></table>");
		html_scroll_end(b);
		if (json_array_size(list) > INDICATORS_SHOWN)
			buf_addf(b, "<p class=\"note\">%zu more are not shown.</p>", json_array_size(list) - INDICATORS_SHOWN);
	}
	json_decref(list);
}

/* ---- ATT&CK ---- */

static void technique(struct buf *b, const json_t *t)
{
	const json_t *why;
	size_t i;

	buf_addf(b, "<li><code>%s</code> <strong>", jsonio_str(t, "technique"));
	if (strcmp(jsonio_str(t, "name"), jsonio_str(t, "technique")))
		html_text(b, jsonio_str(t, "name"), 80);
	buf_adds(b, "</strong>");
	json_array_foreach(json_object_get(t, "why"), i, why) {
		buf_adds(b, "<span class=\"why\">");
		html_text(b, json_string_value(why), 120);
		buf_adds(b, "</span>");
	}
	buf_adds(b, "</li>");
}

static void tactic(struct buf *b, const json_t *list, const char *id, const char *name)
{
	const json_t *t;
	bool any = false;
	size_t i;

	json_array_foreach(list, i, t) {
		if (strcmp(jsonio_str(t, "tactic"), id))
			continue;
		if (!any)
			buf_addf(b, "<section class=\"tactic\"><h4>%s</h4><ul>", name);
		any = true;
		technique(b, t);
	}
	if (any)
		buf_adds(b, "</ul></section>");
}

void html_techniques(struct buf *b, const struct exporter *x, const struct piece *p)
{
	json_t *list = checked_techniques(x, p);

	if (json_array_size(list)) {
		buf_adds(b, "<h3>Capabilities by ATT&amp;CK tactic</h3><div class=\"tactics\">");
		for (const struct attack_tactic *t = attack_tactics; t->id; t++)
			tactic(b, list, t->id, t->name);
		tactic(b, list, "", "Other");
		buf_adds(b, "</div>");
	}
	json_decref(list);
}

/* ---- functions and disassembly ---- */

void html_functions(struct buf *b, const json_t *stat)
{
	const json_t *list = json_object_get(stat, "functions"), *f;
	size_t i;

	if (!json_array_size(list))
		return;
	buf_addf(b, "<details><summary>Functions <span class=\"note\">%zu</span></summary>", json_array_size(list));
	html_scroll(b, "Functions");
	buf_adds(b, "<table><thead><tr><th class=\"num\">Address</th><th>Name</th><th class=\"num\">Size</th><th class=\"num\">Blocks</th><th class=\"num\">Instructions</th><th>Digest</th></tr></thead><tbody>\n");
	json_array_foreach(list, i, f) {
		uint64_t address = 0;

		if (i >= FUNCTIONS_SHOWN)
			break;
		html_address(json_object_get(f, "address"), &address);
		buf_addf(b, "<tr><td class=\"code num\">%llx</td>", (unsigned long long)address);
		html_cell(b, "code", jsonio_str(f, "name"), 60);
		buf_addf(b, "<td class=\"num\">%lld</td><td class=\"num\">%lld</td><td class=\"num\">%lld</td>", (long long)jsonio_int(f, "size", 0),
			(long long)jsonio_int(f, "blocks", 0), (long long)jsonio_int(f, "instructions", 0));
		html_cell(b, "code note", jsonio_str(f, "digest"), 16);
		buf_adds(b, "</tr>\n");
	}
	buf_adds(b, "</tbody></table>");
	html_scroll_end(b);
	if (json_array_size(list) > FUNCTIONS_SHOWN)
		buf_addf(b, "<p class=\"note\">%zu more stand in static.json.</p>", json_array_size(list) - FUNCTIONS_SHOWN);
	buf_adds(b, "</details>");
}

void html_disassembly(struct buf *b, const struct piece *p)
{
	size_t n = p->disasm.len < DISASSEMBLY_SHOWN ? p->disasm.len : DISASSEMBLY_SHOWN;
	const char *at = buf_str(&p->disasm), *end = at + n;

	if (!n)
		return;
	buf_adds(b, "<details><summary>Disassembly</summary>");
	if (n < p->disasm.len) {
		buf_adds(b, "<p class=\"note\">The first ");
		html_size(b, (double)n);
		buf_adds(b, " of ");
		html_size(b, (double)p->disasm.len);
		buf_adds(b, "; disasm.txt has the rest.</p>");
	}
	buf_adds(b, "<pre class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Disassembly\">");
	while (at < end) {
		const char *line = memchr(at, '\n', (size_t)(end - at));
		size_t length = (size_t)((line ? line : end) - at);

		html_textn(b, at, length, 400);
		buf_addc(b, '\n');
		at += length + 1;
	}
	buf_adds(b, "</pre></details>");
}
