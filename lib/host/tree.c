/* Files and trees named by hand. */
#include "host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CAP_DEPTH 128u

static bool candidate(struct host *h, int fd, const struct stat *st)
{
	unsigned char magic[4];
	ssize_t n;

	if (st->st_mode & 0111)
		return true;
	recall_begin(h, fd, st);
	n = pread(fd, magic, sizeof(magic), 0);
	if (n > 0 && recall_is_code(magic, (size_t)n))
		return true;
	if (n >= 0)
		recall_no_code(h, fd);
	return false;
}

static void take(struct host *h, int fd, const char *given)
{
	char path[PATH_MAX];
	struct piece *p;
	struct stat st;

	p = image_take(h, fd, "file", &st);
	if (!p)
		return;
	if (rooted_path(h, fd, path, sizeof(path)) == 0)
		image_place(h, p, path, &st, true);
	else
		image_place(h, p, given, &st, false);
}

/* /proc and /sys make files as they are read; they are no one's tree of code. A device holds no file system beside its own. */
static bool made_up(int fd, const struct stat *st)
{
	static dev_t stored = DEV_NONE;
	struct statfs fs;

	if (!S_ISDIR(st->st_mode) || st->st_dev == stored || fstatfs(fd, &fs) < 0)
		return false;
	if (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC || fs.f_type == CGROUP_SUPER_MAGIC
	    || fs.f_type == CGROUP2_SUPER_MAGIC || fs.f_type == DEBUGFS_MAGIC || fs.f_type == TRACEFS_MAGIC)
		return true;
	stored = st->st_dev;
	return false;
}

/* Is that all there is to a file of a folder, by what the scan index knows? */
static bool recalled(struct host *h, int dir, const char *folder, const char *name)
{
	char path[PATH_MAX];
	struct piece *p;
	struct stat st;
	bool is_code;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode)
	    || (size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
		return false;
	p = image_recall(h, &st, "file", &is_code);
	if (p)
		image_place(h, p, path, &st, true);
	return p || !is_code;
}

/* The folder's path as a prefix of names below our root, when files of it may be recalled; else NULL. */
static const char *prefix(const struct host *h, const struct folder *f)
{
	const char *path = h->cache ? walk_below(h, f) : NULL;

	return path && !strcmp(path, "/") ? "" : path;
}

/* An entry that could be code, or a folder. -1 errno, 0: it is none of these. */
static int open_entry(struct host *h, const struct folder *f, const struct dirent *d, struct stat *st)
{
	int fd = dirfd(f->dir), sub = -1;

	errno = 0;
	if (!walk_enter(f, d->d_name, f->remote || d->d_type != DT_REG))
		return -1;
	/* a device may do something when it is opened */
	if (d->d_type == DT_UNKNOWN && (fstatat(fd, d->d_name, st, AT_SYMLINK_NOFOLLOW) < 0 || !(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode))))
		goto out;
	sub = openat(fd, d->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (sub >= 0 && (fstat(sub, st) < 0 || (!S_ISDIR(st->st_mode) && (!S_ISREG(st->st_mode) || !candidate(h, sub, st))) || made_up(sub, st)))
		io_close(&sub);
	if (sub >= 0)
		mounts_remote(sub, st->st_dev);   /* asked and remembered where it may hang */
out:
	watch_leave();
	return sub;
}

static void read_folder(struct host *h, int fd, const struct stat *at, struct folder *above, const char *called)
{
	struct dirent *d;
	struct stat st;
	struct folder f;
	const char *folder;
	int sub;

	if (!walk_open(&f, fd, at, above))
		return;
	walk_name(&f, called);
	folder = prefix(h, &f);
	while (walk_spare(h, &f), (d = walk_next(&f))) {
		if (d->d_type != DT_REG && d->d_type != DT_DIR && d->d_type != DT_UNKNOWN)
			continue;
		if (folder && !f.remote && d->d_type == DT_REG && recalled(h, fd, folder, d->d_name))
			continue;
		sub = open_entry(h, &f, d, &st);
		if (sub < 0) {
			h->unlooked += errno == EACCES || errno == EPERM || errno == ETIMEDOUT;
		} else if (S_ISREG(st.st_mode)) {
			take(h, sub, d->d_name);
			close(sub);
		} else if (f.depth >= CAP_DEPTH) {
			host_missed(h, "folders nested deeper than %u were passed over", CAP_DEPTH);
			close(sub);
		} else {
			read_folder(h, sub, &st, &f, d->d_name);
		}
	}
	free(f.path);
	closedir(f.dir);
}

/* -1 errno; with a mode in *st: it is neither file nor folder, and was not opened, for that may do something. */
static int open_named(const struct host *h, const char *path, struct stat *st)
{
	char link[64];
	int at = h->live ? open(path, O_PATH | O_CLOEXEC) : rooted_open(h->root, path, O_PATH), fd = -1;

	if (at < 0)
		return -1;
	if (fstat(at, st) < 0) {
		st->st_mode = 0;
	} else if (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
		fd = open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		st->st_mode = fd < 0 ? 0 : st->st_mode;
	}
	close(at);
	return fd;
}

int tree_scan(struct host *h, const char *path, struct err *e)
{
	struct stat st = { 0 };
	int fd;

	host_spare(h);
	if (!rooted_enter(h->root, path))
		return 0;
	fd = open_named(h, path, &st);
	if (fd >= 0)
		mounts_remote(fd, st.st_dev);
	watch_leave();
	if (fd < 0 && st.st_mode)
		return err_set(e, EX_NOINPUT, "%s is no file and no folder", err_q(path));
	if (fd < 0)
		return err_sys(e, "cannot read %s", err_q(path));
	if (S_ISDIR(st.st_mode)) {
		read_folder(h, fd, &st, NULL, NULL);
	} else {
		take(h, fd, path);
		close(fd);
	}
	return 0;
}
