/* Variables that make programs load or run something, wherever a start-up file sets them. */
#include "host/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAP_FOLDERS 4096u   /* bytes of the folders of one file that are searched for what takes the system's place */

enum kind { LIBRARY, LIBRARIES, PROGRAMS, FILE_NAME, COMMAND, OPTIONS };

static const struct variable { const char *name; enum kind kind; } variables[] = {
	{ "LD_PRELOAD", LIBRARY }, { "LD_AUDIT", LIBRARY }, { "LD_LIBRARY_PATH", LIBRARIES }, { "PATH", PROGRAMS },
	{ "BASH_ENV", FILE_NAME }, { "ENV", FILE_NAME }, { "PYTHONSTARTUP", FILE_NAME }, { "PROMPT_COMMAND", COMMAND },
	{ "GIT_SSH_COMMAND", COMMAND }, { "GIT_EXTERNAL_DIFF", COMMAND }, { "LESSOPEN", COMMAND }, { "LESSCLOSE", COMMAND },
	{ "NODE_OPTIONS", OPTIONS }, { "JAVA_TOOL_OPTIONS", OPTIONS }, { "_JAVA_OPTIONS", OPTIONS }, { "JDK_JAVA_OPTIONS", OPTIONS },
	{ "PERL5OPT", OPTIONS }, { "RUBYOPT", OPTIONS },
};

/* The line being looked at. */
struct place_of { struct startup *s; unsigned line; const char *text; size_t length; };

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_comment(const char *p)
{
	p += strspn(p, " \t");
	return !*p || *p == '#' || *p == ';' || !strncmp(p, "//", 2);
}

/* A folder of its user's home is written out. */
static void expanded(const struct startup *s, const char *word, size_t n, struct buf *out)
{
	static const char *const homes[] = { "$HOME/", "${HOME}/", "~/", "@{HOME}/" };
	size_t i, k;

	for (i = 0; i < sizeof(homes) / sizeof(*homes); i++) {
		k = strlen(homes[i]);
		if (n >= k && !memcmp(word, homes[i], k)) {
			buf_adds(out, s->home);
			word += k - 1;
			n -= k - 1;
			break;
		}
	}
	buf_add(out, word, n);
}

static bool listed(const struct buf *list, const char *folder)
{
	const char *p = buf_str(list);
	size_t n = strlen(folder);

	for (; *p; p += strcspn(p, ":"), p += *p == ':')
		if (!strncmp(p, folder, n) && (p[n] == ':' || !p[n]))
			return true;
	return false;
}

static void folder(const struct place_of *w, const char *path, bool libraries)
{
	struct buf *list = libraries ? &w->s->libraries : &w->s->search;

	if (*path != '/' || strchr(path, '$') || listed(list, path))
		return;
	if (list->len + strlen(path) > CAP_FOLDERS) {
		crowd_over(w->s, "folders");
		return;
	}
	buf_addf(list, "%s%s", list->len ? ":" : "", path);
	shadow_folder(w->s, w->line, w->text, w->length, path, libraries);
}

static void library(const struct place_of *w, const char *name)
{
	int fd;

	w->s->as = "preload-startup";
	if (*name == '/') {
		entry_file(w->s, w->line, w->text, w->length, name);
	} else if (strstr(name, ".so") && !strpbrk(name, "/$")) {
		fd = shadow_library(w->s->h, name, NULL);
		if (fd >= 0)
			entry_open_file(w->s, w->line, w->text, w->length, fd);
		io_close(&fd);
	}
	w->s->as = NULL;
}

/* So that a file and a folder of one name are two values. */
static const char *const kinds[] = { "library", "libraries", "programs", "file", "command", "options" };

static void one_value(const struct place_of *w, enum kind kind, const char *word)
{
	const char *slash = strchr(word, '/');

	switch (kind) {
	case LIBRARY: library(w, word); break;
	case LIBRARIES: folder(w, word, true); break;
	case PROGRAMS:
		if (w->s->script || !strcmp(w->s->place, "environment"))
			folder(w, word, false);
		break;
	case FILE_NAME:
		if (*word == '/' && !strpbrk(word, "$`"))
			entry_file(w->s, w->line, w->text, w->length, word);
		break;
	case OPTIONS:
		/* --require=/x, -javaagent:/x=y, -r/x */
		if (slash && (slash == word || strchr("=:r", slash[-1]))) {
			char *path = buf_strdup(slash);

			path[strcspn(path, "=,")] = '\0';
			entry_file(w->s, w->line, w->text, w->length, path);
			free(path);
		}
		break;
	case COMMAND: break;
	}
}

static void value(const struct place_of *w, enum kind kind, const char *v, size_t n)
{
	const char *separators = kind == LIBRARY ? ": \t" : kind == OPTIONS ? " \t" : ":", *end = v + n;

	if (kind == COMMAND) {
		for (; n && strchr("|- ", *v); v++)
			n--;
		if (n)
			entry_command(w->s, w->line, w->text, w->length, v, n, NULL, false);
		return;
	}
	while (v < end) {
		struct buf word = { 0 };
		size_t k = strcspn(v, separators);

		if (k > (size_t)(end - v))
			k = (size_t)(end - v);
		expanded(w->s, v, k, &word);
		if (word.len && crowd_admit(w->s, kinds[kind], buf_str(&word), word.len))
			one_value(w, kind, buf_str(&word));
		buf_free(&word);
		v += k + 1;
	}
}

/* Behind the variable's name: does a value follow, and where? NAME=value, NAME DEFAULT=value (pam_env), setenv NAME value. */
static const char *assigned(const char *line, const char *p)
{
	const char *word;

	if (*p == '+' && p[1] == '=')
		return p + 2;
	if (*p == '=')
		return p + 1;
	if (*p != ' ' && *p != '\t')
		return NULL;
	p += strspn(p, " \t");
	if (!strncmp(p, "DEFAULT=", 8) || !strncmp(p, "OVERRIDE=", 9))
		return strchr(p, '=') + 1;
	word = line + strspn(line, " \t");
	if (!strncmp(word, "setenv", 6) || !strncmp(word, "set ", 4) || !strncmp(word, "prepend-path", 12))
		return p;
	return *p == '=' ? p + 1 + strspn(p + 1, " \t") : NULL;
}

static void one_variable(const struct place_of *w, const struct variable *var, const char *line)
{
	const char *p = line, *v;
	size_t n = strlen(var->name);

	while ((p = strstr(p, var->name))) {
		const char *name = p;
		char before = p > line ? p[-1] : ' ';

		p += n;
		if (name_char(before) || strchr("${/.-", before) || name_char(*p) || !(v = assigned(line, p)))
			continue;
		if (*v == '"' || *v == '\'') {
			p = v + 1 + strcspn(v + 1, *v == '"' ? "\"" : "'");
			v++;
		} else if (before == '"' || before == '\'') {
			p = v + strcspn(v, before == '"' ? "\"" : "'");
		} else if (var->kind == COMMAND || var->kind == OPTIONS) {
			p = v + strcspn(v, w->s->script ? " \t;&|\r" : "\r");
		} else {
			p = v + strcspn(v, " \t;&|\"'`)\r");
		}
		if (p > v && name >= line)
			value(w, var->kind, v, (size_t)(p - v));
	}
}

void environment_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	struct place_of w = { .s = s, .line = line, .text = text, .length = length };
	size_t i;

	if (is_comment(copy))
		return;
	for (i = 0; i < sizeof(variables) / sizeof(*variables); i++)
		one_variable(&w, &variables[i], copy);
}
