/* Windows' functions for processes, threads, time, exceptions and the environment. */
#include "emulate/windows.h"

#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

#define INSTRUCTIONS_A_MS 2000000u        /* a machine of some years ago */
#define START_1601 UINT64_C(133500000000000000)   /* a day in January 2024, in 100 ns since 1601 */
#define CURRENT_PROCESS UINT64_MAX
#define CURRENT_THREAD (UINT64_MAX - 1)
#define PROCESS_ID 0x0d4c
#define THREAD_ID 0x0d50

static uint64_t milliseconds(const struct windows *w)
{
	return 0x5265c00 + w->ticks + w->m->instructions / INSTRUCTIONS_A_MS;   /* up for a day */
}

static uint64_t one(struct windows *w, const uint64_t *a) { (void)w; (void)a; return 1; }
static uint64_t zero(struct windows *w, const uint64_t *a) { (void)w; (void)a; return 0; }
static uint64_t first(struct windows *w, const uint64_t *a) { (void)w; return a[0]; }

/* ---- the end, and threads ---- */

static uint64_t exit_process(struct windows *w, const uint64_t *a)
{
	(void)a;
	w->exited = true;
	w->m->out->end = "exit";
	w->moved = true;
	return 0;
}

static uint64_t terminate_process(struct windows *w, const uint64_t *a)
{
	return (uint32_t)a[0] == UINT32_MAX ? exit_process(w, a) : 1;
}

/* The thread runs at once and to its end, as a call: what waits for it finds it done. */
static uint64_t start_thread(struct windows *w, uint64_t entry, uint64_t parameter)
{
	struct machine *m = w->m;
	uint64_t handle = windows_handle_new(w, HANDLE_THREAD, NULL);

	if (w->threads >= WINDOWS_THREADS || !machine_region_at(m, entry))
		return handle;
	uc_context_alloc(m->uc, (uc_context **)(void *)&w->thread[w->threads]);
	uc_context_save(m->uc, w->thread[w->threads]);
	w->thread_handle[w->threads++] = handle;
	machine_set_sp(m, (machine_sp(m) - 0x1000) & ~(uint64_t)15);
	if (w->width == 8) {
		machine_set(m, UC_X86_REG_RCX, parameter);
		machine_set_sp(m, machine_sp(m) - 32);
	} else {
		machine_push(m, parameter);
	}
	machine_push(m, w->stub + 16 * STUB_THREAD);
	machine_set_pc(m, entry);
	w->moved = true;
	return handle;
}

void windows_thread_end(struct windows *w)
{
	uc_context *c;

	if (!w->threads) {
		exit_process(w, NULL);
		return;
	}
	c = w->thread[--w->threads];
	uc_context_restore(w->m->uc, c);
	uc_context_free(c);
	machine_set(w->m, w->width == 8 ? UC_X86_REG_RAX : UC_X86_REG_EAX, w->thread_handle[w->threads]);
	w->moved = true;
}

static uint64_t exit_thread(struct windows *w, const uint64_t *a)
{
	(void)a;
	windows_thread_end(w);
	return 0;
}

static uint64_t create_thread(struct windows *w, const uint64_t *a)
{
	return start_thread(w, a[2], a[3]);
}

static uint64_t remote_thread(struct windows *w, const uint64_t *a)
{
	windows_finding(w, "other-process", "it starts a thread in another process");
	(void)a;
	return windows_handle_new(w, HANDLE_THREAD, NULL);
}

static uint64_t current_process(struct windows *w, const uint64_t *a) { (void)a; return w->width == 8 ? CURRENT_PROCESS : UINT32_MAX; }
static uint64_t current_thread(struct windows *w, const uint64_t *a) { (void)a; return w->width == 8 ? CURRENT_THREAD : UINT32_MAX - 1; }
static uint64_t process_id(struct windows *w, const uint64_t *a) { (void)w; (void)a; return PROCESS_ID; }
static uint64_t thread_id(struct windows *w, const uint64_t *a) { (void)w; (void)a; return THREAD_ID; }

/* ---- errors and exceptions ---- */

static uint64_t get_error(struct windows *w, const uint64_t *a) { (void)a; return w->last_error; }
static uint64_t set_error(struct windows *w, const uint64_t *a) { w->last_error = (uint32_t)a[0]; return 0; }

