#include "host/internal.h"

#include <stdlib.h>
#include <string.h>

/*
 * How a family of interpreters takes its script. Option letters that take a value, in the same word or the next, stand in
 * `valued`; those whose value is the rest of their word, or nothing, in `attached`; those behind which the code itself
 * stands in `inlined`, a file's name in `filed`, a module's name in `moduled`.
 */
struct family {
	const char *name;
	const char *valued, *attached, *inlined, *filed, *moduled;
	const char *long_valued[8];
	enum { PLAIN, SHELL, FIRST_IS_CODE, JAVA, VERBS } kind;
};

#define RCFILES { "--rcfile", "--init-file" }
#define NODE { "--require", "--import", "--loader", "--conditions", "--env-file" }

static const struct family families[] = {
	{ "sh", "oO", "", "c", "", "", RCFILES, SHELL },
	{ "dash", "o", "", "c", "", "", { 0 }, SHELL },
	{ "bash", "oO", "", "c", "", "", RCFILES, SHELL },
	{ "bash-static", "oO", "", "c", "", "", RCFILES, SHELL },
	{ "rbash", "oO", "", "c", "", "", RCFILES, SHELL },
	{ "ash", "o", "", "c", "", "", { 0 }, SHELL },
	{ "ksh", "o", "", "c", "", "", { 0 }, SHELL },
	{ "ksh93", "o", "", "c", "", "", { 0 }, SHELL },
	{ "mksh", "o", "", "c", "", "", { 0 }, SHELL },
	{ "mksh-static", "o", "", "c", "", "", { 0 }, SHELL },
	{ "posh", "o", "", "c", "", "", { 0 }, SHELL },
	{ "yash", "o", "", "c", "", "", RCFILES, SHELL },
	{ "zsh", "o", "", "c", "", "", { 0 }, SHELL },
	{ "zsh-static", "o", "", "c", "", "", { 0 }, SHELL },
	{ "fish", "CfdDo", "", "c", "", "", { "--init-command", "--features", "--debug" }, PLAIN },
	{ "python", "WXQ", "", "c", "", "m", { "--check-hash-based-pycs" }, PLAIN },
	{ "pypy", "WXQ", "", "c", "", "m", { 0 }, PLAIN },
	{ "perl", "I", "iFCDdMmVx", "eE", "", "", { 0 }, PLAIN },
	{ "ruby", "IrCE", "iFKTWx", "e", "", "", { 0 }, PLAIN },
	{ "node", "rC", "", "ep", "", "", NODE, PLAIN },
	{ "nodejs", "rC", "", "ep", "", "", NODE, PLAIN },
	{ "php", "cdzSt", "", "rBRE", "fF", "", { "--define", "--php-ini", "--server", "--docroot" }, PLAIN },
	{ "lua", "l", "", "e", "", "", { 0 }, PLAIN },
	{ "luajit", "l", "jOb", "e", "", "", { 0 }, PLAIN },
	{ "tclsh", "", "", "", "", "", { "-encoding" }, PLAIN },
	{ "wish", "", "", "", "", "", { "-encoding" }, PLAIN },
	{ "expect", "", "", "c", "f", "", { 0 }, PLAIN },
	{ "guile", "Llexp", "", "c", "s", "", { 0 }, PLAIN },
	{ "R", "gdf", "", "e", "", "", { "--gui", "--encoding" }, PLAIN },
	{ "awk", "FvW", "", "", "f", "", { 0 }, FIRST_IS_CODE },
	{ "gawk", "Fvil", "", "e", "f", "", { "--assign", "--field-separator", "--include", "--load" }, FIRST_IS_CODE },
	{ "mawk", "FvW", "", "", "f", "", { 0 }, FIRST_IS_CODE },
	{ "original-awk", "Fv", "", "", "f", "", { 0 }, FIRST_IS_CODE },
	{ "nawk", "Fv", "", "", "f", "", { 0 }, FIRST_IS_CODE },
	{ "java", "", "", "", "", "", { "-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-modules", "--source" }, JAVA },
	{ "deno", "", "", "", "", "", { "--config", "--import-map" }, VERBS },
	{ "bun", "re", "", "", "", "", { "--preload", "--cwd" }, VERBS },
	{ "ld-linux", "", "", "", "", "", { "--library-path", "--preload", "--argv0", "--audit", "--inhibit-rpath" }, PLAIN },
	{ "ld-musl", "", "", "", "", "", { "--library-path", "--preload", "--argv0" }, PLAIN },
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
	else if (!strncmp(base, "luajit-", 7))
		n = 6;
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

	return f && f->kind == SHELL;
}

const char *script_family(size_t i)
{
	return i < sizeof(families) / sizeof(*families) ? families[i].name : NULL;
}

/* One way through the words. */
struct words {
	const struct family *f;
	char *const *argv;
	size_t argc, at;
	enum script_kind kind;
	const char *arg;
};

static bool found(struct words *w, enum script_kind kind, const char *arg)
{
	w->kind = arg ? kind : SCRIPT_NONE;
	w->arg = arg;
	if (!arg)
		w->at = w->argc;
	return true;
}

static const char *next(struct words *w)
{
	return w->at + 1 < w->argc ? w->argv[++w->at] : NULL;
}

