/*
 * Finds the simple commands in a shell's text, well enough to tell which programs it starts. It is no shell: what it does
 * not understand it passes over, and it always ends, since each step takes at least one byte.
 */
#include "host/internal.h"

#include <stdlib.h>
#include <string.h>

/* What the words of one command take, with a pointer for each: the kernel passes no program more, a quarter of a stack of 8 MiB
 * (execve(2)). */
#define CAP_COMMAND (2 * MIB)

struct lexer {
	const char *p, *end, *home;
	unsigned line, depth;
	shell_fn *fn;
	void *ctx;
};

/* The command being gathered. */
struct gathering {
	char **word;
	size_t words, bytes;
	unsigned line;
	char *input;
	bool from_pipe, computed, nested;
	bool ignoring;        /* for x in ..., case x in */
	bool cut;             /* it has more words */
	char *delimiter;      /* of a here-document that begins with the next line, or NULL */
};

static void scan(struct lexer *l, char stop, bool nested);

static void forget(struct gathering *g)
{
	while (g->words)
		free(g->word[--g->words]);
	free(g->input);
	g->input = NULL;
	g->bytes = 0;
	g->from_pipe = g->computed = g->ignoring = g->cut = false;
}

static void finish(struct gathering *g)
{
	forget(g);
	free(g->word);
	free(g->delimiter);
	free(g);
}

static void emit(struct lexer *l, struct gathering *g, bool pipes_on)
{
	if (g->words) {
		struct shell_command c = {
			.word = g->word, .words = g->words, .line = g->line, .input = g->input, .from_pipe = g->from_pipe,
			.computed = g->computed, .nested = g->nested, .cut = g->cut,
		};

		l->fn(l->ctx, &c);
	}
	forget(g);
	g->from_pipe = pipes_on;
}

static bool more(const struct lexer *l)
{
	return l->p < l->end;
}

static bool at(const struct lexer *l, const char *s)
{
	size_t n = strlen(s);

	return (size_t)(l->end - l->p) >= n && !memcmp(l->p, s, n);
}

static void put(struct buf *w, char c)
{
	if (w->len < CAP_COMMAND)
		buf_addc(w, c);
}

static void step(struct lexer *l)
{
	if (*l->p == '\n')
		l->line++;
	l->p++;
}

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Text between backquotes is shell text of its own. */
static void backquotes(struct lexer *l)
{
	const char *close;

	l->p++;
	close = memchr(l->p, '`', (size_t)(l->end - l->p));
	if (!close)
		close = l->end;
	if (l->depth < CAP_NESTING) {
		struct lexer inner = *l;

		inner.end = close;
		inner.depth++;
		scan(&inner, 0, true);
	}
	while (l->p < close)
		step(l);
	if (more(l))
		l->p++;
}

/* At "$". True when the word's value is not known. */
static bool dollar(struct lexer *l, struct buf *w)
{
	if (at(l, "$((")) {
		while (more(l) && !at(l, "))"))
			step(l);
		l->p += more(l) ? 2 : 0;
		return true;
	}
	if (at(l, "$(")) {
		l->p += 2;
		if (l->depth >= CAP_NESTING) {
			l->p = l->end;
			return true;
		}
		l->depth++;
		scan(l, ')', true);
		l->depth--;
		return true;
	}
	if (at(l, "${HOME}") || (at(l, "$HOME") && (l->end - l->p == 5 || !name_char(l->p[5])))) {
		buf_adds(w, l->home);
		l->p += l->p[1] == '{' ? 7 : 5;
		return false;
	}
	l->p++;
	if (more(l) && *l->p == '{') {
		while (more(l) && *l->p != '}')
			step(l);
		if (more(l))
			l->p++;
		return true;
	}
	if (!more(l) || !(name_char(*l->p) || strchr("@*#?$!-", *l->p))) {
		put(w, '$');
		return false;
	}
	if (!name_char(*l->p)) {
		l->p++;
		return true;
	}
	while (more(l) && name_char(*l->p))
		l->p++;
	return true;
}

