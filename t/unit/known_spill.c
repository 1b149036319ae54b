/* Entries on their way into an index: what was handed in comes back, in order, whatever their number and form; and what fails is told. */
#include "known/known-format.h"
#include "known/spill.h"
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 300000u   /* parts have several blocks each, and the batches go round many times */

/* By a counter, so that all of it can be asked for again. */
static struct entry entry(uint32_t i, bool names)
{
	struct entry n = {.source = i % 7, .name = names && i % 3 ? i : FORMAT_NO_NAME};
	uint64_t z = i + 1;

	for (unsigned k = 0; k < 4; k++) {
		z = (z + k) * 0x9e3779b97f4a7c15u;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z ^= z >> 27;
		memcpy(n.digest + 8 * k, &z, 8);
	}
	return n;
}

static int order(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;
	int c = memcmp(a->digest, b->digest, KNOWN_DIGEST);

	return c ? c : a->source < b->source ? -1 : a->source > b->source;
}

/* Names from entry `named` on. */
static bool come_back(uint32_t n, uint32_t named, unsigned kept)
{
	struct err e = {0};
	struct spill *s = spill_new(&e);
	struct entry *put = buf_alloc((n + 1) * sizeof(*put)), *got = buf_alloc((n + 1) * sizeof(*got)), *work = buf_alloc((n + 1) * sizeof(*work));
	const struct spread *r;
	bool good = s != NULL;
	size_t have = 0;

	for (uint32_t i = 0; good && i < n; i++) {
		put[i] = entry(i, i >= named);
		good = spill_add(s, &put[i], &e) == 0;
		memset(put[i].digest + kept, 0, KNOWN_DIGEST - kept);
		if (i == n / 2)
			good &= spill_count(s) == i + 1;
	}
	good = good && spill_count(s) == n && (r = spill_close(s, &e)) && !spread_cut(r);
	for (uint32_t part = 0; good && part < SPREAD_PARTS; part++) {
		size_t count = (size_t)spread_part_count(r, part);

		good = have + count <= n && spread_load(r, part, work, kept, &e) == 0;
		if (!good)
			break;
		spread_sort(work, got + have, count, SPREAD_BITS);
		have += count;
	}
	qsort(put, n, sizeof(*put), order);
	good = good && have == n && !memcmp(put, got, n * sizeof(*put));
	spill_free(s);
	free(put);
	free(got);
	free(work);
	return good;
}

/* In a process of its own, which may write so much to a file: whether it is told that it could not write more, each time. */
static bool full_disk_told(void)
{
	pid_t child = fork();
	int status = 0;

	if (!child) {
		struct rlimit little = {MIB, MIB};
		struct err e = {0};
		struct spill *s = spill_new(&e);
		uint32_t i = 0;

		signal(SIGXFSZ, SIG_IGN);
		if (!s || setrlimit(RLIMIT_FSIZE, &little) < 0)
			_exit(1);
		for (int rc = 0; !rc && i < 20 * MANY; i++) {
			struct entry n = entry(i, false);

			rc = spill_add(s, &n, &e);
		}
		if (i == 20 * MANY || e.code != EX_IOERR)
			_exit(2);
		for (uint32_t k = 0; k < MANY; k++) {   /* a caller that does not look */
			struct entry n = entry(k, false);

			memset(&e, 0, sizeof(e));
			if (k % 10000 == 0)
				spill_count(s);
			if (!spill_add(s, &n, &e) && k > 40000)
				continue;   /* the batch it is in fails when it is full */
		}
		memset(&e, 0, sizeof(e));
		if (spill_close(s, &e) || e.code != EX_IOERR)
			_exit(3);
		spill_free(s);
		_exit(0);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* So many that begin alike are no SHA-256: refused, whichever call tells it. */
static bool alike_refused(void)
{
	struct err e = {0};
	struct spill *s = spill_new(&e);
	int rc = s ? 0 : -1;

	for (uint32_t i = 0; !rc && i < 9000000; i++) {
		struct entry n = entry(i, false);

		n.digest[0] = n.digest[1] = 0;
		rc = spill_add(s, &n, &e);
	}
	if (!rc && !spill_close(s, &e))
		rc = -1;
	spill_free(s);
	return rc < 0 && e.code == EX_DATAERR && strstr(e.msg, "begin with the same");
}

/* The same few, over and over: one of each stays. */
static bool repeated_stay_few(void)
{
	struct err e = {0};
	struct spill *s = spill_new(&e);
	const struct spread *r = NULL;
	bool good = s != NULL;

	for (uint32_t i = 0; good && i < 9000000; i++) {
		struct entry n = entry(i % 5, false);

		n.digest[0] = n.digest[1] = 0;
		good = spill_add(s, &n, &e) == 0;
	}
	good = good && (r = spill_close(s, &e)) && spread_count(r) < 1000000 && spread_part_count(r, 0) == spread_count(r);
	spill_free(s);
	return good;
}

int main(void)
{
	OK(come_back(0, 0, KNOWN_DIGEST), "nothing handed in, nothing comes back");
	OK(come_back(1, 0, KNOWN_DIGEST), "one comes back");
	OK(come_back(MANY, MANY, KNOWN_DIGEST), "many without names come back");
	OK(come_back(MANY, 0, KNOWN_DIGEST), "many with names, and some without between, come back");
	OK(come_back(MANY, MANY / 2, KNOWN_DIGEST), "names that begin midway come back");
	OK(come_back(MANY, MANY / 2, FORMAT_KEPT), "what is loaded cut has zeros behind");
	OK(full_disk_told(), "a full disk is told, and again to who asks on");
	OK(alike_refused(), "millions that begin alike are refused");
	OK(repeated_stay_few(), "what is handed in over and over stays once");
	return unit_end();
}
