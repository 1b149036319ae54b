/* escape: things left where the tool reads back what was dropped. The test reads them, and what it is told must be of this world. */
#include "escape.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

static int done(const char *what) { return stopped_if(true, what); }

static int to_link(void)
{
	/* What it leads to in the world is the world's; outside it would be another. */
	return stopped_if(symlink(in_folder("hidden/secret"), "/var/tmp/dropped-link") == 0 && symlink("/proc/self/root/etc/shadow", "/var/tmp/dropped-magic") == 0,
			  "links left behind");
}

static int to_hard_link(void)
{
	return stopped_if(link("/etc/passwd", "/var/tmp/dropped-hard") == 0 || errno == EXDEV || errno == EPERM, "a hard link left behind");
}

static int special(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/var/tmp/dropped-socket" };

	bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof a);
	return stopped_if(mkfifo("/var/tmp/dropped-fifo", 0600) == 0, "a pipe and a socket left behind");
}

static int names(void)
{
	static const char *const NAMES[] = { "line\nfeed", "\033[2J\033]0;title\007", "bad\xff\xfe utf8", "c1\xc2\x9b" "2J", "{\"path\":\"passwd\"}", "../..",
		"-rf", " ", "\\u0000", "\xe2\x80\xae" "gpj.exe" };
	char path[600], longest[256];
	int n = 0;

	mkdir("/var/tmp/dropped-names", 0755);
	memset(longest, 'n', 255);
	longest[255] = '\0';
	for (size_t i = 0; i <= COUNT(NAMES); i++) {
		snprintf(path, sizeof path, "/var/tmp/dropped-names/%s", i < COUNT(NAMES) ? NAMES[i] : longest);
		int fd = open(path, O_WRONLY | O_CREAT, 0600);

		n += fd >= 0;
		close(fd);
	}
	return stopped_if(n >= 10, "names that steer a terminal");
}

static int texts(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl(program, "\033[31m\n{\"event\":\"exit\"}", "mark", "\xff\xfe\x1b]52;c;", NULL);
		_exit(1);
	}
	child_status(pid);
	return done("arguments that steer a terminal");
}

/* For as long as it is let: a folder that is a link at times. */
static int swapped(void)
{
	mkdir("/var/tmp/swap", 0755);
	close(open("/var/tmp/swap/in", O_WRONLY | O_CREAT, 0600));
	symlink("/etc", "/var/tmp/swap-link");
	for (;;) {
		rename("/var/tmp/swap", "/var/tmp/swap-2");
		rename("/var/tmp/swap-link", "/var/tmp/swap");
		rename("/var/tmp/swap", "/var/tmp/swap-link");
		rename("/var/tmp/swap-2", "/var/tmp/swap");
	}
}

#define LEFT(name, record, what, function) { name, "read back", record, what, function, 0, { 0 }, false }

const struct attempt escape_files[] = {
	LEFT("link", "symlink:/var/tmp/dropped-link", "links to what it may not read", to_link), LEFT("hard-link", "link:/var/tmp/dropped-hard", "a hard link", to_hard_link),
	LEFT("special", "mknod:/var/tmp/dropped-fifo", "a pipe and a socket instead of a file", special),
	LEFT("file-names", "open:@/dropped-names/", "names of files", names), LEFT("arguments", "exec:@escape", "arguments of a program", texts),
	LEFT("swap", "=time", "a folder that is a link while it is walked", swapped),
	{ 0 },
};
