/* The index: what was put in is found, nothing else is, and no damage makes it say yes. */
#include "known/known.h"
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANY 1100000u   /* more than one sorted run */
#define ROOM_FROM 512u  /* of the header */
#define ROOM_TO 4096u

static char *dir;

static uint64_t state;
static uint64_t next(void)
{
	state += 0x9e3779b97f4a7c15u;
	uint64_t z = state;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void digest_of(uint64_t i, unsigned char d[KNOWN_DIGEST])
{
	state = i * 7919;
	for (int k = 0; k < 4; k++) {
		uint64_t v = next();

		memcpy(d + 8 * k, &v, 8);
	}
}

static struct build *begin(struct err *e)
{
	struct build *b = build_new(e);

	if (!b)
		exit(msg_fail(e));
	return b;
}

static void many(const char *path)
{
	struct err e = {0};
	struct build *b = begin(&e);
	unsigned char d[KNOWN_DIGEST];
	uint32_t one, two;
	uint64_t count = 0;
	int good = 1;
	struct index *x;
	struct index_hit hit;

	build_source(b, "one", &one, &e);
	build_source(b, "two", &two, &e);
	OK(one != two && !build_source(b, "one", &two, &e) && two == one, "a source's name has one number");
	for (uint64_t i = 0; i < MANY; i++) {
		char name[32];

		snprintf(name, sizeof(name), "/n/%llu", (unsigned long long)i);
		digest_of(i, d);
		good &= !build_add(b, d, one, i % 3 ? NULL : name, &e);
	}
	build_source(b, "two", &two, &e);
	for (uint64_t i = 0; i < MANY; i += 100) {   /* once more, from elsewhere */
		digest_of(i, d);
		good &= !build_add(b, d, two, "again", &e);
	}
	OK(good && !build_finish(b, path, &count, &e), "a million digests are built");
	OK(count == MANY, "each digest counts once");
	x = index_open(path, &e);
	OK(x && !index_verify(x, &e), "the index opens and verifies");
	if (!x)
		return;
	good = 1;
	for (uint64_t i = 0; i < MANY; i += 37) {
		digest_of(i, d);
		good &= index_find(x, d, &hit) && !strcmp(hit.source, i % 100 ? "one" : "one\ntwo");
		if (good && i % 3 == 0) {
			char name[32];

			snprintf(name, sizeof(name), "/n/%llu", (unsigned long long)i);
			good &= hit.name && !strcmp(hit.name, name);
		} else if (good) {
			good &= !hit.name;
		}
	}
	OK(good, "all are found, with all sources and the first name");
	good = 1;
	for (uint64_t i = 0; i < MANY; i += 37) {
		digest_of(i, d);
		d[next() % KNOWN_DIGEST] ^= (unsigned char)(1u << next() % 8);
		good &= !index_find(x, d, NULL);
		digest_of(MANY + i, d);
		good &= !index_find(x, d, NULL);
	}
	memset(d, 0, sizeof(d));
	good &= !index_find(x, d, NULL);
	memset(d, 0xff, sizeof(d));
	good &= !index_find(x, d, NULL);
	OK(good, "a digest with one other bit is not known, nor are strangers and the ends");
	OK(!index_find_hex(x, "no digest", NULL), "what is no digest is not known");
	index_close(x);
}

/* Digests that interpolation cannot tell apart, and clusters. */
static void skewed(const char *path)
{
	struct err e = {0};
	struct build *b = begin(&e);
	unsigned char d[KNOWN_DIGEST];
	uint32_t s;
	int good = 1;
	struct index *x;

	build_source(b, "s", &s, &e);
	for (unsigned i = 0; i < 3000; i++) {
		memset(d, i % 3 ? 0x11 : 0xee, sizeof(d));
		d[17] = (unsigned char)(i >> 8);
		d[18] = (unsigned char)i;
		build_add(b, d, s, NULL, &e);
	}
	build_finish(b, path, NULL, &e);
	x = index_open(path, &e);
	if (!OK(x, "an index of clusters opens"))
		return;
	for (unsigned i = 0; i < 6000; i++) {
		memset(d, i % 3 ? 0x11 : 0xee, sizeof(d));
		d[17] = (unsigned char)(i >> 8);
		d[18] = (unsigned char)i;
		good &= index_find(x, d, NULL) == (i < 3000);
	}
	OK(good, "clusters are searched well");
	index_close(x);
}

static void merged(const char *from, const char *path)
{
	struct err e = {0};
	struct build *b = begin(&e);
	struct index *old = index_open(from, &e), *x;
	struct index_hit hit;
	unsigned char d[KNOWN_DIGEST];
	uint64_t count = 0;
	uint32_t s;

	OK(old && !build_add_index(b, old, NULL, NULL, &e), "an index is taken into another");
	build_source(b, "new", &s, &e);
	memset(d, 0x42, sizeof(d));
	build_add(b, d, s, "/new", &e);
	memset(d, 0x11, sizeof(d));
	d[17] = 0;
	d[18] = 1;
	build_add(b, d, s, "/old", &e);
	build_from(b, KNOWN_FROM_DPKG, 1234);
	OK(!build_finish(b, path, &count, &e) && count == index_count(old) + 1, "what it had is not added again");
	index_close(old);
	x = index_open(path, &e);
	OK(x && index_find(x, d, &hit) && !strcmp(hit.source, "s\nnew"), "the old entry keeps its source beside the new one");
	memset(d, 0x42, sizeof(d));
	OK(x && index_find(x, d, &hit) && !strcmp(hit.source, "new") && !strcmp(hit.name, "/new"), "the new entry is there");
	OK(x && index_dpkg_time(x) == 1234 && index_from(x) == KNOWN_FROM_DPKG, "it knows when dpkg was read");
	index_close(x);
}

/* No fsync: there are hundreds. */
static void put(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || io_write(fd, p, n) < 0)
		exit(1);
	io_close(&fd);
}

