#include "code/code.h"
#include "code/describe.h"
#include "code/view.h"

#include <string.h>

struct flag { uint32_t bit; const char *name; };

/* Microsoft, "PE Format": "Characteristics", "DLL Characteristics", "Windows Subsystem". */
static const struct flag characteristics[] = {
	{ 0x1, "relocations-stripped" }, { 0x2, "executable" }, { 0x4, "lines-stripped" }, { 0x8, "symbols-stripped" },
	{ 0x20, "large-address-aware" }, { 0x100, "32-bit" }, { 0x200, "debug-stripped" }, { 0x400, "run-from-swap-removable" },
	{ 0x800, "run-from-swap-net" }, { 0x1000, "system" }, { 0x2000, "dll" }, { 0x4000, "one-processor" },
};
static const struct flag dll_characteristics[] = {
	{ 0x20, "high-entropy-aslr" }, { 0x40, "aslr" }, { 0x80, "force-integrity" }, { 0x100, "nx" }, { 0x200, "no-isolation" },
	{ 0x400, "no-seh" }, { 0x800, "no-bind" }, { 0x1000, "app-container" }, { 0x2000, "driver" }, { 0x4000, "guard-cf" },
	{ 0x8000, "terminal-server-aware" },
};
static const char *const subsystems[] = {
	"unknown", "native", "gui", "console", NULL, "os2", NULL, "posix", "native-9x", "ce", "efi-application", "efi-boot-driver",
	"efi-runtime-driver", "efi-rom", "xbox", NULL, "boot-application",
};
static const char *const directories[PE_DIRECTORIES] = {
	"exports", "imports", "resources", "exceptions", "security", "relocations", "debug", "architecture", "global-pointer", "tls",
	"load-config", "bound-imports", "import-addresses", "delayed-imports", "clr", "reserved",
};

static json_t *flags_json(const struct flag *table, size_t n, uint32_t v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (v & table[i].bit)
			json_array_append_new(list, json_string(table[i].name));
	return list;
}

static json_t *subsystem_json(unsigned v)
{
	char text[16];

	if (v < sizeof subsystems / sizeof *subsystems && subsystems[v])
		return json_string(subsystems[v]);
	snprintf(text, sizeof text, "%u", v);
	return json_string(text);
}