static uint64_t set_filter(struct windows *w, const uint64_t *a)
{
	uint64_t old = w->filter;

	w->filter = a[0];
	return old;
}

static uint64_t add_handler(struct windows *w, const uint64_t *a)
{
	size_t max = sizeof w->handler / sizeof *w->handler;

	if (w->handlers == max)
		return 0;
	if (a[0]) {
		memmove(w->handler + 1, w->handler, w->handlers * sizeof *w->handler);
		w->handler[0] = a[1];
	} else {
		w->handler[w->handlers] = a[1];
	}
	w->handlers++;
	return a[1];
}

static uint64_t remove_handler(struct windows *w, const uint64_t *a)
{
	for (size_t i = 0; i < w->handlers; i++) {
		if (w->handler[i] != a[0])
			continue;
		memmove(w->handler + i, w->handler + i + 1, (w->handlers - i - 1) * sizeof *w->handler);
		w->handlers--;
		return 1;
	}
	return 0;
}

/* As if the call had just returned: its arguments are off the stack. */
static uint64_t raise_exception(struct windows *w, const uint64_t *a)
{
	uint64_t information[15], sp = machine_sp(w->m);
	unsigned n = a[2] < 15 ? (unsigned)a[2] : 15;

	for (unsigned i = 0; i < n; i++)
		information[i] = a[3] ? machine_number(w->m, a[3] + w->width * i, w->width) : 0;
	machine_set_pc(w->m, machine_number(w->m, sp, w->width));
	machine_set_sp(w->m, sp + (w->width == 8 ? 8 : 20));
	windows_raise(w, (uint32_t)a[0], n, information);
	w->moved = true;
	return 0;
}

/* Handlers above the target frame are not called: what they would clean up, nobody misses here. */
static uint64_t unwind(struct windows *w, const uint64_t *a)
{
	if (w->width == 4 && a[0])
		machine_put_number(w->m, w->teb, a[0], 4);
	if (w->width == 4)
		return a[3];
	return 0;
}

static uint64_t go_on(struct windows *w, const uint64_t *a)
{
	windows_continue(w, a[0]);
	w->moved = true;
	return 0;
}

static uint64_t debugger_present(struct windows *w, const uint64_t *a)
{
	(void)a;
	windows_finding(w, "anti-debugger", "it asks whether it is being debugged");
	return 0;
}

static uint64_t remote_debugger(struct windows *w, const uint64_t *a)
{
	windows_finding(w, "anti-debugger", "it asks whether it is being debugged");
	machine_put_number(w->m, a[1], 0, 4);
	return 1;
}

static uint64_t query_process(struct windows *w, const uint64_t *a)
{
	unsigned n = a[3] < 48 ? (unsigned)a[3] : 48;

	if (a[1] == 7 || a[1] == 0x1e || a[1] == 0x1f)
		windows_finding(w, "anti-debugger", "it asks the kernel for a debugger's port");
	for (unsigned i = 0; i < n; i++)
		machine_put_number(w->m, a[2] + i, 0, 1);
	if (a[1] == 0)
		machine_put_number(w->m, a[2] + w->width, w->peb, w->width);
	if (a[1] == 0x1f)
		machine_put_number(w->m, a[2], 1, 4);
	if (a[1] == 0x1e)
		return 0xc0000353;   /* there is no debug object */
	return 0;
}

/* ---- time ---- */

static uint64_t tick_count(struct windows *w, const uint64_t *a) { (void)a; return w->width == 8 ? milliseconds(w) : (uint32_t)milliseconds(w); }

static uint64_t nap(struct windows *w, const uint64_t *a)
{
	if (a[0] >= 60000)
		windows_finding(w, "long-sleep", "it sleeps %llu seconds", (unsigned long long)a[0] / 1000);
	w->ticks += a[0] == UINT32_MAX ? 86400000 : a[0];
	return 0;
}

static uint64_t file_time(struct windows *w, const uint64_t *a)
{
	machine_put_number(w->m, a[0], START_1601 + 10000 * milliseconds(w), 8);
	return 0;
}

static uint64_t system_time(struct windows *w, const uint64_t *a)
{
	uint64_t s = milliseconds(w) / 1000;
	const uint64_t field[8] = { 2024, 1, 3, 17, s / 3600 % 24, s / 60 % 60, s % 60, milliseconds(w) % 1000 };

	for (unsigned i = 0; i < 8; i++)
		machine_put_number(w->m, a[0] + 2 * i, field[i], 2);
	return 0;
}

