/* Windows' functions for files and other handles. There is one file, the program's own; what is written elsewhere is kept in memory. */
#include "emulate/windows.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define INVALID UINT32_MAX
#define FILE_MOST (32 * MIB)      /* of one file that it writes */
#define ERROR_FILE_NOT_FOUND 2u

uint64_t windows_handle_new(struct windows *w, unsigned kind, const char *name)
{
	size_t i = 0, most = sizeof w->handle / sizeof *w->handle;

	while (i < w->handle_count && w->handle[i].kind != HANDLE_FREE)
		i++;
	if (i == most)
		return 0;
	if (i == w->handle_count)
		w->handle_count++;
	w->handle[i] = (struct windows_handle){ .kind = kind, .name = name ? buf_strdup(name) : NULL };
	return 0x40 + 4 * i;
}

struct windows_handle *windows_handle(struct windows *w, uint64_t h)
{
	uint64_t i = (h - 0x40) / 4;

	return h >= 0x40 && h % 4 == 0 && i < w->handle_count && w->handle[i].kind != HANDLE_FREE ? &w->handle[i] : NULL;
}

static uint64_t one(struct windows *w, const uint64_t *a) { (void)w; (void)a; return 1; }

static uint64_t invalid(const struct windows *w)
{
	return w->width == 8 ? UINT64_MAX : INVALID;
}

static bool own_name(const char *name)
{
	const char *base = strrchr(name, '\\'), *own = strrchr(WINDOWS_SAMPLE, '\\') + 1;

	return !strcasecmp(base ? base + 1 : name, own);
}

/* CREATE_NEW, CREATE_ALWAYS, OPEN_EXISTING, OPEN_ALWAYS, TRUNCATE_EXISTING are 1 to 5. */
static uint64_t open_file(struct windows *w, uint64_t at, unsigned width, uint64_t how)
{
	struct buf name = { 0 };
	struct windows_handle *f = NULL;
	uint64_t h = 0;
	bool own, old = false;

	machine_text(w->m, at, width, 520, &name);
	own = own_name(buf_str(&name));
	for (size_t i = 0; i < w->file_count && !old; i++)
		old = !strcasecmp(w->file[i].name, buf_str(&name));
	if (own || old || how == 1 || how == 2 || how == 4)
		h = windows_handle_new(w, HANDLE_FILE, buf_str(&name));
	f = h ? windows_handle(w, h) : NULL;
	if (f && own)
		buf_add(&f->data, w->f->p, w->f->n);
	for (size_t i = 0; f && !own && how != 2 && i < w->file_count; i++)
		if (!strcasecmp(w->file[i].name, f->name))
			buf_add(&f->data, w->file[i].data.p, w->file[i].data.len);
	if (!h)
		w->last_error = ERROR_FILE_NOT_FOUND;
	buf_free(&name);
	return h ? h : invalid(w);
}

static uint64_t create_a(struct windows *w, const uint64_t *a) { return open_file(w, a[0], 1, a[4]); }
static uint64_t create_w(struct windows *w, const uint64_t *a) { return open_file(w, a[0], 2, a[4]); }

static uint64_t read_file(struct windows *w, const uint64_t *a)
{
	struct windows_handle *f = windows_handle(w, a[0]);
	uint64_t n = 0;

	if (!f || f->kind != HANDLE_FILE)
		return 0;
	if (f->at < f->data.len)
		n = f->data.len - f->at < (uint32_t)a[2] ? f->data.len - f->at : (uint32_t)a[2];
	if (n && !machine_put(w->m, a[1], f->data.p + f->at, (size_t)n))
		return 0;
	f->at += n;
	if (a[3])
		machine_put_number(w->m, a[3], n, 4);
	return 1;
}

