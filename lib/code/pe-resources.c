#include "code/pe.h"

#include <string.h>

#define VISITED 65536u           /* entries looked at: a tree that leads back into itself ends there */
#define LEVELS 3u                /* type, name, language */
#define SUBDIRECTORY 0x80000000u

struct tree { const struct pe *f; uint64_t base; pe_resource_fn *fn; void *ctx; size_t visited, told; bool well; };

/* Microsoft, "Resource Types". */
static const char *const types[] = {
	NULL, "cursor", "bitmap", "icon", "menu", "dialog", "string", "font-folder", "font", "accelerator", "data", "message-table",
	"cursor-group", NULL, "icon-group", NULL, "version", "dialog-include", NULL, "plug-and-play", "vxd", "animated-cursor",
	"animated-icon", "html", "manifest",
};

static void name_of(const struct tree *t, uint32_t id, char *out, size_t room)
{
	uint64_t at = t->base + (id & ~SUBDIRECTORY);

	if (!(id & SUBDIRECTORY))
		snprintf(out, room, "%u", id);
	else
		pe_version_text(t->f, at + 2, (size_t)pe_number(t->f, at, 2), out, room);
}

static void leaf(struct tree *t, uint64_t at, struct pe_resource *r)
{
	r->rva = (uint32_t)pe_number(t->f, at, 4);
	r->size = (uint32_t)pe_number(t->f, at + 4, 4);
	if (at + 16 > t->f->image_size || r->rva > t->f->image_size || r->size > t->f->image_size - r->rva)
		t->well = false;
	if (t->told++ < PE_RESOURCES)
		t->fn(t->ctx, r);
	else
		t->well = false;
}

static void walk(struct tree *t, uint64_t at, unsigned level, struct pe_resource *r)
{
	uint64_t count = pe_number(t->f, at + 12, 2) + pe_number(t->f, at + 14, 2);

	if (at + 16 > t->f->image_size)
		t->well = false;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t entry = at + 16 + 8 * i;
		uint32_t id = (uint32_t)pe_number(t->f, entry, 4), offset = (uint32_t)pe_number(t->f, entry + 4, 4);

		if (entry + 8 > t->f->image_size || t->visited++ >= VISITED) {
			t->well = false;
			return;
		}
		if (level == 0) {
			bool known = !(id & SUBDIRECTORY) && id < sizeof types / sizeof *types && types[id];

			r->type_id = id & SUBDIRECTORY ? 0 : id;
			if (known)
				snprintf(r->type, sizeof r->type, "%s", types[id]);
			else
				name_of(t, id, r->type, sizeof r->type);
		} else if (level == 1) {
			name_of(t, id, r->name, sizeof r->name);
		} else {
			r->language = id & 0xffff;
		}
		if (!(offset & SUBDIRECTORY))
			leaf(t, t->base + offset, r);
		else if (level + 1 < LEVELS)
			walk(t, t->base + (offset & ~SUBDIRECTORY), level + 1, r);
		else
			t->well = false;
	}
}

bool pe_resources(const struct pe *f, pe_resource_fn *fn, void *ctx)
{
	struct tree t = { .f = f, .base = f->directory[PE_DIR_RESOURCE].rva, .fn = fn, .ctx = ctx, .well = true };
	struct pe_resource r = { .rva = 0 };

	if (t.base)
		walk(&t, t.base, 0, &r);
	return t.well;
}
