#include "host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_below(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

	return (int)fd;
}

/* Which mount a folder stands on: the same number for our own root, and for no other namespace's. */
static uint64_t mount_of(int root)
{
	struct statx sx;

	return statx(root, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID, &sx) < 0
		? 0 : watch_id(sx.stx_mnt_id, &sx.stx_ino, sizeof(sx.stx_ino));
}

bool rooted_enter(int root, const char *path)
{
	static uint64_t own;
	uint64_t mount = mount_of(root);
	char name[256];

	if (!own) {
		int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

		own = mount_of(fd);
		io_close(&fd);
	}
	if (mount == own && mounts_dead(path)) {
		errno = ETIMEDOUT;
		return false;
	}
	if (*path != '/')
		snprintf(name, sizeof(name), "./%s", path);
	return watch_enter(watch_id(mount, path, strlen(path)), mount == own && *path == '/' ? 0 : DEV_NONE, *path == '/' ? path : name);
}

/* A file that somebody else must answer for is asked for a byte, so that it does not fail to answer later. */
static void try_to_read(int fd)
{
	struct stat st;
	char byte;

	if (fd >= 0 && reading_stat(fd, &st) == 0 && S_ISREG(st.st_mode) && mounts_remote(fd, st.st_dev) && pread(fd, &byte, 1, 0) < 0)
		return;
}

int rooted_open(int root, const char *path, int flags)
{
	int fd;

	if (!rooted_enter(root, path))
		return -1;
	fd = open_below(root, path, flags);
	if (!(flags & (O_PATH | O_DIRECTORY)))
		try_to_read(fd);
	watch_leave();
	return fd;
}

static int open_regular(int root, const char *path, struct stat *st)
{
	int fd = open_below(root, path, O_PATH), opened = -1;
	struct stat mine;
	char link[64];
	int saved;

	if (!st)
		st = &mine;
	if (fd < 0)
		return -1;
	if (fstat(fd, st) == 0) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		errno = EINVAL;
		if (S_ISREG(st->st_mode))
			opened = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		try_to_read(opened);
	}
	saved = errno;
	close(fd);
	errno = saved;
	return opened;
}

int rooted_regular(int root, const char *path, struct stat *st)
{
	int fd;

	if (!rooted_enter(root, path))
		return -1;
	fd = open_regular(root, path, st);
	watch_leave();
	return fd;
}

int rooted_path(const struct host *h, int fd, char *out, size_t size)
{
	char link[64], full[PATH_MAX];
	size_t skip = strlen(h->root_path);
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, full, sizeof(full) - 1);
	if (n <= 0 || full[0] != '/')
		return -1;
	full[n] = '\0';
	if (strncmp(full, h->root_path, skip) || (full[skip] != '/' && full[skip] != '\0') || (size_t)n - skip >= size)
		return -1;
	snprintf(out, size, "%s", full[skip] ? full + skip : "/");
	return 0;
}
