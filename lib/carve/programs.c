/* Programs that stand in a file as they are, or under a repeated key (XOR), which their own headers give away. */
#include "carve/internal.h"

#include <stdlib.h>
#include <string.h>

#define KEY_MOST 32u
#define PAIRS 3u                    /* of a crib's bytes that are compared at every place */
#define CHECKS 2u                   /* bytes that must agree beyond those that give the key */
#define HEADER_MOST 4096u           /* bytes of a program that are decoded first */
#define PROGRAM_LEAST 256u          /* bytes of one that is worth a look for a key */

static void offer(struct within *w, size_t at, size_t size, const unsigned char *bytes, const char *coding, char *key)
{
	struct carved c = { .offset = at, .size = size, .coding = coding, .key = key };

	buf_add(&c.bytes, bytes, size);
	carve_offer(w, &c);
}

static void plain(struct within *w)
{
	/* What begins at 0 is the piece itself. */
	for (size_t at = 1; at + 64 < w->n && *w->work; at++) {
		const unsigned char *p = w->p + at;
		size_t size;

		if ((*p != 'M' && *p != 0x7f) || !carve_work(w, meaning_cost(p, w->n - at)))
			continue;
		size = meaning_program(p, w->n - at);
		if (size && carve_work(w, size)) {
			offer(w, at, size, p, "plain", NULL);
			at += size - 1;
		}
	}
}

/* What is known of a plain header, where the mask has an x: of little-endian ELF files the identification, e_version, e_phoff as
 * every linker sets it, e_flags, e_ehsize, e_phentsize and the upper bytes of the first program header; of PE files the DOS header's
 * last words, which nothing reads. */
struct crib { size_t n; const char *value, *mask; };

static const struct crib cribs[] = {
	{ 96, "\x7f" "ELF\2\1\1\0" "\0\0\0\0\0\0\0\0" "\0\0\0\0\1\0\0\0" "\0\0\0\0\0\0\0\0" "\100\0\0\0\0\0\0\0"
		"\0\0\0\0\0\0\0\0" "\0\0\0\0\100\0\70\0"
		"\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0",
		"xxxxxxx." "xxxxxxxx" ".x.xxxxx" "......xx" "xxxxxxxx" "......xx" "xxxxxxxx" ".x......"
		".xxx.xxx" "..xxxxxx" "......xx" "......xx" },
	{ 44, "\x7f" "ELF\1\1\1\0" "\0\0\0\0\0\0\0\0" "\0\0\0\0\1\0\0\0" "\0\0\0\0\64\0\0\0" "\0\0\0\0\0\0\0\0" "\64\0\40\0",
		"xxxxxxx." "xxxxxxxx" ".x.xxxxx" "....xxxx" "...xxxxx" "xxxx" },
	{ 60, "MZ" "\0\0\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0\0\0"
		"\0\0\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0",
		"xx" ".........." ".........." "......xxxx" "xxxxxxxxxx" "xxxxxxxxxx" "xxxxxxxx" },
};
#define CRIBS (sizeof cribs / sizeof *cribs)

/* Of keys, in bytes: each up to 16, and what ciphers and digests have. */
static const size_t lengths[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 20, 24, 32 };
#define LENGTHS (sizeof lengths / sizeof *lengths)

/* Two bytes that the same byte of a key of this length covers: they differ as the plain ones do. */
struct pair { size_t a, b; unsigned char differ; };
struct pairs { struct pair pair[PAIRS]; size_t count; };

/* Plain ones that differ come first: a stretch of the same bytes does not pass for them. */
static struct pairs pairs_of(const struct crib *c, size_t length)
{
	struct pairs q = { .count = 0 };

	for (int differ = 1; differ >= 0; differ--)
		for (size_t a = 0; a < c->n; a++)
			for (size_t b = a + length; b < c->n && q.count < PAIRS; b += length)
				if (c->mask[a] == 'x' && c->mask[b] == 'x' && (c->value[a] != c->value[b]) == differ)
					q.pair[q.count++] = (struct pair){ a, b, (unsigned char)(c->value[a] ^ c->value[b]) };
	return q;
}

