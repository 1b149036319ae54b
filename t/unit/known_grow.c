/* An index that grows: additions and revocations in any order, against a plain table of what must be known. */
#include "known/build.h"
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALL 30000u
#define STRANGERS 3000u

static char dir[] = "/tmp/known_grow.XXXXXX";
static char *path, *copy;
static struct { bool added[3], revoked; } table[ALL];   /* by source */

static uint64_t state = 1;
static uint64_t next(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static const unsigned char *digest(uint64_t i)
{
	static char hex[DIGEST_HEX];
	static unsigned char d[KNOWN_DIGEST];

	digest_bytes(&i, sizeof(i), hex);
	digest_unhex(hex, d, sizeof(d));
	return d;
}

static void must(int rc, const struct err *e)
{
	if (rc < 0)
		exit(msg_fail(e));
}

/* Some digests from one source, some revoked. */
static uint64_t change(struct build *b, unsigned adds, unsigned revokes)
{
	struct err e = {0};
	static const char *const names[] = {"dir /a", "list b", "dpkg c 1"};
	unsigned source = (unsigned)(next() % 3);
	uint64_t count = 0;
	uint32_t number;

	must(build_source(b, names[source], &number, &e), &e);
	for (unsigned i = 0; i < adds; i++) {
		uint64_t which = next() % ALL;
		char name[32];

		snprintf(name, sizeof(name), "/f/%llu", (unsigned long long)which);
		must(build_add(b, digest(which), number, which % 2 ? name : NULL, &e), &e);
		table[which].added[source] = true;
	}
	for (unsigned i = 0; i < revokes; i++) {
		uint64_t which = next() % ALL;

		build_revoke(b, digest(which));
		table[which].revoked = true;
	}
	must(build_finish(b, path, &count, &e), &e);
	return count;
}

static bool known(uint64_t i)
{
	return i < ALL && !table[i].revoked && (table[i].added[0] || table[i].added[1] || table[i].added[2]);
}

static bool right(uint64_t i, const struct index_hit *hit)
{
	char name[32];

	snprintf(name, sizeof(name), "/f/%llu", (unsigned long long)i);
	return source_has(hit->source, "dir /a") == table[i].added[0] && source_has(hit->source, "list b") == table[i].added[1] &&
	       source_has(hit->source, "dpkg c 1") == table[i].added[2] && (i % 2 ? hit->name && !strcmp(hit->name, name) : !hit->name);
}

static int count_walk(void *ctx, const unsigned char *d, const struct index_hit *hit)
{
	uint64_t *n = ctx;

	(void)d;
	(void)hit;
	++*n;
	return 0;
}

/* Whether the index says what the table says, one by one, many at once and when all are listed. */
static bool agrees(const struct index *x)
{
	static unsigned char d[ALL + STRANGERS][KNOWN_DIGEST];
	static bool many[ALL + STRANGERS];
	uint64_t expected = 0, walked = 0;
	bool good = true;

	for (uint64_t i = 0; i < ALL + STRANGERS; i++) {
		struct index_hit hit;

		memcpy(d[i], digest(i), KNOWN_DIGEST);
		good &= index_find(x, d[i], &hit) == known(i) && (!known(i) || right(i, &hit));
		expected += known(i);
	}
	good &= index_find_many(x, (const unsigned char (*)[KNOWN_DIGEST])d, ALL + STRANGERS, many) == expected;
	for (uint64_t i = 0; i < ALL + STRANGERS; i++)
		good &= many[i] == known(i);
	index_walk(x, 0, count_walk, &walked);
	return good && walked == expected && index_count(x) == expected;
}

static struct build *extend(void)
{
	struct err e = {0};
	struct build *b = build_new(&e);

	if (!b || build_extend(b, path, &e) < 0)
		exit(msg_fail(&e));
	return b;
}

static off_t size_of(const char *file)
{
	struct stat st;

	return stat(file, &st) ? -1 : st.st_size;
}

/* cut: as an index of many digests, which keeps 152 bits of each. */
static void grows(bool cut)
{
	struct err e = {0};
	struct build *b = build_new(&e);
	bool good = true, few = true;
	unsigned most = 0;

	memset(table, 0, sizeof(table));
	b->cut = cut;
	change(b, 20000, 5);
	for (int round = 0; round < 24; round++) {
		struct index *x;
		uint64_t count;

		b = extend();
		b->cut |= cut && round % 3;
		count = change(b, (unsigned)(next() % (round % 5 ? 40 : 1500)), (unsigned)(next() % 4));
		x = index_open(path, &e);
		if (!x || x->live != count || index_verify(x, &e) < 0) {
			good = false;
			break;
		}
		most = x->n > most ? x->n : most;
		for (unsigned i = 0; i + 1 < x->n; i++)
			few &= x->segments[i].count >= 8 * x->segments[i + 1].count;
		if (round % 6 == 5)
			good &= agrees(x);
		good &= x->segments[0].shape.kept == (cut ? 19 : 32);
		index_close(x);
	}
	OK(good, cut ? "152 bits: what was added and not revoked is known, nothing else" : "what was added and not revoked is known, nothing else");
	OK(few && most > 1 && most < 6, "segments stay few");
}

static void beside(void)
{
	struct err e = {0};
	struct index *old = index_open(path, &e), *x;
	struct build *b = extend();
	off_t before = size_of(path);
	uint64_t count = index_count(old);
	unsigned char new[KNOWN_DIGEST];
	uint32_t number;

	memcpy(new, digest(ALL + 1), sizeof(new));
	must(build_source(b, "list late", &number, &e), &e);
	must(build_add(b, new, number, NULL, &e), &e);
	must(build_finish(b, path, NULL, &e), &e);
	OK(size_of(path) > before && size_of(path) < before + 40000, "one more digest is put behind the others");
	OK(!index_find(old, new, NULL) && index_count(old) == count && agrees(old), "who has the index open sees what it was");
	x = index_open(path, &e);
	OK(x && index_find(x, new, NULL) && index_count(x) == count + 1, "who opens it sees what it is");
	index_close(x);
	b = extend();
	build_revoke(b, new);
	must(build_source(b, "dir /again", &number, &e), &e);
	must(build_add(b, new, number, NULL, &e), &e);
	must(build_finish(b, path, NULL, &e), &e);
	x = index_open(path, &e);
	OK(x && !index_find(x, new, NULL) && index_revoked(x, new) && index_count(x) == count, "what is revoked is not known, whoever vouches");
	index_close(x);
	b = extend();
	must(build_add(b, new, number, NULL, &e), &e);
	must(build_finish(b, copy, NULL, &e), &e);
	x = index_open(copy, &e);
	OK(x && x->n == 1 && !index_find(x, new, NULL) && index_count(x) == count, "nor when it is added later, nor in a copy");
	index_close(x);
	index_close(old);
}

static void put(const char *file, const unsigned char *p, size_t n)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || io_write(fd, p, n) < 0)
		exit(1);
	io_close(&fd);
}

