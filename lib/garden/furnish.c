#include "garden/garden-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Contents of a machine's file, on from the descriptor's start. */
static int pour(const struct machine *m, const json_t *o, int to)
{
	unsigned char part[65536];
	const char *text = jsonio_str(o, "text");
	int64_t at = jsonio_int(o, "at", 0), left = jsonio_int(o, "size", 0);

	if (text)
		return io_write(to, text, strlen(text));
	while (left > 0) {
		ssize_t n = pread(m->contents, part, left < (int64_t)sizeof part ? (size_t)left : sizeof part, at);

		if (n <= 0 || io_write(to, part, (size_t)n))
			return -1;
		at += n;
		left -= n;
	}
	return 0;
}

/* An unprivileged world has one user, whose all files then are. */
static void own(int fd, const json_t *o)
{
	int64_t mtime = jsonio_int(o, "mtime", 0);

	if (fchown(fd, (uid_t)jsonio_int(o, "uid", 0), (gid_t)jsonio_int(o, "gid", 0)))
		errno = 0;
	fchmod(fd, (mode_t)jsonio_int(o, "mode", 0600) & 07777);
	futimens(fd, (struct timespec[]){ { .tv_sec = mtime }, { .tv_sec = mtime } });
}

static int lay_file(const struct machine *m, const json_t *o, int dir, const char *name)
{
	int fd;

	if (!jsonio_bool(o, "keep", true))
		unlinkat(dir, name, 0);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (pour(m, o, fd)) {
		close(fd);
		return -1;
	}
	own(fd, o);
	close(fd);
	return 0;
}

static int lay_folder(const json_t *o, int dir, const char *name)
{
	int fd;

	if (mkdirat(dir, name, 0700))
		return -1;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	own(fd, o);
	close(fd);
	return 0;
}

static int lay_link(const json_t *o, int dir, const char *name)
{
	int64_t mtime = jsonio_int(o, "mtime", 0);

	if (symlinkat(jsonio_str(o, "target"), dir, name))
		return -1;
	if (fchownat(dir, name, (uid_t)jsonio_int(o, "uid", 0), (gid_t)jsonio_int(o, "gid", 0), AT_SYMLINK_NOFOLLOW))
		errno = 0;
	return utimensat(dir, name, (struct timespec[]){ { .tv_sec = mtime }, { .tv_sec = mtime } }, AT_SYMLINK_NOFOLLOW);
}

/* Nothing runs in the world yet: a folder that was found is still there for the next of its files. */
struct place { char *folder; int fd; };

static int go_to(const struct layers *l, struct place *p, const char *path, struct err *e)
{
	size_t n = (size_t)(strrchr(path, '/') - path) + 1;

	if (p->fd >= 0 && strlen(p->folder) == n && !strncmp(p->folder, path, n))
		return p->fd;
	io_close(&p->fd);
	free(p->folder);
	p->folder = buf_printf("%.*s", (int)n, path);
	p->fd = files_parent(l->root, path, e);
	return p->fd;
}

static int lay(const struct layers *l, struct machine *m, struct place *p, json_t *o, struct err *e)
{
	const char *path = jsonio_str(o, "path"), *type = jsonio_str(o, "type");
	int dir, rc;

	if (!path || path[0] != '/' || !type || (*type == 'l' && !jsonio_str(o, "target")))
		return err_set(e, EX_SOFTWARE, "a machine's file without a path");
	dir = go_to(l, p, path, e);
	if (dir < 0) {
		rc = -1;
	} else {
		const char *name = strrchr(path, '/') + 1;

		rc = *type == 'd' ? lay_folder(o, dir, name) : *type == 'l' ? lay_link(o, dir, name) : lay_file(m, o, dir, name);
		if (rc == 0)
			json_object_set(m->laid, path, o);
		else if (errno != EEXIST)
			err_sys(e, "cannot put %s into the world", err_q(path));
		else
			rc = 0;
	}
	/* What belongs to the real root is not an ordinary user's to furnish. */
	if (rc && !l->privileged && e->code == EX_NOPERM) {
		msg_debug("%s", e->msg);
		err_clear(e);
		rc = 0;
	}
	return rc;
}

int furnish_lay(const struct layers *l, struct machine *m, struct err *e)
{
	json_t *files = json_object_get(m->plan, "files"), *o;
	size_t i;

	struct place p = { .fd = -1 };
	int rc = 0;

	m->laid = json_object();
	json_array_foreach(files, i, o)
		if ((rc = lay(l, m, &p, o, e)))
			break;
	io_close(&p.fd);
	free(p.folder);
	if (rc)
		return -1;
	/* What was put into a folder has made it younger. */
	json_array_foreach(files, i, o) {
		const char *path = jsonio_str(o, "path");
		int fd;

		if (*jsonio_str(o, "type") != 'd' || !json_object_get(m->laid, path))
			continue;
		fd = files_in_root(l->root, path, O_RDONLY | O_DIRECTORY, 0);
		if (fd >= 0)
			own(fd, o);
		io_close(&fd);
	}
	return 0;
}

bool furnish_has(const struct machine *m, const char *path)
{
	const json_t *o = m->laid ? json_object_get(m->laid, path) : NULL;

	return o && !strcmp(jsonio_str(o, "type"), "file");
}

int furnish_open(const struct machine *m, const char *path)
{
	const json_t *o = m->laid ? json_object_get(m->laid, path) : NULL;
	char link[64];
	int fd, in = -1;

	if (!furnish_has(m, path))
		return -1;
	fd = memfd_create("lived", MFD_CLOEXEC);
	if (fd >= 0 && pour(m, o, fd) == 0) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		in = open(link, O_RDONLY | O_CLOEXEC);
	}
	io_close(&fd);
	return in;
}
