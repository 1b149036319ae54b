#include "host/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The kernel writes "_" where files may have "-". */
static void plain_name(const char *file, char *out, size_t size)
{
	size_t i, n = strcspn(file, ".");

	snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), file);
	for (i = 0; out[i]; i++)
		if (out[i] == '-')
			out[i] = '_';
}

/* modules.dep names every file below the folder: "kernel/fs/ext4/ext4.ko: ..." */
static bool in_dep(const struct host *h, const char *folder, const char *name, char *out, size_t size)
{
	struct buf dep = { 0 };
	char path[PATH_MAX], have[256], *line, *rest, *base;
	struct err e;
	bool found = false;
	int fd;

	snprintf(path, sizeof(path), "%s/modules.dep", folder);
	fd = rooted_open(h->root, path, O_RDONLY);
	if (fd < 0)
		return false;
	if (!io_slurp(fd, CAP_SLURP, &dep, path, &e) && dep.len) {
		rest = (char *)dep.p;
		while (!found && (line = strsep(&rest, "\n"))) {
			line[strcspn(line, ":")] = '\0';
			base = strrchr(line, '/');
			plain_name(base ? base + 1 : line, have, sizeof(have));
			if (!strcmp(have, name))
				found = (size_t)snprintf(out, size, "%s%s%s", *line == '/' ? "" : folder, *line == '/' ? "" : "/", line) < size;
		}
	}
	buf_free(&dep);
	close(fd);
	return found;
}

/* What somebody put there without depmod. */
static bool in_tree(const struct host *h, const char *folder, const char *name, unsigned depth, char *out, size_t size)
{
	char sub[PATH_MAX], have[256];
	struct dirent *d;
	bool found = false;
	DIR *dir;
	int fd = rooted_open(h->root, folder, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return false;
	}
	while (!found && (d = readdir(dir))) {
		if (d->d_name[0] == '.' || (size_t)snprintf(sub, sizeof(sub), "%s/%s", folder, d->d_name) >= sizeof(sub))
			continue;
		plain_name(d->d_name, have, sizeof(have));
		if (strstr(d->d_name, ".ko") && !strcmp(have, name))
			found = (size_t)snprintf(out, size, "%s", sub) < size;
		else if (d->d_type == DT_DIR && depth < 8)
			found = in_tree(h, sub, name, depth + 1, out, size);
	}
	closedir(dir);
	return found;
}

int modules_file(const struct host *h, const char *name, char *out, size_t size)
{
	char folder[PATH_MAX], plain[256];
	struct utsname u;
	struct dirent *d;
	DIR *dir;
	int fd;

	plain_name(name, plain, sizeof(plain));
	if (h->live) {
		if (uname(&u) < 0)
			return -1;
		snprintf(folder, sizeof(folder), "/lib/modules/%s", u.release);
		return in_dep(h, folder, plain, out, size) || in_tree(h, folder, plain, 0, out, size) ? 0 : -1;
	}
	/* a system that does not run: whichever release has it */
	fd = rooted_open(h->root, "/lib/modules", O_RDONLY | O_DIRECTORY);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		io_close(&fd);
		return -1;
	}
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(folder, sizeof(folder), "/lib/modules/%s", d->d_name);
		if (in_dep(h, folder, plain, out, size) || in_tree(h, folder, plain, 0, out, size)) {
			closedir(dir);
			return 0;
		}
	}
	closedir(dir);
	return -1;
}

static json_t *sighting(const char *name, const char *path)
{
	json_t *o = json_object();

	json_object_set_new(o, "how", json_string("module"));
	json_object_set_new(o, "module", jsonio_name(name));
	if (*path)
		json_object_set_new(o, "path", jsonio_name(path));
	return o;
}

/* Without a file, the name is all there is to tell it by. */
static int take_fileless(struct host *h, const char *name, struct piece **p, struct err *e)
{
	char text[300], sha256[DIGEST_HEX];
	int64_t offset;
	size_t n = (size_t)snprintf(text, sizeof(text), "kernel module %s, of which no file was found\n", name);

	digest_bytes(text, n, sha256);
	*p = piece_get(h, sha256, "module", n);
	if ((*p)->part_count)
		return 0;
	if (spool_begin(h->spool, n, &offset, e) < 0 || spool_put(h->spool, offset, text, n, e) < 0)
		return -1;
	piece_part(*p, "body", offset, n);
	return 0;
}

