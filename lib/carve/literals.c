/*
 * Texts in quotes of which some characters are escaped: "x\x9cSV\xd4O\n" as C, Python, PHP, JavaScript and the shells have it,
 * "%23%21/bin/sh" as addresses have it. Where every character is a number, numbers.c sees to it.
 */
#include "carve/internal.h"

#include <ctype.h>
#include <string.h>

#define ESCAPES_LEAST 4u            /* by number, of one literal */

/* A number of at most so many digits; *at behind it. -1: none stands there. */
static int digits(const unsigned char *p, size_t n, size_t *at, unsigned base, unsigned most, unsigned least)
{
	unsigned value = 0, k = 0;

	for (; k < most && *at + k < n; k++) {
		unsigned char c = p[*at + k];

		if (base == 8 ? c < '0' || c > '7' : !isxdigit(c))
			break;
		value = value * base + (unsigned)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
	}
	if (k < least)
		return -1;
	*at += k;
	return (int)value;
}

static char letter(unsigned char c)
{
	static const char from[] = "abefnrtv", to[] = "\a\b\033\f\n\r\t\v";
	const char *found = c ? strchr(from, c) : NULL;

	return found ? to[found - from] : (char)c;
}

/* What is written for its escapes; how many numbers were among them. */
static size_t unescape(const unsigned char *p, size_t n, struct buf *out)
{
	size_t count = 0, at = 0;

	buf_reserve(out, n);
	while (at < n) {
		unsigned char c = p[at++];
		int value = -1;

		if (c == '\\' && at < n) {
			c = p[at++];
			if (c == 'x')
				value = digits(p, n, &at, 16, 2, 1);
			else if (c == 'u')
				value = digits(p, n, &at, 16, 4, 4);
			else if (c >= '0' && c <= '7' && at--)
				value = digits(p, n, &at, 8, 3, 1);
			count += value >= 0;
			if (value < 0 && c != '\n')
				out->p[out->len++] = (unsigned char)letter(c);
		} else {
			value = c;
		}
		if (value >= 0 && value < 256)
			out->p[out->len++] = (unsigned char)value;
	}
	return count;
}

static size_t unpercent(const unsigned char *p, size_t n, struct buf *out)
{
	size_t count = 0, at = 0;

	buf_reserve(out, n);
	while (at < n) {
		unsigned char c = p[at++];
		int value = c == '%' ? digits(p, n, &at, 16, 2, 2) : -1;

		count += value >= 0;
		out->p[out->len++] = value >= 0 ? (unsigned char)value : c;
	}
	return count;
}

static bool offer(struct within *w, size_t from, size_t to, const char *coding, size_t (*decode)(const unsigned char *, size_t, struct buf *))
{
	struct carved c = { .offset = from, .size = to - from, .coding = coding, .encoded = true };
	size_t count = carve_work(w, to - from) ? decode(w->p + from, to - from, &c.bytes) : 0;

	if (count >= ESCAPES_LEAST)
		c.what = meaning_of(c.bytes.p, c.bytes.len);
	/* A text was one before, where only some of it is escaped: each takes three or four characters. */
	if (c.what && (c.what != CARVE_TEXT || 9 * count >= to - from))
		return carve_offer(w, &c);
	buf_free(&c.bytes);
	return false;
}

void literals_look(struct within *w)
{
	for (size_t at = 0; at + ESCAPES_LEAST < w->n && *w->work; at++) {
		unsigned char quote = w->p[at];
		size_t end = at + 1, escapes = 0, percents = 0;

		/* An escaped quote opens nothing: so no byte is read more than twice. */
		if ((quote != '"' && quote != '\'') || (at && w->p[at - 1] == '\\') || carve_taken(w, at))
			continue;
		for (; end < w->n && w->p[end] != quote; end++) {
			percents += w->p[end] == '%';
			escapes += w->p[end] == '\\';
			end += w->p[end] == '\\';
		}
		if (end >= w->n)
			continue;
		if ((escapes >= ESCAPES_LEAST && offer(w, at + 1, end, "escapes", unescape)) ||
			(percents >= ESCAPES_LEAST && offer(w, at + 1, end, "percent", unpercent)))
			at = end;
	}
}
