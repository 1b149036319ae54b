/*
 * What hides in any bytes: pieces stand within what holds them, are not endless, and come out the same again.
 * rooms: carve code confine casefile base
 */
#include "carve/carve.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static const struct carve_limits limits = { 16, 4 * MIB, 8 * MIB, 4 };

static void check(const struct carving *c, size_t n)
{
	uint64_t held = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct carved *o = &c->piece[i];
		size_t room = o->parent < 0 ? n : c->piece[o->parent].bytes.len;

		if (o->parent >= (int)i || o->offset > room || o->size > room - o->offset || !o->size || !o->coding || !o->what || o->what > CARVE_DATA)
			abort();
		held += o->bytes.len;
	}
	if (c->count > limits.pieces || held > limits.bytes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct carving first, second;

	carve(p, n, &limits, &first);
	check(&first, n);
	carve(p, n, &limits, &second);
	if (first.count != second.count || (first.stopped != second.stopped && (!first.stopped || !second.stopped)))
		abort();
	for (size_t i = 0; i < first.count; i++)
		if (first.piece[i].bytes.len != second.piece[i].bytes.len || memcmp(first.piece[i].bytes.p, second.piece[i].bytes.p, first.piece[i].bytes.len) != 0)
			abort();
	carving_free(&first);
	carving_free(&second);
	return 0;
}
