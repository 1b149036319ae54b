#include "carve/internal.h"

#include "code/code.h"

static const char *const names[] = {
	[CARVE_PROGRAM] = "program", [CARVE_SCRIPT] = "script", [CARVE_BYTECODE] = "bytecode", [CARVE_TEXT] = "text",
	[CARVE_STREAM] = "stream", [CARVE_ARCHIVE] = "archive", [CARVE_DATA] = "data",
};

static json_t *piece_json(const struct carved *c, json_int_t at)
{
	json_t *o = json_object();
	char hex[DIGEST_HEX], name[96], format[32];

	digest_bytes(c->bytes.p, c->bytes.len, hex);
	snprintf(name, sizeof name, "embedded/%s", hex);
	json_object_set_new(o, "parent", c->parent < 0 ? json_null() : json_integer(c->parent));
	json_object_set_new(o, "at", json_integer((json_int_t)c->offset));
	json_object_set_new(o, "takes", json_integer((json_int_t)c->size));
	json_object_set_new(o, "coding", json_string(c->coding));
	if (c->key)
		json_object_set_new(o, "key", json_string(c->key));
	if (c->name)
		json_object_set_new(o, "name", jsonio_name(c->name));
	if (c->encoded)
		json_object_set_new(o, "encoded", json_true());
	json_object_set_new(o, "what", json_string(names[c->what]));
	json_object_set_new(o, "format", json_string(format_of(c->bytes.p, c->bytes.len, format)));
	json_object_set_new(o, "size", json_integer((json_int_t)c->bytes.len));
	json_object_set_new(o, "sha256", json_string(hex));
	if (at >= 0)
		json_object_set_new(o, "offset", json_integer(at));
	json_object_set_new(o, "member", at >= 0 ? json_string(name) : json_null());
	return o;
}

json_t *carving_report(const struct carving *c, int fd, struct err *e)
{
	json_t *out = json_object(), *list = json_array();
	json_int_t at = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct carved *piece = &c->piece[i];
		bool keep = piece->what <= CARVE_TEXT;

		json_array_append_new(list, piece_json(piece, keep ? at : -1));
		if (!keep)
			continue;
		if (io_write(fd, piece->bytes.p, piece->bytes.len)) {
			err_sys(e, "cannot write what was found");
			json_decref(list);
			json_decref(out);
			return NULL;
		}
		at += (json_int_t)piece->bytes.len;
	}
	json_object_set_new(out, "pieces", list);
	if (c->stopped)
		json_object_set_new(out, "stopped", json_string(c->stopped));
	return out;
}
