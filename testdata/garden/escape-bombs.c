/*
 * escape: more of the machine than it was given. The garden's limits are what ends most of these; each ends by itself at a multiple of
 * them that the machine can bear, and says so: then the limit has failed.
 */
#include "escape.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define MIB (1024UL * 1024)
#define TOO_MUCH (1024 * MIB)   /* the test gives 256 MiB */

static int never(const char *what) { return stopped_if(false, what); }

static _Noreturn void forks(void)
{
	for (;;)
		fork();
}

static int fork_bomb(void) { forks(); }

static void *sleeps(void *p)
{
	for (;;)
		pause();
	return p;
}

static int thread_bomb(void)
{
	pthread_attr_t a;
	pthread_t t;
	int n = 0;

	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 65536);
	while (n < 5000 && pthread_create(&t, &a, sleeps, NULL) == 0)
		n++;
	printf("%d threads\n", n);
	return stopped_if(n < 5000, "threads");
}

static int zombies(void)
{
	int n = 0;
	pid_t pid;

	for (; n < 60000; n++) {
		pid = fork();
		if (pid == 0)
			_exit(0);
		if (pid < 0)
			break;
	}
	printf("%d zombies\n", n);
	return stopped_if(n < 6000, "zombies");
}

static int orphans(void)
{
	for (int i = 0; i < 8; i++)
		if (fork() == 0) {
			setsid();
			for (int s = 1; s < 65; s++)
				signal(s, SIG_IGN);
			prctl(PR_SET_PDEATHSIG, 0);
			prctl(PR_SET_NAME, "[kworker/0:1]");
			for (;;)
				pause();
		}
	return stopped_if(true, "daemons that outlive it, for a while");
}

static int deaf(void)
{
	for (int s = 1; s < 65; s++)
		signal(s, SIG_IGN);
	for (;;)
		pause();
}

static int spin(void)
{
	for (;;)
		;
}

/* ---- memory ---- */

