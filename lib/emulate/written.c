/*
 * What was written and then run. Bytes, not pages, are marked: packers write data beside the code that is running. An instruction
 * that begins in a marked byte begins a layer: the memory is kept as it is then, and the marks are cleared (Renovo). So does a jump back
 * to a section that was written to.
 */
#include "emulate/machine.h"

#include <stdlib.h>
#include <string.h>

#define PAGES (1u << 18)              /* 1 GiB of memory written to */
#define LAYER_BYTES (192 * MIB)       /* kept of all layers together; past it a layer's memory is left out */
#define WORDS (MACHINE_PAGE / 64)
#define FUNCTION_MOST 8192u           /* bytes written in one piece that may be one function, decrypted to run once */
#define ENTRY_BYTES 16u               /* compared where one place is entered again */
#define HOP_LEAST 64u                 /* bytes written to other sections before it goes there */
#define TEXT_LEAST 6u
#define TEXT_MOST 400u
#define TEXTS 1000u

struct page {
	uint64_t address;
	unsigned marks;                   /* bytes marked */
	uint64_t written[WORDS];          /* a bit a byte: written since the last layer */
	uint64_t ever[WORDS];             /* written by the program at any time */
	uint64_t ran[WORDS];              /* run after it was written: `code` holds it as it was then */
	uint64_t fresh[WORDS];            /* written in one piece with what was run, and small: `code` holds that, too */
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
	for (unsigned room; n; from += room, n -= room) {
		uint64_t *w = &p->written[from / 64], bits;

		room = 64 - from % 64;
		if (room > n)
			room = n;
		bits = UINT64_MAX >> (64 - room) << (from % 64);
		if (~*w & bits) {
			unsigned more = (unsigned)__builtin_popcountll(~*w & bits);

			*w |= bits;
			p->marks += more;
			m->written += more;
			p->ever[from / 64] |= bits;
		}
	}
}

