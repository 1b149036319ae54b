#include "code/code.h"

#include <math.h>

void entropy_count(const void *p, size_t n, size_t count[256])
{
	const unsigned char *b = p;
	size_t lane[4][256] = { { 0 } }, i;

	/* four of each, for equal bytes stand together, and one counter would wait for itself */
	for (i = 0; i + 4 <= n; i += 4) {
		lane[0][b[i]]++;
		lane[1][b[i + 1]]++;
		lane[2][b[i + 2]]++;
		lane[3][b[i + 3]]++;
	}
	for (; i < n; i++)
		lane[0][b[i]]++;
	for (i = 0; i < 256; i++)
		count[i] += lane[0][i] + lane[1][i] + lane[2][i] + lane[3][i];
}

double entropy_counted(const size_t count[256], size_t n)
{
	double h = 0;

	for (int i = 0; i < 256; i++) {
		double f;

		if (!count[i])
			continue;
		f = (double)count[i] / (double)n;
		h -= f * log2(f);
	}
	return h > 0 ? h : 0;   /* never -0 */
}

double entropy_of(const void *p, size_t n)
{
	size_t count[256] = { 0 };

	entropy_count(p, n, count);
	return entropy_counted(count, n);
}
