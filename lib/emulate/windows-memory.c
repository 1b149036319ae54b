/* Windows' functions for memory. */
#include "emulate/windows.h"

#include <stdlib.h>
#include <string.h>

#define RWX (MACHINE_R | MACHINE_W | MACHINE_X)
#define HEAP_CHUNK (1 * MIB)
#define HEAP_HEAD 16u              /* before each block: its size */
#define MOVED_MOST (64 * MIB)      /* of one copy */
enum { PAGE_NOACCESS = 1, PAGE_READONLY = 2, PAGE_READWRITE = 4, PAGE_EXECUTE_READ = 0x20, PAGE_EXECUTE_READWRITE = 0x40, PAGE_GUARD = 0x100 };
enum { MEM_COMMIT = 0x1000, MEM_RESERVE = 0x2000, MEM_RELEASE = 0x8000, MEM_FREE = 0x10000 };
#define STATUS_NO_MEMORY 0xc0000017u
#define STATUS_INVALID 0xc000000du

/* ---- the heap: blocks one behind the other; what is freed is not used again ---- */

uint64_t windows_alloc(struct windows *w, uint64_t n)
{
	uint64_t at;

	if (n > w->m->l.memory)
		return 0;
	n = (n + HEAP_HEAD + 15) & ~(uint64_t)15;
	if (!w->heap_at || n > w->heap_end - w->heap_at) {
		uint64_t size = n > HEAP_CHUNK ? n : HEAP_CHUNK, base = machine_find(w->m, WINDOWS_HEAP, 0x70000000, size, 0x10000);

		if (!base || !machine_map(w->m, base, size, RWX, 0))
			return 0;
		w->heap_at = base;
		w->heap_end = base + (size + MACHINE_PAGE - 1) / MACHINE_PAGE * MACHINE_PAGE;
	}
	at = w->heap_at;
	w->heap_at += n;
	machine_write(w->m, at, &(uint64_t){ n - HEAP_HEAD }, 8);
	return at + HEAP_HEAD;
}

static uint64_t block_size(struct windows *w, uint64_t at)
{
	return at >= HEAP_HEAD ? machine_number(w->m, at - HEAP_HEAD, 8) : 0;
}

static bool copy(struct windows *w, uint64_t to, uint64_t from, uint64_t n)
{
	unsigned char *p;
	bool done;

	if (n > MOVED_MOST)
		return false;
	p = buf_alloc((size_t)n + 1);
	done = machine_read(w->m, from, p, (size_t)n) && machine_put(w->m, to, p, (size_t)n);
	free(p);
	return done;
}

static uint64_t grow(struct windows *w, uint64_t old, uint64_t n)
{
	uint64_t size = old ? block_size(w, old) : 0, at;

	if (old && n <= size)
		return old;
	at = windows_alloc(w, n);
	if (at && old)
		copy(w, at, old, size);
	return at;
}

static uint64_t heap_alloc(struct windows *w, const uint64_t *a) { return windows_alloc(w, a[2]); }
static uint64_t heap_realloc(struct windows *w, const uint64_t *a) { return grow(w, a[2], a[3]); }
static uint64_t heap_size(struct windows *w, const uint64_t *a) { return block_size(w, a[2]); }
static uint64_t process_heap(struct windows *w, const uint64_t *a) { (void)a; return w->process_heap; }
static uint64_t global_alloc(struct windows *w, const uint64_t *a) { return windows_alloc(w, a[1]); }
static uint64_t global_realloc(struct windows *w, const uint64_t *a) { return grow(w, a[0], a[1]); }
static uint64_t global_size(struct windows *w, const uint64_t *a) { return block_size(w, a[0]); }
static uint64_t first(struct windows *w, const uint64_t *a) { (void)w; return a[0]; }
static uint64_t zero(struct windows *w, const uint64_t *a) { (void)w; (void)a; return 0; }
static uint64_t one(struct windows *w, const uint64_t *a) { (void)w; (void)a; return 1; }
static uint64_t c_malloc(struct windows *w, const uint64_t *a) { return windows_alloc(w, a[0]); }
static uint64_t c_realloc(struct windows *w, const uint64_t *a) { return grow(w, a[0], a[1]); }

static uint64_t c_calloc(struct windows *w, const uint64_t *a)
{
	uint64_t n;

	return __builtin_mul_overflow(a[0], a[1], &n) ? 0 : windows_alloc(w, n);
}

/* ---- pages ---- */

/* Data can run: see RWX. */
static unsigned rights(uint64_t protect)
{
	switch (protect & 0xff) {
	case PAGE_NOACCESS: return 0;
	case PAGE_READONLY: case PAGE_EXECUTE_READ: case 0x10: return MACHINE_R | MACHINE_X;
	default: return RWX;
	}
}

static uint64_t told_rights(const struct machine_region *r)
{
	return r->tag == WINDOWS_GUARDED ? PAGE_EXECUTE_READWRITE | PAGE_GUARD : !r->prot ? PAGE_NOACCESS :
		r->prot & MACHINE_W ? PAGE_EXECUTE_READWRITE : PAGE_EXECUTE_READ;
}

