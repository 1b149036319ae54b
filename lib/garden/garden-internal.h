/* What the files of the room garden share, and nobody else sees. Functions stand under the name of the .c file. */
#ifndef GARDEN_INTERNAL_H
#define GARDEN_INTERNAL_H

#include "garden/garden.h"

#include <poll.h>
#include <linux/futex.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Newer than the headers that this may be built with. */
#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef SYS_futex_wait
#define SYS_futex_wait 455
#endif
#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

#define GARDEN_EVENTS 100000u            /* of one run: a loop of opens fills a disk otherwise */
#define GARDEN_EVENT_BYTES (48 * MIB)    /* of one run, below CAP_JSON */
#define GARDEN_DUMP (16 * MIB)           /* one region */
#define GARDEN_DUMPS (64 * MIB)          /* of one run, they are kept in memory */
#define GARDEN_CHANGES 100000u           /* paths that differ */
#define GARDEN_DEPTH 256                 /* of folders; recursion and path lengths end there */
#define GARDEN_REPLY_MS 30000            /* from a keeper or warden to an ordinary question */

/* ---- message.c: JSON and descriptors over a socket ---- */

#define MESSAGE_FDS 8u
struct message_fd { const char *name; int fd; };
struct message {
	json_t *body;
	int fd[MESSAGE_FDS];
	unsigned fds;
};
/* Steals body. fds ends with a NULL name; those below 0 are left out. */
int message_send(int sock, json_t *body, const struct message_fd *fds, struct err *e);
/* 1; 0: the peer is gone; -1. ms < 0: waits for ever. Time-out is 75. */
int message_receive(int sock, int ms, struct message *m, struct err *e);
int message_take(struct message *m, const char *name);    /* the descriptor, now the caller's; -1: none */
void message_free(struct message *m);
/* Sends, awaits the answer; an answer {"error","code"} becomes *e. */
int message_call(int sock, json_t *body, const struct message_fd *fds, int ms, struct message *reply, struct err *e);
int message_fail(int sock, const struct err *cause);      /* answers with an error */

/* ---- world.c ---- */

int world_socket(const struct world *w);
const char *world_internet(const struct world *w);   /* its settings, or NULL */

/* ---- keeper.c: the process that holds a world ---- */

int keeper_main(int argc, char **argv);

/* ---- files.c: files of a world, seen from the keeper ---- */

struct layers;
int files_in_root(int root, const char *path, int flags, unsigned mode);   /* links lead nowhere outside of the folder `root` */
int files_parent(int root, const char *path, struct err *e);   /* the folder that a path's last name stands in, made where it is missing */
int files_put(const struct layers *l, const char *path, unsigned mode, int src, bool append, struct err *e);
int files_open(const struct layers *l, const char *path, struct err *e);
int files_open_lower(const struct layers *l, const char *path, struct err *e);

/* ---- what a machine that looks lived in has, see lived.c's plan ---- */

#define SERVICES 64u
struct machine {
	json_t *plan;                 /* NULL: the lower root as it is */
	int contents;
	json_t *laid;                 /* path: what of the plan's files is in the world */
	int program[SERVICES];        /* of the services, until they run */
	unsigned programs;
	unsigned kinds;               /* of network interface that the kernel has, a bit each */
};

/* ---- furnish.c: its files ---- */

/* Puts them into the world, none over one that is to be kept. As an ordinary user, what belongs to the real root is left out. */
int furnish_lay(const struct layers *l, struct machine *m, struct err *e);
bool furnish_has(const struct machine *m, const char *path);   /* was it laid there? */
int furnish_open(const struct machine *m, const char *path);   /* a file as it was laid; -1: none of those */

/* ---- guise.c: its kernel's side ---- */

void guise_init(char **argv);                          /* the command line and name of the caller become those of an init */
void guise_name(const struct machine *m);              /* the host's name, in a namespace of one's own */
void guise_time(const struct machine *m, pid_t pid);   /* the uptime of pid's children to come, before there is one */
void guise_clocks(void);                               /* the caller's become those of its children, once they are set */
void guise_pids(const struct machine *m);              /* numbers of processes that begin where a machine's do */
/* In the world's root folder: mounts /sys, and over files of /proc. */
int guise_kernel(struct machine *m, struct err *e);

/* ---- services.c: processes that are only to be seen ---- */

