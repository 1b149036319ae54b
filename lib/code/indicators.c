#include "code/traits.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define INDICATORS_KIND 150u     /* of one kind: a list of every host there is must not hide the rest */
#define INDICATORS_VALUE 400u

void indicators_put(json_t *list, const char *kind, const char *value, size_t n, const char *from)
{
	size_t i, same = 0;
	json_t *o, *text;

	if (!n || n > INDICATORS_VALUE || json_array_size(list) >= INDICATORS_MOST)
		return;
	text = jsonio_bytes(value, n);
	json_array_foreach(list, i, o) {
		if (strcmp(jsonio_str(o, "kind"), kind))
			continue;
		if (++same >= INDICATORS_KIND || !strcmp(jsonio_str(o, "value"), json_string_value(text))) {
			json_decref(text);
			return;
		}
	}
	o = json_object();
	json_object_set_new(o, "kind", json_string(kind));
	json_object_set_new(o, "value", text);
	json_object_set_new(o, "from", jsonio_name(from));
	json_array_append_new(list, o);
}

static void put(const struct indicators_text *t, const char *kind, size_t begin, size_t end)
{
	while (end > begin && strchr(" .,;:)]'\"!?", t->s[end - 1]))
		end--;
	indicators_put(t->list, kind, t->s + begin, end - begin, t->from);
}

static bool begins(const struct indicators_text *t, size_t at, const char *with)
{
	size_t n = strlen(with);

	return at <= t->n && n <= t->n - at && !strncasecmp(t->s + at, with, n);
}

/* ---- paths ---- */

static bool in_path(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("._+-/@~", c));
}

/* What tells of the machine that compiled it, or of the C library, not of what it does. */
static bool is_build_path(const char *s, size_t n)
{
	static const char *const begin[] = { "/usr/include/", "/usr/src/", "/usr/share/locale", "/usr/lib/debug", "/usr/lib/gcc", "/usr/lib/locale",
		"/lib/ld-", "/lib64/ld-", "/usr/share/zoneinfo", "/dev/null", "/dev/tty", "/proc/self/", "/usr/lib/x86_64-linux-gnu", "/usr/share/doc", "/usr/share/man" };
	static const char *const end[] = { ".c", ".h", ".cc", ".cpp", ".hpp", ".rs", ".go", ".hs", ".f90", ".y", ".l", ".S", ".cxx", ".vala", ".ml" };

	for (size_t i = 0; i < sizeof begin / sizeof *begin; i++)
		if (n >= strlen(begin[i]) && !memcmp(s, begin[i], strlen(begin[i])))
			return strcmp(begin[i], "/proc/self/") || n < 11 || (memcmp(s + 11, "exe", n - 11 < 3 ? n - 11 : 3) && memcmp(s + 11, "mem", n - 11 < 3 ? n - 11 : 3));
	for (size_t i = 0; i < sizeof end / sizeof *end; i++)
		if (n > strlen(end[i]) && !memcmp(s + n - strlen(end[i]), end[i], strlen(end[i])))
			return true;
	return false;
}

static void look_for_unix_paths(const struct indicators_text *t)
{
	static const char *const roots[] = { "/etc/", "/tmp/", "/var/", "/dev/", "/proc/", "/root/", "/home/", "/opt/", "/bin/", "/sbin/", "/usr/", "/sys/",
		"/run/", "/boot/", "/lib/", "/lib64/", "/mnt/", "/srv/", "~/." };

	for (size_t i = 0; i < t->n; i++) {
		size_t n = 0, k = 0;

		if ((t->s[i] != '/' && t->s[i] != '~') || (i && (in_path(t->s[i - 1]) || strchr(":%}<)", t->s[i - 1]))))
			continue;
		while (k < sizeof roots / sizeof *roots && (!begins(t, i, roots[k]) || memcmp(t->s + i, roots[k], strlen(roots[k]))))
			k++;
		while (i + n < t->n && in_path(t->s[i + n]))
			n++;
		if (k < sizeof roots / sizeof *roots && n > strlen(roots[k]) + 1 && !is_build_path(t->s + i, n) && isalnum((unsigned char)t->s[i + n - 1]))
			put(t, "path", i, i + n);
		i += n;
	}
}

static bool in_windows_path(char c)
{
	return isalnum((unsigned char)c) || (c && strchr("._+-\\@~ ()%#$&{}", c));
}

static void look_for_windows_paths(const struct indicators_text *t)
{
	static const char *const roots[] = { "%appdata%\\", "%temp%\\", "%tmp%\\", "%windir%\\", "%systemroot%\\", "%userprofile%\\", "%programdata%\\",
		"%localappdata%\\", "%programfiles%\\", "\\\\.\\" };

	for (size_t i = 0; i < t->n; i++) {
		size_t n = 0, k = 0;
		bool drive;

		if (i && (isalnum((unsigned char)t->s[i - 1]) || t->s[i - 1] == '\\'))
			continue;
		drive = i + 4 <= t->n && isalpha((unsigned char)t->s[i]) && t->s[i + 1] == ':' && t->s[i + 2] == '\\' && isalnum((unsigned char)t->s[i + 3]);
		while (!drive && k < sizeof roots / sizeof *roots && !begins(t, i, roots[k]))
			k++;
		if (k == sizeof roots / sizeof *roots)
			continue;
		n = drive ? 3 : strlen(roots[k]);
		while (i + n < t->n && in_windows_path(t->s[i + n]))
			n++;
		if (n > (drive ? 5 : strlen(roots[k]) + 1) && !is_build_path(t->s + i, n))
			put(t, "path", i, i + n);
		i += n;
	}
}

