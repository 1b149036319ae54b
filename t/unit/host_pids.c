#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/internal.h"

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (!pid) {
		alarm(60);
		pause();
		_exit(0);
	}
	return pid;
}

static void put(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || io_write(fd, text, strlen(text)) < 0)
		exit(1);
	close(fd);
}

static void entry(int dir, pid_t pid, const char *status)
{
	char name[64], text[128];

	snprintf(name, sizeof(name), "%d", (int)pid);
	mkdirat(dir, name, 0755);
	snprintf(name, sizeof(name), "%d/stat", (int)pid);
	snprintf(text, sizeof(text), "%d (x) S", (int)pid);
	put(dir, name, text);
	if (status) {
		snprintf(name, sizeof(name), "%d/status", (int)pid);
		put(dir, name, status);
	}
}

static const char *why(const struct pid_found *list, size_t n, pid_t pid, bool *there)
{
	size_t i;

	for (i = 0, *there = false; i < n; i++)
		if (list[i].pid == pid) {
			*there = true;
			return list[i].hidden;
		}
	return NULL;
}

/* A folder that plays /proc: it lists all processes that run but one, as a kernel would whose listing was tampered with. */
static void hiding(void)
{
	char path[] = "/tmp/muss-pids.XXXXXX", count[64];
	pid_t hidden = sleeper(), shown = sleeper();
	struct host *h;
	struct err e;
	struct judge *j = judge_load("rules/criteria.json", &e);
	struct pid_found *found;
	pid_t *real;
	size_t n, i;
	bool there;
	int proc = open("/proc", O_RDONLY | O_DIRECTORY), fake;

	if (!mkdtemp(path) || (fake = open(path, O_RDONLY | O_DIRECTORY)) < 0 || !j || !(h = host_open(NULL, j, &e)))
		exit(1);
	n = pids_listed(proc, &real);
	for (i = 0; i < n; i++)
		if (real[i] != hidden)
			entry(fake, real[i], NULL);
	free(real);
	mkdirat(fake, "sys", 0755);
	mkdirat(fake, "sys/kernel", 0755);
	put(fake, "sys/kernel/pid_max", "4194304\n");
	snprintf(count, sizeof(count), "cpu 1\nprocesses %d\n", (int)hidden);
	put(fake, "stat", count);
	close(h->proc);
	h->proc = fake;
	n = pids_list(h, &found);
	OK(!why(found, n, shown, &there) && there, "a listed process is not hidden");
	if (!geteuid())
		OK(why(found, n, hidden, &there) && there, "one that answers but is not listed is");
	else
		OK(!why(found, n, hidden, &there) && !there, "an ordinary user takes privacy for privacy");
	free(found);
	entry(fake, hidden, "Name: x\nTgid:\t1\n");
	n = pids_list(h, &found);
	OK(!why(found, n, hidden, &there) && there, "and no longer when it is listed");
	free(found);
	host_close(h);
	judge_free(j);
	close(proc);
	io_rmtree(AT_FDCWD, path, &e);
	kill(hidden, SIGKILL);
	kill(shown, SIGKILL);
	while (wait(NULL) > 0)
		;
}

static struct piece *module(struct host *h, const char *name)
{
	char text[300], sha256[DIGEST_HEX];

	snprintf(text, sizeof(text), "kernel module %s, of which no file was found\n", name);
	digest_bytes(text, strlen(text), sha256);
	return piece_find(h, sha256);
}

/* Lists that disagree: control groups and /proc, the kernel's symbols and /proc/modules. */
static void disagreeing(void)
{
	char path[] = "/tmp/muss-pids.XXXXXX";
	struct err e;
	struct judge *j = judge_load("rules/criteria.json", &e);
	struct host *h = host_open(NULL, j, &e);
	struct pid_found *found;
	const struct piece *p;
	size_t n;
	bool there;
	int top;

	if (!h || !mkdtemp(path) || (top = open(path, O_RDONLY | O_DIRECTORY)) < 0)
		exit(1);
	mkdirat(top, "pids", 0755);
	mkdirat(top, "pids/a", 0755);
	mkdirat(top, "pids/a/b", 0755);
	put(top, "pids/cgroup.procs", "1\n0\n");
	/* no process has that number: nothing but the group tells of it */
	put(top, "pids/a/b/cgroup.procs", "4194303\n");
	close(h->groups);
	h->groups = dup(top);
	n = pids_list(h, &found);
	if (!geteuid())
		OK(why(found, n, 4194303, &there) && there, "a process that its control group alone lists is hidden");
	OK(!why(found, n, 1, &there) && there, "one that both list is not");
	free(found);
	unlinkat(top, "pids/a/b/cgroup.procs", 0);
	n = pids_list(h, &found);
	OK(!why(found, n, 4194303, &there) && !there, "nor one that no list has");
	free(found);
	put(top, "modules", "muss_listed 16384 0 - Live 0x0\n");
	put(top, "kallsyms", "0000 T start\n0000 t a\t[muss_listed]\n0000 t b\t[muss_hidden]\n0000 t c\t[bpf]\n0000 t d\t[__builtin__ftrace]\n"
		"0000 t e[3]\n[x]\n\n0000 t f\t[]\n0000 t g\t[muss_last]");
	close(h->proc);
	h->proc = dup(top);
	OK(modules_scan(h, &e) == 0, "modules");
	p = module(h, "muss_hidden");
	OK(p && piece_signed(p, "module-hidden"), "a module that the symbols alone tell of is hidden");
	p = module(h, "muss_listed");
	OK(p && !piece_signed(p, "module-hidden"), "one that both tell of is not");
	OK(!module(h, "bpf") && !module(h, "__builtin__ftrace") && !module(h, "x") && !module(h, "3"), "nor what is no module");
	host_close(h);
	judge_free(j);
	close(top);
	io_rmtree(AT_FDCWD, path, &e);
}

int main(void)
{
	pid_t *list;
	size_t n, i;
	bool sorted = true, self = false;
	int proc = open("/proc", O_RDONLY | O_DIRECTORY);

	n = pids_listed(proc, &list);
	for (i = 0; i < n; i++) {
		sorted &= !i || list[i] > list[i - 1];
		self |= list[i] == getpid();
	}
	OK(n && sorted && self, "the processes, sorted, this one among them");
	free(list);
	close(proc);
	hiding();
	disagreeing();
	return unit_end();
}
