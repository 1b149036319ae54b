#include "centre/flow.h"
#include "centre/parts.h"

#include "known/known.h"
#include "trust/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME 96
#define NEW "deltas/.new"

static int verify(void *ctx, const void *p, size_t n, const struct buf *sig, char name[128], struct err *e)
{
	return verify_bytes(ctx, ROLE_SIGNER, p, n, sig, name, e);
}

/* A copy, on the disk: what was verified is what is handed out, whatever becomes of the operand. */
static int copy_in(struct spool *s, const char *path, struct err *e)
{
	int in = io_open_in(path, e), out, rc;

	if (in < 0)
		return -1;
	out = openat(s->fd, NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	rc = out < 0 ? spool_sys(e, "cannot write a delta") : io_copy(in, out, CAP_CASE, NULL, e);
	if (rc == 0 && fsync(out) < 0)
		rc = spool_sys(e, "cannot write a delta");
	io_close(&in);
	io_close(&out);
	return rc;
}

static int sum_of(struct spool *s, const char *name, char sum[DIGEST_HEX], struct err *e)
{
	int fd = openat(s->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), rc;

	rc = fd < 0 ? err_sys(e, "cannot read %s", name) : digest_fd(fd, CAP_CASE, sum, NULL, e);
	io_close(&fd);
	return rc;
}

/* 0: it is the next one; 1: it was published before; -1. */
static int check_order(struct spool *s, const char *path, const struct delta_terms *t, const char *name, struct err *e)
{
	char is[DIGEST_HEX], there[DIGEST_HEX];
	uint64_t newest;

	if (t->expires <= clock_now())
		return err_set(e, EX_NOPERM, "%s has expired", err_q(path));
	if (t->version != t->from + 1)
		return err_set(e, EX_DATAERR, "%s leads over several versions at once", err_q(path));
	if (deltas_newest(s, t->base, &newest, e) < 0)
		return -1;
	if (!newest || t->from == newest)
		return 0;
	if (t->from > newest)
		return err_set(e, EX_DATAERR, "%s leads from version %llu, and version %llu is the newest that was published: those between come first",
			err_q(path), (unsigned long long)t->from, (unsigned long long)newest);
	if (faccessat(s->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		if (sum_of(s, NEW, is, e) < 0 || sum_of(s, name, there, e) < 0)
			return -1;
		if (!strcmp(is, there))
			return 1;
	}
	return err_set(e, EX_DATAERR, "%s leads to version %llu, and version %llu was published: versions only grow", err_q(path),
		(unsigned long long)t->version, (unsigned long long)newest);
}

static int sync_folder(struct spool *s, const char *folder, struct err *e)
{
	int fd = openat(s->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	rc = fd < 0 || fsync(fd) < 0 ? spool_sys(e, "cannot write spool folder %s to disk", folder) : 0;
	io_close(&fd);
	return rc;
}

static int put_in_place(struct spool *s, const struct delta_terms *t, const char *name, struct err *e)
{
	char folder[NAME];

	snprintf(folder, sizeof(folder), "deltas/%s", t->base);
	if (mkdirat(s->fd, folder, 0700) == 0) {
		if (sync_folder(s, "deltas", e) < 0)
			return -1;
	} else if (errno != EEXIST) {
		return spool_sys(e, "cannot make spool folder %s", folder);
	}
	if (renameat(s->fd, NEW, s->fd, name) < 0)
		return spool_sys(e, "cannot publish %s", name);
	return sync_folder(s, folder, e);
}

static int publish(struct spool *s, struct verifier *v, const char *path, struct err *e)
{
	char *copy = buf_printf("%s/" NEW, s->dir), name[NAME];
	struct delta_terms t;
	int rc = -1;

	if (copy_in(s, path, e) < 0)
		goto out;
	if (delta_look(copy, verify, v, &t, e) < 0) {
		err_wrap(e, "%s", err_q(path));
		goto out;
	}
	snprintf(name, sizeof(name), "deltas/%s/%llu.delta", t.base, (unsigned long long)t.version);
	rc = check_order(s, path, &t, name, e);
	if (rc == 0)
		rc = put_in_place(s, &t, name, e);
	else if (rc > 0)
		rc = 0;
	if (rc == 0)
		msg_info("index %s: version %llu, signed by %s", t.base, (unsigned long long)t.version, err_q(t.signer));
out:
	if (unlinkat(s->fd, NEW, 0) < 0 && errno != ENOENT)
		msg_debug("%s stays", NEW);
	free(copy);
	return rc;
}

int publish_run(const struct flow_config *c, char *const *paths, struct err *e)
{
	struct spool *s = spool_open(c->spool, (uid_t)-1, (gid_t)-1, e);
	struct verifier *v = s ? verify_open(c->authority, c->revoked, e) : NULL;
	int lock = v ? openat(s->fd, "deltas", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, rc = -1;

	if (!v)
		goto out;
	if (lock < 0 || flock(lock, LOCK_EX) < 0) {
		err_sys(e, "cannot lock spool folder deltas");
		goto out;
	}
	for (rc = 0; rc == 0 && *paths; paths++)
		rc = publish(s, v, *paths, e);
out:
	io_close(&lock);
	verify_free(v);
	spool_free(s);
	return rc;
}
