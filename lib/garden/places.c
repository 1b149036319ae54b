#include "garden/garden-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define COPY_FILE MIB            /* a larger file of /etc is a cache */
#define COPY_TOTAL (64 * MIB)
#define MOUNTS 4096u
#define OPEN_UP 5000u            /* folders prepared for the inner root of an unprivileged world */

/* ---- mount points ---- */

static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **places_mounts(const char *below)
{
	char **all = buf_alloc((MOUNTS + 1) * sizeof *all), *line, *rest;
	size_t count = 0, n = strcmp(below, "/") ? strlen(below) : 0;
	struct buf b = { 0 };

	if (io_slurp_at(AT_FDCWD, "/proc/self/mountinfo", CAP_SLURP, &b) <= 0) {
		buf_free(&b);
		return all;
	}
	for (line = strtok_r((char *)b.p, "\n", &rest); line && count < MOUNTS; line = strtok_r(NULL, "\n", &rest)) {
		char *field, *more, *path = NULL;
		int i = 0;

		for (field = strtok_r(line, " ", &more); field; field = strtok_r(NULL, " ", &more), i++)
			if (i == 4)
				path = field;
		if (!path)
			continue;
		unescape(path);
		if (!strncmp(path, below, n) && path[n] == '/' && path[n + 1] != '\0')
			all[count++] = buf_strdup(path);
	}
	buf_free(&b);
	qsort(all, count, sizeof *all, by_name);
	return all;
}

static bool mounts_below(int folder)
{
	char link[64], path[PATH_MAX], **all;
	ssize_t n;
	bool any;

	snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
	n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	all = places_mounts(path);
	any = all[0] != NULL;

	for (size_t i = 0; all[i]; i++)
		free(all[i]);
	free(all);
	return any;
}

bool places_disk(const char *mount_point)
{
	/* Those of linux/magic.h that keep a system's own files: ext, xfs, btrfs, f2fs, overlay, squashfs, erofs, zfs, bcachefs. */
	static const long DISK[] = { 0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0x794c7630, 0x73717368, 0xE0F5E1E2, 0x2fc12fc1,
		0xca451a4e };
	struct statfs s;

	if (statfs(mount_point, &s))
		return false;
	for (size_t i = 0; i < sizeof DISK / sizeof *DISK; i++)
		if ((long)s.f_type == DISK[i])
			return true;
	return false;
}

/* ---- attributes ---- */

static void copy_attributes(int from, int to)
{
	char list[4096], value[4096];
	struct stat st;
	ssize_t len, size;

	if (fstat(from, &st))
		return;
	/* Unprivileged, somebody else's file becomes the inner root's: that is wanted. */
	if (fchown(to, st.st_uid, st.st_gid))
		errno = 0;
	fchmod(to, st.st_mode & 07777);
	len = flistxattr(from, list, sizeof list);
	for (char *p = list; len > 0 && p < list + len; p += strlen(p) + 1) {
		if (strstr(p, ".overlay."))
			continue;
		size = fgetxattr(from, p, value, sizeof value);
		if (size >= 0 && fsetxattr(to, p, value, (size_t)size, 0))
			errno = 0;
	}
	futimens(to, (struct timespec[]){ st.st_atim, st.st_mtim });
}

/* The folder `rel` of the upper side, made with what is above it, each like its lower one. An open folder, or -1. */
static int upper_folder(const struct layer *y, const char *rel)
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
			lower = nodes_open(y->lower, path, O_RDONLY | O_DIRECTORY);
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
		return upper_folder(y, ".");
	parent = buf_printf("%.*s", (int)(slash - rel), rel);
	fd = upper_folder(y, parent);
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
		fd = upper_folder(y, rel);
		if (fd < 0)
			rc = err_sys(e, "cannot hide %s", err_q(rel));
		/* Kernels before 6.6 keep no user attributes on a tmpfs. */
		else if (fsetxattr(fd, l->privileged ? "trusted.overlay.opaque" : "user.overlay.opaque", "y", 1, 0))
			whiteout_children(nodes_open(y->lower, rel, O_RDONLY | O_DIRECTORY), fd);
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