static int64_t count_in(const char *file, struct err *e)
{
	struct index *x = index_open(file, e);
	int64_t n = x ? (int64_t)index_count(x) : -1;

	index_close(x);
	return n;
}

/* What an addition leaves when it is killed at any place. */
static void killed(void)
{
	struct err e = {0};
	struct buf before = {0}, after = {0};
	int64_t was, is;
	bool good = true;
	struct build *b;

	memset(table, 0, sizeof(table));
	unlink(path);
	change(build_new(&e), 3000, 0);
	must(io_slurp_path(path, 64 * MIB, &before, &e), &e);
	was = count_in(path, &e);
	is = (int64_t)change(extend(), 10, 3);
	must(io_slurp_path(path, 64 * MIB, &after, &e), &e);
	OK(was != is && after.len > before.len && memcmp(before.p + 4096, after.p + 4096, before.len - 4096) == 0 &&
	   memcmp(before.p, after.p, 1024) == 0, "an addition changes nothing that was there, nor the slot that counted");
	for (size_t n = before.len; n <= after.len; n += 97) {
		struct buf t = {0};

		buf_add(&t, before.p, before.len);
		buf_add(&t, after.p + before.len, n - before.len);
		put(copy, t.p, t.len);
		good &= count_in(copy, &e) == was;
		buf_free(&t);
	}
	OK(good, "until its slot is written, the index is what it was");
	put(copy, after.p, after.len - 1);
	OK(count_in(copy, &e) == -1 && e.code == EX_DATAERR, "a slot that speaks of what is not there is refused");
	good = true;
	for (size_t i = 512; i < 1536; i += 7) {
		after.p[i] ^= 1;
		put(copy, after.p, after.len);
		after.p[i] ^= 1;
		good &= count_in(copy, &e) == -1 && e.code == EX_DATAERR;
	}
	OK(good, "so is a damaged one: what is older may lack a revocation");
	/* Garbage of a killed one is written over, and the next addition counts. */
	buf_add(&before, after.p + before.len, 5000);
	put(path, before.p, before.len);
	b = build_new(&e);
	must(build_extend(b, path, &e), &e);
	build_revoke(b, digest(ALL + 5));
	must(build_finish(b, path, NULL, &e), &e);
	OK(count_in(path, &e) == was && size_of(path) < (off_t)before.len, "the next one goes on from there");
	buf_free(&before);
	buf_free(&after);
}

