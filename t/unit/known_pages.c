/* Code pages: of files as the kernel maps them, as about.json lists them, and held against an index. */
#include "known/explain.h"
#include "unit.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MANY 2000

struct seen { unsigned char sum[MANY][KNOWN_DIGEST]; uint64_t at[MANY]; size_t n; unsigned char last[KNOWN_PAGE]; };
static struct seen seen;

static void sum_of(const unsigned char *page, unsigned char digest[KNOWN_DIGEST])
{
	char hex[DIGEST_HEX];

	digest_bytes(page, KNOWN_PAGE, hex);
	digest_unhex(hex, digest, KNOWN_DIGEST);
}

static int note(void *ctx, uint64_t where, const unsigned char *page)
{
	struct seen *s = ctx;

	if (s->n < MANY) {
		s->at[s->n] = where;
		sum_of(page, s->sum[s->n++]);
	}
	memcpy(s->last, page, KNOWN_PAGE);
	return 0;
}

/* Every code page of this very program, as it stands in memory, is among its file's. */
static void own(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[4096], exe[4096];
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), pages = 0, met = 0;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[n > 0 ? n : 0] = 0;
	seen.n = 0;
	OK(maps && !pages_each(fd, note, &seen) && seen.n, "this program has code pages");
	while (maps && fgets(line, sizeof(line), maps)) {
		unsigned long from, to;
		char perms[5];

		if (sscanf(line, "%lx-%lx %4s", &from, &to, perms) != 3 || perms[2] != 'x' || !strstr(line, exe))
			continue;
		for (unsigned long a = from; a < to; a += KNOWN_PAGE) {
			unsigned char sum[KNOWN_DIGEST];

			pages++;
			sum_of((const unsigned char *)a, sum);
			for (size_t i = 0; i < seen.n; i++)
				if (!memcmp(sum, seen.sum[i], sizeof(sum))) {
					met++;
					break;
				}
		}
	}
	OK(pages > 0 && pages == met, "each page in memory is one of the file's");
	fclose(maps);
	close(fd);
}

/* An ELF file of `size` bytes, 1, 2, 3 ... page by page, with one segment. */
static int made(size_t size, uint64_t offset, uint64_t filesz, uint64_t memsz, uint32_t flags, uint64_t vaddr)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);
	unsigned char *p = buf_alloc(size);
	Elf64_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1}, .e_phoff = sizeof(h), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1};
	Elf64_Phdr s = {.p_type = PT_LOAD, .p_flags = flags, .p_offset = offset, .p_vaddr = vaddr, .p_filesz = filesz, .p_memsz = memsz};

	for (size_t i = 0; i < size; i++)
		p[i] = (unsigned char)(i / KNOWN_PAGE + 1);
	memcpy(p, &h, sizeof(h));
	memcpy(p + sizeof(h), &s, sizeof(s));
	if (fd < 0 || io_write(fd, p, size) < 0)
		exit(1);
	free(p);
	return fd;
}

static size_t count(int fd, int *rc)
{
	seen.n = 0;
	*rc = pages_each(fd, note, &seen);
	close(fd);
	return seen.n;
}

