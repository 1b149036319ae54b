/* state: opening an index file: its header, slots, state and segments, and how much of them is verified. */
#include "known/state.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define VERIFY_ALWAYS (64 * MIB)   /* some 100 ms of hashing and comparing */
#define SPOTS 64u                  /* places of the directory; each costs a disk three reads when nothing is cached */
#define SLOT_TRIES 20

int state_bad(const char *path, struct err *e, const char *why)
{
	return err_set(e, EX_DATAERR, "%s is no usable whitelist index: %s", err_q(path), why);
}

void state_seal(unsigned char *sector)
{
	char hex[DIGEST_HEX];

	digest_bytes(sector, FORMAT_SUM, hex);
	digest_unhex(hex, sector + FORMAT_SUM, KNOWN_DIGEST);
}

bool state_sealed(const unsigned char *sector)
{
	char is[DIGEST_HEX], stated[DIGEST_HEX];

	digest_bytes(sector, FORMAT_SUM, is);
	digest_tohex(sector + FORMAT_SUM, KNOWN_DIGEST, stated);
	return !strcmp(is, stated);
}

/* ---- opening ---- */

static bool empty(const unsigned char *p, size_t n)
{
	while (n)
		if (p[--n])
			return false;
	return true;
}

static int check_header(const char *path, const unsigned char *h, struct err *e)
{
	if (memcmp(h + AT_MAGIC, format_magic, sizeof(format_magic)))
		return state_bad(path, e, "not in its format");
	if (format_get32(h + AT_VERSION) == 1)
		return state_bad(path, e, "an older version of the format; build it again with 'mwhite build'");
	if (format_get32(h + AT_VERSION) != FORMAT_VERSION || format_get32(h + AT_HEADER_SIZE) != FORMAT_PAGE)
		return state_bad(path, e, "another version of the format");
	if (!state_sealed(h))
		return state_bad(path, e, "it does not match its own SHA-256");
	return 0;
}

/*
 * The valid slot of the higher generation. One that is neither empty nor valid is being written this moment, or is damaged:
 * what the other one says may be out of date then (a revocation may be missing), so it does not count.
 */
static int read_slots(struct index *x, int fd, struct err *e)
{
	unsigned char page[FORMAT_PAGE];
	const struct timespec moment = {.tv_nsec = 1000000};

	for (int tries = 0;; tries++) {
		unsigned good = 0, bad_slots = 0;

		if (pread(fd, page, sizeof(page), 0) != (ssize_t)sizeof(page))
			return state_bad(x->path, e, "not in its format");
		if (check_header(x->path, page, e) < 0)
			return -1;
		for (unsigned i = 0; i < 2; i++) {
			const unsigned char *s = page + (1 + i) * FORMAT_SECTOR;

			if (empty(s, FORMAT_SECTOR))
				continue;
			if (!state_sealed(s)) {
				bad_slots++;
				continue;
			}
			if (good++ && format_get64(s + AT_GENERATION) <= x->generation)
				continue;
			x->generation = format_get64(s + AT_GENERATION);
			x->created = (int64_t)format_get64(s + AT_CREATED);
			x->end = format_get64(s + AT_END);
			x->slot_number = i;
			memcpy(x->slot, s, FORMAT_SECTOR);
		}
		if (good && !bad_slots && empty(page + 3 * FORMAT_SECTOR, FORMAT_PAGE - 3 * FORMAT_SECTOR)) {
			memcpy(x->id, page + AT_ID, FORMAT_ID);
			return 0;
		}
		if (tries == SLOT_TRIES)
			return state_bad(x->path, e, "it does not match its own SHA-256");
		nanosleep(&moment, NULL);
	}
}

