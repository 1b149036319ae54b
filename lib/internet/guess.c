#include "internet/internal.h"

#include <ctype.h>
#include <string.h>

#define WORD_MOST 24u       /* the longest first word of a protocol below, and of an HTTP method */

/* First words of lines, and who speaks so. "HELO" before longer ones does not matter: a word is compared whole. */
static const struct { const char *word, *service; } words[] = {
	{ "NICK", "irc" }, { "PASS", "irc" }, { "CAP", "irc" }, { "JOIN", "irc" }, { "PRIVMSG", "irc" }, { "PONG", "irc" },
	{ "HELO", "smtp" }, { "EHLO", "smtp" }, { "LHLO", "smtp" },
	{ "APOP", "pop3" }, { "STLS", "pop3" },
	{ "REMOTE", "gnutella" }, { "CNXN", "adb" }, { "STATS", "memcached" },
};

static bool http_method(const char *word, size_t n)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "PROPFIND", "MKCOL",
		"SEARCH", "COPY", "MOVE", "LOCK", "UNLOCK", "DEBUG", "TRACK", "BREW", "REPORT", "PRI" };

	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		if (strlen(methods[i]) == n && !memcmp(methods[i], word, n))
			return true;
	return false;
}

/* One line, without its end. word: its first word, upper case. */
static const char *guess_line(const char *word, size_t n, const unsigned char *p, size_t len)
{
	if (len >= 9 && (!memcmp(p + len - 9, " HTTP/1.", 8) || !memcmp(p + len - 9, " HTTP/2.", 8)) && len > n)
		return "http";
	if (len >= 9 && !memcmp(p + len - 9, " RTSP/1.", 8))
		return "rtsp";
	if (len >= 8 && !memcmp(p + len - 8, " SIP/2.0", 8))
		return "sip";
	if (http_method(word, n) && len > n + 1 && (p[n + 1] == '/' || p[n + 1] == '*' || !memcmp(word, "CONNECT", 7)))
		return "http";
	/* FTP's and IRC's USER differ in the number of words; so do POP3's and FTP's not: the port told the server's side apart. */
	if (n == 4 && !memcmp(word, "USER", 4)) {
		size_t spaces = 0;

		for (size_t i = 0; i < len; i++)
			spaces += p[i] == ' ' && i + 1 < len && p[i + 1] != ' ';
		return spaces >= 3 ? "irc" : "ftp";
	}
	if (n == 4 && !memcmp(word, "SSH-", 4))
		return "ssh";
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i].word) == n && !memcmp(words[i].word, word, n))
			return words[i].service;
	/* IMAP: a tag, then the command. */
	if (len > n + 1 && n && (!strncasecmp((const char *)p + n + 1, "LOGIN ", len - n - 1 < 6 ? len - n - 1 : 6) ||
				 !strncasecmp((const char *)p + n + 1, "CAPABILITY", len - n - 1 < 10 ? len - n - 1 : 10)) && len - n - 1 >= 6)
		return "imap";
	return "";
}

bool guess_hello(const unsigned char *p, size_t n)
{
	if (n >= 6 && p[0] == 22 && p[1] == 3 && p[2] <= 4 && p[5] == 1)
		return true;
	/* SSL 2's form of a hello for SSL 3 and later (RFC 5246 E.2) */
	return n >= 5 && p[0] & 0x80 && p[2] == 1 && p[3] == 3 && p[4] <= 3;
}

/* A query of DNS behind its two bytes of length. */
static bool dns_stream(const unsigned char *p, size_t n)
{
	unsigned len;

	if (n < 14)
		return false;
	len = (unsigned)p[0] << 8 | p[1];
	return len >= 17 && len <= 512 && !(p[4] & 0xf8) && !p[6] && p[7] == 1 && !p[8] && !p[9] && !p[10] && !p[11] && !p[12] && p[13] <= 2;
}

static bool rdp(const unsigned char *p, size_t n)
{
	return n >= 6 && p[0] == 3 && !p[1] && (p[5] == 0xe0 || p[5] == 0xf0);
}

static bool smb(const unsigned char *p, size_t n)
{
	return n >= 8 && !p[0] && (p[4] == 0xff || p[4] == 0xfe) && !memcmp(p + 5, "SMB", 3);
}

static bool socks(const unsigned char *p, size_t n)
{
	if (p[0] == 4)
		return n >= 9 && (p[1] == 1 || p[1] == 2) && memchr(p + 8, 0, n - 8);
	/* Version, count, and so many methods; nothing behind before we answered. */
	return p[0] == 5 && n >= 3 && p[1] && n == 2u + p[1];
}

