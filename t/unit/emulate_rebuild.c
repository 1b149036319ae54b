/* Dumps as files: what is put in comes out of the readers of both formats again. */
#include "code/code.h"
#include "emulate_windows.h"
#include "unit.h"

#include <elf.h>

struct seen { size_t n; char text[256]; uint32_t slot[8]; };

static bool see(void *ctx, const struct pe_import *i)
{
	struct seen *s = ctx;
	size_t at = strlen(s->text);

	snprintf(s->text + at, sizeof s->text - at, "%s!%s ", i->library, i->name ? i->name : "#");
	if (s->n < 8)
		s->slot[s->n] = i->slot;
	s->n++;
	return true;
}

static void test_pe(bool wide)
{
	static const struct pe_wanted w[] = { { "kernel32.dll", "VirtualAlloc" }, { "kernel32.dll", "ExitProcess" }, { "user32.dll", "MessageBoxA" } };
	struct buf b = { 0 };
	struct seen s = { 0 };
	struct pe *f;

	OK(pe_program(wide, "\x90\x90\xc3", 3, w, 3, &b), "a PE file is made");
	f = pe_open(b.p, b.len);
	if (OK(f && !f->problem, "it is well-formed") && f) {
		OK(f->base == PE_BASE && f->entry == PE_CODE && f->is64 == wide, "base, entry and width");
		OK(pe_number(f, PE_CODE, 3) == 0xc39090, "the memory stands where it stood");
		OK(pe_imports(f, see, &s), "the import directory is well-formed");
		OK_STR(s.text, "kernel32.dll!VirtualAlloc kernel32.dll!ExitProcess user32.dll!MessageBoxA ", "the imports are those that were found");
		OK(s.slot[0] == PE_SLOTS && s.slot[1] == PE_SLOTS + (wide ? 8 : 4) && s.slot[2] == PE_SLOTS + (wide ? 16 : 8), "into the slots where they stood");
	}
	pe_free(f);
	buf_free(&b);
}

/* Memory behind the image that ran is a section more; memory before it is left to a member of its own. */
static void test_pe_more(void)
{
	unsigned char head[512], image[0x3000] = { 0 }, more[0x1000] = { 0x31, 0xc0, 0xc3 }, before[0x1000] = { 0xc3 };
	struct emulate_range range[3] = { { 0x400000, sizeof image, image, false }, { 0x500000, sizeof more, more, true }, { 0x300000, sizeof before, before, true } };
	struct emulate_layer layer = { .entry = 0x500000 };
	struct emulation o = { .base = 0x400000, .size = sizeof image, .entry = 0x401000, .layer = &layer, .layers = 1, .last = { .range = range, .ranges = 3 } };
	struct buf b = { 0 };
	bool used[3];
	struct pe *f;

	pe_head(head, false);
	image[0x1000] = 0x90;
	OK(rebuild_file(&o, head, sizeof head, &b, used), "a PE file with further memory is made");
	OK(used[0] && used[1] && !used[2], "it holds what lies behind the image, not what lies before it");
	f = pe_open(b.p, b.len);
	if (OK(f && !f->problem, "it is well-formed") && f)
		OK(f->entry == 0x100000 && pe_number(f, 0x100000, 3) == 0xc3c031, "it begins in the layer entered last");
	pe_free(f);
	buf_free(&b);
}

static void test_elf(void)
{
	unsigned char file[64] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 }, image[0x2000] = { 1, 2, 3 }, made[0x1000] = { 0x31, 0xc0, 0xc3 };
	struct emulate_range range[2] = { { 0x7ffff7000000, sizeof made, made, true }, { 0x400000, sizeof image, image, false } };
	struct emulate_layer layer = { .entry = 0x7ffff7000000 };
	struct emulation o = { .base = 0x400000, .size = sizeof image, .entry = 0x400000, .layer = &layer, .layers = 1, .last = { .range = range, .ranges = 2 } };
	const unsigned char *p;
	struct buf b = { 0 };
	bool used[2];
	struct elf *f;
	size_t left;

	file[18] = EM_X86_64;
	OK(rebuild_file(&o, file, sizeof file, &b, used) && used[0] && used[1], "an ELF file is made");
	OK(b.len == 0x3000, "pages of zeros at the end of a segment take no room");
	f = elf_open(b.p, b.len);
	if (OK(f && !f->problem && f->segments == 2, "it is well-formed") && f) {
		OK(f->entry == 0x7ffff7000000, "it begins in the layer");
		p = elf_at(f, f->entry, &left);
		OK(p && !memcmp(p, made, 3), "whose bytes are at its address");
		p = elf_at(f, 0x400000, &left);
		OK(p && !memcmp(p, image, 3), "as are the image's");
		OK(elf_executable_at(f, f->entry), "it can run");
	}
	elf_free(f);
	buf_free(&b);
}

int main(void)
{
	test_pe(false);
	test_pe(true);
	test_pe_more();
	test_elf();
	return unit_end();
}