static int read_state(struct index *x, struct err *e)
{
	uint64_t at = format_get64(x->slot + AT_STATE), size = format_get64(x->slot + AT_STATE_SIZE), want;
	const unsigned char *s;
	char is[DIGEST_HEX], stated[DIGEST_HEX];

	if (at > x->size || size > x->size - at || size < FORMAT_STATE)
		return state_bad(x->path, e, "cut or overlong");
	x->state = s = x->map + at;
	x->state_size = size;
	digest_bytes(s, size, is);
	digest_tohex(x->slot + AT_STATE_SUM, KNOWN_DIGEST, stated);
	if (strcmp(is, stated))
		return state_bad(x->path, e, "it does not match its own SHA-256");
	x->n = format_get32(s + AT_SEGMENTS);
	x->from = format_get32(s + AT_FROM);
	x->dpkg_time = (int64_t)format_get64(s + AT_DPKG_TIME);
	x->live = format_get64(s + AT_LIVE);
	x->sources = format_get64(s + AT_SOURCES);
	x->revoked = format_get64(s + AT_REVOKED);
	x->text_size = format_get64(s + AT_STATE_TEXT);
	x->delta = format_get64(s + AT_DELTA);
	x->delta_sum = s + AT_DELTA_SUM;
	if (x->n > FORMAT_MAX_SEGMENTS || x->sources > FORMAT_MAX_COUNT || x->revoked > FORMAT_MAX_COUNT ||
	    x->text_size > FORMAT_MAX_TEXT || x->text_size < 1)
		return state_bad(x->path, e, "impossible counts");
	want = FORMAT_STATE + (uint64_t)x->n * FORMAT_SEGMENT + x->sources * 4 + x->revoked * KNOWN_DIGEST + x->text_size;
	if (want != size)
		return state_bad(x->path, e, "cut or overlong");
	x->source_table = s + FORMAT_STATE + (uint64_t)x->n * FORMAT_SEGMENT;
	x->revocations = x->source_table + x->sources * 4;
	x->text = (const char *)x->revocations + x->revoked * KNOWN_DIGEST;
	if (x->text[0] || x->text[x->text_size - 1])
		return state_bad(x->path, e, "its text does not end");
	for (uint64_t i = 1; i < x->revoked; i++)
		if (memcmp(x->revocations + (i - 1) * KNOWN_DIGEST, x->revocations + i * KNOWN_DIGEST, KNOWN_DIGEST) >= 0)
			return state_bad(x->path, e, "its revocations are out of order");
	return 0;
}

static int read_segments(struct index *x, struct err *e)
{
	for (unsigned i = 0; i < x->n; i++) {
		const unsigned char *r = x->state + FORMAT_STATE + (uint64_t)i * FORMAT_SEGMENT;
		struct segment *s = &x->segments[i];
		const char *why;

		s->offset = format_get64(r + AT_OFFSET);
		s->size = format_get64(r + AT_SIZE);
		s->count = format_get64(r + AT_COUNT);
		s->names = format_get64(r + AT_NAMES);
		s->head_size = format_get64(r + AT_HEAD_SIZE);
		s->sum = r + AT_HEAD_SUM;
		if (s->offset > x->size || s->size > x->size - s->offset || s->offset % FORMAT_PAGE)
			return state_bad(x->path, e, "cut or overlong");
		s->map = x->map + s->offset;
		if ((why = segment_open(s)) || (x->size > VERIFY_ALWAYS && (why = segment_spots(s, SPOTS))))
			return state_bad(x->path, e, why);
	}
	return 0;
}

struct index *state_open(int fd, const char *path, struct err *e)
{
	struct index *x = buf_alloc(sizeof(*x));
	struct stat st;

	x->path = buf_strdup(path);
	if (fstat(fd, &st) < 0) {
		err_sys(e, "cannot open whitelist index %s", err_q(path));
		goto fail;
	}
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(format_magic)) {
		state_bad(path, e, "not in its format");
		goto fail;
	}
	if (read_slots(x, fd, e) < 0)
		goto fail;
	/* What an addition that was killed left behind the end is nothing. */
	if (fstat(fd, &st) < 0 || x->end > (uint64_t)st.st_size || x->end < FORMAT_PAGE) {
		state_bad(path, e, "cut or overlong");
		goto fail;
	}
	x->size = x->end;
	x->map = mmap(NULL, x->size, PROT_READ, MAP_SHARED, fd, 0);
	if (x->map == MAP_FAILED) {
		x->map = NULL;
		err_sys(e, "cannot map whitelist index %s", err_q(path));
		goto fail;
	}
	madvise(x->map, x->size, MADV_RANDOM);
	if (read_state(x, e) < 0 || read_segments(x, e) < 0 || (x->size <= VERIFY_ALWAYS && index_verify(x, e) < 0))
		goto fail;
	return x;
fail:
	index_close(x);
	return NULL;
}
