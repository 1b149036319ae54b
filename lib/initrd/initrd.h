/*
 * initrd: the image of an initial file system: which archives it is made of, and which of their files run at start. Uses
 * casefile (for compressions) and base. Everything here takes hostile bytes in memory: it is called in helper-initrd alone.
 * It never knows which files are good.
 */
#ifndef INITRD_H
#define INITRD_H

#include "base/base.h"

#define INITRD_MOST (8 * GIB)     /* of what an image may unpack to: the largest met has 0.6 */
#define INITRD_LISTED 65536u      /* files that run, of one image: a generic one has some 2,000 */
#define INITRD_NAMES (4 * MIB)    /* of their names: the list is to fit CAP_JSON, in which a byte may take six */
#define INITRD_TAKEN (32 * MIB)   /* bytes of files that are given back at once */

/* A regular file of an image. The bytes come in parts. */
struct initrd_file {
	uint64_t number;          /* among all regular files of the image, from 0 */
	const char *path;         /* from the root on, without "/" before it, "." and ".." taken away */
	unsigned mode;
	uint64_t size;
	bool linked;              /* it has other names as well, which bear no bytes here: any of them may be one that runs */
};
/* Each may be NULL. part: p NULL once behind the last byte. */
struct initrd_sink {
	void *ctx;
	void (*file)(void *ctx, const struct initrd_file *f);
	void (*part)(void *ctx, const struct initrd_file *f, const void *p, size_t n);
};

/* ---- cpio.c: one run of archives (newc, crc), as Linux unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst) ---- */

/* Bytes one behind the other, wherever they come from: the next ones, at least one; 0 at the end, -1. */
struct initrd_bytes {
	void *ctx;
	ssize_t (*next)(void *ctx, const void **p, struct err *e);
	const unsigned char *p;   /* what was not taken of the last ones */
	size_t n;
	uint64_t taken;           /* of the image, or of the compressed run: names and bytes begin at multiples of four of it */
};
/* Reads archives until the bytes end, or something else than zeros and an archive stands there (0; *number grows). -1 (65): damaged. */
int cpio_read(struct initrd_bytes *b, uint64_t *number, const struct initrd_sink *sink, struct err *e);

/* ---- image.c: several runs, each perhaps compressed ---- */

/* -1 (65): it could be read only as far as the sink was told. */
int image_read(const void *p, size_t n, const struct initrd_sink *sink, struct err *e);

/* ---- likeness.c: what a file is, by its name and bytes ---- */

#define INITRD_KEPT (64 * KIB)    /* of its beginning */

/* Does a file of this name, mode and beginning run at start, or is it read by what runs? Of path, mode and linked; its head's n bytes. */
bool likeness_runs(const struct initrd_file *f, const void *p, size_t n);
/* "elf", "module" (of the kernel), "script" (it names its interpreter), "settings" (variables that make nothing run, and nothing
 * else), "order" (a list of scripts as initramfs-tools writes it), "text", "data". whole: the bytes are all of it. */
const char *likeness_of(const char *path, const void *p, size_t n, bool whole);

/* ---- list.c: what the helper says ---- */

/* {"files":[{"number","path","mode","size","sha256","md5","like"}], "more": true?, "problem": "..."?}: those that run; new reference. */
json_t *list_make(const void *p, size_t n);
/* The bytes of the files of these numbers, in ascending order, one behind the other: each a line "NUMBER SIZE", then its bytes. What
 * would lead over INITRD_TAKEN is left out. */
void list_take(const void *p, size_t n, const uint64_t *numbers, size_t count, struct buf *out);
/* The SHA-256, in hex, of what a compressed file holds, as modules are stored on some machines. -1 (65). */
int list_digest(const void *p, size_t n, struct buf *out, struct err *e);

#endif
