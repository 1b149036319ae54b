/* host's own: what its files share. Functions stand under the name of the .c file that defines them. */
#ifndef HOST_INTERNAL_H
#define HOST_INTERNAL_H

#include <dirent.h>
#include <sys/stat.h>

#include "host/host.h"
#include "known/known.h"

#define CAP_PATHS 64u             /* of one piece of code */
#define CAP_REGIONS 512u          /* anonymous executable regions of one process: V8 makes some hundred */
#define CAP_DUMPS (2 * GIB)       /* of all dumped memory of one scan */
#define CAP_PARTS 64u             /* dumped runs of modified pages of one piece of code */
#define CAP_CMDLINE 4096u         /* bytes of a command line told in a sighting */
#define CAP_SCRIPT (64 * MIB)     /* a file that is interpreted */
#define CAP_NESTING 8u            /* commands within commands */
#define CAP_COMMANDS 131072u      /* different ones of one start-up file that are looked at: the longest met has some 300 */
#define CAP_START_READ (32 * MIB) /* of a start-up file that holds lines; of a longer one its two ends */
#define CAP_LINE (16 * KIB)        /* a line told in a sighting: one of a megabyte can name thousands of programs */
#define CAP_UNSEEN 32u            /* different reasons */
#define CAP_ROOTS 256u            /* different root folders of processes: each may hold a package database in memory */

struct again;
struct cache;
struct dpkg;
struct spool;
struct piece;
struct root;
struct proc;

/* A file that was read already, so that each is hashed once a run. */
struct seen {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime, ctime;
	struct piece *piece;
};

/* Dumped bytes: in the spool, at an offset. */
struct part {
	char name[48];            /* "body" or "memory/<start>-<end>" */
	int64_t offset;
	uint64_t size;
};

struct piece {
	char sha256[DIGEST_HEX];
	const char *kind;
	uint64_t size;
	/* a scan has tens of thousands of pieces, most of one path and a sign or two: what is of each is kept small */
	char **path;
	char **sign;              /* each: its name, NUL, the reason */
	uint64_t *placed;         /* of each place that was judged, in which root */
	uint32_t path_count, sign_count, placed_count;
	uint32_t since;           /* when it was first seen at path[0], where the scan index knows; 0 */
	json_t *sightings, *memory;   /* NULL: none yet */
	json_t *history;          /* of its most changed path, where one changed, or NULL */
	json_t *pages;            /* {"pages","pages_cut"?} of a file without a name; or NULL */
	unsigned pass;            /* in which it was found first */
	unsigned mapped;          /* sightings of how "mapped" */
	struct part *parts;
	size_t part_count;
	double score;
	bool looked_into;         /* the file's own signs are there */
};

struct inodes {
	uint64_t *inode;          /* in order */
	size_t count;
};

struct host {
	const struct judge *judge;
	int root;                 /* the root folder */
	char *root_path;          /* "" for "/" */
	bool live;
	const char *container;    /* names the container whose root is being read, NULL: our own (startup_scan_root) */
	int proc;                 /* /proc */
	int groups;               /* /sys/fs/cgroup, or -1 */
	ino_t mntns, pidns;       /* our own namespaces, 0 unknown */
	struct dpkg *dpkg;        /* NULL: no package database */
	json_t *runtimes;         /* NULL: none are known */
	struct root **roots;      /* those of processes, other than ours */
	size_t root_count;
	struct root *at;          /* the one whose start-up places are looked at, NULL: ours */
	struct spool *spool;
	uint64_t secret;          /* of this run: for tables whose keys a stranger chooses */

	struct piece **pieces;    /* in order of arrival */
	size_t piece_count;
	size_t *index;            /* open addressing: 1 + position in pieces, by digest */
	size_t index_size;
	struct seen *seen;        /* open addressing, piece NULL: free */
	size_t seen_size, seen_count;

	struct inodes raw;        /* raw and packet sockets */
	struct inodes listening;  /* TCP sockets that wait for callers */

