#include "host/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The inode is the n'th word of each line but the first. */
static void take_column(struct host *h, const char *file, unsigned column)
{
	struct buf text = { 0 };
	char *line, *rest;

	if (io_slurp_at(h->proc, file, CAP_SLURP, &text) <= 0 || !(rest = strchr((char *)text.p, '\n')))
		goto out;
	rest++;
	while ((line = strsep(&rest, "\n")) && *line) {
		char *word;
		unsigned i = 0;

		while ((word = strsep(&line, " ")))
			if (*word && ++i == column) {
				h->raw = buf_realloc(h->raw, h->raws + 1, sizeof(*h->raw));
				h->raw[h->raws++] = strtoull(word, NULL, 10);
				break;
			}
	}
out:
	buf_free(&text);
}

void sockets_load(struct host *h)
{
	take_column(h, "net/raw", 10);
	take_column(h, "net/raw6", 10);
	take_column(h, "net/packet", 9);
}

uint64_t sockets_raw(const struct host *h, const struct proc *p)
{
	struct dirent *d;
	uint64_t found = 0;
	DIR *dir;
	int fd;
	size_t i;

	if (!h->raws)
		return 0;
	fd = openat(p->dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return 0;
	}
	while (!found && (d = readdir(dir))) {
		char link[64];
		ssize_t n = readlinkat(fd, d->d_name, link, sizeof(link) - 1);
		uint64_t inode;

		if (n < 9 || strncmp(link, "socket:[", 8))
			continue;
		link[n] = '\0';
		inode = strtoull(link + 8, NULL, 10);
		for (i = 0; i < h->raws; i++)
			if (h->raw[i] == inode)
				found = inode;
	}
	closedir(dir);
	return found;
}
