/* A process's memory and registers, kept while another runs in the machine: what fork() needs. */
#include "emulate/machine.h"

#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

#define COPY_MOST (64 * MIB)   /* of memory; a program that has more is not kept */

struct machine_copy {
	struct machine_region *region; size_t regions;
	unsigned char *bytes;                        /* of all regions, one behind the other */
	uc_context *context;
	struct written_marks *marks;
	uint64_t image, image_size, base, size, entry;
	bool elsewhere, loading;
};

struct machine_copy *machine_save(struct machine *m)
{
	struct machine_copy *c;
	unsigned char *at;

	if (m->mapped > COPY_MOST)
		return NULL;
	c = buf_alloc(sizeof *c);
	*c = (struct machine_copy){ .regions = m->regions, .image = m->image, .image_size = m->image_size, .base = m->out->base,
		.size = m->out->size, .entry = m->out->entry, .elsewhere = m->elsewhere,
		.loading = m->loading };
	if (uc_context_alloc(m->uc, &c->context)) {
		free(c);
		return NULL;
	}
	uc_context_save(m->uc, c->context);
	c->region = buf_alloc((m->regions + 1) * sizeof *c->region);
	if (m->regions)
		memcpy(c->region, m->region, m->regions * sizeof *c->region);
	at = c->bytes = buf_alloc((size_t)m->mapped + 1);
	for (size_t i = 0; i < c->regions; at += c->region[i++].size)
		machine_read(m, c->region[i].address, at, (size_t)c->region[i].size);
	c->marks = written_save(m);
	return c;
}

void machine_restore(struct machine *m, struct machine_copy *c)
{
	const unsigned char *at = c->bytes;

	while (m->regions)
		machine_unmap(m, m->region[0].address, m->region[0].size);
	for (size_t i = 0; i < c->regions; at += c->region[i++].size) {
		const struct machine_region *r = &c->region[i];

		if (machine_map(m, r->address, r->size, r->prot, r->tag))
			machine_write(m, r->address, at, (size_t)r->size);
	}
	uc_context_restore(m->uc, c->context);
	written_restore(m, c->marks);
	c->marks = NULL;
	m->image = c->image;
	m->image_size = c->image_size;
	m->out->base = c->base;
	m->out->size = c->size;
	m->out->entry = c->entry;
	m->elsewhere = c->elsewhere;
	m->loading = c->loading;
	machine_copy_free(c);
}

void machine_copy_free(struct machine_copy *c)
{
	if (!c)
		return;
	uc_context_free(c->context);
	free(c->marks);
	free(c->region);
	free(c->bytes);
	free(c);
}