/* ---- what stands alone in its text ---- */

static void look_for_registry(const struct indicators_text *t)
{
	static const char *const roots[] = { "HKEY_LOCAL_MACHINE\\", "HKEY_CURRENT_USER\\", "HKEY_CLASSES_ROOT\\", "HKEY_USERS\\", "HKEY_CURRENT_CONFIG\\", "HKLM\\", "HKCU\\",
		"HKCR\\", "\\Registry\\Machine\\", "\\Registry\\User\\", "Software\\Microsoft\\", "Software\\Classes\\", "Software\\Policies\\", "System\\CurrentControlSet\\",
		"Software\\Wow6432Node\\" };

	for (size_t i = 0; i < t->n; i++) {
		for (size_t k = 0; k < sizeof roots / sizeof *roots; k++) {
			size_t n = strlen(roots[k]);

			if (!begins(t, i, roots[k]) || (i && (isalnum((unsigned char)t->s[i - 1]) || t->s[i - 1] == '\\')))
				continue;
			while (i + n < t->n && (in_windows_path(t->s[i + n]) || t->s[i + n] == '*' || t->s[i + n] == '/'))
				n++;
			if (n > strlen(roots[k]) + 1)
				put(t, "registry", i, i + n);
			i += n;
			break;
		}
	}
}

static void look_for_keys(const struct indicators_text *t)
{
	static const char *const begin[] = { "ssh-rsa AAAAB3NzaC1yc2E", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "ecdsa-sha2-nistp256 AAAAE2VjZHNh", "ssh-dss AAAAB3NzaC1kc3" };

	for (size_t k = 0; k < sizeof begin / sizeof *begin; k++) {
		const char *at = memmem(t->s, t->n, begin[k], strlen(begin[k]));
		size_t i = at ? (size_t)(at - t->s) : 0, n = strlen(begin[k]);

		while (at && i + n < t->n && (isalnum((unsigned char)t->s[i + n]) || strchr("+/=", t->s[i + n])))
			n++;
		/* The shortest key, Ed25519's, has 68 digits of base 64. */
		if (at && n >= strlen(begin[k]) + 20)
			indicators_put(t->list, "key", at, n, t->from);
	}
}

/* A line of crontab(5): five fields of time, at least one of them "*", or a nickname; then a command. */
static bool is_cron(const char *s, size_t n)
{
	static const char *const names[] = { "@reboot", "@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually", "@midnight" };
	size_t i = 0, stars = 0;

	for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
		size_t len = strlen(names[k]);

		if (n > len + 3 && !memcmp(s, names[k], len) && (s[len] == ' ' || s[len] == '\t') && (s[len + 1] == '/' || isalpha((unsigned char)s[len + 1])))
			return true;
	}
	for (int field = 0; field < 5; field++) {
		size_t begin = i;

		while (i < n && (isdigit((unsigned char)s[i]) || strchr("*/,-", s[i]))) {
			stars += s[i] == '*';
			i++;
		}
		if (i == begin || i >= n || (s[i] != ' ' && s[i] != '\t'))
			return false;
		while (i < n && (s[i] == ' ' || s[i] == '\t'))
			i++;
	}
	return stars && i + 3 < n && (s[i] == '/' || isalpha((unsigned char)s[i]));
}

static void look_at_lines(const struct indicators_text *t)
{
	if (is_cron(t->s, t->n))
		put(t, "cron", 0, t->n);
	if (t->n > 12 && (!memcmp(t->s, "ExecStart=", 10) || (t->n > 16 && !memcmp(t->s, "ExecStartPre=", 13))))
		put(t, "unit", 0, t->n);
	if (t->n > 12 && !memcmp(t->s, "Mozilla/", 8) && isdigit((unsigned char)t->s[8]))
		put(t, "user-agent", 0, t->n);
	if (begins(t, 0, "User-Agent: ") && t->n > 16 && !memchr(t->s, '%', t->n))
		put(t, "user-agent", 12, t->n);
}

/* ---- wallets ---- */

/* Base58Check (Bitcoin): 25 bytes, the last four the beginning of SHA-256 of SHA-256 of the others. */
static bool is_base58check(const char *s, size_t n)
{
	static const char digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
	unsigned char raw[25] = { 0 }, sum[32];
	char hex[DIGEST_HEX];

	for (size_t i = 0; i < n; i++) {
		const char *d = strchr(digits, s[i]);
		unsigned carry = d && *d ? (unsigned)(d - digits) : 58;

		if (carry == 58)
			return false;
		for (size_t k = 25; k-- > 0;) {
			carry += 58u * raw[k];
			raw[k] = (unsigned char)carry;
			carry >>= 8;
		}
		if (carry)
			return false;
	}
	digest_bytes(raw, 21, hex);
	digest_unhex(hex, sum, 32);
	digest_bytes(sum, 32, hex);
	digest_unhex(hex, sum, 32);
	return !memcmp(sum, raw + 21, 4);
}

