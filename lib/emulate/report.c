/* What a run showed, as static.json's "unpack", and the bytes of the members that it names. */
#include "emulate/emulate.h"

#include <stdlib.h>
#include <string.h>

#define MEMBERS 16u
#define MEMBERS_BYTES (192 * MIB)   /* written, drops with them */
#define CODE_SAME 8u                /* of the bytes at an entry: what patches itself stays the same code */

struct report {
	const struct emulation *o;
	json_t *members, *drops;
	bool *used;                     /* of last.range: the rebuilt file holds it */
	char (*raw)[24];                /* the member that holds last.range[i] as it is */
	int fd;
	uint64_t written;
	bool failed;
};

static json_t *hex(uint64_t v)
{
	char text[24];

	snprintf(text, sizeof text, "%llx", (unsigned long long)v);
	return json_string(text);
}

static json_t *number(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

/* Appends bytes, and says where they are. */
static bool put(struct report *r, json_t *o, const void *p, size_t n)
{
	char digest[DIGEST_HEX];

	if (n > MEMBERS_BYTES - r->written)
		return false;
	if (n && io_write(r->fd, p, n)) {
		r->failed = true;
		return false;
	}
	digest_bytes(p, n, digest);
	json_object_set_new(o, "size", number(n));
	json_object_set_new(o, "sha256", json_string(digest));
	json_object_set_new(o, "offset", number(r->written));
	r->written += n;
	return true;
}

/* "unpacked-N" with these bytes; name gets "" when there is no more room. */
static void add_member(struct report *r, const char *form, uint64_t address, const void *p, size_t n, char name[24])
{
	json_t *o = json_object();

	*name = '\0';
	if (json_array_size(r->members) < MEMBERS) {
		snprintf(name, 24, "unpacked-%zu", json_array_size(r->members) + 1);
		json_object_set_new(o, "name", json_string(name));
		json_object_set_new(o, "form", json_string(form));
		json_object_set_new(o, "address", hex(address));
		if (put(r, o, p, n)) {
			json_array_append(r->members, o);
		} else {
			*name = '\0';
		}
	}
	json_decref(o);
}

static const struct emulate_range *range_of(const struct emulate_layer *l, uint64_t address, size_t *index)
{
	for (size_t i = 0; i < l->ranges; i++) {
		if (address >= l->range[i].address && address - l->range[i].address < l->range[i].size) {
			*index = i;
			return &l->range[i];
		}
	}
	return NULL;
}

static bool holds(const struct emulate_range *r, const struct emulate_layer *l)
{
	size_t at = (size_t)(l->entry - r->address), n = r->size - at < sizeof l->code ? r->size - at : sizeof l->code, differ = 0;

	for (size_t i = 0; i < n; i++)
		differ += r->bytes[at + i] != l->code[i];
	return differ <= CODE_SAME;
}

/* Where the code of a layer is to be found: in the memory at the end, or, when that is not so any more, as it was at its entry. */
static void find_layer(struct report *r, const struct emulate_layer *l, char name[24])
{
	size_t i = 0;
	const struct emulate_range *end = range_of(&r->o->last, l->entry, &i), *then;

	*name = '\0';
	if (end && holds(end, l)) {
		if (!r->used[i] && !*r->raw[i])
			add_member(r, "raw", end->address, end->bytes, end->size, r->raw[i]);
		snprintf(name, 24, "%s", r->used[i] ? "unpacked-1" : r->raw[i]);
		return;
	}
	then = range_of(l, l->entry, &i);
	if (then)
		add_member(r, "raw", then->address, then->bytes, then->size, name);
}

static json_t *layer_json(struct report *r, const struct emulate_layer *l)
{
	json_t *o = json_object(), *ranges = json_array();
	char name[24];

	json_object_set_new(o, "entry", hex(l->entry));
	json_object_set_new(o, "from", hex(l->from));
	json_object_set_new(o, "instructions", number(l->instructions));
	json_object_set_new(o, "written", number(l->written));
	find_layer(r, l, name);
	json_object_set_new(o, "member", *name ? json_string(name) : json_null());
	for (size_t i = 0; i < l->ranges; i++)
		json_array_append_new(ranges, json_pack("{s:o,s:o}", "address", hex(l->range[i].address), "size", number(l->range[i].size)));
	json_object_set_new(o, "ranges", ranges);
	return o;
}

static json_t *layers_json(struct report *r, const void *file, size_t n)
{
	json_t *list = json_array();
	struct buf rebuilt = { 0 };
	char name[24];

	if (r->o->layers && rebuild_file(r->o, file, n, &rebuilt, r->used)) {
		add_member(r, rebuilt.p[0] == 'M' ? "pe" : "elf", r->o->base, rebuilt.p, rebuilt.len, name);
		if (!*name)
			memset(r->used, 0, r->o->last.ranges * sizeof *r->used);
	}
	buf_free(&rebuilt);
	for (size_t i = 0; i < r->o->layers; i++)
		json_array_append_new(list, layer_json(r, &r->o->layer[i]));
	return list;
}

static void add_drop(struct report *r, const struct emulate_drop *d)
{
	json_t *o = json_object();
	char digest[DIGEST_HEX], name[96];

	digest_bytes(d->bytes, d->size, digest);
	snprintf(name, sizeof name, "dropped/%s", digest);
	json_object_set_new(o, "kind", json_string(d->kind));
	json_object_set_new(o, "name", jsonio_name(d->name));
	json_object_set_new(o, "size", number(d->size));
	json_object_set_new(o, "sha256", json_string(digest));
	json_object_set_new(o, "member", d->size && put(r, o, d->bytes, d->size) ? json_string(name) : json_null());
	json_array_append_new(r->drops, o);
}

/* What the file shows as it is was not put together by the program. */
static json_t *new_texts(const struct emulation *o, const void *file, size_t n)
{
	json_t *list = json_array(), *t;
	size_t i;

	json_array_foreach(o->texts, i, t) {
		const char *s = jsonio_str(t, "text");

		if (s && !memmem(file, n, s, strlen(s)))
			json_array_append(list, t);
	}
	return list;
}

json_t *report_unpack(const struct emulation *o, const void *file, size_t n, int fd, struct err *e)
{
	struct report r = { .o = o, .members = json_array(), .drops = json_array(), .fd = fd };
	json_t *out = json_object();

	r.used = buf_alloc((o->last.ranges + 1) * sizeof *r.used);
	r.raw = buf_alloc((o->last.ranges + 1) * sizeof *r.raw);
	json_object_set_new(out, "system", json_string(o->system));
	json_object_set_new(out, "end", json_string(o->end ? o->end : "fault"));
	json_object_set_new(out, "instructions", number(o->instructions));
	json_object_set_new(out, "base", hex(o->base));
	json_object_set_new(out, "size", number(o->size));
	json_object_set_new(out, "entry", hex(o->entry));
	json_object_set_new(out, "layers", layers_json(&r, file, n));
	for (size_t i = 0; i < o->drops; i++)
		add_drop(&r, &o->drop[i]);
	json_object_set_new(out, "members", r.members);
	json_object_set_new(out, "drops", r.drops);
	json_object_set(out, "findings", o->findings);
	json_object_set_new(out, "strings", new_texts(o, file, n));
	json_object_set_new(out, "call_count", number(o->call_count));
	json_object_set(out, "calls", o->calls);
	free(r.used);
	free(r.raw);
	if (r.failed) {
		json_decref(out);
		err_sys(e, "cannot write what was unpacked");
		return NULL;
	}
	return out;
}
