/* What the files of MISP share. */
#ifndef EXPORT_MISP_H
#define EXPORT_MISP_H

#include "export/internal.h"

/* ---- misp.c ---- */

/* An attribute of the event; `of` tells apart what has the same type and value. New reference. */
json_t *misp_attribute(const struct exporter *x, const char *of, const char *type, const char *category, const char *value, bool to_ids);
/* Writes an object behind those before it; attributes is taken, the texts are borrowed. key: tells the piece's objects of one template apart. */
struct misp_template { const char *name, *category, *uuid, *version; };
void misp_object(struct exporter *x, const struct misp_template *t, const struct piece *p, const char *key, json_t *comment, json_t *attributes);

/* ---- misp-run.c ---- */

/* What a run showed, as objects: connections, requests, mails. */
void misp_run(struct exporter *x, const struct piece *p);

#endif
