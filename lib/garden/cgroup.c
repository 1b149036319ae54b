#include "garden/garden-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PREFIX "muss-"
#define SWEEP_MS 5000      /* the kernel lets go of a group a little after its last process */

/* cgroups(7), the kernel's admin-guide/cgroup-v1 and cgroup-v2: what each version calls its files. */
static const struct { const char *controller, *file[2]; } LIMITS[] = {
	{ "memory", { "memory.limit_in_bytes", "memory.max" } }, { "pids", { "pids.max", "pids.max" } }, { "cpu", { "cpu.shares", "cpu.weight" } },
};
static const char *const EVENTS[][2] = { { "memory.oom_control", "memory.events" }, { "pids.events", "pids.events" } };
static const char *const WORDS[] = { "\noom_kill ", "max " };

static bool write_at(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	io_close(&fd);
	return good;
}

static bool word_in(const char *list, const char *word, const char *separators)
{
	size_t n = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += n)
		if ((p == list || strchr(separators, p[-1])) && strchr(separators, p[n]))
			return true;
	return false;
}

/* The text between the second and the third colon of /proc/self/cgroup's line for a controller; "" : version 2. */
static bool own_path(const char *groups, const char *controller, char path[512])
{
	for (const char *p = groups; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		const char *list = strchr(p, ':'), *colon = list ? strchr(list + 1, ':') : NULL;
		char names[128];

		if (!colon || (size_t)(colon - list) > sizeof names)
			continue;
		memcpy(names, list + 1, (size_t)(colon - list - 1));
		names[colon - list - 1] = '\0';
		if (*controller ? !word_in(names, controller, ",") : *names != '\0')
			continue;
		return snprintf(path, 512, "%.*s", (int)strcspn(colon + 1, "\n"), colon + 1) < 512;
	}
	return false;
}

