#include "host/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How a family of interpreters takes its script. Option letters that take a value stand in `valued`, those behind which
 * the code itself stands in `inlined`, those behind which a file's name stands in `filed`. */
struct family {
	const char *name;
	const char *valued, *inlined, *filed;
	const char *long_valued[6];
	bool shell, first_is_code, only_filed;
};

static const struct family families[] = {
	{ "sh", "oO", "c", "", { "--rcfile", "--init-file" }, true, false, false },
	{ "dash", "o", "c", "", { 0 }, true, false, false },
	{ "bash", "oO", "c", "", { "--rcfile", "--init-file" }, true, false, false },
	{ "rbash", "oO", "c", "", { "--rcfile", "--init-file" }, true, false, false },
	{ "ash", "o", "c", "", { 0 }, true, false, false },
	{ "ksh", "o", "c", "", { 0 }, true, false, false },
	{ "mksh", "o", "c", "", { 0 }, true, false, false },
	{ "zsh", "o", "c", "", { 0 }, true, false, false },
	{ "python", "WXQ", "c", "", { "--check-hash-based-pycs" }, false, false, false },
	{ "pypy", "WXQ", "c", "", { 0 }, false, false, false },
	{ "perl", "I", "eE", "", { 0 }, false, false, false },
	{ "ruby", "IrCE", "e", "", { 0 }, false, false, false },
	{ "node", "rC", "ep", "", { "--require", "--import", "--eval", "--print", "--loader" }, false, false, false },
	{ "nodejs", "rC", "ep", "", { "--require", "--import", "--eval", "--print", "--loader" }, false, false, false },
	{ "php", "cdz", "r", "f", { 0 }, false, false, false },
	{ "lua", "l", "e", "", { 0 }, false, false, false },
	{ "luajit", "l", "e", "", { 0 }, false, false, false },
	{ "tclsh", "", "", "", { "-encoding" }, false, false, false },
	{ "expect", "", "c", "f", { 0 }, false, false, false },
	{ "awk", "Fv", "", "f", { 0 }, false, true, false },
	{ "gawk", "Fv", "e", "f", { 0 }, false, true, false },
	{ "mawk", "Fv", "", "f", { 0 }, false, true, false },
	{ "java", "", "", "", { "-jar" }, false, false, true },
	{ "ld-linux", "", "", "", { "--library-path", "--preload", "--argv0", "--audit", "--inhibit-rpath" }, false, false, false },
	{ "ld-musl", "", "", "", { "--library-path", "--preload", "--argv0" }, false, false, false },
};

static const struct family *family_of(const char *name)
{
	const char *base = strrchr(name, '/');
	size_t i, n;

	base = base ? base + 1 : name;
	base += *base == '-';     /* a login shell */
	n = strlen(base);
	if (!strncmp(base, "ld-linux", 8))
		n = 8;
	else if (!strncmp(base, "ld-musl", 7))
		n = 7;
	while (n && ((base[n - 1] >= '0' && base[n - 1] <= '9') || base[n - 1] == '.' || base[n - 1] == '-'))
		n--;
	for (i = 0; i < sizeof(families) / sizeof(*families); i++)
		if (strlen(families[i].name) == n && !strncmp(base, families[i].name, n))
			return &families[i];
	return NULL;
}

bool script_interpreter(const char *name)
{
	return family_of(name) != NULL;
}

bool script_shell(const char *name)
{
	const struct family *f = family_of(name);

	return f && f->shell;
}

static bool long_takes_value(const struct family *f, const char *option)
{
	size_t i;

	for (i = 0; i < 6 && f->long_valued[i]; i++)
		if (!strcmp(option, f->long_valued[i]))
			return true;
	return false;
}

