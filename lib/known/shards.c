#include "known/shards.h"
#include "known/shard.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 2
#define SYNC_STEP ((uint64_t)16 * MIB)
#define SET 0x80000000u   /* a source's number is a place in the unit's lists still */

/* What the threads share. They take units, which are shards of neighbouring parts, and keep their order where it matters. */
struct work {
	struct shards *m;
	struct shape shape;
	unsigned unit_bits;
	uint64_t hot_size, cold_size, cold_at;
	uint64_t synced;                /* of the cold part: on its way to the disk */
	int hot;                        /* an unnamed file */
	unsigned char *rows;
	pthread_mutex_t lock;
	pthread_cond_t turned;
	uint32_t next, sets_turn, write_turn;
	bool failed;
	struct err err;
};

/* A thread's, for one unit after the other: what it takes is taken once. */
struct unit {
	uint32_t number;
	struct entry *loaded, *p;       /* each with room for `room` */
	size_t n, room;
	struct buf lists;               /* uint32_t: how many vouch for a digest, and who */
	struct buf hot, cold;
	uint64_t names, again;
};

int shards_put(int fd, const void *p, size_t n, uint64_t at, struct err *e)
{
	const unsigned char *from = p;

	while (n) {
		ssize_t w = pwrite(fd, from, n, (off_t)at);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return err_sys(e, "cannot write the index");
		from += w;
		at += (uint64_t)w;
		n -= (size_t)w;
	}
	return 0;
}

/* ---- a unit's digests: in order, each once, with all who vouch for it ---- */

static int load(const struct work *w, struct unit *u, struct err *e)
{
	uint32_t parts = SPREAD_PARTS >> w->unit_bits, first = u->number * parts;
	size_t n = 0;

	for (uint32_t i = 0; i < parts; i++)
		n += (size_t)spread_part_count(w->m->spread, first + i);
	if (n >= u->room) {
		free(u->p);
		free(u->loaded);
		u->room = n + n / 8 + 1;
		u->p = buf_realloc(NULL, u->room, sizeof(*u->p));
		u->loaded = buf_realloc(NULL, u->room, sizeof(*u->loaded));
	}
	for (uint32_t i = 0; i < parts; i++) {
		if (spread_load(w->m->spread, first + i, u->loaded + u->n, w->m->kept, e) < 0)
			return -1;
		u->n += (size_t)spread_part_count(w->m->spread, first + i);
	}
	spread_sort(u->loaded, u->p, n, w->unit_bits);
	return 0;
}

static int compare_kept(const void *a, const void *b)
{
	return memcmp(a, b, FORMAT_KEPT);
}

static bool is_revoked(const struct shards *m, const unsigned char *digest)
{
	return m->revocations && bsearch(digest, m->revoked, (size_t)m->revocations, KNOWN_DIGEST, compare_kept);
}

static bool is_older(const struct shards *m, const unsigned char *digest)
{
	struct segment_at at;

	for (unsigned i = 0; m->older && i < m->older->n; i++)
		if (segment_find(&m->older->segments[i], digest, m->kept, &at))
			return true;
	return false;
}

/* The sources of the `n` entries at p, which are one digest's; they come in order. */
static uint32_t list_sources(struct unit *u, const struct entry *p, size_t n)
{
	uint32_t count = 0, member[CAP_VOUCHERS], at;

	for (size_t i = 0; i < n; i++)
		if ((!count || member[count - 1] != p[i].source) && count < CAP_VOUCHERS)
			member[count++] = p[i].source;
	if (count == 1)
		return member[0];
	at = (uint32_t)(u->lists.len / sizeof(uint32_t));
	buf_add(&u->lists, &count, sizeof(count));
	buf_add(&u->lists, member, count * sizeof(*member));
	return SET | at;
}

static void merge(const struct shards *m, struct unit *u)
{
	size_t out = 0, next;

	for (size_t i = 0; i < u->n; i = next) {
		struct entry t = u->p[i];

		for (next = i + 1; next < u->n && !memcmp(t.digest, u->p[next].digest, KNOWN_DIGEST);)
			next++;
		if (is_revoked(m, t.digest))
			continue;
		if (next > i + 1)
			t.source = list_sources(u, u->p + i, next - i);
		u->names += t.name != FORMAT_NO_NAME;
		u->again += is_older(m, t.digest);
		u->p[out++] = t;
	}
	u->n = out;
}

