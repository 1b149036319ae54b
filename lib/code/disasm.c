#include "code/disasm-internal.h"

#include <stdlib.h>
#include <string.h>

#define DISASM_ENTRY 48u         /* instructions shown at the entry point */
#define DISASM_CALLS 64u         /* callees named of one function */
#define DISASM_REGIONS 256u
#define DISASM_NEAR (1u << 20)   /* a jump further than that leaves the function */

/* Executable bytes, with one bit each: an instruction was decoded here; a function starts here, in Thumb. */
struct region { uint64_t address; const unsigned char *p; size_t n; unsigned char *seen, *start, *thumb; };
struct block { uint64_t address; size_t text, length; };
struct function { uint64_t address; size_t size, blocks, instructions; json_t *calls; };

struct walk {
	const struct code_view *v;
	struct disasm *d;
	struct disasm_limits l;
	int64_t end;
	csh cs;
	cs_insn *insn;
	bool thumb;                                          /* what the engine is set to */
	struct region region[DISASM_REGIONS];
	size_t regions, region_bytes;
	uint64_t *queue; size_t queued, taken, queue_room;
	struct function *function; size_t functions;
	uint64_t *pending; size_t pendings, pending_room;     /* blocks of the function at hand */
	struct block *block; size_t block_room;
	struct buf scratch;                                  /* its text, by block */
	bool text_full;
};

static bool bit(const unsigned char *map, size_t i) { return map[i / 8] >> (i % 8) & 1; }
static void set_bit(unsigned char *map, size_t i) { map[i / 8] |= (unsigned char)(1u << (i % 8)); }

static struct region *region_of(struct walk *w, uint64_t address)
{
	for (size_t i = 0; i < w->regions; i++)
		if (address >= w->region[i].address && address - w->region[i].address < w->region[i].n)
			return &w->region[i];
	return NULL;
}

static void add_region(struct walk *w, const struct code_region *c)
{
	struct region *r;

	/* Many segments may show the same bytes: each costs some bits a byte here. */
	if (w->regions == DISASM_REGIONS || region_of(w, c->address) || w->region_bytes > 2 * w->v->file_size)
		return;
	w->region_bytes += c->n;
	r = &w->region[w->regions++];
	*r = (struct region){ .address = c->address, .p = c->p, .n = c->n };
	r->seen = buf_alloc(r->n / 8 + 1);
	r->start = buf_alloc(r->n / 8 + 1);
	if (w->v->machine == MACHINE_ARM)
		r->thumb = buf_alloc(r->n / 8 + 1);
}

/* The address of a function; on ARM with bit 0 for Thumb. */
static void enqueue(struct walk *w, uint64_t address)
{
	bool thumb = w->v->machine == MACHINE_ARM && address & 1;
	struct region *r;

	address -= thumb;
	r = region_of(w, address);
	if (!r || bit(r->start, address - r->address) || w->queued >= w->l.functions)
		return;
	set_bit(r->start, address - r->address);
	if (thumb)
		set_bit(r->thumb, address - r->address);
	if (w->queued == w->queue_room) {
		w->queue_room = w->queue_room ? w->queue_room * 2 : 1024;
		w->queue = buf_realloc(w->queue, w->queue_room, sizeof *w->queue);
	}
	w->queue[w->queued++] = address;
}

static void push(struct walk *w, uint64_t address)
{
	if (w->pendings == w->pending_room) {
		w->pending_room = w->pending_room ? w->pending_room * 2 : 256;
		w->pending = buf_realloc(w->pending, w->pending_room, sizeof *w->pending);
	}
	w->pending[w->pendings++] = address;
}

static void add_text(struct buf *b, const cs_insn *i)
{
	static const char hex[] = "0123456789abcdef";
	char bytes[16 * 3 + 1];
	size_t n = 0;

	for (size_t k = 0; k < i->size && k < 15; k++) {
		bytes[n++] = hex[i->bytes[k] >> 4];
		bytes[n++] = hex[i->bytes[k] & 15];
		bytes[n++] = ' ';
	}
	bytes[n] = '\0';
	buf_addf(b, "  %8llx:  %-30s %s %s\n", (unsigned long long)i->address, bytes, i->mnemonic, i->op_str);
}

static bool over(struct walk *w)
{
	if (!w->d->stopped && w->d->instructions >= w->l.instructions)
		w->d->stopped = "instructions";
	if (!w->d->stopped && w->d->instructions % 1024 == 0 && clock_mono_ms() > w->end)
		w->d->stopped = "time";
	return w->d->stopped != NULL;
}

static void add_call(struct function *fn, uint64_t target)
{
	char text[32];

	snprintf(text, sizeof text, "%llx", (unsigned long long)target);
	for (size_t i = 0; i < json_array_size(fn->calls); i++)
		if (!strcmp(json_string_value(json_array_get(fn->calls, i)), text))
			return;
	if (json_array_size(fn->calls) < DISASM_CALLS)
		json_array_append_new(fn->calls, json_string(text));
}

