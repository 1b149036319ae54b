/* judge's own: labelled observations as the derivation sees them. */
#ifndef JUDGE_INTERNAL_H
#define JUDGE_INTERNAL_H

#include "judge/judge.h"

#define DERIVE_SIGNS 256u        /* of the criteria: a set of them is four words */
#define CAP_OBSERVED (64 * MIB)  /* one file of observations: the shipped ones have 2 MB */

struct signset { uint64_t word[DERIVE_SIGNS / 64]; };

/* `count` pieces of code that showed the same. */
struct observed_piece {
	struct signset signs;
	const char *host;       /* benign: the machine it was seen on */
	long count, bytes;
	bool memory;            /* code in memory: another digest at every scan */
	bool left;              /* the whitelist leaves it in */
};

struct observed_case {
	bool suspicious;
	bool rest;              /* benign: a file as such, where only some signs can show */
	const char *name;       /* the technique, or where the benign code comes from */
	long variation;
	struct signset own;     /* the technique's own signs */
	struct signset any;     /* of all its pieces */
	struct observed_piece *pieces;
	size_t count;
};

struct observed {
	const struct judge *judge;
	struct observed_case *cases;
	size_t count;
	json_t *where;          /* benign case by source and seen: its position */
	json_t *lines;          /* keeps the strings alive */
	json_t *unlisted;       /* signs that the criteria do not list, each once */
};

bool signset_has(const struct signset *s, size_t i);
void signset_add(struct signset *s, size_t i);

/* A weight for each of judge's signs, in tenths of a deciban, so that sums are exact. */
struct weights { int tenth[DERIVE_SIGNS]; };

/* Which cases the derivation may not see. Returns true to leave the case out. */
typedef bool leave_fn(const struct observed_case *c, size_t index, const void *ctx);
/* Weighs all signs: shrinks, holds the floor and the order within groups. hits, one a sign, may be NULL. */
void weigh_all(const struct observed *o, leave_fn *leave, const void *ctx, struct weights *w, struct judge_hits *hits);
/* Tenths of decibans of a piece; the signs in `without` do not count. */
int weigh_piece(const struct judge *j, const struct weights *w, const struct signset *signs, const struct signset *without);

/* The heaviest piece of a suspicious case, under weights that saw less and less of it. */
struct recall_score {
	int plain[2];           /* in tenths; [1]: the technique's own signs left out */
	int variation[2];       /* its variation left out of the derivation */
	int technique[2];       /* its technique left out */
};
struct recall {
	const struct observed *o;
	struct recall_score *score;   /* one a case; of benign cases unused */
	const char **technique;       /* each once, in order of arrival */
	size_t techniques;
};
void recall_score(const struct observed *o, const struct weights *w, struct recall *r);
void recall_free(struct recall *r);
/* At a threshold in tenths: the whole table, and what the choice stands on. */
json_t *recall_json(const struct recall *r, int threshold);
/* seen: the scan showed a piece of it that no whitelist drops */
struct recall_sum { long n, seen, plain, plain_own, variation, variation_own, technique, technique_own; };
struct recall_sum recall_sum(const struct recall *r, int threshold);

/* What one host sends in, by threshold. */
json_t *load_json(const struct observed *o, const struct weights *w, const struct recall *r, int *chosen);

#endif
