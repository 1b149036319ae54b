#include "code/walk.h"

#include <stdlib.h>
#include <string.h>

#define CALLS 64u                /* callees named of one function */
#define TAILS 4096u              /* calls in place of a return named */
#define IMPORTS 4096u
#define CALLERS 64u              /* functions named that use an import */

static json_t *hex(uint64_t v)
{
	char text[32];

	snprintf(text, sizeof text, "%llx", (unsigned long long)v);
	return json_string(text);
}

/* ---- edges by caller ---- */

struct arrow { uint64_t to; uint32_t from; bool last; };

static int by_arrow(const void *a, const void *b)
{
	const struct arrow *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return (x->to > y->to) - (x->to < y->to);
}

/* Who calls what, each once, by caller. */
static struct arrow *arrows_of(const struct walk *w, size_t *n)
{
	struct arrow *a = buf_alloc((w->edges + 1) * sizeof *a);
	size_t kept = 0;

	*n = 0;
	for (size_t i = 0; i < w->edges; i++)
		if (w->edge[i].kind != WALK_BRANCH)
			a[(*n)++] = (struct arrow){ w->edge[i].to, w->edge[i].function, w->edge[i].kind == WALK_TAIL };
	if (*n)
		qsort(a, *n, sizeof *a, by_arrow);
	for (size_t i = 0; i < *n; i++) {
		if (kept && !by_arrow(&a[kept - 1], &a[i]))
			a[kept - 1].last &= a[i].last;
		else
			a[kept++] = a[i];
	}
	*n = kept;
	return a;
}

/* ---- who uses which import ---- */

struct use { const char *name; uint32_t function; };
struct owner { uint64_t address, end; uint32_t function; };

static int by_owner(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static int by_use(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : (x->function > y->function) - (x->function < y->function);
}

static struct owner *owners_of(const struct walk *w)
{
	struct owner *o = buf_alloc((w->runs + 1) * sizeof *o);
	size_t n = 0;

	for (size_t i = 0; i < w->functions; i++)
		for (size_t k = 0; k < w->function[i].runs && n < w->runs; k++, n++) {
			const struct walk_run *r = &w->run[w->function[i].first_run + k];

			o[n] = (struct owner){ r->address, r->address + r->size, (uint32_t)i };
		}
	qsort(o, n, sizeof *o, by_owner);
	return o;
}

static bool owner_of(const struct owner *o, size_t n, uint64_t address, uint32_t *function)
{
	size_t from = 0, to = n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (o[mid].address <= address)
			from = mid + 1;
		else
			to = mid;
	}
	if (!from || address >= o[from - 1].end)
		return false;
	*function = o[from - 1].function;
	return true;
}

/* References to the words that the loader fills, and calls of the code that jumps through one. A thunk itself is no user. */
static struct use *uses_of(const struct walk *w, const struct names *names, const struct arrow *arrow, size_t arrows, size_t *n)
{
	struct owner *owner = owners_of(w);
	struct use *u = buf_alloc((w->notes + arrows + 1) * sizeof *u);
	size_t kept = 0;

	*n = 0;
	for (size_t i = 0; i < w->notes; i++) {
		const char *name = w->note[i].kind == WALK_REFERENCE ? names_import(names, w->note[i].value) : NULL;

		if (name && owner_of(owner, w->runs, w->note[i].at, &u[*n].function) && !names_thunk(names, w, w->function[u[*n].function].address))
			u[(*n)++].name = name;
	}
	for (size_t i = 0; i < arrows; i++) {
		const char *name = names_thunk(names, w, arrow[i].to);

		if (name)
			u[(*n)++] = (struct use){ name, arrow[i].from };
	}
	if (*n)
		qsort(u, *n, sizeof *u, by_use);
	for (size_t i = 0; i < *n; i++)
		if (!kept || by_use(&u[kept - 1], &u[i]))
			u[kept++] = u[i];
	*n = kept;
	free(owner);
	return u;
}

static json_t *imports_json(const struct walk *w, const struct use *u, size_t n)
{
	json_t *list = json_array(), *o = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!i || strcmp(u[i - 1].name, u[i].name)) {
			if (json_array_size(list) == IMPORTS)
				break;
			o = json_object();
			json_object_set_new(o, "name", jsonio_bytes(u[i].name, strnlen(u[i].name, 512)));
			json_array_append_new(list, o);
		}
		if (json_array_size(jsonio_array(o, "from")) < CALLERS)
			json_array_append_new(jsonio_array(o, "from"), hex(w->function[u[i].function].address));
	}
	return list;
}

