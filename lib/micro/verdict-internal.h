/* What verdict.c and behaviour.c share. */
#ifndef MICRO_VERDICT_INTERNAL_H
#define MICRO_VERDICT_INTERNAL_H

#include "micro/micro.h"

/* Calls add() for each sign that follows from what a run showed; reasons are jsonio text. at: where in dynamic.json that stands,
 * as list:index. */
typedef void behaviour_add(void *ctx, const char *name, const char *reason, const char *at);
void behaviour_derive(const char *sha256, const json_t *about, const json_t *dynamic, behaviour_add *add, void *ctx);

#endif
