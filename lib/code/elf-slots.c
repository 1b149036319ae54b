/* The words that the dynamic linker fills with the addresses of imports: what a call through the GOT or PLT reaches. */
#include "code/elf-internal.h"

#define SLOTS 65536u

struct slots {
	const struct elf *f;
	uint64_t names, names_size, symbols;                   /* file offsets */
	uint64_t table[3], size[3];                            /* addresses: DT_JMPREL, DT_RELA, DT_REL */
	bool jump_rela;
	uint64_t got, got_locals, got_first, symbol_count;     /* MIPS */
	elf_slot_fn *fn; void *ctx;
	size_t told;
};

/* R_*_JUMP_SLOT and R_*_GLOB_DAT of each processor's supplement. */
static bool is_slot(unsigned machine, unsigned type)
{
	switch (machine) {
	case EM_X86_64: case EM_386: return type == R_X86_64_GLOB_DAT || type == R_X86_64_JUMP_SLOT;
	case EM_ARM: return type == R_ARM_GLOB_DAT || type == R_ARM_JUMP_SLOT;
	case EM_AARCH64: return type == R_AARCH64_GLOB_DAT || type == R_AARCH64_JUMP_SLOT;
	case EM_PPC: case EM_PPC64: return type == R_PPC_GLOB_DAT || type == R_PPC_JMP_SLOT;
	case EM_S390: return type == R_390_GLOB_DAT || type == R_390_JMP_SLOT;
	case EM_SPARC: case EM_SPARC32PLUS: case EM_SPARCV9: return type == R_SPARC_GLOB_DAT || type == R_SPARC_JMP_SLOT;
	case EM_RISCV: return type == R_RISCV_JUMP_SLOT || type == R_RISCV_64 || type == R_RISCV_32;
	default: return false;
	}
}

static void tell(struct slots *s, uint64_t symbol, uint64_t slot)
{
	const struct elf *f = s->f;
	uint64_t name;
	const char *text;

	if (symbol > f->n || s->told >= SLOTS)
		return;
	name = ELF_FIELD(f, s->symbols + symbol * ELF_SIZE(f, Sym), Sym, st_name);
	text = name && name < s->names_size ? elf_string(f, s->names + name, s->names_size - name) : NULL;
	if (!text || !*text)
		return;
	s->told++;
	s->fn(s->ctx, text, slot);
}

static void walk_table(struct slots *s, uint64_t address, uint64_t size, bool rela)
{
	const struct elf *f = s->f;
	size_t step = rela ? ELF_SIZE(f, Rela) : ELF_SIZE(f, Rel);
	uint64_t at, left;

	if (!address || !elf_offset(f, address, &at, &left))
		return;
	for (size = size < left ? size : left; size >= step; size -= step, at += step) {
		uint64_t info = ELF_FIELD(f, at, Rel, r_info);

		if (is_slot(f->machine, (unsigned)(f->is64 ? info & 0xffffffff : info & 0xff)))
			tell(s, f->is64 ? info >> 32 : info >> 8, ELF_FIELD(f, at, Rel, r_offset));
	}
}

static void walk_mips(struct slots *s)
{
	uint64_t word = s->f->is64 ? 8 : 4;

	for (uint64_t i = s->got_first; i < s->symbol_count && i < s->f->n && s->told < SLOTS; i++)
		tell(s, i, s->got + (s->got_locals + i - s->got_first) * word);
}

static void take(struct slots *s, uint64_t tag, uint64_t value, uint64_t *names, uint64_t *symbols)
{
	switch (tag) {
	case DT_STRTAB: *names = value; break;
	case DT_STRSZ: s->names_size = value; break;
	case DT_SYMTAB: *symbols = value; break;
	case DT_JMPREL: s->table[0] = value; break;
	case DT_PLTRELSZ: s->size[0] = value; break;
	case DT_PLTREL: s->jump_rela = value == DT_RELA; break;
	case DT_RELA: s->table[1] = value; break;
	case DT_RELASZ: s->size[1] = value; break;
	case DT_REL: s->table[2] = value; break;
	case DT_RELSZ: s->size[2] = value; break;
	case DT_PLTGOT: s->got = value; break;
	case DT_MIPS_LOCAL_GOTNO: s->got_locals = value; break;
	case DT_MIPS_GOTSYM: s->got_first = value; break;
	case DT_MIPS_SYMTABNO: s->symbol_count = value; break;
	}
}

void elf_slots(const struct elf *f, elf_slot_fn *fn, void *ctx)
{
	struct slots s = { .f = f, .fn = fn, .ctx = ctx };
	const struct elf_segment *d = NULL;
	uint64_t names = 0, symbols = 0, left;
	size_t step = ELF_SIZE(f, Dyn);

	for (size_t i = 0; i < f->segments && !d; i++)
		if (f->segment[i].type == PT_DYNAMIC)
			d = &f->segment[i];
	for (uint64_t at = d ? d->offset : 0, n = 0; d && n + step <= d->filesize && at < f->n && n < 4096 * step; at += step, n += step) {
		uint64_t tag = ELF_FIELD(f, at, Dyn, d_tag);

		if (tag == DT_NULL)
			break;
		take(&s, tag, ELF_FIELD(f, at, Dyn, d_un.d_val), &names, &symbols);
	}
	if (!elf_offset(f, names, &s.names, &left) || !elf_offset(f, symbols, &s.symbols, &left))
		return;
	walk_table(&s, s.table[0], s.size[0], s.jump_rela);
	walk_table(&s, s.table[1], s.size[1], true);
	walk_table(&s, s.table[2], s.size[2], false);
	if (f->machine == EM_MIPS && s.got)
		walk_mips(&s);
}
