/* ELF headers that lie: each told, on this very program changed in one place; and a relocatable file's symbols. */
#include "code/code.h"
#include "unit.h"

#include <elf.h>
#include <stdlib.h>

static struct buf self;

static Elf64_Ehdr *header(void) { return (Elf64_Ehdr *)(void *)self.p; }
static Elf64_Shdr *section(size_t i) { return (Elf64_Shdr *)(void *)(self.p + header()->e_shoff) + i; }

/* The n-th program header of a type. */
static Elf64_Phdr *segment(uint32_t type, size_t n)
{
	Elf64_Phdr *p = (Elf64_Phdr *)(void *)(self.p + header()->e_phoff);

	for (size_t i = 0; i < header()->e_phnum; i++)
		if (p[i].p_type == type && !n--)
			return &p[i];
	abort();
}

static Elf64_Phdr *code(void)
{
	for (size_t i = 0;; i++)
		if (segment(PT_LOAD, i)->p_flags & PF_X)
			return segment(PT_LOAD, i);
}

static Elf64_Shdr *section_of_type(uint32_t type)
{
	for (size_t i = 0; i < header()->e_shnum; i++)
		if (section(i)->sh_type == type)
			return section(i);
	abort();
}

static Elf64_Dyn *dynamic(int64_t tag)
{
	Elf64_Dyn *d = (Elf64_Dyn *)(void *)(self.p + segment(PT_DYNAMIC, 0)->p_offset);

	while (d->d_tag != tag)
		d++;
	return d;
}

static void lie_overlap(void) { header()->e_phoff = 8; }
static void lie_both(void) { header()->e_shoff = header()->e_phoff; }
static void lie_version(void) { header()->e_version = 9; }
static void lie_padding(void) { header()->e_ident[12] = 1; }
static void lie_machine(void) { header()->e_machine = 0x7777; }
static void lie_type(void) { header()->e_type = 0x77; }
static void lie_names(void) { header()->e_shstrndx = 1; }
static void lie_count(void) { header()->e_shnum = 0xfeff; }
static void lie_stack(void) { segment(PT_GNU_STACK, 0)->p_flags |= PF_X; }
static void lie_interpreter(void) { segment(PT_INTERP, 0)->p_vaddr = 0x7f0000000000; }
static void lie_two(void) { segment(PT_GNU_STACK, 0)->p_type = PT_INTERP; }
static void lie_rights(void) { code()->p_flags |= PF_W; }
static void lie_align(void) { segment(PT_LOAD, 1)->p_offset += 16; }
static void lie_memory(void) { segment(PT_LOAD, 3)->p_memsz = (uint64_t)1 << 40; }
static void lie_shared(void) { segment(PT_LOAD, 0)->p_memsz += 0x100000; }
static void lie_order(void) { Elf64_Phdr p = *segment(PT_LOAD, 0); *segment(PT_LOAD, 0) = *segment(PT_LOAD, 2); *segment(PT_LOAD, 2) = p; }
static void lie_later(void) { code()->p_filesz = 0; }
static void lie_last(void) { segment(PT_LOAD, 0)->p_flags |= PF_X; }
static void lie_entry(void) { header()->e_entry = 0x7f0000000000; }
static void lie_section(void) { section_of_type(SHT_DYNSYM)->sh_addr += 64; }
static void lie_hash(void) { dynamic(DT_GNU_HASH)->d_un.d_ptr = 0x7f0000000000; }
static void lie_init(void) { dynamic(DT_INIT)->d_un.d_ptr = segment(PT_LOAD, 0)->p_vaddr + 64; }
static void lie_name(void) { self.p[segment(PT_INTERP, 0)->p_offset + 1] = 'L'; }
static void lie_none(void) { header()->e_shoff = 0; header()->e_shnum = header()->e_shstrndx = 0; }

static const json_t *named(const json_t *list, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (!strcmp(jsonio_str(o, "name"), name))
			return o;
	return NULL;
}

