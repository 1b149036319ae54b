/* A PE file with all that the format offers, made by hand: what the tests of code's PE reader look at. */
#ifndef PE_MAKE_H
#define PE_MAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PE_MAKE_HEADER 0x100u
#define PE_MAKE_TEXT 0x1000u     /* addresses of its sections, relative to the image */
#define PE_MAKE_DATA 0x2000u
#define PE_MAKE_RESOURCES 0x3000u
#define PE_MAKE_RELOCATIONS 0x4000u
#define PE_MAKE_BSS 0x5000u
#define PE_MAKE_END 0x2000u      /* of the sections in the file */
#define PE_MAKE_OVERLAY 64u      /* bytes behind them; then 16 of a certificate */

struct pe_made { unsigned char b[0x3000]; size_t n; bool wide; uint64_t base; };

static inline void pe_put(struct pe_made *m, size_t at, size_t size, uint64_t v)
{
	for (size_t i = 0; i < size; i++)
		m->b[at + i] = (unsigned char)(v >> 8 * i);
}

/* The offset of an address relative to the image. */
static inline size_t pe_off(uint32_t rva)
{
	return rva < 0x1000 ? rva : rva < 0x2000 ? rva - 0x1000 + 0x400 : rva < 0x3000 ? rva - 0x2000 + 0x800 : rva < 0x4000 ? rva - 0x3000 + 0x1800 : rva - 0x4000 + 0x1e00;
}

static inline void pe_put_rva(struct pe_made *m, uint32_t rva, size_t size, uint64_t v)
{
	pe_put(m, pe_off(rva), size, v);
}

static inline void pe_text(struct pe_made *m, uint32_t rva, const char *s)
{
	memcpy(m->b + pe_off(rva), s, strlen(s) + 1);
}

static inline size_t pe_wide(struct pe_made *m, size_t at, const char *s)
{
	size_t n = strlen(s) + 1;

	for (size_t i = 0; i < n; i++)
		pe_put(m, at + 2 * i, 2, (unsigned char)s[i]);
	return 2 * n;
}

static inline size_t pe_directory(const struct pe_made *m, unsigned i)
{
	return PE_MAKE_HEADER + 24 + (m->wide ? 112 : 96) + 8 * i;
}

static inline void pe_set_directory(struct pe_made *m, unsigned i, uint32_t rva, uint32_t size)
{
	pe_put(m, pe_directory(m, i), 4, rva);
	pe_put(m, pe_directory(m, i) + 4, 4, size);
}

static inline size_t pe_section(const struct pe_made *m, unsigned i)
{
	return PE_MAKE_HEADER + 24 + (m->wide ? 240 : 224) + 40 * i;
}

static inline void pe_make_section(struct pe_made *m, unsigned i, const char *name, uint32_t rva, uint32_t memsize, uint32_t offset, uint32_t size, uint32_t flags)
{
	size_t at = pe_section(m, i);

	memcpy(m->b + at, name, strlen(name));
	pe_put(m, at + 8, 4, memsize);
	pe_put(m, at + 12, 4, rva);
	pe_put(m, at + 16, 4, size);
	pe_put(m, at + 20, 4, offset);
	pe_put(m, at + 36, 4, flags);
}

static inline uint32_t pe_rotated(uint32_t v, unsigned by)
{
	by &= 31;
	return by ? v << by | v >> (32 - by) : v;
}

/* Two tools: product 0x105, build 0x7809, 3 objects; product 0x102, build 0x7809, 1. */
static inline void pe_make_rich(struct pe_made *m)
{
	const uint32_t entry[2][2] = { { 0x01057809, 3 }, { 0x01027809, 1 } };
	uint32_t key = 0x80;

	for (unsigned i = 0; i < 0x80; i++)
		if (i < 60 || i >= 64)
			key += pe_rotated(m->b[i], i);
	for (int i = 0; i < 2; i++)
		key += pe_rotated(entry[i][0], entry[i][1]);
	pe_put(m, 0x80, 4, 0x536e6144 ^ key);
	for (int i = 1; i < 4; i++)
		pe_put(m, 0x80 + 4 * i, 4, key);
	for (int i = 0; i < 2; i++)
		for (int k = 0; k < 2; k++)
			pe_put(m, 0x90 + 8 * i + 4 * k, 4, entry[i][k] ^ key);
	memcpy(m->b + 0xa0, "Rich", 4);
	pe_put(m, 0xa4, 4, key);
}

