/*
 * listing: what an analyst sees of a case: pieces of code with their scores, and why they are suspicious; or its members.
 * Uses casefile, judge, base. It changes no case, and knows no analysis but by the JSON that it leaves there.
 */
#ifndef LISTING_H
#define LISTING_H

#include "base/base.h"
#include "judge/judge.h"

struct listing_options {
	const char *prefix;          /* only code whose SHA-256 begins so; "" all */
	bool members;                /* the members instead of the code */
	bool json;                   /* lines of JSON instead of a table */
	bool details;                /* below each row its signs, in words */
	bool colour;
	const struct judge *judge;   /* for the meaning of signs and the threshold; NULL: neither is told */
};

/* Lists the case in fd. Nothing is written before the case's end was verified. 0, EX_NO when nothing has that prefix, -1. */
int listing_show(int fd, const struct listing_options *o, FILE *out, struct err *e);

#endif
