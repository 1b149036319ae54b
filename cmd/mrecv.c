/* mrecv: the centre's front end: takes sealed cases from the network into the spool, hands out answers. */
#include "centre/centre.h"
#include "confine/confine.h"
#include "link/link.h"

#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
"usage: mrecv -l ADDR:PORT -k KEY -c CRT -a CA -s SPOOL [-C CRL] [-u USER] [-j] [limits]\n"
"Receives cases from hosts over TLS 1.3 (muss-protocol(7)), checks each, keeps it in SPOOL/in and its sealed bodies in\n"
"SPOOL/store, and hands out SPOOL/out to the host that sent the case. Runs until SIGTERM. It can open no body.\n"
"  -l ADDR:PORT       where to listen; port 0: any, printed on standard output\n"
"  -k KEY  -c CRT     key and certificate, of role front\n"
"  -a CA  -C CRL      the authority; its revocation list, read again when it changes\n"
"  -s SPOOL           made when missing, mode 0700\n"
"  -u USER            become this user once the port is open and the key read (as root)\n"
"  -j                 the log (standard error) as JSON lines\n"
"  --port-file FILE   write the port there as well\n"
"  --connections N (256)  --per-host N (4)  --rate N (50 a second)  --handshake S (10)  --idle S (60)  --total S (14400)\n"
"  --max-case BYTES (64 GiB)   --keep-parts S (604800): cut uploads are kept so long\n"
"  --once             end after the first case that was received\n"
"  -q  less    -v  more    -V  version    -h  this help\n"
"Examples:\n"
"  mrecv -l 0.0.0.0:8443 -k front.key -c front.crt -a ca.crt -C crl.pem -s /var/spool/muss -u muss\n"
"  mrecv -l 127.0.0.1:0 --port-file port -k front.key -c front.crt -a ca.crt -s spool -j 2>>log\n"
"Exit: 0 ended by SIGTERM; 64 usage; 66 a file is missing; 69 cannot listen; 74 input or output; 77 not permitted;\n"
"  78 key and certificate differ.\n";

enum { O_PORT_FILE = 256, O_CONNECTIONS, O_PER_HOST, O_RATE, O_HANDSHAKE, O_IDLE, O_TOTAL, O_MAX_CASE, O_KEEP, O_ONCE };
static const struct option longs[] = {
	{ "port-file", required_argument, NULL, O_PORT_FILE }, { "connections", required_argument, NULL, O_CONNECTIONS },
	{ "per-host", required_argument, NULL, O_PER_HOST }, { "rate", required_argument, NULL, O_RATE },
	{ "handshake", required_argument, NULL, O_HANDSHAKE }, { "idle", required_argument, NULL, O_IDLE },
	{ "total", required_argument, NULL, O_TOTAL }, { "max-case", required_argument, NULL, O_MAX_CASE },
	{ "keep-parts", required_argument, NULL, O_KEEP }, { "once", no_argument, NULL, O_ONCE }, { 0 },
};

struct mrecv {
	struct tool t;
	struct tls_files files;
	struct server_limits limits;
	struct accept_rules rules;
	const char *listen, *spool_dir, *port_file;
	const struct passwd *user;
	int64_t keep_s;
	struct spool *spool;
};

/* ---- what the server asks, the spool answers ---- */

static void to_upload(struct spool_upload *to, const char *peer, const struct link_upload *u)
{
	memset(to, 0, sizeof(*to));
	memcpy(to->id, u->id, sizeof(to->id));
	memcpy(to->sha256, u->sha256, sizeof(to->sha256));
	memcpy(to->origin, u->origin, sizeof(to->origin));
	to->size = u->size;
	snprintf(to->owner, sizeof(to->owner), "%s", peer);
}

static bool op_has(void *ctx, const char *sha256)
{
	return store_has(((struct mrecv *)ctx)->spool, sha256);
}

static int op_received(void *ctx, const char *peer, const char *id, const char *origin, struct link_receipt *r, struct err *e)
{
	struct spool_upload u;
	int rc = spool_received(((struct mrecv *)ctx)->spool, peer, id, origin, &u, r->time, e);

	if (rc == 1) {
		memcpy(r->upload.id, u.id, sizeof(u.id));
		memcpy(r->upload.sha256, u.sha256, sizeof(u.sha256));
		r->upload.size = u.size;
		r->again = true;
	}
	return rc;
}

