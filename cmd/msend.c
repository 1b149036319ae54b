/* msend: takes a sealed case to the centre, without the bodies it has; fetches the answer. */
#include "casefile/casefile.h"
#include "link/link.h"
#include "trust/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
"usage: msend -k KEY -c CRT -a CA [-C CRL] [-n NAME] [-s STATEDIR] [-j] [-o FILE] [--plain] HOST:PORT [case]\n"
"       msend -k KEY -c CRT -a CA [-C CRL] [-n NAME] [-s STATEDIR] [-w SECONDS] [-o FILE] --fetch CASEID HOST:PORT\n"
"Sends a sealed case (see mpack) to the centre's mrecv over TLS 1.3 and prints the receipt. Bodies that the centre has are\n"
"left out and the case is signed again. --fetch writes the centre's answer, a case, to standard output.\n"
"  -k KEY -c CRT   this host's key and certificate, of role host\n"
"  -a CA -C CRL    the authority; its revocation list\n"
"  -n NAME         the name the centre's certificate must carry; default: HOST\n"
"  -r N            try N times again (3) when the network or the centre fails, waiting ever longer\n"
"  -s STATEDIR     keep there what is needed to go on after msend was killed\n"
"  -w SECONDS      --fetch: wait so long for the answer\n"
"  --idle SECONDS  a connection silent for so long is given up (60)\n"
"  --plain         send bodies although they are not sealed\n"
"  -o FILE  -j  receipt or answer to FILE; receipt as JSON    -q  less    -v  more    -V  version    -h  this help\n"
"Examples:\n"
"  msend -k host.key -c host.crt -a ca.crt centre.example:8443 sealed.case\n"
"  msend -k host.key -c host.crt -a ca.crt -w 600 --fetch 0123456789abcdef0123456789abcdef centre.example:8443 > answer.case\n"
"Exit: 0 done; 1 the centre does not know that case; 64 usage; 65 bad case, refused, or bodies not sealed; 66 no input;\n"
"  69 no such centre; 74 input or output; 75 try again later: no network, centre full or busy, no answer yet;\n"
"  76 not our protocol; 77 a certificate, or another host's case; 78 key and certificate differ.\n";

enum { O_FETCH = 256, O_PLAIN, O_IDLE };
static const struct option longs[] = {
	{ "fetch", required_argument, NULL, O_FETCH }, { "plain", no_argument, NULL, O_PLAIN },
	{ "idle", required_argument, NULL, O_IDLE }, { 0 },
};

struct msend {
	struct tool t;
	struct tls_files files;
	struct client_to to;
	struct tls *tls;
	const char *fetch, *state;
	bool plain;
	unsigned retries, wait_s;
};

/* What is in a case: its bodies, and whether it may go as it is. */
struct content {
	char id[LINK_ID];
	struct link_body *bodies;
	size_t n, cap;
	bool is_signed;
};

/* ---- reading the case ---- */

static int note_head(struct casein *in, struct content *c, struct err *e)
{
	json_t *head = casein_json(in, e);
	const char *id = jsonio_str(head, "id");
	int rc = head ? 0 : -1;

	if (head && (!id || !frames_id_ok(id)))
		rc = err_set(e, EX_DATAERR, "case.json has no id of 32 hex digits");
	else if (head)
		memcpy(c->id, id, LINK_ID);
	json_decref(head);
	return rc;
}

static void note_body(struct content *c, const struct member *m)
{
	if (c->n == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 64;
		c->bodies = buf_realloc(c->bodies, c->cap, sizeof(*c->bodies));
	}
	memcpy(c->bodies[c->n].sha256, m->code, DIGEST_HEX);
	c->bodies[c->n++].size = m->size;
}

/* Reads all of it: nothing is sent of a case that is not whole. */
static int read_content(int fd, bool plain, struct content *c, struct err *e)
{
	const struct member *m;
	struct casein *in;
	int rc;

	memset(c, 0, sizeof(*c));
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot read the case");
	in = casein_open(fd, e);
	if (!in)
		return -1;
	while ((rc = casein_next(in, &m, e)) == 1) {
		if (m->kind == MEMBER_BODY_CMS)
			note_body(c, m);
		else if ((m->kind == MEMBER_BODY || m->kind == MEMBER_MEMORY) && !plain)
			rc = err_set(e, EX_DATAERR, "%s is not sealed: seal the case with mpack -r, or say --plain", err_q(m->path));
		else if (m->kind == MEMBER_CASE)
			rc = note_head(in, c, e);
		if (rc < 0)
			break;
	}
	if (rc == 0)
		c->is_signed = casein_signature(in)->len > 0;
	casein_close(in);
	return rc;
}

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

