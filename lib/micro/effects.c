#include "micro/dynamic-internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 2000u          /* listed changes */
#define BODIES 64u
#define BODY (32 * MIB)
#define LINES 200u           /* of one start-up file */
#define LINE 4096u

/* ---- start-up places ---- */

struct place { const char *name, *path; };

/* A path that ends in / is a folder: everything below. */
static const struct place SYSTEM[] = {
	{ "cron", "/etc/crontab" }, { "cron", "/etc/anacrontab" }, { "cron", "/etc/cron.d/" }, { "cron", "/etc/cron.hourly/" },
	{ "cron", "/etc/cron.daily/" }, { "cron", "/etc/cron.weekly/" }, { "cron", "/etc/cron.monthly/" }, { "cron", "/etc/cron.yearly/" },
	{ "cron", "/var/spool/cron/" }, { "cron", "/etc/incron.d/" }, { "at", "/var/spool/at/" },
	{ "systemd", "/etc/systemd/" }, { "systemd", "/usr/lib/systemd/" }, { "systemd", "/lib/systemd/" }, { "systemd", "/run/systemd/" },
	{ "systemd", "/usr/local/lib/systemd/" }, { "systemd", "/usr/share/dbus-1/" },
	{ "rc", "/etc/rc.local" }, { "rc", "/etc/rc.d/" }, { "rc", "/etc/rc0.d/" }, { "rc", "/etc/rc1.d/" }, { "rc", "/etc/rc2.d/" },
	{ "rc", "/etc/rc3.d/" }, { "rc", "/etc/rc4.d/" }, { "rc", "/etc/rc5.d/" }, { "rc", "/etc/rc6.d/" }, { "rc", "/etc/rcS.d/" },
	{ "init", "/etc/init.d/" }, { "init", "/etc/inittab" }, { "init", "/etc/init/" }, { "init", "/etc/runlevels/" },
	{ "profile", "/etc/profile" }, { "profile", "/etc/profile.d/" }, { "profile", "/etc/bash.bashrc" }, { "profile", "/etc/zsh/" },
	{ "profile", "/etc/environment" }, { "profile", "/etc/bashrc" }, { "profile", "/etc/skel/" },
	{ "preload", "/etc/ld.so.preload" }, { "preload", "/etc/ld.so.conf" }, { "preload", "/etc/ld.so.conf.d/" },
	{ "autostart", "/etc/xdg/autostart/" }, { "autostart", "/usr/share/autostart/" }, { "autostart", "/etc/X11/" },
	{ "ssh", "/etc/ssh/" }, { "pam", "/etc/pam.d/" }, { "pam", "/usr/lib/security/" },
	{ "udev", "/etc/udev/" }, { "udev", "/usr/lib/udev/" },
	{ "modules", "/etc/modules" }, { "modules", "/etc/modules-load.d/" }, { "modules", "/etc/modprobe.d/" }, { "modules", "/lib/modules/" },
	{ "modules", "/usr/lib/modules/" }, { "apt", "/etc/apt/apt.conf.d/" }, { "motd", "/etc/update-motd.d/" },
	{ "network", "/etc/network/" }, { "network", "/etc/NetworkManager/dispatcher.d/" }, { "inetd", "/etc/inetd.conf" },
	{ "inetd", "/etc/xinetd.d/" }, { "logrotate", "/etc/logrotate.d/" },
};
/* Below somebody's home. */
static const struct place HOME[] = {
	{ "profile", "/.bashrc" }, { "profile", "/.bash_profile" }, { "profile", "/.bash_login" }, { "profile", "/.profile" },
	{ "profile", "/.bash_logout" }, { "profile", "/.zshrc" }, { "profile", "/.zprofile" }, { "profile", "/.zshenv" },
	{ "profile", "/.kshrc" }, { "profile", "/.config/fish/" }, { "profile", "/.pam_environment" }, { "autostart", "/.config/autostart/" },
	{ "autostart", "/.xinitrc" }, { "autostart", "/.xsession" }, { "autostart", "/.xprofile" }, { "autostart", "/.config/openbox/" },
	{ "systemd", "/.config/systemd/" }, { "systemd", "/.local/share/systemd/" }, { "systemd", "/.local/share/dbus-1/" },
	{ "ssh", "/.ssh/authorized_keys" }, { "ssh", "/.ssh/rc" }, { "ssh", "/.ssh/config" }, { "ssh", "/.ssh/environment" },
};