static int op_begin(void *ctx, const char *peer, const struct link_upload *u, int *fd, uint64_t *offset,
		    char time[CLOCK_RFC3339], struct err *e)
{
	struct spool_upload up;

	to_upload(&up, peer, u);
	return spool_begin(((struct mrecv *)ctx)->spool, &up, fd, offset, time, e);
}

static void op_drop(void *ctx, const char *peer, const struct link_upload *u)
{
	struct spool_upload up;

	to_upload(&up, peer, u);
	spool_drop(((struct mrecv *)ctx)->spool, &up);
}

static void *op_check(void *ctx, const char *peer, const struct link_upload *u, int fd, struct err *e)
{
	struct mrecv *m = ctx;
	struct spool_upload up;

	to_upload(&up, peer, u);
	return accept_start(m->spool, &up, fd, &m->rules, e);
}

static int op_check_fd(void *job)
{
	return accept_fd(job);
}

static int op_checked(void *ctx, void *job, char time[CLOCK_RFC3339], struct err *e)
{
	(void)ctx;
	return accept_end(job, time, e);
}

static void op_cancel(void *ctx, void *job)
{
	(void)ctx;
	accept_kill(job);
}

static int op_answer(void *ctx, const char *peer, const char *id, int *fd, struct err *e)
{
	return spool_answer(((struct mrecv *)ctx)->spool, peer, id, fd, e);
}

static int op_delta(void *ctx, const char *id, uint64_t from, int *fd, struct err *e)
{
	return deltas_open(((struct mrecv *)ctx)->spool, id, from, fd, e);
}

static void op_log(void *ctx, const struct server_event *ev)
{
	const struct mrecv *m = ctx;
	char now[CLOCK_RFC3339];
	json_t *j;

	if (!m->t.json) {
		if (!strcmp(ev->what, "rejected") || !strcmp(ev->what, "refused"))
			msg_warn("%s %s %s %s: %s", ev->what, ev->address ? ev->address : "", ev->peer ? err_q(ev->peer) : "",
				 ev->id ? ev->id : "", ev->text ? ev->text : "");
		else
			msg_info("%s %s %s %s %llu", ev->what, ev->address ? ev->address : "", ev->peer ? err_q(ev->peer) : "",
				 ev->id ? ev->id : "", (unsigned long long)ev->bytes);
		return;
	}
	clock_rfc3339(clock_now(), now);
	j = json_object();
	json_object_set_new(j, "time", json_string(now));
	json_object_set_new(j, "event", json_string(ev->what));
	if (ev->address)
		json_object_set_new(j, "address", jsonio_name(ev->address));
	if (ev->peer)
		json_object_set_new(j, "host", jsonio_name(ev->peer));
	if (ev->id)
		json_object_set_new(j, "case", jsonio_name(ev->id));
	json_object_set_new(j, "count", json_integer((json_int_t)ev->bytes));
	if (ev->text)
		json_object_set_new(j, "text", jsonio_name(ev->text));
	jsonio_print(stderr, j);
	fflush(stderr);
	json_decref(j);
}

/* ---- giving up rights ---- */

static int give_up_rights(const struct passwd *user, struct err *e)
{
	if (!user && geteuid() == 0)
		msg_warn("runs as root; -u USER gives that up");
	return become_user(user, e);
}

/* Every check reads them again, as whoever we are by then. */
static int can_read(const char *path, struct err *e)
{
	return path && access(path, R_OK) ? err_sys(e, "cannot read %s", err_q(path)) : 0;
}

static int confine_parser(struct err *e)
{
	const struct confine_limits l = { .memory_bytes = 1 * GIB, .cpu_seconds = 600 };

	return confine_enter(CONFINE_PARSER, &l, e);
}

