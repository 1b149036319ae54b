/*
 * What was written and then run. Bytes, not pages, are marked: packers write data beside the code that is running. An instruction
 * that begins in a marked byte begins a layer: the memory is kept as it is then, and the marks are cleared (Renovo).
 */
#include "emulate/machine.h"

#include <stdlib.h>
#include <string.h>

#define PAGES (1u << 18)              /* 1 GiB of memory written to */
#define LAYER_BYTES (192 * MIB)       /* kept of all layers together; past it a layer's memory is left out */
#define WORDS (MACHINE_PAGE / 64)

struct page {
	uint64_t address;
	unsigned marks;                   /* bytes marked */
	uint64_t written[WORDS];          /* a bit a byte: written since the last layer */
	uint64_t ever[WORDS];             /* written by the program at any time */
	uint64_t ran[WORDS];              /* run after it was written: `code` holds it as it was then */
	unsigned char *code;
};

static size_t slot_of(const struct machine *m, uint64_t address)
{
	return (size_t)((address / MACHINE_PAGE) * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (m->page_room - 1);
}

static struct page *page_find(const struct machine *m, uint64_t address)
{
	if (!m->page_room)
		return NULL;
	for (size_t i = slot_of(m, address); m->page[i]; i = (i + 1) & (m->page_room - 1))
		if (m->page[i]->address == address)
			return m->page[i];
	return NULL;
}

static void page_add(struct machine *m, struct page *p)
{
	size_t i = slot_of(m, p->address);

	while (m->page[i])
		i = (i + 1) & (m->page_room - 1);
	m->page[i] = p;
}

static struct page *page_make(struct machine *m, uint64_t address)
{
	struct page *p, **old = m->page;
	size_t old_room = m->page_room;

	if (m->page_count >= PAGES)
		return NULL;
	if (2 * m->page_count >= m->page_room) {
		m->page_room = old_room ? 2 * old_room : 1024;
		m->page = buf_alloc(m->page_room * sizeof(struct page *));
		for (size_t i = 0; i < old_room; i++)
			if (old[i])
				page_add(m, old[i]);
		free(old);
	}
	p = buf_alloc(sizeof *p);
	p->address = address;
	page_add(m, p);
	m->page_count++;
	m->near_none = false;
	return p;
}

static bool bit(const uint64_t *bits, unsigned i)
{
	return bits[i / 64] >> (i % 64) & 1;
}

static void mark(struct machine *m, struct page *p, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++) {
		uint64_t b = UINT64_C(1) << (i % 64);

		if (!(p->written[i / 64] & b)) {
			p->written[i / 64] |= b;
			p->marks++;
			m->written++;
		}
		p->ever[i / 64] |= b;
	}
}

void written_add(struct machine *m, uint64_t address, uint64_t n)
{
	while (n) {
		uint64_t base = address & ~(uint64_t)(MACHINE_PAGE - 1);
		unsigned from = (unsigned)(address - base), room = MACHINE_PAGE - from;
		struct page *p = m->near_write;

		if (room > n)
			room = (unsigned)n;
		if (!p || p->address != base) {
			p = page_find(m, base);
			if (!p)
				p = page_make(m, base);
			if (!p)
				return;
			m->near_write = p;
		}
		mark(m, p, from, room);
		address += room;
		n -= room;
	}
}

void machine_wrote(struct machine *m, uint64_t address, uint64_t n)
{
	written_add(m, address, n);
}

/* ---- layers ---- */

static void keep(struct machine *m, struct emulate_layer *l, uint64_t address, uint64_t size)
{
	struct emulate_range *r;

	if (size > LAYER_BYTES || m->kept > LAYER_BYTES - size)
		return;
	l->range = buf_realloc(l->range, l->ranges + 1, sizeof *l->range);
	r = &l->range[l->ranges++];
	*r = (struct emulate_range){ address, (size_t)size, buf_alloc((size_t)size) };
	machine_read(m, address, r->bytes, r->size);
	m->kept += size;
}

static bool was_written(const struct machine *m, const struct machine_region *r)
{
	for (uint64_t at = r->address; at < r->address + r->size; at += MACHINE_PAGE)
		if (page_find(m, at))
			return true;
	return false;
}

