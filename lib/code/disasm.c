#include "code/code.h"

#include <capstone/capstone.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define DISASM_ENTRY 48u         /* instructions shown at the entry point */
#define DISASM_CALLS 64u         /* callees named of one function */
#define DISASM_REGIONS 256u
#define DISASM_NEAR (1u << 20)   /* a jump further than that leaves the function */

/* Executable bytes, with one bit each: an instruction was decoded here; a function starts here. */
struct region { uint64_t address; const unsigned char *p; size_t n; unsigned char *seen, *start; };
struct block { uint64_t address; size_t text, length; };
struct function { uint64_t address; size_t size, blocks, instructions; json_t *calls; };

struct walk {
	const struct elf *f;
	struct disasm *d;
	struct disasm_limits l;
	int64_t end;
	csh cs;
	cs_insn *insn;
	struct region region[DISASM_REGIONS];
	size_t regions, region_bytes;
	uint64_t *queue; size_t queued, taken, queue_room;
	struct function *function; size_t functions;
	uint64_t *pending; size_t pendings, pending_room;     /* blocks of the function at hand */
	struct block *block; size_t block_room;
	struct buf scratch;                                  /* its text, by block */
	bool text_full;
};

enum flow { FLOW_ON, FLOW_CALL, FLOW_BRANCH, FLOW_JUMP, FLOW_END };

static bool bit(const unsigned char *map, size_t i) { return map[i / 8] >> (i % 8) & 1; }
static void set_bit(unsigned char *map, size_t i) { map[i / 8] |= (unsigned char)(1u << (i % 8)); }

static struct region *region_of(struct walk *w, uint64_t address)
{
	for (size_t i = 0; i < w->regions; i++)
		if (address >= w->region[i].address && address - w->region[i].address < w->region[i].n)
			return &w->region[i];
	return NULL;
}

static void add_region(struct walk *w, uint64_t address, uint64_t offset, uint64_t size)
{
	struct region *r;

	if (w->regions == DISASM_REGIONS || offset >= w->f->n || !size)
		return;
	if (size > w->f->n - offset)
		size = w->f->n - offset;
	/* Many segments may show the same bytes: each costs two bits a byte here. */
	if (region_of(w, address) || w->region_bytes > 2 * w->f->n)
		return;
	w->region_bytes += (size_t)size;
	r = &w->region[w->regions++];
	*r = (struct region){ .address = address, .p = w->f->p + offset, .n = (size_t)size };
	r->seen = buf_alloc(r->n / 8 + 1);
	r->start = buf_alloc(r->n / 8 + 1);
}

static void find_regions(struct walk *w)
{
	const struct elf *f = w->f;

	if (!f->segments || f->type == ET_REL) {
		for (size_t i = 0; i < f->sections; i++)
			if (f->section[i].flags & SHF_EXECINSTR && f->section[i].type != SHT_NOBITS)
				add_region(w, f->section[i].address, f->section[i].offset, f->section[i].size);
		return;
	}
	for (size_t i = 0; i < f->segments; i++) {
		const struct elf_segment *s = &f->segment[i];
		uint64_t before = s->address % 4096;

		/* Whole pages are mapped, see elf_offset(). */
		if (before > s->offset)
			before = 0;
		if (s->type == PT_LOAD && s->flags & PF_X && s->filesize)
			add_region(w, s->address - before, s->offset - before, s->filesize + before);
	}
}

