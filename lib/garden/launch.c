#include "garden/garden-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RESULT 3   /* the child's descriptor for what became of exec */

static _Noreturn void fail(int error)
{
	if (write(RESULT, &error, sizeof error) != (ssize_t)sizeof error)
		_exit(125);
	_exit(error == ENOENT ? 127 : 126);
}

static void place(const struct launch *l, int result, int go)
{
	int src[5] = { l->in, l->out, l->errfd, result, go };

	for (int i = 0; i < 5; i++) {
		src[i] = fcntl(src[i], F_DUPFD, 16);
		if (src[i] < 0)
			_exit(125);
	}
	for (int i = 0; i < 5; i++)
		if (dup2(src[i], i) < 0)
			_exit(125);
	syscall(SYS_close_range, 5, ~0U, 0);
	fcntl(RESULT, F_SETFD, FD_CLOEXEC);
	fcntl(4, F_SETFD, FD_CLOEXEC);
}

static bool is_text(const char *path)
{
	char begin[128];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, begin, sizeof begin) : -1;

	io_close(&fd);
	return n > 0 && !memchr(begin, '\0', (size_t)n) && memcmp(begin, "\177ELF", n < 4 ? (size_t)n : 4);
}

static _Noreturn void child(const struct launch *l, int result, int go)
{
	const char *path = l->path ? l->path : l->argv[0];
	struct rights rights = { .uid = l->uid, .memory = l->memory, .file = l->file, .beside = l->beside, .traced = l->traced,
		.bend = l->bend };
	sigset_t none;
	char c;
	int rc;

	if (l->group)
		cgroup_join(l->group);
	place(l, result, go);
	for (int s = 1; s < 65; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, 0);
	setpriority(PRIO_PROCESS, 0, l->niceness);
	if (l->traced) {
		/* Else the tracer, who has no rights outside, may not seize what was begun there. */
		prctl(PR_SET_DUMPABLE, 1);
		rc = -1;
		if (write(RESULT, &rc, sizeof rc) != (ssize_t)sizeof rc || read(4, &c, 1) != 1)
			_exit(125);
	}
	setsid();
	umask(022);
	if (chdir(l->cwd ? l->cwd : "/") && chdir("/"))
		fail(errno);
	rc = rights_drop(&rights);
	if (rc)
		fail(rc);
	execve(path, (char **)(uintptr_t)l->argv, (char **)(uintptr_t)l->envp);
	if (errno == ENOEXEC && l->argv[0] && is_text(path)) {
		/* As shells do with a script that names no interpreter. */
		size_t n = 0;
		const char *sh[LAUNCH_ARGUMENTS + 3] = { "sh", path };

		for (; l->argv[n + 1] && n < LAUNCH_ARGUMENTS; n++)
			sh[n + 2] = l->argv[n + 1];
		execve("/bin/sh", (char **)(uintptr_t)sh, (char **)(uintptr_t)l->envp);
		errno = ENOEXEC;
	}
	fail(errno);
}

pid_t launch_child(const struct launch *l, struct launch_pipes *p)
{
	int result[2], go[2];
	pid_t pid;

	if (pipe2(result, O_CLOEXEC))
		return -1;
	if (pipe2(go, O_CLOEXEC)) {
		close(result[0]);
		close(result[1]);
		return -1;
	}
	pid = fork();
	if (pid == 0)
		child(l, result[1], go[0]);
	close(result[1]);
	close(go[0]);
	p->result = result[0];
	p->go = go[1];
	if (pid < 0) {
		io_close(&p->result);
		io_close(&p->go);
	}
	return pid;
}
