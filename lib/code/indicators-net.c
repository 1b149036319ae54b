/* Addresses of the network in a text: URLs, IP addresses, domains, mail addresses. */
#include "code/traits.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#define HOST_MOST 253u           /* RFC 1035 */

/* Top-level domains that are met in practice; none that is also a common extension of files or a word of programs' names. */
static const char *const tlds[] = {
	"com", "net", "org", "edu", "gov", "mil", "int", "info", "biz", "onion", "xyz", "top", "site", "online", "club", "shop", "app", "dev", "cloud", "live",
	"pro", "icu", "vip", "work", "space", "website", "tech", "store", "fun", "host", "press", "buzz", "link", "click", "download", "win", "bid", "loan",
	"de", "uk", "fr", "jp", "cn", "ru", "br", "eu", "nl", "it", "es", "ch", "at", "be", "se", "no", "dk", "fi", "us", "ca", "au", "kr", "tw", "hk", "sg",
	"io", "co", "me", "tv", "tk", "ml", "ga", "cf", "gq", "su", "ua", "kz", "tr", "ir", "vn", "th", "mx", "cl", "za", "cz", "gr", "hu", "ro", "pt", "nz",
	"pw", "ws", "cx", "to", "li", "lu", "ie", "il", "ae",
};

/* Hosts whose names stand in programs of every kind: documentation, name spaces, names of algorithms. */
static const char *const common[] = {
	"gnu.org", "w3.org", "example.com", "example.org", "example.net", "openssh.com", "libssh.org", "lysator.liu.se", "xmlsoap.org", "purl.org",
	"freedesktop.org", "debian.org", "schemas.microsoft.com",
};

static bool in_name(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_';
}

static bool ends_with(const char *s, size_t n, const char *tail)
{
	size_t t = strlen(tail);

	return n >= t && !strncasecmp(s + n - t, tail, t) && (n == t || s[n - t - 1] == '.');
}

static bool is_common(const char *s, size_t n)
{
	for (size_t i = 0; i < sizeof common / sizeof *common; i++)
		if (ends_with(s, n, common[i]))
			return true;
	return false;
}

static bool has_tld(const char *s, size_t n)
{
	const char *dot = memrchr(s, '.', n);
	size_t len = dot ? n - (size_t)(dot + 1 - s) : 0;

	for (size_t i = 0; dot && i < sizeof tlds / sizeof *tlds; i++)
		if (strlen(tlds[i]) == len && !memcmp(dot + 1, tlds[i], len))
			return true;
	return false;
}

/* Labels of letters, digits and hyphens, a known top-level domain, and no code: "x.no" and "self.it" are too short to be believed. */
static bool is_domain(const char *s, size_t n)
{
	size_t label = 0, labels = 1, longest = 0, letters = 0;
	const char *dot = memrchr(s, '.', n);

	if (n < 4 || n > HOST_MOST || !has_tld(s, n))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.') {
			if (!label || s[i - 1] == '-')
				return false;
			labels++;
			label = 0;
			continue;
		}
		if (s[i] == '_' || (s[i] == '-' && !label) || ++label > 63)
			return false;
		letters += isalpha((unsigned char)s[i]) != 0;
		if (s + i < dot && label > longest)
			longest = label;
	}
	/* Of the two letters of a country, code has many: "self.it". */
	return letters > 2 && (labels > 2 || (labels == 2 && longest >= (n - (size_t)(dot - s) > 3 ? 2 : 5)));
}

/* ---- IP addresses ---- */

/* Four parts are also what versions and object identifiers have. */
static bool is_version(const unsigned a[4], const char *before, size_t n)
{
	static const char *const words[] = { "version", "release", "build", "v", "oid", "rfc" };

	if ((a[0] == 1 && (a[1] == 2 || a[1] == 3)) || (a[0] == 2 && (a[1] == 5 || a[1] == 16 || a[1] == 23)))
		return true;
	if (a[0] < 10 && !a[3])
		return true;
	while (n && (before[n - 1] == ' ' || before[n - 1] == ':' || before[n - 1] == '='))
		n--;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		size_t w = strlen(words[i]);

		if (n >= w && !strncasecmp(before + n - w, words[i], w) && (n == w || !isalpha((unsigned char)before[n - w - 1])))
			return true;
	}
	return false;
}

/* The length of the address that begins here; 0: none. */
static size_t ipv4_at(const char *s, size_t n, size_t i, unsigned a[4])
{
	size_t at = i;

	for (int part = 0; part < 4; part++) {
		size_t digits = 0;

		a[part] = 0;
		while (at < n && isdigit((unsigned char)s[at]) && digits < 4) {
			a[part] = a[part] * 10 + (unsigned)(s[at++] - '0');
			digits++;
		}
		if (!digits || digits > 3 || a[part] > 255 || (digits > 1 && s[at - digits] == '0'))
			return 0;
		if (part < 3 && (at >= n || s[at++] != '.'))
			return 0;
	}
	if (at < n && (in_name(s[at]) || (s[at] == '.' && at + 1 < n && isalnum((unsigned char)s[at + 1]))))
		return 0;
	return at - i;
}

static void look_for_ipv4(const struct indicators_text *t)
{
	for (size_t i = 0; i + 7 <= t->n; i++) {
		unsigned a[4];
		size_t len;

		if (!isdigit((unsigned char)t->s[i]) || (i && (in_name(t->s[i - 1]) || t->s[i - 1] == '.')))
			continue;
		len = ipv4_at(t->s, t->n, i, a);
		if (!len)
			continue;
		/* This network, the host itself, masks and broadcast name nobody. */
		if (a[0] && a[0] != 127 && a[0] != 255 && !is_version(a, t->s, i))
			indicators_put(t->list, "ip", t->s + i, len, t->from);
		i += len - 1;
	}
}