static json_t *sections_json(const struct pe *f)
{
	json_t *list = json_array();
	uint64_t looked_at = 0;

	for (size_t i = 0; i < f->sections; i++) {
		const struct pe_section *s = &f->section[i];
		char rights[4] = { s->flags & PE_READ ? 'r' : '-', s->flags & (uint32_t)PE_WRITE ? 'w' : '-', s->flags & PE_EXECUTE ? 'x' : '-', '\0' };
		json_t *o = json_object();

		json_object_set_new(o, "name", jsonio_name(s->name));
		json_object_set_new(o, "addr", describe_hex(f->base + s->address));
		json_object_set_new(o, "memsize", describe_number(s->memsize));
		json_object_set_new(o, "offset", describe_number(s->offset));
		json_object_set_new(o, "size", describe_number(s->filesize));
		json_object_set_new(o, "rights", json_string(rights));
		json_object_set_new(o, "flags", describe_number(s->flags));
		/* Sections may lie over one another: the work is bounded by the file. */
		if (s->filesize && s->offset < f->n && s->filesize <= f->n - s->offset && looked_at <= 4 * f->n) {
			json_object_set_new(o, "entropy", describe_entropy(entropy_of(f->p + s->offset, s->filesize)));
			looked_at += s->filesize;
		}
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *directories_json(const struct pe *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->directories; i++) {
		json_t *o;

		if (!f->directory[i].rva && !f->directory[i].size)
			continue;
		o = json_object();
		json_object_set_new(o, "name", json_string(directories[i]));
		/* The certificates' place is one in the file. */
		if (i == PE_DIR_SECURITY)
			json_object_set_new(o, "offset", describe_number(f->directory[i].rva));
		else
			json_object_set_new(o, "addr", describe_hex(f->base + f->directory[i].rva));
		json_object_set_new(o, "size", describe_number(f->directory[i].size));
		json_array_append_new(list, o);
	}
	return list;
}

/* ---- imports and exports ---- */

struct imports { json_t *list; const char *library; bool delayed; size_t listed; };

static bool add_import(void *ctx, const struct pe_import *i)
{
	struct imports *m = ctx;
	json_t *o = json_array_get(m->list, json_array_size(m->list) - 1);
	char ordinal[16];

	if (m->library != i->library) {
		m->library = i->library;
		o = json_object();
		json_object_set_new(o, "library", jsonio_name(i->library));
		if (m->delayed)
			json_object_set_new(o, "delayed", json_true());
		json_object_set_new(o, "functions", json_array());
		json_array_append_new(m->list, o);
	}
	snprintf(ordinal, sizeof ordinal, "#%u", i->ordinal);
	json_array_append_new(json_object_get(o, "functions"), jsonio_name(i->name ? i->name : ordinal));
	return ++m->listed < DESCRIBE_LISTED;
}

static json_t *imports_json(const struct pe *f)
{
	struct imports m = { .list = json_array() };

	pe_imports(f, add_import, &m);
	m.library = NULL;
	m.delayed = true;
	if (m.listed < DESCRIBE_LISTED)
		pe_imports_delayed(f, add_import, &m);
	return m.list;
}

struct exports { json_t *list; const struct pe *f; };

static void add_export(void *ctx, const struct pe_export *e)
{
	struct exports *x = ctx;
	json_t *o;

	if (json_array_size(x->list) >= DESCRIBE_LISTED)
		return;
	o = json_object();
	if (e->name)
		json_object_set_new(o, "name", jsonio_name(e->name));
	json_object_set_new(o, "ordinal", describe_number(e->ordinal));
	if (e->forward)
		json_object_set_new(o, "forward", jsonio_name(e->forward));
	else
		json_object_set_new(o, "addr", describe_hex(x->f->base + e->rva));
	json_array_append_new(x->list, o);
}

/* ---- resources ---- */

struct resources { const struct pe *f; json_t *o, *list; uint64_t looked_at; };

static void add_resource(void *ctx, const struct pe_resource *r)
{
	struct resources *s = ctx;
	const struct pe *f = s->f;
	json_t *o = json_object();
	char format[32], sha256[DIGEST_HEX];

	json_object_set_new(o, "type", json_string(r->type));
	json_object_set_new(o, "name", json_string(r->name));
	json_object_set_new(o, "language", describe_number(r->language));
	json_object_set_new(o, "addr", describe_hex(f->base + r->rva));
	json_object_set_new(o, "size", describe_number(r->size));
	if (r->rva < f->image_size && r->size <= f->image_size - r->rva && s->looked_at + r->size <= 4 * f->n) {
		const unsigned char *p = f->image + r->rva;

		s->looked_at += r->size;
		json_object_set_new(o, "entropy", describe_entropy(entropy_of(p, r->size)));
		digest_bytes(p, r->size, sha256);
		json_object_set_new(o, "sha256", json_string(sha256));
		if (strcmp(format_of(p, r->size, format), "data"))
			json_object_set_new(o, "format", json_string(format));
		if (r->type_id == 24 && !json_object_get(s->o, "manifest"))
			json_object_set_new(s->o, "manifest", jsonio_bytes(p, strnlen((const char *)p, r->size < 8192 ? r->size : 8192)));
	}
	if (r->type_id == 16 && !json_object_get(s->o, "version")) {
		json_t *v = pe_version(f, r->rva, r->size);

		if (v)
			json_object_set_new(s->o, "version", v);
	}
	json_array_append_new(s->list, o);
}

/* ---- all of it ---- */

static void count(void *ctx, uint32_t rva, unsigned type)
{
	(void)rva;
	(void)type;
	++*(uint64_t *)ctx;
}

static void set(json_t *o, const char *key, json_t *v)
{
	if (v)
		json_object_set_new(o, key, v);
}

static void describe_header(const struct pe *f, json_t *o)
{
	const char *machine = machines_pe_name(f->machine);
	char text[32];

	json_object_set_new(o, "class", json_integer(f->is64 ? 64 : 32));
	json_object_set_new(o, "machine", json_integer(f->machine));
	json_object_set_new(o, "machine_name", machine ? json_string(machine) : json_null());
	json_object_set_new(o, "subsystem", subsystem_json(f->subsystem));
	json_object_set_new(o, "characteristics", flags_json(characteristics, sizeof characteristics / sizeof *characteristics, f->flags));
	json_object_set_new(o, "dll_characteristics", flags_json(dll_characteristics, sizeof dll_characteristics / sizeof *dll_characteristics, f->dll_flags));
	clock_rfc3339(f->time, text);
	json_object_set_new(o, "time", json_string(text));
	json_object_set_new(o, "reproducible", json_boolean(pe_facts_reproducible(f)));
	snprintf(text, sizeof text, "%d.%d", f->linker >> 8, f->linker & 0xff);
	json_object_set_new(o, "linker", json_string(text));
	json_object_set_new(o, "base", describe_hex(f->base));
	json_object_set_new(o, "entry", describe_hex(f->entry ? f->base + f->entry : 0));
	json_object_set_new(o, "image_size", describe_number(f->told_size));
	json_object_set_new(o, "headers_size", describe_number(f->headers_size));
	json_object_set_new(o, "section_alignment", describe_number(f->section_align));
	json_object_set_new(o, "file_alignment", describe_number(f->file_align));
	json_object_set_new(o, "checksum", describe_hex(f->checksum));
	json_object_set_new(o, "checksum_right", f->checksum ? json_boolean(f->checksum == pe_facts_checksum(f)) : json_null());
}

json_t *pe_describe(const struct pe *f)
{
	json_t *o = json_object();
	struct exports x = { json_array(), f };
	struct resources r = { .f = f, .o = o, .list = json_array() };
	uint64_t relocations = 0, offset, size;
	bool right;
	char imphash[33];

	describe_header(f, o);
	json_object_set_new(o, "sections", sections_json(f));
	json_object_set_new(o, "directories", directories_json(f));
	json_object_set_new(o, "imports", imports_json(f));
	json_object_set_new(o, "imphash", pe_imports_digest(f, imphash) ? json_string(imphash) : json_null());
	if (pe_exports_library(f))
		json_object_set_new(o, "library", jsonio_name(pe_exports_library(f)));
	pe_exports(f, add_export, &x);
	json_object_set_new(o, "exports", x.list);
	pe_resources(f, add_resource, &r);
	json_object_set_new(o, "resources", r.list);
	pe_relocations(f, count, &relocations);
	json_object_set_new(o, "relocations", describe_number(relocations));
	json_object_set_new(o, "symbols", describe_number(f->symbols.count));
	set(o, "tls", pe_facts_tls(f));
	set(o, "debug", pe_facts_debug(f));
	set(o, "rich", pe_rich(f, &right));
	set(o, "clr", pe_facts_clr(f));
	set(o, "signature", pe_facts_signature(f));
	pe_facts_overlay(f, &offset, &size);
	if (size) {
		json_t *v = json_object();

		json_object_set_new(v, "offset", describe_number(offset));
		json_object_set_new(v, "size", describe_number(size));
		json_object_set_new(v, "entropy", describe_entropy(entropy_of(f->p + offset, (size_t)size)));
		json_object_set_new(o, "overlay", v);
	}
	if (f->problem)
		json_object_set_new(o, "problem", json_string(f->problem));
	return o;
}
