/*
 * The scan as a whole: host.c, what cannot hold it up, how fast it goes, what it keeps of code.
 * Functions stand under the name of the .c file that defines them.
 */
#ifndef HOST_SCAN_H
#define HOST_SCAN_H

#include "host/host.h"
#include "host/types.h"

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

/* ---- profile.c ---- */

json_t *profile_make(const struct host *h, struct err *e);

#endif
