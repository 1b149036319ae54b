#include "code/walk.h"

#include <stdlib.h>
#include <string.h>

static bool bit(const unsigned char *map, uint64_t i) { return walk_bit(map, i); }
static void set_bit(unsigned char *map, uint64_t i) { map[i / 8] |= (unsigned char)(1u << (i % 8)); }

/* ---- regions ---- */

struct walk_region *walk_region(struct walk *w, uint64_t address)
{
	for (size_t i = 0; i < w->regions; i++)
		if (address >= w->region[i].address && address - w->region[i].address < w->region[i].n)
			return &w->region[i];
	return NULL;
}

static void add_region(struct walk *w, const struct code_region *c)
{
	struct walk_region *r;

	/* Many segments may show the same bytes: each costs some bits a byte here. */
	if (w->regions == WALK_REGIONS || !c->n || walk_region(w, c->address) || w->region_bytes > 2 * w->v->file_size)
		return;
	w->region_bytes += c->n;
	r = &w->region[w->regions++];
	*r = (struct walk_region){ .address = c->address, .p = c->p, .n = c->n };
	r->seen = buf_alloc(r->n / 8 + 1);
	r->covered = buf_alloc(r->n / 8 + 1);
	r->start = buf_alloc(r->n / 8 + 1);
	r->leader = buf_alloc(r->n / 8 + 1);
	r->thumb = buf_alloc(w->v->machine == MACHINE_ARM ? r->n / 8 + 1 : 1);
}

static void find_regions(struct walk *w)
{
	for (size_t i = 0; i < w->v->regions; i++)
		if (w->v->region[i].executable)
			add_region(w, &w->v->region[i]);
}

static bool starts(struct walk *w, uint64_t address)
{
	const struct walk_region *r = walk_region(w, address);

	return r && bit(r->start, address - r->address);
}

bool walk_leads(struct walk *w, uint64_t address)
{
	const struct walk_region *r = walk_region(w, address);

	return r && bit(r->leader, address - r->address);
}

/* ---- decoding ---- */

void walk_thumb(struct walk *w, bool thumb)
{
	cs_arch arch;
	cs_mode mode;

	if (thumb != w->thumb && machines_capstone(w->v, thumb, &arch, &mode) && cs_option(w->cs, CS_OPT_MODE, (size_t)mode) == CS_ERR_OK)
		w->thumb = thumb;
}

bool walk_decode(struct walk *w, const unsigned char *p, size_t left, uint64_t address, struct insn *i)
{
	static const unsigned char flows[] = { [FLOW_ON] = INSN_ON, [FLOW_CALL] = INSN_CALL, [FLOW_BRANCH] = INSN_BRANCH,
		[FLOW_JUMP] = INSN_JUMP, [FLOW_END] = INSN_END };
	const uint8_t *at = p;

	if (w->x86)
		return x86_decode(p, left, address, w->v->machine == MACHINE_X86_64, i);
	*i = (struct insn){ .address = address, .p = p, .base = INSN_NONE, .index = INSN_NONE };
	if (!cs_disasm_iter(w->cs, &at, &left, &address, w->cs_insn))
		return false;
	i->size = (unsigned char)w->cs_insn->size;
	i->flow = flows[flow_of(w->v->machine, w->cs_insn)];
	i->direct = i->flow != INSN_ON && i->flow != INSN_END && flow_target(w->cs_insn, &i->target);
	return true;
}

/* ---- what is left to do ---- */

static void enqueue(struct walk *w, uint64_t address)
{
	bool thumb = w->v->machine == MACHINE_ARM && address & 1;
	struct walk_region *r;

	address -= thumb;
	r = walk_region(w, address);
	if (!r || bit(r->start, address - r->address) || w->queued >= w->l->functions)
		return;
	set_bit(r->start, address - r->address);
	set_bit(r->leader, address - r->address);
	if (thumb)
		set_bit(r->thumb, address - r->address);
	if (w->queued == w->queue_room) {
		w->queue_room = w->queue_room ? w->queue_room * 2 : 1024;
		w->queue = buf_realloc(w->queue, w->queue_room, sizeof *w->queue);
	}
	w->queue[w->queued++] = address;
}

