/* A server of mail (RFC 5321) that takes everything, keeps what tells of it, and delivers nothing. */
#include "internet/internal.h"

#include <stdlib.h>
#include <string.h>

#define RECIPIENTS_MOST 100u
#define TEXT_MOST 320u

enum phase { COMMANDS, LOGIN_USER, LOGIN_PASSWORD, PLAIN, DATA };
struct smtp {
	enum phase phase;
	char *from, *subject;
	json_t *to;
	bool headers;             /* DATA is still in the mail's head */
	char *user;
	struct kept mail;
};

static const char *host(const struct conn *c)
{
	const char *name = c->x.name ? c->x.name : names_of(c->net->names, &c->x.address);

	return name ? name : serve_text(c->net, "smtp", "host", "mail.example.net");
}

static void forget(struct smtp *s)
{
	free(s->from);
	free(s->subject);
	json_decref(s->to);
	record_drop(&s->mail);
	s->from = s->subject = NULL;
	s->to = json_array();
}

/* "MAIL FROM:<a@b> SIZE=1" gives a@b. */
static char *address(const char *line)
{
	const char *p = strchr(line, ':'), *open;
	size_t n;

	p = p ? p + 1 : line;
	open = strchr(p, '<');
	if (open) {
		p = open + 1;
		n = strcspn(p, ">");
	} else {
		p += strspn(p, " ");
		n = strcspn(p, " ");
	}
	return buf_printf("%.*s", (int)(n < TEXT_MOST ? n : TEXT_MOST), p);
}

static void note_login(struct conn *c, const char *how, const struct buf *user, const struct buf *password)
{
	json_t *o = json_pack("{s:s}", "how", how);

	record_bytes(o, "user", buf_str(user), user->len);
	record_bytes(o, "password", buf_str(password), password->len);
	record_note(&c->x, "credentials", o);
}

/* RFC 4616: authorisation, NUL, user, NUL, password. */
static void login_plain(struct conn *c, const char *text)
{
	struct buf all = { 0 }, user = { 0 }, password = { 0 };
	const unsigned char *first, *second;

	if (jsonio_unbase64(text, &all) == 0 && all.len && (first = memchr(all.p, 0, all.len))) {
		second = memchr(first + 1, 0, (size_t)(all.p + all.len - first - 1));
		if (second) {
			buf_add(&user, first + 1, (size_t)(second - first - 1));
			buf_add(&password, second + 1, (size_t)(all.p + all.len - second - 1));
		}
	}
	note_login(c, "plain", &user, &password);
	conn_say(c, "235 2.7.0 Authentication successful\r\n");
	buf_free(&all);
	buf_free(&user);
	buf_free(&password);
}

static void login_password(struct conn *c, const char *text)
{
	struct smtp *s = c->state;
	struct buf user = { 0 }, password = { 0 };

	if (jsonio_unbase64(s->user, &user))
		buf_adds(&user, s->user);
	if (jsonio_unbase64(text, &password))
		buf_adds(&password, text);
	note_login(c, "login", &user, &password);
	conn_say(c, "235 2.7.0 Authentication successful\r\n");
	buf_free(&user);
	buf_free(&password);
}

static void take_user(struct conn *c, const char *text)
{
	struct smtp *s = c->state;

	free(s->user);
	s->user = buf_printf("%.*s", (int)TEXT_MOST, text);
	s->phase = LOGIN_PASSWORD;
	conn_say(c, "334 UGFzc3dvcmQ6\r\n");
}

static void do_auth(struct conn *c, const char *line)
{
	struct smtp *s = c->state;
	const char *how = line + 4 + strspn(line + 4, " "), *initial = how + strcspn(how, " ");

	initial += strspn(initial, " ");
	if (!strncasecmp(how, "PLAIN", 5)) {
		if (*initial) {
			login_plain(c, initial);
		} else {
			s->phase = PLAIN;
			conn_say(c, "334 \r\n");
		}
	} else if (!strncasecmp(how, "LOGIN", 5)) {
		if (*initial) {
			take_user(c, initial);
		} else {
			s->phase = LOGIN_USER;
			conn_say(c, "334 VXNlcm5hbWU6\r\n");
		}
	} else {
		conn_say(c, "504 5.5.4 Unrecognized authentication type\r\n");
	}
}

static void do_ehlo(struct conn *c, const char *line)
{
	record_set(&c->x, "helo", jsonio_name(line + 4 + strspn(line + 4, " ")));
	conn_say(c, "250-%s\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n%s250 AUTH PLAIN LOGIN\r\n", host(c), c->tls ? "" : "250-STARTTLS\r\n");
}

