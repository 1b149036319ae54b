#include "casefile/internal.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL ((size_t)64 << 10)    /* headers and small members are gathered, large writes go straight on */
#define CHUNK ((size_t)128 << 10)

struct caseout {
	int fd;
	struct archive *tar;
	struct archive_entry *entry;
	struct order *order;
	struct digest *digest;
	struct member m;
	char path[CAP_PATH + 1];
	bool open;
	bool failed, aborted;     /* nothing is written any more */
	struct err io;            /* when failed */
	uint64_t at;
	int64_t time;             /* for the next member */
	struct buf manifest;
	size_t held;
	unsigned char small[SMALL];
};

static int caseout_flush(struct caseout *out)
{
	if (out->held && io_write(out->fd, out->small, out->held))
		return -1;
	out->held = 0;
	return 0;
}

static la_ssize_t caseout_put(struct archive *a, void *arg, const void *p, size_t n)
{
	struct caseout *out = arg;

	(void)a;
	/* Told of an error, libarchive would lose memory of its own; so it is not, and each of our calls looks at failed. */
	if (out->failed || out->aborted)
		return (la_ssize_t)n;
	if (n > SMALL - out->held && caseout_flush(out))
		goto err;
	if (n >= SMALL / 2) {
		if (caseout_flush(out) || io_write(out->fd, p, n))
			goto err;
	} else {
		memcpy(out->small + out->held, p, n);
		out->held += n;
	}
	return (la_ssize_t)n;
err:
	err_sys(&out->io, "cannot write the case");
	out->failed = true;
	return (la_ssize_t)n;
}

static int caseout_fault(const struct caseout *out, struct err *e)
{
	const char *why = archive_error_string(out->tar);

	if (out->failed) {
		*e = out->io;
		/* Whatever the reason, the place to write to is at fault. */
		e->code = EX_IOERR;
		return -1;
	}
	return err_set(e, EX_SOFTWARE, "cannot write %s: %s", err_q(out->path), err_q(why ? why : "unknown"));
}

struct caseout *caseout_open(int fd, bool zstd, struct err *e)
{
	struct caseout *out = buf_alloc(sizeof *out);

	out->fd = fd;
	out->order = order_new();
	out->digest = digest_new();
	out->entry = archive_entry_new();
	out->tar = archive_write_new();
	if (!out->tar || !out->entry || archive_write_set_format_pax_restricted(out->tar) != ARCHIVE_OK ||
	    (zstd && archive_write_add_filter_zstd(out->tar) != ARCHIVE_OK) ||
	    archive_write_set_bytes_per_block(out->tar, 0) != ARCHIVE_OK) {
		err_set(e, EX_SOFTWARE, "libarchive lacks pax or zstd");
		goto err;
	}
	if (archive_write_open(out->tar, out, NULL, caseout_put, NULL) != ARCHIVE_OK) {
		caseout_fault(out, e);
		goto err;
	}
	return out;
err:
	caseout_abort(out);
	return NULL;
}

int caseout_begin(struct caseout *out, const char *path, unsigned mode, uint64_t size, struct err *e)
{
	struct member m;

	if (out->open)
		return err_set(e, EX_SOFTWARE, "member %s: begun before the end of %s", err_q(path), err_q(out->path));
	if (schema_classify(path, &m, e))
		return -1;
	m.size = size;
	if (order_add(out->order, &m, e))
		return -1;
	memcpy(out->path, path, strlen(path) + 1);   /* no longer than CAP_PATH: it was classified */
	m.name = out->path + (m.name - path);
	m.path = out->path;
	out->m = m;
	archive_entry_clear(out->entry);
	archive_entry_set_pathname(out->entry, out->path);
	archive_entry_set_filetype(out->entry, AE_IFREG);
	archive_entry_set_perm(out->entry, schema_mode(&out->m, mode));
	archive_entry_set_size(out->entry, (la_int64_t)size);
	archive_entry_set_mtime(out->entry, out->time, 0);
	archive_entry_set_uid(out->entry, 0);
	archive_entry_set_gid(out->entry, 0);
	out->time = 0;
	if (archive_write_header(out->tar, out->entry) != ARCHIVE_OK || out->failed)
		return caseout_fault(out, e);
	out->open = true;
	out->at = 0;
	return 0;
}

static int caseout_put_data(struct caseout *out, const void *p, size_t n, struct err *e)
{
	const unsigned char *c = p;

	if (!out->open || n > out->m.size - out->at)
		return err_set(e, EX_DATAERR, "member %s: is longer than was said", err_q(out->path));
	out->at += n;
	while (n) {
		la_ssize_t k = archive_write_data(out->tar, c, n);

		if (k <= 0 || out->failed)
			return caseout_fault(out, e);
		c += k;
		n -= (size_t)k;
	}
	return 0;
}

int caseout_write(struct caseout *out, const void *p, size_t n, struct err *e)
{
	if (caseout_put_data(out, p, n, e))
		return -1;
	digest_add(out->digest, p, n);
	return 0;
}