static void push(struct walk *w, uint64_t address, uint32_t bound)
{
	struct walk_region *r = walk_region(w, address);

	if (!r || (bit(r->leader, address - r->address) && !bit(r->start, address - r->address)))
		return;
	set_bit(r->leader, address - r->address);
	if (bit(r->seen, address - r->address))
		return;
	if (w->pendings == w->pending_room) {
		w->pending_room = w->pending_room ? w->pending_room * 2 : 256;
		w->pending = buf_realloc(w->pending, w->pending_room, sizeof *w->pending);
	}
	w->pending[w->pendings].address = address;
	w->pending[w->pendings].kept = trace_keep(&w->trace);
	w->pending[w->pendings++].kept.bound = bound;
}

static void add_edge(struct walk *w, uint64_t from, uint64_t to, enum walk_edge_kind kind)
{
	if (w->edges >= WALK_EDGES)
		return;
	if (w->edges % 4096 == 0)
		w->edge = buf_realloc(w->edge, w->edges + 4096, sizeof *w->edge);
	w->edge[w->edges++] = (struct walk_edge){ to, from, (uint32_t)w->functions, (unsigned char)kind };
}

static void add_note(struct walk *w, uint64_t at, uint64_t value, enum walk_note_kind kind, size_t count)
{
	if (w->notes >= WALK_NOTES)
		return;
	if (w->notes % 4096 == 0)
		w->note = buf_realloc(w->note, w->notes + 4096, sizeof *w->note);
	w->note[w->notes++] = (struct walk_note){ at, value, (uint32_t)count, (unsigned char)kind };
}

static bool over(struct walk *w)
{
	if (!w->stopped && w->instructions >= w->l->instructions)
		w->stopped = "instructions";
	if (!w->stopped && w->instructions % 1024 == 0 && clock_mono_ms() > w->end)
		w->stopped = "time";
	return w->stopped != NULL;
}

/* ---- one instruction ---- */

static bool within(const struct walk *w, uint64_t address)
{
	return address >= w->v->lowest && address < w->v->highest;
}

static void note_x86(struct walk *w, const struct insn *i)
{
	uint64_t to;

	if (trace_reference(&w->trace, i, &to) && within(w, to) && (to >= 0x1000 || i->rip))
		add_note(w, i->address, to, WALK_REFERENCE, 0);
	else if (i->imm_size >= 4 && !i->direct && w->v->lowest >= 0x10000 && within(w, (uint64_t)i->imm))
		add_note(w, i->address, (uint64_t)i->imm, WALK_REFERENCE, 0);
	if ((i->map == MAP_0F && !i->vector && (i->opcode == 0x05 || i->opcode == 0x34)) ||
	    (i->map == MAP_ONE && !i->vector && i->opcode == 0xcd && (i->imm & 0xff) == 0x80))
		if (w->trace.kind[0] == TRACE_CONST)
			add_note(w, i->address, w->trace.value[0], WALK_SYSTEM_CALL, i->opcode == 0xcd);
}

/* "mov r7, #4 ... svc #0" of ARM, "movz x8, #0x40" of AArch64, as capstone writes them. */
static void note_arm(struct walk *w, const struct insn *i)
{
	const char *m = w->cs_insn->mnemonic, *o = w->cs_insn->op_str;
	const char *number = w->v->machine == MACHINE_ARM ? "r7, #" : &"x8, #"[0];

	if (w->v->machine != MACHINE_ARM && w->v->machine != MACHINE_AARCH64)
		return;
	if (!strncmp(m, "mov", 3) && (!strncmp(o, number, 5) || !strncmp(o, "w8, #", 5))) {
		w->number = strtoull(o + 5, NULL, 0);
		w->has_number = true;
	} else if (!strncmp(o, number, 4) || i->flow != INSN_ON) {
		w->has_number = false;
	}
	if ((!strcmp(m, "svc") || !strcmp(m, "swi")) && w->has_number)
		add_note(w, i->address, w->number, WALK_SYSTEM_CALL, 0);
}

