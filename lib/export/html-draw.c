#include "export/html.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define SECTIONS_SHOWN 64u
#define LAYERS_SHOWN 24u
#define RANGES_SHOWN 24u
#define CALLS_DRAWN 1500u
#define CALLS_LISTED 400u
#define WIDE 860.0

/* ---- sections ---- */

/* Compiled code has 5.5 to 6.6 bits a byte, text and tables less, compressed or encrypted bytes more than 7.2. */
static const char *shade(double entropy)
{
	return entropy > 7.2 ? "e4" : entropy > 6.7 ? "e3" : entropy > 5.2 ? "e2" : entropy > 1 ? "e1" : "e0";
}

static double first_number(const json_t *o, const char *a, const char *b)
{
	return jsonio_num(o, a, jsonio_num(o, b, -1));
}

static bool in_file(const json_t *s)
{
	return json_is_number(json_object_get(s, "entropy"));
}

static void file_map(struct buf *b, const json_t *list, double whole)
{
	const json_t *s;
	size_t i;

	buf_addf(b, "<svg class=\"map\" role=\"img\" aria-label=\"Where the sections lie in the file\" viewBox=\"0 0 %.0f 44\" preserveAspectRatio=\"none\"><rect class=\"ground\" x=\"0\" y=\"8\" width=\"%.0f\" height=\"28\"/>",
		WIDE, WIDE);
	json_array_foreach(list, i, s) {
		double offset = first_number(s, "offset", "raw_offset"), size = first_number(s, "size", "raw_size");

		if (i >= SECTIONS_SHOWN || !in_file(s) || offset < 0 || size <= 0 || offset >= whole)
			continue;
		size = size > whole - offset ? whole - offset : size;
		buf_addf(b, "<rect class=\"%s\" x=\"%.2f\" y=\"8\" width=\"%.2f\" height=\"28\"><title>", shade(jsonio_num(s, "entropy", 0)), offset / whole * WIDE,
			size / whole * WIDE < 0.6 ? 0.6 : size / whole * WIDE);
		html_text(b, jsonio_str(s, "name"), 60);
		buf_addf(b, ": %.2f bits a byte</title></rect>", jsonio_num(s, "entropy", 0));
	}
	buf_adds(b, "</svg>");
}

static void section_row(struct buf *b, const json_t *s)
{
	double size = first_number(s, "size", "raw_size"), entropy = jsonio_num(s, "entropy", 0);
	uint64_t address;

	buf_adds(b, "<tr>");
	html_cell(b, "code", jsonio_str(s, "name"), 60);
	if (html_address(json_object_get(s, json_object_get(s, "addr") ? "addr" : "address"), &address))
		buf_addf(b, "<td class=\"code num\">%llx</td>", (unsigned long long)address);
	else
		buf_adds(b, "<td></td>");
	buf_adds(b, "<td class=\"num\">");
	html_size(b, size);
	buf_adds(b, "</td>");
	if (!in_file(s) || entropy < 0 || entropy > 8)
		buf_adds(b, "<td class=\"note\">not in the file</td><td></td></tr>\n");
	else
		buf_addf(b, "<td><svg class=\"bar\" role=\"img\" aria-label=\"%.2f of 8 bits\" viewBox=\"0 0 160 10\"><rect class=\"ground\" width=\"160\" height=\"10\" rx=\"2\"/>"
			"<rect class=\"%s\" width=\"%.1f\" height=\"10\" rx=\"2\"/></svg></td><td class=\"num\">%.2f</td></tr>\n", entropy, shade(entropy), entropy / 8 * 160, entropy);
}

void html_sections(struct buf *b, const json_t *stat)
{
	const json_t *list = json_object_get(json_object_get(stat, "elf"), "sections"), *s;
	double whole = jsonio_num(stat, "size", 0);
	size_t i;

	if (!json_array_size(list))
		list = json_object_get(json_object_get(stat, "pe"), "sections");
	if (!json_array_size(list))
		return;
	buf_adds(b, "<h3>Sections</h3>");
	if (whole > 0)
		file_map(b, list, whole);
	buf_adds(b, "<p class=\"key note\"><span class=\"e1\">text, tables</span> <span class=\"e2\">code</span> <span class=\"e3\">dense</span> <span class=\"e4\">compressed or encrypted</span></p>");
	html_scroll(b, "Sections");
	buf_adds(b, "<table><thead><tr><th>Section</th><th class=\"num\">Address</th><th class=\"num\">Size</th><th>Entropy</th><th class=\"num\">Bits a byte</th></tr></thead><tbody>\n");
	json_array_foreach(list, i, s)
		if (i < SECTIONS_SHOWN)
			section_row(b, s);
	buf_adds(b, "</tbody></table>");
	html_scroll_end(b);
	if (json_array_size(list) > SECTIONS_SHOWN)
		buf_addf(b, "<p class=\"note\">%zu more are not shown.</p>", json_array_size(list) - SECTIONS_SHOWN);
}

