#include "host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define DELETED " (deleted)"

/* 1: the same file, 0: another one, -1: nothing. In our own root first: /proc tells paths as the reader sees them. */
static int names_it(const struct host *h, const struct proc *p, const char *path, const struct stat *st)
{
	struct stat now;
	int fd, same = -1;

	/* a process of another mount namespace can still run what it brought from ours */
	if (rooted_enter(h->root, path)) {
		if (!fstatat(h->root, path, &now, 0))
			same = now.st_dev == st->st_dev && now.st_ino == st->st_ino;
		watch_leave();
		if (same == 1)
			return 1;
		if (p->foreign)
			same = -1;
	}
	path = roots_inner(p->root, path);
	fd = openat(p->dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		int file = rooted_open(fd, path, O_PATH);

		close(fd);
		if (file >= 0) {
			if (!reading_stat(file, &now))
				same = now.st_dev == st->st_dev && now.st_ino == st->st_ino;
			close(file);
		}
	}
	return same;
}

enum mapped_where mapped_where(const struct host *h, const struct proc *p, const char *link, const struct stat *st, char *path)
{
	size_t n = strlen(link), k = strlen(DELETED);
	bool deleted = n > k && !strcmp(link + n - k, DELETED);
	int same;

	snprintf(path, PATH_MAX, "%s", link);
	if (deleted && !strncmp(link, "/memfd:", 7) && !st->st_nlink) {
		path[n - k] = '\0';
		return MAPPED_MEMFD;
	}
	if (path[0] != '/')
		return MAPPED_ELSEWHERE;
	same = names_it(h, p, path, st);
	if (same == 1)
		return MAPPED_HERE;
	if (!deleted)
		return same == 0 ? MAPPED_REPLACED : MAPPED_ELSEWHERE;
	path[n - k] = '\0';
	same = names_it(h, p, path, st);
	return same == 1 ? MAPPED_HERE : same == 0 ? MAPPED_REPLACED : MAPPED_GONE;
}

bool mapped_same_bytes(struct host *h, const struct proc *p, const char *path, const struct piece *piece)
{
	char sha256[DIGEST_HEX];
	struct stat st;
	int fd = proc_open_path(p, path);
	bool same = fd >= 0 && !reading_stat(fd, &st) && S_ISREG(st.st_mode) && (uint64_t)st.st_size == piece->size
		&& !reading_digest(h, fd, &st, sha256, NULL) && !strcmp(sha256, piece->sha256);

	io_close(&fd);
	return same;
}

/* mountinfo's lines begin with the mount's number. 1, 0; -1: it cannot be read. */
static int lists_mount(int dir, const char *file, uint64_t id)
{
	struct buf text = { 0 };
	const char *p;
	int found = io_slurp_at(dir, file, CAP_SLURP, &text) < 0 ? -1 : 0;

	for (p = buf_str(&text); !found && *p; p += strcspn(p, "\n"), p += *p == '\n')
		found = strtoull(p, NULL, 10) == id;
	buf_free(&text);
	return found;
}

/* Any mount namespace that a process is in; each is asked once. */
static bool mounted_somewhere(const struct host *h, uint64_t id)
{
	enum { MOST = 256 };
	ino_t asked[MOST];
	pid_t *list;
	size_t n = pids_listed(h->proc, &list), i, k, count = 0;
	bool found = false;

	for (i = 0; !found && i < n && count < MOST; i++) {
		char name[32];
		struct stat st;

		snprintf(name, sizeof(name), "%d/ns/mnt", (int)list[i]);
		if (fstatat(h->proc, name, &st, 0) < 0)
			continue;
		for (k = 0; k < count && asked[k] != st.st_ino; k++)
			;
		if (k < count)
			continue;
		asked[count++] = st.st_ino;
		snprintf(name, sizeof(name), "%d/mountinfo", (int)list[i]);
		found = lists_mount(h->proc, name, id) == 1;
	}
	free(list);
	return found || count == MOST;
}

bool mapped_detached(const struct host *h, const struct proc *p, int fd)
{
	struct statx stx;

	/* without root, other namespaces' mounts cannot be told from none's */
	if (geteuid() || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0 || !(stx.stx_mask & STATX_MNT_ID))
		return false;
	return !lists_mount(p->dir, "mountinfo", stx.stx_mnt_id) && !lists_mount(h->proc, "self/mountinfo", stx.stx_mnt_id)
		&& !mounted_somewhere(h, stx.stx_mnt_id);
}

/* Without the right to follow map_files: is this open file what is mapped there? The inode's number says so, or, where a
 * layered file system shows two numbers for one file, its first mapped page, where that is in memory. */
static bool is_mapped(const struct proc *p, const struct map *m, int fd)
{
	unsigned char ours[512], theirs[512];
	struct stat st;
	ssize_t n;
	int mem;
	bool same;

	if (reading_stat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	if (st.st_ino == m->inode)
		return true;
	n = pread(fd, ours, sizeof(ours), (off_t)m->offset);
	mem = openat(p->dir, "mem", O_RDONLY | O_CLOEXEC);
	if (mem < 0)
		return false;
	same = n > 0 && pagemap_all(p->dir, m->start, m->start + (uint64_t)n) && pread(mem, theirs, (size_t)n, (off_t)m->start) == n && !memcmp(ours, theirs, (size_t)n);
	close(mem);
	return same;
}

/* Of that process: what hangs may be its memory rather than the file. */
static int open_link(const struct proc *p, const char *name, dev_t dev, uint64_t inode, const char *told)
{
	const uint64_t id[4] = { dev, inode, (uint64_t)p->pid, p->start };
	int fd;

	if (mounts_dead_dev(dev) || !watch_enter(watch_id((uint64_t)*name, id, sizeof(id)), dev, told)) {
		errno = ETIMEDOUT;
		return -1;
	}
	fd = openat(p->dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	watch_leave();
	return fd;
}

/* Its device is learned first, without asking the file system. */
int mapped_open_exe(const struct proc *p, const char *link)
{
	int fd = openat(p->dir, "exe", O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return -1;
	if (reading_stat(fd, &st) < 0)
		memset(&st, 0, sizeof(st));
	close(fd);
	return open_link(p, "exe", st.st_dev, st.st_ino, link);
}

int mapped_open(const struct proc *p, const struct map *m)
{
	char name[64];
	int fd, why;

	snprintf(name, sizeof(name), "map_files/%llx-%llx", (unsigned long long)m->start, (unsigned long long)m->end);
	fd = open_link(p, name, makedev(m->major, m->minor), m->inode, m->path);
	if (fd >= 0 || errno == ETIMEDOUT)
		return fd;
	why = errno;
	fd = mapped_open_exe(p, m->path);
	if (fd >= 0 && is_mapped(p, m, fd))
		return fd;
	io_close(&fd);
	if (m->path[0] == '/')
		fd = proc_open_path(p, m->path);
	if (fd >= 0 && !is_mapped(p, m, fd))
		io_close(&fd);
	errno = why;
	return fd;
}
