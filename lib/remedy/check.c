#include "remedy/remedy.h"

#include <stdlib.h>
#include <string.h>

#define CAP_LINE 4096u

/* Which keys an operation has; nothing else may stand in it. */
static const struct shape {
	const char *op;
	const char *must[4], *may[9];
} shapes[] = {
	{ "terminate", { "sha256" }, { "size", "path", "exe", "mapped", "only", "hint", "optional", NULL } },
	{ "quarantine", { "path", "sha256" }, { "size", "optional", NULL } },
	{ "remove-line", { "path", "line", "line_sha256" }, { "created", "optional", NULL } },
	{ "remove-link", { "path", "target" }, { "optional", NULL } },
};

static bool is_in(const char *key, const char *const *list, size_t most)
{
	for (size_t i = 0; i < most && list[i]; i++)
		if (!strcmp(key, list[i]))
			return true;
	return false;
}

static bool is_hex(const char *s, size_t n)
{
	return s && strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

static int bad(struct err *e, json_int_t id, const char *what)
{
	return err_set(e, EX_DATAERR, "unsafe plan: operation %lld: %s", (long long)id, what);
}

static int check_keys(const json_t *op, const struct shape *s, json_int_t id, struct err *e)
{
	static const char *const all[] = { "op", "id", "why" };
	static const char *const flags[] = { "mapped", "only", "optional", "created" };
	const char *key;
	json_t *value;

	for (size_t i = 0; i < sizeof s->must / sizeof *s->must && s->must[i]; i++)
		if (!jsonio_str(op, s->must[i]))
			return err_set(e, EX_DATAERR, "unsafe plan: operation %lld: \"%s\" is missing", (long long)id, s->must[i]);
	json_object_foreach((json_t *)(uintptr_t)op, key, value) {
		bool good;

		if (!is_in(key, all, 3) && !is_in(key, s->must, 4) && !is_in(key, s->may, 9))
			return err_set(e, EX_DATAERR, "unsafe plan: operation %lld: unknown key %s", (long long)id, err_q(key));
		if (is_in(key, flags, 4))
			good = json_is_boolean(value);
		else if (!strcmp(key, "hint"))
			good = json_is_object(value);
		else if (!strcmp(key, "id") || !strcmp(key, "size"))
			good = json_is_integer(value);
		else
			good = json_is_string(value);
		if (!good)
			return err_set(e, EX_DATAERR, "unsafe plan: operation %lld: %s has the wrong type", (long long)id, err_q(key));
	}
	return 0;
}

/* A path in jsonio's form: absolute, normal, in no place that is never touched. */
static int check_path(const char *json, json_int_t id, struct buf *path, struct err *e)
{
	const char *why;

	buf_clear(path);
	if (jsonio_tobytes(json, path) || !path->len || !place_normal(buf_str(path), path->len))
		return bad(e, id, "not a normal absolute path");
	why = place_never(buf_str(path));
	if (why)
		return err_set(e, EX_DATAERR, "unsafe plan: operation %lld: %s is %s", (long long)id, err_q(buf_str(path)), why);
	return 0;
}

/* single: of one process, of which its number is known. */
static int check_digest(const json_t *op, json_int_t id, bool single, struct err *e)
{
	const char *sha = jsonio_str(op, "sha256");
	json_int_t size = jsonio_int(op, "size", -1);

	if (!digest_ok(sha))
		return bad(e, id, "not a SHA-256");
	/* An empty file says nothing by itself: check_plan() looks at what else stands in its folder. */
	if (size == 0 && sha && !strcmp(sha, EMPTY_SHA256) && jsonio_bool(op, "optional", false))
		return 0;
	if (json_object_get(op, "size") && (size < 1 || (uint64_t)size > CAP_BODY))
		return bad(e, id, "no size a file of code can have");
	if (place_essential(sha, size) && !(single && place_interpreter(sha, size)))
		return bad(e, id, "the digest is that of an essential program or of the empty file");
	return 0;
}

static int check_terminate(const json_t *op, json_int_t id, struct err *e)
{
	const json_t *hint = json_object_get(op, "hint");
	json_int_t pid = jsonio_int(hint, "pid", 0), start = jsonio_int(hint, "start", -1);
	const char *path = jsonio_str(op, "path"), *exe = jsonio_str(op, "exe");
	struct buf b = { 0 };
	int rc = -1;

	if (check_digest(op, id, jsonio_bool(op, "only", false) && hint, e))
		goto out;
	if (jsonio_int(op, "size", 0) < 1) {
		bad(e, id, "\"size\" is missing");
		goto out;
	}
	if (hint && (pid < 2 || pid > 0x7fffffff || start < 0 || json_object_size(hint) != 2)) {
		bad(e, id, "a hint is {\"pid\", \"start\"}, and process 1 is never one");
		goto out;
	}
	if (jsonio_bool(op, "only", false) && !hint) {
		bad(e, id, "only which process?");
		goto out;
	}
	if ((exe && !path) || (exe && jsonio_bool(op, "mapped", false)) || (path && jsonio_bool(op, "mapped", false))) {
		bad(e, id, "\"path\", \"exe\" and \"mapped\" do not go together so");
		goto out;
	}
	if (path && check_path(path, id, &b, e))
		goto out;
	if (exe) {
		buf_clear(&b);
		if (jsonio_tobytes(exe, &b) || !b.len || !place_normal(buf_str(&b), b.len)) {
			bad(e, id, "not a normal absolute path");
			goto out;
		}
	}
	rc = 0;
out:
	buf_free(&b);
	return rc;
}

static int check_quarantine(const json_t *op, json_int_t id, struct err *e)
{
	struct buf b = { 0 };
	int rc = -1;

	if (check_digest(op, id, false, e) || check_path(jsonio_str(op, "path"), id, &b, e))
		goto out;
	if (place_owned(buf_str(&b))) {
		err_set(e, EX_DATAERR, "unsafe plan: operation %lld: %s belongs to a package", (long long)id, err_q(buf_str(&b)));
		goto out;
	}
	if (!json_object_get(op, "size") && !place_startup(buf_str(&b))) {
		bad(e, id, "\"size\" is missing");
		goto out;
	}
	rc = 0;
out:
	buf_free(&b);
	return rc;
}

/* Lines that stand in many good files start nothing by themselves. */
static bool is_common_line(const char *s, size_t n)
{
	static const char *const common[] = { "exit 0", "#!/bin/sh", "#!/bin/bash", "fi", "done", "esac", "}", "{", "else", "then", "do", "return 0", "return" };
	size_t from = 0;

	while (from < n && strchr(" \t\r\f\v", s[from]))
		from++;
	while (n > from && strchr(" \t\r\f\v", s[n - 1]))
		n--;
	s += from;
	n -= from;
	if (n < 4 || *s == '#' || *s == ';')
		return true;
	for (size_t i = 0; i < sizeof common / sizeof *common; i++)
		if (strlen(common[i]) == n && !memcmp(s, common[i], n))
			return true;
	return *s == '[' && s[n - 1] == ']';
}

static int check_line(const json_t *op, json_int_t id, struct err *e)
{
	struct buf path = { 0 }, line = { 0 };
	char hex[DIGEST_HEX];
	int rc = -1;

	if (check_path(jsonio_str(op, "path"), id, &path, e))
		goto out;
	if (!place_startup(buf_str(&path))) {
		err_set(e, EX_DATAERR, "unsafe plan: operation %lld: %s starts nothing", (long long)id, err_q(buf_str(&path)));
		goto out;
	}
	if (place_whole(buf_str(&path))) {
		err_set(e, EX_DATAERR, "unsafe plan: operation %lld: %s is one thing, not lines", (long long)id, err_q(buf_str(&path)));
		goto out;
	}
	if (jsonio_tobytes(jsonio_str(op, "line"), &line) || !line.len || line.len > CAP_LINE || memchr(line.p, '\n', line.len)) {
		bad(e, id, "not one line");
		goto out;
	}
	if (is_common_line(buf_str(&line), line.len)) {
		bad(e, id, "the line says too little to be one thing's own");
		goto out;
	}
	digest_bytes(line.p, line.len, hex);
	if (strcmp(hex, jsonio_str(op, "line_sha256"))) {
		bad(e, id, "the line's digest is another's");
		goto out;
	}
	rc = 0;
out:
	buf_free(&path);
	buf_free(&line);
	return rc;
}

static int check_link(const json_t *op, json_int_t id, struct err *e)
{
	struct buf path = { 0 }, target = { 0 };
	int rc = -1;

	if (check_path(jsonio_str(op, "path"), id, &path, e))
		goto out;
	if (!place_startup_link(buf_str(&path))) {
		err_set(e, EX_DATAERR, "unsafe plan: operation %lld: a link %s enables nothing", (long long)id, err_q(buf_str(&path)));
		goto out;
	}
	if (place_owned(buf_str(&path))) {
		err_set(e, EX_DATAERR, "unsafe plan: operation %lld: %s belongs to a package", (long long)id, err_q(buf_str(&path)));
		goto out;
	}
	if (jsonio_tobytes(jsonio_str(op, "target"), &target) || !target.len || target.len > 4095 || memchr(target.p, '\n', target.len)) {
		bad(e, id, "not a link's target");
		goto out;
	}
	rc = 0;
out:
	buf_free(&path);
	buf_free(&target);
	return rc;
}

int check_operation(const json_t *op, const json_t *codes, struct err *e)
{
	const char *name = jsonio_str(op, "op"), *why = jsonio_str(op, "why");
	json_int_t id = jsonio_int(op, "id", 0);
	const struct shape *s = NULL;
	bool known = !codes;

	for (size_t i = 0; name && i < sizeof shapes / sizeof *shapes; i++)
		if (!strcmp(name, shapes[i].op))
			s = &shapes[i];
	if (!s)
		return bad(e, id, "not an operation of the closed set");
	if (check_keys(op, s, id, e))
		return -1;
	for (size_t i = 0; why && i < json_array_size(codes); i++) {
		const char *code = json_string_value(json_array_get(codes, i));

		known |= code && !strcmp(code, why);
	}
	if (!why || !digest_ok(why) || !known)
		return bad(e, id, "no piece of code of this plan is the reason");
	switch (s - shapes) {
	case 0:
		return check_terminate(op, id, e);
	case 1:
		return check_quarantine(op, id, e);
	case 2:
		return check_line(op, id, e);
	default:
		return check_link(op, id, e);
	}
}

/* A marker or lock: taken only from a folder from which the plan takes a file by what is in it. */
static bool is_beside_another(const json_t *operations, const json_t *op)
{
	const char *path = jsonio_str(op, "path"), *slash = path ? strrchr(path, '/') : NULL;
	size_t i;
	json_t *other;

	if (!slash || strcmp(jsonio_str(op, "sha256") ? jsonio_str(op, "sha256") : "", EMPTY_SHA256))
		return true;
	json_array_foreach((json_t *)(uintptr_t)operations, i, other) {
		const char *at = jsonio_str(other, "path"), *end = at ? strrchr(at, '/') : NULL;

		if (end && json_object_get(other, "sha256") && jsonio_int(other, "size", 0) > 0 && end - at == slash - path &&
		    !memcmp(at, path, (size_t)(slash - path)))
			return true;
	}
	return false;
}

static int check_head(const json_t *plan, int64_t now, struct err *e)
{
	static const char *const keys[] = { "format", "id", "case", "host", "target", "created", "expires", "version", "codes", "operations", "notes" };
	const char *format = jsonio_str(plan, "format"), *target = jsonio_str(plan, "target"), *key, *why = NULL;
	const json_t *host = json_object_get(plan, "host");
	json_int_t version = jsonio_int(plan, "version", 0);
	int64_t created = 0, expires = 0;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)plan, key, value)
		if (!is_in(key, keys, sizeof keys / sizeof *keys))
			return err_set(e, EX_DATAERR, "unsafe plan: unknown key %s", err_q(key));
	if (!format || strcmp(format, PLAN_FORMAT))
		why = "not in the format " PLAN_FORMAT;
	else if (!is_hex(jsonio_str(plan, "id"), 32) || !is_hex(jsonio_str(plan, "case"), 32))
		why = "its id or case is none";
	else if (!is_hex(jsonio_str(host, "id"), 32))
		why = "it is bound to no host";
	else if (!target || strcmp(target, REMEDY_TARGET))
		why = "unknown target";
	else if (clock_parse(jsonio_str(plan, "created") ? jsonio_str(plan, "created") : "", &created) ||
		 clock_parse(jsonio_str(plan, "expires") ? jsonio_str(plan, "expires") : "", &expires))
		why = "no time of creation or expiry";
	else if (expires <= created || expires - created > (int64_t)PLAN_DAYS_MOST * 86400)
		why = "it would hold too long, or not at all";
	else if (expires <= now)
		why = "it has expired";
	else if (created > now + 86400)
		why = "it is from the future";
	else if (version < 1)
		why = "no version";
	return why ? err_set(e, EX_DATAERR, "unsafe plan: %s", why) : 0;
}

