/* What an interpreter runs: the piece of code that its process is about. */
#include "host/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAP_ARGUMENTS 256u    /* of an interpreter: its script stands near the front */
#define CAP_HELD 1024         /* descriptors that are looked through for a script */
#define READ_ONLY (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

struct run {
	struct host *h;
	const struct proc *proc;
	const char *exe;
	struct piece *program;
	char *argv[CAP_ARGUMENTS];
	size_t argc, skip;        /* skip: "busybox" before "sh" */
	bool typed;               /* a shell that was told that somebody types: -i */
	const char *name;         /* the interpreter's */
	const char *arg;
	struct err *e;
};

static json_t *sighting(const struct run *r)
{
	json_t *o = proc_sighting(r->proc, "script", true);

	json_object_set_new(o, "exe", jsonio_name(r->exe));
	json_object_set_new(o, "exe_sha256", json_string(r->program->sha256));
	return o;
}

/* Text that no file holds. */
static int take_text(struct run *r, const void *text, size_t n, const char *input, struct piece **p)
{
	char sha256[DIGEST_HEX];
	struct spool *spool = r->h->spool;
	int64_t offset;
	json_t *o;

	if (!n)
		return 0;
	digest_bytes(text, n, sha256);
	*p = piece_get(r->h, sha256, "script", n);
	if (!(*p)->part_count) {
		if (spool_begin(spool, n, &offset, r->e) < 0 || spool_put(spool, offset, text, n, r->e) < 0)
			return -1;
		piece_part(*p, "body", offset, n);
	}
	o = sighting(r);
	json_object_set_new(o, "inline", json_true());
	if (input)
		json_object_set_new(o, "input", json_string(input));
	piece_sight(*p, o);
	return 0;
}

/* A deleted script cannot be collected later: its interpreter may close it at any time. */
static int keep(struct run *r, int fd, struct piece *p)
{
	struct buf text = { 0 };
	char sha256[DIGEST_HEX];
	int64_t offset;
	int rc = 0;

	if (p->part_count)
		return 0;
	if (lseek(fd, 0, SEEK_SET) < 0 || io_slurp(fd, CAP_SCRIPT, &text, "a script", r->e) < 0)
		goto out;
	digest_bytes(buf_str(&text), text.len, sha256);
	if (strcmp(sha256, p->sha256))
		goto out;
	rc = spool_begin(r->h->spool, text.len, &offset, r->e);
	if (!rc)
		rc = spool_put(r->h->spool, offset, text.p, text.len, r->e);
	if (!rc)
		piece_part(p, "body", offset, text.len);
out:
	buf_free(&text);
	return rc;
}

static int take_file(struct run *r, int fd, const struct stat *open, struct piece **p)
{
	char link[PATH_MAX], path[PATH_MAX], name[64];
	enum mapped_where where;
	int pid = r->proc->pid;
	struct stat st;
	json_t *o;
	ssize_t n;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, link, sizeof(link) - 1);
	if (n <= 0 || (uint64_t)open->st_size > CAP_SCRIPT)
		return 0;
	link[n] = '\0';
	where = mapped_where(r->h, r->proc, link, open, path);
	*p = image_take(r->h, fd, where == MAPPED_GONE || where == MAPPED_REPLACED || where == MAPPED_MEMFD ? "deleted" : "script", &st);
	if (!*p)
		return 0;
	if (where == MAPPED_REPLACED && mapped_same_bytes(r->h, r->proc, path, *p)) {
		where = MAPPED_HERE;
		*p = piece_get(r->h, (*p)->sha256, "script", (*p)->size);
	}
	if (where == MAPPED_MEMFD)
		piece_path(*p, path);
	else
		image_place_seen(r->h, *p, path, &st, r->proc);
	if (where == MAPPED_GONE)
		piece_sign(r->h, *p, "deleted", "process %d runs the script %s, which was deleted", pid, path);
	else if (where == MAPPED_REPLACED)
		piece_sign(r->h, *p, "exe-replaced", "process %d runs what the script %s was; that name is another file now", pid, path);
	else if (where == MAPPED_MEMFD && r->h->dpkg)
		piece_sign(r->h, *p, "unowned", "no package owns %s, which no folder holds", path);
	if (where == MAPPED_MEMFD)
		piece_sign(r->h, *p, "memfd", "process %d runs the anonymous memory file %s", pid, path);
	o = sighting(r);
	json_object_set_new(o, "path", jsonio_name(path));
	piece_sight(*p, o);
	return where == MAPPED_HERE || where == MAPPED_ELSEWHERE ? 0 : keep(r, fd, *p);
}

