/* The commands of a start-up file: the program that each of them comes down to, through wrappers, interpreters and quotes. */
#include "host/entry.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAP_RUN_PARTS 256u   /* files of a folder that run-parts is given */
#define CAP_SEARCHED 65536u  /* words of one file, behind wrappers, that are looked for as programs: some 20 us each */
#define CAP_WRAPPERS 256u    /* around each other in one command */

/* What cron, systemd and a login shell search, taken together. */
#define SEARCH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

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

/* The program a command's first word names. -1: none. */
static int search_program(const struct entry *en, const char *search, const char *word)
{
	char path[PATH_MAX];
	int fd;

	while (*search) {
		size_t n = strcspn(search, ":");

		if (n && *search == '/' && (size_t)snprintf(path, sizeof(path), "%.*s/%s", (int)n, search, word) < sizeof(path)) {
			fd = entry_regular(en->s->h, path, true);
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
		entry_absolute(en, word, path);
		return entry_regular(en->s->h, path, false);
	}
	fd = search_program(en, buf_str(&en->s->search), word);
	return fd >= 0 ? fd : search_program(en, en->path_env ? en->path_env : SEARCH, word);
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
		entry_absolute(en, arg, path);
		fd = path[0] ? entry_regular(en->s->h, path, false) : -1;
		if (fd < 0 && !strchr(arg, '/'))
			fd = find_program(en, arg);
		if (fd >= 0)
			entry_target(en, fd, true);
		else if (strpbrk(arg, "$*?"))
			entry_inlined(en, "it runs what it computes", arg);
		else
			entry_gone(en, arg);
	} else if (kind == SCRIPT_INLINE && script_shell(name) && en->depth < CAP_NESTING) {
		entry_inlined(en, "it holds commands", arg);
		command_each(en, arg, strlen(arg), false);
	} else if (kind == SCRIPT_INLINE) {
		entry_inlined(en, "it holds a program", arg);
	} else if (kind == SCRIPT_STDIN) {
		entry_inlined(en, "it feeds an interpreter", name);
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

	entry_absolute(en, word, path);
	fd = entry_regular(en->s->h, path, false);
	if (fd >= 0)
		entry_target(en, fd, true);
	else if (strchr(path, '$') == NULL)
		entry_gone(en, word);
}

/* run-parts FOLDER: its files. Those of the standard folders are places of their own. */
static void parts(struct entry *en, const struct shell_command *c)
{
	const char *folder = c->word[c->words - 1];
	char path[PATH_MAX], **names;
	bool more;
	size_t n, i;
	int fd;

	entry_absolute(en, folder, path);
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
			fd = entry_regular(en->s->h, file, true);
		if (fd >= 0)
			entry_target(en, fd, false);
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
		command_each(en, c->word[1], strlen(c->word[1]), false);
	for (i = 1; !strcmp(c->word[0], "alias") && i < c->words; i++) {
		const char *value = strchr(c->word[i], '=');

		/* csh: alias NAME COMMAND */
		value = value ? value + 1 : i == 2 ? c->word[i] : "";
		command_each(en, value, strlen(value), false);
	}
}

/* What needs no program to be found. True: that was all of the command. */
static bool without_program(struct entry *en, const struct shell_command *c)
{
	const char *name = c->word[0];
	char cwd[PATH_MAX];

	if (!strcmp(name, "cd") && c->words > 1) {
		entry_absolute(en, c->word[1], cwd);
		memcpy(en->cwd, cwd, sizeof(cwd));
	} else if (words_builtin(name)) {
		kept_for_later(en, c);
	} else if ((!strcmp(name, ".") || !strcmp(name, "source")) && c->words > 1) {
		sourced(en, c->word[1]);
	} else if (!strcmp(name, "eval")) {
		entry_inlined(en, "it computes what it runs", c->words > 1 ? c->word[1] : name);
	} else if (c->computed) {
		entry_inlined(en, "it computes what it runs", name);
	} else {
		return false;
	}
	return true;
}

/* Behind a wrapper, its options and their values comes the first word that names a program. True: it was a command line. */
static bool unwrapped(struct entry *en, const struct shell_command *c, size_t *first, int *fd)
{
	unsigned wrappers = 0;
	bool line;
	size_t i;

	while (words_wrapper(c->word[*first])) {
		if (wrappers++ >= CAP_WRAPPERS) {
			crowd_over(en->s, "programs around others");
			break;
		}
		i = words_wrapped(c->word + *first, c->words - *first, &line);
		line &= en->depth < CAP_NESTING;
		/* a user's name, a number: what no rule above knows is passed over */
		for (i = i ? *first + i : c->words; !line && i < c->words; i++) {
			io_close(fd);
			if (en->s->searched++ >= CAP_SEARCHED) {
				crowd_over(en->s, "words");
				return false;
			}
			if (!(en->s->searched & 1023))
				watch_beat();
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
			entry_inlined(en, "it holds commands", c->word[i]);
			command_each(en, c->word[i], strlen(c->word[i]), false);
			return true;
		}
		*first = i;
	}
	return false;
}

static void no_program(struct entry *en, const char *name)
{
	if (strchr(name, '/'))
		entry_gone(en, name);
	else if (!en->s->script && !en->s->quiet && !words_wrapper(name))
		entry_inlined(en, "no program has this name", name);
}

/* Not the same command from the same folder yet another time. */
static bool admitted(const struct entry *en, const struct shell_command *c)
{
	struct buf b = { 0 };
	bool is;
	size_t i;

	/* what a shell does itself costs little, and some of it changes what follows */
	if (words_builtin(c->word[0]) || !strcmp(c->word[0], "cd"))
		return true;
	for (i = 0; i < c->words; i++)
		buf_addf(&b, "%s\n", c->word[i]);
	buf_addf(&b, "%s\n%d%d%d\n%s", c->input ? c->input : "", c->from_pipe, c->computed, c->nested, en->path_env ? en->path_env : "");
	is = crowd_admit(en->s, en->cwd, buf_str(&b), b.len);
	buf_free(&b);
	return is;
}

static void one_command(void *ctx, const struct shell_command *c)
{
	struct entry *en = ctx;
	const char *name;
	size_t first = 0;
	int fd = -1;

	if (en->s->script && en->depth <= 1 && !en->told) {
		en->line = c->line;
		line_of(en->s, c->line, &en->text, &en->length);
	}
	if (c->cut)
		crowd_over(en->s, "words of one command");
	if (c->nested && words_fetcher(base(c->word[0])) && !en->s->script)
		en->s->fetches = true;
	if (!admitted(en, c) || without_program(en, c) || unwrapped(en, c, &first, &fd))
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
		entry_target(en, fd, false);
	}
}

void command_each(struct entry *en, const char *text, size_t n, bool plain)
{
	en->depth++;
	shell_commands(text, n, en->s->home, plain, one_command, en);
	en->depth--;
}
