/* The model of Windows: what windows-*.c share. Functions stand under the name of the .c file that defines them. */
#ifndef EMULATE_WINDOWS_H
#define EMULATE_WINDOWS_H

#include "code/pe.h"
#include "emulate/machine.h"

#define WINDOWS_ARGS 12u          /* of a call, that are looked at */
#define WINDOWS_LIBRARIES 128u
#define WINDOWS_THREADS 16u
#define WINDOWS_SAMPLE "C:\\Users\\Anna\\Downloads\\setup.exe"
#define WINDOWS_GUARDED 2u         /* tag of regions with guard pages */
#define WINDOWS_MODULE_PATH "C:\\Windows\\System32\\"

/* Where things stand: as in a 32-bit process of Windows XP to 7, so that programs which know such addresses go on. */
#define WINDOWS_STACK_TOP 0x00130000u
#define WINDOWS_STACK_SIZE 0x00100000u
#define WINDOWS_HEAP 0x00140000u
#define WINDOWS_PEB 0x7ffdf000u
#define WINDOWS_TEB 0x7ffde000u
#define WINDOWS_SHARED 0x7ffe0000u   /* KUSER_SHARED_DATA */

struct windows;
typedef uint64_t windows_fn(struct windows *w, const uint64_t *a);

struct windows_function {
	const char *name;          /* in the table of exports */
	uint32_t name_length;
	uint16_t bytes;            /* of arguments that it takes off the stack (32-bit) */
	uint16_t ordinal;          /* 0: none given */
	windows_fn *fn;            /* NULL: not modelled: told, and answered with 0 */
	uint64_t address;
};

struct windows_library {
	char name[64];             /* lower case, with its ending */
	uint64_t base, size;
	uint64_t entry;            /* of the loader's list, LDR_DATA_TABLE_ENTRY */
	uint32_t first, count;     /* of its functions, ordered by name */
};

struct windows_handle { unsigned kind; uint64_t at; struct buf data; char *name; bool written; };
enum { HANDLE_FREE, HANDLE_FILE, HANDLE_MAPPING, HANDLE_PROCESS, HANDLE_THREAD, HANDLE_OBJECT, HANDLE_KEY, HANDLE_FIND, HANDLE_SOCKET };

struct windows {
	struct machine *m;
	const struct pe *f;
	unsigned width;            /* of a pointer */
	const char *exports; size_t exports_size;      /* rules/windows/exports.txt */

	struct windows_function *function; size_t functions, function_room;
	struct windows_library library[WINDOWS_LIBRARIES]; size_t libraries;
	uint64_t next_library;
	uint64_t unknown_at; unsigned unknowns;        /* functions that the table does not list */
	uint64_t data[32];         /* exports that are no functions */
	char **name; size_t names; /* kept for them */

	uint64_t base, entry;
	uint64_t peb, teb, loader; /* loader: PEB_LDR_DATA */
	uint64_t process_heap, heap_at, heap_end;
	uint64_t command_a, command_w, environment_a, environment_w, argv_a, argv_w;
	uint64_t stub;             /* of the returns that are ours */

	uint64_t handler[32]; size_t handlers;         /* vectored */
	struct windows_table { uint64_t at, count, base; } table[32]; size_t tables;   /* of functions, that the program added */
	uint64_t filter;           /* of unhandled exceptions */
	uint64_t debug[8];         /* registers */
	unsigned exceptions;

	uint64_t *callback; size_t callbacks, callback_next;   /* before the entry point: of thread-local storage */
	struct windows_handle handle[256]; size_t handle_count;
	struct windows_handle file[32]; size_t file_count;   /* what it wrote and closed */
	uint64_t tls[64]; unsigned tls_count;
	void *thread[WINDOWS_THREADS]; uint64_t thread_handle[WINDOWS_THREADS]; unsigned threads;   /* those that wait for one they started */
	uint32_t last_error;
	uint64_t ticks;            /* milliseconds that passed in sleeps */
	uint64_t random;
	bool exited;
	bool moved;                /* the function called went elsewhere: there is no result to give */
};

/* ---- windows.c ---- */

/* The whole run. */
int windows_run(struct machine *m, const struct pe *f, const char *exports, size_t exports_size, struct err *e);
char *windows_name(struct windows *w, const char *s);       /* a copy that lives as long as w */
void windows_finding(struct windows *w, const char *name, const char *fmt, ...) PRINTF(3, 4);

/* ---- windows-load.c: image, stack, process and thread blocks ---- */

