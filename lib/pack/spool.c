#include "pack/spool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK ((size_t)128 << 10)

int spool_open(struct spool *s, struct err *e)
{
	*s = (struct spool){ .fd = -1, .plain = -1, .squeezed = -1 };
	if ((s->fd = io_tmp(e)) < 0 || (s->plain = io_tmp(e)) < 0 || (s->squeezed = io_tmp(e)) < 0) {
		spool_close(s);
		return -1;
	}
	return 0;
}

static void forget(struct spool *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i].name);
	s->count = 0;
}

void spool_close(struct spool *s)
{
	forget(s);
	free(s->items);
	s->items = NULL;
	io_close(&s->fd);
	io_close(&s->plain);
	io_close(&s->squeezed);
}

static int spool_error(struct err *e)
{
	return err_sys(e, "cannot use a temporary file");
}

int spool_rewind(int fd, bool empty, struct err *e)
{
	if (lseek(fd, 0, SEEK_SET) < 0 || (empty && ftruncate(fd, 0) < 0))
		return spool_error(e);
	return 0;
}

int spool_begin(struct spool *s, const char *name, unsigned mode, struct err *e)
{
	off_t at = lseek(s->fd, 0, SEEK_CUR);

	if (at < 0)
		return spool_error(e);
	if (s->count == s->room) {
		s->room = s->room ? 2 * s->room : 16;
		s->items = buf_realloc(s->items, s->room, sizeof(*s->items));
	}
	s->items[s->count++] = (struct spool_item){ .name = buf_strdup(name), .mode = mode, .at = (uint64_t)at };
	return 0;
}

int spool_end(struct spool *s, struct err *e)
{
	struct spool_item *i = &s->items[s->count - 1];
	off_t end = lseek(s->fd, 0, SEEK_CUR);

	if (end < 0)
		return spool_error(e);
	i->size = (uint64_t)end - i->at;
	return 0;
}

int spool_drop(struct spool *s, struct err *e)
{
	struct spool_item *i = &s->items[--s->count];

	free(i->name);
	if (lseek(s->fd, (off_t)i->at, SEEK_SET) < 0 || ftruncate(s->fd, (off_t)i->at) < 0)
		return spool_error(e);
	return 0;
}

bool spool_has(const struct spool *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->items[i].name, name))
			return true;
	return false;
}

/* Runs over the bytes of one item: into a digest, or into the case. */
static int walk(const struct spool *s, const struct spool_item *i, struct digest *d, struct caseout *out, struct err *e)
{
	unsigned char *chunk = buf_alloc(CHUNK);
	uint64_t at = i->at, left = i->size;
	int rc = 0;

	while (left && rc == 0) {
		ssize_t n = pread(s->fd, chunk, left < CHUNK ? (size_t)left : CHUNK, (off_t)at);

		if (n <= 0) {
			rc = spool_error(e);
			break;
		}
		if (d)
			digest_add(d, chunk, (size_t)n);
		if (out)
			rc = caseout_write(out, chunk, (size_t)n, e);
		at += (uint64_t)n;
		left -= (uint64_t)n;
	}
	free(chunk);
	return rc;
}

int spool_digest(const struct spool *s, char hex[DIGEST_HEX], struct err *e)
{
	struct digest *d = digest_new();
	int rc = walk(s, &s->items[s->count - 1], d, NULL, e);

	digest_end(d, hex);
	digest_free(d);
	return rc;
}

int spool_flush(struct spool *s, const char *sha256, struct caseout *out, struct err *e)
{
	for (size_t i = 0; out && i < s->count; i++) {
		char *path = buf_printf("code/%s/%s", sha256, s->items[i].name);
		int rc = caseout_begin(out, path, s->items[i].mode, s->items[i].size, e) < 0 ||
			 walk(s, &s->items[i], NULL, out, e) < 0 || caseout_end(out, e) < 0 ? -1 : 0;

		free(path);
		if (rc < 0)
			return -1;
	}
	forget(s);
	return spool_rewind(s->fd, true, e);
}