/* The next instruction, noted as the function's. False: there is none, or it was decoded already. */
static bool take(struct walk *w, struct walk_function *fn, struct walk_region *r, uint64_t at, struct insn *i)
{
	uint64_t index = at - r->address;

	if (index >= r->n || bit(r->seen, index) || (at != fn->address && bit(r->start, index)))
		return false;
	if (!walk_decode(w, r->p + index, r->n - (size_t)index, at, i))
		return false;
	set_bit(r->seen, index);
	for (unsigned k = 0; k < i->size && index + k < r->n; k++)
		set_bit(r->covered, index + k);
	w->instructions++;
	fn->instructions++;
	fn->size += i->size;
	if (w->x86)
		note_x86(w, i);
	else
		note_arm(w, i);
	return true;
}

/* ---- jump tables ---- */

struct table { const unsigned char *p; uint64_t address, base; size_t left, most; unsigned width; };

static uint64_t table_target(const struct walk *w, const struct table *t, size_t k)
{
	uint64_t v = 0;

	for (unsigned b = 0; b < t->width; b++)
		v |= (uint64_t)t->p[k * t->width + b] << (8 * b);
	if (w->trace.is64 && t->width == 4)
		v = (uint64_t)(int64_t)(int32_t)v;
	return w->trace.is64 ? t->base + v : (t->base + v) & UINT32_MAX;
}

static bool is_target(struct walk *w, const struct walk_function *fn, uint64_t target)
{
	const struct walk_region *r = walk_region(w, target);
	uint64_t far = target > fn->address ? target - fn->address : fn->address - target, index;
	struct insn i;

	if (!r || far > WALK_NEAR)
		return false;
	index = target - r->address;
	/* The middle of an instruction is nobody's case. */
	if (bit(r->covered, index) && !bit(r->seen, index))
		return false;
	return x86_decode(r->p + index, r->n - (size_t)index, target, w->trace.is64, &i);
}

static void mark_data(struct walk *w, uint64_t address, size_t n)
{
	struct walk_region *r = walk_region(w, address);

	for (size_t k = 0; r && k < n && address - r->address + k < r->n; k++)
		set_bit(r->covered, address - r->address + k);
}

static void jump_table(struct walk *w, const struct walk_function *fn, const struct insn *i)
{
	struct table t = { .most = w->trace.bounded ? (size_t)w->trace.bound : WALK_TABLE_UNBOUND };
	size_t n = 0;

	if (!trace_table(&w->trace, i, &t.address, &t.width, &t.base) || !(t.p = view_at(w->v, t.address, &t.left)))
		return;
	t.most = t.most < WALK_TABLE ? t.most : WALK_TABLE;
	t.most = t.most < t.left / t.width ? t.most : t.left / t.width;
	for (; n < t.most && w->words < WALK_WORDS && is_target(w, fn, table_target(w, &t, n)); n++)
		w->words++;
	/* One word that happens to lead to code is no table. */
	if (n < 2 && !(n == 1 && w->trace.bounded))
		return;
	add_note(w, i->address, t.address, WALK_SWITCH, n);
	mark_data(w, t.address, n * t.width);
	for (size_t k = 0; k < n; k++) {
		uint64_t target = table_target(w, &t, k);
		bool leaves = starts(w, target) && target != fn->address;

		add_edge(w, i->address, target, leaves ? WALK_TAIL : WALK_BRANCH);
		if (!leaves)
			push(w, target, 0);
	}
}

/* ---- blocks ---- */

/* "mov ebx, [esp]; ret": a call of it tells its own address. */
static bool is_pc_thunk(struct walk *w, uint64_t target, unsigned *reg)
{
	size_t left;
	const unsigned char *p = view_at(w->v, target, &left);

	if (w->v->machine != MACHINE_I386 || !p || left < 4 || p[0] != 0x8b || (p[1] & 0xc7) != 0x04 || p[2] != 0x24 || p[3] != 0xc3)
		return false;
	*reg = p[1] >> 3 & 7;
	return true;
}