static int caseout_end_as(struct caseout *out, const char *hex, struct err *e)
{
	out->open = false;
	if (out->at != out->m.size)
		return err_set(e, EX_DATAERR, "member %s: is shorter than was said", err_q(out->path));
	if (out->m.kind == MEMBER_BODY && strcmp(hex, out->m.code))
		return err_set(e, EX_DATAERR, "member %s: its SHA-256 is not its folder's name", err_q(out->path));
	if (out->m.kind != MEMBER_MANIFEST && out->m.kind != MEMBER_SIGNATURE)
		buf_addf(&out->manifest, "%s  %s\n", hex, out->path);
	return 0;
}

int caseout_end(struct caseout *out, struct err *e)
{
	char hex[DIGEST_HEX];

	digest_end(out->digest, hex);
	return caseout_end_as(out, hex, e);
}

int caseout_bytes(struct caseout *out, const char *path, unsigned mode, const void *p, size_t n, struct err *e)
{
	if (caseout_begin(out, path, mode, n, e) || caseout_write(out, p, n, e))
		return -1;
	return caseout_end(out, e);
}

int caseout_json(struct caseout *out, const char *path, const json_t *j, struct err *e)
{
	struct buf b = { 0 };
	int rc;

	jsonio_dump(j, &b);
	if (!strcmp(path, "case.json"))
		out->time = schema_time(j);
	rc = caseout_bytes(out, path, 0644, b.p, b.len, e);
	buf_free(&b);
	return rc;
}

int caseout_fd(struct caseout *out, const char *path, unsigned mode, int fd, struct err *e)
{
	unsigned char *chunk = NULL;
	struct stat st;
	uint64_t at = 0;
	ssize_t n;
	int rc = -1;

	if (fstat(fd, &st))
		return err_sys(e, "cannot read what becomes %s", err_q(path));
	if (!S_ISREG(st.st_mode))
		return err_set(e, EX_SOFTWARE, "what becomes %s is no regular file", err_q(path));
	if (caseout_begin(out, path, mode, (uint64_t)st.st_size, e))
		return -1;
	chunk = buf_alloc(CHUNK);
	for (;;) {
		n = pread(fd, chunk, CHUNK, (off_t)at);
		if (n < 0) {
			err_sys(e, "cannot read what becomes %s", err_q(path));
			goto out;
		}
		if (n == 0)
			break;
		if (caseout_write(out, chunk, (size_t)n, e))
			goto out;
		at += (uint64_t)n;
	}
	rc = caseout_end(out, e);
out:
	free(chunk);
	return rc;
}

int caseout_copy(struct caseout *out, struct casein *in, int tee, struct buf *keep, struct err *e)
{
	const struct member *m = casein_member(in);
	const void *p;
	ssize_t n;

	if (keep && m->size > CAP_JSON)
		return err_set(e, EX_DATAERR, "member %s: too large to be kept in memory", err_q(m->path));
	if (out && m->kind == MEMBER_CASE)
		out->time = casein_time(in);
	if (out && caseout_begin(out, m->path, m->mode, m->size, e))
		return -1;
	while ((n = casein_block(in, &p, e)) > 0) {
		if (out && caseout_put_data(out, p, (size_t)n, e))
			return -1;
		if (tee >= 0 && io_write(tee, p, (size_t)n))
			return err_sys(e, "cannot copy %s", err_q(m->path));
		if (keep)
			buf_add(keep, p, (size_t)n);
	}
	if (n < 0)
		return -1;
	return out ? caseout_end_as(out, casein_digest(in), e) : 0;
}

int caseout_finish(struct caseout *out, caseout_sign_fn *sign, void *arg, struct err *e)
{
	struct buf sig = { 0 };

	if (out->open) {
		err_set(e, EX_SOFTWARE, "member %s: was not ended", err_q(out->path));
		goto err;
	}
	if (sign && sign(arg, &out->manifest, &sig, e))
		goto err;
	if (caseout_bytes(out, "MANIFEST", 0644, buf_str(&out->manifest), out->manifest.len, e))
		goto err;
	if (sign && caseout_bytes(out, "MANIFEST.sig", 0644, buf_str(&sig), sig.len, e))
		goto err;
	if (archive_write_close(out->tar) != ARCHIVE_OK || out->failed) {
		caseout_fault(out, e);
		goto err;
	}
	if (caseout_flush(out)) {
		err_sys(e, "cannot write the case");
		e->code = EX_IOERR;
		goto err;
	}
	buf_free(&sig);
	caseout_abort(out);
	return 0;
err:
	buf_free(&sig);
	caseout_abort(out);
	return -1;
}

void caseout_abort(struct caseout *out)
{
	if (!out)
		return;
	if (out->tar) {
		out->aborted = true;   /* freeing it would write the end, and the rest of a member as zeros */
		archive_write_free(out->tar);
	}
	if (out->entry)
		archive_entry_free(out->entry);
	order_free(out->order);
	digest_free(out->digest);
	buf_free(&out->manifest);
	free(out);
}