struct services {
	struct service { pid_t pid; char name[16]; int64_t gone_ms; } one[SERVICES];
	unsigned count, alive;
};
int services_prepare(struct machine *m, const char *folder, struct err *e);        /* their programs, below a folder that takes files */
/* Children of the caller, who is the init, without rights, descriptors or system calls; returns once they are what they are called. */
void services_start(struct services *s, struct machine *m, int niceness);
bool services_has(const struct services *s, pid_t pid);
bool services_gone(struct services *s, pid_t pid);                                 /* pid has ended; false: none of them */
const char *services_name(const struct services *s, pid_t pid);                    /* also of one that has just ended; NULL */

/* ---- card.c: a network interface that leads nowhere ---- */

void card_kinds(struct machine *m);         /* before the machine's own /sys and /proc are out of sight */
void card_plug(const struct machine *m);    /* in a network namespace of one's own; where it can't be had, there is none */

/* ---- layers.c, places.c: a world's folders, seen from the keeper ---- */

struct layer {
	char *path;      /* where in the world: "/" or "/usr" */
	bool overlay;    /* else a plain folder of the tmpfs */
	int upper;       /* the writable folder */
	int lower;       /* the folder below; -1: none */
};
struct layers {
	bool privileged;
	const char *device;          /* what mounts say they are of */
	char *top;                   /* where our tmpfs is mounted */
	char *merged;                /* the world's root folder */
	int root;                    /* the same, open */
	int lower;                   /* the lower root, open */
	struct layer *layer;
	size_t count;
	char **hidden;
	size_t hiddens;
};
/* device: the name of what is mounted; stays the caller's. shown: a further folder, for the path shown_at; -1: none. */
int layers_open(struct layers *l, int lower, bool defaults, uint64_t size, const json_t *hide, const char *device, int shown,
                const char *shown_at, struct err *e);
struct layer *layers_of(const struct layers *l, const char *path, const char **rel);   /* rel: below the layer, "." for itself */
bool layers_hidden(const struct layers *l, const char *path);
void layers_add(struct layers *l, const char *path, bool overlay, int upper, int lower);
char *layers_folder(struct layers *l, const char *kind);   /* a new folder of the tmpfs; caller frees */

/* An overlay over `lower` (stays the caller's) at a path of the world, with what is hidden there. */
int places_overlay(struct layers *l, const char *path, int lower, bool defaults, struct err *e);
/* The folder `rel` of a layer's upper side, made with what is above it, each like its lower one. An open folder, or -1. */
int places_folder(const struct layer *y, const char *rel);
/* What every world has, where y is the layer for it: folders to mount on, .muss-scratch, a shadow file without digests. */
int places_finish(struct layers *l, const struct layer *y, bool defaults, struct err *e);

/* ---- compose.c: unprivileged: the world's root put together from the folders of `lower` ---- */

int compose_root(struct layers *l, int lower, const char *path, int depth, bool defaults, struct err *e);

/* ---- copy.c: files and folders that an unprivileged world copies ---- */

void copy_attributes(int from, int to);
void copy_file(int from, const char *name, int to);
void copy_link(int from, const char *name, int to);
int copy_tree(const struct layers *l, int from, int to, const char *path, struct err *e);   /* closes from */

/* ---- mounts.c ---- */

char **mounts_list(const char *below);             /* mount points below a path, NULL-terminated, sorted; caller frees each and all */
bool mounts_below(int folder);
bool mounts_disk(const char *mount_point);         /* of a file system that can be a lower layer */

/* ---- nodes.c: what stands in the writable folders; changes.c: against what was below ---- */

struct node {
	char *path;
	struct stat st;
	bool whiteout, opaque;
	char sha256[DIGEST_HEX];     /* files, once asked for */
	char *target;                /* links */
	json_t *xattrs;              /* or NULL */
};
struct nodes { struct node *node; size_t count, room; };
int nodes_walk(const struct layers *l, struct nodes *n, struct err *e);   /* sorted by path, no digests */
/* One path below a folder descriptor, no links followed; false: not there. Fills all but path; digest when asked for. */
bool nodes_look(int dir, const char *rel, bool digest, struct node *n);
struct node *nodes_find(const struct nodes *n, const char *path);
void nodes_digest(const struct layers *l, struct node *n);
void nodes_drop(struct node *n);
void nodes_free(struct nodes *n);

struct machine;
json_t *changes_list(const struct layers *l, const struct nodes *base, const struct machine *m, struct err *e);

/* ---- cage.c: the namespaces of one run ---- */

/* In the new init, before anything else: mounts, then its own user namespace. `sync`: a socket to the keeper, which writes the maps. */
int cage_enter(const struct layers *l, struct machine *m, int sync, struct err *e);

/* ---- gateway.c: what answers for every address of a run's network ---- */

