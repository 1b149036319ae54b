/*
 * garden: closed worlds in which code may run: an overlay of a root, namespaces of its own, no route out, limits, a
 * tracer. Uses confine and base. Never knows what a verdict or a remedy is.
 */
#ifndef GARDEN_H
#define GARDEN_H

#include "base/base.h"

/*
 * A world is a root folder composed of a read-only lower root (this machine's "/") and a writable layer on a tmpfs, in a
 * mount namespace that a keeper process holds. It dies with the process that made it, kill -9 included: nothing stays
 * mounted, nothing stays running. Works as root (one overlay over /) and unprivileged (overlays or tmpfs by top-level folder,
 * in a user namespace).
 */
struct world;
struct world_options {
	const char *lower;        /* NULL: "/" */
	uint64_t size_bytes;      /* of the writable layer; 0: 512 MiB */
	bool host_processes;      /* false: an empty process table */
};
struct world *world_open(const struct world_options *o, struct err *e);
/* Puts a file into the world (parents are made). mode with permission bits. src: an open descriptor, read from 0. */
int world_put(struct world *w, const char *path, unsigned mode, int src, struct err *e);
int world_append(struct world *w, const char *path, unsigned mode, const char *text, struct err *e);
/* The writable layer's content against the lower root: one object a changed path:
 * {"path","change":"created"|"modified"|"deleted","type":"file"|"dir"|"link"|...,"mode","size","sha256","target","xattrs"},
 * sorted by path. /proc, /sys, /dev, /run/muss are left out. New reference. */
json_t *world_changes(struct world *w, struct err *e);
int world_open_file(struct world *w, const char *path, struct err *e);   /* a file of the world, read only, no links followed at the end */
void world_close(struct world *w);

/*
 * One run of a program in a world: PID, network (loopback up, no route), IPC, UTS namespaces of its own, seccomp, no new
 * rights, limits; traced when events is not NULL.
 */
struct run {
	const char *const *argv;  /* argv[0]: path inside the world */
	const char *const *envp;  /* NULL: PATH, HOME, LANG, TERM */
	unsigned uid;             /* inside: 0 looks like root */
	int seconds;              /* wall clock; then the whole run is killed */
	uint64_t memory_bytes; unsigned processes;   /* limits */
	bool keep;                /* leave it running when run_start returns: see run_stop */
	int in, out, errfd;       /* -1: /dev/null */
	json_t *events;           /* array to append to: see below; or NULL: not traced */
	int dumps_dir;            /* folder descriptor for memory dumps (code that exists only in memory), or -1 */
	/* set: */
	int status;               /* exit code, or 128 + signal */
	bool timed_out, limit_memory, limit_processes;
	double elapsed;           /* seconds */
};
/* Events: {"t":seconds,"pid","ppid","event":"exec","path","argv":[..],"sha256"} | "fork","child" | "exit","status" |
 * "open" (for writing),"path" | "unlink","path" | "rename","path","to" | "chmod","path","mode" | "link" |
 * "connect"/"bind"/"listen"/"sendto","protocol","address","port" | "memory" (written then executable, memfd exec),"address","size" | "ptrace" | "kill" | "denied","syscall". */
int garden_run(struct world *w, struct run *r, struct err *e);
/* The same in two halves, for a run that must be alive while something else happens in the same world and process table
 * (a remover beside the sample). */
struct running;
struct running *run_start(struct world *w, struct run *r, struct err *e);
int run_beside(struct running *g, struct run *r, struct err *e);   /* another program in the same process table; waits for it */
json_t *run_processes(struct running *g, struct err *e);           /* [{"pid","ppid","comm","cmdline":[..],"exe","sha256"}] */
int run_stop(struct running *g, struct err *e);                    /* kills all, reaps, frees */

#endif
