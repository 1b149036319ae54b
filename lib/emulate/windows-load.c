/* A process of Windows as its loader leaves it: the image relocated and bound, the stack, the process and thread blocks. */
#include "emulate/windows.h"

#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

#define RWX (MACHINE_R | MACHINE_W | MACHINE_X)   /* of memory that can be read all can run, as before data execution prevention */
#define TEB_SIZE 0x2000u
#define SELECTOR_THREAD 0x3b
#define SAMPLE_NAME "setup.exe"
#define SAMPLE_PATH WINDOWS_SAMPLE

/* ---- the image ---- */

struct placing { struct windows *w; uint64_t delta; const char *missing; };

static void relocate(void *ctx, uint32_t rva, unsigned type)
{
	struct placing *p = ctx;
	size_t size = type == 3 ? 4 : type == 10 ? 8 : 0;
	uint64_t at = p->w->base + rva;

	if (size && rva < p->w->f->image_size)
		machine_write(p->w->m, at, (uint64_t[]){ machine_number(p->w->m, at, size) + p->delta }, size);
}

static bool bind(void *ctx, const struct pe_import *i)
{
	struct placing *p = ctx;
	struct windows_library *l = windows_library(p->w, i->library, true);
	uint64_t address = windows_bind(p->w, l, i->name, i->ordinal);

	if (!l)
		p->missing = i->library;
	machine_write(p->w->m, p->w->base + i->slot, &address, p->w->width);
	return true;
}

static int load_image(struct windows *w, struct err *e)
{
	const struct pe *f = w->f;
	struct placing p = { .w = w };
	uint64_t room = w->width == 8 ? UINT64_C(0x7ff000000000) : 0x70000000;

	w->base = f->base & ~(uint64_t)0xffff;
	if (!f->image_size)
		return err_set(e, EX_DATAERR, "the image is empty");
	if (!machine_map(w->m, w->base, f->image_size, RWX, 0)) {
		w->base = machine_find(w->m, 0x10000000, room, f->image_size, 0x10000);
		if (!w->base || !machine_map(w->m, w->base, f->image_size, RWX, 0))
			return err_set(e, EX_DATAERR, "the image has no room");
	}
	machine_write(w->m, w->base, f->image, f->image_size);
	p.delta = w->base - f->base;
	if (p.delta)
		pe_relocations(f, relocate, &p);
	w->entry = w->base + f->entry;
	w->m->image = w->base;
	w->m->image_size = f->image_size;
	w->m->section = buf_alloc((f->sections + 1) * sizeof *w->m->section);
	for (size_t i = 0; i < f->sections; i++) {
		const struct pe_section *s = &f->section[i];
		uint64_t at = w->base + s->address;

		w->m->section[w->m->sections++] = (struct machine_section){ at, at + (s->memsize ? s->memsize : s->filesize) };
	}
	return 0;
}

/* ---- process and thread ---- */

static void put(struct windows *w, uint64_t at, uint64_t v, size_t n)
{
	machine_write(w->m, at, &v, n);
}

static void empty_list(struct windows *w, uint64_t at)
{
	put(w, at, at, w->width);
	put(w, at + w->width, at, w->width);
}

static void make_peb(struct windows *w)
{
	unsigned n = w->width;
	uint64_t p = w->peb;

	w->loader = windows_alloc(w, 0x60);
	put(w, w->loader, 0x60, 4);
	put(w, w->loader + 4, 1, 4);
	for (unsigned i = 0; i < 3; i++)
		empty_list(w, w->loader + (n == 8 ? 0x10 : 0x0c) + 2 * n * i);
	put(w, p + 2 * n, w->base, n);
	put(w, p + 3 * n, w->loader, n);
	put(w, p + (n == 8 ? 0x30 : 0x18), w->process_heap, n);
	put(w, p + (n == 8 ? 0xb8 : 0x64), 2, 4);           /* processors */
	put(w, p + (n == 8 ? 0x118 : 0xa4), 6, 4);          /* Windows 7, service pack 1 */
	put(w, p + (n == 8 ? 0x11c : 0xa8), 1, 4);
	put(w, p + (n == 8 ? 0x120 : 0xac), 7601, 2);
	put(w, p + (n == 8 ? 0x122 : 0xae), 0x100, 2);
	put(w, p + (n == 8 ? 0x124 : 0xb0), 2, 4);
}

