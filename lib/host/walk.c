/* Folders that are read entry by entry, each a step that can be given up, with points between them to go on from. */
#include "host/internal.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

bool walk_open(struct folder *f, int fd, const struct stat *at, struct folder *above)
{
	*f = (struct folder){ .above = above, .dir = fdopendir(fd), .depth = above ? above->depth + 1 : 0 };
	if (!f->dir) {
		close(fd);
		return false;
	}
	f->remote = mounts_remote(fd, at->st_dev);
	f->id = watch_id(at->st_dev, &at->st_ino, sizeof(at->st_ino));
	return true;
}

/* All processes of a scan share a folder's offset, so each keeps its own beside. */
bool walk_spare(struct host *h, struct folder *f)
{
	struct folder *up;

	if (!watch_due())
		return false;
	for (up = f; up; up = up->above)
		up->at = telldir(up->dir);
	if (!host_spare(h))
		return false;
	for (up = f; up; up = up->above)
		seekdir(up->dir, up->at);
	return true;
}

/* Its length; 0: it cannot be told. */
static size_t path_of(int fd, char path[PATH_MAX])
{
	char link[64];
	ssize_t k;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	k = readlink(link, path, PATH_MAX - 1);
	path[k > 0 ? k : 0] = '\0';
	return k > 0 ? (size_t)k : 0;
}

void walk_name(struct folder *f, const char *called)
{
	const char *above = f->above && called ? f->above->path : NULL;
	char path[PATH_MAX];

	if (above && strlen(above) + strlen(called) + 2 < PATH_MAX)
		f->path = buf_printf("%s/%s", above[1] ? above : "", called);
	else if (path_of(dirfd(f->dir), path))
		f->path = buf_strdup(path);
}

const char *walk_below(const struct host *h, const struct folder *f)
{
	size_t skip = strlen(h->root_path);

	if (!f->path || strncmp(f->path, h->root_path, skip) || (f->path[skip] && f->path[skip] != '/'))
		return NULL;
	return f->path[skip] ? f->path + skip : "/";
}

static size_t append(char path[PATH_MAX], size_t k, const char *s)
{
	size_t n = strlen(s);

	n = n < PATH_MAX - 1 - k ? n : PATH_MAX - 1 - k;
	memcpy(path + k, s, n);
	path[k + n] = '\0';
	return k + n;
}

/* The whole path, which can take a system call, only where it may be needed. */
static bool enter(const struct folder *f, const void *id, size_t n, const char *name, bool whole)
{
	char path[PATH_MAX];
	size_t k = 0;

	if (whole)
		k = f->path ? append(path, 0, f->path) : path_of(dirfd(f->dir), path);
	if (!k)
		k = append(path, 0, ".");
	if (*name)
		append(path, append(path, k, "/"), name);
	if (whole && mounts_dead(path)) {
		errno = ETIMEDOUT;
		return false;
	}
	return watch_enter(watch_id(f->id, id, n), whole ? 0 : DEV_NONE, path);
}

bool walk_enter(const struct folder *f, const char *name, bool whole)
{
	return enter(f, name, strlen(name), name, whole);
}

static struct dirent *next_entry(const struct folder *f)
{
	long at = telldir(f->dir);
	struct dirent *d;

	if (!enter(f, &at, sizeof(at), "", f->remote))
		return NULL;
	d = readdir(f->dir);
	watch_leave();
	return d;
}

struct dirent *walk_next(const struct folder *f)
{
	struct dirent *d;

	do
		d = next_entry(f);
	while (d && (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..")));
	return d;
}
