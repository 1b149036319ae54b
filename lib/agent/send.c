/* Sends one case: without the bodies the centre has, signed again then; goes on where an earlier run was killed. */
#include "agent/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct tls *send_tls(const struct send_options *o, struct err *e)
{
	struct tls *t = tls_open(&o->files, false, e);

	if (t && o->state && io_mkdirs(o->state, 0700, e) < 0) {
		tls_free(t);
		return NULL;
	}
	return t;
}

void send_back_off(unsigned attempt, const struct err *e)
{
	uint64_t ms = 1000ULL << (attempt < 6 ? attempt : 6);
	struct timespec t;
	uint32_t r = 0;

	if (ms > 60000)
		ms = 60000;
	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) < 0)
		r = (uint32_t)getpid() * 2654435761u;
	ms += r % (ms / 2);
	msg_warn("%s; trying again in %llu.%llu s", e->msg, (unsigned long long)ms / 1000, (unsigned long long)ms % 1000 / 100);
	t = (struct timespec){ .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000) };
	nanosleep(&t, NULL);
}

/* ---- the case on this side ---- */

static int describe(int fd, const char *id, struct link_upload *u, struct err *e)
{
	memcpy(u->id, id, LINK_ID);
	return digest_fd(fd, CAP_CASE, u->sha256, &u->size, e);
}

static int open_case(const char *path, struct err *e)
{
	int in = io_open_in(path, e), fd;
	struct stat st;

	if (in < 0 || (!fstat(in, &st) && S_ISREG(st.st_mode) && lseek(in, 0, SEEK_CUR) == 0))
		return in;
	fd = io_tmp(e);
	if (fd >= 0 && io_copy(in, fd, CAP_CASE, NULL, e) < 0)
		io_close(&fd);
	io_close(&in);
	return fd;
}

/* ---- the reduced case: what the centre has is left out ---- */

struct reduce { const struct content *all; const bool *wanted; size_t at; };

static int reduce_tap(void *ctx, const struct member *m, struct tap *t, struct err *e)
{
	struct reduce *r = ctx;

	(void)t, (void)e;   /* the case was verified: its bodies come in the same order again */
	return m->kind == MEMBER_BODY_CMS && r->at < r->all->n && !r->wanted[r->at++] ? TAP_DROP : TAP_PASS;
}

static int sign_manifest(void *arg, const struct buf *manifest, struct buf *sig, struct err *e)
{
	return sign_bytes(arg, manifest->p, manifest->len, sig, e);
}

static int reduce(const struct send_options *o, int in, int out, const struct content *all, const bool *wanted, struct err *e)
{
	struct reduce r = { .all = all, .wanted = wanted };
	struct signer *s = sign_open(o->files.crt, o->files.key, e);
	struct casefilter f = { .tool = "msend", .ctx = &r, .tap = reduce_tap, .sign = sign_manifest, .sign_arg = s };
	int rc = -1;

	if (s && lseek(in, 0, SEEK_SET) < 0)
		err_sys(e, "cannot read the case again");
	else if (s)
		rc = casefilter_run(&f, in, out, e);

	sign_free(s);
	return rc;
}

/* Does what `have` carries cover all that is wanted of `all`? Both in the order of the case. */
static bool covers(const struct content *have, const struct content *all, const bool *wanted)
{
	size_t h = 0;

	for (size_t i = 0; i < all->n; i++) {
		bool there = h < have->n && !strcmp(have->bodies[h].sha256, all->bodies[i].sha256);

		if (wanted[i] && !there)
			return false;
		h += there;
	}
	return true;
}

/* ---- sending ---- */

struct sending {
	const struct send_options *o;
	struct tls *tls;
	int fd;                        /* the whole case */
	struct content all;
	bool *wanted;
	struct link_upload whole, small;
	int small_fd;                  /* the reduced case; -1: none yet */
	struct content small_has;
	char *small_path;              /* in STATEDIR, or NULL */
	struct link_receipt receipt;
	uint64_t from, sent;
};

static void forget_small(struct sending *s)
{
	io_close(&s->small_fd);
	content_free(&s->small_has);
}

