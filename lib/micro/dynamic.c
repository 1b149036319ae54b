#include "micro/dynamic-internal.h"

#include <string.h>

#define USUAL_SECONDS 8

/* dynamic.json of a sample before any run. */
static json_t *begun(const struct micro_sample *s)
{
	static const char *const LISTS[] = { "processes", "files", "startup", "accounts", "connections", "memory", "sleeps", "exchanges", "scans", "indicators", "timeline",
		"limits", "signs", "runs" };
	json_t *d = json_object();

	json_object_set_new(d, "sha256", json_string(s->sha256));
	json_object_set_new(d, "how", json_string("garden"));
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

/* Runs of the sample, in the order of rules/garden/runs.json: until one shows something, or time is up. */
static int run_all(const struct micro_sample *s, const struct settings *settings, int seconds, json_t *all, struct micro_extra *extra, struct err *e)
{
	int64_t began = clock_mono_ms(), budget = seconds * (int64_t)2000;
	const struct setting *setting;
	bool silent = true;

	for (unsigned i = 0; silent && (setting = settings_get(settings, i)); i++) {
		int64_t left = i ? budget - (clock_mono_ms() - began) : seconds * (int64_t)1000;
		json_t *one;

		if (left < 1000)
			break;
		one = observe_run(s, setting, (int)(left < seconds * (int64_t)1000 ? left / 1000 : seconds), json_object_get(all, "memory"), extra, e);
		if (!one)
			return -1;
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
	json_t *d = begun(s);
	struct settings *settings;
	int rc;

	if (s->body < 0) {
		json_object_set_new(d, "reason", json_string("the case has no body of it"));
		return d;
	}
	settings = settings_open(e);
	rc = settings ? run_all(s, settings, o->seconds > 0 ? o->seconds : USUAL_SECONDS, d, extra, e) : -1;
	settings_free(settings);
	if (!rc)
		return d;
	json_decref(d);
	return NULL;
}