struct gateway {
	struct spawn helper;         /* pid 0: there is none */
	int control, records;
	int64_t began_ns;            /* CLOCK_MONOTONIC of an exchange's "t" 0 */
};
/* Files of a world in which its certificates are trusted: [{"path","text","append"}]. NULL: *e. */
json_t *gateway_files(struct err *e);
/* Enters the run's namespaces (descriptors) and serves; returns once it does. capture: takes the pcap; -1: nobody wants it. */
int gateway_start(struct gateway *g, const char *settings, int user, int net, int capture, struct err *e);
/* Ends it: struct run's "net", and what was exchanged, appended. run_ns: CLOCK_MONOTONIC of an event's "t" 0. Never NULL: of one that a sample
 * has ended or stalled it is gateway_lost(), with what it had written down. */
json_t *gateway_stop(struct gateway *g, json_t *exchanges, int64_t run_ns);
json_t *gateway_lost(void);
void gateway_drop(struct gateway *g);      /* ends it unheard; harmless when it is none */
/* The warden's: "open" or "close" a port. Closes *control (-1 is fine) where nobody answers any more. */
bool gateway_port(int *control, const char *what, const char *protocol, unsigned port);
void gateway_clock(int *control, int64_t ahead_ns);   /* what the run's clock is ahead of this machine's */

/* ---- net.c ---- */

int net_up(struct err *e);   /* loopback up, every address local */

/* ---- rights.c, filter.c: in the child, before exec ---- */

struct rights {
	unsigned uid;
	uint64_t memory, file;
	bool beside;         /* not traced, more capabilities */
	bool traced;
	uint64_t bend;       /* the number that lets a clock_gettime pass; 0: time is not bent */
};
int rights_drop(const struct rights *r);   /* 0 or errno */
int rights_forgo(void);                    /* no program that is started from here on has any */
int rights_none(unsigned uid, unsigned gid);   /* and neither have we, as that user */
enum { FILTER_RECORD = 1, FILTER_DENY = 2, FILTER_BEND = 4, FILTER_READ = 8 };
int filter_enter(bool traced, uint64_t bend);   /* 0 or errno */
/* What the filter of a traced run answers to a call, worked out here: the kernel's word of it carries the value of whichever filter
 * came last, and a sample may add its own. */
struct seccomp_data;
unsigned filter_says(const struct seccomp_data *d, uint64_t bend);

/* ---- record.c: events and dumps on their way to the tool ---- */

struct dump_seen;
struct slept;
struct record {
	int events, dumps;           /* memory files; -1: none */
	int gateway;                 /* whom ports are asked of; -1: nobody answers */
	int64_t start_ns, told_ns;   /* of bent time, what the run's date was ahead as it began; how far ahead that one was told that it is */
	unsigned count, max;
	uint64_t bytes, dumped;
	int64_t began_ms, last_ms;
	int64_t skipped_ns, last_skipped_ns;   /* of bent time, and how much of it when the last event was recorded */
	struct slept *slept;         /* waits that may yet be repeated */
	bool full;
	struct buf line;
	struct dump_seen *seen;      /* dumps taken */
	size_t seen_count;
	const struct services *services;   /* whose names signals to them are recorded with */
};
void record_event(struct record *r, pid_t pid, pid_t ppid, const char *event, json_t *members);   /* steals members (may be NULL) */
/* A wait that bent time has cut short: written once the process does something else, repetitions as one. */
void record_sleep(struct record *r, pid_t pid, pid_t ppid, const char *call, double seconds);
/* How long nothing must have been recorded for a run to be quiet: longer for one that sleeps in many small steps. */
int64_t record_patience(const struct record *r, int64_t quiet_ms);
void record_rest(struct record *r);   /* those that are left, at the end */
/* Adds "sha256", "dump_at", "dump_size" to o and stores the bytes once. False: taken before. */
bool record_dump(struct record *r, json_t *o, const void *p, size_t n);
/* The tool's side: moves what is in the file to r->events. */
int record_collect(struct run *r, int events, struct err *e);

/* ---- tracer.c ---- */

/* Times in here are in ns of the run's bent clock, bend.h. */
struct sleep_call;
struct wait {
	const struct sleep_call *call;   /* NULL: it is in none */
	const struct sleep_call *parked; /* interrupted: restart_syscall goes on with it */
	int64_t began, until;
	int64_t skipped;             /* of the run, as it began */
	bool held;                   /* stopped at its entry, which need not be entered */
	bool fired;                  /* its time is over, the call is being ended */
	bool moved;                  /* the argument with its time points to a copy of ours */
};
struct blocked { uint64_t runs; int64_t since, real, grace; bool looked; char state; };   /* idle.c: its present wait, whichever */

