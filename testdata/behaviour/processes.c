/* What a specimen does with processes: its own, and others'. */
#include "behaviour.h"

ACTION(nothing)
{
	return 0;
}

ACTION(fork_tree)
{
	CHILD(CHILD(;); CHILD(;));
	CHILD(CHILD(;); CHILD(;));
	return 0;
}

ACTION(daemon)
{
	if (fork())
		return 0;
	setsid();
	if (fork())
		return 0;
	return put("/var/tmp/behaviour.pid", "1\n", 0600);
}

ACTION(name_service)
{
	return prctl(PR_SET_NAME, "sshd");
}

ACTION(name_thread)
{
	return prctl(PR_SET_NAME, "kworker/0:2");
}

ACTION(name_arguments)
{
	size_t n = strlen(argv[0]);

	memset(argv[0], 0, n);
	snprintf(argv[0], n, "[kthreadd]");
	pause();
	return 0;
}

ACTION(exec_as_thread)
{
	CHILD(copy("/bin/true", "/var/tmp/behaviour-x", 0755); execl("/var/tmp/behaviour-x", "[kworker/u8:1]", (char *)NULL));
	return 0;
}

ACTION(kills_init)
{
	kill(1, SIGTERM);
	return 0;
}

ACTION(kills_all)
{
	kill(-1, SIGTERM);
	return 0;
}

ACTION(ptrace_attach)
{
	ptrace(PTRACE_ATTACH, 1, NULL, NULL);
	return 0;
}

ACTION(vm_write)
{
	char byte = 0;
	struct iovec local = { &byte, 1 }, remote = { (void *)0x1000, 1 };

	process_vm_writev(1, &local, 1, &remote, 1, 0);
	return 0;
}

ACTION(mem_write)
{
	int fd = open("/proc/1/mem", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return 0;
}

ACTION(own_mem_write)
{
	static volatile char byte = 1;
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	return fd < 0 || pwrite(fd, "\2", 1, (off_t)(uintptr_t)&byte) != 1 || byte != 2;
}

ACTION(loads_module)
{
	syscall(SYS_init_module, "x", 1, "");
	return 0;
}

ACTION(core_pattern)
{
	put("/proc/sys/kernel/core_pattern", "|/usr/local/bin/x", 0644);
	return 0;
}

ACTION(binfmt_register)
{
	put("/proc/sys/fs/binfmt_misc/register", ":x:M::xx::/usr/local/bin/x:", 0644);
	return 0;
}

ACTION(traceme)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0;
}

/* Goes on when nobody traces it. */
ACTION(tracer_pid)
{
	char text[4096] = "";
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	const char *p;

	if (fd < 0 || read(fd, text, sizeof text - 1) <= 0 || !(p = strstr(text, "TracerPid:")) || atoi(p + 10))
		return 3;
	return put("/var/tmp/behaviour.free", "x\n", 0600);
}

/* Goes on when the machine has been up for an hour. */
ACTION(uptime)
{
	struct sysinfo s;

	if (sysinfo(&s) || s.uptime < 3600)
		return 3;
	return put("/var/tmp/behaviour.up", "x\n", 0600);
}

ACTION(long_sleep)
{
	sleep(7 * 86400);
	return put("/var/tmp/behaviour.late", "x\n", 0600);
}

/* Goes on in a later year than that in which it was made. */
ACTION(date_trigger)
{
	time_t now = time(NULL);
	struct tm t;

	if (!gmtime_r(&now, &t) || t.tm_year + 1900 <= atoi(__DATE__ + 7))
		return 3;
	return put("/var/tmp/behaviour.year", "x\n", 0600);
}

/* Goes on when it is told to. */
ACTION(other_argument)
{
	if (argc < 2 || strcmp(argv[1], "start"))
		return 3;
	return put("/var/tmp/behaviour.start", "x\n", 0600);
}

ACTION(no_root)
{
	if (getuid() == 0)
		return 3;
	return put("/var/tmp/behaviour.user", "x\n", 0600);
}

/* Until it has to be ended: more than the garden gives. */
ACTION(forks_without_end)
{
	for (int i = 0; i < 200; i++)
		if (fork() == 0) {
			pause();
			_exit(0);
		}
	return 0;
}

CHOSEN
