#include "emulate/windows.h"

#include <stdlib.h>
#include <string.h>

#define DROPS 64u
#define DROPS_BYTES (64 * MIB)

void emulation_drop(struct emulation *o, const char *kind, const char *name, const void *p, size_t n)
{
	struct emulate_drop *d;
	uint64_t held = 0;

	for (size_t i = 0; i < o->drops; i++)
		held += o->drop[i].size;
	if (o->drops >= DROPS || n > DROPS_BYTES - held)
		return;
	o->drop = buf_realloc(o->drop, o->drops + 1, sizeof *o->drop);
	d = &o->drop[o->drops++];
	*d = (struct emulate_drop){ .kind = kind, .name = buf_strdup(name), .size = n, .bytes = buf_alloc(n + 1) };
	if (n)
		memcpy(d->bytes, p, n);
}

static void layer_free(struct emulate_layer *l)
{
	for (size_t i = 0; i < l->ranges; i++)
		free(l->range[i].bytes);
	free(l->range);
}

void emulate_free(struct emulation *o)
{
	for (size_t i = 0; i < o->layers; i++)
		layer_free(&o->layer[i]);
	free(o->layer);
	layer_free(&o->last);
	for (size_t i = 0; i < o->drops; i++) {
		free(o->drop[i].name);
		free(o->drop[i].bytes);
	}
	free(o->drop);
	json_decref(o->calls);
	json_decref(o->findings);
	*o = (struct emulation){ 0 };
}

bool emulate_can(const void *p, size_t n)
{
	struct pe *f = pe_open(p, n);
	bool can = f && (f->machine == PE_I386 || f->machine == PE_AMD64);

	pe_free(f);
	return can;
}

int emulate_run(const struct emulate_system *s, const void *p, size_t n, const struct emulate_limits *l, struct emulation *out, struct err *e)
{
	struct pe *f = pe_open(p, n);
	struct machine m = { 0 };
	int rc = -1;

	*out = (struct emulation){ .calls = json_array(), .findings = json_array() };
	if (!f || (f->machine != PE_I386 && f->machine != PE_AMD64)) {
		err_set(e, EX_DATAERR, "it is no program that can be emulated");
		goto out;
	}
	out->system = f->machine == PE_AMD64 ? "windows-x86-64" : "windows-i386";
	f->is64 = f->machine == PE_AMD64;
	if (machine_open(&m, f->is64 ? 64 : 32, l, out, e))
		goto out;
	rc = windows_run(&m, f, s->windows, s->windows_size, e);
	if (!rc)
		written_finish(&m);
	out->instructions = m.instructions;
out:
	machine_close(&m);
	pe_free(f);
	return rc;
}
