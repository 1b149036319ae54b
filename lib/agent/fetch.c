/* Fetches the answer to one case: waits for it, goes on where a connection or an earlier run was cut. */
#include "agent/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fetching {
	const struct send_options *o;
	struct tls *tls;
	const char *id;
	int fd;
	uint64_t have;
	char tag[LINK_TAG];
	char *path;            /* in STATEDIR, or NULL */
};

/* STATEDIR/CASEID.answer, and its version in CASEID.tag: written first, so that it is never newer than the bytes. */
static int open_partial(struct fetching *f, struct err *e)
{
	char *tag_path = buf_printf("%s/%s.tag", f->o->state, f->id);
	struct buf b = { 0 };
	struct stat st;

	f->path = buf_printf("%s/%s.answer", f->o->state, f->id);
	f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0 || fstat(f->fd, &st)) {
		free(tag_path);
		return err_sys(e, "cannot keep the answer in %s", err_q(f->o->state));
	}
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
	char *tag_path = buf_printf("%s/%s.tag", f->o->state, f->id);
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
	char *tag_path = buf_printf("%s/%s.tag", f->o->state, f->id);

	unlink(tag_path);
	unlink(f->path);
	free(tag_path);
}

/* 1 it is here, 0 not yet. */
static int fetch_once(struct fetching *f, unsigned *wait, struct err *e)
{
	struct client *c = client_open(f->tls, &f->o->to, e);
	uint64_t size = 0;
	int rc = c ? client_fetch(c, f->id, &f->have, f->tag, &size, wait, e) : -1;

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
		if (clock_mono_ms() >= until)
			return err_set(e, EX_TEMPFAIL, "no answer to case %s yet", f->id);
		sleep(pause);   /* soon at first: a known specimen is answered within seconds */
		pause = pause < wait ? pause + 1 : pause;
	}
	return 0;
}

int fetch_run(const struct send_options *o, const char *id, struct err *e)
{
	struct fetching f = { .o = o, .tls = send_tls(o, e), .id = id, .fd = -1 };
	struct atomic *a = f.tls ? atomic_open(o->out, 0600, false, e) : NULL;
	struct content c = { 0 };
	int rc = -1;

	if (!a)
		goto out;
	if (o->state ? open_partial(&f, e) < 0 : (f.fd = io_tmp(e)) < 0)
		goto out;
	if (fetch_wait(&f, e) < 0)
		goto out;
	if (f.path)   /* whole, so whatever comes of it, it need not be kept */
		forget_partial(&f);
	if (content_read(f.fd, true, &c, e) < 0) {
		err_wrap(e, "the answer");
		goto out;
	}
	if (strcmp(c.id, id) != 0) {
		err_set(e, EX_DATAERR, "the answer is for case %s", c.id);
		goto out;
	}
	if (lseek(f.fd, 0, SEEK_SET) < 0) {
		err_sys(e, "cannot read the answer");
		goto out;
	}
	rc = io_copy(f.fd, atomic_fd(a), CAP_CASE, NULL, e);
out:
	if (rc == 0)
		rc = atomic_commit(a, e);
	else
		atomic_abort(a);
	io_close(&f.fd);
	free(f.path);
	content_free(&c);
	tls_free(f.tls);
	return rc;
}
