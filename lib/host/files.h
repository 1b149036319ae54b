/*
 * Files: their bytes, what earlier scans found in them, their names and places, the packages that own them.
 * Functions stand under the name of the .c file that defines them.
 */
#ifndef HOST_FILES_H
#define HOST_FILES_H

#include "host/host.h"
#include "host/types.h"

/* ---- reading.c: files' bytes ---- */

/* fstat() by what the kernel knows already, so that a network or FUSE file system is not asked. */
int reading_stat(int fd, struct stat *st);
/* SHA-256 of an open regular file, of which st is fstat()'s. -1: could not be read or was left out, which is noted. */
int reading_digest(struct host *h, int fd, const struct stat *st, char sha256[DIGEST_HEX], uint64_t *size);

/* ---- image.c: files of code ---- */

/* The piece of code in an open regular file; hashed once a run. `kind` as in about.json. NULL: could not be read, or is
 * no regular file. st may be NULL, else gets the file's. */
struct piece *image_take(struct host *h, int fd, const char *kind, struct stat *st);
/* Adds the path and the signs that follow from it (package, place, age). `ours`: it is a path below our own root, where
 * our package database speaks, or below that of h->at. */
void image_place(struct host *h, struct piece *p, const char *path, const struct stat *st, bool ours);
/* The same for a path as a process sees it: the package database of the root that the file is found in speaks. */
void image_place_seen(struct host *h, struct piece *p, const char *path, const struct stat *st, const struct proc *proc);

/* The piece of a file that is not open, when it was seen before or the scan index knows it; else NULL, and then *is_code
 * false when the index knows it for what cannot be code. */
struct piece *image_recall(struct host *h, const struct stat *st, const char *kind, bool *is_code);

/* ---- recall.c: what earlier scans found ---- */

/* By its first bytes. */
bool recall_is_code(const void *p, size_t n);
/* The piece of a file as the index knows it, or NULL. fd -1: it is not open. is_code: may be NULL, else it is told whether the
 * file may be code by mode or first bytes (true when that is not known), and one that may not has no piece. */
struct piece *recall_find(struct host *h, int fd, const struct stat *st, const char *kind, bool *is_code);
/* Reads it. NULL: it cannot be read. */
struct piece *recall_read(struct host *h, int fd, const struct stat *st, const char *kind);
/* Around reading the first bytes of a file that may turn out not to be code. */
void recall_begin(struct host *h, int fd, const struct stat *st);
void recall_no_code(struct host *h, int fd);
/* A note that an earlier scan left of an open file, which is as it was then, and its digest. Lives as long as the index; NULL: none. */
const char *recall_noted(struct host *h, int fd, const struct stat *st, char sha256[DIGEST_HEX]);
/* Leaves one, of text; between recall_begin() and this, no other file is read through the index. */
void recall_note(struct host *h, int fd, uint64_t size, const char *sha256, const char *note);
/* How often the file `name` of an open folder became other code while the package that it belongs to, in that version, was the same
 * (dpkg_version_of); it becomes no piece. 0 without an index. */
unsigned recall_changes(struct host *h, int folder, const char *name, const struct stat *st, const char *path, uint64_t version);
/* The piece stands at that path below our own root: what stood there before, and the signs that follow from it. */
void recall_path(struct host *h, struct piece *p, const char *path);

/* ---- facts.c: signs in a file's own bytes ---- */

void facts_look(struct host *h, struct piece *p, int fd, uint64_t size);
/* Does the ELF file ask for relocations in its code (DT_TEXTREL, DF_TEXTREL)? */
bool facts_textrel(int fd);

/* ---- disguise.c: names and places that hide ---- */

bool disguise_kernel_thread(const char *name);        /* "[...]", or like one of the kernel's own */
/* A system service of that name belongs elsewhere than at path. */
bool disguise_service(const char *name, const char *path);
bool disguise_hidden(const char *path);               /* a component begins with a dot, or is made to be overlooked */
bool disguise_odd(const char *path);                  /* a component is made to be misread: blanks at an end, control characters */
bool disguise_temporary(const char *path);

/* ---- dpkg.c: which files packages own ---- */

/* NULL: there is no such database below root. */
struct dpkg *dpkg_open(int root);
bool dpkg_owns(const struct dpkg *d, const char *path);
/* Which package in which version owns the path, as a number that is the same in every run: 0 none; DPKG_UNVERSIONED where
 * that cannot be told, or before dpkg_load_versions(). */