/* ---- layers ---- */

/* A block's width grows with the square root: a page beside a megabyte is still seen. */
static double weight(double size)
{
	double root = 1;

	if (!(size > 1))
		return 1;
	if (size > 1e15)
		size = 1e15;
	while (root * root < size)
		root *= 1.25;
	return root;
}

static void layer_ranges(struct buf *b, const json_t *layer, double y)
{
	const json_t *list = json_object_get(layer, "ranges"), *r;
	double sum = 0, x = 356, room = WIDE - 366;
	size_t n = json_array_size(list) < RANGES_SHOWN ? json_array_size(list) : RANGES_SHOWN, i;
	uint64_t entry = 0, at;
	bool has_entry = html_address(json_object_get(layer, "entry"), &entry);

	for (i = 0; i < n; i++)
		sum += weight(jsonio_num(json_array_get(list, i), "size", 0));
	room -= 4.0 * (double)n;
	for (i = 0; i < n; i++) {
		double size, wide;

		r = json_array_get(list, i);
		size = jsonio_num(r, "size", 0);
		wide = room * weight(size) / sum;
		if (!html_address(json_object_get(r, "address"), &at))
			continue;
		buf_addf(b, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"22\" rx=\"3\"><title>%llx, ",
			has_entry && entry >= at && (double)(entry - at) < size ? "range entered" : "range", x, y + 11, wide, (unsigned long long)at);
		html_size(b, size);
		buf_adds(b, "</title></rect>");
		if (wide > 66)
			buf_addf(b, "<text class=\"upon\" x=\"%.1f\" y=\"%.1f\">%llx</text>", x + 5, y + 26, (unsigned long long)at);
		x += wide + 4;
	}
}

static void layer_box(struct buf *b, double y, const char *title, const char *below)
{
	buf_addf(b, "<rect class=\"box\" x=\"6\" y=\"%.1f\" width=\"330\" height=\"44\" rx=\"6\"/><text class=\"strong\" x=\"18\" y=\"%.1f\">%s</text><text class=\"small\" x=\"18\" y=\"%.1f\">%s</text>",
		y, y + 18, title, y + 35, below);
}

static void layer_row(struct buf *b, const json_t *layer, size_t i, double y)
{
	uint64_t entry = 0, from = 0;
	char title[96], *below;
	struct buf count = { 0 };

	html_address(json_object_get(layer, "entry"), &entry);
	html_address(json_object_get(layer, "from"), &from);
	html_count(&count, jsonio_int(layer, "instructions", 0));
	snprintf(title, sizeof title, "Layer %zu, entered at %llx", i + 1, (unsigned long long)entry);
	below = buf_printf("from %llx after %s instructions", (unsigned long long)from, buf_str(&count));
	buf_addf(b, "<path class=\"edge\" marker-end=\"url(#tip)\" d=\"M170 %.1f L170 %.1f\"/>", y - 22, y - 3);
	layer_box(b, y, title, below);
	layer_ranges(b, layer, y);
	buf_free(&count);
	free(below);
}

