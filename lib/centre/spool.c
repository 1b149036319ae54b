/* spool: the folders of the centre, and the way of an upload from part/ to in/. */
#include "centre/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SPARE (16 * MIB)      /* left free for the flow's own records */
#define NAME 96

static const char *const folders[] = { "in", "part", "owner", "store", "store/new", "out", "done", "failed", "deltas" };

int spool_sys(struct err *e, const char *fmt, ...)
{
	char msg[512];
	va_list ap;
	int n = errno;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (n == ENOSPC || n == EDQUOT)
		return err_set(e, EX_TEMPFAIL, "the centre's disk is full");
	errno = n;
	return err_sys(e, "%s", msg);
}

bool spool_id_ok(const char *id)
{
	return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32;
}

static int make_folder(int dirfd, const char *name, uid_t uid, gid_t gid, struct err *e)
{
	if (mkdirat(dirfd, name, 0700)) {
		if (errno != EEXIST)
			return err_sys(e, "cannot make spool folder %s", err_q(name));
		return 0;
	}
	if (uid != (uid_t)-1 && fchownat(dirfd, name, uid, gid, AT_SYMLINK_NOFOLLOW))
		return err_sys(e, "cannot give spool folder %s to its user", err_q(name));
	return 0;
}

struct spool *spool_open(const char *dir, uid_t uid, gid_t gid, struct err *e)
{
	struct spool *s = buf_alloc(sizeof(*s));

	s->dir = buf_strdup(dir);
	s->lock = s->fd = -1;
	if (make_folder(AT_FDCWD, dir, uid, gid, e) < 0)
		goto fail;
	s->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0) {
		err_sys(e, "cannot open spool %s", err_q(dir));
		goto fail;
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (make_folder(s->fd, folders[i], uid, gid, e) < 0)
			goto fail;
	return s;
fail:
	spool_free(s);
	return NULL;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	io_close(&s->fd);
	io_close(&s->lock);
	free(s->dir);
	free(s);
}

/* ---- names ---- */

static void in_name(const char *folder, const char *id, char name[NAME])
{
	snprintf(name, NAME, "%s/%s.case", folder, id);
}

static int sync_folder(struct spool *s, const char *name, struct err *e)
{
	int fd = openat(s->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = fd < 0 ? -1 : fsync(fd);

	if (rc)
		spool_sys(e, "cannot write spool folder %s to disk", err_q(name));
	io_close(&fd);
	return rc;
}

/* ---- owners ---- */

int spool_owner(struct spool *s, const char *id, struct spool_upload *u, char time[CLOCK_RFC3339], struct err *e)
{
	char name[NAME];
	struct buf b = { 0 }, owner = { 0 };
	json_t *o = NULL;
	const char *who, *sha, *origin, *when;
	int rc = -1;

	if (!spool_id_ok(id))
		return err_set(e, EX_NO, "no case id: %s", err_q(id));
	snprintf(name, sizeof(name), "owner/%s", id);
	if (io_slurp_at(s->fd, name, 64 * KIB, &b) < 0) {
		if (errno == ENOENT)
			err_set(e, EX_NO, "case %s was never received", id);
		else
			err_sys(e, "cannot read the owner of case %s", id);
		goto out;
	}
	o = jsonio_parse(b.p, b.len, name, e);
	who = jsonio_str(o, "owner");
	sha = jsonio_str(o, "sha256");
	origin = jsonio_str(o, "origin");
	when = jsonio_str(o, "time");
	if (!who || !sha || !digest_ok(sha) || !origin || !digest_ok(origin) || !when || strlen(when) >= CLOCK_RFC3339 || jsonio_tobytes(who, &owner) < 0 ||
	    owner.len >= sizeof(u->owner)) {
		err_set(e, EX_IOERR, "the owner record of case %s is broken", id);
		goto out;
	}
	memset(u, 0, sizeof(*u));
	snprintf(u->id, sizeof(u->id), "%s", id);
	snprintf(u->sha256, sizeof(u->sha256), "%s", sha);
	snprintf(u->origin, sizeof(u->origin), "%s", origin);
	snprintf(u->owner, sizeof(u->owner), "%s", buf_str(&owner));
	u->size = (uint64_t)jsonio_int(o, "size", 0);
	snprintf(time, CLOCK_RFC3339, "%s", when);
	rc = 0;
out:
	json_decref(o);
	buf_free(&b);
	buf_free(&owner);
	return rc;
}

static int write_owner(struct spool *s, const struct spool_upload *u, const char *time, struct err *e)
{
	char name[NAME], beside[NAME + 8];
	json_t *o = json_object();
	struct buf b = { 0 };
	int fd, rc = -1;

	json_object_set_new(o, "owner", jsonio_name(u->owner));
	json_object_set_new(o, "sha256", json_string(u->sha256));
	json_object_set_new(o, "origin", json_string(u->origin));
	json_object_set_new(o, "size", json_integer((json_int_t)u->size));
	json_object_set_new(o, "time", json_string(time));
	jsonio_dump_line(o, &b);
	json_decref(o);
	snprintf(name, sizeof(name), "owner/%s", u->id);
	snprintf(beside, sizeof(beside), "part/%s.owner", u->id);
	fd = openat(s->fd, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || io_write(fd, b.p, b.len) < 0 || fsync(fd) || renameat(s->fd, beside, s->fd, name)) {
		spool_sys(e, "cannot record the owner of case %s", u->id);
		unlinkat(s->fd, beside, 0);
	} else {
		rc = sync_folder(s, "owner", e);
	}
	io_close(&fd);
	buf_free(&b);
	return rc;
}

/* ---- uploads ---- */

int spool_tidy(struct spool *s, int64_t keep_s, struct err *e)
{
	int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "cannot open spool %s", err_q(s->dir));
	/* Alone on this spool? Else another front end's checks are under way, and it tidied when it began. */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		io_rmtree(s->fd, "store/new", e);
		if (mkdirat(s->fd, "store/new", 0700) && errno != EEXIST) {
			err_sys(e, "cannot make spool folder 'store/new'");
			close(fd);
			return -1;
		}
		parts_drop_old(s, keep_s);
	}
	flock(fd, LOCK_SH | LOCK_NB);
	s->lock = fd;
	return 0;
}

