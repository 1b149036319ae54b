#include "host/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PROBE_MS 1500     /* signal 0 costs a microsecond or five; four million numbers are possible */
#define BEYOND_MS 200     /* of these, for numbers that a process can only have got by forgery */

struct dirent_raw {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static int by_number(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

/* getdents64 by hand: readdir() is what a preloaded library hooks first. */
size_t pids_listed(int proc, pid_t **list)
{
	static _Alignas(8) char raw[32768];
	size_t n = 0;
	long got, at;

	*list = NULL;
	if (lseek(proc, 0, SEEK_SET) < 0)
		return 0;
	while ((got = syscall(SYS_getdents64, proc, raw, sizeof(raw))) > 0)
		for (at = 0; at < got;) {
			const struct dirent_raw *d = (const void *)(raw + at);
			char *end;
			long v = strtol(d->name, &end, 10);

			at += d->reclen;
			if (end == d->name || *end || v <= 0)
				continue;
			if (!(n & (n - 1)))
				*list = buf_realloc(*list, n ? n * 2 : 1, sizeof(**list));
			(*list)[n++] = (pid_t)v;
		}
	if (n)
		qsort(*list, n, sizeof(**list), by_number);
	return n;
}

static long number_in(int proc, const char *file, const char *behind)
{
	struct buf text = { 0 };
	const char *at;
	long v = -1;

	if (io_slurp_at(proc, file, CAP_SLURP, &text) > 0) {
		at = *behind ? strstr(buf_str(&text), behind) : buf_str(&text);
		if (at)
			v = strtol(at + strlen(behind), NULL, 10);
	}
	buf_free(&text);
	return v;
}

/* Numbers above what was ever handed out need no look: as long as they never went round, that is the count of forks. */
static long highest(int proc)
{
	long most = number_in(proc, "sys/kernel/pid_max", ""), forks = number_in(proc, "stat", "\nprocesses ");

	if (most <= 0)
		most = 32768;
	return forks > 0 && forks + 1024 < most ? forks + 1024 : most;
}

/* In a PID namespace of its own far fewer were handed out than forks were counted, by all the machine. The last number can
 * be forged by root, so what lies beyond it is looked at as well, though not for long. */
static long likely(int proc, long most)
{
	long last = number_in(proc, "sys/kernel/ns_last_pid", ""), forks = number_in(proc, "stat", "\nprocesses ");
	bool went_round = forks < 0 || forks + 1024 >= number_in(proc, "sys/kernel/pid_max", "");

	return last > 0 && !went_round && last + 1024 < most ? last + 1024 : most;
}

/* What hooks one call may have forgotten the other. The second is asked where processes are to be expected: a machine that has
 * been up for long has millions of numbers. */
static bool answers(pid_t pid, bool both)
{
	return !kill(pid, 0) || errno == EPERM || (both && getsid(pid) >= 0);
}

/* A thread's number answers as well, but it is no process of its own. */
static bool is_thread(int proc, pid_t pid)
{
	char name[32];
	long group;

	snprintf(name, sizeof(name), "%d/status", (int)pid);
	group = number_in(proc, name, "\nTgid:");
	return group > 0 && group != pid;
}

static bool listed(const pid_t *list, size_t n, pid_t pid)
{
	return n && bsearch(&pid, list, n, sizeof(*list), by_number);
}

/* Who answered but was not listed may just have been born: it counts when it still answers and still is not listed. */
static size_t keep_hidden(int proc, struct pid_found *found, size_t from, size_t n)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	size_t i, kept = from, rounds;

	for (rounds = 0; rounds < 3 && n > from; rounds++) {
		pid_t *again;
		size_t count;

		nanosleep(&pause, NULL);
		count = pids_listed(proc, &again);
		for (i = kept = from; i < n; i++)
			if (!listed(again, count, found[i].pid) && answers(found[i].pid, true) && !is_thread(proc, found[i].pid))
				found[kept++] = found[i];
		free(again);
		n = kept;
	}
	return n;
}

static size_t add_unlisted(const pid_t *list, size_t n, const pid_t *groups, size_t members, pid_t *out, size_t room)
{
	size_t i, k, count = 0;

	for (i = 0; i < members && count < room; i++) {
		if (listed(list, n, groups[i]))
			continue;
		for (k = 0; k < count && out[k] != groups[i]; k++)
			;
		if (k == count)
			out[count++] = groups[i];
	}
	return count;
}

static bool among(const pid_t *list, size_t n, pid_t pid)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i] == pid)
			return true;
	return false;
}

