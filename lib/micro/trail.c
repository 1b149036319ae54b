#include "micro/dynamic-internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROCESSES 500u
#define CONNECTIONS 1000u
#define SLEEPS 200u
#define LONG_SECONDS 1
#define MEMORIES 64u
#define DUMPS "memory-dynamic/"
#define LONG_SLEEP 60        /* seconds; what waits so long does not wait for an answer */

void trail_sign(json_t *signs, const char *name, const char *reason)
{
	size_t i;
	json_t *o;

	json_array_foreach(signs, i, o)
		if (!strcmp(jsonio_str(o, "name"), name))
			return;
	o = json_object();
	json_object_set_new(o, "name", json_string(name));
	json_object_set_new(o, "reason", jsonio_bytes(reason, strnlen(reason, 500)));
	json_object_set_new(o, "weight", json_integer(0));
	json_array_append_new(signs, o);
}

static void signf(struct trail *t, const char *name, const char *fmt, ...) PRINTF(3, 4);
static void signf(struct trail *t, const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	trail_sign(t->signs, name, text);
}

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- processes ---- */

static json_t *process_of(struct trail *t, json_int_t pid)
{
	/* From the end: a process is described anew by each exec. */
	for (size_t i = json_array_size(t->processes); i > 0; i--) {
		json_t *o = json_array_get(t->processes, i - 1);

		if (jsonio_int(o, "pid", -1) == pid)
			return o;
	}
	return NULL;
}

static json_t *add_process(struct trail *t, json_int_t pid, json_int_t ppid)
{
	json_t *o;

	if (json_array_size(t->processes) >= PROCESSES) {
		t->left_out++;
		return NULL;
	}
	o = json_object();
	json_object_set_new(o, "pid", json_integer(pid));
	json_object_set_new(o, "ppid", json_integer(ppid));
	json_array_append_new(t->processes, o);
	return o;
}

/* An honest program that is exec'd under another name is a link to itself or a shell; one of the sample's own is not. */
static bool own_image(const struct trail *t, const json_t *process)
{
	const char *path = jsonio_text(process, "path");

	return !strcmp(jsonio_text(process, "sha256"), t->sha256) || !strncmp(path, "/memfd:", 7) || !strncmp(path, "/tmp/", 5) ||
		!strncmp(path, "/home/", 6) || !strncmp(path, "/root/", 6) || !strncmp(path, "/var/", 5) || !strncmp(path, "/dev/", 5);
}

static void look_at_name(struct trail *t, const json_t *process, const char *name, const char *how)
{
	const char *path = jsonio_text(process, "path");

	if (own_image(t, process) && disguise_claims(name, path))
		signf(t, "disguised-name", "it %s %.100s while its program is %.200s", how, name, path);
}

/* Programs of the system that it has do something for it. */
static void look_at_arguments(struct trail *t, const json_t *v)
{
	size_t i;
	json_t *arg;

	if (strcmp(base(jsonio_text(v, "path")), "chattr"))
		return;
	json_array_foreach(json_object_get(v, "argv"), i, arg) {
		const char *s = json_string_value(arg);

		if (s && (s[0] == '+' || s[0] == '=') && strpbrk(s, "ia"))
			signf(t, "forbids-changes", "it had chattr forbid that %.200s is changed",
				json_string_value(json_array_get(json_object_get(v, "argv"), json_array_size(json_object_get(v, "argv")) - 1)));
	}
}

static void on_exec(struct trail *t, const json_t *v)
{
	json_t *o;
	const char *path = jsonio_text(v, "path"), *name;

	if (json_object_get(v, "error"))
		return;
	o = process_of(t, jsonio_int(v, "pid", 0));
	/* A fork that only begins a program is that program. */
	if (!o || json_object_get(o, "exec"))
		o = add_process(t, jsonio_int(v, "pid", 0), jsonio_int(v, "ppid", 0));
	if (!o)
		return;
	json_object_set_new(o, "exec", json_true());
	json_object_del(o, "comm");
	json_object_del(o, "renamed");
	json_object_set(o, "path", json_object_get(v, "path"));
	if (json_object_get(v, "argv"))
		json_object_set(o, "argv", json_object_get(v, "argv"));
	if (json_object_get(v, "sha256"))
		json_object_set(o, "sha256", json_object_get(v, "sha256"));
	if (json_object_get(v, "file"))
		json_object_set(o, "file", json_object_get(v, "file"));
	if (!strncmp(path, "/memfd:", 7) && json_array_size(t->processes) > 1)
		signf(t, "memfd-exec", "it executed %.200s, a program that is only in memory", path);
	look_at_arguments(t, v);
	name = json_string_value(json_array_get(json_object_get(v, "argv"), 0));
	/* The first one's name is what we gave it. */
	if (name && json_array_size(t->processes) > 1)
		look_at_name(t, o, name, "runs as");
}

