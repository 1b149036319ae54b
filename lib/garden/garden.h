/*
 * garden: closed worlds in which code may run: an overlay of a root, namespaces of its own, no route out, limits, a
 * tracer. Uses confine and base. Never knows what a verdict or a remedy is.
 */
#ifndef GARDEN_H
#define GARDEN_H

#include "base/base.h"

/*
 * A world is a root folder composed of a read-only lower root (this machine's "/") and a writable layer on a tmpfs, in a
 * mount namespace that a keeper process (helper-garden) holds. It dies with the process that made it, kill -9 included:
 * nothing stays mounted, nothing stays running. As root it is one overlay over the lower root (and one for each further
 * file system below it). Unprivileged it is put together by top-level folder in a user namespace: /etc is a copy of what
 * may be read of it and belongs to the inner root, the other folders are overlays to whose usual places the inner root may
 * add files; it cannot change files there that belong to the real root.
 * Always in it: the empty file /.muss-scratch, which tells our own test programs that they may act.
 * Not in it when the lower root is "/": what stands in /tmp /var/tmp /run /root /home /mnt /media /srv, private keys of
 * /etc/ssl and /etc/ssh, password digests, muss's own folders (/etc/muss /var/lib/muss /var/spool/muss); and never what
 * `hide` and $MUSS_HIDE (colon-separated; for an agent's spool and keys) list. A hidden folder is there, empty and writable; a hidden file is not there.
 * /proc, /dev and an empty /sys are made for each run; no device beyond null, zero, full, random, urandom, tty, ptys.
 */
struct world;
struct world_options {
	const char *lower;        /* NULL: "/" */
	uint64_t size_bytes;      /* of the writable layer; 0: 512 MiB */
	const char *const *hide;  /* absolute paths, NULL-terminated; NULL: none further */
	const char *machine;      /* a file of settings (rules/garden/machine.json, muss-garden(7)) after which the machine looks lived in: users,
	                             homes, logs, services, uptime, names, /sys; NULL: the lower root as it is. Bad settings are 78 */
	const char *internet;     /* a file of settings (rules/garden/internet.json, muss-garden(7)): helper-internet answers for every address of
	                             its runs, and its certificates are trusted in it; NULL: nobody answers. Bad settings are 78, at the run */
	const char *shown;        /* a further folder of this machine that the world shows, under a writable layer of its own; NULL: none */
	const char *shown_at;     /* where: "/" and one name, which the lower root has not */
};
/* 69 when this machine gives no namespaces or overlays. */
struct world *world_open(const struct world_options *o, struct err *e);
/* Puts a file into the world (parents are made, 0755 root); replaces one that is there. mode with permission bits. src: an
 * open descriptor, read from 0. Links in the path stay inside the world. */
int world_put(struct world *w, const char *path, unsigned mode, int src, struct err *e);
/* Appends; makes the file when it is not there. mode is for a new file; 0: 0644. */
int world_append(struct world *w, const char *path, unsigned mode, const char *text, struct err *e);
/*
 * The writable layer's content against the lower root (as the world showed it when it was made): one object a changed path:
 * {"path","change":"created"|"modified"|"deleted","type":"file"|"dir"|"link"|"fifo"|"socket"|"device","mode","uid","gid",
 *  "size","mtime_ns","sha256" (files),"target" (links),"xattrs":{name:hex},"what":[..]}, sorted by path; of a deleted path
 * only path, change, type. what (modified): of "type","content","target","mode","owner","mtime","xattrs" those that differ;
 * a folder's mtime is not looked at. A file that was only copied up, or changed and changed back, times included, is not listed. Below a
 * deleted or replaced folder each path is listed. /proc, /sys, /dev (but for /dev/shm), /run/muss are left out. What
 * world_put put there is listed as well; what makes the machine look lived in was there before. 75 when there are more than 100,000 paths. New reference.
 */
json_t *world_changes(struct world *w, struct err *e);
/* A file of the world, read only, no links followed at the end (65), none but regular files (65); 66: not there. */
int world_open_file(struct world *w, const char *path, struct err *e);
/* The same in the lower root, as the world showed it when it was made; 66 for what the world hides. */
int world_open_lower(struct world *w, const char *path, struct err *e);
/* The home of the first user that world_options.machine has put there; NULL: none. */
const char *world_home(const struct world *w);
bool world_privileged(const struct world *w);   /* false: made without root, see above */
void world_close(struct world *w);              /* NULL is fine */

/*
 * One run of a program in a world: user, PID, network (loopback up; every address answers from there, no route leaves),
 * IPC, UTS namespaces of its own, seccomp, no new rights, limits; traced when events is not NULL.
 * Set all to zero, then what is needed; in, out and errfd to -1.
 */
