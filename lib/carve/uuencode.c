/* Lines of uuencode (POSIX), as shell archives and Perl's unpack("u") have them, with their first and last line or without. */
#include "carve/internal.h"

#include <string.h>

#define FULL 45u                    /* bytes of a full line */

/* Characters that a line of so many bytes has behind its first one. */
static size_t width(size_t bytes)
{
	return (bytes + 2) / 3 * 4;
}

/* How many bytes the line at `at` stands for; *end: where the next one begins. 0: it is none, or the last. */
static size_t line(const struct within *w, size_t at, size_t *end)
{
	size_t bytes = at < w->n && w->p[at] > ' ' && w->p[at] <= ' ' + FULL ? (size_t)(w->p[at] - ' ') : 0, to = at + 1 + width(bytes);

	if (!bytes || to >= w->n)
		return 0;
	for (size_t i = at + 1; i < to; i++)
		if (w->p[i] < ' ' || w->p[i] > '`')
			return 0;
	to += w->p[to] == '\r' && to + 1 < w->n;
	if (w->p[to] != '\n' && bytes == FULL)
		return 0;
	*end = to + 1;
	return bytes;
}

static void decode(const unsigned char *p, size_t bytes, struct buf *out)
{
	for (size_t i = 0; bytes; i += 4) {
		unsigned long v = 0;

		for (size_t k = 0; k < 4; k++)
			v = v << 6 | ((p[i + k] - 32u) & 63u);
		for (size_t k = 0; k < 3 && bytes; k++, bytes--)
			buf_addc(out, (char)(v >> (16 - 8 * k)));
	}
}

void uuencode_look(struct within *w)
{
	const unsigned char *m;

	/* The first line of whatever is worth a look is full. */
	for (size_t at = 0; at + 1 + width(FULL) < w->n && *w->work && (m = memchr(w->p + at, ' ' + FULL, w->n - at)); at++) {
		struct carved c = { .coding = "uuencode", .encoded = true };
		size_t next, end, bytes;

		c.offset = next = end = at = (size_t)(m - w->p);
		if (carve_taken(w, at))
			continue;
		while ((bytes = line(w, next, &end))) {
			decode(w->p + next + 1, bytes, &c.bytes);
			next = end;
			if (bytes < FULL)
				break;
		}
		c.size = next - at;
		if (next > at && carve_work(w, c.size)) {
			carve_offer(w, &c);
			at = next - 1;
		} else {
			buf_free(&c.bytes);
		}
	}
}
