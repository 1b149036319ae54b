/* Imports as they stand in memory: pointers in the image that lead to functions, whoever wrote them there. */
#include "emulate/windows.h"

#include <stdlib.h>
#include <string.h>

#define IMPORTS 16384u

/* Functions stand one behind the other, from the second page of their library on (windows-library.c). */
static const struct windows_function *function_at(struct windows *w, uint64_t address, const char **library)
{
	struct windows_library *l = windows_library_at(w, address);
	size_t first = l ? l->first : 0, end = l ? first + l->count : w->functions, low = first, high = end;

	*library = l ? l->name : "kernel32.dll";
	while (l && low < high) {
		size_t mid = low + (high - low) / 2;

		if (w->function[mid].address == address)
			return &w->function[mid];
		if (w->function[mid].address < address)
			low = mid + 1;
		else
			high = mid;
	}
	if (l || !w->unknown_at || address < w->unknown_at || address - w->unknown_at >= 0x10000)
		return NULL;
	for (size_t i = 0; i < w->functions; i++)
		if (w->function[i].address == address)
			return &w->function[i];
	return NULL;
}

static void add(struct emulation *o, uint64_t slot, const char *library, const struct windows_function *f)
{
	char name[128];

	o->import = buf_realloc(o->import, o->imports + 1, sizeof *o->import);
	o->import[o->imports++] = (struct emulate_import){ .slot = slot, .library = buf_strdup(library),
		.name = buf_strdup(windows_function_name(f, name)), .ordinal = f->ordinal };
}

void windows_imports(struct windows *w)
{
	unsigned char page[MACHINE_PAGE];
	size_t n = w->width;

	for (uint64_t at = w->base; at < w->base + w->f->image_size; at += MACHINE_PAGE) {
		if (!machine_read(w->m, at, page, sizeof page))
			continue;
		for (size_t i = 0; i + n <= sizeof page && w->m->out->imports < IMPORTS; i += n) {
			const struct windows_function *f;
			const char *library;
			uint64_t v = 0;

			memcpy(&v, page + i, n);
			f = v >= 0x70000000 && v < 0x80000000 ? function_at(w, v, &library) : NULL;
			if (f)
				add(w->m->out, at + i, library, f);
		}
	}
}
