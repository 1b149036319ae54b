/* ELF headers that lie, and layouts that compilers and linkers do not make. */
#include "code/code.h"
#include "code/describe.h"
#include "code/view.h"

#include <string.h>

#define HUGE_MEMORY (1 * GIB)    /* a segment that wants more than the file holds: honest ones stay far below */
#define FEW 3u
#define FEW_SIZE 65536u

static bool mapped(const struct elf *f, uint64_t address)
{
	for (size_t i = 0; i < f->segments; i++) {
		const struct elf_segment *s = &f->segment[i];

		if (s->type == PT_LOAD && address >= s->address && address - s->address < s->memsize)
			return true;
	}
	return false;
}

/* ---- the headers ---- */

static void headers(const struct elf *f, struct findings *l)
{
	uint64_t programs = ELF_FIELD(f, 0, Ehdr, e_phoff), sections = ELF_FIELD(f, 0, Ehdr, e_shoff), names = ELF_FIELD(f, 0, Ehdr, e_shstrndx);
	uint64_t header = ELF_SIZE(f, Ehdr), programs_end = programs + f->segments * ELF_SIZE(f, Phdr);

	if (f->segments && programs < header)
		describe_sign(l, "headers-overlap", buf_strdup("the program headers begin within the first header"));
	else if (f->segments && f->sections && sections < programs_end && programs < sections + f->sections * ELF_SIZE(f, Shdr))
		describe_sign(l, "headers-overlap", buf_strdup("the program headers and the section table share bytes"));
	if (ELF_FIELD(f, 0, Ehdr, e_version) != EV_CURRENT || f->p[EI_VERSION] != EV_CURRENT || ELF_FIELD(f, 0, Ehdr, e_ehsize) != header)
		describe_anomaly(l, "header-odd", buf_strdup("the version or the size of the first header is not the one there is"));
	for (size_t i = EI_PAD; i < EI_NIDENT; i++)
		if (f->p[i])
			describe_anomaly(l, "header-padding", buf_strdup("bytes of the first header that have no meaning are not zero"));
	if (!machines_elf_name(f->machine))
		describe_anomaly(l, "machine-unknown", buf_printf("the machine %u is unknown", f->machine));
	if (f->type != ET_REL && f->type != ET_EXEC && f->type != ET_DYN && f->type != ET_CORE)
		describe_anomaly(l, "type-unknown", buf_printf("the type %u is unknown", f->type));
	if (f->sections && names != SHN_UNDEF && names != SHN_XINDEX && (names >= f->sections || f->section[names].type != SHT_STRTAB))
		describe_sign(l, "section-names-odd", buf_printf("the names of sections are told to stand in section %llu, which holds none", (unsigned long long)names));
}

/* ---- segments ---- */

static void one_segment(const struct elf *f, const struct elf_segment *s, struct findings *l)
{
	if (s->type == PT_GNU_STACK && s->flags & PF_X)
		describe_anomaly(l, "stack-executable", buf_strdup("it asks for an executable stack"));
	if (s->type == PT_INTERP && s->filesize && !mapped(f, s->address))
		describe_anomaly(l, "interpreter-unmapped", buf_strdup("the interpreter's name lies outside of what is loaded"));
	if (s->type != PT_LOAD)
		return;
	if ((s->flags & (PF_W | PF_X)) == (PF_W | PF_X))
		describe_sign(l, "segment-wx", buf_strdup("a segment is writable and executable"));
	if (s->flags & PF_W && f->entry >= s->address && f->entry - s->address < s->memsize)
		describe_sign(l, "entry-writable", buf_strdup("the entry point lies in a writable segment"));
	if (s->align > 1 && s->address % s->align != s->offset % s->align)
		describe_anomaly(l, "segment-unaligned", buf_strdup("a segment's address and offset do not agree on its alignment"));
	if (s->memsize > s->filesize && s->memsize - s->filesize > HUGE_MEMORY)
		describe_anomaly(l, "memory-huge", buf_printf("a segment of %llu bytes wants %llu", (unsigned long long)s->filesize, (unsigned long long)s->memsize));
	if (s->flags & PF_X && s->memsize >= DESCRIBE_LEAST && !s->filesize)
		describe_sign(l, "section-filled-later", buf_printf("an executable segment has %llu bytes in memory and none in the file", (unsigned long long)s->memsize));
}

static void segments(const struct elf *f, struct findings *l)
{
	const struct elf_segment *code = NULL, *before = NULL;
	size_t interpreters = 0;

	for (size_t i = 0; i < f->segments; i++) {
		const struct elf_segment *s = &f->segment[i];

		interpreters += s->type == PT_INTERP;
		one_segment(f, s, l);
		if (s->type != PT_LOAD)
			continue;
		if (before && s->address < before->address)
			describe_anomaly(l, "segment-order", buf_strdup("segments do not stand by address"));
		else if (before && s->address < before->address + before->memsize)
			describe_sign(l, "segment-overlap", buf_strdup("segments share addresses"));
		before = s;
		if (s->flags & PF_X && s->offset < f->n && s->filesize <= f->n - s->offset && (!code || s->filesize > code->filesize))
			code = s;
	}
	if (interpreters > 1)
		describe_sign(l, "interpreters", buf_printf("it names %zu interpreters", interpreters));
	if (code && code->filesize >= DESCRIBE_LEAST) {
		double h = entropy_of(f->p + code->offset, (size_t)code->filesize);

		if (h > DESCRIBE_PACKED)
			describe_sign(l, "packed", buf_printf("the executable bytes have an entropy of %.2f bits", h));
	}
}

