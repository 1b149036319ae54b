/* explain: which of the code pages that about.json lists are known. */
#ifndef KNOWN_EXPLAIN_H
#define KNOWN_EXPLAIN_H

#include "known/known.h"

struct explained {
	uint64_t pages, known;
	bool cut;                 /* not all pages are listed, or not well */
	bool writable;            /* some of it may change any time */
	json_t *sources;          /* who vouches for the known ones, some of them */
	json_t *unexplained;      /* addresses of pages that are not known, some of them */
};
/* Nothing is looked up where the index has no pages. */
void explain_code(const struct index *x, const json_t *about, struct explained *r);
/* "pages", "pages_known", "unexplained" of about.json's "known". */
void explain_mark(const struct explained *r, json_t *mark);
void explain_free(struct explained *r);

#endif
