#include "code/traits.h"

#include <capstone/capstone.h>
#include <stdlib.h>
#include <string.h>

#define USES_FUNCTIONS 8192u     /* that are told: a browser has 100,000 with calls of the system */
#define USES_NAMES 96u           /* of one function */
#define USES_BACK 72u            /* bytes before a system call in which its number is sought */
#define USES_SITES 1000000u      /* calls that are remembered: 40 MB; node has 120,000 */
#define USES_WORK 600000u        /* instructions decoded for the numbers of system calls: half a second. A static C library has 700 calls */

struct use { uint64_t function, at; const char *name; bool syscall; };
struct uses { const struct layout *v; struct use *use; size_t count; csh cs; cs_insn *insn; size_t work; bool cut; };

/* Numbers of x86-64 and i386 (Linux, arch/x86/entry/syscalls); -1: not there. Those that say something of a program. */
static const struct { const char *name; short wide, narrow; } syscalls[] = {
	{ "read", 0, 3 }, { "write", 1, 4 }, { "open", 2, 5 }, { "close", 3, 6 }, { "stat", 4, 106 }, { "mmap", 9, 90 }, { "mprotect", 10, 125 },
	{ "munmap", 11, 91 }, { "brk", 12, 45 }, { "ioctl", 16, 54 }, { "access", 21, 33 }, { "pipe", 22, 42 }, { "dup2", 33, 63 },
	{ "nanosleep", 35, 162 }, { "getpid", 39, 20 }, { "socket", 41, 359 }, { "connect", 42, 362 }, { "accept", 43, -1 }, { "sendto", 44, 369 },
	{ "recvfrom", 45, 371 }, { "bind", 49, 361 }, { "listen", 50, 363 }, { "socketcall", -1, 102 }, { "clone", 56, 120 }, { "fork", 57, 2 },
	{ "vfork", 58, 190 }, { "execve", 59, 11 }, { "exit", 60, 1 }, { "kill", 62, 37 }, { "uname", 63, 122 }, { "fcntl", 72, 55 },
	{ "ftruncate", 77, 93 }, { "getdents", 78, 141 }, { "chdir", 80, 12 }, { "rename", 82, 38 }, { "mkdir", 83, 39 }, { "rmdir", 84, 40 },
	{ "unlink", 87, 10 }, { "symlink", 88, 83 }, { "readlink", 89, 85 }, { "chmod", 90, 15 }, { "ptrace", 101, 26 }, { "getuid", 102, 199 },
	{ "setuid", 105, 213 }, { "setsid", 112, 66 }, { "prctl", 157, 172 }, { "chroot", 161, 61 }, { "mount", 165, 21 }, { "umount2", 166, 52 },
	{ "reboot", 169, 88 }, { "sethostname", 170, 74 }, { "init_module", 175, 128 }, { "delete_module", 176, 129 }, { "getdents64", 217, 220 },
	{ "exit_group", 231, 252 }, { "kexec_load", 246, 283 }, { "inotify_add_watch", 254, 292 }, { "openat", 257, 295 }, { "unlinkat", 263, 301 },
	{ "renameat", 264, 302 }, { "fchmodat", 268, 306 }, { "unshare", 272, 310 }, { "memfd_create", 319, 356 }, { "accept4", 288, 364 },
	{ "process_vm_readv", 310, 347 }, { "process_vm_writev", 311, 348 }, { "finit_module", 313, 350 }, { "setns", 308, 346 },
	{ "seccomp", 317, 354 }, { "bpf", 321, 357 }, { "execveat", 322, 358 }, { "userfaultfd", 323, 374 }, { "keyctl", 250, 288 },
	{ "perf_event_open", 298, 336 }, { "io_uring_setup", 425, 425 }, { "pidfd_getfd", 438, 438 },
};

const char *uses_syscall(bool wide, uint32_t number, char out[24])
{
	for (size_t i = 0; i < sizeof syscalls / sizeof *syscalls; i++)
		if ((wide ? syscalls[i].wide : syscalls[i].narrow) == (int)number)
			return syscalls[i].name;
	snprintf(out, 24, "syscall_%u", number);
	return out;
}

