/*
 * rpm: what `rpm -qa --dump` lists as a source: a line a file, "path size mtime digest mode owner group isconfig isdoc rdev
 * symlink". A SHA-256 is taken as it stands. An MD5, of packages before 2009, only selects, as with dpkg: the file that is
 * there and matches it is known by its SHA-256.
 */
#include "known/lines.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct rpm {
	struct build *b;
	uint32_t source;
	struct crew_list files;         /* with an MD5 */
};

struct record {
	size_t path_len;
	const char *digest;
	size_t digest_len;
	unsigned mode;
};

/* One of the fields that follow each other with a blank before each: of the characters `of`, or of all but blanks. */
static bool field(const char **at, const char *end, const char *of, const char **text, size_t *len)
{
	const char *p = *at;

	if (p == end || *p != ' ')
		return false;
	for (*text = ++p; p < end && *p != ' ' && (!of || strchr(of, *p)); p++)
		;
	*len = (size_t)(p - *text);
	*at = p;
	return true;
}

/* What follows the path, from the blank behind it. */
static bool fields(const char *at, const char *end, struct record *r)
{
	static const char *const digits = "0123456789", *const octal = "01234567", *const hex = "0123456789abcdefABCDEF", *const flag = "01";
	const char *size, *time, *mode, *word;
	size_t n;

	if (!field(&at, end, digits, &size, &n) || !n || !field(&at, end, digits, &time, &n) || !n ||
	    !field(&at, end, hex, &r->digest, &r->digest_len) || !field(&at, end, octal, &mode, &n) || n < 4 || n > 8)
		return false;
	r->mode = (unsigned)strtoul(mode, NULL, 8);
	return field(&at, end, NULL, &word, &n) && n && field(&at, end, NULL, &word, &n) && n &&        /* owner, group */
	       field(&at, end, flag, &word, &n) && n == 1 && field(&at, end, flag, &word, &n) && n == 1 &&   /* isconfig, isdoc */
	       field(&at, end, digits, &word, &n) && n && at < end && *at == ' ';                       /* rdev; the rest is a link's text */
}

static bool parse(const char *text, size_t n, struct record *r)
{
	const char *end = text + n, *at = text;

	if (!n || *text != '/')
		return false;
	while ((at = memchr(at, ' ', (size_t)(end - at)))) {
		r->path_len = (size_t)(at - text);
		if (fields(at, end, r))
			return true;
		at++;
	}
	return false;
}

static bool zero(const struct record *r)
{
	for (size_t i = 0; i < r->digest_len; i++)
		if (r->digest[i] != '0')
			return false;
	return true;
}

static int add_line(void *ctx, struct lines *l, const char *text, size_t n, struct err *e)
{
	struct rpm *to = ctx;
	struct record r;
	unsigned char digest[KNOWN_DIGEST];
	char md5[33];

	if (!n || (n >= 17 && !memcmp(text, "(contains no file", 17)))
		return 0;
	if (memchr(text, 0, n) || !parse(text, n, &r))
		return lines_refuse(l, "not as 'rpm -qa --dump' prints it", e);
	if (!S_ISREG(r.mode) || zero(&r))   /* a folder, a link, a file that is made later */
		return 0;
	l->s->files++;
	if (r.digest_len == 64 && lines_digest(r.digest, 64, digest)) {
		l->s->matched++;
		return lines_add(to->b, digest, to->source, text, r.path_len, e);
	}
	if (r.digest_len == 32) {
		struct crew_item *i = crew_add(&to->files, text, r.path_len);

		memcpy(md5, r.digest, 32);
		md5[32] = 0;
		i->md5_known = !digest_unhex(md5, i->md5, sizeof(i->md5));
		return 0;
	}
	l->s->without_digest++;             /* SHA-1, SHA-512 ... */
	return 0;
}

static int take(const struct rpm *to, struct known_stats *s, struct err *e)
{
	for (size_t i = 0; i < to->files.len; i++) {
		const struct crew_item *f = &to->files.p[i];

		known_count(s, f->result);
		if (f->result == CREW_ALTERED)
			msg_info("altered: %s", err_q(f->path));
		if (f->result == CREW_GOOD && f->md5_known && crew_take(to->b, f, to->source, f->path, e) < 0)
			return -1;
	}
	return 0;
}

int rpm_add(struct build *b, const char *path, const char *root, unsigned want, struct known_stats *s, struct err *e)
{
	struct rpm to = {.b = b};
	uint64_t before = s->files;
	int rc = known_source(b, "rpm", path, &to.source, e);

	if (!rc)
		rc = lines_each(path, CAP_LINE, add_line, &to, s, e);
	if (!rc && s->files == before)
		rc = err_set(e, EX_DATAERR, "%s lists no files: it should be what 'rpm -qa --dump' prints", err_q(path));
	if (!rc && to.files.len)
		rc = crew_run(&to.files, root ? root : "/", want, &s->bytes, e);
	if (!rc)
		rc = take(&to, s, e);
	if (!rc)
		build_from(b, KNOWN_FROM_RPM | (want & CREW_PAGES && to.files.len ? KNOWN_FROM_PAGES : 0), 0);
	crew_free(&to.files);
	return rc;
}
