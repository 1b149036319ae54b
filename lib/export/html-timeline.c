/* When it did what: a lane a process, what it did as marks in the order of time, the leaps of its clock; and all of it as a table. */
#include "export/html-run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POINTS 1000u             /* of one drawing */
#define LANES 24u                /* the last one is for all further processes */
#define DRAWINGS 3u              /* runs that are drawn: they are repeated until one shows something */
#define LISTED 500u
#define TICKS 7u
#define WIDE 860.0
#define LEFT 150.0
#define LANE 22.0
#define TOP 40.0
#define LEAP_SECONDS 1.0         /* shorter waits are no leaps: as in sleeps of dynamic.json */

static const struct { const char *cls, *name; } KINDS[DEEDS] = {
	[DEED_PROGRAM] = { "l3", "program" }, [DEED_FILE] = { "l5", "file" }, [DEED_NETWORK] = { "l0", "network" },
	[DEED_MEMORY] = { "lm", "code in memory" }, [DEED_WAIT] = { "l1", "wait" }, [DEED_OTHER] = { "l6", "other" },
};

struct point {
	const json_t *o;
	double t, clock, x;          /* seconds, seconds of its own clock, position */
	size_t lane;
	enum deed deed;
	bool leap;
};

struct drawing {
	const struct processes *p;
	json_int_t run;
	struct point point[POINTS];
	size_t points, lanes, left_out;
	struct { size_t process; json_int_t pid; double from, to; } lane[LANES];
};

static double seconds_of(const json_t *o, const char *key, double otherwise)
{
	double v = jsonio_num(o, key, otherwise);

	return v >= 0 && v < 1e10 ? v : otherwise;
}

/* ---- where what stands ---- */

static size_t lane_of(struct drawing *d, json_int_t pid)
{
	size_t process = processes_find(d->p, d->run, pid), i;

	while (process != NO_PROCESS && d->p->process[process].next_image != NO_PROCESS)
		process = d->p->process[process].next_image;
	if (process != NO_PROCESS)
		process = d->p->process[process].as;
	for (i = 0; i < d->lanes; i++)
		if (d->lane[i].process == process)
			return i;
	if (d->lanes == LANES)
		return LANES - 1;
	d->lane[i].process = process;
	d->lane[i].pid = pid;
	d->lane[i].from = -1;
	return d->lanes++;
}

/* Gaps grow with the logarithm of the time: what happens within milliseconds is told apart, and a second is still seen. */
static double gap(double seconds)
{
	return 0.35 + log2(1 + seconds / 0.005);
}

static void place(struct drawing *d)
{
	const json_t *o;
	double t = 0, ahead = 0, x = 0;
	size_t i;

	json_array_foreach(json_object_get(d->p->dynamic, "timeline"), i, o) {
		struct point *q = &d->point[d->points];
		double now = seconds_of(o, "t", t), clock;

		if (processes_run(o) != d->run)
			continue;
		if (d->points == POINTS) {
			d->left_out++;
			continue;
		}
		*q = (struct point){ .o = o, .t = now > t ? now : t, .deed = processes_deed(d->p, checked_text(o, "event")) };
		/* Exchanges tell no clock: it is as far ahead as it was. */
		clock = seconds_of(o, "clock", q->t + ahead);
		q->leap = q->deed == DEED_WAIT && clock - q->t - ahead > LEAP_SECONDS * 0.9;
		ahead = clock - q->t > ahead ? clock - q->t : ahead;
		q->clock = q->t + ahead;
		x += d->points ? gap(q->t - t) + (q->leap ? 6 : 0) : 0;
		q->x = x;
		t = q->t;
		q->lane = lane_of(d, jsonio_int(o, "pid", 0));
		d->points++;
	}
	for (i = 0; i < d->points; i++) {
		struct point *q = &d->point[i];

		q->x = LEFT + 4 + (x > 0 ? q->x / x : 0) * (WIDE - LEFT - 12);
		d->lane[q->lane].from = d->lane[q->lane].from < 0 ? q->x : d->lane[q->lane].from;
		d->lane[q->lane].to = q->x;
	}
}

/* ---- drawn ---- */

/* How far its clock went on alone. */
static double leapt(const struct point *q, const struct point *before)
{
	return round((q->clock - before->clock - (q->t - before->t)) * 100) / 100;
}

