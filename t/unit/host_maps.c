#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/internal.h"

#define PAGE ((size_t)4096)

static void parses(void)
{
	static const char text[] =
		"55e0-66f0 r-xp 00001000 fe:00 247134                     /usr/bin/a b\\012c (deleted)\n"
		"Size:                  8 kB\n"
		"VmFlags: rd ex mr mw me \n"
		"7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n"
		"7ffe0-7fff0 rw-p 00000000 00:00 0                          [heap]\n"
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n"
		"9-8 r-xp 0 0:0 0\n"
		"zz-10 r-xp 0 0:0 0\n"
		"1-2 rwxs 0 0:1 5 /dev/zero (deleted)\n"
		"1-2 r-xp 0 0:1 5 /memfd:x (deleted)\n"
		"1-2 r-xp 0 fe:0 5 /dev/zero (deleted)\n"
		"1-2 r-xs 0 0:1 0 /SYSV00000000 (deleted)";
	const char *p = text;
	struct map m;

	OK(maps_next(&p, &m) == 1 && m.start == 0x55e0 && m.end == 0x66f0 && m.offset == 0x1000 && m.inode == 247134, "a line of maps");
	OK_STR(m.path, "/usr/bin/a b\nc (deleted)", "with its path unescaped");
	OK(maps_classify(&m) == MAPS_FILE, "a file");
	OK(maps_next(&p, &m) == -1 && maps_next(&p, &m) == -1, "smaps' further lines are passed over");
	OK(maps_next(&p, &m) == 1 && !strcmp(m.perms, "rwxp") && !m.path[0] && maps_classify(&m) == MAPS_ANON, "anonymous memory");
	OK(maps_next(&p, &m) == 1 && maps_classify(&m) == MAPS_ANON, "the heap");
	OK(maps_next(&p, &m) == 1 && m.end == 0xffffffffff601000 && maps_classify(&m) == MAPS_KERNEL, "the kernel's own");
	OK(maps_next(&p, &m) == -1, "an end before its start");
	OK(maps_next(&p, &m) == -1, "no number");
	OK(maps_next(&p, &m) == 1 && maps_classify(&m) == MAPS_SHARED, "shared memory");
	OK(maps_next(&p, &m) == 1 && maps_classify(&m) == MAPS_FILE, "a memory file");
	OK(maps_next(&p, &m) == 1 && maps_classify(&m) == MAPS_FILE, "a deleted file that only looks like shared memory");
	OK(maps_next(&p, &m) == 1 && maps_classify(&m) == MAPS_SHARED, "System V's first segment");
	OK(maps_next(&p, &m) == 0, "the end");
}

static size_t pages(const struct page_runs *r)
{
	size_t i, n = 0;

	for (i = 0; i < r->count; i++)
		n += (size_t)(r->run[i].end - r->run[i].start) / PAGE;
	return n;
}

typedef int runs_fn(int dir, uint64_t start, uint64_t end, bool written, struct page_runs *r);

static void written(runs_fn *fn, const char *name)
{
	int self = open("/proc/self", O_RDONLY | O_DIRECTORY), exe = open("/proc/self/exe", O_RDONLY);
	volatile char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, exe, 0);
	char *a = mmap(NULL, 1000 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct page_runs r;
	unsigned sum = 0;
	size_t i;

	printf("# %s\n", name);
	for (i = 0; i < 4; i++)
		sum += (unsigned char)p[i * PAGE];
	OK(sum && fn(self, (uintptr_t)p, (uintptr_t)p + 4 * PAGE, true, &r) == 0 && r.count == 0, "pages that were read only are not written to");
	pagemap_free(&r);
	p[2 * PAGE] = p[2 * PAGE] + 1;
	p[2 * PAGE] = p[2 * PAGE] - 1;
	OK(fn(self, (uintptr_t)p, (uintptr_t)p + 4 * PAGE, true, &r) == 0 && r.count == 1
	   && r.run[0].start == (uintptr_t)p + 2 * PAGE && pages(&r) == 1, "one that was written to is found, though its bytes are back");
	pagemap_free(&r);
	for (i = 0; i < 1000; i += 2)
		a[i * PAGE] = 1;
	madvise(a, 1000 * PAGE, MADV_NOHUGEPAGE);
	OK(fn(self, (uintptr_t)a, (uintptr_t)a + 1000 * PAGE, false, &r) == 0 && pages(&r) >= 500, "present pages, more than fit one call");
	pagemap_free(&r);
	OK(fn(self, 0, PAGE, false, &r) == 0 && r.count == 0, "nothing where nothing is");
	pagemap_free(&r);
	munmap((void *)(uintptr_t)p, 4 * PAGE);
	munmap(a, 1000 * PAGE);
	close(self);
	close(exe);
}

static void flags(void)
{
	static const char line[] = "VmFlags: rd ex mr mw me ac sd \nVmFlags: wr\n";

	OK(maps_flag(line, "rd") && maps_flag(line, "ac") && maps_flag(line, "sd"), "flags of a mapping");
	OK(!maps_flag(line, "wr") && !maps_flag(line, "a") && !maps_flag(line, "VmFlags:") && !maps_flag("VmFlags:", "ac") && !maps_flag("", "ac"),
	   "none of another line, no part of one");
}

int main(void)
{
	struct page_runs r;
	int self = open("/proc/self", O_RDONLY | O_DIRECTORY);

	parses();
	flags();
	written(pagemap_read, "pagemap, read");
	if (!pagemap_scan(self, 0, PAGE, false, &r)) {
		pagemap_free(&r);
		written(pagemap_scan, "PAGEMAP_SCAN");
	}
	written(pagemap_runs, "whichever works");
	close(self);
	return unit_end();
}
