#include "export/internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MOST 2000u   /* longer ones are data, not something to look for */
#define SCANS 200u         /* of one piece: what a machine can tell apart has fewer */
#define TECHNIQUES 300u    /* ATT&CK has about 700, with those for phones */

const char *checked_text(const json_t *o, const char *key)
{
	const char *s = jsonio_str(o, key);

	return s ? s : "";
}

/* ---- forms ---- */

static bool printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f)
			return false;
	return true;
}

/* RFC 1123 section 2.1: labels of letters, digits and hyphens, at least two; the last is no number. */
static bool is_domain(const char *s)
{
	size_t label = 0, labels = 1, n = strlen(s);
	const char *last = s;

	if (n > 253)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '.') {
			if (!label || s[i - 1] == '-')
				return false;
			label = 0;
			labels++;
			last = s + i + 1;
		} else if (isalnum((unsigned char)s[i]) || s[i] == '_' || (s[i] == '-' && label)) {
			if (++label > 63)
				return false;
		} else {
			return false;
		}
	}
	return labels > 1 && label && s[n - 1] != '-' && strspn(last, "0123456789") != strlen(last);
}

static bool is_ip4(const char *s)
{
	struct in_addr a;

	return inet_pton(AF_INET, s, &a) == 1;
}

static bool is_ip6(const char *s)
{
	struct in6_addr a;

	return inet_pton(AF_INET6, s, &a) == 1;
}

/* A scheme (RFC 3986 section 3.1), "://" and a host at least. */
static bool is_url(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");

	return n && isalpha((unsigned char)*s) && !strncmp(s + n, "://", 3) && isalnum((unsigned char)s[n + 3]) && printable(s);
}

static bool is_email(const char *s)
{
	const char *at = strrchr(s, '@');

	return at && at > s && at - s <= 64 && printable(s) && !memchr(s, '@', (size_t)(at - s)) && is_domain(at + 1);
}

static bool is_registry(const char *s)
{
	static const char *const roots[] = { "HKEY_LOCAL_MACHINE", "HKEY_CURRENT_USER", "HKEY_CLASSES_ROOT", "HKEY_USERS", "HKEY_CURRENT_CONFIG",
		"HKLM", "HKCU", "HKCR", "HKU", "HKCC", "SOFTWARE", "SYSTEM" };

	for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
		if (!strncasecmp(s, roots[i], strlen(roots[i])) && s[strlen(roots[i])] == '\\')
			return true;
	return false;
}

static bool has_text(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20)
			return false;
	return true;
}

static const char *form_of(const char *kind, const char *v)
{
	static const char *const texts[] = { "path", "mutex", "key", "wallet", "user-agent", "cron", "unit" };

	if (!strcmp(kind, "ip"))
		return is_ip4(v) ? "ip" : is_ip6(v) ? "ip6" : NULL;
	if (!strcmp(kind, "domain"))
		return is_domain(v) ? kind : NULL;
	if (!strcmp(kind, "url"))
		return is_url(v) ? kind : NULL;
	if (!strcmp(kind, "email"))
		return is_email(v) ? kind : NULL;
	if (!strcmp(kind, "registry"))
		return is_registry(v) && has_text(v) ? kind : NULL;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (!strcmp(kind, texts[i]))
			return has_text(v) ? texts[i] : NULL;
	return NULL;
}

static void add(json_t *list, json_t *seen, const char *kind, const char *value)
{
	const char *form = kind && value && *value && strlen(value) <= VALUE_MOST ? form_of(kind, value) : NULL;
	char *key;

	if (!form || json_array_size(list) >= EXPORT_INDICATORS)
		return;
	key = buf_printf("%s %s", form, value);
	if (!json_object_get(seen, key)) {
		json_object_set_new(seen, key, json_true());
		json_array_append_new(list, json_pack("{s:s, s:s}", "kind", form, "value", value));
	}
	free(key);
}

/* The machine itself, and nobody. */
static bool is_nowhere(const char *address)
{
	return !strncmp(address, "127.", 4) || !strcmp(address, "0.0.0.0") || !strcmp(address, "::1") || !strcmp(address, "::");
}

/* An address that names nobody outside: private, link-local (RFC 1918, 3927, 4193, 4291). */
static bool is_private(const char *address)
{
	unsigned char a[16];

	if (inet_pton(AF_INET, address, a) == 1)
		return a[0] == 10 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) || (a[0] == 169 && a[1] == 254);
	return inet_pton(AF_INET6, address, a) == 1 && ((a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80));
}