static void leaps(struct buf *b, const struct drawing *d)
{
	double told = 0;

	for (size_t i = 1; i < d->points; i++) {
		const struct point *q = &d->point[i], *before = &d->point[i - 1];

		if (!q->leap)
			continue;
		buf_addf(b, "<rect class=\"leap\" x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%.0f\"><title>its clock leaps over ", before->x + 2, TOP, q->x - before->x - 2,
			LANE * (double)d->lanes);
		html_span(b, leapt(q, before));
		buf_adds(b, "</title></rect>");
		if (q->x - 60 < told)
			continue;
		told = q->x;
		buf_addf(b, "<text class=\"small\" x=\"%.1f\" y=\"%.0f\" text-anchor=\"end\">+", q->x, TOP - 6);
		html_span(b, leapt(q, before));
		buf_adds(b, "</text>");
	}
}

/* Real time above, its own clock below: where they differ. */
static void ticks(struct buf *b, const struct drawing *d)
{
	double step = (WIDE - LEFT - 12) / TICKS, told = 0, below = TOP + LANE * (double)d->lanes + 14;
	bool bent = d->points && d->point[d->points - 1].clock - d->point[d->points - 1].t > LEAP_SECONDS;

	buf_addf(b, "<text class=\"small\" x=\"0\" y=\"12\">real time</text>");
	if (bent)
		buf_addf(b, "<text class=\"small\" x=\"0\" y=\"%.0f\">its clock</text>", below);
	for (size_t i = 0; i < d->points; i++) {
		const struct point *q = &d->point[i];

		if (i && q->x < told + step)
			continue;
		told = q->x;
		buf_addf(b, "<path class=\"tick\" d=\"M%.1f 16 V%.0f\"/><text class=\"small\" x=\"%.1f\" y=\"12\" text-anchor=\"%s\">", q->x, below - 10, q->x, q->x > WIDE - 60 ? "end" : "start");
		html_span(b, q->t);
		buf_adds(b, "</text>");
		if (!bent)
			continue;
		buf_addf(b, "<text class=\"small\" x=\"%.1f\" y=\"%.0f\" text-anchor=\"%s\">", q->x, below, q->x > WIDE - 90 ? "end" : "start");
		html_span(b, q->clock);
		buf_adds(b, "</text>");
	}
}

static void lane(struct buf *b, const struct drawing *d, size_t i)
{
	double y = TOP + LANE * (double)i, from = d->lane[i].from - 2, to = d->lane[i].to + 5;

	buf_addf(b, "<rect class=\"ground\" x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"%.0f\" rx=\"3\"/><text class=\"small\" x=\"%.0f\" y=\"%.0f\" text-anchor=\"end\">", from,
		y + 2, to - from, LANE - 4, LEFT - 8, y + 15);
	if (i == LANES - 1) {
		buf_adds(b, "further ones");
	} else if (d->lane[i].process == NO_PROCESS) {
		buf_adds(b, "not known whose");
	} else {
		const struct process *q = &d->p->process[d->lane[i].process];

		processes_label(b, d->p, d->run, q->pid);
		if (q->times > 1)
			buf_addf(b, " and %zu", q->times - 1);
	}
	buf_adds(b, "</text>");
}

static void mark(struct buf *b, const struct drawing *d, const struct point *q)
{
	buf_addf(b, "<rect class=\"%s%s\" x=\"%.1f\" y=\"%.0f\" width=\"4\" height=\"%.0f\" rx=\"1\"><title>", KINDS[q->deed].cls, json_object_get(q->o, "error") ? " failed" : "",
		q->x - 1, TOP + LANE * (double)q->lane + 3, LANE - 6);
	html_span(b, q->t);
	buf_adds(b, ", ");
	processes_label(b, d->p, d->run, jsonio_int(q->o, "pid", 0));
	buf_adds(b, ": ");
	html_text(b, checked_text(q->o, "event"), 30);
	buf_addc(b, ' ');
	html_text(b, checked_text(q->o, "what"), 120);
	buf_adds(b, "</title></rect>");
}

