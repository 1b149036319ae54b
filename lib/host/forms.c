#include "host/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_cron(void *ctx, const struct cron_entry *c)
{
	entry_command(ctx, c->line, c->text, c->length, c->command, c->command_length, c->path, false);
}

/* ExecStart= and its kin: prefixes as systemd.service(5) has them; with "@" the second word is not the program's. */
static void exec_value(struct startup *s, const struct unit_entry *u)
{
	const char *v = u->value;
	bool named = false;
	struct buf b = { 0 };
	size_t n;

	for (; *v && strchr("-@:+!|", *v); v++)
		named |= *v == '@';
	if (named) {
		n = strcspn(v, " \t");
		buf_add(&b, v, n);
		v += n + strspn(v + n, " \t");
		v += strcspn(v, " \t");
		buf_adds(&b, v);
		v = buf_str(&b);
	}
	if (*v)
		entry_command(s, u->line, u->text, u->length, v, strlen(v), NULL, true);
	buf_free(&b);
}

static void on_unit(void *ctx, const struct unit_entry *u)
{
	if (!strncmp(u->key, "Exec", 4) && strcmp(u->key, "ExecSearchPath") && strcmp(u->key, "ExecPaths"))
		exec_value(ctx, u);
}

/* For a timer, path or socket: the unit it starts, when it says which. */
struct activation {
	char unit[256];
};

static void on_activation(void *ctx, const struct unit_entry *u)
{
	struct activation *a = ctx;

	if (!strcmp(u->key, "Unit") || !strcmp(u->key, "Service"))
		snprintf(a->unit, sizeof(a->unit), "%s", u->value);
}

/* The commands of the unit it starts belong to this file as well: both must go together. */
static void on_activated(void *ctx, const struct unit_entry *u)
{
	struct unit_entry none = *u;

	none.line = 0;
	none.text = "";
	none.length = 0;
	on_unit(ctx, &none);
}

static void activated(struct startup *s)
{
	static const char *const folders[] = {
		"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
		"/lib/systemd/system", "/etc/systemd/user", "/usr/lib/systemd/user",
	};
	struct activation a = { "" };
	char path[PATH_MAX], folder[PATH_MAX];
	const char *name = strrchr(s->path, '/'), *dot = strrchr(s->path, '.');
	struct buf text = { 0 };
	struct err e;
	size_t i;
	int fd = -1;

	unit_parse(buf_str(&s->text), s->text.len, on_activation, &a);
	if (!a.unit[0])
		snprintf(a.unit, sizeof(a.unit), "%.*s.service", (int)(dot - name - 1), name + 1);
	if (strchr(a.unit, '/'))
		return;
	snprintf(folder, sizeof(folder), "%.*s", (int)(name - s->path), s->path);
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, a.unit) < sizeof(path))
		fd = rooted_open(s->h->root, path, O_RDONLY | O_NONBLOCK);
	for (i = 0; fd < 0 && i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], a.unit);
		fd = rooted_open(s->h->root, path, O_RDONLY | O_NONBLOCK);
	}
	if (fd < 0)
		return;
	if (!io_slurp(fd, CAP_START_FILE, &text, path, &e))
		unit_parse(buf_str(&text), text.len, on_activated, s);
	buf_free(&text);
	close(fd);
}

static bool unit_starts_another(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && strrchr(path, '/') < dot && (!strcmp(dot, ".timer") || !strcmp(dot, ".path") || !strcmp(dot, ".socket"));
}

static void on_desktop(void *ctx, const struct unit_entry *u)
{
	if (!strcmp(u->key, "Exec") && *u->value)
		entry_command(ctx, u->line, u->text, u->length, u->value, strlen(u->value), NULL, true);
}

typedef void line_fn(struct startup *s, unsigned line, const char *text, size_t length, char *copy);

static void each_line(struct startup *s, line_fn *fn)
{
	const char *p = buf_str(&s->text), *end = p + s->text.len;
	unsigned number = 0;

	while (p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((stop ? stop : end) - p);
		struct buf copy = { 0 };

		buf_add(&copy, p, n);
		buf_addc(&copy, '\0');
		fn(s, ++number, p, n, (char *)copy.p);
		buf_free(&copy);
		p += n + 1;
	}
}

/* ld.so takes blanks, tabs, colons and line ends between names, and "#" up to the line's end. */
static void preload_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char *word;

	copy[strcspn(copy, "#")] = '\0';
	while ((word = strsep(&copy, " \t:\r")))
		if (*word == '/')
			entry_file(s, line, text, length, word);
}

static void modules_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char path[PATH_MAX];

	copy += strspn(copy, " \t");
	if (*copy == '#' || *copy == ';')
		return;
	copy[strcspn(copy, " \t\r")] = '\0';
	if (*copy && modules_file(s->h, copy, path, sizeof(path)) == 0)
		entry_file(s, line, text, length, path);
}

/* id:levels:action:process */
static void inittab_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	int i;

	if (*copy == '#')
		return;
	for (i = 0; copy && i < 3; i++)
		strsep(&copy, ":");
	if (copy && *copy)
		entry_command(s, line, text, length, copy, strlen(copy), NULL, false);
}