bool checked_scanned(const json_t *dynamic, const json_t *o)
{
	const char *protocol = jsonio_str(o, "protocol");
	const json_t *s;
	size_t i;

	json_array_foreach(json_object_get(dynamic, "scans"), i, s)
		if (i < SCANS && protocol && jsonio_str(s, "protocol") && !strcmp(jsonio_str(s, "protocol"), protocol) && jsonio_int(s, "port", 0) == jsonio_int(o, "port", -1))
			return true;
	return false;
}

const char *checked_peer(const json_t *dynamic, const json_t *o)
{
	const char *name = jsonio_str(o, "name"), *address = jsonio_str(o, "address");

	/* The dummy Internet makes up an address for each name: it belongs to somebody else. */
	if (name && *name)
		return is_domain(name) ? name : NULL;
	if (!address || is_nowhere(address) || checked_scanned(dynamic, o))
		return NULL;
	/* The machine's own resolver, which is the garden's. */
	if (jsonio_int(o, "port", 0) == 53 && is_private(address))
		return NULL;
	return is_domain(address) || is_ip4(address) || is_ip6(address) ? address : NULL;
}

bool checked_is_name(const char *peer)
{
	return is_domain(peer);
}

bool checked_email(const char *s)
{
	return s && is_email(s);
}

bool checked_url(const char *s)
{
	return strlen(s) <= VALUE_MOST && is_url(s);
}

static void add_all(json_t *list, json_t *seen, const json_t *from)
{
	const json_t *o;
	size_t i;

	json_array_foreach(from, i, o) {
		const char *kind = jsonio_str(o, "kind"), *value = jsonio_str(o, "value");

		if (kind && value && !(!strcmp(kind, "ip") && is_nowhere(value)))
			add(list, seen, kind, value);
	}
}

json_t *checked_indicators(const struct piece *p)
{
	json_t *list = json_array(), *seen = json_object();
	const json_t *o;
	size_t i;

	/* What it was seen to do goes before what merely stands in it. */
	json_array_foreach(json_object_get(p->dynamic, "connections"), i, o) {
		const char *peer = checked_peer(p->dynamic, o);

		if (peer)
			add(list, seen, is_domain(peer) ? "domain" : "ip", peer);
	}
	add_all(list, seen, json_object_get(p->dynamic, "indicators"));
	add_all(list, seen, json_object_get(p->stat, "indicators"));
	json_decref(seen);
	return list;
}

/* ---- techniques ---- */

bool checked_technique(const char *s)
{
	size_t n = strspn(s + (*s == 'T'), "0123456789");

	if (*s != 'T' || n != 4)
		return false;
	return !s[5] || (s[5] == '.' && strspn(s + 6, "0123456789") == 3 && !s[9]);
}

static void add_technique(const struct exporter *x, json_t *list, const char *technique, const char *why)
{
	json_t *o, *found = NULL, *whys;
	const char *name;
	size_t i;

	if (!technique || !checked_technique(technique))
		return;
	json_array_foreach(list, i, o)
		if (!strcmp(jsonio_str(o, "technique"), technique))
			found = o;
	if (!found && json_array_size(list) >= TECHNIQUES)
		return;
	if (!found) {
		name = attack_name(x->attack, technique);
		found = json_pack("{s:s, s:s, s:s, s:[]}", "technique", technique, "name", name ? name : technique,
			"tactic", attack_tactic(x->attack, technique), "why");
		json_array_append_new(list, found);
	}
	whys = json_object_get(found, "why");
	json_array_foreach(whys, i, o)
		if (why && !strcmp(json_string_value(o), why))
			return;
	if (why && json_array_size(whys) < 8)
		json_array_append_new(whys, json_string(why));
}

json_t *checked_techniques(const struct exporter *x, const struct piece *p)
{
	json_t *list = json_array();
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(p->stat, "capabilities"), i, o)
		add_technique(x, list, jsonio_str(o, "technique"), jsonio_str(o, "name"));
	json_array_foreach(json_object_get(p->dynamic, "capabilities"), i, o)
		add_technique(x, list, jsonio_str(o, "technique"), jsonio_str(o, "name"));
	json_array_foreach(json_object_get(p->stat, "rules"), i, o) {
		const json_t *meta = json_object_get(o, "meta");
		const char *why = jsonio_str(meta, "description");

		add_technique(x, list, jsonio_str(meta, "technique"), why ? why : jsonio_str(o, "name"));
	}
	return list;
}
