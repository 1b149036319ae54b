/*
 * The libraries of Windows as images in memory: a header, an export table that can be walked by name, hash or ordinal, and for each
 * function a piece of code that begins as Microsoft's do, asks us by an interrupt (a system call on x86-64), and returns.
 * It says which function it is in a register: where a program copies the beginning of a function and goes on behind it, the call
 * still arrives.
 */
#include "emulate/windows.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define STUB 16u
#define FUNCTIONS 65536u

/* ---- the table of exports ---- */

static void lower_name(const char *name, char out[64])
{
	const char *base = name;
	size_t n = 0;

	for (const char *s = name; *s; s++)
		if (*s == '\\' || *s == '/')
			base = s + 1;
	for (; n < 59 && base[n]; n++)
		out[n] = (char)tolower((unsigned char)base[n]);
	out[n] = '\0';
	if (!strchr(out, '.'))
		snprintf(out + n, 64 - n, ".dll");
	else if (n && out[n - 1] == '.')
		out[n - 1] = '\0';
}

/* Sets of functions that newer versions of Windows split off: kernelbase, api-ms-win-... */
static const char *stands_for(const char *name)
{
	static const char *const crt[] = { "ucrtbase", "msvcr", "api-ms-win-crt", "crtdll" };

	for (size_t i = 0; i < sizeof crt / sizeof *crt; i++)
		if (!strncmp(name, crt[i], strlen(crt[i])))
			return "msvcrt.dll";
	if (!strncmp(name, "kernelbase", 10) || !strncmp(name, "api-ms-win-", 11) || !strncmp(name, "ext-ms-win-", 11))
		return "kernel32.dll";
	return name;
}

static const char *section_of(const struct windows *w, const char *name, const char **end)
{
	char head[80];
	const char *s = w->exports, *stop = w->exports + w->exports_size, *next;
	size_t n;

	snprintf(head, sizeof head, "\n[%s]\n", stands_for(name));
	n = strlen(head);
	for (; s < stop && (s = memchr(s, '\n', (size_t)(stop - s))); s++) {
		if ((size_t)(stop - s) < n || memcmp(s, head, n))
			continue;
		s += n;
		next = s;
		while (next < stop && *next != '[')
			next = memchr(next, '\n', (size_t)(stop - next)) ? (const char *)memchr(next, '\n', (size_t)(stop - next)) + 1 : stop;
		*end = next;
		return s;
	}
	return NULL;
}

static struct windows_function *add_function(struct windows *w, const char *name, size_t length, unsigned bytes, unsigned ordinal)
{
	struct windows_function *f;

	if (w->functions >= FUNCTIONS)
		return NULL;
	if (w->functions == w->function_room) {
		w->function_room = w->function_room ? 2 * w->function_room : 4096;
		w->function = buf_realloc(w->function, w->function_room, sizeof *w->function);
	}
	f = &w->function[w->functions++];
	*f = (struct windows_function){ .name = name, .name_length = (uint32_t)length, .bytes = (uint16_t)bytes, .ordinal = (uint16_t)ordinal,
		.fn = windows_model(name, length) };
	return f;
}

static void read_functions(struct windows *w, struct windows_library *l, const char *s, const char *end)
{
	l->first = (uint32_t)w->functions;
	while (s < end) {
		const char *stop = memchr(s, '\n', (size_t)(end - s));
		size_t length = strcspn(s, " \n");
		unsigned bytes = 0, ordinal = 0;

		if (!stop)
			break;
		if (length < (size_t)(stop - s)) {   /* numbers end at the end of the line: strtoul() stops there */
			char *next;

			bytes = (unsigned)strtoul(s + length, &next, 10);
			ordinal = next < stop ? (unsigned)strtoul(next, NULL, 10) : 0;
		}
		if (length && *s != '#')
			add_function(w, s, length, bytes, ordinal);
		s = stop + 1;
	}
	l->count = (uint32_t)w->functions - l->first;
}

/* ---- the image ---- */

