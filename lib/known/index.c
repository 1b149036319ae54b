/* index: the whitelist index as its readers see it. */
#include "known/state.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct index *index_open(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct index *x;

	if (fd < 0) {
		err_sys(e, "cannot open whitelist index %s", err_q(path));
		return NULL;
	}
	x = state_open(fd, path, e);
	io_close(&fd);
	return x;
}

void index_close(struct index *x)
{
	if (!x)
		return;
	for (unsigned i = 0; i < x->n && i < FORMAT_MAX_SEGMENTS; i++)
		segment_close(&x->segments[i]);
	if (x->map)
		munmap(x->map, x->size);
	free(x->path);
	free(x);
}

/* ---- looking up ---- */

/* Of what an index keeps of a digest: who can make another file with the same 152 bits gets no way around a revocation. */
bool index_revoked(const struct index *x, const unsigned char digest[KNOWN_DIGEST])
{
	uint64_t from = 0, to = x->revoked;

	while (from < to) {
		uint64_t mid = from + (to - from) / 2;
		int c = memcmp(digest, x->revocations + mid * KNOWN_DIGEST, FORMAT_KEPT);

		if (!c)
			return true;
		if (c < 0)
			to = mid;
		else
			from = mid + 1;
	}
	return false;
}

static void describe(const struct index *x, const struct segment *s, const struct segment_at *at, struct index_hit *hit)
{
	hit->number = segment_source(at);
	hit->source = index_source(x, hit->number);
	hit->name = segment_name(s, at);
}

/* The youngest segment's word counts: it has all who vouch. */
bool index_find(const struct index *x, const unsigned char digest[KNOWN_DIGEST], struct index_hit *hit)
{
	struct segment_at at;

	for (unsigned i = x->n; i-- > 0;) {
		if (!segment_find(&x->segments[i], digest, KNOWN_DIGEST, &at))
			continue;
		if (x->revoked && index_revoked(x, digest))
			return false;
		if (hit)
			describe(x, &x->segments[i], &at, hit);
		return true;
	}
	return false;
}

bool index_find_hex(const struct index *x, const char *hex, struct index_hit *hit)
{
	unsigned char digest[KNOWN_DIGEST];

	return digest_ok(hex) && !digest_unhex(hex, digest, sizeof(digest)) && index_find(x, digest, hit);
}

size_t index_find_many(const struct index *x, const unsigned char (*digests)[KNOWN_DIGEST], size_t n, bool *known)
{
	struct segment_at at[SEGMENT_BATCH];
	size_t count = 0;

	for (size_t from = 0; from < n; from += SEGMENT_BATCH) {
		unsigned some = n - from < SEGMENT_BATCH ? (unsigned)(n - from) : SEGMENT_BATCH;
		uint64_t found = 0;

		for (unsigned i = 0; i < x->n; i++)
			found |= segment_find_many(&x->segments[i], digests + from, some, at);
		for (unsigned i = 0; i < some; i++) {
			known[from + i] = found >> i & 1 && !(x->revoked && index_revoked(x, digests[from + i]));
			count += known[from + i];
		}
	}
	return count;
}

/* Whether a younger segment has the digest as well, as far as both keep it. */
static bool shadowed(const struct index *x, unsigned older, const unsigned char *digest)
{
	struct segment_at at;

	for (unsigned i = older + 1; i < x->n; i++)
		if (segment_find(&x->segments[i], digest, x->segments[older].shape.kept, &at))
			return true;
	return false;
}

