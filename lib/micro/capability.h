/*
 * Capabilities: what a sample can do, told by rules over what was found in it (muss-capability.5). Pure: JSON in, JSON out, so
 * that the same rules hold over a file, an emulated run and a run in the garden.
 */
#ifndef MICRO_CAPABILITY_H
#define MICRO_CAPABILITY_H

#include "base/base.h"

#include <regex.h>

/* ---- capability-rules.c: rules/capability/NAME.json ---- */

enum condition_kind { COND_ALL, COND_LEAST, COND_NOT, COND_IMPORT, COND_SYSCALL, COND_CALL, COND_SEQUENCE, COND_STRING, COND_PATTERN, COND_YARA,
	COND_FORMAT, COND_OS, COND_SIGN };
struct condition {
	enum condition_kind kind;
	size_t least;                        /* of LEAST: how many of the parts */
	struct condition *part; size_t parts;
	char **name; size_t names;           /* any of them is enough; of SEQUENCE all, in this order */
	bool nocase;                         /* of STRING */
	regex_t *pattern;                    /* of PATTERN; of CALL: an argument must match it */
	int index;                           /* of CALL: which argument, from 0; -1: any */
	char *literal;                       /* what each text that the pattern matches contains; NULL: not known */
};
enum capability_scope { SCOPE_FILE, SCOPE_FUNCTION, SCOPE_TRACE };
struct capability_rule {
	char *name, *space, *meaning;
	json_t *technique;                   /* array of ATT&CK ids */
	enum capability_scope scope;
	struct condition when;
	json_t *example, *near;              /* for the tests: what it matches, and what it nearly matches */
};
struct capability_rules { struct capability_rule *rule; size_t count; };

/* All files of a folder, in order of name. 78 with the file and the rule that is wrong; 66: no such folder. */
struct capability_rules *capability_open(const char *folder, struct err *e);
void capability_free(struct capability_rules *r);
/* Into *digest: what the files say; for whoever keeps results. */
int capability_digest(const char *folder, struct digest *d, struct err *e);

/* ---- facts.c: what rules look at, put in order for looking it up ---- */

struct facts_text { size_t at; const char *source; const json_t *string; };
struct facts {
	const char *format, *os;             /* os: "linux", "windows" or "" */
	json_t *imports;                     /* name -> where */
	json_t *syscalls;
	json_t *functions;                   /* "uses", of the sample and of what it unpacked */
	json_t *trace;                       /* [{"call","args","from"}] as made in a run */
	json_t *called;                      /* name -> index of its first call in the trace */
	struct buf all, lower;               /* every text and a newline; the same in lower case */
	struct facts_text *text; size_t texts;
	json_t *yara, *signs;                /* name -> where */
};
void facts_of_static(struct facts *f, const json_t *stat);
void facts_of_dynamic(struct facts *f, const json_t *stat, const json_t *dynamic);   /* only what the run showed */
void facts_free(struct facts *f);
const struct facts_text *facts_text_at(const struct facts *f, size_t offset);

/* ---- capability.c ---- */

/* [{"name","technique":[],"namespace","evidence":[{"kind","at","text"}]}], by the order of the rules. New reference. */
json_t *capability_match(const struct capability_rules *r, const struct facts *f);
/* Sets "capabilities" of static.json's object, and completes its "indicators" from what emulation showed ("unpack"). */
void capability_static(const struct capability_rules *r, json_t *stat);
void capability_dynamic(const struct capability_rules *r, const json_t *stat, json_t *dynamic);

#endif
