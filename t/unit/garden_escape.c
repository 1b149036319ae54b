/*
 * The escape suite: each attempt of testdata/garden/escape*.c in a world, as root, as root untraced, and as an ordinary user. Of
 * each: nothing outside has changed, from inside it looks stopped (or the run was ended for a limit), and the record names it.
 */
#include "base/base.h"
#include "garden/garden.h"
#include "garden_canary.h"
#include "unit.h"

#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define LONG "inodes depth race output signal-flood"
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED true    /* a start takes ten times as long: what the tracer does not see is left to the plain build */
#else
#define SANITIZED false
#endif

/* ---- attempts ---- */

struct attempt { char *name, *kind, *record, *what; bool user; };
static struct attempt *attempts;
static size_t count;

static int command(const char *const *argv, struct buf *text)
{
	struct err e = { 0 };
	struct spawn s = { .argv = argv, .in = -1, .out = memfd_create("out", MFD_CLOEXEC), .errfd = -1 };
	int rc = spawn_start(&s, &e) ? -1 : spawn_wait(&s, 60000, &e);

	if (rc == 0 && text && lseek(s.out, 0, SEEK_SET) == 0 && io_slurp(s.out, MIB, text, "output", &e))
		rc = -1;
	close(s.out);
	return rc;
}

/* Compiles the program, asks it for its table; the program, open. */
static int learn(void)
{
	char path[] = "/tmp/muss-escape-XXXXXX", *line, *rest = NULL;
	int fd = mkstemp(path), program;
	const char *cc[] = { "sh", "-c", "cc -O1 -w -static -pthread -o \"$0\" testdata/garden/escape*.c", path, NULL }, *list[] = { path, "--list", NULL };
	static struct buf text;

	close(fd);
	if (command(cc, NULL) || chmod(path, 0755) || command(list, &text)) {
		unlink(path);
		return -1;
	}
	for (line = strtok_r((char *)text.p, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		struct attempt a = { 0 };
		char *user;

		a.name = strsep(&line, "\t");
		a.kind = strsep(&line, "\t");
		a.record = strsep(&line, "\t");
		user = strsep(&line, "\t");
		a.what = line;
		a.user = user && *user == '1';
		attempts = buf_realloc(attempts, count + 1, sizeof *attempts);
		attempts[count++] = a;
	}
	program = open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	return program;
}

static struct world *world;
static int program;

static bool fresh_world(void)
{
	struct err e = { 0 };
	char *hidden = in_folder("hidden");
	const char *hide[] = { hidden, NULL };
	struct world_options o = { .size_bytes = 24 * MIB, .hide = hide };

	world_close(world);
	world = world_open(&o, &e);
	free(hidden);
	if (world && world_put(world, "/opt/escape", 0755, program, &e) == 0 && world_put(world, "/opt/escape-suid", 04755, program, &e) == 0)
		return true;
	printf("# no world: %s\n", e.msg);
	return false;
}

static bool value_fits(const json_t *v, const char *want)
{
	char number[32], abstract[70];
	const char *s = json_string_value(v);

	if (json_is_integer(v)) {
		snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v));
		s = number;
	}
	if (!s)
		return false;
	snprintf(abstract, sizeof abstract, "@%s", out.name);
	if (!strcmp(want, "@pid"))
		return !strcmp(s, out.pid);
	if (!strcmp(want, "@abstract"))
		return !strcmp(s, abstract);
	return *want == '@' ? strstr(s, want + 1) != NULL : !strcmp(s, want);
}

static bool one_recorded(const struct run *r, const char *want)
{
	const char *colon = strchr(want, ':'), *key;
	char event[32];
	json_t *o, *v;
	size_t i;

	if (!strcmp(want, "-"))
		return true;
	if (*want == '=')
		return !strcmp(want, "=memory") ? r->limit_memory : !strcmp(want, "=processes") ? r->limit_processes :
			!strcmp(want, "=time") ? r->timed_out : r->limit_events;
	if (!colon)
		return false;
	snprintf(event, sizeof event, "%.*s", (int)(colon - want), want);
	json_array_foreach(r->events, i, o) {
		if (strcmp(jsonio_str(o, "event"), event))
			continue;
		json_object_foreach(o, key, v)
			if (strcmp(key, "event") && value_fits(v, colon + 1))
				return true;
	}
	return false;
}

