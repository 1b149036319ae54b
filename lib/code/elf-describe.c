#include "code/code.h"
#include "code/describe.h"
#include "code/view.h"

#include <string.h>

static json_t *sections_json(const struct elf *f)
{
	json_t *list = json_array();
	uint64_t looked_at = 0;

	for (size_t i = 1; i < f->sections && i < DESCRIBE_LISTED; i++) {
		const struct elf_section *s = &f->section[i];
		json_t *o = json_object();

		json_object_set_new(o, "name", jsonio_name(s->name));
		json_object_set_new(o, "addr", describe_hex(s->address));
		json_object_set_new(o, "offset", describe_number(s->offset));
		json_object_set_new(o, "size", describe_number(s->size));
		json_object_set_new(o, "flags", describe_number(s->flags));
		/* Sections may lie over one another: the work is bounded by the file. */
		if (s->type != SHT_NOBITS && s->offset < f->n && s->size <= f->n - s->offset && looked_at <= 4 * f->n) {
			json_object_set_new(o, "entropy", describe_entropy(entropy_of(f->p + s->offset, (size_t)s->size)));
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

		json_object_set_new(o, "type", describe_number(s->type));
		json_object_set_new(o, "flags", json_string(flags));
		json_object_set_new(o, "offset", describe_number(s->offset));
		json_object_set_new(o, "addr", describe_hex(s->address));
		json_object_set_new(o, "filesize", describe_number(s->filesize));
		json_object_set_new(o, "memsize", describe_number(s->memsize));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *symbols_json(const struct elf *f, bool undefined)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->symbols && json_array_size(list) < DESCRIBE_LISTED; i++) {
		const struct elf_symbol *s = &f->symbol[i];

		if (s->undefined == undefined && (s->bind == STB_GLOBAL || s->bind == STB_WEAK))
			json_array_append_new(list, jsonio_bytes(s->name, strnlen(s->name, 512)));
	}
	return list;
}

json_t *elf_describe(const struct elf *f)
{
	json_t *o = json_object(), *needed = json_array();
	const char *machine = machines_elf_name(f->machine);

	json_object_set_new(o, "class", json_integer(f->is64 ? 64 : 32));
	json_object_set_new(o, "big_endian", json_boolean(f->big));
	json_object_set_new(o, "machine", json_integer(f->machine));
	json_object_set_new(o, "machine_name", machine ? json_string(machine) : json_null());
	json_object_set_new(o, "type", json_integer(f->type));
	json_object_set_new(o, "entry", describe_hex(f->entry));
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
	json_object_set_new(o, "overlay", describe_number(f->n - f->end));
	if (f->problem)
		json_object_set_new(o, "problem", json_string(f->problem));
	return o;
}
