/*
 * md5: eight MD5 sums (RFC 1321) at once, in the lanes of vectors: one sum cannot be computed faster than its 64 steps follow each
 * other, which leaves most of a processor idle. Only for the sums that Debian's packages state.
 */
#ifndef KNOWN_MD5_H
#define KNOWN_MD5_H

#include <stddef.h>
#include <stdint.h>

#define MD5_LANES 8
#define MD5_BLOCK 64u

struct md5 { uint32_t state[4][MD5_LANES]; };
void md5_begin(struct md5 *m, unsigned lane);
/* n blocks of each lane; a lane that has none is given anything to read, and begins anew before it counts. */
void md5_blocks(struct md5 *m, const unsigned char *const data[MD5_LANES], size_t n);
/* What follows the last whole block of a message of `length` bytes, whose last length % 64 bytes are `rest`: one or two blocks. */
size_t md5_end(const unsigned char *rest, uint64_t length, unsigned char out[2 * MD5_BLOCK]);
void md5_sum(const struct md5 *m, unsigned lane, unsigned char sum[16]);

#endif
