/*
 * dummynet: runs helper-internet in the network namespace it is started in, and a command that it answers to. The command has the control socket as its descriptor 3,
 * "ready" already read. Exits with the command's code, or 99 when the helper ended badly.
 * usage: dummynet HELPER SETTINGS RECORDS PCAP COMMAND...
 */
#include "base/base.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(98);
}

/* argv gets control as 3, records and pcap (>= 0) as 4 and 5. */
static pid_t start(char *const *argv, int control, int other, int records, int pcap)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid)
		return pid;
	close(other);
	if (records >= 0) {   /* out of the way first: each may stand where another has to */
		control = fcntl(control, F_DUPFD, 10);
		records = fcntl(records, F_DUPFD, 10);
		pcap = fcntl(pcap, F_DUPFD, 10);
		if (dup2(records, 4) < 0 || dup2(pcap, 5) < 0)
			_exit(98);
	}
	if (control != 3 && dup2(control, 3) < 0)
		_exit(98);
	execvp(argv[0], argv);
	_exit(98);
}

static int status_of(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return 98;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	char line[256] = "", *helper_argv[3];
	int pair[2], records, pcap, status, ended;
	pid_t helper, command;
	size_t n = 0;

	if (argc < 6)
		return 64;
	records = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	pcap = open(argv[4], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (records < 0 || pcap < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		fail("dummynet");
	helper_argv[0] = argv[1];
	helper_argv[1] = argv[2];
	helper_argv[2] = NULL;
	helper = start(helper_argv, pair[1], pair[0], records, pcap);
	close(pair[1]);
	while (n < sizeof line - 1 && read(pair[0], line + n, 1) == 1 && line[n] != '\n')
		n++;
	if (!strstr(line, "\"ready\":true"))
		return status_of(helper), 99;
	command = start(argv + 5, pair[0], -1, -1, -1);
	status = status_of(command);
	close(pair[0]);
	ended = status_of(helper);
	if (ended)
		fprintf(stderr, "dummynet: the helper ended with %d\n", ended);
	return ended ? 99 : status;
}
