/*
 * Processes: who they are, what they map and hold, and what their interpreters run.
 * Functions stand under the name of the .c file that defines them.
 */
#ifndef HOST_PROCESSES_H
#define HOST_PROCESSES_H

#include "host/host.h"
#include "host/types.h"

/* ---- roots.c: root folders that are not ours: containers', chroots', private mount namespaces' ---- */

struct root {
	ino_t mntns;
	dev_t dev;
	ino_t ino;
	unsigned number;          /* from 1; 0 is our own */
	int fd;
	bool view;                /* our own root folder, with other things mounted below it */
	bool known;               /* false: it may not be looked at, or there are too many */
	bool asked;               /* for its package database */
	struct dpkg *dpkg;
	char *prefix;             /* what paths that /proc tells begin with: a chroot's folder, or "" */
	char name[96];            /* for people, distinct */
	json_t *about;
};
/* The root of a process; NULL: ours. */
struct root *roots_of(struct host *h, const struct proc *p);
/* The root in which a path that /proc tells of this process names this file, a piece: ours (NULL) whenever it does so there. */
struct root *roots_owner(struct host *h, const struct proc *p, const char *path, const struct stat *st, const struct piece *piece);
/* The path without what stands before the root. */
const char *roots_inner(const struct root *r, const char *path);
struct dpkg *roots_dpkg(struct host *h, struct root *r);
/* The start-up places of each container and chroot. */
int roots_startup(struct host *h, struct err *e);
json_t *roots_about(const struct host *h);   /* case.json's "containers", new reference; NULL: none */
void roots_free(struct host *h);

/* ---- container.c: what the names of control groups tell ---- */

struct container_name {
	char engine[24], id[80];  /* "" where it cannot be told */
	char cgroup[512];
};
/* Of /proc/PID/cgroup's text; lines that stand in `ours` as well say nothing. False: nothing to be told. */
bool container_parse(const char *text, const char *ours, struct container_name *c);

/* ---- proc.c: one process ---- */

struct proc {
	pid_t pid, ppid, session, tracer;
	bool terminal;            /* has a controlling one */
	uid_t uid;
	uint64_t start;           /* ticks since boot */
	char state;
	bool kernel;
	char comm[64];
	struct buf cmdline;       /* NUL-separated, as the kernel gives it */
	ino_t pidns, mntns;
	bool foreign;             /* another mount namespace than ours */
	bool other_pidns;
	struct root *root;        /* NULL: ours */
	int dir;                  /* /proc/PID: stays with this process even when the number is used anew */
};
/* 0; -1 when it is gone or cannot be looked at (errno). */
int proc_open(struct host *h, pid_t pid, struct proc *p);
void proc_close(struct proc *p);
/* Parses /proc/PID/stat's text. -1: not in that form. */
int proc_parse_stat(const char *text, struct proc *p);
/* The link's text; -1 errno. */
int proc_link(const struct proc *p, const char *name, char *out, size_t size);
/* The i'th argument, NULL past the last. */
const char *proc_arg(const struct proc *p, size_t i);
/* {"how","pid","ppid","start","uid","comm","pidns"} and, when whole, "cmdline". */
json_t *proc_sighting(const struct proc *p, const char *how, bool whole);
/* cmdline or environ: the kernel reads them from the process's memory, which a file system may back that does not answer. */
ssize_t proc_memory_text(const struct proc *p, const char *name, struct buf *out);
/* A variable of the environment it was started with; the rest of that is none of our business and is wiped. */
bool proc_env(const struct proc *p, const char *name, char *out, size_t size);
/* Opens a regular file by a path as the process sees it. -1 errno. */
int proc_open_path(const struct proc *p, const char *path);

/* ---- pids.c: all processes, those that hide included ---- */

struct pid_found { pid_t pid; const char *hidden; /* why, or NULL */ };
/* Caller frees *list. */
size_t pids_list(struct host *h, struct pid_found **list);
size_t pids_visible(struct host *h, struct pid_found **list);   /* those that do not hide */
/* The same without looking for hidden ones, of any folder like /proc. Sorted. */
size_t pids_listed(int dir, pid_t **list);

/* ---- groups.c: control groups ---- */

/* All processes that the groups below /sys/fs/cgroup, open, list. Caller frees *list. */
size_t groups_listed(int groups, pid_t **list);

/* ---- maps.c: /proc/PID/maps ---- */