struct tracer;
struct task {
	pid_t tid, tgid, ppid;
	bool code_memory;            /* has executable memory of no file */
	bool awaits_exit;            /* of the system call below */
	bool unannounced;            /* seen before its parent's word of it */
	long nr;
	uint64_t arg[6];
	json_t *pending;             /* its event, without "error" */
	const char *pending_name;
	char *wanted;                /* execve's path */
	bool asked_tracing, no_new_privs;   /* what it has asked for itself */
	char *masked;                /* the file of /proc whose opening is answered with one of ours */
	int64_t born;                /* what was skipped of bent time when it began */
	/* bent time */
	bool bent;                   /* the awaited exit is bend's */
	bool interrupted;            /* by PTRACE_INTERRUPT, whose stop has not come yet */
	bool listening;              /* stopped by a signal */
	struct wait wait;
	struct blocked blocked;
	int memory;                  /* /proc/PID/mem; -1 */
	uint64_t vdso;               /* where it has our code; 0: none */
	struct task *next;
};
struct bend;
struct tracer *tracer_new(struct record *r, unsigned processes);
void tracer_bend(struct tracer *t, struct bend *b);       /* frees b at its end */
struct task *tracer_find(const struct tracer *t, pid_t tid);   /* NULL */
struct task *tracer_next(const struct tracer *t, const struct task *k);   /* of all; NULL: the first */
void tracer_go(const struct task *k, bool to_exit);       /* on from its stop */
void tracer_skip(const struct task *k, long result);      /* at a call's entry: it is not made, and answers that */
void tracer_result(const struct task *k, long result);    /* at its exit */
int tracer_seize(struct tracer *t, pid_t pid);            /* 0 or errno */
bool tracer_wait(struct tracer *t, pid_t pid, int status);  /* one result of waitpid; false: not one of its tasks */
unsigned tracer_refused(const struct tracer *t);          /* forks refused at the limit */
void tracer_sweep(struct tracer *t);                      /* dumps of all that live */
void tracer_free(struct tracer *t);

/* ---- disguise.c: answers to those who look for a tracer, or for the time in /proc ---- */

bool disguise_prctl(struct task *k, long *result);        /* true: that is the answer */
/* A file is opened for reading. True: it is one of /proc that would tell; the exit is to be awaited, and for disguise_opened. b may be NULL. */
bool disguise_open(const struct bend *b, struct task *k);
void disguise_opened(const struct tracer *t, const struct bend *b, struct task *k, int64_t result);

/* ---- bend.c: bent time, for which bend.h is the rest ---- */

struct bend *bend_new(struct tracer *t, struct record *r, int64_t start_ns, uint64_t magic);
void bend_free(struct bend *b);
int bend_poll(struct bend *b, struct pollfd *p, nfds_t n, int ms);   /* poll(2), shorter where bent time wants to go on; b: NULL is fine */
void bend_apart(struct bend *b, bool apart);              /* a program that is not traced runs beside the run */
void bend_exec(struct bend *b, struct task *k);
void bend_fork(struct bend *b, const struct task *parent, struct task *child);
void bend_gone(struct bend *b, const struct task *k);
void bend_stopped(struct bend *b, struct task *k);        /* PTRACE_EVENT_STOP */

/* ---- calls.c: one system call to one event ---- */

enum calls_do { CALLS_GO, CALLS_AWAIT, CALLS_DENY, CALLS_FAKE };
/* At its entry. Sets t->pending and pending_name where there is something to record. *result: for DENY (-errno) and FAKE. */
enum calls_do calls_entry(struct record *r, struct task *t, bool deny, long *result);
void calls_exit(struct record *r, struct task *t, int64_t result);
const char *calls_errno(int error);       /* "EACCES" */

/* ---- notable.c: calls that are let through and said by name ---- */

bool notable_call(struct task *t);         /* sets t->pending and pending_name; false: of no interest */
const char *notable_clock(const struct task *t);   /* the call's name, when it sets the machine's clock; NULL */
const char *notable_ioctl(uint64_t request);   /* "TIOCSTI"; NULL: not one that the filter refuses */

/* ---- tracee.c: reading what belongs to a traced process ---- */