static void on_fork(struct trail *t, const json_t *v)
{
	json_t *parent = process_of(t, jsonio_int(v, "pid", 0)), *o;
	static const char *const INHERITED[] = { "path", "argv", "sha256", "comm", "renamed" };

	o = add_process(t, jsonio_int(v, "child", 0), jsonio_int(v, "pid", 0));
	for (size_t i = 0; o && parent && i < sizeof INHERITED / sizeof *INHERITED; i++)
		if (json_object_get(parent, INHERITED[i]))
			json_object_set(o, INHERITED[i], json_object_get(parent, INHERITED[i]));
}

static void on_exit_event(struct trail *t, const json_t *v)
{
	for (size_t i = 0; i < json_array_size(t->processes); i++) {
		json_t *o = json_array_get(t->processes, i);
		char text[32];

		if (jsonio_int(o, "pid", -1) != jsonio_int(v, "pid", -2) || json_object_get(o, "end"))
			continue;
		snprintf(text, sizeof text, "%d", (int)jsonio_int(v, "status", 0));
		json_object_set_new(o, "end", json_string(text));
	}
}

static void end_processes(struct trail *t)
{
	size_t i, k;
	json_t *o, *a;

	json_array_foreach(t->alive, k, a) {
		o = process_of(t, jsonio_int(a, "pid", 0));
		if (!o)
			continue;
		json_object_set_new(o, "end", json_string("running"));
		if (json_object_get(a, "comm"))
			json_object_set(o, "comm", json_object_get(a, "comm"));
		/* Its arguments may have been written over since. */
		if (json_array_size(json_object_get(a, "cmdline")) && !json_equal(json_object_get(a, "cmdline"), json_object_get(o, "argv"))) {
			look_at_name(t, o, json_string_value(json_array_get(json_object_get(a, "cmdline"), 0)), "calls itself");
			json_object_set(o, "argv", json_object_get(a, "cmdline"));
			json_object_set_new(o, "renamed", json_true());
		}
	}
	json_array_foreach(t->processes, i, o) {
		json_object_del(o, "exec");
		if (!json_object_get(o, "end"))
			json_object_set_new(o, "end", json_string("running"));
	}
}

/* ---- connections ---- */

static void on_connection(struct trail *t, const json_t *v)
{
	const char *event = jsonio_text(v, "event"), *protocol = jsonio_text(v, "protocol"), *address = jsonio_text(v, "address");
	json_int_t port = jsonio_int(v, "port", 0);
	size_t i;
	json_t *o;

	if (!strcmp(protocol, "unix") || !strcmp(protocol, "netlink") || !*address)
		return;
	json_array_foreach(t->connections, i, o)
		if (!strcmp(jsonio_text(o, "event"), event) && !strcmp(jsonio_text(o, "protocol"), protocol) && !strcmp(jsonio_text(o, "address"), address) &&
		    jsonio_int(o, "port", 0) == port)
			return;
	if (json_array_size(t->connections) >= CONNECTIONS) {
		t->left_out++;
		return;
	}
	o = json_object();
	json_object_set_new(o, "protocol", json_string(protocol));
	json_object_set_new(o, "address", json_string(address));
	json_object_set_new(o, "port", json_integer(port));
	json_object_set_new(o, "event", json_string(event));
	json_array_append_new(t->connections, o);
	if (!strcmp(event, "listen"))
		signf(t, "listens", "it waits for connections at %s port %d", address, (int)port);
}

/* ---- memory ---- */

static size_t dumps_of(const struct micro_extra *x)
{
	size_t n = 0;

	for (size_t i = 0; i < x->count; i++)
		n += !strncmp(x->member[i].name, DUMPS, sizeof DUMPS - 1);
	return n;
}

