/* System calls: which, with what, and what it answers. */
#include "emulate/linux.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

#define NUMBERS 512u
#define TEXT_SHOWN 256u

static const struct linux_entry *const tables[] = { linux_file_table, linux_memory_table, linux_process_table, linux_net_table, NULL };

/* "d" a number, "x" hexadecimal, "p" an address, "s" a string, "t" text whose length is the next argument. */
static json_t *argument(struct linux_process *l, char kind, uint64_t v, uint64_t next)
{
	struct buf text = { 0 };
	unsigned char bytes[TEXT_SHOWN];
	char number[32];
	json_t *j = NULL;

	if (kind == 's' && machine_text(l->m, v, 1, TEXT_SHOWN, &text))
		j = jsonio_bytes(text.p ? (const char *)text.p : "", text.len);
	if (kind == 't') {
		size_t n = next < TEXT_SHOWN ? (size_t)next : TEXT_SHOWN;

		if (machine_read(l->m, v, bytes, n) && !memchr(bytes, 0, n))
			j = jsonio_bytes(bytes, n);
	}
	if (!j) {
		if (kind == 'd')
			snprintf(number, sizeof number, "%d", (int)v);
		else
			snprintf(number, sizeof number, "0x%llx", (unsigned long long)v);
		j = json_string(number);
	}
	buf_free(&text);
	return j;
}

static json_t *tell(struct linux_process *l, const char *name, const char *kinds, const uint64_t *a)
{
	struct emulation *o = l->m->out;
	json_t *call, *args;
	char from[24];

	if (l->m->elsewhere || l->m->loading || o->call_count++ >= l->m->l.calls)
		return NULL;
	call = json_object();
	args = json_array();
	snprintf(from, sizeof from, "%llx", (unsigned long long)l->m->pc);
	for (size_t i = 0; i < 6 && kinds[i]; i++)
		json_array_append_new(args, argument(l, kinds[i], a[i], i < 5 ? a[i + 1] : 0));
	json_object_set_new(call, "call", json_string(name));
	json_object_set_new(call, "args", args);
	json_object_set_new(call, "result", json_null());
	json_object_set_new(call, "from", json_string(from));
	json_array_append_new(o->calls, call);
	return call;
}

static const struct linux_entry *find(const struct linux_process *l, uint64_t number, bool by_interrupt)
{
	bool wide = l->width == 8 && !by_interrupt;

	for (size_t t = 0; tables[t]; t++)
		for (const struct linux_entry *i = tables[t]; i->name; i++)
			if ((wide ? i->number_64 : i->number_32) == (short)number)
				return i;
	return NULL;
}

void linux_call(struct linux_process *l, bool by_interrupt)
{
	static const int r64[] = { UC_X86_REG_RDI, UC_X86_REG_RSI, UC_X86_REG_RDX, UC_X86_REG_R10, UC_X86_REG_R8, UC_X86_REG_R9 };
	static const int r32[] = { UC_X86_REG_EBX, UC_X86_REG_ECX, UC_X86_REG_EDX, UC_X86_REG_ESI, UC_X86_REG_EDI, UC_X86_REG_EBP };
	bool wide = l->width == 8;
	const int *r = wide && !by_interrupt ? r64 : r32;
	uint64_t number = machine_reg(l->m, wide ? UC_X86_REG_RAX : UC_X86_REG_EAX), a[6];
	const struct linux_entry *i = number < NUMBERS ? find(l, number, by_interrupt) : NULL;
	char name[32];
	int64_t result;
	json_t *told;

	for (unsigned k = 0; k < 6; k++)
		a[k] = machine_reg(l->m, r[k]);
	snprintf(name, sizeof name, "syscall_%llu", (unsigned long long)number);
	told = tell(l, i ? i->name : name, i ? i->args : "xxxxxx", a);
	result = i ? i->fn(l, a) : -ENOSYS;
	if (told) {
		char text[32];

		if (result < 0 && result > -4096)
			snprintf(text, sizeof text, "%d", (int)result);
		else
			snprintf(text, sizeof text, "0x%llx", (unsigned long long)(wide ? (uint64_t)result : (uint32_t)result));
		json_object_set_new(told, "result", json_string(text));
	}
	if (!l->moved) {
		machine_set(l->m, wide ? UC_X86_REG_RAX : UC_X86_REG_EAX, wide ? (uint64_t)result : (uint32_t)result);
		if (wide && !by_interrupt) {
			machine_set(l->m, UC_X86_REG_RCX, machine_pc(l->m));
			machine_set(l->m, UC_X86_REG_R11, machine_reg(l->m, UC_X86_REG_EFLAGS));
		}
	}
	l->moved = false;
}
