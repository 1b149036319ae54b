/* The sample emulated until it has unpacked itself, in a helper of its own, and what came out described as a sample is. */
#include "micro/micro.h"

#include "confine/confine.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNPACK_MS 120000                 /* the helper's own limits end sooner; this is for one that sleeps */
#define INSTRUCTIONS "300000000"         /* of a program that looks packed: stalls are a few hundred million long */
#define INSTRUCTIONS_PLAIN "30000000"    /* of one that does not: ten times what starting takes */
#define MEMBER_MOST (256 * MIB)
#define DESCRIBED 8u                     /* of what it made */

static const char *const ends[] = {
	[HELPER_DONE] = "malformed", [HELPER_CRASHED] = "crashed", [HELPER_TIMEOUT] = "timeout",
	[HELPER_MEMORY] = "memory", [HELPER_REFUSED] = "refused",
};

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

/* A part of what the helper wrote, as a file of its own; -1: it is not what the helper said. */
static int cut(int bytes, const json_t *o, struct err *e)
{
	json_int_t offset = jsonio_int(o, "offset", -1), size = jsonio_int(o, "size", -1), at = 0;
	struct digest *d = digest_new();
	char chunk[65536], hex[DIGEST_HEX];
	int fd = -1;

	if (offset < 0 || size < 0 || size > (json_int_t)MEMBER_MOST || !jsonio_str(o, "sha256"))
		goto out;
	fd = io_tmp(e);
	while (fd >= 0 && at < size) {
		size_t want = size - at < (json_int_t)sizeof chunk ? (size_t)(size - at) : sizeof chunk;
		ssize_t got = pread(bytes, chunk, want, (off_t)(offset + at));

		if (got > 0)
			digest_add(d, chunk, (size_t)got);
		if (got <= 0) {
			io_close(&fd);
		} else if (io_write(fd, chunk, (size_t)got)) {
			err_sys(e, "cannot keep what was unpacked");
			io_close(&fd);
		}
		at += got;
	}
	digest_end(d, hex);
	if (fd >= 0 && strcmp(hex, jsonio_str(o, "sha256")))
		io_close(&fd);
out:
	digest_free(d);
	return fd;
}

static bool name_fits(const char *name, const json_t *o)
{
	size_t n = strlen("unpacked-");

	if (!strncmp(name, "dropped/", 8))
		return jsonio_str(o, "sha256") && digest_ok(name + 8) && !strcmp(name + 8, jsonio_str(o, "sha256"));
	return !strncmp(name, "unpacked-", n) && name[n] && strlen(name) < n + 4 && strspn(name + n, "0123456789") == strlen(name + n);
}

/* Each of a list becomes a member of the case; what the helper says wrongly loses its name. */
static int take(json_t *list, const char *key, int bytes, struct micro_extra *extra, struct err *e)
{
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		const char *name = jsonio_str(o, key);
		int fd = name && name_fits(name, o) ? cut(bytes, o, e) : -1;

		if (e->code)
			return -1;
		if (fd < 0 || !micro_add(extra, name, 0, fd))
			json_object_set_new(o, key, json_null());
		json_object_del(o, "offset");
	}
	return 0;
}

/* A member through the same parser as the sample. NULL: there are no bytes of it, or the helper could not be run. */
static json_t *describe(const struct micro_extra *extra, const char *name, const char *sha256, struct buf *text, struct err *e)
{
	struct micro_sample s = { .sha256 = sha256, .kind = "file", .body = -1 };

	for (size_t i = 0; name && i < extra->count; i++)
		if (!strcmp(extra->member[i].name, name))
			s.body = extra->member[i].fd;
	return s.body >= 0 ? static_analyse(&s, text, e) : NULL;
}

static int describe_unpacked(const struct micro_extra *extra, json_t *stat, const json_t *first, struct buf *disasm, struct err *e)
{
	const char *name = jsonio_str(first, "name");
	struct buf text = { 0 };
	json_t *o = describe(extra, name, jsonio_str(first, "sha256"), &text, e);

	if (o && text.len) {
		buf_addf(disasm, "\n; ==== %s ====\n", name);
		buf_add(disasm, text.p, text.len);
	}
	buf_free(&text);
	if (o)
		json_object_set_new(stat, "unpacked", o);
	return o || !e->code ? 0 : -1;
}

