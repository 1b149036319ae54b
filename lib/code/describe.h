/* What the describing files share: how values look in static.json, and where findings go. */
#ifndef CODE_DESCRIBE_H
#define CODE_DESCRIBE_H

#include "code/elf-internal.h"
#include "code/pe.h"

#define DESCRIBE_LISTED 4096u    /* sections, imports, exports named in the result */
#define DESCRIBE_PACKED 7.2      /* bits a byte of executable bytes: compiled code has 5.5 to 6.6 (1,100 programs of /usr/bin) */
#define DESCRIBE_LEAST 4096u     /* bytes; below, entropy says nothing */

/* ---- describe.c ---- */

json_t *describe_hex(uint64_t v);         /* an address, as a string */
json_t *describe_number(uint64_t v);
json_t *describe_entropy(double h);       /* to three digits */

/* What is not as it should be. Each is told once a name; those that weigh in a verdict are signs as well. */
struct findings { json_t *anomalies, *signs; };
void describe_anomaly(struct findings *l, const char *name, char *reason);   /* takes the reason, which malloc made */
void describe_sign(struct findings *l, const char *name, char *reason);

/* ---- elf-describe.c, elf-anomalies.c, pe-describe.c, pe-anomalies.c ---- */

json_t *elf_describe(const struct elf *f);
void elf_anomalies(const struct elf *f, struct findings *l);
json_t *pe_describe(const struct pe *f);
void pe_anomalies(const struct pe *f, struct findings *l);

#endif
