/* One run of a Windows program, under Wine in a garden of its own. */
#include "micro/dynamic-internal.h"
#include "micro/wine.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUIET_MS 3000
#define START_SECONDS 6          /* Wine's own beginning, given on top of the sample's time */
#define END_SECONDS 5            /* the registry is written then */
#define NOISE_RUNS 4u
#define FILE_ALIGNMENT 512
#define ARGUMENTS 64u
#define IMAGE (256 * MIB)

/* ---- the run ---- */

struct observation {
	const struct micro_sample *s;
	const struct setting *setting;
	struct wine *wine;
	const char *shell;           /* the console that starts it; NULL: none */
	char *path, *windows;        /* of the sample, in the world and to itself */
	const char *argv[ARGUMENTS + 1];
	struct world *world;
	struct run run;
	struct wine_log log;
	json_t *events, *exchanges, *alive, *changes;
	int64_t began;
	int dumps, capture;
	bool quiet;
};

static bool is_dll(const struct micro_sample *s)
{
	const json_t *list = json_object_get(json_object_get(s->stat, "pe"), "characteristics"), *v;
	size_t i;

	json_array_foreach(list, i, v)
		if (json_is_string(v) && !strcmp(json_string_value(v), "dll"))
			return true;
	return false;
}

/* Under its own name, in a folder as people have it. */
static void choose_path(struct observation *o)
{
	const char *slash = o->s->path ? strrchr(o->s->path, '/') : NULL, *from = slash ? slash + 1 : o->s->path ? o->s->path : "sample";
	size_t n = strnlen(from, 100);
	char name[112];

	for (size_t i = 0; i < n; i++)
		name[i] = (unsigned char)from[i] < 32 || strchr("<>:\"/\\|?*", from[i]) || from[i] & 0x80 ? '_' : from[i];
	name[n] = '\0';
	if (n < 5 || name[n - 4] != '.')
		memcpy(name + n, is_dll(o->s) ? ".dll" : ".exe", sizeof ".exe");
	o->windows = buf_printf("C:\\users\\" WINE_USER "\\Desktop\\%s", name);
	o->path = wine_world_path(o->windows);
}

static void choose_argv(struct observation *o)
{
	size_t n = 0;

	o->argv[n++] = WINE_LOADER;
	if (o->shell)
		o->argv[n++] = o->shell;
	if (is_dll(o->s)) {
		o->argv[n++] = "C:\\windows\\system32\\regsvr32.exe";
		o->argv[n++] = "/s";
	}
	o->argv[n++] = o->windows;
	for (size_t i = 1; o->s->argv && o->s->argv[0] && o->s->argv[i] && !o->setting->argv && n < ARGUMENTS; i++)
		o->argv[n++] = o->s->argv[i];
	for (size_t i = 0; o->setting->argv && o->setting->argv[i] && n < ARGUMENTS; i++)
		o->argv[n++] = o->setting->argv[i];
	o->argv[n] = NULL;
}