/* Whom the control groups list and /proc does not, again and again: who was just born or just ended is in neither for long. */
static size_t find_grouped(const struct host *h, struct pid_found *found, size_t count, size_t room)
{
	enum { MOST = 64, ROUNDS = 3 };
	const struct timespec pause = { .tv_nsec = 5000000 };
	pid_t suspect[MOST], again[MOST], *list = NULL, *groups = NULL;
	size_t n, members, suspects = 0, i, k, rounds;

	for (rounds = 0; rounds < ROUNDS && (!rounds || suspects); rounds++) {
		if (rounds)
			nanosleep(&pause, NULL);
		/* whoever is born in between is in the list that is made later */
		members = groups_listed(h->groups, &groups);
		n = pids_listed(h->proc, &list);
		k = add_unlisted(list, n, groups, members, again, MOST);
		if (!rounds) {
			memcpy(suspect, again, k * sizeof(*again));
			suspects = k;
		}
		for (i = 0; i < suspects;)
			if (among(again, k, suspect[i]))
				i++;
			else
				suspect[i] = suspect[--suspects];
		free(list);
		free(groups);
	}
	for (i = 0; i < suspects && count < room; i++) {
		for (k = 0; k < count && found[k].pid != suspect[i]; k++)
			;
		if (k == count)
			found[count++] = (struct pid_found){ suspect[i], "its control group lists it, but the list of processes does not" };
	}
	return count;
}

static bool covered(int proc, pid_t pid)
{
	struct stat st, top;
	struct buf text = { 0 };
	char name[32];
	bool wrong;

	snprintf(name, sizeof(name), "%d", (int)pid);
	if (fstat(proc, &top) < 0 || fstatat(proc, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (st.st_dev != top.st_dev)
		return true;
	snprintf(name, sizeof(name), "%d/stat", (int)pid);
	wrong = io_slurp_at(proc, name, CAP_SLURP, &text) > 0 && strtol(buf_str(&text), NULL, 10) != pid;
	buf_free(&text);
	return wrong;
}

/* A /proc of our own that nothing is mounted over. It belongs to this process alone and goes with it. */
static int fresh_proc(void)
{
	int fs = fsopen("proc", FSOPEN_CLOEXEC), fd = -1, root;

	if (fs < 0)
		return -1;
	if (!fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	if (fd < 0)
		return -1;
	root = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(fd);
	return root;
}

static size_t find_unlisted(struct host *h, const pid_t *list, size_t n, struct pid_found *found, size_t count, size_t room)
{
	int64_t until = clock_mono_ms() + PROBE_MS;
	long most = highest(h->proc), expected = likely(h->proc, most), pid;
	size_t first = count, at = 0;

	for (pid = 1; pid <= most && count < room; pid++) {
		if (pid == expected + 1)
			until = clock_mono_ms() + BEYOND_MS;
		if (!(pid % 8192) && clock_mono_ms() > until)
			break;
		for (; at < n && list[at] < pid; at++)
			;
		if ((at < n && list[at] == pid) || !answers((pid_t)pid, pid <= expected) || is_thread(h->proc, (pid_t)pid))
			continue;
		found[count++] = (struct pid_found){ (pid_t)pid, "it answers but is not in the list of processes" };
	}
	if (pid <= most)
		host_missed(h, "hidden processes were looked for only up to number %ld of %ld", pid, most);
	return keep_hidden(h->proc, found, first, count);
}

size_t pids_list(struct host *h, struct pid_found **out)
{
	enum { MOST_HIDDEN = 1024 };
	pid_t *list;
	size_t n = pids_listed(h->proc, &list), i, count = 0;
	bool any_covered = false;

	*out = buf_alloc((n + MOST_HIDDEN) * sizeof(**out));
	for (i = 0; i < n; i++) {
		const char *why = NULL;

		if (covered(h->proc, list[i])) {
			why = "something is mounted over its folder in /proc";
			any_covered = true;
		}
		(*out)[count++] = (struct pid_found){ list[i], why };
	}
	/* hidepid hides others' processes from ordinary users; only root can tell hiding from privacy */
	if (!geteuid()) {
		count = find_unlisted(h, list, n, *out, count, n + MOST_HIDDEN);
		count = find_grouped(h, *out, count, n + MOST_HIDDEN);
	}
	if (any_covered) {
		int fd = fresh_proc();

		if (fd >= 0) {
			close(h->proc);
			h->proc = fd;
		}
	}
	free(list);
	return count;
}

size_t pids_visible(struct host *h, struct pid_found **out)
{
	pid_t *list;
	size_t n = pids_listed(h->proc, &list), i;

	*out = buf_alloc((n + 1) * sizeof(**out));
	for (i = 0; i < n; i++)
		(*out)[i].pid = list[i];
	free(list);
	return n;
}
