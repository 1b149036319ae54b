/*
 * Start-up places: the forms of their files, their entries, and what these start.
 * Functions stand under the name of the .c file that defines them.
 */
#ifndef HOST_STARTUP_H
#define HOST_STARTUP_H

#include "host/host.h"
#include "host/types.h"
#include "places/places.h"

/* ---- shell.c: commands in a shell's text ---- */

struct shell_command {
	char **word;
	size_t words;
	unsigned line;            /* of its first word, from 1 */
	const char *input;        /* "< file", or NULL */
	bool from_pipe;           /* reads another's output */
	bool computed;            /* its first word is not known before it runs */
	bool nested;              /* from $( ) or backquotes */
	bool cut;                 /* there were more words than any program can be given */
};
typedef void shell_fn(void *ctx, const struct shell_command *c);
/* Splits text into simple commands: quotes, operators, $( ), comments, keywords, assignments. It runs nothing and
 * expands only ~ and $HOME. With plain only quotes count (Exec= lines). */
void shell_commands(const char *text, size_t n, const char *home, bool plain, shell_fn *fn, void *ctx);

/* ---- crontab.c, unit.c: start-up files' text ---- */

struct cron_entry { unsigned line; const char *text; size_t length; const char *command; size_t command_length; const char *user; size_t user_length; const char *path; /* PATH= in force, or NULL */ };
enum cron_form { CRON_SYSTEM, CRON_USER, CRON_ANACRON };
typedef void cron_fn(void *ctx, const struct cron_entry *c);
void crontab_parse(const char *text, size_t n, enum cron_form form, cron_fn *fn, void *ctx);

struct unit_entry { const char *section; const char *key; const char *value; unsigned line; const char *text; size_t length; bool continued; };
typedef void unit_fn(void *ctx, const struct unit_entry *u);
/* systemd units and .desktop files: sections, Key=Value, continued lines, comments. */
void unit_parse(const char *text, size_t n, unit_fn *fn, void *ctx);

/* ---- entry.c: what an entry starts ---- */

/* A start-up file as it is read. */
struct startup {
	enum form form;
	struct host *h;
	const char *place;        /* "cron", "systemd", ... */
	char path[4096];          /* below the root */
	char link[4096];          /* the link's text when path is a symbolic link and the entry is the file as a whole, or "" */
	const char *home;         /* its user's */
	bool user;                /* belongs to a user, not to the system */
	bool whole;               /* the file as a whole is the entry */
	bool script;              /* is a shell's text, not a list of commands */
	bool included;            /* another start-up file names it: it does not name further ones */
	bool quiet;               /* names much that need not be there: what is missing is not worth a word */
	const char *as;           /* a sign for what is found just now, beside the place's own, or NULL */
	const char *folder;       /* in which its commands run, NULL: its user's home */
	struct buf search, libraries;   /* folders that it puts before PATH and the loader's, with ":" between */
	char section[64];         /* of the file, as it is read */
	bool inside;              /* a script within the file */
	struct buf text;
	struct stat st;
	char sha256[DIGEST_HEX];
	/* gathered for the file as a piece of code: */
	json_t *own;              /* sightings of entries that are code themselves */
	json_t *given;            /* sightings given to what the entries start */
	struct piece *only;       /* the one piece all of them start so far */
	bool several;             /* they start more than one */
	unsigned last_line;       /* of the last one */
	struct met *met;          /* crowd.c's */
	size_t met_size, met_count, looks;
	size_t searched;          /* words behind wrappers that were looked for as programs */
	unsigned folders;         /* of its entries */
	bool crowded;             /* it holds more than is looked at */
	bool oversized;           /* it is longer than such files are */
	unsigned near_line;       /* where the last line looked up begins */
	size_t near_offset;
	bool fetches;
	char gone[1024], inlined[1024], open_to[1024];   /* the first reasons, "" none */
};
/*
 * A command of the file, at `line` with its exact text. What it starts gets a sighting; when that is nothing that exists,
 * or it is a program in itself (sh -c, a pipe into a shell), the file becomes code. PATH in force, or NULL. With `plain`
 * the command is words and quotes only. For a script, line and text are found from the command's place in the file.
 */
void entry_command(struct startup *s, unsigned line, const char *text, size_t length, const char *command, size_t command_length,
                   const char *path_env, bool plain);
