/* Windows' functions for modules and their resources. */
#include "emulate/windows.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MOST 260u
#define STATUS_DLL_NOT_FOUND 0xc0000135u
#define STATUS_PROCEDURE_NOT_FOUND 0xc000007au
#define ERROR_MOD_NOT_FOUND 126u
#define ERROR_PROC_NOT_FOUND 127u

static uint64_t by_name(struct windows *w, uint64_t at, unsigned width, bool load)
{
	struct windows_library *l;
	struct buf name = { 0 };

	if (!at)
		return w->base;
	machine_text(w->m, at, width, NAME_MOST, &name);
	l = windows_library(w, buf_str(&name), load);
	buf_free(&name);
	if (!l)
		w->last_error = ERROR_MOD_NOT_FOUND;
	return l ? l->base : 0;
}

static uint64_t load_a(struct windows *w, const uint64_t *a) { return a[0] ? by_name(w, a[0], 1, true) : 0; }
static uint64_t load_w(struct windows *w, const uint64_t *a) { return a[0] ? by_name(w, a[0], 2, true) : 0; }
static uint64_t handle_a(struct windows *w, const uint64_t *a) { return by_name(w, a[0], 1, false); }
static uint64_t handle_w(struct windows *w, const uint64_t *a) { return by_name(w, a[0], 2, false); }

static uint64_t handle_ex(struct windows *w, uint64_t base, uint64_t out)
{
	machine_put_number(w->m, out, base, w->width);
	return base != 0;
}

/* Flag 4: it is an address within the module. */
static uint64_t by_address(struct windows *w, uint64_t at)
{
	struct windows_library *l = windows_library_at(w, at);

	return l ? l->base : at >= w->base && at - w->base < w->f->image_size ? w->base : 0;
}

static uint64_t handle_ex_a(struct windows *w, const uint64_t *a)
{
	return handle_ex(w, a[0] & 4 ? by_address(w, a[1]) : by_name(w, a[1], 1, false), a[2]);
}

static uint64_t handle_ex_w(struct windows *w, const uint64_t *a)
{
	return handle_ex(w, a[0] & 4 ? by_address(w, a[1]) : by_name(w, a[1], 2, false), a[2]);
}

static uint64_t address_of(struct windows *w, uint64_t module, uint64_t at, uint64_t ordinal)
{
	struct windows_library *l = windows_library_at(w, module);
	struct buf name = { 0 };
	uint64_t address;

	if (!l || l->base != module)
		return 0;
	if (at)
		machine_text(w->m, at, 1, NAME_MOST, &name);
	address = windows_export(w, l, at ? buf_str(&name) : NULL, (unsigned)ordinal);
	buf_free(&name);
	return address;
}

static uint64_t get_proc_address(struct windows *w, const uint64_t *a)
{
	uint64_t address = a[1] >> 16 ? address_of(w, a[0], a[1], 0) : address_of(w, a[0], 0, a[1]);

	if (!address)
		w->last_error = ERROR_PROC_NOT_FOUND;
	return address;
}

/* UNICODE_STRING: its text. */
static uint64_t ldr_load(struct windows *w, const uint64_t *a)
{
	uint64_t base = by_name(w, machine_number(w->m, a[2] + w->width, w->width), 2, true);

	machine_put_number(w->m, a[3], base, w->width);
	return base ? 0 : STATUS_DLL_NOT_FOUND;
}

static uint64_t ldr_handle(struct windows *w, const uint64_t *a)
{
	uint64_t base = by_name(w, machine_number(w->m, a[2] + w->width, w->width), 2, false);

	machine_put_number(w->m, a[3], base, w->width);
	return base ? 0 : STATUS_DLL_NOT_FOUND;
}

static uint64_t ldr_address(struct windows *w, const uint64_t *a)
{
	uint64_t address = address_of(w, a[0], a[1] ? machine_number(w->m, a[1] + w->width, w->width) : 0, a[2]);

	machine_put_number(w->m, a[3], address, w->width);
	return address ? 0 : STATUS_PROCEDURE_NOT_FOUND;
}

static uint64_t file_name(struct windows *w, const uint64_t *a, unsigned width)
{
	struct windows_library *l = a[0] ? windows_library_at(w, a[0]) : NULL;
	char path[NAME_MOST];

	snprintf(path, sizeof path, "%s%s", l ? WINDOWS_MODULE_PATH : "", l ? l->name : WINDOWS_SAMPLE);
	return windows_put_text(w, a[1], path, width, a[2]);
}