static uint64_t write_file(struct windows *w, const uint64_t *a)
{
	struct windows_handle *f = windows_handle(w, a[0]);
	uint64_t n = (uint32_t)a[2], end;

	if (a[3])
		machine_put_number(w->m, a[3], n, 4);
	if (!f || f->kind != HANDLE_FILE)
		return 1;
	if (n > FILE_MOST || f->at > FILE_MOST)
		return 0;
	end = f->at + n;
	if (end > f->data.len) {
		buf_reserve(&f->data, end - f->data.len + 1);
		memset(f->data.p + f->data.len, 0, end - f->data.len);
		f->data.len = end;
	}
	machine_read(w->m, a[1], f->data.p + f->at, (size_t)n);
	f->at = end;
	f->written = true;
	return 1;
}

static uint64_t file_size(struct windows *w, const uint64_t *a)
{
	struct windows_handle *f = windows_handle(w, a[0]);

	if (!f || f->kind != HANDLE_FILE)
		return INVALID;
	if (a[1])
		machine_put_number(w->m, a[1], 0, 4);
	return f->data.len;
}

static uint64_t file_size_ex(struct windows *w, const uint64_t *a)
{
	struct windows_handle *f = windows_handle(w, a[0]);

	if (!f || f->kind != HANDLE_FILE)
		return 0;
	machine_put_number(w->m, a[1], f->data.len, 8);
	return 1;
}

static uint64_t seek(struct windows *w, const uint64_t *a)
{
	struct windows_handle *f = windows_handle(w, a[0]);
	int64_t at = (int32_t)a[1];

	if (!f || f->kind != HANDLE_FILE)
		return INVALID;
	at += a[3] == 1 ? (int64_t)f->at : a[3] == 2 ? (int64_t)f->data.len : 0;
	if (at < 0)
		return INVALID;
	f->at = (uint64_t)at;
	return (uint32_t)at;
}

static uint64_t file_type(struct windows *w, const uint64_t *a) { return windows_handle(w, a[0]) ? 1 : 2; }
static uint64_t std_handle(struct windows *w, const uint64_t *a) { (void)w; return 4 + 4 * (uint64_t)(uint8_t)(0u - (uint32_t)a[0] - 10); }

/* What was written stays, under its name. */
static void keep_file(struct windows *w, struct windows_handle *f)
{
	struct windows_handle *to = NULL;

	for (size_t i = 0; i < w->file_count; i++)
		if (!strcasecmp(w->file[i].name, f->name))
			to = &w->file[i];
	if (!to && w->file_count < sizeof w->file / sizeof *w->file)
		to = &w->file[w->file_count++];
	if (!to)
		return;
	buf_free(&to->data);
	free(to->name);
	*to = *f;
	*f = (struct windows_handle){ 0 };
}

static uint64_t close_handle(struct windows *w, const uint64_t *a)
{
	struct windows_handle *f = windows_handle(w, a[0]);

	if (!f)
		return 1;
	if (f->kind == HANDLE_FILE && f->written) {
		keep_file(w, f);
	} else {
		buf_free(&f->data);
		free(f->name);
		*f = (struct windows_handle){ 0 };
	}
	return 1;
}

static uint64_t map_file(struct windows *w, const uint64_t *a)
{
	struct windows_handle *f = windows_handle(w, a[0]), *map;
	uint64_t h = windows_handle_new(w, HANDLE_MAPPING, NULL);

	map = h ? windows_handle(w, h) : NULL;
	if (map && f)
		buf_add(&map->data, f->data.p, f->data.len);
	if (map)
		map->at = a[4];
	return h;
}

static uint64_t view(struct windows *w, const uint64_t *a)
{
	struct windows_handle *map = windows_handle(w, a[0]);
	uint64_t n = a[4] ? a[4] : map && map->at ? map->at : map ? map->data.len : 0, at;

	if (!map || map->kind != HANDLE_MAPPING || !n || n > w->m->l.memory)
		return 0;
	at = machine_find(w->m, 0x00500000, 0x70000000, n, 0x10000);
	if (!at || !machine_map(w->m, at, n, MACHINE_R | MACHINE_W | MACHINE_X, 0))
		return 0;
	if (a[3] < map->data.len)
		machine_write(w->m, at, map->data.p + a[3], map->data.len - a[3] < n ? map->data.len - (size_t)a[3] : (size_t)n);
	return at;
}

