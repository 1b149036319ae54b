#include "host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int rooted_open(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

	return (int)fd;
}

int rooted_regular(int root, const char *path, struct stat *st)
{
	int fd = rooted_open(root, path, O_PATH), opened = -1;
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
	}
	saved = errno;
	close(fd);
	errno = saved;
	return opened;
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