static void put(unsigned char *p, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static void put_stub(const struct windows *w, unsigned char *p, uint32_t id, unsigned bytes)
{
	static const unsigned char narrow[] = { 0x8b, 0xff, 0x55, 0x8b, 0xec, 0x5d, 0xb8, 0, 0, 0, 0, 0xcd, 0x2e, 0xc2, 0, 0 };

	if (w->width == 8) {
		static const unsigned char code[] = { 0x4c, 0x8b, 0xd1, 0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3 };

		memcpy(p, code, sizeof code);
		put(p + 4, id, 4);
		return;
	}
	memcpy(p, narrow, sizeof narrow);
	put(p + 7, id, 4);
	put(p + 14, bytes, 2);
	if (!bytes)
		p[13] = 0xc3;
}

static void put_header(const struct windows *w, unsigned char *p, uint64_t base, uint32_t code, uint32_t code_size, uint32_t exports, uint32_t size)
{
	unsigned char *pe = p + 0x80, *o = pe + 24, *s;
	size_t directories = w->width == 8 ? 112 : 96, optional = directories + 128;

	put(p, 0x905a4d, 3);             /* "MZ", as linkers begin */
	put(p + 60, 0x80, 4);
	put(pe, 0x4550, 4);
	put(pe + 4, w->width == 8 ? PE_AMD64 : PE_I386, 2);
	put(pe + 6, 2, 2);
	put(pe + 8, 0x4802a12c, 4);
	put(pe + 20, optional, 2);
	put(pe + 22, 0x210e, 2);
	put(o, w->width == 8 ? 0x20b : 0x10b, 2);
	put(o + 4, code_size, 4);
	put(o + 16, code, 4);
	put(o + 20, code, 4);
	if (w->width == 8)
		put(o + 24, base, 8);
	else
		put(o + 28, base, 4);
	put(o + 32, MACHINE_PAGE, 4);
	put(o + 36, 512, 4);
	put(o + 40, 5, 2);
	put(o + 48, 4, 2);
	put(o + 56, size, 4);
	put(o + 60, MACHINE_PAGE, 4);
	put(o + 68, 3, 2);
	put(o + directories - 4, 16, 4);
	put(o + directories, exports, 4);
	put(o + directories + 4, size - exports, 4);
	s = o + optional;
	put(s, 0x747865742e, 5);         /* ".text" */
	put(s + 8, code_size, 4);
	put(s + 12, code, 4);
	put(s + 36, 0x60000020, 4);
	put(s + 40, 0x61746164722e, 6);  /* ".rdata" */
	put(s + 48, size - exports, 4);
	put(s + 52, exports, 4);
	put(s + 76, 0x40000040, 4);
}

/* The highest ordinal when those that are not given are numbered behind those that are. */
static unsigned highest_ordinal(const struct windows *w, const struct windows_library *l)
{
	unsigned given = 0;

	for (uint32_t i = 0; i < l->count; i++)
		if (w->function[l->first + i].ordinal > given)
			given = w->function[l->first + i].ordinal;
	return given + l->count;
}

/* Ordinals that are not given are numbered behind those that are. */
static void put_exports(struct windows *w, struct windows_library *l, unsigned char *p, uint32_t code, uint32_t exports, unsigned most)
{
	unsigned char *d = p + exports;
	uint32_t addresses = exports + 40, names = addresses + 4 * most, ordinals = names + 4 * l->count, text = ordinals + 2 * l->count;
	unsigned next = most - l->count + 1;

	put(d + 16, 1, 4);
	put(d + 20, most, 4);
	put(d + 24, l->count, 4);
	put(d + 28, addresses, 4);
	put(d + 32, names, 4);
	put(d + 36, ordinals, 4);
	put(d + 12, text, 4);
	memcpy(p + text, l->name, strlen(l->name) + 1);
	text += (uint32_t)strlen(l->name) + 1;
	for (uint32_t i = 0; i < l->count; i++) {
		struct windows_function *f = &w->function[l->first + i];
		unsigned ordinal = f->ordinal ? f->ordinal : next++;

		f->ordinal = (uint16_t)ordinal;
		put(p + addresses + 4 * (ordinal - 1), code + STUB * i, 4);
		put(p + names + 4 * i, text, 4);
		put(p + ordinals + 2 * i, ordinal - 1, 2);
		memcpy(p + text, f->name, f->name_length);
		text += f->name_length + 1;
	}
}

static bool build_image(struct windows *w, struct windows_library *l)
{
	uint32_t code = MACHINE_PAGE, code_size = STUB * l->count, exports = (code + code_size + MACHINE_PAGE - 1) & ~(MACHINE_PAGE - 1), text = 0, size;
	unsigned most;
	unsigned char *p;
	bool done;

	most = highest_ordinal(w, l);
	for (uint32_t i = 0; i < l->count; i++)
		text += w->function[l->first + i].name_length + 1;
	size = (exports + 40 + 4 * most + 6 * l->count + 64 + text + MACHINE_PAGE - 1) & ~(MACHINE_PAGE - 1);
	p = buf_alloc(size);
	put_header(w, p, l->base, code, code_size, exports, size);
	for (uint32_t i = 0; i < l->count; i++) {
		w->function[l->first + i].address = l->base + code + STUB * i;
		put_stub(w, p + code + STUB * i, l->first + i + STUBS, w->function[l->first + i].bytes);
	}
	put_exports(w, l, p, code, exports, most);
	l->size = size;
	done = machine_map(w->m, l->base, size, MACHINE_R | MACHINE_W | MACHINE_X, MACHINE_SYSTEM) && machine_write(w->m, l->base, p, size);
	free(p);
	return done;
}

/* ---- the loader's lists ---- */

static void link_into(struct windows *w, uint64_t head, uint64_t link)
{
	uint64_t last = machine_number(w->m, head + w->width, w->width);
	uint64_t pair[2] = { head, last };

	for (size_t i = 0; i < 2; i++)
		machine_put_number(w->m, link + i * w->width, pair[i], w->width);
	machine_put_number(w->m, last, link, w->width);
	machine_put_number(w->m, head + w->width, link, w->width);
}

static void put_unicode(struct windows *w, uint64_t at, const char *s)
{
	machine_put_number(w->m, at, 2 * strlen(s), 2);
	machine_put_number(w->m, at + 2, 2 * strlen(s) + 2, 2);
	machine_put_number(w->m, at + w->width, windows_string(w, s, 2), w->width);
}

uint64_t windows_list(struct windows *w, uint64_t base, uint64_t entry, uint64_t size, const char *path, const char *name)
{
	uint64_t at = windows_alloc(w, 0x100);
	unsigned n = w->width;

	if (!at)
		return 0;
	for (unsigned i = 0; i < 3; i++)   /* in order of loading, of memory, of initialisation */
		link_into(w, w->loader + (n == 8 ? 0x10 : 0x0c) + 2 * n * i, at + 2 * n * i);
	machine_put_number(w->m, at + 6 * n, base, n);
	machine_put_number(w->m, at + 7 * n, entry, n);
	machine_put_number(w->m, at + 8 * n, size, n);
	put_unicode(w, at + 9 * n, path);
	put_unicode(w, at + 11 * n, name);
	machine_put_number(w->m, at + 13 * n, 0x00084004, 4);
	machine_put_number(w->m, at + 13 * n + 4, 0xffff, 2);
	return at;
}

/* ---- looking up ---- */

struct windows_library *windows_library(struct windows *w, const char *name, bool load)
{
	struct windows_library *l;
	const char *s, *end;
	char lower[64], path[128];

	lower_name(name, lower);
	for (size_t i = 0; i < w->libraries; i++)
		if (!strcmp(w->library[i].name, lower))
			return &w->library[i];
	s = load ? section_of(w, lower, &end) : NULL;
	if (!s || w->libraries >= WINDOWS_LIBRARIES)
		return NULL;
	l = &w->library[w->libraries];
	*l = (struct windows_library){ 0 };
	snprintf(l->name, sizeof l->name, "%s", lower);
	read_functions(w, l, s, end);
	l->base = !strcmp(lower, "ntdll.dll") ? 0x7c900000 : !strcmp(lower, "kernel32.dll") ? 0x7c800000 :
		!strcmp(lower, "user32.dll") ? 0x7e400000 : machine_find(w->m, w->next_library, 0x7c000000, MIB, 0x10000);
	if (!l->base || !build_image(w, l))
		return NULL;
	w->libraries++;
	snprintf(path, sizeof path, "%s%s", WINDOWS_MODULE_PATH, lower);
	l->entry = windows_list(w, l->base, l->base + MACHINE_PAGE, l->size, path, lower);
	return l;
}

struct windows_library *windows_library_at(struct windows *w, uint64_t address)
{
	for (size_t i = 0; i < w->libraries; i++)
		if (address >= w->library[i].base && address - w->library[i].base < w->library[i].size)
			return &w->library[i];
	return NULL;
}

/* What the C library exports that is no function: an address where it stands. */
uint64_t windows_data(struct windows *w, const char *name)
{
	static const struct { const char *name; enum { ZERO, COMMAND_A, COMMAND_W, ONE, ENVIRONMENT } what; } data[] = {
		{ "_acmdln", COMMAND_A }, { "_wcmdln", COMMAND_W }, { "_environ", ENVIRONMENT }, { "_wenviron", ENVIRONMENT }, { "__initenv", ENVIRONMENT },
		{ "__winitenv", ENVIRONMENT }, { "_fmode", ZERO }, { "_commode", ZERO }, { "_iob", ZERO }, { "_pctype", ZERO }, { "__mb_cur_max", ONE },
		{ "_adjust_fdiv", ZERO }, { "_osver", ZERO }, { "_winver", ZERO }, { "_pgmptr", COMMAND_A }, { "__argc", ONE }, { "__argv", ENVIRONMENT }, { "__wargv", ENVIRONMENT }, { "errno", ZERO }, { "_doserrno", ZERO },
	};
	size_t n = sizeof data / sizeof *data;
	uint64_t at, v = 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(name, data[i].name))
			continue;
		if (w->data[i])
			return w->data[i];
		at = w->data[i] = windows_alloc(w, 1024);
		v = data[i].what == COMMAND_A ? w->command_a : data[i].what == COMMAND_W ? w->command_w : data[i].what == ONE ? 1 :
			data[i].what == ENVIRONMENT ? windows_alloc(w, 64) : 0;
		if (v)
			machine_write(w->m, at, &v, w->width);
		return at;
	}
	return 0;
}