/* ---- the result ---- */

static json_t *function_json(const struct walk_function *fn, const char *name, const char *digest, const struct arrow *a, size_t n)
{
	json_t *o = json_object(), *calls = json_array();

	json_object_set_new(o, "address", hex(fn->address));
	json_object_set_new(o, "size", json_integer((json_int_t)fn->size));
	json_object_set_new(o, "blocks", json_integer((json_int_t)fn->blocks));
	json_object_set_new(o, "instructions", json_integer((json_int_t)fn->instructions));
	for (size_t i = 0; i < n && i < CALLS; i++)
		json_array_append_new(calls, hex(a[i].to));
	json_object_set_new(o, "calls", calls);
	if (*digest)
		json_object_set_new(o, "digest", json_string(digest));
	if (name)
		json_object_set_new(o, "name", jsonio_bytes(name, strnlen(name, 512)));
	return o;
}

static void report(struct walk *w, const struct names *names, const char *digest, struct disasm *d)
{
	size_t arrows, uses, at = 0;
	struct arrow *a = arrows_of(w, &arrows);
	struct use *u = uses_of(w, names, a, arrows, &uses);
	json_t *tails = json_array();

	for (size_t i = 0; i < w->functions; i++) {
		const struct walk_function *fn = &w->function[i];
		const char *name = names_of(names, fn->address);
		size_t first = at;

		for (; at < arrows && a[at].from == i; at++)
			if (a[at].last && json_array_size(tails) < TAILS) {
				json_t *pair = json_array();

				json_array_append_new(pair, hex(fn->address));
				json_array_append_new(pair, hex(a[at].to));
				json_array_append_new(tails, pair);
			}
		if (!name)
			name = names_thunk(names, w, fn->address);
		json_array_append_new(d->functions, function_json(fn, name, digest + 17 * i, a + first, at - first));
	}
	json_object_set_new(d->graph, "calls", json_integer((json_int_t)arrows));
	json_object_set_new(d->graph, "tails", tails);
	json_object_set_new(d->graph, "imports", imports_json(w, u, uses));
	free(a);
	free(u);
}

static struct disasm_limits limits_of(const struct disasm_limits *l)
{
	struct disasm_limits to = DISASM_USUAL;

	if (l && l->functions)
		to.functions = l->functions;
	if (l && l->instructions)
		to.instructions = l->instructions;
	if (l && l->text)
		to.text = l->text;
	if (l && l->ms)
		to.ms = l->ms;
	return to;
}

bool disasm_view(const struct code_view *v, const struct disasm_limits *limits, struct disasm *d)
{
	struct disasm_limits l = limits_of(limits);
	struct identity *id;
	struct names *names;
	struct walk w;
	char *digest;

	*d = (struct disasm){ .entry = json_array(), .functions = json_array(), .graph = json_object() };
	if (!walk_all(&w, v, &l))
		return false;
	id = identity_new();
	names = names_new(&w);
	digest = buf_alloc(17 * (w.functions + 1));
	for (size_t i = 0; i < w.functions; i++)
		identity_function(id, &w, &w.function[i], digest + 17 * i);
	d->minhash = identity_minhash(id);
	d->instructions = w.instructions;
	d->stopped = w.stopped;
	report(&w, names, digest, d);
	listing_entry(&w, d->entry, &d->text);
	listing_all(&w, names, digest, l.text, &d->text);
	free(digest);
	names_free(names);
	identity_free(id);
	walk_free(&w);
	return true;
}

bool disasm_elf(const struct elf *f, const struct disasm_limits *l, struct disasm *d)
{
	struct code_view *v = view_elf(f);
	bool known = disasm_view(v, l, d);

	view_free(v);
	return known;
}

void disasm_free(struct disasm *d)
{
	json_decref(d->entry);
	json_decref(d->functions);
	json_decref(d->graph);
	json_decref(d->minhash);
	buf_free(&d->text);
	*d = (struct disasm){ 0 };
}
