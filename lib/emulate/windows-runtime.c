/* The start of C programs on Windows: tables of initialisers, arguments, and the places where the C library keeps them. */
#include "emulate/windows.h"

#include <string.h>
#include <unicorn/unicorn.h>

#define CODE_AT 0x400u          /* in the page of the stubs */
#define CODE_ROOM 0x40u
enum { CODE_INITTERM, CODE_INITTERM_E, CODES };

/* for (; first < last; first++) if (*first) (*first)(); the second ends at the first that answers other than 0. The program's own
 * functions are called, so it is the program's processor that does it. On x86-64 the stub has put the first argument into r10. */
static const char code_32[CODES][CODE_ROOM] = {
	"\x56\x57\x8b\x74\x24\x0c\x8b\x7c\x24\x10" "\x39\xfe\x73\x0d\x8b\x06\x83\xc6\x04\x85\xc0\x74\xf3\xff\xd0\xeb\xef" "\x31\xc0\x5f\x5e\xc3",
	"\x56\x57\x8b\x74\x24\x0c\x8b\x7c\x24\x10" "\x39\xfe\x73\x11\x8b\x06\x83\xc6\x04\x85\xc0\x74\xf3\xff\xd0\x85\xc0\x75\x04\xeb\xeb" "\x31\xc0\x5f\x5e\xc3",
};
static const char code_64[CODES][CODE_ROOM] = {
	"\x53\x56\x48\x83\xec\x28\x4c\x89\xd3\x48\x89\xd6" "\x48\x39\xf3\x73\x10\x48\x8b\x03\x48\x83\xc3\x08\x48\x85\xc0\x74\xef\xff\xd0\xeb\xeb"
		"\x31\xc0\x48\x83\xc4\x28\x5e\x5b\xc3",
	"\x53\x56\x48\x83\xec\x28\x4c\x89\xd3\x48\x89\xd6" "\x48\x39\xf3\x73\x14\x48\x8b\x03\x48\x83\xc3\x08\x48\x85\xc0\x74\xef\xff\xd0\x85\xc0\x75\x04\xeb\xe7"
		"\x31\xc0\x48\x83\xc4\x28\x5e\x5b\xc3",
};

void windows_runtime(struct windows *w)
{
	machine_write(w->m, w->stub + CODE_AT, w->width == 8 ? code_64 : code_32, sizeof code_32);
}

static uint64_t go(struct windows *w, unsigned code)
{
	machine_set_pc(w->m, w->stub + CODE_AT + CODE_ROOM * code);
	w->moved = true;
	return 0;
}

static uint64_t initterm(struct windows *w, const uint64_t *a) { (void)a; return go(w, CODE_INITTERM); }
static uint64_t initterm_e(struct windows *w, const uint64_t *a) { (void)a; return go(w, CODE_INITTERM_E); }

static uint64_t zero(struct windows *w, const uint64_t *a) { (void)w; (void)a; return 0; }
static uint64_t first(struct windows *w, const uint64_t *a) { (void)w; return a[0]; }

/* The vector of arguments: one, the program's own name. */
static uint64_t arguments(struct windows *w, unsigned width)
{
	uint64_t *kept = width == 1 ? &w->argv_a : &w->argv_w;

	if (!*kept) {
		*kept = windows_alloc(w, 4 * w->width);
		machine_put_number(w->m, *kept, windows_string(w, WINDOWS_SAMPLE, width), w->width);
	}
	return *kept;
}

static uint64_t main_args(struct windows *w, const uint64_t *a, unsigned width)
{
	uint64_t empty = windows_alloc(w, 2 * w->width);

	machine_put_number(w->m, a[0], 1, 4);
	machine_put_number(w->m, a[1], arguments(w, width), w->width);
	machine_put_number(w->m, a[2], empty, w->width);
	return 0;
}

static uint64_t main_args_a(struct windows *w, const uint64_t *a) { return main_args(w, a, 1); }
static uint64_t main_args_w(struct windows *w, const uint64_t *a) { return main_args(w, a, 2); }

