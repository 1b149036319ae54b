#include "internet/internal.h"

#include <string.h>

/* A window on bytes; reading past its end makes it bad for good, and yields zeroes. */
struct view { const unsigned char *p; size_t n; bool bad; };

static struct view cut(struct view *v, size_t n)
{
	struct view c = { v->p, n, false };

	if (n > v->n) {
		v->bad = true;
		return (struct view){ v->p, 0, true };
	}
	v->p += n;
	v->n -= n;
	return c;
}

static unsigned number(struct view *v, size_t bytes)
{
	struct view c = cut(v, bytes);
	unsigned u = 0;

	for (size_t i = 0; i < c.n; i++)
		u = u << 8 | c.p[i];
	return u;
}

static struct view vector(struct view *v, size_t bytes)
{
	return cut(v, number(v, bytes));
}

/* RFC 8701: values that mean nothing, there to keep servers honest. JA3 leaves them out. */
static bool grease(unsigned u)
{
	return (u & 0x0f0f) == 0x0a0a && u >> 8 == (u & 0xff);
}

static void list(struct buf *b, struct view v, size_t bytes)
{
	bool first = true;

	while (v.n >= bytes) {
		unsigned u = number(&v, bytes);

		if (bytes == 2 && grease(u))
			continue;
		buf_addf(b, "%s%u", first ? "" : "-", u);
		first = false;
	}
}

static void read_sni(struct view v, struct hello *h)
{
	struct view names = vector(&v, 2), name;

	if (number(&names, 1) != 0)
		return;
	name = vector(&names, 2);
	if (name.bad || name.n >= sizeof h->sni || memchr(name.p, 0, name.n))
		return;
	memcpy(h->sni, name.p, name.n);
	h->sni[name.n] = '\0';
}

static void read_alpn(struct view v, struct hello *h)
{
	struct view all = vector(&v, 2);
	size_t at = 0;

	while (all.n) {
		struct view one = vector(&all, 1);

		if (all.bad || one.n + at + 2 > sizeof h->alpn || memchr(one.p, 0, one.n))
			return;
		if (at)
			h->alpn[at++] = ',';
		memcpy(h->alpn + at, one.p, one.n);
		at += one.n;
		h->alpn[at] = '\0';
	}
}

/* https://github.com/salesforce/ja3: version, ciphers, extensions, groups, point formats. */
static int read_body(struct view v, struct hello *h)
{
	struct buf ja3 = { 0 }, groups = { 0 }, formats = { 0 };
	struct view ciphers, extensions, walk;
	struct digest *md5;
	bool first = true;

	h->version = number(&v, 2);
	cut(&v, 32);
	vector(&v, 1);
	ciphers = vector(&v, 2);
	vector(&v, 1);
	if (v.bad)
		return -1;
	for (walk = ciphers; walk.n >= 2;) {
		unsigned u = number(&walk, 2);

		h->ecdsa |= u >> 8 == 0x13 || (u >= 0xc006 && u <= 0xc00a) || u == 0xc023 || u == 0xc024 || u == 0xc02b || u == 0xc02c ||
			    u == 0xcca9 || (u >= 0xc0ac && u <= 0xc0af);
	}
	buf_addf(&ja3, "%u,", h->version);
	list(&ja3, ciphers, 2);
	buf_addc(&ja3, ',');
	extensions = vector(&v, 2);
	while (extensions.n >= 4) {
		unsigned type = number(&extensions, 2);
		struct view body = vector(&extensions, 2);

		if (extensions.bad)
			break;
		if (type == 0)
			read_sni(body, h);
		else if (type == 16)
			read_alpn(body, h);
		else if (type == 10)
			list(&groups, vector(&body, 2), 2);
		else if (type == 11)
			list(&formats, vector(&body, 1), 1);
		if (grease(type))
			continue;
		buf_addf(&ja3, "%s%u", first ? "" : "-", type);
		first = false;
	}
	buf_addf(&ja3, ",%s,%s", buf_str(&groups), buf_str(&formats));
	md5 = digest_new_md5();
	digest_add(md5, ja3.p, ja3.len);
	digest_end(md5, h->ja3);
	digest_free(md5);
	buf_free(&ja3);
	buf_free(&groups);
	buf_free(&formats);
	return 1;
}

int hello_read(const unsigned char *p, size_t n, struct hello *h)
{
	struct view v = { p, n, false }, whole;
	struct buf body = { 0 };
	size_t want = 4;
	int rc = 0;

	*h = (struct hello){ .sni = "" };
	/* A hello may lie in several records. */
	while (body.len < want) {
		struct view record;

		if (v.n < 5)
			goto out;
		if (number(&v, 1) != 22) {
			rc = -1;
			goto out;
		}
		number(&v, 2);
		record.n = number(&v, 2);
		if (!record.n || record.n > IN_MOST + 256) {
			rc = -1;
			goto out;
		}
		record = cut(&v, record.n < v.n ? record.n : v.n);
		buf_add(&body, record.p, record.n);
		if (body.len >= 4) {
			want = 4 + ((size_t)body.p[1] << 16 | (size_t)body.p[2] << 8 | body.p[3]);
			if (body.p[0] != 1 || want > IN_MOST) {
				rc = -1;
				goto out;
			}
		}
	}
	whole = (struct view){ body.p + 4, want - 4, false };
	rc = read_body(whole, h);
out:
	buf_free(&body);
	return rc;
}
