#include "export/internal.h"

#include <stdlib.h>
#include <string.h>

/* Drawn once at random: what is made of it is the same wherever the same case is exported. */
static const unsigned char ours[16] = { 0x6d, 0x1c, 0x9e, 0x42, 0x57, 0xb3, 0x4f, 0x0a, 0x9d, 0x21, 0xc4, 0x78, 0x0e, 0x5b, 0xa6, 0x93 };

void uuid_v5(const unsigned char space[16], const void *name, size_t n, char out[UUID_TEXT])
{
	struct digest *d = digest_new_sha1();
	unsigned char raw[20];
	char hex[DIGEST_HEX];

	digest_add(d, space, 16);
	digest_add(d, name, n);
	digest_end(d, hex);
	digest_free(d);
	digest_unhex(hex, raw, sizeof raw);
	raw[6] = (unsigned char)((raw[6] & 0x0f) | 0x50);
	raw[8] = (unsigned char)((raw[8] & 0x3f) | 0x80);
	digest_tohex(raw, 16, hex);
	snprintf(out, UUID_TEXT, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

void uuid_ours(char out[UUID_TEXT], const char *kind, ...)
{
	struct buf b = { 0 };
	va_list ap;

	va_start(ap, kind);
	for (const char *s = kind; s; s = va_arg(ap, const char *))
		buf_add(&b, s, strlen(s) + 1);
	va_end(ap);
	uuid_v5(ours, b.p, b.len, out);
	buf_free(&b);
}
