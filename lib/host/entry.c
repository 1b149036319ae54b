#include "host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What cron, systemd and a login shell search, taken together. */
#define SEARCH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* One entry on its way through its commands. */
struct entry {
	struct startup *s;
	unsigned line;
	const char *text;
	size_t length;
	const char *path_env;
	char cwd[PATH_MAX];
	bool is_code;         /* what it does stands in the entry itself */
	unsigned depth;
};

static void commands(struct entry *en, const char *text, size_t n, bool plain);

json_t *entry_sighting(const struct startup *s, unsigned line, const char *text, size_t length)
{
	json_t *o = json_object();

	json_object_set_new(o, "how", json_string("startup"));
	json_object_set_new(o, "place", json_string(s->place));
	json_object_set_new(o, "file", jsonio_name(s->path));
	if (line) {
		json_object_set_new(o, "line", json_integer(line));
		json_object_set_new(o, "text", jsonio_bytes(text, length));
	}
	json_object_set_new(o, "file_sha256", json_string(s->sha256));
	json_object_set_new(o, "whole", json_boolean(s->whole));
	if (s->link[0])
		json_object_set_new(o, "link", jsonio_name(s->link));
	if (s->h->dpkg && dpkg_owns(s->h->dpkg, s->path))
		json_object_set_new(o, "owned", json_true());
	if (s->h->container)
		json_object_set_new(o, "container", jsonio_name(s->h->container));
	return o;
}

void entry_signs(struct startup *s, struct piece *p)
{
	char name[64];

	if (!strcmp(s->place, "preload")) {
		piece_sign(s->h, p, "preload-file", "%s names it", s->path);
		return;
	}
	snprintf(name, sizeof(name), "startup-%s", s->place);
	piece_sign(s->h, p, name, "%s starts it", s->path);
	if (s->user)
		piece_sign(s->h, p, "startup-user", "%s starts it", s->path);
}

/* The exact line of the file, for scripts, whose commands bring only a number. Numbers mostly grow. */
static void line_of(struct startup *s, unsigned number, const char **text, size_t *length)
{
	const char *start = buf_str(&s->text), *end = start + s->text.len, *p = start, *stop;
	unsigned at = 1;

	if (s->near_line && number >= s->near_line) {
		p = start + s->near_offset;
		at = s->near_line;
	}
	for (; at < number && p < end; at++) {
		stop = memchr(p, '\n', (size_t)(end - p));
		p = stop ? stop + 1 : end;
	}
	s->near_line = at;
	s->near_offset = (size_t)(p - start);
	stop = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
	*text = p;
	*length = (size_t)((stop ? stop : end) - p);
}

static void sight(const struct entry *en, struct piece *p)
{
	json_t *o = entry_sighting(en->s, en->line, en->text, en->length);
	size_t i, least;

	entry_signs(en->s, p);
	en->s->several |= en->s->only && en->s->only != p;
	en->s->only = p;
	/* the same program twice on one line */
	i = json_array_size(p->sightings);
	for (least = i > 8 ? i - 8 : 0; i > least; i--)
		if (json_equal(json_array_get(p->sightings, i - 1), o)) {
			json_decref(o);
			return;
		}
	json_array_append(en->s->given, o);
	piece_sight(p, o);
}

/* Lines that do nothing but hold a script together. */
static bool idle_line(const char *p, size_t n)
{
	static const char *const idle[] = { "exit", "return", "sleep", "true", ":", "cd", "if", "then", "else", "fi", "do", "done", "{",
	                                    "}", "wait", "nohup", "#" };
	size_t i, k;

	while (n && (*p == ' ' || *p == '\t' || *p == '\r')) {
		p++;
		n--;
	}
	for (i = 0; i < sizeof(idle) / sizeof(*idle); i++) {
		k = strlen(idle[i]);
		if (n >= k && !memcmp(p, idle[i], k) && (n == k || strchr(" \t\r;#!", p[k]) || *idle[i] == '#'))
			return true;
	}
	return !n;
}