/* Bech32 and Bech32m (BIP 173, BIP 350) under Bitcoin's "bc". */
static bool is_bech32(const char *s, size_t n)
{
	static const char digits[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
	static const uint32_t generator[5] = { 0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3 };
	static const unsigned char head[] = { 3, 3, 0, 2, 3 };   /* "bc" as the checksum takes it */
	uint32_t sum = 1;

	for (size_t i = 0; i < sizeof head + n - 3; i++) {
		const char *d = i < sizeof head ? NULL : strchr(digits, s[3 + i - sizeof head]);
		uint32_t value = i < sizeof head ? head[i] : d && *d ? (uint32_t)(d - digits) : 32, top = sum >> 25;

		if (value == 32)
			return false;
		sum = (sum & 0x1ffffff) << 5 ^ value;
		for (int k = 0; k < 5; k++)
			sum ^= top >> k & 1 ? generator[k] : 0;
	}
	return sum == 1 || sum == 0x2bc830a3;
}

/* Monero: 95 digits of base 58, network byte 18 or 42; its checksum is Keccak's, which is not looked at. */
static bool is_monero(const char *s, size_t n)
{
	if (n != 95 || (s[0] != '4' && s[0] != '8') || !strchr("123456789AB", s[1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (strchr("0OIl", s[i]))
			return false;
	return true;
}

static bool is_ethereum(const char *s, size_t n)
{
	size_t digits = 0;

	if (n != 42 || s[0] != '0' || s[1] != 'x')
		return false;
	for (size_t i = 2; i < n; i++) {
		if (!isxdigit((unsigned char)s[i]))
			return false;
		digits += isdigit((unsigned char)s[i]) != 0;
	}
	return digits >= 10 && digits <= 35;   /* no pattern, no decimal number */
}

static void look_for_wallets(const struct indicators_text *t)
{
	for (size_t i = 0; i < t->n;) {
		const char *s = t->s + i;
		size_t n = 0;

		while (i + n < t->n && isalnum((unsigned char)s[n]))
			n++;
		if ((n >= 26 && n <= 35 && (*s == '1' || *s == '3') && is_base58check(s, n)) || (n >= 42 && n <= 62 && !memcmp(s, "bc1", 3) && is_bech32(s, n)) ||
		    is_monero(s, n) || is_ethereum(s, n))
			indicators_put(t->list, "wallet", s, n, t->from);
		i += n ? n : 1;
	}
}

/* ---- the whole ---- */

static void look(const struct indicators_text *t)
{
	indicators_net(t);
	look_for_unix_paths(t);
	look_for_windows_paths(t);
	look_for_registry(t);
	look_for_keys(t);
	look_for_wallets(t);
	look_at_lines(t);
}

static void look_at_text(json_t *list, const char *json, const char *from)
{
	struct buf text = { 0 };
	struct indicators_text t = { list, NULL, 0, from };

	if (json && !jsonio_tobytes(json, &text)) {
		t.s = buf_str(&text);
		t.n = text.len;
		look(&t);
	}
	buf_free(&text);
}

void indicators_add(json_t *list, const json_t *strings, const char *source)
{
	const json_t *o;
	size_t i;

	json_array_foreach(strings, i, o) {
		const char *address = jsonio_str(o, "address");
		char from[96];

		if (address)
			snprintf(from, sizeof from, "%s:%.20s", source, address);
		else
			snprintf(from, sizeof from, "%s:%llx", source, (unsigned long long)jsonio_int(o, "offset", 0));
		look_at_text(list, jsonio_str(o, "text"), from);
	}
}

/* Functions that make or open a thing whose name others know it by. */
static bool names_object(const char *call)
{
	static const char *const calls[] = { "CreateMutex", "OpenMutex", "CreateEvent", "OpenEvent", "CreateSemaphore", "OpenSemaphore", "CreateFileMapping",
		"NtCreateMutant", "ZwCreateMutant", "sem_open", "shm_open" };

	for (size_t i = 0; call && i < sizeof calls / sizeof *calls; i++)
		if (!strncmp(call, calls[i], strlen(calls[i])))
			return true;
	return false;
}

void indicators_calls(json_t *list, const json_t *calls)
{
	const json_t *call, *argument;
	size_t i, k;

	json_array_foreach(calls, i, call) {
		char from[48];

		snprintf(from, sizeof from, "calls:%zu", i);
		json_array_foreach(json_object_get(call, "args"), k, argument) {
			const char *text = json_string_value(argument);

			if (!text || !*text || !strncmp(text, "0x", 2))
				continue;
			if (names_object(jsonio_str(call, "call")))
				indicators_put(list, "mutex", text, strlen(text), from);
			else
				look_at_text(list, text, from);
		}
	}
}
