/* list: SHA-256 lists as a source: sha256sum(1)'s two forms, bare digests, CSV whose first column is the digest. */
#include "known/known.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAP_LINE (64 * KIB)

struct line {
	unsigned char digest[KNOWN_DIGEST];
	const char *name;       /* or NULL; not NUL-terminated */
	size_t name_len;
};

static bool take_digest(const char *s, size_t n, unsigned char *digest)
{
	char hex[DIGEST_HEX];

	if (n < 64)
		return false;
	for (size_t i = 0; i < 64; i++)
		hex[i] = (char)tolower((unsigned char)s[i]);
	hex[64] = 0;
	return digest_ok(hex) && !digest_unhex(hex, digest, KNOWN_DIGEST);
}

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
		if (memcmp(s + n - 64 - 4, ") = ", 4) || !take_digest(s + n - 64, 64, l->digest))
			return -1;
		l->name = s + 8;
		l->name_len = n - 8 - 4 - 64;
		return 1;
	}
	if (*s == '\\')                 /* sha256sum's mark: the name is escaped */
		s++, n--;
	if (n && *s == '"')
		s++, n--;
	if (!take_digest(s, n, l->digest))
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

static int refuse(const char *what, uint64_t number, const char *why, struct err *e)
{
	return err_set(e, EX_DATAERR, "%s, line %llu: %s", err_q(what), (unsigned long long)number, why);
}

static int add_line(struct build *b, const char *text, size_t n, const char *what, uint64_t number, uint32_t source,
                    struct known_stats *s, struct err *e)
{
	struct line l;
	char name[4096];
	int rc = memchr(text, 0, n) ? -1 : parse(text, n, &l);

	if (rc < 0 && number == 1 && memchr(text, ',', n) && !memchr(text, 0, n))
		return 0;               /* the names of CSV's columns */
	if (rc < 0)
		return refuse(what, number, "no SHA-256 at its start", e);
	if (!rc)
		return 0;
	s->files++;
	s->matched++;
	if (l.name_len >= sizeof(name))
		l.name_len = sizeof(name) - 1;
	if (l.name_len)
		memcpy(name, l.name, l.name_len);
	name[l.name_len] = 0;
	return build_add(b, l.digest, source, name, e);
}

int list_add(struct build *b, const char *path, struct known_stats *s, struct err *e)
{
	const char *what = strcmp(path, "-") ? path : "standard input";
	char *source = buf_printf("list %s", what), *block = buf_alloc(CAP_LINE);
	size_t have = 0;
	uint64_t number = 0;
	uint32_t at;
	int rc = -1, fd = io_open_in(path, e);

	if (fd < 0 || build_source(b, source, &at, e) < 0)
		goto out;
	for (bool end = false; !end;) {
		ssize_t n = io_read(fd, block + have, CAP_LINE - have);
		char *from = block, *nl;

		if (n < 0) {
			err_sys(e, "cannot read %s", err_q(what));
			goto out;
		}
		end = (size_t)n < CAP_LINE - have;
		have += (size_t)n;
		s->bytes += (uint64_t)n;
		while ((nl = memchr(from, '\n', have - (size_t)(from - block)))) {
			if (add_line(b, from, (size_t)(nl - from), what, ++number, at, s, e) < 0)
				goto out;
			if (!(number & 0xffff))
				progress("list", number, 0);
			from = nl + 1;
		}
		have -= (size_t)(from - block);
		memmove(block, from, have);
		if (have == CAP_LINE) {
			refuse(what, number + 1, "too long", e);
			goto out;
		}
	}
	if (have && add_line(b, block, have, what, ++number, at, s, e) < 0)
		goto out;
	build_from(b, KNOWN_FROM_LIST, 0);
	rc = 0;
out:
	progress_end();
	io_close(&fd);
	free(block);
	free(source);
	return rc;
}
