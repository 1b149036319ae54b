#include "internet/internal.h"

#include <ctype.h>

#define DIGITS_MOST 5

const char *text_numbers(const char *p, unsigned *v, size_t n, char between)
{
	for (size_t i = 0; i < n; i++) {
		int digits = 0;

		for (v[i] = 0; isdigit((unsigned char)*p) && digits < DIGITS_MOST; digits++)
			v[i] = v[i] * 10 + (unsigned)(*p++ - '0');
		if (!digits || isdigit((unsigned char)*p) || (i + 1 < n && *p++ != between))
			return NULL;
	}
	return p;
}