	struct again *again;      /* NULL: each process is looked at once */
	unsigned pass;            /* 0 the first */
	int64_t began;            /* clock_mono_ms */
	double seconds;
	unsigned processes, processes_unseen, unlooked;
	uint64_t files, bytes;    /* distinct files; bytes that were read */
	uint64_t recalled;        /* files of these that the scan index knew */
	struct cache *cache;      /* or NULL */
	int64_t process_began;    /* watch_clock() */
	bool whole;               /* the machine as such is scanned, not what somebody named */
	unsigned given_up;        /* steps that did not answer (watch.c) */
	unsigned remote_left;     /* files on network or FUSE file systems that were left out */
	int64_t remote_ms;
	uint64_t remote_bytes;
	json_t *unseen;           /* reasons */
	struct buf unseen_line;
};

/* ---- host.c ---- */

/* Something could not be looked at; each different reason is kept once. */
void host_missed(struct host *h, const char *fmt, ...) PRINTF(2, 3);

/* A process has had its time: what remains of it is left out. */
bool host_late(struct host *h);
/* A point to go on from (watch_spare()); outside of all steps. True: another process goes on, with shared offsets moved. */
bool host_spare(struct host *h);
/* process_scan() as a step that can be given up. */
struct pid_found;
int host_look_at(struct host *h, const struct pid_found *p, struct err *e);

/* ---- watch.c, guard.c: a scan that nothing can hold up ---- */

/*
 * Around whatever may never return: a step has an id, the same when it is done again, the device it depends on (DEV_NONE:
 * none; 0: that of the path `name`, below our own root) and a name for people, "/path" or "process 12". False, errno
 * ETIMEDOUT: it was given up before and is to be left out; then there is no watch_leave(). When a step hangs, the scan goes
 * on from the last watch_spare(), and comes here again. Steps nest; the innermost is the one that is given up.
 */
#define DEV_NONE ((dev_t)-1)
bool watch_enter(uint64_t id, dev_t dev, const char *name);
void watch_brittle(void);                              /* the step begun last: some of its own given up, and it is as a whole */
void watch_leave(void);                                /* keeps errno */
uint64_t watch_id(uint64_t seed, const void *p, size_t n);
void watch_beat(void);                                 /* still alive; for long loops */
/* A point to go on from, outside of all steps; at most a few a second. True in the process that goes on: what it shares with
 * its forerunner (offsets of descriptors, the spool) may have moved. */
bool watch_spare(struct host *h);
bool watch_due(void);                                  /* would it do anything now? */
void watch_rest(int64_t ns);                           /* sleeps; async-signal-safe */
/* Around waiting for a child of ours that has a time limit: it is not the scan that hangs. */
void watch_waits(bool begins);
int64_t watch_clock(void);                             /* milliseconds that pass, rests left out */
unsigned watch_patience(void);                         /* milliseconds, 0: nobody watches */

/* ---- mounts.c: file systems ---- */

struct mount { char point[4096], type[64]; dev_t dev; bool remote; };
bool mounts_remote(int fd, dev_t dev);                 /* network or FUSE: somebody must answer */
/* The mount of that device, or with dev 0 that which path lies on, in mountinfo's text. */
bool mounts_find(const char *mountinfo, dev_t dev, const char *path, struct mount *m);
bool mounts_below(const char *path, const char *point);
/* A step did not answer: from now on the whole remote file system is dead. */
void mounts_lost(struct host *h, dev_t dev, const char *path);
bool mounts_dead(const char *path);                    /* below our own root */
bool mounts_dead_dev(dev_t dev);

/* ---- pace.c: how fast it may go (host_pace()) ---- */

void pace_resume(void);                                /* in a process that goes on for another */
/* The reckoning. Others' share of the time waited; what is allowed after a look; nanoseconds to sleep off. */
double pace_others(int64_t stall_ns, int64_t own_ns, int64_t wall_ns);
double pace_follow(double now, double waiting, double most);
int64_t pace_debt(double share, int64_t cpu_ns, int64_t wall_ns);

/* ---- reading.c: files' bytes ---- */

/* fstat() by what the kernel knows already, so that a network or FUSE file system is not asked. */
int reading_stat(int fd, struct stat *st);
/* SHA-256 of an open regular file, of which st is fstat()'s. -1: could not be read or was left out, which is noted. */
int reading_digest(struct host *h, int fd, const struct stat *st, char sha256[DIGEST_HEX], uint64_t *size);

/* ---- piece.c: distinct code, its sightings and signs ---- */