static int finish(struct layers *l, const struct layer *y, bool defaults, struct err *e)
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
	return finish(l, y, defaults, e);
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
		sub = layers_hidden(l, whole) ? -1 : nodes_open(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY);
		if (sub >= 0) {
			fd = upper_folder(y, child);
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
		int deep = nodes_open(y->lower, DEEP[i], O_PATH | O_DIRECTORY);

		fd = deep >= 0 ? upper_folder(y, DEEP[i]) : -1;
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
	if (mount("muss-world", target, "overlay", MS_NOSUID | MS_NODEV, options)) {
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

/* ---- unprivileged: put together ---- */

static uint64_t copy_total;

static void copy_file(int from, const char *name, int to)
{
	int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), out;
	struct stat st;
	struct err ignored;
	uint64_t copied = 0;

	if (in < 0)
		return;
	if (fstat(in, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size <= COPY_FILE && copy_total < COPY_TOTAL) {
		out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (out >= 0) {
			if (io_copy(in, out, COPY_FILE, &copied, &ignored))
				msg_debug("%s was not copied into the world: %s", err_q(name), ignored.msg);
			copy_total += copied;
			copy_attributes(in, out);
			close(out);
		}
	}
	close(in);
}

static void copy_link(int from, const char *name, int to)
{
	char target[4096];
	ssize_t n = readlinkat(from, name, target, sizeof target - 1);

	if (n <= 0)
		return;
	target[n] = '\0';
	if (symlinkat(target, to, name))
		msg_debug("%s was not copied into the world", err_q(name));
}

static int copy_tree(const struct layers *l, int from, int to, const char *path, struct err *e)
{
	DIR *d = fdopendir(from);
	struct dirent *entry;
	int rc = 0;

	if (!d) {
		close(from);
		return 0;
	}
	while (rc == 0 && (entry = readdir(d))) {
		struct stat st;
		char *child;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		child = buf_printf("%s/%s", path, entry->d_name);
		if (S_ISDIR(st.st_mode) && mkdirat(to, entry->d_name, 0755) == 0) {
			int sub = nodes_open(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY);
			int made = openat(to, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (sub >= 0 && made >= 0 && !layers_hidden(l, child)) {
				rc = copy_tree(l, dup(sub), made, child, e);
				copy_attributes(sub, made);
			}
			io_close(&sub);
			io_close(&made);
		} else if (!layers_hidden(l, child)) {
			if (S_ISLNK(st.st_mode))
				copy_link(dirfd(d), entry->d_name, to);
			else if (S_ISREG(st.st_mode))
				copy_file(dirfd(d), entry->d_name, to);
		}
		free(child);
	}
	closedir(d);
	return rc;
}

static int compose_folder(struct layers *l, int from, const char *name, const char *path, int to, int depth, bool defaults, struct err *e)
{
	int sub = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), made, rc = 0;
	struct err why;
	struct stat st;

	if (mkdirat(to, name, 0755) && errno != EEXIST) {
		io_close(&sub);
		return err_sys(e, "cannot make %s in the world", err_q(path));
	}
	made = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0 || made < 0)
		goto out;   /* not for us to read: an empty one stands there */
	if (fstat(sub, &st) == 0)
		fchmod(made, st.st_mode & 07777);
	if (layers_hidden(l, path) || !strcmp(path, "/proc") || !strcmp(path, "/sys") || !strcmp(path, "/dev"))
		goto out;
	if (!strcmp(path, "/etc")) {
		rc = copy_tree(l, dup(sub), made, path, e);
	} else if (mounts_below(sub) || places_overlay(l, path, sub, defaults, &why)) {
		if (depth < 4)
			rc = places_compose(l, sub, path, depth + 1, defaults, e);
	}
out:
	io_close(&sub);
	io_close(&made);
	return rc;
}

int places_compose(struct layers *l, int lower, const char *path, int depth, bool defaults, struct err *e)
{
	char *base = NULL;
	int to = -1, rc = 0;
	bool top = !strcmp(path, "/");
	struct dirent *entry;
	DIR *d = NULL;

	if (top) {
		struct err why;

		if (!defaults && places_overlay(l, "/", lower, defaults, &why) == 0)
			return 0;
		base = layers_folder(l, "b");
		if (!base || mount(base, l->merged, NULL, MS_BIND, NULL))
			rc = err_sys(e, "cannot make the world's root");
		else
			layers_add(l, "/", false, open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC), -1);
	}
	/* By the plain tmpfs, not through mounts made on the world's root meanwhile: l->layer[0] is the base. */
	if (rc == 0) {
		int again = openat(lower, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		to = upper_folder(&l->layer[0], top ? "." : path + 1);
		d = again >= 0 ? fdopendir(again) : NULL;
		if (to < 0 || !d)
			rc = err_sys(e, "cannot read %s", err_q(path));
	}
	while (rc == 0 && (entry = readdir(d))) {
		struct stat st;
		char *child;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		child = buf_printf("%s/%s", top ? "" : path, entry->d_name);
		if (S_ISDIR(st.st_mode))
			rc = compose_folder(l, dirfd(d), entry->d_name, child, to, depth, defaults, e);
		else if (layers_hidden(l, child))
			;
		else if (S_ISLNK(st.st_mode))
			copy_link(dirfd(d), entry->d_name, to);
		else if (S_ISREG(st.st_mode))
			copy_file(dirfd(d), entry->d_name, to);
		free(child);
	}
	if (rc == 0 && top)
		rc = finish(l, &l->layer[0], defaults, e);
	if (d)
		closedir(d);
	io_close(&to);
	free(base);
	return rc;
}
