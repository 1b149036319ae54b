/*
 * mkremover: a remover from bare operations, for the tests: mkremover [-s|-p|-c] OUT <operations.json. An array of operations
 * without "id" and "why"; line_sha256 is filled in. Plan id: 0123456789abcdef twice.
 * -s: the source instead of the program. -p: standard input is a whole plan. -c: it is a source.
 */
#include "remedy/remedy.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CODE "1111111111111111111111111111111111111111111111111111111111111111"

static json_t *make_plan(json_t *operations)
{
	char created[CLOCK_RFC3339], expires[CLOCK_RFC3339];
	const char *age = getenv("MKREMOVER_AGE");
	int64_t now = clock_now() - (age ? atoll(age) : 0);
	size_t i;
	json_t *op;

	clock_rfc3339(now, created);
	clock_rfc3339(now + 86400, expires);
	json_array_foreach(operations, i, op) {
		const char *line = jsonio_str(op, "line");

		json_object_set_new(op, "id", json_integer((json_int_t)i + 1));
		json_object_set_new(op, "why", json_string(CODE));
		if (line && !json_object_get(op, "line_sha256")) {
			struct buf b = { 0 };
			char hex[DIGEST_HEX];

			jsonio_tobytes(line, &b);
			digest_bytes(b.p, b.len, hex);
			json_object_set_new(op, "line_sha256", json_string(hex));
			buf_free(&b);
		}
	}
	return json_pack("{s:s, s:s, s:s, s:{s:s}, s:s, s:s, s:s, s:i, s:[s], s:o}", "format", PLAN_FORMAT, "id",
		"0123456789abcdef0123456789abcdef", "case", "0123456789abcdef0123456789abcdef", "host", "id", "0123456789abcdef0123456789abcdef",
		"target", REMEDY_TARGET, "created", created, "expires", expires, "version", 1, "codes", CODE, "operations", operations);
}

int main(int argc, char **argv)
{
	bool source_only = argc > 1 && !strcmp(argv[1], "-s"), whole = argc > 1 && !strcmp(argv[1], "-p");
	bool compile_only = argc > 1 && !strcmp(argv[1], "-c");
	struct buf in = { 0 }, source = { 0 };
	struct err e = { 0 };
	json_t *given, *plan = NULL;
	int fd = -1, out = -1, rc = -1;

	msg_init("mkremover");
	if (argc != 2 + (source_only || whole || compile_only))
		return 64;
	if (io_slurp(0, CAP_JSON, &in, "the operations", &e))
		goto out;
	if (compile_only) {
		buf_add(&source, in.p, in.len);
	} else {
		given = jsonio_parse(in.p, in.len, "the operations", &e);
		if (!given)
			goto out;
		plan = whole ? given : make_plan(given);
		if (source_make(plan, &source, &e))
			goto out;
	}
	if (source_only) {
		rc = atomic_write(argv[2], 0644, source.p, source.len, &e);
		goto out;
	}
	fd = compile_linux(&source, &e);
	out = fd < 0 ? -1 : open(argv[argc - 1], O_WRONLY | O_CREAT | O_TRUNC, 0755);
	if (fd < 0)
		goto out;
	rc = out < 0 ? err_sys(&e, "cannot write %s", err_q(argv[argc - 1])) : io_copy(fd, out, CAP_BODY, NULL, &e);
out:
	io_close(&fd);
	io_close(&out);
	json_decref(plan);
	buf_free(&in);
	buf_free(&source);
	return rc ? msg_fail(&e) : 0;
}
