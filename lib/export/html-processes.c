/* Who ran, as a tree: each process with what it is and did. */
#include "export/html-run.h"

#include <stdlib.h>
#include <string.h>

#define WORDS 16u

static void name(struct buf *b, const struct process *q, size_t most)
{
	const char *argv0 = json_string_value(json_array_get(json_object_get(q->o, "argv"), 0)), *path = checked_text(q->o, "path"), *last;

	path = *path ? path : argv0 && *argv0 ? argv0 : "process";
	last = strrchr(path, '/');
	html_text(b, last && last[1] ? last + 1 : path, most);
}

void processes_label(struct buf *b, const struct processes *p, json_int_t run, json_int_t pid)
{
	size_t i = processes_find(p, run, pid);

	if (pid < 1)
		return;
	/* Its last image is what it was most of the time: the first one may be but a fork of its parent. */
	while (i != NO_PROCESS && p->process[i].next_image != NO_PROCESS)
		i = p->process[i].next_image;
	if (i != NO_PROCESS) {
		name(b, &p->process[i], 20);
		buf_addc(b, ' ');
	}
	buf_addf(b, "%lld", (long long)pid);
}

void processes_cell(struct buf *b, const struct processes *p, const json_t *entry)
{
	buf_adds(b, "<td class=\"note\">");
	processes_label(b, p, processes_run(entry), jsonio_int(entry, "pid", 0));
	buf_adds(b, "</td>");
}

void processes_run_name(struct buf *b, const json_t *dynamic, json_int_t run)
{
	const char *setting = run >= 0 ? jsonio_str(json_array_get(json_object_get(dynamic, "runs"), (size_t)run), "setting") : NULL;

	buf_addf(b, "Run %lld", (long long)run + 1);
	if (setting) {
		buf_adds(b, ": ");
		html_text(b, setting, 40);
	}
}

static void command(struct buf *b, const json_t *o)
{
	const json_t *argv = json_object_get(o, "argv"), *v;
	size_t i;

	buf_adds(b, "<code>");
	json_array_foreach(argv, i, v) {
		const char *s = json_string_value(v);
		bool quoted = s && (!*s || strpbrk(s, " \t\n;|&"));

		if (i >= WORDS)
			break;
		buf_addf(b, "%s%s", i ? " " : "", quoted ? "'" : "");
		html_text(b, s, 120);
		buf_adds(b, quoted ? "'" : "");
	}
	if (json_array_size(argv) > WORDS)
		buf_adds(b, " \xe2\x80\xa6");
	if (!json_array_size(argv))
		html_text(b, *checked_text(o, "path") ? checked_text(o, "path") : "a process", 120);
	buf_adds(b, "</code>");
}

static void ending(struct buf *b, const char *end)
{
	long status = strtol(end, NULL, 10);

	if (!strcmp(end, "running"))
		buf_adds(b, "still there at the end");
	else if (!*end || strspn(end, "0123456789") != strlen(end) || status > 100000)
		buf_adds(b, "its end is not known");
	else if (status > 128)
		buf_addf(b, "ended by signal %ld", status - 128);
	else
		buf_addf(b, status ? "ended with %ld" : "ended", status);
}

static void deeds(struct buf *b, const struct process *q)
{
	static const char *const NAMES[DEEDS][2] = { { "program", "programs" }, { "file", "files" }, { "of the network", "of the network" },
		{ "of memory", "of memory" }, { "wait", "waits" }, { "other", "other" } };
	const char *between = "; events: ";

	for (int d = 0; d < DEEDS; d++) {
		if (!q->did[d])
			continue;
		buf_addf(b, "%s%zu %s", between, q->did[d], NAMES[d][q->did[d] > 1]);
		between = ", ";
	}
}

static void row(struct buf *b, const struct process *q, bool again)
{
	static const struct { const char *cls, *text; } IMAGES[] = { [IMAGE_SAMPLE] = { "bad", "the sample" }, [IMAGE_MADE] = { "odd", "a file it made" },
		[IMAGE_MEMORY] = { "odd", "only in memory" }, [IMAGE_SYSTEM] = { "plain", "of the system" }, [IMAGE_OTHER] = { "plain", "another program" } };
	const char *path = checked_text(q->o, "path");

	command(b, q->o);
	buf_addf(b, " <span class=\"tag %s\">%s</span>", IMAGES[q->image].cls, IMAGES[q->image].text);
	if (jsonio_bool(q->o, "renamed", false))
		buf_adds(b, " <span class=\"tag odd\">named itself so</span>");
	buf_adds(b, "<span class=\"why\">");
	if (q->times > 1)
		buf_addf(b, "%zu alike, %lld to %lld: ", q->times, (long long)q->pid, (long long)q->last);
	else
		buf_addf(b, "%s%lld: ", again ? "then, still as " : "", (long long)q->pid);
	if (*path) {
		html_text(b, path, 120);
		buf_adds(b, ", ");
	}
	ending(b, checked_text(q->o, "end"));
	deeds(b, q);
	buf_adds(b, "</span>");
}

/* The rows from `from` that are of the same run; returns the one behind them. */
static size_t tree(struct buf *b, const struct processes *p, size_t from)
{
	json_int_t run = p->process[p->row[from]].run;
	size_t i, depth = 0;

	buf_adds(b, "<ul class=\"tree\">");
	for (i = from; i < p->rows && p->process[p->row[i]].run == run; i++) {
		const struct process *q = &p->process[p->row[i]];

		if (i > from && q->depth > depth) {
			buf_adds(b, "<ul>");
		} else if (i > from) {
			buf_adds(b, "</li>");
			for (; depth > q->depth; depth--)
				buf_adds(b, "</ul></li>");
		}
		depth = q->depth;
		buf_adds(b, "<li>");
		row(b, q, q->parent != NO_PROCESS && p->process[q->parent].pid == q->pid);
	}
	buf_adds(b, "</li>");
	for (; depth; depth--)
		buf_adds(b, "</ul></li>");
	buf_adds(b, "</ul>\n");
	return i;
}

void html_process_tree(struct buf *b, const struct processes *p)
{
	const json_t *runs = json_object_get(p->dynamic, "runs");
	size_t trees = 0;

	if (!p->rows)
		return;
	buf_adds(b, "<h4>Processes</h4>");
	for (size_t at = 0; at < p->rows && trees < RUNS_TOLD; trees++) {
		json_int_t run = p->process[p->row[at]].run;
		bool folded = processes_idle(p->dynamic, run);

		if (folded)
			buf_adds(b, "<details><summary>");
		else if (json_array_size(runs) > 1)
			buf_adds(b, "<p class=\"note\">");
		if (json_array_size(runs) > 1)
			processes_run_name(b, p->dynamic, run);
		if (folded)
			buf_adds(b, "<span class=\"note\">did nothing</span></summary>");
		else if (json_array_size(runs) > 1)
			buf_adds(b, "</p>");
		html_scroll(b, "Processes");
		at = tree(b, p, at);
		html_scroll_end(b);
		if (folded)
			buf_adds(b, "</details>");
	}
	if (p->left_out)
		buf_addf(b, "<p class=\"note\">%zu more stand in dynamic.json.</p>", p->left_out);
}