/* Does a key of this length turn p into the crib? */
static bool key_at(const unsigned char *p, const struct crib *c, size_t length, unsigned char key[KEY_MOST])
{
	bool known[KEY_MOST] = { false };
	size_t checked = 0, bytes = 0, set = 0;

	for (size_t i = 0; i < c->n; i++) {
		unsigned char k = p[i] ^ (unsigned char)c->value[i];

		if (c->mask[i] != 'x')
			continue;
		if (known[i % length] && key[i % length] != k)
			return false;
		checked += known[i % length];
		bytes += !known[i % length];
		known[i % length] = true;
		key[i % length] = k;
		set |= k;
	}
	return bytes == length && checked >= CHECKS && set;
}

static void apply(const unsigned char *p, size_t n, const unsigned char *key, size_t length, unsigned char *to)
{
	for (size_t i = 0; i < n; i++)
		to[i] = p[i] ^ key[i % length];
}

/* Does a program's header stand at p under the key? Most that fits a crib is none. */
static bool header_at(const unsigned char *p, size_t n, const unsigned char *key, size_t length)
{
	unsigned char head[HEADER_MOST];
	size_t looked = n < sizeof head ? n : sizeof head;

	apply(p, looked, key, length, head);
	return meaning_program(head, looked);
}

static void under_key(struct within *w, size_t at, const struct crib *c, size_t length)
{
	size_t n = w->n - at, size;
	unsigned char key[KEY_MOST], *copy;
	struct buf hex = { 0 };

	if (!key_at(w->p + at, c, length, key) || carve_taken(w, at) || !carve_work(w, HEADER_MOST) ||
		!header_at(w->p + at, n, key, length) || !carve_work(w, n))
		return;
	copy = buf_alloc(n);
	apply(w->p + at, n, key, length, copy);
	size = meaning_program(copy, n);
	for (size_t i = 0; i < length; i++)
		buf_addf(&hex, "%02x", key[i]);
	if (size)
		offer(w, at, size, copy, "xor", buf_strdup(buf_str(&hex)));
	buf_free(&hex);
	free(copy);
}

bool programs_keyed(const unsigned char *p, size_t n)
{
	unsigned char key[KEY_MOST];

	for (size_t i = 0; n >= PROGRAM_LEAST && i < CRIBS; i++)
		for (size_t k = 0; k < LENGTHS; k++)
			if (key_at(p, &cribs[i], lengths[k], key) && header_at(p, n, key, lengths[k]))
				return true;
	return false;
}

/* So many places at once: the compiler makes the processor's vectors of it, of the longest that there are where the program runs. */
#define AT_ONCE 32u
typedef unsigned char places __attribute__((vector_size(AT_ONCE)));

static inline bool any(const places *which)
{
	uint64_t part[4];

	memcpy(part, which, sizeof part);
	return part[0] | part[1] | part[2] | part[3];
}

/* Do all pairs differ as they must at one of the places? Of most keys the first pair tells that they do not. */
static inline bool differ_so(const unsigned char *p, const struct pairs *q)
{
	places which = ~(places){ 0 }, a, b;

	for (size_t i = 0; i < q->count; i++) {
		memcpy(&a, p + q->pair[i].a, AT_ONCE);
		memcpy(&b, p + q->pair[i].b, AT_ONCE);
		which &= (places)((a ^ b) == q->pair[i].differ);
		if (!any(&which))
			return false;
	}
	return q->count;
}

#ifdef __x86_64__
__attribute__((target_clones("avx2", "default")))
#endif
static void keyed(struct within *w)
{
	struct pairs pairs[CRIBS][LENGTHS];

	for (size_t i = 0; i < CRIBS; i++)
		for (size_t k = 0; k < LENGTHS; k++)
			pairs[i][k] = pairs_of(&cribs[i], lengths[k]);
	for (size_t at = 0; at < w->n && *w->work; at += AT_ONCE)
		for (size_t i = 0; i < CRIBS; i++) {
			size_t last = w->n < cribs[i].n ? 0 : w->n - cribs[i].n + 1;

			for (size_t k = 0; k < LENGTHS; k++)
				if (at + AT_ONCE > last || differ_so(w->p + at, &pairs[i][k]))
					for (size_t here = at; here < at + AT_ONCE && here < last; here++)
						under_key(w, here, &cribs[i], lengths[k]);
		}
}

void programs_look(struct within *w)
{
	plain(w);
	keyed(w);
}