/* In the units' order, so that the sets' numbers are the same each time. */
static int number_sets(struct shards *m, struct unit *u, struct err *e)
{
	const uint32_t *lists = (const void *)u->lists.p;

	if (!lists)
		return 0;
	for (size_t i = 0; i < u->n; i++)
		if (u->p[i].source & SET) {
			const uint32_t *list = lists + (u->p[i].source & ~SET);

			if (sources_set(m->sources, list + 1, *list, &u->p[i].source, e) < 0)
				return -1;
		}
	return 0;
}

/* ---- shards ---- */

static uint32_t shards_of_unit(const struct work *w)
{
	return (uint32_t)1 << (w->shape.shard_bits - w->unit_bits);
}

static unsigned char *row_of(const struct work *w, uint64_t shard)
{
	return w->rows + shard * FORMAT_ROW;
}

static void make_shards(const struct work *w, struct unit *u)
{
	uint32_t shards = shards_of_unit(w), first = u->number * shards;
	size_t from = 0, to = 0;

	for (uint32_t i = 0; i < shards; i++, from = to) {
		while (to < u->n && format_bits(format_key(u->p[to].digest), 0, w->shape.shard_bits) == first + i)
			to++;
		shard_make(&w->shape, u->p + from, (uint32_t)(to - from), &u->hot, &u->cold, row_of(w, first + i));
	}
}

/* Has the disk begin with what is written, so that the sync at the end waits for little. */
static void begin_sync(struct work *w)
{
	uint64_t more = (w->cold_size - w->synced) / SYNC_STEP * SYNC_STEP;

	if (!more)
		return;
	/* It is no promise: what it cannot do, the sync does. */
	if (sync_file_range(w->m->fd, (off64_t)(w->m->at + w->cold_at + w->synced), (off64_t)more, SYNC_FILE_RANGE_WRITE) < 0)
		msg_debug("the index is written to the disk at the end only");
	w->synced += more;
}

static int write_unit(struct work *w, struct unit *u, struct err *e)
{
	uint32_t shards = shards_of_unit(w);

	if (shards_put(w->m->fd, u->cold.p, u->cold.len, w->m->at + w->cold_at + w->cold_size, e) < 0)
		return -1;
	if (io_write(w->hot, u->hot.p, u->hot.len) < 0)
		return err_sys(e, "cannot write a temporary file");
	for (uint32_t i = 0; i < shards; i++) {
		unsigned char *row = row_of(w, (uint64_t)u->number * shards + i);

		format_put64(row + ROW_HOT, format_get64(row + ROW_HOT) + w->hot_size);
		format_put64(row + ROW_COLD, format_get64(row + ROW_COLD) + w->cold_size);
	}
	w->hot_size += u->hot.len;
	w->cold_size += u->cold.len;
	begin_sync(w);
	w->m->count += u->n;
	w->m->names += u->names;
	w->m->again += u->again;
	progress("index", u->number + 1, (uint64_t)1 << w->unit_bits);
	return 0;
}

/* ---- the threads ---- */

/* With the lock held from here to pass_turn. False when another one failed. */
static bool take_turn(struct work *w, const uint32_t *turn, uint32_t number)
{
	pthread_mutex_lock(&w->lock);
	while (!w->failed && *turn != number)
		pthread_cond_wait(&w->turned, &w->lock);
	return !w->failed;
}

static int pass_turn(struct work *w, uint32_t *turn, int rc)
{
	w->failed |= rc < 0;
	++*turn;
	pthread_cond_broadcast(&w->turned);
	pthread_mutex_unlock(&w->lock);
	return rc;
}

static int run_unit(struct work *w, struct unit *u, struct err *e)
{
	bool mine;

	if (load(w, u, e) < 0)
		return -1;
	merge(w->m, u);
	mine = take_turn(w, &w->sets_turn, u->number);
	if (pass_turn(w, &w->sets_turn, mine ? number_sets(w->m, u, e) : -1) < 0)
		return -1;
	make_shards(w, u);
	mine = take_turn(w, &w->write_turn, u->number);
	return pass_turn(w, &w->write_turn, mine ? write_unit(w, u, e) : -1);
}

static bool take_unit(struct work *w, struct unit *u)
{
	bool more;

	pthread_mutex_lock(&w->lock);
	u->number = w->next++;
	more = !w->failed && u->number < (uint32_t)1 << w->unit_bits;
	pthread_mutex_unlock(&w->lock);
	buf_clear(&u->lists);
	buf_clear(&u->hot);
	buf_clear(&u->cold);
	u->n = 0;
	u->names = u->again = 0;
	return more;
}

