/* A dump as an ELF program: a segment a part, no sections, no interpreter: addresses in it are final. */
#include "emulate/rebuild.h"

#include <elf.h>
#include <string.h>

#define PAGE 4096u
#define SEGMENTS 1024u

static size_t round_up(size_t n)
{
	return (n + PAGE - 1) / PAGE * PAGE;
}

static void put_header(struct buf *out, bool wide, unsigned machine, uint64_t entry, size_t segments)
{
	Elf64_Ehdr w = { .e_type = ET_EXEC, .e_machine = (Elf64_Half)machine, .e_version = EV_CURRENT, .e_entry = entry, .e_phoff = sizeof w,
		.e_ehsize = sizeof w, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = (Elf64_Half)segments, .e_shentsize = sizeof(Elf64_Shdr) };
	Elf32_Ehdr h = { .e_type = ET_EXEC, .e_machine = (Elf32_Half)machine, .e_version = EV_CURRENT, .e_entry = (Elf32_Addr)entry, .e_phoff = sizeof h,
		.e_ehsize = sizeof h, .e_phentsize = sizeof(Elf32_Phdr), .e_phnum = (Elf32_Half)segments, .e_shentsize = sizeof(Elf32_Shdr) };
	unsigned char ident[EI_NIDENT] = { 0x7f, 'E', 'L', 'F', wide ? ELFCLASS64 : ELFCLASS32, ELFDATA2LSB, EV_CURRENT };

	memcpy(w.e_ident, ident, sizeof ident);
	memcpy(h.e_ident, ident, sizeof ident);
	if (wide)
		buf_add(out, &w, sizeof w);
	else
		buf_add(out, &h, sizeof h);
}

static void put_segment(struct buf *out, bool wide, const struct rebuild_part *p, size_t offset, size_t filled)
{
	Elf64_Phdr w = { .p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X, .p_offset = offset, .p_vaddr = p->address, .p_paddr = p->address,
		.p_filesz = filled, .p_memsz = p->size, .p_align = PAGE };
	Elf32_Phdr h = { .p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X, .p_offset = (Elf32_Off)offset, .p_vaddr = (Elf32_Addr)p->address,
		.p_paddr = (Elf32_Addr)p->address, .p_filesz = (Elf32_Word)filled, .p_memsz = (Elf32_Word)p->size, .p_align = PAGE };

	if (wide)
		buf_add(out, &w, sizeof w);
	else
		buf_add(out, &h, sizeof h);
}

static void pad(struct buf *out, size_t to)
{
	static const unsigned char zeros[PAGE];

	while (out->len < to)
		buf_add(out, zeros, to - out->len < sizeof zeros ? to - out->len : sizeof zeros);
}

bool rebuild_elf(const void *file, uint64_t entry, const struct rebuild_part *part, size_t parts, struct buf *out)
{
	const unsigned char *f = file;
	unsigned machine = (unsigned)f[18] | (unsigned)f[19] << 8;
	bool wide = machine == EM_X86_64;
	size_t header = wide ? sizeof(Elf64_Ehdr) + parts * sizeof(Elf64_Phdr) : sizeof(Elf32_Ehdr) + parts * sizeof(Elf32_Phdr), at;

	if (parts > SEGMENTS)
		return false;
	put_header(out, wide, machine, entry, parts);
	at = round_up(header);
	for (size_t i = 0; i < parts; i++) {
		size_t filled = rebuild_filled(&part[i]);

		put_segment(out, wide, &part[i], at, filled);
		at += round_up(filled);
	}
	for (size_t i = 0; i < parts; i++) {
		pad(out, round_up(out->len));
		buf_add(out, part[i].bytes, rebuild_filled(&part[i]));
	}
	return true;
}