static void found_and_dropped(struct buf *b, const json_t *unpack)
{
	const json_t *o;
	size_t i;

	if (json_array_size(json_object_get(unpack, "findings"))) {
		buf_adds(b, "<h4>Against being looked at</h4><ul class=\"plain\">");
		json_array_foreach(json_object_get(unpack, "findings"), i, o) {
			if (i >= 40)
				break;
			buf_adds(b, "<li><code>");
			html_text(b, jsonio_str(o, "name"), 60);
			buf_adds(b, "</code> ");
			html_text(b, jsonio_str(o, "reason"), 300);
			buf_adds(b, "</li>");
		}
		buf_adds(b, "</ul>");
	}
	if (!json_array_size(json_object_get(unpack, "drops")))
		return;
	buf_adds(b, "<h4>What it made</h4>");
	html_scroll(b, "What it made");
	buf_adds(b, "<table><thead><tr><th>Kind</th><th>Name</th><th class=\"num\">Size</th><th>SHA-256</th></tr></thead><tbody>\n");
	json_array_foreach(json_object_get(unpack, "drops"), i, o) {
		if (i >= 60)
			break;
		buf_adds(b, "<tr>");
		html_cell(b, NULL, jsonio_str(o, "kind"), 40);
		html_cell(b, "code", jsonio_str(o, "name"), 120);
		html_size_cell(b, o);
		html_cell(b, "code", jsonio_str(o, "sha256"), 64);
		buf_adds(b, "</tr>\n");
	}
	buf_adds(b, "</tbody></table>");
	html_scroll_end(b);
}

void html_layers(struct buf *b, const json_t *unpack)
{
	const json_t *list = json_object_get(unpack, "layers"), *layer;
	size_t n = json_array_size(list) < LAYERS_SHOWN ? json_array_size(list) : LAYERS_SHOWN, i;
	double height = 66.0 * (double)(n + 1) - 10;

	if (!json_is_object(unpack))
		return;
	buf_adds(b, "<h3>Unpacking</h3><p class=\"note\">Emulated as ");
	html_text(b, jsonio_str(unpack, "system") ? jsonio_str(unpack, "system") : "a program", 40);
	buf_adds(b, ": ");
	html_count(b, jsonio_int(unpack, "instructions", 0));
	buf_adds(b, " instructions, ended by <em>");
	html_text(b, jsonio_str(unpack, "end") ? jsonio_str(unpack, "end") : "nothing told", 40);
	buf_addf(b, "</em>; %zu layer%s of code that it wrote itself. Blocks are the memory dumped then, filled where it was entered.</p>", json_array_size(list),
		json_array_size(list) == 1 ? "" : "s");
	html_scroll(b, "Layers of unpacking");
	buf_addf(b, "<svg class=\"layers\" role=\"img\" aria-label=\"Layers of unpacking\" viewBox=\"0 0 %.0f %.0f\">", WIDE, height);
	layer_box(b, 2, "The file", "as it came");
	for (i = 0; i < n; i++) {
		layer = json_array_get(list, i);
		layer_row(b, layer, i, 66.0 * (double)(i + 1));
	}
	buf_adds(b, "</svg>");
	html_scroll_end(b);
	if (json_array_size(list) > n)
		buf_addf(b, "<p class=\"note\">%zu more layers are not shown.</p>", json_array_size(list) - n);
	found_and_dropped(b, unpack);
}

/* ---- emulated calls ---- */

static const struct { const char *name, *words; } lanes[] = {
	{ "network", "socket connect send recv wsa inet http url internet dns gethost getaddr bind listen accept" },
	{ "registry", "reg" },
	{ "process", "process thread fork clone exec wait kill ptrace shell winexec service mutex apc" },
	{ "memory", "virtual heap alloc mmap munmap mprotect brk memfd section view memory free" },
	{ "library", "library proc module ldr" },
	{ "file", "file open read write close unlink stat path directory dir rename seek chmod find copy delete dup link" },
	{ "other", "" },
};
#define LANES (sizeof lanes / sizeof *lanes)

static size_t lane_of(const char *call)
{
	char lower[48];
	size_t n = 0;

	for (; call[n] && n + 1 < sizeof lower; n++)
		lower[n] = (char)tolower((unsigned char)call[n]);
	lower[n] = '\0';
	/* "GetProcAddress" and "GetProcessHeap" are neither about processes. */
	if (strstr(lower, "procaddress"))
		return 4;
	if (strstr(lower, "heap"))
		return 3;
	for (size_t i = 0; i < LANES - 1; i++) {
		char word[24];
		int used;

		for (const char *w = lanes[i].words; sscanf(w, "%23s%n", word, &used) == 1; w += used)
			if (strstr(lower, word) && (i != 1 || !strncmp(lower, "reg", 3)))
				return i;
	}
	return LANES - 1;
}

