/* The PE reader and description: on a file with all that the format offers, on its lies, and on damage. */
#include "code/code.h"
#include "code/view.h"
#include "pe_make.h"
#include "unit.h"

#include <stdlib.h>

static const char *text(const json_t *o, const char *key)
{
	const char *s = jsonio_str(o, key);

	return s ? s : "";
}

static const json_t *named(const json_t *list, const char *key, const char *value)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (!strcmp(text(o, key), value))
			return o;
	return NULL;
}

static bool lists(const json_t *list, const char *value)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (json_is_string(o) && !strcmp(json_string_value(o), value))
			return true;
	return false;
}

static bool anomalous(const struct pe_made *m, const char *name, bool sign)
{
	json_t *o = inspect(m->b, m->n, NULL);
	bool is = named(json_object_get(o, "anomalies"), "name", name) && !sign == !named(json_object_get(o, "signs"), "name", name);

	json_decref(o);
	return is;
}

static void test_header(const json_t *pe, bool wide)
{
	OK(jsonio_int(pe, "class", 0) == (wide ? 64 : 32) && !strcmp(text(pe, "machine_name"), wide ? "x86-64" : "i386"), "class and machine");
	OK_STR(text(pe, "entry"), wide ? "140001000" : "401000", "the entry point, where it stands in memory");
	OK_STR(text(pe, "time"), "2020-09-13T12:26:40Z", "the time it was linked");
	OK_STR(text(pe, "linker"), "14.20", "the linker's version");
	OK(!strcmp(text(pe, "subsystem"), "console") && lists(json_object_get(pe, "dll_characteristics"), "nx"), "subsystem and flags have names");
	OK(jsonio_bool(pe, "checksum_right", false), "the checksum is right");
	OK(json_array_size(json_object_get(pe, "sections")) == 5, "five sections");
	OK_STR(text(json_array_get(json_object_get(pe, "sections"), 0), "rights"), "r-x", "and their rights");
	OK(!json_object_get(json_array_get(json_object_get(pe, "sections"), 4), "entropy"), "what holds no bytes has no entropy");
}

static void test_tables(const json_t *pe)
{
	const json_t *imports = json_object_get(pe, "imports"), *exports = json_object_get(pe, "exports"), *o;

	o = json_array_get(imports, 0);
	OK(!strcmp(text(o, "library"), "KERNEL32.dll") && lists(json_object_get(o, "functions"), "ExitProcess") && lists(json_object_get(o, "functions"), "GetProcAddress"), "imports by name");
	OK(lists(json_object_get(named(imports, "library", "ws2_32.dll"), "functions"), "#115"), "and by ordinal");
	o = named(imports, "library", "USER32.dll");
	OK(jsonio_bool(o, "delayed", false) && lists(json_object_get(o, "functions"), "MessageBoxA"), "and delayed ones");
	/* printf 'kernel32.exitprocess,kernel32.getprocaddress,ws2_32.ord115' | md5sum */
	OK_STR(text(pe, "imphash"), "a9919a20b638d60bcda929ff15b22e3e", "the digest of the imports");
	OK(!strcmp(text(pe, "library"), "made.dll") && json_array_size(exports) == 3, "exports, without the hole");
	OK_STR(text(named(exports, "name", "away"), "forward"), "OTHER.elsewhere", "one is forwarded");
	OK(jsonio_int(named(exports, "name", "run"), "ordinal", 0) == 5, "one has a name and an ordinal");
	OK(jsonio_int(json_array_get(exports, 2), "ordinal", 0) == 8 && !json_object_get(json_array_get(exports, 2), "name"), "and one an ordinal alone");
	OK(json_array_size(json_object_get(json_object_get(pe, "tls"), "callbacks")) == 1, "a TLS callback");
	OK(jsonio_int(pe, "relocations", 0) == 1, "a relocation");
	o = json_array_get(json_object_get(pe, "debug"), 0);
	OK(!strcmp(text(o, "pdb"), "C:\\made.pdb") && !strcmp(text(o, "guid"), "30313233343536373839616263646566"), "the debug file's path and identity");
	OK_STR(text(json_object_get(pe, "clr"), "runtime"), "v4.0.30319", "the version of .NET");
	o = json_object_get(pe, "rich");
	OK(jsonio_bool(o, "right", false) && json_array_size(json_object_get(o, "entries")) == 2, "the linker's list, and its checksum");
	o = json_array_get(json_object_get(o, "entries"), 0);
	OK(jsonio_int(o, "product", 0) == 0x105 && jsonio_int(o, "build", 0) == 0x7809 && jsonio_int(o, "count", 0) == 3, "decoded");
	o = json_object_get(pe, "overlay");
	OK(jsonio_int(o, "offset", 0) == PE_MAKE_END && jsonio_int(o, "size", 0) == PE_MAKE_OVERLAY, "the overlay, without the certificate");
	OK_STR(text(json_array_get(json_object_get(pe, "signature"), 0), "type"), "pkcs7", "which is told");
}