static int take(struct host *h, const char *name, const char *hidden, struct err *e)
{
	char path[PATH_MAX] = "", taint[PATH_MAX];
	struct buf text = { 0 };
	struct piece *p = NULL;
	struct stat st;
	int fd = -1;

	if (modules_file(h, name, path, sizeof(path)) == 0)
		fd = rooted_open(h->root, path, O_RDONLY | O_NONBLOCK);
	if (fd >= 0 && (p = image_take(h, fd, "module", &st)))
		image_place(h, p, path, &st, true);
	io_close(&fd);
	if (!p) {
		path[0] = '\0';
		if (take_fileless(h, name, &p, e) < 0)
			return -1;
		piece_sign(h, p, "module-no-file", "the module %s is loaded, and /lib/modules holds no such file", name);
	}
	if (hidden)
		piece_sign(h, p, "module-hidden", "%s has %s, /proc/modules does not", hidden, name);
	snprintf(taint, sizeof(taint), "/sys/module/%s/taint", name);
	if (io_slurp_at(AT_FDCWD, taint, 256, &text) > 0 && buf_str(&text)[0] > ' ')
		piece_sign(h, p, "module-tainted", "the kernel marks %s with %.8s", name, buf_str(&text));
	buf_free(&text);
	piece_sight(p, sighting(name, path));
	return 0;
}

static bool is_listed(const struct buf *list, const char *name)
{
	const char *p = buf_str(list);
	size_t n = strlen(name);

	while (*p) {
		if (!strncmp(p, name, n) && p[n] == ' ')
			return true;
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	return false;
}

/* What is built in has a folder as well, but was never loaded: it has no initstate. */
static int take_hidden(struct host *h, const struct buf *list, struct err *e)
{
	DIR *dir = opendir("/sys/module");
	struct dirent *d;
	char path[PATH_MAX];
	int rc = 0;

	if (!dir)
		return 0;
	while (!rc && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/module/%s/initstate", d->d_name);
		if (!access(path, F_OK) && !is_listed(list, d->d_name)) {
			/* it may have been loaded just now */
			struct buf again = { 0 };

			if (io_slurp_at(h->proc, "modules", CAP_SLURP, &again) >= 0 && !is_listed(&again, d->d_name)
			    && !access(path, F_OK))
				rc = take(h, d->d_name, "/sys/module", e);
			buf_free(&again);
		}
	}
	closedir(dir);
	return rc;
}

/* "ffffffffc0401000 t name\t[module]"; the kernel lends names to what is no module. */
static bool module_of(const char *line, size_t n, char *name, size_t size)
{
	const char *open = n && line[n - 1] == ']' ? memrchr(line, '[', n) : NULL;
	size_t k;

	if (!open || open == line || (open[-1] != '\t' && open[-1] != ' '))
		return false;
	k = (size_t)(line + n - 1 - (open + 1));
	if (!k || k >= size || !strncmp(open + 1, "__builtin", 9) || (k == 3 && !strncmp(open + 1, "bpf", 3)))
		return false;
	snprintf(name, size, "%.*s", (int)k, open + 1);
	return true;
}

static int take_if_unlisted(struct host *h, const struct buf *list, const char *name, struct err *e)
{
	struct buf again = { 0 };
	int rc = 0;

	if (!is_listed(list, name) && io_slurp_at(h->proc, "modules", CAP_SLURP, &again) >= 0 && !is_listed(&again, name))
		rc = take(h, name, "/proc/kallsyms", e);
	buf_free(&again);
	return rc;
}

/* The kernel's table of symbols: some megabytes, read in pieces; those of one module stand together. */
static int take_from_symbols(struct host *h, const struct buf *list, struct err *e)
{
	static char block[65536];
	char name[256], last[256] = "";
	size_t have = 0, n;
	int fd = openat(h->proc, "kallsyms", O_RDONLY | O_CLOEXEC), rc = 0;
	ssize_t got;
	char *p, *stop;

	while (!rc && fd >= 0 && (got = read(fd, block + have, sizeof(block) - have)) > 0) {
		have += (size_t)got;
		for (p = block; !rc && (stop = memchr(p, '\n', have - (size_t)(p - block))); p = stop + 1) {
			n = (size_t)(stop - p);
			if (!module_of(p, n, name, sizeof(name)) || !strcmp(name, last))
				continue;
			memcpy(last, name, sizeof(last));
			rc = take_if_unlisted(h, list, name, e);
		}
		have -= (size_t)(p - block);
		if (have == sizeof(block))
			have = 0;
		memmove(block, p, have);
	}
	io_close(&fd);
	return rc;
}

int modules_scan(struct host *h, struct err *e)
{
	struct buf list = { 0 };
	const char *p;
	int rc = 0;

	/* a kernel without modules has no such file */
	if (io_slurp_at(h->proc, "modules", CAP_SLURP, &list) < 0)
		goto out;
	for (p = buf_str(&list); !rc && *p;) {
		char name[256];
		size_t n = strcspn(p, " \n");

		snprintf(name, sizeof(name), "%.*s", (int)(n < 255 ? n : 255), p);
		rc = *name ? take(h, name, NULL, e) : 0;
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	if (!rc)
		rc = take_hidden(h, &list, e);
	if (!rc)
		rc = take_from_symbols(h, &list, e);
out:
	buf_free(&list);
	return rc;
}