/* Does the script do anything on a line that starts nothing of what was sighted? */
static bool does_more(const struct startup *s)
{
	const char *p = buf_str(&s->text), *end = p + s->text.len;
	size_t given = json_array_size(s->given), next = 0;
	json_int_t number = 0;

	/* sightings come in the order of their lines, nearly: what a nested command moved counts as more */
	while (p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((stop ? stop : end) - p);
		bool told = false;

		number++;
		for (; next < given && jsonio_int(json_array_get(s->given, next), "line", 0) <= number; next++)
			told |= jsonio_int(json_array_get(s->given, next), "line", 0) == number;
		if (!told && !idle_line(p, n))
			return true;
		p += n + 1;
	}
	return false;
}

void entry_settle(struct startup *s)
{
	bool owned = s->h->dpkg && dpkg_owns(s->h->dpkg, s->path), whole = s->whole;
	size_t i;
	json_t *o;

	if (s->script)
		whole &= !s->several && !does_more(s);
	else if (owned)
		whole &= !s->several;
	json_array_foreach(s->given, i, o)
		json_object_set_new(o, "whole", json_boolean(whole && (!s->script || jsonio_int(o, "line", 0))));
}

/* An absolute path, from one that may lie below the entry's folder. */
static void absolute(const struct entry *en, const char *path, char out[PATH_MAX])
{
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	if (path[0] == '/')
		snprintf(out, PATH_MAX, "%s", path);
	else if ((size_t)snprintf(out, PATH_MAX, "%s/%s", en->cwd, path) >= PATH_MAX)
		out[0] = '\0';
}

static int open_regular(const struct host *h, const char *path, bool must_run)
{
	struct stat st;
	int fd = rooted_regular(h->root, path, &st);

	if (fd >= 0 && must_run && !(st.st_mode & 0111))
		io_close(&fd);
	return fd;
}

/* The program a command's first word names. -1: none. */
static int find_program(const struct entry *en, const char *word)
{
	const char *search = en->path_env ? en->path_env : SEARCH;
	char path[PATH_MAX];
	int fd;

	if (strchr(word, '/')) {
		absolute(en, word, path);
		return open_regular(en->s->h, path, false);
	}
	while (*search) {
		size_t n = strcspn(search, ":");

		if (n && *search == '/' && (size_t)snprintf(path, sizeof(path), "%.*s/%s", (int)n, search, word) < sizeof(path)) {
			fd = open_regular(en->s->h, path, true);
			if (fd >= 0)
				return fd;
		}
		search += n + (search[n] == ':');
	}
	return -1;
}

/* The open file is started by the entry, read by an interpreter or by itself. Takes fd. In scripts that call many programs, packages' own are no news. */
static void target(struct entry *en, int fd, bool interpreted)
{
	struct host *h = en->s->h;
	char path[PATH_MAX], magic[2] = "";
	struct piece *p;
	struct stat st;

	if (rooted_path(h, fd, path, sizeof(path)) < 0 || !strcmp(path, en->s->path))
		goto out;
	if (en->s->script && h->dpkg && dpkg_owns(h->dpkg, path))
		goto out;
	if (pread(fd, magic, 2, 0) < 0)
		goto out;
	p = image_take(h, fd, interpreted || !memcmp(magic, "#!", 2) ? "script" : "file", &st);
	if (!p)
		goto out;
	image_place(h, p, path, &st, true);
	sight(en, p);
out:
	close(fd);
}