static const char *match(const struct place *p, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(p[i].path);

		if (p[i].path[len - 1] == '/' ? !strncmp(path, p[i].path, len) && path[len] : !strcmp(path, p[i].path))
			return p[i].name;
	}
	return NULL;
}

const char *effects_place(const char *path)
{
	const char *name = match(SYSTEM, sizeof SYSTEM / sizeof *SYSTEM, path), *rest = NULL;

	if (name)
		return name;
	if (!strncmp(path, "/root/", 6))
		rest = path + 5;
	else if (!strncmp(path, "/home/", 6))
		rest = strchr(path + 6, '/');
	return rest ? match(HOME, sizeof HOME / sizeof *HOME, rest) : NULL;
}

/* ---- lines that were added ---- */

struct lines { char **line; size_t count; };

static bool read_file(struct world *w, bool lower, const char *path, struct buf *b)
{
	struct err ignored;
	int fd = lower ? world_open_lower(w, path, &ignored) : world_open_file(w, path, &ignored);
	bool good = fd >= 0 && io_slurp(fd, CAP_START_FILE, b, "a start-up file", &ignored) == 0;

	io_close(&fd);
	return good;
}

static void split(struct buf *b, struct lines *l)
{
	size_t room = 0;

	*l = (struct lines){ 0 };
	for (size_t at = 0; at < b->len; ) {
		unsigned char *end = memchr(b->p + at, '\n', b->len - at);
		size_t n = (end ? (size_t)(end - b->p) : b->len) - at;

		b->p[at + n] = '\0';
		if (l->count == room) {
			room = room ? room * 2 : 64;
			l->line = buf_realloc(l->line, room, sizeof *l->line);
		}
		l->line[l->count++] = (char *)b->p + at;
		at += n + 1;
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of `now` that are more often there than in `before`, in their order. */
static json_t *added(struct lines *now, struct lines *before)
{
	json_t *list = json_array();
	bool *used = buf_alloc(before->count + 1);

	if (before->count)
		qsort(before->line, before->count, sizeof *before->line, by_text);
	for (size_t i = 0; i < now->count && json_array_size(list) < LINES; i++) {
		char *text = now->line[i], **hit = before->count ? bsearch(&text, before->line, before->count, sizeof *before->line, by_text) : NULL;
		size_t k = hit ? (size_t)(hit - before->line) : before->count;
		bool old = false;

		while (k > 0 && k < before->count && !strcmp(before->line[k - 1], text))
			k--;
		for (; !old && k < before->count && !strcmp(before->line[k], text); k++)
			if (!used[k])
				old = used[k] = true;
		if (!old && *text)
			json_array_append_new(list, jsonio_bytes(text, strnlen(text, LINE)));
	}
	free(used);
	return list;
}

static json_t *lines_of(struct effects *f, const char *path, bool created)
{
	struct buf now = { 0 }, before = { 0 };
	struct lines a = { 0 }, b = { 0 };
	json_t *list = NULL;

	if (read_file(f->world, false, path, &now) && now.len && !memchr(now.p, '\0', now.len)) {
		if (!created && read_file(f->world, true, path, &before))
			split(&before, &b);
		split(&now, &a);
		list = added(&a, &b);
	}
	free(a.line);
	free(b.line);
	buf_free(&now);
	buf_free(&before);
	return list;
}

/* ---- files ---- */

static void add_startup(struct effects *f, const char *place, const json_t *change, json_t *lines, bool whole)
{
	size_t i;
	json_t *v, *o;

	if (whole || !json_array_size(lines)) {
		o = json_object();
		json_object_set_new(o, "place", json_string(place));
		json_object_set(o, "file", json_object_get(change, "path"));
		json_object_set_new(o, "whole", json_true());
		json_array_append_new(f->startup, o);
		return;
	}
	json_array_foreach(lines, i, v) {
		o = json_object();
		json_object_set_new(o, "place", json_string(place));
		json_object_set(o, "file", json_object_get(change, "path"));
		json_object_set(o, "line", v);
		json_array_append_new(f->startup, o);
	}
}

static int keep_body(struct effects *f, const char *path, const char *sha256, struct err *e)
{
	char name[16 + DIGEST_HEX], hex[DIGEST_HEX];
	struct err ignored;
	int from, to;
	bool good;

	snprintf(name, sizeof name, "dropped/%s", sha256);
	for (size_t i = 0; i < f->extra->count; i++)
		if (!strcmp(f->extra->member[i].name, name))
			return 0;
	from = world_open_file(f->world, path, &ignored);
	if (from < 0)
		return 0;
	to = io_tmp(e);
	if (to < 0) {
		close(from);
		return -1;
	}
	/* Larger than the cap, or changed since it was hashed: nothing runs any more, but a byte is not taken on trust. */
	good = io_copy(from, to, BODY, NULL, &ignored) == 0 && digest_fd(to, BODY, hex, NULL, &ignored) == 0 && !strcmp(hex, sha256);
	close(from);
	if (!good || !micro_add(f->extra, name, 0, to)) {
		if (!good)
			close(to);
		f->left_out++;
	}
	return 0;
}

static bool made_for_us(const struct effects *f, const char *path, const char *change, const char *type)
{
	size_t n = strlen(path);

	/* The folders above the sample. */
	return !strcmp(change, "created") && !strcmp(type, "dir") && !strncmp(f->path, path, n) && f->path[n] == '/';
}

static int one_file(struct effects *f, const json_t *c, unsigned *bodies, struct err *e)
{
	const char *change = jsonio_str(c, "change"), *type = jsonio_str(c, "type"), *sha256 = jsonio_str(c, "sha256"), *place;
	static const char *const COPIED[] = { "path", "change", "type", "sha256", "size", "mode", "target", "what" };
	struct buf path = { 0 };
	json_t *o, *lines = NULL;
	bool created;
	int rc = 0;

	if (!change || !type || !jsonio_str(c, "path") || jsonio_tobytes(jsonio_str(c, "path"), &path))
		goto out;
	if (!strcmp(buf_str(&path), f->path)) {
		f->gone = !strcmp(change, "deleted");
		/* As we put it there. */
		if (f->gone || (sha256 && !strcmp(sha256, f->sha256)))
			goto out;
	}
	if (made_for_us(f, buf_str(&path), change, type))
		goto out;
	if (json_array_size(f->files) >= FILES) {
		f->left_out++;
		goto out;
	}
	o = json_object();
	for (size_t i = 0; i < sizeof COPIED / sizeof *COPIED; i++)
		if (json_object_get(c, COPIED[i]))
			json_object_set(o, COPIED[i], json_object_get(c, COPIED[i]));
	json_array_append_new(f->files, o);
	created = !strcmp(change, "created");
	place = effects_place(buf_str(&path));
	if (place && strcmp(type, "dir") && strcmp(change, "deleted")) {
		json_object_set_new(o, "startup", json_string(place));
		if (!strcmp(type, "file"))
			lines = lines_of(f, buf_str(&path), created);
		if (lines)
			json_object_set(o, "lines", lines);
		if (created || json_array_size(lines))
			add_startup(f, place, c, lines, created);
	}
	if (!strcmp(type, "file") && strcmp(change, "deleted") && sha256 && strcmp(sha256, f->sha256) && jsonio_int(c, "size", 0) > 0) {
		if (*bodies < BODIES && (uint64_t)jsonio_int(c, "size", 0) <= BODY)
			rc = (++*bodies, keep_body(f, buf_str(&path), sha256, e));
		else
			f->left_out++;
	}
out:
	json_decref(lines);
	buf_free(&path);
	return rc;
}

int effects_find(struct effects *f, struct err *e)
{
	const json_t *c;
	unsigned bodies = 0;
	bool there = false;
	size_t i;

	json_array_foreach(f->changes, i, c) {
		struct buf b = { 0 };

		if (jsonio_str(c, "path") && jsonio_tobytes(jsonio_str(c, "path"), &b) == 0 && !strcmp(buf_str(&b), f->path))
			there = true;
		buf_free(&b);
		if (one_file(f, c, &bodies, e))
			return -1;
	}
	/* Put there, and no change now: it was removed (or made what the lower root has). */
	if (!there)
		f->gone = true;
	return 0;
}