/* A file that the entry names outright (a preloaded library, a module): false when it does not exist. */
bool entry_file(struct startup *s, unsigned line, const char *text, size_t length, const char *file);
/* The same for an open file, by whatever name it was found. fd stays the caller's. */
void entry_open_file(struct startup *s, unsigned line, const char *text, size_t length, int fd);
/* The entry is code in itself: the file becomes a piece, with this entry's sighting. */
void entry_is_code(struct startup *s, unsigned line, const char *text, size_t length, const char *what, const char *word);
/* The sighting of this entry, new reference. line 0: the file itself. */
json_t *entry_sighting(const struct startup *s, unsigned line, const char *text, size_t length);
void entry_signs(struct startup *s, struct piece *p);

/* ---- crowd.c: how much of one start-up file is looked at ---- */

/* Is this entry of the file to be looked at: `what` in `where` (a folder, a search path, ...; or NULL)? Equal ones count once. */
bool crowd_admit(struct startup *s, const char *where, const char *what, size_t n);
/* It holds more than is looked at, which is said. */
void crowd_over(struct startup *s, const char *what);
/* Keeps the sighting (takes it) of an entry that is code itself, or a reference to one given to a piece. */
void crowd_own(struct startup *s, json_t *sighting);
void crowd_given(struct startup *s, json_t *sighting);
void crowd_free(struct startup *s);

/* ---- settle.c ---- */

/* When all entries were read: sightings that called the file as a whole the entry say so no longer where it does more than
 * start that one piece, so that a removal takes a line out of a good file rather than the file. */
void settle_whole(struct startup *s);

/* ---- words.c: what a command's words mean ---- */

bool words_builtin(const char *word);       /* a shell's own, that starts nothing */
bool words_fetcher(const char *word);       /* brings or decodes bytes: curl, base64 */
/* A program that runs what its arguments name: env, nice, sudo. */
bool words_wrapper(const char *word);
/* For words[0] a wrapper: the index at which what it runs may stand, its options and their values passed over; *command:
 * that word is a command line of its own (su -c). 0: it runs nothing. */
size_t words_wrapped(char *const *words, size_t n, bool *command);

/* ---- startup.c: reads the places where things start by themselves; forms.c: the forms of their files ---- */

/* The places below h's own root. */
int startup_scan(struct host *h, struct err *e);
/*
 * The same below another root of the running machine, as a container has: `root` is its root folder (O_PATH does, as
 * /proc/PID/root opened), and stays the caller's. Files are held against the package database below that root. Each
 * sighting bears `label` as "container", and paths are as seen from there. The caller sees to it that a root is read once.
 */
int startup_scan_root(struct host *h, int root, const char *label, struct err *e);
/* Names in an open folder, in order, at most `cap`; *more when there were more. Takes fd. Caller frees each and the list. */
size_t startup_names(int fd, size_t cap, char ***names, bool *more);
/* A start-up file that another one names, as one of the same place. */
void startup_another(const struct startup *from, const char *path, enum form form);

/* Reads the entries of an open start-up file, and makes the file a piece of code where it is one. fd stays the caller's. */
void forms_read(struct startup *s, enum form form, int fd);

/* ---- perline.c, login.c, keyed.c, apt.c, git.c, units.c, environment.c, shadow.c: the forms, one by one ---- */

/* `copy` is the line as a string of its own, to be cut up; with `continued` a backslash at its end goes on with the next. */
typedef void line_fn(struct startup *s, unsigned line, const char *text, size_t length, char *copy);
void perline_each(struct startup *s, line_fn *fn, bool continued);
line_fn *perline_form(enum form form);       /* NULL: none of this file */
line_fn *login_form(enum form form);
void keyed_read(struct startup *s);
void apt_read(struct startup *s);
void git_read(struct startup *s);
void units_read(struct startup *s);
/* Variables that make programs load or run something: LD_PRELOAD, BASH_ENV, PROMPT_COMMAND. */
void environment_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy);
/* Opens a library as the loader would find it, by name: below `within` (NULL: any) of the library folders. -1: none. */
int shadow_library(const struct host *h, const char *name, const char *within);
/* A folder that is searched for libraries, or for programs: what in it takes the place of the system's. */
void shadow_folder(struct startup *s, unsigned line, const char *text, size_t length, const char *folder, bool libraries);

#endif
