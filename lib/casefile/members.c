/* members: the files of an archive in memory. The archive may be hostile: called in a confined helper alone. */
#include "casefile/internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

struct members {
	struct archive *a;
	bool seeks;               /* its table is at the end: how much was read tells nothing */
	char block[65536];
};

static const struct { const char *name; int (*support)(struct archive *); bool seeks; } formats[] = {
	{ "tar", archive_read_support_format_tar, false }, { "cpio", archive_read_support_format_cpio, false },
	{ "zip", archive_read_support_format_zip, true }, { "ar", archive_read_support_format_ar, false },
	{ "7zip", archive_read_support_format_7zip, true }, { "cab", archive_read_support_format_cab, false },
	{ "rar", archive_read_support_format_rar, true }, { "rar", archive_read_support_format_rar5, true },
};

static int damaged(const struct members *m, struct err *e)
{
	const char *why = archive_error_string(m->a);

	return err_set(e, EX_DATAERR, "damaged archive: %s", err_q(why ? why : "unknown"));
}

struct members *members_open(const char *format, const void *p, size_t n, struct err *e)
{
	struct members *m = buf_alloc(sizeof(*m));
	size_t i, supported = 0;

	m->a = archive_read_new();
	for (i = 0; m->a && i < sizeof(formats) / sizeof(*formats); i++)
		if (!strcmp(formats[i].name, format) && formats[i].support(m->a) == ARCHIVE_OK) {
			m->seeks = formats[i].seeks;
			supported++;
		}
	if (!supported)
		err_set(e, EX_SOFTWARE, "libarchive lacks the format '%s'", format);
	else if (archive_read_open_memory(m->a, p, n) == ARCHIVE_OK)
		return m;
	else
		damaged(m, e);
	members_close(m);
	return NULL;
}

int members_next(struct members *m, const char **name, struct err *e)
{
	struct archive_entry *entry;
	int rc;

	do {
		rc = archive_read_next_header(m->a, &entry);
		if (rc == ARCHIVE_EOF)
			return 0;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return damaged(m, e);
	} while (archive_entry_filetype(entry) != AE_IFREG && archive_entry_filetype(entry) != 0);
	*name = archive_entry_pathname(entry);
	return 1;
}

ssize_t members_read(struct members *m, const void **p, struct err *e)
{
	la_ssize_t n = archive_read_data(m->a, m->block, sizeof(m->block));

	*p = m->block;
	return n >= 0 ? (ssize_t)n : damaged(m, e);
}

size_t members_used(const struct members *m)
{
	la_int64_t n = m->seeks ? 0 : archive_filter_bytes(m->a, -1);

	return n > 0 ? (size_t)n : 0;
}

void members_close(struct members *m)
{
	if (!m)
		return;
	if (m->a)
		archive_read_free(m->a);
	free(m);
}
