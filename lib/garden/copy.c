#include "garden/garden-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define COPY_FILE MIB            /* a larger file of /etc is a cache */
#define COPY_TOTAL (64 * MIB)

void copy_attributes(int from, int to)
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

static uint64_t total;

void copy_file(int from, const char *name, int to)
{
	int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), out;
	struct stat st;
	struct err ignored;
	uint64_t copied = 0;

	if (in < 0)
		return;
	if (fstat(in, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size <= COPY_FILE && total < COPY_TOTAL) {
		out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (out >= 0) {
			if (io_copy(in, out, COPY_FILE, &copied, &ignored))
				msg_debug("%s was not copied into the world: %s", err_q(name), ignored.msg);
			total += copied;
			copy_attributes(in, out);
			close(out);
		}
	}
	close(in);
}

void copy_link(int from, const char *name, int to)
{
	char target[4096];
	ssize_t n = readlinkat(from, name, target, sizeof target - 1);

	if (n <= 0)
		return;
	target[n] = '\0';
	if (symlinkat(target, to, name))
		msg_debug("%s was not copied into the world", err_q(name));
}

int copy_tree(const struct layers *l, int from, int to, const char *path, struct err *e)
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
			int sub = io_open_beneath(dirfd(d), entry->d_name, O_RDONLY | O_DIRECTORY);
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

