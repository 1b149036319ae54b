/* Does what came out of a decoder mean something, or were the bytes never encoded? Chance bytes must not pass. */
#include "carve/internal.h"

#include "code/code.h"
#include "code/view.h"

#include <ctype.h>
#include <elf.h>
#include <stddef.h>
#include <string.h>

#define TEXT_LOOKED_AT (64 * KIB)
#define TEXT_DISTINCT 6u
#define ENCODED_LEAST 24u
#define ENTRY_COST 64u              /* bytes of work that reading an entry of a program's tables costs */
#define PE_COST 16384u
#define BYTECODE_LEAST 32u
#define KEYED_LOOKED_AT 4096u

static unsigned half(const unsigned char *p, bool big)
{
	return big ? p[0] * 256u + p[1] : p[1] * 256u + p[0];
}

static size_t elf_length(const unsigned char *p, size_t n)
{
	struct elf *f = elf_open(p, n);
	size_t header, length = 0;

	if (!f)
		return 0;
	header = half(p + (f->is64 ? offsetof(Elf64_Ehdr, e_ehsize) : offsetof(Elf32_Ehdr, e_ehsize)), f->big);
	if (header == (f->is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)) && f->type >= ET_REL && f->type <= ET_CORE &&
		machines_elf_name(f->machine) && (f->segments || f->sections))
		length = f->end < n ? (size_t)f->end : n;
	elf_free(f);
	return length;
}

static size_t pe_length(const unsigned char *p, size_t n)
{
	struct pe *f = pe_open(p, n);
	size_t length = 0;
	uint64_t signature, end;

	if (!f)
		return 0;
	if (f->sections && machines_pe_name(f->machine)) {
		signature = f->directory[PE_DIR_SECURITY].rva;   /* the one table that stands at an offset of the file */
		end = signature >= f->end && signature < n ? signature + f->directory[PE_DIR_SECURITY].size : f->end;
		length = end < n ? (size_t)end : n;
	}
	pe_free(f);
	return length;
}

size_t meaning_cost(const unsigned char *p, size_t n)
{
	bool big, is64;

	if (n <= EI_NIDENT + 48 || memcmp(p, ELFMAG, SELFMAG) != 0)
		return n > 64 && p[0] == 'M' && p[1] == 'Z' && pe_is(p, n) ? PE_COST : 0;
	big = p[EI_DATA] == ELFDATA2MSB;
	is64 = p[EI_CLASS] == ELFCLASS64;
	return ENTRY_COST * ((size_t)half(p + (is64 ? offsetof(Elf64_Ehdr, e_phnum) : offsetof(Elf32_Ehdr, e_phnum)), big) +
		half(p + (is64 ? offsetof(Elf64_Ehdr, e_shnum) : offsetof(Elf32_Ehdr, e_shnum)), big) + 16);
}

size_t meaning_program(const unsigned char *p, size_t n)
{
	if (n > EI_NIDENT + 38 && !memcmp(p, ELFMAG, SELFMAG))
		return elf_length(p, n);
	return n > 64 && p[0] == 'M' && p[1] == 'Z' && pe_is(p, n) ? pe_length(p, n) : 0;
}

