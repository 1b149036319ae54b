/* A server of files (RFC 959, RFC 2428): everybody may log in, read what the web server would give, and leave what is kept by digest. */
#include "internet/internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define PATH_MOST 512u

enum transfer { NOTHING, RETRIEVE, LIST, STORE };
struct ftp {
	struct watch listener;    /* first: loop_free() frees the whole by it; fd -1: none */
	struct conn *control;     /* NULL: gone */
	struct conn *data;        /* NULL: none */
	struct in6_addr dial;     /* PORT: where to; */
	uint16_t dial_port;       /* 0: passive */
	enum transfer transfer;
	bool names_only, begun;    /* begun: what is sent was handed to the data connection */
	char *path, cwd[PATH_MOST], user[128];
	struct kept stored;
};

static void settle_data(struct ftp *s);

/* ---- the data connection ---- */

static void transfer_end(struct ftp *s, bool well)
{
	json_t *o;

	if (s->transfer == NOTHING)
		return;
	if (s->transfer == STORE && s->control) {
		o = json_pack("{s:o}", "path", jsonio_name(s->path));
		record_kept(&s->stored, o, "");
		record_note(&s->control->x, "stored", o);
	}
	record_drop(&s->stored);
	s->transfer = NOTHING;
	s->begun = false;
	if (s->control)
		conn_say(s->control, well ? "226 Transfer complete.\r\n" : "426 Connection closed; transfer aborted.\r\n");
}

static void data_data(struct conn *c)
{
	struct ftp *s = c->state;

	if (!s || s->transfer != STORE)
		return;
	record_keep(&s->stored, c->in.p ? c->in.p : (const unsigned char *)"", c->in.len);
	if (c->in.len)
		conn_took(c, c->in.len);
}

static void data_close(struct conn *c)
{
	struct ftp *s = c->state;

	if (!s)
		return;
	s->data = NULL;
	transfer_end(s, s->transfer != STORE || c->eof);
	if (s->control)
		conn_wake(s->control, 0);   /* what was just said to it goes out */
}

static void data_drained(struct conn *c)
{
	struct ftp *s = c->state;

	if (s && s->begun)
		conn_close(c);
	else if (s)
		settle_data(s);
}

static const struct service data_service = { .name = "ftp-data", .data = data_data, .drained = data_drained, .close = data_close };

static void listing(struct ftp *s, struct buf *b)
{
	static const struct { const char *mode, *name; unsigned size; } files[] = {
		{ "drwxr-xr-x", "pub", 4096 }, { "-rw-r--r--", "index.html", 100 }, { "-rw-r--r--", "readme.txt", 3 },
	};

	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		if (s->names_only)
			buf_addf(b, "%s\r\n", files[i].name);
		else
			buf_addf(b, "%s    1 ftp      ftp      %8u Jan 17  2023 %s\r\n", files[i].mode, files[i].size, files[i].name);
	}
}

/* Begins what was asked for, once there is a connection for it. */
static void settle_data(struct ftp *s)
{
	struct buf b = { 0 };

	if (!s->data || s->data->connecting || s->transfer == NOTHING || s->transfer == STORE)
		return;
	s->begun = true;
	if (s->transfer == LIST)
		listing(s, &b);
	else
		content_of(s->control->net, s->path, "", &b);
	conn_write(s->data, b.p, b.len);
	buf_free(&b);
}

static void adopt(struct ftp *s, struct conn *data)
{
	data->state = s;
	data->service = &data_service;
	data->x.service = data_service.name;
	s->data = data;
	settle_data(s);
}

static void listener_ready(struct net *n, struct watch *w, uint32_t events)
{
	struct ftp *s = (struct ftp *)w;
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *data;

	(void)events;
	if (fd < 0)
		return;
	loop_remove(n, w);
	data = conn_new(n, fd, false);
	if (!data)
		return;
	if (!s->control) {   /* it made room for this one */
		conn_end(data);
		return;
	}
	adopt(s, data);
	conn_run(data);
}

static void drop_data(struct ftp *s, struct net *n)
{
	loop_remove(n, &s->listener);
	s->dial_port = 0;
	s->transfer = NOTHING;
	s->begun = false;
	if (s->data)
		conn_end(s->data);
}

static bool passive(struct conn *c, uint16_t *port)
{
	struct ftp *s = c->state;
	struct sockaddr_in6 a = { 0 };
	socklen_t len = sizeof a;

	drop_data(s, c->net);
	s->listener.fd = ports_socket(c->net, SOCK_STREAM, 0);
	if (s->listener.fd < 0)
		return false;
	s->listener.ready = listener_ready;
	if (getsockname(s->listener.fd, (struct sockaddr *)&a, &len) || loop_add(c->net, &s->listener, EPOLLIN)) {
		io_close(&s->listener.fd);
		return false;
	}
	*port = ntohs(a.sin6_port);   /* stands at the same place in an IPv4 address */
	return true;
}