/* kernel32.dll: ExitProcess, GetProcAddress; ws2_32.dll: ordinal 115; delayed: user32.dll: MessageBoxA. */
static inline void pe_make_imports(struct pe_made *m)
{
	size_t w = m->wide ? 8 : 4;
	uint64_t flag = m->wide ? UINT64_C(1) << 63 : UINT64_C(1) << 31;

	pe_put_rva(m, 0x2000, 4, 0x2080); pe_put_rva(m, 0x200c, 4, 0x2100); pe_put_rva(m, 0x2010, 4, 0x20c0);
	pe_put_rva(m, 0x2014, 4, 0x20a0); pe_put_rva(m, 0x2020, 4, 0x2110); pe_put_rva(m, 0x2024, 4, 0x20e0);
	for (int table = 0; table < 2; table++) {
		pe_put_rva(m, 0x2080 + 0x40 * table, w, 0x2120);
		pe_put_rva(m, (uint32_t)(0x2080 + 0x40 * table + w), w, 0x2130);
		pe_put_rva(m, 0x20a0 + 0x40 * table, w, flag | 115);
	}
	pe_text(m, 0x2100, "KERNEL32.dll"); pe_text(m, 0x2110, "ws2_32.dll");
	pe_text(m, 0x2122, "ExitProcess"); pe_text(m, 0x2132, "GetProcAddress");
	pe_set_directory(m, 1, 0x2000, 60);
	pe_put_rva(m, 0x2180, 4, 1); pe_put_rva(m, 0x2184, 4, 0x21e0); pe_put_rva(m, 0x218c, 4, 0x21d0); pe_put_rva(m, 0x2190, 4, 0x21c0);
	pe_put_rva(m, 0x21c0, w, 0x21f0); pe_put_rva(m, 0x21d0, w, m->base + 0x1020);
	pe_text(m, 0x21e0, "USER32.dll"); pe_text(m, 0x21f2, "MessageBoxA");
	pe_set_directory(m, 13, 0x2180, 64);
}

/* made.dll: "run" (5) at 0x1010, "away" (6) forwarded to "OTHER.elsewhere", ordinal 8 at 0x1020; 7 is a hole. */
static inline void pe_make_exports(struct pe_made *m)
{
	pe_put_rva(m, 0x230c, 4, 0x2380); pe_put_rva(m, 0x2310, 4, 5); pe_put_rva(m, 0x2314, 4, 4); pe_put_rva(m, 0x2318, 4, 2);
	pe_put_rva(m, 0x231c, 4, 0x2330); pe_put_rva(m, 0x2320, 4, 0x2350); pe_put_rva(m, 0x2324, 4, 0x2360);
	pe_put_rva(m, 0x2330, 4, 0x1010); pe_put_rva(m, 0x2334, 4, 0x23a0); pe_put_rva(m, 0x233c, 4, 0x1020);
	pe_put_rva(m, 0x2350, 4, 0x2390); pe_put_rva(m, 0x2354, 4, 0x2398);
	pe_put_rva(m, 0x2360, 2, 1); pe_put_rva(m, 0x2362, 2, 0);
	pe_text(m, 0x2380, "made.dll"); pe_text(m, 0x2390, "away"); pe_text(m, 0x2398, "run"); pe_text(m, 0x23a0, "OTHER.elsewhere");
	pe_set_directory(m, 0, 0x2300, 0xc0);
}

/* TLS with one callback at 0x1010; debug: C:\made.pdb; CLR v4.0.30319. */
static inline void pe_make_tables(struct pe_made *m)
{
	size_t w = m->wide ? 8 : 4;

	pe_put_rva(m, 0x2400, w, m->base + 0x2000);
	pe_put_rva(m, (uint32_t)(0x2400 + w), w, m->base + 0x2010);
	pe_put_rva(m, (uint32_t)(0x2400 + 3 * w), w, m->base + 0x2440);
	pe_put_rva(m, 0x2440, w, m->base + 0x1010);
	pe_set_directory(m, 9, 0x2400, m->wide ? 40 : 24);
	pe_put_rva(m, 0x2500 + 12, 4, 2); pe_put_rva(m, 0x2500 + 16, 4, 36); pe_put_rva(m, 0x2500 + 20, 4, 0x2540);
	pe_put_rva(m, 0x2500 + 24, 4, pe_off(0x2540));
	memcpy(m->b + pe_off(0x2540), "RSDS0123456789abcdef\1\0\0\0C:\\made.pdb", 36);
	pe_set_directory(m, 6, 0x2500, 28);
	pe_put_rva(m, 0x2600, 4, 72); pe_put_rva(m, 0x2604, 2, 2); pe_put_rva(m, 0x2606, 2, 5); pe_put_rva(m, 0x2608, 4, 0x2660);
	pe_put_rva(m, 0x260c, 4, 64); pe_put_rva(m, 0x2610, 4, 1); pe_put_rva(m, 0x2614, 4, 0x06000001);
	pe_put_rva(m, 0x2660, 4, 0x424a5342); pe_put_rva(m, 0x266c, 4, 12);
	pe_text(m, 0x2670, "v4.0.30319");
	pe_set_directory(m, 14, 0x2600, 72);
}