static bool recorded(const struct run *r, const char *record)
{
	char *all = buf_strdup(record), *rest, *one;
	bool good = false;

	for (one = strtok_r(all, "|", &rest); one && !good; one = strtok_r(NULL, "|", &rest))
		good = one_recorded(r, one);
	free(all);
	return good;
}

/* Control characters would reach a terminal. */
static bool plain(const json_t *j)
{
	struct buf b = { 0 };
	bool good = true;

	jsonio_dump_line(j, &b);
	for (size_t i = 0; i + 1 < b.len; i++)
		good = good && b.p[i] >= 0x20 && b.p[i] != 0x7f;
	buf_free(&b);
	return good;
}

static void read_output(int fd, struct buf *text)
{
	struct err e;

	buf_clear(text);
	if (lseek(fd, 0, SEEK_SET) || io_slurp(fd, MIB, text, "output", &e))
		buf_adds(text, "(much output)");
	close(fd);
}

static bool judge(const struct attempt *a, const struct run *r, struct buf *text, const char *as)
{
	const char *said = buf_str(text), *hit = touched();
	bool killed = r->timed_out || r->limit_memory || r->limit_processes;
	bool stopped = !strstr(said, "ESCAPED") && (killed || (strstr(said, "stopped") && r->status == 0));
	bool named = !r->events || (recorded(r, a->record) && plain(r->events));
	char name[200];

	snprintf(name, sizeof name, "%s: %s: %s", as, a->name, a->what);
	if (OK(!hit && stopped && named, name))
		return true;
	printf("# status %d%s%s%s, %.2f s\n", r->status, r->timed_out ? ", time" : "", r->limit_memory ? ", memory" : "",
	       r->limit_processes ? ", processes" : "", r->elapsed);
	if (hit)
		printf("# touched outside: %s\n", hit);
	if (!stopped)
		for (char *line = strtok((char *)text->p, "\n"); line; line = strtok(NULL, "\n"))
			printf("# %s\n", err_q(line));
	if (!named)
		printf("# not recorded: %s\n", a->record);
	for (size_t i = 0; !named && r->events && i < 12 && i < json_array_size(r->events); i++) {
		struct buf b = { 0 };

		jsonio_dump_line(json_array_get(r->events, i), &b);
		printf("# %s", buf_str(&b));
		buf_free(&b);
	}
	return false;
}

/* While it goes on, what it has left is walked; none of it may be of /etc, that a folder is a link to at times. */
static bool walk(const struct attempt *a, const json_t *changes)
{
	size_t i;
	json_t *o;

	json_array_foreach(changes, i, o) {
		const char *path = jsonio_str(o, "path");

		if (!strcmp(a->name, "swap") && path && strstr(path, "passwd"))
			return false;
	}
	return changes && plain(changes);
}

static void read_back(const struct attempt *a, struct running *g, const char *as)
{
	static const char *const LEFT[] = { "/var/tmp/dropped-link", "/var/tmp/dropped-magic", "/var/tmp/dropped-fifo", "/var/tmp/dropped-socket" };
	struct err e = { 0 };
	bool good = true;
	int fd;

	run_settle(g, 300, 100, &e);
	for (int i = 0; i < 10; i++) {
		json_t *changes = world_changes(world, &e);

		good = good && walk(a, changes);
		json_decref(changes);
	}
	for (size_t i = 0; i < sizeof LEFT / sizeof *LEFT; i++) {
		fd = world_open_file(world, LEFT[i], &e);
		good = good && fd < 0;
		io_close(&fd);
	}
	OK(good, as);
}

enum how { UNTRACED, TRACED, BENT };   /* the last: as mnicter has it, time bent */

