/* What an index of functions needs of a program: digests and MinHash, without text. */
#include "code/walk.h"

#include <stdlib.h>

static json_t *digests_of(struct walk *w, struct identity *id)
{
	json_t *list = json_array();
	char digest[17];

	for (size_t i = 0; i < w->functions; i++) {
		identity_function(id, w, &w->function[i], digest);
		if (*digest)
			json_array_append_new(list, json_string(digest));
	}
	return list;
}

static json_t *identify_view(const struct code_view *v)
{
	const struct disasm_limits l = DISASM_USUAL;
	struct identity *id;
	json_t *o, *minhash;
	struct walk w;

	if (!walk_all(&w, v, &l))
		return NULL;
	o = json_object();
	id = identity_new();
	json_object_set_new(o, "functions", digests_of(&w, id));
	minhash = identity_minhash(id);
	if (minhash)
		json_object_set_new(o, "minhash", minhash);
	if (w.stopped)
		json_object_set_new(o, "stopped", json_string(w.stopped));
	identity_free(id);
	walk_free(&w);
	return o;
}

json_t *identify(const void *p, size_t n)
{
	struct code_view *v = NULL;
	struct elf *f = elf_is(p, n) ? elf_open(p, n) : NULL;
	struct pe *pe = !f && pe_is(p, n) ? pe_open(p, n) : NULL;
	json_t *o = NULL;

	if (f)
		v = view_elf(f);
	else if (pe)
		v = view_pe(pe);
	if (v)
		o = identify_view(v);
	view_free(v);
	elf_free(f);
	pe_free(pe);
	return o ? o : json_object();
}
