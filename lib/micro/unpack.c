/* The sample emulated until it has unpacked itself, in a helper of its own, and what came out described as a sample is. */
#include "micro/inner.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNPACK_MS 120000                 /* the helper's own limits end sooner; this is for one that sleeps */
#define INSTRUCTIONS "300000000"         /* of a program that looks packed: stalls are a few hundred million long */
#define INSTRUCTIONS_PLAIN "30000000"    /* of one that does not: ten times what starting takes */

static bool is_program(int body)
{
	unsigned char b[4] = { 0 };

	return pread(body, b, sizeof b, 0) == (ssize_t)sizeof b && (!memcmp(b, "\x7f" "ELF", 4) || !memcmp(b, "MZ", 2));
}

static bool has_sign(const json_t *stat, const char *name)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(stat, "signs"), i, o)
		if (jsonio_str(o, "name") && !strcmp(jsonio_str(o, "name"), name))
			return true;
	return false;
}

/* A program with all of itself in it is a packer's work more often than a linker's; compilers make programs with libraries. */
static bool looks_packed(const json_t *stat)
{
	static const char *const signs[] = { "packed", "segment-wx", "entry-writable", "entry-outside", "no-section-table", "malformed", "overlay" };
	const char *format = jsonio_str(stat, "format");

	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
		if (has_sign(stat, signs[i]))
			return true;
	return !format || strncmp(format, "elf", 3) || jsonio_bool(json_object_get(stat, "elf"), "static", true);
}

static int describe_unpacked(const struct micro_extra *extra, json_t *stat, const json_t *first, struct buf *disasm, struct err *e)
{
	const char *name = jsonio_str(first, "name");
	struct buf text = { 0 };
	json_t *o = inner_describe(extra, name, jsonio_str(first, "sha256"), &text, e);

	if (o && text.len) {
		buf_addf(disasm, "\n; ==== %s ====\n", name);
		buf_add(disasm, text.p, text.len);
	}
	buf_free(&text);
	if (o)
		json_object_set_new(stat, "unpacked", o);
	return o || !e->code ? 0 : -1;
}

static void add_signs(json_t *stat, const json_t *unpack)
{
	size_t layers = json_array_size(json_object_get(unpack, "layers")), i;
	const json_t *o;

	if (layers)
		inner_sign(stat, "unpacks-itself", json_sprintf("emulated, it runs code that it wrote itself: %zu layer%s", layers, layers == 1 ? "" : "s"));
	json_array_foreach(json_object_get(unpack, "findings"), i, o) {
		const char *name = jsonio_str(o, "name");
		json_t *reason = json_object_get(o, "reason");

		if (name && json_is_string(reason) && !has_sign(stat, name))
			inner_sign(stat, name, json_incref(reason));
	}
}

/* What the helper printed; NULL: it is none of ours. */
static json_t *believe(const struct buf *said)
{
	static const char *const lists[] = { "layers", "members", "drops", "findings", "strings", "calls" };
	struct err ignored = { 0 };
	json_t *o = jsonio_parse(said->p, said->len, "what the emulator printed", &ignored);

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		if (!json_is_array(json_object_get(o, lists[i]))) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

/* What is emulated: the sample; or, of a script or an archive, the first program that it carries. NULL: there is none. *described: its
 * static analysis. */
static const struct micro_sample *subject(const struct micro_sample *s, const json_t *stat, const struct micro_extra *extra, struct micro_sample *inner,
                                          const json_t **described)
{
	const json_t *o;
	size_t i;

	*described = stat;
	if (s->body < 0 || is_program(s->body))
		return s->body < 0 ? NULL : s;
	json_array_foreach(json_object_get(stat, "embedded"), i, o) {
		*inner = (struct micro_sample){ .sha256 = jsonio_str(o, "sha256"), .kind = "file", .body = inner_body(extra, "embedded/", jsonio_str(o, "sha256")) };
		*described = o;
		if (inner->body >= 0 && is_program(inner->body))
			return inner;
	}
	return NULL;
}

int unpack_analyse(const struct micro_sample *s, json_t *stat, struct buf *disasm, struct micro_extra *extra, struct err *e)
{
	char *rules = spawn_share(".");
	const char *args[] = { rules, NULL, NULL };
	struct helper_result r = { 0 };
	struct micro_sample inner;
	const json_t *described;
	const struct micro_sample *run = subject(s, stat, extra, &inner, &described);
	json_t *o = NULL;
	int bytes = -1, rc = 0;

	if (!run)
		goto out;
	args[1] = looks_packed(described) ? INSTRUCTIONS : INSTRUCTIONS_PLAIN;
	rc = -1;
	bytes = io_tmp(e);
	if (bytes < 0 || helper_run_with("helper-unpack", args, run->body, bytes, UNPACK_MS, &r, e))
		goto out;
	rc = 0;
	if (r.end == HELPER_DONE && r.status == EX_DATAERR)
		goto out;
	rc = inner_ended(&r, "the emulator failed", e);
	if (rc)
		goto out;
	o = r.end == HELPER_DONE ? believe(&r.out) : NULL;
	if (!o) {
		msg_info("%.12s: the emulator ended as %s", s->sha256, inner_end(r.end));
		o = json_pack("{s:s,s:[],s:[],s:[],s:[],s:[],s:[]}", "end", inner_end(r.end), "layers", "members", "drops", "findings", "strings", "calls");
	}
	if (run != s)
		json_object_set_new(o, "of", json_string(run->sha256));
	json_object_set_new(stat, "unpack", o);
	add_signs(stat, o);
	if (inner_take(json_object_get(o, "members"), "name", bytes, extra, e) || inner_take(json_object_get(o, "drops"), "member", bytes, extra, e)) {
		rc = -1;
		goto out;
	}
	if (json_array_size(json_object_get(o, "members")))
		rc = describe_unpacked(extra, stat, json_array_get(json_object_get(o, "members"), 0), disasm, e);
	if (!rc)
		rc = inner_describe_all(extra, stat, "dropped", json_object_get(o, "drops"), e);
out:
	helper_free(&r);
	io_close(&bytes);
	free(rules);
	return rc;
}
