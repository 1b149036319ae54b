/* apt.conf(5): commands around apt's and dpkg's work, and programs that apt uses in place of its own. */
#include "host/internal.h"

#include <stdlib.h>
#include <string.h>

#define CAP_SCOPES 32u

struct parser {
	struct startup *s;
	const char *p, *end;
	unsigned line;
	struct buf key;              /* of the scopes that are open, each with "::" behind */
	size_t open[CAP_SCOPES];     /* the key's length before each */
	unsigned scopes;
	struct buf name;             /* of the statement that is being read */
};

static void step(struct parser *a)
{
	if (*a->p++ == '\n')
		a->line++;
}

static bool at(const struct parser *a, const char *s)
{
	size_t n = strlen(s);

	return (size_t)(a->end - a->p) >= n && !memcmp(a->p, s, n);
}

static void skip_until(struct parser *a, const char *stop)
{
	while (a->p < a->end && !at(a, stop))
		step(a);
}

/* Does the last part of the key name a command? */
static bool runs(const char *key)
{
	static const char *const last[] = {
		"Pre-Invoke", "Post-Invoke", "Post-Invoke-Success", "Post-Invoke-Stats", "Pre-Install-Pkgs", "Post-Install-Pkgs",
		"Proxy-Auto-Detect", "ProxyAutoDetect", "Binary", "Test-Command", "AptCli::Hooks::Install", "Hooks",
	};
	char copy[512];
	size_t n, i;

	snprintf(copy, sizeof(copy), "%s", key);
	for (n = strlen(copy); n && copy[n - 1] == ':'; n--)
		copy[n - 1] = '\0';
	if (strcasestr(copy, "Dir::Bin::") || strcasestr(copy, "Hooks::"))
		return true;
	for (i = 0; i < sizeof(last) / sizeof(*last); i++) {
		size_t k = strlen(last[i]);

		if (n >= k && !strcasecmp(copy + n - k, last[i]) && (n == k || copy[n - k - 1] == ':'))
			return true;
	}
	return false;
}

static void value(struct parser *a, const char *v, size_t n, unsigned line, const char *text)
{
	const char *stop = memchr(text, '\n', (size_t)(a->end - text));
	struct buf key = { 0 };

	buf_add(&key, a->key.p, a->key.len);
	buf_add(&key, a->name.p, a->name.len);
	/* Dir::Bin names folders as well */
	if (n && runs(buf_str(&key)) && (!strcasestr(buf_str(&key), "Dir::Bin::") || *v == '/')) {
		a->s->quiet = strcasestr(buf_str(&key), "Dir::Bin::") || strcasestr(buf_str(&key), "Binary");
		entry_command(a->s, line, text, (size_t)((stop ? stop : a->end) - text), v, n, NULL, false);
		a->s->quiet = false;
	}
	buf_free(&key);
}

static void quoted(struct parser *a, const char *text)
{
	struct buf v = { 0 };
	unsigned line = a->line;

	for (a->p++; a->p < a->end && *a->p != '"'; step(a)) {
		if (*a->p == '\\' && a->p + 1 < a->end && a->p[1] == '"')
			a->p++;
		buf_addc(&v, *a->p);
	}
	if (a->p < a->end)
		a->p++;
	value(a, buf_str(&v), v.len, line, text);
	buf_free(&v);
}

static void open_scope(struct parser *a)
{
	if (a->scopes < CAP_SCOPES && a->key.len < 4096) {
		a->open[a->scopes] = a->key.len;
		buf_add(&a->key, a->name.p, a->name.len);
		buf_adds(&a->key, "::");
	}
	a->scopes++;
	buf_clear(&a->name);
}

static void close_scope(struct parser *a)
{
	if (a->scopes && --a->scopes < CAP_SCOPES && a->open[a->scopes] <= a->key.len && a->key.p) {
		a->key.len = a->open[a->scopes];
		a->key.p[a->key.len] = '\0';
	}
	buf_clear(&a->name);
}

/* #include "file"; #clear; or a comment */
static void hash_line(struct parser *a)
{
	const char *p = a->p, *quote, *close;
	char path[1024];

	skip_until(a, "\n");
	if ((size_t)(a->p - p) < 9 || memcmp(p, "#include", 8) || a->s->included)
		return;
	quote = memchr(p, '/', (size_t)(a->p - p));
	close = quote;
	while (close && close < a->p && !strchr("\"; \t", *close))
		close++;
	if (quote && (size_t)(close - quote) < sizeof(path)) {
		snprintf(path, sizeof(path), "%.*s", (int)(close - quote), quote);
		startup_another(a->s, path, FORM_APT);
	}
}

/* A word: the statement's name, or its value when it has one already. */
static void word(struct parser *a, const char *text)
{
	const char *p = a->p;

	while (a->p < a->end && *a->p && !strchr(" \t\r\n{};\"", *a->p))
		a->p++;
	if (a->name.len)
		value(a, p, (size_t)(a->p - p), a->line, text);
	else if (a->p - p < 512)
		buf_add(&a->name, p, (size_t)(a->p - p));
	if (a->p == p)
		a->p++;   /* a NUL */
}

void apt_read(struct startup *s)
{
	const char *text = buf_str(&s->text);
	struct parser a = { .s = s, .p = text, .end = text + s->text.len, .line = 1 };

	while (a.p < a.end) {
		if (at(&a, "//")) {
			skip_until(&a, "\n");
		} else if (at(&a, "/*")) {
			skip_until(&a, "*/");
			a.p += a.p < a.end ? 2 : 0;
		} else if (*a.p == '#') {
			hash_line(&a);
		} else if (*a.p == '"') {
			quoted(&a, text);
		} else if (*a.p == '{') {
			open_scope(&a);
			a.p++;
		} else if (*a.p == '}') {
			close_scope(&a);
			a.p++;
		} else if (*a.p == ';') {
			buf_clear(&a.name);
			a.p++;
		} else if (*a.p == '\n') {
			step(&a);
			text = a.p;
		} else if (strchr(" \t\r", *a.p) && *a.p) {
			a.p++;
		} else {
			word(&a, text);
		}
	}
	buf_free(&a.key);
	buf_free(&a.name);
}