/* Links of the folder are followed, so that the path compares with what the kernel said of a running program. */
static void canonical(const struct host *h, char path[PATH_MAX])
{
	char folder[PATH_MAX], *name;
	int fd;

	snprintf(folder, sizeof(folder), "%s", path);
	name = strrchr(folder, '/');
	if (!name || name == folder)
		return;
	*name++ = '\0';
	fd = rooted_open(h->root, folder, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return;
	if (!rooted_path(h, fd, path, PATH_MAX) && strlen(path) + strlen(name) + 2 < PATH_MAX) {
		size_t n = strlen(path);

		snprintf(path + n, PATH_MAX - n, "%s%s", n > 1 ? "/" : "", name);
	}
	close(fd);
}

/* A named program that is not there. When it still runs, it is what the entry is about. */
static void gone(struct entry *en, const char *word)
{
	char path[PATH_MAX];
	struct piece *p;

	absolute(en, word, path);
	canonical(en->s->h, path);
	p = path[0] ? piece_gone(en->s->h, path) : NULL;
	if (p) {
		sight(en, p);
		return;
	}
	/* scripts ask for much that may be missing; only what would hide there is worth a word */
	if (en->s->script && !disguise_hidden(path) && !disguise_temporary(path))
		return;
	en->is_code = true;
	if (!en->s->gone[0])
		snprintf(en->s->gone, sizeof(en->s->gone), "it names %s, which does not exist", path);
}

static void inlined(struct entry *en, const char *what, const char *word)
{
	en->is_code = true;
	if (!en->s->inlined[0])
		snprintf(en->s->inlined, sizeof(en->s->inlined), "%s: %s", what, word);
}

static bool one_of(const char *w, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(w, *list))
			return true;
	return false;
}

static bool builtin(const char *w)
{
	static const char *const list[] = {
		"[", "[[", "]", "((", "test", "echo", "printf", ":", "true", "false", "exit", "return", "set", "shift", "unset", "export",
		"local", "readonly", "declare", "typeset", "alias", "unalias", "umask", "ulimit", "trap", "wait", "break", "continue",
		"read", "let", "shopt", "complete", "compgen", "bind", "type", "hash", "getopts", "emulate", "setopt", "autoload",
		"kill", "jobs", "fg", "bg", "times", "pwd", "pushd", "popd", "dirs", "history", "limit", NULL
	};

	return one_of(w, list);
}

static bool wrapper(const char *w)
{
	static const char *const list[] = {
		"exec", "command", "builtin", "nohup", "setsid", "nice", "ionice", "chrt", "env", "sudo", "doas", "runuser", "su",
		"setpriv", "timeout", "chronic", "flock", "stdbuf", "xargs", "start-stop-daemon", "systemd-run", "systemd-cat",
		"systemd-inhibit", "unshare", "nsenter", "taskset", "cpulimit", "daemonize", "busybox", "toybox", "script", "unbuffer",
		"dbus-run-session", "xvfb-run", "screen", "tmux", "torsocks", "proxychains", "at", "batch", "start-stop", "daemon", NULL
	};

	return one_of(w, list);
}

static bool fetcher(const char *w)
{
	static const char *const list[] = { "curl", "wget", "fetch", "base64", "nc", "ncat", "xxd", "openssl", "socat", "ftp", "tftp", NULL };

	return one_of(w, list);
}

static void interpreted(struct entry *en, const struct shell_command *c, size_t first, const char *name)
{
	const char *arg;
	enum script_kind kind = script_of(c->word + first, c->words - first, name, &arg);
	char path[PATH_MAX];
	int fd;

	if (kind == SCRIPT_STDIN && c->input) {
		kind = SCRIPT_FILE;
		arg = c->input;
	}
	if (kind == SCRIPT_FILE) {
		absolute(en, arg, path);
		fd = path[0] ? open_regular(en->s->h, path, false) : -1;
		if (fd < 0 && !strchr(arg, '/'))
			fd = find_program(en, arg);
		if (fd >= 0)
			target(en, fd, true);
		else if (strpbrk(arg, "$*?"))
			inlined(en, "it runs what it computes", arg);
		else
			gone(en, arg);
	} else if (kind == SCRIPT_INLINE && script_shell(name) && en->depth < CAP_NESTING) {
		inlined(en, "it holds commands", arg);
		commands(en, arg, strlen(arg), false);
	} else if (kind == SCRIPT_INLINE) {
		inlined(en, "it holds a program", arg);
	} else if (kind == SCRIPT_STDIN) {
		inlined(en, "it feeds an interpreter", name);
		if (c->from_pipe)
			en->s->fetches = true;
	}
}

