/*
 * confine: giving up rights: seccomp, Landlock, resource limits, in named profiles; and exec'd helpers that run with
 * one. Uses base; the only room to include <seccomp.h>. It never knows what a helper computes.
 */
#ifndef CONFINE_H
#define CONFINE_H

#include "base/base.h"

/* ---- confine.c: profiles; one that cannot be applied is an error 69, never skipped ---- */

enum confine_profile {
	CONFINE_PARSER,   /* compute on descriptors that are open already: no open, no socket, no exec, no fork */
	CONFINE_EMULATOR, /* as PARSER, and may map anonymous memory that can run (Unicorn's translations) */
	CONFINE_COMPILER, /* as PARSER, and may read files (libtcc reads musl's headers and libraries) */
	CONFINE_NETWORK,  /* as PARSER, and may open Internet sockets, low ports included, and wait for them; no capability but that one */
};
/* Limits: memory_bytes (address space; not under AddressSanitizer, which reserves terabytes), cpu_seconds, no core files,
 * no new files over file_bytes. Irrevocable, for the calling process. */
struct confine_limits { uint64_t memory_bytes; unsigned cpu_seconds; uint64_t file_bytes; };
int confine_enter(enum confine_profile p, const struct confine_limits *l, struct err *e);

/* ---- syscall.c ---- */

/* The name of a system call of "x86_64", "x86", "arm", "aarch64"; NULL: there is none. Caller frees. */
char *confine_syscall_name(const char *arch, int number);

/* ---- become.c: a service that has opened what only root may ---- */

/* Becomes that user for good, with no other groups (NULL: stays who it is); in either case no new rights through exec, no core
 * file, and no debugger, for the keys in memory. */
struct passwd;
int become_user(const struct passwd *user, struct err *e);

/* ---- helper.c: a risky parser in a process of its own ---- */

/* What became of it; everything but HELPER_DONE is a finding about the sample, not a failure of the run. */
enum helper_end { HELPER_DONE, HELPER_CRASHED, HELPER_TIMEOUT, HELPER_MEMORY, HELPER_REFUSED /* seccomp */ };
struct helper_result {
	enum helper_end end;
	int status;            /* exit code or signal */
	struct buf out;        /* what it printed, at most CAP_JSON */
	struct buf err;        /* its messages, at most 64 KiB */
};
/* Runs libexec/muss/NAME args..., `sample` as its descriptor 3 (read only), other descriptors closed, empty environment,
 * with a wall clock limit. The helper itself calls confine_enter first of all. -1 only when it could not be run (69, 70). */
int helper_run(const char *name, const char *const *args, int sample, int timeout_ms, struct helper_result *r, struct err *e);
/* The same; descriptor 4 of the helper is `bytes`, for what is too large for its standard output. It may write there; offset and all are shared. */
int helper_run_with(const char *name, const char *const *args, int sample, int bytes, int timeout_ms, struct helper_result *r, struct err *e);
void helper_free(struct helper_result *r);

#endif
