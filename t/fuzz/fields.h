/* Mutations that know what ELF and PE files are made of: for the fuzz targets' own mutator, and for t/mutate.c. */
#ifndef FUZZ_FIELDS_H
#define FUZZ_FIELDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Marsaglia, "Xorshift RNGs" (2003), with a multiplication: the same seed makes the same file everywhere. */
static inline uint32_t fields_random(uint64_t *state)
{
	uint64_t x = *state ? *state : 88172645463325252u;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return (uint32_t)(x * 0x2545f4914f6cdd1du >> 32);
}

/* In the file's own byte order: PE has but one. */
static inline size_t fields_byte(const unsigned char *p, size_t n, size_t i, size_t size)
{
	return n > 5 && p[0] == 0x7f && p[5] == 2 ? size - 1 - i : i;
}

static inline uint64_t fields_get(const unsigned char *p, size_t n, uint64_t at, size_t size)
{
	uint64_t v = 0;

	if (at > n || size > n - at)
		return 0;
	for (size_t i = size; i-- > 0;)
		v = v << 8 | p[at + fields_byte(p, n, i, size)];
	return v;
}

static inline void fields_put(unsigned char *p, size_t n, uint64_t at, size_t size, uint64_t v)
{
	if (at > n || size > n - at)
		return;
	for (size_t i = 0; i < size; i++)
		p[at + fields_byte(p, n, i, size)] = (unsigned char)(v >> 8 * i);
}

struct field { uint64_t at; size_t size; };

static inline struct field fields_of_elf(const unsigned char *p, size_t n, uint64_t *state)
{
	size_t wide = p[4] == 2, header = wide ? 64 : 52, segment = wide ? 56 : 32, section = wide ? 64 : 40, word = wide ? 8 : 4;
	uint64_t table;

	switch (fields_random(state) % 4) {
	case 0:
		return (struct field){ fields_random(state) % (header / 2) * 2, 1u << fields_random(state) % 4 };
	case 1:
		table = fields_get(p, n, wide ? 32 : 28, word) + segment * (fields_random(state) % (fields_get(p, n, wide ? 56 : 44, 2) + 1));
		return (struct field){ table + fields_random(state) % (segment / 4) * 4, fields_random(state) % 2 ? word : 4 };
	case 2:
		table = fields_get(p, n, wide ? 40 : 32, word) + section * (fields_random(state) % (fields_get(p, n, wide ? 60 : 48, 2) + 1));
		return (struct field){ table + fields_random(state) % (section / 4) * 4, fields_random(state) % 2 ? word : 4 };
	default:   /* the contents of some section: symbols, dynamic entries, relocations */
		table = fields_get(p, n, wide ? 40 : 32, word) + section * (fields_random(state) % (fields_get(p, n, wide ? 60 : 48, 2) + 1));
		table = fields_get(p, n, table + (wide ? 24 : 16), word);
		return (struct field){ table + fields_random(state) % 64 * 4, word };
	}
}

static inline struct field fields_of_pe(const unsigned char *p, size_t n, uint64_t *state)
{
	uint64_t header = fields_get(p, n, 60, 4), optional = fields_get(p, n, header + 20, 2), sections = header + 24 + optional;
	uint64_t directories = header + 24 + (fields_get(p, n, header + 24, 2) == 0x20b ? 112 : 96), rva, section;

	switch (fields_random(state) % 5) {
	case 0:
		return (struct field){ header + fields_random(state) % 12 * 2, 2u << fields_random(state) % 2 };
	case 1:
		return (struct field){ header + 24 + fields_random(state) % 56 * 2, 2u << fields_random(state) % 2 };
	case 2:
		return (struct field){ directories + fields_random(state) % 32 * 4, 4 };
	case 3:
		return (struct field){ sections + 40 * (fields_random(state) % (fields_get(p, n, header + 6, 2) + 1)) + fields_random(state) % 10 * 4, 4 };
	default:   /* within the table that a directory leads to */
		rva = fields_get(p, n, directories + fields_random(state) % 16 * 8, 4);
		for (section = sections; section < sections + 40 * 96; section += 40) {
			uint64_t address = fields_get(p, n, section + 12, 4), size = fields_get(p, n, section + 16, 4);

			if (size && rva >= address && rva - address < size)
				return (struct field){ fields_get(p, n, section + 20, 4) + (rva - address) + fields_random(state) % 64 * 4, 2u << fields_random(state) % 3 };
		}
		return (struct field){ rva + fields_random(state) % 64, 4 };
	}
}

static inline void fields_change(unsigned char *p, size_t n, uint64_t *state)
{
	static const uint64_t telling[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff0,
		0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff };
	struct field f, other;
	uint64_t v;

	if (n < 64)
		return;
	if (!memcmp(p, "\177ELF", 4)) {
		f = fields_of_elf(p, n, state);
		other = fields_of_elf(p, n, state);
	} else if (p[0] == 'M' && p[1] == 'Z') {
		f = fields_of_pe(p, n, state);
		other = fields_of_pe(p, n, state);
	} else {
		return;
	}
	switch (fields_random(state) % 5) {
	case 0: v = telling[fields_random(state) % (sizeof telling / sizeof *telling)]; break;
	case 1: v = n - fields_random(state) % 3; break;
	case 2: v = fields_get(p, n, other.at, other.size); break;   /* one table upon another */
	case 3: v = fields_get(p, n, f.at, f.size) + fields_random(state) % 33 - 16; break;
	default: v = fields_get(p, n, f.at, f.size) ^ (uint64_t)1 << fields_random(state) % (8 * f.size); break;
	}
	fields_put(p, n, f.at, f.size, v);
}

#endif
