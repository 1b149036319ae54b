#include "garden/garden-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS 25
#define BATCH 512             /* results of waitpid before anything else is looked at */
#define INSISTS 200u          /* refused forks after which a run is ended */
#define KILL_MS 3000
#define SOCKETS_EVERY 8u      /* ticks */
#define ZOMBIES 1024u         /* each is a process number of the machine; an honest shell waits for what it starts */

struct warden {
	int sock, signals, null, niceness;
	struct record record;
	struct tracer *tracer;   /* NULL: not traced */
	struct services services;
	const struct cgroup *group;
	/* the run */
	pid_t main;
	int status;
	bool started, ended, timed_out, limit_memory, limit_processes;
	int64_t began, deadline, end, busy_ms;
	uint64_t memory, shared, ticks;
	unsigned looks, forks_refused;
	unsigned processes;
	/* what is beside it */
	pid_t beside;
	int beside_status;
	bool beside_timed_out;
	int64_t beside_began, beside_deadline;
	uint64_t beside_memory;
	/* bent time */
	struct bend *bend;       /* NULL: not bent; the tracer's */
	uint64_t magic;
	int64_t skipped;         /* as watch() saw it last */
	/* a question that waits for its answer */
	bool settling;
	int64_t settle_end;
	int settle_quiet;
	bool children;           /* some are left that are no services */
	bool lost;               /* one of those has ended since that was looked at */
};

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* What waitpid has to say. True: there is more. */
static bool reap(struct warden *w)
{
	int status;
	pid_t pid;

	for (int i = 0; i < BATCH; i++) {
		pid = waitpid(-1, &status, __WALL | WNOHANG);
		if (pid < 0)
			w->children = false;
		if (pid == 0 && w->lost && w->services.alive) {
			w->children = table_others(&w->services);
			w->lost = false;
		}
		if (pid <= 0)
			return false;
		if (!WIFSTOPPED(status) && services_gone(&w->services, pid))
			continue;
		w->lost = w->lost || !WIFSTOPPED(status);
		if (!WIFSTOPPED(status)) {
			if (pid == w->main)
				w->status = exit_status(status);
			if (pid == w->main || pid == w->beside)
				pid == w->main ? (w->main = 0) : (w->beside_status = exit_status(status), w->beside = 0);
		}
		if (w->tracer)
			tracer_wait(w->tracer, pid, status);
	}
	return true;
}

static void drain(struct warden *w)
{
	struct signalfd_siginfo s;

	while (read(w->signals, &s, sizeof s) == (ssize_t)sizeof s)
		;
}

static void wait_a_little(struct warden *w, int other, int ms)
{
	struct pollfd p[] = { { .fd = w->signals, .events = POLLIN }, { .fd = other, .events = POLLIN } };

	if (!reap(w)) {
		bend_poll(w->ended ? NULL : w->bend, p, other >= 0 ? 2 : 1, ms);
		drain(w);
	}
}

static void kill_all(struct warden *w)
{
	int64_t end = clock_mono_ms() + KILL_MS;

	/* Again and again: one that forks while it dies has children that nobody had seen. */
	while (w->children && clock_mono_ms() < end) {
		kill(-1, SIGKILL);
		wait_a_little(w, -1, 5);
	}
	w->ended = true;
	w->end = clock_mono_ms();
}

/* What the kernel refused in our place. */
static void look_at_group(struct warden *w)
{
	uint64_t hit[2];

	cgroup_events(w->group, hit);
	if (hit[0])
		w->limit_memory = true;
	if (hit[1] && !w->forks_refused++)
		record_event(&w->record, 1, 0, "limit", json_pack("{s:s}", "what", "processes"));
	if (hit[1])
		w->limit_processes = true;
}

static void end_run(struct warden *w, bool sweep)
{
	if (w->ended)
		return;
	look_at_group(w);
	if (sweep && w->tracer)
		tracer_sweep(w->tracer);
	kill_all(w);
	record_rest(&w->record);
}

/* ---- limits ---- */

