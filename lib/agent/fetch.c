/* Fetches the answer to one case, or a delta: waits for it, goes on where a connection or an earlier run was cut. */
#include "agent/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct fetching {
	const struct send_options *o;
	struct tls *tls;
	const char *id;        /* of the case, or of the index whose delta it is */
	bool delta;
	uint64_t from;         /* the delta's */
	char name[64];         /* in STATEDIR */
	int fd;
	uint64_t have;
	char tag[LINK_TAG];
	char *path;            /* in STATEDIR, or NULL */
	bool locked;           /* it is ours */
};

/* STATEDIR/NAME.answer, and its version in NAME.tag: written first, so that it is never newer than the bytes. */
static int open_partial(struct fetching *f, struct err *e)
{
	char *tag_path = buf_printf("%s/%s.tag", f->o->state, f->name);
	struct buf b = { 0 };
	struct stat st;

	f->path = buf_printf("%s/%s.answer", f->o->state, f->name);
	f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0 || fstat(f->fd, &st)) {
		free(tag_path);
		return err_sys(e, "cannot keep the answer in %s", err_q(f->o->state));
	}
	/* The msend of a run that was killed may be at it still: two that write one file would cut it short. */
	if (flock(f->fd, LOCK_EX | LOCK_NB) < 0) {
		free(tag_path);
		if (errno == EWOULDBLOCK)
			return err_set(e, EX_TEMPFAIL, "another run is fetching %s", f->name);
		return err_sys(e, "cannot lock %s", err_q(f->path));
	}
	f->locked = true;
	if (io_slurp_at(AT_FDCWD, tag_path, 64, &b) >= 0 && frames_id_ok(buf_str(&b))) {
		memcpy(f->tag, b.p, LINK_TAG);
		f->have = (uint64_t)st.st_size;
	}
	buf_free(&b);
	free(tag_path);
	return 0;
}

static void keep_tag(const struct fetching *f)
{
	char *tag_path = buf_printf("%s/%s.tag", f->o->state, f->name);
	struct err e;

	/* Bytes of one version under the tag of another must never meet. */
	if (!f->have && ftruncate(f->fd, 0))
		msg_warn("cannot empty %s", err_q(f->path));
	if (atomic_write(tag_path, 0600, f->tag, strlen(f->tag), &e) < 0)
		msg_warn("%s", e.msg);
	free(tag_path);
}

static void forget_partial(const struct fetching *f)
{
	char *tag_path = buf_printf("%s/%s.tag", f->o->state, f->name);

	unlink(tag_path);
	unlink(f->path);
	free(tag_path);
}

/* 1 it is here, 0 not yet. */
static int fetch_once(struct fetching *f, unsigned *wait, struct err *e)
{
	struct client *c = client_open(f->tls, &f->o->to, e);
	uint64_t size = 0;
	int rc = -1;

	if (c)
		rc = f->delta ? client_delta(c, f->id, f->from, &f->have, f->tag, &size, e) :
			client_fetch(c, f->id, &f->have, f->tag, &size, wait, e);
	if (rc == 1) {
		if (f->path)
			keep_tag(f);
		rc = client_answer(c, f->fd, size, &f->have, e) < 0 ? -1 : 1;
	}
	client_close(c);
	return rc;
}

/* Until it is there, the time is over (75) or trying is of no use. */
static int fetch_wait(struct fetching *f, struct err *e)
{
	int64_t until = clock_mono_ms() + f->o->wait_s * 1000LL;
	unsigned failed = 0, wait = 0, pause = 1;
	int rc;

	while ((rc = fetch_once(f, &wait, e)) < 1) {
		if (rc < 0) {
			if (e->code != EX_TEMPFAIL || failed >= f->o->retries)
				return -1;
			send_back_off(failed++, e);
			continue;
		}
		failed = 0;
		if (f->delta)
			return err_set(e, EX_NO, "version %llu is the newest of index %s", (unsigned long long)f->from, f->id);
		if (clock_mono_ms() >= until)
			return err_set(e, EX_TEMPFAIL, "no answer to case %s yet", f->id);
		sleep(pause);   /* soon at first: a known specimen is answered within seconds */
		pause = pause < wait ? pause + 1 : pause;
	}
	return 0;
}

/* To where the output is put; whether it is what it should be, `check` says. */
static int fetch(struct fetching *f, int (*check)(const struct fetching *f, struct err *e), struct err *e)
{
	struct atomic *a;
	int rc = -1;

	f->tls = send_tls(f->o, e);
	f->fd = -1;
	a = f->tls ? atomic_open(f->o->out, 0600, false, e) : NULL;
	if (!a)
		goto out;
	if (f->o->state ? open_partial(f, e) < 0 : (f->fd = io_tmp(e)) < 0)
		goto out;
	if (fetch_wait(f, e) < 0)
		goto out;
	if (f->locked)   /* whole, so whatever comes of it, it need not be kept */
		forget_partial(f);
	if (check && check(f, e) < 0)
		goto out;
	if (lseek(f->fd, 0, SEEK_SET) < 0) {
		err_sys(e, "cannot read the answer");
		goto out;
	}
	rc = io_copy(f->fd, atomic_fd(a), CAP_CASE, NULL, e);
out:
	if (rc == 0)
		rc = atomic_commit(a, e);
	else
		atomic_abort(a);
	if (f->locked && !f->have)   /* nothing came that is worth keeping */
		forget_partial(f);
	io_close(&f->fd);
	free(f->path);
	tls_free(f->tls);
	return rc;
}

static int check_case(const struct fetching *f, struct err *e)
{
	struct content c = { 0 };
	int rc = content_read(f->fd, true, &c, e);

	if (rc < 0)
		err_wrap(e, "the answer");
	else if (strcmp(c.id, f->id) != 0)
		rc = err_set(e, EX_DATAERR, "the answer is for case %s", c.id);
	content_free(&c);
	return rc;
}

int fetch_run(const struct send_options *o, const char *id, struct err *e)
{
	struct fetching f = { .o = o, .id = id };

	snprintf(f.name, sizeof(f.name), "%s", id);
	return fetch(&f, check_case, e);
}

int fetch_delta(const struct send_options *o, const char *id, uint64_t from, struct err *e)
{
	struct fetching f = { .o = o, .id = id, .delta = true, .from = from };

	snprintf(f.name, sizeof(f.name), "%s-%llu", id, (unsigned long long)from);
	return fetch(&f, NULL, e);
}
