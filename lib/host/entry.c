#include "host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAP_RUN_PARTS 256u   /* files of a folder that run-parts is given */

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
	bool told;            /* line and text are the caller's, also in a script */
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
		if (length <= CAP_LINE)
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
	if (s->as)
		piece_sign(s->h, p, s->as, "%s names it", s->path);
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
	json_t *o;
	size_t i, least;

	entry_signs(en->s, p);
	if (en->s->only == p && en->s->last_line == en->line && en->line)
		return;
	en->s->last_line = en->line;
	o = entry_sighting(en->s, en->line, en->text, en->length);
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
static int search_program(const struct entry *en, const char *search, const char *word)
{
	char path[PATH_MAX];
	int fd;

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

static int find_program(const struct entry *en, const char *word)
{
	char path[PATH_MAX];
	int fd;

	if (strchr(word, '/')) {
		absolute(en, word, path);
		return open_regular(en->s->h, path, false);
	}
	fd = search_program(en, buf_str(&en->s->search), word);
	return fd >= 0 ? fd : search_program(en, en->path_env ? en->path_env : SEARCH, word);
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
	if (st.st_mode & S_IWOTH)
		piece_sign(h, p, "startup-open", "everybody may write to %s", path);
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
	if ((en->s->script || en->s->quiet) && !disguise_hidden(path) && !disguise_temporary(path))
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

/* . FILE */
static void sourced(struct entry *en, const char *word)
{
	char path[PATH_MAX];
	int fd;

	absolute(en, word, path);
	fd = open_regular(en->s->h, path, false);
	if (fd >= 0)
		target(en, fd, true);
	else if (strchr(path, '$') == NULL)
		gone(en, word);
}

/* run-parts FOLDER: its files. Those of the standard folders are places of their own. */
static void parts(struct entry *en, const struct shell_command *c)
{
	const char *folder = c->word[c->words - 1];
	char path[PATH_MAX], **names;
	bool more;
	size_t n, i;
	int fd;

	absolute(en, folder, path);
	if (!strncmp(path, "/etc/", 5) || !path[0])
		return;
	fd = rooted_open(en->s->h->root, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return;
	n = startup_names(fd, CAP_RUN_PARTS, &names, &more);
	for (i = 0; i < n; i++) {
		char file[PATH_MAX];

		fd = -1;
		if ((size_t)snprintf(file, sizeof(file), "%s/%s", path, names[i]) < sizeof(file))
			fd = open_regular(en->s->h, file, true);
		if (fd >= 0)
			target(en, fd, false);
		free(names[i]);
	}
	free(names);
}

/* A shell's own words that hold commands for later. */
static void kept_for_later(struct entry *en, const struct shell_command *c)
{
	size_t i;

	if (en->depth >= CAP_NESTING)
		return;
	if (!strcmp(c->word[0], "trap") && c->words > 2 && c->word[1][0] != '-')
		commands(en, c->word[1], strlen(c->word[1]), false);
	for (i = 1; !strcmp(c->word[0], "alias") && i < c->words; i++) {
		const char *value = strchr(c->word[i], '=');

		/* csh: alias NAME COMMAND */
		value = value ? value + 1 : i == 2 ? c->word[i] : "";
		commands(en, value, strlen(value), false);
	}
}

/* What needs no program to be found. True: that was all of the command. */
static bool without_program(struct entry *en, const struct shell_command *c)
{
	const char *name = c->word[0];
	char cwd[PATH_MAX];

	if (!strcmp(name, "cd") && c->words > 1) {
		absolute(en, c->word[1], cwd);
		memcpy(en->cwd, cwd, sizeof(cwd));
	} else if (words_builtin(name)) {
		kept_for_later(en, c);
	} else if ((!strcmp(name, ".") || !strcmp(name, "source")) && c->words > 1) {
		sourced(en, c->word[1]);
	} else if (!strcmp(name, "eval")) {
		inlined(en, "it computes what it runs", c->words > 1 ? c->word[1] : name);
	} else if (c->computed) {
		inlined(en, "it computes what it runs", name);
	} else {
		return false;
	}
	return true;
}

/* Behind a wrapper, its options and their values comes the first word that names a program. True: it was a command line. */
static bool unwrapped(struct entry *en, const struct shell_command *c, size_t *first, int *fd)
{
	bool line;
	size_t i;

	while (words_wrapper(c->word[*first])) {
		i = words_wrapped(c->word + *first, c->words - *first, &line);
		line &= en->depth < CAP_NESTING;
		/* a user's name, a number: what no rule above knows is passed over */
		for (i = i ? *first + i : c->words; !line && i < c->words; i++) {
			io_close(fd);
			*fd = words_builtin(c->word[i]) ? -1 : find_program(en, c->word[i]);
			if (*fd >= 0 || script_interpreter(c->word[i]))
				break;
			line = strchr(c->word[i], ' ') && en->depth < CAP_NESTING;
			if (line || c->word[i][0] == '/')
				break;
		}
		if (i >= c->words)
			break;
		if (line) {
			inlined(en, "it holds commands", c->word[i]);
			commands(en, c->word[i], strlen(c->word[i]), false);
			return true;
		}
		*first = i;
	}
	return false;
}

static void no_program(struct entry *en, const char *name)
{
	if (strchr(name, '/'))
		gone(en, name);
	else if (!en->s->script && !en->s->quiet && !words_wrapper(name))
		inlined(en, "no program has this name", name);
}

static void one_command(void *ctx, const struct shell_command *c)
{
	struct entry *en = ctx;
	const char *name;
	size_t first = 0;
	int fd = -1;

	if (en->s->commands++ >= CAP_COMMANDS) {
		inlined(en, "it holds more commands than are looked at", "the rest");
		return;
	}
	if (en->s->script && en->depth <= 1 && !en->told) {
		en->line = c->line;
		line_of(en->s, c->line, &en->text, &en->length);
	}
	if (c->nested && words_fetcher(base(c->word[0])) && !en->s->script)
		en->s->fetches = true;
	if (without_program(en, c) || unwrapped(en, c, &first, &fd))
		return;
	name = c->word[first];
	if (fd < 0)
		fd = find_program(en, name);
	if (!strcmp(base(name), "run-parts") && c->words > first + 1)
		parts(en, c);
	if (script_interpreter(name)) {
		io_close(&fd);
		interpreted(en, c, first, name);
	} else if (fd < 0) {
		no_program(en, name);
	} else {
		target(en, fd, false);
	}
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
	struct entry en = { .s = s, .line = line, .text = text, .length = length, .told = line, .path_env = path_env };

	snprintf(en.cwd, sizeof(en.cwd), "%s", s->folder ? s->folder : s->home ? s->home : "/");
	if (memmem(command, command_length, "/dev/tcp/", 9))
		s->fetches = true;
	commands(&en, command, command_length, plain);
	if (en.is_code && !s->script)
		json_array_append_new(s->own, entry_sighting(s, line, text, length));
}

void entry_is_code(struct startup *s, unsigned line, const char *text, size_t length, const char *what, const char *word)
{
	struct entry en = { .s = s, .line = line, .text = text, .length = length };

	inlined(&en, what, word);
	if (!s->script)
		json_array_append_new(s->own, entry_sighting(s, line, text, length));
}

void entry_open_file(struct startup *s, unsigned line, const char *text, size_t length, int fd)
{
	struct entry en = { .s = s, .line = line, .text = text, .length = length, .cwd = "/" };
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own >= 0)
		target(&en, own, false);
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