static void *run(void *ctx)
{
	struct work *w = ctx;
	struct unit u = {0};

	while (take_unit(w, &u)) {
		struct err e = {0};

		if (run_unit(w, &u, &e) < 0) {
			pthread_mutex_lock(&w->lock);
			w->failed = true;
			if (!w->err.code)
				w->err = e;       /* nothing in it where another one failed */
			pthread_cond_broadcast(&w->turned);
			pthread_mutex_unlock(&w->lock);
		}
	}
	free(u.p);
	free(u.loaded);
	buf_free(&u.lists);
	buf_free(&u.hot);
	buf_free(&u.cold);
	return NULL;
}

static int run_all(struct work *w, struct err *e)
{
	pthread_t thread[THREADS - 1];
	size_t n = 0;

	while (n < THREADS - 1 && !pthread_create(&thread[n], NULL, run, w))
		n++;
	run(w);
	while (n)
		pthread_join(thread[--n], NULL);
	progress_end();
	if (!w->failed)
		return 0;
	*e = w->err;
	return -1;
}

/* ---- the segment around the shards ---- */

static int put_file(int from, int to, uint64_t size, uint64_t at, struct digest *sum, struct err *e)
{
	unsigned char *block = buf_alloc(MIB);
	int rc = 0;

	for (uint64_t done = 0; !rc && done < size;) {
		uint64_t want = size - done < MIB ? size - done : MIB;
		ssize_t n = pread(from, block, (size_t)want, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = err_sys(e, "cannot read a temporary file");
			break;
		}
		if (sum)
			digest_add(sum, block, (size_t)n);
		rc = shards_put(to, block, (size_t)n, at + done, e);
		done += (uint64_t)n;
	}
	free(block);
	return rc;
}

static int put_rest(struct work *w, struct err *e)
{
	struct shards *m = w->m;
	struct digest *d = digest_new();
	unsigned char *head = w->rows - FORMAT_HEAD;
	uint64_t hot = format_round(w->cold_at + w->cold_size, FORMAT_PAGE), text = format_round(hot + w->hot_size, FORMAT_PAGE);
	char hex[DIGEST_HEX];
	int rc = -1;

	if (put_file(w->hot, m->fd, w->hot_size, m->at + hot, NULL, e) < 0 || put_file(m->text, m->fd, m->text_size, m->at + text, d, e) < 0)
		goto out;
	digest_end(d, hex);
	format_put32(head + AT_KEPT, w->shape.kept);
	format_put32(head + AT_SHARD_BITS, w->shape.shard_bits);
	format_put32(head + AT_PLACE_BITS, w->shape.place_bits);
	format_put64(head + AT_COLD, w->cold_at);
	format_put64(head + AT_COLD_SIZE, w->cold_size);
	format_put64(head + AT_HOT, hot);
	format_put64(head + AT_HOT_SIZE, w->hot_size);
	format_put64(head + AT_TEXT, text);
	format_put64(head + AT_TEXT_SIZE, m->text_size);
	digest_unhex(hex, head + AT_TEXT_SUM, KNOWN_DIGEST);
	m->size = text + m->text_size;
	digest_bytes(head, m->head_size, hex);
	digest_unhex(hex, m->head_sum, KNOWN_DIGEST);
	rc = shards_put(m->fd, head, m->head_size, m->at, e);
out:
	digest_free(d);
	return rc;
}

int shards_make(struct shards *m, struct err *e)
{
	struct work w = {.m = m, .hot = io_tmp(e), .lock = PTHREAD_MUTEX_INITIALIZER, .turned = PTHREAD_COND_INITIALIZER};
	unsigned char *head;
	int rc;

	if (w.hot < 0)
		return -1;
	segment_shape(&w.shape, spread_count(m->spread), m->kept);
	w.unit_bits = w.shape.shard_bits < SPREAD_BITS ? w.shape.shard_bits : SPREAD_BITS;
	m->head_size = FORMAT_HEAD + ((uint64_t)FORMAT_ROW << w.shape.shard_bits);
	m->count = m->names = m->again = 0;
	w.cold_at = format_round(m->head_size, FORMAT_PAGE);
	head = buf_alloc((size_t)m->head_size);
	w.rows = head + FORMAT_HEAD;
	rc = run_all(&w, e) < 0 || put_rest(&w, e) < 0 ? -1 : 0;
	free(head);
	io_close(&w.hot);
	return rc;
}