static void draw(struct buf *b, const struct drawing *d)
{
	html_scroll(b, "Timeline");
	buf_addf(b, "<svg class=\"timeline\" role=\"img\" aria-label=\"What each process did, from left to right in the order of time\" viewBox=\"0 0 %.0f %.0f\">", WIDE,
		TOP + LANE * (double)d->lanes + 20);
	for (size_t i = 0; i < d->lanes; i++)
		lane(b, d, i);
	ticks(b, d);
	leaps(b, d);
	for (size_t i = 0; i < d->points; i++)
		mark(b, d, &d->point[i]);
	buf_adds(b, "</svg>");
	html_scroll_end(b);
	if (d->left_out)
		buf_addf(b, "<p class=\"note\">%zu more are not drawn.</p>", d->left_out);
}

static void drawings(struct buf *b, const struct processes *p)
{
	const json_t *runs = json_object_get(p->dynamic, "runs");
	size_t n = json_array_size(runs), drawn = 0;

	for (size_t run = 0; run < (n ? n : 1) && run < RUNS_TOLD && drawn < DRAWINGS; run++) {
		struct drawing *d;

		if (processes_idle(p->dynamic, (json_int_t)run))
			continue;
		d = buf_alloc(sizeof *d);
		d->p = p;
		d->run = (json_int_t)run;
		place(d);
		if (d->points > 1) {
			drawn++;
			if (n > 1) {
				buf_adds(b, "<p class=\"note\">");
				processes_run_name(b, p->dynamic, d->run);
				buf_adds(b, "</p>");
			}
			draw(b, d);
		}
		free(d);
	}
}

/* ---- listed ---- */

static void line(struct buf *b, const struct processes *p, const json_t *o, bool runs)
{
	enum deed deed = processes_deed(p, checked_text(o, "event"));
	json_int_t times = jsonio_int(o, "times", 1);

	buf_adds(b, "<tr>");
	if (runs)
		buf_addf(b, "<td class=\"num\">%lld</td>", (long long)processes_run(o) + 1);
	buf_adds(b, "<td class=\"num\">");
	html_span(b, seconds_of(o, "t", 0));
	buf_adds(b, "</td><td class=\"num\">");
	if (json_is_number(json_object_get(o, "clock")))
		html_span(b, seconds_of(o, "clock", 0));
	buf_adds(b, "</td>");
	processes_cell(b, p, o);
	buf_addf(b, "<td><span class=\"dot %s\"></span>", KINDS[deed].cls);
	html_text(b, checked_text(o, "event"), 30);
	buf_adds(b, "</td><td class=\"code\">");
	html_text(b, checked_text(o, "what"), 300);
	if (times > 1)
		buf_addf(b, " <span class=\"note\">%lld times</span>", (long long)times);
	if (jsonio_str(o, "error")) {
		buf_adds(b, " <span class=\"note\">failed: ");
		html_text(b, jsonio_str(o, "error"), 30);
		buf_adds(b, "</span>");
	}
	buf_adds(b, "</td></tr>\n");
}

static void listed(struct buf *b, const struct processes *p)
{
	const json_t *list = json_object_get(p->dynamic, "timeline"), *o;
	bool runs = json_array_size(json_object_get(p->dynamic, "runs")) > 1;
	size_t i;

	buf_addf(b, "<details><summary>What happened, line by line<span class=\"note\">%zu</span></summary>", json_array_size(list));
	html_scroll(b, "What happened");
	buf_addf(b, "<table><thead><tr>%s<th class=\"num\">Time</th><th class=\"num\">Its clock</th><th>Process</th><th>Event</th><th>What</th></tr></thead><tbody>\n",
		runs ? "<th class=\"num\">Run</th>" : "");
	json_array_foreach(list, i, o)
		if (i < LISTED)
			line(b, p, o, runs);
	buf_adds(b, "</tbody></table>");
	html_scroll_end(b);
	if (json_array_size(list) > LISTED)
		buf_addf(b, "<p class=\"note\">%zu more stand in dynamic.json.</p>", json_array_size(list) - LISTED);
	buf_adds(b, "</details>");
}

void html_timeline(struct buf *b, const struct processes *p)
{
	if (!json_array_size(json_object_get(p->dynamic, "timeline")))
		return;
	buf_adds(b, "<h4>Timeline</h4><p class=\"key note\">");
	for (size_t i = 0; i < DEEDS; i++)
		buf_addf(b, "<span class=\"%s\">%s</span> ", KINDS[i].cls, KINDS[i].name);
	buf_adds(b, "<span class=\"leap\">its clock leaps</span></p><p class=\"note\">Gaps between two marks grow with the logarithm of the time between them; what failed is pale.</p>");
	drawings(b, p);
	listed(b, p);
}
