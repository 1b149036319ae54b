/* A process of Linux as execve(2) leaves it (fs/binfmt_elf.c): segments, interpreter, stack with auxiliary vector. */
#include "emulate/linux.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

#define STACK_SIZE (1 * MIB)

struct image { uint64_t base, entry, headers, end; size_t count, size; const char *interpreter; bool moved; };

static unsigned rights(uint32_t flags)
{
	return (flags & PF_R ? MACHINE_R : 0) | (flags & PF_W ? MACHINE_W | MACHINE_R : 0) | (flags & PF_X ? MACHINE_X | MACHINE_R : 0);
}

static uint64_t page_down(uint64_t v) { return v & ~(uint64_t)(MACHINE_PAGE - 1); }
static uint64_t page_up(uint64_t v) { return (v + MACHINE_PAGE - 1) & ~(uint64_t)(MACHINE_PAGE - 1); }

static bool extent(const struct elf *f, uint64_t *low, uint64_t *high)
{
	*low = UINT64_MAX;
	*high = 0;
	for (size_t i = 0; i < f->segments; i++) {
		const struct elf_segment *s = &f->segment[i];

		if (s->type != PT_LOAD || !s->memsize)
			continue;
		if (s->address + s->memsize < s->address)
			return false;
		if (s->address < *low)
			*low = page_down(s->address);
		if (s->address + s->memsize > *high)
			*high = page_up(s->address + s->memsize);
	}
	return *low < *high;
}

/* A segment goes over what lies there, as the kernel's MAP_FIXED does; the rest of its last page is the file's, too. */
static bool map_segment(struct linux_process *l, const struct elf *f, const struct elf_segment *s, uint64_t bias)
{
	uint64_t at = page_down(s->address + bias), end = page_up(s->address + s->memsize + bias);
	uint64_t skew = s->address + bias - at, offset, n = s->filesize;
	struct machine *m = l->m;

	if (!s->memsize)
		return true;
	machine_unmap(m, at, end - at);
	if (!machine_map(m, at, end - at, rights(s->flags), 0))
		return false;
	if (s->offset < skew || s->offset >= f->n)
		return true;
	offset = s->offset - skew;
	n += skew;
	if (n > f->n - offset)
		n = f->n - offset;
	if (n > end - at)
		n = end - at;
	return machine_write(m, at, f->p + offset, (size_t)n);
}

static bool map_image(struct linux_process *l, const struct elf *f, uint64_t wish, struct image *out)
{
	uint64_t low, high, bias = 0;
	size_t header = f->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr), phoff;

	if (!extent(f, &low, &high))
		return false;
	if (f->type == ET_DYN) {
		uint64_t base = machine_find(l->m, wish, l->width == 8 ? UINT64_C(0x7ffffff00000) : 0xf8000000, high - low, MACHINE_PAGE);

		if (!base)
			return false;
		bias = base - low;
	}
	for (size_t i = 0; i < f->segments; i++)
		if (f->segment[i].type == PT_LOAD && !map_segment(l, f, &f->segment[i], bias))
			return false;
	phoff = f->is64 ? (size_t)((const Elf64_Ehdr *)(const void *)f->p)->e_phoff : ((const Elf32_Ehdr *)(const void *)f->p)->e_phoff;
	*out = (struct image){ .base = low + bias, .entry = f->entry + bias, .end = high + bias, .count = f->segments, .size = header,
		.interpreter = f->interpreter, .moved = f->type == ET_DYN };
	for (size_t i = 0; i < f->segments; i++) {
		const struct elf_segment *s = &f->segment[i];

		if (s->type == PT_LOAD && phoff >= s->offset && phoff - s->offset < s->filesize)
			out->headers = s->address + bias + (phoff - s->offset);
	}
	return true;
}

/* ---- the stack ---- */

static size_t count_strings(const char *s)
{
	size_t n = 0, length;

	for (; (length = strlen(s)); s += length + 1)
		n++;
	return n;
}

/* Pushes a block of strings; where it begins. */
static uint64_t push_block(struct linux_process *l, uint64_t sp, const char *s)
{
	const char *end = s;
	size_t length;

	while ((length = strlen(end)))
		end += length + 1;
	sp -= (uint64_t)(end - s);
	machine_write(l->m, sp, s, (size_t)(end - s));
	return sp;
}

static uint64_t put_pointers(struct linux_process *l, uint64_t at, uint64_t text, const char *s)
{
	const char *start = s;
	size_t length;

	for (; (length = strlen(s)); s += length + 1, at += l->width) {
		uint64_t v = text + (uint64_t)(s - start);

		machine_write(l->m, at, &v, l->width);
	}
	return at + l->width;
}