static inline size_t pe_make_string(struct pe_made *m, size_t at, const char *key, const char *value)
{
	size_t begin = at;

	at += 6;
	at += pe_wide(m, at, key);
	at = (at + 3) & ~(size_t)3;
	at += pe_wide(m, at, value);
	pe_put(m, begin, 2, at - begin);
	pe_put(m, begin + 2, 2, strlen(value) + 1);
	pe_put(m, begin + 4, 2, 1);
	return (at + 3) & ~(size_t)3;
}

static inline size_t pe_make_version(struct pe_made *m, size_t begin)
{
	size_t at = begin, info, table;

	at += 6 + pe_wide(m, at + 6, "VS_VERSION_INFO");
	at = (at + 3) & ~(size_t)3;
	pe_put(m, begin + 2, 2, 52);
	pe_put(m, at, 4, 0xfeef04bd);
	pe_put(m, at + 8, 4, 0x00010002); pe_put(m, at + 12, 4, 0x00030004); pe_put(m, at + 16, 4, 0x00050006); pe_put(m, at + 20, 4, 0x00070008);
	info = at += 52;
	pe_put(m, info + 4, 2, 1);
	at += 6 + pe_wide(m, at + 6, "StringFileInfo");
	table = at = (at + 3) & ~(size_t)3;
	pe_put(m, table + 4, 2, 1);
	at += 6 + pe_wide(m, at + 6, "040904b0");
	at = (at + 3) & ~(size_t)3;
	at = pe_make_string(m, at, "CompanyName", "Makers of Tests");
	at = pe_make_string(m, at, "FileDescription", "made by hand");
	pe_put(m, table, 2, at - table);
	pe_put(m, info, 2, at - info);
	pe_put(m, begin, 2, at - begin);
	return at - begin;
}

/* Version 1, manifest 1, and a PE file (its first 256 bytes) of type "PAYLOAD", name 7; all of language 1033. */
static inline void pe_make_resources(struct pe_made *m)
{
	const uint32_t root = PE_MAKE_RESOURCES;
	const char *manifest = "<assembly><requestedExecutionLevel level=\"requireAdministrator\"/></assembly>";
	struct { uint32_t type, name, at, size; } r[3] = { { 0x80000180, 7, 0x3400, 0x180 }, { 16, 1, 0x3200, 0 }, { 24, 1, 0x31a0, (uint32_t)strlen(manifest) } };

	r[1].size = (uint32_t)pe_make_version(m, pe_off(r[1].at));
	memcpy(m->b + pe_off(r[2].at), manifest, r[2].size);
	memcpy(m->b + pe_off(r[0].at), m->b, r[0].size);
	pe_put_rva(m, root + 0x180, 2, 7);
	pe_wide(m, pe_off(root + 0x182), "PAYLOAD");
	pe_put_rva(m, root + 12, 2, 1); pe_put_rva(m, root + 14, 2, 2);
	for (uint32_t i = 0; i < 3; i++) {
		uint32_t name = 0x30 + 0x50 * i, language = name + 0x18, leaf = name + 0x30;

		pe_put_rva(m, root + 16 + 8 * i, 4, r[i].type); pe_put_rva(m, root + 20 + 8 * i, 4, 0x80000000 | name);
		pe_put_rva(m, root + name + 14, 2, 1); pe_put_rva(m, root + name + 16, 4, r[i].name); pe_put_rva(m, root + name + 20, 4, 0x80000000 | language);
		pe_put_rva(m, root + language + 14, 2, 1); pe_put_rva(m, root + language + 16, 4, 1033); pe_put_rva(m, root + language + 20, 4, leaf);
		pe_put_rva(m, root + leaf, 4, r[i].at); pe_put_rva(m, root + leaf + 4, 4, r[i].size);
	}
	pe_set_directory(m, 2, root, 0x600);
}

