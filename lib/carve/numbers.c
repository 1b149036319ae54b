/*
 * Bytes that stand in a file as numbers with the same between each two: "72, 101", "0x48,0x65", "\x48\x65", "\110\145", "%48%65",
 * "chr(72).chr(101)", "&#72;&#101;" and whatever else languages make of it.
 */
#include "carve/internal.h"

#include <ctype.h>
#include <string.h>

#define NUMBERS_LEAST 12u
#define BETWEEN_MOST 24u            /* characters, without blanks */
#define FIRST "\\%&0123456789abcdefABCDEF"

struct notation { const char *name, *prefix; size_t skip; unsigned base, least, digits; };

/* Of two whose prefixes both fit, the longer one comes first. */
static const struct notation notations[] = {
	{ "hex-numbers", "0x", 2, 16, 1, 2 }, { "hex-numbers", "&#x", 3, 16, 1, 2 }, { "hex-escapes", "\\x", 2, 16, 1, 2 },
	{ "hex-escapes", "\\u00", 4, 16, 2, 2 }, { "percent", "%u00", 4, 16, 2, 2 }, { "percent", "%", 1, 16, 2, 2 },
	{ "octal-escapes", "\\0", 2, 8, 1, 3 }, { "octal-escapes", "\\", 1, 8, 1, 3 }, { "decimal-numbers", "", 0, 10, 1, 3 },
	{ "hex-numbers", "", 0, 16, 2, 2 },
};

static bool is_digit(unsigned char c, unsigned base)
{
	return base == 16 ? isxdigit(c) : c >= '0' && c < '0' + (int)base;
}

/* The number at `at`, prefix and all; where it ends, or 0: none of this notation up to 255 stands there. */
static size_t number(const struct within *w, size_t at, const struct notation *o, unsigned *value)
{
	size_t digits = 0;

	*value = 0;
	if (w->n - at <= o->skip || (o->skip && w->p[at] != (unsigned char)*o->prefix) || memcmp(w->p + at, o->prefix, o->skip) != 0)
		return 0;
	for (at += o->skip; at < w->n && digits < o->digits && is_digit(w->p[at], o->base); at++, digits++) {
		unsigned char c = w->p[at];

		*value = *value * o->base + (unsigned)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
	}
	if (digits < o->least || *value > 255 || (!o->skip && at < w->n && is_digit(w->p[at], o->base)))
		return 0;
	return at;
}

/* What stands between two numbers, blanks left out. False: too much, or no text, or nothing follows. */
static bool between(const struct within *w, size_t *at, const struct notation *o, char text[BETWEEN_MOST])
{
	unsigned ignored;
	size_t n = 0;

	for (; *at < w->n && !number(w, *at, o, &ignored); ++*at) {
		if (!isspace(w->p[*at]) && (n + 1 >= BETWEEN_MOST || !isprint(w->p[*at])))
			return false;
		if (!isspace(w->p[*at]))
			text[n++] = (char)w->p[*at];
	}
	text[n] = '\0';
	return *at < w->n;
}

/* The longest run from a number on; how many numbers it has. bytes: what they are; or NULL. */
static size_t run(const struct within *w, size_t at, const struct notation *o, size_t *to, struct buf *bytes)
{
	char first[BETWEEN_MOST] = "", next[BETWEEN_MOST] = "";
	size_t end, count = 0;
	unsigned value;

	while ((end = number(w, at, o, &value))) {
		if (bytes)
			buf_addc(bytes, (char)value);
		*to = at = end;
		count++;
		if (!between(w, &at, o, count == 1 ? first : next) || (count > 1 && strcmp(first, next) != 0))
			break;
	}
	return count;
}

void numbers_look(struct within *w)
{
	bool first[256] = { false };

	carve_mark(first, FIRST, sizeof FIRST - 1);
	for (size_t at = 0; at + NUMBERS_LEAST < w->n && *w->work; at++) {
		if (!first[w->p[at]] || (isxdigit(w->p[at]) && at && isalnum(w->p[at - 1])) || carve_taken(w, at))
			continue;
		for (size_t i = 0; i < sizeof notations / sizeof *notations; i++) {
			const struct notation *o = &notations[i];
			struct carved c = { .offset = at, .coding = o->name, .encoded = true };
			size_t to = at, count = !o->skip || w->p[at] == (unsigned char)*o->prefix ? run(w, at, o, &to, NULL) : 0;

			if (count < NUMBERS_LEAST || !carve_work(w, count))
				continue;
			/* Whether they mean something or not: without the first of them they mean no more. */
			run(w, at, o, &to, &c.bytes);
			c.size = to - at;
			carve_offer(w, &c);
			at = to - 1;
			break;
		}
	}
}