static void test_lies(void)
{
	static const struct { void (*lie)(void); const char *name; bool sign; } lies[] = {
		{ lie_overlap, "headers-overlap", true }, { lie_both, "headers-overlap", true }, { lie_version, "header-odd", false },
		{ lie_padding, "header-padding", false }, { lie_machine, "machine-unknown", false }, { lie_type, "type-unknown", false },
		{ lie_names, "section-names-odd", true }, { lie_count, "malformed", true }, { lie_stack, "stack-executable", false },
		{ lie_interpreter, "interpreter-unmapped", false }, { lie_two, "interpreters", true }, { lie_rights, "segment-wx", true },
		{ lie_rights, "entry-writable", true }, { lie_align, "segment-unaligned", false }, { lie_memory, "memory-huge", false },
		{ lie_shared, "segment-overlap", true }, { lie_order, "segment-order", false }, { lie_later, "section-filled-later", true },
		{ lie_last, "entry-last", true }, { lie_entry, "entry-outside", true }, { lie_section, "sections-lie", true },
		{ lie_hash, "dynamic-outside", true }, { lie_init, "initialiser-outside", true }, { lie_name, "odd-interpreter", true },
		{ lie_none, "no-section-table", true },
	};
	struct buf honest = { 0 };
	json_t *o = inspect(self.p, self.len, NULL);

	OK(json_array_size(json_object_get(o, "anomalies")) == 0, "a linker's work has no anomaly");
	json_decref(o);
	buf_add(&honest, self.p, self.len);
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		lies[i].lie();
		o = inspect(self.p, self.len, NULL);
		OK(named(json_object_get(o, "anomalies"), lies[i].name) && !lies[i].sign == !named(json_object_get(o, "signs"), lies[i].name), lies[i].name);
		json_decref(o);
		memcpy(self.p, honest.p, honest.len);
	}
	buf_free(&honest);
}

/* Two functions in .text, at 0x40 in the file; their symbols count from there. */
static void test_relocatable(void)
{
	static const unsigned char text[] = { 0x31, 0xc0, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x6a, 0x01, 0x58, 0xc3 };
	static const char names[] = "\0first\0second";
	struct relocatable { Elf64_Ehdr h; unsigned char text[16]; Elf64_Sym symbol[3]; char names[16]; Elf64_Shdr s[4]; } file;
	json_t *o, *functions;

	memset(&file, 0, sizeof file);
	memcpy(file.h.e_ident, "\177ELF\2\1\1", 7);
	file.h.e_type = ET_REL; file.h.e_machine = EM_X86_64; file.h.e_version = EV_CURRENT; file.h.e_ehsize = sizeof file.h;
	file.h.e_shoff = offsetof(struct relocatable, s); file.h.e_shentsize = sizeof *file.s; file.h.e_shnum = 4; file.h.e_shstrndx = 3;
	memcpy(file.text, text, sizeof text);
	memcpy(file.names, names, sizeof names);
	file.symbol[1] = (Elf64_Sym){ 1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 0, 3 };
	file.symbol[2] = (Elf64_Sym){ 7, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 8, 4 };
	file.s[1] = (Elf64_Shdr){ .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR, .sh_offset = offsetof(struct relocatable, text), .sh_size = 16 };
	file.s[2] = (Elf64_Shdr){ .sh_type = SHT_SYMTAB, .sh_offset = offsetof(struct relocatable, symbol), .sh_size = sizeof file.symbol, .sh_link = 3, .sh_entsize = sizeof *file.symbol };
	file.s[3] = (Elf64_Shdr){ .sh_type = SHT_STRTAB, .sh_offset = offsetof(struct relocatable, names), .sh_size = sizeof names };
	o = inspect(&file, sizeof file, NULL);
	functions = json_object_get(o, "functions");
	OK(json_array_size(functions) == 2 && !strcmp(jsonio_str(json_array_get(functions, 0), "address"), "40") &&
		!strcmp(jsonio_str(json_array_get(functions, 1), "address"), "48"), "a relocatable file's functions are found by their symbols");
	json_decref(o);
}

int main(void)
{
	struct err e = { 0 };

	if (io_slurp_path("/proc/self/exe", CAP_SLURP * 4, &self, &e))
		return 1;
	test_lies();
	test_relocatable();
	buf_free(&self);
	return unit_end();
}