static int save_dump(struct trail *t, const json_t *v, json_t *o, struct err *e)
{
	json_int_t at = jsonio_int(v, "dump_at", -1), left = jsonio_int(v, "dump_size", -1);
	char name[48], block[65536];
	int to;

	if (at < 0 || left <= 0 || t->dumps < 0)
		return 0;
	to = io_tmp(e);
	if (to < 0)
		return -1;
	while (left > 0) {
		ssize_t n = pread(t->dumps, block, left < (json_int_t)sizeof block ? (size_t)left : sizeof block, (off_t)at);

		if (n <= 0)
			break;
		if (io_write(to, block, (size_t)n)) {
			close(to);
			return err_sys(e, "cannot write a memory dump");
		}
		at += n;
		left -= n;
	}
	snprintf(name, sizeof name, DUMPS "%zu", dumps_of(t->extra) + 1);
	if (micro_add(t->extra, name, 0, to))
		json_object_set_new(o, "member", json_string(name));
	else
		t->left_out++;
	return 0;
}

static const json_t *memory_of(const json_t *list, const char *sha256)
{
	size_t i;
	json_t *o;

	json_array_foreach(list, i, o)
		if (!strcmp(jsonio_text(o, "sha256"), sha256))
			return o;
	return NULL;
}

static int on_memory(struct trail *t, const json_t *v, struct err *e)
{
	const char *sha256 = jsonio_str(v, "sha256");
	json_t *o;

	if (json_object_get(v, "error"))
		return 0;
	/* mmap says that there may be code; what it was is told by a dump. */
	if (!sha256)
		return 0;
	if (memory_of(t->memory, sha256))
		return 0;
	if (json_array_size(t->memory) >= MEMORIES) {
		t->left_out++;
		return 0;
	}
	o = json_object();
	json_object_set_new(o, "address", json_string(jsonio_text(v, "address")));
	json_object_set_new(o, "size", json_integer(jsonio_int(v, "size", 0)));
	json_object_set_new(o, "sha256", json_string(sha256));
	json_object_set_new(o, "how", json_string(jsonio_text(v, "how")));
	json_object_set_new(o, "pid", json_integer(jsonio_int(v, "pid", 0)));
	if (!memory_of(t->known, sha256) && save_dump(t, v, o, e)) {
		json_decref(o);
		return -1;
	}
	json_array_append_new(t->memory, o);
	signf(t, "memory-code", "it executes memory that no file backs");
	if (!strcmp(jsonio_text(v, "how"), "mprotect"))
		signf(t, "unpacks-itself", "it wrote %d bytes into memory and made them executable", (int)jsonio_int(v, "size", 0));
	return 0;
}

/* ---- all of it ---- */

static void on_denied(struct trail *t, const json_t *v)
{
	const char *call = jsonio_text(v, "syscall");

	if (strstr(call, "_module"))
		signf(t, "loads-module", "it called %s", call);
	else if (!strncmp(call, "process_vm_", 11))
		signf(t, "injects", "it called %s", call);
	signf(t, "denied-calls", "it called %s, which the garden refuses", call);
}

static bool memory_file(const char *path)
{
	size_t n = strlen(path);

	return n > 10 && !strncmp(path, "/proc/", 6) && !strcmp(path + n - 4, "/mem");
}

/* A program of the sample's own: the system's were not its to start from. */
static bool runs_from(const struct trail *t, const char *path)
{
	size_t i;
	json_t *o;

	json_array_foreach(t->processes, i, o)
		if (!strcmp(jsonio_text(o, "path"), path) || !strcmp(jsonio_text(o, "file"), path))
			return true;
	return false;
}

