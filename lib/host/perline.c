/* Start-up files with an entry a line: of the kernel and its modules, of init and of daemons. */
#include "host/internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A backslash at its end continues a line, in the forms that have that. The sighting's line is the first. */
void perline_each(struct startup *s, line_fn *fn, bool continued)
{
	const char *p = buf_str(&s->text), *end = p + s->text.len, *first = p;
	struct buf copy = { 0 };
	unsigned number = 0, begins = 1;
	size_t length = 0;

	while (p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((stop ? stop : end) - p), k;
		bool goes_on = continued && n && p[n - 1] == '\\' && stop;

		number++;
		if (!copy.len) {
			first = p;
			length = n;
			begins = number;
		}
		/* a NUL would hide the rest of its line */
		for (k = 0; k < n - goes_on; k++)
			buf_addc(&copy, p[k] ? p[k] : ' ');
		buf_addc(&copy, goes_on ? ' ' : '\0');
		p += n + 1;
		if (goes_on)
			continue;
		fn(s, begins, first, length, (char *)copy.p);
		buf_clear(&copy);
	}
	if (copy.len) {
		buf_addc(&copy, '\0');
		fn(s, begins, first, length, (char *)copy.p);
	}
	buf_free(&copy);
}

/* Behind `count` fields. */
static char *behind(char *p, unsigned count)
{
	p += strspn(p, " \t");
	while (count--) {
		p += strcspn(p, " \t");
		p += strspn(p, " \t");
	}
	return p;
}

static bool comment(const char *p)
{
	p += strspn(p, " \t");
	return *p == '#' || *p == ';' || !*p;
}

static void command(struct startup *s, unsigned line, const char *text, size_t length, const char *p, bool plain)
{
	if (*p)
		entry_command(s, line, text, length, p, strlen(p), NULL, plain);
}

/* ld.so takes blanks, tabs, colons and line ends between names, and "#" up to the line's end. */
static void preload_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char *word;
	int fd;

	copy[strcspn(copy, "#")] = '\0';
	while ((word = strsep(&copy, " \t:\r"))) {
		if (*word == '/')
			entry_file(s, line, text, length, word);
		if (!*word || strchr(word, '/'))
			continue;
		fd = crowd_admit(s, "library", word, strlen(word)) ? shadow_library(s->h, word, NULL) : -1;
		if (fd >= 0)
			entry_open_file(s, line, text, length, fd);
		io_close(&fd);
	}
}

static void modules_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char path[PATH_MAX];

	copy += strspn(copy, " \t");
	if (*copy == '#' || *copy == ';')
		return;
	copy[strcspn(copy, " \t\r")] = '\0';
	if (*copy && crowd_admit(s, "module", copy, strlen(copy)) && modules_file(s->h, copy, path, sizeof(path)) == 0)
		entry_file(s, line, text, length, path);
}

/* install MODULE command, for the shell (modprobe.d(5)) */
static void modprobe_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	copy += strspn(copy, " \t");
	if (!strncmp(copy, "install", 7) || !strncmp(copy, "remove", 6))
		command(s, line, text, length, behind(copy, 2), false);
}

/* id:levels:action:process */
static void inittab_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	int i;

	if (*copy == '#')
		return;
	for (i = 0; copy && i < 3; i++)
		strsep(&copy, ":");
	if (copy)
		command(s, line, text, length, copy, false);
}

/* The value of a key of a rule: from the opening quote on, a backslash before a quote taken away. NULL: not closed. */
static char *udev_value(char *p, struct buf *value)
{
	for (p++; *p && *p != '"'; p++) {
		p += *p == '\\' && p[1] == '"';
		buf_addc(value, *p);
	}
	return *p ? p + 1 : NULL;
}

static bool udev_runs(const char *key, size_t n)
{
	static const char *const keys[] = { "RUN", "RUN{program}", "PROGRAM", "IMPORT{program}" };
	size_t i;

	for (i = 0; i < 4; i++)
		if (strlen(keys[i]) == n && !strncmp(key, keys[i], n))
			return true;
	return false;
}

/* KEY=="value", RUN+="program arguments"; a bare name stands in udev's own folder (udev(7)) */
static void udev_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char *p = copy;

	if (comment(copy))
		return;
	while (p && *p) {
		struct buf value = { 0 }, program = { 0 };
		size_t n;
		char *key, *operator;

		p += strspn(p, " \t,");
		key = p;
		n = strcspn(p, "=!+:- \t\"");
		operator = p + n;
		p = strchr(operator, '"');
		if (!p)
			break;
		p = udev_value(p, &value);
		if (value.len && udev_runs(key, n) && operator[strspn(operator, " \t")] != '-') {
			const char *v = buf_str(&value);

			buf_addf(&program, "%s%s", *v == '/' || *v == '$' || *v == '%' ? "" : "/usr/lib/udev/", v);
			if (*v != '$' && *v != '%')
				command(s, line, text, length, buf_str(&program), true);
			else
				entry_is_code(s, line, text, length, "it runs what it computes", v);
		}
		buf_free(&value);
		buf_free(&program);
	}
}

/* :name:type:offset:magic:mask:interpreter:flags, whatever the first character is (binfmt.d(5)) */
static void binfmt_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char separator[2] = { *copy };
	int i;

	if (comment(copy) || !*copy)
		return;
	for (i = 0; copy && i < 6; i++)
		strsep(&copy, separator);
	if (copy && *copy == '/') {
		copy[strcspn(copy, separator)] = '\0';
		entry_file(s, line, text, length, copy);
	}
}