static void enqueue(struct walk *w, uint64_t address)
{
	struct region *r;

	if (w->f->machine == EM_ARM)
		address &= ~(uint64_t)1;
	r = region_of(w, address);
	if (!r || bit(r->start, address - r->address) || w->queued >= w->l.functions)
		return;
	set_bit(r->start, address - r->address);
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

/* The last operand when it is a plain number: "0x401000", "x0, #0x401000". */
static bool direct_target(const char *operands, uint64_t *target)
{
	const char *last = strrchr(operands, ' ');
	char *end;

	last = last ? last + 1 : operands;
	if (*last == '#')
		last++;
	if (last[0] != '0' || last[1] != 'x')
		return false;
	*target = strtoull(last, &end, 16);
	return *end == '\0';
}

static enum flow flow_x86(const cs_insn *i)
{
	switch (i->id) {
	case X86_INS_CALL: return FLOW_CALL;
	case X86_INS_JMP: return FLOW_JUMP;
	case X86_INS_RET: case X86_INS_RETF: case X86_INS_RETFQ: case X86_INS_IRET: case X86_INS_IRETD: case X86_INS_IRETQ:
	case X86_INS_HLT: case X86_INS_UD2: case X86_INS_INT3: case X86_INS_LJMP:
		return FLOW_END;
	case X86_INS_LOOP: case X86_INS_LOOPE: case X86_INS_LOOPNE: return FLOW_BRANCH;
	default: return i->mnemonic[0] == 'j' ? FLOW_BRANCH : FLOW_ON;
	}
}

static enum flow flow_arm64(const cs_insn *i)
{
	switch (i->id) {
	case ARM64_INS_BL: case ARM64_INS_BLR: return FLOW_CALL;
	case ARM64_INS_B: return i->mnemonic[1] == '.' ? FLOW_BRANCH : FLOW_JUMP;
	case ARM64_INS_BR: return FLOW_JUMP;
	case ARM64_INS_RET: case ARM64_INS_ERET: case ARM64_INS_BRK: case ARM64_INS_HLT: return FLOW_END;
	case ARM64_INS_CBZ: case ARM64_INS_CBNZ: case ARM64_INS_TBZ: case ARM64_INS_TBNZ: return FLOW_BRANCH;
	default: return FLOW_ON;
	}
}

static enum flow flow_arm(const cs_insn *i)
{
	const char *m = i->mnemonic;

	switch (i->id) {
	case ARM_INS_BL: case ARM_INS_BLX: return FLOW_CALL;
	case ARM_INS_B: return m[1] == '\0' || !strcmp(m, "b.w") ? FLOW_JUMP : FLOW_BRANCH;
	case ARM_INS_BX: return m[2] == '\0' ? FLOW_END : FLOW_BRANCH;
	case ARM_INS_CBZ: case ARM_INS_CBNZ: return FLOW_BRANCH;
	case ARM_INS_POP: case ARM_INS_LDM:
		return (!strcmp(m, "pop") || !strcmp(m, "ldm")) && strstr(i->op_str, "pc") ? FLOW_END : FLOW_ON;
	default: return FLOW_ON;
	}
}

static enum flow flow_of(const struct walk *w, const cs_insn *i)
{
	switch (w->f->machine) {
	case EM_AARCH64: return flow_arm64(i);
	case EM_ARM: return flow_arm(i);
	default: return flow_x86(i);
	}
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

/* Straight on from one address until the flow leaves, meets code that was decoded already, or another function. */
static void walk_block(struct walk *w, struct function *fn, uint64_t address)
{
	struct region *r = region_of(w, address);
	const uint8_t *p;
	size_t left;
	uint64_t at = address, target;

	if (!r || bit(r->seen, address - r->address))
		return;
	p = r->p + (address - r->address);
	left = r->n - (size_t)(address - r->address);
	while (!over(w)) {
		size_t index = (size_t)(at - r->address);
		enum flow flow;

		if (index >= r->n || bit(r->seen, index) || (at != fn->address && bit(r->start, index)))
			return;
		if (!cs_disasm_iter(w->cs, &p, &left, &at, w->insn))
			return;
		set_bit(r->seen, index);
		w->d->instructions++;
		fn->instructions++;
		fn->size += w->insn->size;
		if (!w->text_full)
			add_text(&w->scratch, w->insn);
		flow = flow_of(w, w->insn);
		if (flow == FLOW_ON)
			continue;
		if (flow == FLOW_END)
			return;
		if (direct_target(w->insn->op_str, &target)) {
			struct region *t = region_of(w, target);
			uint64_t far = target > fn->address ? target - fn->address : fn->address - target;

			if (flow == FLOW_CALL || !t || far > DISASM_NEAR || (target != fn->address && bit(t->start, target - t->address))) {
				add_call(fn, target);
				enqueue(w, target);
			} else {
				push(w, target);
			}
		}
		if (flow == FLOW_JUMP)
			return;
		if (flow == FLOW_BRANCH) {
			push(w, at);
			return;
		}
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
	const struct elf *f = w->f;

	if (f->type != ET_REL)
		enqueue(w, f->entry);
	for (size_t i = 0; i < f->starts; i++)
		enqueue(w, f->start[i]);
	for (size_t pass = 0; pass < 2; pass++) {
		const struct elf_symbol *s = pass ? f->local : f->symbol;
		size_t n = pass ? f->locals : f->symbols;

		/* A relocatable file's values count from their section: its functions are found by their prologues. */
		for (size_t i = 0; i < n && f->type != ET_REL; i++)
			if (s[i].type == STT_FUNC && !s[i].undefined)
				enqueue(w, s[i].value);
	}
	if (w->queued > 1)
		qsort(w->queue + 1, w->queued - 1, sizeof *w->queue, by_address);
}

static bool is_prologue(unsigned machine, const unsigned char *p, size_t left)
{
	uint32_t word;

	if (left < 4)
		return false;
	switch (machine) {
	case EM_X86_64:
		return !memcmp(p, "\xf3\x0f\x1e\xfa", 4) || !memcmp(p, "\x55\x48\x89\xe5", 4);
	case EM_386:
		return !memcmp(p, "\xf3\x0f\x1e\xfb", 4) || !memcmp(p, "\x55\x89\xe5", 3);
	default:
		word = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
		return machine == EM_AARCH64 ? (word & 0xffc07fff) == 0xa9807bfd : (word & 0xffff4000) == 0xe92d4000;
	}
}

static void enqueue_prologues(struct walk *w)
{
	size_t step = w->f->machine == EM_X86_64 || w->f->machine == EM_386 ? 1 : 4;

	for (size_t k = 0; k < w->regions; k++) {
		struct region *r = &w->region[k];

		for (size_t i = 0; i < r->n && !w->d->stopped; i += step) {
			if (bit(r->seen, i) || !is_prologue(w->f->machine, r->p + i, r->n - i))
				continue;
			enqueue(w, r->address + i);
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
	struct region *r = region_of(w, w->f->entry);
	uint64_t at = w->f->entry;
	const uint8_t *p;
	size_t left;

	if (!r || w->f->type == ET_REL)
		return;
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
		if (flow_of(w, w->insn) == FLOW_END)
			break;
	}
}

static bool open_engine(const struct elf *f, csh *cs)
{
	cs_mode order = f->big ? CS_MODE_BIG_ENDIAN : CS_MODE_LITTLE_ENDIAN;

	switch (f->machine) {
	case EM_X86_64: return cs_open(CS_ARCH_X86, CS_MODE_64, cs) == CS_ERR_OK;
	case EM_386: return cs_open(CS_ARCH_X86, CS_MODE_32, cs) == CS_ERR_OK;
	case EM_AARCH64: return cs_open(CS_ARCH_ARM64, order, cs) == CS_ERR_OK;
	case EM_ARM: return cs_open(CS_ARCH_ARM, order | (f->entry & 1 ? CS_MODE_THUMB : CS_MODE_ARM), cs) == CS_ERR_OK;
	default: return false;
	}
}

bool disasm_elf(const struct elf *f, const struct disasm_limits *l, struct disasm *d)
{
	static const struct disasm_limits usual = { 20000, 2000000, 4 * MIB, 5000 };
	struct walk w = { .f = f, .d = d, .l = usual };

	*d = (struct disasm){ .entry = json_array(), .functions = json_array() };
	if (l) {
		w.l.functions = l->functions ? l->functions : usual.functions;
		w.l.instructions = l->instructions ? l->instructions : usual.instructions;
		w.l.text = l->text ? l->text : usual.text;
		w.l.ms = l->ms ? l->ms : usual.ms;
	}
	if (!open_engine(f, &w.cs))
		return false;
	w.end = clock_mono_ms() + w.l.ms;
	w.insn = cs_malloc(w.cs);
	if (!w.insn) {
		cs_close(&w.cs);
		return false;
	}
	find_regions(&w);
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

void disasm_free(struct disasm *d)
{
	json_decref(d->entry);
	json_decref(d->functions);
	buf_free(&d->text);
	*d = (struct disasm){ 0 };
}
