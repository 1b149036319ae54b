#include "base/base.h"

#include <errno.h>
#include <string.h>

#define QUOTE_MAX 200   /* longer names add nothing to a message */
#define QUOTE_RING 8

static int code_of_errno(int n)
{
	switch (n) {
	case ENOENT: case ENOTDIR:
		return EX_NOINPUT;
	case EACCES: case EPERM:
		return EX_NOPERM;
	case ENOMEM: case EMFILE: case ENFILE: case EAGAIN:
		return EX_TEMPFAIL;
	default:
		return EX_IOERR;
	}
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	return -1;
}

int err_sys(struct err *e, const char *fmt, ...)
{
	int n = errno;
	char cause[128];
	size_t len;
	va_list ap;

	e->code = code_of_errno(n);
	va_start(ap, fmt);
	vsnprintf(e->msg, sizeof e->msg, fmt, ap);
	va_end(ap);
	len = strlen(e->msg);
	snprintf(e->msg + len, sizeof e->msg - len, ": %s", strerror_r(n, cause, sizeof cause));
	errno = n;
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char prefix[sizeof e->msg], old[sizeof e->msg];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(prefix, sizeof prefix, fmt, ap);
	va_end(ap);
	memcpy(old, e->msg, sizeof old);
	/* Cut on purpose: a message too long for its buffer keeps its beginning. */
	if (snprintf(e->msg, sizeof e->msg, "%s: %s", prefix, old) >= (int)sizeof e->msg)
		e->msg[sizeof e->msg - 1] = '\0';
	return -1;
}

void err_clear(struct err *e)
{
	e->code = 0;
	e->msg[0] = '\0';
}

/* Characters that move the cursor, reorder text or cannot be seen. */
static bool disturbs(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == '\\' || c == '\'' || c == 0xad || c == 0x61c ||
		(c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069) ||
		c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

const char *err_qn(const void *s, size_t len)
{
	static _Thread_local char ring[QUOTE_RING][QUOTE_MAX * 4 + 8];
	static _Thread_local unsigned turn;
	const unsigned char *p = s;
	char *out = ring[turn++ % QUOTE_RING], *w = out;
	size_t i = 0;

	*w++ = '\'';
	while (i < len && i < QUOTE_MAX) {
		uint32_t cp = 0;
		size_t n = utf8_length(p + i, len - i, &cp);

		if (n == 0 || disturbs(cp)) {
			size_t k = n ? n : 1;

			if (n == 1 && (cp == '\\' || cp == '\'')) {
				*w++ = '\\';
				*w++ = (char)cp;
			} else {
				for (size_t j = 0; j < k; j++)
					w += snprintf(w, 5, "\\x%02x", p[i + j]);
			}
			i += k;
		} else {
			memcpy(w, p + i, n);
			w += n;
			i += n;
		}
	}
	*w++ = '\'';
	if (i < len) {
		memcpy(w, "...", 3);
		w += 3;
	}
	*w = '\0';
	return out;
}

const char *err_q(const char *s)
{
	return err_qn(s ? s : "(null)", s ? strlen(s) : 6);
}