static uint64_t file_name_a(struct windows *w, const uint64_t *a) { return file_name(w, a, 1); }
static uint64_t file_name_w(struct windows *w, const uint64_t *a) { return file_name(w, a, 2); }
static uint64_t one(struct windows *w, const uint64_t *a) { (void)w; (void)a; return 1; }

/* ---- resources ---- */

/* An entry of the directory at `at`, by number or name; its offset, or 0. */
static uint32_t resource_entry(struct windows *w, uint64_t root, uint64_t at, uint64_t wanted, unsigned width, bool any)
{
	struct machine *m = w->m;
	unsigned named = (unsigned)machine_number(m, at + 12, 2), count = named + (unsigned)machine_number(m, at + 14, 2);
	struct buf name = { 0 }, other = { 0 };
	uint32_t found = 0;

	if (wanted >> 16)
		machine_text(m, wanted, width, NAME_MOST, &name);
	for (unsigned i = 0; i < count && i < 4096 && !found; i++) {
		uint32_t id = (uint32_t)machine_number(m, at + 16 + 8 * i, 4), to = (uint32_t)machine_number(m, at + 20 + 8 * i, 4);

		if (any || (!(id >> 31) && id == wanted)) {
			found = to;
		} else if (id >> 31 && name.len) {
			uint64_t text = root + (id & 0x7fffffff);

			buf_clear(&other);
			machine_text(m, text + 2, 2, (size_t)machine_number(m, text, 2), &other);
			if (!strcasecmp(buf_str(&name), buf_str(&other)))
				found = to;
		}
	}
	buf_free(&name);
	buf_free(&other);
	return found;
}

static uint64_t find_resource(struct windows *w, uint64_t name, uint64_t type, unsigned width)
{
	uint64_t root = w->base + w->f->directory[PE_DIR_RESOURCE].rva;
	uint32_t at;

	if (root == w->base)
		return 0;
	at = resource_entry(w, root, root, type, width, false);
	if (at >> 31)
		at = resource_entry(w, root, root + (at & 0x7fffffff), name, width, false);
	if (at >> 31)
		at = resource_entry(w, root, root + (at & 0x7fffffff), 0, width, true);
	return at && !(at >> 31) ? root + at : 0;
}

static uint64_t find_resource_a(struct windows *w, const uint64_t *a) { return find_resource(w, a[1], a[2], 1); }
static uint64_t find_resource_w(struct windows *w, const uint64_t *a) { return find_resource(w, a[1], a[2], 2); }
static uint64_t find_resource_ex_a(struct windows *w, const uint64_t *a) { return find_resource(w, a[2], a[1], 1); }
static uint64_t find_resource_ex_w(struct windows *w, const uint64_t *a) { return find_resource(w, a[2], a[1], 2); }
static uint64_t load_resource(struct windows *w, const uint64_t *a) { return w->base + machine_number(w->m, a[1], 4); }
static uint64_t lock_resource(struct windows *w, const uint64_t *a) { (void)w; return a[0]; }
static uint64_t size_resource(struct windows *w, const uint64_t *a) { return machine_number(w->m, a[1] + 4, 4); }

const struct windows_entry windows_module_table[] = {
	{ "LoadLibraryA", load_a }, { "LoadLibraryW", load_w }, { "LoadLibraryExA", load_a }, { "LoadLibraryExW", load_w },
	{ "GetModuleHandleA", handle_a }, { "GetModuleHandleW", handle_w }, { "GetModuleHandleExA", handle_ex_a },
	{ "GetModuleHandleExW", handle_ex_w }, { "GetProcAddress", get_proc_address }, { "LdrLoadDll", ldr_load },
	{ "LdrGetDllHandle", ldr_handle }, { "LdrGetProcedureAddress", ldr_address }, { "GetModuleFileNameA", file_name_a },
	{ "GetModuleFileNameW", file_name_w }, { "FreeLibrary", one }, { "DisableThreadLibraryCalls", one },
	{ "FindResourceA", find_resource_a }, { "FindResourceW", find_resource_w }, { "FindResourceExA", find_resource_ex_a },
	{ "FindResourceExW", find_resource_ex_w }, { "LoadResource", load_resource }, { "LockResource", lock_resource },
	{ "SizeofResource", size_resource }, { "FreeResource", one },
	{ NULL, NULL },
};
