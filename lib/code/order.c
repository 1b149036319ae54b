/* What a walk found, in order, and how it is looked up. */
#include "code/walk.h"

#include <stdlib.h>

static int by_address(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Jumps into what was decoded already split it. */
static void count_blocks(struct walk *w, struct walk_function *fn)
{
	for (size_t k = 0; k < fn->runs; k++) {
		const struct walk_run *run = &w->run[fn->first_run + k];
		const struct walk_region *r = walk_region(w, run->address);
		uint64_t from = run->address - r->address;

		fn->blocks++;
		for (uint64_t i = from + 1; i < from + run->size; i++)
			fn->blocks += walk_bit(r->leader, i) && walk_bit(r->seen, i);
	}
}

static int by_function(const void *a, const void *b)
{
	return by_address(&((const struct walk_function *)a)->address, &((const struct walk_function *)b)->address);
}

static int by_edge(const void *a, const void *b)
{
	const struct walk_edge *x = a, *y = b;
	int c = by_address(&x->to, &y->to);

	return c ? c : by_address(&x->from, &y->from);
}

static int by_note(const void *a, const void *b)
{
	const struct walk_note *x = a, *y = b;
	int c = by_address(&x->at, &y->at);

	return c ? c : x->kind - y->kind;
}

struct place { uint64_t address; uint32_t number; };

static int by_place(const void *a, const void *b)
{
	return by_address(&((const struct place *)a)->address, &((const struct place *)b)->address);
}

/* Functions by address, and in edges their new numbers. */
void order_all(struct walk *w)
{
	struct place *place = buf_alloc((w->functions + 1) * sizeof *place);
	uint32_t *number = buf_alloc((w->functions + 1) * sizeof *number);

	for (size_t i = 0; i < w->functions; i++) {
		count_blocks(w, &w->function[i]);
		place[i] = (struct place){ w->function[i].address, (uint32_t)i };
	}
	qsort(place, w->functions, sizeof *place, by_place);
	for (size_t i = 0; i < w->functions; i++)
		number[place[i].number] = (uint32_t)i;
	for (size_t i = 0; i < w->edges; i++)
		w->edge[i].function = w->edge[i].function < w->functions ? number[w->edge[i].function] : 0;
	if (w->functions)
		qsort(w->function, w->functions, sizeof *w->function, by_function);
	if (w->edges)
		qsort(w->edge, w->edges, sizeof *w->edge, by_edge);
	if (w->notes)
		qsort(w->note, w->notes, sizeof *w->note, by_note);
	free(place);
	free(number);
}

const struct walk_function *order_function_at(const struct walk *w, uint64_t address)
{
	const struct walk_function key = { .address = address };

	return w->functions ? bsearch(&key, w->function, w->functions, sizeof key, by_function) : NULL;
}

const struct walk_edge *order_edges_to(const struct walk *w, uint64_t address, size_t *n)
{
	size_t from = 0, to = w->edges;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (w->edge[mid].to < address)
			from = mid + 1;
		else
			to = mid;
	}
	for (*n = 0; from + *n < w->edges && w->edge[from + *n].to == address;)
		++*n;
	return *n ? &w->edge[from] : NULL;
}

const struct walk_note *order_note_of(const struct walk *w, uint64_t at, enum walk_note_kind kind)
{
	const struct walk_note key = { .at = at, .kind = (unsigned char)kind };

	return w->notes ? bsearch(&key, w->note, w->notes, sizeof key, by_note) : NULL;
}
