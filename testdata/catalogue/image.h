/* image.h: techniques by which the running image and its file differ. Included by resident.c alone. */
#ifndef IMAGE_H
#define IMAGE_H

extern char **environ;

/* Starts the open file with this process's arguments, by one of the ways there are. */
static void become(int fd, char **argv)
{
	char path[64];

	if (LAYOUT & 1) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		execve(path, argv, environ);
	} else {
		fexecve(fd, argv, environ);
	}
	give_up("exec");
}

/* Runs from a file that never had a name. */
UNUSED static void act_memfd(int argc, char **argv)
{
	char path[PATH_MAX];
	int from, to;

	(void)argc;
	own_path(path);
	if (!strncmp(path, "/memfd:", 7))
		return;
	from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	to = memfd_create(LAYOUT & 2 ? "" : LAYOUT & 4 ? "kernel" : "x", MFD_CLOEXEC);
	if (from < 0 || to < 0)
		give_up("memfd");
	copy_file(from, to);
	if (LAYOUT & 8)
		unlink(path);
	become(to, argv);
}

/* Runs from a copy that was unlinked before it started. */
UNUSED static void act_unlinked(int argc, char **argv)
{
	char path[PATH_MAX], copy[PATH_MAX + 8];
	int from, to;

	(void)argc;
	own_path(path);
	if (strstr(path, " (deleted)"))
		return;
	snprintf(copy, sizeof(copy), "%s.new", path);
	from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	if (from < 0 || to < 0)
		give_up("copy");
	copy_file(from, to);
	close(to);
	to = open(copy, O_RDONLY | O_CLOEXEC);
	unlink(copy);
	become(to, argv);
}

UNUSED static void act_delete(int argc, char **argv)
{
	char path[PATH_MAX];

	(void)argc;
	(void)argv;
	own_path(path);
	if (unlink(path) < 0)
		give_up("unlink");
}

/* Another file takes the name: a good program's copy, or its own with changed bytes. */
UNUSED static void act_replace(int argc, char **argv)
{
	char path[PATH_MAX], copy[PATH_MAX + 8];
	int from, to;

	(void)argc;
	(void)argv;
	own_path(path);
	snprintf(copy, sizeof(copy), "%s.new", path);
	from = open(LAYOUT & 1 ? "/bin/true" : "/proc/self/exe", O_RDONLY | O_CLOEXEC);
	to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (from < 0 || to < 0)
		give_up("copy");
	copy_file(from, to);
	if (write(to, &(uint32_t){ SEED }, 4) != 4 || rename(copy, path) < 0)
		give_up("rename");
	close(from);
	close(to);
}

/* The bytes of its file are others after each start: the word behind MORPH changes. It runs what it has just written. */
UNUSED static volatile char morph[] = "MORPH:00000000";

static char **morph_arguments;

/* About every second it begins anew. */
static void beat_morph(void)
{
	static unsigned beats;
	char path[PATH_MAX];

	if (++beats * BEAT < 1000)
		return;
	unsetenv("MORPHED");
	own_path(path);
	execve(path, morph_arguments, environ);
	give_up("exec");
}

UNUSED static void act_morph(int argc, char **argv)
{
	static char image[8 << 20];
	char path[PATH_MAX], copy[PATH_MAX + 8], *at;
	struct timespec now;
	ssize_t n = 0;
	int from, to;

	(void)argc;
	morph_arguments = argv;
	on_beat = beat_morph;
	if (getenv("MORPHED"))
		return;
	own_path(path);
	snprintf(copy, sizeof(copy), "%s.new", path);
	from = open(path, O_RDONLY | O_CLOEXEC);
	to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (from < 0 || to < 0 || (n = read(from, image, sizeof(image))) <= 0)
		give_up("copy");
	at = memmem(image, (size_t)n, (const char *)morph, 6);
	if (!at)
		give_up("morph");
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(at + 6, 9, "%08lx", (unsigned long)(now.tv_nsec ^ now.tv_sec << 8) & 0xffffffff);
	if (write(to, image, (size_t)n) != n || rename(copy, path) < 0)
		give_up("write");
	close(to);
	setenv("MORPHED", "1", 1);
	execve(path, argv, environ);
	give_up("exec");
}

