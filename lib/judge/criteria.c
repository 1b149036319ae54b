#include "judge/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A number as people write it: 12 or 12.5. */
static json_t *plain(double v)
{
	return v - floor(v) > 0 ? json_real(v) : json_integer((json_int_t)v);
}

static const json_t *sign_of(const json_t *report, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(report, "signs"), i, o)
		if (name && !strcmp(jsonio_str(o, "name"), name))
			return o;
	return NULL;
}

/* The line's object with its new weight, and behind that what it came from. */
static json_t *rewritten(json_t *line, const json_t *from)
{
	double weight = jsonio_num(from, "weight", 0), estimate = jsonio_num(from, "estimate", 0);
	bool derived = jsonio_bool(from, "derived", false);
	json_t *out = json_object(), *v;
	const char *key;

	json_object_foreach(line, key, v) {
		if (!strcmp(key, "estimate") || !strcmp(key, "hits"))
			continue;
		if (strcmp(key, "weight")) {
			json_object_set(out, key, v);
			continue;
		}
		json_object_set_new(out, "weight", plain(weight));
		if (derived || fabs(weight - estimate) > 0.01)
			json_object_set_new(out, "estimate", plain(estimate));
		if (derived)
			json_object_set(out, "hits", json_object_get(from, "hits"));
	}
	return out;
}

static void copy_line(const char *line, size_t n, const json_t *report, struct buf *out)
{
	size_t lead = strspn(line, " \t"), tail;
	const json_t *from = NULL;
	json_t *o = NULL, *new;
	char *text;

	for (tail = n; tail > lead && strchr(",\r", line[tail - 1]); tail--)
		;
	if (lead < tail && line[lead] == '{' && line[tail - 1] == '}')
		o = json_loadb(line + lead, tail - lead, 0, NULL);
	from = o ? sign_of(report, jsonio_str(o, "name")) : NULL;
	new = from ? rewritten(o, from) : NULL;
	if (!new || json_equal(new, o)) {
		json_decref(new);
		json_decref(o);
		buf_add(out, line, n);
		return;
	}
	text = json_dumps(new, JSON_REAL_PRECISION(8));
	buf_add(out, line, lead);
	buf_adds(out, text);
	buf_add(out, line + tail, n - tail);
	free(text);
	json_decref(new);
	json_decref(o);
}

int criteria_rewrite(const char *text, const json_t *report, struct buf *out, struct err *e)
{
	static const char key[] = "\"submit\":";
	bool submit = false;

	while (*text) {
		size_t n = strcspn(text, "\n"), lead = strspn(text, " \t");

		if (!strncmp(text + lead, key, sizeof(key) - 1)) {
			buf_add(out, text, lead);
			buf_addf(out, "%s %.10g,", key, jsonio_num(report, "submit", 0));
			submit = true;
		} else {
			copy_line(text, n, report, out);
		}
		text += n;
		if (*text == '\n') {
			buf_addc(out, '\n');
			text++;
		}
	}
	return submit ? 0 : err_set(e, EX_CONFIG, "the criteria have no line for the threshold (%s)", key);
}