int windows_load(struct windows *w, struct err *e);
/* Enters the next of the callbacks and then the entry point. */
void windows_enter(struct windows *w);

/* ---- windows-library.c: the libraries, as images with export tables that can be walked ---- */

/* By its name, with or without folder and ending; loaded when it is not yet. NULL: Windows has no such library. */
struct windows_library *windows_library(struct windows *w, const char *name, bool load);
struct windows_library *windows_library_at(struct windows *w, uint64_t address);
/* The address of a function, by name, or (NULL) by ordinal; 0: there is none. */
uint64_t windows_bind(struct windows *w, struct windows_library *l, const char *name, unsigned ordinal);
uint64_t windows_export(struct windows *w, struct windows_library *l, const char *name, unsigned ordinal);
struct windows_function *windows_function(struct windows *w, uint64_t id);
const char *windows_function_name(const struct windows_function *f, char out[128]);
/* Puts a module into the three lists of the loader; the address of its entry. */
uint64_t windows_list(struct windows *w, uint64_t base, uint64_t entry, uint64_t size, const char *path, const char *name);
uint64_t windows_string(struct windows *w, const char *s, unsigned width);    /* in memory of the process; its address */

/* ---- windows-import.c ---- */

/* Fills out->import: the pointers in the image that lead to functions. */
void windows_imports(struct windows *w);

/* ---- windows-call.c ---- */

/* The functions that are modelled: NULL, not this one. */
windows_fn *windows_model(const char *name, size_t length);
void windows_call(struct windows *w, uint64_t id);

/* ---- windows-exception.c ---- */

enum { EXCEPTION_ACCESS = (int)0xc0000005, EXCEPTION_BREAKPOINT = (int)0x80000003, EXCEPTION_SINGLE_STEP = (int)0x80000004,
	EXCEPTION_ILLEGAL = (int)0xc000001d, EXCEPTION_PRIVILEGED = (int)0xc0000096, EXCEPTION_DIVIDE = (int)0xc0000094,
	EXCEPTION_GUARD = (int)0x80000001, EXCEPTION_FLOAT = (int)0xc0000090 };
/* Raises it in the program, at the pc. */
void windows_raise(struct windows *w, uint32_t code, unsigned count, const uint64_t *information);
/* A handler came back, through one of our returns. */
enum { STUB_EXIT, STUB_CALLBACK, STUB_VECTORED, STUB_FRAME, STUB_FILTER, STUB_TABLE, STUB_SCOPE, STUB_LAST, STUB_THREAD, STUBS };
void windows_handled(struct windows *w, unsigned stub);
void windows_context(struct windows *w, uint64_t at);       /* writes it there */
void windows_continue(struct windows *w, uint64_t context);
void windows_unhandled(struct windows *w, uint64_t record, uint64_t context);   /* to the filter of what nobody handled, or the end */

/* ---- windows-unwind.c: handlers that tables lead to (x86-64) ---- */

/* A dispatcher for this exception, below its record; 0: no room. Then the handlers one by one: false: there is none any more. */
uint64_t windows_unwind_begin(struct windows *w, uint64_t record, uint64_t context);
bool windows_unwind_next(struct windows *w, uint64_t dispatcher);
void windows_unwound(struct windows *w, int32_t answer);      /* a handler came back */
void windows_filtered(struct windows *w, int32_t answer);     /* a filter of __C_specific_handler's */

/* ---- the models of functions, each file a table that ends with NULL ---- */

struct windows_entry { const char *name; windows_fn *fn; };
extern const struct windows_entry windows_memory_table[], windows_module_table[], windows_system_table[], windows_file_table[],
	windows_text_table[], windows_unwind_table[], windows_runtime_table[];

void windows_runtime(struct windows *w);       /* windows-runtime.c: puts its code into the page of the stubs */
uint64_t windows_data(struct windows *w, const char *name);      /* windows-library.c: where an export that is no function stands; 0: none such */
void windows_thread_end(struct windows *w);
/* The bytes at an address, as something that it made: "injected" or "file". */
void windows_drop(struct windows *w, const char *kind, const char *name, uint64_t at, uint64_t n);
void windows_files_end(struct windows *w);
uint64_t windows_put_text(struct windows *w, uint64_t at, const char *s, unsigned width, uint64_t room);
uint64_t windows_alloc(struct windows *w, uint64_t n);      /* from the heap; zeroed; 0: none left */
uint64_t windows_handle_new(struct windows *w, unsigned kind, const char *name);   /* 0: too many */
struct windows_handle *windows_handle(struct windows *w, uint64_t h);              /* NULL: none such */

#endif
