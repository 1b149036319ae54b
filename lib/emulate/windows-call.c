/* Calls of Windows' functions: who is called, with what, and what it answers. */
#include "emulate/windows.h"

#include <string.h>
#include <unicorn/unicorn.h>

#define TEXT_SHOWN 256u

windows_fn *windows_model(const char *name, size_t length)
{
	static const struct windows_entry *const tables[] = { windows_memory_table, windows_module_table, windows_system_table, windows_file_table,
		windows_text_table, windows_unwind_table, windows_runtime_table };

	for (size_t t = 0; t < sizeof tables / sizeof(struct windows_entry *); t++)
		for (const struct windows_entry *i = tables[t]; i->name; i++)
			if (strlen(i->name) == length && !memcmp(i->name, name, length))
				return i->fn;
	return NULL;
}

static void arguments(struct windows *w, uint64_t a[WINDOWS_ARGS])
{
	struct machine *m = w->m;
	uint64_t sp = machine_sp(m) + w->width;
	static const int fast[] = { UC_X86_REG_R10, UC_X86_REG_RDX, UC_X86_REG_R8, UC_X86_REG_R9 };

	for (unsigned i = 0; i < WINDOWS_ARGS; i++)
		a[i] = w->width == 8 && i < 4 ? machine_reg(m, fast[i]) : machine_number(m, sp + w->width * i, w->width);
}

/* Text of at least four characters that can be read, in either width. */
static bool readable(struct windows *w, uint64_t at, struct buf *text)
{
	for (unsigned width = 1; width <= 2; width++) {
		size_t n = 0;

		buf_clear(text);
		if (at < 0x10000 || !machine_text(w->m, at, width, TEXT_SHOWN, text))
			return false;
		for (size_t i = 0; i < text->len; i++)
			n += (text->p[i] >= 0x20 && text->p[i] < 0x7f) || text->p[i] == '\n' || text->p[i] == '\t' || text->p[i] == '\r';
		if (n >= 4 && n == text->len)
			return true;
	}
	return false;
}

static json_t *argument(struct windows *w, uint64_t v)
{
	struct buf text = { 0 };
	char hex[24];
	json_t *j;

	snprintf(hex, sizeof hex, "0x%llx", (unsigned long long)v);
	j = readable(w, v, &text) ? jsonio_bytes(text.p, text.len) : json_string(hex);
	buf_free(&text);
	return j;
}

static json_t *tell(struct windows *w, const struct windows_function *f, const uint64_t *a)
{
	struct emulation *o = w->m->out;
	unsigned count = w->width == 8 ? (f->bytes ? f->bytes / 4 : 4) : f->bytes ? f->bytes / 4 : 2;
	json_t *call, *args;
	char name[128], from[24];

	if (o->call_count++ >= w->m->l.calls)
		return NULL;
	call = json_object();
	args = json_array();
	snprintf(from, sizeof from, "%llx", (unsigned long long)machine_number(w->m, machine_sp(w->m), w->width));
	json_object_set_new(call, "call", json_string(windows_function_name(f, name)));
	for (unsigned i = 0; i < count && i < WINDOWS_ARGS; i++)
		json_array_append_new(args, argument(w, a[i]));
	json_object_set_new(call, "args", args);
	json_object_set_new(call, "from", json_string(from));
	json_array_append_new(o->calls, call);
	return call;
}

/* Of a function that is not modelled, what its kind answers when all is well. */
static uint64_t usual_answer(struct windows *w, const struct windows_function *f)
{
	static const struct { const char *begin; uint64_t answer; } kinds[] = {
		{ "Nt", 0 }, { "Zw", 0 }, { "Rtl", 0 }, { "Is", 0 }, { "RegOpen", 2 }, { "RegQuery", 2 }, { "RegEnum", 259 }, { "Reg", 0 },
		{ "WSA", 0 }, { "Co", 0 }, { "_", 0 }, { "signal", 0 }, { "InitializeCriticalSection", 1 }, { "f", 0 }, { "v", 0 },
	};
	char name[128];

	windows_function_name(f, name);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (!strncmp(name, kinds[i].begin, strlen(kinds[i].begin)))
			return kinds[i].answer;
	if (!strncmp(name, "Create", 6) || !strncmp(name, "Open", 4))
		return windows_handle_new(w, HANDLE_OBJECT, NULL);
	return 1;
}

void windows_call(struct windows *w, uint64_t id)
{
	struct windows_function *f = windows_function(w, id);
	uint64_t a[WINDOWS_ARGS], result;
	char hex[24];
	json_t *told;

	if (!f) {
		windows_raise(w, (uint32_t)EXCEPTION_ACCESS, 2, (uint64_t[]){ 0, UINT32_MAX });
		return;
	}
	arguments(w, a);
	told = tell(w, f, a);
	if (told)
		json_object_set_new(told, "result", json_null());
	result = f->fn ? f->fn(w, a) : usual_answer(w, f);
	if (told) {
		snprintf(hex, sizeof hex, "0x%llx", (unsigned long long)result);
		json_object_set_new(told, "result", json_string(hex));
	}
	if (!w->moved)
		machine_set(w->m, w->width == 8 ? UC_X86_REG_RAX : UC_X86_REG_EAX, result);
	w->moved = false;
}