struct map {
	uint64_t start, end, offset, inode;
	char perms[5];
	unsigned major, minor;
	char path[4096];          /* unescaped; "" for anonymous memory */
};
/* Parses the line at *text and moves *text behind it. 1; 0 at the end; -1: a line not in that form (skipped). smaps' further lines are such. */
int maps_next(const char **text, struct map *m);
/* Is that flag among those of smaps' line "VmFlags: rd ex mr ..."? */
bool maps_flag(const char *line, const char *flag);
enum maps_kind { MAPS_FILE, MAPS_ANON, MAPS_SHARED, MAPS_KERNEL /* vdso and the like */ };
enum maps_kind maps_classify(const struct map *m);

/* ---- pagemap.c: which pages are there, and which were written to ---- */

struct page_run { uint64_t start, end; };
struct page_runs { struct page_run *run; size_t count; uint64_t swapped; /* pages, not in the runs */ };
/* dir: /proc/PID. Runs of present pages of [start, end); only those that no file backs (were written to, in a private
 * mapping) when `written`. -1 errno. */
int pagemap_runs(int dir, uint64_t start, uint64_t end, bool written, struct page_runs *r);
/* The same by each of the two ways, for the tests: PAGEMAP_SCAN (Linux 6.7), and /proc/PID/pagemap read. */
int pagemap_scan(int dir, uint64_t start, uint64_t end, bool written, struct page_runs *r);
int pagemap_read(int dir, uint64_t start, uint64_t end, bool written, struct page_runs *r);
/* Are all pages of [start, end) there? Only such are ever read: to read another would make the process grow. */
bool pagemap_all(int dir, uint64_t start, uint64_t end);
void pagemap_free(struct page_runs *r);

/* ---- sockets.c: who listens to everything ---- */

void sockets_load(struct host *h);
/* The first raw or packet socket among the process's descriptors; 0: none. */
uint64_t sockets_raw(const struct host *h, const struct proc *p);
uint64_t sockets_listening(const struct host *h, const struct proc *p);   /* the first that waits for callers */

/* ---- text.c: code pages that differ from their file ---- */

struct text_change {
	size_t pages, bytes;
	bool breakpoints_only;
	bool forced;              /* pages were written to, though no right to write to them was ever given, whether they differ or not */
	uint64_t first, hash;
};
/* What the kernel says of all mappings of a process (smaps), asked for once: thousands may have been written to. */
struct map_flags { struct buf smaps; const char *at; bool asked; };
void text_flags_free(struct map_flags *f);
/* Compares the written-to pages of a mapping of `file`, or (flags NULL) all that are present; dumps those that differ as parts of p.
 * Asked of one process's mappings in the order of their addresses. */
int text_compare(struct host *h, const struct proc *proc, const struct map *m, int file, struct map_flags *flags, struct piece *p,
                 struct text_change *change, struct err *e);
/* Whether the process's vdso is ours. */
bool text_vdso_differs(const struct proc *proc, const struct map *m);

/* ---- region.c: code that only memory holds ---- */

struct region {
	uint64_t start, end;
	uint64_t before;          /* where unbacked memory that ends at start begins, or 0 */
	bool writable, heap, stack, shared;
	bool expected;            /* of a runtime that makes such memory */
	bool unread;              /* a file's, which cannot be read */
	char perms[5];
	char file[256];           /* its name then, or its beginning */
};
/* Dumps what is present of it. *p NULL: nothing there, or not readable. */
int region_take(struct host *h, const struct proc *proc, struct region *r, struct piece **p, struct err *e);

/* ---- runtime.c: who makes code while it runs ---- */

#define CAP_RUNTIMES 8u       /* of one process: a browser on GTK has four */
struct runtimes { const json_t *of[CAP_RUNTIMES]; size_t count; bool vouched; /* a package owns the program itself */ };
/* rules/runtimes.json. NULL: 66 there is none, 78 it is wrong. */
json_t *runtime_load(struct err *e);
/* A process maps this file, which `path` names; its program comes first. Is it a package's runtime, in a package's program? */
void runtime_note(const struct host *h, struct runtimes *r, const struct piece *p, const char *path, bool exe);
/* Does one of them make memory of that shape? */
bool runtime_makes(const struct runtimes *r, const struct region *region);
/* Does one of them have that trait ("memfd", "image")? With a path: the one whose file that is. */
bool runtime_has(const struct runtimes *r, const char *what, const char *path);

/* ---- threads.c: what threads are called, and where they are ---- */