static void make_parameters(struct windows *w)
{
	unsigned n = w->width;
	uint64_t p = windows_alloc(w, 0x400);
	const struct { uint64_t at; const char *text; } text[] = {
		{ n == 8 ? 0x38 : 0x24, "C:\\Users\\Anna\\Downloads\\" }, { n == 8 ? 0x60 : 0x38, SAMPLE_PATH },
		{ n == 8 ? 0x70 : 0x40, "\"" SAMPLE_PATH "\"" },
	};

	put(w, p, 0x400, 4);
	put(w, p + 4, 0x400, 4);
	put(w, p + 8, 1, 4);
	for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
		put(w, p + text[i].at, 2 * strlen(text[i].text), 2);
		put(w, p + text[i].at + 2, 2 * strlen(text[i].text) + 2, 2);
		put(w, p + text[i].at + n, windows_string(w, text[i].text, 2), n);
	}
	put(w, w->peb + 4 * n, p, n);
	w->command_a = windows_string(w, "\"" SAMPLE_PATH "\"", 1);
	w->command_w = windows_string(w, "\"" SAMPLE_PATH "\"", 2);
}

static void make_teb(struct windows *w)
{
	unsigned n = w->width;

	put(w, w->teb, n == 8 ? 0 : UINT32_MAX, n);          /* no exception frame */
	put(w, w->teb + n, WINDOWS_STACK_TOP, n);
	put(w, w->teb + 2 * n, WINDOWS_STACK_TOP - WINDOWS_STACK_SIZE, n);
	put(w, w->teb + 6 * n, w->teb, n);
	put(w, w->teb + 8 * n, 0x0d4c, n);                   /* process and thread */
	put(w, w->teb + 9 * n, 0x0d50, n);
	put(w, w->teb + 11 * n, windows_alloc(w, 0x100), n); /* thread-local storage */
	put(w, w->teb + 12 * n, w->peb, n);
	put(w, w->teb + (n == 8 ? 0x100 : 0xc0), 0, n);
}

static void point_thread(struct windows *w)
{
	if (w->width == 8)
		machine_set(w->m, UC_X86_REG_GS_BASE, w->teb);
	else
		machine_segment(w->m, UC_X86_REG_FS, SELECTOR_THREAD, w->teb);
}

/* The places that our own calls return to: push-free, by number. */
static void make_stubs(struct windows *w)
{
	unsigned char code[STUBS * 16] = { 0 };

	for (unsigned i = 0; i < STUBS; i++) {
		unsigned char *p = code + 16 * i;

		memcpy(p, w->width == 8 ? "\xb8\0\0\0\0\x0f\x05\xcc" : "\xb8\0\0\0\0\xcd\x2e\xcc", 8);
		p[1] = (unsigned char)i;
	}
	/* A handler's answer is in eax: it goes to edx before. */
	for (unsigned i = STUB_VECTORED; i <= STUB_SCOPE; i++) {
		unsigned char *p = code + 16 * i;

		memmove(p + 2, p, 8);
		memcpy(p, "\x89\xc2", 2);
	}
	w->stub = w->width == 8 ? 0x7ffc0000 : 0x7ffd0000;   /* where neither block of the thread lies */
	machine_map(w->m, w->stub, MACHINE_PAGE, MACHINE_R | MACHINE_X, MACHINE_SYSTEM);
	machine_write(w->m, w->stub, code, sizeof code);
	windows_runtime(w);
}

static void find_callbacks(struct windows *w)
{
	uint64_t rva = w->f->directory[PE_DIR_TLS].rva, at, v;
	unsigned n = w->width;

	if (!rva || w->f->directories <= PE_DIR_TLS)
		return;
	v = machine_number(w->m, w->base + rva + 2 * n, n);    /* where its index goes */
	if (v)
		machine_write(w->m, v, (uint64_t[]){ 0 }, 4);
	at = machine_number(w->m, w->base + rva + 3 * n, n);
	for (; at && w->callbacks < 64 && (v = machine_number(w->m, at, n)); at += n) {
		w->callback = buf_realloc(w->callback, w->callbacks + 1, sizeof *w->callback);
		w->callback[w->callbacks++] = v;
	}
}