/* The image as one piece, and of other memory what can run and was written. */
static void keep_memory(struct machine *m, struct emulate_layer *l)
{
	if (m->image_size)
		keep(m, l, m->image, m->image_size);
	for (size_t i = 0; i < m->regions; i++) {
		const struct machine_region *r = &m->region[i];

		if (r->address >= m->image && r->address - m->image < m->image_size)
			continue;
		if (r->prot & MACHINE_X && r->tag != MACHINE_SYSTEM && was_written(m, r))
			keep(m, l, r->address, r->size);
	}
}

static void forget_marks(struct machine *m)
{
	for (size_t i = 0; i < m->page_room; i++) {
		if (m->page[i] && m->page[i]->marks) {
			memset(m->page[i]->written, 0, sizeof m->page[i]->written);
			m->page[i]->marks = 0;
		}
	}
	m->written = 0;
}

static bool known_entry(const struct machine *m, uint64_t address)
{
	for (size_t i = 0; i < m->out->layers; i++)
		if (m->out->layer[i].entry == address)
			return true;
	return false;
}

/* Code that changes itself as it runs enters the same place again and again: that is told once. */
static void layer_begin(struct machine *m, uint64_t address)
{
	struct emulation *o = m->out;
	struct emulate_layer *l;

	if (!known_entry(m, address)) {
		if (o->layers >= m->l.layers) {
			m->stopped = "layers";
			return;
		}
		o->layer = buf_realloc(o->layer, o->layers + 1, sizeof *o->layer);
		l = &o->layer[o->layers++];
		*l = (struct emulate_layer){ .entry = address, .from = m->before, .instructions = m->instructions, .written = m->written };
		keep_memory(m, l);
	}
	forget_marks(m);
}

void written_image(struct machine *m, uint64_t entry)
{
	layer_begin(m, entry);
}

static void note_run(struct machine *m, struct page *p, uint64_t address, unsigned n)
{
	unsigned from = (unsigned)(address - p->address);

	if (n > MACHINE_PAGE - from)
		n = MACHINE_PAGE - from;
	if (bit(p->ran, from) && bit(p->ran, from + n - 1) && !p->marks)
		return;
	if (!p->code)
		p->code = buf_alloc(MACHINE_PAGE);
	machine_read(m, address, p->code + from, n);
	for (unsigned i = from; i < from + n; i++)
		p->ran[i / 64] |= UINT64_C(1) << (i % 64);
}

void written_run(struct machine *m, uint64_t address, unsigned n)
{
	uint64_t base = address & ~(uint64_t)(MACHINE_PAGE - 1);
	struct page *p = m->near_run;
	unsigned at = (unsigned)(address - base);

	if (m->near_base != base || !p) {
		if (m->near_base == base && m->near_none)
			return;
		p = page_find(m, base);
		m->near_base = base;
		m->near_run = p;
		m->near_none = !p;
		if (!p)
			return;
	}
	if (p->marks && bit(p->written, at))
		layer_begin(m, address);
	if (bit(p->ever, at))
		note_run(m, p, address, n);
}

/* ---- the end ---- */

static void put_back(const struct page *p, struct emulate_layer *l)
{
	for (size_t i = 0; i < l->ranges; i++) {
		struct emulate_range *r = &l->range[i];

		if (p->address < r->address || p->address - r->address >= r->size)
			continue;
		for (unsigned k = 0; k < MACHINE_PAGE && p->address - r->address + k < r->size; k++)
			if (bit(p->ran, k))
				r->bytes[p->address - r->address + k] = p->code[k];
	}
}

void written_finish(struct machine *m)
{
	struct emulate_layer *l = &m->out->last;

	*l = (struct emulate_layer){ .entry = m->out->layers ? m->out->layer[m->out->layers - 1].entry : m->out->entry,
		.instructions = m->instructions, .written = m->written };
	m->kept = 0;   /* the end is kept whatever the layers took */
	keep_memory(m, l);
	for (size_t i = 0; i < m->page_room; i++)
		if (m->page[i] && m->page[i]->code)
			put_back(m->page[i], l);
}

void written_free(struct machine *m)
{
	for (size_t i = 0; i < m->page_room; i++) {
		if (m->page[i])
			free(m->page[i]->code);
		free(m->page[i]);
	}
	free(m->page);
}