/* Executable memory of a process that holds code of no file that has a name. */
struct span { uint64_t start, end; struct piece *piece; bool expected; uint64_t hash; };
void threads_look(struct host *h, const struct proc *p, const struct span *spans, size_t count, struct piece *main);
/* /proc/PID/task/TID/syscall's text: where a thread that waits has its stack, and where it is. False: it runs. */
bool threads_parse(const char *text, uint64_t *sp, uint64_t *ip);

/* ---- mapped.c: the files a process maps ---- */

enum mapped_where {
	MAPPED_HERE,       /* the path names this very file */
	MAPPED_GONE,       /* deleted, and the path names nothing */
	MAPPED_REPLACED,   /* the path names another file */
	MAPPED_MEMFD,
	MAPPED_DETACHED,   /* on a mount that no folder leads to any more; the path is whatever it was there */
	MAPPED_ELSEWHERE,  /* there, but not to be reached by this path */
};
/* Where the file of a /proc link's text is; path (PATH_MAX) gets the text without " (deleted)". */
enum mapped_where mapped_where(const struct host *h, const struct proc *p, const char *link, const struct stat *st, char *path);
/* Is the open file on a mount that belongs to no mount namespace any more? */
bool mapped_detached(const struct host *h, const struct proc *p, int fd);
/* Another file, but with the same bytes: a copy of it, or the same file below another mount. */
bool mapped_same_bytes(struct host *h, const struct proc *p, const char *path, const struct piece *piece);
/* Opens the file behind a mapping: what runs, not what the name says now. -1 errno: why its map_files entry could not be. */
int mapped_open(const struct proc *p, const struct map *m);
int mapped_open_exe(const struct proc *p, const char *link);

/* ---- process.c: everything about one process ---- */

int process_scan(struct host *h, pid_t pid, const char *hidden, struct err *e);

/* ---- rights.c: rights that a process's program does not explain ---- */

/* exe: of the program's file. */
void rights_look(struct host *h, const struct proc *p, const struct stat *exe, struct piece *program, struct piece *main);

/* ---- standing.c: who accounts for a process, and where it runs ---- */

void standing_look(struct host *h, const struct proc *p, struct piece *main);
/* /proc/PID/cgroup's text: is the process in a unit of the service manager (systemd.unit(5)), other than a login's? */
bool standing_accounted(const char *groups);
/* Is it a path below a folder for data rather than programs? */
bool standing_data(const char *path);

/* ---- forced.c: what an environment forces on its process ---- */

void forced_look(struct host *h, const struct proc *p);

/* ---- again.c: looks at the same processes again ---- */

/* From now on, what each process holds is kept for comparison. */
void again_begin(struct host *h);
/* Was this process, running this program, looked at in an earlier pass? */
bool again_known(const struct host *h, const struct proc *p, const struct piece *exe);
/* spans: code that no file with a name backs; texts: mapped code that differs from its file, by hash. Both are copied. */
void again_note(struct host *h, const struct proc *p, const struct piece *exe, const struct span *spans, size_t span_count,
                const struct span *texts, size_t text_count);
/* All processes, or only that one (0: all), several times within so many seconds. */
int again_look(struct host *h, unsigned seconds, pid_t only, struct err *e);
void again_free(struct host *h);

/* ---- script.c: what an interpreter's arguments say ---- */

enum script_kind { SCRIPT_NONE, SCRIPT_FILE, SCRIPT_INLINE, SCRIPT_STDIN, SCRIPT_MODULE /* python -m */ };
bool script_interpreter(const char *name);            /* sh, python3.11, perl ... */
bool script_shell(const char *name);
const char *script_family(size_t i);                  /* names without versions; NULL past the last */
/* What argv (argv[0] the interpreter's name) makes it run: *arg is the file's or module's name or the (first) text. */
enum script_kind script_of(char *const *argv, size_t argc, const char *interpreter, const char **arg);
/* The whole text where it is SCRIPT_INLINE: Perl's and others' further -e belong to it. Caller frees; NULL: none. */
char *script_text(char *const *argv, size_t argc, const char *interpreter);

/* ---- held.c: what an interpreter read from a pipe, in its own buffer ---- */

/* The text, of which the beginning may be gone and what follows may be older. False: none that is sure enough. */
bool held_text(const struct host *h, const struct proc *proc, const char *interpreter, struct buf *out, uint64_t *address);

/* ---- interpreted.c: the code that an interpreter's process is about ---- */

/* The piece, with its sighting; *p NULL: the program is no interpreter, or what it runs cannot be had. */
int script_take(struct host *h, const struct proc *proc, const char *exe, struct piece *program, struct piece **p, struct err *e);

#endif
