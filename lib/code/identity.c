/*
 * What stays of code when it is linked elsewhere: masked instructions, a digest of each function over them, and the MinHash
 * of a program (Broder, "On the resemblance and containment of documents", 1997). Exactly as muss-analysis(5) has it.
 */
#include "code/walk.h"

#include <stdlib.h>
#include <string.h>

#define LEAST 6u                 /* instructions of a function that has a digest */
#define GRAM 4u
#define SEEN 65536u              /* elements not hashed again: a cache, which changes nothing */

struct masked { unsigned char n, byte[15]; };

struct identity {
	struct digest *sha;
	uint32_t least[IDENTITY_HASHES];
	uint64_t multiply[IDENTITY_HASHES], add[IDENTITY_HASHES];
	uint64_t *seen;
	struct buf all;                  /* a function's masked instructions */
	bool any;
};

/* Vigna's SplitMix64. */
static uint64_t split_mix(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

struct identity *identity_new(void)
{
	struct identity *d = buf_alloc(sizeof *d);
	uint64_t state = 0x6d7573732f6d6831;    /* "muss/mh1" */

	d->sha = digest_new();
	d->seen = buf_alloc(SEEN * sizeof *d->seen);
	for (size_t k = 0; k < IDENTITY_HASHES; k++) {
		d->least[k] = UINT32_MAX;
		d->multiply[k] = split_mix(&state) | 1;
		d->add[k] = split_mix(&state);
	}
	return d;
}

void identity_free(struct identity *d)
{
	if (!d)
		return;
	digest_free(d->sha);
	free(d->seen);
	buf_free(&d->all);
	free(d);
}

static void add_element(struct identity *d, uint64_t x)
{
	uint64_t *seen = &d->seen[(x ^ x >> 32) % SEEN];

	if (*seen == x && d->any)
		return;
	*seen = x;
	d->any = true;
	for (size_t k = 0; k < IDENTITY_HASHES; k++) {
		uint32_t h = (uint32_t)((x * d->multiply[k] + d->add[k]) >> 32);

		if (h < d->least[k])
			d->least[k] = h;
	}
}

json_t *identity_minhash(struct identity *d)
{
	json_t *list;

	if (!d->any)
		return NULL;
	list = json_array();
	for (size_t k = 0; k < IDENTITY_HASHES; k++)
		json_array_append_new(list, json_integer(d->least[k]));
	return list;
}

/* ---- masks ---- */

static bool in_image(const struct walk *w, int64_t value)
{
	uint64_t v = w->v->bits == 64 ? (uint64_t)value : (uint64_t)value & UINT32_MAX;

	/* Linked at zero, code has no addresses in it, and what looks like one is a number. */
	return w->v->lowest >= 0x10000 && v >= w->v->lowest && v < w->v->highest;
}

static void blank(struct masked *m, size_t at, size_t n)
{
	if (at + n <= m->n)
		memset(m->byte + at, 0, n);
}

static void mask_x86(const struct walk *w, const struct insn *i, struct masked *m)
{
	if (i->direct || (i->imm_size >= 4 && in_image(w, i->imm)))
		blank(m, i->imm_at, i->imm_size);
	if (i->disp_size >= 4 && !i->segment && (i->rip || in_image(w, i->disp)))
		blank(m, i->disp_at, i->disp_size);
	/* 32-bit code that may stand anywhere counts from its global offset table: "add ebx, imm32", "[ebx+disp32]". */
	if (w->v->machine == MACHINE_I386 && w->v->lowest < 0x10000 && i->map == MAP_ONE) {
		if (i->disp_size == 4 && i->base != INSN_NONE && !i->segment)
			blank(m, i->disp_at, 4);
		if (((i->opcode == 0x81 && (i->reg & 7) == 0) || i->opcode == 0x05) && i->imm_size == 4)
			blank(m, i->imm_at, 4);
	}
}

static void put_word(const struct walk *w, struct masked *m, uint32_t v)
{
	for (size_t k = 0; k < 4; k++)
		m->byte[k] = (unsigned char)(v >> 8 * (w->v->code_big ? 3 - k : k));
}

/* C4.1 of the Arm Architecture Reference Manual (A64): branches, adr, literal loads; the low half of an address behind adrp. */
static uint32_t mask_aarch64(uint32_t v, uint32_t *pages)
{
	unsigned from = v >> 5 & 31, to = v & 31;
	bool low = *pages >> from & 1 && ((v & 0x7f800000) == 0x11000000 || (v & 0x3b000000) == 0x39000000);

	if ((v & 0x9f000000) == 0x90000000) {
		*pages |= 1u << to;
		return v & 0x9f00001f;
	}
	if (low) {
		if ((v & 0x7f800000) == 0x11000000 && to != from)
			*pages &= ~(1u << to);
		return v & ~0x003ffc00u;
	}
	if ((v & 0x7c000000) == 0x14000000)
		return v & 0xfc000000;
	if ((v & 0xff000000) == 0x54000000 || (v & 0x7e000000) == 0x34000000 || (v & 0x3b000000) == 0x18000000)
		return v & 0xff00001f;
	if ((v & 0x7e000000) == 0x36000000)
		return v & 0xfff8001f;
	return (v & 0x9f000000) == 0x10000000 ? v & 0x9f00001f : v;
}

static uint32_t mask_arm(uint32_t v)
{
	if ((v & 0x0e000000) == 0x0a000000)          /* b, bl, blx */
		return v & 0xff000000;
	if ((v & 0x0e5f0000) == 0x041f0000)          /* ldr from behind the code */
		return v & 0xfffff000;
	if ((v & 0x0fb00000) == 0x03000000)          /* movw, movt */
		return v & 0xfff0f000;
	return v;
}

static uint32_t mask_mips(uint32_t v)
{
	unsigned op = v >> 26, from = v >> 21 & 31;

	if (op == 2 || op == 3)
		return v & 0xfc000000;
	/* branches, lui, and what is loaded or added by the global pointer */
	if (op == 1 || (op >= 4 && op <= 7) || (op >= 20 && op <= 23) || op == 15)
		return v & 0xffff0000;
	return from == 28 && (op == 9 || op == 25 || op >= 32) ? v & 0xffff0000 : v;
}

static uint32_t mask_ppc(uint32_t v)
{
	if (v >> 26 == 18)
		return v & 0xfc000003;
	if (v >> 26 == 16)
		return v & 0xffff0003;
	return v >> 26 == 15 ? v & 0xffff0000 : v;   /* addis */
}

static uint32_t mask_sparc(uint32_t v)
{
	if (v >> 30 == 1)
		return v & 0xc0000000;
	if (v >> 30 == 0)
		return (v >> 22 & 7) == 4 ? v & 0xffc00000 : v & 0xfffc0000;   /* sethi; branches */
	return v;
}

/* RIL and RI forms of s390x: brasl, brcl, larl, and the relative loads; brc, bras, brct */
static void mask_s390(struct masked *m)
{
	unsigned op = m->byte[0], low = m->byte[1] & 15u;

	if (m->n == 6 && ((op == 0xc0 && (low == 0 || low == 4 || low == 5)) || op == 0xc4 || op == 0xc6))
		blank(m, 2, 4);
	else if (m->n == 4 && op == 0xa7 && low >= 4 && low <= 7)
		blank(m, 2, 2);
	else if (m->n == 6 && op == 0xec && (m->byte[5] == 0x64 || m->byte[5] == 0x65 || (m->byte[5] >= 0x76 && m->byte[5] <= 0x7f)))
		blank(m, 2, 2);
}

static void mask_thumb(struct masked *m, bool big)
{
	unsigned v = m->n >= 2 ? (unsigned)m->byte[big ? 0 : 1] << 8 | m->byte[big ? 1 : 0] : 0;

	if (m->n == 4 && (v & 0xf800) == 0xf000 && m->byte[big ? 2 : 3] & 0x80)
		blank(m, 0, 4), m->byte[big ? 2 : 3] = 0xd0;           /* b.w, bl, blx */
	else if (m->n == 4 && (v & 0xfb70) == 0xf240)
		blank(m, 0, 2), m->byte[big ? 0 : 1] = 0xf2;           /* movw, movt */
	else if (m->n == 4 && (v & 0xff7f) == 0xf85f)
		m->byte[big ? 3 : 2] = 0, m->byte[big ? 2 : 3] &= 0xf0; /* ldr from behind the code */
	else if (m->n == 2 && ((v & 0xf000) == 0xd000 || (v & 0xf800) == 0x4800))
		m->byte[big ? 1 : 0] = 0;
	else if (m->n == 2 && ((v & 0xf800) == 0xe000 || (v & 0xf500) == 0xb100))
		m->byte[big ? 1 : 0] = 0, m->byte[big ? 0 : 1] &= 0xf8;
}

/* The next instruction at p, masked; *nop: it does nothing. 0: there is none. */
static size_t next_masked(const struct walk *w, const struct walk_function *fn, const unsigned char *p, size_t left, uint64_t address,
			  uint32_t *pages, struct masked *m, bool *nop)
{
	struct insn i;
	uint32_t v = 0;

	*nop = false;
	if (w->x86) {
		if (!x86_decode(p, left, address, w->v->machine == MACHINE_X86_64, &i))
			return 0;
		*nop = i.nop;
		m->n = i.size;
		memcpy(m->byte, p, i.size);
		mask_x86(w, &i, m);
		return i.size;
	}
	m->n = 4;
	if (w->v->machine == MACHINE_S390 && left)
		m->n = p[0] < 0x40 ? 2 : p[0] < 0xc0 ? 4 : 6;
	if (fn->thumb && left >= 2)
		m->n = p[w->v->code_big ? 0 : 1] >> 3 >= 0x1d ? 4 : 2;
	if (left < m->n)
		return 0;
	memcpy(m->byte, p, m->n);
	if (w->v->machine == MACHINE_S390) {
		mask_s390(m);
		return m->n;
	}
	if (fn->thumb) {
		mask_thumb(m, w->v->code_big);
		return m->n;
	}
	for (size_t k = 0; k < 4; k++)
		v |= (uint32_t)p[k] << 8 * (w->v->code_big ? 3 - k : k);
	switch (w->v->machine) {
	case MACHINE_AARCH64: *nop = v == 0xd503201f || (v & 0xffffff3f) == 0xd503241f; v = mask_aarch64(v, pages); break;
	case MACHINE_ARM: *nop = v == 0xe320f000; v = mask_arm(v); break;
	case MACHINE_MIPS: v = mask_mips(v); break;
	case MACHINE_PPC: case MACHINE_PPC64: *nop = v == 0x60000000; v = mask_ppc(v); break;
	case MACHINE_SPARC: *nop = v == 0x01000000; v = mask_sparc(v); break;
	default: break;
	}
	put_word(w, m, v);
	return 4;
}

/* ---- a function ---- */

static uint64_t gram(const struct masked *ring, size_t count)
{
	uint64_t h = 0xcbf29ce484222325;    /* FNV-1a (draft-eastlake-fnv) */

	for (size_t k = count - GRAM; k < count; k++) {
		const struct masked *m = &ring[k % GRAM];

		h = (h ^ m->n) * 0x100000001b3;
		for (size_t b = 0; b < m->n; b++)
			h = (h ^ m->byte[b]) * 0x100000001b3;
	}
	h = (h ^ h >> 33) * 0xff51afd7ed558ccd;
	return h ^ h >> 33;
}

void identity_function(struct identity *d, struct walk *w, const struct walk_function *fn, char digest[17])
{
	struct masked ring[GRAM];
	char hex[DIGEST_HEX];
	size_t count = 0;

	*digest = '\0';
	buf_clear(&d->all);
	if (fn->instructions < LEAST)
		return;
	for (size_t k = 0; k < fn->runs; k++) {
		const struct walk_run *run = &w->run[fn->first_run + k];
		size_t left, n;
		const unsigned char *p = view_at(w->v, run->address, &left);
		uint32_t pages = 0;
		bool nop;

		if (p && left > run->size)
			left = (size_t)run->size;
		for (uint64_t at = run->address; p && left; p += n, left -= n, at += n) {
			struct masked *m = &ring[count % GRAM];

			n = next_masked(w, fn, p, left, at, &pages, m, &nop);
			if (!n)
				break;
			if (nop)
				continue;
			buf_add(&d->all, m, 1 + m->n);
			if (++count >= GRAM)
				add_element(d, gram(ring, count));
		}
	}
	if (count >= LEAST) {
		unsigned char first[8];
		uint64_t x = 0;

		digest_add(d->sha, d->all.p, d->all.len);
		digest_end(d->sha, hex);
		memcpy(digest, hex, 16);
		digest[16] = '\0';
		digest_unhex(digest, first, sizeof first);
		for (size_t k = 0; k < sizeof first; k++)
			x = x << 8 | first[k];
		add_element(d, x);
	}
}
