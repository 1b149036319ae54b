#include "code/code.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define STRINGS_TEXT 400u        /* characters kept of one */
#define STRINGS_LOOKED_AT 4096u  /* characters in which something interesting is sought */
#define STRINGS_FOUND 300000u    /* remembered before choosing: 7 MiB */

struct found { uint64_t offset; uint32_t length; bool wide, interesting; };
struct list { struct found *f; size_t count, interesting, shortest; const unsigned char *p; };

static const char *const words[] = {
	"/etc/", "/proc/", "/dev/", "/tmp/", "/var/tmp", "/bin/", "/.", "/boot/", "/root/", "/home/", "/run/", "/sys/",
	"://", "http", ".onion", "stratum", "User-Agent", "cron", "systemd", "autostart", "LD_PRELOAD", "ld.so.preload",
	"authorized_keys", "id_rsa", "passw", "shadow", "sudo", "wget ", "curl ", "chmod ", "iptables", "nohup", "setsid", "memfd",
	"ptrace", "insmod", "kworker", "kthread", "PRIVATE KEY", "socket", "exec", "base64", "BitTorrent", "wallet", "xmr", "/sh ",
	".sh", ".so", "PASS ", "NICK ", "JOIN ", "PRIVMSG", "DnsQuery", "HISTFILE", "rm -", "kill",
	"HKEY_", "CurrentVersion", "CurrentControlSet", "Software\\", "SOFTWARE\\", "cmd.exe", "owershell", "schtasks", "vssadmin", ":\\", "%APPDATA%", "lsass",
};

static bool printable(unsigned char c)
{
	return (c >= 0x20 && c < 0x7f) || c == '\t';
}

/* Four numbers up to 255 between points. */
static bool has_address(const char *s, size_t n)
{
	for (size_t i = 0; i + 7 <= n; i++) {
		size_t at = i;
		int part = 0;

		if (!isdigit((unsigned char)s[i]) || (i && (isdigit((unsigned char)s[i - 1]) || s[i - 1] == '.')))
			continue;
		for (; part < 4; part++) {
			unsigned v = 0, digits = 0;

			while (at < n && isdigit((unsigned char)s[at]) && digits < 4) {
				v = v * 10 + (unsigned)(s[at++] - '0');
				digits++;
			}
			if (!digits || v > 255 || digits > 3)
				break;
			if (part < 3 && (at >= n || s[at++] != '.'))
				break;
		}
		if (part == 4 && (at == n || s[at] != '.'))
			return true;
	}
	return false;
}

bool strings_interesting(const char *s, size_t n)
{
	if (n > STRINGS_LOOKED_AT)
		n = STRINGS_LOOKED_AT;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (memmem(s, n, words[i], strlen(words[i])))
			return true;
	return has_address(s, n);
}

static void add(struct list *l, uint64_t offset, size_t characters, bool wide)
{
	struct found *f;
	char text[STRINGS_LOOKED_AT];
	const char *s = (const char *)l->p + offset;

	if (characters < l->shortest || l->count >= STRINGS_FOUND)
		return;
	if (l->count % 4096 == 0)
		l->f = buf_realloc(l->f, l->count + 4096, sizeof *l->f);
	if (wide) {
		size_t n = characters < sizeof text ? characters : sizeof text;

		for (size_t i = 0; i < n; i++)
			text[i] = (char)l->p[offset + 2 * i];
		s = text;
	}
	f = &l->f[l->count++];
	*f = (struct found){ offset, (uint32_t)(characters < UINT32_MAX ? characters : UINT32_MAX), wide, strings_interesting(s, characters) };
	l->interesting += f->interesting;
}

static json_t *to_json(const struct list *l, const struct found *f)
{
	size_t n = f->length < STRINGS_TEXT ? f->length : STRINGS_TEXT;
	char text[STRINGS_TEXT];
	json_t *o = json_object();

	for (size_t i = 0; i < n; i++)
		text[i] = (char)l->p[f->offset + (f->wide ? 2 * i : i)];
	json_object_set_new(o, "offset", json_integer((json_int_t)f->offset));
	json_object_set_new(o, "text", jsonio_bytes(text, n));
	if (f->wide)
		json_object_set_new(o, "encoding", json_string("utf-16le"));
	return o;
}

json_t *strings_find(const void *p, size_t n, const struct strings_options *o)
{
	struct list l = { .shortest = o && o->shortest ? o->shortest : 6, .p = p };
	size_t most = o && o->most ? o->most : 2000, run = 0;
	json_t *out = json_array();

	for (size_t i = 0; i <= n; i++) {
		if (i < n && printable(l.p[i])) {
			run++;
			continue;
		}
		if (run)
			add(&l, i - run, run, false);
		run = 0;
	}
	/* Wide ones at either parity. */
	for (size_t parity = 0; parity < 2; parity++) {
		run = 0;
		for (size_t i = parity; i <= n; i += 2) {
			if (i + 1 < n && printable(l.p[i]) && l.p[i + 1] == 0) {
				run++;
				continue;
			}
			if (run)
				add(&l, i - 2 * run, run, true);
			run = 0;
		}
	}
	for (int interesting = 1; interesting >= 0; interesting--)
		for (size_t i = 0; i < l.count && json_array_size(out) < most; i++)
			if (l.f[i].interesting == interesting)
				json_array_append_new(out, to_json(&l, &l.f[i]));
	free(l.f);
	return out;
}