/* Of people or of protocols: no control bytes; it may go on, but does not begin, with what is no ASCII. */
static bool text(const unsigned char *p, size_t n)
{
	if (n && p[0] & 0x80)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((p[i] < 32 && p[i] != '\t' && p[i] != '\r' && p[i] != '\n') || p[i] == 127)
			return false;
	return true;
}

static const char *guess_binary(const unsigned char *p, size_t n)
{
	if (guess_hello(p, n))
		return "tls";
	if (socks(p, n))
		return "socks";
	if (p[0] == 0xff && n >= 2 && p[1] >= 240)
		return "telnet";
	if (rdp(p, n))
		return "rdp";
	if (smb(p, n))
		return "smb";
	if (dns_stream(p, n))
		return "dns";
	if (p[0] == 19 && n >= 20 && !memcmp(p + 1, "BitTorrent protocol", 19))
		return "bittorrent";
	return NULL;
}

/* Could these few bytes still become something that guess_binary knows? */
static bool binary_begins(const unsigned char *p, size_t n)
{
	if (n >= 32)
		return false;
	return p[0] <= 5 || p[0] == 19 || p[0] == 22 || p[0] == 0xff || p[0] & 0x80;
}

static bool miner(const unsigned char *p, size_t n)
{
	return memmem(p, n, "\"mining.", 8) || (memmem(p, n, "\"method\"", 8) && memmem(p, n, "\"login\"", 7));
}

const char *guess_stream(const unsigned char *p, size_t n)
{
	const unsigned char *end;
	char word[WORD_MOST];
	size_t len, w = 0;
	const char *g;

	if (!n)
		return NULL;
	g = guess_binary(p, n);
	if (g)
		return g;
	if (n < 4 && !memcmp(p, "SSH-", n))
		return NULL;
	if (n >= 4 && !memcmp(p, "SSH-", 4))
		return "ssh";
	if (n >= 4 && !memcmp(p, "CNXN", 4))
		return "adb";
	end = memchr(p, '\n', n);
	len = end ? (size_t)(end - p) : n;
	if (!text(p, len))
		return binary_begins(p, n) ? NULL : "";
	if (p[0] == '{')
		return !end && n < 2048 ? NULL : miner(p, n) ? "stratum" : "";
	if (p[0] == '*' && len >= 2 && isdigit(p[1]))
		return "redis";
	if (!end)
		return n < 8192 ? NULL : "";
	if (len && p[len - 1] == '\r')
		len--;
	while (w < len && w < sizeof word && p[w] != ' ' && p[w] != ':') {
		word[w] = (char)toupper(p[w]);
		w++;
	}
	return w == sizeof word ? "" : guess_line(word, w, p, len);
}

const char *guess_datagram(const unsigned char *p, size_t n)
{
	if (n >= 17 && !(p[2] & 0xf8) && !p[4] && p[5] == 1 && !p[6] && !p[7] && !p[8] && !p[9] && !p[10] && p[11] <= 2)
		return "dns";
	if (n >= 6 && !p[0] && (p[1] == 1 || p[1] == 2) && (memmem(p, n, "\0octet", 6) || memmem(p, n, "\0netascii", 9)))
		return "tftp";
	if (n >= 48 && n <= 68 && (p[0] & 7) == 3 && (p[0] >> 3 & 7) >= 1 && (p[0] >> 3 & 7) <= 4)
		return "ntp";
	if (n >= 8 && (!memcmp(p, "M-SEARCH", 8) || !memcmp(p, "NOTIFY *", 8)))
		return "ssdp";
	if (n >= 12 && (!memcmp(p, "d1:ad2:id20:", 12) || !memcmp(p, "d1:rd2:id20:", 12)))
		return "bittorrent-dht";
	if (n >= 4 && p[0] == '<' && isdigit(p[1]) && memchr(p, '>', n < 6 ? n : 6))
		return "syslog";
	if (n >= 10 && p[0] == 0x30 && p[2] == 2 && p[3] == 1 && p[4] <= 3)
		return "snmp";
	if (n >= 1200 && (p[0] & 0xc0) == 0xc0 && !p[1] && !p[2] && !p[3])
		return "quic";
	if (n >= 8 && memmem(p, n, " SIP/2.0\r\n", 10))
		return "sip";
	return "";
}
