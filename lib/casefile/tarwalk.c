#include "casefile/internal.h"

#include <stdlib.h>
#include <string.h>

/* Extended headers in front of one entry: pax's for all and for one, GNU's long name and long link. */
#define SPECIAL_MAX 4
#define SPECIAL_SIZE_MAX ((uint64_t)64 << 10)   /* names have 255 bytes */
#define SIZE_LIMIT ((uint64_t)1 << 60)

static bool zero(const unsigned char *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* Six octal digits, NUL, space: what all writers write, so that no byte of a header may change unseen. */
static bool checksum_ok(const unsigned char h[512])
{
	unsigned sum = 8 * ' ';
	char want[9];

	for (size_t i = 0; i < 512; i++)
		sum += i >= 148 && i < 156 ? 0 : h[i];
	snprintf(want, sizeof want, "%06o", sum);
	want[7] = ' ';
	return memcmp(h + 148, want, 8) == 0;
}

/* POSIX: 11 octal digits and a NUL or space; GNU for large ones: 0x80 and 11 bytes, most significant first. */
static bool size_of(const unsigned char h[512], uint64_t *size)
{
	const unsigned char *p = h + 124;
	uint64_t v = 0;

	if (p[0] == 0x80) {
		for (int i = 1; i < 12; i++) {
			if (v >= SIZE_LIMIT >> 8)
				return false;
			v = v << 8 | p[i];
		}
	} else {
		for (int i = 0; i < 11; i++) {
			if (p[i] < '0' || p[i] > '7')
				return false;
			v = v << 3 | (uint64_t)(p[i] - '0');
		}
		if (p[11] != '\0' && p[11] != ' ')
			return false;
	}
	*size = v;
	return true;
}

static void tarwalk_put(struct tarwalk *w, char type, uint64_t size)
{
	if (w->first == w->last)
		w->first = w->last = 0;
	if (w->last == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 64;
		w->queue = buf_realloc(w->queue, w->cap, sizeof *w->queue);
	}
	w->queue[w->last++] = (struct tarwalk_entry){ type, size };
}

static enum tarwalk_fault tarwalk_header(struct tarwalk *w)
{
	char type = (char)w->header[156];
	uint64_t size;

	if (!checksum_ok(w->header) || !size_of(w->header, &size))
		return TARWALK_HEADER;
	if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
		if (++w->special > SPECIAL_MAX || size > SPECIAL_SIZE_MAX)
			return TARWALK_HEADER;
	} else {
		w->special = 0;
		tarwalk_put(w, type, size);
	}
	w->data = size;
	w->padding = (size_t)(-size & 511);
	return TARWALK_SOUND;
}

size_t tarwalk_feed(struct tarwalk *w, const void *block, size_t n)
{
	const unsigned char *p = block;
	size_t at = 0, k;

	while (at < n && !w->fault) {
		if (w->end) {
			if (!zero(p + at, n - at)) {
				w->fault = TARWALK_TAIL;
				return at;
			}
			w->end += n - at;
			return n;
		}
		if (w->data) {
			k = w->data < n - at ? (size_t)w->data : n - at;
			w->data -= k;
		} else if (w->padding) {
			k = w->padding < n - at ? w->padding : n - at;
			if (!zero(p + at, k)) {
				w->fault = TARWALK_PADDING;
				return at;
			}
			w->padding -= k;
		} else {
			k = sizeof w->header - w->have < n - at ? sizeof w->header - w->have : n - at;
			memcpy(w->header + w->have, p + at, k);
			w->have += k;
			if (w->have == sizeof w->header) {
				w->have = 0;
				if (zero(w->header, sizeof w->header) && !w->special)
					w->end = sizeof w->header;
				else
					w->fault = tarwalk_header(w);
				if (w->fault)
					return at;
			}
		}
		at += k;
	}
	return at;
}

bool tarwalk_take(struct tarwalk *w, struct tarwalk_entry *out)
{
	if (w->first == w->last)
		return false;
	*out = w->queue[w->first++];
	return true;
}

bool tarwalk_whole(const struct tarwalk *w)
{
	return !w->fault && w->end >= 1024 && w->end % 512 == 0;
}

void tarwalk_free(struct tarwalk *w)
{
	free(w->queue);
}
