/*
 * accept: two processes. The parser reads the hostile archive with no rights but two open descriptors, and tells what it
 * found in small records; the keeper believes no length in them, writes the bodies and commits. The event loop waits on
 * a pipe.
 */
#include "centre/centre.h"
#include "casefile/casefile.h"
#include "trust/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct accept {
	pid_t pid;
	int fd;
	struct spool *spool;
	char id[CENTRE_ID];
};

/* What goes over both pipes: a kind and, behind it, what belongs to it. */
enum { SAY_BODY = 'B', SAY_BYTES = 'b', SAY_GOOD = 'G', SAY_BAD = 'E' };
struct said {
	int32_t kind, code;
	uint64_t size;
	char text[512];   /* BODY: the digest; BYTES: none, `size` bytes of that body follow; GOOD: the time (keeper only); BAD: the message */
};

static void say(int fd, int kind, int code, uint64_t size, const char *text)
{
	struct said s = { .kind = kind, .code = code, .size = size };

	snprintf(s.text, sizeof(s.text), "%s", text);
	if (io_write(fd, &s, sizeof(s)) < 0)
		_exit(EX_IOERR);   /* nobody listens */
}

/* ---- the parser ---- */

#define READ_CHUNK (256 * KIB)
#define BLOWUP 200u        /* text compresses to a tenth; what grows two hundredfold was made to */
#define BODY_SLACK MIB     /* sealed bodies do not compress at all */

static int body_out(struct casein *in, const struct member *m, int out, struct err *e)
{
	unsigned char *p = buf_alloc(READ_CHUNK);
	uint64_t left = m->size;
	ssize_t n;

	say(out, SAY_BODY, 0, m->size, m->code);
	while ((n = casein_read(in, p, READ_CHUNK, e)) > 0) {
		say(out, SAY_BYTES, 0, (uint64_t)n, "");
		if ((uint64_t)n > left || io_write(out, p, (size_t)n) < 0)
			_exit(EX_SOFTWARE);
		left -= (uint64_t)n;
	}
	free(p);
	if (n == 0 && left)
		return err_set(e, EX_DATAERR, "member %s is cut", err_q(m->path));
	return (int)n;
}

static int check_head(struct casein *in, const struct spool_upload *u, struct err *e)
{
	json_t *head = casein_json(in, e);
	const char *id = jsonio_str(head, "id");
	int rc = 0;

	if (!head)
		return -1;
	if (!id || strcmp(id, u->id) != 0)
		rc = err_set(e, EX_DATAERR, "the case says it is %s, not %s", err_q(id ? id : "none"), u->id);
	json_decref(head);
	return rc;
}

static int check_signature(struct casein *in, const struct spool_upload *u, struct verifier *v, struct err *e)
{
	const struct buf *m = casein_manifest(in), *sig = casein_signature(in);
	char name[128] = "";

	if (!sig || !sig->len)
		return err_set(e, EX_DATAERR, "the case is not signed");
	if (verify_bytes(v, ROLE_HOST, m->p, m->len, sig, name, e) < 0)
		return err_wrap(e, "the case's signature");
	if (strcmp(name, u->owner) != 0)
		return err_set(e, EX_NOPERM, "the case is signed by %s, sent by %s", err_q(name), err_q(u->owner));
	return 0;
}

static int parse(const struct spool_upload *u, int fd, int out, struct verifier *v, struct err *e)
{
	uint64_t bodies = 0, all = 0;
	const struct member *m;
	struct casein *in;
	int rc = -1;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot read the upload");
	in = casein_open(fd, e);
	if (!in)
		return -1;
	while ((rc = casein_next(in, &m, e)) == 1) {
		all += m->size;
		bodies += m->kind == MEMBER_BODY_CMS ? m->size : 0;
		if (all / BLOWUP > u->size + MIB || bodies > u->size + BODY_SLACK) {
			rc = err_set(e, EX_DATAERR, "the case unpacks to far more than was sent");
			break;
		}
		if (m->kind == MEMBER_CASE)
			rc = check_head(in, u, e);
		else if (m->kind == MEMBER_BODY_CMS)
			rc = body_out(in, m, out, e);
		if (rc < 0)
			break;
	}
	if (rc == 0)
		rc = check_signature(in, u, v, e);
	casein_close(in);
	return rc;
}

