/* A server of IRC (RFC 2812) with one operator in each channel, who says what operators of bots say, so that bots show how they take it. */
#include "internet/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NICK_MOST 64u
#define CHANNELS_MOST 10u
#define ARGS_MOST 15

struct irc {
	char nick[NICK_MOST + 1], user[NICK_MOST + 1];
	char *channels[CHANNELS_MOST];
	size_t n_channels;
	bool welcomed, negotiating;
	char *commanded;          /* the channel in which the operator speaks */
	size_t command;           /* the next of his commands */
};

struct message { char *prefix, *command, *arg[ARGS_MOST]; int n; };

static const char *server(const struct conn *c)
{
	const char *name = c->x.name ? c->x.name : names_of(c->net->names, &c->x.address);

	return name && strlen(name) < 64 ? name : serve_text(c->net, "irc", "server", "irc.example.net");
}

static const char *operator_nick(const struct conn *c)
{
	return serve_text(c->net, "irc", "operator", "root");
}

static void reply(struct conn *c, const char *number, const char *fmt, ...) PRINTF(3, 4);
static void reply(struct conn *c, const char *number, const char *fmt, ...)
{
	const struct irc *s = c->state;
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	conn_say(c, ":%s %s %s %s\r\n", server(c), number, s->nick[0] ? s->nick : "*", text);
	free(text);
}

static void parse(char *line, struct message *m)
{
	memset(m, 0, sizeof *m);
	if (*line == ':') {
		m->prefix = line + 1;
		line += strcspn(line, " ");
		if (*line)
			*line++ = '\0';
	}
	line += strspn(line, " ");
	m->command = line;
	while (*line) {
		line += strcspn(line, " ");
		while (*line == ' ')
			*line++ = '\0';
		if (!*line || m->n == ARGS_MOST)
			break;
		if (*line == ':') {
			m->arg[m->n++] = line + 1;
			break;
		}
		m->arg[m->n++] = line;
	}
	for (char *p = m->command; *p; p++)
		*p = (char)toupper((unsigned char)*p);
}

static const char *arg(const struct message *m, int i)
{
	return i < m->n ? m->arg[i] : "";
}

static void motd(struct conn *c)
{
	reply(c, "375", ":- %s Message of the day -", server(c));
	reply(c, "372", ":- %s", serve_text(c->net, "irc", "motd", "Welcome."));
	reply(c, "376", ":End of /MOTD command.");
}

static void welcome(struct conn *c)
{
	struct irc *s = c->state;

	if (s->welcomed || s->negotiating || !s->nick[0] || !s->user[0])
		return;
	s->welcomed = true;
	reply(c, "001", ":Welcome to the Internet Relay Network %s!%s@%s", s->nick, s->user, serve_text(c->net, "http", "address", "203.0.113.57"));
	reply(c, "002", ":Your host is %s, running version InspIRCd-3", server(c));
	reply(c, "003", ":This server was created 09:13:22 Jan 17 2023");
	reply(c, "004", "%s InspIRCd-3 iosw biklmnopstv :bklov", server(c));
	reply(c, "005", "CHANTYPES=#& PREFIX=(ov)@+ CHANMODES=b,k,l,imnpst NETWORK=Internet CASEMAPPING=rfc1459 NICKLEN=30 :are supported by this server");
	reply(c, "251", ":There are 41 users and 3 invisible on 1 servers");
	motd(c);
}

static void copy_name(char *to, const char *from)
{
	size_t n = 0;

	while (n < NICK_MOST && (unsigned char)from[n] > 32 && from[n] != ':') {
		to[n] = from[n];
		n++;
	}
	to[n] = '\0';
}

static void names(struct conn *c, const char *channel)
{
	const struct irc *s = c->state;

	reply(c, "353", "= %s :@%s %s", channel, operator_nick(c), s->nick);
	reply(c, "366", "%s :End of /NAMES list.", channel);
}

static bool known_channel(const struct irc *s, const char *channel)
{
	for (size_t i = 0; i < s->n_channels; i++)
		if (!strcasecmp(s->channels[i], channel))
			return true;
	return false;
}