/* sh -c takes the first word that is no option, wherever its letter stands. */
static const char *first_plain(struct words *w)
{
	const char *arg;

	while ((arg = next(w)) && (arg[0] == '-' || arg[0] == '+'))
		;
	return arg;
}

/* A cluster of option letters. True when it tells the script. */
static bool cluster(struct words *w)
{
	const struct family *f = w->f;
	const char *p;

	for (p = w->argv[w->at] + 1; *p; p++) {
		bool inlined = strchr(f->inlined, *p), filed = strchr(f->filed, *p), moduled = strchr(f->moduled, *p);

		if (inlined || filed || moduled)
			return found(w, inlined ? SCRIPT_INLINE : filed ? SCRIPT_FILE : SCRIPT_MODULE,
			             f->kind == SHELL ? first_plain(w) : p[1] ? p + 1 : next(w));
		if (strchr(f->attached, *p))
			return false;
		if (strchr(f->valued, *p)) {
			if (!p[1])
				w->at++;
			return false;
		}
		if (f->kind == SHELL && *p == 's')
			return found(w, SCRIPT_STDIN, "");
	}
	return false;
}

static bool is_one_of(const char *option, size_t n, const char *const *list, size_t count)
{
	size_t i;

	for (i = 0; i < count && list[i]; i++)
		if (strlen(list[i]) == n && !strncmp(option, list[i], n))
			return true;
	return false;
}

/* "--name", "--name=value", and Java's and Tcl's long options with one dash. True when it tells the script. */
static bool long_option(struct words *w)
{
	static const char *const inlined[] = { "--eval", "--print", "--run", "--command", "--source", "--process-code" };
	static const char *const filed[] = { "--file", "--process-file" };
	const char *option = w->argv[w->at], *value = strchr(option, '=');
	size_t n = value ? (size_t)(value - option) : strlen(option);

	value = value ? value + 1 : NULL;
	if (w->f->kind == JAVA && !strcmp(option, "-jar"))
		return found(w, SCRIPT_FILE, next(w));
	if (w->f->kind != SHELL && w->f->kind != JAVA && is_one_of(option, n, inlined, 6))
		return found(w, SCRIPT_INLINE, value ? value : next(w));
	if (w->f->kind != SHELL && w->f->kind != JAVA && is_one_of(option, n, filed, 2))
		return found(w, SCRIPT_FILE, value ? value : next(w));
	if (!value && is_one_of(option, n, w->f->long_valued, 8))
		w->at++;
	return false;
}

static bool operand(struct words *w)
{
	const char *word = w->argv[w->at], *dot = strrchr(word, '.');

	if (w->f->kind == VERBS && !strcmp(word, "run"))
		return false;
	if (w->f->kind == VERBS && !strcmp(word, "eval"))
		return found(w, SCRIPT_INLINE, next(w));
	if (w->f->kind == JAVA)
		return found(w, SCRIPT_FILE, dot && !strcmp(dot, ".java") ? word : NULL);
	return found(w, w->f->kind == FIRST_IS_CODE ? SCRIPT_INLINE : SCRIPT_FILE, word);
}

/* Goes on to the next word that tells a script. */
static void advance(struct words *w)
{
	bool options = true;

	for (w->kind = SCRIPT_NONE, w->arg = NULL, w->at++; w->at < w->argc; w->at++) {
		const char *word = w->argv[w->at];
		bool is_long = word[0] == '-' && (word[1] == '-' || w->f->kind == JAVA || is_one_of(word, strlen(word), w->f->long_valued, 8));

		if (options && !strcmp(word, "--"))
			options = false;
		else if (options && !strcmp(word, "-")) {
			w->kind = SCRIPT_STDIN;
			return;
		} else if (options && is_long ? long_option(w) : options && (word[0] == '-' || (w->f->kind == SHELL && word[0] == '+'))
			                                             ? cluster(w) : operand(w))
			return;
	}
	w->kind = w->f->kind == JAVA || w->f->kind == VERBS || w->at > w->argc ? SCRIPT_NONE : SCRIPT_STDIN;
}

enum script_kind script_of(char *const *argv, size_t argc, const char *interpreter, const char **arg)
{
	struct words w = { .f = family_of(interpreter), .argv = argv, .argc = argc };

	*arg = NULL;
	if (!w.f)
		return SCRIPT_NONE;
	advance(&w);
	if (w.kind != SCRIPT_STDIN)
		*arg = w.arg;
	return w.kind;
}

char *script_text(char *const *argv, size_t argc, const char *interpreter)
{
	struct words w = { .f = family_of(interpreter), .argv = argv, .argc = argc };
	struct buf text = { 0 };

	if (!w.f)
		return NULL;
	for (advance(&w); w.kind == SCRIPT_INLINE; advance(&w)) {
		if (text.len)
			buf_addc(&text, '\n');
		buf_adds(&text, w.arg);
		/* further -e of Perl, Ruby, Lua: one program together */
		if (w.f->kind == SHELL || w.f->kind == FIRST_IS_CODE || w.f->kind == VERBS || !strchr(w.f->inlined, 'e'))
			break;
	}
	return text.p ? (char *)text.p : NULL;
}
