/*
 * knownbench: the whitelist index with N digests, which a hash makes from a counter: knownbench build N FILE, then
 * knownbench ask N FILE. Prints "name value" lines; t/bench-known.sh holds them against what is asked.
 */
#include "known/known.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define BATCH 4096u
#define SOURCES 1000u

/* SplitMix64: a counter through a hash. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void digest_of(uint64_t i, unsigned char *d)
{
	for (unsigned k = 0; k < 4; k++) {
		uint64_t v = mix((i * 4 + k) * 0x9e3779b97f4a7c15u);

		memcpy(d + 8 * k, &v, 8);
	}
}

static double clock_of(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double now(void)
{
	return clock_of(CLOCK_MONOTONIC);
}

static double cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void check(int rc, const struct err *e)
{
	if (rc < 0)
		exit(msg_fail(e));
}

static void build(uint64_t n, const char *path)
{
	struct err e = {0};
	double start = now(), before = cpu();
	struct build *b = build_new(&e);
	uint32_t source[SOURCES];
	unsigned char d[KNOWN_DIGEST];
	uint64_t count = 0;
	struct rusage u;

	if (!b)
		exit(msg_fail(&e));
	for (unsigned i = 0; i < SOURCES; i++) {
		char name[32];

		snprintf(name, sizeof(name), "list %u", i);
		check(build_source(b, name, &source[i], &e), &e);
	}
	for (uint64_t i = 0; i < n; i++) {
		digest_of(i, d);
		check(build_add(b, d, source[mix(i) % SOURCES], NULL, &e), &e);
		if (!(i & 0xfffff))
			progress("add", i, n);
	}
	printf("adding_seconds %.2f\n", now() - start);
	check(build_finish(b, path, &count, &e), &e);
	getrusage(RUSAGE_SELF, &u);
	printf("build_seconds %.2f\nbuild_cpu %.2f\nbuild_mib %ld\ncount %llu\n", now() - start, cpu() - before, u.ru_maxrss / 1024,
		(unsigned long long)count);
}

static void fill(unsigned char (*d)[KNOWN_DIGEST], uint64_t from, uint64_t n, bool strange, uint64_t *seed)
{
	for (unsigned i = 0; i < BATCH; i++)
		digest_of((strange ? n : 0) + mix(++*seed) % n + (strange ? from : 0), d[i]);
}

/* Pages of files in this process. */
static long file_kib(void)
{
	struct buf b = {0};
	const char *at;
	long kib = -1;

	if (io_slurp_at(-1, "/proc/self/status", MIB, &b) >= 0 && (at = strstr(buf_str(&b), "RssFile:")))
		kib = strtol(at + 8, NULL, 10);
	buf_free(&b);
	return kib;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

#define ROUNDS 1250u

/* ns of one core a look-up, the median of all batches, so that it is not the others' work on the machine that is measured; *wrong
 * counts wrong answers. The digests are made before the clock runs. */
static double ask(const struct index *x, uint64_t n, bool strange, bool one_by_one, uint64_t *wrong)
{
	unsigned char (*d)[KNOWN_DIGEST] = buf_alloc(BATCH * sizeof(*d));
	bool *known = buf_alloc(BATCH * sizeof(*known));
	uint64_t seed = strange ? 1 : 1000000007;
	double spent[ROUNDS];

	for (unsigned k = 0; k < ROUNDS; k++) {
		double start;

		fill(d, k, n, strange, &seed);
		start = clock_of(CLOCK_THREAD_CPUTIME_ID);
		if (one_by_one)
			for (unsigned i = 0; i < BATCH; i++)
				known[i] = index_find(x, d[i], NULL);
		else
			index_find_many(x, (const unsigned char (*)[KNOWN_DIGEST])d, BATCH, known);
		spent[k] = clock_of(CLOCK_THREAD_CPUTIME_ID) - start;
		for (unsigned i = 0; i < BATCH; i++)
			*wrong += known[i] == strange;
	}
	free(d);
	free(known);
	qsort(spent, ROUNDS, sizeof(*spent), compare);
	return spent[ROUNDS / 2] / BATCH * 1e9;
}

static void ask_all(uint64_t n, const char *path)
{
	struct err e = {0};
	double start, best = 1e9;
	uint64_t wrong = 0;
	struct index *x = NULL;

	for (unsigned i = 0; i < 5; i++) {
		index_close(x);
		start = now();
		x = index_open(path, &e);
		if (!x)
			exit(msg_fail(&e));
		best = now() - start < best ? now() - start : best;
	}
	printf("open_ms %.3f\nopen_kib %ld\n", best * 1000, file_kib());
	/* Those that are known first: they touch all pages, so that no page is mapped under the clock later. */
	printf("positive_single_ns %.1f\n", ask(x, n, false, true, &wrong));
	printf("positive_ns %.1f\n", ask(x, n, false, false, &wrong));
	printf("negative_ns %.1f\n", ask(x, n, true, false, &wrong));
	printf("negative_single_ns %.1f\nwrong %llu\n", ask(x, n, true, true, &wrong), (unsigned long long)wrong);
	index_close(x);
}

int main(int argc, char **argv)
{
	uint64_t n = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;

	msg_init("knownbench");
	if (!n)
		return EX_USAGE;
	if (!strcmp(argv[1], "build"))
		build(n, argv[3]);
	else
		ask_all(n, argv[3]);
	return 0;
}
