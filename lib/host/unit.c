#include "host/internal.h"

#include <stdlib.h>
#include <string.h>

static const char *trim(const char *p, const char *end, size_t *n)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	*n = (size_t)(end - p);
	return p;
}

static bool comment(const char *p, size_t n)
{
	return !n || *p == '#' || *p == ';';
}

static void set(struct buf *b, const char *p, size_t n)
{
	buf_clear(b);
	buf_add(b, p, n);
}

static void emit(const struct buf *section, const struct buf *logical, struct unit_entry *u, unit_fn *fn, void *ctx)
{
	const char *s = buf_str(logical), *end = s + logical->len, *equals = memchr(s, '=', logical->len), *p;
	struct buf key = { 0 }, value = { 0 };
	size_t n;

	if (equals) {
		p = trim(s, equals, &n);
		set(&key, p, n);
		p = trim(equals + 1, end, &n);
		set(&value, p, n);
		u->section = buf_str(section);
		u->key = buf_str(&key);
		u->value = buf_str(&value);
		fn(ctx, u);
	}
	buf_free(&key);
	buf_free(&value);
}

void unit_parse(const char *text, size_t n, unit_fn *fn, void *ctx)
{
	const char *line = text, *last = text + n;
	struct buf section = { 0 }, logical = { 0 };
	struct unit_entry u = { 0 };
	unsigned number = 0;
	bool continuing = false;

	while (line < last) {
		const char *end = memchr(line, '\n', (size_t)(last - line)), *p;
		size_t length;
		bool goes_on;

		if (!end)
			end = last;
		number++;
		p = trim(line, end, &length);
		if (comment(p, length)) {
			/* within a continued line a comment is passed over; an empty line ends it */
			if (!continuing || length)
				goto next;
		}
		if (!continuing && *p == '[' && p[length - 1] == ']') {
			set(&section, p + 1, length - 2);
			goto next;
		}
		if (!continuing) {
			buf_clear(&logical);
			u = (struct unit_entry){ .line = number, .text = line, .length = (size_t)(end - line) };
		} else {
			u.continued = true;
		}
		goes_on = length && p[length - 1] == '\\';
		buf_add(&logical, p, length - goes_on);
		if (goes_on)
			buf_addc(&logical, ' ');
		else
			emit(&section, &logical, &u, fn, ctx);
		continuing = goes_on;
next:
		line = end < last ? end + 1 : last;
	}
	if (continuing)
		emit(&section, &logical, &u, fn, ctx);
	buf_free(&section);
	buf_free(&logical);
}