static void follow(struct walk *w, const struct walk_function *fn, const struct insn *i, uint32_t bound)
{
	uint64_t target = i->target, far = target > fn->address ? target - fn->address : fn->address - target;
	bool leaves = i->flow == INSN_CALL || far > WALK_NEAR || !walk_region(w, target) || (target != fn->address && starts(w, target));
	bool thumb = w->thumb;

	/* Nobody jumps to before a function's beginning but to call another one last. */
	if (!leaves && i->flow == INSN_JUMP && target < fn->address)
		leaves = true;
	if (!leaves) {
		add_edge(w, i->address, target, WALK_BRANCH);
		push(w, target, bound);
		return;
	}
	/* "call next; pop": how code finds its own address. */
	if (i->flow == INSN_CALL && target == i->address + i->size)
		return;
	if (w->v->machine == MACHINE_ARM && w->cs_insn->id == ARM_INS_BLX)
		thumb = !thumb;
	add_edge(w, i->address, target, i->flow == INSN_CALL ? WALK_CALL : WALK_TAIL);
	enqueue(w, target | (thumb ? 1 : 0));
}

static bool comes_back(struct walk *w, const struct names *names, const struct insn *i)
{
	const struct walk_note *last = w->notes ? &w->note[w->notes - 1] : NULL;
	const char *name = NULL;

	if (i->direct)
		name = names_thunk(names, w, i->target);
	else if (i->memory && last && last->at == i->address)
		name = names_import(names, last->value);
	return !name || !names_noreturn(name);
}

/* Straight on from one address until the flow leaves, meets code that was decoded already, or another function. */
static void walk_block(struct walk *w, const struct names *names, struct walk_function *fn, uint64_t address)
{
	struct walk_region *r = walk_region(w, address);
	uint64_t at = address;
	struct insn i, slot;
	bool more = r != NULL;

	while (more && !over(w) && take(w, fn, r, at, &i)) {
		uint32_t on = 0, there = 0;
		unsigned reg;

		at += i.size;
		if (i.flow == INSN_ON) {
			if (w->x86)
				trace_step(&w->trace, &i);
			continue;
		}
		if (i.flow == INSN_BRANCH && w->x86)
			trace_branch(&w->trace, &i, &on, &there);
		if (i.direct)
			follow(w, fn, &i, there);
		else if (i.flow == INSN_JUMP && w->x86)
			jump_table(w, fn, &i);
		if (flow_delayed(w->v->machine)) {
			if (!take(w, fn, r, at, &slot))
				break;
			at += slot.size;
		}
		if (i.flow == INSN_BRANCH)
			push(w, at, on);
		more = i.flow == INSN_CALL && comes_back(w, names, &i);
		if (more && w->x86) {
			trace_step(&w->trace, &i);
			if (i.direct && is_pc_thunk(w, i.target, &reg))
				trace_thunk(&w->trace, reg, at);
		}
	}
	if (at == address)
		return;
	if (w->runs % 4096 == 0)
		w->run = buf_realloc(w->run, w->runs + 4096, sizeof *w->run);
	w->run[w->runs++] = (struct walk_run){ address, at - address };
}