static uint64_t allocate(struct windows *w, uint64_t at, uint64_t n, uint64_t type, uint64_t protect)
{
	struct machine_region *r = at ? machine_region_at(w->m, at) : NULL;

	if (!n || n > w->m->l.memory)
		return 0;
	if (r) {   /* what was reserved before is committed */
		machine_protect(w->m, at, n, rights(protect));
		return at & ~(uint64_t)(MACHINE_PAGE - 1);
	}
	at = at ? at & ~(uint64_t)0xffff : machine_find(w->m, 0x00300000, 0x70000000, n, 0x10000);
	(void)type;
	return at && machine_map(w->m, at, n, protect & 0xff ? rights(protect) : RWX, protect & PAGE_GUARD ? WINDOWS_GUARDED : 0) ? at : 0;
}

static uint64_t virtual_alloc(struct windows *w, const uint64_t *a)
{
	return allocate(w, a[0], a[1], a[2], a[3]);
}

static bool ourselves(uint64_t process)
{
	return (uint32_t)process == UINT32_MAX;
}

static uint64_t virtual_alloc_ex(struct windows *w, const uint64_t *a)
{
	if (!ourselves(a[0]))
		windows_finding(w, "other-process", "it allocates memory in another process");
	return allocate(w, ourselves(a[0]) ? a[1] : 0, a[2], a[3], a[4]);
}

static uint64_t virtual_free(struct windows *w, const uint64_t *a)
{
	struct machine_region *r = machine_region_at(w->m, a[0]);

	if (!r || r->tag == MACHINE_SYSTEM || (a[0] >= w->base && a[0] - w->base < w->f->image_size))
		return 0;
	if (a[2] & MEM_RELEASE)
		machine_unmap(w->m, r->address, r->size);
	else
		machine_protect(w->m, a[0], a[1], 0);
	return 1;
}

static bool protect(struct windows *w, uint64_t at, uint64_t n, uint64_t how, uint64_t old)
{
	struct machine_region *r = machine_region_at(w->m, at);

	if (!r)
		return false;
	if (old)
		machine_put_number(w->m, old, told_rights(r), 4);
	/* The libraries' own pages stay as they are: who writes there patches a function, which may be. */
	if (r->tag == MACHINE_SYSTEM)
		return true;
	if (!machine_protect(w->m, at, n ? n : 1, how & PAGE_GUARD ? 0 : rights(how)))
		return false;
	r = machine_region_at(w->m, at);
	r->tag = how & PAGE_GUARD ? WINDOWS_GUARDED : 0;
	return true;
}

static uint64_t virtual_protect(struct windows *w, const uint64_t *a) { return protect(w, a[0], a[1], a[2], a[3]); }
static uint64_t virtual_protect_ex(struct windows *w, const uint64_t *a) { return protect(w, a[1], a[2], a[3], a[4]); }

static uint64_t query(struct windows *w, uint64_t at, uint64_t out, uint64_t n)
{
	unsigned p = w->width;
	uint64_t page = at & ~(uint64_t)(MACHINE_PAGE - 1), size = p == 8 ? 48 : 28;
	struct machine_region *r = machine_region_at(w->m, page);
	uint64_t end = page + MACHINE_PAGE;

	if (n < size)
		return 0;
	while (!r && end < 0x7fff0000 && !machine_region_at(w->m, end))
		end += 16 * MACHINE_PAGE;
	machine_put_number(w->m, out, page, p);
	machine_put_number(w->m, out + p, r ? r->address : 0, p);
	machine_put_number(w->m, out + 2 * p, r ? PAGE_EXECUTE_READWRITE : 0, 4);
	machine_put_number(w->m, out + (p == 8 ? 24 : 12), r ? r->address + r->size - page : end - page, p);
	machine_put_number(w->m, out + (p == 8 ? 32 : 16), r ? MEM_COMMIT : MEM_FREE, 4);
	machine_put_number(w->m, out + (p == 8 ? 36 : 20), r ? told_rights(r) : PAGE_NOACCESS, 4);
	machine_put_number(w->m, out + (p == 8 ? 40 : 24), r && (r->address == w->base || r->tag == MACHINE_SYSTEM) ? 0x1000000 : 0x20000, 4);
	return size;
}

static uint64_t virtual_query(struct windows *w, const uint64_t *a) { return query(w, a[0], a[1], a[2]); }
static uint64_t virtual_query_ex(struct windows *w, const uint64_t *a) { return query(w, a[1], a[2], a[3]); }

static uint64_t nt_allocate(struct windows *w, const uint64_t *a)
{
	uint64_t at = machine_number(w->m, a[1], w->width), n = machine_number(w->m, a[3], w->width);

	at = allocate(w, at, n, a[4], a[5]);
	if (!at)
		return STATUS_NO_MEMORY;
	machine_put_number(w->m, a[1], at, w->width);
	machine_put_number(w->m, a[3], (n + MACHINE_PAGE - 1) & ~(uint64_t)(MACHINE_PAGE - 1), w->width);
	return 0;
}

