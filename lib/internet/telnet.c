/* Telnet (RFC 854): lets everybody in, and shows a shell that knows a few words, so that what is typed next is seen. */
#include "internet/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MOST 1024u
#define BLANK " \t\v\f\r\n"   /* as isspace() has it */
enum { IAC = 255, DONT = 254, DO = 253, WONT = 252, WILL = 251, SB = 250, SE = 240, ECHO = 1, GO_AHEAD = 3 };
enum phase { LOGIN, PASSWORD, SHELL };

struct telnet {
	enum phase phase;
	bool raw;                 /* never said IAC: most bots; no echo then */
	char user[128];
	char line[LINE_MOST];
	size_t len;
	unsigned char command;    /* within IAC: 1 after it, DO.. an option to come, SB until SE */
	bool cr;
};

static void prompt(struct conn *c)
{
	const struct telnet *s = c->state;

	if (s->phase == LOGIN)
		conn_say(c, "%s login: ", serve_text(c->net, "telnet", "host", "gw"));
	else if (s->phase == PASSWORD)
		conn_say(c, "Password: ");
	else
		conn_say(c, "%s", serve_text(c->net, "telnet", "prompt", "# "));
}

/* One argument, its quotes and the escapes that `echo -e` knows undone, appended. */
static const char *word(const char *p, bool escapes, struct buf *out)
{
	char quote = '\0';

	for (; *p && (quote || !isspace((unsigned char)*p)); p++) {
		if (quote ? *p == quote : (*p == '\'' || *p == '"')) {
			quote = quote ? '\0' : *p;
		} else if (*p == '\\' && escapes && p[1] == 'x' && isxdigit((unsigned char)p[2])) {
			char hex[3] = { p[2], isxdigit((unsigned char)p[3]) ? p[3] : '\0', '\0' };

			buf_addc(out, (char)strtoul(hex, NULL, 16));
			p += 1 + strlen(hex);
		} else if (*p == '\\' && escapes && p[1] == 'n') {
			buf_addc(out, '\n');
			p++;
		} else if (*p == '\\' && quote != '\'' && p[1] && !escapes) {
			buf_addc(out, *++p);
		} else {
			buf_addc(out, *p);
		}
	}
	return p + strspn(p, BLANK);
}

static void do_echo(struct conn *c, const char *args)
{
	bool escapes = false, newline = true, first = true;
	struct buf out = { 0 };

	for (; args[0] == '-' && strspn(args + 1, "neE") && (isspace((unsigned char)args[1 + strspn(args + 1, "neE")]) || !args[1 + strspn(args + 1, "neE")]);
	     args += strspn(args, BLANK)) {
		size_t n = 1 + strspn(args + 1, "neE");

		escapes |= memchr(args, 'e', n) != NULL;
		newline &= memchr(args, 'n', n) == NULL;
		args += n;
	}
	while (*args && *args != '>') {
		if (!first)
			buf_addc(&out, ' ');
		first = false;
		args = word(args, escapes, &out);
	}
	if (newline)
		buf_adds(&out, "\r\n");
	if (*args != '>')   /* into a file: nothing is shown */
		conn_write(c, out.p, out.len);
	buf_free(&out);
}

static bool is(const char *line, const char *word_)
{
	size_t n = strlen(word_);

	return !strncmp(line, word_, n) && (!line[n] || isspace((unsigned char)line[n]));
}

/* What a busybox says to what it has not. Bots ask for one that is none ("/bin/busybox MIRAI") to learn whether a shell listens. */
static void do_one(struct conn *c, const char *line)
{
	static const char *const silent[] = { "cd", "rm", "mkdir", "chmod", "export", "enable", "system", "shell", "sh", "linuxshell", "/bin/sh", "kill", "killall",
		"cp", "mv", "touch", "unset", "history", "ulimit", "sleep", ">", "true", ":" };
	const char *busybox = is(line, "/bin/busybox") ? line + 12 : is(line, "busybox") ? line + 7 : NULL;
	int n;

	if (busybox) {
		busybox += strspn(busybox, " \t");
		if (is(busybox, "echo")) {
			do_echo(c, busybox + 4 + strspn(busybox + 4, " \t"));
			return;
		}
		n = (int)strcspn(busybox, " \t");
		for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
			if (is(busybox, silent[i]))
				return;
		if (n)
			conn_say(c, "%.*s: applet not found\r\n", n, busybox);
		else
			conn_say(c, "BusyBox v1.30.1 (2023-01-17 09:13:22 UTC) multi-call binary.\r\n");
		return;
	}
	if (is(line, "echo")) {
		do_echo(c, line + 4 + strspn(line + 4, " \t"));
		return;
	}
	for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
		if (is(line, silent[i]))
			return;
	if (is(line, "id"))
		conn_say(c, "uid=0(root) gid=0(root)\r\n");
	else if (is(line, "whoami"))
		conn_say(c, "root\r\n");
	else if (is(line, "pwd"))
		conn_say(c, "/\r\n");
	else if (is(line, "uname"))
		conn_say(c, strstr(line, " -") ? "Linux gw 4.9.190 #1 SMP Tue Jan 17 09:13:22 UTC 2023 x86_64 GNU/Linux\r\n" : "Linux\r\n");
	else
		conn_say(c, "sh: %.*s: not found\r\n", (int)strcspn(line, " \t"), line);
}