/* The sum is over all but itself: write it last. */
static inline uint32_t pe_sum(const struct pe_made *m)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->n; i += 2)
		if (i < PE_MAKE_HEADER + 24 + 64 || i >= PE_MAKE_HEADER + 24 + 68)
			sum += (uint32_t)m->b[i] | (i + 1 < m->n ? (uint32_t)m->b[i + 1] << 8 : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)(sum + m->n);
}

static inline void pe_make(struct pe_made *m, bool wide)
{
	/* push; mov; call 0x1010; int 0x2e; ret ... and two small functions */
	static const unsigned char code[] = { 0x55, 0xe8, 0x0a, 0, 0, 0, 0x31, 0xc0, 0x5d, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
		0x55, 0x89, 0xe5, 0x75, 0x02, 0x31, 0xc0, 0x5d, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x31, 0xc0, 0xc3 };
	size_t at = PE_MAKE_HEADER, optional = at + 24;

	memset(m, 0, sizeof *m);
	m->wide = wide;
	m->base = wide ? 0x140000000 : 0x400000;
	memcpy(m->b, "MZ", 2);
	pe_put(m, 60, 4, PE_MAKE_HEADER);
	memcpy(m->b + at, "PE", 2);
	pe_put(m, at + 4, 2, wide ? 0x8664 : 0x14c);
	pe_put(m, at + 6, 2, 5);
	pe_put(m, at + 8, 4, 1600000000);
	pe_put(m, at + 20, 2, wide ? 240 : 224);
	pe_put(m, at + 22, 2, wide ? 0x22 : 0x102);
	pe_put(m, optional, 2, wide ? 0x20b : 0x10b);
	m->b[optional + 2] = 14; m->b[optional + 3] = 20;
	pe_put(m, optional + 16, 4, PE_MAKE_TEXT);
	if (wide)
		pe_put(m, optional + 24, 8, m->base);
	else
		pe_put(m, optional + 28, 4, m->base);
	pe_put(m, optional + 32, 4, 4096); pe_put(m, optional + 36, 4, 512);
	pe_put(m, optional + 56, 4, 0x6000); pe_put(m, optional + 60, 4, 0x400);
	pe_put(m, optional + 68, 2, 3); pe_put(m, optional + 70, 2, 0x140);
	pe_put(m, optional + (wide ? 108 : 92), 4, 16);
	pe_make_section(m, 0, ".text", PE_MAKE_TEXT, sizeof code, 0x400, 0x400, 0x60000020);
	pe_make_section(m, 1, ".rdata", PE_MAKE_DATA, 0x1000, 0x800, 0x1000, 0x40000040);
	pe_make_section(m, 2, ".rsrc", PE_MAKE_RESOURCES, 0x600, 0x1800, 0x600, 0x40000040);
	pe_make_section(m, 3, ".reloc", PE_MAKE_RELOCATIONS, 0x20, 0x1e00, 0x200, 0x42000040);
	pe_make_section(m, 4, ".bss", PE_MAKE_BSS, 0x400, 0, 0, 0xc0000080);
	memcpy(m->b + 0x400, code, sizeof code);
	pe_make_rich(m);
	pe_make_imports(m);
	pe_make_exports(m);
	pe_make_tables(m);
	pe_make_resources(m);
	pe_put_rva(m, 0x4000, 4, 0x2000); pe_put_rva(m, 0x4004, 4, 12); pe_put_rva(m, 0x4008, 2, (wide ? 0xa000 : 0x3000) | 0x440);
	pe_set_directory(m, 5, 0x4000, 12);
	memset(m->b + PE_MAKE_END, 0xaa, PE_MAKE_OVERLAY);
	pe_put(m, PE_MAKE_END + PE_MAKE_OVERLAY, 4, 16); pe_put(m, PE_MAKE_END + PE_MAKE_OVERLAY + 4, 2, 0x200); pe_put(m, PE_MAKE_END + PE_MAKE_OVERLAY + 6, 2, 2);
	pe_set_directory(m, 4, PE_MAKE_END + PE_MAKE_OVERLAY, 16);
	m->n = PE_MAKE_END + PE_MAKE_OVERLAY + 16;
	pe_put(m, optional + 64, 4, pe_sum(m));
}

#endif
