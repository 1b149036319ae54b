#include "casefile/internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK ((size_t)128 << 10)

struct sink {
	int fd;
	bool failed;
	struct err io;
};

static la_ssize_t sink_put(struct archive *a, void *arg, const void *p, size_t n)
{
	struct sink *s = arg;

	(void)a;
	/* As in caseout.c: libarchive is not told. */
	if (s->failed || io_write(s->fd, p, n) == 0)
		return (la_ssize_t)n;
	err_sys(&s->io, "cannot write the compressed body");
	s->io.code = EX_IOERR;
	s->failed = true;
	return (la_ssize_t)n;
}

int squeeze_fd(int in, int out, struct err *e)
{
	struct sink sink = { .fd = out };
	struct archive *a = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	unsigned char *chunk = buf_alloc(CHUNK);
	ssize_t n;
	int rc = -1;

	/* raw knows no size and keeps no name: one regular entry is all it wants. */
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_pathname(entry, "body");
	if (!a || archive_write_set_format_raw(a) != ARCHIVE_OK || archive_write_add_filter_zstd(a) != ARCHIVE_OK ||
	    archive_write_set_bytes_per_block(a, 0) != ARCHIVE_OK ||
	    archive_write_open(a, &sink, NULL, sink_put, NULL) != ARCHIVE_OK || archive_write_header(a, entry) != ARCHIVE_OK) {
		err_set(e, EX_SOFTWARE, "libarchive lacks zstd");
		goto out;
	}
	while ((n = io_read(in, chunk, CHUNK)) > 0)
		if (archive_write_data(a, chunk, (size_t)n) != n || sink.failed)
			goto fault;
	if (n < 0) {
		err_sys(e, "cannot read the body");
		goto out;
	}
	if (archive_write_close(a) != ARCHIVE_OK || sink.failed)
		goto fault;
	rc = 0;
	goto out;
fault:
	if (sink.failed)
		*e = sink.io;
	else
		err_set(e, EX_SOFTWARE, "cannot compress: %s", archive_error_string(a) ? err_q(archive_error_string(a)) : "unknown");
out:
	sink.failed = sink.failed || rc;   /* freeing it would write the end */
	if (a)
		archive_write_free(a);
	archive_entry_free(entry);
	free(chunk);
	return rc;
}

int unsqueeze_fd(int in, int out, uint64_t cap, struct err *e)
{
	struct rawin *r = rawin_open(in, e);
	uint64_t total = 0;
	const void *p;
	ssize_t n;
	int rc = -1;

	if (!r)
		return -1;
	if (!rawin_zstd(r)) {
		err_set(e, EX_DATAERR, "no zstd stream");
		goto out;
	}
	while ((n = rawin_block(r, &p, e)) > 0) {
		if ((uint64_t)n > cap - total) {
			err_set(e, EX_DATAERR, "longer than %llu bytes", (unsigned long long)cap);
			goto out;
		}
		total += (uint64_t)n;
		if (io_write(out, p, (size_t)n)) {
			err_sys(e, "cannot write the body");
			goto out;
		}
	}
	rc = (int)n;
out:
	rawin_close(r);
	return rc;
}