static int reduce(const struct msend *m, int in, int out, const struct content *all, const bool *wanted, struct err *e)
{
	struct reduce r = { .all = all, .wanted = wanted };
	struct signer *s = sign_open(m->files.crt, m->files.key, e);
	struct casefilter f = { .tool = "msend", .ctx = &r, .tap = reduce_tap, .sign = sign_manifest, .sign_arg = s };
	int rc = s && lseek(in, 0, SEEK_SET) == 0 ? casefilter_run(&f, in, out, e) : -1;

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
	struct msend *m;
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
	free(s->small_has.bodies);
	s->small_has = (struct content){ 0 };
}

/* What a killed msend left: the very same bytes, so that the centre goes on where it was. */
static void find_small(struct sending *s)
{
	struct err e = { 0 };

	s->small_path = buf_printf("%s/%s-%.32s.case", s->m->state, s->all.id, s->whole.sha256);
	s->small_fd = open(s->small_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (s->small_fd < 0)
		return;
	if (read_content(s->small_fd, s->m->plain, &s->small_has, &e) < 0 || strcmp(s->small_has.id, s->all.id) != 0 ||
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
	if (reduce(s->m, s->fd, a ? atomic_fd(a) : fd, &s->all, s->wanted, e) < 0) {
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
	return read_content(fd, s->m->plain, &s->small_has, e) < 0 ? -1 : describe(fd, s->all.id, &s->small, e);
}

/* One connection, from HELLO to RECEIPT. */
static int send_once(struct sending *s, struct err *e)
{
	struct client *c = client_open(s->m->tls, &s->m->to, e);
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

/* 1, 2, 4 ... 60 s, and up to half as much by chance, so that hosts that failed together do not come back together. */
static void back_off(unsigned attempt, const struct err *e)
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

static int print_receipt(const struct sending *s, struct err *e)
{
	const struct link_receipt *r = &s->receipt;
	size_t skipped = s->small_fd < 0 ? 0 : s->all.n - s->small_has.n;
	struct atomic *a = atomic_open(s->m->t.out, 0600, true, e);
	struct buf b = { 0 };
	int rc;

	if (!a)
		return -1;
	if (s->m->t.json) {
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

static int send_case(struct msend *m, const char *path, struct err *e)
{
	struct sending s = { .m = m, .small_fd = -1 };
	int rc = -1;

	s.fd = open_case(path, e);
	if (s.fd < 0 || read_content(s.fd, m->plain, &s.all, e) < 0 || describe(s.fd, s.all.id, &s.whole, e) < 0)
		goto out;
	memcpy(s.whole.origin, s.whole.sha256, DIGEST_HEX);
	memcpy(s.small.origin, s.whole.sha256, DIGEST_HEX);
	s.wanted = buf_alloc(s.all.n + 1);
	if (m->state)
		find_small(&s);
	for (unsigned i = 0; (rc = send_once(&s, e)) < 0 && e->code == EX_TEMPFAIL && i < m->retries; i++)
		back_off(i, e);
	if (rc == 0) {
		if (s.small_path)
			unlink(s.small_path);
		rc = print_receipt(&s, e);
	}
out:
	forget_small(&s);
	free(s.small_path);
	free(s.all.bodies);
	free(s.wanted);
	io_close(&s.fd);
	return rc;
}

/* ---- fetching ---- */

struct fetching { struct msend *m; int fd; uint64_t have; char tag[LINK_TAG]; char *path; };

/* STATEDIR/CASEID.answer, and its version in CASEID.tag: written first, so that it is never newer than the bytes. */
static int open_partial(struct fetching *f, struct err *e)
{
	char *tag_path = buf_printf("%s/%s.tag", f->m->state, f->m->fetch);
	struct buf b = { 0 };
	struct stat st;

	f->path = buf_printf("%s/%s.answer", f->m->state, f->m->fetch);
	f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0 || fstat(f->fd, &st)) {
		free(tag_path);
		return err_sys(e, "cannot keep the answer in %s", err_q(f->m->state));
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
	char *tag_path = buf_printf("%s/%s.tag", f->m->state, f->m->fetch);
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
	char *tag_path = buf_printf("%s/%s.tag", f->m->state, f->m->fetch);

	unlink(tag_path);
	unlink(f->path);
	free(tag_path);
}

/* 1 it is here, 0 not yet. */
static int fetch_once(struct fetching *f, unsigned *wait, struct err *e)
{
	struct client *c = client_open(f->m->tls, &f->m->to, e);
	uint64_t size = 0;
	int rc = c ? client_fetch(c, f->m->fetch, &f->have, f->tag, &size, wait, e) : -1;

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
	int64_t until = clock_mono_ms() + f->m->wait_s * 1000LL;
	unsigned failed = 0, wait = 0, pause = 1;
	int rc;

	while ((rc = fetch_once(f, &wait, e)) < 1) {
		if (rc < 0) {
			if (e->code != EX_TEMPFAIL || failed >= f->m->retries)
				return -1;
			back_off(failed++, e);
			continue;
		}
		failed = 0;
		if (clock_mono_ms() >= until)
			return err_set(e, EX_TEMPFAIL, "no answer to case %s yet", f->m->fetch);
		sleep(pause);   /* soon at first: a known specimen is answered within seconds */
		pause = pause < wait ? pause + 1 : pause;
	}
	return 0;
}

static int fetch_case(struct msend *m, struct err *e)
{
	struct fetching f = { .m = m, .fd = -1 };
	struct atomic *a = atomic_open(m->t.out, 0600, false, e);
	struct content c = { 0 };
	int rc = -1;

	if (!a)
		return -1;
	if (m->state ? open_partial(&f, e) < 0 : (f.fd = io_tmp(e)) < 0)
		goto out;
	if (fetch_wait(&f, e) < 0)
		goto out;
	if (f.path)   /* whole, so whatever comes of it, it need not be kept */
		forget_partial(&f);
	if (read_content(f.fd, true, &c, e) < 0) {
		err_wrap(e, "the answer");
		goto out;
	}
	if (strcmp(c.id, m->fetch) != 0) {
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
	free(c.bodies);
	return rc;
}

/* ---- options ---- */

static unsigned number(const struct tool *t, const char *s, unsigned max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(s, &end, 10);
	if (*s < '0' || *s > '9' || *end || errno || n > max)
		tool_usage(t, "no number up to %u: %s", max, err_q(s));
	return (unsigned)n;
}

static void option(struct msend *m, int c)
{
	switch (c) {
	case 'k': m->files.key = optarg; break;
	case 'c': m->files.crt = optarg; break;
	case 'a': m->files.ca = optarg; break;
	case 'C': m->files.crl = optarg; break;
	case 'n': m->to.name = optarg; break;
	case 's': m->state = optarg; break;
	case 'r': m->retries = number(&m->t, optarg, 1000); break;
	case 'w': m->wait_s = number(&m->t, optarg, 30 * 86400); break;
	case O_FETCH: m->fetch = optarg; break;
	case O_PLAIN: m->plain = true; break;
	case O_IDLE: m->to.idle_ms = 1000 * (int)number(&m->t, optarg, 86400); break;
	}
}

/* "HOST:PORT" or "[ADDRESS]:PORT", into m->to; the host is the caller's to free. */
static char *split(struct msend *m, const char *where)
{
	const char *colon = strrchr(where, ':');
	size_t n = colon ? (size_t)(colon - where) : 0;

	if (n < 1 || !colon[1])
		tool_usage(&m->t, "no HOST:PORT: %s", err_q(where));
	m->to.port = colon + 1;
	m->to.host = where[0] == '[' && n > 2 && where[n - 1] == ']' ? buf_printf("%.*s", (int)n - 2, where + 1) :
		     buf_printf("%.*s", (int)n, where);
	return (char *)(uintptr_t)m->to.host;
}

int main(int argc, char **argv)
{
	struct msend m = { .retries = 3, .to.idle_ms = 60000 };
	struct err e = { 0 };
	char *host;
	int c, rc = -1;

	tool_init(&m.t, "msend", usage, argc, argv);
	while ((c = tool_getopt(&m.t, "k:c:a:C:n:r:s:w:o:j", longs)) != -1)
		option(&m, c);
	if (!m.files.key || !m.files.crt || !m.files.ca || optind == argc || argc - optind > (m.fetch ? 1 : 2))
		tool_usage(&m.t, "wants -k, -c, -a, HOST:PORT and at most one case");
	if (m.fetch && !frames_id_ok(m.fetch))
		tool_usage(&m.t, "no case id of 32 hex digits: %s", err_q(m.fetch));
	host = split(&m, argv[optind]);
	m.tls = tls_open(&m.files, false, &e);
	if (m.tls && (!m.state || io_mkdirs(m.state, 0700, &e) == 0))
		rc = m.fetch ? fetch_case(&m, &e) : send_case(&m, argv[optind + 1], &e);
	tls_free(m.tls);
	free(host);
	return tool_end(&m.t, rc, &e);
}
