#include "micro/inner.h"

#include <string.h>
#include <unistd.h>

#define MEMBER_MOST (256 * MIB)
#define DESCRIBED 8u              /* of one list */

static const struct inner_list lists[] = {
	{ "unpacked", "unpacked.strings", "unpacked.stack_strings", "unpacked.rules" },
	{ "dropped", "dropped.strings", "dropped.stack_strings", "dropped.rules" },
	{ "embedded", "embedded.strings", "embedded.stack_strings", "embedded.rules" },
};

const char *inner_end(enum helper_end end)
{
	static const char *const ends[] = {
		[HELPER_DONE] = "malformed", [HELPER_CRASHED] = "crashed", [HELPER_TIMEOUT] = "timeout",
		[HELPER_MEMORY] = "memory", [HELPER_REFUSED] = "refused",
	};

	return ends[end];
}

int inner_ended(struct helper_result *r, const char *otherwise, struct err *e)
{
	if (r->end != HELPER_DONE || !r->status)
		return 0;
	if (r->status == EX_IOERR)
		return err_set(e, r->status, "%s", r->err.len ? err_qn(r->err.p, r->err.len) : otherwise);
	r->end = HELPER_CRASHED;
	return 0;
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
	static const char *const by_digest[] = { "dropped/", "embedded/" };
	size_t n = strlen("unpacked-");

	for (size_t i = 0; i < sizeof by_digest / sizeof *by_digest; i++) {
		size_t k = strlen(by_digest[i]);

		if (!strncmp(name, by_digest[i], k))
			return jsonio_str(o, "sha256") && digest_ok(name + k) && !strcmp(name + k, jsonio_str(o, "sha256"));
	}
	return !strncmp(name, "unpacked-", n) && name[n] && strlen(name) < n + 4 && strspn(name + n, "0123456789") == strlen(name + n);
}

int inner_take(json_t *list, const char *key, int bytes, struct micro_extra *extra, struct err *e)
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

static int member_body(const struct micro_extra *extra, const char *name)
{
	for (size_t i = 0; name && i < extra->count; i++)
		if (!strcmp(extra->member[i].name, name))
			return extra->member[i].fd;
	return -1;
}

int inner_body(const struct micro_extra *extra, const char *folder, const char *sha256)
{
	char name[32 + DIGEST_HEX];

	snprintf(name, sizeof name, "%.31s%.64s", folder, sha256 ? sha256 : "");
	return member_body(extra, name);
}

json_t *inner_describe(const struct micro_extra *extra, const char *name, const char *sha256, struct buf *text, struct err *e)
{
	struct micro_sample s = { .sha256 = sha256, .kind = "file", .body = member_body(extra, name) };

	return s.body >= 0 ? static_analyse(&s, text, e) : NULL;
}

/* What it made, handed on or carries may be what it is there for: a program, a script. */
int inner_describe_all(const struct micro_extra *extra, json_t *stat, const char *key, const json_t *objects, struct err *e)
{
	json_t *list = json_array();
	const json_t *o;
	size_t i, k;

	json_array_foreach(objects, i, o) {
		const char *name = jsonio_str(o, "member");
		struct buf ignored = { 0 };
		json_t *inside;

		for (k = 0; k < i && !json_equal(json_object_get(json_array_get(objects, k), "sha256"), json_object_get(o, "sha256")); k++)
			;
		if (!name || k < i || json_array_size(list) >= DESCRIBED)
			continue;
		inside = inner_describe(extra, name, jsonio_str(o, "sha256"), &ignored, e);
		buf_free(&ignored);
		if (inside)
			json_array_append_new(list, inside);
	}
	if (json_array_size(list))
		json_object_set(stat, key, list);
	json_decref(list);
	return e->code ? -1 : 0;
}

void inner_sign(json_t *stat, const char *name, json_t *reason)
{
	json_array_append_new(jsonio_array(stat, "signs"), json_pack("{s:s,s:o}", "name", name, "reason", reason));
}

const json_t *inner_at(const json_t *stat, size_t i, const struct inner_list **from)
{
	for (size_t l = 0; l < sizeof lists / sizeof *lists; l++) {
		const json_t *o = json_object_get(stat, lists[l].key);
		size_t n = json_is_array(o) ? json_array_size(o) : json_is_object(o) ? 1 : 0;

		if (i < n) {
			*from = &lists[l];
			return json_is_array(o) ? json_array_get(o, i) : o;
		}
		i -= n;
	}
	return NULL;
}