/* The part, its bodies in the store, and a little: refused before the first byte, not after the last. */
static int room_for(struct spool *s, uint64_t more, struct err *e)
{
	struct statvfs v;

	if (fstatvfs(s->fd, &v))
		return err_sys(e, "cannot ask how full the spool is");
	if ((uint64_t)v.f_bavail * v.f_frsize < more + SPARE)
		return err_set(e, EX_TEMPFAIL, "the centre's disk is full");
	return 0;
}

/* Is the case on record whole, not only about to be committed? */
static bool committed(struct spool *s, const struct spool_upload *u)
{
	char name[NAME];

	parts_name(u, name);
	return faccessat(s->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
}

int spool_received(struct spool *s, const char *owner, const char *id, const char *origin, struct spool_upload *u,
		   char time[CLOCK_RFC3339], struct err *e)
{
	if (spool_owner(s, id, u, time, e) < 0)
		return e->code == EX_NO ? 0 : -1;
	if (strcmp(u->owner, owner) != 0)
		return err_set(e, EX_NOPERM, "case %s is another host's", id);
	if (!committed(s, u))
		return 0;
	if (strcmp(u->origin, origin) != 0 && strcmp(u->sha256, origin) != 0)
		return err_set(e, EX_DATAERR, "case %s was received before with other content", id);
	return 1;
}

int spool_begin(struct spool *s, const struct spool_upload *u, int *out, uint64_t *offset, char time[CLOCK_RFC3339], struct err *e)
{
	struct spool_upload old = { 0 };
	struct stat st = { 0 };
	char name[NAME];
	int fd = -1, rc = spool_received(s, u->owner, u->id, u->sha256, &old, time, e);

	if (rc < 0)
		return -1;
	if (rc == 1 && !strcmp(old.sha256, u->sha256) && old.size == u->size)
		return 1;
	if (rc == 1)
		return err_set(e, EX_DATAERR, "case %s was received before with other content", u->id);
	parts_name(u, name);
	parts_make_room(s, u);
	fd = openat(s->fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_APPEND, 0600);
	if (fd < 0 || fstat(fd, &st)) {
		spool_sys(e, "cannot make a part of case %s", u->id);
		goto fail;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		err_set(e, EX_TEMPFAIL, "case %s is being received", u->id);
		goto fail;
	}
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > u->size) {
		if (ftruncate(fd, 0)) {
			spool_sys(e, "cannot begin case %s anew", u->id);
			goto fail;
		}
		st.st_size = 0;
	}
	*offset = (uint64_t)st.st_size;
	if (room_for(s, u->size - *offset + u->size, e) < 0) {
		if (!*offset)
			unlinkat(s->fd, name, 0);
		goto fail;
	}
	*out = fd;
	return 0;
fail:
	io_close(&fd);
	return -1;
}

void spool_drop(struct spool *s, const struct spool_upload *u)
{
	char name[NAME];

	parts_name(u, name);
	unlinkat(s->fd, name, 0);
}

int spool_commit(struct spool *s, const struct spool_upload *u, char time[CLOCK_RFC3339], struct err *e)
{
	char part[NAME], in[NAME];

	parts_name(u, part);
	in_name("in", u->id, in);
	clock_rfc3339(clock_now(), time);
	if (write_owner(s, u, time, e) < 0)
		return -1;
	if (renameat(s->fd, part, s->fd, in))
		return spool_sys(e, "cannot move case %s to 'in'", u->id);
	return sync_folder(s, "in", e) < 0 || sync_folder(s, "part", e) < 0 ? -1 : 0;
}

int spool_answer(struct spool *s, const char *owner, const char *id, int *fd, struct err *e)
{
	struct spool_upload u;
	char time[CLOCK_RFC3339], name[NAME];

	if (spool_owner(s, id, &u, time, e) < 0)
		return -1;
	if (strcmp(u.owner, owner) != 0)
		return err_set(e, EX_NOPERM, "case %s is another host's", id);
	in_name("out", id, name);
	*fd = openat(s->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (*fd >= 0)
		return 1;
	return errno == ENOENT ? 0 : err_sys(e, "cannot read the answer to case %s", id);
}
