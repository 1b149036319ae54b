#include "known/lines.h"

#include <stdlib.h>
#include <string.h>

int lines_refuse(const struct lines *l, const char *why, struct err *e)
{
	return err_set(e, EX_DATAERR, "%s, line %llu: %s", err_q(l->what), (unsigned long long)l->number, why);
}

static int line(lines_fn *fn, void *ctx, struct lines *l, const char *text, size_t n, struct err *e)
{
	l->number++;
	if (!(l->number & 0xffff))
		progress("list", l->number, 0);
	return fn(ctx, l, text, n && text[n - 1] == '\r' ? n - 1 : n, e);
}

int lines_each(const char *path, size_t cap, lines_fn *fn, void *ctx, struct known_stats *s, struct err *e)
{
	struct lines l = {.path = path, .what = strcmp(path, "-") ? path : "standard input", .s = s};
	char *block = buf_alloc(cap);
	size_t have = 0;
	int rc = -1, fd = io_open_in(path, e);

	for (bool end = fd < 0; !end;) {
		ssize_t n = io_read(fd, block + have, cap - have);
		char *from = block, *nl;

		if (n < 0) {
			err_sys(e, "cannot read %s", err_q(l.what));
			goto out;
		}
		end = (size_t)n < cap - have;
		have += (size_t)n;
		s->bytes += (uint64_t)n;
		while ((nl = memchr(from, '\n', have - (size_t)(from - block)))) {
			if (line(fn, ctx, &l, from, (size_t)(nl - from), e) < 0)
				goto out;
			from = nl + 1;
		}
		have -= (size_t)(from - block);
		memmove(block, from, have);
		if (have == cap) {
			l.number++;
			lines_refuse(&l, "too long", e);
			goto out;
		}
	}
	if (fd >= 0 && (!have || line(fn, ctx, &l, block, have, e) == 0))
		rc = 0;
out:
	progress_end();
	io_close(&fd);
	free(block);
	return rc;
}

bool lines_digest(const char *s, size_t n, unsigned char digest[KNOWN_DIGEST])
{
	return n >= 2 * (size_t)KNOWN_DIGEST && !digest_unhex(s, digest, KNOWN_DIGEST);
}

int lines_add(struct build *b, const unsigned char *digest, uint32_t source, const char *name, size_t len, struct err *e)
{
	char text[4096];

	if (len >= sizeof(text))
		len = sizeof(text) - 1;
	if (len)
		memcpy(text, name, len);
	text[len] = 0;
	return build_add(b, digest, source, text, e);
}