static void damaged(const char *path, const char *copy)
{
	struct err e = {0};
	struct buf whole = {0};
	struct build *b = begin(&e);
	unsigned char d[KNOWN_DIGEST];
	uint32_t s;
	int good = 1;

	build_source(b, "s", &s, &e);
	for (uint64_t i = 0; i < 20; i++) {
		digest_of(i, d);
		build_add(b, d, s, "/some/name", &e);
	}
	build_finish(b, path, NULL, &e);
	OK(!io_slurp_path(path, MIB, &whole, &e), "a small index is read");
	/* A header that does not hold may be in the making, and is read for some milliseconds: most of it is room. */
	for (size_t i = 0; i < whole.len; i += i < ROOM_FROM || i >= ROOM_TO ? 1 : 16) {
		struct index *x;

		whole.p[i] ^= 0x10;
		put(copy, whole.p, whole.len);
		whole.p[i] ^= 0x10;
		err_clear(&e);
		x = index_open(copy, &e);
		good &= !x && e.code == EX_DATAERR;
		index_close(x);
	}
	OK(good, "a flipped bit anywhere is refused, 65");
	good = 1;
	for (size_t i = 0; i < whole.len; i++) {
		struct index *x;

		put(copy, whole.p, i);
		err_clear(&e);
		x = index_open(copy, &e);
		good &= !x && e.code == EX_DATAERR;
		index_close(x);
	}
	OK(good, "an index cut anywhere is refused, 65");
	whole.p[8] = 1;
	put(copy, whole.p, whole.len);
	OK(!index_open(copy, &e) && e.code == EX_DATAERR && strstr(e.msg, "mwhite build"), "the older format is refused, with what to do");
	OK(!index_open("/nonexistent/index", &e) && e.code == EX_NOINPUT, "a missing one is 66");
	OK(!index_open(dir, &e) && e.code == EX_DATAERR, "a folder is none");
	buf_free(&whole);
}

int main(void)
{
	char tmpl[] = "/tmp/known_index.XXXXXX";
	char *a, *b, *c;
	struct err e = {0};

	msg_level(-1);
	if (!(dir = mkdtemp(tmpl)))
		return 1;
	a = buf_printf("%s/a", dir);
	b = buf_printf("%s/b", dir);
	c = buf_printf("%s/c", dir);
	many(a);
	skewed(a);
	merged(a, b);
	damaged(a, c);
	io_rmtree(AT_FDCWD, dir, &e);
	free(a);
	free(b);
	free(c);
	return unit_end();
}