/* A script of which no byte can be had: words that name it stand for it. Takes the text. */
static int take_words(struct run *r, char *text, struct piece **p)
{
	struct spool *spool = r->h->spool;
	char sha256[DIGEST_HEX];
	size_t n = strlen(text);
	int64_t offset;
	int rc = 0;

	digest_bytes(text, n, sha256);
	*p = piece_get(r->h, sha256, "script", n);
	if (!(*p)->part_count) {
		rc = spool_begin(spool, n, &offset, r->e);
		if (!rc)
			rc = spool_put(spool, offset, text, n, r->e);
		if (!rc)
			piece_part(*p, "body", offset, n);
	}
	free(text);
	if (!rc)
		piece_sight(*p, sighting(r));
	return rc;
}

/* Nobody feeds the pipe any more, and it still runs: most interpreters read to the end before they begin. */
static int take_read(struct run *r, struct piece **p)
{
	struct buf text = { 0 };
	uint64_t at = 0;
	int rc;

	if (held_text(r->h, r->proc, r->name, &text, &at)) {
		rc = take_text(r, buf_str(&text), text.len, "buffer", p);
		if (*p)
			piece_sign(r->h, *p, "script-piped", "process %d (%s) read its script from a pipe; this stands in its buffer at %llx",
			           (int)r->proc->pid, r->proc->comm, (unsigned long long)at);
	} else {
		rc = take_words(r, buf_printf("the script that the interpreter %s reads from a pipe, in which nothing is left\n", r->exe), p);
	}
	buf_free(&text);
	return rc;
}

/* What is left in the pipe that it reads its script from: copied, so that it stays there. */
static int take_pipe(struct run *r, int fd, struct piece **p)
{
	static unsigned char text[65536];
	int ours[2], rc = 0;
	ssize_t n;

	if (pipe2(ours, O_CLOEXEC | O_NONBLOCK) < 0)
		return 0;
	errno = 0;
	n = tee(fd, ours[1], sizeof(text), SPLICE_F_NONBLOCK);
	if (n > 0)
		n = read(ours[0], text, sizeof(text));
	if (n > 0)
		rc = take_text(r, text, (size_t)n, "pipe", p);
	else if (!n || (errno == EAGAIN && script_shell(r->name) && !r->typed))
		/* Nobody feeds it any more, and it still runs: most interpreters read to the end before they begin. A shell begins with
		 * the first line, and who feeds it may wait as well. */
		rc = take_read(r, p);
	if (*p)
		piece_sign(r->h, *p, "script-piped", "process %d (%s) reads its script from a pipe; %zd bytes were left in it", (int)r->proc->pid,
		           r->proc->comm, n > 0 ? n : 0);
	close(ours[0]);
	close(ours[1]);
	return rc;
}

static int take_open(struct run *r, int fd, struct piece **p)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return 0;
	if (S_ISREG(st.st_mode))
		return take_file(r, fd, &st, p);
	return S_ISFIFO(st.st_mode) ? take_pipe(r, fd, p) : 0;
}