static uint64_t nt_protect(struct windows *w, const uint64_t *a)
{
	uint64_t at = machine_number(w->m, a[1], w->width), n = machine_number(w->m, a[2], w->width);

	return protect(w, at, n, a[3], a[4]) ? 0 : STATUS_INVALID;
}

static uint64_t nt_query(struct windows *w, const uint64_t *a)
{
	uint64_t n = query(w, a[1], a[3], a[4]);

	if (n && a[5])
		machine_put_number(w->m, a[5], n, w->width);
	return n ? 0 : STATUS_INVALID;
}

/* ---- moving bytes ---- */

static uint64_t move(struct windows *w, const uint64_t *a)
{
	copy(w, a[0], a[1], w->width == 8 ? a[2] : (uint32_t)a[2]);
	return a[0];
}

static void fill(struct windows *w, uint64_t to, uint64_t n, int value)
{
	unsigned char *p;

	if (n > MOVED_MOST)
		return;
	p = buf_alloc((size_t)n + 1);
	memset(p, value, (size_t)n);
	machine_put(w->m, to, p, (size_t)n);
	free(p);
}

static uint64_t c_memset(struct windows *w, const uint64_t *a) { fill(w, a[0], a[2], (int)a[1]); return a[0]; }
static uint64_t rtl_fill(struct windows *w, const uint64_t *a) { fill(w, a[0], a[1], (int)a[2]); return 0; }
static uint64_t rtl_zero(struct windows *w, const uint64_t *a) { fill(w, a[0], a[1], 0); return 0; }

static uint64_t bad_pointer(struct windows *w, const uint64_t *a)
{
	return a[1] && (!machine_region_at(w->m, a[0]) || !machine_region_at(w->m, a[0] + a[1] - 1));
}

static uint64_t read_process(struct windows *w, const uint64_t *a)
{
	bool done = ourselves(a[0]) && copy(w, a[2], a[1], a[3]);

	if (a[4])
		machine_put_number(w->m, a[4], done ? a[3] : 0, w->width);
	return done;
}

static uint64_t write_process(struct windows *w, const uint64_t *a)
{
	if (!ourselves(a[0])) {
		windows_finding(w, "other-process", "it writes into another process");
		windows_drop(w, "injected", "another process", a[2], a[3]);
	} else if (!copy(w, a[1], a[2], a[3])) {
		return 0;
	}
	if (a[4])
		machine_put_number(w->m, a[4], a[3], w->width);
	return 1;
}

const struct windows_entry windows_memory_table[] = {
	{ "VirtualAlloc", virtual_alloc }, { "VirtualAllocEx", virtual_alloc_ex }, { "VirtualFree", virtual_free },
	{ "VirtualProtect", virtual_protect }, { "VirtualProtectEx", virtual_protect_ex },
	{ "VirtualQuery", virtual_query }, { "VirtualQueryEx", virtual_query_ex }, { "VirtualLock", one }, { "VirtualUnlock", one },
	{ "NtAllocateVirtualMemory", nt_allocate }, { "ZwAllocateVirtualMemory", nt_allocate }, { "NtProtectVirtualMemory", nt_protect },
	{ "ZwProtectVirtualMemory", nt_protect }, { "NtQueryVirtualMemory", nt_query }, { "ZwQueryVirtualMemory", nt_query },
	{ "HeapAlloc", heap_alloc }, { "RtlAllocateHeap", heap_alloc }, { "HeapReAlloc", heap_realloc }, { "RtlReAllocateHeap", heap_realloc },
	{ "HeapFree", one }, { "RtlFreeHeap", one }, { "HeapSize", heap_size }, { "RtlSizeHeap", heap_size }, { "HeapCreate", process_heap },
	{ "RtlCreateHeap", process_heap }, { "HeapDestroy", one }, { "GetProcessHeap", process_heap }, { "HeapValidate", one },
	{ "GlobalAlloc", global_alloc }, { "LocalAlloc", global_alloc }, { "GlobalReAlloc", global_realloc }, { "LocalReAlloc", global_realloc },
	{ "GlobalLock", first }, { "LocalLock", first }, { "GlobalHandle", first }, { "LocalHandle", first }, { "GlobalUnlock", one },
	{ "LocalUnlock", one }, { "GlobalFree", zero }, { "LocalFree", zero }, { "GlobalSize", global_size }, { "LocalSize", global_size },
	{ "CoTaskMemAlloc", c_malloc }, { "malloc", c_malloc }, { "realloc", c_realloc }, { "calloc", c_calloc }, { "free", zero },
	{ "memcpy", move }, { "memmove", move }, { "RtlMoveMemory", move }, { "RtlCopyMemory", move }, { "memset", c_memset },
	{ "RtlFillMemory", rtl_fill }, { "RtlZeroMemory", rtl_zero }, { "IsBadReadPtr", bad_pointer }, { "IsBadWritePtr", bad_pointer },
	{ "IsBadCodePtr", zero }, { "ReadProcessMemory", read_process }, { "WriteProcessMemory", write_process },
	{ NULL, NULL },
};
