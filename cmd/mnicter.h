/* mnicter's verbs, and the options that they share. */
#ifndef MNICTER_H
#define MNICTER_H

#include "base/base.h"
#include "micro/micro.h"

struct options {
	struct tool t;
	struct micro_options micro;
	const char *format;          /* -f */
	const char *const *operands; /* behind the verb, NULL-terminated */
};

/* Each returns what tool_end() takes. */
typedef int mnicter_verb(struct options *o, struct err *e);
mnicter_verb mnicter_micro, mnicter_export;

/* A verb with options of its own; argv[0] is the verb. The exit status. */
int mnicter_index(int argc, char **argv);

/* A number from least to most, else 64. */
double mnicter_number(const struct tool *t, const char *text, double least, double most);

#endif
