/* PE headers that lie, and layouts that compilers and linkers do not make. */
#include "code/code.h"
#include "code/describe.h"
#include "code/view.h"

#include <ctype.h>
#include <string.h>

#define FEW 8u                   /* imports of a program that finds the rest itself */
#define FEW_SIZE 4096u           /* a program below may honestly need no more */
#define LATER 4096u              /* bytes of room that are worth filling */

static uint64_t end_of(const struct pe_section *s)
{
	return (uint64_t)s->address + (s->memsize ? s->memsize : s->filesize);
}

/* ---- the headers ---- */

static bool power_of_two(uint32_t v) { return v && !(v & (v - 1)); }

static void headers(const struct pe *f, struct findings *l)
{
	unsigned usual = f->is64 ? 240 : 224;
	uint64_t table = (uint64_t)f->header + 24 + f->optional_size, last = 0;

	if (f->header < 64)
		describe_sign(l, "headers-overlap", buf_printf("the header begins at %u, within the DOS header", f->header));
	else if (table + 40 * f->sections > f->headers_size && f->sections)
		describe_anomaly(l, "headers-overlap", buf_strdup("the section table ends behind what is told to be headers"));
	if (f->optional_size != usual)
		describe_anomaly(l, "optional-header-size", buf_printf("the optional header has %u bytes, not %u", f->optional_size, usual));
	if (!f->sections)
		describe_sign(l, "no-sections", buf_strdup("there are no sections"));
	if (!machines_pe_name(f->machine))
		describe_anomaly(l, "machine-unknown", buf_printf("the machine %#x is unknown", f->machine));
	if (!f->subsystem || f->subsystem > 16)
		describe_anomaly(l, "subsystem-unknown", buf_printf("the subsystem %u is unknown", f->subsystem));
	if (!power_of_two(f->file_align) || f->file_align < 512 || f->file_align > 65536 || !power_of_two(f->section_align) || f->section_align < f->file_align)
		describe_anomaly(l, "alignment-odd", buf_printf("sections are aligned to %u in the file and %u in memory", f->file_align, f->section_align));
	if (f->base % 65536)
		describe_anomaly(l, "base-odd", buf_strdup("the base address is no multiple of 64 KiB"));
	for (size_t i = 0; i < f->sections; i++)
		last = end_of(&f->section[i]) > last ? end_of(&f->section[i]) : last;
	if (f->sections && f->section_align >= 4096 && (last + f->section_align - 1) / f->section_align != ((uint64_t)f->told_size + f->section_align - 1) / f->section_align)
		describe_anomaly(l, "image-size-wrong", buf_printf("the image is told to have %u bytes, its sections end at %llu", f->told_size, (unsigned long long)last));
	if (f->checksum && f->checksum != pe_facts_checksum(f))
		describe_anomaly(l, "checksum-wrong", buf_printf("the checksum is told to be %08x, and is %08x", f->checksum, pe_facts_checksum(f)));
	if (!pe_facts_reproducible(f) && (int64_t)f->time > clock_now() + 86400)
		describe_anomaly(l, "time-future", buf_strdup("it is told to have been linked in the future"));
}

static void directories(const struct pe *f, struct findings *l)
{
	for (size_t i = 0; i < f->directories; i++) {
		uint64_t end = (uint64_t)f->directory[i].rva + f->directory[i].size, limit = i == PE_DIR_SECURITY ? f->n : f->image_size;

		if ((f->directory[i].rva || f->directory[i].size) && end > limit)
			describe_sign(l, "directory-outside", buf_printf("data directory %zu ends at %llx, beyond the %s", i, (unsigned long long)end,
				i == PE_DIR_SECURITY ? "file" : "image"));
	}
}

/* ---- sections ---- */

static bool plain_name(const char *s)
{
	for (size_t i = 0; s[i]; i++)
		if (!isprint((unsigned char)s[i]))
			return false;
	return *s;
}

static void one_section(const struct pe *f, const struct pe_section *s, struct findings *l)
{
	bool executable = s->flags & PE_EXECUTE, writable = s->flags & (uint32_t)PE_WRITE;

	if (!plain_name(s->name))
		describe_anomaly(l, "section-name-odd", buf_strdup("a section's name is empty or unprintable"));
	if (executable && writable)
		describe_sign(l, "segment-wx", buf_printf("section %s is writable and executable", s->name));
	if (executable && !s->filesize && s->memsize >= LATER)
		describe_sign(l, "section-filled-later", buf_printf("executable section %s has %u bytes in memory and none in the file", s->name, s->memsize));
	if (s->filesize && s->offset % 512)
		describe_anomaly(l, "section-unaligned", buf_printf("section %s begins at offset %u", s->name, s->offset));
	if (s->filesize > f->n || (s->filesize && s->offset > f->n))
		describe_anomaly(l, "section-outside-file", buf_printf("section %s is told to be at %u with %u bytes", s->name, s->offset, s->filesize));
	if (executable && s->filesize >= DESCRIBE_LEAST && s->offset < f->n && s->filesize <= f->n - s->offset) {
		double h = entropy_of(f->p + s->offset, s->filesize);

		if (h > DESCRIBE_PACKED)
			describe_sign(l, "packed", buf_printf("the executable bytes have an entropy of %.2f bits", h));
	}
}

static void sections(const struct pe *f, struct findings *l)
{
	for (size_t i = 0; i < f->sections; i++) {
		const struct pe_section *s = &f->section[i];

		one_section(f, s, l);
		for (size_t k = 0; k < i; k++) {
			const struct pe_section *t = &f->section[k];

			if (s->address < end_of(t) && t->address < end_of(s))
				describe_anomaly(l, "sections-overlap", buf_printf("sections %s and %s share addresses", t->name, s->name));
			if (s->filesize && t->filesize && (uint64_t)s->offset < (uint64_t)t->offset + t->filesize && (uint64_t)t->offset < (uint64_t)s->offset + s->filesize)
				describe_anomaly(l, "sections-share-bytes", buf_printf("sections %s and %s share bytes of the file", t->name, s->name));
		}
	}
}

