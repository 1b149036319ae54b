/* unroll: the bytes of a compressed stream in memory. The stream may be hostile: called in a confined helper alone. */
#include "casefile/internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

struct unroll {
	struct archive *a;
	struct archive_entry *entry;
};

/* Where the library lacks a compression it would run a program for it: ARCHIVE_WARN. Such a stream stays unread. */
static int take_filters(struct archive *a)
{
	int (*const filter[])(struct archive *) = {
		archive_read_support_filter_gzip, archive_read_support_filter_bzip2, archive_read_support_filter_xz,
		archive_read_support_filter_lzma, archive_read_support_filter_lz4, archive_read_support_filter_zstd,
	};
	size_t i;

	for (i = 0; i < sizeof(filter) / sizeof(*filter); i++)
		if (filter[i](a) != ARCHIVE_OK)
			return ARCHIVE_FATAL;
	return ARCHIVE_OK;
}

static int damaged(const struct unroll *u, struct err *e)
{
	const char *why = archive_error_string(u->a);

	return err_set(e, EX_DATAERR, "damaged compressed stream: %s", err_q(why ? why : "unknown"));
}

/* Of what was begun with these filters; NULL: rc is that of setting them, or the stream is none of theirs. */
static struct unroll *begin(struct unroll *u, int rc, const void *p, size_t n, struct err *e)
{
	if (rc != ARCHIVE_OK || archive_read_support_format_raw(u->a) != ARCHIVE_OK)
		err_set(e, EX_SOFTWARE, "libarchive lacks a compression");
	else if (archive_read_open_memory(u->a, p, n) == ARCHIVE_OK && archive_read_next_header(u->a, &u->entry) == ARCHIVE_OK)
		return u;
	else
		damaged(u, e);
	unroll_close(u);
	return NULL;
}

static struct unroll *new_unroll(void)
{
	struct unroll *u = buf_alloc(sizeof(*u));

	u->a = archive_read_new();
	return u;
}

struct unroll *unroll_open(const void *p, size_t n, struct err *e)
{
	struct unroll *u = new_unroll();

	u = begin(u, u->a ? take_filters(u->a) : ARCHIVE_FATAL, p, n, e);
	if (!u || archive_filter_count(u->a) == 2)
		return u;
	err_set(e, EX_DATAERR, archive_filter_count(u->a) > 2 ? "compressed more than once" : "in no compression that is known");
	unroll_close(u);
	return NULL;
}

struct unroll *unroll_as(const char *compression, const void *p, size_t n, struct err *e)
{
	static const struct { const char *name; int filter; } known[] = {
		{ "gzip", ARCHIVE_FILTER_GZIP }, { "bzip2", ARCHIVE_FILTER_BZIP2 }, { "xz", ARCHIVE_FILTER_XZ }, { "lzma", ARCHIVE_FILTER_LZMA },
		{ "lz4", ARCHIVE_FILTER_LZ4 }, { "zstd", ARCHIVE_FILTER_ZSTD },
	};
	struct unroll *u = new_unroll();
	int rc = ARCHIVE_FATAL;

	for (size_t i = 0; u->a && i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(known[i].name, compression))
			rc = archive_read_append_filter(u->a, known[i].filter);
	return begin(u, rc, p, n, e);
}

ssize_t unroll_block(struct unroll *u, const void **p, struct err *e)
{
	la_int64_t at;
	size_t n = 0;
	int rc;

	do
		rc = archive_read_data_block(u->a, p, &n, &at);
	while (rc == ARCHIVE_OK && !n);
	if (rc == ARCHIVE_EOF)
		return 0;
	return rc == ARCHIVE_OK ? (ssize_t)n : damaged(u, e);
}

size_t unroll_used(const struct unroll *u)
{
	la_int64_t n = archive_filter_bytes(u->a, -1);

	return n > 0 ? (size_t)n : 0;
}

void unroll_close(struct unroll *u)
{
	if (!u)
		return;
	if (u->a)
		archive_read_free(u->a);
	free(u);
}