/* A cluster of option letters: what it asks for. Returns how many further words it eats; argc when one it needs is missing. */
static size_t cluster(const struct family *f, char *const *argv, size_t argc, size_t i, enum script_kind *kind, const char **arg)
{
	const char *p;

	for (p = argv[i] + 1; *p; p++) {
		bool code = strchr(f->inlined, *p), file = strchr(f->filed, *p);

		if (code || file) {
			*kind = code ? SCRIPT_INLINE : SCRIPT_FILE;
			if (f->shell) {
				/* sh -c takes the first word that is no option, wherever its letter stands */
				for (i++; i < argc && (argv[i][0] == '-' || argv[i][0] == '+'); i++)
					;
				*arg = i < argc ? argv[i] : NULL;
			} else {
				*arg = p[1] ? p + 1 : i + 1 < argc ? argv[i + 1] : NULL;
			}
			if (*arg)
				return 0;
			*kind = SCRIPT_NONE;
			return argc;
		}
		if (strchr(f->valued, *p))
			return p[1] ? 0 : 1;
	}
	return 0;
}

enum script_kind script_of(char *const *argv, size_t argc, const char *interpreter, const char **arg)
{
	const struct family *f = family_of(interpreter);
	enum script_kind kind = SCRIPT_NONE;
	size_t i;

	*arg = NULL;
	if (!f)
		return SCRIPT_NONE;
	for (i = 1; i < argc; i++) {
		const char *w = argv[i];

		if (f->only_filed) {
			if (!strcmp(w, f->long_valued[0]) && i + 1 < argc) {
				*arg = argv[i + 1];
				return SCRIPT_FILE;
			}
			continue;
		}
		if (!strcmp(w, "-") || (f->shell && !strcmp(w, "-s")))
			return SCRIPT_STDIN;
		if (!strcmp(w, "--")) {
			i++;
			break;
		}
		if (!strcmp(w, "--eval") || !strcmp(w, "--print")) {
			*arg = i + 1 < argc ? argv[i + 1] : NULL;
			return *arg ? SCRIPT_INLINE : SCRIPT_NONE;
		}
		if (long_takes_value(f, w)) {
			i++;
		} else if (w[0] == '-' && w[1] == '-') {
			continue;
		} else if (w[0] == '-' || (f->shell && w[0] == '+')) {
			if (!strncmp(w, "-m", 2) && (!strncmp(f->name, "py", 2)))
				return SCRIPT_NONE;
			i += cluster(f, argv, argc, i, &kind, arg);
			if (kind != SCRIPT_NONE || i >= argc)
				return kind;
			if (f->shell && strchr(w, 's'))
				return SCRIPT_STDIN;
		} else {
			break;
		}
	}
	if (f->only_filed)
		return SCRIPT_NONE;
	if (i >= argc)
		return SCRIPT_STDIN;
	*arg = argv[i];
	return f->first_is_code ? SCRIPT_INLINE : SCRIPT_FILE;
}

