#include "host/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTENS "0A"          /* TCP_LISTEN, in the fourth word of a line */

/* The inode is the n'th word of each line but the first; of lines in that state only, when one is asked for. */
static void take_column(struct host *h, const char *file, unsigned column, const char *state, struct inodes *in)
{
	struct buf text = { 0 };
	char *line, *rest;

	if (io_slurp_at(h->proc, file, CAP_SLURP, &text) <= 0 || !(rest = strchr((char *)text.p, '\n')))
		goto out;
	rest++;
	while ((line = strsep(&rest, "\n")) && *line) {
		char *word;
		unsigned i = 0;

		while ((word = strsep(&line, " "))) {
			if (*word && ++i == 4 && state && strcmp(word, state))
				break;
			if (*word && i == column) {
				in->inode = buf_realloc(in->inode, in->count + 1, sizeof(*in->inode));
				in->inode[in->count++] = strtoull(word, NULL, 10);
				break;
			}
		}
	}
out:
	buf_free(&text);
}

static int by_inode(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void sockets_load(struct host *h)
{
	take_column(h, "net/raw", 10, NULL, &h->raw);
	take_column(h, "net/raw6", 10, NULL, &h->raw);
	take_column(h, "net/packet", 9, NULL, &h->raw);
	take_column(h, "net/tcp", 10, LISTENS, &h->listening);
	take_column(h, "net/tcp6", 10, LISTENS, &h->listening);
	if (h->raw.count)
		qsort(h->raw.inode, h->raw.count, sizeof(*h->raw.inode), by_inode);
	if (h->listening.count)
		qsort(h->listening.inode, h->listening.count, sizeof(*h->listening.inode), by_inode);
}

static uint64_t held(const struct proc *p, const struct inodes *in)
{
	struct dirent *d;
	uint64_t found = 0;
	DIR *dir;
	int fd;

	if (!in->count)
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
		if (bsearch(&inode, in->inode, in->count, sizeof(inode), by_inode))
			found = inode;
	}
	closedir(dir);
	return found;
}

uint64_t sockets_raw(const struct host *h, const struct proc *p)
{
	return held(p, &h->raw);
}

uint64_t sockets_listening(const struct host *h, const struct proc *p)
{
	return held(p, &h->listening);
}