static const char *base(const char *w)
{
	const char *slash = strrchr(w, '/');

	return slash ? slash + 1 : w;
}

static void one_command(void *ctx, const struct shell_command *c)
{
	struct entry *en = ctx;
	const char *name;
	size_t first = 0;
	bool found = false;
	int fd = -1;

	if (en->s->commands++ >= CAP_COMMANDS) {
		inlined(en, "it holds more commands than are looked at", "the rest");
		return;
	}
	if (en->s->script && en->depth <= 1) {
		en->line = c->line;
		line_of(en->s, c->line, &en->text, &en->length);
	}
	if (c->nested && fetcher(base(c->word[0])) && !en->s->script)
		en->s->fetches = true;
	name = c->word[0];
	if (!strcmp(name, "cd") && c->words > 1) {
		char cwd[PATH_MAX];

		absolute(en, c->word[1], cwd);
		memcpy(en->cwd, cwd, sizeof(cwd));
		return;
	}
	if (builtin(name))
		return;
	if ((!strcmp(name, ".") || !strcmp(name, "source")) && c->words > 1) {
		char path[PATH_MAX];

		absolute(en, c->word[1], path);
		fd = open_regular(en->s->h, path, false);
		if (fd >= 0)
			target(en, fd, true);
		else if (strchr(path, '$') == NULL)
			gone(en, c->word[1]);
		return;
	}
	if (!strcmp(name, "eval")) {
		inlined(en, "it computes what it runs", c->words > 1 ? c->word[1] : name);
		return;
	}
	if (c->computed) {
		inlined(en, "it computes what it runs", name);
		return;
	}
	/* behind a wrapper and its options comes the first word that names a program */
	while (wrapper(base(c->word[first]))) {
		size_t i;

		for (i = first + 1; i < c->words; i++) {
			if (c->word[i][0] == '-' || strchr(c->word[i], '=') || builtin(c->word[i]))
				continue;
			fd = find_program(en, c->word[i]);
			if (fd >= 0 || c->word[i][0] == '/')
				break;
		}
		if (i >= c->words)
			break;
		first = i;
		found = true;
		if (wrapper(base(c->word[first])))
			io_close(&fd);
		else
			break;
	}
	name = c->word[first];
	if (!found || fd < 0) {
		io_close(&fd);
		fd = find_program(en, name);
	}
	if (fd < 0 && !script_interpreter(name)) {
		if (strchr(name, '/'))
			gone(en, name);
		else if (!en->s->script && !wrapper(name))
			inlined(en, "no program has this name", name);
		return;
	}
	if (script_interpreter(name)) {
		io_close(&fd);
		interpreted(en, c, first, name);
		return;
	}
	target(en, fd, false);
}

static void commands(struct entry *en, const char *text, size_t n, bool plain)
{
	en->depth++;
	shell_commands(text, n, en->s->home, plain, one_command, en);
	en->depth--;
}

void entry_command(struct startup *s, unsigned line, const char *text, size_t length, const char *command, size_t command_length,
                   const char *path_env, bool plain)
{
	struct entry en = { .s = s, .line = line, .text = text, .length = length, .path_env = path_env };

	snprintf(en.cwd, sizeof(en.cwd), "%s", s->home ? s->home : "/");
	if (memmem(command, command_length, "/dev/tcp/", 9))
		s->fetches = true;
	commands(&en, command, command_length, plain);
	if (en.is_code && !s->script)
		json_array_append_new(s->own, entry_sighting(s, line, text, length));
}

bool entry_file(struct startup *s, unsigned line, const char *text, size_t length, const char *file)
{
	struct entry en = { .s = s, .line = line, .text = text, .length = length, .cwd = "/" };
	char path[PATH_MAX];
	int fd;

	absolute(&en, file, path);
	fd = path[0] ? open_regular(s->h, path, false) : -1;
	if (fd >= 0) {
		target(&en, fd, false);
		return true;
	}
	gone(&en, file);
	if (en.is_code && !s->script)
		json_array_append_new(s->own, entry_sighting(s, line, text, length));
	return false;
}