int check_plan(const json_t *plan, int64_t now, struct err *e)
{
	const json_t *codes = json_object_get(plan, "codes"), *operations = json_object_get(plan, "operations");
	json_int_t last = 0;
	size_t i;
	json_t *v;

	if (!json_is_object(plan))
		return err_set(e, EX_DATAERR, "unsafe plan: not an object");
	if (check_head(plan, now, e))
		return -1;
	if (!json_is_array(codes) || !json_array_size(codes) || json_array_size(codes) > CAP_OPERATIONS)
		return err_set(e, EX_DATAERR, "unsafe plan: for no code, or for too many");
	json_array_foreach((json_t *)(uintptr_t)codes, i, v)
		if (!json_is_string(v) || !digest_ok(json_string_value(v)))
			return err_set(e, EX_DATAERR, "unsafe plan: a code's name is no SHA-256");
	if (!json_is_array(operations) || !json_array_size(operations))
		return err_set(e, EX_DATAERR, "unsafe plan: no operations");
	if (json_array_size(operations) > CAP_OPERATIONS)
		return err_set(e, EX_DATAERR, "unsafe plan: more than %u operations", CAP_OPERATIONS);
	json_array_foreach((json_t *)(uintptr_t)operations, i, v) {
		json_int_t id = jsonio_int(v, "id", 0);

		if (id <= last || id > (json_int_t)CAP_OPERATIONS)
			return bad(e, id, "its number is not behind the one before");
		last = id;
		if (check_operation(v, codes, e))
			return -1;
		if (!is_beside_another(operations, v))
			return bad(e, id, "an empty file in a folder of others");
	}
	return 0;
}