/* An infected program begins behind its own code. */
static void entry(const struct elf *f, struct findings *l)
{
	const struct elf_segment *first = NULL, *last = NULL;

	if ((f->type == ET_EXEC || f->interpreter) && !elf_executable_at(f, f->entry))
		describe_sign(l, "entry-outside", buf_strdup("the entry point lies in no executable segment"));
	for (size_t i = 0; i < f->segments; i++) {
		const struct elf_segment *s = &f->segment[i];

		if (s->type != PT_LOAD || !(s->flags & PF_X))
			continue;
		if (!first)
			first = s;
		last = s;
	}
	if (first != last && f->entry >= last->address && f->entry - last->address < last->memsize)
		describe_sign(l, "entry-last", buf_strdup("the entry point lies in the last of several executable segments"));
}

/* ---- sections against segments ---- */

static void sections(const struct elf *f, struct findings *l)
{
	for (size_t i = 1; i < f->sections && f->segments; i++) {
		const struct elf_section *s = &f->section[i];
		uint64_t offset, left;

		if (!(s->flags & SHF_ALLOC) || s->type == SHT_NOBITS || !s->size)
			continue;
		if (!elf_offset(f, s->address, &offset, &left)) {
			if (s->flags & SHF_EXECINSTR)
				describe_sign(l, "sections-lie", buf_printf("section %.100s is not in what is loaded", s->name));
		} else if (offset != s->offset) {
			describe_sign(l, "sections-lie", buf_printf("section %.100s is told to stand at another offset than it is loaded from", s->name));
		}
	}
}

/* ---- what the dynamic linker is told ---- */

static void dynamic(const struct elf *f, struct findings *l)
{
	static const uint64_t addresses[] = { DT_HASH, DT_STRTAB, DT_SYMTAB, DT_RELA, DT_REL, DT_JMPREL, DT_INIT, DT_FINI, DT_INIT_ARRAY,
		DT_FINI_ARRAY, DT_PREINIT_ARRAY, DT_GNU_HASH, DT_VERSYM, DT_VERNEED };
	size_t step = ELF_SIZE(f, Dyn);

	for (size_t i = 0; i < f->segments; i++) {
		const struct elf_segment *s = &f->segment[i];

		for (uint64_t n = 0; s->type == PT_DYNAMIC && n + step <= s->filesize && n < 4096 * step && s->offset + n < f->n; n += step) {
			uint64_t tag = ELF_FIELD(f, s->offset + n, Dyn, d_tag), value = ELF_FIELD(f, s->offset + n, Dyn, d_un.d_val);

			if (tag == DT_NULL)
				break;
			for (size_t k = 0; k < sizeof addresses / sizeof *addresses; k++)
				if (tag == addresses[k] && value && !mapped(f, value))
					describe_sign(l, "dynamic-outside", buf_printf("entry %llx of the dynamic section leads to %llx, where nothing is loaded",
						(unsigned long long)tag, (unsigned long long)value));
			if ((tag == DT_INIT || tag == DT_FINI) && value && mapped(f, value) && !elf_executable_at(f, value))
				describe_sign(l, "initialiser-outside", buf_strdup("an initialiser lies in no executable segment"));
			if (tag == DT_TEXTREL)
				describe_anomaly(l, "text-relocations", buf_strdup("the linker is to change its code"));
		}
	}
}

static bool usual_interpreter(const char *s)
{
	static const char *const usual[] = { "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux.so.2", "/lib/ld-linux-aarch64.so.1",
		"/lib/ld-linux-armhf.so.3", "/lib/ld-musl-", "/libx32/", "/lib/ld-linux-", "/lib64/ld64", "/lib/ld64", "/lib/ld.so",
		"/lib64/ld-linux-", "/lib32/ld.so", "/lib64/ld.so" };

	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
		if (!strncmp(s, usual[i], strlen(usual[i])))
			return true;
	return false;
}

static void linking(const struct elf *f, struct findings *l)
{
	size_t imports = 0;

	if (f->interpreter && !usual_interpreter(f->interpreter))
		describe_sign(l, "odd-interpreter", buf_printf("the program interpreter is %.200s", f->interpreter));
	for (size_t i = 0; i < f->neededs; i++)
		if (strchr(f->needed[i], '/'))
			describe_sign(l, "needed-path", buf_printf("a library is named with its path: %.200s", f->needed[i]));
	for (size_t i = 0; i < f->symbols; i++)
		imports += f->symbol[i].undefined;
	if (f->interpreter && imports < FEW && f->n > FEW_SIZE)
		describe_anomaly(l, "imports-few", buf_printf("it is linked dynamically, and imports %zu symbols", imports));
}

static void overlay(const struct elf *f, struct findings *l)
{
	uint64_t size = f->n - f->end;

	if (size >= DESCRIBE_LEAST && entropy_of(f->p + f->end, (size_t)size) > DESCRIBE_PACKED)
		describe_sign(l, "overlay", buf_printf("%llu bytes of high entropy follow the last section", (unsigned long long)size));
	if (size > f->end)
		describe_anomaly(l, "overlay-large", buf_printf("%llu bytes follow a program of %llu", (unsigned long long)size, (unsigned long long)f->end));
}

void elf_anomalies(const struct elf *f, struct findings *l)
{
	segments(f, l);
	if (f->problem)
		describe_sign(l, "malformed", buf_strdup(f->problem));
	headers(f, l);
	if (f->type != ET_EXEC && f->type != ET_DYN)
		return;
	if (!f->sections)
		describe_sign(l, "no-section-table", buf_strdup("there is no section table"));
	entry(f, l);
	sections(f, l);
	dynamic(f, l);
	linking(f, l);
	overlay(f, l);
}