static void test_resources(const json_t *pe)
{
	const json_t *list = json_object_get(pe, "resources"), *o = named(list, "type", "PAYLOAD"), *v = json_object_get(pe, "version");

	OK(json_array_size(list) == 3, "three resources");
	OK(o && !strcmp(text(o, "name"), "7") && jsonio_int(o, "language", 0) == 1033 && jsonio_int(o, "size", 0) == 0x180, "type, name, language, size");
	OK(!strncmp(text(o, "format"), "pe", 2) && strlen(text(o, "sha256")) == 64, "what a program carries within it is recognised");
	OK_STR(text(v, "file"), "1.2.3.4", "the version in numbers");
	OK_STR(text(json_object_get(v, "strings"), "CompanyName"), "Makers of Tests", "and in words");
	OK_STR(text(json_object_get(v, "strings"), "FileDescription"), "made by hand", "all of them");
	OK(strstr(text(pe, "manifest"), "requireAdministrator"), "the manifest");
}

static void test_whole(bool wide)
{
	struct pe_made m;
	json_t *o;

	pe_make(&m, wide);
	o = inspect(m.b, m.n, NULL);
	OK_STR(text(o, "format"), wide ? "pe64-x86-64" : "pe32-i386", "the format's name");
	OK_STR(text(o, "parser"), "ok", "the file is well-formed");
	if (!OK(json_array_size(json_object_get(o, "anomalies")) == 0, "and nothing in it is odd"))
		json_dumpf(json_object_get(o, "anomalies"), stdout, 0), puts("");
	test_header(json_object_get(o, "pe"), wide);
	test_tables(json_object_get(o, "pe"));
	test_resources(json_object_get(o, "pe"));
	OK(strstr(text(o, "disasm"), wide ? "function 140001010" : "function 401010"), "it is disassembled");
	json_decref(o);
}

static void put_field(struct pe_made *m, size_t offset, size_t size, uint64_t v) { pe_put(m, PE_MAKE_HEADER + offset, size, v); }
static void put_optional(struct pe_made *m, size_t offset, size_t size, uint64_t v) { put_field(m, 24 + offset, size, v); }

static void lie_last(struct pe_made *m) { pe_put(m, pe_section(m, 4) + 36, 4, 0x60000020); put_optional(m, 16, 4, PE_MAKE_BSS + 8); }
static void lie_data(struct pe_made *m) { put_optional(m, 16, 4, PE_MAKE_DATA); }
static void lie_outside(struct pe_made *m) { put_optional(m, 16, 4, 0xfff0000); }
static void lie_header(struct pe_made *m) { put_optional(m, 16, 4, 0x3c0); }
static void lie_writable(struct pe_made *m) { pe_put(m, pe_section(m, 0) + 36, 4, 0xe0000020); }
static void lie_later(struct pe_made *m) { pe_put(m, pe_section(m, 4) + 36, 4, 0xe0000080); pe_put(m, pe_section(m, 4) + 8, 4, 0x1000); }
static void lie_overlap(struct pe_made *m) { pe_put(m, pe_section(m, 2) + 12, 4, PE_MAKE_DATA); }
static void lie_bytes(struct pe_made *m) { pe_put(m, pe_section(m, 2) + 20, 4, 0x800); }
static void lie_name(struct pe_made *m) { m->b[pe_section(m, 1)] = 7; }
static void lie_sum(struct pe_made *m) { m->b[0x3f0]++; }
static void lie_time(struct pe_made *m) { put_field(m, 8, 4, 0xf0000000); }
static void lie_directory(struct pe_made *m) { pe_set_directory(m, 3, 0x5ffff, 8); }
static void lie_imports(struct pe_made *m) { pe_put_rva(m, 0x2080, 4, 0x7ffffff0); }
static void lie_exports(struct pe_made *m) { pe_put_rva(m, 0x2314, 4, 0xffffffff); }
static void lie_resources(struct pe_made *m) { pe_put_rva(m, 0x3000 + 0x30 + 20, 4, 0x80000000); }
static void lie_relocations(struct pe_made *m) { pe_put_rva(m, 0x4004, 4, 4); }
static void lie_rich(struct pe_made *m) { m->b[0x50]++; }
static void lie_tls(struct pe_made *m) { pe_put_rva(m, 0x2440, 4, m->base + 0x2010); }
static void lie_none(struct pe_made *m) { put_field(m, 6, 2, 0); }
static void lie_many(struct pe_made *m) { put_field(m, 6, 2, 0xffff); }
static void lie_align(struct pe_made *m) { put_optional(m, 36, 4, 7); }
static void lie_size(struct pe_made *m) { put_optional(m, 56, 4, 0x60000); }
static void lie_machine(struct pe_made *m) { put_field(m, 4, 2, 0x7777); }
static void lie_sections(struct pe_made *m) { pe_put(m, pe_section(m, 1) + 16, 4, 0xfffffff0); }

