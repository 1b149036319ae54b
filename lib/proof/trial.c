#include "proof/internal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What one trial holds; the states of the world are world_changes()'s. */
struct scene {
	struct world *w;
	struct signs signs;
	struct running *g;
	struct run run;
	json_t *clean, *infected, *after;
};

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

/* Was it changed by the specimens, and is it a place from which things start? */
static bool starts_something(const struct evidence *v, const char *path)
{
	static const char *const places[] = { "/etc/cron", "/var/spool/cron/", "/etc/systemd/", "/etc/init.d/", "/etc/rc", "/etc/profile", "/etc/ld.so.preload",
		"/etc/xdg/autostart/", "/usr/lib/systemd/", "/etc/udev/rules.d/", "/etc/modules-load.d/" };

	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (!strncmp(path, places[i], strlen(places[i])))
			return true;
	if (strstr(path, "/autostart/"))
		return true;
	for (size_t i = 0; i < v->specimens; i++) {
		size_t k;
		json_t *f;

		json_array_foreach(json_object_get(v->specimen[i].dynamic, "startup"), k, f)
			if (jsonio_str(f, "file") && !strcmp(jsonio_str(f, "file"), path))
				return true;
	}
	return false;
}

static bool says(const json_t *o, const char *word)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(o, "what"), i, v)
		if (json_is_string(v) && !strcmp(json_string_value(v), word))
			return true;
	return false;
}

static bool same_member(const json_t *a, const json_t *b, const char *key)
{
	const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

	return x == y || json_equal(x, y);
}

/* Other bytes or another target than in the clean system? A new time alone starts nothing. */
static bool is_other(const json_t *difference)
{
	const json_t *was = json_object_get(difference, "was"), *is = json_object_get(difference, "is");
	const char *change = jsonio_str(is, "change");

	if (!change)
		return false;
	if (json_is_object(was))
		return !same_member(was, is, "sha256") || !same_member(was, is, "target") || !same_member(was, is, "type");
	return strcmp(change, "modified") || says(is, "content") || says(is, "target") || says(is, "type");
}

static bool is_type(const json_t *o, const char *type)
{
	return jsonio_str(o, "type") && !strcmp(jsonio_str(o, "type"), type);
}

/* Of plant_decoys(): with its near miss beside a file of the plan. */
static bool is_decoy(const struct scene *s, const char *path)
{
	static const char near[] = ".near";
	size_t n = strlen(path), k = sizeof near - 1;

	for (size_t i = 0; n > k && !strcmp(path + n - k, near) && i < s->signs.count; i++) {
		const struct sign *o = &s->signs.sign[i];

		if (o->kind == SIGN_FILE && strlen(o->path) == n - k && !strncmp(o->path, path, n - k))
			return true;
	}
	return false;
}

/* Each sign, each file with a digest of the plan or the code, each start-up entry that was not there before. */
static int check_gone(struct trial *t, struct scene *s)
{
	json_t *d = compare_changes(s->clean, s->after), *o;
	struct buf b = { 0 };
	size_t i;

	for (i = 0; i < s->signs.count; i++) {
		char *text;

		if (s->signs.sign[i].kind == SIGN_PROCESS || !signs_present(s->w, &s->signs.sign[i], NULL, s->after))
			continue;
		text = signs_describe(&s->signs.sign[i]);
		if (b.len < 400)
			buf_addf(&b, "%s%s", b.len ? ", " : "", text);
		free(text);
	}
	json_array_foreach(d, i, o) {
		const json_t *is = json_object_get(o, "is");
		const char *path = jsonio_str(o, "path"), *sha = jsonio_str(is, "sha256"), *change = jsonio_str(is, "change");
		bool bad = sha && evidence_is_body(t->evidence, sha);

		for (size_t k = 0; sha && k < s->signs.count; k++)
			bad |= s->signs.sign[k].kind == SIGN_FILE && jsonio_int(is, "size", 0) > 0 && !strcmp(s->signs.sign[k].sha256, sha);
		if (!is_type(is, "dir") && change && strcmp(change, "deleted") && !is_decoy(s, path) && starts_something(t->evidence, path))
			bad |= is_other(o);
		if (bad && b.len < 400)
			buf_addf(&b, "%s%s", b.len ? ", " : "", err_q(path));
		if (json_array_size(t->left) < 200 && is_other(o) && strcmp(change, "deleted") && strcmp(path, "/opt/near") && !strstr(path, ".near") &&
		    strncmp(path, "/opt/near/", 10))
			json_array_append(t->left, json_object_get(o, "path"));
	}
	trial_check(t, "indicators-gone", !b.len, b.len ? "left: %s" : "none of the signs is left%s", buf_str(&b));
	buf_free(&b);
	json_decref(d);
	return 0;
}

/* May this path differ between the infected system and the healed one? */
static bool is_expected(const struct scene *s, const json_t *difference)
{
	const char *path = jsonio_str(difference, "path");
	const json_t *was = json_object_get(difference, "was"), *is = json_object_get(difference, "is");
	struct buf b = { 0 };
	bool expected = false;

	if (jsonio_tobytes(path, &b))
		return false;
	for (size_t i = 0; i < s->signs.count && !expected; i++) {
		const struct sign *n = &s->signs.sign[i];

		if (n->kind == SIGN_PROCESS || !n->planted || strcmp(n->path, buf_str(&b)))
			continue;
		if (n->kind == SIGN_LINE && json_is_object(is) && json_is_object(was))
			expected = same_member(was, is, "mode") && same_member(was, is, "uid") && same_member(was, is, "gid");
		else
			/* gone, or of the lower system and shown as deleted: never of the clean system */
			expected = !compare_find(s->clean, n->path) && json_is_null(is);
		/* The line was all that made the file differ from the system's own. */
		expected |= n->kind == SIGN_LINE && json_is_null(is);
	}
	buf_free(&b);
	/* A specimen's own data, which it may have written to until it was ended. */
	if (!expected && json_is_object(was) && json_is_object(is) && !compare_find(s->clean, path))
		expected = jsonio_str(was, "change") && !strcmp(jsonio_str(was, "change"), "created") && !strstr(path, ".near");
	return expected;
}

static void check_nothing_else(struct trial *t, struct scene *s)
{
	json_t *d = compare_changes(s->infected, s->after), *bad = json_array(), *o;
	char *list;
	size_t i;

	json_array_foreach(d, i, o)
		if (!is_expected(s, o))
			json_array_append(bad, o);
	list = compare_list(bad);
	trial_check(t, "nothing-else-changed", !json_array_size(bad), json_array_size(bad) ? "also changed: %s" : "what was not the plan's is as it was%s", list);
	free(list);
	json_decref(bad);
	json_decref(d);
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
	if (!s.infected || check_plan_mode(t, &s, e) || check_apply(t, &s, e) || check_processes(t, &s, e) || check_gone(t, &s))
		goto out;
	check_nothing_else(t, &s);
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
