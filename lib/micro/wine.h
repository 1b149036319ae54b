/*
 * Of runs of Windows programs: Wine, its prefix (the drive C: and the registry of one Windows), and what it tells. Functions stand
 * under the name of the .c file; windows.c puts them together.
 */
#ifndef MICRO_WINE_H
#define MICRO_WINE_H

#include "garden/garden.h"
#include "micro/micro.h"

#include <pthread.h>

#define WINE_AT "/windows"                   /* where a world shows the prefix */
#define WINE_DRIVE WINE_AT "/drive_c"
#define WINE_LIBRARIES "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows"
#define WINE_CALLS 2000u                     /* that are told */
#define WINE_USER "john"
#define WINE_LOADER "/usr/lib/wine/wine64"
#define WINE_SERVER "/usr/lib/wine/wineserver64"

/* ---- wine-prefix.c: made once for each Windows, in a world of its own, and kept ---- */

struct wine {
	char *folder;                /* of the cache: tree/, ntdll.dll, noise.json */
	char *tree;                  /* the prefix; files that are Wine's own are links to them */
	char *ntdll;                 /* Wine's, without the exports that programs look for to know it; NULL: there is none */
	json_t *noise;               /* what an inert program causes; NULL: not measured yet */
	struct registry *registry;   /* of the tree; NULL: not read yet */
};
bool wine_installed(void);
/* windows: as winecfg's -v names it ("win10"). Kept below $XDG_CACHE_HOME/muss, for root /var/cache/muss, else ~/.cache/muss; it is
 * made anew where Wine or the recipe is another. NULL: 69 without a garden, 74, 75. */
struct wine *wine_open(const char *windows, struct err *e);
int wine_keep_noise(const struct wine *w, struct err *e);
void wine_free(struct wine *w);

/* ---- wine-parts.c ---- */

/* The environment of whatever Wine starts; debug: WINEDEBUG's value. NULL-terminated; free with free() each and all. */
char **wine_environment(const char *debug);
void wine_environment_free(char **envp);
/* A program that exits at once: its bytes in a file. */
int wine_inert(struct err *e);
/* "C:\users\john\x" of a path in the world; NULL: no drive has it. Caller frees. And back; case is kept as it is. */
char *wine_windows_path(const char *path);
char *wine_world_path(const char *windows);

/* ---- wine-log.c: what Wine says of calls: kept up to a cap, and then only read ---- */

struct wine_log { int from, to; uint64_t kept; pthread_t thread; bool running; };   /* to: a file with what was kept */
int log_begin(struct wine_log *l, struct err *e);   /* the end to write to, or -1 */
void log_end(struct wine_log *l);                   /* once nobody writes any more; `to` stays open */

/* ---- wine-registry.c: Wine's registry files ("WINE REGISTRY Version 2") ---- */

struct registry { json_t *key; unsigned left_out; };   /* "HKLM\Software\X" -> { value: [type, data] }; the default value is "" */
/* Adds what a file says, root: "HKLM", "HKCU", "HKU\.Default". Whatever is not in that form is passed over: a sample may have written it. */
void registry_read(struct registry *r, const char *root, const char *text, size_t n);
/* The three files that open_file gives ("system.reg", ...; -1: it is not there). */
struct registry *registry_open(int (*open_file)(void *ctx, const char *name), void *ctx);
void registry_free(struct registry *r);
/* [{"key","value","change","type","data","before"}]: what is other in now; of a key without values "value" is left out. At most 2,000
 * (more: *left_out). Text as it is; REG_MULTI_SZ lines with \n between; numbers in decimal digits; else hexadecimal. */
json_t *registry_compare(const struct registry *before, const struct registry *now, unsigned *left_out);

/* ---- wine-startup.c: what of it starts by itself ---- */

/* [{"place","file" (the key),"value","line" (the data)}] of registry changes (added to list). */
void startup_of_registry(const json_t *registry, json_t *list);
/* Which kind a file of drive C: is; NULL: none. windows: its Windows path. */
const char *startup_of_file(const char *windows);

/* ---- wine-calls.c: calls to Windows, from Wine's relay channel ---- */

/* From what WINEDEBUG=+relay,+timestamp,+pid printed: [{"t","pid","call","args","result"}], at most WINE_CALLS; *count: how many there were. t: seconds since
 * the first one. *loaded: a program began. The text is a sample's to write to: nothing in it is trusted. */
json_t *calls_read(int log, unsigned *count, bool *loaded, struct err *e);
/* What they say of a sample that looks whether it is watched, or reaches into others: signs (trail_sign()). */
void calls_signs(const json_t *calls, json_t *signs);

/* ---- wine-noise.c: what is Wine's own ---- */

/* Adds what a dynamic.json of an inert program has, which is to be left out of others'. Several of them tell what changes from one to the next. */
void noise_learn(json_t *noise, const json_t *dynamic);
void noise_drop(const json_t *noise, json_t *dynamic);
bool noise_has(const json_t *noise, const char *list, const json_t *o);   /* whatever it is */

/* ---- wine-processes.c ---- */

/* "processes" of the tracer's events: what Wine started, under its Windows paths, and other programs. */
json_t *processes_of(const json_t *events, const json_t *alive);
/* Those events that no program caused which noise knows as Wine's own. New reference. */
json_t *processes_own(const json_t *events, const json_t *processes, const json_t *noise);

/* ---- windows.c: one run ---- */

struct setting;
json_t *windows_run(const struct micro_sample *s, const struct setting *setting, int seconds, const json_t *known, struct micro_extra *extra,
                    struct err *e);

/* ---- windows-way.c ---- */

bool windows_program(const struct micro_sample *s);             /* a PE file for x86 */
const char *windows_obstacle(const struct micro_sample *s);     /* why it cannot be run here; NULL: it can */

/* ---- windows-emulated.c: where no run is to be had: what the emulator saw it call ---- */

/* Fills d's "files", "registry", "startup", "processes", "connections" and "calls" from static.json's "unpack". */
void emulated_effects(const json_t *stat, json_t *d);

#endif