static int put_all(struct observation *o, struct err *e)
{
	int fd = open(o->wine->ntdll, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return err_sys(e, "cannot open %s", err_q(o->wine->ntdll));
	rc = world_put(o->world, WINE_LIBRARIES "/ntdll.dll", 0644, fd, e);
	close(fd);
	/* A world that is not root's has it as it is: then Wine can be told from Windows by it. */
	if (rc && !world_privileged(o->world)) {
		err_clear(e);
		rc = 0;
	}
	return rc ? rc : world_put(o->world, o->path, 0755, o->s->body, e);
}

/* Whatever runs still is ended, and Wine writes down the registry. */
static int end_wine(struct running *g, char **envp, struct err *e)
{
	static const char *const END[] = { "/bin/sh", "-c", WINE_SERVER " -k; " WINE_SERVER " -w", NULL };
	struct run r = { .argv = END, .envp = (const char *const *)envp, .seconds = END_SECONDS, .memory_bytes = 2 * GIB, .processes = 256,
		.in = -1, .out = -1, .errfd = -1 };

	return run_beside(g, &r, e);
}

static int settle(struct observation *o, struct running *g, char **envp, int seconds, struct err *e)
{
	int state = run_settle(g, seconds * 1000, QUIET_MS, e);

	if (state < 0)
		return -1;
	o->quiet = state == 2;
	o->run.timed_out = state == 0;
	o->alive = run_processes(g, e);
	return o->alive ? end_wine(g, envp, e) : -1;
}

static int observe(struct observation *o, int seconds, struct err *e)
{
	char *machine = spawn_share("garden/machine.json"), *internet = spawn_share("garden/internet.json");
	struct world_options options = { .shown = o->wine->tree, .shown_at = WINE_AT, .machine = machine, .internet = internet };
	char **envp = wine_environment("-all,+relay,+timestamp,+pid");
	struct running *g = NULL;
	int log = -1, rc = -1;
	bool timed_out;

	o->world = world_open(&options, e);
	if (!o->world || put_all(o, e) || (o->dumps = io_tmp(e)) < 0 || (o->capture = io_tmp(e)) < 0 || (log = log_begin(&o->log, e)) < 0)
		goto out;
	o->events = json_array();
	o->exchanges = json_array();
	o->run = (struct run){ .argv = o->argv, .envp = (const char *const *)envp, .cwd = WINE_DRIVE "/users/" WINE_USER "/Desktop",
		.seconds = seconds + START_SECONDS + END_SECONDS, .memory_bytes = 2 * GIB, .processes = 512,
		.in = -1, .out = -1, .errfd = log, .events = o->events, .dumps = o->dumps,
		.offline = o->setting->offline, .exchanges = o->exchanges, .capture = o->capture };
	o->began = clock_now();
	g = run_start(o->world, &o->run, e);
	io_close(&log);
	if (!g)
		goto out;
	rc = settle(o, g, envp, seconds + START_SECONDS, e);
	timed_out = o->run.timed_out;
	if (rc) {
		struct err ignored;

		run_stop(g, &ignored);
		goto out;
	}
	rc = run_stop(g, e);
	o->run.timed_out |= timed_out;
	o->changes = rc ? NULL : world_changes(o->world, e);
	rc = o->changes ? 0 : -1;
out:
	io_close(&log);
	log_end(&o->log);
	wine_environment_free(envp);
	free(machine);
	free(internet);
	return rc;
}

/* ---- what it showed ---- */

/* The sample's own image is no code that it made: sections are laid out in memory that no file backs. In the file they begin at multiples of
 * what linkers take for its alignment; code that stands among its data, to be copied elsewhere, does not. */
static bool own_image(const unsigned char *image, size_t n, const struct observation *o, const json_t *v)
{
	json_int_t at = jsonio_int(v, "dump_at", -1), size = jsonio_int(v, "dump_size", -1);
	unsigned char *p;
	const unsigned char *own;

	if (at < 0 || size <= 0 || size > (json_int_t)IMAGE)
		return false;
	p = buf_alloc((size_t)size);
	if (pread(o->dumps, p, (size_t)size, (off_t)at) != size)
		size = 0;
	while (size > 0 && !p[size - 1])
		size--;
	own = size > 0 ? memmem(image, n, p, (size_t)size) : NULL;
	free(p);
	return own && (own - image) % FILE_ALIGNMENT == 0;
}

static void drop_images(struct observation *o, json_t *events)
{
	struct buf image = { 0 };
	struct err ignored;

	lseek(o->s->body, 0, SEEK_SET);
	if (io_slurp(o->s->body, IMAGE, &image, "the sample", &ignored))
		buf_clear(&image);
	for (size_t i = json_array_size(events); i > 0; i--) {
		const json_t *v = json_array_get(events, i - 1);
		const char *event = jsonio_str(v, "event");

		if (!event || strcmp(event, "memory"))
			continue;
		/* Without bytes: a place was made for an image. */
		if (!jsonio_str(v, "sha256") || noise_has(o->wine->noise, "memory", v) || own_image(image.p, image.len, o, v))
			json_array_remove(events, i - 1);
	}
	buf_free(&image);
}

static void name_files(struct observation *o, json_t *files, json_t *startup)
{
	size_t i;
	json_t *f;

	json_array_foreach(files, i, f) {
		struct buf b = { 0 };
		const char *change = jsonio_str(f, "change"), *type = jsonio_str(f, "type"), *place;
		char *windows;

		if (jsonio_tobytes(jsonio_str(f, "path"), &b) == 0 && (windows = wine_windows_path(buf_str(&b)))) {
			json_object_set_new(f, "windows_path", jsonio_name(windows));
			place = startup_of_file(windows);
			if (place && strcmp(change, "deleted") && strcmp(type, "dir") && strncmp(o->path, buf_str(&b), strlen(o->path))) {
				json_object_set_new(f, "startup", json_string(place));
				json_array_append_new(startup, json_pack("{s:s,s:o,s:b}", "place", place, "file", jsonio_name(windows), "whole", 1));
			}
			free(windows);
		}
		buf_free(&b);
	}
}

static int open_in_world(void *ctx, const char *name)
{
	struct err ignored;
	char *path = buf_printf(WINE_AT "/%s", name);
	int fd = world_open_file(ctx, path, &ignored);

	free(path);
	return fd;
}

/* Wine keeps the name of the folder, a new one each time, where its server is to be met. */
static void drop_server(struct observation *o)
{
	struct err ignored;
	struct buf b = { 0 };
	int fd = world_open_file(o->world, WINE_AT "/wineserver", &ignored);

	if (fd >= 0 && io_slurp(fd, 64, &b, "the server's name", &ignored) == 0 && b.len && !memchr(b.p, '/', b.len) && !memchr(b.p, '\0', b.len)) {
		for (size_t i = json_array_size(o->changes); i > 0; i--) {
			const char *path = jsonio_str(json_array_get(o->changes, i - 1), "path");

			if (path && !strncmp(path, "/tmp/", 5) && !strncmp(path + 5, buf_str(&b), b.len) && (path[5 + b.len] == '/' || !path[5 + b.len]))
				json_array_remove(o->changes, i - 1);
		}
	}
	io_close(&fd);
	buf_free(&b);
}

static json_t *limits_of(const struct observation *o, bool listed)
{
	json_t *list = json_array();
	const struct { bool hit; const char *name; } L[] = {
		{ o->run.timed_out, "time" }, { o->quiet, "quiet" }, { o->run.limit_memory, "memory" }, { o->run.limit_processes, "processes" },
		{ o->run.limit_events, "events" }, { !world_privileged(o->world), "unprivileged" }, { listed, "listed" },
		{ json_array_size(json_object_get(o->run.net, "limits")) > 0, "internet" },
	};

	for (size_t i = 0; i < sizeof L / sizeof *L; i++)
		if (L[i].hit)
			json_array_append_new(list, json_string(L[i].name));
	return list;
}

/* Behind what Wine does by itself was left out. */
static void conclude(struct observation *o, json_t *d, const struct effects *f, bool loaded)
{
	json_t *startup = json_object_get(d, "startup"), *signs = json_object_get(d, "signs");

	name_files(o, json_object_get(d, "files"), startup);
	startup_of_registry(json_object_get(d, "registry"), startup);
	if (f->gone)
		trail_sign(signs, "deletes-itself", "it deleted the file it was started from");
	/* Of memory that was Wine's own there was the same sign. */
	if (json_array_size(json_object_get(d, "memory")))
		trail_sign(signs, "memory-code", "it executes memory that no file backs");
	calls_signs(json_object_get(d, "calls"), signs);
	json_object_set_new(d, "run", json_string(o->run.exec_errno || !loaded ? "refused" : "ran"));
	if (!loaded)
		json_object_set_new(d, "reason", json_string("Wine could not load it"));
}

static json_t *describe(struct observation *o, const json_t *known, struct micro_extra *extra, struct err *e)
{
	struct effects f = { .sha256 = o->s->sha256, .path = o->path, .world = o->world, .changes = o->changes, .extra = extra,
		.files = json_array(), .startup = json_array(), .accounts = json_array() };
	json_t *processes = processes_of(o->events, o->alive), *own = processes_own(o->events, processes, o->wine->noise);
	struct trail t = { .sha256 = o->s->sha256, .events = own, .alive = o->alive, .known = known, .dumps = o->dumps, .extra = extra,
		.processes = json_array(), .connections = json_array(), .memory = json_array(), .sleeps = json_array(),
		.signs = json_array() };
	struct registry *now = registry_open(open_in_world, o->world);
	json_t *d = json_object(), *calls;
	char when[CLOCK_RFC3339];
	unsigned count = 0, lost = 0;
	size_t told;
	bool loaded = false, good;

	drop_server(o);
	drop_images(o, own);
	good = effects_find(&f, e) == 0 && trail_follow(&t, e) == 0;
	calls = good ? calls_read(o->log.to, &count, &loaded, e) : NULL;
	json_decref(t.processes);
	json_object_set_new(d, "run", json_string("ran"));
	json_object_set_new(d, "path", jsonio_name(o->path));
	json_object_set_new(d, "windows_path", jsonio_name(o->windows));
	json_object_set_new(d, "argv", json_array());
	for (size_t i = 1; o->argv[i]; i++)
		json_array_append_new(json_object_get(d, "argv"), jsonio_name(o->argv[i]));
	clock_rfc3339(o->began, when);
	json_object_set_new(d, "began", json_string(when));
	json_object_set_new(d, "seconds", json_real(o->run.elapsed));
	json_object_set_new(d, "skipped", json_real((double)o->run.skipped_ns / 1e9));
	json_object_set_new(d, "status", json_integer(o->run.status));
	json_object_set_new(d, "timed_out", json_boolean(o->run.timed_out));
	json_object_set_new(d, "processes", processes);
	json_object_set_new(d, "files", f.files);
	json_object_set_new(d, "startup", f.startup);
	json_object_set_new(d, "accounts", f.accounts);
	json_object_set_new(d, "registry", registry_compare(o->wine->registry, now, &lost));
	json_object_set_new(d, "connections", t.connections);
	json_object_set_new(d, "memory", t.memory);
	json_object_set_new(d, "sleeps", t.sleeps);
	observe_traffic(&o->run, d, &t);
	observe_capture(&o->capture, extra);
	json_object_set_new(d, "calls", calls ? calls : json_array());
	json_object_set_new(d, "events", json_integer((json_int_t)json_array_size(own)));
	json_object_set_new(d, "signs", t.signs);
	told = json_array_size(calls);
	noise_drop(o->wine->noise, d);
	json_object_set_new(d, "call_count", json_integer((json_int_t)(count - (told - json_array_size(calls)))));
	json_object_set_new(d, "limits", limits_of(o, f.left_out + t.left_out + lost > 0 || count > WINE_CALLS));
	conclude(o, d, &f, loaded);
	registry_free(now);
	json_decref(own);
	if (calls)
		return d;
	json_decref(d);
	return NULL;
}

static json_t *run_in(struct wine *w, const struct micro_sample *s, const struct setting *setting, const char *shell, int seconds,
                      const json_t *known, struct micro_extra *extra, struct err *e)
{
	struct observation o = { .s = s, .setting = setting, .wine = w, .shell = shell, .dumps = -1, .capture = -1, .log = { .from = -1, .to = -1 } };
	json_t *d = NULL;

	choose_path(&o);
	choose_argv(&o);
	if (observe(&o, seconds, e) == 0)
		d = describe(&o, known, extra, e);
	json_decref(o.events);
	json_decref(o.alive);
	json_decref(o.changes);
	json_decref(o.exchanges);
	json_decref(o.run.net);
	io_close(&o.dumps);
	io_close(&o.capture);
	io_close(&o.log.to);
	world_close(o.world);
	free(o.path);
	free(o.windows);
	return d;
}

/* ---- what Wine does by itself ---- */

/* Of a program alone, and of one that a console starts, twice: what is another thing each time shows itself. */
static int measure_noise(struct wine *w, const struct setting *setting, struct err *e)
{
	struct micro_extra extra = { 0 };
	char hex[DIGEST_HEX];
	struct micro_sample s = { .kind = "file", .path = "muss-inert.exe", .body = wine_inert(e), .sha256 = hex };
	int rc = s.body < 0 ? -1 : digest_fd(s.body, MIB, hex, NULL, e);

	w->noise = json_object();

	for (unsigned i = 0; !rc && i < NOISE_RUNS; i++) {
		json_t *d = run_in(w, &s, setting, i / 2 ? "C:\\windows\\system32\\wineconsole.exe" : NULL, 1, NULL, &extra, e);

		if (!d)
			rc = -1;
		else if (strcmp(jsonio_str(d, "run"), "ran"))
			rc = err_set(e, EX_UNAVAILABLE, "Wine runs no program here");
		if (!rc && !i)   /* what was done by Wine's programs is told apart from the second one on */
			json_array_clear(json_object_get(d, "signs"));
		if (!rc)
			noise_learn(w->noise, d);
		json_decref(d);
	}
	micro_extra_free(&extra);
	io_close(&s.body);
	return rc ? -1 : wine_keep_noise(w, e);
}

json_t *windows_run(const struct micro_sample *s, const struct setting *setting, int seconds, const json_t *known, struct micro_extra *extra,
                    struct err *e)
{
	struct wine *w = wine_open(setting->windows ? setting->windows : "win10", e);
	json_t *d = w && (w->noise || measure_noise(w, setting, e) == 0) ? run_in(w, s, setting, NULL, seconds, known, extra, e) : NULL;

	wine_free(w);
	return d;
}
