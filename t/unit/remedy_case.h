/* remedy_case: the case that the tests of plans stand on. */
#ifndef REMEDY_CASE_H
#define REMEDY_CASE_H

#include "remedy/remedy.h"
#include "unit_json.h"

#define CASE "{'id':'0123456789abcdef0123456789abcdef','host':{'id':'0123456789abcdef0123456789abcdef','name':'h'}}"

/* A piece of the case, each part in unit_json.h's form; dynamic NULL: it was not run. */
static inline void code(struct plan *p, const char *sha, const char *about, const char *dynamic, const char *verdict)
{
	json_t *a = J(about), *d = dynamic ? J(dynamic) : NULL, *v = json_pack("{s:s}", "verdict", verdict);
	struct err e = { 0 };

	OK(plan_code(p, sha, a, d, v, &e) == 0, "a piece of code is taken");
	json_decref(a);
	json_decref(d);
	json_decref(v);
}

#endif