static void files(void)
{
	int rc;

	OK(count(made(20000, 4096, 8192, 8192, PF_R | PF_X, 0x401000), &rc) == 2 && !rc && seen.at[0] == 4096 && seen.last[0] == 3,
	   "the segment's pages");
	OK(count(made(20000, 5000, 5000, 5000, PF_R | PF_X, 0x401000 + 5000 % 4096), &rc) == 2 && seen.at[0] == 4096 && seen.last[0] == 3 &&
	   seen.last[KNOWN_PAGE - 1] == 3, "whole pages, with what is before and behind it");
	OK(count(made(10000, 8192, 1808, 1808, PF_X, 0x402000), &rc) == 1 && seen.last[1807] == 3 && !seen.last[1808], "zeros behind the file");
	OK(count(made(20000, 8192, 1000, 3000, PF_X | PF_W, 0x402000), &rc) == 1 && seen.last[999] == 3 && !seen.last[1000],
	   "zeros behind a writable segment that is longer in memory");
	OK(count(made(20000, 8192, 1000, 3000, PF_X, 0x402000), &rc) == 1 && seen.last[1000] == 3, "none behind one that is not");
	OK(count(made(20000, 8192, UINT64_MAX, 9, PF_X, 0x402000), &rc) == 3 && !rc, "a segment that is longer than the file ends with it");
	OK(!count(made(20000, 8192, 4096, 4096, PF_R, 0x402000), &rc) && !rc, "data is no code");
	OK(!count(made(20000, 8192, 4096, 4096, PF_X, 0x402001), &rc) && !rc, "what cannot be mapped is none");
	OK(!count(made(20000, 1 << 20, 4096, 4096, PF_X, 0x400000), &rc) && !rc, "nor is what is not there");
	OK(!count(made(20000, UINT64_MAX - 4095, 4096, 4096, PF_X, 0x400000), &rc) && !rc, "offsets do not overflow");
	OK(!count(open("/proc/self/status", O_RDONLY | O_CLOEXEC), &rc), "text has none");
}

static json_t *about_of(const char *kind, const char *perms, unsigned first, unsigned n, bool missing)
{
	json_t *a = json_pack("{sssss[{ssssss}]}", "kind", kind, "sha256", "00", "memory", "start", "10000", "perms", perms, "member", "body");
	struct pages *p = pages_new();
	unsigned char page[KNOWN_PAGE];

	for (unsigned i = 0; i < n; i++) {
		memset(page, (int)(first + i), sizeof(page));
		pages_note(p, 0x10000 + i * KNOWN_PAGE, page);
	}
	if (missing)
		pages_missing(p);
	pages_put(p, json_array_get(json_object_get(a, "memory"), 0));
	return a;
}

static struct index *indexed(const char *path, bool pages)
{
	struct err e = {0};
	struct build *b = build_new(&e);
	uint32_t s;

	build_source(b, "dpkg p 1", &s, &e);
	for (int i = 1; i < 10; i++) {
		unsigned char page[KNOWN_PAGE], key[KNOWN_DIGEST];

		memset(page, i, sizeof(page));
		sum_of(page, key);
		if (pages)
			pages_key(key);
		build_add(b, key, s, NULL, &e);
	}
	build_from(b, KNOWN_FROM_PAGES, 0);
	build_finish(b, path, NULL, &e);
	return index_open(path, &e);
}

/* What becomes of a piece of code, and what its mark says. */
static enum decision decided(const struct index *x, json_t *a, long long *pages, long long *known, const char **unexplained)
{
	enum decision d = decide_about(x, a);
	const json_t *mark = json_object_get(a, "known");
	static char first[32];

	*pages = jsonio_int(mark, "pages", -1);
	*known = jsonio_int(mark, "pages_known", -1);
	snprintf(first, sizeof(first), "%s", json_array_size(json_object_get(mark, "unexplained")) ?
	         json_string_value(json_array_get(json_object_get(mark, "unexplained"), 0)) : "");
	*unexplained = first;
	json_decref(a);
	return d;
}

