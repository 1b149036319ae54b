/* What verdict.c and behaviour.c share. */
#ifndef MICRO_VERDICT_INTERNAL_H
#define MICRO_VERDICT_INTERNAL_H

#include "micro/micro.h"

/* Calls add() for each sign that follows from what a run showed; reasons are jsonio text. */
typedef void behaviour_add(void *ctx, const char *name, const char *reason);
void behaviour_derive(const char *sha256, const json_t *about, const json_t *dynamic, behaviour_add *add, void *ctx);

#endif
