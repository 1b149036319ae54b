#include "export/html-run.h"

#include <string.h>

#define SHOWN 60u

static void files(struct buf *b, const json_t *list)
{
	const json_t *o;
	size_t i;

	if (!json_array_size(list))
		return;
	buf_adds(b, "<h4>Files</h4>");
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
		html_text(b, jsonio_str(o, "name") ? jsonio_str(o, "name") : jsonio_str(o, "address"), 100);
		buf_addf(b, "</code> port %lld ", (long long)jsonio_int(o, "port", 0));
		html_text(b, jsonio_str(o, "protocol"), 20);
		buf_adds(b, "</li>");
	}
	buf_adds(b, "</ul>");
}

/* ---- runs ---- */

static void limits(struct buf *b, const json_t *run)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(run, "limits"), i, o) {
		if (i >= SHOWN)
			break;
		buf_adds(b, i ? ", " : "");
		html_text(b, json_string_value(o), 20);
	}
}

static void run_row(struct buf *b, const json_t *run, size_t i)
{
	buf_addf(b, "<tr><td class=\"num\">%zu</td>", i + 1);
	html_cell(b, "code", jsonio_str(run, "setting"), 40);
	buf_adds(b, "<td>");
	html_text(b, jsonio_str(run, "run"), 20);
	if (jsonio_str(run, "reason")) {
		buf_adds(b, ": ");
		html_text(b, jsonio_str(run, "reason"), 100);
	}
	if (jsonio_bool(run, "timed_out", false))
		buf_adds(b, ", had to be ended");
	buf_addf(b, "</td><td>%s</td><td class=\"num\">", jsonio_bool(run, "silent", false) ? "did nothing" : "showed something");
	html_span(b, jsonio_num(run, "seconds", 0));
	buf_adds(b, "</td><td class=\"num\">");
	html_span(b, jsonio_num(run, "skipped", 0));
	buf_addf(b, "</td><td class=\"num\">%lld</td><td class=\"num\">%lld</td><td class=\"note\">", (long long)jsonio_int(run, "status", 0), (long long)jsonio_int(run, "events", 0));
	limits(b, run);
	buf_adds(b, "</td></tr>\n");
}

static void runs(struct buf *b, const json_t *list)
{
	const json_t *o;
	size_t i;

	if (json_array_size(list) < 2)
		return;
	html_scroll(b, "Runs");
	buf_adds(b, "<table><thead><tr><th class=\"num\">Run</th><th>Setting</th><th>How</th><th>Seen</th><th class=\"num\">Watched</th><th class=\"num\">Leapt over</th>"
		"<th class=\"num\">Status</th><th class=\"num\">Events</th><th>Limits met</th></tr></thead><tbody>\n");
	json_array_foreach(list, i, o)
		if (i < RUNS_TOLD)
			run_row(b, o, i);
	buf_adds(b, "</tbody></table>");
	html_scroll_end(b);
}

/* ---- waits ---- */

static void sleeps(struct buf *b, const struct processes *p)
{
	const json_t *list = json_object_get(p->dynamic, "sleeps"), *o;
	size_t i;

	if (!json_array_size(list))
		return;
	buf_adds(b, "<h4>Waits</h4><ul class=\"plain\">");
	json_array_foreach(list, i, o) {
		json_int_t times = jsonio_int(o, "times", 1);

		if (i >= SHOWN)
			break;
		buf_adds(b, "<li><strong>");
		html_span(b, jsonio_num(o, "seconds", 0));
		buf_adds(b, "</strong> ");
		if (times > 1)
			buf_addf(b, "in %lld waits ", (long long)times);
		buf_adds(b, "<span class=\"note\">by ");
		processes_label(b, p, processes_run(o), jsonio_int(o, "pid", 0));
		buf_adds(b, " in <code>");
		html_text(b, jsonio_str(o, "call"), 30);
		buf_addf(b, "</code>, %s ", times > 1 ? "the first until" : "until");
		html_span(b, jsonio_num(o, "clock", 0));
		buf_adds(b, " of its clock</span></li>");
	}
	buf_adds(b, "</ul>");
	if (json_array_size(list) > SHOWN)
		buf_addf(b, "<p class=\"note\">%zu more stand in dynamic.json.</p>", json_array_size(list) - SHOWN);
}

static void about(struct buf *b, const json_t *dynamic, const char *run)
{
	size_t processes = json_array_size(json_object_get(dynamic, "processes")), tried = json_array_size(json_object_get(dynamic, "runs"));

	buf_adds(b, "<h3>When it was run</h3><p class=\"note\">In a closed world: ");
	html_text(b, run, 20);
	buf_adds(b, ", watched for ");
	html_span(b, jsonio_num(dynamic, "seconds", 0));
	if (jsonio_num(dynamic, "skipped", 0) >= 1) {
		buf_adds(b, " while its own clock leapt over ");
		html_span(b, jsonio_num(dynamic, "skipped", 0));
	}
	buf_addf(b, ", %zu process%s", processes, processes == 1 ? "" : "es");
	if (tried > 1)
		buf_addf(b, ", in %zu runs: it is tried in other ways while it does nothing", tried);
	buf_adds(b, ".</p>");
}

void html_behaviour(struct buf *b, const json_t *dynamic)
{
	const char *run = jsonio_str(dynamic, "run");
	struct processes p;

	if (!run || !strcmp(run, "none"))
		return;
	about(b, dynamic, run);
	processes_load(&p, dynamic);
	runs(b, json_object_get(dynamic, "runs"));
	startups(b, json_object_get(dynamic, "startup"));
	html_process_tree(b, &p);
	html_timeline(b, &p);
	sleeps(b, &p);
	/* What is told by exchanges is told better there. */
	if (json_array_size(json_object_get(dynamic, "exchanges")))
		html_network(b, &p);
	else
		connections(b, json_object_get(dynamic, "connections"));
	files(b, json_object_get(dynamic, "files"));
	processes_free(&p);
}