static void decisions(void)
{
	char path[] = "/tmp/known_pages.XXXXXX";
	int fd = mkstemp(path);
	struct index *x = indexed(path, true);
	long long pages, known;
	const char *where;
	json_t *a;

	OK(decided(x, about_of("memory", "r-xp", 1, 9, false), &pages, &known, &where) == DECIDE_DROP && pages == 9 && known == 9 && !*where,
	   "memory whose pages are all known goes");
	OK(decided(x, about_of("memory", "r-xp", 3, 8, false), &pages, &known, &where) == DECIDE_KEEP && pages == 8 && known == 7 &&
	   !strcmp(where, "17000"), "with one that is not it stays, and that one is told");
	OK(decided(x, about_of("memory", "r-xp", 20, 4, false), &pages, &known, &where) == DECIDE_UNKNOWN && pages == -1, "nothing known: unknown");
	OK(decided(x, about_of("memory", "rwxp", 1, 9, false), &pages, &known, &where) == DECIDE_KEEP, "what can be written to stays");
	OK(decided(x, about_of("memory", "r-xp", 1, 9, true), &pages, &known, &where) == DECIDE_KEEP, "what was not all looked at stays");
	OK(decided(x, about_of("memfd", "r-xp", 1, 9, false), &pages, &known, &where) == DECIDE_KEEP, "a file stays");
	a = about_of("memory", "r-xp", 1, 9, false);
	json_object_set_new(a, "signs", json_pack("[{ss}]", "name", "hidden-process"));
	OK(decided(x, a, &pages, &known, &where) == DECIDE_KEEP, "a telling sign keeps it");
	a = about_of("memory", "r-xp", 1, 9, false);
	json_array_append_new(json_object_get(a, "memory"), json_pack("{ssss}", "perms", "r-xp", "member", "body"));
	OK(decided(x, a, &pages, &known, &where) == DECIDE_DROP && pages == 9, "a second process with the same bytes lists no pages");
	json_t *w = about_of("memory", "r-xp", 1, 9, false);
	json_array_append_new(json_object_get(w, "memory"), json_pack("{ssss}", "perms", "rwxp", "member", "body"));
	OK(decided(x, w, &pages, &known, &where) == DECIDE_KEEP, "but may write to them");
	a = about_of("memory", "r-xp", 1, 9, false);
	json_array_append_new(json_object_get(a, "memory"), json_pack("{ssss}", "perms", "r-xp", "member", "memory/1-2"));
	OK(decided(x, a, &pages, &known, &where) == DECIDE_KEEP, "memory without pages is not explained");
	a = about_of("memory", "r-xp", 1, 9, false);
	json_object_set_new(json_array_get(json_object_get(json_array_get(json_object_get(a, "memory"), 0), "pages"), 0), "sha256", json_string("AAAA"));
	OK(decided(x, a, &pages, &known, &where) == DECIDE_UNKNOWN, "digests that are none explain nothing");
	index_close(x);
	x = indexed(path, false);
	OK(decided(x, about_of("memory", "r-xp", 1, 9, false), &pages, &known, &where) == DECIDE_UNKNOWN, "files with a page's bytes are no pages");
	index_close(x);
	close(fd);
	unlink(path);
}

static void listed(void)
{
	struct pages *p = pages_new();
	unsigned char page[KNOWN_PAGE] = {0};
	json_t *o = json_object(), *runs;
	struct buf b = {0};

	pages_note(p, 0x1000, page);
	page[9] = 1;
	pages_note(p, 0x2000, page);
	pages_note(p, 0x3000, page);
	pages_note(p, 0x5000, page);
	pages_put(p, o);
	runs = json_object_get(o, "pages");
	OK(json_array_size(runs) == 2 && !strcmp(jsonio_str(json_array_get(runs, 0), "at"), "2000") &&
	   !strcmp(jsonio_str(json_array_get(runs, 1), "at"), "5000") && !json_object_get(o, "pages_cut"), "runs of pages, none of zeros");
	OK(!jsonio_unbase64(jsonio_str(json_array_get(runs, 0), "sha256"), &b) && b.len == 2 * KNOWN_DIGEST, "with two digests");
	buf_free(&b);
	json_decref(o);
	p = pages_new();
	o = json_object();
	for (unsigned i = 0; i < KNOWN_PAGES_NOTED + 5; i++)
		pages_note(p, (uint64_t)i * KNOWN_PAGE, page);
	pages_put(p, o);
	OK(jsonio_bool(o, "pages_cut", false) && !jsonio_unbase64(jsonio_str(json_array_get(json_object_get(o, "pages"), 0), "sha256"), &b) &&
	   b.len == KNOWN_PAGES_NOTED * KNOWN_DIGEST, "not more than the cap, and it says so");
	buf_free(&b);
	json_decref(o);
}

int main(void)
{
	msg_level(-1);
	own();
	files();
	listed();
	decisions();
	return unit_end();
}