static uint32_t word_at(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void add(struct uses *u, uint64_t at, const char *name, bool syscall)
{
	if (u->count >= USES_SITES) {
		u->cut = true;
		return;
	}
	if (u->count % 4096 == 0)
		u->use = buf_realloc(u->use, u->count + 4096, sizeof *u->use);
	u->use[u->count++] = (struct use){ layout_function(u->v, at), at, name, syscall };
}

/* ---- imports ---- */

/* What "jmp|call [slot]", whose address field stands at `field` (address `at`), goes through. */
static const char *through(const struct layout *v, unsigned char modrm, const unsigned char *field, uint64_t at)
{
	uint32_t d = word_at(field);

	if ((modrm & 0xc7) == 0x05)
		return layout_import(v, v->bits == 64 ? at + 4 + (uint64_t)(int64_t)(int32_t)d : d);
	/* i386, position-independent: [ebx + d] */
	if (v->bits == 32 && v->table && (modrm & 0xc7) == 0x83)
		return layout_import(v, (v->table + d) & UINT32_MAX);
	return NULL;
}

/* The import that a stub ("jmp [slot]", perhaps behind endbr and with bnd) leads to. */
static const char *stub(const struct layout *v, uint64_t address)
{
	const struct layout_region *r = layout_at(v, address);
	size_t at, left;

	if (!r || !r->executable)
		return NULL;
	at = (size_t)(address - r->address);
	left = r->n - at;
	if (left >= 4 && r->p[at] == 0xf3 && r->p[at + 1] == 0x0f && r->p[at + 2] == 0x1e) {
		at += 4;
		left -= 4;
	}
	if (left && r->p[at] == 0xf2) {
		at++;
		left--;
	}
	if (left < 6 || r->p[at] != 0xff || (r->p[at + 1] & 0x38) != 0x20)
		return NULL;
	return through(v, r->p[at + 1], r->p + at + 2, r->address + at + 2);
}

static void find_imports(struct uses *u, const struct layout_region *r)
{
	const unsigned char *p = r->p;

	for (size_t i = 0; i + 6 <= r->n; i++) {
		const char *name = NULL;
		uint64_t at = r->address + i;

		if (p[i] == 0xe8 || p[i] == 0xe9)
			name = stub(u->v, at + 5 + (uint64_t)(int64_t)(int32_t)word_at(p + i + 1));
		/* A jump through a slot is a stub, but for Windows' calls at a function's end, which bear a REX prefix. */
		else if (p[i] == 0xff && ((p[i + 1] & 0x38) == 0x10 || ((p[i + 1] & 0x38) == 0x20 && i && p[i - 1] == 0x48)))
			name = through(u->v, p[i + 1], p + i + 2, at + 2);
		if (name)
			add(u, at, name, false);
	}
}

/* ---- system calls ---- */

static bool is_accumulator(unsigned reg)
{
	return reg == X86_REG_RAX || reg == X86_REG_EAX || reg == X86_REG_AX || reg == X86_REG_AL || reg == X86_REG_AH;
}

/* What the instruction leaves in eax: known and its value, or unknown. A pushed constant may come back by "pop". */
struct accumulator { bool known; uint32_t value; bool pushed; uint32_t push; };

static void step(struct uses *u, struct accumulator *a)
{
	const cs_x86 *x = &u->insn->detail->x86;
	const cs_x86_op *to = x->op_count ? &x->operands[0] : NULL, *from = x->op_count > 1 ? &x->operands[1] : NULL;
	cs_regs read, written;
	uint8_t reads, writes;

	if (u->insn->id == X86_INS_PUSH) {
		a->pushed = to && to->type == X86_OP_IMM;
		a->push = a->pushed ? (uint32_t)to->imm : 0;
		return;
	}
	if (u->insn->id == X86_INS_POP && to && to->type == X86_OP_REG && is_accumulator(to->reg)) {
		a->known = a->pushed;
		a->value = a->push;
		a->pushed = false;
		return;
	}
	if (to && to->type == X86_OP_REG && is_accumulator(to->reg) && from) {
		bool low = to->reg == X86_REG_AL;

		if ((u->insn->id == X86_INS_MOV || u->insn->id == X86_INS_MOVABS) && from->type == X86_OP_IMM && to->reg != X86_REG_AH) {
			/* "mov al, n" wants the rest cleared; who writes so has done it. */
			a->value = low ? (uint32_t)(from->imm & 0xff) | (a->known ? a->value & ~0xffu : 0) : (uint32_t)from->imm;
			a->known = true;
			return;
		}
		if ((u->insn->id == X86_INS_XOR || u->insn->id == X86_INS_SUB) && from->type == X86_OP_REG && from->reg == to->reg && !low) {
			a->known = true;
			a->value = 0;
			return;
		}
	}
	if (cs_regs_access(u->cs, u->insn, read, &reads, written, &writes))
		return;
	for (uint8_t i = 0; i < writes; i++)
		if (is_accumulator(written[i]))
			a->known = false;
	if (u->insn->id == X86_INS_CALL || u->insn->id == X86_INS_SYSCALL || u->insn->id == X86_INS_INT)
		a->known = false;
}

/* Decodes from `begin` on; true when that meets `end` exactly and the number is known there. */
static bool number_from(struct uses *u, const struct layout_region *r, size_t begin, size_t end, uint32_t *number)
{
	struct accumulator a = { 0 };
	const uint8_t *p = r->p + begin;
	size_t left = end - begin;
	uint64_t at = r->address + begin;

	while (left && u->work && cs_disasm_iter(u->cs, &p, &left, &at, u->insn)) {
		u->work--;
		step(u, &a);
	}
	*number = a.value;
	return !left && a.known;
}

static void find_syscall(struct uses *u, const struct layout_region *r, size_t at, bool wide)
{
	uint64_t function = layout_function(u->v, r->address + at);
	size_t begin = (size_t)(function - r->address), first = at > USES_BACK ? at - USES_BACK : 0;
	uint32_t number;
	char text[24];

	/* From a function's start decoding is right; elsewhere x86 falls into step within some instructions. */
	if (function >= r->address && begin >= first && begin < at && number_from(u, r, begin, at, &number) && number < 1024)
		goto found;
	for (begin = first; begin < at && u->work; begin++)
		if (number_from(u, r, begin, at, &number) && number < 1024)
			goto found;
	return;
found:
	if (strncmp(uses_syscall(wide, number, text), "syscall_", 8))
		add(u, r->address + at, uses_syscall(wide, number, text), true);
}

static void find_syscalls(struct uses *u, const struct layout_region *r)
{
	for (size_t i = 0; i + 2 <= r->n && u->work; i++) {
		if (r->p[i] == 0x0f && r->p[i + 1] == 0x05 && u->v->bits == 64)
			find_syscall(u, r, i, true);
		else if (r->p[i] == 0xcd && r->p[i + 1] == 0x80)
			find_syscall(u, r, i, false);
	}
}

/* ---- the whole ---- */

static int by_function(const void *a, const void *b)
{
	const struct use *x = a, *y = b;

	return x->function != y->function ? (x->function > y->function ? 1 : -1) : (x->at > y->at) - (x->at < y->at);
}

static void tell(json_t *names, const struct use *use)
{
	char at[24];
	size_t n = strnlen(use->name, 256);

	if (json_object_size(names) >= USES_NAMES)
		return;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)use->name[i] < 0x21 || (unsigned char)use->name[i] > 0x7e)
			return;   /* no linker's name */
	snprintf(at, sizeof at, "%llx", (unsigned long long)use->at);
	if (n && !json_object_getn(names, use->name, n))
		json_object_setn_new(names, use->name, n, json_string(at));
}

