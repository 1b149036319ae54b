#include "known/fuse.h"
#include "base/base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 32u

/* The paper's measured constants for three probes (section 4). */
void fuse_shape(struct fuse *f, uint32_t n)
{
	double ln = log(n > 2 ? n : 2), factor = fmax(1.125, 0.875 + 0.25 * log(1000000) / ln);
	uint32_t places = (uint32_t)ceil(n * factor), segments;

	f->segment = (uint32_t)1 << (unsigned)fmin(18, floor(ln / log(3.33) + 2.25));
	segments = (places + f->segment - 1) / f->segment;
	segments = segments > 3 ? segments - 2 : 1;
	f->span = segments * f->segment;
	f->size = f->span + 2 * f->segment;
}

bool fuse_sound(const struct fuse *f)
{
	return !f->size || (f->segment && !(f->segment & (f->segment - 1)) && f->size % f->segment == 0 &&
	                    f->size / f->segment > 2 && f->span == f->size - 2 * f->segment);
}

#define MOST 63u   /* keys on one place: six bits count them, and uniform ones never come near */

/* Places, with how many keys fall on each and which of their probes it is; the keys' hashes. */
struct peel {
	unsigned char *count;   /* 4 for each key, the exclusive or of the numbers of their probes below */
	uint64_t *hashes;       /* exclusive or */
	uint32_t *alone;        /* places with one key */
	uint64_t *order;        /* keys in the order in which they were taken out */
	unsigned char *probe;   /* the probe by which each was */
};

/* False where so many fall on one place that they cannot be counted. */
static bool fill(const struct fuse *f, struct peel *w, const uint64_t *keys, uint32_t n)
{
	bool over = false;

	memset(w->count, 0, f->size * sizeof(*w->count));
	memset(w->hashes, 0, f->size * sizeof(*w->hashes));
	for (uint32_t i = 0; i < n; i++) {
		uint64_t hash = fuse_hash(keys[i], f->seed);
		uint32_t at[3];

		fuse_places(f, hash, at);
		for (uint32_t k = 0; k < 3; k++) {
			over |= w->count[at[k]] >> 2 == MOST;
			w->count[at[k]] = (unsigned char)((w->count[at[k]] + 4) ^ k);
			w->hashes[at[k]] ^= hash;
		}
	}
	return !over;
}

/* Takes out key after key that stands alone somewhere; how many could be. */
static uint32_t peel(const struct fuse *f, struct peel *w)
{
	uint32_t alone = 0, out = 0;

	for (uint32_t i = 0; i < f->size; i++)
		if (w->count[i] >> 2 == 1)
			w->alone[alone++] = i;
	while (alone) {
		uint32_t i = w->alone[--alone], at[3];
		unsigned char probe = (unsigned char)(w->count[i] & 3);
		uint64_t hash = w->hashes[i];

		if (w->count[i] >> 2 != 1)
			continue;
		w->probe[out] = probe;
		w->order[out++] = hash;
		fuse_places(f, hash, at);
		for (uint32_t k = 0; k < 3; k++) {
			unsigned char c = (unsigned char)((w->count[at[k]] ^ k) - 4);

			w->count[at[k]] = c;
			w->hashes[at[k]] ^= hash;
			/* Taken back at once where it does not count: no branch that cannot be foreseen. */
			w->alone[alone] = at[k];
			alone += c >> 2 == 1 && k != probe;
		}
	}
	return out;
}

static void assign(const struct fuse *f, const struct peel *w, uint32_t n, unsigned char *out)
{
	memset(out, 0, f->size);
	while (n--) {
		uint64_t hash = w->order[n];
		uint32_t at[3];

		fuse_places(f, hash, at);
		out[at[w->probe[n]]] = (unsigned char)(fuse_print(hash) ^ out[at[0]] ^ out[at[1]] ^ out[at[2]] ^ out[at[w->probe[n]]]);
	}
}

bool fuse_build(struct fuse *f, const uint64_t *keys, uint32_t n, unsigned char *out)
{
	struct peel w = {
		.count = buf_realloc(NULL, f->size, sizeof(*w.count)), .hashes = buf_realloc(NULL, f->size, sizeof(*w.hashes)),
		.alone = buf_realloc(NULL, f->size, 2 * sizeof(*w.alone)), .order = buf_realloc(NULL, (size_t)n + 1, sizeof(*w.order)),
		.probe = buf_alloc((size_t)n + 1),
	};
	bool done = false;

	for (f->seed = 1; !done && f->seed <= TRIES; f->seed++) {
		done = fill(f, &w, keys, n) && peel(f, &w) == n;
		if (done)
			break;
	}
	if (done)
		assign(f, &w, n, out);
	free(w.count);
	free(w.hashes);
	free(w.alone);
	free(w.order);
	free(w.probe);
	return done;
}
