/* Libraries as the loader finds them by name, and folders whose files take the place of the system's. */
#include "host/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAP_NAMES 16384u     /* files of such a folder: /usr/lib/x86_64-linux-gnu of a workstation has some 5,000 */
#define CAP_SYSTEM 48u       /* library folders of the system */

struct folders {
	char path[CAP_SYSTEM][256];
	size_t n;
};

static void add(struct folders *f, const char *path)
{
	if (f->n < CAP_SYSTEM && strlen(path) < sizeof(f->path[0]))
		snprintf(f->path[f->n++], sizeof(f->path[0]), "%s", path);
}

/* /lib/x86_64-linux-gnu and its like */
static void add_architectures(const struct host *h, struct folders *f, const char *below)
{
	char path[PATH_MAX], **names;
	size_t n, i;
	bool more;
	int fd = rooted_open(h->root, below, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return;
	n = startup_names(fd, CAP_NAMES, &names, &more);
	for (i = 0; i < n; i++) {
		if (strstr(names[i], "-linux-") && (size_t)snprintf(path, sizeof(path), "%s/%s", below, names[i]) < sizeof(path))
			add(f, path);
		free(names[i]);
	}
	free(names);
}

static void system_libraries(const struct host *h, struct folders *f)
{
	static const char *const fixed[] = { "/lib64", "/usr/lib64", "/lib", "/usr/lib", "/lib32", "/usr/lib32", "/libx32" };
	size_t i;

	f->n = 0;
	add_architectures(h, f, "/usr/lib");
	add_architectures(h, f, "/lib");
	for (i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		add(f, fixed[i]);
}

static void system_programs(struct folders *f)
{
	static const char *const fixed[] = { "/usr/bin", "/usr/sbin", "/bin", "/sbin" };
	size_t i;

	f->n = 0;
	for (i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		add(f, fixed[i]);
}

/* The folders that ld.so.conf's files name: one a line. */
static void add_configured(const struct host *h, struct folders *f)
{
	static const char conf[] = "/etc/ld.so.conf.d";
	struct buf text = { 0 };
	char **names, *line, *rest;
	size_t n, i;
	bool more;
	int fd = rooted_open(h->root, conf, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return;
	n = startup_names(fd, 256, &names, &more);
	for (i = 0; i < n; i++) {
		char path[PATH_MAX];
		struct err e;
		int file;

		snprintf(path, sizeof(path), "%s/%s", conf, names[i]);
		free(names[i]);
		file = rooted_regular(h->root, path, NULL);
		if (file < 0)
			continue;
		buf_clear(&text);
		if (io_slurp(file, CAP_START_FILE, &text, path, &e) == 0 && text.len) {
			rest = (char *)text.p;
			while ((line = strsep(&rest, "\n"))) {
				line[strcspn(line, " \t\r=#")] = '\0';
				if (*line == '/')
					add(f, line);
			}
		}
		close(file);
	}
	free(names);
	buf_free(&text);
}

int shadow_library(const struct host *h, const char *name, const char *within)
{
	struct folders *f = buf_alloc(sizeof(*f));
	char path[PATH_MAX];
	size_t i;
	int fd = -1;

	system_libraries(h, f);
	add(f, "/usr/local/lib");
	if (!within)
		add_configured(h, f);
	for (i = 0; fd < 0 && i < f->n; i++)
		if ((size_t)snprintf(path, sizeof(path), "%s%s%s/%s", f->path[i], within ? "/" : "", within ? within : "", name) < sizeof(path))
			fd = rooted_regular(h->root, path, NULL);
	free(f);
	return fd;
}

static bool exists_in(const struct host *h, const struct folders *f, const char *name)
{
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < f->n; i++) {
		int fd = -1;

		if ((size_t)snprintf(path, sizeof(path), "%s/%s", f->path[i], name) < sizeof(path))
			fd = rooted_open(h->root, path, O_PATH);
		if (fd >= 0) {
			close(fd);
			return true;
		}
	}
	return false;
}

static bool is_one_of(const struct folders *f, const char *folder)
{
	size_t i, n = strlen(folder);

	while (n > 1 && folder[n - 1] == '/')
		n--;
	for (i = 0; i < f->n; i++)
		if (!strncmp(f->path[i], folder, n) && !f->path[i][n])
			return true;
	return false;
}

/* Root's alone it must be, or a package manager's group's. */
static void open_to_all(struct startup *s, unsigned line, const char *text, size_t length, int fd, const char *folder)
{
	struct stat st;

	if (s->user || fstat(fd, &st) < 0 || (!(st.st_mode & S_IWOTH) && !st.st_uid))
		return;
	if (!s->open_to[0])
		snprintf(s->open_to, sizeof(s->open_to), "it names %s, which others than root may write to", folder);
	json_array_append_new(s->own, entry_sighting(s, line, text, length));
}

static void one_name(struct startup *s, unsigned line, const char *text, size_t length, const char *folder, const char *name,
                     const struct folders *f, const char *sign)
{
	char path[PATH_MAX];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path)
	    || (s->h->dpkg && dpkg_owns(s->h->dpkg, path)) || !exists_in(s->h, f, name))
		return;
	fd = rooted_regular(s->h->root, path, NULL);
	if (fd < 0)
		return;
	s->as = sign;
	entry_open_file(s, line, text, length, fd);
	s->as = NULL;
	close(fd);
}

void shadow_folder(struct startup *s, unsigned line, const char *text, size_t length, const char *folder, bool libraries)
{
	struct folders *f = buf_alloc(sizeof(*f));
	char real[PATH_MAX], **names;
	size_t n, i;
	bool more;
	int fd = rooted_open(s->h->root, folder, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		goto out;
	if (libraries)
		system_libraries(s->h, f);
	else
		system_programs(f);
	if (rooted_path(s->h, fd, real, sizeof(real)) < 0 || is_one_of(f, real) || is_one_of(f, folder)) {
		close(fd);
		goto out;
	}
	open_to_all(s, line, text, length, fd, folder);
	n = startup_names(fd, CAP_NAMES, &names, &more);
	for (i = 0; i < n; i++) {
		if (!libraries || strstr(names[i], ".so"))
			one_name(s, line, text, length, real, names[i], f, libraries ? "library-shadows" : "path-shadows");
		free(names[i]);
	}
	free(names);
out:
	free(f);
}
