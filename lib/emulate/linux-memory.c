/* Linux's system calls for memory. */
#include "emulate/linux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static unsigned rights(uint64_t prot)
{
	return (prot & PROT_READ ? MACHINE_R : 0) | (prot & PROT_WRITE ? MACHINE_W | MACHINE_R : 0) | (prot & PROT_EXEC ? MACHINE_X | MACHINE_R : 0);
}

static uint64_t page_up(uint64_t v) { return (v + MACHINE_PAGE - 1) & ~(uint64_t)(MACHINE_PAGE - 1); }

static uint64_t most(const struct linux_process *l)
{
	return l->width == 8 ? UINT64_C(0x7ffff7fc0000) : 0xf7fc0000;
}

/* From the top down, as the kernel does: programs that map twice expect neighbours, and nothing low. */
static uint64_t place(struct linux_process *l, uint64_t n)
{
	uint64_t at = most(l) - n, low = l->width == 8 ? UINT64_C(0x7ff000000000) : 0x60000000;

	for (size_t i = l->m->regions; i-- > 0;) {
		const struct machine_region *r = &l->m->region[i];

		if (r->address >= at + n)
			continue;
		if (r->address + r->size <= at)
			break;
		if (r->address < low + n)
			return 0;
		at = r->address - n;
	}
	return at >= low ? at : 0;
}

static void fill(struct linux_process *l, uint64_t at, uint64_t n, const struct linux_fd *d, uint64_t offset)
{
	const struct linux_file *f = &l->file[d->file];
	size_t size = linux_file_size(f);

	if (offset >= size)
		return;
	if (n > size - offset)
		n = size - offset;
	/* What the program wrote itself is its code when it maps it, a library's is not. */
	if (f->written)
		machine_put(l->m, at, linux_file_bytes(f) + offset, (size_t)n);
	else
		machine_write(l->m, at, linux_file_bytes(f) + offset, (size_t)n);
}

static int64_t map(struct linux_process *l, uint64_t at, uint64_t n, uint64_t prot, uint64_t flags, uint64_t fd, uint64_t offset)
{
	struct linux_fd *d = flags & MAP_ANONYMOUS ? NULL : linux_fd(l, fd);

	if (!n || at & (MACHINE_PAGE - 1) || offset & (MACHINE_PAGE - 1))
		return -EINVAL;
	if (n > l->m->l.memory)
		return -ENOMEM;
	n = page_up(n);
	if (!(flags & MAP_ANONYMOUS) && (!d || (d->kind != FD_FILE && d->kind != FD_ZERO)))
		return -EBADF;
	if (flags & (MAP_FIXED | 0x100000)) {
		if (at < MACHINE_PAGE * 16)
			return -EPERM;
		machine_unmap(l->m, at, n);
	} else if (!at || !machine_map(l->m, at, n, rights(prot), 0)) {
		at = place(l, n);
	} else {
		goto mapped;
	}
	if (!at || !machine_map(l->m, at, n, rights(prot), 0))
		return -ENOMEM;
mapped:
	if (d && d->kind == FD_FILE)
		fill(l, at, n, d, offset);
	return (int64_t)at;
}

static int64_t sys_mmap(struct linux_process *l, const uint64_t *a)
{
	/* mmap2 counts pages; there is no other on 32-bit machines with six registers of arguments */
	return map(l, a[0], a[1], a[2], a[3], a[4], l->width == 4 ? a[5] * MACHINE_PAGE : a[5]);
}

static int64_t sys_old_mmap(struct linux_process *l, const uint64_t *a)
{
	uint64_t v[6];

	for (unsigned i = 0; i < 6; i++)
		v[i] = machine_number(l->m, a[0] + 4 * i, 4);
	return map(l, v[0], v[1], v[2], v[3], v[4], v[5]);
}

static int64_t sys_munmap(struct linux_process *l, const uint64_t *a)
{
	if (a[0] & (MACHINE_PAGE - 1) || !a[1])
		return -EINVAL;
	machine_unmap(l->m, a[0], a[1]);
	return 0;
}

static int64_t sys_mprotect(struct linux_process *l, const uint64_t *a)
{
	if (!a[1])
		return 0;
	return machine_protect(l->m, a[0], a[1], rights(a[2])) ? 0 : -ENOMEM;
}

static int64_t sys_mremap(struct linux_process *l, const uint64_t *a)
{
	uint64_t old = page_up(a[1]), n = page_up(a[2]), to;
	struct machine_region *r = machine_region_at(l->m, a[0]);
	unsigned prot = r ? r->prot : 0;
	unsigned char *p;

	if (!r || !n || n > l->m->l.memory || old > l->m->l.memory)
		return -EFAULT;
	if (n <= old) {
		machine_unmap(l->m, a[0] + n, old - n);
		return (int64_t)a[0];
	}
	if (machine_map(l->m, a[0] + old, n - old, prot, 0))
		return (int64_t)a[0];
	if (!(a[3] & MREMAP_MAYMOVE))
		return -ENOMEM;
	to = a[3] & MREMAP_FIXED ? a[4] : place(l, n);
	if (!to)
		return -ENOMEM;
	p = buf_alloc((size_t)n);
	machine_read(l->m, a[0], p, (size_t)old);
	machine_unmap(l->m, a[0], old);
	machine_unmap(l->m, to, n);
	if (machine_map(l->m, to, n, prot, 0))
		machine_put(l->m, to, p, (size_t)old);
	free(p);
	return (int64_t)to;
}

static int64_t sys_brk(struct linux_process *l, const uint64_t *a)
{
	uint64_t from = page_up(l->brk), to = page_up(a[0]);

	if (a[0] < l->brk_start || a[0] - l->brk_start > l->m->l.memory)
		return (int64_t)l->brk;
	if (to > from && !machine_map(l->m, from, to - from, MACHINE_R | MACHINE_W, 0))
		return (int64_t)l->brk;
	if (to < from)
		machine_unmap(l->m, to, from - to);
	l->brk = a[0];
	return (int64_t)l->brk;
}

static int64_t zero(struct linux_process *l, const uint64_t *a) { (void)l; (void)a; return 0; }

const struct linux_entry linux_memory_table[] = {
	{ 9, 192, "mmap", "pxxxdx", sys_mmap }, { -1, 90, "mmap", "p", sys_old_mmap }, { 10, 125, "mprotect", "pxx", sys_mprotect },
	{ 11, 91, "munmap", "px", sys_munmap }, { 12, 45, "brk", "p", sys_brk }, { 25, 163, "mremap", "pxxxp", sys_mremap },
	{ 26, 144, "msync", "pxx", zero }, { 28, 219, "madvise", "pxd", zero }, { 149, 150, "mlock", "px", zero },
	{ 0, 0, NULL, NULL, NULL },
};