static void watch(struct warden *w)
{
	struct table_sum s;
	int64_t now = clock_mono_ms();
	uint64_t shared;
	bool scarce;

	if (w->beside && now >= w->beside_deadline) {
		w->beside_timed_out = true;
		kill(w->beside, SIGKILL);
	}
	if (!w->started || w->ended)
		return;
	table_sum(&w->services, &s, &w->ticks);
	/* Who lets time pass over and over is not at work, busy as it is with that. */
	if (s.busy && w->record.skipped_ns == w->skipped)
		w->busy_ms = now;
	w->skipped = w->record.skipped_ns;
	table_machine(&shared, &scarce);
	if (s.resident > w->memory + (w->beside ? w->beside_memory : 0))
		w->limit_memory = true;
	/* Memory files are nobody's resident memory. Others on this machine use shared memory as well: ours is looked for
	 * when there is much more of it, and assumed to be ours only when there is hardly any memory left. */
	if (shared > w->shared + w->memory && (scarce || table_shared() > w->memory))
		w->limit_memory = true;
	if (w->looks++ % SOCKETS_EVERY == 0 && sockets_held() > w->memory)
		w->limit_memory = true;
	look_at_group(w);
	if ((w->tracer && tracer_refused(w->tracer) >= INSISTS) || s.processes > w->processes + 8 ||
	    s.zombies > ZOMBIES || s.tasks > w->processes * 8 + 64)
		w->limit_processes = true;
	if (now >= w->deadline)
		w->timed_out = true;
	if (w->limit_memory)
		record_event(&w->record, 1, 0, "limit", json_pack("{s:s}", "what", "memory"));
	else if (w->limit_processes && !w->forks_refused && !(w->tracer && tracer_refused(w->tracer)))
		record_event(&w->record, 1, 0, "limit", json_pack("{s:s}", "what", "processes"));
	if (w->limit_memory || w->limit_processes || w->timed_out)
		end_run(w, w->timed_out);
	if (w->tracer && tracer_refused(w->tracer))
		w->limit_processes = true;
}

/* ---- programs ---- */

static const char **strings_of(const json_t *list, struct buf *hold)
{
	size_t n = json_array_size(list), i;
	const char **all = buf_alloc((n + 1) * sizeof *all);
	size_t *at = buf_alloc((n + 1) * sizeof *at);
	json_t *v;

	json_array_foreach(list, i, v) {
		at[i] = hold->len;
		if (!json_is_string(v) || jsonio_tobytes(json_string_value(v), hold))
			hold->len = at[i];
		buf_addc(hold, '\0');
	}
	for (i = 0; i < n; i++)
		all[i] = (const char *)hold->p + at[i];
	free(at);
	return all;
}

static char *bytes_of(const json_t *o, const char *key)
{
	struct buf b = { 0 };
	const char *s = jsonio_str(o, key);

	if (!s || jsonio_tobytes(s, &b) || !b.p) {
		buf_free(&b);
		return NULL;
	}
	return (char *)b.p;
}

/* Lets the child go once it is seized, and waits for what exec says. errno's number, 0: it runs. */
static int await_exec(struct warden *w, pid_t pid, struct launch_pipes *p, bool traced)
{
	int64_t end = clock_mono_ms() + GARDEN_REPLY_MS / 2;
	int said = 0, rc = ETIMEDOUT;
	ssize_t n;

	fcntl(p->result, F_SETFL, O_NONBLOCK);
	while (clock_mono_ms() < end) {
		n = read(p->result, &said, sizeof said);
		if (n < 0 && errno == EAGAIN) {
			wait_a_little(w, p->result, TICK_MS);
			continue;
		}
		if (n == (ssize_t)sizeof said && said == -1 && traced) {
			rc = tracer_seize(w->tracer, pid);
			if (rc || io_write(p->go, "g", 1))
				break;
			rc = ETIMEDOUT;
			continue;
		}
		rc = n == (ssize_t)sizeof said ? said : 0;
		break;
	}
	io_close(&p->result);
	io_close(&p->go);
	if (rc == ETIMEDOUT)
		kill(pid, SIGKILL);
	return rc;
}

