#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHUNK ((size_t)128 << 10)

ssize_t io_read(int fd, void *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, (char *)p + got, n - got);

		if (r < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

int io_write(int fd, const void *p, size_t n)
{
	const char *c = p;

	while (n > 0) {
		ssize_t r = write(fd, c, n);

		if (r < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		c += r;
		n -= (size_t)r;
	}
	return 0;
}

/* 1: longer than cap; 0; -1 errno. */
static int slurp(int fd, size_t cap, struct buf *out)
{
	size_t begin = out->len;

	for (;;) {
		size_t room, used = out->len - begin;
		ssize_t r;

		buf_reserve(out, 4096);
		room = out->cap - out->len - 1;
		if (room > cap - used + 1)
			room = cap - used + 1;
		r = read(fd, out->p + out->len, room);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		out->len += (size_t)r;
		out->p[out->len] = '\0';
		if (r == 0)
			return 0;
		if (out->len - begin > cap)
			return 1;
	}
}

int io_slurp(int fd, size_t cap, struct buf *out, const char *what, struct err *e)
{
	int r = slurp(fd, cap, out);

	if (r < 0)
		return err_sys(e, "cannot read %s", err_q(what));
	if (r > 0)
		return err_set(e, EX_DATAERR, "%s is longer than %zu bytes", err_q(what), cap);
	return 0;
}

int io_slurp_path(const char *path, size_t cap, struct buf *out, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;

	if (fd < 0)
		return err_sys(e, "cannot open %s", err_q(path));
	r = io_slurp(fd, cap, out, path, e);
	close(fd);
	return r;
}

ssize_t io_slurp_at(int dirfd, const char *path, size_t cap, struct buf *out)
{
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), r, saved;
	size_t begin = out->len;

	if (fd < 0)
		return -1;
	r = slurp(fd, cap, out);
	saved = r > 0 ? EFBIG : errno;
	close(fd);
	errno = saved;
	return r ? -1 : (ssize_t)(out->len - begin);
}

int io_copy(int from, int to, uint64_t cap, uint64_t *copied, struct err *e)
{
	char *chunk = buf_alloc(CHUNK);
	uint64_t sum = 0;
	int rc = 0;

	for (;;) {
		ssize_t r = read(from, chunk, CHUNK);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			rc = err_sys(e, "cannot read");
			break;
		}
		if (r == 0)
			break;
		if ((uint64_t)r > cap - sum) {
			rc = err_set(e, EX_DATAERR, "longer than %llu bytes", (unsigned long long)cap);
			break;
		}
		if (io_write(to, chunk, (size_t)r)) {
			rc = err_sys(e, "cannot write");
			break;
		}
		sum += (uint64_t)r;
	}
	free(chunk);
	if (copied)
		*copied = sum;
	return rc;
}

int io_open_in(const char *path, struct err *e)
{
	int fd;

	if (!path || !strcmp(path, "-")) {
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? err_sys(e, "cannot read standard input") : fd;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? err_sys(e, "cannot open %s", err_q(path)) : fd;
}

int io_tmp(struct err *e)
{
	const char *dir = getenv("TMPDIR");
	char *name;
	int fd;

	if (!dir || !*dir)
		dir = "/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
	if (fd >= 0)
		return fd;
	name = buf_printf("%s/muss-XXXXXX", dir);
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		err_sys(e, "cannot make a temporary file in %s", err_q(dir));
	else
		unlink(name);
	free(name);
	return fd;
}

int io_mkdirs(const char *path, mode_t mode, struct err *e)
{
	char *copy = buf_strdup(path), *p = copy;
	int rc = 0;

	for (;;) {
		char *slash = strchr(p + 1, '/');

		if (slash)
			*slash = '\0';
		if (*copy && mkdir(copy, mode) && errno != EEXIST) {
			rc = err_sys(e, "cannot make the folder %s", err_q(copy));
			break;
		}
		if (!slash)
			break;
		*slash = '/';
		p = slash;
	}
	if (rc == 0) {
		struct stat st;

		if (stat(path, &st))
			rc = err_sys(e, "cannot make the folder %s", err_q(path));
		else if (!S_ISDIR(st.st_mode))
			rc = err_set(e, EX_CANTCREAT, "%s is no folder", err_q(path));
	}
	free(copy);
	return rc;
}

static int rmtree(int dirfd, const char *name, dev_t dev, struct err *e)
{
	struct stat st;
	struct dirent *d;
	DIR *dir;
	int fd, rc = 0;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, "cannot remove %s", err_q(name));
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "cannot remove %s", err_q(name));
	if (fstat(fd, &st) || (dev && st.st_dev != dev)) {
		close(fd);
		return err_set(e, EX_IOERR, "cannot remove %s: on another file system", err_q(name));
	}
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_sys(e, "cannot read the folder %s", err_q(name));
	}
	while (rc == 0 && (d = readdir(dir)))
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			rc = rmtree(fd, d->d_name, st.st_dev, e);
	closedir(dir);
	if (rc == 0 && unlinkat(dirfd, name, AT_REMOVEDIR) && errno != ENOENT)
		rc = err_sys(e, "cannot remove the folder %s", err_q(name));
	return rc;
}

int io_rmtree(int dirfd, const char *name, struct err *e)
{
	return rmtree(dirfd, name, 0, e);
}

int io_fsync_dir(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return err_sys(e, "cannot open the folder %s", err_q(path));
	if (fsync(fd) && errno != EINVAL && errno != EROFS)
		rc = err_sys(e, "cannot sync the folder %s", err_q(path));
	close(fd);
	return rc;
}

void io_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int io_open_beneath(int dir, const char *rel, int flags)
{
	struct open_how how = { .flags = (uint64_t)(unsigned)flags | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV };
	int fd;

	/* RESOLVE_BENEATH answers EAGAIN when somebody renames meanwhile. */
	for (int i = 0; i < 100; i++) {
		fd = (int)syscall(SYS_openat2, dir, rel, &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN)
			return fd;
	}
	return -1;
}
