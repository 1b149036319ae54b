/* Control groups of runs: the kernel's limits, where they can be had; and none is left. */
#include "base/base.h"
#include "garden/garden-internal.h"
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned named(const struct cgroups *g, const char *prefix)
{
	unsigned n = 0;

	for (unsigned i = 0; i < g->folders; i++) {
		int fd = openat(g->folder[i].fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
		struct dirent *entry;

		while (d && (entry = readdir(d)))
			n += !strncmp(entry->d_name, prefix, strlen(prefix));
		if (d)
			closedir(d);
	}
	return n;
}

static int in_group(struct cgroup *c, int (*what)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		cgroup_join(c);
		_exit(what());
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int eats(void)
{
	volatile char *p = malloc(128 * MIB);

	for (size_t at = 0; p && at < 128 * MIB; at += 4096)
		p[at] = 1;
	return 0;
}

static int forks(void)
{
	int refused = 0;

	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			usleep(200000);
			_exit(0);
		}
		refused += pid < 0;
	}
	while (wait(NULL) > 0)
		;
	return refused;
}

static void test_limits(struct cgroups *g)
{
	struct cgroup c;
	uint64_t count[2];

	if (!OK(cgroup_make(g, &c, 32 * MIB, 16), "a group"))
		return;
	OK(named(g, c.name) == g->folders, "stands in each hierarchy");
	OK(in_group(&c, eats) == 128 + SIGKILL, "the kernel ends who takes too much memory");
	cgroup_events(&c, count);
	OK(count[0] > 0 && count[1] == 0, "and says so");
	OK(in_group(&c, forks) == 25, "sixteen tasks and no more");
	cgroup_events(&c, count);
	OK(count[1] >= 25, "which it says as well");
	cgroup_drop(g, &c);
	OK(named(g, g->prefix) == 0, "no group is left");
}

static void test_stale(struct cgroups *g)
{
	struct cgroups other;
	struct cgroup c;

	for (unsigned i = 0; i < g->folders; i++)
		mkdirat(g->folder[i].fd, "muss-999999999-7-0", 0755);
	OK(cgroup_make(g, &c, 32 * MIB, 16), "a group of one that lives");
	cgroups_open(&other);
	OK(named(g, "muss-999999999-") == 0, "the next keeper removes what a dead one left");
	OK(named(g, c.name) == g->folders, "and nothing of one that lives");
	cgroups_close(&other);
	cgroup_drop(g, &c);
}

static void test_killed(void)
{
	struct cgroups g;
	char prefix[64];
	int p[2], n = -1;
	pid_t pid;

	if (pipe(p))
		return;
	pid = fork();
	if (pid == 0) {
		struct cgroup c;

		cgroups_open(&g);
		cgroup_make(&g, &c, 32 * MIB, 16);
		if (write(p[1], g.prefix, sizeof g.prefix) == (ssize_t)sizeof g.prefix)
			pause();
		_exit(1);
	}
	OK(read(p[0], prefix, sizeof prefix) == (ssize_t)sizeof prefix, "a keeper with a group");
	cgroups_open(&g);
	OK(named(&g, prefix) == g.folders, "which is there");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 200 && (n = (int)named(&g, prefix)); i++)
		usleep(10000);
	OK(n == 0, "goes when the keeper is killed");
	cgroups_close(&g);
	close(p[0]);
	close(p[1]);
}

static void text(const char *folder, const char *name, const char *what)
{
	char path[300];
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = what ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644) : mkdir(path, 0755);
	if (what && (fd < 0 || io_write(fd, what, strlen(what))))
		printf("# cannot make %s\n", path);
	if (what)
		io_close(&fd);
}

/* A tree that looks like version 2 under systemd: which folder is chosen. What the kernel does in it, only a machine with version 2 can show. */
static void test_unified(void)
{
	char folder[] = "/tmp/muss-cgroup-XXXXXX", mounts[200];
	struct cgroups g = { .life = -1 };
	struct stat a, b;
	struct err e;

	if (!mkdtemp(folder))
		return;
	text(folder, "user.slice", NULL);
	text(folder, "user.slice/cgroup.type", "domain\n");
	text(folder, "user.slice/cgroup.subtree_control", "cpu memory pids\n");
	text(folder, "user.slice/session.scope", NULL);
	text(folder, "user.slice/session.scope/cgroup.type", "domain\n");
	text(folder, "user.slice/session.scope/cgroup.subtree_control", NULL);   /* nothing can be written there, as where processes are */
	snprintf(mounts, sizeof mounts, "30 20 0:26 / %s rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n", folder);
	cgroups_find(&g, mounts, "0::/user.slice/session.scope\n");
	snprintf(mounts, sizeof mounts, "%s/user.slice", folder);
	OK(g.folders == 1 && g.folder[0].unified && g.folder[0].controllers == 7, "version 2: one folder for all three");
	OK(g.folders == 1 && fstat(g.folder[0].fd, &a) == 0 && stat(mounts, &b) == 0 && a.st_ino == b.st_ino, "the one above our own");
	cgroups_close(&g);
	cgroups_find(&g, "garbage - \n\n - cgroup\n1 2 3 / /none - cgroup x memory\n", "9:memory:/x\n8\n:\n7:pids\n");
	OK(g.folders == 0, "from nonsense, none");
	io_rmtree(AT_FDCWD, folder, &e);
}

/* Where there are no groups the warden's own look is what holds the limits. */
static void test_without(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct world_options o = { 0 };
		struct err e;
		const char *argv[] = { "/bin/sh", "-c", "a=; while :; do a=x$a$a$a; done", NULL };
		struct run r = { .argv = argv, .seconds = 20, .in = -1, .out = -1, .errfd = -1, .memory_bytes = 64 * MIB };
		struct world *w;

		if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || umount2("/sys/fs/cgroup", MNT_DETACH))
			_exit(2);
		w = world_open(&o, &e);
		if (!w || garden_run(w, &r, &e) || r.grouped)
			_exit(3);
		world_close(w);
		_exit(r.limit_memory ? 0 : 4);
	}
	waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) == 2)
		OK(true, "without groups # SKIP no mount namespace, or no groups");
	else
		OK(status == 0, "a run without groups is ended for its memory");
}

int main(void)
{
	struct cgroups g;
	struct cgroup c;

	msg_init("garden_cgroup");
	test_unified();
	cgroups_open(&g);
	if (g.folders == 0 || !cgroup_make(&g, &c, 32 * MIB, 16)) {
		OK(true, "limits # SKIP this machine gives no control groups with memory and pids");
		cgroups_close(&g);
		return unit_end();
	}
	cgroup_drop(&g, &c);
	test_limits(&g);
	test_stale(&g);
	test_killed();
	test_without();
	cgroups_close(&g);
	return unit_end();
}
