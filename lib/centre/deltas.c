#include "centre/parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME 96

/* The version in a name of the form "12.delta"; 0: another name. */
static uint64_t version_of(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits && digits < 19 && *name != '0' && !strcmp(name + digits, ".delta") ? strtoull(name, NULL, 10) : 0;
}

int deltas_newest(struct spool *s, const char *id, uint64_t *newest, struct err *e)
{
	char name[NAME];
	int fd;
	DIR *dir;
	const struct dirent *entry;

	*newest = 0;
	if (!spool_id_ok(id))
		return err_set(e, EX_NO, "no index id: %s", err_q(id));
	snprintf(name, sizeof(name), "deltas/%s", id);
	fd = openat(s->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || !(dir = fdopendir(fd))) {
		err_sys(e, "cannot read the deltas of index %s", id);
		io_close(&fd);
		return -1;
	}
	while ((entry = readdir(dir))) {
		uint64_t version = version_of(entry->d_name);

		*newest = version > *newest ? version : *newest;
	}
	closedir(dir);
	return 0;
}

int deltas_open(struct spool *s, const char *id, uint64_t from, int *fd, struct err *e)
{
	char name[NAME];
	uint64_t newest;

	if (deltas_newest(s, id, &newest, e) < 0)
		return -1;
	if (!newest)
		return err_set(e, EX_NO, "no deltas of index %s", id);
	if (from >= newest)
		return 0;
	snprintf(name, sizeof(name), "deltas/%s/%llu.delta", id, (unsigned long long)from + 1);
	*fd = openat(s->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (*fd >= 0)
		return 1;
	if (errno != ENOENT)
		return err_sys(e, "cannot read delta %llu of index %s", (unsigned long long)from + 1, id);
	return err_set(e, EX_DATAERR, "the delta from version %llu on is not kept here; the newest leads to version %llu",
		(unsigned long long)from, (unsigned long long)newest);
}
