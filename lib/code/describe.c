#include "code/describe.h"

#include <stdlib.h>
#include <string.h>

json_t *describe_hex(uint64_t v)
{
	char text[32];

	snprintf(text, sizeof text, "%llx", (unsigned long long)v);
	return json_string(text);
}

json_t *describe_number(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

json_t *describe_entropy(double h)
{
	return json_real((double)(int)(h * 1000 + 0.5) / 1000);
}

static bool has(const json_t *list, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (!strcmp(jsonio_str(o, "name"), name))
			return true;
	return false;
}

static void add(json_t *list, const char *name, const char *reason)
{
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(name));
	json_object_set_new(o, "reason", jsonio_name(reason));
	json_array_append_new(list, o);
}

void describe_anomaly(struct findings *l, const char *name, char *reason)
{
	if (!has(l->anomalies, name))
		add(l->anomalies, name, reason);
	free(reason);
}

void describe_sign(struct findings *l, const char *name, char *reason)
{
	if (!has(l->signs, name))
		add(l->signs, name, reason);
	describe_anomaly(l, name, reason);
}
