/*
 * pages: code as it stands in memory: the pages of an ELF file's executable segments as the kernel maps them (elf(5), and
 * load_elf_binary in Linux' fs/binfmt_elf.c): whole pages of the file, what is before and behind the segment included; zeros
 * behind the file's end, and in a segment that is writable and longer in memory, behind its last byte.
 */
#include "known/known.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CAP_SEGMENTS 128u
#define CAP_FILE_PAGES ((uint64_t)1 << 18)   /* 1 GiB of code */

struct segment_x { uint64_t offset, size; bool cleared; };

static bool at(int fd, void *p, size_t n, uint64_t offset)
{
	ssize_t got;

	do
		got = offset <= INT64_MAX ? pread(fd, p, n, (off_t)offset) : -1;
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)n;
}

/* The executable segments; 0 when it is no ELF file of this machine's byte order. */
static size_t segments(int fd, struct segment_x *s)
{
	union { unsigned char ident[EI_NIDENT]; Elf64_Ehdr e64; Elf32_Ehdr e32; } h;
	bool wide;
	uint64_t phoff;
	unsigned n, size;
	size_t count = 0;

	memset(&h, 0, sizeof(h));
	if (!at(fd, &h, sizeof(h.e32), 0) || memcmp(h.ident, ELFMAG, SELFMAG) != 0 || h.ident[EI_DATA] != ELFDATA2LSB)
		return 0;
	wide = h.ident[EI_CLASS] == ELFCLASS64;
	if (wide && !at(fd, &h, sizeof(h.e64), 0))
		return 0;
	phoff = wide ? h.e64.e_phoff : h.e32.e_phoff;
	n = wide ? h.e64.e_phnum : h.e32.e_phnum;
	size = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	if ((wide ? h.e64.e_phentsize : h.e32.e_phentsize) != size)
		return 0;
	for (unsigned i = 0; i < n && count < CAP_SEGMENTS; i++) {
		union { Elf64_Phdr p64; Elf32_Phdr p32; } p;
		uint64_t address, offset, bytes, memory;
		uint32_t type, flags;

		if (phoff > INT64_MAX / 2 || !at(fd, &p, size, phoff + (uint64_t)i * size))
			break;
		type = wide ? p.p64.p_type : p.p32.p_type;
		flags = wide ? p.p64.p_flags : p.p32.p_flags;
		offset = wide ? p.p64.p_offset : p.p32.p_offset;
		address = wide ? p.p64.p_vaddr : p.p32.p_vaddr;
		bytes = wide ? p.p64.p_filesz : p.p32.p_filesz;
		memory = wide ? p.p64.p_memsz : p.p32.p_memsz;
		if (type != PT_LOAD || !(flags & PF_X) || !bytes || address % KNOWN_PAGE != offset % KNOWN_PAGE)
			continue;
		s[count++] = (struct segment_x){offset, bytes, (flags & PF_W) && memory > bytes};
	}
	return count;
}

static bool zero(const unsigned char *page)
{
	return !page[0] && !memcmp(page, page + 1, KNOWN_PAGE - 1);
}

static int each(int fd, const struct segment_x *s, uint64_t file_size, uint64_t *left, pages_fn *fn, void *ctx)
{
	unsigned char page[KNOWN_PAGE];
	uint64_t end = s->size < file_size && s->offset <= file_size - s->size ? s->offset + s->size : file_size;

	for (uint64_t o = s->offset - s->offset % KNOWN_PAGE; o < end && *left; o += KNOWN_PAGE, --*left) {
		size_t n = file_size - o < KNOWN_PAGE ? (size_t)(file_size - o) : KNOWN_PAGE;

		memset(page, 0, sizeof(page));
		if (!at(fd, page, n, o))
			return -1;
		if (s->cleared && end - o < KNOWN_PAGE)
			memset(page + (end - o), 0, KNOWN_PAGE - (size_t)(end - o));
		if (!zero(page) && fn(ctx, o, page) < 0)
			return -1;
	}
	return 0;
}

int pages_each(int fd, pages_fn *fn, void *ctx)
{
	struct segment_x s[CAP_SEGMENTS];
	size_t n = segments(fd, s);
	uint64_t left = CAP_FILE_PAGES;
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (each(fd, &s[i], (uint64_t)st.st_size, &left, fn, ctx) < 0)
			return -1;
	return 0;
}

void pages_key(unsigned char digest[KNOWN_DIGEST])
{
	for (size_t i = 0; i < KNOWN_DIGEST; i++)
		digest[i] = (unsigned char)~digest[i];
}

/* ---- as about.json lists them ---- */

struct pages { json_t *runs; struct buf digests; struct digest *d; uint64_t first, next, count; bool cut; };

struct pages *pages_new(void)
{
	struct pages *p = buf_alloc(sizeof(*p));

	p->runs = json_array();
	p->d = digest_new();
	return p;
}

static void end_run(struct pages *p)
{
	json_t *o;

	if (!p->digests.len)
		return;
	o = json_object();
	json_object_set_new(o, "at", json_sprintf("%llx", (unsigned long long)p->first));
	json_object_set_new(o, "sha256", jsonio_base64(p->digests.p, p->digests.len));
	json_array_append_new(p->runs, o);
	buf_clear(&p->digests);
}

int pages_note(void *pages, uint64_t where, const unsigned char *page)
{
	struct pages *p = pages;
	unsigned char digest[KNOWN_DIGEST];
	char hex[DIGEST_HEX];

	if (zero(page))
		return 0;
	if (p->count == KNOWN_PAGES_NOTED) {
		p->cut = true;
		return 0;
	}
	if (p->digests.len && p->next != where)
		end_run(p);
	if (!p->digests.len)
		p->first = where;
	digest_add(p->d, page, KNOWN_PAGE);
	digest_end(p->d, hex);
	digest_unhex(hex, digest, sizeof(digest));
	buf_add(&p->digests, digest, sizeof(digest));
	p->next = where + KNOWN_PAGE;
	p->count++;
	return 0;
}

void pages_missing(struct pages *p)
{
	p->cut = true;
}

void pages_put(struct pages *p, json_t *to)
{
	end_run(p);
	if (json_array_size(p->runs))
		json_object_set(to, "pages", p->runs);
	if (p->cut)
		json_object_set_new(to, "pages_cut", json_true());
	pages_free(p);
}

void pages_free(struct pages *p)
{
	if (!p)
		return;
	json_decref(p->runs);
	digest_free(p->d);
	buf_free(&p->digests);
	free(p);
}
