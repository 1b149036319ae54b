#include "casefile/internal.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

enum stage { STAGE_START, STAGE_MEMBERS, STAGE_MANIFEST, STAGE_SIGNATURE };

struct order {
	void *names;              /* tsearch: each member's path, and "code/<sha256>" of each code: a balanced tree, so that
	                           * no choice of names makes it slow */
	char code[DIGEST_HEX];    /* the one that is open, or "" */
	enum stage stage;
	unsigned count;
	uint64_t total;
};

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* false: it was there */
static bool order_name(struct order *o, const char *name)
{
	char *copy = buf_strdup(name), **at = tsearch(copy, &o->names, compare);

	if (!at) {
		free(copy);
		return false;
	}
	if (*at == copy)
		return true;
	free(copy);
	return false;
}

static int bad(const struct member *m, const char *why, struct err *e)
{
	return err_set(e, EX_DATAERR, "member %s: %s", err_q(m->path), why);
}

static uint64_t cap_of(const struct member *m)
{
	size_t n = strlen(m->path);

	if (m->kind == MEMBER_MANIFEST)
		return CAP_MANIFEST;
	if (m->kind == MEMBER_SIGNATURE)
		return CAP_SLURP;
	if (n > 5 && !strcmp(m->path + n - 5, ".json"))
		return CAP_JSON;
	return CAP_BODY;
}

struct order *order_new(void)
{
	return buf_alloc(sizeof(struct order));
}

int order_folder(struct order *o, const char *path, struct err *e)
{
	if (o->stage >= STAGE_MANIFEST)
		return err_set(e, EX_DATAERR, "member %s: stands behind MANIFEST", err_q(path));
	if (++o->count > CAP_MEMBERS)
		return err_set(e, EX_DATAERR, "member %s: more than %u members", err_q(path), CAP_MEMBERS);
	return 0;
}

static int order_code(struct order *o, const struct member *m, struct err *e)
{
	char folder[DIGEST_HEX + 8];

	if (!strcmp(m->code, o->code))
		return m->kind == MEMBER_ABOUT ? bad(m, "is there twice", e) : 0;
	memcpy(o->code, m->code, sizeof o->code);
	if (!*m->code)
		return 0;
	snprintf(folder, sizeof folder, "code/%s", m->code);
	if (!order_name(o, folder))
		return bad(m, "stands apart from the other members of its code", e);
	if (m->kind != MEMBER_ABOUT)
		return bad(m, "stands before its code's about.json", e);
	return 0;
}

int order_add(struct order *o, const struct member *m, struct err *e)
{
	if (m->size > cap_of(m))
		return err_set(e, EX_DATAERR, "member %s: %llu bytes are more than the %llu allowed", err_q(m->path),
			(unsigned long long)m->size, (unsigned long long)cap_of(m));
	if (o->total > CAP_CASE - m->size)
		return bad(m, "the case is too large", e);
	if (++o->count > CAP_MEMBERS)
		return err_set(e, EX_DATAERR, "member %s: more than %u members", err_q(m->path), CAP_MEMBERS);
	o->total += m->size;
	if (!order_name(o, m->path))
		return bad(m, "is there twice", e);
	if (o->stage == STAGE_START && m->kind != MEMBER_CASE)
		return bad(m, "stands before case.json", e);
	if (m->kind == MEMBER_SIGNATURE) {
		if (o->stage != STAGE_MANIFEST)
			return bad(m, "stands before MANIFEST", e);
		o->stage = STAGE_SIGNATURE;
		return 0;
	}
	if (o->stage >= STAGE_MANIFEST)
		return bad(m, "stands behind MANIFEST", e);
	o->stage = m->kind == MEMBER_MANIFEST ? STAGE_MANIFEST : STAGE_MEMBERS;
	return order_code(o, m, e);
}

void order_free(struct order *o)
{
	if (!o)
		return;
	tdestroy(o->names, free);
	free(o);
}