static int walk_shard(const struct index *x, unsigned number, uint32_t shard, index_walk_fn *fn, void *ctx)
{
	const struct segment *s = &x->segments[number];
	const struct shard *t = &s->shards[shard];
	uint64_t places = (uint64_t)1 << (s->shape.place_bits - s->shape.shard_bits);
	int rc = 0;

	for (uint64_t place = 0; place < places; place++) {
		unsigned char digest[KNOWN_DIGEST];
		uint32_t from, to;

		segment_place(s, t, place, &from, &to);
		for (uint32_t i = from; i < to; i++) {
			struct segment_at at = {t, i};
			struct index_hit hit;

			segment_digest(s, shard, (uint32_t)place, i, digest);
			if (shadowed(x, number, digest) || (x->revoked && index_revoked(x, digest)))
				continue;
			describe(x, s, &at, &hit);
			if (hit.number >= x->sources)
				continue;
			if ((rc = fn(ctx, digest, &hit)))
				return rc;
		}
	}
	return 0;
}

int index_walk(const struct index *x, unsigned from, index_walk_fn *fn, void *ctx)
{
	int rc = 0;

	for (unsigned i = from; !rc && i < x->n; i++)
		for (uint32_t k = 0; !rc && k < (uint32_t)1 << x->segments[i].shape.shard_bits; k++)
			rc = walk_shard(x, i, k, fn, ctx);
	return rc;
}

/* ---- what it is ---- */

uint64_t index_count(const struct index *x)
{
	return x->live;
}

uint64_t index_sources(const struct index *x)
{
	return x->sources;
}

const char *index_source(const struct index *x, uint64_t number)
{
	uint32_t at = number < x->sources ? format_get32(x->source_table + number * 4) : 0;

	return at < x->text_size ? x->text + at : "";
}

int index_verify(const struct index *x, struct err *e)
{
	for (unsigned i = 0; i < x->n; i++) {
		const char *why = segment_verify(&x->segments[i]);

		if (why)
			return state_bad(x->path, e, why);
	}
	return 0;
}

static json_t *from_names(unsigned from)
{
	static const char *const name[] = {"dpkg", "dir", "list", "nsrl", "hashlookup", "rpm", "case", "pages", "delta", "functions"};   /* KNOWN_FROM_* */
	json_t *j = json_array();

	for (unsigned i = 0; i < sizeof(name) / sizeof(name[0]); i++)
		if (from & 1u << i)
			json_array_append_new(j, json_string(name[i]));
	return j;
}

json_t *index_info(const struct index *x)
{
	json_t *j;
	uint64_t names = 0, hot = 0;
	unsigned kept = KNOWN_DIGEST;
	char when[CLOCK_RFC3339], sum[DIGEST_HEX], id[2 * FORMAT_ID + 1];

	for (unsigned i = 0; i < x->n; i++) {
		names += x->segments[i].names;
		hot += x->segments[i].hot_size;
		kept = x->segments[i].shape.kept < kept ? x->segments[i].shape.kept : kept;
	}
	digest_tohex(x->slot + FORMAT_SUM, KNOWN_DIGEST, sum);
	digest_tohex(x->id, FORMAT_ID, id);
	clock_rfc3339(x->created, when);
	j = json_pack("{ss ss sI sI sI sI sI sI sI sI sI ss ss}", "format", "muss-known/2", "id", id, "digests", (json_int_t)x->live,
		"revoked", (json_int_t)x->revoked, "sources", (json_int_t)x->sources, "names", (json_int_t)names, "bytes", (json_int_t)x->size,
		"resident", (json_int_t)hot, "bits", (json_int_t)kept * 8, "segments", (json_int_t)x->n, "delta",
		(json_int_t)x->delta, "sha256", sum, "created", when);
	if (x->dpkg_time) {
		clock_rfc3339(x->dpkg_time, when);
		json_object_set_new(j, "dpkg", json_string(when));
	}
	json_object_set_new(j, "from", from_names(x->from));
	return j;
}

unsigned index_from(const struct index *x)
{
	return x->from;
}

int64_t index_dpkg_time(const struct index *x)
{
	return x->dpkg_time;
}

bool index_outdated(const struct index *x, const char *root)
{
	char *path = buf_printf("%s/var/lib/dpkg/status", root && strcmp(root, "/") ? root : "");
	struct stat st;
	bool old = x->dpkg_time && !stat(path, &st) && st.st_mtime > x->dpkg_time;

	free(path);
	return old;
}