static _Noreturn void parser(const struct spool_upload *u, int fd, int out, const struct accept_rules *r)
{
	struct err e = { 0 };
	/* It reads files by name, so before the rights go; the list of the revoked is as new as this upload. */
	struct verifier *v = verify_open(r->ca, r->crl, &e);

	if (!v) {
		e.code = EX_CONFIG;
		say(out, SAY_BAD, e.code, 0, e.msg);
	} else if ((r->confine && r->confine(&e) < 0) || parse(u, fd, out, v, &e) < 0) {
		say(out, SAY_BAD, e.code, 0, e.msg);
	} else {
		say(out, SAY_GOOD, 0, 0, "");
	}
	_exit(0);
}

/* ---- the keeper ---- */

static pid_t start(int pipefd[2], struct err *e)
{
	pid_t parent = getpid(), pid;

	if (pipe2(pipefd, O_CLOEXEC))
		return err_sys(e, "cannot make a pipe");
	pid = fork();
	if (pid < 0) {
		err_sys(e, "cannot start a process");
		e->code = EX_TEMPFAIL;
		io_close(&pipefd[0]);
		io_close(&pipefd[1]);
		return -1;
	}
	if (pid > 0) {
		io_close(&pipefd[1]);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EX_TEMPFAIL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	io_close(&pipefd[0]);
	return 0;
}

/* Closes every descriptor but the standard ones and those of keep, which ends with -1. */
static void close_others(const int *keep)
{
	unsigned from = 3;

	for (;;) {
		unsigned next = ~0u;

		for (const int *k = keep; *k >= 0; k++)
			if ((unsigned)*k >= from && (unsigned)*k < next)
				next = (unsigned)*k;
		if (next == ~0u)
			break;
		if (next > from)
			close_range(from, next - 1, 0);
		from = next + 1;
	}
	close_range(from, ~0u, 0);
}

#define GONE "the case's parser crashed or was stopped"

/* The parser's next record; its complaint, or its silence, is an error. */
static int listen_to(int in, struct said *said, struct err *e)
{
	if (io_read(in, said, sizeof(*said)) != (ssize_t)sizeof(*said))
		return err_set(e, EX_DATAERR, GONE);
	said->text[sizeof(said->text) - 1] = '\0';
	return said->kind == SAY_BAD ? err_set(e, said->code, "%s", said->text) : 0;
}

/* One body from the pipe into the stage, or to nowhere when the store has it. */
static int keep_body(struct spool *s, int stage, int in, const struct said *said, struct err *e)
{
	static unsigned char p[READ_CHUNK];
	uint64_t left = said->size;
	struct said bytes;
	int fd = -1, rc = -1;

	if (!store_has(s, said->text) && (fd = store_stage_open(stage, said->text, e)) < 0)
		return -1;
	while (left) {
		if (listen_to(in, &bytes, e) < 0)
			goto out;
		if (bytes.kind != SAY_BYTES || !bytes.size || bytes.size > left || bytes.size > sizeof(p) ||
		    io_read(in, p, (size_t)bytes.size) != (ssize_t)bytes.size) {
			err_set(e, EX_DATAERR, GONE);
			goto out;
		}
		if (fd >= 0 && io_write(fd, p, (size_t)bytes.size) < 0) {
			spool_sys(e, "cannot write a sealed body");
			goto out;
		}
		left -= bytes.size;
	}
	rc = 0;
out:
	io_close(&fd);
	return rc;
}

/* Until the parser says good. */
static int keep_bodies(struct spool *s, const struct spool_upload *u, int stage, int in, struct err *e)
{
	uint64_t total = 0;
	struct said said;

	while (listen_to(in, &said, e) == 0) {
		if (said.kind == SAY_GOOD)
			return 0;
		if (said.kind != SAY_BODY || !digest_ok(said.text) || said.size > u->size + BODY_SLACK - total)
			return err_set(e, EX_DATAERR, GONE);
		total += said.size;
		if (keep_body(s, stage, in, &said, e) < 0)
			break;
	}
	return -1;
}

static int keep(struct spool *s, const struct spool_upload *u, int fd, const struct accept_rules *r, char *time, struct err *e)
{
	char hex[DIGEST_HEX];
	uint64_t size;
	int stage, pipefd[2] = { -1, -1 }, rc = -1;
	pid_t pid;

	if (digest_fd(fd, u->size, hex, &size, e) < 0)
		return -1;
	if (size != u->size || strcmp(hex, u->sha256) != 0)
		return err_set(e, EX_TEMPFAIL, "the stream's digest is not the announced one; send it again");
	if (fsync(fd))
		return spool_sys(e, "cannot write the upload to disk");
	stage = store_stage(s, u->id, e);
	if (stage < 0)
		return -1;
	pid = start(pipefd, e);
	if (pid == 0) {
		const int mine[] = { fd, pipefd[1], -1 };

		close_others(mine);
		parser(u, fd, pipefd[1], r);
	}
	if (pid > 0) {
		rc = keep_bodies(s, u, stage, pipefd[0], e);
		io_close(&pipefd[0]);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (rc == 0 && (rc = store_publish(s, stage, e)) == 0)
		rc = spool_commit(s, u, time, e);
	io_close(&stage);
	store_unstage(s, u->id);
	return rc;
}

static _Noreturn void keeper(struct spool *s, const struct spool_upload *u, int fd, int out, const struct accept_rules *r)
{
	const int mine[] = { fd, out, s->fd, -1 };
	char time[CLOCK_RFC3339] = "";
	struct err e = { 0 };

	close_others(mine);
	if (keep(s, u, fd, r, time, &e) == 0) {
		say(out, SAY_GOOD, 0, 0, time);
	} else {
		/* A case that will never do, or a disk that has no room for it, keeps nothing here. */
		if (e.code == EX_DATAERR || e.code == EX_NOPERM || e.code == EX_TEMPFAIL)
			spool_drop(s, u);
		say(out, SAY_BAD, e.code, 0, e.msg);
	}
	_exit(0);
}

/* ---- the caller's side ---- */

struct accept *accept_start(struct spool *s, const struct spool_upload *u, int fd, const struct accept_rules *r, struct err *e)
{
	struct accept *a;
	int pipefd[2];
	pid_t pid = start(pipefd, e);

	if (pid < 0)
		return NULL;
	if (pid == 0)
		keeper(s, u, fd, pipefd[1], r);
	a = buf_alloc(sizeof(*a));
	a->pid = pid;
	a->fd = pipefd[0];
	a->spool = s;
	memcpy(a->id, u->id, sizeof(a->id));
	return a;
}

int accept_fd(const struct accept *a)
{
	return a->fd;
}

void accept_kill(struct accept *a)
{
	kill(a->pid, SIGKILL);
	waitpid(a->pid, NULL, 0);
	store_unstage(a->spool, a->id);
	io_close(&a->fd);
	free(a);
}

int accept_end(struct accept *a, char time[CLOCK_RFC3339], struct err *e)
{
	struct said said;
	int rc = -1;

	if (io_read(a->fd, &said, sizeof(said)) != (ssize_t)sizeof(said)) {
		err_set(e, EX_SOFTWARE, "the check of case %s ended without a word", a->id);
	} else if (said.kind == SAY_GOOD) {
		snprintf(time, CLOCK_RFC3339, "%.20s", said.text);
		rc = 0;
	} else {
		said.text[sizeof(said.text) - 1] = '\0';
		err_set(e, said.code, "%s", said.text);
	}
	accept_kill(a);
	return rc;
}
