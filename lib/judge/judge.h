/*
 * judge: criteria: what each sign means, which group it belongs to and how much it weighs, and the score that follows;
 * and how the weights and the threshold are derived from labelled observations.
 * Uses base. It never looks at a machine or a sample: rooms that do hand it names of signs.
 * Functions stand under the name of the .c file that defines them.
 */
#ifndef JUDGE_H
#define JUDGE_H

#include "base/base.h"

struct judge;

/* Hit rates: fired on m of M suspicious and on b of B benign cases. */
struct judge_hits { long m, all_m, b, all_b; };

/* One criterion. Strings live as long as the judge. */
struct judge_sign {
	const char *name;
	const char *source;     /* who sees it: "host", "static", "dynamic", "rules" */
	const char *group;      /* of a group only the heaviest sign counts: its signs are not independent */
	const char *meaning;    /* one sentence for people */
	const char *technique;  /* ATT&CK technique, or "" */
	double weight;          /* decibans: 10 log10 of how many times likelier in malicious code than in benign code */
	double estimate;        /* what was thought before there were data; the weight, where there are none */
	double least;           /* the weight is never below; 0 but for signs of innocence that nobody can fake */
	const char *over;       /* the sign of its group that it outweighs by its meaning, or NULL */
	bool at_rest;           /* seen in a file as such, not only on a live machine */
	bool fixed;             /* the estimate stays: no data that can be gathered in a day tell of it */
	bool derived;           /* hits is set: the weight came out of labelled data */
	struct judge_hits hits;
};

/* Reads rules/criteria.json, or `path` when it is not NULL. 66 when it is missing, 78 when it is wrong. */
struct judge *judge_load(const char *path, struct err *e);
void judge_free(struct judge *j);

/* The default threshold: code of at least this score is submitted. 0 where the criteria name none. */
double judge_submit(const struct judge *j);

size_t judge_count(const struct judge *j);
const struct judge_sign *judge_at(const struct judge *j, size_t i);
const struct judge_sign *judge_find(const struct judge *j, const char *name);   /* NULL: not in the criteria */

/*
 * Appends {"name","group","weight","reason"} to the array `signs`. A name that is there already keeps its first reason;
 * one the criteria do not list gets the group "unlisted" and the weight 0, so that it is seen but does not count.
 * `reason` may be hostile bytes (see jsonio_name).
 */
void judge_add(const struct judge *j, json_t *signs, const char *name, const char *reason);
/* Sum over the groups of the group's heaviest sign (ALGORITHMS: groups, since signs within one come together).
 * A negative weight (a sign of innocence) counts only where its group has no positive one. One decimal. */
double judge_score(const json_t *signs);
/* Is the sign at that place one that the score is made of? */
bool judge_counts(const json_t *signs, size_t at);
/* Everything that is to be known of a sign, as lines for people. */
void judge_explain(const struct judge_sign *s, struct buf *out);

/* ---- interval.c: exact bounds of a proportion ---- */

/* The regularised incomplete beta function I_x(a, b); a, b > 0. */
double interval_beta(double x, double a, double b);
/* Two-sided bounds of Clopper and Pearson (Biometrika 26, 1934) for hits of n. */
void interval_clopper(long hits, long n, double confidence, double *low, double *high);

/* ---- observed.c: labelled observations ---- */

struct observed;
/*
 * Reads NDJSON, each line one of
 *   {"label":"suspicious","technique":NAME,"variation":N,"own":[SIGN...],"pieces":[{"kind":KIND,"signs":[SIGN...]}...]}
 *   {"label":"benign","host":NAME,"source":NAME,"seen":"live"|"rest","kind":KIND,"left":BOOL,"count":N,"bytes":N,"signs":[SIGN...]}
 * A suspicious case is one line, a benign case all lines of one source that were seen alike: the same program on several
 * machines says no more than on one. `left`: the whitelist leaves it in; `count`: so many pieces alike, of so many bytes together. Further keys are ignored, and so are signs that
 * the criteria do not list: they are named in one warning.
 */
struct observed *observed_open(const struct judge *j, struct err *e);   /* 78: too many signs */
int observed_read(struct observed *o, const char *path, struct err *e);
void observed_free(struct observed *o);

/* ---- weigh.c: from hit rates to a weight ---- */

/*
 * Decibans: 10 log10 of ((m+1/2)/(M+1)) / ((b+1/2)/(B+1)), drawn towards the estimate as far as chance allows: both count by
 * their precision, the ratio's by the delta method, the estimate's as if it were right to a factor of three.
 * Without any hit the data say nothing, and the estimate stays.
 */
double weigh_hits(const struct judge_hits *h, double estimate);

/* ---- derive.c: weights, recall, load, and the threshold that follows ---- */

/* Everything that was derived, as JSON; report.c prints it for people. */
json_t *derive_report(const struct judge *j, const struct observed *o, struct err *e);
void report_print(const json_t *report, FILE *f);
/* The text of a file of criteria with the report's weights and threshold in it; all else stays byte for byte. */
int criteria_rewrite(const char *text, const json_t *report, struct buf *out, struct err *e);

#endif
