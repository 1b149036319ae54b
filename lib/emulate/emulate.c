#include "emulate/linux.h"
#include "emulate/windows.h"

#include <elf.h>
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

void emulation_find(struct emulation *o, const char *name, const char *reason)
{
	json_t *f;
	size_t i;

	json_array_foreach(o->findings, i, f)
		if (!strcmp(jsonio_str(f, "name"), name))
			return;
	f = json_object();
	json_object_set_new(f, "name", json_string(name));
	json_object_set_new(f, "reason", jsonio_name(reason));
	json_array_append_new(o->findings, f);
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
	for (size_t i = 0; i < o->imports; i++) {
		free(o->import[i].library);
		free(o->import[i].name);
	}
	free(o->import);
	json_decref(o->calls);
	json_decref(o->findings);
	json_decref(o->texts);
	*o = (struct emulation){ 0 };
}

/* Bits of the processor, 0: none that is emulated. */
static unsigned elf_bits(const unsigned char *p, size_t n)
{
	unsigned machine;

	if (!elf_is(p, n))
		return 0;
	machine = (unsigned)p[18] | (unsigned)p[19] << 8;
	return machine == EM_X86_64 ? 64 : machine == EM_386 ? 32 : 0;
}

static bool elf_begins(const void *p, size_t n)
{
	struct elf *f = elf_open(p, n);
	bool begins = f && (f->type == ET_EXEC || f->type == ET_DYN) && f->entry;

	elf_free(f);
	return begins;
}

bool emulate_can(const void *p, size_t n)
{
	struct pe *f;
	bool can;

	if (elf_bits(p, n))
		return elf_begins(p, n);
	f = pe_open(p, n);
	can = f && (f->machine == PE_I386 || f->machine == PE_AMD64);
	pe_free(f);
	return can;
}

static int run_windows(struct machine *m, const struct emulate_system *s, const void *p, size_t n, const struct emulate_limits *l, struct emulation *out, struct err *e)
{
	struct pe *f = pe_open(p, n);
	int rc = -1;

	if (!f || (f->machine != PE_I386 && f->machine != PE_AMD64)) {
		err_set(e, EX_DATAERR, "it is no program that can be emulated");
	} else {
		f->is64 = f->machine == PE_AMD64;
		out->system = f->is64 ? "windows-x86-64" : "windows-i386";
		rc = machine_open(m, f->is64 ? 64 : 32, l, out, e);
		if (!rc)
			rc = windows_run(m, f, s->windows, s->windows_size, e);
	}
	pe_free(f);
	return rc;
}

int emulate_run(const struct emulate_system *s, const void *p, size_t n, const struct emulate_limits *l, struct emulation *out, struct err *e)
{
	struct machine m = { 0 };
	unsigned bits = elf_bits(p, n);
	int rc;

	*out = (struct emulation){ .calls = json_array(), .findings = json_array(), .texts = json_array() };
	if (bits) {
		out->system = bits == 64 ? "linux-x86-64" : "linux-i386";
		rc = machine_open(&m, bits, l, out, e);
		if (!rc)
			rc = linux_run(&m, s, p, n, e);
	} else {
		rc = run_windows(&m, s, p, n, l, out, e);
	}
	if (!rc)
		written_finish(&m);
	if (m.finished) {
		out->base = m.end_base;
		out->size = m.end_size;
		out->entry = m.end_entry;
	}
	out->instructions = m.instructions;
	machine_close(&m);
	return rc;
}
