#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct atomic {
	int fd;
	char *path;      /* NULL: fd is standard output, or was opened directly */
	char *dir;
	char *beside;    /* the name beside; NULL while the file is unnamed */
	char *subject;   /* for messages */
};

static char *name_beside(const char *path)
{
	uint64_t r = 0;
	char *copy = buf_strdup(path), *dir = buf_strdup(path), *out;

	if (getrandom(&r, sizeof r, 0) != sizeof r)
		r = (uint64_t)getpid();
	out = buf_printf("%s/.%.200s.%016llx", dirname(dir), basename(copy), (unsigned long long)r);
	free(copy);
	free(dir);
	return out;
}

struct atomic *atomic_open(const char *path, mode_t mode, bool tty_ok, struct err *e)
{
	struct atomic *a = buf_alloc(sizeof *a);
	char *copy = NULL;
	struct stat st;

	a->fd = -1;
	if (!path || !strcmp(path, "-")) {
		if (!tty_ok && isatty(STDOUT_FILENO)) {
			err_set(e, EX_USAGE, "a case is not for a terminal: redirect standard output, or give -o FILE");
			goto err0;
		}
		a->subject = buf_strdup("standard output");
		a->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		if (a->fd < 0) {
			err_sys(e, "cannot write to standard output");
			goto err0;
		}
		return a;
	}
	a->subject = buf_strdup(path);
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		a->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		if (a->fd < 0) {
			err_sys(e, "cannot open %s", err_q(path));
			goto err0;
		}
		if (!tty_ok && isatty(a->fd)) {
			err_set(e, EX_USAGE, "a case is not for a terminal: %s", err_q(path));
			goto err1;
		}
		return a;
	}
	/* A link is followed once, so that what it points to is replaced and not the link. */
	a->path = realpath(path, NULL);
	if (!a->path)
		a->path = buf_strdup(path);
	copy = buf_strdup(a->path);
	a->dir = buf_strdup(dirname(copy));
	free(copy);
	a->fd = open(a->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
	if (a->fd < 0 && errno != ENOENT && errno != EACCES && errno != ENOSPC) {
		a->beside = name_beside(a->path);
		a->fd = open(a->beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	}
	if (a->fd < 0) {
		err_sys(e, "cannot create %s", err_q(path));
		if (e->code == EX_NOINPUT)   /* a missing folder is no missing input */
			e->code = EX_IOERR;
		goto err1;
	}
	return a;
err1:
	atomic_abort(a);
	return NULL;
err0:
	free(a->subject);
	free(a);
	return NULL;
}

int atomic_fd(const struct atomic *a)
{
	return a->fd;
}

static void atomic_free(struct atomic *a)
{
	io_close(&a->fd);
	free(a->path);
	free(a->dir);
	free(a->beside);
	free(a->subject);
	free(a);
}

int atomic_commit(struct atomic *a, struct err *e)
{
	char link[64];

	if (!a->path) {
		/* Not ours to sync: it is a pipe, a terminal, a device, or a file the shell opened. */
		if (close(a->fd)) {
			a->fd = -1;
			goto fail;
		}
		a->fd = -1;
		atomic_free(a);
		return 0;
	}
	if (fsync(a->fd))
		goto fail;
	if (!a->beside) {
		/* linkat cannot replace, so the file gets a name beside and is renamed at once. */
		a->beside = name_beside(a->path);
		snprintf(link, sizeof link, "/proc/self/fd/%d", a->fd);
		if (linkat(AT_FDCWD, link, AT_FDCWD, a->beside, AT_SYMLINK_FOLLOW)) {
			free(a->beside);
			a->beside = NULL;
			goto fail;
		}
	}
	if (rename(a->beside, a->path))
		goto fail;
	free(a->beside);
	a->beside = NULL;
	if (io_fsync_dir(a->dir, e)) {
		atomic_free(a);
		return -1;
	}
	atomic_free(a);
	return 0;
fail:
	err_sys(e, "cannot write %s", err_q(a->subject));
	atomic_abort(a);
	return -1;
}

void atomic_abort(struct atomic *a)
{
	if (!a)
		return;
	if (a->beside)
		unlink(a->beside);
	atomic_free(a);
}

int atomic_write(const char *path, mode_t mode, const void *p, size_t n, struct err *e)
{
	struct atomic *a = atomic_open(path, mode, true, e);

	if (!a)
		return -1;
	if (io_write(a->fd, p, n)) {
		err_sys(e, "cannot write %s", err_q(path));
		atomic_abort(a);
		return -1;
	}
	return atomic_commit(a, e);
}