static bool quoted(struct lexer *l, struct buf *w, char quote, bool plain)
{
	bool computed = false;

	l->p++;
	while (more(l) && *l->p != quote) {
		if (*l->p == '\\' && (quote == '"' || plain) && l->p + 1 < l->end) {
			l->p++;
			if (*l->p != '\n')
				put(w, *l->p);
			step(l);
		} else if (*l->p == '$' && quote == '"' && !plain) {
			computed |= dollar(l, w);
		} else if (*l->p == '`' && quote == '"' && !plain) {
			backquotes(l);
			computed = true;
		} else {
			put(w, *l->p);
			step(l);
		}
	}
	if (more(l))
		l->p++;
	return computed;
}

/* One word from where the lexer stands, which is at no blank and no operator. */
static bool read_word(struct lexer *l, struct buf *w, bool plain, bool *was_quoted)
{
	bool computed = false;

	if (!plain && at(l, "~/")) {
		buf_adds(w, l->home);
		l->p++;
	}
	while (more(l)) {
		char c = *l->p;

		if (c == '\'' || c == '"') {
			*was_quoted = true;
			computed |= quoted(l, w, c, plain);
		} else if (c == '\\') {
			l->p++;
			if (more(l)) {
				if (*l->p != '\n')
					put(w, *l->p);
				step(l);
			}
		} else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
			break;
		} else if (plain) {
			put(w, c);
			l->p++;
		} else if (strchr(";&|()<>", c) && c) {
			break;
		} else if (c == '$') {
			computed |= dollar(l, w);
		} else if (c == '`') {
			backquotes(l);
			computed = true;
		} else {
			put(w, c);
			l->p++;
		}
	}
	return computed;
}

static bool assignment(const struct lexer *l)
{
	const char *p = l->p;

	while (p < l->end && name_char(*p))
		p++;
	if (p == l->p || (*l->p >= '0' && *l->p <= '9'))
		return false;
	return p < l->end && (*p == '=' || (*p == '+' && p + 1 < l->end && p[1] == '='));
}

static bool one_of(const char *w, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(w, *list))
			return true;
	return false;
}

static void take_word(struct lexer *l, struct gathering *g, bool plain)
{
	static const char *const skipped[] = { "if", "then", "else", "elif", "fi", "do", "done", "while", "until", "esac", "!", "{",
	                                       "}", "time", "coproc", NULL };
	static const char *const ignoring[] = { "for", "select", "case", "function", NULL };
	struct buf w = { 0 };
	unsigned line = l->line;
	bool was_quoted = false, sets = assignment(l), computed = read_word(l, &w, plain, &was_quoted);
	const char *s = buf_str(&w);

	if (!plain && !g->words && sets)
		goto out;
	if (!plain && !g->words && !was_quoted && !g->ignoring) {
		if (one_of(s, ignoring)) {
			g->ignoring = true;
			goto out;
		}
		if (one_of(s, skipped))
			goto out;
	}
	if (g->ignoring)
		goto out;
	g->cut |= g->bytes + w.len + 1 + sizeof(*g->word) > CAP_COMMAND;
	if (g->cut)
		goto out;
	g->bytes += w.len + 1 + sizeof(*g->word);
	if (!(g->words & (g->words - 1)))
		g->word = buf_realloc(g->word, g->words ? g->words * 2 : 1, sizeof(*g->word));
	if (!g->words) {
		g->line = line;
		g->computed = computed;
	}
	g->word[g->words++] = buf_strdup(s);
out:
	buf_free(&w);
}

