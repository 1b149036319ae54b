#include "micro/dynamic-internal.h"
#include "micro/wine.h"

#include <string.h>

#define USUAL_SECONDS 8

/* dynamic.json of a sample before any run. */
static json_t *begun(const struct micro_sample *s, const char *how)
{
	static const char *const LISTS[] = { "processes", "files", "startup", "accounts", "connections", "memory", "sleeps", "exchanges", "scans",
		"indicators", "timeline", "limits", "signs", "runs" };
	json_t *d = json_object();

	json_object_set_new(d, "sha256", json_string(s->sha256));
	json_object_set_new(d, "how", json_string(how));
	json_object_set_new(d, "run", json_string("none"));
	for (size_t i = 0; i < sizeof LISTS / sizeof *LISTS; i++)
		json_object_set_new(d, LISTS[i], json_array());
	return d;
}

/* Its facts are those of the whole where it is the first that could be run. */
static void lead(json_t *all, const json_t *one)
{
	const char *run = jsonio_str(all, "run"), *now = jsonio_str(one, "run");

	if (strcmp(run, "none") && (strcmp(run, "refused") || !strcmp(now, "refused")))
		return;
	json_object_update(all, (json_t *)(uintptr_t)one);
	json_object_del(all, "setting");
	json_object_del(all, "silent");
	if (!json_object_get(one, "reason"))
		json_object_del(all, "reason");
}

struct way {
	const char *how, *settings;   /* settings: of rules/ */
	json_t *(*run)(const struct micro_sample *, const struct setting *, int, const json_t *, struct micro_extra *, struct err *);
};

/* Runs of the sample, in the order of the settings: until one shows something, or time is up. */
static int run_all(const struct way *way, const struct micro_sample *s, const struct settings *settings, int seconds, json_t *all,
                   struct micro_extra *extra, struct err *e)
{
	int64_t spent = 0, budget = seconds * (int64_t)2000;
	const struct setting *setting;
	bool silent = true;

	for (unsigned i = 0; silent && (setting = settings_get(settings, i)); i++) {
		int64_t left = i ? budget - spent : seconds * (int64_t)1000;
		json_t *one;

		if (left < 1000)
			break;
		one = way->run(s, setting, (int)(left < seconds * (int64_t)1000 ? left / 1000 : seconds), json_object_get(all, "memory"), extra, e);
		if (!one)
			return -1;
		spent += (int64_t)(jsonio_num(one, "seconds", 0) * 1000);
		silent = union_silent(one);
		json_object_set_new(one, "setting", json_string(setting->name));
		json_object_set_new(one, "silent", json_boolean(silent));
		union_add(all, one, i);
		lead(all, one);
		json_array_append_new(json_object_get(all, "runs"), one);
	}
	return 0;
}

json_t *dynamic_analyse(const struct micro_sample *s, const struct micro_options *o, struct micro_extra *extra, struct err *e)
{
	static const struct way LINUX = { "garden", "garden/runs.json", observe_run }, WINDOWS = { "wine", "garden/windows-runs.json", windows_run };
	const struct way *way = windows_program(s) ? &WINDOWS : &LINUX;
	const char *obstacle = s->body < 0 ? "the case has no body of it" : way == &WINDOWS ? windows_obstacle(s) : NULL;
	bool emulated = obstacle && way == &WINDOWS && json_array_size(json_object_get(json_object_get(s->stat, "unpack"), "calls"));
	json_t *d = begun(s, emulated ? "emulator" : way->how);
	struct settings *settings;
	int rc;

	if (obstacle) {
		json_object_set_new(d, "reason", json_string(obstacle));
		if (emulated)
			emulated_effects(s->stat, d);
		return d;
	}
	settings = settings_open(way->settings, e);
	rc = settings ? run_all(way, s, settings, o->seconds > 0 ? o->seconds : USUAL_SECONDS, d, extra, e) : -1;
	settings_free(settings);
	if (!rc)
		return d;
	json_decref(d);
	return NULL;
}
