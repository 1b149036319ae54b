/* The side of guard.c that looks: its steps, its beats, and the spare that can go on in its place. */
#include "host/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPARE_EVERY_MS 500        /* a fork costs some 0.3 ms */

struct shared *shared;
int shared_output = -1;
static int64_t spared, rested_ms;
static unsigned told;            /* of the lost steps, by this process */

static long futex(_Atomic uint32_t *word, int op, uint32_t value)
{
	return syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

void watch_beat(void)
{
	if (shared)
		atomic_fetch_add_explicit(&shared->beats, 1, memory_order_relaxed);
}

/* FNV-1a: what may be told apart here are names of one scan, and who forges a collision is left out himself. */
uint64_t watch_id(uint64_t seed, const void *p, size_t n)
{
	const unsigned char *c = p;

	for (seed ^= 0xcbf29ce484222325u; n--; c++)
		seed = (seed ^ *c) * 0x100000001b3u;
	return seed;
}

static bool is_lost(uint64_t id)
{
	unsigned i, n = atomic_load_explicit(&shared->lost_count, memory_order_acquire);

	for (i = 0; i < n; i++)
		if (shared->lost[i].step.id == id)
			return true;
	return false;
}

bool watch_enter(uint64_t id, dev_t dev, const char *name)
{
	struct step *s;
	unsigned depth;

	if (!shared)
		return true;
	if (is_lost(id)) {
		errno = ETIMEDOUT;
		return false;
	}
	depth = atomic_load_explicit(&shared->depth, memory_order_relaxed);
	s = &shared->step[depth < DEPTH ? depth : DEPTH - 1];
	s->id = id;
	s->above = depth && depth < DEPTH ? s[-1].id : 0;
	s->brittle = false;
	s->dev = dev;
	memccpy(s->name, name, '\0', NAME - 1);
	s->name[NAME - 1] = '\0';
	atomic_store_explicit(&shared->depth, depth + 1, memory_order_release);
	watch_beat();
	return true;
}

void watch_brittle(void)
{
	unsigned depth = shared ? atomic_load_explicit(&shared->depth, memory_order_relaxed) : 0;

	if (depth && depth <= DEPTH)
		shared->step[depth - 1].brittle = true;
}

void watch_leave(void)
{
	int saved = errno;

	if (!shared)
		return;
	atomic_fetch_sub_explicit(&shared->depth, 1, memory_order_release);
	watch_beat();
	errno = saved;
}

void watch_rest(int64_t ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	if (shared)
		atomic_store(&shared->resting, true);
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
	rested_ms += ns / 1000000;
	if (shared) {
		watch_beat();
		atomic_store(&shared->resting, false);
	}
}

void watch_waits(bool begins)
{
	if (!shared)
		return;
	watch_beat();
	atomic_store(&shared->resting, begins);
}

int64_t watch_clock(void)
{
	return clock_mono_ms() - rested_ms;
}

unsigned watch_patience(void)
{
	return shared ? shared->patience_ms : 0;
}

static void tell_losses(struct host *h)
{
	unsigned n = atomic_load(&shared->lost_count);

	for (; told < n; told++) {
		const struct step *s = &shared->lost[told].step;
		const char *name = *s->name == '/' || *s->name == '.' ? err_q(s->name) : s->name;

		h->given_up++;
		if (shared->lost[told].crashed)
			host_missed(h, "%s was left out: looking at it crashed", name);
		else
			host_missed(h, "%s did not answer within %u.%u s", name, shared->patience_ms / 1000, shared->patience_ms / 100 % 10);
		if (!shared->lost[told].crashed)
			mounts_lost(h, s->dev, s->name);
	}
}

void watch_wake(void)
{
	atomic_fetch_add(&shared->turn, 1);
	futex(&shared->turn, FUTEX_WAKE, INT32_MAX);
}

/* In the spare: until it is its turn. */
static void wait_for_turn(uint32_t mine, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	for (;;) {
		uint32_t turn = atomic_load(&shared->turn);

		if (atomic_load(&shared->go) == mine)
			return;
		if (atomic_load(&shared->generation) > mine)
			_exit(0);
		futex(&shared->turn, FUTEX_WAIT, turn);
	}
}

bool watch_due(void)
{
	return shared && !atomic_load(&shared->depth) && (!spared || clock_mono_ms() - spared >= SPARE_EVERY_MS);
}

bool watch_spare(struct host *h)
{
	pid_t parent, pid;
	bool resumed = false;
	uint32_t mine;

	if (!watch_due())
		return false;
	parent = getppid();
	for (;;) {
		mine = atomic_load(&shared->generation) + 1;
		/* a sibling, which fork() cannot make: the supervisor is the parent of all, and ends when the last one has */
		pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
		if (pid)
			break;
		wait_for_turn(mine, parent);
		resumed = true;
		tell_losses(h);
	}
	spared = clock_mono_ms();
	if (pid > 0) {
		atomic_store(&shared->spare, (int)pid);
		atomic_store(&shared->generation, mine);
		watch_wake();
	}
	return resumed;
}

int host_guard_over(struct err *e)
{
	struct msghdr m = { 0 };
	union { char room[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	char byte = 'o';
	struct iovec io = { &byte, 1 };
	int fd;

	if (!shared)
		return 0;
	atomic_store(&shared->resting, true);
	if (shared_output < 0)
		return 0;
	m = (struct msghdr){ .msg_iov = &io, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room) };
	if (io_write(shared_output, &byte, 1) < 0 || recvmsg(shared_output, &m, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&m))
		return err_set(e, EX_IOERR, "standard output was lost");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	dup2(fd, STDOUT_FILENO);
	close(fd);
	io_close(&shared_output);
	return 0;
}