static void set_thumb(struct walk *w, bool thumb)
{
	cs_arch arch;
	cs_mode mode;

	if (thumb != w->thumb && machines_capstone(w->v, thumb, &arch, &mode) && cs_option(w->cs, CS_OPT_MODE, (size_t)mode) == CS_ERR_OK)
		w->thumb = thumb;
}

/* The next instruction, noted as the function's; its flow in *flow. False: there is none, or it was decoded already. */
static bool take(struct walk *w, struct function *fn, struct region *r, uint64_t *at, enum flow *flow)
{
	size_t index = (size_t)(*at - r->address), left = r->n - index;
	const uint8_t *p = r->p + index;

	if (index >= r->n || bit(r->seen, index) || (*at != fn->address && bit(r->start, index)))
		return false;
	if (!cs_disasm_iter(w->cs, &p, &left, at, w->insn))
		return false;
	set_bit(r->seen, index);
	w->d->instructions++;
	fn->instructions++;
	fn->size += w->insn->size;
	if (!w->text_full)
		add_text(&w->scratch, w->insn);
	*flow = flow_of(w->v->machine, w->insn);
	return true;
}

static void follow(struct walk *w, struct function *fn, enum flow flow, uint64_t target)
{
	struct region *t = region_of(w, target);
	uint64_t far = target > fn->address ? target - fn->address : fn->address - target;
	bool thumb = w->thumb;

	if (flow != FLOW_CALL && t && far <= DISASM_NEAR && (target == fn->address || !bit(t->start, target - t->address))) {
		push(w, target);
		return;
	}
	if (w->v->machine == MACHINE_ARM && w->insn->id == ARM_INS_BLX)
		thumb = !thumb;
	add_call(fn, target);
	enqueue(w, target | (thumb ? 1 : 0));
}

/* Straight on from one address until the flow leaves, meets code that was decoded already, or another function. */
static void walk_block(struct walk *w, struct function *fn, uint64_t address)
{
	struct region *r = region_of(w, address);
	uint64_t at = address, target;
	enum flow flow, ignored;

	if (!r)
		return;
	while (!over(w)) {
		if (!take(w, fn, r, &at, &flow))
			return;
		if (flow == FLOW_ON)
			continue;
		if (flow != FLOW_END && flow_target(w->insn, &target))
			follow(w, fn, flow, target);
		if (flow_delayed(w->v->machine) && !take(w, fn, r, &at, &ignored))
			return;
		if (flow == FLOW_BRANCH)
			push(w, at);
		if (flow != FLOW_CALL)
			return;
	}
}

