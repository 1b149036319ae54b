#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static bool is_kept(const int *keep, int fd)
{
	for (; keep && *keep >= 0; keep++)
		if (*keep == fd)
			return true;
	return false;
}

/* In the child: only 0, 1, 2 and `keep` stay open, under their own numbers. */
static void place_fds(const struct spawn *s)
{
	int src[3] = { s->in, s->out, s->errfd }, top = 2;

	/* First out of the way of 0..2, so that no source is overwritten before it was used. */
	for (int i = 0; i < 3; i++) {
		if (src[i] < 0)
			src[i] = i == 2 ? fcntl(2, F_DUPFD, 3) : open("/dev/null", (i ? O_WRONLY : O_RDONLY));
		if (src[i] >= 0 && src[i] <= 2)
			src[i] = fcntl(src[i], F_DUPFD, 3);
	}
	for (int i = 0; i < 3; i++)
		if (src[i] < 0 || dup2(src[i], i) < 0)
			_exit(126);
	for (const int *k = s->keep; k && *k >= 0; k++) {
		fcntl(*k, F_SETFD, 0);
		if (*k > top)
			top = *k;
	}
	for (int fd = 3; fd <= top; fd++)
		if (!is_kept(s->keep, fd))
			close(fd);
	if (syscall(SYS_close_range, top + 1, ~0U, 0)) {
		for (int fd = top + 1; fd < 1024; fd++)
			close(fd);
	}
}

int spawn_start(struct spawn *s, struct err *e)
{
	sigset_t all, old;
	pid_t parent = getpid();

	s->pidfd = -1;
	/* No handler of ours may run in the child before exec resets them. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	s->pid = fork();
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(126);
		signal(SIGPIPE, SIG_DFL);
		place_fds(s);
		sigprocmask(SIG_SETMASK, &old, NULL);
		if (s->before_exec && s->before_exec(s->before_arg))
			_exit(126);
		environ = s->envp ? (char **)(uintptr_t)s->envp : environ;
		execvp(s->argv[0], (char **)(uintptr_t)s->argv);
		_exit(errno == ENOENT ? 127 : 126);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (s->pid < 0)
		return err_sys(e, "cannot start %s", err_q(s->argv[0]));
	s->pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
	return 0;
}

static int reap(struct spawn *s)
{
	int status = 0;

	while (waitpid(s->pid, &status, 0) < 0)
		if (errno != EINTR)
			break;
	s->pid = 0;
	io_close(&s->pidfd);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int spawn_wait(struct spawn *s, int ms, struct err *e)
{
	int64_t end = clock_mono_ms() + ms;

	if (ms >= 0) {
		for (;;) {
			int64_t left = end - clock_mono_ms();
			struct pollfd p = { .fd = s->pidfd, .events = POLLIN };
			int r = poll(&p, 1, left > 0 ? (int)left : 0);

			if (r > 0)
				break;
			if (r < 0 && errno == EINTR)
				continue;
			spawn_kill(s);
			return err_set(e, EX_TEMPFAIL, "%s did not end within %d ms and was killed", err_q(s->argv[0]), ms);
		}
	}
	return reap(s);
}

void spawn_kill(struct spawn *s)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, SIGKILL);
	reap(s);
}

/* The folder our own program stands in; caller frees. */
static char *own_folder(void)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

	if (n <= 0)
		return buf_strdup("/usr/bin");
	exe[n] = '\0';
	return buf_strdup(dirname(exe));
}

char *spawn_tool(const char *name)
{
	char *dir = own_folder(), *path;

	path = buf_printf("%s/%s", dir, name);
	/* A helper is one folder further down: libexec/muss/. */
	if (access(path, X_OK)) {
		free(path);
		path = buf_printf("%s/../../bin/%s", dir, name);
	}
	free(dir);
	return path;
}

char *spawn_helper(const char *name)
{
	char *dir = own_folder(), *path;

	path = buf_printf("%s/../libexec/muss/%s", dir, name);
	if (access(path, X_OK)) {
		free(path);
		/* From a unit test (build/unit) or another helper. */
		path = buf_printf("%s/%s", dir, name);
	}
	free(dir);
	return path;
}

char *spawn_share(const char *name)
{
	static const char *const places[] = { "../share/muss", "../../share/muss", "../../rules", "../../../rules", "../../../../rules" };
	const char *given = getenv("MUSS_SHARE");
	char *dir, *path;

	if (given && *given)
		return buf_printf("%s/%s", given, name);
	dir = own_folder();
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		path = buf_printf("%s/%s/%s", dir, places[i], name);
		if (access(path, R_OK) == 0) {
			free(dir);
			return path;
		}
		free(path);
	}
	path = buf_printf("/usr/share/muss/%s", name);
	free(dir);
	return path;
}
