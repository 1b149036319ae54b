/* systemd's units: what they run, and what the units run that they activate. */
#include "host/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAP_RESETS 64u   /* there are some dozen Exec keys */

/* A unit on its way: an empty assignment forgets what was assigned before it (systemd.unit(5)). */
struct unit {
	struct startup *s;
	struct { char key[24]; unsigned line; } reset[CAP_RESETS];
	unsigned resets;
	char name[256];           /* of the unit that runs, with its instance */
	char folder[PATH_MAX], search[PATH_MAX];
	bool activated;           /* by another unit's file, which is what sightings are of */
};

static bool runs(const char *key)
{
	return !strncmp(key, "Exec", 4) && strcmp(key, "ExecSearchPath") && strcmp(key, "ExecPaths");
}

static void on_setting(void *ctx, const struct unit_entry *e)
{
	struct unit *u = ctx;

	if (runs(e->key) && !*e->value && u->resets < CAP_RESETS) {
		snprintf(u->reset[u->resets].key, sizeof(u->reset[0].key), "%s", e->key);
		u->reset[u->resets++].line = e->line;
	} else if (!strcmp(e->key, "WorkingDirectory")) {
		snprintf(u->folder, sizeof(u->folder), "%s", e->value + (*e->value == '-'));
	} else if (!strcmp(e->key, "ExecSearchPath")) {
		snprintf(u->search, sizeof(u->search), "%s", e->value);
	}
}

static bool was_reset(const struct unit *u, const struct unit_entry *e)
{
	unsigned i;

	for (i = 0; i < u->resets; i++)
		if (u->reset[i].line > e->line && !strcmp(u->reset[i].key, e->key))
			return true;
	return false;
}

/* The specifiers of systemd.unit(5) that can be told from the file alone; others stay. */
static void specifier(const struct unit *u, char c, struct buf *out)
{
	const char *at = strchr(u->name, '@'), *dot = strrchr(u->name, '.'), *end = u->name + strlen(u->name);

	if (!dot)
		dot = end;
	switch (c) {
	case '%': buf_addc(out, '%'); break;
	case 'h': buf_adds(out, u->s->home); break;
	case 'n': buf_adds(out, u->name); break;
	case 'N': buf_add(out, u->name, (size_t)(dot - u->name)); break;
	case 'p': buf_add(out, u->name, (size_t)((at ? at : dot) - u->name)); break;
	case 'i': case 'I':
		if (at && at + 1 < dot)
			buf_add(out, at + 1, (size_t)(dot - at - 1));
		break;
	case 't': buf_adds(out, "/run"); break;
	case 'E': buf_adds(out, "/etc"); break;
	case 'S': buf_adds(out, "/var/lib"); break;
	case 'C': buf_adds(out, "/var/cache"); break;
	case 'L': buf_adds(out, "/var/log"); break;
	case 'T': buf_adds(out, "/tmp"); break;
	case 'V': buf_adds(out, "/var/tmp"); break;
	default: buf_addf(out, "%%%c", c); break;
	}
}

static void expand(const struct unit *u, const char *v, struct buf *out)
{
	for (; *v; v++)
		if (*v == '%' && v[1])
			specifier(u, *++v, out);
		else
			buf_addc(out, *v);
}

/* ExecStart= and its kin: prefixes as systemd.service(5) has them; with "@" the second word is not the program's. */
static void exec_value(struct unit *u, const struct unit_entry *e)
{
	const char *v = e->value;
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
	}
	expand(u, v, &b);
	if (b.len)
		entry_command(u->s, e->line, e->text, e->length, buf_str(&b), b.len, u->search[0] ? u->search : NULL, true);
	buf_free(&b);
}

static void on_unit(void *ctx, const struct unit_entry *e)
{
	struct unit *u = ctx;
	struct unit_entry none = *e;
	struct buf b = { 0 };

	if (u->activated) {
		none.line = 0;
		none.text = "";
		none.length = 0;
	}
	if (runs(e->key) && !was_reset(u, e)) {
		exec_value(u, &none);
	} else if (!strcmp(e->key, "EnvironmentFile") && !u->activated) {
		expand(u, e->value + (*e->value == '-'), &b);
		if (*buf_str(&b) == '/')
			startup_another(u->s, buf_str(&b), FORM_ENVIRONMENT);
	}
	buf_free(&b);
}