/* Two who add at once: each one's is there. */
static void at_once(void)
{
	struct err e = {0};
	pid_t child[4];
	int64_t was = count_in(path, &e);

	for (unsigned i = 0; i < 4; i++)
		if (!(child[i] = fork())) {
			for (unsigned k = 0; k < 5; k++) {
				struct build *b = extend();
				uint32_t number;

				must(build_source(b, "list l", &number, &e), &e);
				must(build_add(b, digest(1000000 + 10 * i + k), number, NULL, &e), &e);
				must(build_finish(b, path, NULL, &e), &e);
			}
			_exit(0);
		}
	for (unsigned i = 0; i < 4; i++)
		waitpid(child[i], NULL, 0);
	OK(count_in(path, &e) == was + 20, "what several add at once is all there");
}

/* Files that say of themselves what they like: shaped by hand, sums and all. */
static void same_start(void)
{
	struct err e = {0};
	struct build *b = build_new(&e);
	struct index *x;
	unsigned char d[KNOWN_DIGEST] = {0};
	uint32_t number;
	bool good = true;

	must(build_source(b, "s", &number, &e), &e);
	for (unsigned i = 0; i < 70000; i++) {   /* more than a shard's usual offsets can tell, all with one filter key */
		format_put(d + 16, i, 3);
		must(build_add(b, d, number, NULL, &e), &e);
	}
	must(build_finish(b, copy, NULL, &e), &e);
	x = index_open(copy, &e);
	for (unsigned i = 0; x && i < 80000; i++) {
		format_put(d + 16, i, 3);
		good &= index_find(x, d, NULL) == (i < 70000);
	}
	OK(x && good, "seventy thousand digests that begin alike are told apart");
	index_close(x);
}

int main(void)
{
	struct err e = {0};

	msg_level(-1);
	if (!mkdtemp(dir))
		return 1;
	path = buf_printf("%s/a.idx", dir);
	copy = buf_printf("%s/b.idx", dir);
	grows(false);
	beside();
	unlink(path);
	grows(true);
	killed();
	at_once();
	same_start();
	io_rmtree(AT_FDCWD, dir, &e);
	free(path);
	free(copy);
	return unit_end();
}
