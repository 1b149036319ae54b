/* mwhite follow, revoke, withdraw: an index that changes, and what is said of it. */
#include "mwhite.h"

#include <stdlib.h>

int mwhite_follow(const struct options *o, char **operands, struct err *e)
{
	struct follow_options f = {.index = o->index, .root = o->root, .want = o->want, .keep_days = o->keep_days};
	struct follow_report r;
	json_t *j;

	(void)operands;
	if (!o->index)
		tool_usage(&o->t, "which index? give -d INDEX");
	if (follow_run(&f, &r, e) < 0)
		return -1;
	if (o->t.json) {
		j = json_pack("{sb sI sI sI sI sI}", "unchanged", r.unchanged, "packages_read", (json_int_t)r.read, "left", (json_int_t)r.left, "outdated",
			(json_int_t)r.outdated, "forgotten", (json_int_t)r.forgotten, "digests", (json_int_t)r.digests);
		json_object_set_new(j, "stats", known_stats_json(&r.stats));
		jsonio_print(stdout, j);
		json_decref(j);
	} else if (r.unchanged) {
		msg_info("the package database is as it was");
	} else {
		msg_info("%u packages read, %u left for the next time, %u outdated, %u forgotten, %llu digests known", r.read, r.left, r.outdated,
			r.forgotten, (unsigned long long)r.digests);
	}
	return 0;
}

/* The lists among the sources, NULL behind the last; nothing else can be revoked. Caller frees. */
static const char **lists_of(const struct options *o)
{
	const char **lists = buf_alloc((o->n + 1) * sizeof(*lists));

	for (size_t i = 0; i < o->n; i++) {
		if (o->sources[i].kind != KNOWN_LIST)
			tool_usage(&o->t, "digests and lists are revoked: for a source there is 'mwhite withdraw'");
		lists[i] = o->sources[i].path;
	}
	return lists;
}

int mwhite_revoke(const struct options *o, char **operands, struct err *e)
{
	uint64_t left = 0, gone = 0;
	const char **lists;
	int rc;

	if (!o->index)
		tool_usage(&o->t, "which index? give -d INDEX");
	if (!*operands && !o->n)
		tool_usage(&o->t, "what is revoked? give digests, files or --list FILE");
	lists = lists_of(o);
	rc = revoke_run(o->index, o->t.out ? o->t.out : o->index, lists, operands, &left, &gone, e);
	free(lists);
	if (rc < 0)
		return -1;
	if (o->t.json)
		printf("{\"revoked\":%llu,\"digests\":%llu}\n", (unsigned long long)gone, (unsigned long long)left);
	else if (msg_get_level() >= 0)
		fprintf(stderr, "mwhite: %llu digests revoked, %llu known\n", (unsigned long long)gone, (unsigned long long)left);
	return 0;
}

int mwhite_withdraw(const struct options *o, char **names, struct err *e)
{
	uint64_t left = 0, gone = 0;

	if (!o->index)
		tool_usage(&o->t, "which index? give -d INDEX");
	if (!*names)
		tool_usage(&o->t, "which source is withdrawn? 'mwhite sources' lists them");
	if (withdraw_run(o->index, o->t.out ? o->t.out : o->index, names, &left, &gone, e) < 0)
		return -1;
	if (o->t.json)
		printf("{\"gone\":%llu,\"digests\":%llu}\n", (unsigned long long)gone, (unsigned long long)left);
	else if (msg_get_level() >= 0)
		fprintf(stderr, "mwhite: %llu digests withdrawn, %llu left\n", (unsigned long long)gone, (unsigned long long)left);
	return 0;
}
