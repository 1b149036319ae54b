/* An entry of a start-up file on its way through its commands (entry.c, command.c). */
#ifndef HOST_ENTRY_H
#define HOST_ENTRY_H

#include <limits.h>

#include "host/internal.h"

struct entry {
	struct startup *s;
	unsigned line;
	const char *text;
	size_t length;
	const char *path_env;
	char cwd[PATH_MAX];
	bool is_code;         /* what it does stands in the entry itself */
	bool told;            /* line and text are the caller's, also in a script */
	unsigned depth;
};

/* ---- entry.c ---- */

/* An absolute path, from one that may lie below the entry's folder; "": too long. */
void entry_absolute(const struct entry *en, const char *path, char out[PATH_MAX]);
/* A regular file below the root, open for reading. -1: none, or with must_run one that nobody may execute. */
int entry_regular(const struct host *h, const char *path, bool must_run);
/* The open file is started by the entry, read by an interpreter or by itself. Takes fd. In scripts that call many programs,
 * packages' own are no news. */
void entry_target(struct entry *en, int fd, bool interpreted);
/* A named program that is not there. When it still runs, it is what the entry is about. */
void entry_gone(struct entry *en, const char *word);
/* The entry is code in itself, for that reason. */
void entry_inlined(struct entry *en, const char *what, const char *word);

/* ---- command.c ---- */

/* What each command of the text starts. With `plain` it is words and quotes only. */
void command_each(struct entry *en, const char *text, size_t n, bool plain);

#endif
