/* What addresses are called: symbols, imports, and the entries of linkage tables that lead to them. */
#include "code/walk.h"

#include <stdlib.h>
#include <string.h>

struct named { uint64_t address; const char *text; bool sized; };

struct names {
	const struct code_view *v;
	struct named *symbol; size_t symbols;
	struct named *import; size_t imports;
	char **owned; size_t owns;           /* names that are made here */
};

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	/* What the linker marks has no size. */
	if (x->sized != y->sized)
		return x->sized ? -1 : 1;
	return strcmp(x->text, y->text);
}

/* Of several names of one address one with a size stays, and of these the first in order of bytes. */
static size_t once(struct named *n, size_t count)
{
	size_t kept = 0;

	if (count)
		qsort(n, count, sizeof *n, by_name);
	for (size_t i = 0; i < count; i++)
		if (!kept || n[kept - 1].address != n[i].address)
			n[kept++] = n[i];
	return kept;
}

/* What compilers and linkers put there for themselves says nothing: mapping symbols of ARM, marks of annobin, sections' names. */
static bool says_something(const char *s)
{
	return *s && *s != '$' && *s != '.';
}

static const char *by_ordinal(struct names *n, const struct code_import *i)
{
	if (n->owns % 64 == 0)
		n->owned = buf_realloc(n->owned, n->owns + 64, sizeof *n->owned);
	n->owned[n->owns] = buf_printf("%.64s#%u", i->library ? i->library : "", i->ordinal);
	return n->owned[n->owns++];
}

struct names *names_new(const struct walk *w)
{
	const struct code_view *v = w->v;
	struct names *n = buf_alloc(sizeof *n);
	uint64_t thumb = v->machine == MACHINE_ARM;

	n->v = v;
	n->symbol = buf_alloc((v->symbols + 1) * sizeof *n->symbol);
	n->import = buf_alloc((v->imports + 1) * sizeof *n->import);
	for (size_t i = 0; i < v->symbols; i++)
		if (v->symbol[i].name && says_something(v->symbol[i].name))
			n->symbol[n->symbols++] = (struct named){ v->symbol[i].address & ~thumb, v->symbol[i].name, v->symbol[i].size != 0 };
	for (size_t i = 0; i < v->imports; i++)
		n->import[n->imports++] = (struct named){ v->import[i].slot, v->import[i].name ? v->import[i].name : by_ordinal(n, &v->import[i]), false };
	n->symbols = once(n->symbol, n->symbols);
	n->imports = once(n->import, n->imports);
	return n;
}

void names_free(struct names *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->owns; i++)
		free(n->owned[i]);
	free(n->owned);
	free(n->symbol);
	free(n->import);
	free(n);
}

static const char *find(const struct named *list, size_t count, uint64_t address)
{
	size_t from = 0, to = count;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (list[mid].address < address)
			from = mid + 1;
		else
			to = mid;
	}
	return from < count && list[from].address == address ? list[from].text : NULL;
}

const char *names_of(const struct names *n, uint64_t address)
{
	return find(n->symbol, n->symbols, address);
}

const char *names_import(const struct names *n, uint64_t slot)
{
	return find(n->import, n->imports, slot);
}

/* ---- linkage tables ---- */

static bool x86_slot(const struct walk *w, const unsigned char *p, size_t left, uint64_t address, uint64_t *slot)
{
	bool is64 = w->v->machine == MACHINE_X86_64;
	struct insn i;

	for (int k = 0; k < 3 && x86_decode(p, left, address, is64, &i); k++, p += i.size, left -= i.size, address += i.size) {
		if (i.nop)
			continue;
		if (i.flow != INSN_JUMP || i.direct || !i.memory || i.index != INSN_NONE || i.disp_size != 4)
			return false;
		*slot = (uint64_t)i.disp;
		if (i.rip)
			*slot += address + i.size;
		else if (i.base != INSN_NONE)
			*slot += w->trace.got;
		if (!is64)
			*slot &= UINT32_MAX;
		return i.base == INSN_NONE || (!is64 && w->trace.got);
	}
	return false;
}

static uint32_t word(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* adrp x16, page; ldr x17, [x16, #n]; add x16, x16, #n; br x17, maybe behind bti c */
static bool aarch64_slot(const unsigned char *p, size_t left, uint64_t address, uint64_t *slot)
{
	uint32_t a, l;
	int64_t pages;

	if (left >= 20 && word(p) == 0xd503245f) {
		p += 4;
		address += 4;
	} else if (left < 16) {
		return false;
	}
	a = word(p);
	l = word(p + 4);
	if ((a & 0x9f00001f) != 0x90000010 || (l & 0xffc003ff) != 0xf9400211 || word(p + 12) != 0xd61f0220)
		return false;
	pages = (int64_t)((uint64_t)((a >> 5 & 0x7ffff) << 2 | (a >> 29 & 3)) << 43) >> 43;
	*slot = (address & ~(uint64_t)4095) + ((uint64_t)pages << 12) + (l >> 10 & 0xfff) * 8;
	return true;
}

/* add ip, pc, #a; add ip, ip, #b; ldr pc, [ip, #c]! */
static bool arm_slot(const unsigned char *p, size_t left, uint64_t address, uint64_t *slot)
{
	uint32_t sum = (uint32_t)address + 8;

	if (left < 12 || (word(p) & 0xfffff000) != 0xe28fc000 || (word(p + 4) & 0xfffff000) != 0xe28cc000 || (word(p + 8) & 0xfffff000) != 0xe5bcf000)
		return false;
	for (int k = 0; k < 2; k++) {
		uint32_t v = word(p + 4 * k) & 0xff, by = (word(p + 4 * k) >> 8 & 15) * 2;

		sum += by ? v >> by | v << (32 - by) : v;
	}
	*slot = sum + (word(p + 8) & 0xfff);
	return true;
}

const char *names_thunk(const struct names *n, const struct walk *w, uint64_t address)
{
	size_t left;
	const unsigned char *p = view_at(n->v, address, &left);
	uint64_t slot = 0;
	bool found = false;

	if (!p || !n->imports)
		return NULL;
	switch (n->v->machine) {
	case MACHINE_X86_64: case MACHINE_I386: found = x86_slot(w, p, left, address, &slot); break;
	case MACHINE_AARCH64: found = aarch64_slot(p, left, address, &slot); break;
	case MACHINE_ARM: found = arm_slot(p, left, address, &slot); break;
	default: break;
	}
	return found ? names_import(n, slot) : NULL;
}

/* Functions of the C library, the C++ runtime and Windows that are documented never to return. */
bool names_noreturn(const char *name)
{
	static const char *const list[] = { "exit", "_exit", "_Exit", "abort", "quick_exit", "__stack_chk_fail", "__assert_fail", "__assert",
		"__fortify_fail", "__chk_fail", "longjmp", "siglongjmp", "__longjmp_chk", "err", "errx", "verr", "verrx", "pthread_exit",
		"__cxa_throw", "__cxa_rethrow", "__cxa_bad_cast", "__cxa_throw_bad_array_new_length", "_Unwind_Resume", "_ZSt9terminatev",
		"__libc_start_main", "ExitProcess", "ExitThread", "FatalAppExitA", "FatalAppExitW", "FreeLibraryAndExitThread", "RaiseFailFastException",
		"RtlExitUserProcess", "RtlExitUserThread", "_CxxThrowException", "_amsg_exit", "_invoke_watson", "terminate" };

	if (!strncmp(name, "_ZSt", 4) && strstr(name, "__throw_"))
		return true;
	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		if (!strcmp(name, list[i]))
			return true;
	return false;
}