static int by_block(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static void flush_text(struct walk *w, const struct function *fn, size_t blocks)
{
	buf_addf(&w->d->text, "\nfunction %llx: %zu instructions, %zu blocks\n", (unsigned long long)fn->address, fn->instructions, fn->blocks);
	qsort(w->block, blocks, sizeof *w->block, by_block);
	for (size_t i = 0; i < blocks; i++)
		buf_add(&w->d->text, w->scratch.p + w->block[i].text, w->block[i].length);
	if (w->d->text.len > w->l.text) {
		w->text_full = true;
		buf_addf(&w->d->text, "\n(the listing is cut here at %zu bytes)\n", w->d->text.len);
	}
}

static void walk_function(struct walk *w, uint64_t address)
{
	struct function fn = { .address = address, .calls = json_array() };
	size_t blocks = 0;

	buf_clear(&w->scratch);
	if (w->v->machine == MACHINE_ARM) {
		const struct region *r = region_of(w, address);

		set_thumb(w, r && bit(r->thumb, address - r->address));
	}
	w->pendings = 0;
	push(w, address);
	while (w->pendings && !w->d->stopped) {
		uint64_t at = w->pending[--w->pendings];
		size_t text = w->scratch.len, before = fn.instructions;

		walk_block(w, &fn, at);
		if (fn.instructions == before)
			continue;
		fn.blocks++;
		if (blocks == w->block_room) {
			w->block_room = w->block_room ? w->block_room * 2 : 256;
			w->block = buf_realloc(w->block, w->block_room, sizeof *w->block);
		}
		w->block[blocks++] = (struct block){ at, text, w->scratch.len - text };
	}
	if (!fn.instructions) {
		json_decref(fn.calls);
		return;
	}
	if (!w->text_full)
		flush_text(w, &fn, blocks);
	if (w->functions % 1024 == 0)
		w->function = buf_realloc(w->function, w->functions + 1024, sizeof *w->function);
	w->function[w->functions++] = fn;
}

static void walk_queue(struct walk *w)
{
	while (w->taken < w->queued && !w->d->stopped)
		walk_function(w, w->queue[w->taken++]);
}

static int by_address(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The entry first, then all that the file itself names, by address. */
static void enqueue_known(struct walk *w)
{
	const struct code_view *v = w->v;
	size_t first;

	if (v->has_entry)
		enqueue(w, v->entry);
	first = w->queued;
	for (size_t i = 0; i < v->starts; i++)
		enqueue(w, v->start[i]);
	for (size_t i = 0; i < v->symbols; i++)
		if (v->symbol[i].function)
			enqueue(w, v->symbol[i].address);
	if (w->queued > first)
		qsort(w->queue + first, w->queued - first, sizeof *w->queue, by_address);
}

static void enqueue_prologues(struct walk *w)
{
	/* ARM code that mixes both kinds tells Thumb by its entry. */
	bool thumb = w->v->machine == MACHINE_ARM && w->v->entry & 1;
	size_t step = flow_step(w->v->machine, thumb);

	for (size_t k = 0; k < w->regions; k++) {
		struct region *r = &w->region[k];

		for (size_t i = 0; i < r->n && !w->d->stopped; i += step) {
			if (bit(r->seen, i) || !flow_prologue(w->v, thumb, r->p + i, r->n - i))
				continue;
			enqueue(w, (r->address + i) | (thumb ? 1 : 0));
			walk_queue(w);
		}
	}
}

static int by_function(const void *a, const void *b)
{
	return by_address(&((const struct function *)a)->address, &((const struct function *)b)->address);
}

static void report(struct walk *w)
{
	if (w->functions)
		qsort(w->function, w->functions, sizeof *w->function, by_function);
	for (size_t i = 0; i < w->functions; i++) {
		struct function *fn = &w->function[i];
		json_t *o = json_object();
		char text[32];

		snprintf(text, sizeof text, "%llx", (unsigned long long)fn->address);
		json_object_set_new(o, "address", json_string(text));
		json_object_set_new(o, "size", json_integer((json_int_t)fn->size));
		json_object_set_new(o, "blocks", json_integer((json_int_t)fn->blocks));
		json_object_set_new(o, "instructions", json_integer((json_int_t)fn->instructions));
		json_object_set_new(o, "calls", fn->calls);
		json_array_append_new(w->d->functions, o);
	}
}

static void show_entry(struct walk *w)
{
	bool thumb = w->v->machine == MACHINE_ARM && w->v->entry & 1;
	uint64_t at = w->v->entry - thumb;
	struct region *r = region_of(w, at);
	const uint8_t *p;
	size_t left;

	if (!r || !w->v->has_entry)
		return;
	set_thumb(w, thumb);
	p = r->p + (at - r->address);
	left = r->n - (size_t)(at - r->address);
	buf_addf(&w->d->text, "entry point %llx\n", (unsigned long long)at);
	for (size_t i = 0; i < DISASM_ENTRY && cs_disasm_iter(w->cs, &p, &left, &at, w->insn); i++) {
		json_t *o = json_object();
		char address[32], text[256];

		snprintf(address, sizeof address, "%llx", (unsigned long long)w->insn->address);
		snprintf(text, sizeof text, "%s%s%s", w->insn->mnemonic, *w->insn->op_str ? " " : "", w->insn->op_str);
		json_object_set_new(o, "address", json_string(address));
		json_object_set_new(o, "text", json_string(text));
		json_array_append_new(w->d->entry, o);
		add_text(&w->d->text, w->insn);
		if (flow_of(w->v->machine, w->insn) == FLOW_END)
			break;
	}
}

bool disasm_view(const struct code_view *v, const struct disasm_limits *l, struct disasm *d)
{
	static const struct disasm_limits usual = { 20000, 2000000, 4 * MIB, 5000 };
	struct walk w = { .v = v, .d = d, .l = usual };
	cs_arch arch;
	cs_mode mode;

	*d = (struct disasm){ .entry = json_array(), .functions = json_array() };
	if (l) {
		w.l.functions = l->functions ? l->functions : usual.functions;
		w.l.instructions = l->instructions ? l->instructions : usual.instructions;
		w.l.text = l->text ? l->text : usual.text;
		w.l.ms = l->ms ? l->ms : usual.ms;
	}
	if (!machines_capstone(v, false, &arch, &mode) || cs_open(arch, mode, &w.cs) != CS_ERR_OK)
		return false;
	w.end = clock_mono_ms() + w.l.ms;
	w.insn = cs_malloc(w.cs);
	if (!w.insn) {
		cs_close(&w.cs);
		return false;
	}
	for (size_t i = 0; i < v->regions; i++)
		if (v->region[i].executable)
			add_region(&w, &v->region[i]);
	show_entry(&w);
	enqueue_known(&w);
	walk_queue(&w);
	enqueue_prologues(&w);
	if (!d->stopped && w.queued >= w.l.functions)
		d->stopped = "functions";
	report(&w);
	for (size_t i = 0; i < w.regions; i++) {
		free(w.region[i].seen);
		free(w.region[i].start);
		free(w.region[i].thumb);
	}
	free(w.queue);
	free(w.function);
	free(w.pending);
	free(w.block);
	buf_free(&w.scratch);
	cs_free(w.insn, 1);
	cs_close(&w.cs);
	return true;
}

bool disasm_elf(const struct elf *f, const struct disasm_limits *l, struct disasm *d)
{
	struct code_view *v = view_elf(f);
	bool known = disasm_view(v, l, d);

	view_free(v);
	return known;
}

void disasm_free(struct disasm *d)
{
	json_decref(d->entry);
	json_decref(d->functions);
	buf_free(&d->text);
	*d = (struct disasm){ 0 };
}
