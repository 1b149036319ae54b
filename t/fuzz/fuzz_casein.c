/*
 * The case reader and writer, on anything. rooms: casefile base
 * The first byte says how the rest is meant: 's' an archive whose headers get right checksums, so that changed names, sizes
 * and types come past them, 'w' members to write, else an archive as it is. What passes the filter passes again and comes
 * out the same; what the writer accepts, the reader gives back.
 */
#include "casefile/casefile.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int scratch(int *fd, const void *p, size_t n)
{
	if (*fd < 0)
		*fd = memfd_create("case", MFD_CLOEXEC);
	if (*fd < 0 || ftruncate(*fd, 0) || lseek(*fd, 0, SEEK_SET) || (n && io_write(*fd, p, n)) || lseek(*fd, 0, SEEK_SET))
		abort();
	return *fd;
}

static void contents(int fd, struct buf *out)
{
	struct err e;

	buf_clear(out);
	if (lseek(fd, 0, SEEK_SET) || io_slurp(fd, 64 * MIB, out, "scratch", &e))
		abort();
}

/* Where a ustar header may stand: its checksum as it should be. */
static void right_checksums(unsigned char *p, size_t n)
{
	for (size_t at = 0; n >= 512 && at <= n - 512; at += 512) {
		unsigned char *h = p + at;
		unsigned sum = 8 * ' ';
		char text[9];

		if (memcmp(h + 257, "ustar", 5))
			continue;
		for (size_t i = 0; i < 512; i++)
			sum += i >= 148 && i < 156 ? 0 : h[i];
		snprintf(text, sizeof text, "%06o", sum);
		memcpy(h + 148, text, 7);
		h[155] = ' ';
	}
}

static void archive(const uint8_t *p, size_t n)
{
	static const struct casefilter f;
	static int in = -1, first = -1, second = -1;
	static struct buf a, b;
	struct err e = { 0 };

	scratch(&first, NULL, 0);
	scratch(&second, NULL, 0);
	if (casefilter_run(&f, scratch(&in, p, n), first, &e)) {
		if (e.code != EX_DATAERR || !*e.msg || strchr(e.msg, '\n'))
			abort();
		/* And nothing whole came out. */
		lseek(first, 0, SEEK_SET);
		if (casefilter_run(&f, first, -1, &e) == 0)
			abort();
		return;
	}
	lseek(first, 0, SEEK_SET);
	if (casefilter_run(&f, first, second, &e))
		abort();
	contents(first, &a);
	contents(second, &b);
	if (a.len != b.len || memcmp(a.p, b.p, a.len))
		abort();
}

struct written { char path[CAP_PATH + 1]; const uint8_t *p; size_t n; };

/* Members, each: a line with the name, a byte for the size, the bytes. */
static void members(const uint8_t *p, size_t n)
{
	static const char head[] = "{\"format\":\"muss-case/1\",\"id\":\"0123456789abcdef0123456789abcdef\"}";
	static int fd = -1;
	struct written w[64];
	size_t count = 0, got = 0;
	struct err e = { 0 };
	struct caseout *out = caseout_open(scratch(&fd, NULL, 0), n & 1, &e);
	const struct member *m;
	struct casein *in;
	struct buf b = { 0 };
	int rc;

	if (!out || caseout_bytes(out, "case.json", 0644, head, strlen(head), &e))
		abort();
	while (n && count < 64) {
		const uint8_t *line = memchr(p, '\n', n);
		size_t len = line ? (size_t)(line - p) : n, size;

		if (!line || len > CAP_PATH || line + 1 == p + n)
			break;
		memcpy(w[count].path, p, len);
		w[count].path[len] = '\0';
		size = line[1];
		n -= len + 2;
		p = line + 2;
		size = size < n ? size : n;
		w[count].p = p;
		w[count].n = size;
		p += size;
		n -= size;
		/* What is refused has no effect, but for a member that was begun. */
		if (caseout_begin(out, w[count].path, 0644, size, &e)) {
			if (e.code != EX_DATAERR)
				abort();
			caseout_abort(out);
			return;
		}
		if (caseout_write(out, w[count].p, size, &e))
			abort();
		if (caseout_end(out, &e)) {   /* a body under another name */
			caseout_abort(out);
			return;
		}
		if (!strncmp(w[count].path, "MANIFEST", 8) && (!w[count].path[8] || !strcmp(w[count].path + 8, ".sig"))) {
			caseout_abort(out);   /* is the writer's own */
			return;
		}
		count++;
	}
	if (caseout_finish(out, NULL, NULL, &e))
		abort();
	lseek(fd, 0, SEEK_SET);
	in = casein_open(fd, &e);
	if (!in)
		abort();
	while ((rc = casein_next(in, &m, &e)) > 0) {
		if (m->kind == MEMBER_CASE)
			continue;
		buf_clear(&b);
		if (got == count || strcmp(m->path, w[got].path) || m->size != w[got].n || casein_load(in, 1000, &b, &e)) {
			rc = -1;
			break;
		}
		if (b.len != w[got].n || (b.len && memcmp(b.p, w[got].p, b.len)))
			abort();
		got++;
	}
	/* The writer does not look into JSON; the reader counts its depth. */
	if ((rc < 0 && !strstr(e.msg, "JSON nested")) || (rc == 0 && got != count))
		abort();
	casein_close(in);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint8_t *copy;

	if (n < 1)
		return 0;
	if (*p == 'w') {
		members(p + 1, n - 1);
		return 0;
	}
	copy = malloc(n);
	if (!copy)
		return 0;
	memcpy(copy, p + 1, n - 1);
	if (*p == 's')
		right_checksums(copy, n - 1);
	archive(copy, n - 1);
	free(copy);
	return 0;
}