static void join(struct conn *c, const char *channel, const char *key)
{
	struct irc *s = c->state;

	if (*channel != '#' && *channel != '&' && *channel != '+' && *channel != '!') {
		reply(c, "403", "%s :No such channel", channel);
		return;
	}
	if (known_channel(s, channel))
		return;
	if (s->n_channels == CHANNELS_MOST) {
		reply(c, "405", "%s :You have joined too many channels", channel);
		return;
	}
	s->channels[s->n_channels++] = buf_strdup(channel);
	record_note(&c->x, "joined", json_pack("{s:o,s:o}", "channel", jsonio_name(channel), "key", *key ? jsonio_name(key) : json_null()));
	conn_say(c, ":%s!%s@%s JOIN %s\r\n", s->nick, s->user, serve_text(c->net, "http", "address", "203.0.113.57"), channel);
	reply(c, "332", "%s :%s", channel, serve_text(c->net, "irc", "topic", "!info"));
	reply(c, "333", "%s %s 1700000000", channel, operator_nick(c));
	names(c, channel);
	if (!s->commanded) {
		s->commanded = buf_strdup(channel);
		conn_wake(c, (int)serve_number(c->net, "irc", "delay_ms", 150));
	}
}

static void join_all(struct conn *c, char *channels, char *keys)
{
	while (channels && *channels) {
		char *next = strchr(channels, ','), *next_key = keys ? strchr(keys, ',') : NULL;

		if (next)
			*next++ = '\0';
		if (next_key)
			*next_key++ = '\0';
		join(c, channels, keys ? keys : "");
		channels = next;
		keys = next_key;
	}
}

static void said(struct conn *c, const struct message *m)
{
	const struct irc *s = c->state;

	record_note(&c->x, "said", json_pack("{s:o,s:o}", "to", jsonio_name(arg(m, 0)), "text", jsonio_name(arg(m, 1))));
	/* A word to somebody else than a channel is answered, as if he listened. */
	if (*arg(m, 0) != '#' && *arg(m, 0) != '&' && !strcmp(m->command, "PRIVMSG"))
		conn_say(c, ":%s!%s@%s PRIVMSG %s :%.400s\r\n", arg(m, 0), arg(m, 0), server(c), s->nick, arg(m, 1));
}

static void do_pass(struct conn *c, struct message *m) { record_set(&c->x, "password", jsonio_name(arg(m, 0))); }
static void do_pong(struct conn *c, struct message *m) { (void)c; (void)m; }
static void do_ping(struct conn *c, struct message *m) { conn_say(c, ":%s PONG %s :%s\r\n", server(c), server(c), arg(m, 0)); }
static void do_join(struct conn *c, struct message *m) { join_all(c, m->n ? m->arg[0] : NULL, m->n > 1 ? m->arg[1] : NULL); }
static void do_say(struct conn *c, struct message *m) { said(c, m); }
static void do_names(struct conn *c, struct message *m) { names(c, arg(m, 0)); }
static void do_motd(struct conn *c, struct message *m) { (void)m; motd(c); }

static void do_nick(struct conn *c, struct message *m)
{
	struct irc *s = c->state;
	char old[NICK_MOST + 1];

	if (!m->n) {
		reply(c, "431", ":No nickname given");
		return;
	}
	memcpy(old, s->nick, sizeof old);
	copy_name(s->nick, arg(m, 0));
	if (s->welcomed)
		conn_say(c, ":%s!%s@%s NICK :%s\r\n", old, s->user, server(c), s->nick);
	welcome(c);
}

static void do_user(struct conn *c, struct message *m)
{
	struct irc *s = c->state;

	if (s->user[0] || !m->n)
		return;
	copy_name(s->user, arg(m, 0));
	record_set(&c->x, "realname", jsonio_name(arg(m, 3)));
	welcome(c);
}

static void do_cap(struct conn *c, struct message *m)
{
	struct irc *s = c->state;

	if (!strcasecmp(arg(m, 0), "LS")) {
		s->negotiating = !s->welcomed;
		conn_say(c, ":%s CAP * LS :\r\n", server(c));
	} else if (!strcasecmp(arg(m, 0), "REQ")) {
		conn_say(c, ":%s CAP * NAK :%s\r\n", server(c), arg(m, 1));
	} else if (!strcasecmp(arg(m, 0), "END")) {
		s->negotiating = false;
		welcome(c);
	}
}

static void do_part(struct conn *c, struct message *m)
{
	struct irc *s = c->state;

	for (size_t i = 0; i < s->n_channels; i++) {
		if (strcasecmp(s->channels[i], arg(m, 0)) != 0)
			continue;
		conn_say(c, ":%s!%s@%s PART %s\r\n", s->nick, s->user, server(c), s->channels[i]);
		free(s->channels[i]);
		s->channels[i] = s->channels[--s->n_channels];
		return;
	}
}

static void do_mode(struct conn *c, struct message *m)
{
	struct irc *s = c->state;

	if (*arg(m, 0) == '#' || *arg(m, 0) == '&')
		reply(c, "324", "%s +nt", arg(m, 0));
	else
		conn_say(c, ":%s MODE %s :%s\r\n", s->nick, s->nick, m->n > 1 ? arg(m, 1) : "+i");
}