/* At "<" or ">". */
static void redirection(struct lexer *l, struct gathering *g)
{
	const char *operator = l->p;
	bool in = *operator == '<', here = at(l, "<<") && !at(l, "<<<"), was_quoted = false;
	struct buf w = { 0 };

	if (g->words && strspn(g->word[g->words - 1], "0123456789") == strlen(g->word[g->words - 1]))
		free(g->word[--g->words]);
	if (at(l, "<(") || at(l, ">(")) {
		l->p += 2;
		if (l->depth < CAP_NESTING) {
			l->depth++;
			scan(l, ')', true);
			l->depth--;
		}
		return;
	}
	for (l->p++; more(l) && (*l->p == '<' || *l->p == '>') && l->p - operator < 3; l->p++)
		in = false;
	if (more(l) && strchr("&|-", *l->p) && *l->p) {
		in = false;
		if (*l->p++ == '&' && more(l) && *l->p == '-') {
			l->p++;
			return;
		}
	}
	while (more(l) && (*l->p == ' ' || *l->p == '\t'))
		l->p++;
	if (more(l) && *l->p != '\n')
		read_word(l, &w, false, &was_quoted);
	if (here) {
		free(g->delimiter);
		g->delimiter = w.len ? buf_strdup(buf_str(&w)) : NULL;
	} else if (in && !g->input && w.len) {
		g->input = buf_strdup(buf_str(&w));
	}
	buf_free(&w);
}

static void skip_line(struct lexer *l)
{
	while (more(l) && *l->p != '\n')
		l->p++;
}

static void here_document(struct lexer *l, struct gathering *g)
{
	size_t n = strlen(g->delimiter);

	while (more(l)) {
		const char *line = l->p;

		skip_line(l);
		while (line < l->p && *line == '\t')
			line++;
		if ((size_t)(l->p - line) == n && !memcmp(line, g->delimiter, n))
			break;
		if (more(l))
			step(l);
	}
	free(g->delimiter);
	g->delimiter = NULL;
}

static void scan(struct lexer *l, char stop, bool nested)
{
	struct gathering *g = buf_alloc(sizeof(*g));

	g->nested = nested;
	while (more(l)) {
		char c = *l->p;

		if (c == '\n') {
			emit(l, g, g->from_pipe && !g->words);
			step(l);
			if (g->delimiter)
				here_document(l, g);
		} else if (c == ' ' || c == '\t' || c == '\r' || c == '\0') {
			l->p++;
		} else if (at(l, "\\\n")) {
			l->p++;
			step(l);
		} else if (c == '#') {
			skip_line(l);
		} else if (c == ')' && stop == ')') {
			l->p++;
			break;
		} else if (c == '(') {
			l->p++;
			if (g->words) {           /* name() */
				forget(g);
				while (more(l) && *l->p != ')' && *l->p != '\n')
					l->p++;
				l->p += more(l) && *l->p == ')';
			} else if (l->depth < CAP_NESTING) {
				l->depth++;
				scan(l, ')', nested);
				l->depth--;
			}
		} else if (at(l, "&>")) {
			l->p++;
			redirection(l, g);
		} else if (c == ';' || c == '&' || c == '|' || c == ')') {
			bool pipe = c == '|' && !at(l, "||");

			l->p += at(l, "&&") || at(l, "||") || at(l, ";;") || at(l, "|&") ? 2 : 1;
			emit(l, g, pipe);
		} else if (c == '<' || c == '>') {
			redirection(l, g);
		} else {
			take_word(l, g, false);
		}
	}
	emit(l, g, false);
	finish(g);
}

static void scan_plain(struct lexer *l)
{
	struct gathering *g = buf_alloc(sizeof(*g));

	while (more(l)) {
		if (strchr(" \t\r\n", *l->p)) {   /* NUL, too */
			step(l);
		} else if (*l->p == ';' && (l->p + 1 == l->end || l->p[1] == ' ')) {
			l->p++;
			emit(l, g, false);
		} else {
			take_word(l, g, true);
		}
	}
	emit(l, g, false);
	finish(g);
}

void shell_commands(const char *text, size_t n, const char *home, bool plain, shell_fn *fn, void *ctx)
{
	struct lexer l = { .p = text, .end = text + n, .home = home ? home : "/", .line = 1, .fn = fn, .ctx = ctx };

	if (plain)
		scan_plain(&l);
	else
		scan(&l, 0, false);
}