char *tracee_string(pid_t tid, uint64_t address);      /* caller frees; "<unreadable>" */
size_t tracee_bytes(pid_t tid, uint64_t address, void *p, size_t n);
bool tracee_write(pid_t tid, uint64_t address, const void *p, size_t n);
int tracee_copy(pid_t tgid, int fd);                   /* a copy of its descriptor, the caller's; -1 */
char *tracee_path(const struct task *t, int dirfd, uint64_t address);   /* absolute; caller frees */
char *tracee_fd(pid_t tid, int fd);                    /* what a descriptor stands for; NULL: nothing */
char *tracee_link(pid_t tid, const char *name);        /* readlink /proc/TID/name; NULL */
void tracee_ids(pid_t tid, pid_t *tgid, pid_t *ppid);
json_t *tracee_address(const struct task *t, int fd, uint64_t address, uint64_t len);   /* protocol, address, port */
json_t *tracee_socket(const struct task *t, int fd);   /* the same of the socket's own name */
int tracee_port(const struct task *t, int fd);         /* the socket's own; 0: none yet */
json_t *tracee_argv(pid_t pid);
bool tracee_digest(pid_t pid, char hex[DIGEST_HEX]);   /* of its executable */

/* ---- memory.c: code that exists only in memory ---- */

void memory_range(struct record *r, struct task *t, uint64_t start, uint64_t size, const char *how);
void memory_sweep(struct record *r, const struct task *t);
void memory_image(struct record *r, const struct task *t);   /* the executable of a process that runs from a memfd */

/* ---- cgroup.c: limits that the kernel holds, where control groups may be made; version 1 and 2 ---- */

struct cgroup_folder { int fd; unsigned controllers; bool unified; };   /* groups are made in it; a bit a controller */
struct cgroups {
	struct cgroup_folder folder[3];
	unsigned folders, made;      /* none: no groups can be had, the warden's own look at its processes is all there is */
	char prefix[64];             /* of the names: the keeper's number and when it began, so that another can tell whether it lives */
	int life;                    /* a pipe that ends with the keeper */
	pid_t watcher;               /* waits for that, and removes what is left */
};
struct cgroup { char name[80]; int procs[3]; unsigned count; int events[2]; };   /* one run's */
void cgroups_open(struct cgroups *g);      /* removes what dead keepers left, too */
void cgroups_find(struct cgroups *g, const char *mounts, const char *groups);   /* its first half: texts of /proc/self/{mountinfo,cgroup} */
void cgroups_close(struct cgroups *g);     /* after the last run */
/* memory in bytes, files of the world that the run writes included. False: no group, none is left. */
bool cgroup_make(struct cgroups *g, struct cgroup *c, uint64_t memory, unsigned tasks);
void cgroup_join(const struct cgroup *c);  /* the calling process */
void cgroup_events(const struct cgroup *c, uint64_t count[2]);   /* kills for want of memory, refused forks, since it was made */
void cgroup_leave(struct cgroup *c);       /* closes what it holds open; the group stays */
void cgroup_drop(const struct cgroups *g, struct cgroup *c);   /* once its processes are gone */

/* ---- sockets.c ---- */

uint64_t sockets_held(void);   /* bytes in the buffers of all sockets of this network namespace */

/* ---- launch.c: from fork to exec ---- */

#define LAUNCH_ARGUMENTS 1024u
struct launch {
	const char *path, *cwd;             /* NULL: argv[0], / */
	const char **argv, **envp;
	unsigned uid;
	uint64_t memory, file;
	bool beside, traced;
	uint64_t bend;                      /* see struct rights */
	int in, out, errfd, niceness;
	const struct cgroup *group;         /* NULL: none */
};
/* result: an int with errno's number when exec failed, end of file when it did not. A traced child first sends -1 and waits
 * for a byte in go: then it is to be seized. */
struct launch_pipes { int result, go; };
pid_t launch_child(const struct launch *l, struct launch_pipes *p);

/* ---- warden.c: the init of a run ---- */

/* niceness and group: of what it starts. */
_Noreturn void warden_main(int sock, int niceness, struct machine *m, const struct cgroup *group);

/* ---- table.c: what the warden sees of its processes ---- */

struct table_sum { unsigned processes, tasks, zombies; uint64_t resident; bool busy; };
/* Of all processes but our own init and the services that the run found there. */
void table_sum(const struct services *v, struct table_sum *s, uint64_t *ticks);   /* *ticks: processor time of all, to compare; busy: one runs */
json_t *table_list(const struct services *v);
bool table_others(const struct services *v);            /* one is there, be it dead and not waited for */
void table_machine(uint64_t *shared, bool *scarce);     /* shared memory of this machine, whoever's; little is left */
uint64_t table_shared(void);                             /* bytes of memory files and nameless shared memory of our processes */

#endif
