/* Files and trees named by hand. */
#include "host/internal.h"

#include <dirent.h>
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

/* /proc and /sys make files as they are read; they are no one's tree of code. */
static bool made_up(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0
		&& (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC || fs.f_type == CGROUP_SUPER_MAGIC
		    || fs.f_type == CGROUP2_SUPER_MAGIC || fs.f_type == DEBUGFS_MAGIC || fs.f_type == TRACEFS_MAGIC);
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

/* The folder's path as a prefix, when files of it may be recalled; else NULL. */
static char *prefix(const struct host *h, int fd)
{
	char path[PATH_MAX];

	if (!h->cache || rooted_path(h, fd, path, sizeof(path)) < 0)
		return NULL;
	return buf_strdup(!strcmp(path, "/") ? "" : path);
}

static void walk(struct host *h, int fd, unsigned depth)
{
	struct dirent *d;
	DIR *dir = fdopendir(fd);
	char *folder;

	if (!dir) {
		close(fd);
		return;
	}
	folder = prefix(h, fd);
	while ((d = readdir(dir))) {
		struct stat st;
		int sub;

		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (d->d_type != DT_REG && d->d_type != DT_DIR && d->d_type != DT_UNKNOWN)
			continue;
		if (folder && d->d_type == DT_REG && recalled(h, fd, folder, d->d_name))
			continue;
		sub = openat(fd, d->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (sub < 0) {
			h->unlooked += errno == EACCES || errno == EPERM;
			continue;
		}
		if (fstat(sub, &st) == 0 && S_ISDIR(st.st_mode)) {
			if (depth >= CAP_DEPTH)
				host_missed(h, "folders nested deeper than %u were passed over", CAP_DEPTH);
			else if (!made_up(sub)) {
				walk(h, sub, depth + 1);
				continue;
			}
		} else if (S_ISREG(st.st_mode) && candidate(h, sub, &st)) {
			take(h, sub, d->d_name);
		}
		close(sub);
	}
	free(folder);
	closedir(dir);
}

int tree_scan(struct host *h, const char *path, struct err *e)
{
	struct stat st;
	int fd = h->live ? open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
	                 : rooted_open(h->root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return err_sys(e, "cannot read %s", err_q(path));
	if (fstat(fd, &st) < 0) {
		close(fd);
		return err_sys(e, "cannot read %s", err_q(path));
	}
	if (S_ISDIR(st.st_mode)) {
		walk(h, fd, 0);
	} else if (S_ISREG(st.st_mode)) {
		take(h, fd, path);
		close(fd);
	} else {
		close(fd);
		return err_set(e, EX_NOINPUT, "%s is no file and no folder", err_q(path));
	}
	return 0;
}