void written_add(struct machine *m, uint64_t address, uint64_t n)
{
	/* What the loader notes for itself is not the program's; what it relocates in the image may be code (relocations can decrypt). */
	if (m->elsewhere || (m->loading && address - m->image >= m->image_size))
		return;
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

	if (!size || size > LAYER_BYTES || m->kept > LAYER_BYTES - size)
		return;
	l->range = buf_realloc(l->range, l->ranges + 1, sizeof *l->range);
	r = &l->range[l->ranges++];
	*r = (struct emulate_range){ .address = address, .size = (size_t)size, .bytes = buf_alloc((size_t)size) };
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

static bool can_run(const struct machine *m, size_t i)
{
	return i < m->regions && m->region[i].prot & MACHINE_X && m->region[i].tag != MACHINE_SYSTEM && was_written(m, &m->region[i]);
}

/* Data beside code that was made belongs to it: a program that was mapped by hand has its sections side by side. */
static bool beside_code(const struct machine *m, size_t i)
{
	const struct machine_region *r = &m->region[i];

	return r->tag != MACHINE_SYSTEM && was_written(m, r) &&
		((i && r[-1].address + r[-1].size == r->address && can_run(m, i - 1)) ||
		 (i + 1 < m->regions && r->address + r->size == r[1].address && can_run(m, i + 1)));
}

static bool in_image(const struct machine *m, const struct machine_region *r)
{
	return r->address >= m->image && r->address - m->image < m->image_size;
}

/* The image, each stretch of it without a hole as one piece; and of other memory what can run and was written, with what lies beside it. */
static void keep_memory(struct machine *m, struct emulate_layer *l)
{
	uint64_t from = 0, to = 0;

	for (size_t i = 0; i < m->regions; i++) {
		const struct machine_region *r = &m->region[i];
		uint64_t end = r->address + r->size;

		if (!in_image(m, r))
			continue;
		if (end - m->image > m->image_size)
			end = m->image + m->image_size;
		if (r->address != to) {
			keep(m, l, from, to - from);
			from = r->address;
		}
		to = end;
	}
	keep(m, l, from, to - from);
	for (size_t i = 0; i < m->regions; i++)
		if (!in_image(m, &m->region[i]) && (can_run(m, i) || beside_code(m, i)))
			keep(m, l, m->region[i].address, m->region[i].size);
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

/* Whether layer i was entered at this address, with the code that stands there now: it may differ in what it counts or patches. */
static bool same_entry(const struct machine *m, size_t i, uint64_t address)
{
	const struct emulate_layer *l = &m->out->layer[i];
	unsigned char now[ENTRY_BYTES];
	unsigned differ = 0;

	if (l->entry != address)
		return false;
	machine_read(m, address, now, sizeof now);
	for (size_t k = 0; k < sizeof now; k++)
		differ += now[k] != l->code[k];
	return differ <= sizeof now / 2;
}

static bool known_entry(const struct machine *m, uint64_t address)
{
	for (size_t i = 0; i < m->out->layers; i++)
		if (same_entry(m, i, address))
			return true;
	return false;
}

/* How far the marked bytes reach from an address, forward or back. */
static unsigned reach(const struct machine *m, uint64_t address, int step)
{
	unsigned n = 0;

	for (uint64_t at = address; n <= FUNCTION_MOST; at += (uint64_t)(int64_t)step, n++) {
		const struct page *p = page_find(m, at & ~(uint64_t)(MACHINE_PAGE - 1));

		if (!p || !bit(p->written, (unsigned)(at % MACHINE_PAGE)))
			break;
	}
	return n;
}

/* A function that is decrypted, run and encrypted again would be lost but for what of it ran. */
static void keep_function(struct machine *m, uint64_t address)
{
	unsigned back = reach(m, address, -1), on = reach(m, address, 1);

	if (!back || !on || back + on > FUNCTION_MOST)
		return;
	for (uint64_t at = address - back + 1; at < address + on; at++) {
		struct page *p = page_find(m, at & ~(uint64_t)(MACHINE_PAGE - 1));
		unsigned i = (unsigned)(at % MACHINE_PAGE);

		if (!p->code)
			p->code = buf_alloc(MACHINE_PAGE);
		machine_read(m, at, p->code + i, 1);
		p->fresh[i / 64] |= UINT64_C(1) << (i % 64);
	}
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
		machine_read(m, address, l->code, sizeof l->code);
		keep_memory(m, l);
	}
	keep_function(m, address);
	forget_marks(m);
}

void written_image(struct machine *m, uint64_t entry, bool made)
{
	for (size_t i = 0; i < m->page_room; i++) {
		struct page *p = m->page[i];

		if (!p)
			continue;
		memset(p->ever, 0, sizeof p->ever);
		memset(p->ran, 0, sizeof p->ran);
		memset(p->fresh, 0, sizeof p->fresh);
		free(p->code);
		p->code = NULL;
	}
	if (made)
		layer_begin(m, entry);
	forget_marks(m);
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

static size_t section_of(const struct machine *m, uint64_t address)
{
	size_t i = 0;

	while (i < m->sections && (address < m->section[i].address || address >= m->section[i].end))
		i++;
	return i;
}

/*
 * A packer may leave the code as it is and pack the data alone: no written byte is ever run. It shows by a jump back from the section
 * where the program begins, which a packer puts behind the others, when it has written to them (the second trigger of Unipacker).
 */
static void look_for_hop(struct machine *m, uint64_t address)
{
	size_t to = section_of(m, address), home = section_of(m, m->out->entry);
	uint64_t written = 0;

	if (to >= home || home >= m->sections)
		return;
	for (size_t i = 0; i < m->page_room; i++)
		if (m->page[i] && section_of(m, m->page[i]->address) < home)
			written += m->page[i]->marks;
	if (written < HOP_LEAST)
		return;
	m->hopped = true;
	layer_begin(m, address);
}

void written_run(struct machine *m, uint64_t address, unsigned n)
{
	uint64_t base = address & ~(uint64_t)(MACHINE_PAGE - 1);
	struct page *p = m->near_run;
	unsigned at = (unsigned)(address - base);

	if (m->near_base != base || !p) {
		p = page_find(m, base);
		m->near_base = base;
		m->near_run = p;
		m->near_none = !p;
		if (m->sections && !m->hopped)
			look_for_hop(m, address);
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
		r->ran = true;
		for (unsigned k = 0; k < MACHINE_PAGE && p->address - r->address + k < r->size; k++)
			if (bit(p->ran, k) || bit(p->fresh, k))
				r->bytes[p->address - r->address + k] = p->code[k];
	}
}

static int by_address(const void *a, const void *b)
{
	const struct page *const *x = a, *const *y = b;

	return (*x)->address < (*y)->address ? -1 : (*x)->address > (*y)->address;
}

/* Where programs of 64 bits lie, addresses look like text. */
static bool is_pointer(const struct machine *m, const struct buf *bytes)
{
	uint64_t v = 0;

	for (size_t i = bytes->len; i-- > 0 && bytes->len < 8;)
		v = v << 8 | bytes->p[i];
	return v && m->bits == 64 && machine_region_at(m, v);
}

static bool known_text(const json_t *texts, const char *hex, const json_t *text)
{
	const json_t *t;
	size_t i;

	json_array_foreach(texts, i, t)
		if (!strcmp(jsonio_str(t, "address"), hex) && json_equal(json_object_get(t, "text"), text))
			return true;
	return false;
}

static void add_text(struct machine *m, uint64_t address, const struct buf *bytes)
{
	struct emulation *o = m->out;
	char hex[24];
	json_t *t, *text;

	if (bytes->len < TEXT_LEAST || json_array_size(o->texts) >= TEXTS || is_pointer(m, bytes))
		return;
	snprintf(hex, sizeof hex, "%llx", (unsigned long long)address);
	text = jsonio_bytes(bytes->p, bytes->len < TEXT_MOST ? bytes->len : TEXT_MOST);
	/* an earlier process may have written the same */
	if (m->finished && known_text(o->texts, hex, text)) {
		json_decref(text);
		return;
	}
	t = json_object();
	json_object_set_new(t, "address", json_string(hex));
	json_object_set_new(t, "text", text);
	json_array_append_new(o->texts, t);
}

/* Text that the program itself put together, where it stands at the end. */
static void find_texts(struct machine *m)
{
	struct page **sorted = buf_alloc((m->page_count + 1) * sizeof(struct page *));
	struct buf text = { 0 };
	uint64_t begin = 0, next = 0;
	size_t n = 0;

	for (size_t i = 0; i < m->page_room; i++)
		if (m->page[i])
			sorted[n++] = m->page[i];
	qsort(sorted, n, sizeof(struct page *), by_address);
	for (size_t i = 0; i < n; i++) {
		unsigned char bytes[MACHINE_PAGE];

		machine_read(m, sorted[i]->address, bytes, sizeof bytes);
		for (unsigned k = 0; k < MACHINE_PAGE; k++) {
			uint64_t at = sorted[i]->address + k;

			if (text.len && (at != next || !bit(sorted[i]->ever, k) || bytes[k] < 0x20 || bytes[k] > 0x7e)) {
				add_text(m, begin, &text);
				buf_clear(&text);
			}
			if (!bit(sorted[i]->ever, k) || bytes[k] < 0x20 || bytes[k] > 0x7e)
				continue;
			if (!text.len)
				begin = at;
			buf_addc(&text, (char)bytes[k]);
			next = at + 1;
		}
	}
	add_text(m, begin, &text);
	buf_free(&text);
	free(sorted);
}

void written_finish(struct machine *m)
{
	struct emulate_layer *l = &m->out->last;

	if (m->elsewhere)
		return;
	find_texts(m);
	if (m->finished && m->out->layers <= m->finished_layers)
		return;
	m->finished = true;
	m->finished_layers = m->out->layers;
	m->end_base = m->out->base;
	m->end_size = m->out->size;
	m->end_entry = m->out->entry;
	for (size_t i = 0; i < l->ranges; i++)
		free(l->range[i].bytes);
	free(l->range);
	*l = (struct emulate_layer){ .entry = m->out->layers ? m->out->layer[m->out->layers - 1].entry : m->out->entry,
		.instructions = m->instructions, .written = m->written };
	m->kept = 0;   /* the end is kept whatever the layers took */
	keep_memory(m, l);
	for (size_t i = 0; i < m->page_room; i++)
		if (m->page[i] && m->page[i]->code)
			put_back(m->page[i], l);
}

/* ---- other processes ---- */

struct written_marks {
	size_t pages;
	uint64_t written;
	struct { uint64_t address; unsigned marks; uint64_t bits[WORDS]; } page[];
};

struct written_marks *written_save(const struct machine *m)
{
	struct written_marks *w;
	size_t n = 0;

	for (size_t i = 0; i < m->page_room; i++)
		n += m->page[i] && m->page[i]->marks;
	w = buf_alloc(sizeof *w + n * sizeof *w->page);
	w->written = m->written;
	for (size_t i = 0; i < m->page_room; i++) {
		const struct page *p = m->page[i];

		if (!p || !p->marks)
			continue;
		w->page[w->pages].address = p->address;
		w->page[w->pages].marks = p->marks;
		memcpy(w->page[w->pages++].bits, p->written, sizeof p->written);
	}
	return w;
}

void written_restore(struct machine *m, struct written_marks *w)
{
	forget_marks(m);
	for (size_t i = 0; w && i < w->pages; i++) {
		struct page *p = page_find(m, w->page[i].address);

		if (!p)
			continue;
		p->marks = w->page[i].marks;
		memcpy(p->written, w->page[i].bits, sizeof p->written);
	}
	m->written = w ? w->written : 0;
	free(w);
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