static void do_rcpt(struct conn *c, const char *line)
{
	struct smtp *s = c->state;
	char *to = address(line);

	if (json_array_size(s->to) < RECIPIENTS_MOST)
		json_array_append_new(s->to, jsonio_name(to));
	conn_say(c, "250 2.1.5 Ok\r\n");
	free(to);
}

static void do_command(struct conn *c, const char *line)
{
	struct smtp *s = c->state;

	if (!strncasecmp(line, "EHLO", 4)) {
		do_ehlo(c, line);
	} else if (!strncasecmp(line, "HELO", 4)) {
		record_set(&c->x, "helo", jsonio_name(line + 4 + strspn(line + 4, " ")));
		conn_say(c, "250 %s\r\n", host(c));
	} else if (!strncasecmp(line, "MAIL", 4)) {
		forget(s);
		s->from = address(line);
		conn_say(c, "250 2.1.0 Ok\r\n");
	} else if (!strncasecmp(line, "RCPT", 4)) {
		do_rcpt(c, line);
	} else if (!strcasecmp(line, "DATA")) {
		s->phase = DATA;
		s->headers = true;
		conn_say(c, "354 End data with <CR><LF>.<CR><LF>\r\n");
	} else if (!strncasecmp(line, "AUTH ", 5)) {
		do_auth(c, line);
	} else if (!strcasecmp(line, "STARTTLS") && !c->tls) {
		conn_say(c, "220 2.0.0 Ready to start TLS\r\n");
		forget(s);
		conn_tls(c);
	} else if (!strcasecmp(line, "RSET")) {
		forget(s);
		conn_say(c, "250 2.0.0 Ok\r\n");
	} else if (!strcasecmp(line, "NOOP") || !strncasecmp(line, "VRFY", 4)) {
		conn_say(c, "250 2.0.0 Ok\r\n");
	} else if (!strcasecmp(line, "QUIT")) {
		conn_say(c, "221 2.0.0 Bye\r\n");
		conn_close(c);
	} else {
		conn_say(c, "502 5.5.2 Error: command not recognized\r\n");
	}
}

static void deliver(struct conn *c)
{
	struct smtp *s = c->state;
	json_t *o = json_pack("{s:o,s:O,s:o}", "from", s->from ? jsonio_name(s->from) : json_null(), "to", s->to,
		"subject", s->subject ? jsonio_name(s->subject) : json_null());

	record_kept(&s->mail, o, "");
	record_note(&c->x, "smtp", o);
	forget(s);
	s->phase = COMMANDS;
	conn_say(c, "250 2.0.0 Ok: queued as 4T%05X\r\n", (unsigned)(c->x.received & 0xfffff));
}

static void take_mail(struct conn *c, const char *line, size_t len)
{
	struct smtp *s = c->state;

	if (len == 1 && *line == '.') {
		deliver(c);
		return;
	}
	if (*line == '.') {   /* RFC 5321 4.5.2 */
		line++;
		len--;
	}
	if (!len)
		s->headers = false;
	if (s->headers && !s->subject && !strncasecmp(line, "subject:", 8))
		s->subject = buf_printf("%.*s", (int)TEXT_MOST, line + 8 + strspn(line + 8, " "));
	record_keep(&s->mail, line, len);
	record_keep(&s->mail, "\r\n", 2);
}

static void smtp_data(struct conn *c)
{
	struct smtp *s = c->state;
	size_t len;
	char *line;

	while (!conn_full(c) && !c->closing && !c->dead && (line = conn_line(c, &len))) {
		switch (s->phase) {
		case COMMANDS: do_command(c, line); break;
		case LOGIN_USER: take_user(c, line); break;
		case LOGIN_PASSWORD: s->phase = COMMANDS; login_password(c, line); break;
		case PLAIN: s->phase = COMMANDS; login_plain(c, line); break;
		case DATA: take_mail(c, line, len); break;
		}
	}
}

static void smtp_open(struct conn *c)
{
	struct smtp *s = buf_alloc(sizeof *s);

	s->to = json_array();
	c->state = s;
	/* A client that was known by what it said has already begun. */
	if (!c->in.len)
		conn_say(c, "220 %s ESMTP %s\r\n", host(c), serve_text(c->net, "smtp", "banner", "Postfix (Debian/GNU)"));
}

static void smtp_close(struct conn *c)
{
	struct smtp *s = c->state;

	if (!s)
		return;
	forget(s);
	json_decref(s->to);
	free(s->user);
	free(s);
}

const struct service smtp_service = { .name = "smtp", .secure = "smtps", .at_once = true, .open = smtp_open, .data = smtp_data, .close = smtp_close };
