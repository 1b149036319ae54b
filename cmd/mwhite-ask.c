/* mwhite query, sources, info: what an index knows. */
#include "mwhite.h"

#include <stdlib.h>

struct index *mwhite_open(const struct options *o, struct err *e)
{
	struct index *x;

	if (!o->index)
		tool_usage(&o->t, "which index? give -d INDEX");
	x = index_open(o->index, e);
	if (x && index_outdated(x, o->root))
		msg_warn("%s is older than the package database: 'mwhite follow -d %s' brings it up to date", err_q(o->index),
			err_q(o->index));
	return x;
}

static void print_answer(const struct options *o, const char *operand, const char *hex, const struct index_hit *hit)
{
	struct buf text = {0};
	json_t *j;

	if (o->t.json) {
		j = query_json(operand, hex, hit);
		jsonio_print(stdout, j);
		json_decref(j);
	} else {
		query_text(operand, hex, hit, &text);
		puts(buf_str(&text));
		buf_free(&text);
	}
}

static int answer(const struct options *o, const struct index *x, const char *operand, struct err *e)
{
	struct index_hit hit = {0};
	char hex[DIGEST_HEX];
	bool known;

	if (query_digest(operand, hex, e) < 0)
		return -1;
	known = index_find_hex(x, hex, &hit);
	print_answer(o, operand, hex, known ? &hit : NULL);
	return known ? 0 : EX_NO;
}

/* What cannot be read is told, and the others are answered all the same. */
int mwhite_query(const struct options *o, char **operands, struct err *e)
{
	struct index *x = mwhite_open(o, e);
	int rc = 0, one;

	if (!x)
		return -1;
	if (!*operands)
		tool_usage(&o->t, "what is asked for? give digests or files");
	for (; *operands; operands++) {
		err_clear(e);
		one = answer(o, x, *operands, e);
		if (one < 0)
			one = msg_fail(e);
		rc = one > rc ? one : rc;
	}
	index_close(x);
	return rc;
}

/* Who vouches for how many digests, and for how many of these alone. */
int mwhite_sources(const struct options *o, char **operands, struct err *e)
{
	struct index *x = mwhite_open(o, e);
	json_t *all, *j;
	size_t i;

	(void)operands;
	if (!x)
		return -1;
	all = source_counts(x);
	json_array_foreach(all, i, j) {
		struct buf name = {0};

		if (o->t.json)
			jsonio_print(stdout, j);
		else if (!jsonio_tobytes(jsonio_str(j, "source"), &name))
			printf("%10lld %10lld  %s\n", (long long)jsonio_int(j, "digests", 0), (long long)jsonio_int(j, "alone", 0),
				err_q(buf_str(&name)));
		buf_free(&name);
	}
	json_decref(all);
	index_close(x);
	return 0;
}

static void print_info(json_t *j)
{
	const char *key;
	json_t *v;

	json_object_foreach(j, key, v) {
		char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);

		printf("%-9s %s\n", key, json_is_string(v) ? json_string_value(v) : text ? text : "");
		free(text);
	}
}

int mwhite_info(const struct options *o, char **operands, struct err *e)
{
	struct index *x = mwhite_open(o, e);
	json_t *j;
	int rc;

	(void)operands;
	if (!x)
		return -1;
	if ((rc = index_verify(x, e)) == 0) {
		j = index_info(x);
		if (o->t.json)
			jsonio_print(stdout, j);
		else
			print_info(j);
		json_decref(j);
	}
	index_close(x);
	return rc;
}
