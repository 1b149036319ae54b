/*
 * The whitelist index: the first byte, divided by 3, says what the rest is: an index file (0; its own sums
 * are put right, so that what lies behind is reached), a list of digests (1), or a delta whose signature holds (2).
 * Whatever it is, nothing crashes, and an index that opens is one whose every entry is found again.
 * rooms: known base
 */
#include "known/state.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/fuzz_index.XXXXXX";
static char *file, *list;

static void clean(void)
{
	struct err e = {0};

	io_rmtree(AT_FDCWD, folder, &e);
}

static void begin(void)
{
	if (file)
		return;
	msg_level(-1);
	if (!mkdtemp(folder))
		abort();
	atexit(clean);
	file = buf_printf("%s/index", folder);
	list = buf_printf("%s/list", folder);
}

static void put(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || io_write(fd, p, n) < 0)
		abort();
	io_close(&fd);
}

static void sum(const unsigned char *p, size_t n, unsigned char *to)
{
	char hex[DIGEST_HEX];

	digest_bytes(p, n, hex);
	digest_unhex(hex, to, KNOWN_DIGEST);
}

static bool inside(uint64_t at, uint64_t n, uint64_t size)
{
	return at <= size && n <= size - at;
}

/* The sums of a segment, as far as it says where its parts are. */
static void put_segment_right(unsigned char *s, uint64_t size, unsigned char *record)
{
	uint64_t head_size = format_get64(record + AT_HEAD_SIZE), text = format_get64(s + AT_TEXT), text_size = format_get64(s + AT_TEXT_SIZE);
	struct segment t = {.map = s, .size = size, .count = format_get64(record + AT_COUNT), .head_size = head_size, .sum = record + AT_HEAD_SUM};

	if (head_size < FORMAT_HEAD || head_size > size)
		return;
	if (inside(text, text_size, size))
		sum(s + text, text_size, s + AT_TEXT_SUM);
	sum(s, head_size, record + AT_HEAD_SUM);
	if (!segment_open(&t))
		for (uint32_t i = 0; i < (uint32_t)1 << t.shape.shard_bits; i++) {
			struct digest *d = digest_new();
			char hex[DIGEST_HEX];

			digest_add(d, t.shards[i].filter, segment_hot_size(&t.shape, &t.shards[i]));
			digest_add(d, t.shards[i].tails, segment_cold_size(&t.shape, &t.shards[i]));
			digest_end(d, hex);
			digest_free(d);
			digest_unhex(hex, s + FORMAT_HEAD + (size_t)i * FORMAT_ROW + ROW_SUM, KNOWN_DIGEST);
		}
	segment_close(&t);
	sum(s, head_size, record + AT_HEAD_SUM);
}

/* All sums, from the innermost to the slots, so that what lies behind them is reached. */
static void put_right(unsigned char *p, uint64_t size)
{
	if (size < FORMAT_PAGE)
		return;
	state_seal(p);
	for (unsigned i = 1; i < 3; i++) {
		unsigned char *slot = p + (size_t)i * FORMAT_SECTOR;
		uint64_t at = format_get64(slot + AT_STATE), state = format_get64(slot + AT_STATE_SIZE);

		if (!format_get64(slot + AT_GENERATION))
			continue;
		if (inside(at, state, size) && state >= FORMAT_STATE) {
			for (uint32_t k = 0; k < format_get32(p + at + AT_SEGMENTS) && k < FORMAT_MAX_SEGMENTS; k++) {
				unsigned char *record = p + at + FORMAT_STATE + (size_t)k * FORMAT_SEGMENT;
				uint64_t from, n;

				if (FORMAT_STATE + (uint64_t)(k + 1) * FORMAT_SEGMENT > state)
					break;
				from = format_get64(record + AT_OFFSET);
				n = format_get64(record + AT_SIZE);
				if (inside(from, n, size) && n >= FORMAT_HEAD)
					put_segment_right(p + from, n, record);
			}
			sum(p + at, state, slot + AT_STATE_SUM);
		}
		state_seal(slot);
	}
}

static int found_again(void *ctx, const unsigned char *digest, const struct index_hit *hit)
{
	struct index_hit again;

	if (strlen(hit->source) > 65536 || (hit->name && strlen(hit->name) > 65536) || !index_find(ctx, digest, &again))
		abort();
	return 0;
}

static void read_index(const char *path)
{
	struct err e = {0};
	struct index *x = index_open(path, &e);
	unsigned char digest[64][KNOWN_DIGEST];
	bool known[64];

	if (!x) {
		if (e.code != EX_DATAERR)
			abort();
		return;
	}
	if (!x->n || x->segments[0].shape.kept == KNOWN_DIGEST)   /* what is cut is found by any rest */
		index_walk(x, 0, found_again, x);
	for (unsigned i = 0; i < 64; i++)
		memset(digest[i], (int)i * 4, KNOWN_DIGEST);
	index_find_many(x, (const unsigned char (*)[KNOWN_DIGEST])digest, 64, known);
	for (unsigned i = 0; i < 64; i++)
		if (known[i] != index_find(x, digest[i], NULL))
			abort();
	json_decref(source_counts(x));
	json_decref(index_info(x));
	index_close(x);
}

/* Nor does going on from such an index. */
static void grow_index(const char *path)
{
	struct err e = {0};
	struct build *b = build_new(&e);
	static const unsigned char digest[KNOWN_DIGEST] = {1};
	uint32_t source;

	if (!b)
		abort();
	if (build_extend(b, path, &e) < 0 || build_source(b, "list new", &source, &e) < 0 || build_add(b, digest, source, "name", &e) < 0) {
		build_abort(b);
		return;
	}
	build_revoke(b, digest);
	build_finish(b, path, NULL, &e);
}

static int hold(void *ctx, const void *p, size_t n, const struct buf *sig, char name[128], struct err *e)
{
	(void)ctx;
	(void)p;
	(void)n;
	(void)sig;
	(void)e;
	memcpy(name, "s", 2);
	return 0;
}

/* To an index with the id that the seed is for. */
static void apply_delta(const uint8_t *data, size_t size)
{
	struct err e = {0};
	struct build *b = build_new(&e);
	struct delta_report r;

	if (!b || build_id(b, "00112233445566778899aabbccddeeff", &e) < 0 || build_finish(b, file, NULL, &e) < 0)
		abort();
	put(list, data, size);
	if (!delta_apply(file, list, hold, NULL, &r, &e))
		read_index(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = {0};

	if (!size)
		return 0;
	begin();
	if (data[0] % 3 == 2) {
		apply_delta(data + 1, size - 1);
	} else if (data[0] % 3 == 0) {
		unsigned char *p = buf_alloc(size);

		memcpy(p, data + 1, size - 1);
		put_right(p, size - 1);
		put(file, p, size - 1);
		free(p);
		read_index(file);
		grow_index(file);
	} else {
		struct known_stats s = {0};
		struct build *b = build_new(&e);

		put(list, data + 1, size - 1);
		if (list_add(b, list, &s, &e) < 0)
			build_abort(b);
		else if (build_finish(b, file, NULL, &e) < 0)
			abort();
		else
			read_index(file);
	}
	return 0;
}
