/*
 * The emulated machine: a processor in user mode, memory with rights, and the record of what was written and then run.
 * What the program asks of its operating system, and what goes wrong, comes back to whoever runs it as an event.
 */
#ifndef EMULATE_MACHINE_H
#define EMULATE_MACHINE_H

#include "emulate/emulate.h"

#define MACHINE_PAGE 4096u
enum { MACHINE_R = 1, MACHINE_W = 2, MACHINE_X = 4 };
#define MACHINE_SYSTEM 1u   /* tag of regions that are the operating system's own */

struct machine_region {
	uint64_t address, size;
	unsigned prot;
	unsigned tag;              /* the operating-system model's own */
};

enum machine_event {
	EVENT_END,                 /* a limit was reached: m->stopped says which */
	EVENT_INTERRUPT,           /* m->number: of a software interrupt; the pc is behind the instruction */
	EVENT_SYSCALL,             /* the instruction syscall; the pc is behind it */
	EVENT_SYSENTER,
	EVENT_MEMORY,              /* m->fault_address, m->fault_kind MACHINE_R, W or X; the pc is at the instruction */
	EVENT_ILLEGAL,             /* no instruction; the pc is at it */
	EVENT_PRIVILEGED,          /* one that user mode may not; the pc is at it */
	EVENT_DIVIDE,              /* the pc is at the division */
	EVENT_STEP,                /* the trap flag; the pc is behind the instruction that was stepped */
	EVENT_FLOAT,
};

struct page;
struct machine {
	void *uc;
	unsigned bits;             /* 32 or 64 */
	struct emulate_limits l;
	struct emulation *out;
	struct machine_region *region; size_t regions, region_room;   /* by address, never overlapping */
	uint64_t mapped;           /* bytes */

	uint64_t instructions;
	uint64_t pc, before;       /* of the instruction that runs, and of the one before it */
	bool own_write, deaf;      /* it wrote to its own page; and Unicorn tells of writes no more: see on_code() */
	uint64_t resume;           /* where to go on, 0: nowhere */
	uint64_t fault_address; unsigned fault_kind;
	unsigned number;
	const char *stopped;

	struct page **page; size_t page_room, page_count;   /* hash table by address: what was written, what ran */
	struct page *near_write, *near_run;                 /* the ones met last */
	uint64_t near_base; bool near_none;                 /* near_run's address; there is no such page */
	uint64_t kept;             /* bytes of layers */
	uint64_t written;          /* bytes since the last layer */
	uint64_t image, image_size;
	struct machine_section { uint64_t address, end; } *section; size_t sections;   /* of the image, by address */
	bool hopped;               /* it went from the section where it began to one before it: see written.c */
	bool loading;              /* the system's loader runs still: no instruction of the image has run */
	bool elsewhere;            /* a program of the system runs in the sample's place: what it writes and runs is not the sample's */
	bool finished; size_t finished_layers;              /* written_finish() has kept a memory; after so many layers */
	uint64_t end_base, end_size, end_entry;             /* the image in it */

	/* the events of Unicorn's hooks, until the run is interrupted */
	int pending; bool pending_set;
	void *context;             /* see settle() */
	size_t context_fix;
	bool context_known;
};

/* 70 when the emulator cannot be had. l's zeros are filled with the defaults. */
int machine_open(struct machine *m, unsigned bits, const struct emulate_limits *l, struct emulation *out, struct err *e);
void machine_close(struct machine *m);

/* ---- memory; addresses and sizes are rounded to pages ---- */

/* False: it is taken, or over the limit. */
bool machine_map(struct machine *m, uint64_t address, uint64_t size, unsigned prot, unsigned tag);
void machine_unmap(struct machine *m, uint64_t address, uint64_t size);      /* whatever of it is mapped */
bool machine_protect(struct machine *m, uint64_t address, uint64_t size, unsigned prot);   /* false: not all of it is mapped */
uint64_t machine_find(const struct machine *m, uint64_t from, uint64_t below, uint64_t size, uint64_t align);   /* free space; 0: none */
struct machine_region *machine_region_at(const struct machine *m, uint64_t address);
/* Whatever the rights are; false: not all of it is mapped, and nothing (write) or not all (read, zeroed) was done. */
bool machine_read(const struct machine *m, uint64_t address, void *p, size_t n);
bool machine_write(struct machine *m, uint64_t address, const void *p, size_t n);   /* by the loader: not counted as written */
bool machine_put(struct machine *m, uint64_t address, const void *p, size_t n);     /* on the program's behalf: counted */
uint64_t machine_number(const struct machine *m, uint64_t address, size_t size);    /* 0 where unmapped */
bool machine_put_number(struct machine *m, uint64_t address, uint64_t v, size_t size);
/* A string that ends with a zero of `width` 1 or 2 bytes; as UTF-8 the wide ones; at most `most` characters. */
bool machine_text(const struct machine *m, uint64_t address, unsigned width, size_t most, struct buf *out);
/* "[p, p + n) came from outside": a file or the network was read there by the program. Counted as written. */
void machine_wrote(struct machine *m, uint64_t address, uint64_t n);

/* ---- the processor; registers are Unicorn's numbers ---- */

uint64_t machine_reg(const struct machine *m, int reg);
void machine_set(struct machine *m, int reg, uint64_t v);
uint64_t machine_pc(const struct machine *m);
void machine_set_pc(struct machine *m, uint64_t v);
uint64_t machine_sp(const struct machine *m);
void machine_set_sp(struct machine *m, uint64_t v);
void machine_push(struct machine *m, uint64_t v);
uint64_t machine_clock(const struct machine *m);     /* ticks since the start, from the instructions that ran */
/* A descriptor of a data segment with that base, by its selector, and the segment register loaded with it (32-bit). */
#define MACHINE_TLS 0x33u
void machine_segment(struct machine *m, int reg, unsigned selector, uint64_t base);
/* Runs from the pc until something happens. */
enum machine_event machine_run(struct machine *m);

/* ---- written.c: what was written and then run ---- */

void written_add(struct machine *m, uint64_t address, uint64_t n);
/* An instruction of n bytes at that address is about to run. */
void written_run(struct machine *m, uint64_t address, unsigned n);
/* The program became another one, that begins there: what was written before is no more. made: it had written that one itself. */
void written_image(struct machine *m, uint64_t entry, bool made);
void written_free(struct machine *m);
/* A process ends, or becomes another program: its memory is out->last, unless that of an earlier one shows as many layers. */
void written_finish(struct machine *m);
/* What is marked as written, kept and put back. */
struct written_marks;
struct written_marks *written_save(const struct machine *m);
void written_restore(struct machine *m, struct written_marks *w);    /* takes w; NULL: none */

/* ---- copy.c: a process's memory and registers, kept while another runs ---- */

struct machine_copy;
struct machine_copy *machine_save(struct machine *m);                /* NULL: it is too large */
void machine_restore(struct machine *m, struct machine_copy *c);     /* takes c */
void machine_copy_free(struct machine_copy *c);

#endif
