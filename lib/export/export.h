/*
 * export: what leaves the analysis for the field's other tools and for people: STIX 2.1, MISP, YARA rules, one HTML page.
 * Uses confine, casefile, base. It reads a case and changes none; it knows an analysis but by the JSON that stands there, and
 * believes none of it: whatever came from a sample is checked or escaped for the format it goes into.
 */
#ifndef EXPORT_H
#define EXPORT_H

#include "base/base.h"

enum export_format { EXPORT_STIX, EXPORT_MISP, EXPORT_YARA, EXPORT_HTML };

/* "stix", "misp", "yara", "html"; -1: none of these. */
int export_format_of(const char *name, enum export_format *f);
/* What a file of that format is called behind the case's id: ".stix.json" and the like. */
const char *export_suffix(enum export_format f);

/*
 * One case from `in` as one file of that format. Nothing is written before the case's end was verified. *id, when not NULL, gets the
 * case's id (32 hex digits) then. The output depends on the case alone, so that it repeats exactly.
 * 0; EX_NO: a file was written, and there is no rule in it (YARA alone); -1 with *e.
 */
int export_case(enum export_format f, int in, FILE *out, char id[33], struct err *e);

#endif
