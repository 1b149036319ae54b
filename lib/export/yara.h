/* A YARA rule from one sample: what is chosen for it, how it is written, how it is proven. */
#ifndef EXPORT_YARA_H
#define EXPORT_YARA_H

#include "export/internal.h"

#define YARA_STRINGS 20u
#define YARA_CODES 6u
#define YARA_WINDOW 40u        /* bytes of a function that a rule quotes */

struct yara_string { struct buf bytes; bool wide; int score; };
struct yara_code { unsigned char bytes[YARA_WINDOW]; bool fixed[YARA_WINDOW]; size_t n; uint64_t address; };
struct yara_choice {
	struct yara_string string[YARA_STRINGS]; size_t strings;
	struct yara_code code[YARA_CODES]; size_t codes;
};

/* yara-choose.c: the most distinctive strings of a list like static.json's "strings": neither what every program of its format has nor
 * what the sample only imports. And windows of its functions' code, with what a linker fills in left open. */
void yara_choose_strings(struct yara_choice *c, const json_t *list, const json_t *stat);
void yara_choose_code(struct yara_choice *c, const json_t *stat, int body);
void yara_choice_free(struct yara_choice *c);

/* yara-prove.c: helper-yara compiles the rule and runs it over the files, confined. 1 proven: it compiles and matches one of them; 0 it does not;
 * -1 the helper could not be run. */
int yara_prove(const char *rule, const int *file, size_t files, struct err *e);

#endif