static void do_who(struct conn *c, struct message *m)
{
	const struct irc *s = c->state;

	reply(c, "352", "%s %s %s %s %s H :0 %s", arg(m, 0), s->user, server(c), server(c), s->nick, s->nick);
	reply(c, "352", "%s root %s %s %s H@ :0 %s", arg(m, 0), server(c), server(c), operator_nick(c), operator_nick(c));
	reply(c, "315", "%s :End of /WHO list.", arg(m, 0));
}

static void do_whois(struct conn *c, struct message *m)
{
	reply(c, "311", "%s %s %s * :%s", arg(m, 0), arg(m, 0), server(c), arg(m, 0));
	reply(c, "318", "%s :End of /WHOIS list.", arg(m, 0));
}

static void do_userhost(struct conn *c, struct message *m)
{
	const struct irc *s = c->state;

	reply(c, "302", ":%s=+%s@%s", arg(m, 0), s->user, serve_text(c->net, "http", "address", "203.0.113.57"));
}

static void do_list(struct conn *c, struct message *m)
{
	const struct irc *s = c->state;

	(void)m;
	reply(c, "321", "Channel :Users Name");
	for (size_t i = 0; i < s->n_channels; i++)
		reply(c, "322", "%s 2 :%s", s->channels[i], serve_text(c->net, "irc", "topic", "!info"));
	reply(c, "323", ":End of /LIST");
}

static void do_topic(struct conn *c, struct message *m)
{
	reply(c, "332", "%s :%s", arg(m, 0), serve_text(c->net, "irc", "topic", "!info"));
}

static void do_quit(struct conn *c, struct message *m)
{
	record_set(&c->x, "quit", jsonio_name(arg(m, 0)));
	conn_say(c, "ERROR :Closing Link: %s (Quit: %s)\r\n", server(c), arg(m, 0));
	conn_close(c);
}

static const struct { const char *name; void (*act)(struct conn *, struct message *); } commands[] = {
	{ "PASS", do_pass }, { "NICK", do_nick }, { "USER", do_user }, { "CAP", do_cap }, { "PING", do_ping }, { "PONG", do_pong }, { "JOIN", do_join },
	{ "PART", do_part }, { "PRIVMSG", do_say }, { "NOTICE", do_say }, { "MODE", do_mode }, { "WHO", do_who }, { "WHOIS", do_whois },
	{ "NAMES", do_names }, { "LIST", do_list }, { "TOPIC", do_topic }, { "MOTD", do_motd }, { "USERHOST", do_userhost }, { "QUIT", do_quit },
};

static void irc_data(struct conn *c)
{
	char *line;

	while (!conn_full(c) && !c->closing && (line = conn_line(c, NULL))) {
		struct message m;
		size_t i;

		parse(line, &m);
		for (i = 0; i < sizeof commands / sizeof *commands && strcmp(commands[i].name, m.command) != 0; i++)
			;
		if (i < sizeof commands / sizeof *commands)
			commands[i].act(c, &m);
		else if (*m.command)
			reply(c, "421", "%.64s :Unknown command", m.command);
	}
}

/* The operator's next command; with the last one he asks whether the bot is alive. */
static void irc_wake(struct conn *c)
{
	struct irc *s = c->state;
	const json_t *list = serve_list(c->net, "irc", "commands");
	const char *text = json_string_value(json_array_get(list, s->command));

	if (!text) {
		conn_say(c, "PING :%s\r\n", server(c));
		return;
	}
	conn_say(c, ":%s!root@%s PRIVMSG %s :%s\r\n", operator_nick(c), server(c), s->commanded, text);
	record_note(&c->x, "commanded", json_string(text));
	s->command++;
	conn_wake(c, (int)serve_number(c->net, "irc", "delay_ms", 150));
}

static void irc_open(struct conn *c)
{
	c->state = buf_alloc(sizeof(struct irc));
}

static void irc_close(struct conn *c)
{
	struct irc *s = c->state;

	if (!s)
		return;
	if (s->nick[0])
		record_set(&c->x, "nick", jsonio_name(s->nick));
	if (s->user[0])
		record_set(&c->x, "user", jsonio_name(s->user));
	for (size_t i = 0; i < s->n_channels; i++) {
		record_note(&c->x, "channels", jsonio_name(s->channels[i]));
		free(s->channels[i]);
	}
	free(s->commanded);
	free(s);
}

const struct service irc_service = { .name = "irc", .secure = "ircs", .open = irc_open, .data = irc_data, .wake = irc_wake, .close = irc_close };
