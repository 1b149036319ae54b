#include "garden/bend.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Who waits at a descriptor may wait for somebody outside the tracer's sight: the dummy Internet, or who fills a pipe. */
#define GRACE_NET 200000000LL
#define GRACE_FILE 2000000LL

static bool slurp(pid_t tid, const char *name, char *text, size_t size)
{
	char path[48];
	int fd;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/%s", tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, size - 1) : -1;
	io_close(&fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* How often it was given a processor: schedstat's third number, else its changes of context. */
static uint64_t runs_of(pid_t tid)
{
	char text[4096], *p;

	if (slurp(tid, "schedstat", text, 128)) {
		strtoull(text, &p, 10);
		strtoull(p, &p, 10);
		return strtoull(p, NULL, 10);
	}
	p = slurp(tid, "status", text, sizeof text) ? strstr(text, "\nvoluntary_ctxt_switches:") : NULL;
	return p ? strtoull(p + 25, NULL, 10) : 0;
}

static char state_of(pid_t tid)
{
	char text[512], *p = slurp(tid, "stat", text, sizeof text) ? strrchr(text, ')') : NULL;

	return p && p[1] ? p[2] : 'X';
}

/* Of its whole process. Fields 3 to 20 of proc_pid_stat(5) stand behind the name. */
static unsigned long threads_of(pid_t tid)
{
	char text[512], *p = slurp(tid, "stat", text, sizeof text) ? strrchr(text, ')') : NULL;

	for (int field = 2; field < 20 && p; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoul(p, NULL, 10) : 0;
}

/* proc_pid_syscall(5) tells of a task only once it has left its processor. Its state alone won't do: one that looks whether a child
 * has ended calls itself asleep while it looks. */
static bool off_processor(pid_t tid)
{
	char text[16];

	return slurp(tid, "syscall", text, sizeof text) && strncmp(text, "running", 7) != 0;
}

/* Who has made a vfork sleeps as if for a disk, for as long as its child likes. */
static bool in_vfork(const struct task *k)
{
	return k->nr == SYS_vfork || (k->nr == SYS_clone && k->arg[0] & CLONE_VFORK);
}

static bool waits(struct bend *b, struct task *k)
{
	uint64_t runs;
	char state;

	if (k->wait.held || k->listening)
		return true;
	if (k->wait.fired)
		return false;
	runs = runs_of(k->tid);
	state = k->blocked.state = state_of(k->tid);
	if (runs != k->blocked.runs || !k->blocked.runs) {
		k->blocked.runs = runs;
		k->blocked.since = bend_now(b);
		k->blocked.real = bend_now(b) - b->skipped;
		k->blocked.looked = false;
		if (sleeps_in_socket(k))
			k->wait = (struct wait){ 0 };
	}
	/* One that is dead alone is about to be told of to us, and then to its parent, who may be waiting for that. */
	if (state == 'X' || (state == 'Z' && threads_of(k->tid) > 1))
		return true;
	return (state == 'S' || (state == 'D' && in_vfork(k))) && off_processor(k->tid);
}

struct task *idle_runner(struct bend *b)
{
	struct task *runner = NULL;

	for (struct task *k = tracer_next(b->tracer, NULL); k; k = tracer_next(b->tracer, k)) {
		if (waits(b, k))
			continue;
		if (runner)
			return NULL;
		runner = k;
	}
	return runner;
}

bool idle_signalled(const struct bend *b, const struct task *k)
{
	char text[4096];
	uint64_t pending = 0;

	/* One that is alone, without timers, has nobody who could have sent one. */
	if (!b->timers && !tracer_next(b->tracer, tracer_next(b->tracer, NULL)))
		return false;
	if (slurp(k->tid, "status", text, sizeof text)) {
		static const char *const NAMES[] = { "\nSigPnd:", "\nShdPnd:" };
		const char *blocked = strstr(text, "\nSigBlk:");

		for (unsigned i = 0; i < 2; i++) {
			const char *p = strstr(text, NAMES[i]);

			pending |= p ? strtoull(p + 8, NULL, 16) : 0;
		}
		pending &= blocked ? ~strtoull(blocked + 8, NULL, 16) : 0;
	}
	return pending != 0;
}

/* ---- what may come from outside ---- */

static bool is_network(const struct task *k, int fd)
{
	char name[32], link[32];
	char *target;
	int domain = 0, sock;
	socklen_t n = sizeof domain;

	snprintf(name, sizeof name, "fd/%d", fd);
	target = tracee_link(k->tid, name);
	snprintf(link, sizeof link, "%.8s", target ? target : "");
	free(target);
	if (strcmp(link, "socket:[") || (sock = tracee_copy(k->tgid, fd)) < 0)
		return false;
	if (getsockopt(sock, SOL_SOCKET, SO_DOMAIN, &domain, &n))
		domain = 0;
	close(sock);
	return domain == AF_INET || domain == AF_INET6 || domain == AF_PACKET;
}

/* epoll(7): /proc/PID/fdinfo of such a descriptor has a line "tfd: N" for each that it watches. */
static bool watches_network(const struct task *k, int epoll)
{
	char name[32], text[8192], *p = text;

	snprintf(name, sizeof name, "fdinfo/%d", epoll);
	if (!slurp(k->tid, name, text, sizeof text))
		return false;
	for (unsigned i = 0; i < 64 && (p = strstr(p, "tfd:")); i++, p += 4)
		if (is_network(k, (int)strtol(p + 4, NULL, 10)))
			return true;
	return false;
}

static int64_t grace_of(struct bend *b, struct task *k)
{
	char text[256], *p = text;
	uint64_t arg[6];
	int fd[64];
	unsigned n;
	bool epoll;
	long nr;

	if (!slurp(k->tid, "syscall", text, sizeof text) || text[0] < '0' || text[0] > '9')
		return 0;
	nr = strtol(p, &p, 10);
	for (unsigned i = 0; i < 6; i++)
		arg[i] = strtoull(p, &p, 16);
	n = sleeps_descriptors(nr, k, arg, fd, sizeof fd / sizeof *fd, &epoll);
	if (n == 1 && !epoll && b->socket_timeouts && !k->wait.call)
		sleeps_socket(b, k, nr, fd[0], k->blocked.since);
	for (unsigned i = 0; i < n; i++)
		if (epoll ? watches_network(k, fd[i]) : is_network(k, fd[i]))
			return GRACE_NET;
	return n ? GRACE_FILE : 0;
}

int64_t idle_check(struct bend *b)
{
	int64_t real, left, most = 0;
	unsigned looked = 0;

	for (struct task *k = tracer_next(b->tracer, NULL); k; k = tracer_next(b->tracer, k)) {
		if (!waits(b, k))
			return -1;
		looked += !k->wait.held && !k->listening;
	}
	/* They were not all looked at in one moment: who has run since may have woken who was seen asleep. */
	for (struct task *k = looked > 1 ? tracer_next(b->tracer, NULL) : NULL; k; k = tracer_next(b->tracer, k))
		if (!k->wait.held && !k->listening && runs_of(k->tid) != k->blocked.runs)
			return -1;
	real = bend_now(b) - b->skipped;
	for (struct task *k = tracer_next(b->tracer, NULL); k; k = tracer_next(b->tracer, k)) {
		if (k->wait.held || k->listening)
			continue;
		if (!k->blocked.looked)
			k->blocked.grace = grace_of(b, k);
		k->blocked.looked = true;
		left = k->blocked.grace - (real - k->blocked.real);
		if (left > most)
			most = left;
	}
	return most;
}
