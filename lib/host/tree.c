/* Files and trees named by hand. */
#include "host/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CAP_DEPTH 128u

static bool candidate(int fd, const struct stat *st)
{
	unsigned char magic[4] = "";

	if (st->st_mode & 0111)
		return true;
	if (pread(fd, magic, sizeof(magic), 0) < 2)
		return false;
	return !memcmp(magic, "#!", 2) || !memcmp(magic, "\177ELF", 4);
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

static void walk(struct host *h, int fd, unsigned depth)
{
	struct dirent *d;
	DIR *dir = fdopendir(fd);

	if (!dir) {
		close(fd);
		return;
	}
	while ((d = readdir(dir))) {
		struct stat st;
		int sub;

		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (d->d_type != DT_REG && d->d_type != DT_DIR && d->d_type != DT_UNKNOWN)
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
		} else if (S_ISREG(st.st_mode) && candidate(sub, &st)) {
			take(h, sub, d->d_name);
		}
		close(sub);
	}
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
