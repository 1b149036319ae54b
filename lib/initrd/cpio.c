/* cpio's new ASCII formats. The kernel takes archives one behind the other, with zeros between them, and needs no trailer. */
#include "initrd/initrd.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 110u
#define CAP_NAME 4096u            /* PATH_MAX, as the kernel has it */
#define TYPE 0170000u
#define REGULAR 0100000u

enum { MODE = 1, LINKS = 4, SIZE = 6, NAME_SIZE = 11, FIELDS = 13 };

/* True while there are bytes; *bad when they cannot be had. */
static bool fill(struct initrd_bytes *b, bool *bad, struct err *e)
{
	const void *p = NULL;
	ssize_t n;

	if (b->n)
		return true;
	n = b->next ? b->next(b->ctx, &p, e) : 0;
	*bad |= n < 0;
	b->p = p;
	b->n = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static size_t some(const struct initrd_bytes *b, uint64_t want)
{
	return want < b->n ? (size_t)want : b->n;
}

static void advance(struct initrd_bytes *b, size_t n)
{
	b->p += n;
	b->n -= n;
	b->taken += n;
}

static int cut(bool bad, struct err *e)
{
	return bad ? -1 : err_set(e, EX_DATAERR, "it ends within an archive");
}

static int get(struct initrd_bytes *b, void *to, size_t n, struct err *e)
{
	bool bad = false;
	size_t k;

	for (; n; n -= k, to = (char *)to + k) {
		if (!fill(b, &bad, e))
			return cut(bad, e);
		k = some(b, n);
		memcpy(to, b->p, k);
		advance(b, k);
	}
	return 0;
}

/* To a multiple of four, as the image counts, or a compressed run. The end may be missing there. */
static int pad(struct initrd_bytes *b, struct err *e)
{
	bool bad = false;

	while (b->taken % 4 && fill(b, &bad, e))
		advance(b, 1);
	return bad ? -1 : 0;
}

static bool number(const char *p, uint32_t *v)
{
	unsigned i;

	for (*v = 0, i = 0; i < 8; i++) {
		const char *digits = "0123456789abcdef", *d = p[i] ? strchr(digits, p[i] >= 'A' && p[i] <= 'F' ? p[i] + 32 : p[i]) : NULL;

		if (!d)
			return false;
		*v = *v << 4 | (uint32_t)(d - digits);
	}
	return true;
}

/* "./a//b/../c" is "a/c". */
static void clean(char *path)
{
	char *to = path, *from = path;

	while (*from) {
		size_t n = strcspn(from, "/");

		if (n == 2 && from[0] == '.' && from[1] == '.') {
			while (to > path && *--to != '/')
				;
		} else if (n && !(n == 1 && *from == '.')) {
			if (to > path)
				*to++ = '/';
			memmove(to, from, n);
			to += n;
		}
		from += n;
		from += *from == '/';
	}
	*to = '\0';
}

static int data(struct initrd_bytes *b, const struct initrd_file *f, const struct initrd_sink *sink, struct err *e)
{
	uint64_t left = f ? f->size : 0;
	bool bad = false;
	size_t k;

	if (sink->file)
		sink->file(sink->ctx, f);
	for (; left; left -= k) {
		if (!fill(b, &bad, e))
			return cut(bad, e);
		k = some(b, left);
		if (sink->part)
			sink->part(sink->ctx, f, b->p, k);
		advance(b, k);
	}
	if (sink->part)
		sink->part(sink->ctx, f, NULL, 0);
	return 0;
}

static int skip(struct initrd_bytes *b, uint64_t n, struct err *e)
{
	bool bad = false;
	size_t k;

	for (; n; n -= k) {
		if (!fill(b, &bad, e))
			return cut(bad, e);
		k = some(b, n);
		advance(b, k);
	}
	return 0;
}

static int member(struct initrd_bytes *b, uint64_t *count, const struct initrd_sink *sink, struct err *e)
{
	char header[HEADER], name[CAP_NAME + 1];
	uint32_t v[FIELDS];
	struct initrd_file f = { .path = name };
	bool trailer;
	unsigned i;

	if (get(b, header, sizeof(header), e) < 0)
		return -1;
	if (memcmp(header, "070701", 6) != 0 && memcmp(header, "070702", 6) != 0)
		return err_set(e, EX_DATAERR, "an archive is in another format than the kernel's");
	for (i = 0; i < FIELDS; i++)
		if (!number(header + 6 + (size_t)8 * i, &v[i]))
			return err_set(e, EX_DATAERR, "an archive's header is none");
	if (!v[NAME_SIZE] || v[NAME_SIZE] > CAP_NAME)
		return err_set(e, EX_DATAERR, "a name in an archive has %u bytes", (unsigned)v[NAME_SIZE]);
	if (get(b, name, v[NAME_SIZE], e) < 0 || pad(b, e) < 0)
		return -1;
	name[v[NAME_SIZE]] = '\0';
	trailer = !strcmp(name, "TRAILER!!!");
	clean(name);
	f.mode = v[MODE] & 07777;
	f.size = v[SIZE];
	f.linked = v[LINKS] > 1;
	/* of hard links one bears the bytes, mostly the last */
	if ((v[MODE] & TYPE) != REGULAR || trailer)
		return skip(b, f.size, e) < 0 ? -1 : pad(b, e);
	f.number = (*count)++;
	return data(b, &f, sink, e) < 0 ? -1 : pad(b, e);
}

int cpio_read(struct initrd_bytes *b, uint64_t *count, const struct initrd_sink *sink, struct err *e)
{
	bool bad = false;

	while (fill(b, &bad, e)) {
		if (!*b->p)
			advance(b, 1);
		else if (*b->p != '0' || b->taken % 4)   /* the kernel takes it there for a compression that it does not know */
			return 0;
		else if (member(b, count, sink, e) < 0)
			return -1;
	}
	return bad ? -1 : 0;
}