static int by_run(const void *a, const void *b)
{
	const struct walk_run *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static void walk_function(struct walk *w, const struct names *names, uint64_t address)
{
	struct walk_function fn = { .address = address, .first_run = w->runs };

	if (w->v->machine == MACHINE_ARM) {
		const struct walk_region *r = walk_region(w, address);

		fn.thumb = r && bit(r->thumb, address - r->address);
		walk_thumb(w, fn.thumb);
	}
	trace_begin(&w->trace, w->v->machine == MACHINE_X86_64);
	w->has_number = false;
	w->pendings = 0;
	walk_block(w, names, &fn, address);
	while (w->pendings && !w->stopped) {
		struct trace_kept kept = w->pending[--w->pendings].kept;

		trace_again(&w->trace, &kept);
		walk_block(w, names, &fn, w->pending[w->pendings].address);
	}
	if (!fn.instructions)
		return;
	fn.runs = w->runs - fn.first_run;
	qsort(w->run + fn.first_run, fn.runs, sizeof *w->run, by_run);
	if (w->functions % 1024 == 0)
		w->function = buf_realloc(w->function, w->functions + 1024, sizeof *w->function);
	w->function[w->functions++] = fn;
}

static void walk_queue(struct walk *w, const struct names *names)
{
	while (w->taken < w->queued && !w->stopped)
		walk_function(w, names, w->queue[w->taken++]);
}

/* ---- where functions begin ---- */

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

/* Further beginnings that compilers write, but at a multiple of 16 or behind padding alone: they are common inside of functions. */
static bool is_x86_prologue(const struct walk *w, const struct walk_region *r, size_t at)
{
	static const struct { unsigned char n; const char *p; } wide[] = {
		{ 4, "\x55\x48\x8b\xec" }, { 2, "\x55\x53" }, { 2, "\x41\x57" }, { 2, "\x41\x56" }, { 2, "\x41\x55" }, { 2, "\x41\x54" },
		{ 4, "\x53\x48\x83\xec" }, { 3, "\x48\x83\xec" }, { 3, "\x48\x81\xec" }, { 5, "\x40\x53\x48\x83\xec" },
		{ 4, "\x48\x89\x5c\x24" }, { 4, "\x48\x89\x4c\x24" }, { 3, "\x48\x8b\xc4" },
	}, narrow[] = {
		{ 5, "\x8b\xff\x55\x8b\xec" }, { 2, "\x55\x57" }, { 2, "\x57\x56" }, { 2, "\x56\x53" }, { 2, "\x83\xec" }, { 2, "\x81\xec" },
		{ 2, "\x55\x53" }, { 3, "\x53\x83\xec" },
	};
	bool is64 = w->v->machine == MACHINE_X86_64;
	size_t n = is64 ? sizeof wide / sizeof *wide : sizeof narrow / sizeof *narrow;
	unsigned char before = at ? r->p[at - 1] : 0xcc;

	if (!w->x86 || ((r->address + at) % 16 && before != 0xcc && before != 0xc3 && before != 0x90))
		return false;
	for (size_t k = 0; k < n; k++) {
		size_t size = is64 ? wide[k].n : narrow[k].n;

		if (r->n - at >= size && !memcmp(r->p + at, is64 ? wide[k].p : narrow[k].p, size))
			return true;
	}
	return false;
}

static void enqueue_prologues(struct walk *w, const struct names *names)
{
	/* ARM code that mixes both kinds tells Thumb by its entry. */
	bool thumb = w->v->machine == MACHINE_ARM && w->v->entry & 1;
	size_t step = flow_step(w->v->machine, thumb);

	for (size_t k = 0; k < w->regions; k++) {
		struct walk_region *r = &w->region[k];

		for (size_t i = 0; i < r->n && !w->stopped; i += step) {
			if (bit(r->covered, i) || !(flow_prologue(w->v, thumb, r->p + i, r->n - i) || is_x86_prologue(w, r, i)))
				continue;
			enqueue(w, (r->address + i) | (thumb ? 1 : 0));
			walk_queue(w, names);
		}
	}
}

/* ---- all of it ---- */

bool walk_all(struct walk *w, const struct code_view *v, const struct disasm_limits *l)
{
	struct names *names;
	cs_arch arch;
	cs_mode mode;

	*w = (struct walk){ .v = v, .l = l, .x86 = v->machine == MACHINE_X86_64 || v->machine == MACHINE_I386 };
	if (!machines_capstone(v, false, &arch, &mode) || cs_open(arch, mode, &w->cs) != CS_ERR_OK)
		return false;
	w->cs_insn = cs_malloc(w->cs);
	if (!w->cs_insn) {
		cs_close(&w->cs);
		return false;
	}
	w->end = clock_mono_ms() + l->ms;
	find_regions(w);
	names = names_new(w);
	enqueue_known(w);
	walk_queue(w, names);
	enqueue_prologues(w, names);
	if (!w->stopped && w->queued >= l->functions)
		w->stopped = "functions";
	names_free(names);
	order_all(w);
	return true;
}

void walk_free(struct walk *w)
{
	for (size_t i = 0; i < w->regions; i++) {
		struct walk_region *r = &w->region[i];

		free(r->seen);
		free(r->covered);
		free(r->start);
		free(r->leader);
		free(r->thumb);
	}
	free(w->queue);
	free(w->pending);
	free(w->function);
	free(w->run);
	free(w->edge);
	free(w->note);
	if (w->cs_insn)
		cs_free(w->cs_insn, 1);
	if (w->cs)
		cs_close(&w->cs);
}
