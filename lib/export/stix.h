/* What the files of STIX share. */
#ifndef EXPORT_STIX_H
#define EXPORT_STIX_H

#include "export/internal.h"

struct stix_id { char text[64 + UUID_TEXT]; };

/* ---- stix-objects.c ---- */

/* Takes o; an object whose "id" was written before is dropped. 0. */
int stix_emit(struct exporter *x, json_t *o);
/* Section 2.9: an identifier from the contributing properties, an object whose keys stand in order, at every depth: of texts, integers, lists. */
struct stix_id stix_id_of(const char *type, const json_t *contributing);
/* Objects that are written where they are made. name: NULL; size: -1; tlsh: NULL: not known. */
struct stix_id stix_file(struct exporter *x, const char *sha256, const char *name, json_int_t size, const char *tlsh);
struct stix_id stix_single(struct exporter *x, const char *type, const char *property, const char *value);
/* What is of a kind of checked_indicators(). false: STIX has no object for it. */
bool stix_observe(struct exporter *x, const char *kind, const char *value, struct stix_id *id);

/* ---- stix-run.c ---- */

/* What a run showed: processes, traffic, mails; their references are added to found. */
void stix_run(struct exporter *x, const struct piece *p, json_t *found);

#endif