static void on_other(struct trail *t, const json_t *v, bool *first_gone)
{
	const char *event = jsonio_text(v, "event"), *path = jsonio_text(v, "path");
	json_int_t pid = jsonio_int(v, "pid", 0);

	if (!strcmp(event, "name")) {
		json_t *o = process_of(t, pid);

		if (o) {
			look_at_name(t, o, jsonio_text(v, "name"), "calls itself");
			json_object_set(o, "comm", json_object_get(v, "name"));
			json_object_set_new(o, "renamed", json_true());
		}
	} else if (!strcmp(event, "ptrace")) {
		const char *request = jsonio_text(v, "request");

		if (!strcmp(request, "TRACEME"))
			signf(t, "watches-for-tracer", "it asked to be traced by its parent, which fails under a tracer");
		else if (!strcmp(request, "ATTACH") || !strcmp(request, "SEIZE"))
			signf(t, "injects", "it tried to take hold of process %d by ptrace", (int)jsonio_int(v, "target", 0));
	} else if (!strcmp(event, "kill")) {
		/* One it did not start: our own init, everybody, or a process nobody saw begin. */
		json_int_t target = jsonio_int(v, "target", 0);

		if (target == -1 || target == 1 || (target > 1 && !process_of(t, target)))
			signf(t, "kills-others", "it sent signal %d to process %d%s%s%s", (int)jsonio_int(v, "signal", 0), (int)target,
			      *jsonio_text(v, "service") ? " (" : "", jsonio_text(v, "service"), *jsonio_text(v, "service") ? ")" : "");
	} else if (!strcmp(event, "socket") && (!strcmp(jsonio_text(v, "protocol"), "raw") || !strcmp(jsonio_text(v, "protocol"), "packet"))) {
		signf(t, "raw-socket", "it opened a %s socket", jsonio_text(v, "protocol"));
	} else if (!strcmp(event, "setsid") && pid != jsonio_int(json_array_get(t->processes, 0), "pid", 0)) {
		signf(t, "daemonises", "it leaves its session and goes on in the background");
	} else if (!strcmp(event, "open") && memory_file(path)) {
		bool own = strtol(path + 6, NULL, 10) == pid || !strncmp(path + 6, "self/", 5);

		signf(t, own ? "rewrites-itself" : "injects", "it opened %.100s for writing", path);
	} else if (!strcmp(event, "open") && (!strncmp(path, "/proc/sys/", 10) || !strncmp(path, "/sys/", 5) || !strcmp(path, "/proc/sysrq-trigger"))) {
		signf(t, "changes-kernel", "it opened %.100s for writing", path);
	} else if (!strcmp(event, "open") && !strncmp(path, "/dev/watchdog", 13)) {
		signf(t, "denied-calls", "it opened %.100s", path);
	} else if (!strcmp(event, "unlink") && !json_object_get(v, "error")) {
		const json_t *o = json_array_get(t->processes, 0);

		if (*path && (!strcmp(path, jsonio_text(o, "path")) || !strcmp(path, jsonio_text(o, "file"))))
			*first_gone = true;
		else if (*path && runs_from(t, path))
			signf(t, "deletes-program", "it deleted %.200s, which it had started", path);
	}
}

static void on_sleep(struct trail *t, const json_t *v)
{
	static const char *const KEYS[] = { "pid", "call", "seconds", "times", "clock" };
	/* Waits that follow each other are told together. */
	double each = jsonio_num(v, "seconds", 0) / (double)jsonio_int(v, "times", 1);
	json_t *o;

	if (each >= LONG_SLEEP)
		signf(t, "long-sleep", "it slept for %.0f seconds at once", each);

	/* Pauses between two steps of ordinary work are no waits. */
	if (jsonio_num(v, "seconds", 0) < LONG_SECONDS)
		return;
	if (json_array_size(t->sleeps) >= SLEEPS) {
		t->left_out++;
		return;
	}
	o = json_object();
	for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
		if (json_object_get(v, KEYS[i]))
			json_object_set(o, KEYS[i], json_object_get(v, KEYS[i]));
	json_array_append_new(t->sleeps, o);
}

int trail_follow(struct trail *t, struct err *e)
{
	const json_t *v;
	bool gone = false;
	size_t i;

	json_array_foreach(t->events, i, v) {
		const char *event = jsonio_text(v, "event");

		if (!strcmp(event, "exec"))
			on_exec(t, v);
		else if (!strcmp(event, "fork"))
			on_fork(t, v);
		else if (!strcmp(event, "exit"))
			on_exit_event(t, v);
		else if (!strcmp(event, "connect") || !strcmp(event, "bind") || !strcmp(event, "listen") || !strcmp(event, "sendto"))
			on_connection(t, v);
		else if (!strcmp(event, "sleep"))
			on_sleep(t, v);
		else if (!strcmp(event, "denied"))
			on_denied(t, v);
		else if (!strcmp(event, "memory")) {
			if (on_memory(t, v, e))
				return -1;
		} else {
			on_other(t, v, &gone);
		}
	}
	end_processes(t);
	if (gone)
		trail_sign(t->signs, "deletes-itself", "it deleted the file it was started from");
	return 0;
}