static void begin(struct conn *c, enum transfer what, const char *name)
{
	struct ftp *s = c->state;
	struct conn *data;
	int fd;

	if (s->transfer != NOTHING || (s->listener.fd < 0 && !s->data && !s->dial_port)) {
		conn_say(c, "425 Use PORT or PASV first.\r\n");
		return;
	}
	free(s->path);
	s->path = *name == '/' ? buf_printf("%.*s", (int)PATH_MOST, name) : buf_printf("%s/%.*s", s->cwd, (int)PATH_MOST, name);
	s->transfer = what;
	s->begun = false;
	conn_say(c, "150 Opening data connection.\r\n");
	if (!s->data && s->dial_port) {
		fd = ports_dial(c->net, &s->dial, s->dial_port);
		data = fd < 0 ? NULL : conn_new(c->net, fd, true);
		if (!data) {
			transfer_end(s, false);
			return;
		}
		adopt(s, data);
		return;
	}
	settle_data(s);
	if (s->data)
		conn_run(s->data);
}

/* ---- commands ---- */

static void do_pasv(struct conn *c)
{
	const unsigned char *a = c->x.address.s6_addr + 12;
	uint16_t port;

	if (!IN6_IS_ADDR_V4MAPPED(&c->x.address) || !passive(c, &port))
		conn_say(c, "425 Can't open passive connection.\r\n");
	else
		conn_say(c, "227 Entering Passive Mode (%u,%u,%u,%u,%u,%u).\r\n", a[0], a[1], a[2], a[3], port >> 8u, port & 255u);
}

static void do_epsv(struct conn *c)
{
	uint16_t port;

	if (passive(c, &port))
		conn_say(c, "229 Entering Extended Passive Mode (|||%u|)\r\n", port);
	else
		conn_say(c, "425 Can't open passive connection.\r\n");
}

static void do_port(struct conn *c, const char *arg)
{
	struct ftp *s = c->state;
	unsigned v[6];

	drop_data(s, c->net);
	if (!text_numbers(arg, v, 6, ',') || v[4] > 255 || v[5] > 255) {
		conn_say(c, "501 Illegal PORT command.\r\n");
		return;
	}
	s->dial = (struct in6_addr)IN6ADDR_ANY_INIT;
	s->dial.s6_addr[10] = s->dial.s6_addr[11] = 0xff;
	for (int i = 0; i < 4; i++)
		s->dial.s6_addr[12 + i] = (unsigned char)v[i];
	s->dial_port = (uint16_t)(v[4] << 8 | v[5]);
	conn_say(c, "200 PORT command successful.\r\n");
}

static void do_eprt(struct conn *c, const char *arg)
{
	struct ftp *s = c->state;
	char text[INET6_ADDRSTRLEN] = "";
	unsigned family = 0, port = 0;
	struct in_addr four;
	const char *p;

	drop_data(s, c->net);
	p = *arg == '|' ? text_numbers(arg + 1, &family, 1, '|') : NULL;
	if (p && *p == '|') {
		snprintf(text, sizeof text, "%.*s", (int)strcspn(p + 1, "|"), p + 1);
		p += 1 + strcspn(p + 1, "|");
		p = *p == '|' ? text_numbers(p + 1, &port, 1, '|') : NULL;
	}
	if (!p || *p != '|' || !port || port > 65535 || (family != 1 && family != 2) ||
	    (family == 1 ? inet_pton(AF_INET, text, &four) : inet_pton(AF_INET6, text, &s->dial)) != 1) {
		conn_say(c, "501 Illegal EPRT command.\r\n");
		return;
	}
	if (family == 1) {
		s->dial = (struct in6_addr)IN6ADDR_ANY_INIT;
		s->dial.s6_addr[10] = s->dial.s6_addr[11] = 0xff;
		memcpy(s->dial.s6_addr + 12, &four, 4);
	}
	s->dial_port = (uint16_t)port;
	conn_say(c, "200 EPRT command successful.\r\n");
}

static void do_cwd(struct conn *c, const char *arg)
{
	struct ftp *s = c->state;
	size_t n = strlen(s->cwd);

	if (*arg == '/')
		snprintf(s->cwd, sizeof s->cwd, "%s", !strcmp(arg, "/") ? "" : arg);
	else if (!strcmp(arg, ".."))
		*(strrchr(s->cwd, '/') ? strrchr(s->cwd, '/') : s->cwd) = '\0';
	else
		snprintf(s->cwd + n, sizeof s->cwd - n, "/%s", arg);
	conn_say(c, "250 Directory successfully changed.\r\n");
}

static void do_size(struct conn *c, const char *arg)
{
	struct buf b = { 0 };

	content_of(c->net, arg, "", &b);
	conn_say(c, "213 %zu\r\n", b.len);
	buf_free(&b);
}

static void do_list(struct conn *c, const char *arg, bool names_only)
{
	struct ftp *s = c->state;

	s->names_only = names_only;
	begin(c, LIST, arg);
}

static void do_user(struct conn *c, const char *arg)
{
	struct ftp *s = c->state;

	snprintf(s->user, sizeof s->user, "%s", arg);
	conn_say(c, "331 Please specify the password.\r\n");
}

