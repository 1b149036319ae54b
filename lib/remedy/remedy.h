/*
 * remedy: how found code is removed: the plan as data, its safety checks, the C source put together from the parts the
 * plan needs (rules/remover), and its compilation. Uses code, confine, casefile and base; the only room to include
 * <libtcc.h>. It decides from verdicts and exact digests alone; it runs nothing it made.
 */
#ifndef REMEDY_H
#define REMEDY_H

#include "base/base.h"

#define REMEDY_TARGET "linux-x86_64"
#define PLAN_FORMAT "muss-plan/1"
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define PLAN_DAYS 7                /* a plan is for what was seen: a week later the machine is another */
#define PLAN_DAYS_MOST 31

/* ---- plan.c: the plan from the case ---- */

struct plan;   /* what a case says so far */
struct plan *plan_new(void);
/* case.json's object. 65 when it lacks id or host. */
int plan_case(struct plan *p, const json_t *case_json, struct err *e);
/* One piece of code; dynamic and verdict may be NULL. Without the verdict "malicious" only its processes are remembered. */
int plan_code(struct plan *p, const char *sha256, const json_t *about, const json_t *dynamic, const json_t *verdict, struct err *e);
/*
 * 1 and plan.json's object (new reference) in *out; 0: nothing malicious, or nothing that may be touched. Everything that could
 * not be planned for safety's sake stands in the plan's "notes" and is a warning. What comes out passes check_plan().
 */
int plan_make(struct plan *p, json_t **out, struct err *e);
void plan_free(struct plan *p);

/* ---- steps.c: the operations of a plan as they are gathered ---- */

struct steps;
struct steps *steps_new(void);
/* Each takes paths and lines in jsonio's form. What is there already is not added again; an optional one becomes required when asked for as such.
 * NULL, or why it must not be done (a short text). */
enum { STEP_OPTIONAL = 1, STEP_MAPPED = 2, STEP_CREATED = 4 };
const char *steps_terminate(struct steps *s, const char *sha256, json_int_t size, const char *why, unsigned how);
/* Only what runs from this very path; only that process; the interpreter exe that runs the script at path. */
const char *steps_terminate_path(struct steps *s, const char *sha256, json_int_t size, const char *path, const char *why, unsigned how);
const char *steps_terminate_process(struct steps *s, const char *sha256, json_int_t size, json_int_t pid, json_int_t start, const char *why);
const char *steps_terminate_script(struct steps *s, const char *sha256, json_int_t size, const char *path, const char *exe, const char *why);
const char *steps_quarantine(struct steps *s, const char *path, const char *sha256, json_int_t size, const char *why, unsigned how);
const char *steps_remove_line(struct steps *s, const char *path, const char *line, const char *why, unsigned how);
const char *steps_remove_link(struct steps *s, const char *path, const char *target, const char *why, unsigned how);
/* Where a process was seen, for whoever reads the plan. */
void steps_hint(struct steps *s, const char *sha256, json_int_t pid, json_int_t start);
/* Is a file that is not empty taken from this folder? */
bool steps_takes_from(const struct steps *s, const char *folder, size_t length);
/* The operations, numbered from 1, processes first. New reference. */
json_t *steps_list(const struct steps *s);
void steps_free(struct steps *s);

/* ---- impostor.c: processes of an honest interpreter that are the code ---- */

struct impostors *impostor_new(void);
void impostor_free(struct impostors *m);
/* One piece of code of the case, whatever its verdict; keeps references. */
void impostor_code(struct impostors *m, const char *sha256, const json_t *about, const json_t *dynamic, const char *verdict);
/* What cannot be told goes to note: what it is, its path (jsonio's form), why. */
typedef void impostor_note(void *ctx, const char *what, const char *path, const char *why);
/* One operation for each process that is surely the code, one note for each that may be. */
void impostor_link(const struct impostors *m, struct steps *s, impostor_note *note, void *ctx);

/* ---- check.c: is this plan one that may become a program? ---- */

/* Schema (a closed set of operations and keys), caps, paths, protected places, digests of this machine's own essential
 * programs, expiry against now. 65 with what is wrong. */
int check_plan(const json_t *plan, int64_t now, struct err *e);
/* One operation; "why" must be in codes unless that is NULL. 65. */
int check_operation(const json_t *op, const json_t *codes, struct err *e);

/* ---- place.c: what paths mean (bytes, absolute) ---- */

bool place_normal(const char *path, size_t n);     /* absolute, no empty, "." or ".." component, no control byte, sane lengths */
const char *place_never(const char *path);         /* why nothing there is ever touched, or NULL */
bool place_startup(const char *path);              /* a file from which something is started */
bool place_whole(const char *path);                /* ... whose lines mean nothing one by one: units, .desktop files */
bool place_startup_link(const char *path);         /* ... whose links enable units or scripts */
/* Does a package of this machine own it? Looked up only below /bin /sbin /lib* /usr /etc /opt. */
bool place_owned(const char *path);
/* Is that the digest of a program this machine cannot do without (shells, init, libc, sshd, ...)? size -1: not known. */
bool place_essential(const char *sha256, json_int_t size);
/* ... and of one that runs scripts, of which a single process may well be somebody's? */
bool place_interpreter(const char *sha256, json_int_t size);

/* ---- source.c: C from the plan ---- */

/* The same plan makes the same source. 65 a plan that does not pass; 66 the parts are missing. */
int source_make(const json_t *plan, struct buf *out, struct err *e);
/* A C string literal: nothing but printable ASCII whatever the bytes. */
void source_literal(struct buf *out, const void *p, size_t n);

/* ---- compile.c ---- */

/* A static ELF program from the source, in an unnamed file in memory (caller closes). In a confined child with limits.
 * 65 the compiler's complaint, 69 no libtcc or musl files. */
int compile_linux(const struct buf *source, struct err *e);

/* ---- remedy.c ---- */

/* The filter: a case from `in`; the same with remedy/ to `out` (< 0: nowhere). */
int remedy_run(int in, int out, struct err *e);

#endif
