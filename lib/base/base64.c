#include "base/base.h"

#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

json_t *jsonio_base64(const void *from, size_t n)
{
	const unsigned char *p = from;
	struct buf b = {0};
	json_t *j;

	buf_reserve(&b, n / 3 * 4 + 4);
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);

		buf_addc(&b, letters[v >> 18]);
		buf_addc(&b, letters[v >> 12 & 63]);
		buf_addc(&b, i + 1 < n ? letters[v >> 6 & 63] : '=');
		buf_addc(&b, i + 2 < n ? letters[v & 63] : '=');
	}
	j = json_stringn(buf_str(&b), b.len);
	buf_free(&b);
	return j;
}

/* The letter's six bits, or 64. */
static unsigned value(char c)
{
	const char *at = c ? strchr(letters, c) : NULL;

	return at ? (unsigned)(at - letters) : 64;
}

int jsonio_unbase64(const char *text, struct buf *out)
{
	size_t n = strlen(text), pad = 0;

	if (n % 4)
		return -1;
	while (pad < 2 && n && text[n - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < n; i += 4) {
		unsigned v = 0, least = i + 4 == n ? 4 - (unsigned)pad : 4;

		for (unsigned k = 0; k < 4; k++) {
			unsigned six = k < least ? value(text[i + k]) : 0;

			if (six > 63)
				return -1;
			v = v << 6 | six;
		}
		if (v & ((1u << 8 * (4 - least)) - 1))
			return -1;
		for (unsigned k = 0; k + 1 < least; k++)
			buf_addc(out, (char)(v >> (16 - 8 * k)));
	}
	return 0;
}
