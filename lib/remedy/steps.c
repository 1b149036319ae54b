#include "remedy/remedy.h"

#include <stdlib.h>
#include <string.h>

enum { PHASE_PROCESSES, PHASE_STARTUP, PHASE_FILES, PHASES };

struct steps {
	json_t *phase[PHASES];   /* arrays of operations, without "id" */
	json_t *index;           /* key -> operation */
	struct err refused;
	size_t count;
};

struct steps *steps_new(void)
{
	struct steps *s = buf_alloc(sizeof *s);

	for (int i = 0; i < PHASES; i++)
		s->phase[i] = json_array();
	s->index = json_object();
	return s;
}

void steps_free(struct steps *s)
{
	if (!s)
		return;
	for (int i = 0; i < PHASES; i++)
		json_decref(s->phase[i]);
	json_decref(s->index);
	free(s);
}

/* Steals op. NULL, or why not: what check_operation() said, without its beginning. */
static const char *add(struct steps *s, int phase, json_t *op, json_int_t size, const char *why, unsigned how)
{
	struct buf key = { 0 };
	const char *said = NULL;
	json_t *there;

	if (!op)
		return "it is incomplete";
	jsonio_dump_line(op, &key);
	there = json_object_get(s->index, buf_str(&key));
	if (there) {
		if (!json_object_get(there, "size") && size > 0)
			json_object_set_new(there, "size", json_integer(size));
		if (!(how & STEP_OPTIONAL))
			json_object_del(there, "optional");
		if (how & STEP_CREATED)
			json_object_set_new(there, "created", json_true());
		if (how & STEP_MAPPED)
			json_object_set_new(there, "mapped", json_true());
		goto out;
	}
	if (s->count >= CAP_OPERATIONS) {
		said = "there are too many operations already";
		goto out;
	}
	/* Not part of what makes two operations the same: of a start-up file it may not be known. */
	if (size >= 0)
		json_object_set_new(op, "size", json_integer(size));
	json_object_set_new(op, "why", json_string(why));
	if (how & STEP_CREATED)
		json_object_set_new(op, "created", json_true());
	if (how & STEP_MAPPED)
		json_object_set_new(op, "mapped", json_true());
	if (how & STEP_OPTIONAL)
		json_object_set_new(op, "optional", json_true());
	err_clear(&s->refused);
	if (check_operation(op, NULL, &s->refused)) {
		said = strstr(s->refused.msg, "operation 0: ");
		said = said ? said + strlen("operation 0: ") : s->refused.msg;
		goto out;
	}
	json_array_append(s->phase[phase], op);
	json_object_set(s->index, buf_str(&key), op);
	s->count++;
out:
	buf_free(&key);
	json_decref(op);
	return said;
}

const char *steps_terminate(struct steps *s, const char *sha256, json_int_t size, const char *why, unsigned how)
{
	return add(s, PHASE_PROCESSES, json_pack("{s:s, s:s}", "op", "terminate", "sha256", sha256), size, why, how);
}

const char *steps_terminate_path(struct steps *s, const char *sha256, json_int_t size, const char *path, const char *why, unsigned how)
{
	return add(s, PHASE_PROCESSES, json_pack("{s:s, s:s, s:s}", "op", "terminate", "sha256", sha256, "path", path), size, why, how);
}

const char *steps_terminate_process(struct steps *s, const char *sha256, json_int_t size, json_int_t pid, json_int_t start, const char *why)
{
	return add(s, PHASE_PROCESSES, json_pack("{s:s, s:s, s:b, s:{s:I, s:I}}", "op", "terminate", "sha256", sha256, "only", 1, "hint", "pid", pid,
		"start", start), size, why, 0);
}

const char *steps_terminate_script(struct steps *s, const char *sha256, json_int_t size, const char *path, const char *exe, const char *why)
{
	return add(s, PHASE_PROCESSES, json_pack("{s:s, s:s, s:s, s:s}", "op", "terminate", "sha256", sha256, "path", path, "exe", exe), size, why, 0);
}

const char *steps_quarantine(struct steps *s, const char *path, const char *sha256, json_int_t size, const char *why, unsigned how)
{
	json_t *op = json_pack("{s:s, s:s, s:s}", "op", "quarantine", "path", path, "sha256", sha256);
	struct buf bytes = { 0 };
	bool startup = !jsonio_tobytes(path, &bytes) && place_startup(buf_str(&bytes));

	buf_free(&bytes);
	if (!op)
		return "not a path";
	return add(s, startup ? PHASE_STARTUP : PHASE_FILES, op, size, why, how);
}

const char *steps_remove_line(struct steps *s, const char *path, const char *line, const char *why, unsigned how)
{
	struct buf bytes = { 0 };
	char hex[DIGEST_HEX];

	if (jsonio_tobytes(line, &bytes)) {
		buf_free(&bytes);
		return "not one line";
	}
	digest_bytes(bytes.p, bytes.len, hex);
	buf_free(&bytes);
	return add(s, PHASE_STARTUP, json_pack("{s:s, s:s, s:s, s:s}", "op", "remove-line", "path", path, "line", line, "line_sha256", hex), -1, why, how);
}

const char *steps_remove_link(struct steps *s, const char *path, const char *target, const char *why, unsigned how)
{
	return add(s, PHASE_STARTUP, json_pack("{s:s, s:s, s:s}", "op", "remove-link", "path", path, "target", target), -1, why, how);
}

void steps_hint(struct steps *s, const char *sha256, json_int_t pid, json_int_t start)
{
	size_t i;
	json_t *op;

	json_array_foreach(s->phase[PHASE_PROCESSES], i, op) {
		const char *sha = jsonio_str(op, "sha256");

		if (sha && !strcmp(sha, sha256) && !json_object_get(op, "hint") && pid > 1 && start >= 0)
			json_object_set_new(op, "hint", json_pack("{s:I, s:I}", "pid", pid, "start", start));
	}
}

bool steps_takes_from(const struct steps *s, const char *folder, size_t length)
{
	for (int phase = PHASE_STARTUP; phase < PHASES; phase++) {
		size_t i;
		json_t *op;

		json_array_foreach(s->phase[phase], i, op) {
			const char *path = jsonio_str(op, "path"), *slash = path ? strrchr(path, '/') : NULL;

			if (slash && json_object_get(op, "sha256") && jsonio_int(op, "size", 0) > 0 && (size_t)(slash - path) == length &&
			    !memcmp(path, folder, length))
				return true;
		}
	}
	return false;
}

json_t *steps_list(const struct steps *s)
{
	json_t *list = json_array();
	json_int_t id = 0;

	for (int phase = 0; phase < PHASES; phase++) {
		size_t i;
		json_t *op;

		json_array_foreach(s->phase[phase], i, op) {
			json_t *numbered = json_pack("{s:O, s:I}", "op", json_object_get(op, "op"), "id", ++id);

			json_object_update_missing(numbered, op);
			json_array_append_new(list, numbered);
		}
	}
	return list;
}