static void test_lies(void)
{
	static const struct { void (*lie)(struct pe_made *m); const char *name; bool sign; } lies[] = {
		{ lie_last, "entry-last", true }, { lie_data, "entry-outside", true }, { lie_outside, "entry-outside", true },
		{ lie_header, "entry-in-headers", true }, { lie_writable, "entry-writable", true }, { lie_writable, "segment-wx", true },
		{ lie_later, "section-filled-later", true }, { lie_overlap, "sections-overlap", false }, { lie_bytes, "sections-share-bytes", false },
		{ lie_name, "section-name-odd", false }, { lie_sum, "checksum-wrong", false }, { lie_time, "time-future", false },
		{ lie_directory, "directory-outside", true }, { lie_imports, "imports-malformed", true }, { lie_exports, "exports-malformed", false },
		{ lie_resources, "resources-malformed", false }, { lie_relocations, "relocations-malformed", false }, { lie_rich, "rich-wrong", true },
		{ lie_tls, "tls-outside", true }, { lie_none, "no-sections", true }, { lie_many, "malformed", true }, { lie_align, "alignment-odd", false },
		{ lie_size, "image-size-wrong", false }, { lie_machine, "machine-unknown", false }, { lie_sections, "section-outside-file", false },
	};

	for (size_t i = 0; i < 2 * sizeof lies / sizeof *lies; i++) {
		struct pe_made m;

		pe_make(&m, i % 2);
		lies[i / 2].lie(&m);
		OK(anomalous(&m, lies[i / 2].name, lies[i / 2].sign), lies[i / 2].name);
	}
}

static void test_view(void)
{
	struct pe_made m;
	struct code_view *v;
	struct pe *f;
	size_t left;

	pe_make(&m, true);
	f = pe_open(m.b, m.n);
	v = view_pe(f);
	OK(v->machine == MACHINE_X86_64 && v->has_entry && v->entry == 0x140001000, "machine and entry");
	OK(view_region(v, v->entry) && view_region(v, v->entry)->executable && !view_region(v, v->entry)->writable, "the code's region and rights");
	OK(view_region(v, 0x140002000) && !view_region(v, 0x140002000)->executable && !view_region(v, 0x140005000), "data's; none where the file has no bytes");
	OK(view_at(v, 0x140001000, &left) && *view_at(v, 0x140001000, &left) == 0x55 && left == 0x400, "the bytes at an address");
	OK(v->imports == 4 && v->import[1].slot == 0x1400020c8 && !strcmp(v->import[1].name, "GetProcAddress") && v->import[2].ordinal == 115, "imports and their places");
	OK(v->symbols == 1 && !strcmp(v->symbol[0].name, "run") && v->symbol[0].function && v->symbol[0].address == 0x140001010, "exports are symbols");
	OK(v->starts == 3, "exports and TLS callbacks begin functions");
	view_free(v);
	pe_free(f);
}

/* A section is told to have 200 MB, in the file as in memory: the disassembler is shown what there is. */
static void test_huge(void)
{
	struct pe_made m;
	struct code_view *v;
	struct pe *f;
	size_t bytes = 0;

	pe_make(&m, true);
	put_optional(&m, 56, 4, 200000000);
	pe_put(&m, pe_section(&m, 0) + 8, 4, 190000000);
	pe_put(&m, pe_section(&m, 0) + 16, 4, 190000000);
	f = pe_open(m.b, m.n);
	v = view_pe(f);
	for (size_t i = 0; i < v->regions; i++)
		bytes += v->region[i].n;
	OK(view_region(v, v->entry) && bytes < 3 * m.n, "what the file does not hold is no region");
	view_free(v);
	pe_free(f);
}

static void look(const unsigned char *p, size_t n)
{
	/* A copy of its exact size: the sanitizer sees each byte too far. */
	unsigned char *copy = malloc(n ? n : 1);

	memcpy(copy, p, n);
	json_decref(inspect(copy, n, NULL));
	free(copy);
}

static void test_damage(void)
{
	struct pe_made m;

	pe_make(&m, false);
	for (size_t n = 0; n < m.n; n += n < 0x400 ? 1 : 97)
		look(m.b, n);
	OK(true, "a file cut anywhere is read without harm");
	for (size_t i = 0; i < 0x400; i++) {
		unsigned char old = m.b[i];

		m.b[i] = 0xff;
		look(m.b, m.n);
		m.b[i] = old ^ 0x80;
		look(m.b, m.n);
		m.b[i] = old;
	}
	OK(true, "and so are headers that were changed anywhere");
}

int main(void)
{
	test_whole(false);
	test_whole(true);
	test_lies();
	test_view();
	test_huge();
	test_damage();
	return unit_end();
}