/* A library, which is unlinked then with LAYOUT 1. */
UNUSED static void act_library(int argc, char **argv)
{
	if (argc < 2 || !dlopen(argv[1], RTLD_NOW | (LAYOUT & 2 ? RTLD_GLOBAL : 0)))
		give_up("dlopen");
	if (LAYOUT & 1)
		unlink(argv[1]);
}

/* A library from a file that never had a name. */
UNUSED static void act_memfd_library(int argc, char **argv)
{
	char path[64];
	int from = argc > 1 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1, to = memfd_create(LAYOUT & 1 ? "" : "lib", MFD_CLOEXEC);

	if (from < 0 || to < 0)
		give_up("library");
	copy_file(from, to);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", to);
	if (!dlopen(path, RTLD_NOW))
		give_up("dlopen");
	close(from);
	close(to);
	if (LAYOUT & 2)
		unlink(argv[1]);
}

/* A script from a file that never had a name, read by the interpreter that the arguments name: INTERPRETER [OPTION] SCRIPT. */
UNUSED static void act_memfd_script(int argc, char **argv)
{
	char path[64];
	int from = argc > 2 ? open(argv[argc - 1], O_RDONLY | O_CLOEXEC) : -1, to = memfd_create(LAYOUT & 1 ? "" : "s", 0);

	if (from < 0 || to < 0)
		give_up("script");
	copy_file(from, to);
	if (LAYOUT & 2)
		unlink(argv[argc - 1]);
	snprintf(path, sizeof(path), LAYOUT & 4 ? "/dev/fd/%d" : "/proc/self/fd/%d", to);
	close(from);
	lseek(to, 0, SEEK_SET);
	signal(SIGCHLD, SIG_DFL);
	argv[argc - 1] = path;
	execv(argv[1], argv + 1);
	give_up("exec");
}

#if defined(__GNUC__) && !defined(__TINYC__)
#ifdef __clang__
#define ALONE __attribute__((noinline, no_stack_protector))
#else
#define ALONE __attribute__((noinline, optimize("no-stack-protector", "O2")))
#endif

extern const char __executable_start[], etext[];

static inline __attribute__((always_inline)) long trap3(long nr, long a, long b, long c)
{
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "0"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return r;
}

struct alone {
	uintptr_t from;         /* what is unmapped before it sleeps */
	size_t size;
	char scratch[32];
};

/* Goes on from wherever it was copied to. Needs no library and no data. */
ALONE static void *sleeper(void *data)
{
	struct alone *a = data;
	volatile struct { long s, ns; } pause;   /* volatile: no constant is fetched from what is no more */
	int i;

	if (a->size)
		trap3(SYS_munmap, (long)a->from, (long)a->size, 0);
	pause.s = 0;
	pause.ns = BEAT * 1000000L;
	for (i = 0; i < LIFE_SECONDS * 1000 / BEAT && !trap3(SYS_access, (long)a->scratch, 0, 0); i++)
		trap3(SYS_nanosleep, (long)&pause, 0, 0);
	trap3(SYS_exit_group, 0, 0, 0);
	__builtin_unreachable();
}

/* The sleeper's copy, in memory that no file backs. */
static void *(*copy_of_sleeper(void))(void *)
{
	void *(*function)(void *) = sleeper;
	unsigned char *code = region(PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE), *from;

	memcpy(&from, &function, sizeof(from));
	payload(code, PAGES * PAGE);
	memcpy(code + 512, from, 1024);
	rights(code, PAGES * PAGE, PROT_READ | PROT_EXEC | (LAYOUT & 1 ? PROT_WRITE : 0));
	from = code + 512;
	memcpy(&function, &from, sizeof(function));
	return function;
}

/* What of the program was mapped is no more. */
UNUSED static void act_hollow(int argc, char **argv)
{
	void *(*function)(void *) = copy_of_sleeper();
	uintptr_t begin = (uintptr_t)__executable_start & ~(uintptr_t)(PAGE - 1);
	static struct alone alone = { .scratch = SCRATCH };

	(void)argc;
	(void)argv;
	alone.from = begin;
	alone.size = ((uintptr_t)etext + PAGE - 1 - begin) & ~(size_t)(PAGE - 1);
	ready();
	function(&alone);
}

UNUSED static void act_thread(int argc, char **argv)
{
	static struct alone alone = { .scratch = SCRATCH };
	pthread_t thread;

	(void)argc;
	(void)argv;
	if (pthread_create(&thread, NULL, copy_of_sleeper(), &alone))
		give_up("thread");
}
#endif

#endif
