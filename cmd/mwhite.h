/* mwhite's verbs that need another room beside known: its source of cases, and deltas, which are signed and verified. */
#ifndef MWHITE_H
#define MWHITE_H

#include "known/known.h"

/* ---- mwhite-case.c ---- */

/* A case of mscan's that is known to be of a clean machine. */
int mwhite_case(struct build *b, const char *path, struct known_stats *s, struct err *e);

/* ---- mwhite-delta.c ---- */

/* Frees b. */
int mwhite_delta(struct build *b, const char *index, const char *key, const char *crt, unsigned days, const char *out, struct err *e);
/* crl may be NULL. Says what was applied. */
int mwhite_apply(const struct tool *t, const char *index, const char *delta, const char *ca, const char *crl, struct err *e);

#endif