static void timeline(struct buf *b, const json_t *calls)
{
	size_t n = json_array_size(calls) < CALLS_DRAWN ? json_array_size(calls) : CALLS_DRAWN;
	size_t count[LANES] = { 0 };
	const json_t *o;
	size_t i;

	html_scroll(b, "Calls in their order");
	buf_addf(b, "<svg class=\"timeline\" role=\"img\" aria-label=\"Emulated calls in their order, by what they are about\" viewBox=\"0 0 %.0f %zu\">", WIDE,
		LANES * 24 + 4);
	for (i = 0; i < LANES; i++)
		buf_addf(b, "<rect class=\"ground\" x=\"84\" y=\"%zu\" width=\"%.0f\" height=\"18\" rx=\"3\"/>", i * 24 + 2, WIDE - 150);
	json_array_foreach(calls, i, o) {
		const char *name = jsonio_str(o, "call");
		size_t lane;

		if (i >= n)
			break;
		lane = lane_of(name ? name : "");
		count[lane]++;
		buf_addf(b, "<rect class=\"l%zu\" x=\"%.1f\" y=\"%zu\" width=\"%.1f\" height=\"18\"><title>%zu: ", lane, 86 + (WIDE - 156) * (double)i / (double)n, lane * 24 + 2,
			(WIDE - 156) / (double)n > 8 ? 8 : (WIDE - 156) / (double)n < 1.2 ? 1.2 : (WIDE - 156) / (double)n, i + 1);
		html_text(b, name, 60);
		buf_adds(b, "</title></rect>");
	}
	for (i = 0; i < LANES; i++)
		buf_addf(b, "<text class=\"small\" x=\"78\" y=\"%zu\" text-anchor=\"end\">%s</text><text class=\"small\" x=\"%.0f\" y=\"%zu\">%zu</text>", i * 24 + 15, lanes[i].name,
			WIDE - 58, i * 24 + 15, count[i]);
	buf_adds(b, "</svg>");
	html_scroll_end(b);
}

static void value_text(struct buf *b, const json_t *v)
{
	if (json_is_string(v))
		html_text(b, json_string_value(v), 160);
	else if (json_is_integer(v))
		buf_addf(b, "%lld", (long long)json_integer_value(v));
	else if (json_is_real(v))
		buf_addf(b, "%g", json_real_value(v));
	else if (json_is_boolean(v))
		buf_adds(b, json_is_true(v) ? "true" : "false");
}

static void call_rows(struct buf *b, const json_t *calls)
{
	const json_t *o, *a;
	size_t i, k;

	json_array_foreach(calls, i, o) {
		if (i >= CALLS_LISTED)
			break;
		buf_addf(b, "<tr><td class=\"num\">%zu</td>", i + 1);
		html_cell(b, "code", jsonio_str(o, "call"), 60);
		buf_adds(b, "<td class=\"code\">");
		json_array_foreach(json_object_get(o, "args"), k, a) {
			if (k >= 12)
				break;
			buf_adds(b, k ? ", " : "");
			value_text(b, a);
		}
		buf_adds(b, "</td><td class=\"code\">");
		value_text(b, json_object_get(o, "result"));
		buf_adds(b, "</td></tr>\n");
	}
}

void html_calls(struct buf *b, const json_t *unpack)
{
	const json_t *calls = json_object_get(unpack, "calls");
	json_int_t all = jsonio_int(unpack, "call_count", (json_int_t)json_array_size(calls));
	size_t shown = json_array_size(calls) < CALLS_DRAWN ? json_array_size(calls) : CALLS_DRAWN;

	if (!json_array_size(calls))
		return;
	buf_adds(b, "<h3>Emulated calls</h3><p class=\"note\">");
	html_count(b, all);
	buf_adds(b, " calls of the operating system, from left to right in their order");
	if (all > (json_int_t)shown)
		buf_addf(b, "; the first %zu of them are drawn", shown);
	buf_adds(b, ".</p>");
	timeline(b, calls);
	buf_adds(b, "<details><summary>The calls with their arguments</summary>");
	html_scroll(b, "Calls with arguments");
	buf_adds(b, "<table><thead><tr><th class=\"num\">No.</th><th>Call</th><th>Arguments</th><th>Result</th></tr></thead><tbody>\n");
	call_rows(b, calls);
	buf_adds(b, "</tbody></table>");
	html_scroll_end(b);
	if (json_array_size(calls) > CALLS_LISTED)
		buf_addf(b, "<p class=\"note\">%zu more stand in static.json.</p>", json_array_size(calls) - CALLS_LISTED);
	buf_adds(b, "</details>");
}
