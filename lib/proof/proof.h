/*
 * proof: whether a removal tool may be let out: it is run on an infected copy of this machine's system, in a garden, and
 * everything before, infected and after is compared. Signs the certificate. Uses garden, casefile, trust and base.
 * It believes neither the plan nor the tool: what must be gone it takes from what was seen on the host and in analysis.
 */
#ifndef PROOF_H
#define PROOF_H

#include "base/base.h"

struct proof_options {
	const char *environment;      /* "host": a copy of this machine's system */
	const char *key, *crt;        /* the signer's, both or neither: then the certificate and MANIFEST are signed */
};

/* The filter. 0: safe, or there is no remedy in the case; 1: not safe (the case is written all the same, with the proof and
 * without a certificate); -1: 69 when this machine gives no closed worlds, else as the streams and keys fail. */
int proof_run(const struct proof_options *o, int in, int out, struct err *e);

#endif
