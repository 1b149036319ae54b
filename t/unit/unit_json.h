/* unit_json: JSON in tests, written with single quotes. */
#ifndef UNIT_JSON_H
#define UNIT_JSON_H

#include <stdlib.h>

#include "base/base.h"
#include "unit.h"

/* New reference; NULL, and a line of TAP's comment, when it is wrong. */
static inline json_t *J(const char *text)
{
	char *copy = buf_strdup(text);
	struct err e = { 0 };
	json_t *j;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	j = jsonio_parse(copy, strlen(copy), "the test's own", &e);
	if (!j)
		printf("# %s: %s\n", copy, e.msg);
	free(copy);
	return j;
}

#endif