static json_t *report(struct uses *u)
{
	json_t *list = json_array(), *o = NULL, *calls = NULL, *numbers = NULL;

	if (u->count)
		qsort(u->use, u->count, sizeof *u->use, by_function);
	for (size_t i = 0; i < u->count; i++) {
		const struct use *use = &u->use[i];

		if (!i || use->function != u->use[i - 1].function) {
			char text[24];

			if (json_array_size(list) >= USES_FUNCTIONS) {
				u->cut = true;
				break;
			}
			o = json_object();
			snprintf(text, sizeof text, "%llx", (unsigned long long)use->function);
			json_object_set_new(o, "function", json_string(text));
			json_object_set_new(o, "calls", calls = json_object());
			json_object_set_new(o, "syscalls", numbers = json_object());
			json_array_append_new(list, o);
		}
		tell(use->syscall ? numbers : calls, use);
	}
	return list;
}

json_t *uses_find(const struct layout *v, bool *cut)
{
	struct uses u = { .v = v, .work = USES_WORK };
	json_t *list;

	*cut = false;
	if (!v->bits || cs_open(CS_ARCH_X86, v->bits == 64 ? CS_MODE_64 : CS_MODE_32, &u.cs) != CS_ERR_OK)
		return json_array();
	cs_option(u.cs, CS_OPT_DETAIL, CS_OPT_ON);
	u.insn = cs_malloc(u.cs);
	for (size_t i = 0; u.insn && i < v->regions; i++) {
		if (!v->region[i].executable)
			continue;
		find_imports(&u, &v->region[i]);
		if (!v->windows)
			find_syscalls(&u, &v->region[i]);
	}
	list = report(&u);
	*cut = u.cut || !u.work;
	free(u.use);
	if (u.insn)
		cs_free(u.insn, 1);
	cs_close(&u.cs);
	return list;
}
