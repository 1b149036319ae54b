/*
 * emulate: runs a program in an emulated processor under a model of its operating system, until it has unpacked itself, and
 * tells what it unpacked, called and did. Uses code and base; the only room to include <unicorn/unicorn.h>.
 * Hostile code runs here, though no instruction of it on the machine's own processor as it stands: call it in a confined
 * helper. It touches nothing of the machine: files, network, clock and chance are the model's, so that results repeat exactly.
 */
#ifndef EMULATE_H
#define EMULATE_H

#include "base/base.h"

#include <sys/stat.h>

/* Counted in what is emulated, never in seconds. 0: the default. */
struct emulate_limits {
	uint64_t instructions;   /* 300 million */
	unsigned layers;         /* 64: pieces of code that the program wrote and then ran */
	uint64_t memory;         /* 512 MiB that the program may have mapped */
	unsigned calls;          /* 20,000 of the operating system that are told; more are counted */
};

/* A run of bytes of the program's memory. */
struct emulate_range {
	uint64_t address;
	size_t size;
	unsigned char *bytes;    /* owned by the emulation */
	bool ran;                /* of the memory at the end: code that was written ran in it */
};

/* Code that was written by the program itself and then run (Renovo: Kang, Poosankam and Yin 2007). */
struct emulate_layer {
	uint64_t entry;          /* where it was entered first */
	uint64_t from;           /* the instruction that led there */
	uint64_t instructions;   /* that had run before */
	uint64_t written;        /* bytes that had been written since the layer before */
	unsigned char code[16];  /* at the entry */
	struct emulate_range *range;   /* the memory at that moment: the image, and what else was written and can run */
	size_t ranges;
};

/* A pointer in the image that leads to a function of a library: what an import table would have to name. */
struct emulate_import { uint64_t slot; char *library, *name; unsigned ordinal; };   /* name NULL: by ordinal */

/* What it made beside its own memory: a file that it wrote, bytes that it put into another process. */
struct emulate_drop { const char *kind; char *name; unsigned char *bytes; size_t size; };

/* st: what the program is told of it; NULL: something usual. */
struct emulate_file { const char *path; const void *p; size_t n; const struct stat *st; };

/* What the models of operating systems are made of. Borrowed. */
struct emulate_system {
	const char *windows; size_t windows_size;   /* rules/windows/exports.txt */
	const struct emulate_file *linux_file; size_t linux_files;   /* loader and libraries of Linux, by the paths programs ask for */
};

struct emulation {
	const char *system;      /* "windows-i386", "linux-x86-64", ... */
	const char *end;         /* "exit", "instructions", "layers", "memory", "fault", "call": what ended it */
	uint64_t instructions;
	uint64_t base, size;     /* where the program's own image stood */
	uint64_t entry;          /* of the file */
	struct emulate_layer *layer; size_t layers;
	struct emulate_layer last;     /* the memory at the end, with all that ever ran put back where it was overwritten since */
	struct emulate_drop *drop; size_t drops;
	json_t *calls;           /* [{"call","args":[...],"result","from"}], as far as they are told */
	uint64_t call_count;
	json_t *findings;        /* [{"name","reason"}]: what it did against being looked at, and the like */
	json_t *texts;           /* [{"address","text"}]: runs of printable bytes that it wrote, by address, at most 1,000 */
	struct emulate_import *import; size_t imports;   /* of Windows, in the image as it stands at the end, by slot */
};

/* Which programs can be run: ELF for x86-64 and i386, PE for both; no object files, no libraries without an entry. */
bool emulate_can(const void *p, size_t n);
/* -1: it cannot (65), or the emulator cannot be had (70). Whatever the program does is a result. */
int emulate_run(const struct emulate_system *s, const void *p, size_t n, const struct emulate_limits *l, struct emulation *out, struct err *e);
void emulate_free(struct emulation *m);

/* For the models: told once a name. */
void emulation_find(struct emulation *o, const char *name, const char *reason);
/* For the models: takes a copy; past the cap it is dropped. */
void emulation_drop(struct emulation *o, const char *kind, const char *name, const void *p, size_t n);

/* ---- rebuild.c: the memory at the end as a file that loaders and disassemblers take ---- */

/* An ELF of the same width whose segments are the memory, or a PE with a section a piece of it and an import directory made anew.
 * It begins where the last layer was entered. `file` is what was emulated. False: nothing was kept. used[i]: it holds last.range[i]
 * (as many as there are, the caller's). */
bool rebuild_file(const struct emulation *o, const void *file, size_t n, struct buf *out, bool *used);

/* ---- report.c ---- */

/* static.json's "unpack" (muss-analysis.5). The bytes of its members go to fd, from its beginning, one behind the other; where, says "offset"
 * beside "size" in "members" and "drops". NULL: they could not be written (74). New reference. */
json_t *report_unpack(const struct emulation *o, const void *file, size_t n, int fd, struct err *e);

#endif
