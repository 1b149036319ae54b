#include "garden/garden-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define OPEN_UP 5000u            /* folders prepared for the inner root of an unprivileged world */

int places_folder(const struct layer *y, const char *rel)
{
	char *path = buf_strdup(rel), *p = path;
	int at = openat(y->upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (at >= 0 && p && *p && strcmp(p, ".")) {
		char *slash = strchr(p, '/');
		int next, lower;
		bool made;

		if (slash)
			*slash = '\0';
		made = mkdirat(at, p, 0755) == 0;
		next = openat(at, p, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (made && next >= 0 && y->lower >= 0) {
			lower = io_open_beneath(y->lower, path, O_RDONLY | O_DIRECTORY);
			if (lower >= 0)
				copy_attributes(lower, next);
			io_close(&lower);
		}
		close(at);
		at = next;
		if (slash)
			*slash = '/';
		p = slash ? slash + 1 : NULL;
	}
	free(path);
	return at;
}

static int upper_parent(const struct layer *y, const char *rel, const char **name)
{
	const char *slash = strrchr(rel, '/');
	char *parent;
	int fd;

	*name = slash ? slash + 1 : rel;
	if (!slash)
		return places_folder(y, ".");
	parent = buf_printf("%.*s", (int)(slash - rel), rel);
	fd = places_folder(y, parent);
	free(parent);
	return fd;
}

/* ---- hiding ---- */

static void whiteout_children(int lower, int upper)
{
	DIR *d = lower >= 0 ? fdopendir(lower) : NULL;
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			mknodat(upper, entry->d_name, S_IFCHR, makedev(0, 0));
	if (d)
		closedir(d);
}

static int hide(const struct layers *l, const struct layer *y, const char *rel, struct err *e)
{
	struct node below;
	const char *name;
	int fd, rc = 0;

	if (y->lower < 0 || !nodes_look(y->lower, rel, false, &below))
		return 0;
	if (S_ISDIR(below.st.st_mode)) {
		fd = places_folder(y, rel);
		if (fd < 0)
			rc = err_sys(e, "cannot hide %s", err_q(rel));
		/* Kernels before 6.6 keep no user attributes on a tmpfs. */
		else if (fsetxattr(fd, l->privileged ? "trusted.overlay.opaque" : "user.overlay.opaque", "y", 1, 0))
			whiteout_children(io_open_beneath(y->lower, rel, O_RDONLY | O_DIRECTORY), fd);
	} else {
		fd = upper_parent(y, rel, &name);
		if (fd < 0 || (mknodat(fd, name, S_IFCHR, makedev(0, 0)) && errno != EEXIST))
			rc = err_sys(e, "cannot hide %s", err_q(rel));
	}
	io_close(&fd);
	nodes_drop(&below);
	return rc;
}

/* Accounts without their digests: of those that /etc/passwd names. */
static void write_shadow(const struct layer *y, const char *rel, int passwd)
{
	struct buf b = { 0 }, out = { 0 };
	char *line, *rest;
	const char *name;
	int dir, fd;

	if (io_slurp_at(passwd, "passwd", CAP_SLURP, &b) > 0) {
		for (line = strtok_r((char *)b.p, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
			char *colon = strchr(line, ':');

			if (colon)
				buf_addf(&out, "%.*s:*:19000:0:99999:7:::\n", (int)(colon - line), line);
		}
		dir = upper_parent(y, rel, &name);
		fd = dir < 0 ? -1 : openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
		if (fd >= 0 && io_write(fd, out.p, out.len))
			msg_debug("cannot write the world's shadow");
		io_close(&fd);
		io_close(&dir);
	}
	buf_free(&b);
	buf_free(&out);
}

int places_finish(struct layers *l, const struct layer *y, bool defaults, struct err *e)
{
	static const char *const FOLDERS[] = { "proc", "sys", "dev", "tmp", "run", "etc" };
	const char *rel;
	int fd;

	for (size_t i = 0; !strcmp(y->path, "/") && i < sizeof FOLDERS / sizeof *FOLDERS; i++) {
		struct node n;

		if (y->lower >= 0 && nodes_look(y->lower, FOLDERS[i], false, &n)) {
			nodes_drop(&n);
			continue;
		}
		if (mkdirat(y->upper, FOLDERS[i], 0755) == 0 && !strcmp(FOLDERS[i], "tmp"))
			fchmodat(y->upper, "tmp", 01777, 0);
	}
	if (!strcmp(y->path, "/")) {
		fd = openat(y->upper, ".muss-scratch", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
		if (fd < 0)
			return err_sys(e, "cannot make .muss-scratch");
		close(fd);
	}
	if (defaults && layers_of(l, "/etc/shadow", &rel) == y) {
		fd = openat(l->lower, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			write_shadow(y, rel, fd);
		io_close(&fd);
	}
	return 0;
}

static int prepare(struct layers *l, const struct layer *y, bool defaults, struct err *e)
{
	for (size_t i = 0; i < l->hiddens; i++) {
		const char *rel;

		if (layers_of(l, l->hidden[i], &rel) == y && strcmp(rel, ".") && hide(l, y, rel, e))
			return -1;
	}
	return places_finish(l, y, defaults, e);
}

/* ---- one overlay ---- */

/* To an inner root that owns nothing below, folders would be closed: those of the upper side are its own. */
static void open_up(const struct layers *l, const struct layer *y, int lower, const char *rel, int depth, unsigned *left)
{
	static const char *const DEEP[] = { "lib/systemd/system", "lib/systemd/user", "spool/cron/crontabs" };
	DIR *d = fdopendir(lower);
	struct dirent *entry;
	int fd;

	while (d && *left && (entry = readdir(d))) {
		struct stat st;
		char *child, *whole;
		int sub;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode) || st.st_uid == geteuid())
			continue;
		child = strcmp(rel, ".") ? buf_printf("%s/%s", rel, entry->d_name) : buf_strdup(entry->d_name);
		whole = buf_printf("%s/%s", y->path, child);
		sub = layers_hidden(l, whole) ? -1 : io_open_beneath(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY);
		if (sub >= 0) {
			fd = places_folder(y, child);
			io_close(&fd);
			--*left;
			if (depth > 1)
				open_up(l, y, sub, child, depth - 1, left);
			else
				close(sub);
		}
		free(child);
		free(whole);
	}
	for (size_t i = 0; !strcmp(rel, ".") && i < sizeof DEEP / sizeof *DEEP; i++) {
		int deep = io_open_beneath(y->lower, DEEP[i], O_PATH | O_DIRECTORY);

		fd = deep >= 0 ? places_folder(y, DEEP[i]) : -1;
		io_close(&fd);
		io_close(&deep);
	}
	if (d)
		closedir(d);
	else
		close(lower);
}

int places_overlay(struct layers *l, const char *path, int lower, bool defaults, struct err *e)
{
	char *upper = layers_folder(l, "u"), *work = layers_folder(l, "w"), *target = NULL, *options = NULL;
	int dir = upper ? open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, from, rc = -1;
	unsigned left = OPEN_UP;
	struct layer *y;
	struct stat st;

	if (!upper || !work || dir < 0) {
		err_sys(e, "cannot make a writable layer");
		goto out;
	}
	from = openat(lower, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0 || fstat(from, &st)) {
		err_sys(e, "cannot open %s", err_q(path));
		goto out;
	}
	copy_attributes(from, dir);
	layers_add(l, path, true, dir, from);
	y = &l->layer[l->count - 1];
	if (!l->privileged && st.st_uid != geteuid()) {
		int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (again >= 0)
			open_up(l, y, again, ".", 2, &left);
	}
	if (prepare(l, y, defaults, e))
		goto drop;
	target = strcmp(path, "/") ? buf_printf("%s%s", l->merged, path) : buf_strdup(l->merged);
	options = buf_printf("lowerdir=/proc/self/fd/%d,upperdir=%s,workdir=%s,%s", from, upper, work,
			     l->privileged ? "redirect_dir=off,metacopy=off,index=off" : "userxattr");
	if (mount(l->device, target, "overlay", MS_NOSUID | MS_NODEV, options)) {
		err_sys(e, "cannot mount an overlay over %s", err_q(path));
		goto drop;
	}
	rc = 0;
	goto out;
drop:
	l->count--;
	free(l->layer[l->count].path);
	close(from);
	close(dir);
out:
	free(upper);
	free(work);
	free(target);
	free(options);
	return rc;
}

