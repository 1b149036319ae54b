/* The model of Linux: what linux-*.c share. Functions stand under the name of the .c file that defines them. */
#ifndef EMULATE_LINUX_H
#define EMULATE_LINUX_H

#include "code/code.h"
#include "emulate/machine.h"

#define LINUX_FILES 256u          /* that exist in the model */
#define LINUX_DESCRIPTORS 256u
#define LINUX_THREADS 16u
#define LINUX_PROCESSES 4u        /* that wait while one runs */
#define LINUX_ENDED 16u           /* that nobody has waited for */
#define LINUX_SIGNALS 65u
#define LINUX_SAMPLE "/home/anna/Downloads/setup"
#define LINUX_FILE_MOST (64 * MIB)
#define LINUX_PATH 4096u

/* errno's numbers are the machine's own: both are Linux on x86 */
struct linux_file {
	char *path;
	const unsigned char *p; size_t n;   /* as given; or */
	const struct stat *st;
	struct buf data;                    /* as the program wrote it */
	bool written, gone, own, pipe;      /* own: the program itself; pipe: has no path */
	uint64_t taken;                     /* bytes of a pipe that were read */
	unsigned mode;
};
enum { FD_FREE, FD_FILE, FD_NULL, FD_ZERO, FD_RANDOM, FD_SOCKET, FD_PIPE, FD_OUT, FD_OTHER };
struct linux_fd { unsigned kind; unsigned file; uint64_t at; unsigned flags; };
struct linux_action { uint64_t handler, flags, restorer, mask; };

struct linux_ended { unsigned pid, parent; int status; };
struct linux_process {
	struct machine *m;
	const struct emulate_system *system;
	unsigned width;
	struct linux_file file[LINUX_FILES]; size_t files;
	uint64_t slept_ns;
	uint64_t random;
	unsigned execs, signals, forks, turns, last_pid;
	struct linux_saved *waiting[LINUX_PROCESSES]; size_t waiters;   /* the last one goes on first */
	struct linux_ended ended[LINUX_ENDED]; size_t ended_count;
	bool exited;
	bool moved;                /* registers were set: there is no result to give */
	/* from here on: what each process has of its own, and what is kept when another runs */
	struct linux_fd fd[LINUX_DESCRIPTORS];
	struct linux_action action[LINUX_SIGNALS];
	uint64_t alt_stack, alt_size;
	uint64_t brk, brk_start;
	uint64_t stack_top;
	uint64_t returns;          /* where the kernel's own ways back from signals stand (32-bit) */
	uint64_t alarm_ns;         /* when it rings; 0: never */
	unsigned pid, parent;
	void *thread[LINUX_THREADS]; uint64_t thread_clear[LINUX_THREADS]; unsigned threads;
};

/* ---- linux.c ---- */

/* The whole run of a program for Linux. */
int linux_run(struct machine *m, const struct emulate_system *s, const void *p, size_t n, struct err *e);
void linux_finding(struct linux_process *l, const char *name, const char *fmt, ...) PRINTF(3, 4);

/* ---- linux-load.c ---- */

/* Maps it, its interpreter and a stack, and sets the registers for its start; what was mapped before goes. args and env are blocks of
 * strings, ended by an empty one; NULL: usual ones. False: it cannot be run. */
bool linux_load(struct linux_process *l, const void *p, size_t n, const char *args, const char *env);

/* ---- linux-fork.c: processes, one of which runs while the others wait; results are a system call's ---- */

/* The child goes on; who called it when the child ends, or waits for it. */
int64_t linux_fork(struct linux_process *l);
/* The process is over: another one goes on, or the run ends as it says. status: as wait(2) has it. */
int64_t linux_leave(struct linux_process *l, const char *how, int status);
/* It waits for what only another process can bring: that one goes on, and the call is made again later. False: there is none. */
bool linux_yield(struct linux_process *l);
int64_t linux_wait(struct linux_process *l, uint64_t status);
void linux_drop_threads(struct linux_process *l);
void linux_forget(struct linux_process *l);    /* all of them, when the run is over */

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
