/* What the files of lived share among themselves. */
#ifndef LIVED_INTERNAL_H
#define LIVED_INTERNAL_H

#include "lived/lived.h"

#define DAY 86400
#define HOUR 3600

struct lived;
void lived_speak_of(struct lived *l, const json_t *person);

/* ---- template.c: texts with {words} in braces, and the numbers that they are drawn from ---- */

struct template {
	const json_t *lists, *values;   /* {pick LIST}; {NAME} */
	uint64_t key[2], count;         /* of the numbers */
	int64_t time;                   /* of {time FORMAT}, seconds since 1970 */
};
/* Another's lists and values, and a sequence of numbers of its own. */
void template_seed(struct template *t, const struct template *from, const char *what);
uint64_t template_number(struct template *t, uint64_t least, uint64_t most);                /* both included */
uint64_t template_range(struct template *t, const json_t *range, uint64_t otherwise);       /* [least, most], or a number */
int template_expand(struct template *t, const char *text, struct buf *out, struct err *e);  /* 78: what is in braces is not known */
char *template_string(struct template *t, const char *text, struct err *e);                 /* caller frees; NULL */
/* Lines, and {"repeat":[least,most],"of":[lines]} at times from begin to end. */
int template_text(struct template *t, const json_t *text, int64_t begin, int64_t end, struct buf *out, struct err *e);
json_t *template_json(struct template *t, const json_t *value, struct err *e);              /* all texts in it expanded. New reference */

/* ---- documents.c: files of known formats ---- */

void document_odt(const char *text, struct buf *out);     /* a paragraph a line */
void document_pdf(const char *text, struct buf *out);     /* on one page */
void document_png(struct template *t, struct buf *out);   /* a picture of a screen, 8 bits a pixel */
void document_gzip(const void *p, size_t n, struct buf *out);
/* An Ed25519 key pair, fresh: OpenSSH's private form (PROTOCOL.key) and the public line. */
int document_ssh_key(const char *comment, struct buf *secret, struct buf *line, struct err *e);
/* utmp(5) records: boots, and log-ins of `login` from begin to end, the last one still there when `open`. */
void document_wtmp(struct template *t, const char *login, int64_t boot, int64_t begin, int64_t end, bool open, struct buf *out);

/* ---- accounts.c: /etc/passwd and its like ---- */

struct accounts {
	struct buf passwd, group, shadow, gshadow;
};
/* The lower root's accounts but for its ordinary users, and what the settings add. people: [{"login","name","uid"}]. */
int accounts_make(struct accounts *a, int lower, const json_t *settings, const json_t *people, struct template *t, struct err *e);
/* The user's and the group's number in what was made; false: not there. */
bool accounts_find(const struct accounts *a, const char *login, unsigned *uid, unsigned *gid);
void accounts_free(struct accounts *a);

/* ---- goods.c: the files of the plan ---- */

struct lived {
	const json_t *settings;
	json_t *values, *people;      /* {NAME}: text; [{"login","name","first","last","home","uid","gid"}] */
	json_t *folders, *files, *keys;   /* of the plan */
	json_t *seen;                 /* path: its object among them */
	struct template t;
	struct accounts accounts;
	int64_t now, uptime;          /* seconds */
	long cpus;
	int contents;                 /* a memory file, written up to `at` */
	uint64_t at;
};

/* Whose a file is: what {login} and {home} say of it. */
struct owner { const char *login, *home; unsigned uid, gid; };
extern const struct owner OWNER_ROOT;

int goods_make(struct lived *l, struct err *e);   /* all that the settings list */
int goods_keys(json_t *files, const json_t *keys, struct err *e);   /* fresh ones at those places, appended */
/* keep: one of the lower root's stays. The same path twice is the first one's. */
int goods_file(struct lived *l, const char *path, unsigned mode, const struct owner *w, int64_t mtime, bool keep, const struct buf *b,
	       struct err *e);
bool goods_path(const char *path);                /* absolute and in its shortest form */

#endif