static void make_stack(struct linux_process *l, const struct image *i, uint64_t interpreter, const char *args, const char *env)
{
	static const unsigned char chance[16] = { 0x5c, 0x1d, 0x99, 0x3a, 0x71, 0xe0, 0x42, 0xb7, 0x08, 0xcd, 0x66, 0xf1, 0x2b, 0x94, 0x57, 0xaa };
	uint64_t top = l->stack_top, sp = top - 16, name, platform, random, arg, var, at;
	uint64_t count;
	size_t argc = count_strings(args), envc = count_strings(env), words;

	sp = name = push_block(l, sp, LINUX_SAMPLE "\0");
	sp = platform = push_block(l, sp, l->width == 8 ? "x86_64\0" : "i686\0");
	sp -= 16;
	random = sp;
	machine_write(l->m, sp, chance, sizeof chance);
	sp = var = push_block(l, sp, env);
	sp = arg = push_block(l, sp, args);
	{
		const uint64_t aux[][2] = {
			{ AT_PHDR, i->headers }, { AT_PHENT, i->size }, { AT_PHNUM, i->count }, { AT_PAGESZ, MACHINE_PAGE }, { AT_BASE, interpreter },
			{ AT_FLAGS, 0 }, { AT_ENTRY, i->entry }, { AT_UID, 1000 }, { AT_EUID, 1000 }, { AT_GID, 1000 }, { AT_EGID, 1000 },
			{ AT_SECURE, 0 }, { AT_RANDOM, random }, { AT_HWCAP, 0x078bfbfd }, { AT_CLKTCK, 100 }, { AT_PLATFORM, platform },
			{ AT_EXECFN, name }, { AT_NULL, 0 },
		};
		size_t n = sizeof aux / sizeof *aux;

		words = 1 + argc + 1 + envc + 1 + 2 * n;
		sp = (sp - words * l->width) & ~(uint64_t)15;
		at = sp;
		count = argc;
		machine_write(l->m, at, &count, l->width);
		at = put_pointers(l, at + l->width, arg, args);
		at = put_pointers(l, at, var, env);
		for (size_t k = 0; k < n; k++, at += 2 * l->width) {
			machine_write(l->m, at, &aux[k][0], l->width);
			machine_write(l->m, at + l->width, &aux[k][1], l->width);
		}
	}
	machine_set_sp(l->m, sp);
}

static void clear_registers(struct linux_process *l)
{
	static const int r64[] = { UC_X86_REG_RAX, UC_X86_REG_RBX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RSI, UC_X86_REG_RDI, UC_X86_REG_RBP,
		UC_X86_REG_R8, UC_X86_REG_R9, UC_X86_REG_R10, UC_X86_REG_R11, UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15 };
	static const int r32[] = { UC_X86_REG_EAX, UC_X86_REG_EBX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_ESI, UC_X86_REG_EDI, UC_X86_REG_EBP };
	const int *r = l->width == 8 ? r64 : r32;
	size_t n = l->width == 8 ? sizeof r64 / sizeof *r64 : sizeof r32 / sizeof *r32;

	for (size_t i = 0; i < n; i++)
		machine_set(l->m, r[i], 0);
	machine_set(l->m, UC_X86_REG_EFLAGS, 0x202);
}

static void unmap_all(struct linux_process *l)
{
	while (l->m->regions)
		machine_unmap(l->m, l->m->region[0].address, l->m->region[0].size);
}

bool linux_load(struct linux_process *l, const void *p, size_t n, const char *args, const char *env)
{
	static const char usual_args[] = LINUX_SAMPLE "\0";
	static const char usual_env[] = "HOME=/home/anna\0LANG=en_GB.UTF-8\0LOGNAME=anna\0PATH=/usr/local/bin:/usr/bin:/bin\0PWD=/home/anna\0"
		"SHELL=/bin/bash\0TERM=xterm-256color\0USER=anna\0_=" LINUX_SAMPLE "\0";
	struct elf *f = elf_open(p, n), *loader = NULL;
	struct image i, interpreter = { 0 };
	bool wide = l->width == 8, well = false;
	struct linux_file *file;

	if (!f || (f->machine != EM_X86_64 && f->machine != EM_386) || (f->machine == EM_X86_64) != wide || f->big || !f->n)
		goto out;
	unmap_all(l);
	l->stack_top = wide ? UINT64_C(0x7ffffffff000) - 0x2000 : 0xfffdd000;
	if (!machine_map(l->m, l->stack_top - STACK_SIZE, STACK_SIZE, MACHINE_R | MACHINE_W, 0))
		goto out;
	if (!wide) {
		static const unsigned char code[] = "\x58\xb8\x77\0\0\0\xcd\x80\0\0\0\0\0\0\0\0\xb8\xad\0\0\0\xcd\x80";   /* pop; sigreturn; rt_sigreturn */

		l->returns = 0xffffd000;
		machine_map(l->m, l->returns, MACHINE_PAGE, MACHINE_R | MACHINE_X, MACHINE_SYSTEM);
		machine_write(l->m, l->returns, code, sizeof code);
	}
	if (!map_image(l, f, wide ? UINT64_C(0x555555554000) : 0x56555000, &i))
		goto out;
	if (i.interpreter) {
		file = linux_file(l, i.interpreter, false);
		loader = file ? elf_open(linux_file_bytes(file), linux_file_size(file)) : NULL;
		if (!loader || !map_image(l, loader, wide ? UINT64_C(0x7ffff7fc0000) : 0xf7fc0000, &interpreter))
			linux_finding(l, "interpreter-missing", "its interpreter %.100s is not there: it begins at its own entry point", i.interpreter);
	}
	l->m->image = i.base;
	l->m->image_size = i.end - i.base;
	l->m->out->base = i.base;
	l->m->out->size = i.end - i.base;
	l->m->out->entry = i.entry;
	l->brk_start = l->brk = page_up(i.end) + (i.moved ? 0x1000000 : 0);
	clear_registers(l);
	make_stack(l, &i, interpreter.base, args ? args : usual_args, env ? env : usual_env);
	machine_set_pc(l->m, interpreter.entry ? interpreter.entry : i.entry);
	l->m->loading = interpreter.entry != 0;
	well = true;
out:
	elf_free(f);
	elf_free(loader);
	return well;
}
