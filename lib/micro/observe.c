#include "micro/dynamic-internal.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUIET_MS 3000        /* a resident sample that sleeps is not waited for: "quiet" in limits says so */
#define ARGUMENTS 64u
#define PCAP_HEADER 24

struct observation {
	const struct micro_sample *s;
	const struct setting *setting;
	char *path;                  /* where the sample was put */
	const char *argv[ARGUMENTS + 1];
	const char *envp[ARGUMENTS + 1];   /* of the setting; ours to free */
	struct world *world;
	struct run run;
	json_t *events, *alive, *changes, *exchanges;
	const json_t *known;
	int dumps, capture;
	int64_t began;               /* seconds since 1970 */
	bool quiet;
};

/* Is this a place a file can be put at, and found under, in a world? */
static bool usable(const char *path)
{
	static const char *const NOT[] = { "/proc/", "/sys/", "/memfd:", "/dev/" };
	size_t n = path ? strlen(path) : 0;

	if (n < 2 || path[0] != '/' || n > 4000 || path[n - 1] == '/' || strstr(path, "/../") || strstr(path, "/./") || strstr(path, "//"))
		return false;
	if (!strncmp(path, "/dev/shm/", 9))
		return true;
	for (size_t i = 0; i < sizeof NOT / sizeof *NOT; i++)
		if (!strncmp(path, NOT[i], strlen(NOT[i])))
			return false;
	return true;
}

/* Where it was seen; else in a home under its own name, for samples that look how they are called. */
static char *choose_path(const struct micro_sample *s, const char *home)
{
	const char *slash = s->path ? strrchr(s->path, '/') : NULL, *name = slash ? slash + 1 : s->path;

	if (usable(s->path))
		return buf_strdup(s->path);
	if (name && *name && strcmp(name, ".") && strcmp(name, "..") && strncmp(s->path, "/memfd:", 7) && strlen(name) < 200)
		return buf_printf("%s/%s", home ? home : "/home/user", name);
	return buf_strdup("/tmp/sample");
}

static void choose_argv(struct observation *o)
{
	size_t n = 0;

	for (; o->s->argv && o->s->argv[n] && n < ARGUMENTS; n++)
		o->argv[n] = o->s->argv[n];
	if (n == 0)
		o->argv[n++] = o->path;
	o->argv[n] = NULL;
}

/* Instead of those that it was seen with. */
static void other_argv(struct observation *o)
{
	size_t n = 1;

	if (!o->setting->argv)
		return;
	for (size_t i = 0; o->setting->argv[i] && n < ARGUMENTS; i++)
		o->argv[n++] = o->setting->argv[i];
	o->argv[n] = NULL;
}

/* The setting's, where "{home}" and "{user}" are whose machine this is. */
static void choose_environment(struct observation *o)
{
	const char *home = world_home(o->world), *user;
	size_t n = 0;

	home = home ? home : "/home/user";
	user = strrchr(home, '/') + 1;
	for (; o->setting->envp && o->setting->envp[n] && n < ARGUMENTS; n++) {
		const char *text = o->setting->envp[n], *at = strstr(text, "{home}");
		bool whole = at != NULL;

		if (!at)
			at = strstr(text, "{user}");
		o->envp[n] = at ? buf_printf("%.*s%s%s", (int)(at - text), text, whole ? home : user, at + 6) : buf_strdup(text);
	}
	o->envp[n] = NULL;
}

/* A script that was seen as "sh /path/x a" is run by its own first line: only the arguments behind its path are its own. */
static void script_argv(struct observation *o)
{
	size_t n = 0, at = 0;
	const char *rest[ARGUMENTS + 1];

	if (!o->s->kind || strcmp(o->s->kind, "script"))
		return;
	while (o->argv[at] && (!o->s->path || strcmp(o->argv[at], o->s->path)))
		at++;
	rest[n++] = o->path;
	for (at += o->argv[at] ? 1 : 0; o->argv[at]; at++)
		rest[n++] = o->argv[at];
	rest[n] = NULL;
	memcpy(o->argv, rest, (n + 1) * sizeof *rest);
}

/* At its place; an ordinary user's world cannot replace a file of root's there, so then in /tmp under its own name. */
static int put_sample(struct observation *o, struct err *e)
{
	char *old = o->path;
	const char *name = strrchr(old, '/');

	if (!world_put(o->world, old, 0755, o->s->body, e))
		return 0;
	msg_debug("%s; it is run from /tmp", e->msg);
	err_clear(e);
	o->path = buf_printf("/tmp%s", name ? name : "/sample");
	for (size_t i = 0; o->argv[i]; i++)
		if (o->argv[i] == old)
			o->argv[i] = o->path;
	free(old);
	return world_put(o->world, o->path, 0755, o->s->body, e);
}