/* Commands stand between ; | && and the like. */
static void shell(struct conn *c, char *line)
{
	record_note(&c->x, "commands", jsonio_name(line));
	if (is(line, "exit") || is(line, "logout") || is(line, "quit")) {
		conn_close(c);
		return;
	}
	while (*line && !conn_full(c)) {
		char quote = '\0', *p = line, *next;

		while (*p && (quote || !strchr(";|&", *p))) {
			if (quote ? *p == quote : (*p == '\'' || *p == '"'))
				quote = quote ? '\0' : *p;
			p++;
		}
		next = p + strspn(p, ";|&");
		*p = '\0';
		line += strspn(line, " \t");
		if (*line)
			do_one(c, line);
		line = next;
	}
}

static void take_line(struct conn *c)
{
	struct telnet *s = c->state;
	char line[LINE_MOST];

	memcpy(line, s->line, s->len);
	line[s->len] = '\0';
	s->len = 0;
	if (!s->raw)
		conn_say(c, "\r\n");
	if (s->phase == LOGIN && *line) {
		snprintf(s->user, sizeof s->user, "%.127s", line);
		s->phase = PASSWORD;
	} else if (s->phase == PASSWORD) {
		record_note(&c->x, "credentials", json_pack("{s:o,s:o}", "user", jsonio_name(s->user), "password", jsonio_name(line)));
		s->phase = SHELL;
		conn_say(c, "\r\n\r\nBusyBox v1.30.1 (2023-01-17 09:13:22 UTC) built-in shell (ash)\r\n\r\n");
	} else if (s->phase == SHELL) {
		shell(c, line);
	}
	prompt(c);
}

/* Options: refused, but for echo and no go-ahead, which we offered. True: the byte was one of a command. */
static bool option(struct conn *c, unsigned char b)
{
	struct telnet *s = c->state;
	unsigned char answer[3] = { IAC, 0, b };

	if (!s->command) {
		if (b != IAC)
			return false;
		s->command = 1;
		s->raw = false;
		return true;
	}
	if (s->command == SB) {   /* ends with IAC SE; a lone SE will do */
		if (b == SE)
			s->command = 0;
		return true;
	}
	if (s->command == 1) {
		s->command = b >= SB && b < IAC ? b : 0;
		return b != IAC;
	}
	if (s->command == DO && b != ECHO && b != GO_AHEAD)
		answer[1] = WONT;
	else if (s->command == WILL)
		answer[1] = DONT;
	if (answer[1])
		conn_write(c, answer, sizeof answer);
	s->command = 0;
	return true;
}

static void telnet_data(struct conn *c)
{
	struct telnet *s = c->state;
	size_t i;

	for (i = 0; i < c->in.len && !conn_full(c) && !c->closing; i++) {
		const unsigned char b = c->in.p[i];
		const bool after_cr = s->cr;

		if (option(c, b))
			continue;
		s->cr = b == '\r';
		if ((b == '\n' || !b) && after_cr)
			continue;
		if (b == '\r' || b == '\n') {
			take_line(c);
		} else if (b == 127 || b == 8) {
			s->len -= s->len > 0;
		} else if (b && s->len < LINE_MOST - 1) {
			s->line[s->len++] = (char)b;
			if (!s->raw && s->phase != PASSWORD)
				conn_write(c, &b, 1);
		}
	}
	conn_took(c, i);
}

static void telnet_open(struct conn *c)
{
	static const unsigned char offers[] = { IAC, WILL, ECHO, IAC, WILL, GO_AHEAD };
	struct telnet *s = buf_alloc(sizeof *s);

	s->raw = true;
	c->state = s;
	conn_write(c, offers, sizeof offers);
	conn_say(c, "%s\r\n", serve_text(c->net, "telnet", "banner", ""));
	prompt(c);
}

static void telnet_close(struct conn *c)
{
	struct telnet *s = c->state;

	if (s && s->len)   /* what was typed and not sent off */
		record_note(&c->x, "commands", jsonio_bytes(s->line, s->len));
	free(s);
}

const struct service telnet_service = { .name = "telnet", .secure = "telnets", .at_once = true, .open = telnet_open, .data = telnet_data, .close = telnet_close };