static int launch(struct warden *w, struct message *m, bool beside, int *exec_errno, struct err *e)
{
	struct buf hold = { 0 }, hold_env = { 0 };
	struct launch_pipes pipes;
	struct launch l = { .niceness = w->niceness, .beside = beside, .traced = !beside && w->tracer, .bend = beside ? 0 : w->magic, .uid = (unsigned)jsonio_int(m->body, "uid", 0),
		.memory = (uint64_t)jsonio_int(m->body, "memory", 0) + GIB, .file = (uint64_t)jsonio_int(m->body, "file", 0),
		.in = message_take(m, "in"), .out = message_take(m, "out"), .errfd = message_take(m, "err") };
	int fds[3] = { l.in, l.out, l.errfd };
	pid_t pid;

	l.path = bytes_of(m->body, "path");
	l.cwd = bytes_of(m->body, "cwd");
	l.argv = strings_of(json_object_get(m->body, "argv"), &hold);
	l.envp = strings_of(json_object_get(m->body, "envp"), &hold_env);
	l.in = l.in >= 0 ? l.in : w->null;
	l.out = l.out >= 0 ? l.out : w->null;
	l.errfd = l.errfd >= 0 ? l.errfd : w->null;
	l.group = beside ? NULL : w->group;
	pid = l.argv[0] || l.path ? launch_child(&l, &pipes) : (errno = EINVAL, -1);
	if (pid > 0) {
		w->children = true;
		*(beside ? &w->beside : &w->main) = pid;
		*exec_errno = await_exec(w, pid, &pipes, l.traced);
	} else {
		err_sys(e, "cannot start a program in the garden");
	}
	free((void *)(uintptr_t)l.path);
	free((void *)(uintptr_t)l.cwd);
	free(l.argv);
	free(l.envp);
	buf_free(&hold);
	buf_free(&hold_env);
	for (int i = 0; i < 3; i++)
		io_close(&fds[i]);
	return pid > 0 ? 0 : -1;
}

static int start(struct warden *w, struct message *m, struct err *e)
{
	int exec_errno = 0;
	bool scarce;

	if (w->started)
		return err_set(e, EX_SOFTWARE, "this run has begun already");
	w->began = w->busy_ms = w->record.began_ms = w->record.last_ms = clock_mono_ms();
	w->deadline = w->began + jsonio_int(m->body, "seconds", 60) * 1000;
	w->memory = (uint64_t)jsonio_int(m->body, "memory", (json_int_t)GIB);
	w->processes = (unsigned)jsonio_int(m->body, "processes", 64);
	w->record.events = message_take(m, "events");
	w->record.dumps = message_take(m, "dumps");
	w->record.gateway = message_take(m, "gateway");
	w->record.max = (unsigned)jsonio_int(m->body, "events_max", GARDEN_EVENTS);
	table_machine(&w->shared, &scarce);
	if (w->record.events >= 0)
		w->tracer = tracer_new(&w->record, w->processes);
	if (w->tracer && jsonio_bool(m->body, "bend", false)) {
		if (getrandom(&w->magic, sizeof w->magic, 0) != (ssize_t)sizeof w->magic || w->magic == 0)
			return err_set(e, EX_OSERR, "no random number");
		w->record.start_ns = jsonio_int(m->body, "start", 0);
		w->bend = bend_new(w->tracer, &w->record, jsonio_int(m->body, "start", 0), w->magic);
		tracer_bend(w->tracer, w->bend);
	}
	if (launch(w, m, false, &exec_errno, e))
		return -1;
	w->started = true;
	w->record.last_ms = clock_mono_ms();
	return message_send(w->sock, json_pack("{s:i}", "exec_errno", exec_errno), NULL, e);
}

static int start_beside(struct warden *w, struct message *m, struct err *e)
{
	int exec_errno = 0;
	int64_t next = 0;

	w->beside_began = clock_mono_ms();
	w->beside_deadline = w->beside_began + jsonio_int(m->body, "seconds", 60) * 1000;
	w->beside_memory = (uint64_t)jsonio_int(m->body, "memory", (json_int_t)GIB);
	w->beside_timed_out = false;
	if (launch(w, m, true, &exec_errno, e))
		return -1;
	if (w->bend)
		bend_apart(w->bend, true);
	while (w->beside) {
		wait_a_little(w, -1, TICK_MS);
		if (clock_mono_ms() >= next) {
			watch(w);
			next = clock_mono_ms() + TICK_MS;
		}
	}
	if (w->bend)
		bend_apart(w->bend, false);
	return message_send(w->sock, json_pack("{s:i, s:i, s:b, s:f}", "exec_errno", exec_errno, "status", w->beside_status,
		"timed_out", w->beside_timed_out, "elapsed", (double)(clock_mono_ms() - w->beside_began) / 1000), NULL, e);
}

/* ---- answers ---- */

