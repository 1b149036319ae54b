#include "host/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAP_FILES_PER_PLACE 65536u   /* a folder of ten thousand hides nothing behind them */
#define CAP_EXPANDED 4096u           /* folders looked into for the "*" of one place: homes hold many */
#define CAP_PARTS_OF_PATH 32u

/* A folder that was read in one form: /lib is /usr/lib on most systems, and each folder counts once. */
struct folder_id {
	dev_t dev;
	ino_t ino;
	const char *endings;
	unsigned form;            /* 1 + form; 0: free */
};

struct walk {
	struct host *h;
	struct startup *s;
	const struct place *place;
	const char *home;
	bool user;
	unsigned expanded;
	struct folder_id *done;   /* open addressing */
	size_t done_size, done_count;
};

/* Is the file one that the place counts? A maintainer script is its package's, though no list names it. */
static bool counts(const struct walk *w, const char *path, const struct stat *st)
{
	static const char dpkg[] = "/var/lib/dpkg/info/";
	char list[PATH_MAX];
	const char *dot = strrchr(path, '.');
	int fd;

	if (w->place->form == FORM_BINFMT_PROC && !(st->st_mode & 0444))
		return false;
	if (w->place->flags & PLACE_RUNS && (!(st->st_mode & 0111) || places_ending(path, ".sample")))
		return false;
	if (strncmp(path, dpkg, sizeof(dpkg) - 1) || !dot)
		return true;
	snprintf(list, sizeof(list), "%.*s.list", (int)(dot - path), path);
	fd = rooted_open(w->h->root, list, O_PATH);
	io_close(&fd);
	return fd == -1 && errno == ENOENT;
}

static void start(const struct walk *w, struct startup *s, const char *path)
{
	memset(s, 0, sizeof(*s));
	s->h = w->h;
	s->place = w->place->place;
	s->whole = w->place->flags & PLACE_WHOLE;
	s->quiet = w->place->flags & PLACE_QUIET;
	s->home = w->home;
	s->user = w->user;
	snprintf(s->path, sizeof(s->path), "%s", path);
}

/* Editors' and packages' leftovers that cron and run-parts pass over, too, are read all the same: names lie. */
static void read_open_file(struct walk *w, const char *path)
{
	struct startup *s = w->s;
	struct stat st;
	int fd = rooted_regular(w->h->root, path, &st), parent;
	char link[4096], folder[PATH_MAX], *name;
	ssize_t n = -1;

	if (fd < 0) {
		if (errno == EACCES || errno == EPERM)
			host_missed(w->h, "some start-up files may not be read");
		return;
	}
	if (!counts(w, path, &st))
		goto out;
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
	start(w, s, path);
	if (n > 0 && s->whole) {
		link[n] = '\0';
		memcpy(s->link, link, (size_t)n + 1);
	} else if (n > 0 && rooted_path(w->h, fd, s->path, sizeof(s->path)) < 0) {
		goto out;
	}
	forms_read(s, w->place->form, fd);
out:
	close(fd);
}

/* Its bytes may never come, when others must answer for them: a step that can be given up alone. */
static void read_file(struct walk *w, const char *path)
{
	uint64_t root = watch_id(4, w->h->root_path, strlen(w->h->root_path));

	if (!watch_enter(watch_id(root, path, strlen(path)), *w->h->root_path ? DEV_NONE : 0, path))
		return;
	read_open_file(w, path);
	watch_leave();
}

void startup_another(const struct startup *from, const char *path, enum form form)
{
	struct startup *s;
	int fd = rooted_regular(from->h->root, path, NULL);

	if (fd < 0)
		return;
	s = buf_alloc(sizeof(*s));
	s->h = from->h;
	s->place = from->place;
	s->home = from->home;
	s->user = from->user;
	s->included = true;
	s->whole = form == FORM_SCRIPT;
	if (rooted_path(s->h, fd, s->path, sizeof(s->path)) == 0 && strcmp(s->path, from->path) != 0)
		forms_read(s, form, fd);
	close(fd);
	free(s);
}

static struct folder_id *slot_of(const struct walk *w, const struct folder_id *id)
{
	size_t i = ((uint64_t)id->ino * 0x9e3779b97f4a7c15u ^ (uint64_t)id->dev * 0xff51afd7ed558ccdu ^ id->form) >> 7;

	for (i &= w->done_size - 1; w->done[i].form; i = (i + 1) & (w->done_size - 1))
		if (w->done[i].ino == id->ino && w->done[i].dev == id->dev && w->done[i].form == id->form
		    && !strcmp(w->done[i].endings, id->endings))
			break;
	return &w->done[i];
}

