/*
 * host: what a machine runs: processes and the code in their memory, kernel modules, start-up places, the package that
 * owns a file, and the machine's profile. Uses code, confine, judge, known, places and base.
 * It only looks: it stops, traces and changes nothing. It knows nothing of cases: what it found goes to a sink.
 */
#ifndef HOST_H
#define HOST_H

#include "base/base.h"
#include "judge/judge.h"

struct host;

/*
 * Runs work in a child that is left behind when something it looks at does not answer within patience_ms; what was found
 * until then is kept, and the scan goes on without that. Returns what work returned, with its *e; > 0: the exit status it
 * ended with. All of a scan belongs into it, from host_open() on. Descriptors from 3 on are closed in the child.
 */
int host_guarded(int (*work)(void *ctx, struct err *e), void *ctx, unsigned patience_ms, struct err *e);
/* Within work, when all was looked at: standard output may be written from here on, and nothing is given up any more. */
int host_guard_over(struct err *e);
/* The scan takes no more than that many percent of one core (0: no limit), less while other programs wait if it is to follow. */
void host_pace(double percent, bool follow);

/* root NULL or "/": this machine, running. Else the root folder of a system that does not run: start-up places, modules'
 * files and files only. The judge stays the caller's and outlives the host. 66, 77 when the root cannot be opened. */
struct host *host_open(const char *root, const struct judge *j, struct err *e);
void host_close(struct host *h);

/* With a scan index, opened with host_stamp()'s stamp, which stays the caller's and outlives the host: files that it knows are
 * not read, and what stood at a path before is told. To be called before the scan. */
struct cache;
void host_stamp(unsigned char stamp[32]);
void host_use_cache(struct host *h, struct cache *c);

/*
 * Each gathers code into h; none fails for what a machine does by itself (processes end, files vanish, rights are
 * lacking): that is counted and told in host_profile()'s "scan". They fail only where the scan itself cannot go on (a
 * full disk for dumped memory: 74).
 */
int host_scan(struct host *h, struct err *e);                      /* processes, modules, start-up places */
int host_scan_process(struct host *h, pid_t pid, struct err *e);   /* that one alone; 66 when there is none such */
/* Before host_scan() or host_scan_process(): what processes hold is kept, so that it can be compared with what they hold later. */
void host_watch(struct host *h);
/* After them: looks at all processes' memory again, or at that process's alone (0: all), four times within so many seconds. */
int host_again(struct host *h, unsigned seconds, pid_t only, struct err *e);
/* A file, whatever it is; of a tree each file that could run: ELF, "#!", or with an executable bit. 66 when missing. */
int host_scan_path(struct host *h, const char *path, struct err *e);

/* case.json's "host", with "scan" as it stands now. New reference. */
json_t *host_profile(const struct host *h, struct err *e);
/* One line for the person at the machine when something could not be seen, else NULL. Lives as long as h. */
const char *host_unseen(struct host *h);

/* Where found code goes. Each returns -1 to stop, with *e; about 1 to leave this piece out. `path` is the member's:
 * code/<sha256>/... */
struct host_sink {
	void *ctx;
	int (*about)(void *ctx, const char *path, const json_t *about, struct err *e);
	/* size bytes of fd from offset; a memory dump, or code that is no file's */
	int (*bytes)(void *ctx, const char *path, int fd, int64_t offset, uint64_t size, struct err *e);
};
/* Every piece of code with at least that score, heaviest first; about before the bytes of the same piece. */
int host_emit(struct host *h, double least_score, const struct host_sink *sink, struct err *e);

#endif