/* Our own group's folder, where the hierarchy of a controller is mounted. controller "": version 2. */
static int own_folder(const char *mounts, const char *groups, const char *controller)
{
	char path[512], root[512], point[512], type[32], options[256], whole[1100];

	if (!own_path(groups, controller, path))
		return -1;
	for (const char *p = mounts; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		const char *dash = strstr(p, " - ");
		size_t n;

		if (!dash || sscanf(p, "%*s %*s %*s %511s %511s", root, point) != 2 || sscanf(dash, " - %31s %*s %255s", type, options) != 2)
			continue;
		if (*controller ? strcmp(type, "cgroup") || !word_in(options, controller, ",") : strcmp(type, "cgroup2"))
			continue;
		/* In a container the mount may begin further down. */
		n = strcmp(root, "/") ? strlen(root) : 0;
		snprintf(whole, sizeof whole, "%s%s", point, strncmp(path, root, n) ? path : path + n);
		return open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return -1;
}

static bool hands_on(int dir, const char *controller)
{
	char enable[32];
	struct buf b = { 0 };
	bool good = io_slurp_at(dir, "cgroup.subtree_control", 4096, &b) >= 0 && word_in(buf_str(&b), controller, " \n");

	buf_free(&b);
	/* Not in the root of all: that is the machine's. Refused where processes stand in it. */
	snprintf(enable, sizeof enable, "+%s", controller);
	return good || (faccessat(dir, "cgroup.type", F_OK, 0) == 0 && write_at(dir, "cgroup.subtree_control", enable));
}

/* In version 2 a group with processes has no groups with limits below it, unless it is the root: ours are made beside our own. */
static int unified_folder(const char *mounts, const char *groups, const char *controller)
{
	int self = own_folder(mounts, groups, ""), above;

	if (self < 0 || hands_on(self, controller))
		return self;
	above = faccessat(self, "cgroup.type", F_OK, 0) == 0 ? openat(self, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	close(self);
	if (above >= 0 && !hands_on(above, controller))
		io_close(&above);
	return above;
}

static void add_folder(struct cgroups *g, int fd, unsigned controller, bool unified)
{
	struct stat a, b;

	for (unsigned i = 0; i < g->folders; i++) {
		if (fstat(fd, &a) || fstat(g->folder[i].fd, &b) || a.st_dev != b.st_dev || a.st_ino != b.st_ino)
			continue;
		g->folder[i].controllers |= 1u << controller;
		close(fd);
		return;
	}
	g->folder[g->folders++] = (struct cgroup_folder){ .fd = fd, .controllers = 1u << controller, .unified = unified };
}

static uint64_t start_time(const char *pid)
{
	char path[64];
	struct buf b = { 0 };
	uint64_t start = 0;
	char *p;

	snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
	if (io_slurp_at(AT_FDCWD, path, 8192, &b) > 0 && (p = strrchr((char *)b.p, ')'))) {
		/* proc_pid_stat(5): fields 3 to 22. */
		for (int field = 2; field < 22 && p; field++)
			p = strchr(p + 1, ' ');
		start = p ? strtoull(p, NULL, 10) : 0;
	}
	buf_free(&b);
	return start;
}

/* Removes the groups whose names begin with `ours`; or, where that is NULL, those whose keepers are gone. Those left. */
static unsigned sweep(const struct cgroups *g, const char *ours)
{
	unsigned left = 0;

	for (unsigned i = 0; i < g->folders; i++) {
		int fd = openat(g->folder[i].fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
		struct dirent *entry;

		while (d && (entry = readdir(d))) {
			char pid[24], *end = NULL;
			bool stale;

			if (sscanf(entry->d_name, PREFIX "%20[0-9]-", pid) != 1)
				continue;
			stale = ours ? !strncmp(entry->d_name, ours, strlen(ours)) :
				start_time(pid) != strtoull(entry->d_name + strlen(PREFIX) + strlen(pid) + 1, &end, 10) && *end == '-';
			/* One with processes in it stays, whoever's they are. */
			if (stale && unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR))
				left++;
		}
		if (d)
			closedir(d);
	}
	return left;
}

void cgroups_find(struct cgroups *g, const char *mounts, const char *groups)
{
	for (unsigned c = 0; c < sizeof LIMITS / sizeof *LIMITS; c++) {
		int fd = own_folder(mounts, groups, LIMITS[c].controller);
		bool unified = fd < 0;

		if (unified)
			fd = unified_folder(mounts, groups, LIMITS[c].controller);
		if (fd >= 0)
			add_folder(g, fd, c, unified);
	}
}

void cgroups_open(struct cgroups *g)
{
	struct buf mounts = { 0 }, groups = { 0 };
	char pid[24];

	*g = (struct cgroups){ .life = -1 };
	if (io_slurp_at(AT_FDCWD, "/proc/self/mountinfo", CAP_SLURP, &mounts) > 0 &&
	    io_slurp_at(AT_FDCWD, "/proc/self/cgroup", 65536, &groups) > 0)
		cgroups_find(g, buf_str(&mounts), buf_str(&groups));
	buf_free(&mounts);
	buf_free(&groups);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	snprintf(g->prefix, sizeof g->prefix, PREFIX "%s-%llu-", pid, (unsigned long long)start_time(pid));
	sweep(g, NULL);
}

/* Stays until the keeper and all its wardens are gone, however they went, and takes their groups away. */
static _Noreturn void outlive(const struct cgroups *g, int end)
{
	struct cgroups own = *g;
	int64_t until;
	char c;

	/* Out of the way first: nothing of what the keeper has open may stay so for longer than the keeper. */
	end = fcntl(end, F_DUPFD, 64);
	for (unsigned i = 0; i < own.folders; i++)
		own.folder[i].fd = fcntl(own.folder[i].fd, F_DUPFD, 64);
	syscall(SYS_close_range, 0, 63, 0);
	for (unsigned i = 0; i < own.folders; i++)
		own.folder[i].fd = dup2(own.folder[i].fd, (int)i);
	end = dup2(end, (int)own.folders);
	syscall(SYS_close_range, own.folders + 1, ~0U, 0);
	for (int s = 1; s < 32; s++)
		signal(s, SIG_IGN);
	prctl(PR_SET_NAME, "garden-groups");
	if (end < 0 || chdir("/"))
		_exit(1);
	while (read(end, &c, 1) < 0 && errno == EINTR)
		;
	until = clock_mono_ms() + SWEEP_MS;
	while (sweep(&own, own.prefix) && clock_mono_ms() < until)
		usleep(5000);
	_exit(0);
}

static bool watched(struct cgroups *g)
{
	int end[2];
	pid_t pid;

	if (g->life >= 0)
		return true;
	if (pipe2(end, O_CLOEXEC))
		return false;
	pid = fork();
	if (pid == 0) {
		close(end[1]);
		outlive(g, end[0]);
	}
	close(end[0]);
	if (pid < 0)
		close(end[1]);
	else
		g->life = end[1];
	g->watcher = pid;
	return pid > 0;
}

void cgroups_close(struct cgroups *g)
{
	if (g->life >= 0) {
		io_close(&g->life);
		waitpid(g->watcher, NULL, 0);
	}
	while (g->folders)
		close(g->folder[--g->folders].fd);
}

/* All the limits that a folder's controllers are for. */
static bool set_limits(struct cgroup *c, const struct cgroup_folder *f, int dir, const uint64_t value[3])
{
	char text[32];

	for (unsigned i = 0; i < sizeof LIMITS / sizeof *LIMITS; i++) {
		if (!(f->controllers & 1u << i))
			continue;
		snprintf(text, sizeof text, "%llu", (unsigned long long)value[i]);
		/* Less of the processor is nothing that a run depends on. */
		if (!write_at(dir, LIMITS[i].file[f->unified], text) && i < 2)
			return false;
		if (i < 2)
			c->events[i] = openat(dir, EVENTS[i][f->unified], O_RDONLY | O_CLOEXEC);
	}
	if (f->controllers & 1) {
		/* Not there on a machine that does not account for swap. */
		write_at(dir, f->unified ? "memory.swap.max" : "memory.memsw.limit_in_bytes", f->unified ? "0" : (snprintf(text, sizeof text, "%llu",
			 (unsigned long long)value[0]), text));
		write_at(dir, "memory.oom.group", "1");
	}
	return true;
}

bool cgroup_make(struct cgroups *g, struct cgroup *c, uint64_t memory, unsigned tasks)
{
	bool good = true;

	*c = (struct cgroup){ .events = { -1, -1 } };
	if (g->folders == 0 || !watched(g))
		return false;
	snprintf(c->name, sizeof c->name, "%s%u", g->prefix, g->made++);
	for (unsigned i = 0; i < g->folders && good; i++) {
		const struct cgroup_folder *f = &g->folder[i];
		int dir = mkdirat(f->fd, c->name, 0755) ? -1 : openat(f->fd, c->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int procs = dir < 0 ? -1 : openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);

		good = procs >= 0 && set_limits(c, f, dir, (const uint64_t[3]){ memory, tasks, f->unified ? 50 : 512 });
		io_close(&dir);
		if (procs >= 0)
			c->procs[c->count++] = procs;
	}
	if (!good)
		cgroup_drop(g, c);
	return good && c->events[0] >= 0 && c->events[1] >= 0;
}

void cgroup_leave(struct cgroup *c)
{
	while (c->count)
		close(c->procs[--c->count]);
	for (int i = 0; i < 2; i++)
		io_close(&c->events[i]);
}

void cgroup_drop(const struct cgroups *g, struct cgroup *c)
{
	int64_t until = clock_mono_ms() + SWEEP_MS / 5;

	cgroup_leave(c);
	if (c->name[0])
		while (sweep(g, c->name) && clock_mono_ms() < until)
			usleep(1000);
	c->name[0] = '\0';
}

void cgroup_join(const struct cgroup *c)
{
	for (unsigned i = 0; i < c->count; i++)
		if (write(c->procs[i], "0", 1) != 1)
			msg_debug("a run without its control group");
}

void cgroup_events(const struct cgroup *c, uint64_t count[2])
{
	for (int i = 0; i < 2; i++) {
		char text[512] = "\n";
		ssize_t n = c->events[i] >= 0 ? pread(c->events[i], text + 1, sizeof text - 2, 0) : 0;
		const char *p;

		text[n > 0 ? n + 1 : 0] = '\0';
		p = strstr(text, WORDS[i]);
		count[i] = p ? strtoull(p + strlen(WORDS[i]), NULL, 10) : 0;
	}
}