static void look_for_ipv6(const struct indicators_text *t)
{
	for (size_t i = 0; i < t->n; i++) {
		size_t n = 0, colons = 0, digits = 0;
		unsigned char raw[16];
		char text[64];

		if ((!isxdigit((unsigned char)t->s[i]) && t->s[i] != ':') || (i && (in_name(t->s[i - 1]) || t->s[i - 1] == '.')))
			continue;
		while (i + n < t->n && (isxdigit((unsigned char)t->s[i + n]) || t->s[i + n] == ':')) {
			colons += t->s[i + n] == ':';
			digits += isdigit((unsigned char)t->s[i + n]) != 0;
			n++;
		}
		/* Names of C++ have colons, too. */
		if (colons >= 3 && digits >= 2 && n < sizeof text && (i + n == t->n || (!in_name(t->s[i + n]) && t->s[i + n] != '.'))) {
			memcpy(text, t->s + i, n);
			text[n] = '\0';
			if (inet_pton(AF_INET6, text, raw) == 1)
				indicators_put(t->list, "ip", text, n, t->from);
		}
		i += n ? n - 1 : 0;
	}
}

/* ---- URLs ---- */

static const char *const schemes[] = {
	"http", "https", "ftp", "ftps", "sftp", "tftp", "ws", "wss", "irc", "ircs", "tcp", "udp", "ssl", "tls", "ssh", "git", "ldap", "ldaps", "smb", "socks4",
	"socks5", "stratum+tcp", "stratum+ssl", "stratum+udp", "magnet", "mqtt",
};

static bool in_url(char c)
{
	return (unsigned char)c > 0x20 && (unsigned char)c < 0x7f && !strchr("\"'<>\\^`{|}", c);
}

/* Where the scheme that ends at s + end begins; end: none that is known. */
static size_t scheme_before(const char *s, size_t end)
{
	size_t i = end;

	while (i && (isalnum((unsigned char)s[i - 1]) || s[i - 1] == '+'))
		i--;
	for (size_t k = 0; k < sizeof schemes / sizeof *schemes; k++)
		if (strlen(schemes[k]) == end - i && !strncasecmp(s + i, schemes[k], end - i))
			return i;
	return end;
}

static size_t host_length(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && (in_name(s[i]) || s[i] == '.'))
		i++;
	while (i && s[i - 1] == '.')
		i--;
	return i;
}

/* A host that somebody could be reached at: no pattern to be filled in, not this machine. */
static bool is_host(const char *s, size_t n)
{
	unsigned a[4];

	if (ipv4_at(s, n, 0, a) == n && n)
		return a[0] && a[0] != 127;
	return is_domain(s, n) && !is_common(s, n);
}

static void look_for_urls(const struct indicators_text *t)
{
	const char *at = t->s, *end = t->s + t->n;

	while ((at = memmem(at, (size_t)(end - at), "://", 3))) {
		size_t colon = (size_t)(at - t->s), begin = scheme_before(t->s, colon), host = colon + 3, n, i;
		const char *user;

		at += 3;
		if (begin == colon)
			continue;
		for (i = host; i < t->n && in_url(t->s[i]); i++)
			;
		while (i > host && strchr(".,;:)]'!?", t->s[i - 1]))
			i--;
		n = host;
		while (n < i && !strchr("/?#", t->s[n]))
			n++;
		user = memrchr(t->s + host, '@', n - host);
		if (user)
			host = (size_t)(user + 1 - t->s);
		n = host_length(t->s + host, i - host);
		if (is_host(t->s + host, n) && (host + n == i || strchr(":/?#", t->s[host + n])))
			indicators_put(t->list, "url", t->s + begin, i - begin, t->from);
	}
}

/* ---- domains and mail addresses ---- */

static void look_for_domains(const struct indicators_text *t)
{
	for (size_t i = 0; i < t->n;) {
		size_t n = 0, local = 0;
		char before = i ? t->s[i - 1] : ' ', after;

		while (i + n < t->n && (in_name(t->s[i + n]) || t->s[i + n] == '.'))
			n++;
		if (!n) {
			i++;
			continue;
		}
		after = i + n < t->n ? t->s[i + n] : ' ';
		if (before == '@' && is_domain(t->s + i, n) && !is_common(t->s + i, n)) {
			while (i >= local + 2 && (isalnum((unsigned char)t->s[i - 2 - local]) || strchr("._+-", t->s[i - 2 - local])))
				local++;
			if (local >= 2 && local <= 64)
				indicators_put(t->list, "email", t->s + i - 1 - local, local + 1 + n, t->from);
		} else if (is_domain(t->s + i, n) && !is_common(t->s + i, n) && !strchr("@\\%.$({[", before) && !strchr("(@\\=%[", after)) {
			/* In a path it is a part of a name. */
			if (before != '/' || (i > 2 && t->s[i - 2] == '/'))
				indicators_put(t->list, "domain", t->s + i, n, t->from);
		}
		i += n;
	}
}

void indicators_net(const struct indicators_text *t)
{
	look_for_urls(t);
	look_for_ipv4(t);
	look_for_ipv6(t);
	look_for_domains(t);
}