static uint64_t counter(struct windows *w, const uint64_t *a)
{
	machine_put_number(w->m, a[0], 10000 * milliseconds(w) + w->m->instructions / 200, 8);
	return 1;
}

static uint64_t frequency(struct windows *w, const uint64_t *a) { machine_put_number(w->m, a[0], 10000000, 8); return 1; }
static uint64_t c_time(struct windows *w, const uint64_t *a)
{
	uint64_t t = 1705500000 + milliseconds(w) / 1000;

	if (a[0])
		machine_put_number(w->m, a[0], t, 4);
	return t;
}

/* ---- the machine and the environment ---- */

static uint64_t version(struct windows *w, const uint64_t *a) { (void)w; (void)a; return 0x1db10106; }

static uint64_t version_ex(struct windows *w, const uint64_t *a)
{
	const uint64_t field[4] = { 6, 1, 7601, 2 };

	for (unsigned i = 0; i < 4; i++)
		machine_put_number(w->m, a[0] + 4 + 4 * i, field[i], 4);
	return 1;
}

static uint64_t rtl_version(struct windows *w, const uint64_t *a)
{
	version_ex(w, a);
	return 0;
}

static uint64_t system_info(struct windows *w, const uint64_t *a)
{
	unsigned n = w->width;

	machine_put_number(w->m, a[0], n == 8 ? 9 : 0, 4);
	machine_put_number(w->m, a[0] + 4, MACHINE_PAGE, 4);
	machine_put_number(w->m, a[0] + 8, 0x10000, n);
	machine_put_number(w->m, a[0] + 8 + n, 0x7ffeffff, n);
	machine_put_number(w->m, a[0] + 8 + 2 * n, 3, n);
	machine_put_number(w->m, a[0] + 8 + 3 * n, 2, 4);
	machine_put_number(w->m, a[0] + 12 + 3 * n, 586, 4);
	machine_put_number(w->m, a[0] + 16 + 3 * n, 0x10000, 4);
	return 0;
}

static uint64_t memory_status(struct windows *w, const uint64_t *a)
{
	machine_put_number(w->m, a[0] + 4, 40, 4);
	machine_put_number(w->m, a[0] + 8, UINT64_C(8) << 30, 8);
	machine_put_number(w->m, a[0] + 16, UINT64_C(5) << 30, 8);
	return 1;
}

static uint64_t command_line_a(struct windows *w, const uint64_t *a) { (void)a; return w->command_a; }
static uint64_t command_line_w(struct windows *w, const uint64_t *a) { (void)a; return w->command_w; }

static uint64_t startup_info(struct windows *w, const uint64_t *a)
{
	unsigned size = w->width == 8 ? 104 : 68;

	for (unsigned i = 0; i < size; i += 4)
		machine_put_number(w->m, a[0] + i, 0, 4);
	machine_put_number(w->m, a[0], size, 4);
	return 0;
}

static uint64_t tls_alloc(struct windows *w, const uint64_t *a) { (void)a; return w->tls_count < 64 ? w->tls_count++ : UINT32_MAX; }
static uint64_t tls_get(struct windows *w, const uint64_t *a) { w->last_error = 0; return a[0] < 64 ? w->tls[a[0]] : 0; }
static uint64_t tls_set(struct windows *w, const uint64_t *a)
{
	if (a[0] >= 64)
		return 0;
	w->tls[a[0]] = a[1];
	return 1;
}

static uint64_t wait_for(struct windows *w, const uint64_t *a)
{
	if ((uint32_t)a[1] != UINT32_MAX)
		w->ticks += (uint32_t)a[1] / 2;
	return 0;
}

static uint64_t chance(struct windows *w, const uint64_t *a)
{
	(void)a;
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random & 0x7fff;
}

static uint64_t interlocked_add(struct windows *w, const uint64_t *a, int n)
{
	uint64_t v = machine_number(w->m, a[0], 4) + (uint64_t)(int64_t)n;

	machine_put_number(w->m, a[0], v, 4);
	return (uint32_t)v;
}

static uint64_t interlocked_up(struct windows *w, const uint64_t *a) { return interlocked_add(w, a, 1); }
static uint64_t interlocked_down(struct windows *w, const uint64_t *a) { return interlocked_add(w, a, -1); }

