#include "casefile/internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Large enough that system calls do not count, small enough for the processor's cache. */
#define CHUNK ((size_t)256 << 10)
#define CHUNKS 8

struct rawin {
	int fd;
	struct archive *a;
	bool zstd, empty, failed;
	struct err io;            /* when failed: what the system said */
	rawin_reuse_fn *reuse;
	void *reuse_arg;
	unsigned turn;
	unsigned char *chunk[CHUNKS];   /* each made when its turn comes first */
};

static la_ssize_t rawin_fill(struct archive *a, void *arg, const void **p)
{
	struct rawin *r = arg;
	unsigned char **slot = &r->chunk[r->turn++ % CHUNKS], *chunk;
	ssize_t n;

	(void)a;
	if (!*slot)
		*slot = buf_alloc(CHUNK);
	chunk = *slot;
	if (r->reuse)
		r->reuse(r->reuse_arg, chunk, CHUNK);
	do
		n = read(r->fd, chunk, CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		err_sys(&r->io, "cannot read the case");
		r->failed = true;
		return -1;
	}
	*p = chunk;
	return n;
}

static int rawin_error(const struct rawin *r, struct err *e)
{
	const char *why = archive_error_string(r->a);

	if (r->failed) {
		*e = r->io;
		return -1;
	}
	return err_set(e, EX_DATAERR, "damaged zstd stream: %s", err_q(why ? why : "unknown"));
}

struct rawin *rawin_open(int fd, struct err *e)
{
	struct rawin *r = buf_alloc(sizeof *r);
	struct archive_entry *entry;
	int rc;

	r->fd = fd;
	fcntl(fd, F_SETPIPE_SZ, 1 << 20);   /* fails on what is no pipe */
	r->a = archive_read_new();
	if (!r->a || archive_read_support_filter_zstd(r->a) != ARCHIVE_OK || archive_read_support_format_raw(r->a) != ARCHIVE_OK ||
	    archive_read_support_format_empty(r->a) != ARCHIVE_OK) {
		err_set(e, EX_SOFTWARE, "libarchive lacks zstd");
		goto err;
	}
	rc = archive_read_open(r->a, r, NULL, rawin_fill, NULL);
	if (rc == ARCHIVE_OK)
		rc = archive_read_next_header(r->a, &entry);
	if (rc != ARCHIVE_OK && rc != ARCHIVE_EOF) {
		rawin_error(r, e);
		goto err;
	}
	r->empty = rc == ARCHIVE_EOF;
	r->zstd = archive_filter_code(r->a, 0) == ARCHIVE_FILTER_ZSTD;
	if (archive_filter_count(r->a) > 2) {
		err_set(e, EX_DATAERR, "compressed more than once");
		goto err;
	}
	return r;
err:
	rawin_close(r);
	return NULL;
}

bool rawin_zstd(const struct rawin *r)
{
	return r->zstd;
}

bool rawin_empty(const struct rawin *r)
{
	return r->empty;
}

ssize_t rawin_block(struct rawin *r, const void **p, struct err *e)
{
	la_int64_t at;
	size_t n = 0;

	if (r->empty)
		return 0;
	while (n == 0) {
		int rc = archive_read_data_block(r->a, p, &n, &at);

		if (rc == ARCHIVE_EOF)
			return 0;
		if (rc != ARCHIVE_OK || r->failed)
			return rawin_error(r, e);
	}
	return (ssize_t)n;
}

bool rawin_stays(const struct rawin *r, const void *p)
{
	uintptr_t at = (uintptr_t)p;

	for (size_t i = 0; i < CHUNKS && r->chunk[i]; i++)
		if (at >= (uintptr_t)r->chunk[i] && at < (uintptr_t)r->chunk[i] + CHUNK)
			return true;
	return false;
}

void rawin_on_reuse(struct rawin *r, rawin_reuse_fn *reuse, void *arg)
{
	r->reuse = reuse;
	r->reuse_arg = arg;
}

void rawin_close(struct rawin *r)
{
	if (!r)
		return;
	archive_read_free(r->a);
	for (size_t i = 0; i < CHUNKS; i++)
		free(r->chunk[i]);
	free(r);
}
