/* The scan's own data, and the caps that several files know. */
#ifndef HOST_TYPES_H
#define HOST_TYPES_H

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

#endif
