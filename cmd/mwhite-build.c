/* mwhite build, mwhite add: an index from sources. */
#include "mwhite.h"

#include <stdlib.h>

static void print_stats(const struct options *o, const struct known_stats *s, uint64_t digests, double seconds)
{
	json_t *j = known_stats_json(s);
	char *text = known_stats_text(s);

	json_object_set_new(j, "digests", json_integer((json_int_t)digests));
	json_object_set_new(j, "seconds", json_real(seconds));
	if (o->t.json)
		jsonio_print(stdout, j);
	else if (msg_get_level() >= 0)
		fprintf(stderr, "mwhite: %llu digests known: %s, %.1f s\n", (unsigned long long)digests, text, seconds);
	json_decref(j);
	free(text);
}

static int add_source(struct build *b, const struct options *o, const struct source *src, struct known_stats *s, struct err *e)
{
	if (src->kind == KNOWN_CASE)
		return mwhite_case(b, src->path, s, e);
	if ((int)src->kind == MWHITE_REVOKED)
		return list_revoke(b, src->path, s, e);
	return known_add(b, src->kind, src->path, o->root, o->want, s, e);
}

int mwhite_sources_into(struct build *b, const struct options *o, struct known_stats *s, struct err *e)
{
	for (size_t i = 0; i < o->n; i++)
		if (add_source(b, o, &o->sources[i], s, e) < 0)
			return -1;
	return 0;
}

static int build(const struct options *o, bool add, struct err *e)
{
	struct known_stats s = {0};
	const char *out = o->t.out ? o->t.out : add ? o->index : NULL;
	int64_t start = clock_mono_ms();
	uint64_t count = 0;
	struct build *b;

	if (!out)
		tool_usage(&o->t, "where does the index go? give -o INDEX");
	if (!o->n)
		tool_usage(&o->t, "an index of what? give --dpkg, --dir, --list or another source");
	if (!(b = build_new(e)))
		return -1;
	if ((add ? build_extend(b, o->index ? o->index : out, e) < 0 : o->id && build_id(b, o->id, e) < 0)
	    || mwhite_sources_into(b, o, &s, e) < 0) {
		build_abort(b);
		return -1;
	}
	if (build_finish(b, out, &count, e) < 0)
		return -1;
	print_stats(o, &s, count, (double)(clock_mono_ms() - start) / 1000);
	return 0;
}

int mwhite_build(const struct options *o, char **operands, struct err *e)
{
	(void)operands;
	return build(o, false, e);
}

int mwhite_add(const struct options *o, char **operands, struct err *e)
{
	(void)operands;
	return build(o, true, e);
}