/* Finds or makes the piece of that digest. A kind that can be found as a file again goes before one that cannot. */
struct piece *piece_get(struct host *h, const char *sha256, const char *kind, uint64_t size);
struct piece *piece_find(const struct host *h, const char *sha256);
bool piece_path(struct piece *p, const char *path);   /* true when it is a new one */
bool piece_has_path(const struct piece *p, const char *path);
void piece_sign(struct host *h, struct piece *p, const char *name, const char *fmt, ...) PRINTF(4, 5);
bool piece_signed(const struct piece *p, const char *name);
/* A running piece whose file that path was, and no longer is. NULL: none. */
struct piece *piece_gone(const struct host *h, const char *path);
void piece_sight(struct piece *p, json_t *sighting);  /* takes the reference; past the cap it is dropped */
bool piece_part(struct piece *p, const char *name, int64_t offset, uint64_t size);   /* false: has it, or has too many */
json_t *piece_signs(const struct host *h, const struct piece *p);   /* as in about.json, new reference */
json_t *piece_about(const struct host *h, const struct piece *p);   /* new reference */
json_t *piece_memory(struct piece *p);                /* borrowed, made when absent */
bool piece_placed(struct piece *p, uint64_t place);   /* whether it was so marked before; marks it */
void piece_free(struct piece *p);

/* ---- spool.c: dumped bytes, in one unnamed file ---- */

struct spool *spool_new(void);
/* Begins at a fresh offset; bytes are put at places relative to it, gaps read as zeros. */
int spool_begin(struct spool *s, uint64_t size, int64_t *offset, struct err *e);
int spool_put(struct spool *s, int64_t offset, const void *p, size_t n, struct err *e);
void spool_take_back(struct spool *s, int64_t offset);   /* forgets what was begun last, at that offset */
int spool_fd(const struct spool *s);
uint64_t spool_used(const struct spool *s);
void spool_free(struct spool *s);

/* ---- image.c: files of code ---- */

/* The piece of code in an open regular file; hashed once a run. `kind` as in about.json. NULL: could not be read, or is
 * no regular file. st may be NULL, else gets the file's. */
struct piece *image_take(struct host *h, int fd, const char *kind, struct stat *st);
/* Adds the path and the signs that follow from it (package, place, age). `ours`: it is a path below our own root, where
 * our package database speaks, or below that of h->at. */
void image_place(struct host *h, struct piece *p, const char *path, const struct stat *st, bool ours);
/* The same for a path as a process sees it: the package database of the root that the file is found in speaks. */
void image_place_seen(struct host *h, struct piece *p, const char *path, const struct stat *st, const struct proc *proc);

/* The piece of a file that is not open, when it was seen before or the scan index knows it; else NULL, and then *is_code
 * false when the index knows it for what cannot be code. */
struct piece *image_recall(struct host *h, const struct stat *st, const char *kind, bool *is_code);

/* ---- recall.c: what earlier scans found ---- */

/* By its first bytes. */
bool recall_is_code(const void *p, size_t n);
/* The piece of a file as the index knows it, or NULL. fd -1: it is not open. is_code: may be NULL, else it is told whether the
 * file may be code by mode or first bytes (true when that is not known), and one that may not has no piece. */
struct piece *recall_find(struct host *h, int fd, const struct stat *st, const char *kind, bool *is_code);
/* Reads it. NULL: it cannot be read. */
struct piece *recall_read(struct host *h, int fd, const struct stat *st, const char *kind);
/* Around reading the first bytes of a file that may turn out not to be code. */
void recall_begin(struct host *h, int fd, const struct stat *st);
void recall_no_code(struct host *h, int fd);
/* A note that an earlier scan left of an open file, which is as it was then, and its digest. Lives as long as the index; NULL: none. */
const char *recall_noted(struct host *h, int fd, const struct stat *st, char sha256[DIGEST_HEX]);
/* Leaves one, of text; between recall_begin() and this, no other file is read through the index. */
void recall_note(struct host *h, int fd, uint64_t size, const char *sha256, const char *note);
/* How often the file `name` of an open folder became other code while the package that it belongs to, in that version, was the same
 * (dpkg_version_of); it becomes no piece. 0 without an index. */
unsigned recall_changes(struct host *h, int folder, const char *name, const struct stat *st, const char *path, uint64_t version);
/* The piece stands at that path below our own root: what stood there before, and the signs that follow from it. */
void recall_path(struct host *h, struct piece *p, const char *path);