static int announce(const struct mrecv *m, unsigned port, struct err *e)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u\n", port), host = (int)(strrchr(m->listen, ':') - m->listen);

	if (printf("listening on %.*s:%u\n", host, m->listen, port) < 0 || fflush(stdout))
		return err_sys(e, "cannot write to standard output");
	return m->port_file ? atomic_write(m->port_file, 0644, text, (size_t)n, e) : 0;
}

/* From the moment it says that it listens, SIGTERM ends it cleanly. */
static void hold_signals(void)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
}

static int run(struct mrecv *m, struct err *e)
{
	const struct server_ops ops = { .ctx = m, .has = op_has, .received = op_received, .begin = op_begin, .drop = op_drop, .check = op_check,
		.check_fd = op_check_fd, .checked = op_checked, .cancel = op_cancel, .answer = op_answer,
		.delta = op_delta, .log = op_log };
	struct tls *tls = tls_open(&m->files, true, e);
	unsigned port = 0;
	int fd = -1, rc = -1;

	if (!tls || (fd = server_listen(m->listen, &port, e)) < 0)
		goto out;
	m->spool = spool_open(m->spool_dir, m->user ? m->user->pw_uid : (uid_t)-1, m->user ? m->user->pw_gid : (gid_t)-1, e);
	hold_signals();
	if (!m->spool || announce(m, port, e) < 0 || give_up_rights(m->user, e) < 0 || can_read(m->rules.ca, e) < 0 ||
	    can_read(m->rules.crl, e) < 0 || spool_tidy(m->spool, m->keep_s, e) < 0)
		goto out;
	rc = server_run(fd, tls, &ops, &m->limits, e);
out:
	spool_free(m->spool);
	io_close(&fd);
	tls_free(tls);
	return rc;
}

static uint64_t number(const struct tool *t, const char *s, uint64_t max)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(s, &end, 10);
	if (*s < '0' || *s > '9' || *end || errno || n < 1 || n > max)
		tool_usage(t, "no number from 1 to %llu: %s", (unsigned long long)max, err_q(s));
	return n;
}

static void option(struct mrecv *m, int c)
{
	const uint64_t day = 86400;

	switch (c) {
	case 'l': m->listen = optarg; break;
	case 'k': m->files.key = optarg; break;
	case 'c': m->files.crt = optarg; break;
	case 'a': m->files.ca = m->rules.ca = optarg; break;
	case 'C': m->files.crl = m->rules.crl = optarg; break;
	case 's': m->spool_dir = optarg; break;
	case 'u':
		m->user = getpwnam(optarg);
		if (!m->user)
			tool_usage(&m->t, "no user %s", err_q(optarg));
		break;
	case O_PORT_FILE: m->port_file = optarg; break;
	case O_CONNECTIONS: m->limits.connections = (unsigned)number(&m->t, optarg, 100000); break;
	case O_PER_HOST: m->limits.per_peer = (unsigned)number(&m->t, optarg, 1000); break;
	case O_RATE: m->limits.rate = (unsigned)number(&m->t, optarg, 100000); break;
	case O_HANDSHAKE: m->limits.handshake_s = (unsigned)number(&m->t, optarg, day); break;
	case O_IDLE: m->limits.idle_s = (unsigned)number(&m->t, optarg, day); break;
	case O_TOTAL: m->limits.session_s = (unsigned)number(&m->t, optarg, 30 * day); break;
	case O_MAX_CASE: m->limits.case_bytes = number(&m->t, optarg, CAP_CASE); break;
	case O_KEEP: m->keep_s = (int64_t)number(&m->t, optarg, 3650 * day); break;
	case O_ONCE: m->limits.uploads = 1; break;
	}
}

int main(int argc, char **argv)
{
	struct mrecv m = { .keep_s = 7 * 86400, .rules.confine = confine_parser };
	struct err e = { 0 };
	int c;

	tool_init(&m.t, "mrecv", usage, argc, argv);
	while ((c = tool_getopt(&m.t, "l:k:c:a:C:s:u:j", longs)) != -1)
		option(&m, c);
	if (optind < argc || !m.listen || !m.files.key || !m.files.crt || !m.files.ca || !m.spool_dir)
		tool_usage(&m.t, "wants -l, -k, -c, -a and -s, and no operand");
	return tool_end(&m.t, run(&m, &e), &e);
}
