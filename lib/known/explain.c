/* explain: code in memory against the pages of known-good files: what no such page is, is the candidate. */
#include "known/explain.h"

#include <stdlib.h>
#include <string.h>

#define CAP_TOLD 256u      /* pages named as unexplained */
#define CAP_SOURCES_TOLD 16u

static void add_sources(struct explained *r, const char *set)
{
	json_t *names = source_names(set), *o, *have;
	size_t i, k;

	json_array_foreach(names, i, o) {
		bool known = false;

		json_array_foreach(r->sources, k, have)
			known |= json_equal(o, have);
		if (!known && json_array_size(r->sources) < CAP_SOURCES_TOLD)
			json_array_append(r->sources, o);
	}
	json_decref(names);
}

static void look_up(const struct index *x, struct explained *r, const unsigned char *digest, uint64_t at)
{
	unsigned char key[KNOWN_DIGEST];
	struct index_hit hit;

	memcpy(key, digest, sizeof(key));
	pages_key(key);
	r->pages++;
	if (index_find(x, key, &hit)) {
		r->known++;
		add_sources(r, hit.source);
	} else if (json_array_size(r->unexplained) < CAP_TOLD) {
		json_array_append_new(r->unexplained, json_sprintf("%llx", (unsigned long long)at));
	}
}

/* An object of about.json with "pages", as pages_put() makes it. */
static void explain(const struct index *x, struct explained *r, const json_t *o)
{
	const json_t *runs = json_object_get(o, "pages"), *run;
	size_t i;

	r->cut |= !json_array_size(runs) || jsonio_bool(o, "pages_cut", false);
	json_array_foreach(runs, i, run) {
		const char *where = jsonio_str(run, "at"), *text = jsonio_str(run, "sha256");
		uint64_t at = where ? strtoull(where, NULL, 16) : 0;
		struct buf digests = {0};

		if (!where || !text || jsonio_unbase64(text, &digests) < 0 || !digests.len || digests.len % KNOWN_DIGEST)
			r->cut = true;
		else
			for (size_t k = 0; k < digests.len; k += KNOWN_DIGEST, at += KNOWN_PAGE)
				look_up(x, r, digests.p + k, at);
		buf_free(&digests);
	}
}

void explain_code(const struct index *x, const json_t *about, struct explained *r)
{
	const json_t *memory = json_object_get(about, "memory"), *o;
	bool body = false;
	size_t i;

	memset(r, 0, sizeof(*r));
	r->sources = json_array();
	r->unexplained = json_array();
	if (!(index_from(x) & KNOWN_FROM_PAGES))
		return;
	if (json_object_get(about, "pages"))
		explain(x, r, about);
	json_array_foreach(memory, i, o) {
		const char *perms = jsonio_str(o, "perms"), *member = jsonio_str(o, "member");

		r->writable |= !perms || strchr(perms, 'w');
		/* bytes that several processes hold have their pages once */
		if (body && member && !strcmp(member, "body") && !json_object_get(o, "pages"))
			continue;
		body |= member && !strcmp(member, "body");
		explain(x, r, o);
	}
}

void explain_mark(const struct explained *r, json_t *mark)
{
	if (!r->pages)
		return;
	json_object_set_new(mark, "pages", json_integer((json_int_t)r->pages));
	json_object_set_new(mark, "pages_known", json_integer((json_int_t)r->known));
	if (json_array_size(r->unexplained))
		json_object_set(mark, "unexplained", r->unexplained);
}

void explain_free(struct explained *r)
{
	json_decref(r->sources);
	json_decref(r->unexplained);
}
