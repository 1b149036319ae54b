#include "initrd/initrd.h"

#include "casefile/casefile.h"

struct stream { struct unroll *u; uint64_t *left; };

static ssize_t unrolled(void *ctx, const void **p, struct err *e)
{
	struct stream *s = ctx;
	ssize_t n = unroll_block(s->u, p, e);

	if (n > 0 && (uint64_t)n > *s->left)
		return err_set(e, EX_DATAERR, "it unpacks to more than %llu bytes", (unsigned long long)INITRD_MOST);
	if (n > 0)
		*s->left -= (uint64_t)n;
	return n;
}

/* A compressed run; *used: how long it is. */
static int compressed(const unsigned char *p, size_t n, uint64_t *left, uint64_t *number, const struct initrd_sink *sink, size_t *used,
                      struct err *e)
{
	size_t extent = extent_of(p, n);
	struct stream s = { unroll_open(p, extent, e), left };
	struct initrd_bytes b = { .ctx = &s, .next = unrolled };
	int rc;

	if (!s.u)
		return -1;
	rc = cpio_read(&b, number, sink, e);
	if (!rc && b.n)
		rc = err_set(e, EX_DATAERR, "what is compressed in it is no archive");
	*used = extent < n ? extent : unroll_used(s.u);
	unroll_close(s.u);
	return rc;
}

int image_read(const void *image, size_t n, const struct initrd_sink *sink, struct err *e)
{
	const unsigned char *p = image;
	uint64_t number = 0, left = INITRD_MOST;
	size_t at = 0, used;

	while (at < n) {
		struct initrd_bytes b = { .p = p + at, .n = n - at, .taken = at };

		if (cpio_read(&b, &number, sink, e) < 0)
			return -1;
		at = (size_t)b.taken;
		if (at >= n)
			break;
		if (compressed(p + at, n - at, &left, &number, sink, &used, e) < 0)
			return -1;
		if (!used || used > n - at)
			return err_set(e, EX_DATAERR, "a compressed run in it has no end");
		at += used;
	}
	return 0;
}
