#include "garden/garden-internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#define MOUNTS 4096u

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

char **mounts_list(const char *below)
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

bool mounts_below(int folder)
{
	char link[64], path[PATH_MAX], **all;
	ssize_t n;
	bool any;

	snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
	n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	all = mounts_list(path);
	any = all[0] != NULL;

	for (size_t i = 0; all[i]; i++)
		free(all[i]);
	free(all);
	return any;
}

bool mounts_disk(const char *mount_point)
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
