/* Does what came out of a decoder mean something, or were the bytes never encoded? Chance bytes must not pass. */
#include "carve/internal.h"

#include "code/code.h"
#include "code/view.h"

#include <ctype.h>
#include <elf.h>
#include <string.h>

#define TEXT_LOOKED_AT (64 * KIB)
#define TEXT_DISTINCT 6u

static size_t elf_length(const unsigned char *p, size_t n)
{
	struct elf *f = elf_open(p, n);
	size_t header, length = 0;

	if (!f)
		return 0;
	header = f->big ? (size_t)p[f->is64 ? 52 : 40] << 8 | p[f->is64 ? 53 : 41] : (size_t)p[f->is64 ? 53 : 41] << 8 | p[f->is64 ? 52 : 40];
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

const char *meaning_of(const unsigned char *p, size_t n)
{
	if (meaning_program(p, n))
		return "program";
	if (n > 4 && !memcmp(p, "#!", 2) && character(p + 2, 1) && memchr(p, '/', n < 64 ? n : 64))
		return "script";
	if (archives_at(p, n))
		return "archive";
	if (streams_at(p, n))
		return "stream";
	if (meaning_text(p, n) || meaning_wide(p, n))
		return "text";
	return programs_keyed(p, n) ? "data" : NULL;
}
