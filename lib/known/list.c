/* list: SHA-256 lists as a source: sha256sum(1)'s two forms, bare digests, CSV whose first column is the digest. */
#include "known/lines.h"

#include <string.h>
#include <strings.h>

struct line {
	unsigned char digest[KNOWN_DIGEST];
	const char *name;       /* or NULL; not NUL-terminated */
	size_t name_len;
};

/* 1 a digest, 0 nothing on this line, -1 neither. */
static int parse(const char *s, size_t n, struct line *l)
{
	const char *start = s;

	memset(l, 0, sizeof(*l));
	while (n && (s[n - 1] == '\r' || s[n - 1] == ' ' || s[n - 1] == '\t'))
		n--;
	while (n && (*s == ' ' || *s == '\t'))
		s++, n--;
	if (!n || *s == '#')
		return 0;
	if (n > 8 && !memcmp(s, "SHA256 (", 8) && n > 8 + 4 + 64) {     /* BSD: SHA256 (name) = digest */
		if (memcmp(s + n - 64 - 4, ") = ", 4) || !lines_digest(s + n - 64, 64, l->digest))
			return -1;
		l->name = s + 8;
		l->name_len = n - 8 - 4 - 64;
		return 1;
	}
	if (*s == '\\')                 /* sha256sum's mark: the name is escaped */
		s++, n--;
	if (n && *s == '"')
		s++, n--;
	if (!lines_digest(s, n, l->digest))
		return -1;
	if (n == 64)
		return 1;
	switch (s[64]) {
	case ' ':
	case '\t':
		if (*start == '"')
			return -1;
		l->name = s + 65;
		l->name_len = n - 65;
		while (l->name_len && (*l->name == ' ' || *l->name == '*'))
			l->name++, l->name_len--;
		return 1;
	case '"':
		return n == 65 || s[65] == ',' || s[65] == ';' ? 1 : -1;
	case ',':
	case ';':
		return 1;
	default:
		return -1;
	}
}

/* Whether the first of a line's fields names what stands below it, in any spelling: "sha256", SHA-256, hash ... */
static bool heading(const char *s, size_t n)
{
	static const char *const names[] = {"sha256", "sha256sum", "sha256hash", "hash", NULL};
	char word[16];
	size_t len = 0;

	for (size_t i = 0; i < n && s[i] != ',' && s[i] != ';'; i++) {
		bool letter = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9');

		if (letter && len == sizeof(word) - 1)
			return false;
		if (letter)
			word[len++] = s[i];
	}
	word[len] = 0;
	for (const char *const *name = names; *name; name++)
		if (!strcasecmp(word, *name))
			return true;
	return false;
}

struct list { struct build *b; uint32_t source; bool revoked; };

static int add_line(void *ctx, struct lines *l, const char *text, size_t n, struct err *e)
{
	const struct list *to = ctx;
	struct line line;
	int rc = memchr(text, 0, n) ? -1 : parse(text, n, &line);

	if (rc < 0 && l->number == 1 && heading(text, n))
		return 0;
	if (rc < 0)
		return lines_refuse(l, "no SHA-256 at its start", e);
	if (!rc)
		return 0;
	l->s->files++;
	l->s->matched++;
	if (to->revoked) {
		build_revoke(to->b, line.digest);
		return 0;
	}
	return lines_add(to->b, line.digest, to->source, line.name, line.name_len, e);
}

int list_add(struct build *b, const char *path, struct known_stats *s, struct err *e)
{
	struct list to = {.b = b};

	if (known_source(b, "list", path, &to.source, e) < 0 || lines_each(path, CAP_LINE, add_line, &to, s, e) < 0)
		return -1;
	build_from(b, KNOWN_FROM_LIST, 0);
	return 0;
}

int list_revoke(struct build *b, const char *path, struct known_stats *s, struct err *e)
{
	struct list to = {.b = b, .revoked = true};
	uint64_t before = s->matched;

	if (lines_each(path, CAP_LINE, add_line, &to, s, e) < 0)
		return -1;
	return s->matched > before ? 0 : err_set(e, EX_DATAERR, "%s has no SHA-256: nothing is revoked", err_q(strcmp(path, "-") ? path : "standard input"));
}