struct run {
	const char *path;         /* the program inside the world; NULL: argv[0]. Without #! or ELF header: run by /bin/sh */
	const char *const *argv;
	const char *const *envp;  /* NULL: PATH, HOME, LANG, TERM, USER, SHELL */
	const char *cwd;          /* NULL: / */
	unsigned uid;             /* inside: 0 looks like root. Unprivileged worlds know 0 only */
	int seconds;              /* wall clock, real also where time is bent; then the whole run is killed. 0: 60 */
	int quiet_ms;             /* garden_run: ends before its time when nothing was recorded for so long, no process uses
	                             the processor and every one sleeps; 0: never */
	uint64_t memory_bytes;    /* resident, of all processes together; also the address space of each, + 1 GiB. 0: 1 GiB */
	unsigned processes;       /* at once; a fork beyond it fails, a run that insists is killed. 0: 64 */
	int in, out, errfd;       /* -1: /dev/null */
	json_t *events;           /* array to append to: see below; or NULL: not traced */
	unsigned events_max;      /* 0, or more than that: 100,000 */
	bool bend;                /* traced runs: time is bent, see below */
	int64_t start_ns;         /* bend: the run's date less this machine's, as it begins; dates within 1980 to 2200 */
	bool offline;             /* nobody answers in this run */
	json_t *exchanges;        /* array to append what was said to the dummy Internet to (muss-garden(7)); or NULL */
	int capture;              /* a file for its packets (pcap); or <= 0: none */
	int dumps;                /* a file for memory dumps, one behind the other (io_tmp()); or <= 0: none */
	/* set: */
	int status;               /* of the program: exit code, or 128 + signal; 126, 127: could not be run, see exec_errno */
	int exec_errno;           /* 0: it ran */
	bool grouped;             /* the kernel holds memory and processes to the limits as well, by control groups */
	bool timed_out, limit_memory, limit_processes, limit_events, settled;
	double elapsed;           /* seconds, real */
	int64_t skipped_ns;       /* of bent time: how much further the run's clocks went */
	json_t *net;              /* what the dummy Internet tells of the run: {"scan","names","distinct_names","limits"}, and "began": what an
	                             exchange's "t" is behind an event's, in seconds. limits has "lost" where it could not begin, or a sample has
	                             ended or stalled it. NULL: there was none. The caller's */
};
/*
 * Bent time: no process of the run waits in vain. All processes share one clock, which is the real one until none of them could go on by itself
 * (each waits, in whichever call); then it leaps to the earliest time that any of them waits for, at most ten years in all. So waits end in the order
 * of their times, and who waits for another's work or (up to 0.2 s real) for an answer from the network does not lose it. Every way to wait with a
 * time-out and every timer follows: nanosleep, select, poll, epoll, futex, sigtimedwait, semtimedop, mq_timed*, SO_RCVTIMEO, alarm, setitimer,
 * timer_settime, timerfd. Every clock agrees, by system call or vDSO, but for those of processor time. A program that asks for the clock in a loop
 * until its date has come sees it run faster. Not bent: the processor's own counter (rdtsc), times of files (they are the machine's; a new file's
 * differs from the run's date), starting times of processes.
 * Events: {"t":seconds (real), "clock":seconds (of the run's clock since it began, where it differs),"pid","ppid","event":...} and by event:
 * "exec" path (of the image, links resolved), argv, sha256 | "fork" child | "exit" status | "open" (for writing or creating) path, create | "unlink"
 * path | "rename" path, to | "link"/"symlink" path, to | "mkdir"/"rmdir"/"truncate"/"mknod" path | "chmod" path, mode | "chown" path, uid, gid |
 * "connect"/"bind"/"listen"/"sendto" protocol (tcp, udp, raw, icmp, unix, ...), address, port, local_port (connect and sendto; where it is known) | "socket" (raw, packet and refused ones) protocol |
 * "memory" address, size, how ("mmap","mprotect","memfd","sweep"), sha256, dump_at, dump_size (of the bytes taken and of
 * their place in r->dumps; the same bytes are kept once) | "memfd" name | "name" name
 * (PR_SET_NAME) | "ptrace" request | "kill" target, signal (another process), service (its name, when it is one of the machine's) |
 * "setuid"/"setgid"/"setsid" id | "chroot"... and every other call that the garden refuses: "denied" syscall, request (of ioctl) |
 * "call" syscall (let through, and of interest: prctl's option for prctl) | "setxattr" path, name | "sleep" call, seconds, times
 * (waits that bent time cut short: seconds of them all, times how many; written where the process does its next thing, "t" is the first
 * one's) | "limit" what (events, processes, memory).
 * "error":"EACCES" is there when the call failed. pids are those inside. A string that could not be read is
 * "<unreadable>". No more than events_max, the last of them a "limit"; the run goes on.
 */
int garden_run(struct world *w, struct run *r, struct err *e);
/* The same in parts, for a run that must be alive while something else happens in the same world and process table (a
 * remover beside the sample). run_start returns once the program was exec'd (or could not be: exec_errno). r must live until run_stop. */
struct running;
struct running *run_start(struct world *w, struct run *r, struct err *e);
/* Waits until no process is left, or nothing was recorded for quiet_ms (0: not looked at), at most ms. 1: no process is left or the run was
 * killed for a limit; 2: it is quiet; 0: neither in time. -1: error. */
int run_settle(struct running *g, int ms, int quiet_ms, struct err *e);
/* Another program in the same process table, namespaces and world; waits for it, r->seconds at most. Not traced (events is not looked
 * at); may kill and inspect every process and change every file of the world. Its limits are its own. */
int run_beside(struct running *g, struct run *r, struct err *e);
/* [{"pid","ppid","comm","cmdline":[..],"exe","sha256","state"}] of all that run_start's program left alive; zombies, our own init and the machine's services are left out. */
json_t *run_processes(struct running *g, struct err *e);
/* Takes the last dumps, kills all, reaps, fills run_start's r, appends its events, frees g in any case. */
int run_stop(struct running *g, struct err *e);

/* The whole of helper-garden: never returns before its tool is gone. */
int garden_keeper(int argc, char **argv);

#endif
