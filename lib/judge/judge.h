/*
 * judge: criteria: what each sign means, which group it belongs to and how much it weighs, and the score that follows.
 * Uses base. It never looks at a machine or a sample: rooms that do hand it names of signs.
 */
#ifndef JUDGE_H
#define JUDGE_H

#include "base/base.h"

struct judge;

/* One criterion. Strings live as long as the judge. */
struct judge_sign {
	const char *name;
	const char *source;     /* who sees it: "host", "static", "dynamic", "rules" */
	const char *group;      /* of a group only the heaviest sign counts: its signs are not independent */
	const char *meaning;    /* one sentence for people */
	const char *technique;  /* ATT&CK technique, or "" */
	double weight;          /* decibans: 10 log10 of how many times likelier in malicious code than in benign code */
};

/* Reads rules/criteria.json, or `path` when it is not NULL. 66 when it is missing, 78 when it is wrong. */
struct judge *judge_load(const char *path, struct err *e);
void judge_free(struct judge *j);

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

#endif
