#include "code/code.h"

#include <math.h>

double entropy_of(const void *p, size_t n)
{
	const unsigned char *b = p;
	size_t count[256] = { 0 };
	double h = 0;

	for (size_t i = 0; i < n; i++)
		count[b[i]]++;
	for (int i = 0; i < 256; i++) {
		double f;

		if (!count[i])
			continue;
		f = (double)count[i] / (double)n;
		h -= f * log2(f);
	}
	return h > 0 ? h : 0;   /* never -0 */
}
