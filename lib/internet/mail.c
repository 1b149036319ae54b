/* Mailboxes, empty but for one mail: POP3 (RFC 1939) and IMAP (RFC 3501), as much as a client needs to log in and look. */
#include "internet/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MAIL "From: info@example.net\r\nTo: you@example.net\r\nSubject: Welcome\r\nDate: Tue, 17 Jan 2023 09:13:22 +0000\r\n\r\nWelcome.\r\n"
#define MAIL_SIZE (sizeof MAIL - 1)
#define WORD_MOST 128u

struct mailbox { char user[WORD_MOST]; };

static void note_login(struct conn *c, const char *user, const char *password)
{
	record_note(&c->x, "credentials", json_pack("{s:o,s:o}", "user", jsonio_name(user), "password", jsonio_name(password)));
}

static void mailbox_close(struct conn *c)
{
	free(c->state);
}

static bool is(const char *line, const char *word)
{
	size_t n = strlen(word);

	return !strncasecmp(line, word, n) && (!line[n] || line[n] == ' ');
}

static const char *after(const char *line)
{
	line += strcspn(line, " ");
	return line + strspn(line, " ");
}

/* ---- POP3 ---- */

static void pop3_command(struct conn *c, const char *line)
{
	struct mailbox *s = c->state;

	if (is(line, "USER")) {
		snprintf(s->user, sizeof s->user, "%s", after(line));
		conn_say(c, "+OK\r\n");
	} else if (is(line, "PASS")) {
		note_login(c, s->user, after(line));
		conn_say(c, "+OK Logged in.\r\n");
	} else if (is(line, "APOP")) {
		note_login(c, after(line), after(after(line)));
		conn_say(c, "+OK Logged in.\r\n");
	} else if (is(line, "CAPA")) {
		conn_say(c, "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nUSER\r\n%s.\r\n", c->tls ? "" : "STLS\r\n");
	} else if (is(line, "STLS") && !c->tls) {
		conn_say(c, "+OK Begin TLS negotiation now.\r\n");
		conn_tls(c);
	} else if (is(line, "STAT")) {
		conn_say(c, "+OK 1 %zu\r\n", MAIL_SIZE);
	} else if (is(line, "LIST")) {
		conn_say(c, *after(line) ? "+OK 1 %zu\r\n" : "+OK 1 messages:\r\n1 %zu\r\n.\r\n", MAIL_SIZE);
	} else if (is(line, "UIDL")) {
		conn_say(c, *after(line) ? "+OK 1 0000000163c66b02\r\n" : "+OK\r\n1 0000000163c66b02\r\n.\r\n");
	} else if (is(line, "RETR") || is(line, "TOP")) {
		conn_say(c, "+OK %zu octets\r\n" MAIL ".\r\n", MAIL_SIZE);
	} else if (is(line, "QUIT")) {
		conn_say(c, "+OK Logging out.\r\n");
		conn_close(c);
	} else if (is(line, "DELE") || is(line, "NOOP") || is(line, "RSET")) {
		conn_say(c, "+OK\r\n");
	} else {
		conn_say(c, "-ERR Unknown command.\r\n");
	}
}

static void pop3_data(struct conn *c)
{
	char *line;

	while (!conn_full(c) && !c->closing && !c->dead && (line = conn_line(c, NULL)))
		pop3_command(c, line);
}

static void pop3_open(struct conn *c)
{
	c->state = buf_alloc(sizeof(struct mailbox));
	if (!c->in.len)
		conn_say(c, "+OK %s\r\n", serve_text(c->net, "pop3", "banner", "Dovecot ready."));
}

const struct service pop3_service = { .name = "pop3", .secure = "pop3s", .at_once = true, .open = pop3_open, .data = pop3_data, .close = mailbox_close };

/* ---- IMAP ---- */

/* The next word, or what stands in quotes, into `out`; what follows it. */
static const char *string(const char *p, char out[WORD_MOST])
{
	const bool quoted = *p == '"';
	size_t n = 0;

	p += quoted;
	while (*p && (quoted ? *p != '"' : *p != ' ')) {
		if (quoted && *p == '\\' && p[1])
			p++;
		if (n < WORD_MOST - 1)
			out[n++] = *p;
		p++;
	}
	out[n] = '\0';
	p += *p == '"';
	return p + strspn(p, " ");
}

static void imap_login(struct conn *c, const char *args)
{
	char user[WORD_MOST], password[WORD_MOST];

	string(string(args, user), password);
	note_login(c, user, password);
}

/* What is said before the closing "TAG OK"; false: unknown. */
static bool imap_command(struct conn *c, const char *command)
{
	if (is(command, "CAPABILITY"))
		conn_say(c, "* CAPABILITY IMAP4rev1 LITERAL+ %sSASL-IR\r\n", c->tls ? "" : "STARTTLS ");
	else if (is(command, "LOGIN"))
		imap_login(c, after(command));
	else if (is(command, "LIST") || is(command, "LSUB"))
		conn_say(c, "* LIST (\\HasNoChildren) \"/\" INBOX\r\n");
	else if (is(command, "SELECT") || is(command, "EXAMINE"))
		conn_say(c, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* 1 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1673946802]\r\n* OK [UIDNEXT 2]\r\n");
	else if (is(command, "FETCH") || is(command, "UID FETCH"))
		conn_say(c, "* 1 FETCH (UID 1 BODY[] {%zu}\r\n" MAIL ")\r\n", MAIL_SIZE);
	else if (is(command, "SEARCH") || is(command, "UID SEARCH"))
		conn_say(c, "* SEARCH 1\r\n");
	else if (is(command, "STATUS"))
		conn_say(c, "* STATUS INBOX (MESSAGES 1 UNSEEN 0)\r\n");
	else if (is(command, "LOGOUT"))
		conn_say(c, "* BYE Logging out\r\n");
	else
		return is(command, "NOOP") || is(command, "CHECK") || is(command, "CLOSE") || is(command, "STORE") || is(command, "EXPUNGE") ||
		       is(command, "CREATE") || is(command, "DELETE") || is(command, "SUBSCRIBE") || (is(command, "STARTTLS") && !c->tls);
	return true;
}

static void imap_data(struct conn *c)
{
	char *line;

	while (!conn_full(c) && !c->closing && !c->dead && (line = conn_line(c, NULL))) {
		const size_t tag = strcspn(line, " ");
		const char *command = after(line);
		const bool known = imap_command(c, command);

		conn_say(c, "%.*s %s\r\n", (int)tag, line, known ? "OK completed" : "BAD Error in IMAP command");
		if (is(command, "LOGOUT"))
			conn_close(c);
		else if (is(command, "STARTTLS") && !c->tls)
			conn_tls(c);
	}
}

static void imap_open(struct conn *c)
{
	if (!c->in.len)
		conn_say(c, "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR] %s\r\n", serve_text(c->net, "imap", "banner", "Dovecot ready."));
}

const struct service imap_service = { .name = "imap", .secure = "imaps", .at_once = true, .open = imap_open, .data = imap_data };