/* A function that the table does not list: of a newer Windows, or made up. It gets a place of its own, and is told when called. */
static uint64_t unknown_export(struct windows *w, const char *name)
{
	struct windows_function *f;
	unsigned char code[STUB] = { 0 };
	size_t n = strlen(name);
	char *kept;

	if (!w->unknown_at) {
		w->unknown_at = machine_find(w->m, 0x70000000, 0x71000000, 0x10000, 0x10000);
		if (!w->unknown_at || !machine_map(w->m, w->unknown_at, 0x10000, MACHINE_R | MACHINE_X, MACHINE_SYSTEM))
			return 0;
	}
	if (w->unknowns >= 0x10000 / STUB)
		return 0;
	kept = windows_name(w, name);
	f = add_function(w, kept, n, 0, 0);
	if (!f)
		return 0;
	f->address = w->unknown_at + STUB * w->unknowns++;
	put_stub(w, code, (uint32_t)(f - w->function) + STUBS, 0);
	machine_write(w->m, f->address, code, sizeof code);
	return f->address;
}

/* As windows_export(); but where the table does not know the name, a place is made for it. 0: no room. */
uint64_t windows_bind(struct windows *w, struct windows_library *l, const char *name, unsigned ordinal)
{
	uint64_t at = name ? windows_data(w, name) : 0;
	char made_up[96];

	if (!at && l)
		at = windows_export(w, l, name, ordinal);
	if (at)
		return at;
	for (size_t i = 0; name && i < w->functions; i++)   /* bound before, or another library's */
		if (w->function[i].name_length == strlen(name) && !memcmp(w->function[i].name, name, w->function[i].name_length))
			return w->function[i].address;
	if (!name)
		snprintf(made_up, sizeof made_up, "%.40s_%u", l ? l->name : "unknown", ordinal);
	return unknown_export(w, name ? name : made_up);
}

uint64_t windows_export(struct windows *w, struct windows_library *l, const char *name, unsigned ordinal)
{
	for (uint32_t i = 0; i < l->count; i++) {
		const struct windows_function *f = &w->function[l->first + i];

		if (name ? f->name_length == strlen(name) && !memcmp(f->name, name, f->name_length) : f->ordinal == ordinal)
			return f->address;
	}
	return 0;
}

struct windows_function *windows_function(struct windows *w, uint64_t id)
{
	return id >= STUBS && id - STUBS < w->functions ? &w->function[id - STUBS] : NULL;
}

const char *windows_function_name(const struct windows_function *f, char out[128])
{
	snprintf(out, 128, "%.*s", (int)(f->name_length < 127 ? f->name_length : 127), f->name);
	return out;
}

uint64_t windows_string(struct windows *w, const char *s, unsigned width)
{
	size_t n = strlen(s) + 1;
	unsigned char *p = buf_alloc(n * width);
	uint64_t at = windows_alloc(w, n * width);

	for (size_t i = 0; i < n; i++)
		p[i * width] = (unsigned char)s[i];
	if (at)
		machine_write(w->m, at, p, n * width);
	free(p);
	return at;
}