#define DPKG_UNVERSIONED 1u
void dpkg_load_versions(struct dpkg *d);
uint64_t dpkg_version(const struct dpkg *d, const char *path);
uint64_t dpkg_version_of(const struct dpkg *d, const char *package);   /* as its files in info/ are called */
/* The package that owns the path, as its files in info/ are called, and when they were written (seconds since 1970). */
const char *dpkg_package(const struct dpkg *d, const char *path, int64_t *since);
const char *dpkg_package_at(const struct dpkg *d, size_t i);   /* NULL past the last */
/* The other packages that list it, one a call; *at: 0 before the first. NULL: no more. */
const char *dpkg_sharer(const struct dpkg *d, const char *path, size_t *at);
int dpkg_folder(const struct dpkg *d);                /* /var/lib/dpkg, open; stays d's */
bool dpkg_same_path(const char *a, const char *b);    /* /bin/x and /usr/bin/x are */
void dpkg_close(struct dpkg *d);

/* ---- altered.c: files that are no longer what their package holds ---- */

/* Is the file at path below root, which st tells of, one that a package owns with another MD5? Its name in package (size).
 * Files that did not change since the package came are not read; configuration files are for their users to alter. */
bool altered_file(const struct dpkg *d, int root, const char *path, const struct stat *st, char *package, size_t size);

/* ---- sums.c: the sums of all files that packages brought ---- */

struct sums;
struct sums *sums_load(const struct dpkg *d);
bool sums_has(const struct sums *s, const char *md5);
void sums_free(struct sums *s);

/* ---- maintainer.c: the scripts that packages run when they come and go ---- */

/* Those of installed packages in h's own root that were altered since. */
int maintainer_scan(struct host *h, struct err *e);

/* ---- rooted.c: paths below a root that is not ours ---- */

/* Opens for reading, links resolved as if chrooted there. -1 errno; ETIMEDOUT: it was given up (watch.c). */
int rooted_open(int root, const char *path, int flags);
/* Opens a regular file for reading; nothing else is ever opened, since to open a device may do something. st may be
 * NULL, else gets the file's. -1 errno: EINVAL when it is no regular file. */
int rooted_regular(int root, const char *path, struct stat *st);
/* watch_enter() for a path below that root. */
bool rooted_enter(int root, const char *path);
/* The canonical path below root of an open file, in out (PATH_MAX). 0, or -1. */
int rooted_path(const struct host *h, int fd, char *out, size_t size);

/* ---- walk.c: folders that are read entry by entry, as steps ---- */

struct folder {
	struct folder *above;       /* the folder in which this one stands, or NULL */
	DIR *dir;
	char *path;               /* as walk_name() left it */
	long at;                  /* for walk_spare() */
	uint64_t id;
	bool remote;              /* somebody else must answer for it */
	unsigned depth;
};
/* Takes fd, of which `at` is fstat()'s; to be closed with closedir(f->dir). False: it cannot be read, and fd is closed. */
bool walk_open(struct folder *f, int fd, const struct stat *at, struct folder *above);
/* f->path: its whole path, which takes a system call but for a folder that is `called` so in the one above; NULL where it cannot
 * be told. Malloc'd, to be freed before the folder is closed. */
void walk_name(struct folder *f, const char *called);
/* That path below our root; NULL where it cannot be told or stands outside. */
const char *walk_below(const struct host *h, const struct folder *f);
/* host_spare() within a folder: whoever goes on reads all open folders from where they stood. */
bool walk_spare(struct host *h, struct folder *f);
/* But "." and ".."; NULL: there are no more, or it does not answer. */
struct dirent *walk_next(const struct folder *f);
/* watch_enter() for a name in it; whole: it may be on another file system, or a remote one. */
bool walk_enter(const struct folder *f, const char *name, bool whole);

/* ---- tree.c: files and trees named by hand ---- */

int tree_scan(struct host *h, const char *path, struct err *e);

/* ---- privileged.c: setuid files and such with capabilities ---- */

int privileged_scan(struct host *h, struct err *e);
/* The same of a file that runs, wherever it stands. */
void privileged_running(struct host *h, struct piece *p, int fd, const char *path);

/* ---- modules.c ---- */

int modules_scan(struct host *h, struct err *e);
/* The file of a module below root's /lib/modules/RELEASE: canonical path; -1: none. */
int modules_file(const struct host *h, const char *name, char *out, size_t size);

/* ---- initramfs.c: what runs before any file of the machine does ---- */

/* The images below /boot of h's root. */
int initramfs_scan(struct host *h, struct err *e);

#endif