static uint64_t interlocked_set(struct windows *w, const uint64_t *a)
{
	uint64_t old = machine_number(w->m, a[0], 4);

	machine_put_number(w->m, a[0], a[1], 4);
	return old;
}

static uint64_t interlocked_compare(struct windows *w, const uint64_t *a)
{
	uint64_t old = machine_number(w->m, a[0], 4);

	if ((uint32_t)old == (uint32_t)a[2])
		machine_put_number(w->m, a[0], a[1], 4);
	return old;
}

static uint64_t get_context(struct windows *w, const uint64_t *a)
{
	windows_finding(w, "debug-registers", "it reads the context of a thread");
	windows_context(w, a[1]);
	return 1;
}

const struct windows_entry windows_system_table[] = {
	{ "ExitProcess", exit_process }, { "exit", exit_process }, { "_exit", exit_process }, { "abort", exit_process }, { "_amsg_exit", exit_process },
	{ "RtlExitUserProcess", exit_process }, { "TerminateProcess", terminate_process }, { "NtTerminateProcess", terminate_process },
	{ "FatalExit", exit_process }, { "FatalAppExitA", exit_process }, { "ExitThread", exit_thread }, { "_endthreadex", exit_thread },
	{ "CreateThread", create_thread }, { "_beginthreadex", create_thread }, { "CreateRemoteThread", remote_thread },
	{ "GetCurrentProcess", current_process }, { "GetCurrentThread", current_thread }, { "GetCurrentProcessId", process_id },
	{ "GetCurrentThreadId", thread_id }, { "GetLastError", get_error }, { "RtlGetLastWin32Error", get_error }, { "SetLastError", set_error },
	{ "SetUnhandledExceptionFilter", set_filter }, { "UnhandledExceptionFilter", zero }, { "AddVectoredExceptionHandler", add_handler },
	{ "RtlAddVectoredExceptionHandler", add_handler }, { "RemoveVectoredExceptionHandler", remove_handler },
	{ "RaiseException", raise_exception }, { "RtlUnwind", unwind }, { "NtContinue", go_on }, { "ZwContinue", go_on },
	{ "IsDebuggerPresent", debugger_present }, { "CheckRemoteDebuggerPresent", remote_debugger },
	{ "NtQueryInformationProcess", query_process }, { "ZwQueryInformationProcess", query_process }, { "OutputDebugStringA", zero },
	{ "OutputDebugStringW", zero }, { "GetTickCount", tick_count }, { "GetTickCount64", tick_count }, { "timeGetTime", tick_count },
	{ "Sleep", nap }, { "SleepEx", nap }, { "GetSystemTimeAsFileTime", file_time }, { "GetSystemTime", system_time },
	{ "GetLocalTime", system_time }, { "QueryPerformanceCounter", counter }, { "QueryPerformanceFrequency", frequency }, { "time", c_time },
	{ "_time32", c_time }, { "GetVersion", version }, { "GetVersionExA", version_ex }, { "GetVersionExW", version_ex },
	{ "RtlGetVersion", rtl_version }, { "GetSystemInfo", system_info }, { "GetNativeSystemInfo", system_info },
	{ "GlobalMemoryStatusEx", memory_status }, { "GetCommandLineA", command_line_a }, { "GetCommandLineW", command_line_w },
	{ "GetStartupInfoA", startup_info }, { "GetStartupInfoW", startup_info }, { "TlsAlloc", tls_alloc }, { "TlsGetValue", tls_get },
	{ "TlsSetValue", tls_set }, { "TlsFree", one }, { "FlsAlloc", tls_alloc }, { "FlsGetValue", tls_get }, { "FlsSetValue", tls_set },
	{ "FlsFree", one }, { "WaitForSingleObject", wait_for }, { "WaitForSingleObjectEx", wait_for }, { "rand", chance }, { "srand", zero },
	{ "InterlockedIncrement", interlocked_up }, { "InterlockedDecrement", interlocked_down }, { "InterlockedExchange", interlocked_set },
	{ "InterlockedCompareExchange", interlocked_compare }, { "EncodePointer", first }, { "DecodePointer", first },
	{ "RtlEncodePointer", first }, { "RtlDecodePointer", first }, { "GetThreadContext", get_context }, { "SetErrorMode", zero },
	{ "BlockInput", one },
	{ NULL, NULL },
};
