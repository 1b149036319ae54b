/* Which processes the control groups list: another list than /proc's, kept elsewhere in the kernel. */
#include "host/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAP_DEPTH 16u
#define CAP_GROUPS 8192u
#define CAP_LISTED 65536u

struct list {
	pid_t *pid;
	size_t count;
	unsigned groups;
};

static void read_group(int dir, struct list *l)
{
	struct buf text = { 0 };
	const char *p;
	char *end;

	if (io_slurp_at(dir, "cgroup.procs", CAP_SLURP, &text) > 0)
		for (p = buf_str(&text); *p && l->count < CAP_LISTED; p = end + strspn(end, "\n")) {
			long v = strtol(p, &end, 10);

			if (end == p)
				break;
			/* 0: of a PID namespace that is not ours */
			if (v <= 0)
				continue;
			if (!(l->count & (l->count - 1)))
				l->pid = buf_realloc(l->pid, l->count ? l->count * 2 : 1, sizeof(*l->pid));
			l->pid[l->count++] = (pid_t)v;
		}
	buf_free(&text);
}

static void walk(int dir, struct list *l, unsigned depth)
{
	struct dirent *d;
	DIR *list;

	read_group(dir, l);
	l->groups++;
	if (!(list = fdopendir(dir))) {
		close(dir);
		return;
	}
	while (depth < CAP_DEPTH && l->groups < CAP_GROUPS && (d = readdir(list))) {
		int sub;

		if (d->d_type != DT_DIR || d->d_name[0] == '.')
			continue;
		sub = openat(dirfd(list), d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			walk(sub, l, depth + 1);
	}
	closedir(list);
}

size_t groups_listed(int groups, pid_t **list)
{
	/* the one hierarchy, or the old ones, of which each lists all processes */
	static const char *const tops[] = { ".", "unified", "systemd", "pids", "memory", "cpu" };
	struct list l = { 0 };
	char name[64];
	size_t i;

	for (i = 0; groups >= 0 && !l.count && i < sizeof(tops) / sizeof(*tops); i++) {
		int fd;

		snprintf(name, sizeof(name), "%s/cgroup.procs", tops[i]);
		if (faccessat(groups, name, R_OK, 0) < 0)
			continue;
		fd = openat(groups, tops[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			walk(fd, &l, 0);
	}
	*list = l.pid;
	return l.count;
}