static int observe(struct observation *o, int seconds, struct err *e)
{
	struct world_options options = { 0 };
	struct running *g;
	char *machine = spawn_share("garden/machine.json"), *internet = spawn_share("garden/internet.json");
	int state, rc = 0;

	/* What looks around first is to find somebody's machine, and the Internet. */
	options.machine = machine;
	options.internet = internet;
	o->world = world_open(&options, e);
	free(machine);
	free(internet);
	if (!o->world)
		return -1;
	o->path = choose_path(o->s, world_home(o->world));
	choose_argv(o);
	script_argv(o);
	other_argv(o);
	choose_environment(o);
	if (put_sample(o, e))
		return -1;
	o->dumps = io_tmp(e);
	o->capture = o->dumps < 0 ? -1 : io_tmp(e);
	if (o->capture < 0)
		return -1;
	o->events = json_array();
	o->exchanges = json_array();
	o->run = (struct run){ .path = o->path, .argv = o->argv, .envp = o->setting->envp ? o->envp : NULL, .cwd = o->setting->cwd, .seconds = seconds,
		.uid = world_privileged(o->world) ? o->setting->uid : 0, .in = -1, .out = -1, .errfd = -1, .events = o->events, .dumps = o->dumps,
		.bend = true, .start_ns = o->setting->days * DAY_NS, .offline = o->setting->offline, .exchanges = o->exchanges, .capture = o->capture };
	o->began = clock_now();
	g = run_start(o->world, &o->run, e);
	if (!g)
		return -1;
	state = run_settle(g, seconds * 1000 + 2000, QUIET_MS, e);
	if (state < 0) {
		rc = -1;
	} else {
		o->quiet = state == 2;
		o->alive = run_processes(g, e);
		rc = o->alive ? 0 : -1;
	}
	if (rc) {
		struct err ignored;

		/* A garden that breaks down under a sample is not the end of the analysis of others. */
		run_stop(g, &ignored);
		return -1;
	}
	if (run_stop(g, e))
		return -1;
	o->changes = world_changes(o->world, e);
	return o->changes ? 0 : -1;
}

static bool by_its_own_fault(const struct observation *o)
{
	int sig = o->run.status - 128;
	const json_t *v;
	size_t i;

	if (sig != SIGSEGV && sig != SIGBUS && sig != SIGILL && sig != SIGFPE && sig != SIGABRT && sig != SIGTRAP && sig != SIGSYS)
		return false;
	/* What did something before it crashed has run. */
	json_array_foreach(o->events, i, v) {
		const char *event = jsonio_str(v, "event");

		if (event && strcmp(event, "exec") && strcmp(event, "exit"))
			return false;
	}
	return true;
}

static json_t *limits_of(const struct observation *o, unsigned left_out)
{
	json_t *list = json_array();
	const struct { bool hit; const char *name; } L[] = {
		{ o->run.timed_out, "time" }, { o->quiet, "quiet" }, { o->run.limit_memory, "memory" },
		{ o->run.limit_processes, "processes" }, { o->run.limit_events, "events" },
		{ o->world && !world_privileged(o->world), "unprivileged" }, { left_out > 0, "listed" },
		{ json_array_size(json_object_get(o->run.net, "limits")) > 0, "internet" },
	};

	for (size_t i = 0; i < sizeof L / sizeof *L; i++)
		if (L[i].hit)
			json_array_append_new(list, json_string(L[i].name));
	return list;
}

static json_t *argv_of(const struct observation *o)
{
	json_t *list = json_array();

	for (size_t i = 0; o->argv[i]; i++)
		json_array_append_new(list, jsonio_bytes(o->argv[i], strnlen(o->argv[i], 4096)));
	return list;
}

/* The packets, where there were any: net.pcap, and those of further runs behind it. */
void observe_capture(int *capture, struct micro_extra *extra)
{
	char name[32] = "net.pcap";
	off_t size = lseek(*capture, 0, SEEK_END);
	unsigned n = 1;

	if (size <= PCAP_HEADER)
		return;
	for (size_t i = 0; i < extra->count; i++)
		if (!strcmp(extra->member[i].name, name)) {
			snprintf(name, sizeof name, "net-%u.pcap", ++n);
			i = (size_t)-1;
		}
	if (micro_add(extra, name, 0600, *capture))
		msg_debug("%s: %lld bytes", name, (long long)size);
	*capture = -1;
}

/* Which names led to the addresses that it spoke to. */
static void name_connections(json_t *connections, const json_t *names)
{
	size_t i;
	json_t *o;

	json_array_foreach(connections, i, o) {
		const char *address = jsonio_str(o, "address");
		json_t *name = address ? json_object_get(names, address) : NULL;

		if (name)
			json_object_set(o, "name", name);
	}
}

