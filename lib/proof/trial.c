#include "proof/internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void trial_check(struct trial *t, const char *name, bool pass, const char *fmt, ...)
{
	struct buf b = { 0 };
	char text[1000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	buf_adds(&b, text);
	json_array_append_new(t->checks, json_pack("{s:s, s:b, s:o}", "name", name, "pass", pass, "detail", jsonio_name(buf_str(&b))));
	if (!pass) {
		t->safe = false;
		msg_warn("not safe: %s: %s", name, text);
	} else {
		msg_info("%s: %s", name, *text ? text : "yes");
	}
	buf_free(&b);
}

static json_t *changes(struct scene *s, struct err *e)
{
	return world_changes(s->w, e);
}

/* The plan must be for this case and host, in force, and for a target we can try. */
static void check_plan(struct trial *t)
{
	const json_t *plan = t->evidence->plan, *c = t->evidence->case_json;
	const char *format = jsonio_str(plan, "format"), *id = jsonio_str(plan, "id"), *in = jsonio_str(plan, "case"), *target = jsonio_str(plan, "target");
	const char *host = jsonio_str(json_object_get(plan, "host"), "id"), *of = jsonio_str(json_object_get(c, "host"), "id");
	const char *why = NULL;
	int64_t until = 0;

	if (!format || strcmp(format, "muss-plan/1") || !id || !target || strcmp(target, "linux-x86_64"))
		why = "the plan's format or target is not known here";
	else if (!in || !jsonio_str(c, "id") || strcmp(in, jsonio_str(c, "id")))
		why = "the plan is for another case";
	else if (!host || !of || strcmp(host, of))
		why = "the plan is for another host";
	else if (clock_parse(jsonio_str(plan, "expires") ? jsonio_str(plan, "expires") : "", &until) || until <= clock_now())
		why = "the plan has expired";
	else if (!json_array_size(json_object_get(plan, "operations")))
		why = "the plan does nothing";
	trial_check(t, "plan-is-current", !why, "%s", why ? why : "for this case and host, in force");
}

/* Parses --report's output. NULL: none. */
static json_t *parse_report(const struct buf *out)
{
	struct err e = { 0 };

	return out->len ? jsonio_parse(out->p, out->len, "the remover's report", &e) : NULL;
}

static const json_t *operation_of(const json_t *report, json_int_t id)
{
	size_t i;
	json_t *op;

	json_array_foreach(json_object_get(report, "operations"), i, op)
		if (jsonio_int(op, "id", 0) == id)
			return op;
	return NULL;
}

static bool result_is(const json_t *report, json_int_t id, const char *a, const char *b)
{
	const char *result = jsonio_str(operation_of(report, id), "result");

	return result && (!strcmp(result, a) || (b && !strcmp(result, b)));
}

/* Does the report speak of the plan's operations, and of no others? */
static bool report_is_plan(const json_t *plan, const json_t *report)
{
	const json_t *mine = json_object_get(plan, "operations"), *its = json_object_get(report, "operations");
	const char *id = jsonio_str(report, "plan"), *want = jsonio_str(plan, "id");
	size_t i;
	json_t *op;

	if (!id || !want || strcmp(id, want) || json_array_size(mine) != json_array_size(its))
		return false;
	json_array_foreach((json_t *)(uintptr_t)mine, i, op) {
		const json_t *o = json_array_get(its, i);
		const char *name = jsonio_str(op, "op"), *other = jsonio_str(o, "op"), *path = jsonio_str(op, "path"), *at = jsonio_str(o, "path");

		if (!name || !other || strcmp(name, other) || jsonio_int(op, "id", 0) != jsonio_int(o, "id", -1) || !path != !at ||
		    (path && strcmp(path, at)))
			return false;
	}
	return true;
}

static bool only_results(const json_t *report, const char *const *allowed)
{
	size_t i;
	json_t *op;

	json_array_foreach(json_object_get(report, "operations"), i, op) {
		const char *result = jsonio_str(op, "result");
		bool good = false;

		for (const char *const *a = allowed; *a && result; a++)
			good |= !strcmp(*a, result);
		if (!good)
			return false;
	}
	return report != NULL;
}

/* On a system that was never infected it finds nothing and leaves nothing. */
static int check_clean(struct trial *t, struct scene *s, struct err *e)
{
	struct run r = { .argv = (const char *const[]){ REMOVER_PATH, "--apply", "--report", NULL }, .seconds = 60, .in = -1, .out = -1, .errfd = -1 };
	json_t *after = NULL, *report = NULL, *d = NULL;
	struct buf out = { 0 };
	char *list = NULL;
	int rc = -1;

	s->clean = changes(s, e);
	r.out = io_tmp(e);
	if (!s->clean || r.out < 0 || garden_run(s->w, &r, e) || lseek(r.out, 0, SEEK_SET) < 0 || io_slurp(r.out, CAP_SLURP, &out, "report", e))
		goto out;
	after = changes(s, e);
	if (!after)
		goto out;
	report = parse_report(&out);
	d = compare_changes(s->clean, after);
	list = compare_list(d);
	if (json_array_size(d))
		trial_check(t, "clean-system-untouched", false, "it changes %s of a system that is not infected", list);
	else if (!report || !only_results(report, (const char *const[]){ "absent", "changed", NULL }) || (r.status != 0 && r.status != 1))
		trial_check(t, "clean-system-untouched", false, "it ended with %d and found something to do", r.status);
	else if (!report_is_plan(t->evidence->plan, report))
		trial_check(t, "clean-system-untouched", false, "it speaks of other operations than the plan");
	else
		trial_check(t, "clean-system-untouched", true, "nothing found, nothing changed");
	rc = 0;
out:
	io_close(&r.out);
	json_decref(after);
	json_decref(report);
	json_decref(d);
	free(list);
	buf_free(&out);
	return rc;
}

/* Is there a way to know of each operation that it works? Those that nothing could be made for are named. */
static void check_planted(struct trial *t, struct scene *s)
{
	size_t planted = 0, operations = 0;
	struct buf b = { 0 };
	size_t k;
	json_t *note;

	for (size_t i = 0; i < s->signs.count; i++) {
		const struct sign *n = &s->signs.sign[i];
		char *text;

		planted += n->planted;
		if (!n->id)
			continue;
		operations++;
		if (n->planted)
			continue;
		json_array_append_new(t->unproven, json_integer(n->id));
		text = signs_describe(n);
		if (b.len < 300)
			buf_addf(&b, "%s%s", b.len ? ", " : "", text);
		free(text);
	}
	trial_check(t, "planted", operations > json_array_size(t->unproven), "%zu signs of infection, for %zu of %zu operations%s%s", planted,
		    operations - json_array_size(t->unproven), operations, b.len ? "; not tried: " : "", buf_str(&b));
	buf_free(&b);
	/* What the plan leaves out stays, for all that is proven here. */
	json_array_foreach(json_object_get(t->evidence->plan, "notes"), k, note)
		json_array_append(t->unproven, note);
}

static int run_remover(struct scene *s, const char *how, json_t **report, struct err *e)
{
	struct buf out = { 0 };
	int status = infect_beside(s->g, (const char *const[]){ REMOVER_PATH, how, "--report", NULL }, &out, e);

	*report = parse_report(&out);
	buf_free(&out);
	return status;
}

static int check_plan_mode(struct trial *t, struct scene *s, struct err *e)
{
	json_t *report, *now, *d;
	int status = run_remover(s, "--plan", &report, e);
	size_t missed = 0;
	char *list;

	now = status < 0 ? NULL : changes(s, e);
	if (!now) {
		json_decref(report);
		return -1;
	}
	d = compare_changes(s->infected, now);
	list = compare_list(d);
	for (size_t i = 0; i < s->signs.count; i++)
		missed += s->signs.sign[i].id && s->signs.sign[i].planted && !result_is(report, s->signs.sign[i].id, "would", NULL);
	if (json_array_size(d))
		trial_check(t, "plan-mode-changes-nothing", false, "--plan changes %s", list);
	else
		trial_check(t, "plan-mode-changes-nothing", status == 0 && !missed && report_is_plan(t->evidence->plan, report),
			    "--plan ended with %d and overlooked %zu of what is there", status, missed);
	free(list);
	json_decref(d);
	json_decref(now);
	json_decref(report);
	return 0;
}

/* One operation's sign can go with another's: a line with its file. */
static bool went_with_another(const struct scene *s, const json_t *report, const struct sign *n)
{
	for (size_t i = 0; i < s->signs.count; i++) {
		const struct sign *o = &s->signs.sign[i];

		if (o != n && o->id && o->path && n->path && !strcmp(o->path, n->path) && result_is(report, o->id, "done", NULL))
			return true;
	}
	return n->kind == SIGN_PROCESS;
}

static int check_apply(struct trial *t, struct scene *s, struct err *e)
{
	struct buf out = { 0 }, failed = { 0 };
	/* The specimens wake up as the remover begins. */
	int status = infect_beside(s->g, (const char *const[]){ "/bin/sh", "-c", "kill -CONT -1; exec " REMOVER_PATH " --apply --report", NULL }, &out, e);
	json_t *report = parse_report(&out);

	buf_free(&out);
	if (status < 0)
		return -1;
	for (size_t i = 0; i < s->signs.count; i++) {
		const struct sign *n = &s->signs.sign[i];

		if (n->id && n->planted && !result_is(report, n->id, "done", NULL) &&
		    !(result_is(report, n->id, "absent", NULL) && went_with_another(s, report, n)))
			buf_addf(&failed, "%s%lld", failed.len ? ", " : "", (long long)n->id);
	}
	trial_check(t, "applied", status == 0 && !failed.len && report && jsonio_int(report, "remaining", -1) == 0,
		    "--apply ended with %d, %lld remain%s%s", status, (long long)jsonio_int(report, "remaining", -1),
		    failed.len ? "; not done: operations " : "", buf_str(&failed));
	buf_free(&failed);
	json_decref(report);
	s->after = changes(s, e);
	return s->after ? 0 : -1;
}

static int check_processes(struct trial *t, struct scene *s, struct err *e)
{
	json_t *list = run_processes(s->g, e), *p;
	size_t left = 0, i;
	bool decoy = false;

	if (!list)
		return -1;
	json_array_foreach(list, i, p) {
		const char *sha = jsonio_str(p, "sha256"), *comm = jsonio_str(p, "comm");

		left += sha && evidence_is_body(t->evidence, sha);
		decoy |= comm && !strcmp(comm, "sleep");
	}
	for (i = 0; i < s->signs.count; i++)
		left += s->signs.sign[i].kind == SIGN_PROCESS && signs_present(s->w, &s->signs.sign[i], list, s->after);
	json_decref(list);
	trial_check(t, "processes-ended", !left && decoy, left ? "%zu still run" : decoy ? "none of it runs; an honest process lives" :
		    "an honest process was ended as well (%zu left)", left);
	return 0;
}

static int check_idle(struct trial *t, struct scene *s, struct err *e)
{
	json_t *report, *now, *d;
	int status = run_remover(s, "--apply", &report, e);
	char *list;

	now = status < 0 ? NULL : changes(s, e);
	if (!now) {
		json_decref(report);
		return -1;
	}
	d = compare_changes(s->after, now);
	list = compare_list(d);
	trial_check(t, "second-run-idle", status == 0 && !json_array_size(d) && only_results(report, (const char *const[]){ "absent", NULL }),
		    "a second --apply ended with %d%s%s", status, json_array_size(d) ? " and changed " : " and changed nothing", list);
	free(list);
	json_decref(d);
	json_decref(now);
	json_decref(report);
	return 0;
}

static int check_undo(struct trial *t, struct scene *s, struct err *e)
{
	json_t *report, *now, *d, *bad = json_array(), *o;
	int status = run_remover(s, "--undo", &report, e);
	char *list;
	size_t i;

	now = status < 0 ? NULL : changes(s, e);
	if (!now) {
		json_decref(report);
		json_decref(bad);
		return -1;
	}
	d = compare_changes(s->infected, now);
	json_array_foreach(d, i, o) {
		bool own = json_is_object(json_object_get(o, "is")) && json_is_object(json_object_get(o, "was"));

		/* The specimens' own data may have changed while they lived; the signs must be back to the last byte. */
		for (size_t k = 0; own && k < s->signs.count; k++) {
			json_t *name = s->signs.sign[k].path ? jsonio_name(s->signs.sign[k].path) : NULL;

			own = !name || strcmp(json_string_value(name), jsonio_str(o, "path"));
			json_decref(name);
		}
		if (!own || compare_find(s->clean, jsonio_str(o, "path")))
			json_array_append(bad, o);
	}
	list = compare_list(bad);
	trial_check(t, "undo-restores", status == 0 && !json_array_size(bad), "--undo ended with %d%s%s", status,
		    json_array_size(bad) ? ", and these are not as they were: " : ": bytes, modes, owners, attributes and times are back", list);
	free(list);
	json_decref(bad);
	json_decref(d);
	json_decref(now);
	json_decref(report);
	return 0;
}

/* The first body's path, with as many bytes of which one is another. NULL: no body can be had. Caller frees. */
static char *put_near_miss(struct trial *t, struct scene *s, struct err *e)
{
	for (size_t i = 0; i < s->signs.count; i++) {
		const struct sign *n = &s->signs.sign[i];
		int fd = n->kind == SIGN_FILE && n->id && evidence_is_body(t->evidence, n->sha256) ? evidence_bytes(t->evidence, n->sha256) : -1, copy, there;
		unsigned char last;
		off_t end;
		int rc = -1;

		if (fd < 0)
			continue;
		/* Nothing of the system's own is replaced. */
		there = world_open_file(s->w, n->path, e);
		if (there >= 0 || e->code != EX_NOINPUT) {
			io_close(&there);
			err_clear(e);
			continue;
		}
		err_clear(e);
		copy = io_tmp(e);
		if (copy < 0)
			return NULL;
		if (lseek(fd, 0, SEEK_SET) == 0 && !io_copy(fd, copy, CAP_BODY, NULL, e) && (end = lseek(copy, -1, SEEK_END)) >= 0 &&
		    pread(copy, &last, 1, end) == 1 && (last ^= 1, pwrite(copy, &last, 1, end) == 1))
			rc = world_put(s->w, n->path, 0755, copy, e);
		close(copy);
		return rc ? NULL : buf_strdup(n->path);
	}
	return NULL;
}

/* Same name, same length, one bit of difference: it is somebody else's file. */
static int check_near_miss(struct trial *t, struct scene *s, struct err *e)
{
	struct run r = { .argv = (const char *const[]){ REMOVER_PATH, "--apply", NULL }, .seconds = 60, .in = -1, .out = -1, .errfd = -1 };
	struct run rm = { .in = -1, .out = -1, .errfd = -1, .seconds = 60 };
	char *path = put_near_miss(t, s, e);
	json_t *before, *after = NULL, *d;
	int rc = -1;

	if (!path)
		return e->code ? -1 : 0;
	before = changes(s, e);
	if (!before || garden_run(s->w, &r, e) || !(after = changes(s, e)))
		goto out;
	d = compare_changes(before, after);
	trial_check(t, "near-miss-untouched", !json_array_size(d), json_array_size(d) ? "it takes another's file, %s, for the code" :
		    "a file of the same name and size stays%.0s", err_q(path));
	json_decref(d);
	rm.argv = (const char *const[]){ "/bin/rm", "-f", "--", path, NULL };
	if (garden_run(s->w, &rm, e))
		goto out;
	/* Its folders stay. */
	json_decref(s->clean);
	s->clean = changes(s, e);
	rc = s->clean ? 0 : -1;
out:
	json_decref(before);
	json_decref(after);
	free(path);
	return rc;
}

int trial_run(struct trial *t, struct err *e)
{
	struct scene s = { .w = NULL };
	struct world_options o = { 0 };
	int rc = -1;

	check_plan(t);
	s.w = world_open(&o, e);
	if (!s.w)
		return -1;
	signs_gather(&s.signs, t->evidence);
	if (world_put(s.w, REMOVER_PATH, 0755, t->evidence->remover, e) || infect_prepare(s.w, t->evidence, &s.signs, e) || check_clean(t, &s, e) ||
	    check_near_miss(t, &s, e))
		goto out;
	/* What already harms a clean system is tried no further. */
	if (!t->safe) {
		rc = 0;
		goto out;
	}
	if (infect(s.w, t->evidence, &s.signs, &s.g, &s.run, e))
		goto out;
	check_planted(t, &s);
	s.infected = changes(&s, e);
	if (!s.infected || check_plan_mode(t, &s, e) || check_apply(t, &s, e) || check_processes(t, &s, e))
		goto out;
	remains_gone(t, &s);
	remains_others(t, &s);
	if (check_idle(t, &s, e) || check_undo(t, &s, e))
		goto out;
	rc = 0;
out:
	if (s.g) {
		struct err ignored = { 0 };

		run_stop(s.g, rc ? &ignored : e);
	}
	world_close(s.w);
	json_decref(s.clean);
	json_decref(s.infected);
	json_decref(s.after);
	signs_free(&s.signs);
	return rc;
}