int windows_load(struct windows *w, struct err *e)
{
	struct placing p = { .w = w };
	struct machine *m = w->m;

	if (!machine_map(m, WINDOWS_STACK_TOP - WINDOWS_STACK_SIZE, WINDOWS_STACK_SIZE, RWX, 0) ||
			!machine_map(m, WINDOWS_TEB, TEB_SIZE, RWX, MACHINE_SYSTEM) ||
			!machine_map(m, WINDOWS_SHARED, MACHINE_PAGE, MACHINE_R, MACHINE_SYSTEM))
		return err_set(e, EX_SOFTWARE, "the process has no room");
	w->peb = WINDOWS_PEB;
	w->teb = WINDOWS_TEB;
	if (w->width == 8) {   /* both are larger there */
		w->peb = WINDOWS_TEB - 0x10000;
		w->teb = w->peb + 0x2000;
		machine_map(m, w->peb, 0x8000, RWX, MACHINE_SYSTEM);
	}
	w->process_heap = WINDOWS_HEAP;
	put(w, WINDOWS_SHARED + 0x26c, 6, 4);
	put(w, WINDOWS_SHARED + 0x270, 1, 4);
	if (load_image(w, e))
		return -1;
	make_peb(w);
	make_teb(w);
	make_parameters(w);
	point_thread(w);
	make_stubs(w);
	windows_list(w, w->base, w->entry, w->f->image_size, SAMPLE_PATH, SAMPLE_NAME);
	if (!windows_library(w, "ntdll.dll", true) || !windows_library(w, "kernel32.dll", true))
		return err_set(e, EX_CONFIG, "the table of Windows' exports lacks its kernel's libraries");
	if (!pe_imports(w->f, bind, &p))
		windows_finding(w, "imports-malformed", "the import table cannot be followed to its end");
	if (p.missing)
		windows_finding(w, "import-unknown", "it imports from %.60s what no Windows is known to have", p.missing);
	find_callbacks(w);
	machine_set_sp(m, WINDOWS_STACK_TOP - 0x3c);
	return 0;
}

static void call_entry(struct windows *w, uint64_t to, uint64_t back)
{
	struct machine *m = w->m;
	bool library = w->f->flags & PE_FLAG_DLL || back == STUB_CALLBACK;

	if (w->width == 8) {
		machine_set_sp(m, (machine_sp(m) & ~(uint64_t)15) - 32);
		machine_set(m, UC_X86_REG_RCX, library ? w->base : w->peb);
		machine_set(m, UC_X86_REG_RDX, library ? 1 : 0);
		machine_set(m, UC_X86_REG_R8, 0);
	} else if (library) {
		machine_push(m, 0);
		machine_push(m, 1);
		machine_push(m, w->base);
	}
	machine_push(m, w->stub + 16 * back);
	machine_set_pc(m, to);
}

void windows_enter(struct windows *w)
{
	struct machine *m = w->m;

	if (w->callback_next < w->callbacks) {
		call_entry(w, w->callback[w->callback_next++], STUB_CALLBACK);
		return;
	}
	machine_set_sp(m, WINDOWS_STACK_TOP - 0x3c);
	machine_set(m, UC_X86_REG_EFLAGS, 0x246);
	if (w->width == 4) {
		struct windows_library *k = windows_library(w, "kernel32.dll", false);

		machine_set(m, UC_X86_REG_EBX, w->peb);
		machine_set(m, UC_X86_REG_EAX, w->entry);
		machine_set(m, UC_X86_REG_ECX, 0);
		machine_set(m, UC_X86_REG_EDX, w->entry);
		machine_set(m, UC_X86_REG_ESI, 0);
		machine_set(m, UC_X86_REG_EDI, 0);
		machine_set(m, UC_X86_REG_EBP, WINDOWS_STACK_TOP - 0x10);
		/* The thread's outermost frame: programs walk to it, to find the kernel's library. */
		put(w, WINDOWS_STACK_TOP - 0x20, UINT32_MAX, 4);
		put(w, WINDOWS_STACK_TOP - 0x1c, k ? windows_export(w, k, "UnhandledExceptionFilter", 0) : 0, 4);
		put(w, w->teb, WINDOWS_STACK_TOP - 0x20, 4);
		if (k && !(w->f->flags & PE_FLAG_DLL)) {
			/* "Who called me" leads into kernel32, as it does in every process. */
			uint64_t back = windows_export(w, k, "ExitThread", 0);

			machine_push(m, 0);
			machine_push(m, back);
			machine_set_pc(m, w->entry);
			return;
		}
	}
	call_entry(w, w->entry, STUB_EXIT);
}
