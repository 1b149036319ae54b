/* escape: what the parts of the inert test program share; escape.c says what it is. */
#ifndef ESCAPE_H
#define ESCAPE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define A(n) ((const void *)(uintptr_t)(n))
#define COUNT(a) (sizeof(a) / sizeof *(a))
#define MARK "/var/tmp/escape-mark"

struct attempt {
	const char *name, *kind;
	/* What the record must hold: "EVENT:VALUE", the value that of any of its members; or "=memory", "=processes", "=time", "=events":
	 * the run was ended or cut for that; "-": nothing, since every honest program does it. Alternatives with a | between. */
	const char *record;
	const char *what;
	int (*try)(void);      /* 0: stopped; or NULL: the call below has to fail */
	long nr;
	const void *arg[6];
	bool user;             /* as an ordinary user of the world, where it has any */
};

/* The parts' tables; each ends with a NULL name. */
extern const struct attempt escape_calls[], escape_mounts[], escape_processes[], escape_network[], escape_hiding[], escape_bombs[],
	escape_files[];

extern const char *folder;    /* of the canaries: shown/ is in the world, hidden/ is not */
extern int port;              /* of the canaries that listen on the machine's 127.0.0.1 */
extern int canary;            /* a process of the machine */
extern char *program;

/* Each says on stdout how it went; 0: stopped, 1: got out. */
int stopped(long result, const char *what);            /* result: of a call that must fail, errno set */
int stopped_if(bool good, const char *what);
int no_open(const char *path, int flags);              /* opening has to fail */
const char *in_folder(const char *name);               /* folder/name; the text is good until the eighth call from now */
void mark(void);                                       /* writes MARK: a thing that the record has to show */
int child_status(pid_t pid);                           /* exit code, 128 + signal */

#endif
