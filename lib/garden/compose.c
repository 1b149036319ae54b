#include "garden/garden-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

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
			rc = compose_root(l, sub, path, depth + 1, defaults, e);
	}
out:
	io_close(&sub);
	io_close(&made);
	return rc;
}

int compose_root(struct layers *l, int lower, const char *path, int depth, bool defaults, struct err *e)
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

		to = places_folder(&l->layer[0], top ? "." : path + 1);
		d = again >= 0 ? fdopendir(again) : NULL;
		if (to < 0 || !d)
			rc = err_sys(e, "cannot read %s", err_q(path));
	}
	while (rc == 0 && d && (entry = readdir(d))) {
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
		rc = places_finish(l, &l->layer[0], defaults, e);
	if (d)
		closedir(d);
	io_close(&to);
	free(base);
	return rc;
}