static void read_text(struct startup *s, const struct buf *text, const char *name, bool activated)
{
	struct unit *u = buf_alloc(sizeof(*u));

	u->s = s;
	u->activated = activated;
	snprintf(u->name, sizeof(u->name), "%s", name);
	unit_parse(buf_str(text), text->len, on_setting, u);
	if (u->folder[0] == '~')
		s->folder = s->home;
	else
		s->folder = u->folder[0] == '/' ? u->folder : s->user ? s->home : "/";
	unit_parse(buf_str(text), text->len, on_unit, u);
	s->folder = NULL;
	free(u);
}

/* For a timer, path or socket: the unit it starts, when it says which. */
struct activation {
	char unit[256];
	bool accepts;             /* a socket that starts an instance for each connection */
};

static void on_activation(void *ctx, const struct unit_entry *e)
{
	struct activation *a = ctx;

	if (!strcmp(e->key, "Unit") || !strcmp(e->key, "Service"))
		snprintf(a->unit, sizeof(a->unit), "%s", e->value);
	else if (!strcmp(e->key, "Accept"))
		a->accepts = !strcasecmp(e->value, "yes") || !strcasecmp(e->value, "true") || !strcasecmp(e->value, "on") || !strcmp(e->value, "1");
}

static int open_unit(const struct startup *s, const char *unit)
{
	static const char *const folders[] = {
		"/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
		"/lib/systemd/system", "/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user",
	};
	const char *slash = strrchr(s->path, '/'), *at = strchr(unit, '@'), *dot = strrchr(unit, '.');
	char path[PATH_MAX];
	size_t i;
	int fd = -1;

	if (strchr(unit, '/'))
		return -1;
	if ((size_t)snprintf(path, sizeof(path), "%.*s/%s", (int)(slash - s->path), s->path, unit) < sizeof(path))
		fd = rooted_regular(s->h->root, path, NULL);
	for (i = 0; fd < 0 && i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], unit);
		fd = rooted_regular(s->h->root, path, NULL);
	}
	if (fd < 0 && at && dot && dot > at + 1) {
		char template[300];

		/* an instance's template */
		snprintf(template, sizeof(template), "%.*s@%s", (int)(at - unit), unit, dot);
		return open_unit(s, template);
	}
	return fd;
}

/* The commands of the unit it starts belong to this file as well: both must go together. */
static void activated(struct startup *s)
{
	struct activation a = { "", false };
	const char *name = strrchr(s->path, '/') + 1, *dot = strrchr(s->path, '.');
	struct buf text = { 0 };
	struct err e;
	int fd;

	unit_parse(buf_str(&s->text), s->text.len, on_activation, &a);
	if (!a.unit[0])
		snprintf(a.unit, sizeof(a.unit), "%.*s%s.service", (int)(dot - name), name, a.accepts && !strchr(name, '@') ? "@" : "");
	fd = open_unit(s, a.unit);
	if (fd < 0)
		return;
	if (!io_slurp(fd, CAP_START_FILE, &text, a.unit, &e))
		read_text(s, &text, a.unit, true);
	buf_free(&text);
	close(fd);
}

static bool starts_another(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot && strrchr(path, '/') < dot
		&& (!strcmp(dot, ".timer") || !strcmp(dot, ".path") || !strcmp(dot, ".socket") || !strcmp(dot, ".automount"));
}

void units_read(struct startup *s)
{
	char folder[PATH_MAX], *name;
	size_t n;

	snprintf(folder, sizeof(folder), "%s", s->path);
	name = strrchr(folder, '/');
	n = strlen(name);
	/* a drop-in's unit is its folder's name without ".d" */
	if (n > 5 && !strcmp(name + n - 5, ".conf")) {
		*name = '\0';
		name = strrchr(folder, '/');
		n = name ? strlen(name) : 0;
		if (n > 2 && !strcmp(name + n - 2, ".d"))
			name[n - 2] = '\0';
	}
	read_text(s, &s->text, name ? name + 1 : "", false);
	if (starts_another(s->path))
		activated(s);
}