/* A socket that was given an address and never spoke: so the C library finds out which of its own addresses it would have. */
static void drop_unspoken(json_t *connections, const json_t *exchanges)
{
	for (size_t i = json_array_size(connections); i-- > 0;) {
		const json_t *c = json_array_get(connections, i), *x;
		const char *event = jsonio_str(c, "event"), *protocol = jsonio_str(c, "protocol"), *address = jsonio_str(c, "address");
		bool spoke = !event || strcmp(event, "connect") || !protocol || strcmp(protocol, "udp");
		size_t k;

		json_array_foreach(exchanges, k, x)
			spoke = spoke || (!strcmp(jsonio_str(x, "protocol"), "udp") && jsonio_int(x, "port", 0) == jsonio_int(c, "port", 0) && address && jsonio_str(x, "address") &&
				!strcmp(jsonio_str(x, "address"), address));
		if (!spoke)
			json_array_remove(connections, i);
	}
}

void observe_traffic(const struct run *r, json_t *d, struct trail *t)
{
	json_t *exchanges = traffic_exchanges(r->exchanges, t->events, jsonio_num(r->net, "began", 0), &t->left_out);
	json_t *scans = json_object_get(r->net, "scan");

	if (r->net)
		drop_unspoken(t->connections, exchanges);
	name_connections(t->connections, json_object_get(r->net, "names"));
	traffic_signs(t->signs, exchanges, scans);
	json_object_set_new(d, "indicators", traffic_indicators(exchanges, scans));
	json_object_set_new(d, "timeline", timeline_of(t->events, exchanges, &t->left_out));
	json_object_set_new(d, "exchanges", exchanges);
	json_object_set_new(d, "scans", scans ? json_incref(scans) : json_array());
}

static json_t *describe(struct observation *o, struct micro_extra *extra, struct err *e)
{
	struct effects f = { .sha256 = o->s->sha256, .path = o->path, .world = o->world, .changes = o->changes, .extra = extra,
		.files = json_array(), .startup = json_array(), .accounts = json_array() };
	struct trail t = { .sha256 = o->s->sha256, .events = o->events, .alive = o->alive, .known = o->known, .dumps = o->dumps, .extra = extra,
		.processes = json_array(), .connections = json_array(), .memory = json_array(), .sleeps = json_array(), .signs = json_array() };
	json_t *d = json_object();
	char when[CLOCK_RFC3339];
	bool good = effects_find(&f, e) == 0 && trail_follow(&t, e) == 0;

	if (f.gone)
		trail_sign(t.signs, "deletes-itself", "it deleted the file it was started from");
	if (o->run.limit_processes)
		trail_sign(t.signs, "forks-without-end", "it wanted more processes at once than the garden gives");
	json_object_set_new(d, "run", json_string(o->run.exec_errno ? "refused" : by_its_own_fault(o) ? "crashed" : "ran"));
	if (o->run.exec_errno)
		json_object_set_new(d, "reason", json_string(strerror(o->run.exec_errno)));
	json_object_set_new(d, "path", jsonio_name(o->path));
	json_object_set_new(d, "argv", argv_of(o));
	clock_rfc3339(o->began, when);
	json_object_set_new(d, "began", json_string(when));
	json_object_set_new(d, "seconds", json_real(o->run.elapsed));
	json_object_set_new(d, "skipped", json_real(round((double)o->run.skipped_ns / 1e6) / 1e3));
	json_object_set_new(d, "status", json_integer(o->run.status));
	json_object_set_new(d, "timed_out", json_boolean(o->run.timed_out));
	json_object_set_new(d, "processes", t.processes);
	json_object_set_new(d, "files", f.files);
	json_object_set_new(d, "startup", f.startup);
	json_object_set_new(d, "accounts", f.accounts);
	json_object_set_new(d, "connections", t.connections);
	json_object_set_new(d, "memory", t.memory);
	json_object_set_new(d, "sleeps", t.sleeps);
	observe_traffic(&o->run, d, &t);
	observe_capture(&o->capture, extra);
	json_object_set_new(d, "events", json_integer((json_int_t)json_array_size(o->events)));
	json_object_set_new(d, "limits", limits_of(o, f.left_out + t.left_out));
	json_object_set_new(d, "signs", t.signs);
	if (good)
		return d;
	json_decref(d);
	return NULL;
}

json_t *observe_run(const struct micro_sample *s, const struct setting *setting, int seconds, const json_t *known, struct micro_extra *extra,
                    struct err *e)
{
	struct observation b = { .s = s, .setting = setting, .known = known, .dumps = -1, .capture = -1 };
	json_t *d = NULL;

	if (observe(&b, seconds, e) == 0)
		d = describe(&b, extra, e);
	json_decref(b.events);
	json_decref(b.alive);
	json_decref(b.changes);
	json_decref(b.exchanges);
	json_decref(b.run.net);
	io_close(&b.dumps);
	io_close(&b.capture);
	world_close(b.world);
	free(b.path);
	for (size_t i = 0; b.envp[i]; i++)
		free((char *)(uintptr_t)b.envp[i]);
	return d;
}
