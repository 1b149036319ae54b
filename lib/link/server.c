/* server: the listening socket, the loop, the limits, and the uploads that are being checked. */
#include "link/session.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define TICK_MS 250
#define CLOSE_MS 5000          /* what a clean shutdown may take */
#define SAME_ADDRESS 16u

void server_log(struct server *srv, const struct session *s, const char *what, const char *id, uint64_t bytes, const char *text)
{
	struct server_event ev = { .what = what, .id = id, .text = text, .bytes = bytes };

	if (s) {
		ev.address = s->address;
		ev.peer = s->known ? s->tls.peer : NULL;
	}
	if (srv->ops->log)
		srv->ops->log(srv->ops->ctx, &ev);
}

int server_listen(const char *where, unsigned *port, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *a = NULL;
	union { struct sockaddr any; struct sockaddr_in in; struct sockaddr_in6 in6; } at = { 0 };
	socklen_t len = sizeof(at);
	const char *colon = strrchr(where, ':');
	char host[256];
	int fd = -1, one = 1, rc;
	size_t n = colon ? (size_t)(colon - where) : 0;

	if (!colon || n >= sizeof(host))
		return err_set(e, EX_USAGE, "no ADDR:PORT: %s", err_q(where));
	if (n >= 2 && where[0] == '[' && where[n - 1] == ']') {
		where++;
		n -= 2;
	}
	memcpy(host, where, n);
	host[n] = '\0';
	rc = getaddrinfo(n ? host : NULL, colon + 1, &hints, &a);
	if (rc)
		return err_set(e, EX_USAGE, "cannot listen on %s: %s", err_q(where), gai_strerror(rc));
	fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 256) || getsockname(fd, &at.any, &len)) {
		err_sys(e, "cannot listen on %s", err_q(where));
		if (e->code == EX_IOERR)
			e->code = EX_UNAVAILABLE;
		io_close(&fd);
	} else {
		*port = ntohs(at.any.sa_family == AF_INET6 ? at.in6.sin6_port : at.in.sin_port);
	}
	freeaddrinfo(a);
	return fd;
}

/* ---- connections ---- */

bool server_peer_full(struct server *srv, const struct session *s)
{
	unsigned n = 0;

	for (const struct session *o = srv->sessions; o; o = o->next)
		n += o->known && o->state < SESSION_CLOSING && !strcmp(o->tls.peer, s->tls.peer);
	return n > srv->l.per_peer;
}

/* The host came back after a cut that we have not noticed yet: the old connection ends. */
void server_take_over(struct server *srv, struct session *s, const struct link_upload *u)
{
	for (struct session *o = srv->sessions; o; o = o->next)
		if (o != s && o->state == SESSION_UPLOAD && !strcmp(o->up.id, u->id) && !strcmp(o->tls.peer, s->tls.peer))
			session_fail(o, "later", "another connection goes on with this case");
}

static void unlink_session(struct server *srv, struct session **at)
{
	struct session *s = *at;

	*at = s->next;
	srv->count--;
	session_free(s);
}

/* Room for one more: whoever has not shown a certificate for longest, or is on its way out, gives way. */
static bool make_room(struct server *srv)
{
	struct session **oldest = NULL;

	if (srv->count < srv->l.connections)
		return true;
	for (struct session **at = &srv->sessions; *at; at = &(*at)->next)
		if (((*at)->state == SESSION_HANDSHAKE || (*at)->state == SESSION_LINGER) && (!oldest || (*at)->born < (*oldest)->born))
			oldest = at;
	if (!oldest)
		return false;
	server_log(srv, *oldest, "refused", NULL, 0, "gave way to a newer connection");
	unlink_session(srv, oldest);
	return true;
}

static bool address_full(const struct server *srv, const char *address)
{
	unsigned n = 0;
	size_t len = strcspn(address, " ");

	for (const struct session *o = srv->sessions; o; o = o->next)
		n += !o->known && !strncmp(o->address, address, len + 1);
	return n >= SAME_ADDRESS;
}

static void pause_listening(struct server *srv)
{
	event_del(srv->listener);
	srv->paused = true;
}