static int memory(void)
{
	pid_t pid;

	/* Each process stays below its own limit. */
	for (int i = 0; i < 8; i++) {
		pid = fork();
		if (pid == 0) {
			char *p = mmap(NULL, 128 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			for (size_t at = 0; p != MAP_FAILED && at < 128 * MIB; at += 4096)
				p[at] = 1;
			sleep(20);
			_exit(0);
		}
	}
	sleep(20);
	return never("a gigabyte");
}

static int shared_memory(void)
{
	char *p = mmap(NULL, TOO_MUCH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	/* Parts, each touched by one that goes away again. */
	for (size_t part = 0; p != MAP_FAILED && part < 16; part++) {
		pid_t pid = fork();

		if (pid == 0) {
			memset(p + part * (TOO_MUCH / 16), 1, TOO_MUCH / 16);
			_exit(0);
		}
		child_status(pid);
	}
	sleep(20);
	return never("a gigabyte of shared memory");
}

static int memory_files(void)
{
	static char block[1 << 20];

	memset(block, 1, sizeof block);
	for (int i = 0; i < 16; i++) {
		int fd = memfd_create("hog", 0);

		for (int n = 0; n < 64; n++)
			if (write(fd, block, sizeof block) != sizeof block)
				return stopped(-1, "memory file");
	}
	sleep(20);
	return never("a gigabyte in memory files");
}

static int locked(void)
{
	char *p = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int bad = stopped(mlock(p, 64 * MIB), "mlock");

	bad |= stopped(mlockall(MCL_CURRENT | MCL_FUTURE), "mlockall");
	return bad;
}

static int pipes(void)
{
	static char block[1 << 16];
	size_t held = 0;

	for (int i = 0; i < 8; i++)
		if (fork() == 0)
			break;
	for (int i = 0; i < 500; i++) {
		int p[2];
		ssize_t n;

		if (pipe2(p, O_NONBLOCK))
			break;
		fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
		while ((n = write(p[1], block, sizeof block)) > 0)
			held += (size_t)n;
	}
	printf("%zu MiB\n", held / MIB);
	fflush(stdout);
	usleep(300000);
	return stopped_if(held < TOO_MUCH, "pipes");
}

/* Buffers of sockets are in no process's account; the machine's own bounds are a few hundred MiB for one process. */
static int socket_buffers(void)
{
	static char block[1 << 16];
	size_t held = 0;

	for (int i = 0; i < 500 && held < 2 * TOO_MUCH; i++) {
		int p[2], big = 1 << 24;
		ssize_t n;

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p))
			break;
		for (int side = 0; side < 2; side++) {
			setsockopt(p[side], SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
			while ((n = write(p[side], block, sizeof block)) > 0)
				held += (size_t)n;
		}
	}
	printf("%zu MiB\n", held / MIB);
	fflush(stdout);
	usleep(300000);
	return stopped_if(held < TOO_MUCH, "sockets");
}

/* ---- files ---- */

static int fill(const char *name)
{
	static char block[1 << 20];
	int fd = open(name, O_WRONLY | O_CREAT, 0600), n = 0;

	memset(block, 1, sizeof block);
	while (n < 2048 && write(fd, block, sizeof block) == sizeof block)
		n++;
	printf("%d MiB\n", n);
	unlink(name);
	return n;
}

static int disk(void) { return stopped_if(fill("/var/tmp/big") < 1024, "a big file"); }
static int shared_folder(void) { return stopped_if(fill("/dev/shm/big") < 1024, "a big file of shared memory"); }
static int device_folder(void) { return stopped_if(fill("/dev/big") < 16, "a big file in /dev"); }

static int sparse(void)
{
	int fd = open("/var/tmp/sparse", O_RDWR | O_CREAT, 0600), r;

	signal(SIGXFSZ, SIG_IGN);
	r = ftruncate(fd, 1L << 42);
	unlink("/var/tmp/sparse");
	return stopped(r, "a file of four terabytes");
}

static int inodes(void)
{
	char name[64];
	int n = 0, fd;

	mkdir("/var/tmp/many", 0755);
	for (; n < 400000; n++) {
		snprintf(name, sizeof name, "/var/tmp/many/%d", n);
		fd = open(name, O_WRONLY | O_CREAT, 0600);
		if (fd < 0)
			break;
		close(fd);
	}
	printf("%d files\n", n);
	return stopped_if(n < 400000, "files without end");
}

static int depth(void)
{
	int n = 0;

	if (chdir("/var/tmp"))
		return 1;
	for (; n < 1200; n++)
		if (mkdir("d", 0755) || chdir("d"))
			break;
	printf("%d folders\n", n);
	return stopped_if(true, "folders in folders");
}

/* ---- descriptors, events ---- */

static int descriptors(void)
{
	int n = 0;

	while (n < 100000 && dup(0) >= 0)
		n++;
	return stopped_if(n < 100000, "descriptors");
}

static int watches(void)
{
	int n = 0, i = 0;

	while (n < 10000 && inotify_init() >= 0)
		n++;
	for (; i < 10000 && epoll_create1(0) >= 0; i++)
		;
	return stopped_if(n + i < 5000, "inotify and epoll");
}

static int timers(void)
{
	timer_t t;
	struct sigevent e = { .sigev_notify = SIGEV_NONE };
	int n = 0;

	while (n < 100000 && timer_create(CLOCK_MONOTONIC, &e, &t) == 0)
		n++;
	return stopped_if(n < 100000, "timers");
}

static int output(void)
{
	static char block[1 << 20];

	memset(block, '\033', sizeof block);
	signal(SIGXFSZ, SIG_IGN);
	for (int i = 0; i < 512; i++)
		if (write(1, block, sizeof block) < 0 || write(2, block, sizeof block) < 0)
			break;
	sleep(20);
	return 0;
}

static int events(void)
{
	for (int i = 0; i < 8000; i++)
		close(open(MARK, O_WRONLY | O_CREAT, 0600));
	return stopped_if(true, "eight thousand events");
}

#define BOMB(name, record, what, function) { name, "bombs", record, what, function, 0, { 0 }, false }

const struct attempt escape_bombs[] = {
	BOMB("forks", "limit:processes", "processes without end", fork_bomb), BOMB("threads", "=processes|limit:processes", "threads without end", thread_bomb),
	BOMB("zombies", "=processes|limit:processes", "processes that nobody waits for", zombies), BOMB("orphans", "=time", "daemons that outlive it", orphans),
	BOMB("deaf", "=time", "no signal ends it", deaf), BOMB("spin", "=time", "the processor for ever", spin),
	BOMB("memory", "=memory", "memory, in several processes", memory), BOMB("memory-shared", "=memory", "memory that is nobody's", shared_memory),
	BOMB("memory-files", "=memory", "memory files", memory_files), BOMB("mlock", "-", "memory that may not be paged out", locked),
	BOMB("pipes", "-|=memory", "pipes full of bytes", pipes), BOMB("socket-buffers", "-|=memory", "sockets full of bytes", socket_buffers),
	BOMB("disk", "open:/var/tmp/big", "a file without end", disk), BOMB("shared-folder", "open:/dev/shm/big", "the same in shared memory", shared_folder),
	BOMB("device-folder", "open:/dev/big", "the same in /dev", device_folder), BOMB("sparse", "truncate:EFBIG", "a file of four terabytes", sparse),
	BOMB("inodes", "=events", "files without end", inodes), BOMB("depth", "mkdir:ENAMETOOLONG|mkdir:ENOSPC|=events|mkdir:@/d/d/d", "folders without end", depth),
	BOMB("descriptors", "-", "descriptors without end", descriptors), BOMB("watches", "-", "inotify and epoll without end", watches),
	BOMB("timers", "-", "timers without end", timers), BOMB("output", "=time|=memory", "output without end", output),
	BOMB("events", "=events", "events without end", events),
	{ 0 },
};
