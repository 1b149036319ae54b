#include "garden/garden-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int files_in_root(int root, const char *path, int flags, unsigned mode)
{
	struct open_how how = { .flags = (uint64_t)(unsigned)flags | O_CLOEXEC, .mode = mode,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	int fd;

	for (int i = 0; i < 100; i++) {
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
		if (fd >= 0 || errno != EAGAIN)
			break;
	}
	return fd;
}

/* /dev is made for each run; only /dev/shm is ours. */
static int root_of(const struct layers *l, const char *path, const char **rel)
{
	const struct layer *y;

	if (strncmp(path, "/dev/shm/", 9)) {
		*rel = path;
		return l->root;
	}
	y = layers_of(l, path, rel);
	return y->upper;
}

/* The folder that a path's last name stands in, made where it is missing. */
int files_parent(int root, const char *path, struct err *e)
{
	int at = files_in_root(root, "/", O_RDONLY | O_DIRECTORY, 0), next;
	char *whole = buf_strdup(path), *p = whole + strspn(whole, "/"), *slash;

	for (; at >= 0 && (slash = strchr(p, '/')); p = slash + 1 + strspn(slash + 1, "/")) {
		*slash = '\0';
		next = files_in_root(root, whole, O_RDONLY | O_DIRECTORY, 0);
		if (next < 0 && errno == ENOENT && mkdirat(at, p, 0755) == 0)
			next = files_in_root(root, whole, O_RDONLY | O_DIRECTORY, 0);
		close(at);
		at = next;
		if (at < 0)
			err_sys(e, "cannot make %s in the world", err_q(whole));
		*slash = '/';
	}
	free(whole);
	return at;
}

int files_put(const struct layers *l, const char *path, unsigned mode, int src, bool append, struct err *e)
{
	const char *name, *rel;
	int root = root_of(l, path, &rel), dir, fd;
	struct stat st;

	name = strrchr(path, '/') + 1;
	if (*name == '\0' || !strcmp(name, ".") || !strcmp(name, ".."))
		return err_set(e, EX_USAGE, "not a file's path: %s", err_q(path));
	dir = files_parent(root, rel, e);
	if (dir < 0)
		return e->code ? -1 : err_sys(e, "cannot open the world");
	if (append) {
		fd = files_in_root(root, rel, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, mode);
	} else {
		if (unlinkat(dir, name, 0) && errno == EISDIR)
			unlinkat(dir, name, AT_REMOVEDIR);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	}
	close(dir);
	if (fd < 0)
		return err_sys(e, "cannot write %s in the world", err_q(path));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(e, EX_DATAERR, "not a regular file in the world: %s", err_q(path));
	}
	lseek(src, 0, SEEK_SET);
	if (io_copy(src, fd, CAP_BODY, NULL, e)) {
		close(fd);
		return err_wrap(e, "cannot write %s in the world", err_q(path));
	}
	if (!append && fchmod(fd, mode & 07777)) {
		close(fd);
		return err_sys(e, "cannot set the mode of %s", err_q(path));
	}
	close(fd);
	return 0;
}

static int regular(int fd, const char *path, struct err *e)
{
	char link[64];
	struct stat st;
	int in = -1;

	if (fd < 0)
		return err_sys(e, "cannot open %s in the world", err_q(path));
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		in = open(link, O_RDONLY | O_CLOEXEC);
	else
		errno = 0;
	if (in < 0)
		errno ? err_sys(e, "cannot open %s in the world", err_q(path)) :
			err_set(e, EX_DATAERR, "not a regular file in the world: %s", err_q(path));
	close(fd);
	return in;
}

int files_open(const struct layers *l, const char *path, struct err *e)
{
	const char *rel;
	int root = root_of(l, path, &rel);

	return regular(files_in_root(root, rel, O_PATH | O_NOFOLLOW, 0), path, e);
}

int files_open_lower(const struct layers *l, const char *path, struct err *e)
{
	const char *rel;
	struct layer *y = layers_of(l, path, &rel), *first = l->layer;
	struct node n;
	int fd;

	if (!y || !first)
		return err_set(e, EX_SOFTWARE, "a world without layers");
	if (y->lower < 0 && first->lower < 0 && !layers_hidden(l, path)) {
		/* A copied folder of an unprivileged world. */
		rel = path + strspn(path, "/");
		fd = io_open_beneath(l->lower, rel, O_PATH);
		return regular(fd, path, e);
	}
	if (y->lower < 0 || layers_hidden(l, path) || !nodes_look(y->lower, rel, false, &n))
		return err_set(e, EX_NOINPUT, "%s is not in the lower root", err_q(path));
	nodes_drop(&n);
	return regular(io_open_beneath(y->lower, rel, O_PATH), path, e);
}
