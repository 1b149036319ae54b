/* packages: Debian's package database, as dpkg.c and follow.c read it. No lock is taken: dpkg may be at work. */
#ifndef KNOWN_PACKAGES_H
#define KNOWN_PACKAGES_H

#include "known/known.h"

enum package_state { PACKAGE_GONE, PACKAGE_MOVING /* its files are being exchanged */, PACKAGE_THERE };

struct package {
	char *name;                     /* without the architecture */
	char *key;                      /* with it: "coreutils:amd64" */
	char *version;
	char *source;                   /* "dpkg coreutils 9.1-1" */
	enum package_state state;
	size_t conffiles, conffiles_len;   /* in the status' text */
	char *sums;                     /* its list's name in info/, or NULL */
	char stamp[33];                 /* of its list, version and configuration files, as packages_stamp() takes it */
	bool read;                      /* its files are among `files` */
	bool again;                     /* what was read may be half old, half new */
	bool vouched;                   /* something of it was taken in */
	uint32_t number;                /* of the source; set when it was needed */
	bool numbered;
};

struct packages {
	const char *root;
	struct buf status;              /* of /var/lib/dpkg/status and then updates/ */
	struct package *p;
	size_t n, cap;
	json_t *by_name;                /* "coreutils" and "libc6:amd64": place in p */
	json_t *diversions;             /* path: {"to", "by"} */
	struct crew_list files;
	uint64_t without_sums;
};

/* root NULL: "/". -1: cannot be read. */
int packages_read(struct packages *d, const char *root, struct err *e);
struct package *packages_find(const struct packages *d, const char *name);
/* When and as what the database's files were written last; caller frees. *newest: the latest of these times, seconds. */
char *packages_stamp(const char *root, int64_t *newest);
/* The package's stamp as it would be taken now; false: its list is gone. */
bool packages_restamp(const struct packages *d, const struct package *p, char stamp[33]);
/* Puts the files of a package, with their sums, among `files`. */
void packages_list(struct packages *d, struct package *p);
/* What crew_run() made of `files`, into the index that is built, but of packages to be read again. */
int packages_take(struct packages *d, struct build *b, struct known_stats *s, struct err *e);
void packages_free(struct packages *d);

#endif