static void do_pass(struct conn *c, const char *arg)
{
	struct ftp *s = c->state;

	record_note(&c->x, "credentials", json_pack("{s:o,s:o}", "user", jsonio_name(s->user), "password", jsonio_name(arg)));
	conn_say(c, "230 Login successful.\r\n");
}

static const struct { const char *command, *answer; } plain[] = {
	{ "SYST", "215 UNIX Type: L8" }, { "TYPE", "200 Switching to Binary mode." }, { "NOOP", "200 NOOP ok." }, { "MODE", "200 Mode set to S." },
	{ "STRU", "200 Structure set to F." }, { "REST", "350 Restart position accepted (0)." }, { "OPTS", "200 Always in UTF8 mode." },
	{ "ALLO", "202 ALLO command ignored." }, { "DELE", "250 Delete operation successful." }, { "RMD", "250 Remove directory operation successful." },
	{ "RNFR", "350 Ready for RNTO." }, { "RNTO", "250 Rename successful." }, { "MDTM", "213 20230117091322" }, { "SITE", "200 SITE command ok." },
	{ "ABOR", "226 No transfer to ABOR." }, { "FEAT", "211-Features:\r\n EPRT\r\n EPSV\r\n PASV\r\n SIZE\r\n UTF8\r\n211 End" },
	{ "PBSZ", "200 PBSZ set to 0." }, { "PROT", "536 PROT P not supported." }, { "ACCT", "202 ACCT ignored." },
};

static void do_command(struct conn *c, const char *word, const char *arg)
{
	const struct ftp *s = c->state;

	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		if (!strcmp(plain[i].command, word)) {
			conn_say(c, "%s\r\n", plain[i].answer);
			return;
		}
	}
	if (!strcmp(word, "USER"))
		do_user(c, arg);
	else if (!strcmp(word, "PASS"))
		do_pass(c, arg);
	else if (!strcmp(word, "PASV"))
		do_pasv(c);
	else if (!strcmp(word, "EPSV"))
		do_epsv(c);
	else if (!strcmp(word, "PORT"))
		do_port(c, arg);
	else if (!strcmp(word, "EPRT"))
		do_eprt(c, arg);
	else if (!strcmp(word, "LIST"))
		do_list(c, arg, false);
	else if (!strcmp(word, "NLST"))
		do_list(c, arg, true);
	else if (!strcmp(word, "RETR"))
		begin(c, RETRIEVE, arg);
	else if (!strcmp(word, "STOR") || !strcmp(word, "APPE") || !strcmp(word, "STOU"))
		begin(c, STORE, arg);
	else if (!strcmp(word, "SIZE"))
		do_size(c, arg);
	else if (!strcmp(word, "CWD"))
		do_cwd(c, arg);
	else if (!strcmp(word, "CDUP"))
		do_cwd(c, "..");
	else if (!strcmp(word, "PWD") || !strcmp(word, "XPWD"))
		conn_say(c, "257 \"%s\" is the current directory\r\n", s->cwd[0] ? s->cwd : "/");
	else if (!strcmp(word, "MKD"))
		conn_say(c, "257 \"%.400s\" created\r\n", arg);
	else if (!strcmp(word, "QUIT"))
		conn_say(c, "221 Goodbye.\r\n");
	else
		conn_say(c, "500 Unknown command.\r\n");
	if (!strcmp(word, "QUIT"))
		conn_close(c);
}

static void ftp_data(struct conn *c)
{
	char *line, word[8];

	while (!conn_full(c) && !c->closing && !c->dead && (line = conn_line(c, NULL))) {
		size_t n = 0, skip = strcspn(line, " ");
		char *arg;

		while (n < skip && n + 1 < sizeof word) {
			word[n] = (char)toupper((unsigned char)line[n]);
			n++;
		}
		word[n] = '\0';
		/* conn_line()'s buffer is everybody's: what a data connection reads meanwhile must not be this. */
		arg = buf_strdup(line + skip + strspn(line + skip, " "));
		if (strcmp(word, "PASS") != 0)
			record_note(&c->x, "commands", jsonio_name(line));
		do_command(c, word, arg);
		free(arg);
	}
}

static void ftp_open(struct conn *c)
{
	struct ftp *s = buf_alloc(sizeof *s);

	s->listener.fd = -1;
	s->control = c;
	c->state = s;
	if (!c->in.len)
		conn_say(c, "220 %s\r\n", serve_text(c->net, "ftp", "banner", "(vsFTPd 3.0.3)"));
}

static void ftp_close(struct conn *c)
{
	struct ftp *s = c->state;

	if (!s)
		return;
	s->control = NULL;
	loop_remove(c->net, &s->listener);
	if (s->data) {
		s->data->state = NULL;
		conn_end(s->data);
	}
	record_drop(&s->stored);
	free(s->path);
	loop_free(c->net, s);
}

const struct service ftp_service = { .name = "ftp", .secure = "ftps", .at_once = true, .open = ftp_open, .data = ftp_data, .close = ftp_close };