/* RUN+="program arguments"; a bare name stands in udev's own folder */
static void udev_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	char command[PATH_MAX + 32], *p = copy, *q;

	if (*copy == '#')
		return;
	while ((p = strstr(p, "RUN"))) {
		p += 3;
		if (!strncmp(p, "{builtin}", 9) || !(q = strchr(p, '"')) || memchr(p, ',', (size_t)(q - p)))
			continue;
		p = q + 1;
		q = strchr(p, '"');
		if (!q)
			break;
		*q = '\0';
		snprintf(command, sizeof(command), "%s%s", *p == '/' || *p == '$' ? "" : "/usr/lib/udev/", p);
		if (*p && *p != '$')
			entry_command(s, line, text, length, command, strlen(command), NULL, true);
		p = q + 1;
	}
}

static bool shell_script(const struct buf *b)
{
	const char *p = buf_str(b), *end;
	char name[256];

	if (strncmp(p, "#!", 2))
		return true;
	p += 2 + strspn(p + 2, " \t");
	end = p + strcspn(p, " \t\r\n");
	if (end - p >= 4 && !strncmp(end - 4, "/env", 4)) {
		p = end + strspn(end, " \t");
		end = p + strcspn(p, " \t\r\n");
	}
	snprintf(name, sizeof(name), "%.*s", (int)(end - p < 255 ? end - p : 255), p);
	return script_shell(name) || strstr(name, "openrc-run") || strstr(name, "init-d-script");
}

static void own_signs(struct startup *s, struct piece *p)
{
	entry_signs(s, p);
	if (s->gone[0])
		piece_sign(s->h, p, "startup-gone", "%s", s->gone);
	if (s->inlined[0] && (!s->script || s->commands > CAP_COMMANDS))
		piece_sign(s->h, p, "startup-inline", "%s", s->inlined);
	if (s->fetches)
		piece_sign(s->h, p, "startup-fetches", "an interpreter there is fed by a pipe or from the network");
}

/* The file itself as a piece of code: always when it is a script, else with the entries that are code. */
static void own_piece(struct startup *s, int fd, bool program)
{
	char magic[2] = "", path[PATH_MAX], package[256];
	bool code = s->script || program;
	struct piece *p;
	struct stat st;
	json_t *o;
	size_t i;

	if (pread(fd, magic, sizeof(magic), 0) < 0 || rooted_path(s->h, fd, path, sizeof(path)) < 0)
		return;
	/* what it starts may be a good program: then the file is what is not */
	code |= s->h->dpkg && altered_file(s->h->dpkg, s->h->root, path, &s->st, package, sizeof(package));
	if (!code && !json_array_size(s->own))
		return;
	p = image_take(s->h, fd, !program ? "startup" : !memcmp(magic, "#!", 2) ? "script" : "file", &st);
	if (!p)
		return;
	image_place(s->h, p, path, &st, true);
	own_signs(s, p);
	if (code) {
		piece_sight(p, entry_sighting(s, 0, "", 0));
		return;
	}
	json_array_foreach(s->own, i, o)
		piece_sight(p, json_incref(o));
}

void forms_read(struct startup *s, enum form form, int fd)
{
	const char *text;
	bool program = false;
	struct err e;

	if (fstat(fd, &s->st) < 0 || !S_ISREG(s->st.st_mode))
		return;
	s->script = form == FORM_SCRIPT;
	if (form == FORM_LINK || (form == FORM_SCRIPT && (uint64_t)s->st.st_size > CAP_START_FILE)) {
		s->script = false;
		program = true;
		if (digest_fd(fd, CAP_BODY, s->sha256, NULL, &e) < 0)
			return;
	} else {
		if (io_slurp(fd, CAP_START_FILE, &s->text, s->path, &e) < 0) {
			host_missed(s->h, "a start-up file could not be read: %s", e.msg);
			return;
		}
		digest_bytes(buf_str(&s->text), s->text.len, s->sha256);
	}
	s->own = json_array();
	s->given = json_array();
	text = buf_str(&s->text);
	if (form == FORM_SCRIPT && s->text.len > 4 && !memcmp(text, "\177ELF", 4)) {
		s->script = false;
		program = true;
	}
	if (!program)
		switch (form) {
		case FORM_CRON_SYSTEM: crontab_parse(text, s->text.len, CRON_SYSTEM, on_cron, s); break;
		case FORM_CRON_USER: crontab_parse(text, s->text.len, CRON_USER, on_cron, s); break;
		case FORM_ANACRON: crontab_parse(text, s->text.len, CRON_ANACRON, on_cron, s); break;
		case FORM_SCRIPT:
			if (shell_script(&s->text))
				entry_command(s, 0, "", 0, text, s->text.len, NULL, false);
			break;
		case FORM_UNIT:
			unit_parse(text, s->text.len, on_unit, s);
			if (unit_starts_another(s->path))
				activated(s);
			break;
		case FORM_DESKTOP: unit_parse(text, s->text.len, on_desktop, s); break;
		case FORM_PRELOAD: each_line(s, preload_line); break;
		case FORM_MODULES: each_line(s, modules_line); break;
		case FORM_INITTAB: each_line(s, inittab_line); break;
		case FORM_UDEV: each_line(s, udev_line); break;
		case FORM_LINK: break;
		}
	entry_settle(s);
	own_piece(s, fd, program);
	json_decref(s->own);
	json_decref(s->given);
	s->own = s->given = NULL;
	buf_clear(&s->text);
}