/* ---- facts.c: signs in a file's own bytes ---- */

void facts_look(struct host *h, struct piece *p, int fd, uint64_t size);
/* Does the ELF file ask for relocations in its code (DT_TEXTREL, DF_TEXTREL)? */
bool facts_textrel(int fd);

/* ---- disguise.c: names and places that hide ---- */

bool disguise_kernel_thread(const char *name);        /* "[...]", or like one of the kernel's own */
/* A system service of that name belongs elsewhere than at path. */
bool disguise_service(const char *name, const char *path);
bool disguise_hidden(const char *path);               /* a component begins with a dot, or is made to be overlooked */
bool disguise_odd(const char *path);                  /* a component is made to be misread: blanks at an end, control characters */
bool disguise_temporary(const char *path);

/* ---- dpkg.c: which files packages own ---- */

/* NULL: there is no such database below root. */
struct dpkg *dpkg_open(int root);
bool dpkg_owns(const struct dpkg *d, const char *path);
/* Which package in which version owns the path, as a number that is the same in every run: 0 none; DPKG_UNVERSIONED where
 * that cannot be told, or before dpkg_load_versions(). */
#define DPKG_UNVERSIONED 1u
void dpkg_load_versions(struct dpkg *d);
uint64_t dpkg_version(const struct dpkg *d, const char *path);
uint64_t dpkg_version_of(const struct dpkg *d, const char *package);   /* as its files in info/ are called */
/* The package that owns the path, as its files in info/ are called, and when they were written (seconds since 1970). */
const char *dpkg_package(const struct dpkg *d, const char *path, int64_t *since);
/* The other packages that list it, one a call; *at: 0 before the first. NULL: no more. */
const char *dpkg_sharer(const struct dpkg *d, const char *path, size_t *at);
int dpkg_folder(const struct dpkg *d);                /* /var/lib/dpkg, open; stays d's */
bool dpkg_same_path(const char *a, const char *b);    /* /bin/x and /usr/bin/x are */
void dpkg_close(struct dpkg *d);

/* ---- altered.c: files that are no longer what their package holds ---- */

/* Is the file at path below root, which st tells of, one that a package owns with another MD5? Its name in package (size).
 * Files that did not change since the package came are not read; configuration files are for their users to alter. */
bool altered_file(const struct dpkg *d, int root, const char *path, const struct stat *st, char *package, size_t size);

/* ---- sums.c: the sums of all files that packages brought ---- */

struct sums;
struct sums *sums_load(const struct dpkg *d);
bool sums_has(const struct sums *s, const char *md5);
void sums_free(struct sums *s);

/* ---- rooted.c: paths below a root that is not ours ---- */

/* Opens for reading, links resolved as if chrooted there. -1 errno; ETIMEDOUT: it was given up (watch.c). */
int rooted_open(int root, const char *path, int flags);
/* Opens a regular file for reading; nothing else is ever opened, since to open a device may do something. st may be
 * NULL, else gets the file's. -1 errno: EINVAL when it is no regular file. */
