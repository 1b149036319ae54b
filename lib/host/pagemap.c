/*
 * Which pages of a process are present, and which were written to. In a private mapping of a file, a page that was ever
 * written to is anonymous: bit 61 of its entry is clear even when the bytes and rights were put back (Linux,
 * Documentation/admin-guide/mm/pagemap.rst). The memory itself is not touched, so that nothing is fetched from swap.
 */
#include "host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PAGE 4096u
#define BIT_PRESENT ((uint64_t)1 << 63)
#define BIT_SWAPPED ((uint64_t)1 << 62)
#define BIT_FILE ((uint64_t)1 << 61)

/* linux/fs.h since 6.7; older headers lack it */
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
struct scan_region {
	uint64_t start, end, categories;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
#define SCAN_FILE ((uint64_t)1 << 2)
#define SCAN_PRESENT ((uint64_t)1 << 3)
#define SCAN_SWAPPED ((uint64_t)1 << 4)

static void add_run(struct page_runs *r, uint64_t start, uint64_t end)
{
	if (r->count && r->run[r->count - 1].end == start) {
		r->run[r->count - 1].end = end;
		return;
	}
	if (!(r->count & (r->count - 1)))
		r->run = buf_realloc(r->run, r->count ? r->count * 2 : 1, sizeof(*r->run));
	r->run[r->count++] = (struct page_run){ start, end };
}

int pagemap_scan(int dir, uint64_t start, uint64_t end, bool written, struct page_runs *r)
{
	struct scan_region region[128];
	struct scan_arg a;
	int fd = openat(dir, "pagemap", O_RDONLY | O_CLOEXEC), n = 0, i, saved;

	*r = (struct page_runs){ 0 };
	if (fd < 0)
		return -1;
	while (start < end) {
		a = (struct scan_arg){
			.size = sizeof(a), .start = start, .end = end, .vec = (uint64_t)(uintptr_t)region,
			.vec_len = sizeof(region) / sizeof(*region), .category_inverted = written ? SCAN_FILE : 0,
			.category_mask = written ? SCAN_FILE : 0, .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
			.return_mask = SCAN_PRESENT | SCAN_SWAPPED,
		};
		n = ioctl(fd, SCAN_IOCTL, &a);
		if (n < 0 || a.walk_end <= start)
			break;
		for (i = 0; i < n; i++)
			if (region[i].categories & SCAN_PRESENT)
				add_run(r, region[i].start, region[i].end);
			else
				r->swapped += (region[i].end - region[i].start) / PAGE;
		start = a.walk_end;
	}
	saved = errno;
	close(fd);
	errno = saved;
	if (n < 0)
		pagemap_free(r);
	return n < 0 ? -1 : 0;
}

int pagemap_read(int dir, uint64_t start, uint64_t end, bool written, struct page_runs *r)
{
	uint64_t entry[512], page = start / PAGE, last = end / PAGE;
	int fd = openat(dir, "pagemap", O_RDONLY | O_CLOEXEC), saved;
	ssize_t got = 0, i;

	*r = (struct page_runs){ 0 };
	if (fd < 0)
		return -1;
	while (page < last) {
		size_t want = last - page < 512 ? (size_t)(last - page) : 512;

		got = pread(fd, entry, want * sizeof(*entry), (off_t)(page * sizeof(*entry)));
		if (got <= 0)
			break;
		got /= (ssize_t)sizeof(*entry);
		for (i = 0; i < got; i++, page++) {
			if (written && entry[i] & BIT_FILE)
				continue;
			if (entry[i] & BIT_PRESENT)
				add_run(r, page * PAGE, (page + 1) * PAGE);
			else if (entry[i] & BIT_SWAPPED)
				r->swapped++;
		}
	}
	saved = errno;
	close(fd);
	errno = saved;
	if (got < 0)
		pagemap_free(r);
	return got < 0 ? -1 : 0;
}

int pagemap_runs(int dir, uint64_t start, uint64_t end, bool written, struct page_runs *r)
{
	static bool old_kernel;

	if (!old_kernel) {
		if (!pagemap_scan(dir, start, end, written, r))
			return 0;
		if (errno != ENOTTY && errno != EINVAL)
			return -1;
		old_kernel = true;
	}
	return pagemap_read(dir, start, end, written, r);
}

bool pagemap_all(int dir, uint64_t start, uint64_t end)
{
	struct page_runs r;
	bool all;

	start &= ~(uint64_t)(PAGE - 1);
	end = (end + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	if (pagemap_runs(dir, start, end, false, &r) < 0)
		return false;
	all = r.count == 1 && r.run[0].start == start && r.run[0].end == end;
	pagemap_free(&r);
	return all;
}

void pagemap_free(struct page_runs *r)
{
	free(r->run);
	*r = (struct page_runs){ 0 };
}