/* ---- where it begins ---- */

static bool executable_at(const struct pe *f, uint64_t rva)
{
	const struct pe_section *s = pe_section_at(f, rva);

	return s ? s->flags & PE_EXECUTE : f->section_align < 4096 && rva < f->image_size;
}

static void entry(const struct pe *f, struct findings *l)
{
	const struct pe_section *s = pe_section_at(f, f->entry), *first = NULL;
	uint64_t callback[64];
	size_t n = pe_facts_callbacks(f, callback, 64);

	for (size_t i = 0; i < n; i++)
		if (callback[i] < f->base || !executable_at(f, callback[i] - f->base))
			describe_sign(l, "tls-outside", buf_printf("a TLS callback at %llx lies in no executable section", (unsigned long long)callback[i]));
	/* A library need not have one; of .NET the loader ignores it. */
	if (!f->entry)
		return;
	if (!s) {
		if (f->entry < f->headers_size)
			describe_sign(l, "entry-in-headers", buf_printf("it begins at %x, within its headers", f->entry));
		else
			describe_sign(l, "entry-outside", buf_strdup("the entry point lies in no section"));
		return;
	}
	if (!(s->flags & PE_EXECUTE))
		describe_sign(l, "entry-outside", buf_printf("the entry point lies in section %s, which is not executable", s->name));
	if (s->flags & (uint32_t)PE_WRITE)
		describe_sign(l, "entry-writable", buf_printf("the entry point lies in section %s, which is writable", s->name));
	for (size_t i = 0; i < f->sections && !first; i++)
		if (f->section[i].flags & PE_EXECUTE)
			first = &f->section[i];
	if (f->sections > 1 && s == &f->section[f->sections - 1] && first != s)
		describe_sign(l, "entry-last", buf_printf("the entry point lies in the last section, %s, and executable ones stand before it", s->name));
}

/* ---- what it asks for ---- */

struct asked { size_t imports; bool loads, finds; };

static bool on_import(void *ctx, const struct pe_import *i)
{
	struct asked *a = ctx;

	a->imports++;
	a->loads |= i->name && (!strncmp(i->name, "LoadLibrary", 11) || !strncmp(i->name, "GetModuleHandle", 15) || !strcmp(i->name, "LdrLoadDll"));
	a->finds |= i->name && (!strcmp(i->name, "GetProcAddress") || !strcmp(i->name, "LdrGetProcedureAddress"));
	return true;
}

static void ignore_export(void *ctx, const struct pe_export *e) { (void)ctx; (void)e; }
static void ignore_resource(void *ctx, const struct pe_resource *r) { (void)ctx; (void)r; }
static void ignore_relocation(void *ctx, uint32_t rva, unsigned type) { (void)ctx; (void)rva; (void)type; }

static void tables(const struct pe *f, struct findings *l)
{
	struct asked a = { 0 };
	bool native = f->subsystem == 1 || f->subsystem >= 10, clr = f->directory[PE_DIR_CLR].rva, right = true;
	json_t *rich;

	if (!pe_imports(f, on_import, &a))
		describe_sign(l, "imports-malformed", buf_strdup("the import table does not end, or leads outside of the image"));
	if (!native && !clr && f->entry && f->n > FEW_SIZE) {
		if (!a.imports)
			describe_anomaly(l, "no-imports", buf_strdup("it asks the system for nothing"));
		else if (a.imports <= FEW && a.loads && a.finds)
			describe_sign(l, "imports-few", buf_printf("it imports %zu functions, among them those that find all others", a.imports));
	}
	a = (struct asked){ 0 };
	if (!pe_imports_delayed(f, on_import, &a))
		describe_anomaly(l, "delayed-imports-malformed", buf_strdup("the table of delayed imports does not end, or leads outside of the image"));
	if (!pe_exports(f, ignore_export, NULL))
		describe_anomaly(l, "exports-malformed", buf_strdup("the export table leads outside of the image"));
	if (!pe_resources(f, ignore_resource, NULL))
		describe_anomaly(l, "resources-malformed", buf_strdup("the tree of resources leads outside of the image, or back into itself"));
	if (!pe_relocations(f, ignore_relocation, NULL))
		describe_anomaly(l, "relocations-malformed", buf_strdup("the relocations do not end where they are told to"));
	rich = pe_rich(f, &right);
	if (rich && !right)
		describe_sign(l, "rich-wrong", buf_strdup("the linker's own checksum of the first header is wrong"));
	json_decref(rich);
}

static void overlay(const struct pe *f, struct findings *l)
{
	uint64_t offset, size;

	pe_facts_overlay(f, &offset, &size);
	if (size >= DESCRIBE_LEAST && entropy_of(f->p + offset, (size_t)size) > DESCRIBE_PACKED)
		describe_sign(l, "overlay", buf_printf("%llu bytes of high entropy follow the last section", (unsigned long long)size));
	if (size > f->n - size)
		describe_anomaly(l, "overlay-large", buf_printf("%llu bytes follow a program of %llu", (unsigned long long)size, (unsigned long long)(f->n - size)));
}

void pe_anomalies(const struct pe *f, struct findings *l)
{
	if (f->problem)
		describe_sign(l, "malformed", buf_strdup(f->problem));
	headers(f, l);
	directories(f, l);
	sections(f, l);
	entry(f, l);
	tables(f, l);
	overlay(f, l);
}
