/* The model of Linux: what linux-*.c share. Functions stand under the name of the .c file that defines them. */
#ifndef EMULATE_LINUX_H
#define EMULATE_LINUX_H

#include "code/code.h"
#include "emulate/machine.h"

#define LINUX_FILES 256u          /* that exist in the model */
#define LINUX_DESCRIPTORS 256u
#define LINUX_THREADS 16u
#define LINUX_SIGNALS 65u
#define LINUX_SAMPLE "/home/anna/Downloads/setup"
#define LINUX_FILE_MOST (64 * MIB)
#define LINUX_PATH 4096u

/* errno's numbers are the machine's own: both are Linux on x86 */
struct linux_file {
	char *path;
	const unsigned char *p; size_t n;   /* as given; or */
	struct buf data;                    /* as the program wrote it */
	bool written, gone, own;            /* own: the program itself */
	unsigned mode;
};
enum { FD_FREE, FD_FILE, FD_NULL, FD_ZERO, FD_RANDOM, FD_SOCKET, FD_PIPE, FD_OUT, FD_OTHER };
struct linux_fd { unsigned kind; unsigned file; uint64_t at; unsigned flags; };
struct linux_action { uint64_t handler, flags, restorer, mask; };

struct linux_process {
	struct machine *m;
	const struct emulate_system *system;
	unsigned width;
	struct linux_file file[LINUX_FILES]; size_t files;
	struct linux_fd fd[LINUX_DESCRIPTORS];
	struct linux_action action[LINUX_SIGNALS];
	uint64_t alt_stack, alt_size;
	uint64_t brk, brk_start;
	uint64_t stack_top;
	uint64_t returns;          /* where the kernel's own ways back from signals stand (32-bit) */
	uint64_t slept_ns;
	uint64_t random;
	uint64_t alarm_ns;         /* when it rings; 0: never */
	unsigned pid;
	void *thread[LINUX_THREADS]; uint64_t thread_clear[LINUX_THREADS]; unsigned threads;
	unsigned execs, signals;
	bool exited;
	bool moved;                /* registers were set: there is no result to give */
};

/* ---- linux.c ---- */

/* The whole run of a program for Linux. */
int linux_run(struct machine *m, const struct emulate_system *s, const void *p, size_t n, struct err *e);
void linux_finding(struct linux_process *l, const char *name, const char *fmt, ...) PRINTF(3, 4);

/* ---- linux-load.c ---- */

/* Maps it, its interpreter and a stack, and sets the registers for its start; what was mapped before goes. args and env are blocks of
 * strings, ended by an empty one; NULL: usual ones. False: it cannot be run. */
bool linux_load(struct linux_process *l, const void *p, size_t n, const char *args, const char *env);

/* ---- linux-call.c ---- */

void linux_call(struct linux_process *l, bool by_interrupt);
typedef int64_t linux_fn(struct linux_process *l, const uint64_t *a);
struct linux_entry { short number_64, number_32; const char *name; const char *args; linux_fn *fn; };
extern const struct linux_entry linux_file_table[], linux_memory_table[], linux_process_table[], linux_net_table[];
uint64_t linux_now(const struct linux_process *l);      /* nanoseconds since it was started */

/* ---- linux-file.c ---- */

/* A file by its path; made when it is to be. NULL: there is none. */
struct linux_file *linux_file(struct linux_process *l, const char *path, bool make);
size_t linux_file_size(const struct linux_file *f);
const unsigned char *linux_file_bytes(const struct linux_file *f);
struct linux_fd *linux_fd(struct linux_process *l, uint64_t fd);
int64_t linux_fd_new(struct linux_process *l, unsigned kind, unsigned file);
void linux_files_begin(struct linux_process *l, const void *p, size_t n);
void linux_files_end(struct linux_process *l);

/* ---- linux-signal.c ---- */

void linux_signal(struct linux_process *l, int signal, int code, uint64_t address);
void linux_sigreturn(struct linux_process *l, bool rt);

#endif
