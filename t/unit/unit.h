/* unit: the few lines every C unit test stands on. Prints TAP: "ok N - name" / "not ok N - name", then the plan. */
#ifndef UNIT_H
#define UNIT_H

#include <stdio.h>
#include <string.h>

static int unit_count, unit_failed;

static inline int unit_ok(int good, const char *name, const char *file, int line)
{
	printf("%s %d - %s\n", good ? "ok" : "not ok", ++unit_count, name);
	if (!good) {
		unit_failed++;
		printf("# %s:%d\n", file, line);
	}
	return good;
}
#define OK(cond, name) unit_ok(!!(cond), name, __FILE__, __LINE__)
#define OK_STR(a, b, name) unit_ok(!strcmp((a), (b)), name, __FILE__, __LINE__)
static inline int unit_end(void)
{
	printf("1..%d\n", unit_count);
	return unit_failed != 0;
}

#endif