/* How many bytes the UTF-8 character at p takes (RFC 3629); 0: none that is printed. */
static size_t character(const unsigned char *p, size_t n)
{
	size_t more = *p < 0xc2 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : *p < 0xf5 ? 3 : 0;

	if (*p < 0x80)
		return isprint(*p) || *p == '\n' || *p == '\r' || *p == '\t' ? 1 : 0;
	if (!more || more >= n)
		return 0;
	for (size_t i = 1; i <= more; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return more + 1;
}

/* All of it printed; and a command, path or address, or words with blanks between them. */
bool meaning_text(const unsigned char *p, size_t n)
{
	size_t looked = n < TEXT_LOOKED_AT ? n : TEXT_LOOKED_AT, words = 0, blanks = 0, distinct = 0, k;
	bool seen[256] = { false };

	if (looked < SHORTEST)
		return false;
	for (size_t i = 0; i < looked; i += k) {
		k = character(p + i, n - i);
		if (!k)
			return false;
		words += isalnum(p[i]) || k > 1 ? k : 0;
		blanks += p[i] == ' ' || p[i] == '\n' || p[i] == '\t';
		distinct += !seen[p[i]];
		seen[p[i]] = true;
	}
	if (distinct < TEXT_DISTINCT)
		return false;
	return strings_interesting((const char *)p, looked) || (blanks && 10 * (words + blanks) >= 7 * looked);
}

bool meaning_wide(const unsigned char *p, size_t n)
{
	size_t looked = (n < TEXT_LOOKED_AT ? n : TEXT_LOOKED_AT) & ~(size_t)1, plain = 0;
	size_t begin = looked >= 2 && p[0] == 0xff && p[1] == 0xfe ? 2 : 0;

	if (looked < 2 * (size_t)SHORTEST)
		return false;
	for (size_t i = begin; i < looked; i += 2)
		plain += !p[i + 1] && character(p + i, 1);
	return 20 * plain >= 19 * ((looked - begin) / 2);
}

/* Letters and digits without a blank: what may be encoded once more. */
static bool meaning_encoded(const unsigned char *p, size_t n)
{
	size_t i = 0;

	while (i < n && (isalnum(p[i]) || strchr("+/=-_", p[i])) && p[i])
		i++;
	while (i < n && (p[i] == '\n' || p[i] == '\r'))
		i++;
	return n >= ENCODED_LEAST && i == n;
}

/* Python's marshal of a code object: its flag, and four or five small counts. */
static bool meaning_bytecode(const unsigned char *p, size_t n)
{
	if (n < BYTECODE_LEAST || (p[0] & 0x7f) != 'c')
		return false;
	for (size_t at = 1; at < 17; at += 4)
		if (p[at + 1] || p[at + 2] || p[at + 3])
			return false;
	return true;
}

/* One key in 255 makes a text of much that is none: here it is to have words, and most of it is to be words. */
static bool is_wordy(const unsigned char *p, size_t n)
{
	size_t words = 0, blanks = 0;

	for (size_t i = 0; i < n; i++) {
		words += isalnum(p[i]) != 0;
		blanks += p[i] == ' ' || p[i] == '\n';
	}
	return 4 * (words + blanks) >= 3 * n && 20 * blanks >= n && meaning_text(p, n) && strings_interesting((const char *)p, n);
}

unsigned char meaning_text_key(const unsigned char *p, size_t n)
{
	size_t looked = n < KEYED_LOOKED_AT ? n : KEYED_LOOKED_AT, alike = 1;
	unsigned char plain[KEYED_LOOKED_AT];

	/* No character of ASCII has the upper bit, so all have the key's: of most bytes that tells that there is none. */
	while (alike < looked && !((p[alike] ^ p[0]) & 0x80))
		alike++;
	for (unsigned key = 1; looked >= ENCODED_LEAST && alike == looked && key < 256; key++) {
		size_t i = 0;

		while (i < looked && character((const unsigned char[]){ p[i] ^ (unsigned char)key }, 1))
			i++;
		if (i < looked)
			continue;
		for (i = 0; i < looked; i++)
			plain[i] = p[i] ^ (unsigned char)key;
		if (is_wordy(plain, looked))
			return (unsigned char)key;
	}
	return 0;
}

static bool meaning_script(const unsigned char *p, size_t n)
{
	return !memcmp(p, "#!", 2) && character(p + 2, 1) && memchr(p, '/', n < 64 ? n : 64);
}

enum carve_what meaning_of(const unsigned char *p, size_t n)
{
	if (n < SHORTEST)
		return CARVE_NOTHING;
	if (meaning_program(p, n))
		return CARVE_PROGRAM;
	if (meaning_script(p, n))
		return CARVE_SCRIPT;
	if (archives_at(p, n))
		return CARVE_ARCHIVE;
	if (streams_at(p, n))
		return CARVE_STREAM;
	if (meaning_text(p, n) || meaning_wide(p, n))
		return CARVE_TEXT;
	if (meaning_bytecode(p, n))
		return CARVE_BYTECODE;
	return meaning_encoded(p, n) || meaning_text_key(p, n) || programs_keyed(p, n) ? CARVE_DATA : CARVE_NOTHING;
}