/* What a C program calls to learn where its library keeps a datum. */
#define KEPT(fn, name) static uint64_t fn(struct windows *w, const uint64_t *a) { (void)a; return windows_data(w, name); }
KEPT(p_acmdln, "_acmdln")
KEPT(p_wcmdln, "_wcmdln")
KEPT(p_fmode, "_fmode")
KEPT(p_commode, "_commode")
KEPT(p_environ, "_environ")
KEPT(p_wenviron, "_wenviron")
KEPT(p_initenv, "__initenv")
KEPT(p_winitenv, "__winitenv")
KEPT(p_iob, "_iob")
KEPT(p_pgmptr, "_pgmptr")
KEPT(p_argc, "__argc")
KEPT(p_mb_cur_max, "__mb_cur_max")
KEPT(p_pctype, "_pctype")
KEPT(p_osver, "_osver")
KEPT(p_winver, "_winver")
KEPT(p_errno, "errno")
KEPT(p_doserrno, "_doserrno")

static uint64_t p_argv(struct windows *w, const uint64_t *a)
{
	uint64_t at = windows_data(w, "__argv");

	(void)a;
	machine_put_number(w->m, at, arguments(w, 1), w->width);
	return at;
}

static uint64_t p_wargv(struct windows *w, const uint64_t *a)
{
	uint64_t at = windows_data(w, "__wargv");

	(void)a;
	machine_put_number(w->m, at, arguments(w, 2), w->width);
	return at;
}

/* FILE number n: 32 bytes each on 32-bit machines, 48 on others. */
static uint64_t acrt_iob(struct windows *w, const uint64_t *a)
{
	return windows_data(w, "_iob") + (a[0] & 3) * (w->width == 8 ? 48 : 32);
}

static uint64_t number_at(struct windows *w, uint64_t at, uint64_t v)
{
	machine_put_number(w->m, at, v, 4);
	return 0;
}

static uint64_t get_fmode(struct windows *w, const uint64_t *a) { return number_at(w, a[0], 0x4000); }
static uint64_t narrow_environment(struct windows *w, const uint64_t *a) { (void)a; return machine_number(w->m, windows_data(w, "_environ"), w->width); }
static uint64_t command_text(struct windows *w, const uint64_t *a) { (void)a; return w->command_a; }
static uint64_t command_wide(struct windows *w, const uint64_t *a) { (void)a; return w->command_w; }

const struct windows_entry windows_runtime_table[] = {
	{ "_initterm", initterm }, { "_initterm_e", initterm_e }, { "__getmainargs", main_args_a }, { "__wgetmainargs", main_args_w },
	{ "__p__acmdln", p_acmdln }, { "__p__wcmdln", p_wcmdln }, { "__p__fmode", p_fmode }, { "__p__commode", p_commode },
	{ "__p__environ", p_environ }, { "__p__wenviron", p_wenviron }, { "__p___initenv", p_initenv }, { "__p___winitenv", p_winitenv },
	{ "__p__iob", p_iob }, { "__iob_func", p_iob }, { "__p__pgmptr", p_pgmptr }, { "__p___argc", p_argc }, { "__p___argv", p_argv },
	{ "__p___wargv", p_wargv }, { "__p___mb_cur_max", p_mb_cur_max }, { "__p__pctype", p_pctype }, { "__p__osver", p_osver },
	{ "__p__winver", p_winver }, { "__acrt_iob_func", acrt_iob }, { "_get_fmode", get_fmode },
	{ "_get_initial_narrow_environment", narrow_environment }, { "_get_narrow_winmain_command_line", command_text },
	{ "_get_wide_winmain_command_line", command_wide }, { "_set_app_type", zero }, { "_configure_narrow_argv", zero },
	{ "_initialize_narrow_environment", zero }, { "_configthreadlocale", zero }, { "_crt_atexit", zero }, { "_register_onexit_function", zero },
	{ "_initialize_onexit_table", zero }, { "_set_new_mode", zero }, { "_set_fmode", zero }, { "__set_app_type", zero }, { "_controlfp", zero },
	{ "_controlfp_s", zero }, { "__setusermatherr", zero }, { "_onexit", first }, { "__dllonexit", first }, { "atexit", zero }, { "_cexit", zero },
	{ "_errno", p_errno }, { "__doserrno", p_doserrno }, { "_lock", zero }, { "_unlock", zero },
	{ NULL, NULL },
};
