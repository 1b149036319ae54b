/*
 * Maintainer scripts of installed packages. No list has their sums, so that one which was altered is told by what its package's
 * other files in info/ say: dpkg puts all of them there in one go, and the tools that build packages give none of the scripts a
 * later time than the lists that are made last. And by the scan index: other bytes while the package's version is the same.
 */
#include "host/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INFO "/var/lib/dpkg/info"
#define CAP_INFO 262144u          /* files there: 5 of each package, and dpkg.c numbers 65535 packages */
#define TOGETHER 10               /* seconds within which dpkg, or who copies a system, writes the files of one package */
#define BUILT (24 * 60 * 60)      /* seconds within which a package is built */
#define COPY_LEAST 32u            /* so many scripts written late, */
#define COPY_SHARE 10u            /* and one in so many: their times are those of a copy, file by file */

struct info {
	char *name;                   /* of the file */
	size_t package;               /* bytes of it, without the ending */
	bool script, listed;
	struct stat st;
};

/* One package's files stand side by side when all are in order of name. */
struct package {
	const struct info *first;
	size_t count;
	bool installed;
	int64_t written, built;       /* when the first of its other files was put there, the last one was made; 0: not known */
};

static bool ends_in(const char *ending, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(ending, *list))
			return true;
	return false;
}

static bool is_script(const char *ending)
{
	static const char *const scripts[] = { "preinst", "postinst", "prerm", "postrm", "config", NULL };

	return ends_in(ending, scripts);
}

static int in_order(const void *a, const void *b)
{
	const struct info *x = a, *y = b;
	size_t n = x->package < y->package ? x->package : y->package;
	int c = memcmp(x->name, y->name, n);

	return c ? c : x->package != y->package ? (x->package > y->package) - (x->package < y->package) : strcmp(x->name, y->name);
}

static size_t load(int folder, struct info **list)
{
	int own = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	struct dirent *d;
	size_t n = 0;

	*list = NULL;
	if (!dir) {
		io_close(&own);
		return 0;
	}
	while ((d = readdir(dir)) && n < CAP_INFO) {
		const char *dot = strrchr(d->d_name, '.');
		struct info *i;

		if (!dot || dot == d->d_name)
			continue;
		if (!(n & (n - 1)))
			*list = buf_realloc(*list, n ? n * 2 : 1, sizeof(**list));
		i = &(*list)[n];
		if (fstatat(folder, d->d_name, &i->st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(i->st.st_mode))
			continue;
		i->name = buf_strdup(d->d_name);
		i->package = (size_t)(dot - d->d_name);
		i->script = is_script(dot + 1);
		i->listed = !strcmp(dot, ".list");
		n++;
		watch_beat();
	}
	closedir(dir);
	if (n)
		qsort(*list, n, sizeof(**list), in_order);
	return n;
}

static struct package package_at(const struct info *list, size_t n)
{
	struct package p = { .first = list };
	int64_t list_written = 0;
	const struct info *i;

	for (i = list; i < list + n && i->package == list->package && !memcmp(i->name, list->name, list->package); i++) {
		p.count++;
		p.installed |= i->listed;
		if (i->script)
			continue;
		/* dpkg puts there what was built before; on the image of a system ctime may be the mtime, and tell nothing */
		if (!i->listed && i->st.st_ctim.tv_sec > i->st.st_mtim.tv_sec && (!p.written || i->st.st_ctim.tv_sec < p.written))
			p.written = i->st.st_ctim.tv_sec;
		if (i->listed)
			list_written = i->st.st_ctim.tv_sec;
		else if (i->st.st_mtim.tv_sec > p.built)
			p.built = i->st.st_mtim.tv_sec;
	}
	/* it is written anew when another package takes a file over: never before the others */
	if (!p.written)
		p.written = list_written;
	return p;
}

static bool late(const struct package *p, const struct info *i)
{
	return i->script && p->installed && p->written && i->st.st_ctim.tv_sec > p->written + TOGETHER;
}

/* Does when they were written tell nothing here? */
static bool is_copy(const struct info *list, size_t n)
{
	size_t scripts = 0, lates = 0, i, k;

	for (i = 0; i < n; i += k) {
		struct package p = package_at(list + i, n - i);

		for (k = 0; k < p.count; k++) {
			scripts += list[i + k].script;
			lates += late(&p, &list[i + k]);
		}
	}
	return lates >= COPY_LEAST && lates > scripts / COPY_SHARE;
}

static void told(struct host *h, int folder, const struct info *i, const char *why)
{
	struct startup *s = buf_alloc(sizeof(*s));
	int fd = openat(folder, i->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct piece *p = NULL;
	struct stat st;
	json_t *o;

	if (fd >= 0)
		p = image_take(h, fd, "script", &st);
	if (!p)
		goto out;
	s->h = h;
	s->place = "packages";
	s->whole = true;
	snprintf(s->path, sizeof(s->path), INFO "/%s", i->name);
	memcpy(s->sha256, p->sha256, sizeof(s->sha256));
	piece_path(p, s->path);
	piece_sign(h, p, "maintainer-altered", "%s %s", s->path, why);
	o = entry_sighting(s, 0, "", 0);
	json_object_set_new(o, "owned", json_true());   /* its package put it there */
	piece_sight(p, o);
out:
	io_close(&fd);
	free(s);
}

static void look_at(struct host *h, int folder, const struct package *p, const struct info *i, bool copy)
{
	char package[512], path[PATH_MAX], why[128] = "";
	int64_t after;

	snprintf(package, sizeof(package), "%.*s", (int)i->package, i->name);
	snprintf(path, sizeof(path), INFO "/%s", i->name);
	after = i->st.st_ctim.tv_sec - p->written;
	if (recall_changes(h, folder, i->name, &i->st, path, dpkg_version_of(h->dpkg, package)))
		snprintf(why, sizeof(why), "held other code before, and its package is the same");
	else if (!copy && late(p, i))
		snprintf(why, sizeof(why), "was written %lld s after its package came", (long long)after);
	else if (p->built && i->st.st_mtim.tv_sec > p->built + BUILT)
		snprintf(why, sizeof(why), "is %lld days younger than its package", (long long)(i->st.st_mtim.tv_sec - p->built) / (24 * 60 * 60));
	if (*why)
		told(h, folder, i, why);
}

int maintainer_scan(struct host *h, struct err *e)
{
	int folder = h->dpkg ? rooted_open(h->root, INFO, O_RDONLY | O_DIRECTORY) : -1;
	struct info *list;
	size_t n, i, k;
	bool copy;

	(void)e;
	if (folder < 0)
		return 0;
	n = load(folder, &list);
	copy = is_copy(list, n);
	if (copy)
		host_missed(h, "when maintainer scripts were written tells nothing here: the system seems to have been copied file by file");
	for (i = 0; i < n; i += k) {
		struct package p = package_at(list + i, n - i);

		/* of a package that is none its scripts are start-up files of their own (places.c) */
		for (k = 0; k < p.count; k++)
			if (p.installed && list[i + k].script)
				look_at(h, folder, &p, &list[i + k], copy);
	}
	for (i = 0; i < n; i++)
		free(list[i].name);
	free(list);
	close(folder);
	return 0;
}
