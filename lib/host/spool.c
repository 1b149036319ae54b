#include "host/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct spool {
	int fd;
	uint64_t used;
};

struct spool *spool_new(void)
{
	struct spool *s = buf_alloc(sizeof(*s));

	s->fd = -1;
	return s;
}

int spool_begin(struct spool *s, uint64_t size, int64_t *offset, struct err *e)
{
	if (s->fd < 0) {
		s->fd = io_tmp(e);
		if (s->fd < 0)
			return -1;
	}
	if (size > CAP_DUMPS || s->used + size > CAP_DUMPS)
		return err_set(e, EX_IOERR, "the dumped memory takes more than %llu bytes", (unsigned long long)CAP_DUMPS);
	if (ftruncate(s->fd, (off_t)(s->used + size)) < 0)
		return err_sys(e, "cannot make room for dumped memory");
	*offset = (int64_t)s->used;
	s->used += size;
	return 0;
}

int spool_put(struct spool *s, int64_t offset, const void *p, size_t n, struct err *e)
{
	const unsigned char *c = p;

	while (n) {
		ssize_t w = pwrite(s->fd, c, n, offset);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return err_sys(e, "cannot keep dumped memory");
		c += w;
		n -= (size_t)w;
		offset += w;
	}
	return 0;
}

void spool_take_back(struct spool *s, int64_t offset)
{
	s->used = (uint64_t)offset;
	/* what stays beyond is cut, so that a later gap there reads as zeros */
	if (ftruncate(s->fd, offset) < 0)
		return;
}

int spool_fd(const struct spool *s)
{
	return s->fd;
}

uint64_t spool_used(const struct spool *s)
{
	return s->used;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	io_close(&s->fd);
	free(s);
}