static bool seen_before(struct walk *w, int fd, unsigned form, const char *endings)
{
	struct folder_id id = { .endings = endings ? endings : "", .form = form }, *slot;
	struct stat st;
	size_t i;

	if (fstat(fd, &st) < 0)
		return true;
	id.dev = st.st_dev;
	id.ino = st.st_ino;
	if (w->done_count * 2 >= w->done_size) {
		struct folder_id *old = w->done;
		size_t old_size = w->done_size;

		w->done_size = old_size ? old_size * 2 : 1024;
		w->done = buf_alloc(w->done_size * sizeof(*w->done));
		for (i = 0; i < old_size; i++)
			if (old[i].form)
				*slot_of(w, &old[i]) = old[i];
		free(old);
	}
	slot = slot_of(w, &id);
	if (slot->form)
		return true;
	*slot = id;
	w->done_count++;
	return false;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In order of name, so that two scans of one machine read alike. */
size_t startup_names(int fd, size_t cap, char ***names, bool *more)
{
	struct dirent *d;
	DIR *dir = fdopendir(fd);
	size_t n = 0;

	*names = NULL;
	*more = false;
	if (!dir) {
		close(fd);
		return 0;
	}
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (n >= cap) {
			*more = true;
			break;
		}
		if (!(n & (n - 1)))
			*names = buf_realloc(*names, n ? n * 2 : 1, sizeof(char *));
		(*names)[n++] = buf_strdup(d->d_name);
	}
	closedir(dir);
	if (n)
		qsort(*names, n, sizeof(char *), by_text);
	return n;
}

static int open_folder(struct walk *w, const char *path)
{
	int fd = rooted_open(w->h->root, path, O_RDONLY | O_DIRECTORY);

	if (fd < 0 && (errno == EACCES || errno == EPERM))
		host_missed(w->h, "some start-up folders may not be read");
	return fd;
}

static void read_folder(struct walk *w, const char *path, unsigned below)
{
	char sub[PATH_MAX], **names;
	size_t n, i;
	bool more;
	int fd = open_folder(w, path), inner;

	if (fd < 0 || seen_before(w, fd, 1 + (unsigned)w->place->form, w->place->endings)) {
		io_close(&fd);
		return;
	}
	n = startup_names(fd, CAP_FILES_PER_PLACE, &names, &more);
	if (more)
		host_missed(w->h, "a start-up folder holds more than %u files", CAP_FILES_PER_PLACE);
	for (i = 0; i < n; i++) {
		if ((size_t)snprintf(sub, sizeof(sub), "%s/%s", path, names[i]) < sizeof(sub)) {
			inner = below ? rooted_open(w->h->root, sub, O_PATH | O_DIRECTORY) : -1;
			if (inner >= 0)
				read_folder(w, sub, below - 1);
			else if (places_ending(names[i], w->place->endings))
				read_file(w, sub);
			io_close(&inner);
		}
		free(names[i]);
	}
	free(names);
}

/* `base` exists so far; `rest` of the pattern begins with "/", or is empty. */
static void expand(struct walk *w, const char *base, const char *rest, unsigned depth)
{
	char path[PATH_MAX], part[256], **names;
	const char *star = strpbrk(rest, "*?"), *begin, *end;
	size_t n, i;
	bool more;
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s%s", base, rest) >= sizeof(path) || depth > CAP_PARTS_OF_PATH)
		return;
	if (!star) {
		n = strlen(path);
		if (path[n - 1] != '/') {
			read_file(w, path);
			return;
		}
		path[n - 1] = '\0';
		read_folder(w, path, w->place->flags & PLACE_BELOW ? 1 : 0);
		return;
	}
	for (begin = star; *begin != '/'; begin--)
		;
	end = star + strcspn(star, "/");
	snprintf(part, sizeof(part), "%.*s", (int)(end - begin - 1), begin + 1);
	snprintf(path, sizeof(path), "%s%.*s", base, (int)(begin - rest), rest);
	if (w->expanded++ >= CAP_EXPANDED) {
		host_missed(w->h, "more than %u folders would have to be searched for start-up files", CAP_EXPANDED);
		return;
	}
	fd = open_folder(w, *path ? path : "/");
	if (fd < 0)
		return;
	n = startup_names(fd, CAP_FILES_PER_PLACE, &names, &more);
	for (i = 0; i < n; i++) {
		char found[PATH_MAX];

		if (!fnmatch(part, names[i], *end && end[1] ? FNM_PERIOD : 0) && (size_t)snprintf(found, sizeof(found), "%s/%s", path, names[i]) < sizeof(found))
			expand(w, found, end, depth + 1);
		free(names[i]);
	}
	free(names);
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
	int fd = rooted_open(w->h->root, home, O_RDONLY | O_DIRECTORY);

	if (fd < 0) {
		if (errno == EACCES || errno == EPERM)
			host_missed(w->h, "other users' homes may not be read");
		return;
	}
	if (!seen_before(w, fd, 1 + (unsigned)FORMS, NULL)) {
		w->home = home;
		w->user = true;
		for (w->place = places_user; w->place->path; w->place++) {
			w->expanded = 0;
			if (!(w->place->flags & PLACE_CHANGED))
				expand(w, home, w->place->path, 0);
		}
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

	(void)e;
	w.s = buf_alloc(sizeof(*w.s));
	for (w.place = places_system; w.place->path; w.place++) {
		w.expanded = 0;
		if (!(w.place->flags & PLACE_CHANGED) && (!h->container || !(w.place->flags & PLACE_HOST)))
			expand(&w, "", w.place->path, 0);
	}
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
