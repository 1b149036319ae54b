#include "export/html.h"

#include <string.h>

#define SHOWN 60u

static void files(struct buf *b, const json_t *list)
{
	const json_t *o;
	size_t i;

	if (!json_array_size(list))
		return;
	html_scroll(b, "Changed files");
	buf_adds(b, "<table><thead><tr><th>Change</th><th>File</th><th class=\"num\">Size</th><th>Starts by</th></tr></thead><tbody>\n");
	json_array_foreach(list, i, o) {
		if (i >= SHOWN)
			break;
		buf_adds(b, "<tr>");
		html_cell(b, NULL, jsonio_str(o, "change"), 20);
		html_cell(b, "code", jsonio_str(o, "path"), 160);
		html_size_cell(b, o);
		html_cell(b, NULL, jsonio_str(o, "startup"), 40);
		buf_adds(b, "</tr>\n");
	}
	buf_adds(b, "</tbody></table>");
	html_scroll_end(b);
}

static void startups(struct buf *b, const json_t *list)
{
	const json_t *o;
	size_t i;

	if (!json_array_size(list))
		return;
	buf_adds(b, "<h4>Makes itself start</h4><ul class=\"plain\">");
	json_array_foreach(list, i, o) {
		if (i >= SHOWN)
			break;
		buf_adds(b, "<li>");
		html_text(b, jsonio_str(o, "place"), 40);
		buf_adds(b, ": <code>");
		html_text(b, jsonio_str(o, "file"), 160);
		buf_adds(b, "</code>");
		if (jsonio_str(o, "line")) {
			buf_adds(b, " <code>");
			html_text(b, jsonio_str(o, "line"), 200);
			buf_adds(b, "</code>");
		}
		buf_adds(b, "</li>");
	}
	buf_adds(b, "</ul>");
}

static void connections(struct buf *b, const json_t *list)
{
	const json_t *o;
	size_t i;

	if (!json_array_size(list))
		return;
	buf_adds(b, "<h4>Talks to</h4><ul class=\"plain\">");
	json_array_foreach(list, i, o) {
		if (i >= SHOWN)
			break;
		buf_adds(b, "<li>");
		html_text(b, jsonio_str(o, "event"), 20);
		buf_adds(b, " <code>");
		html_text(b, jsonio_str(o, "address"), 100);
		buf_addf(b, "</code> port %lld ", (long long)jsonio_int(o, "port", 0));
		html_text(b, jsonio_str(o, "protocol"), 20);
		buf_adds(b, "</li>");
	}
	buf_adds(b, "</ul>");
}

void html_behaviour(struct buf *b, const json_t *dynamic)
{
	const char *run = jsonio_str(dynamic, "run");

	if (!run || !strcmp(run, "none"))
		return;
	buf_adds(b, "<h3>When it was run</h3><p class=\"note\">In a closed world: ");
	html_text(b, run, 20);
	buf_addf(b, ", watched for %.1f s, %zu processes.</p>", jsonio_num(dynamic, "seconds", 0), json_array_size(json_object_get(dynamic, "processes")));
	startups(b, json_object_get(dynamic, "startup"));
	connections(b, json_object_get(dynamic, "connections"));
	files(b, json_object_get(dynamic, "files"));
}
