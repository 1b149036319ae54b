/*
 * core: what every remover has: its types, the clock, text that grows, and the opening of a path whose every component
 * is what it seems. A remover is these parts put together with one plan; it trusts nothing on the machine it runs on
 * but the kernel, runs no program, opens no socket and expands no pattern.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

/* musl ships no kernel headers: these are the kernel's fixed numbers. */
#ifndef SYS_renameat2
#define SYS_renameat2 316
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif
#define RESOLVE_NO_MAGIC 0x02
#define RESOLVE_NO_LINKS 0x04

#define EXIT_SOME 1    /* something could not be removed */
#define EXIT_USE 64
#define EXIT_IO 74
#define EXIT_LATER 75
#define EXIT_RIGHTS 77

#define HEX 65                     /* a SHA-256 as text */
#define CAP_TEXT (1 << 20)         /* of a start-up file */
#define CAP_JOURNAL (64 << 20)

enum kind { OP_TERMINATE, OP_QUARANTINE, OP_LINE, OP_LINK };
enum {
	OPTIONAL = 1,          /* was seen in the analysis only: another content there is no failure */
	MAPPED = 2,            /* terminate: what maps the code as well */
	SCRIPT = 4,            /* terminate: the interpreter `text` that runs the script `path` */
	ONLY = 8,              /* terminate: this pid and start time alone */
	CREATED = 16,          /* remove-line: the file came with the line, and goes with it when nothing else is in it */
};
struct op {
	enum kind kind;
	unsigned id;
	unsigned flags;
	const char *name;                  /* of the operation */
	const char *path, *json, *show;    /* its bytes; as JSON; for a terminal */
	const char *sha;                   /* digest of the code or file */
	long long size;
	const char *text;                  /* line, link's target or interpreter */
	size_t length;
	int pid;
	unsigned long long start;
};

/* What is left alone on purpose: for a terminal, as JSON. The last is empty. */
struct note { const char *show, *json; };

enum result { NONE, DONE, WOULD, ABSENT, CHANGED, FAILED, UNDONE, NOT_UNDOABLE };
static const char *const result_names[] = { "none", "done", "would", "absent", "changed", "failed", "undone", "not-undoable" };
struct outcome {
	enum result result;
	int error;             /* errno of a failure, or 0 */
	char detail[160];      /* plain ASCII, never from the host */
};
static struct outcome *outcomes;   /* one an operation, shared with the child that changes files */

enum mode { MODE_PLAN, MODE_APPLY, MODE_UNDO };
static const char *const mode_names[] = { "plan", "apply", "undo" };

static void say(struct outcome *o, enum result r, int error, const char *detail)
{
	o->result = r;
	o->error = error;
	if (error)
		snprintf(o->detail, sizeof o->detail, "%s: %s", detail, strerror(error));
	else
		snprintf(o->detail, sizeof o->detail, "%s", detail);
}

static void *must(void *p)
{
	if (!p) {
		static const char text[] = "remover: out of memory\n";
		if (write(2, text, sizeof text - 1) < 0)
			_exit(EXIT_IO);
		_exit(EXIT_IO);
	}
	return p;
}

struct text {
	char *p;
	size_t len, cap;
};

static void text_add(struct text *t, const void *p, size_t n)
{
	if (t->cap - t->len < n + 1) {
		t->cap = (t->len + n + 1) * 2;
		t->p = must(realloc(t->p, t->cap));
	}
	memcpy(t->p + t->len, p, n);
	t->len += n;
	t->p[t->len] = 0;
}

static void text_puts(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

static void text_hex(struct text *t, const void *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++) {
		char two[2] = { digits[b[i] >> 4], digits[b[i] & 15] };
		text_add(t, two, 2);
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int write_all(int fd, const void *p, size_t n)
{
	const char *b = p;

	while (n) {
		ssize_t k = write(fd, b, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) {
			if (!k)
				errno = EIO;
			return -1;
		}
		b += k;
		n -= (size_t)k;
	}
	return 0;
}

/* A whole descriptor from its start; -1 with errno EFBIG when it is longer than cap. */
static int read_all(int fd, size_t cap, struct text *t)
{
	char chunk[16384];
	off_t at = 0;

	t->len = 0;
	text_add(t, "", 0);
	for (;;) {
		ssize_t n = pread(fd, chunk, sizeof chunk, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			return 0;
		if (t->len + (size_t)n > cap) {
			errno = EFBIG;
			return -1;
		}
		text_add(t, chunk, (size_t)n);
		at += n;
	}
}

/* The same for what has no offsets (files of /proc). */
static int read_proc(int dir, const char *name, struct text *t)
{
	char chunk[4096];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	t->len = 0;
	text_add(t, "", 0);
	if (fd < 0)
		return -1;
	while ((n = read(fd, chunk, sizeof chunk)) > 0 && t->len < (4 << 20))
		text_add(t, chunk, (size_t)n);
	close(fd);
	return n < 0 ? -1 : 0;
}

/* A folder by its absolute path, no component of which is a symbolic link (ELOOP). */
static int open_folder(const char *path)
{
	struct { uint64_t flags, mode, resolve; } how = { O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_NO_LINKS | RESOLVE_NO_MAGIC };
	char part[256];
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);

	if (fd >= 0 || (errno != ENOSYS && errno != EPERM && errno != EINVAL))
		return fd;
	/* A kernel before 5.6: step by step. */
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (const char *p = path; fd >= 0;) {
		size_t n;
		int next;

		while (*p == '/')
			p++;
		n = strcspn(p, "/");
		if (!n)
			break;
		if (n >= sizeof part) {
			close(fd);
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(part, p, n);
		part[n] = 0;
		p += n;
		next = openat(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0 && errno == ENOTDIR) {
			struct stat st;

			if (!fstatat(fd, part, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode))
				errno = ELOOP;
			else
				errno = ENOTDIR;
		}
		{
			int keep = errno;

			close(fd);
			errno = keep;
		}
		fd = next;
	}
	return fd;
}

/* The folder that holds op->path, and the last component's place in it. */
static int open_parent(const struct op *op, const char **name)
{
	const char *slash = strrchr(op->path, '/');
	char *folder;
	int fd;

	*name = slash + 1;
	if (slash == op->path)
		return open_folder("/");
	folder = must(strndup(op->path, (size_t)(slash - op->path)));
	fd = open_folder(folder);
	free(folder);
	return fd;
}

/* A regular file, opened for reading: nothing else is ever opened, so that no device wakes. -1 with errno;
 * EISDIR for what is no regular file. */
static int open_regular(int dir, const char *name, struct stat *st)
{
	struct stat before;
	int fd;

	if (fstatat(dir, name, &before, AT_SYMLINK_NOFOLLOW))
		return -1;
	if (!S_ISREG(before.st_mode)) {
		errno = EISDIR;
		return -1;
	}
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, st) || st->st_ino != before.st_ino || st->st_dev != before.st_dev || !S_ISREG(st->st_mode)) {
		close(fd);
		errno = EISDIR;
		return -1;
	}
	return fd;
}

/* What a path that cannot be opened means for the operation. */
static void say_unopened(struct outcome *o, const struct op *op)
{
	if (errno == ENOENT || errno == ENOTDIR)
		say(o, ABSENT, 0, "");
	else if (errno == ELOOP)
		say(o, op->flags & OPTIONAL ? ABSENT : FAILED, 0, "refused: a symbolic link is in the path");
	else if (errno == EISDIR)
		say(o, CHANGED, 0, "not a regular file any more");
	else
		say(o, FAILED, errno, "cannot open");
}
