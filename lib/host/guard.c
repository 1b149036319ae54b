/*
 * A scan that nothing can hold up. A system call on a dead network or FUSE mount, or on memory that such a mount backs, may
 * never return, and not even SIGKILL ends it (fs/fuse/dev.c: a request that the server has read is waited out). A thread that
 * hangs so keeps its whole process from ending. So the scan runs in a child, and a supervisor watches its beats. Between two
 * pieces of work the child forks a spare that holds all that was found so far and sleeps. When a beat fails to come, the
 * child is killed, or left behind where it cannot be, and the spare goes on from there, leaving out the step that hung.
 * What a child left behind still holds must keep nobody waiting: standard output is handed to it only when the scan is over.
 */
#include "host/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CAP_CRASHES 16u
#define TRIES 3u                  /* steps given up in a brittle one */
#define SAMPLE_MS 100
#define LEAST_MS 200              /* of patience, when much was given up already */
#define SPIN_MS 120000            /* of processor time without a beat: a loop without end */

struct watcher {
	pid_t child;
	int pidfd, ask;           /* ask: our end of the socket */
	int messages;             /* what the child says on standard error, or -1: it has ours */
	uint64_t beats, cpu;      /* when last seen to move */
	unsigned hung_ms, crashes;
};

static bool is_kind(int fd, mode_t kind)
{
	struct stat st;

	return !fstat(fd, &st) && (st.st_mode & S_IFMT) == kind;
}

/* A pipe's or socket's reader waits until the last writer is gone. */
static bool somebody_waits(int fd)
{
	return is_kind(fd, S_IFIFO) || is_kind(fd, S_IFSOCK);
}

static void hand_over_output(int ask)
{
	union { char room[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { { 0 } };
	char byte;
	struct iovec io = { &byte, 1 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room) };
	const int fd = STDOUT_FILENO;
	struct cmsghdr *c;

	if (recv(ask, &byte, 1, MSG_DONTWAIT) != 1)
		return;
	c = CMSG_FIRSTHDR(&m);
	*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(ask, &m, MSG_NOSIGNAL) != 1)
		msg_debug("standard output could not be handed over");
}

static void pass_messages(const struct watcher *w)
{
	char block[4096];
	ssize_t n;

	while (w->messages >= 0 && (n = read(w->messages, block, sizeof(block))) > 0)
		io_write(STDERR_FILENO, block, (size_t)n);
}

/* The child's state letter, and the processor's ticks it took; '?' when it cannot be told. */
static char state_of(pid_t pid, uint64_t *ticks)
{
	char name[32], text[1024], *at, *end;
	int fd, i;
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	io_close(&fd);
	if (n <= 0)
		return '?';
	text[n] = '\0';
	at = strrchr(text, ')');
	if (!at || !at[1] || !at[2])
		return '?';
	/* proc(5): the state is field 3, utime 14, stime 15 */
	for (end = at + 2, i = 3; i < 14 && end; i++)
		end = strchr(end + 1, ' ');
	*ticks = end ? strtoull(end, &end, 10) : 0;
	*ticks += end ? strtoull(end, NULL, 10) : 0;
	return at[2];
}

/* Much was given up: less is waited for each further one, lest thousands of them add up to days. */
static unsigned patience(void)
{
	unsigned n = atomic_load(&shared->lost_count), ms = shared->patience_ms;

	/* where nothing can be left out, waiting longer is all that helps */
	if (!atomic_load(&shared->depth) || !atomic_load(&shared->spare))
		return ms * 6;
	ms /= 1 + n / 4;
	return ms < LEAST_MS ? LEAST_MS : ms;
}

/* Called every SAMPLE_MS. A child that could run but gets no processor, or was stopped by its user, does not hang. */
static bool hangs(struct watcher *w)
{
	uint64_t beats = atomic_load(&shared->beats), ticks = 0;
	char state;

	if (beats != w->beats || atomic_load(&shared->resting)) {
		w->beats = beats;
		w->hung_ms = 0;
		w->cpu = UINT64_MAX;
		return false;
	}
	state = state_of(w->child, &ticks);
	if (w->cpu == UINT64_MAX)
		w->cpu = ticks;
	if ((ticks - w->cpu) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK) > SPIN_MS)
		return true;
	if (state == 'D' || state == 'S')
		w->hung_ms += SAMPLE_MS;
	else
		w->hung_ms = 0;
	return w->hung_ms >= patience();
}

static void adopt(struct watcher *w, pid_t child)
{
	io_close(&w->pidfd);
	w->child = child;
	w->pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	w->beats = atomic_load(&shared->beats);
	w->cpu = UINT64_MAX;
	w->hung_ms = 0;
}

static bool ended(int pidfd, int ms)
{
	struct pollfd p = { pidfd, POLLIN, 0 };

	return poll(&p, 1, ms) > 0;
}

static void lose(const struct step *s, bool crashed)
{
	unsigned n = atomic_load(&shared->lost_count);

	if (n >= CAP_LOST)
		return;
	shared->lost[n].step = *s;
	shared->lost[n].crashed = crashed;
	atomic_store(&shared->lost_count, n + 1);
}

static unsigned losses_in(uint64_t above)
{
	unsigned i, n = atomic_load(&shared->lost_count), count = 0;

	for (i = 0; i < n; i++)
		count += shared->lost[i].step.above == above;
	return count;
}