static bool take_token(struct server *srv)
{
	int64_t now = clock_mono_ms();

	srv->tokens += (double)(now - srv->token_time) * srv->l.rate / 1000;
	if (srv->tokens > 2.0 * srv->l.rate)
		srv->tokens = 2.0 * srv->l.rate;
	srv->token_time = now;
	if (srv->tokens < 1)
		return false;
	srv->tokens--;
	return true;
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct server *srv = arg;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char host[48], port[8], address[64] = "?";
	struct session *s = NULL;
	int c, one = 1;

	(void)what;
	if (!take_token(srv)) {
		pause_listening(srv);
		return;
	}
	c = accept4(fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (c < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_listening(srv);   /* the tick tries again */
		return;
	}
	setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(c, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	if (!getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(address, sizeof(address), "%s %s", host, port);
	tls_refresh(srv->tls);
	if (make_room(srv) && !address_full(srv, address))
		s = session_new(srv, c, address);
	if (!s) {
		struct server_event ev = { .what = "refused", .address = address, .text = "too many connections" };

		if (srv->ops->log)
			srv->ops->log(srv->ops->ctx, &ev);
		close(c);
		return;
	}
	s->next = srv->sessions;
	srv->sessions = s;
	srv->count++;
}

/* ---- checks ---- */

bool server_checking(struct server *srv, const struct link_upload *u)
{
	for (const struct check *k = srv->checks; k; k = k->next)
		if (!strcmp(k->up.id, u->id))
			return true;
	return false;
}

static void free_check(struct server *srv, struct check *k)
{
	struct check **at = &srv->checks;

	while (*at && *at != k)
		at = &(*at)->next;
	if (*at)
		*at = k->next;
	if (k->done)
		event_free(k->done);
	if (k->job) {
		srv->ops->cancel(srv->ops->ctx, k->job);
		srv->checking--;
	}
	if (k->session)
		k->session->check = NULL;
	io_close(&k->fd);
	free(k);
}

static void outcome(struct check *k, int rc, const char *time, struct err *e)
{
	struct server *srv = k->srv;
	struct session *s = k->session;
	struct link_receipt r = { .upload = k->up };
	struct server_event ev = { .what = rc ? "rejected" : "received", .peer = k->peer, .id = k->up.id, .bytes = k->up.size,
				   .text = rc ? e->msg : NULL, .address = s ? s->address : NULL };

	if (srv->ops->log)
		srv->ops->log(srv->ops->ctx, &ev);
	k->session = NULL;
	if (s) {
		s->check = NULL;
		snprintf(r.time, sizeof(r.time), "%s", time ? time : "");
		if (rc)
			session_error(s, e);
		else
			session_receipt(s, &r);
	}
	if (!rc)
		srv->receipts++;
	free_check(srv, k);
}

static void on_checked(evutil_socket_t fd, short what, void *arg)
{
	struct check *k = arg;
	char time[CLOCK_RFC3339] = "";
	struct err e = { 0 };
	void *job = k->job;
	int rc;

	(void)fd, (void)what;
	event_free(k->done);
	k->done = NULL;
	k->job = NULL;
	k->srv->checking--;
	rc = k->srv->ops->checked(k->srv->ops->ctx, job, time, &e);
	outcome(k, rc, time, &e);
}

static void start_checks(struct server *srv)
{
	struct check *k = srv->checks, *next;
	struct err e = { 0 };

	for (; k && srv->checking < srv->l.checks; k = next) {
		next = k->next;
		if (k->job)
			continue;
		k->began = clock_mono_ms();
		k->job = srv->ops->check(srv->ops->ctx, k->peer, &k->up, k->fd, &e);
		if (k->job) {
			srv->checking++;
			k->done = event_new(srv->base, srv->ops->check_fd(k->job), EV_READ, on_checked, k);
			if (k->done && !event_add(k->done, NULL))
				continue;
			err_set(&e, EX_TEMPFAIL, "the centre has too much to do");
		}
		outcome(k, -1, NULL, &e);
	}
}

void server_check(struct server *srv, struct session *s)
{
	struct check *k = buf_alloc(sizeof(*k)), **at = &srv->checks;

	k->srv = srv;
	k->session = s;
	k->up = s->up;
	memcpy(k->peer, s->tls.peer, sizeof(k->peer));
	k->fd = s->part;
	s->part = -1;
	s->check = k;
	while (*at)
		at = &(*at)->next;
	*at = k;
	event_active(srv->tick, EV_TIMEOUT, 0);   /* begun outside of the session's own event */
}

static void end_slow_checks(struct server *srv, int64_t now)
{
	struct err e = { .code = EX_TEMPFAIL, .msg = "the check of the case took too long" };
	struct check *next;

	for (struct check *k = srv->checks; k; k = next) {
		next = k->next;
		if (k->job && now - k->began > srv->l.check_s * 1000LL)
			outcome(k, -1, NULL, &e);
	}
}

/* ---- the loop ---- */

static void begin_closing(struct server *srv)
{
	if (srv->closing_since)
		return;
	srv->closing_since = clock_mono_ms();
	event_del(srv->listener);
	for (struct session *s = srv->sessions; s; s = s->next) {
		if (s->state == SESSION_CHECK)
			continue;
		if (s->state == SESSION_READY && s->out.len == s->out_at && !s->thinking)
			s->state = SESSION_DEAD;
		else if (!(srv->l.uploads && s->state == SESSION_READY))
			session_fail(s, "later", "the centre's front end is closing");
	}
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	begin_closing(arg);
	event_active(((struct server *)arg)->tick, EV_TIMEOUT, 0);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct server *srv = arg;
	int64_t now = clock_mono_ms();

	(void)fd, (void)what;
	for (struct session *s = srv->sessions; s; s = s->next)
		session_tick(s, now);
	end_slow_checks(srv, now);
	start_checks(srv);
	for (struct session **at = &srv->sessions; *at;) {
		struct session *s = *at;

		if (srv->closing_since && s->state == SESSION_READY && s->out.len == s->out_at)
			s->state = SESSION_DEAD;
		if (s->state == SESSION_DEAD)
			unlink_session(srv, at);
		else
			at = &s->next;
	}
	if (srv->l.uploads && srv->receipts >= srv->l.uploads)
		begin_closing(srv);
	if (srv->closing_since) {
		if ((!srv->sessions && !srv->checks) || now - srv->closing_since > CLOSE_MS)
			event_base_loopbreak(srv->base);
	} else if (srv->paused) {
		srv->paused = false;
		event_add(srv->listener, NULL);
	}
}

static void defaults(struct server_limits *l)
{
	static const struct server_limits d = {
		.connections = 256, .per_peer = 4, .rate = 50, .checks = 2, .handshake_s = 10, .idle_s = 60, .think_s = 600,
		.session_s = 14400, .check_s = 900, .case_bytes = CAP_CASE,
	};
#define DEFAULT(m) (l->m = l->m ? l->m : d.m)
	DEFAULT(connections), DEFAULT(per_peer), DEFAULT(rate), DEFAULT(checks), DEFAULT(handshake_s), DEFAULT(idle_s);
	DEFAULT(think_s), DEFAULT(session_s), DEFAULT(check_s), DEFAULT(case_bytes);
#undef DEFAULT
}

int server_run(int fd, struct tls *t, const struct server_ops *ops, const struct server_limits *l, struct err *e)
{
	const struct timeval every = { .tv_usec = TICK_MS * 1000 };
	struct server srv = { .tls = t, .ops = ops, .l = *l };
	sigset_t ends;
	int rc = -1;

	defaults(&srv.l);
	srv.tokens = 2.0 * srv.l.rate;
	srv.token_time = clock_mono_ms();
	srv.chunk = buf_alloc(SESSION_CHUNK);
	srv.base = event_base_new();
	if (!srv.base) {
		err_set(e, EX_UNAVAILABLE, "cannot set up an event loop");
		goto out;
	}
	srv.listener = event_new(srv.base, fd, EV_READ | EV_PERSIST, on_accept, &srv);
	srv.tick = event_new(srv.base, -1, EV_PERSIST, on_tick, &srv);
	srv.sigterm = evsignal_new(srv.base, SIGTERM, on_signal, &srv);
	srv.sigint = evsignal_new(srv.base, SIGINT, on_signal, &srv);
	if (!srv.listener || !srv.tick || !srv.sigterm || !srv.sigint || event_add(srv.listener, NULL) ||
	    event_add(srv.tick, &every) || event_add(srv.sigterm, NULL) || event_add(srv.sigint, NULL)) {
		err_set(e, EX_UNAVAILABLE, "cannot set up an event loop");
		goto out;
	}
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_UNBLOCK, &ends, NULL);   /* one that came a moment too early is heeded now */
	rc = event_base_dispatch(srv.base) < 0 ? err_set(e, EX_OSERR, "the event loop failed") : 0;
out:
	while (srv.checks)
		free_check(&srv, srv.checks);
	while (srv.sessions)
		unlink_session(&srv, &srv.sessions);
	if (srv.listener)
		event_free(srv.listener);
	if (srv.tick)
		event_free(srv.tick);
	if (srv.sigterm)
		event_free(srv.sigterm);
	if (srv.sigint)
		event_free(srv.sigint);
	if (srv.base)
		event_base_free(srv.base);
	free(srv.chunk);
	return rc;
}