static _Noreturn void stop(struct warden *w)
{
	struct err e;

	if (!w->ended)
		end_run(w, true);
	message_send(w->sock, json_pack("{s:i, s:b, s:b, s:b, s:I, s:f}", "status", w->status, "timed_out", w->timed_out,
		"limit_memory", w->limit_memory, "limit_processes", w->limit_processes, "skipped", (json_int_t)w->record.skipped_ns,
		"elapsed", (double)(w->end - w->began) / 1000), NULL, &e);
	_exit(0);
}

static void answer_settle(struct warden *w)
{
	int64_t now = clock_mono_ms(), last = w->busy_ms > w->record.last_ms ? w->busy_ms : w->record.last_ms;
	struct err e;
	int state;

	if (!w->settling)
		return;
	if (w->ended)
		state = 1;
	else if (w->settle_quiet && now - last >= record_patience(&w->record, w->settle_quiet))
		state = 2;
	else if (now >= w->settle_end)
		state = 0;
	else
		return;
	w->settling = false;
	if (message_send(w->sock, json_pack("{s:i}", "state", state), NULL, &e))
		_exit(1);
}

static int give_namespaces(struct warden *w, struct err *e)
{
	int user = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC), net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), rc;

	if (user < 0 || net < 0)
		rc = err_sys(e, "cannot open the run's namespaces");
	else
		rc = message_send(w->sock, json_object(), (struct message_fd[]){ { "user", user }, { "net", net }, { NULL, -1 } }, e);
	io_close(&user);
	io_close(&net);
	return rc;
}

static int answer(struct warden *w, struct message *m, struct err *e)
{
	const char *what = jsonio_str(m->body, "do");

	if (!what)
		return err_set(e, EX_SOFTWARE, "an empty request");
	if (!strcmp(what, "run"))
		return start(w, m, e);
	if (!strcmp(what, "namespaces"))
		return w->started ? err_set(e, EX_SOFTWARE, "this run has begun already") : give_namespaces(w, e);
	if (!strcmp(what, "beside"))
		return start_beside(w, m, e);
	if (!strcmp(what, "settle")) {
		w->settling = true;
		w->settle_end = clock_mono_ms() + jsonio_int(m->body, "ms", 0);
		w->settle_quiet = (int)jsonio_int(m->body, "quiet", 0);
		return 0;
	}
	if (!strcmp(what, "processes"))
		return message_send(w->sock, json_pack("{s:o}", "processes", table_list(&w->services)), NULL, e);
	if (!strcmp(what, "stop"))
		stop(w);
	return err_set(e, EX_SOFTWARE, "a request that is not known: %s", err_q(what));
}

static void read_request(struct warden *w)
{
	struct message m;
	struct err e = { 0 };

	/* Without its tool a run has no purpose, and with us it ends. */
	if (message_receive(w->sock, GARDEN_REPLY_MS, &m, &e) != 1)
		_exit(1);
	if (answer(w, &m, &e) && message_fail(w->sock, &e))
		_exit(1);
	message_free(&m);
}

_Noreturn void warden_main(int sock, int niceness, struct machine *m, const struct cgroup *group)
{
	struct warden w = { .sock = sock, .niceness = niceness, .group = group, .record = { .events = -1, .dumps = -1, .gateway = -1 }, .children = true };
	struct err e;
	sigset_t child;
	int64_t next = 0;

	/* The kernel keeps signals from inside from an init that has no handler for them: none may be left, whoever installed it. */
	for (int s = 1; s < 65; s++)
		if (s != SIGPIPE)
			signal(s, SIG_DFL);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	w.signals = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
	w.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	services_start(&w.services, m, niceness);
	w.record.services = &w.services;
	if (w.signals < 0 || w.null < 0 || message_send(sock, json_object(), NULL, &e))
		_exit(1);
	for (;;) {
		struct pollfd p[] = { { .fd = w.signals, .events = POLLIN }, { .fd = sock, .events = POLLIN } };
		bool more = reap(&w);

		if (w.started && !w.ended && !w.children)
			end_run(&w, false);
		answer_settle(&w);
		if (bend_poll(w.ended ? NULL : w.bend, p, 2, more ? 0 : w.started && !w.ended ? TICK_MS : 1000) > 0) {
			if (p[1].revents)
				read_request(&w);
			drain(&w);
		}
		/* A drained signal may stand for a child that reap() has not met yet: the next round begins with it. */
		if (clock_mono_ms() >= next) {
			watch(&w);
			next = clock_mono_ms() + TICK_MS;
		}
	}
}
