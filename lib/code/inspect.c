#include "code/elf-internal.h"

#include <stdlib.h>
#include <string.h>

#define INSPECT_RULES_SECONDS 10
#define INSPECT_LISTED 4096u     /* sections, imports, exports named in the result */
#define PACKED_ENTROPY 7.2       /* of executable bytes: compiled code has 5.5 to 6.6 (1,100 programs of /usr/bin) */
#define PACKED_LEAST 4096u       /* below, entropy says nothing */

static void add_sign(json_t *signs, const char *name, char *reason)
{
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(name));
	json_object_set_new(o, "reason", jsonio_name(reason));
	json_array_append_new(signs, o);
	free(reason);
}

static json_t *hex(uint64_t v)
{
	char text[32];

	snprintf(text, sizeof text, "%llx", (unsigned long long)v);
	return json_string(text);
}

static json_t *number(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

static json_t *entropy_json(double h)
{
	return json_real((double)(int)(h * 1000 + 0.5) / 1000);
}

static json_t *sections_json(const struct elf *f)
{
	json_t *list = json_array();
	uint64_t looked_at = 0;

	for (size_t i = 1; i < f->sections && i < INSPECT_LISTED; i++) {
		const struct elf_section *s = &f->section[i];
		json_t *o = json_object();

		json_object_set_new(o, "name", jsonio_name(s->name));
		json_object_set_new(o, "addr", hex(s->address));
		json_object_set_new(o, "offset", number(s->offset));
		json_object_set_new(o, "size", number(s->size));
		json_object_set_new(o, "flags", number(s->flags));
		/* Sections may lie over one another: the work is bounded by the file. */
		if (s->type != SHT_NOBITS && s->offset < f->n && s->size <= f->n - s->offset && looked_at <= 4 * f->n) {
			json_object_set_new(o, "entropy", entropy_json(entropy_of(f->p + s->offset, (size_t)s->size)));
			looked_at += s->size;
		}
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *segments_json(const struct elf *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->segments; i++) {
		const struct elf_segment *s = &f->segment[i];
		char flags[4] = { s->flags & PF_R ? 'r' : '-', s->flags & PF_W ? 'w' : '-', s->flags & PF_X ? 'x' : '-', '\0' };
		json_t *o = json_object();

		json_object_set_new(o, "type", number(s->type));
		json_object_set_new(o, "flags", json_string(flags));
		json_object_set_new(o, "offset", number(s->offset));
		json_object_set_new(o, "addr", hex(s->address));
		json_object_set_new(o, "filesize", number(s->filesize));
		json_object_set_new(o, "memsize", number(s->memsize));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *symbols_json(const struct elf *f, bool undefined)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->symbols && json_array_size(list) < INSPECT_LISTED; i++) {
		const struct elf_symbol *s = &f->symbol[i];

		if (s->undefined == undefined && (s->bind == STB_GLOBAL || s->bind == STB_WEAK))
			json_array_append_new(list, jsonio_bytes(s->name, strnlen(s->name, 512)));
	}
	return list;
}

static json_t *elf_json(const struct elf *f)
{
	json_t *o = json_object(), *needed = json_array();

	json_object_set_new(o, "class", json_integer(f->is64 ? 64 : 32));
	json_object_set_new(o, "machine", json_integer(f->machine));
	json_object_set_new(o, "type", json_integer(f->type));
	json_object_set_new(o, "entry", hex(f->entry));
	json_object_set_new(o, "sections", sections_json(f));
	json_object_set_new(o, "segments", segments_json(f));
	json_object_set_new(o, "interpreter", f->interpreter ? jsonio_name(f->interpreter) : json_null());
	for (size_t i = 0; i < f->neededs; i++)
		json_array_append_new(needed, jsonio_name(f->needed[i]));
	json_object_set_new(o, "needed", needed);
	json_object_set_new(o, "imports", symbols_json(f, true));
	json_object_set_new(o, "exports", symbols_json(f, false));
	json_object_set_new(o, "static", json_boolean(!f->interpreter && !f->neededs));
	json_object_set_new(o, "stripped", json_boolean(!f->locals));
	json_object_set_new(o, "overlay", number(f->n - f->end));
	if (f->problem)
		json_object_set_new(o, "problem", json_string(f->problem));
	return o;
}

static void sign_segments(const struct elf *f, json_t *signs)
{
	bool wx = false, entry_writable = false;
	size_t largest = 0;
	const struct elf_segment *code = NULL;

	for (size_t i = 0; i < f->segments; i++) {
		const struct elf_segment *s = &f->segment[i];

		if (s->type != PT_LOAD)
			continue;
		wx |= (s->flags & (PF_W | PF_X)) == (PF_W | PF_X);
		entry_writable |= s->flags & PF_W && f->entry >= s->address && f->entry - s->address < s->memsize;
		if (s->flags & PF_X && s->filesize > largest && s->offset < f->n && s->filesize <= f->n - s->offset) {
			largest = (size_t)s->filesize;
			code = s;
		}
	}
	if (wx)
		add_sign(signs, "segment-wx", buf_strdup("a segment is writable and executable"));
	if (entry_writable)
		add_sign(signs, "entry-writable", buf_strdup("the entry point lies in a writable segment"));
	if (code && largest >= PACKED_LEAST) {
		double h = entropy_of(f->p + code->offset, largest);

		if (h > PACKED_ENTROPY)
			add_sign(signs, "packed", buf_printf("the executable bytes have an entropy of %.2f bits", h));
	}
}

static bool usual_interpreter(const char *s)
{
	static const char *const usual[] = { "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux.so.2", "/lib/ld-linux-aarch64.so.1",
		"/lib/ld-linux-armhf.so.3", "/lib/ld-musl-", "/libx32/", "/lib/ld-linux-", "/lib64/ld64", "/lib/ld64", "/lib/ld.so" };

	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
		if (!strncmp(s, usual[i], strlen(usual[i])))
			return true;
	return false;
}

static void sign_elf(const struct elf *f, json_t *signs)
{
	uint64_t overlay = f->n - f->end;

	sign_segments(f, signs);
	if (f->problem)
		add_sign(signs, "malformed", buf_strdup(f->problem));
	if (f->type != ET_EXEC && f->type != ET_DYN)
		return;
	if (!f->sections)
		add_sign(signs, "no-section-table", buf_strdup("there is no section table"));
	if ((f->type == ET_EXEC || f->interpreter) && !elf_executable_at(f, f->entry))
		add_sign(signs, "entry-outside", buf_strdup("the entry point lies in no executable segment"));
	if (f->interpreter && !usual_interpreter(f->interpreter))
		add_sign(signs, "odd-interpreter", buf_printf("the program interpreter is %.200s", f->interpreter));
	for (size_t i = 0; i < f->neededs; i++) {
		if (strchr(f->needed[i], '/')) {
			add_sign(signs, "needed-path", buf_printf("a library is named with its path: %.200s", f->needed[i]));
			break;
		}
	}
	if (overlay >= PACKED_LEAST && entropy_of(f->p + f->end, (size_t)overlay) > PACKED_ENTROPY)
		add_sign(signs, "overlay", buf_printf("%llu bytes of high entropy follow the last section", (unsigned long long)overlay));
}

static const char *inspect_elf(json_t *o, json_t *signs, const void *p, size_t n)
{
	struct elf *f = elf_open(p, n);
	struct disasm d;
	const char *problem = f->problem;

	json_object_set_new(o, "elf", elf_json(f));
	sign_elf(f, signs);
	if (disasm_elf(f, NULL, &d)) {
		json_object_set(o, "entry", d.entry);
		json_object_set(o, "functions", d.functions);
		json_object_set_new(o, "instructions", number(d.instructions));
		if (d.stopped) {
			json_t *limits = jsonio_array(o, "limits");

			json_array_append_new(limits, json_string(d.stopped));
		}
		json_object_set_new(o, "disasm", jsonio_bytes(buf_str(&d.text), d.text.len));
	}
	disasm_free(&d);
	elf_free(f);
	return problem ? "malformed" : "ok";
}

json_t *inspect(const void *p, size_t n, struct rules *r)
{
	json_t *o = json_object(), *signs = json_array(), *rules;
	const char *parser = "ok";
	struct err e = { 0 };
	char format[32], interpreter[256];

	json_object_set_new(o, "format", json_string(format_of(p, n, format)));
	json_object_set_new(o, "parser", json_string(parser));
	json_object_set_new(o, "size", number(n));
	json_object_set_new(o, "entropy", entropy_json(entropy_of(p, n)));
	if (elf_is(p, n)) {
		parser = inspect_elf(o, signs, p, n);
		json_object_set_new(o, "parser", json_string(parser));
	}
	format_interpreter(p, n, interpreter);
	if (*interpreter)
		json_object_set_new(o, "interpreter", jsonio_name(interpreter));
	json_object_set_new(o, "strings", strings_find(p, n, NULL));
	rules = r ? rules_scan(r, p, n, INSPECT_RULES_SECONDS, &e) : json_array();
	if (e.code)
		json_array_append_new(jsonio_array(o, "limits"), json_string("rules"));
	json_object_set_new(o, "rules", rules ? rules : json_array());
	json_object_set_new(o, "signs", signs);
	return o;
}
