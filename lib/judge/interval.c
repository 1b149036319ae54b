#include "judge/judge.h"

#include <math.h>

#define TERMS 10000        /* of the continued fraction: it converges in O(sqrt(max(a, b))) */
#define TINY 1e-300
#define CLOSE 1e-15
#define HALVINGS 100

/* The continued fraction of DLMF 8.17.22, by the modified Lentz method (Thompson and Barnett 1986). */
static double fraction(double x, double a, double b)
{
	double c = 1, d = 1 - (a + b) * x / (a + 1), h;
	int m;

	d = 1 / (fabs(d) < TINY ? TINY : d);
	h = d;
	for (m = 1; m < TERMS; m++) {
		double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
		double step;

		d = 1 + even * d;
		c = 1 + even / c;
		d = 1 / (fabs(d) < TINY ? TINY : d);
		c = fabs(c) < TINY ? TINY : c;
		h *= d * c;
		d = 1 + odd * d;
		c = 1 + odd / c;
		d = 1 / (fabs(d) < TINY ? TINY : d);
		c = fabs(c) < TINY ? TINY : c;
		step = d * c;
		h *= step;
		if (fabs(step - 1) < CLOSE)
			break;
	}
	return h;
}

double interval_beta(double x, double a, double b)
{
	double front;

	if (x <= 0)
		return 0;
	if (x >= 1)
		return 1;
	front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
	/* On the other side of the mean the fraction of the mirrored integral converges. */
	return x < (a + 1) / (a + b + 2) ? front * fraction(x, a, b) / a : 1 - front * fraction(1 - x, b, a) / b;
}

static double quantile(double p, double a, double b)
{
	double low = 0, high = 1;
	int i;

	for (i = 0; i < HALVINGS; i++) {
		double middle = (low + high) / 2;

		if (interval_beta(middle, a, b) < p)
			low = middle;
		else
			high = middle;
	}
	return (low + high) / 2;
}

void interval_clopper(long hits, long n, double confidence, double *low, double *high)
{
	double tail = (1 - confidence) / 2, k = (double)hits, rest = (double)(n - hits);

	*low = hits > 0 ? quantile(tail, k, rest + 1) : 0;
	*high = hits < n ? quantile(1 - tail, k + 1, rest) : 1;
}