/* What a killed msend left: the very same bytes, so that the centre goes on where it was. */
static void find_small(struct sending *s)
{
	struct err e = { 0 };

	s->small_path = buf_printf("%s/%s-%.32s.case", s->o->state, s->all.id, s->whole.sha256);
	s->small_fd = open(s->small_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (s->small_fd < 0)
		return;
	if (content_read(s->small_fd, s->o->plain, &s->small_has, &e) < 0 || strcmp(s->small_has.id, s->all.id) != 0 ||
	    describe(s->small_fd, s->all.id, &s->small, &e) < 0) {
		msg_info("%s is of no use: %s", err_q(s->small_path), e.msg);
		forget_small(s);
	}
}

static int make_small(struct sending *s, struct err *e)
{
	struct atomic *a = NULL;
	int fd = -1;

	forget_small(s);
	if (s->small_path ? !(a = atomic_open(s->small_path, 0600, false, e)) : (fd = io_tmp(e)) < 0)
		return -1;
	if (reduce(s->o, s->fd, a ? atomic_fd(a) : fd, &s->all, s->wanted, e) < 0) {
		atomic_abort(a);
		io_close(&fd);
		return -1;
	}
	if (a) {
		if (atomic_commit(a, e) < 0)
			return -1;
		fd = open(s->small_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			return err_sys(e, "cannot read %s", err_q(s->small_path));
	}
	s->small_fd = fd;
	return content_read(fd, s->o->plain, &s->small_has, e) < 0 ? -1 : describe(fd, s->all.id, &s->small, e);
}

/* One connection, from HELLO to RECEIPT. */
static int send_once(struct sending *s, struct err *e)
{
	struct client *c = client_open(s->tls, &s->o->to, e);
	bool all = s->all.is_signed;
	int rc = c ? client_offer(c, s->all.id, s->whole.sha256, s->all.bodies, s->all.n, s->wanted, &s->receipt, e) : -1;

	if (rc) {
		rc = rc == 1 ? 0 : -1;   /* 1: it was received before */
		goto out;
	}
	for (size_t i = 0; i < s->all.n; i++)
		all = all && s->wanted[i];
	if (s->small_fd >= 0 ? !covers(&s->small_has, &s->all, s->wanted) : !all)
		if ((rc = make_small(s, e)) < 0)
			goto out;
	rc = s->small_fd < 0 ? client_send(c, &s->whole, s->fd, &s->receipt, &s->from, &s->sent, e) :
	     client_send(c, &s->small, s->small_fd, &s->receipt, &s->from, &s->sent, e);
out:
	client_close(c);
	return rc;
}

static int print_receipt(const struct sending *s, struct err *e)
{
	const struct link_receipt *r = &s->receipt;
	size_t skipped = s->small_fd < 0 ? 0 : s->all.n - s->small_has.n;
	struct atomic *a = atomic_open(s->o->out, 0600, true, e);
	struct buf b = { 0 };
	int rc;

	if (!a)
		return -1;
	if (s->o->json) {
		json_t *j = json_pack("{ss ss sI ss sb sI sI sI sI}", "case", r->upload.id, "sha256", r->upload.sha256,
			"size", (json_int_t)r->upload.size, "time", r->time, "again", r->again, "from", (json_int_t)s->from,
			"sent", (json_int_t)s->sent, "bodies", (json_int_t)s->all.n, "bodies_not_sent", (json_int_t)skipped);

		jsonio_dump_line(j, &b);
		json_decref(j);
	} else {
		buf_addf(&b, "case %s received %s%s\nsha256 %s\nsent %llu of %llu bytes, %zu of %zu bodies were there\n",
			 r->upload.id, r->time, r->again ? " (before)" : "", r->upload.sha256, (unsigned long long)s->sent,
			 (unsigned long long)r->upload.size, skipped, s->all.n);
	}
	if (io_write(atomic_fd(a), b.p, b.len) < 0) {
		err_sys(e, "cannot write the receipt");
		atomic_abort(a);
		rc = -1;
	} else {
		rc = atomic_commit(a, e);
	}
	buf_free(&b);
	return rc;
}

int send_run(const struct send_options *o, const char *path, struct err *e)
{
	struct sending s = { .o = o, .tls = send_tls(o, e), .fd = -1, .small_fd = -1 };
	int rc = -1;

	if (!s.tls || (s.fd = open_case(path, e)) < 0 || content_read(s.fd, o->plain, &s.all, e) < 0 || describe(s.fd, s.all.id, &s.whole, e) < 0)
		goto out;
	memcpy(s.whole.origin, s.whole.sha256, DIGEST_HEX);
	memcpy(s.small.origin, s.whole.sha256, DIGEST_HEX);
	s.wanted = buf_alloc(s.all.n + 1);
	if (o->state)
		find_small(&s);
	for (unsigned i = 0; (rc = send_once(&s, e)) < 0 && e->code == EX_TEMPFAIL && i < o->retries; i++)
		send_back_off(i, e);
	if (rc == 0) {
		if (s.small_path)
			unlink(s.small_path);
		rc = print_receipt(&s, e);
	}
out:
	forget_small(&s);
	free(s.small_path);
	content_free(&s.all);
	free(s.wanted);
	io_close(&s.fd);
	tls_free(s.tls);
	return rc;
}