/* What it made or handed on may be what it is there for: a program, a script. The first ones, each once. */
static int describe_drops(const struct micro_extra *extra, json_t *stat, const json_t *drops, struct err *e)
{
	json_t *list = json_array();
	const json_t *o;
	size_t i, k;

	json_array_foreach(drops, i, o) {
		const char *name = jsonio_str(o, "member");
		struct buf ignored = { 0 };
		json_t *inside;

		for (k = 0; k < i && !json_equal(json_object_get(json_array_get(drops, k), "sha256"), json_object_get(o, "sha256")); k++)
			;
		if (!name || k < i || json_array_size(list) >= DESCRIBED)
			continue;
		inside = describe(extra, name, jsonio_str(o, "sha256"), &ignored, e);
		buf_free(&ignored);
		if (inside)
			json_array_append_new(list, inside);
	}
	if (json_array_size(list))
		json_object_set(stat, "dropped", list);
	json_decref(list);
	return e->code ? -1 : 0;
}

static void add_sign(json_t *stat, const char *name, json_t *reason)
{
	json_array_append_new(jsonio_array(stat, "signs"), json_pack("{s:s,s:o}", "name", name, "reason", reason));
}

static void add_signs(json_t *stat, const json_t *unpack)
{
	size_t layers = json_array_size(json_object_get(unpack, "layers")), i;
	const json_t *o;

	if (layers)
		add_sign(stat, "unpacks-itself", json_sprintf("emulated, it runs code that it wrote itself: %zu layer%s", layers, layers == 1 ? "" : "s"));
	json_array_foreach(json_object_get(unpack, "findings"), i, o) {
		const char *name = jsonio_str(o, "name");
		json_t *reason = json_object_get(o, "reason");

		if (name && json_is_string(reason) && !has_sign(stat, name))
			add_sign(stat, name, json_incref(reason));
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

int unpack_analyse(const struct micro_sample *s, json_t *stat, struct buf *disasm, struct micro_extra *extra, struct err *e)
{
	char *rules = spawn_share(".");
	const char *args[] = { rules, looks_packed(stat) ? INSTRUCTIONS : INSTRUCTIONS_PLAIN, NULL };
	struct helper_result r = { 0 };
	json_t *o = NULL;
	int bytes = -1, rc = 0;

	if (s->body < 0 || !is_program(s->body))
		goto out;
	rc = -1;
	bytes = io_tmp(e);
	if (bytes < 0 || helper_run_with("helper-unpack", args, s->body, bytes, UNPACK_MS, &r, e))
		goto out;
	rc = 0;
	if (r.end == HELPER_DONE && r.status == EX_DATAERR)
		goto out;
	/* Any other code is a library's way out, not ours. */
	if (r.end == HELPER_DONE && r.status && r.status != EX_IOERR)
		r.end = HELPER_CRASHED;
	if (r.end == HELPER_DONE && r.status) {
		rc = err_set(e, r.status, "%s", r.err.len ? err_qn(r.err.p, r.err.len) : "the emulator failed");
		goto out;
	}
	o = r.end == HELPER_DONE ? believe(&r.out) : NULL;
	if (!o) {
		msg_info("%.12s: the emulator ended as %s", s->sha256, ends[r.end]);
		o = json_pack("{s:s,s:[],s:[],s:[],s:[],s:[],s:[]}", "end", ends[r.end], "layers", "members", "drops", "findings", "strings", "calls");
	}
	json_object_set_new(stat, "unpack", o);
	add_signs(stat, o);
	if (take(json_object_get(o, "members"), "name", bytes, extra, e) || take(json_object_get(o, "drops"), "member", bytes, extra, e)) {
		rc = -1;
		goto out;
	}
	if (json_array_size(json_object_get(o, "members")))
		rc = describe_unpacked(extra, stat, json_array_get(json_object_get(o, "members"), 0), disasm, e);
	if (!rc)
		rc = describe_drops(extra, stat, json_object_get(o, "drops"), e);
out:
	helper_free(&r);
	io_close(&bytes);
	free(rules);
	return rc;
}