static void binfmt_proc_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	if (!strncmp(copy, "interpreter /", 13))
		entry_file(s, line, text, length, copy + 12);
}

/* What the kernel starts: the path of a program, or of a pipe's reader behind "|" (core(5)). */
static void helper_value(struct startup *s, unsigned line, const char *text, size_t length, const char *v)
{
	v += strspn(v, " \t");
	if (*v == '|')
		v++;
	if (*v == '/')
		command(s, line, text, length, v, true);
}

static void helper_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	/* a core_pattern that is no pipe is a file's name */
	if (*copy == '|' || !strstr(s->path, "core_pattern"))
		helper_value(s, line, text, length, copy);
}

static void sysctl_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	static const char *const keys[] = { "core_pattern", "modprobe", "hotplug", "poweroff_cmd" };
	char *value = strchr(copy, '='), *p = copy + strspn(copy, " \t-");
	size_t i;

	if (comment(copy) || !value || (strncmp(p, "kernel.", 7) && strncmp(p, "kernel/", 7)))
		return;
	p[7 + strcspn(p + 7, " \t=")] = '\0';
	value++;
	value += strspn(value, " \t");
	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (!strcmp(p + 7, keys[i]) && (i || *value == '|'))
			helper_value(s, line, text, length, value);
}

/* service type protocol wait user server arguments; tcpd's first argument is the program */
static void inetd_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char *server = behind(copy, 5), *arguments, *name;
	struct buf b = { 0 };

	if (comment(copy) || *server != '/')
		return;
	arguments = server + strcspn(server, " \t");
	if (*arguments)
		*arguments++ = '\0';
	arguments += strspn(arguments, " \t");
	name = strrchr(server, '/') + 1;
	if (!strcmp(name, "tcpd"))
		buf_adds(&b, arguments);
	else
		buf_addf(&b, "%s %s", server, behind(arguments, 1));
	command(s, line, text, length, buf_str(&b), true);
	buf_free(&b);
}

/* path events command */
static void incron_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	if (!comment(copy))
		command(s, line, text, length, behind(copy, 2), false);
}

/* init=, rdinit= and systemd.run= of the kernel's command line */
static void boot_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	static const char *const keys[] = { "init=", "rdinit=", "systemd.run=" };
	size_t i;

	if (comment(copy))
		return;
	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		char *p = copy;

		while ((p = strstr(p, keys[i]))) {
			bool begins = p == copy || strchr(" \t\"'", p[-1]);
			size_t n;

			p += strlen(keys[i]);
			p += *p == '"';
			n = strcspn(p, " \t\"'\r");
			if (begins && *p == '/')
				entry_command(s, line, text, length, p, n, NULL, true);
		}
	}
}

/* operation type description information program arguments (request-key.conf(5)) */
static void request_key_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char *p = behind(copy, 4);

	if (!comment(copy))
		command(s, line, text, length, p + (*p == '|'), true);
}

/* What mail is piped to: name: "|program", |program in .forward and .procmailrc */
static void pipes_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char *p = copy + strspn(copy, " \t"), *end;
	bool quoted;

	if (comment(copy) || *p == '*' || *p == ':')
		return;
	p = strchr(copy, '|');
	if (!p || (p > copy && !strchr(" \t\",:\\", p[-1])))
		return;
	quoted = p > copy && p[-1] == '"';
	p++;
	p += strspn(p, " \t");
	if (!quoted && *p == '"') {
		p++;
		quoted = true;
	}
	end = p + strcspn(p, quoted ? "\"" : "\r");
	*end = '\0';
	command(s, line, text, length, p, false);
}

/* The scripts between postrotate and its like, and endscript. */
static void logrotate_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	static const char *const begins[] = { "prerotate", "postrotate", "firstaction", "lastaction", "preremove" };
	char *p = copy + strspn(copy, " \t");
	size_t i, n = strcspn(p, " \t\r#");

	if (s->inside && n == 9 && !strncmp(p, "endscript", 9)) {
		s->inside = false;
		return;
	}
	if (s->inside) {
		command(s, line, text, length, p, false);
		return;
	}
	for (i = 0; i < sizeof(begins) / sizeof(*begins); i++)
		s->inside |= n == strlen(begins[i]) && !strncmp(p, begins[i], n);
	if (!strncmp(p, "compresscmd", 11) || !strncmp(p, "uncompresscmd", 13))
		command(s, line, text, length, behind(p, 1), true);
	else if (!strncmp(p, "include ", 8) && p[8] == '/' && !s->included)
		startup_another(s, p + 8, FORM_LOGROTATE);
}

line_fn *perline_form(enum form form)
{
	switch (form) {
	case FORM_PRELOAD: return preload_line;
	case FORM_MODULES: return modules_line;
	case FORM_MODPROBE: return modprobe_line;
	case FORM_INITTAB: return inittab_line;
	case FORM_UDEV: return udev_line;
	case FORM_BINFMT: return binfmt_line;
	case FORM_BINFMT_PROC: return binfmt_proc_line;
	case FORM_HELPER: return helper_line;
	case FORM_SYSCTL: return sysctl_line;
	case FORM_INETD: return inetd_line;
	case FORM_INCRON: return incron_line;
	case FORM_BOOT: return boot_line;
	case FORM_REQUEST_KEY: return request_key_line;
	case FORM_PIPES: return pipes_line;
	case FORM_LOGROTATE: return logrotate_line;
	default: return NULL;
	}
}
