#include "host/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where things start by themselves. A path that ends in "/" is a folder, all of whose files count. */
struct place {
	const char *path, *place;
	enum form form;
	bool whole;
	const char *endings;     /* only files that end so, "|" between; NULL: all */
	unsigned below;          /* folders below that count as well: unit.d, target.wants */
};

#define UNITS ".service|.timer|.socket|.path|.mount|.swap|.conf"

static const struct place system_places[] = {
	{ "/etc/crontab", "cron", FORM_CRON_SYSTEM, false, NULL, 0 },
	{ "/etc/cron.d/", "cron", FORM_CRON_SYSTEM, false, NULL, 0 },
	{ "/etc/cron.hourly/", "cron", FORM_SCRIPT, true, NULL, 0 },
	{ "/etc/cron.daily/", "cron", FORM_SCRIPT, true, NULL, 0 },
	{ "/etc/cron.weekly/", "cron", FORM_SCRIPT, true, NULL, 0 },
	{ "/etc/cron.monthly/", "cron", FORM_SCRIPT, true, NULL, 0 },
	{ "/etc/cron.yearly/", "cron", FORM_SCRIPT, true, NULL, 0 },
	{ "/etc/anacrontab", "cron", FORM_ANACRON, false, NULL, 0 },
	{ "/var/spool/cron/crontabs/", "cron", FORM_CRON_USER, false, NULL, 0 },
	{ "/var/spool/cron/", "cron", FORM_CRON_USER, false, NULL, 0 },
	{ "/var/spool/cron/atjobs/", "cron", FORM_SCRIPT, true, NULL, 0 },
	{ "/var/spool/at/", "cron", FORM_SCRIPT, true, NULL, 0 },
	{ "/etc/systemd/system/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/etc/systemd/system.control/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/run/systemd/system/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/run/systemd/transient/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/run/systemd/generator/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/run/systemd/generator.late/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/usr/local/lib/systemd/system/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/usr/lib/systemd/system/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/lib/systemd/system/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/etc/systemd/user/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/run/systemd/user/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/usr/local/lib/systemd/user/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/usr/lib/systemd/user/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/etc/rc.local", "rc", FORM_SCRIPT, false, NULL, 0 },
	{ "/etc/rc.d/rc.local", "rc", FORM_SCRIPT, false, NULL, 0 },
	{ "/etc/init.d/", "init", FORM_SCRIPT, true, NULL, 0 },
	{ "/etc/rcS.d/", "init", FORM_LINK, true, NULL, 0 },
	{ "/etc/rc2.d/", "init", FORM_LINK, true, NULL, 0 },
	{ "/etc/rc3.d/", "init", FORM_LINK, true, NULL, 0 },
	{ "/etc/rc4.d/", "init", FORM_LINK, true, NULL, 0 },
	{ "/etc/rc5.d/", "init", FORM_LINK, true, NULL, 0 },
	{ "/etc/inittab", "init", FORM_INITTAB, false, NULL, 0 },
	{ "/etc/network/if-pre-up.d/", "init", FORM_SCRIPT, true, NULL, 0 },
	{ "/etc/network/if-up.d/", "init", FORM_SCRIPT, true, NULL, 0 },
	{ "/etc/NetworkManager/dispatcher.d/", "init", FORM_SCRIPT, true, NULL, 0 },
	{ "/etc/local.d/", "init", FORM_SCRIPT, true, NULL, 0 },
	{ "/etc/profile", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/etc/profile.d/", "profile", FORM_SCRIPT, true, ".sh", 0 },
	{ "/etc/bash.bashrc", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/etc/bashrc", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/etc/zsh/", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/etc/update-motd.d/", "profile", FORM_SCRIPT, true, NULL, 0 },
	{ "/etc/X11/Xsession.d/", "profile", FORM_SCRIPT, true, NULL, 0 },
	{ "/etc/ld.so.preload", "preload", FORM_PRELOAD, false, NULL, 0 },
	{ "/etc/xdg/autostart/", "autostart", FORM_DESKTOP, true, ".desktop", 0 },
	{ "/usr/share/autostart/", "autostart", FORM_DESKTOP, true, ".desktop", 0 },
	{ "/usr/share/gdm/greeter/autostart/", "autostart", FORM_DESKTOP, true, ".desktop", 0 },
	{ "/etc/modules", "modules", FORM_MODULES, false, NULL, 0 },
	{ "/etc/modules-load.d/", "modules", FORM_MODULES, false, ".conf", 0 },
	{ "/run/modules-load.d/", "modules", FORM_MODULES, false, ".conf", 0 },
	{ "/usr/lib/modules-load.d/", "modules", FORM_MODULES, false, ".conf", 0 },
	{ "/etc/udev/rules.d/", "udev", FORM_UDEV, false, ".rules", 0 },
	{ "/run/udev/rules.d/", "udev", FORM_UDEV, false, ".rules", 0 },
	{ "/usr/lib/udev/rules.d/", "udev", FORM_UDEV, false, ".rules", 0 },
};

static const struct place user_places[] = {
	{ "/.profile", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.bashrc", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.bash_profile", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.bash_login", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.bash_logout", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.bash_aliases", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.zshrc", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.zshenv", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.zprofile", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.zlogin", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.kshrc", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.config/fish/config.fish", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.xprofile", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.xinitrc", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.xsession", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.xsessionrc", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.ssh/rc", "profile", FORM_SCRIPT, false, NULL, 0 },
	{ "/.config/autostart/", "autostart", FORM_DESKTOP, true, ".desktop", 0 },
	{ "/.config/systemd/user/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/.local/share/systemd/user/", "systemd", FORM_UNIT, true, UNITS, 1 },
	{ "/.config/plasma-workspace/env/", "profile", FORM_SCRIPT, true, NULL, 0 },
};

#define CAP_FILES_PER_PLACE 4096u

struct folder_id {
	dev_t dev;
	ino_t ino;
};

struct walk {
	struct host *h;
	struct startup *s;
	const struct place *place;
	const char *home;
	bool user;
	struct folder_id *done;   /* /lib is /usr/lib on most systems: each folder once */
	size_t done_count;
};

static bool has_ending(const char *name, const char *endings)
{
	size_t n = strlen(name);

	if (!endings)
		return true;
	while (*endings) {
		size_t k = strcspn(endings, "|");

		if (n > k && !strncmp(name + n - k, endings, k))
			return true;
		endings += k + (endings[k] == '|');
	}
	return false;
}

/* Editors' and packages' leftovers that cron and run-parts pass over, too, are read all the same: names lie. */
static void read_file(struct walk *w, const char *path)
{
	struct startup *s = w->s;
	int fd = rooted_regular(w->h->root, path, NULL), parent;
	char link[4096], folder[PATH_MAX], *name;
	ssize_t n = -1;

	if (fd < 0) {
		if (errno == EACCES || errno == EPERM)
			host_missed(w->h, "some start-up files may not be read");
		return;
	}
	snprintf(folder, sizeof(folder), "%s", path);
	name = strrchr(folder, '/');
	*name++ = '\0';
	parent = rooted_open(w->h->root, *folder ? folder : "/", O_PATH | O_DIRECTORY);
	if (parent >= 0) {
		n = readlinkat(parent, name, link, sizeof(link) - 1);
		close(parent);
	}
	if (w->place->form == FORM_LINK && (n <= 0 || *name != 'S'))
		goto out;
	memset(s, 0, sizeof(*s));
	s->h = w->h;
	s->place = w->place->place;
	s->whole = w->place->whole;
	s->home = w->home;
	s->user = w->user;
	snprintf(s->path, sizeof(s->path), "%s", path);
	if (n > 0 && s->whole) {
		link[n] = '\0';
		memcpy(s->link, link, (size_t)n + 1);
	} else if (n > 0 && rooted_path(w->h, fd, s->path, sizeof(s->path)) < 0) {
		goto out;
	}
	forms_read(s, w->place->form, fd);
	buf_free(&s->text);
out:
	close(fd);
}

static bool seen_before(struct walk *w, int fd)
{
	struct stat st;
	size_t i;

	if (fstat(fd, &st) < 0)
		return true;
	for (i = 0; i < w->done_count; i++)
		if (w->done[i].dev == st.st_dev && w->done[i].ino == st.st_ino)
			return true;
	w->done = buf_realloc(w->done, w->done_count + 1, sizeof(*w->done));
	w->done[w->done_count++] = (struct folder_id){ st.st_dev, st.st_ino };
	return false;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In order of name, so that two scans of one machine read alike. */
static size_t names_in(int fd, char ***names)
{
	struct dirent *d;
	DIR *dir = fdopendir(fd);
	size_t n = 0;

	*names = NULL;
	if (!dir) {
		close(fd);
		return 0;
	}
	while (n < CAP_FILES_PER_PLACE && (d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (!(n & (n - 1)))
			*names = buf_realloc(*names, n ? n * 2 : 1, sizeof(char *));
		(*names)[n++] = buf_strdup(d->d_name);
	}
	closedir(dir);
	if (n)
		qsort(*names, n, sizeof(char *), by_text);
	return n;
}

static void read_folder(struct walk *w, const char *path, unsigned below)
{
	char sub[PATH_MAX], **names;
	size_t n, i;
	int fd = rooted_open(w->h->root, path, O_RDONLY | O_DIRECTORY), inner;

	if (fd < 0 || seen_before(w, fd)) {
		if (fd < 0 && (errno == EACCES || errno == EPERM))
			host_missed(w->h, "some start-up folders may not be read");
		io_close(&fd);
		return;
	}
	n = names_in(fd, &names);
	for (i = 0; i < n; i++) {
		if ((size_t)snprintf(sub, sizeof(sub), "%s/%s", path, names[i]) < sizeof(sub)) {
			if (has_ending(names[i], w->place->endings))
				read_file(w, sub);
			else if (below && (inner = rooted_open(w->h->root, sub, O_PATH | O_DIRECTORY)) >= 0) {
				close(inner);
				read_folder(w, sub, below - 1);
			}
		}
		free(names[i]);
	}
	free(names);
}

static void read_place(struct walk *w, const struct place *p, const char *under)
{
	char path[PATH_MAX];
	size_t n = (size_t)snprintf(path, sizeof(path), "%s%s", under, p->path);

	if (n >= sizeof(path))
		return;
	w->place = p;
	if (path[n - 1] != '/') {
		read_file(w, path);
		return;
	}
	path[n - 1] = '\0';
	read_folder(w, path, p->below);
}

/* Homes of system accounts that are everybody's folders are none. */
static bool is_home(const char *home)
{
	static const char *const shared[] = { "/bin", "/sbin", "/dev", "/usr", "/nonexistent", "/proc", "/run", "/etc" };
	size_t i, n;

	if (home[0] != '/' || !home[1])
		return false;
	for (i = 0; i < sizeof(shared) / sizeof(*shared); i++) {
		n = strlen(shared[i]);
		if (!strncmp(home, shared[i], n) && (!home[n] || home[n] == '/'))
			return false;
	}
	return true;
}

static void read_home(struct walk *w, const char *home)
{
	size_t i;
	int fd = rooted_open(w->h->root, home, O_RDONLY | O_DIRECTORY);

	if (fd < 0) {
		if (errno == EACCES || errno == EPERM)
			host_missed(w->h, "other users' homes may not be read");
		return;
	}
	if (!seen_before(w, fd)) {
		w->home = home;
		w->user = true;
		for (i = 0; i < sizeof(user_places) / sizeof(*user_places); i++)
			read_place(w, &user_places[i], home);
	}
	close(fd);
}

static void read_homes(struct walk *w)
{
	struct buf passwd = { 0 };
	struct err e;
	char *line, *rest;
	int fd = rooted_regular(w->h->root, "/etc/passwd", NULL);

	read_home(w, "/root");
	if (fd < 0)
		return;
	if (io_slurp(fd, CAP_SLURP, &passwd, "/etc/passwd", &e) < 0 || !passwd.len)
		goto out;
	rest = (char *)passwd.p;
	while ((line = strsep(&rest, "\n"))) {
		char *home = line;
		int i;

		for (i = 0; home && i < 5; i++)
			strsep(&home, ":");
		if (!home)
			continue;
		home[strcspn(home, ":")] = '\0';
		if (is_home(home))
			read_home(w, home);
	}
out:
	buf_free(&passwd);
	close(fd);
}

int startup_scan(struct host *h, struct err *e)
{
	struct walk w = { .h = h, .home = "/root" };
	size_t i;

	(void)e;
	w.s = buf_alloc(sizeof(*w.s));
	for (i = 0; i < sizeof(system_places) / sizeof(*system_places); i++)
		read_place(&w, &system_places[i], "");
	read_homes(&w);
	free(w.s);
	free(w.done);
	return 0;
}

int startup_scan_root(struct host *h, int root, const char *label, struct err *e)
{
	char link[64], path[PATH_MAX];
	struct host saved = *h;
	ssize_t n;
	int rc;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", root);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0 || path[0] != '/') {
		host_missed(h, "the root of %s could not be looked at", label);
		return 0;
	}
	path[n] = '\0';
	h->root = root;
	h->root_path = n > 1 ? path : (char[1]){ "" };
	h->dpkg = h->at ? roots_dpkg(h, h->at) : dpkg_open(root);
	h->container = label;
	rc = startup_scan(h, e);
	if (!h->at)
		dpkg_close(h->dpkg);
	h->root = saved.root;
	h->root_path = saved.root_path;
	h->dpkg = saved.dpkg;
	h->container = saved.container;
	return rc;
}