/* The child is as good as dead: the spare goes on, and leaves out the step that stood last. -1: nothing can go on. */
static int go_on(struct watcher *w, bool crashed, struct err *e)
{
	unsigned depth = atomic_load(&shared->depth), n = atomic_load(&shared->lost_count);
	pid_t spare = atomic_load(&shared->spare);

	if (!crashed) {
		syscall(SYS_pidfd_send_signal, w->pidfd, SIGKILL, NULL, 0);
		if (ended(w->pidfd, 500))
			waitpid(w->child, NULL, 0);
		else
			msg_info("process %d of this scan hangs in the kernel and was left behind", (int)w->child);
	}
	if (!depth || !spare || n >= CAP_LOST || (w->crashes += crashed) > CAP_CRASHES)
		return crashed ? err_set(e, EX_SOFTWARE, "the scan crashed") : err_set(e, EX_TEMPFAIL, "the system did not answer within %u.%u s",
		                         shared->patience_ms / 1000, shared->patience_ms / 100 % 10);
	if (depth > DEPTH)
		depth = DEPTH;
	lose(&shared->step[depth - 1], crashed);
	if (depth > 1 && shared->step[depth - 2].brittle && losses_in(shared->step[depth - 2].id) >= TRIES)
		lose(&shared->step[depth - 2], crashed);
	atomic_store(&shared->depth, 0);
	atomic_store(&shared->resting, false);
	atomic_store(&shared->spare, 0);
	adopt(w, spare);
	atomic_store(&shared->go, atomic_load(&shared->generation));
	watch_wake();
	return 0;
}

/* 1: go on watching; 0: it is over, *rc what came of it. */
static int child_ended(struct watcher *w, int *rc, struct err *e)
{
	int status = 0;

	if (waitpid(w->child, &status, 0) < 0)
		return *rc = err_sys(e, "cannot wait for the scan"), 0;
	if (WIFEXITED(status) && !WEXITSTATUS(status) && shared->done) {
		*rc = shared->rc;
		*e = shared->e;
		return 0;
	}
	if (WIFEXITED(status))
		return *rc = WEXITSTATUS(status) ? WEXITSTATUS(status) : EX_SOFTWARE, 0;
	if (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGHUP || shared->done)
		return *rc = err_set(e, EX_TEMPFAIL, "the scan was ended by signal %d", WTERMSIG(status)), 0;
	return go_on(w, true, e) < 0 ? *rc = -1, 0 : 1;
}

/* Those that were relieved; the child itself is awaited elsewhere. */
static void bury_spares(pid_t child)
{
	siginfo_t who = { 0 };

	while (!waitid(P_ALL, 0, &who, WEXITED | WNOHANG | WNOWAIT) && who.si_pid && who.si_pid != child) {
		waitpid(who.si_pid, NULL, 0);
		who.si_pid = 0;
	}
}

static int supervise(struct watcher *w, struct err *e)
{
	int rc = -1;

	for (;;) {
		struct pollfd p[3] = { { w->pidfd, POLLIN, 0 }, { w->ask, POLLIN, 0 }, { w->messages, POLLIN, 0 } };

		poll(p, 3, SAMPLE_MS);
		pass_messages(w);
		if (p[1].revents & POLLIN)
			hand_over_output(w->ask);
		if (p[0].revents) {
			if (!child_ended(w, &rc, e))
				return rc;
		} else if (!(p[1].revents | p[2].revents) && hangs(w) && go_on(w, false, e) < 0) {
			return -1;
		}
		bury_spares(w->child);
	}
}

/* What the child must not keep open once it is given up: pipes whose readers wait for their end. */
static void let_go(int keep, int messages)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;
	unsigned first = 3;

	dup2(null, STDIN_FILENO);
	if (somebody_waits(STDOUT_FILENO)) {
		shared_output = keep;
		dup2(null, STDOUT_FILENO);
	}
	if (messages >= 0)
		dup2(messages, STDERR_FILENO);
	for (fd = 3; fd <= keep; fd++)
		if (fd != keep)
			close(fd);
	first = (unsigned)keep + 1;
	close_range(first, UINT32_MAX, 0);
}

static _Noreturn void be_child(int (*work)(void *, struct err *), void *ctx, pid_t parent, int keep, int messages)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	let_go(keep, messages);
	shared->rc = work(ctx, &shared->e);
	atomic_store(&shared->resting, true);
	shared->done = true;
	exit(0);
}

int host_guarded(int (*work)(void *ctx, struct err *e), void *ctx, unsigned patience_ms, struct err *e)
{
	struct watcher w = { .pidfd = -1, .messages = -1 };
	int ask[2], messages[2] = { -1, -1 }, rc;
	pid_t self = getpid(), child, spare;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ask) < 0
	    || (somebody_waits(STDERR_FILENO) && pipe2(messages, O_CLOEXEC) < 0)) {
		shared = NULL;
		return err_sys(e, "cannot watch over the scan");
	}
	shared->patience_ms = patience_ms;
	fflush(NULL);
	child = fork();
	if (!child)
		be_child(work, ctx, self, ask[1], messages[1]);
	if (child < 0) {
		rc = err_sys(e, "cannot start the scan");
	} else {
		w.ask = ask[0];
		w.messages = messages[0];
		if (w.messages >= 0)
			fcntl(w.messages, F_SETFL, O_NONBLOCK);
		adopt(&w, child);
		rc = supervise(&w, e);
		pass_messages(&w);
		spare = atomic_load(&shared->spare);
		if (spare && !kill(spare, SIGKILL))
			waitpid(spare, NULL, 0);
	}
	io_close(&w.pidfd);
	io_close(&ask[0]);
	io_close(&ask[1]);
	io_close(&messages[0]);
	io_close(&messages[1]);
	munmap(shared, sizeof(*shared));
	shared = NULL;
	return rc;
}