int rooted_regular(int root, const char *path, struct stat *st);
/* watch_enter() for a path below that root. */
bool rooted_enter(int root, const char *path);
/* The canonical path below root of an open file, in out (PATH_MAX). 0, or -1. */
int rooted_path(const struct host *h, int fd, char *out, size_t size);

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
/* Compares the written-to pages of a mapping of `file`, or all that are present; dumps those that differ as parts of p. */
int text_compare(struct host *h, const struct proc *proc, const struct map *m, int file, bool all, struct piece *p,
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

/* ---- privileged.c: setuid files and such with capabilities ---- */

int privileged_scan(struct host *h, struct err *e);
/* The same of a file that runs, wherever it stands. */
void privileged_running(struct host *h, struct piece *p, int fd, const char *path);

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
bool held_text(const struct proc *proc, const char *interpreter, struct buf *out, uint64_t *address);

/* ---- interpreted.c: the code that an interpreter's process is about ---- */

/* The piece, with its sighting; *p NULL: the program is no interpreter, or what it runs cannot be had. */
int script_take(struct host *h, const struct proc *proc, const char *exe, struct piece *program, struct piece **p, struct err *e);

/* ---- modules.c ---- */

int modules_scan(struct host *h, struct err *e);
/* The file of a module below root's /lib/modules/RELEASE: canonical path; -1: none. */
int modules_file(const struct host *h, const char *name, char *out, size_t size);

/* ---- shell.c: commands in a shell's text ---- */

struct shell_command {
	char **word;
	size_t words;
	unsigned line;            /* of its first word, from 1 */
	const char *input;        /* "< file", or NULL */
	bool from_pipe;           /* reads another's output */
	bool computed;            /* its first word is not known before it runs */
	bool nested;              /* from $( ) or backquotes */
	bool cut;                 /* there were more words than any program can be given */
};
typedef void shell_fn(void *ctx, const struct shell_command *c);
/* Splits text into simple commands: quotes, operators, $( ), comments, keywords, assignments. It runs nothing and
 * expands only ~ and $HOME. With plain only quotes count (Exec= lines). */
void shell_commands(const char *text, size_t n, const char *home, bool plain, shell_fn *fn, void *ctx);

/* ---- crontab.c, unit.c: start-up files' text ---- */

struct cron_entry { unsigned line; const char *text; size_t length; const char *command; size_t command_length; const char *user; size_t user_length; const char *path; /* PATH= in force, or NULL */ };
enum cron_form { CRON_SYSTEM, CRON_USER, CRON_ANACRON };
typedef void cron_fn(void *ctx, const struct cron_entry *c);
void crontab_parse(const char *text, size_t n, enum cron_form form, cron_fn *fn, void *ctx);

struct unit_entry { const char *section; const char *key; const char *value; unsigned line; const char *text; size_t length; bool continued; };
typedef void unit_fn(void *ctx, const struct unit_entry *u);
/* systemd units and .desktop files: sections, Key=Value, continued lines, comments. */
void unit_parse(const char *text, size_t n, unit_fn *fn, void *ctx);

/* ---- entry.c: what an entry starts ---- */

/* How a start-up file is written. */
enum form {
	FORM_CRON_SYSTEM, FORM_CRON_USER, FORM_ANACRON, FORM_SCRIPT, FORM_UNIT, FORM_DESKTOP, FORM_LINK,
	FORM_PROGRAM,      /* the file itself is the code, in whatever language */
	FORM_ENVIRONMENT,  /* settings of variables; those of every other form are looked at as well */
	FORM_APT, FORM_GIT,
	/* one entry a line: */
	FORM_PRELOAD, FORM_MODULES, FORM_MODPROBE, FORM_INITTAB, FORM_UDEV, FORM_PAM, FORM_NSS, FORM_LINKER, FORM_KEYS, FORM_PTH,
	FORM_BINFMT, FORM_BINFMT_PROC, FORM_HELPER, FORM_SYSCTL, FORM_INETD, FORM_INCRON, FORM_BOOT, FORM_REQUEST_KEY, FORM_PIPES,
	FORM_LOGROTATE, FORM_PASSWD, FORM_POLKIT,
	/* "key value" or "key = value", the keys that count in keyed.c: */
	FORM_SSHD, FORM_SSH, FORM_DPKG, FORM_XINETD, FORM_INTERFACES, FORM_WIREGUARD, FORM_SUPERVISOR, FORM_LIGHTDM, FORM_AUDIT,
	FORM_ACPI, FORM_TMUX, FORM_WM, FORM_PHP, FORM_UPSTART, FORM_DNSMASQ, FORM_SNMP, FORM_BINFMT_SUPPORT, FORM_OPENVPN, FORM_DHCP,
	FORMS
};
/* A start-up file as it is read. */
struct startup {
	enum form form;
	struct host *h;
	const char *place;        /* "cron", "systemd", ... */
	char path[4096];          /* below the root */
	char link[4096];          /* the link's text when path is a symbolic link and the entry is the file as a whole, or "" */
	const char *home;         /* its user's */
	bool user;                /* belongs to a user, not to the system */
	bool whole;               /* the file as a whole is the entry */
	bool script;              /* is a shell's text, not a list of commands */
	bool included;            /* another start-up file names it: it does not name further ones */
	bool quiet;               /* names much that need not be there: what is missing is not worth a word */
	const char *as;           /* a sign for what is found just now, beside the place's own, or NULL */
	const char *folder;       /* in which its commands run, NULL: its user's home */
	struct buf search, libraries;   /* folders that it puts before PATH and the loader's, with ":" between */
	char section[64];         /* of the file, as it is read */
	bool inside;              /* a script within the file */
	struct buf text;
	struct stat st;
	char sha256[DIGEST_HEX];
	/* gathered for the file as a piece of code: */
	json_t *own;              /* sightings of entries that are code themselves */
	json_t *given;            /* sightings given to what the entries start */
	struct piece *only;       /* the one piece all of them start so far */
	bool several;             /* they start more than one */
	unsigned last_line;       /* of the last one */
	struct met *met;          /* crowd.c's */
	size_t met_size, met_count, looks;
	size_t searched;          /* words behind wrappers that were looked for as programs */
	unsigned folders;         /* of its entries */
	bool crowded;             /* it holds more than is looked at */
	bool oversized;           /* it is longer than such files are */
	unsigned near_line;       /* where the last line looked up begins */
	size_t near_offset;
	bool fetches;
	char gone[1024], inlined[1024], open_to[1024];   /* the first reasons, "" none */
};
/*
 * A command of the file, at `line` with its exact text. What it starts gets a sighting; when that is nothing that exists,
 * or it is a program in itself (sh -c, a pipe into a shell), the file becomes code. PATH in force, or NULL. With `plain`
 * the command is words and quotes only. For a script, line and text are found from the command's place in the file.
 */
void entry_command(struct startup *s, unsigned line, const char *text, size_t length, const char *command, size_t command_length,
                   const char *path_env, bool plain);
/* A file that the entry names outright (a preloaded library, a module): false when it does not exist. */
bool entry_file(struct startup *s, unsigned line, const char *text, size_t length, const char *file);
/* The same for an open file, by whatever name it was found. fd stays the caller's. */
void entry_open_file(struct startup *s, unsigned line, const char *text, size_t length, int fd);
/* The entry is code in itself: the file becomes a piece, with this entry's sighting. */
void entry_is_code(struct startup *s, unsigned line, const char *text, size_t length, const char *what, const char *word);
/* The sighting of this entry, new reference. line 0: the file itself. */
json_t *entry_sighting(const struct startup *s, unsigned line, const char *text, size_t length);
void entry_signs(struct startup *s, struct piece *p);

/* ---- crowd.c: how much of one start-up file is looked at ---- */

/* Is this entry of the file to be looked at: `what` in `where` (a folder, a search path, ...; or NULL)? Equal ones count once. */
bool crowd_admit(struct startup *s, const char *where, const char *what, size_t n);
/* It holds more than is looked at, which is said. */
void crowd_over(struct startup *s, const char *what);
/* Keeps the sighting (takes it) of an entry that is code itself, or a reference to one given to a piece. */
void crowd_own(struct startup *s, json_t *sighting);
void crowd_given(struct startup *s, json_t *sighting);
void crowd_free(struct startup *s);

/* ---- settle.c ---- */

/* When all entries were read: sightings that called the file as a whole the entry say so no longer where it does more than
 * start that one piece, so that a removal takes a line out of a good file rather than the file. */
void settle_whole(struct startup *s);

/* ---- words.c: what a command's words mean ---- */

bool words_builtin(const char *word);       /* a shell's own, that starts nothing */
bool words_fetcher(const char *word);       /* brings or decodes bytes: curl, base64 */
/* A program that runs what its arguments name: env, nice, sudo. */
bool words_wrapper(const char *word);
/* For words[0] a wrapper: the index at which what it runs may stand, its options and their values passed over; *command:
 * that word is a command line of its own (su -c). 0: it runs nothing. */
size_t words_wrapped(char *const *words, size_t n, bool *command);

/* ---- places.c: where things start by themselves; startup.c: reads them; forms.c: the forms of their files ---- */

#define PLACE_WHOLE 1u    /* the file as a whole is the entry */
#define PLACE_BELOW 2u    /* the folders in it count as well: unit.d, target.wants */
#define PLACE_RUNS 4u     /* only files that may be executed */
#define PLACE_HOST 8u     /* the running kernel's, which containers share */
#define PLACE_QUIET 16u   /* names much that need not be there */
struct place {
	const char *path;         /* "*" stands for any name or part of one; ends in "/": a folder, all of whose files count */
	const char *place;        /* the sighting's word */
	enum form form;
	unsigned flags;
	const char *endings;      /* only files that end so, "|" between; NULL: all */
};
/* Those of the system, and those below a home; path NULL at the end. */
extern const struct place places_system[], places_user[];

/* The places below h's own root. */
int startup_scan(struct host *h, struct err *e);
/*
 * The same below another root of the running machine, as a container has: `root` is its root folder (O_PATH does, as
 * /proc/PID/root opened), and stays the caller's. Files are held against the package database below that root. Each
 * sighting bears `label` as "container", and paths are as seen from there. The caller sees to it that a root is read once.
 */
int startup_scan_root(struct host *h, int root, const char *label, struct err *e);
/* Names in an open folder, in order, at most `cap`; *more when there were more. Takes fd. Caller frees each and the list. */
size_t startup_names(int fd, size_t cap, char ***names, bool *more);
/* A start-up file that another one names, as one of the same place. */
void startup_another(const struct startup *from, const char *path, enum form form);

/* Reads the entries of an open start-up file, and makes the file a piece of code where it is one. fd stays the caller's. */
void forms_read(struct startup *s, enum form form, int fd);

/* ---- perline.c, login.c, keyed.c, apt.c, git.c, units.c, environment.c, shadow.c: the forms, one by one ---- */

/* `copy` is the line as a string of its own, to be cut up; with `continued` a backslash at its end goes on with the next. */
typedef void line_fn(struct startup *s, unsigned line, const char *text, size_t length, char *copy);
void perline_each(struct startup *s, line_fn *fn, bool continued);
line_fn *perline_form(enum form form);       /* NULL: none of this file */
line_fn *login_form(enum form form);
void keyed_read(struct startup *s);
void apt_read(struct startup *s);
void git_read(struct startup *s);
void units_read(struct startup *s);
/* Variables that make programs load or run something: LD_PRELOAD, BASH_ENV, PROMPT_COMMAND. */
void environment_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy);
/* Opens a library as the loader would find it, by name: below `within` (NULL: any) of the library folders. -1: none. */
int shadow_library(const struct host *h, const char *name, const char *within);
/* A folder that is searched for libraries, or for programs: what in it takes the place of the system's. */
void shadow_folder(struct startup *s, unsigned line, const char *text, size_t length, const char *folder, bool libraries);

