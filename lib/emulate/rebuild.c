/* A dump as a file: which memory it holds. The formats are in rebuild-elf.c and rebuild-pe.c. */
#include "emulate/rebuild.h"

#include "code/code.h"

#include <stdlib.h>
#include <string.h>

void rebuild_number(unsigned char *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

size_t rebuild_filled(const struct rebuild_part *p)
{
	size_t n = p->size;

	while (n && !p->bytes[n - 1])
		n--;
	n = (n + REBUILD_PAGE - 1) / REBUILD_PAGE * REBUILD_PAGE;
	return n < p->size ? n : p->size;
}

static bool of_image(const struct emulation *o, const struct emulate_range *r)
{
	return r->address >= o->base && r->address - o->base < o->size;
}

static bool beside(const struct emulate_range *a, const struct emulate_range *b)
{
	return a->address + a->size == b->address || b->address + b->size == a->address;
}

/* The image, what ran elsewhere, and what lies beside that. */
static bool belongs(const struct emulation *o, size_t i)
{
	const struct emulate_layer *l = &o->last;
	const struct emulate_range *r = &l->range[i];

	if (of_image(o, r) || r->ran)
		return true;
	for (size_t k = 0; k < l->ranges; k++)
		if (l->range[k].ran && !of_image(o, &l->range[k]) && beside(r, &l->range[k]))
			return true;
	return false;
}

/* Addresses in a PE file are 32 bits from its base on. */
static bool in_reach(const struct emulation *o, const struct emulate_range *r)
{
	return r->address >= o->base && r->address - o->base < REBUILD_MOST && r->size <= REBUILD_MOST - (r->address - o->base);
}

static int by_address(const void *a, const void *b)
{
	const struct rebuild_part *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

/* Where the last layer was entered that the file holds. */
static uint64_t entry_of(const struct emulation *o, const struct rebuild_part *part, size_t parts)
{
	for (size_t i = o->layers; i-- > 0;)
		for (size_t k = 0; k < parts; k++)
			if (o->layer[i].entry >= part[k].address && o->layer[i].entry - part[k].address < part[k].size)
				return o->layer[i].entry;
	return o->entry;
}

bool rebuild_file(const struct emulation *o, const void *file, size_t n, struct buf *out, bool *used)
{
	struct rebuild_part *part = buf_alloc((o->last.ranges + 1) * sizeof *part);
	bool elf = elf_is(file, n), well = false;
	size_t parts = 0, total = 0;

	for (size_t i = 0; i < o->last.ranges; i++) {
		const struct emulate_range *r = &o->last.range[i];

		used[i] = belongs(o, i) && (elf || in_reach(o, r)) && r->size <= REBUILD_MOST - total;
		if (!used[i])
			continue;
		total += r->size;
		part[parts++] = (struct rebuild_part){ r->address, r->bytes, r->size };
	}
	qsort(part, parts, sizeof *part, by_address);
	if (parts)
		well = elf ? rebuild_elf(file, entry_of(o, part, parts), part, parts, out) : rebuild_pe(o, file, n, entry_of(o, part, parts), part, parts, out);
	if (!well)
		memset(used, 0, o->last.ranges * sizeof *used);
	free(part);
	return well;
}