static void attempt(const struct attempt *a, const char *as, enum how how)
{
	const char *argv[] = { "/opt/escape", a->name, out.folder, out.port, out.pid, NULL };
	struct run r = { .argv = argv, .in = -1, .errfd = -1, .memory_bytes = 256 * MIB, .processes = 20, .events_max = 5000,
		.seconds = !strcmp(a->record, "=time") ? 1 : 20, .uid = a->user && world_privileged(world) ? 1000 : 0,
		.events = how ? json_array() : NULL, .bend = how == BENT, .out = memfd_create("out", MFD_CLOEXEC) };
	static struct buf text;
	struct err e = { 0 };
	struct running *g = run_start(world, &r, &e);
	int rc = -1;

	if (g && !strcmp(a->kind, "read back"))
		read_back(a, g, "what it left is read back as it is");
	if (g)
		rc = run_settle(g, r.seconds * 1000 + 2000, 0, &e);
	if (g)
		rc = run_stop(g, &e) || rc < 0 ? -1 : 0;
	read_output(r.out, &text);
	if (rc == 0)
		judge(a, &r, &text, as);
	else if (!OK(false, a->name))
		printf("# %s\n", e.msg);
	if (r.elapsed > 1.5 || rc < 0)
		printf("# %s: %.1f s\n", a->name, r.elapsed);
	json_decref(r.events);
}

static void suite(const char *as, enum how how)
{
	int64_t began = clock_mono_ms();

	if (!OK(fresh_world(), "a world for the suite"))
		return;
	for (size_t i = 0; i < count; i++) {
		const char *only = getenv("ONLY");

		/* What takes long is the same without a tracer. */
		if ((only && strcmp(only, attempts[i].name)) || (!how && (!strcmp(attempts[i].record, "=time") || strstr(LONG, attempts[i].name))))
			continue;
		/* What fills a world is not for the next. */
		if ((!strcmp(attempts[i].kind, "bombs") || !strcmp(attempts[i].kind, "read back")) && !fresh_world())
			break;
		attempt(&attempts[i], as, how);
	}
	world_close(world);
	world = NULL;
	printf("# %s: %zu attempts, %d ms\n", as, count, (int)(clock_mono_ms() - began));
}

/* The same by somebody who is nobody on this machine. */
static void as_nobody(void)
{
	int counts[2] = { 0, 0 }, p[2];
	pid_t pid;

	if (pipe(p))
		return;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
			_exit(1);
		suite("nobody", BENT);
		counts[0] = unit_count;
		counts[1] = unit_failed;
		fflush(stdout);
		_exit(write(p[1], counts, sizeof counts) != sizeof counts);
	}
	close(p[1]);
	if (read(p[0], counts, sizeof counts) == sizeof counts) {
		unit_count = counts[0];
		unit_failed = counts[1];
	}
	OK(counts[0] > 0, "the suite of an ordinary user ends");
	close(p[0]);
	waitpid(pid, NULL, 0);
}

/* Each kind and each attempt stands in the manual. */
static void in_manual(void)
{
	struct buf b = { 0 };
	struct err e;
	bool all = io_slurp_path("man/muss-garden.7", MIB, &b, &e) == 0;

	for (size_t i = 0; all && i < count; i++)
		if (!strstr(buf_str(&b), attempts[i].kind) || !strstr(buf_str(&b), attempts[i].name)) {
			printf("# %s, %s\n", attempts[i].kind, attempts[i].name);
			all = false;
		}
	OK(all, "the manual has them all");
	buf_free(&b);
}

int main(void)
{
	msg_init("garden_escape");
	program = learn();
	if (!OK(program >= 0 && count >= 60, "the test program compiles, with sixty attempts and more") || !OK(canaries(), "canaries are outside"))
		return unit_end();
	in_manual();
	suite("here", TRACED);
	if (geteuid() == 0) {
		if (!SANITIZED)
			suite("untraced", UNTRACED);
		as_nobody();
	}
	OK(touched() == NULL, "nothing outside has changed");
	canaries_end();
	close(program);
	free(attempts);
	return unit_end();
}