static uint64_t attributes(struct windows *w, uint64_t at, unsigned width)
{
	struct buf name = { 0 };
	uint64_t answer = INVALID;

	machine_text(w->m, at, width, 520, &name);
	if (own_name(buf_str(&name)))
		answer = 0x20;
	for (size_t i = 0; i < w->file_count; i++)
		if (!strcasecmp(w->file[i].name, buf_str(&name)))
			answer = 0x20;
	if (name.len <= 3 || !strncasecmp(buf_str(&name), "C:\\Windows", name.len))
		answer = 0x10;
	if (answer == INVALID)
		w->last_error = ERROR_FILE_NOT_FOUND;
	buf_free(&name);
	return answer;
}

static uint64_t attributes_a(struct windows *w, const uint64_t *a) { return attributes(w, a[0], 1); }
static uint64_t attributes_w(struct windows *w, const uint64_t *a) { return attributes(w, a[0], 2); }
static uint64_t none(struct windows *w, const uint64_t *a) { (void)a; w->last_error = ERROR_FILE_NOT_FOUND; return invalid(w); }

/* ---- other processes: they are started, told, and do nothing ---- */

static uint64_t create_process(struct windows *w, const uint64_t *a)
{
	unsigned n = w->width;

	machine_put_number(w->m, a[9], windows_handle_new(w, HANDLE_PROCESS, NULL), n);
	machine_put_number(w->m, a[9] + n, windows_handle_new(w, HANDLE_THREAD, NULL), n);
	machine_put_number(w->m, a[9] + 2 * n, 0x0e10, 4);
	machine_put_number(w->m, a[9] + 2 * n + 4, 0x0e14, 4);
	if (a[5] & 4)
		windows_finding(w, "suspended-process", "it starts another process that is to wait");
	return 1;
}

const struct windows_entry windows_file_table[] = {
	{ "CreateFileA", create_a }, { "CreateFileW", create_w }, { "ReadFile", read_file }, { "WriteFile", write_file },
	{ "GetFileSize", file_size }, { "GetFileSizeEx", file_size_ex }, { "SetFilePointer", seek }, { "GetFileType", file_type },
	{ "GetStdHandle", std_handle }, { "CloseHandle", close_handle }, { "NtClose", close_handle }, { "CreateFileMappingA", map_file },
	{ "CreateFileMappingW", map_file }, { "MapViewOfFile", view }, { "UnmapViewOfFile", one }, { "GetFileAttributesA", attributes_a },
	{ "GetFileAttributesW", attributes_w }, { "FindFirstFileA", none }, { "FindFirstFileW", none }, { "CreateProcessA", create_process },
	{ "CreateProcessW", create_process },
	{ NULL, NULL },
};

/* ---- what it wrote ---- */

void windows_drop(struct windows *w, const char *kind, const char *name, uint64_t at, uint64_t n)
{
	unsigned char *p;

	if (n > FILE_MOST)
		return;
	p = buf_alloc((size_t)n + 1);
	if (machine_read(w->m, at, p, (size_t)n))
		emulation_drop(w->m->out, kind, name, p, (size_t)n);
	free(p);
}

void windows_files_end(struct windows *w)
{
	for (size_t i = 0; i < w->handle_count; i++)
		if (w->handle[i].kind == HANDLE_FILE && w->handle[i].written)
			keep_file(w, &w->handle[i]);
	for (size_t i = 0; i < w->file_count; i++) {
		emulation_drop(w->m->out, "file", w->file[i].name, w->file[i].data.p, w->file[i].data.len);
		buf_free(&w->file[i].data);
		free(w->file[i].name);
	}
	for (size_t i = 0; i < w->handle_count; i++) {
		buf_free(&w->handle[i].data);
		free(w->handle[i].name);
	}
}