/* A script that was deleted while its interpreter holds it open (shells do). */
static int open_held(const struct proc *proc, const char *path)
{
	static const char *const held[] = { "fd/255", "fd/10", "fd/11", "fd/3" };
	const char *name = strrchr(path, '/');
	char link[PATH_MAX];
	size_t i;

	name = name ? name : path;
	for (i = 0; i < sizeof(held) / sizeof(*held); i++) {
		char *end;

		if (proc_link(proc, held[i], link, sizeof(link)) < 0)
			continue;
		end = strstr(link, " (deleted)");
		if (!end)
			continue;
		*end = '\0';
		if (strlen(link) >= strlen(name) && !strcmp(link + strlen(link) - strlen(name), name))
			return openat(proc->dir, held[i], O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	return -1;
}

static int open_script(const struct proc *proc, const char *arg)
{
	static const char *const own[] = { "/dev/fd/", "/proc/self/fd/" };
	char name[32];
	size_t i;
	int fd;

	for (i = 0; i < 2; i++)
		if (!strncmp(arg, own[i], strlen(own[i]))) {
			snprintf(name, sizeof(name), "fd/%u", (unsigned)strtoul(arg + strlen(own[i]), NULL, 10));
			return openat(proc->dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		}
	fd = proc_open_path(proc, arg);
	return fd >= 0 ? fd : open_held(proc, arg);
}

static json_t *sighting(const struct proc *proc, const char *exe, const char *exe_sha256)
{
	json_t *o = proc_sighting(proc, "script", true);

	json_object_set_new(o, "exe", jsonio_name(exe));
	if (*exe_sha256)
		json_object_set_new(o, "exe_sha256", json_string(exe_sha256));
	return o;
}

static int take_inline(struct host *h, const struct proc *proc, const char *text, const char *exe, const char *exe_sha256,
                       struct piece **p, struct err *e)
{
	char sha256[DIGEST_HEX];
	size_t n = strlen(text);
	int64_t offset;
	json_t *o;

	if (!n)
		return 0;
	digest_bytes(text, n, sha256);
	*p = piece_get(h, sha256, "script", n);
	if (!(*p)->part_count) {
		if (spool_begin(h->spool, n, &offset, e) < 0 || spool_put(h->spool, offset, text, n, e) < 0)
			return -1;
		piece_part(*p, "body", offset, n);
	}
	o = sighting(proc, exe, exe_sha256);
	json_object_set_new(o, "inline", json_true());
	piece_sight(*p, o);
	return 0;
}

/* A deleted script cannot be collected later: its interpreter may close it at any time. */
static int keep(struct host *h, int fd, struct piece *p, struct err *e)
{
	struct buf text = { 0 };
	char sha256[DIGEST_HEX];
	int64_t offset;
	int rc = 0;

	if (p->part_count)
		return 0;
	if (lseek(fd, 0, SEEK_SET) < 0 || io_slurp(fd, CAP_SCRIPT, &text, "a script", e) < 0)
		goto out;
	digest_bytes(buf_str(&text), text.len, sha256);
	if (strcmp(sha256, p->sha256))
		goto out;
	rc = spool_begin(h->spool, text.len, &offset, e);
	if (!rc)
		rc = spool_put(h->spool, offset, text.p, text.len, e);
	if (!rc)
		piece_part(p, "body", offset, text.len);
out:
	buf_free(&text);
	return rc;
}

static int take_file(struct host *h, const struct proc *proc, int fd, const char *exe, const char *exe_sha256, struct piece **p,
                     struct err *e)
{
	char link[PATH_MAX], path[PATH_MAX], name[64];
	enum mapped_where where;
	struct stat st;
	json_t *o;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size > CAP_SCRIPT)
		return 0;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	n = readlink(name, link, sizeof(link) - 1);
	if (n <= 0)
		return 0;
	link[n] = '\0';
	where = mapped_where(h, proc, link, &st, path);
	*p = image_take(h, fd, where == MAPPED_GONE || where == MAPPED_REPLACED ? "deleted" : "script", &st);
	if (!*p)
		return 0;
	image_place_seen(h, *p, path, &st, proc);
	if (where == MAPPED_GONE)
		piece_sign(h, *p, "deleted", "process %d runs the script %s, which was deleted", (int)proc->pid, path);
	o = sighting(proc, exe, exe_sha256);
	json_object_set_new(o, "path", jsonio_name(path));
	piece_sight(*p, o);
	return where == MAPPED_GONE || where == MAPPED_REPLACED ? keep(h, fd, *p, e) : 0;
}

int script_take(struct host *h, const struct proc *proc, const char *exe, const char *exe_sha256, struct piece **p, struct err *e)
{
	char *argv[64];
	const char *arg, *name = strrchr(exe, '/');
	enum script_kind kind;
	size_t argc;
	int fd = -1, rc = 0;

	*p = NULL;
	name = name ? name + 1 : exe;
	if (!strcmp(name, "busybox") && proc_arg(proc, 0))
		name = proc_arg(proc, 0);
	if (!script_interpreter(name))
		return 0;
	for (argc = 0; argc < 64; argc++) {
		const char *a = proc_arg(proc, argc);

		if (!a)
			break;
		argv[argc] = buf_strdup(a);
	}
	kind = script_of(argv, argc, name, &arg);
	if (kind == SCRIPT_FILE)
		fd = open_script(proc, arg);
	else if (kind == SCRIPT_STDIN)
		fd = openat(proc->dir, "fd/0", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		rc = take_file(h, proc, fd, exe, exe_sha256, p, e);
	if (kind == SCRIPT_INLINE)
		rc = take_inline(h, proc, arg, exe, exe_sha256, p, e);
	while (argc)
		free(argv[--argc]);
	io_close(&fd);
	return rc;
}
