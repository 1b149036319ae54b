/* What rebuild*.c share: the parts of a dump as a file is to hold them. */
#ifndef EMULATE_REBUILD_H
#define EMULATE_REBUILD_H

#include "emulate/emulate.h"

#define REBUILD_MOST (256 * MIB)
#define REBUILD_PAGE 4096u

struct rebuild_part { uint64_t address; const unsigned char *bytes; size_t size; };

bool rebuild_elf(const void *file, uint64_t entry, const struct rebuild_part *part, size_t parts, struct buf *out);
bool rebuild_pe(const struct emulation *o, const void *file, size_t n, uint64_t entry, const struct rebuild_part *part, size_t parts, struct buf *out);
void rebuild_number(unsigned char *p, uint64_t v, size_t n);     /* little-endian */
size_t rebuild_filled(const struct rebuild_part *p);            /* its size without the pages of zeros that it ends with */

#endif