/* ---- initramfs.c: what runs before any file of the machine does ---- */

/* The images below /boot of h's root. */
int initramfs_scan(struct host *h, struct err *e);

/* ---- maintainer.c: the scripts that packages run when they come and go ---- */

/* Those of installed packages in h's own root that were altered since. */
int maintainer_scan(struct host *h, struct err *e);

/* ---- walk.c: folders that are read entry by entry, as steps ---- */

struct folder {
	struct folder *above;       /* the folder in which this one stands, or NULL */
	DIR *dir;
	char *path;               /* as walk_name() left it */
	long at;                  /* for walk_spare() */
	uint64_t id;
	bool remote;              /* somebody else must answer for it */
	unsigned depth;
};
/* Takes fd, of which `at` is fstat()'s; to be closed with closedir(f->dir). False: it cannot be read, and fd is closed. */
bool walk_open(struct folder *f, int fd, const struct stat *at, struct folder *above);
/* f->path: its whole path, which takes a system call but for a folder that is `called` so in the one above; NULL where it cannot
 * be told. Malloc'd, to be freed before the folder is closed. */
void walk_name(struct folder *f, const char *called);
/* That path below our root; NULL where it cannot be told or stands outside. */
const char *walk_below(const struct host *h, const struct folder *f);
/* host_spare() within a folder: whoever goes on reads all open folders from where they stood. */
bool walk_spare(struct host *h, struct folder *f);
/* But "." and ".."; NULL: there are no more, or it does not answer. */
struct dirent *walk_next(const struct folder *f);
/* watch_enter() for a name in it; whole: it may be on another file system, or a remote one. */
bool walk_enter(const struct folder *f, const char *name, bool whole);

/* ---- tree.c: files and trees named by hand ---- */

int tree_scan(struct host *h, const char *path, struct err *e);

/* ---- profile.c ---- */

json_t *profile_make(const struct host *h, struct err *e);

#endif