/* Of a descriptor: is it a regular file that bears, or bore, the script's name? */
static int open_if_named(const struct run *r, const char *number, const char *name)
{
	static const char deleted[] = " (deleted)";
	char at[32], link[PATH_MAX], *base;
	struct stat st;
	size_t n;
	int fd;

	if (snprintf(at, sizeof(at), "fd/%s", number) >= (int)sizeof(at) || proc_link(r->proc, at, link, sizeof(link)) < 0)
		return -1;
	n = strlen(link);
	if (n >= sizeof(deleted) && !strcmp(link + n - sizeof(deleted) + 1, deleted))
		link[n - sizeof(deleted) + 1] = '\0';
	base = strrchr(link, '/');
	if (!base || strcmp(base + 1, name) || fstatat(r->proc->dir, at, &st, 0) < 0 || !S_ISREG(st.st_mode))
		return -1;
	fd = openat(r->proc->dir, at, READ_ONLY);
	return fd;
}

/* Shells keep their script open, high up. Others may hold it anywhere. */
static int open_held(const struct run *r, bool anywhere)
{
	static const char *const high[] = { "255", "10", "11", "12" };
	const char *name = strrchr(r->arg, '/');
	struct dirent *d;
	DIR *dir;
	size_t i;
	int fd = -1, folder, seen = 0;

	name = name ? name + 1 : r->arg;
	for (i = 0; fd < 0 && i < sizeof(high) / sizeof(*high); i++)
		fd = open_if_named(r, high[i], name);
	if (fd >= 0 || !anywhere || (folder = openat(r->proc->dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return fd;
	dir = fdopendir(folder);
	if (!dir) {
		close(folder);
		return -1;
	}
	while (fd < 0 && seen++ < CAP_HELD && (d = readdir(dir)))
		fd = open_if_named(r, d->d_name, name);
	closedir(dir);
	return fd;
}

static int open_joined(const struct run *r, const char *folder, const char *name, const char *ending)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s%s%s%s", folder, *folder ? "/" : "", name, ending) >= sizeof(path))
		return -1;
	return proc_open_path(r->proc, path);
}

/* In the folders of a list as in PATH. */
static int open_listed(const struct run *r, char *list, const char *name, const char *ending)
{
	char *folder;
	int fd = -1;

	while (fd < 0 && (folder = strsep(&list, ":")))
		fd = open_joined(r, folder, name, ending);
	return fd;
}

/* The process may have left the folder in which it was started. */
static int open_named(const struct run *r)
{
	static const char *const endings[] = { "", ".js", "/index.js", "/__main__.py" };
	char list[PATH_MAX];
	size_t i, count = !strncmp(r->name, "node", 4) ? 3 : 1;
	bool python = !strncmp(r->name, "py", 2);
	int fd = -1;

	for (i = 0; fd < 0 && i < 4; i++)
		if (i < count || (python && i == 3))
			fd = open_joined(r, "", r->arg, endings[i]);
	if (fd < 0 && *r->arg != '/' && proc_env(r->proc, "PWD", list, sizeof(list)))
		fd = open_joined(r, list, r->arg, "");
	if (fd < 0 && script_shell(r->name) && !strchr(r->arg, '/') && proc_env(r->proc, "PATH", list, sizeof(list)))
		fd = open_listed(r, list, r->arg, "");
	return fd;
}

static int open_in_library(const struct run *r, const char *prefix, const char *middle, const char *version, const char *tail, const char *file)
{
	char folder[PATH_MAX];
	int fd;

	if ((size_t)snprintf(folder, sizeof(folder), "%s%s%s%s", prefix, middle, version, tail) >= sizeof(folder))
		return -1;
	fd = open_joined(r, folder, file, ".py");
	return fd >= 0 ? fd : open_joined(r, folder, file, "/__main__.py");
}

/* python -m: where Python itself would look, as far as the process tells. */
static int open_module(const struct run *r)
{
	static const char *const tails[] = { "", "/dist-packages", "/site-packages" };
	static const struct { const char *variable, *middle; } homes[] = {
		{ "VIRTUAL_ENV", "/lib/python" }, { "HOME", "/.local/lib/python" }, { "PYTHONHOME", "/lib/python" },
	};
	char file[512], list[PATH_MAX], prefix[PATH_MAX], *version, *end;
	const char *number = strpbrk(r->name, "0123456789");
	size_t i, k;
	int fd;

	if ((size_t)snprintf(file, sizeof(file), "%s", r->arg) >= sizeof(file))
		return -1;
	for (i = 0; file[i]; i++)
		if (file[i] == '.')
			file[i] = '/';
	fd = open_joined(r, "", file, ".py");
	if (fd < 0)
		fd = open_joined(r, "", file, "/__main__.py");
	if (fd < 0 && proc_env(r->proc, "PYTHONPATH", list, sizeof(list)))
		fd = open_listed(r, list, file, ".py");
	snprintf(prefix, sizeof(prefix), "%s", r->exe);
	for (i = 0; i < 2; i++)
		if ((end = strrchr(prefix, '/')))
			*end = '\0';
	version = buf_strdup(number ? number : "3");
	for (i = 0; fd < 0 && i < 3; i++)
		for (k = 0; fd < 0 && k < 3; k++)
			if (proc_env(r->proc, homes[i].variable, list, sizeof(list)))
				fd = open_in_library(r, list, homes[i].middle, version, tails[k], file);
	for (k = 0; fd < 0 && k < 3; k++)
		fd = open_in_library(r, "/usr/local", "/lib/python", version, tails[k], file);
	for (k = 0; fd < 0 && k < 3; k++)
		fd = open_in_library(r, prefix, "/lib/python", version, tails[k], file);
	if (fd < 0)
		fd = open_in_library(r, prefix, "/lib/python", "3", "/dist-packages", file);
	free(version);
	return fd;
}

/* "/dev/fd/63", "/dev/stdin": a descriptor of its own. */
static int open_descriptor(const struct run *r, bool *is)
{
	static const char *const own[] = { "/dev/fd/", "/proc/self/fd/" };
	char name[32];
	size_t i;
	int fd;

	*is = true;
	if (!strcmp(r->arg, "/dev/stdin"))
		return openat(r->proc->dir, "fd/0", READ_ONLY);
	for (i = 0; i < 2; i++)
		if (!strncmp(r->arg, own[i], strlen(own[i]))) {
			snprintf(name, sizeof(name), "fd/%u", (unsigned)strtoul(r->arg + strlen(own[i]), NULL, 10));
			fd = openat(r->proc->dir, name, READ_ONLY);
			/* bash moves it */
			return fd >= 0 ? fd : openat(r->proc->dir, "fd/255", READ_ONLY);
		}
	*is = false;
	return -1;
}

/* Of a script without a file its name is all there is to tell it by. That a name leads nowhere from here, where it is none
 * from the root on, says nothing. */
static int take_gone(struct run *r, struct piece **p)
{
	const struct dpkg *d = roots_dpkg(r->h, r->proc->root);
	struct stat none = { 0 };

	if (*r->arg != '/' || (r->proc->root && !r->proc->root->known) || (d && dpkg_owns(d, r->arg)))
		return 0;
	if (take_words(r, buf_printf("the script %s of the interpreter %s, of which no file was found\n", r->arg, r->exe), p) < 0)
		return -1;
	image_place_seen(r->h, *p, r->arg, &none, r->proc);
	piece_sign(r->h, *p, "script-gone", "process %d (%s) runs the script %s, which is there no more", (int)r->proc->pid, r->proc->comm,
	           r->arg);
	return 0;
}

/* Perl closes what it was given as a descriptor. */
static int take_closed(struct run *r, struct piece **p)
{
	if (take_words(r, buf_printf("the script of the interpreter %s, which it read from %s and closed\n", r->exe, r->arg), p) < 0)
		return -1;
	piece_sign(r->h, *p, "script-gone", "process %d (%s) read its script from %s, which it has closed", (int)r->proc->pid, r->proc->comm,
	           r->arg);
	return 0;
}

/* What a shell holds open is what it runs, whatever the name leads to by now. */
static int open_script(const struct run *r)
{
	int fd = script_shell(r->name) ? open_held(r, false) : -1, why;

	if (fd < 0)
		fd = open_named(r);
	if (fd >= 0)
		return fd;
	why = errno;
	fd = open_held(r, true);
	errno = why;
	return fd;
}

static int take(struct run *r, enum script_kind kind, struct piece **p)
{
	bool descriptor = false;
	char *text;
	int fd = -1, rc = 0;

	if (kind == SCRIPT_NONE)
		return 0;
	if (kind == SCRIPT_INLINE) {
		text = script_text(r->argv + r->skip, r->argc - r->skip, r->name);
		rc = text ? take_text(r, text, strlen(text), NULL, p) : 0;
		if (*p)
			piece_sign(r->h, *p, "script-inline", "process %d (%s) was given its program among its arguments", (int)r->proc->pid,
			           r->proc->comm);
		free(text);
		return rc;
	}
	if (kind == SCRIPT_STDIN)
		fd = openat(r->proc->dir, "fd/0", READ_ONLY);
	else if (kind == SCRIPT_MODULE)
		fd = open_module(r);
	else
		fd = open_descriptor(r, &descriptor);
	if (kind == SCRIPT_FILE && !descriptor)
		fd = open_script(r);
	if (fd >= 0)
		rc = take_open(r, fd, p);
	else if (kind == SCRIPT_FILE && errno == ENOENT)
		rc = descriptor ? take_closed(r, p) : take_gone(r, p);
	if (*p && !strncmp(r->name, "ld-", 3))
		piece_sign(r->h, *p, "loader-run", "process %d has it run by the loader %s", (int)r->proc->pid, r->exe);
	io_close(&fd);
	return rc;
}

/* A program of no package that is, byte for byte, one of this machine's interpreters. */
static const char *copied(struct run *r)
{
	const char *name;
	struct stat st;
	char path[64];
	size_t i;

	if (!piece_signed(r->program, "unowned"))
		return NULL;
	for (i = 0; (name = script_family(i)); i++) {
		snprintf(path, sizeof(path), "/usr/bin/%s%s", name, !strcmp(name, "python") ? "3" : "");
		if (!fstatat(r->h->root, path, &st, 0) && S_ISREG(st.st_mode) && (uint64_t)st.st_size == r->program->size) {
			int fd = rooted_regular(r->h->root, path, NULL);
			struct piece *p = fd >= 0 ? image_take(r->h, fd, "file", &st) : NULL;

			io_close(&fd);
			if (p == r->program) {
				piece_sign(r->h, p, "interpreter-copied", "process %d runs %s, which is a copy of %s", (int)r->proc->pid, r->exe, path);
				return name;
			}
		}
	}
	return NULL;
}

static const char *interpreter(struct run *r)
{
	const char *name = strrchr(r->exe, '/');

	name = name ? name + 1 : r->exe;
	if (!strncmp(name, "busybox", 7) && r->argc) {
		name = strrchr(r->argv[0], '/') ? strrchr(r->argv[0], '/') + 1 : r->argv[0];
		if (!strncmp(name, "busybox", 7) && r->argc > 1) {
			r->skip = 1;
			name = r->argv[1];
		}
	}
	return script_interpreter(name) ? name : copied(r);
}

int script_take(struct host *h, const struct proc *proc, const char *exe, struct piece *program, struct piece **p, struct err *e)
{
	struct run *r = buf_alloc(sizeof(*r));
	enum script_kind kind;
	const char *a;
	size_t i;
	int rc = 0;

	*p = NULL;
	*r = (struct run){ .h = h, .proc = proc, .exe = exe, .program = program, .e = e };
	while (r->argc < CAP_ARGUMENTS && (a = proc_arg(proc, r->argc)))
		r->argv[r->argc++] = buf_strdup(a);
	r->name = interpreter(r);
	for (i = 1; i + r->skip < r->argc; i++)
		r->typed |= !strcmp(r->argv[i + r->skip], "-i");
	kind = r->name && r->argc ? script_of(r->argv + r->skip, r->argc - r->skip, r->name, &r->arg) : SCRIPT_NONE;
	if (kind != SCRIPT_NONE)
		rc = take(r, kind, p);
	while (r->argc)
		free(r->argv[--r->argc]);
	free(r);
	return rc;
}
