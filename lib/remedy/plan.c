#include "remedy/remedy.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define CAP_RUNNING 100000u        /* processes remembered */
#define CAP_MAPPED 16u             /* processes ended because they map a library; with more the machine is to be restarted */

struct running { json_int_t pid, start, size; char sha256[DIGEST_HEX]; };
struct piece { char sha256[DIGEST_HEX]; json_t *about, *dynamic; };

struct plan {
	char id[33];
	json_t *host;
	json_t *notes;
	struct running *running;     /* which program each process runs */
	size_t running_count, running_room;
	struct piece *piece;         /* the malicious ones */
	size_t pieces, room;
	struct steps *steps;
	struct impostors *impostors;
};

struct plan *plan_new(void)
{
	struct plan *p = buf_alloc(sizeof *p);

	p->notes = json_array();
	p->steps = steps_new();
	p->impostors = impostor_new();
	return p;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->pieces; i++) {
		json_decref(p->piece[i].about);
		json_decref(p->piece[i].dynamic);
	}
	free(p->piece);
	free(p->running);
	json_decref(p->host);
	json_decref(p->notes);
	steps_free(p->steps);
	impostor_free(p->impostors);
	free(p);
}

int plan_case(struct plan *p, const json_t *case_json, struct err *e)
{
	const char *id = jsonio_str(case_json, "id"), *host = jsonio_str(json_object_get(case_json, "host"), "id");

	if (!id || strlen(id) != 32 || strspn(id, "0123456789abcdef") != 32)
		return err_set(e, EX_DATAERR, "member 'case.json': no case id");
	if (!host || strlen(host) != 32 || strspn(host, "0123456789abcdef") != 32)
		return err_set(e, EX_DATAERR, "member 'case.json': no host id, and a remedy is made for one host");
	memcpy(p->id, id, sizeof p->id);
	json_decref(p->host);
	p->host = json_pack("{s:s, s:s*}", "id", host, "name", jsonio_str(json_object_get(case_json, "host"), "name"));
	return 0;
}

static void remember_processes(struct plan *p, const char *sha256, const json_t *about)
{
	size_t i;
	json_t *s;

	json_array_foreach(json_object_get(about, "sightings"), i, s) {
		const char *how = jsonio_str(s, "how");

		if (!how || strcmp(how, "exe") || p->running_count == CAP_RUNNING)
			continue;
		if (p->running_count == p->running_room) {
			p->running_room = p->running_room ? p->running_room * 2 : 64;
			p->running = buf_realloc(p->running, p->running_room, sizeof *p->running);
		}
		p->running[p->running_count] = (struct running){ jsonio_int(s, "pid", 0), jsonio_int(s, "start", -1), jsonio_int(about, "size", -1), "" };
		memcpy(p->running[p->running_count++].sha256, sha256, DIGEST_HEX);
	}
}

int plan_code(struct plan *p, const char *sha256, const json_t *about, const json_t *dynamic, const json_t *verdict, struct err *e)
{
	const char *v = jsonio_str(verdict, "verdict");

	if (!digest_ok(sha256))
		return err_set(e, EX_DATAERR, "a piece of code without a digest");
	remember_processes(p, sha256, about);
	impostor_code(p->impostors, sha256, about, dynamic, v);
	if (!v || strcmp(v, "malicious"))
		return 0;
	if (p->pieces == CAP_OPERATIONS)
		return err_set(e, EX_DATAERR, "more than %u malicious pieces of code", CAP_OPERATIONS);
	if (p->pieces == p->room) {
		p->room = p->room ? p->room * 2 : 16;
		p->piece = buf_realloc(p->piece, p->room, sizeof *p->piece);
	}
	memcpy(p->piece[p->pieces].sha256, sha256, DIGEST_HEX);
	p->piece[p->pieces].about = json_incref((json_t *)(uintptr_t)about);
	p->piece[p->pieces].dynamic = dynamic ? json_incref((json_t *)(uintptr_t)dynamic) : NULL;
	p->pieces++;
	return 0;
}

static const struct piece *malicious(const struct plan *p, const char *sha256)
{
	for (size_t i = 0; sha256 && i < p->pieces; i++)
		if (!strcmp(p->piece[i].sha256, sha256))
			return &p->piece[i];
	return NULL;
}

static const struct running *program_of(const struct plan *p, const json_t *sighting)
{
	json_int_t pid = jsonio_int(sighting, "pid", 0), start = jsonio_int(sighting, "start", -1);

	for (size_t i = 0; i < p->running_count; i++)
		if (p->running[i].pid == pid && p->running[i].start == start)
			return &p->running[i];
	return NULL;
}

/* What is left undone on purpose is said, in the plan and on standard error. */
static void note(struct plan *p, const char *what, const char *path, const char *why)
{
	struct buf b = { 0 };
	char *text;

	if (!why)
		return;
	if (path && jsonio_tobytes(path, &b))
		buf_clear(&b);
	text = b.len ? buf_printf("%s %s: %s", what, err_qn(b.p, b.len), why) : buf_printf("%s: %s", what, why);
	msg_warn("not in the plan: %s", text);
	if (json_array_size(p->notes) < 1000)
		json_array_append_new(p->notes, jsonio_name(text));
	free(text);
	buf_free(&b);
}

static void note_process(void *ctx, const char *what, const char *path, const char *why)
{
	note(ctx, what, path, why);
}

static bool is_kind(const json_t *about, const char *kind)
{
	const char *k = jsonio_str(about, "kind");

	return k && !strcmp(k, kind);
}

/* "/tmp/x (deleted)" stood at /tmp/x. Caller frees. */
static char *plain_path(const char *path, bool *was_deleted)
{
	static const char gone[] = " (deleted)";
	size_t n = strlen(path), k = sizeof gone - 1;
	char *copy = buf_strdup(path);

	*was_deleted = n > k && !strcmp(path + n - k, gone);
	if (*was_deleted)
		copy[n - k] = '\0';
	return copy;
}

/* Old names for what lies elsewhere now: as the path is opened without following links, both are tried. */
static char *moved_path(const char *path)
{
	static const struct { const char *from, *to; } moved[] = {
		{ "/bin/", "/usr/bin/" }, { "/sbin/", "/usr/sbin/" }, { "/lib/", "/usr/lib/" }, { "/lib64/", "/usr/lib64/" }, { "/lib32/", "/usr/lib32/" },
		{ "/var/run/", "/run/" }, { "/var/lock/", "/run/lock/" },
	};

	for (size_t i = 0; i < sizeof moved / sizeof *moved; i++)
		if (!strncmp(path, moved[i].from, strlen(moved[i].from)))
			return buf_printf("%s%s", moved[i].to, path + strlen(moved[i].from));
	return NULL;
}

static void quarantine(struct plan *p, const char *path, const char *sha256, json_int_t size, const char *why, unsigned how)
{
	char *other = moved_path(path);

	if (other) {
		note(p, "quarantine of", other, steps_quarantine(p->steps, other, sha256, size, why, how | STEP_OPTIONAL));
		steps_quarantine(p->steps, path, sha256, size, why, how | STEP_OPTIONAL);
	} else {
		note(p, "quarantine of", path, steps_quarantine(p->steps, path, sha256, size, why, how));
	}
	free(other);
}

static void remove_line(struct plan *p, const char *path, const char *line, const char *why, unsigned how)
{
	char *other = moved_path(path);

	note(p, "a line of", other ? other : path, steps_remove_line(p->steps, other ? other : path, line, why, other ? how | STEP_OPTIONAL : how));
	if (other)
		steps_remove_line(p->steps, path, line, why, how | STEP_OPTIONAL);
	free(other);
}

/* Did some malicious piece make this file when it ran in the garden? Its digest then, or "" when it had none. */
static const char *created_by_sample(const struct plan *p, const char *path)
{
	for (size_t i = 0; path && i < p->pieces; i++) {
		size_t k;
		json_t *f;

		json_array_foreach(json_object_get(p->piece[i].dynamic, "files"), k, f) {
			const char *change = jsonio_str(f, "change"), *at = jsonio_str(f, "path"), *sha = jsonio_str(f, "sha256");

			if (change && at && !strcmp(change, "created") && !strcmp(at, path))
				return sha ? sha : "";
		}
	}
	return NULL;
}

static void startup_sighting(struct plan *p, const struct piece *c, const json_t *s)
{
	const char *file = jsonio_str(s, "file"), *text = jsonio_str(s, "text"), *sha = jsonio_str(s, "file_sha256");
	bool is_file = sha && !strcmp(sha, c->sha256);
	const char *made = created_by_sample(p, file), *target = jsonio_str(s, "link");
	bool whole = jsonio_bool(s, "whole", false) || (made && sha && !strcmp(made, sha));

	if (!file)
		return;
	if (json_object_get(s, "container")) {
		note(p, "start-up file", file, "it stands in a container: make that anew");
		return;
	}
	/* The digest is that of the file it leads to, which has a sighting of its own where it starts something. */
	if (target && (whole || is_file)) {
		note(p, "start-up link", file, steps_remove_link(p->steps, file, target, c->sha256, 0));
		return;
	}
	/* Without a size the remover holds the file to a start-up file's cap. */
	if (sha && whole)
		quarantine(p, file, sha, is_file ? jsonio_int(c->about, "size", -1) : -1, c->sha256, 0);
	else if (text && *text)
		remove_line(p, file, text, c->sha256, made ? STEP_CREATED : 0);
	else
		note(p, "start-up file", file, "it is not known what of it to remove");
}

static void script_sighting(struct plan *p, const struct piece *c, const json_t *s)
{
	const char *path = jsonio_str(s, "path"), *exe = jsonio_str(s, "exe");
	bool gone;
	char *plain;

	if (!path || !exe)
		return;
	plain = plain_path(path, &gone);
	note(p, "processes of script", plain, steps_terminate_script(p->steps, c->sha256, jsonio_int(c->about, "size", -1), plain, exe, c->sha256));
	free(plain);
}

/* Memory of a process has no file: the process itself is ended, if what it runs can be told exactly. */
static void memory_sighting(struct plan *p, const struct piece *c, const json_t *s)
{
	const struct running *r = program_of(p, s);

	if (r && malicious(p, r->sha256))
		steps_terminate(p->steps, r->sha256, r->size, c->sha256, 0);
	else if (r && place_interpreter(r->sha256, r->size))
		note(p, "process with foreign code", NULL, "the digest is that of an essential program");
	else if (r)
		note(p, "process with foreign code", NULL, steps_terminate_process(p->steps, r->sha256, r->size, r->pid, r->start, c->sha256));
	else
		note(p, "process with foreign code in memory, of program", jsonio_str(s, "exe"), "its program is not in the case: end it, or restart");
}

static void mapped_processes(struct plan *p, const struct piece *c)
{
	unsigned strangers = 0;
	size_t i;
	json_t *s;

	json_array_foreach(json_object_get(c->about, "sightings"), i, s) {
		const char *how = jsonio_str(s, "how");
		const struct running *r;

		if (!how || strcmp(how, "mapped"))
			continue;
		r = program_of(p, s);
		strangers += !r || !malicious(p, r->sha256);
	}
	if (strangers > CAP_MAPPED)
		note(p, "processes that loaded it", NULL, "they are too many to be ended: restart the machine afterwards");
	else if (strangers)
		note(p, "processes that loaded it", NULL, steps_terminate(p->steps, c->sha256, jsonio_int(c->about, "size", -1), c->sha256, STEP_MAPPED));
}

static void from_sightings(struct plan *p, const struct piece *c)
{
	json_int_t size = jsonio_int(c->about, "size", -1);
	bool of_memory = is_kind(c->about, "memory");
	size_t i;
	json_t *s, *path;

	json_array_foreach(json_object_get(c->about, "sightings"), i, s) {
		const char *how = jsonio_str(s, "how");

		if (!how)
			continue;
		if (!strcmp(how, "exe")) {
			note(p, "its processes", NULL, steps_terminate(p->steps, c->sha256, size, c->sha256, 0));
			steps_hint(p->steps, c->sha256, jsonio_int(s, "pid", 0), jsonio_int(s, "start", -1));
		} else if (!strcmp(how, "script")) {
			script_sighting(p, c, s);
		} else if (!strcmp(how, "memory") && of_memory) {
			memory_sighting(p, c, s);
		} else if (!strcmp(how, "startup")) {
			startup_sighting(p, c, s);
		} else if (!strcmp(how, "module")) {
			note(p, "kernel module", jsonio_str(s, "path"), "it stays loaded until the machine is restarted");
		}
	}
	mapped_processes(p, c);
	/* A start-up file's own entry says whether the file or a line of it goes. */
	if (of_memory || is_kind(c->about, "startup") || is_kind(c->about, "memfd"))
		return;
	json_array_foreach(json_object_get(c->about, "paths"), i, path) {
		bool gone = is_kind(c->about, "deleted");
		char *plain;

		if (!json_is_string(path) || *json_string_value(path) != '/')
			continue;
		plain = plain_path(json_string_value(path), &gone);
		if (strncmp(plain, "/memfd:", 7))
			quarantine(p, plain, c->sha256, size, c->sha256, gone || is_kind(c->about, "deleted") ? STEP_OPTIONAL : 0);
		free(plain);
	}
}

/* Does a line of a file that the sample made speak of one of its files? Others stand in many a good file. */
static bool is_own_line(const struct piece *c, const char *line)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(c->about, "paths"), i, v)
		if (json_is_string(v) && strlen(json_string_value(v)) > 4 && strstr(line, json_string_value(v)))
			return true;
	json_array_foreach(json_object_get(c->dynamic, "files"), i, v) {
		const char *path = jsonio_str(v, "path"), *change = jsonio_str(v, "change"), *type = jsonio_str(v, "type");

		if (path && change && strlen(path) > 4 && !strcmp(change, "created") && (!type || !strcmp(type, "file")) && strstr(line, path))
			return true;
	}
	return false;
}

/* One file that the sample changed when it ran in the garden. The machine may not have it: all of this is optional. */
static void from_file(struct plan *p, const struct piece *c, const json_t *f)
{
	const char *path = jsonio_str(f, "path"), *change = jsonio_str(f, "change"), *type = jsonio_str(f, "type"), *sha = jsonio_str(f, "sha256");
	const char *target = jsonio_str(f, "target");
	json_int_t size = jsonio_int(f, "size", -1);
	bool created;
	size_t i;
	json_t *line;

	if (!path || !change || *path != '/')
		return;
	created = !strcmp(change, "created");
	if (created && sha && digest_ok(sha) && size != 0 && (!type || !strcmp(type, "file")))
		note(p, "quarantine of", path, steps_quarantine(p->steps, path, sha, size, c->sha256, STEP_OPTIONAL));
	if (created && type && !strcmp(type, "link") && target)
		steps_remove_link(p->steps, path, target, c->sha256, STEP_OPTIONAL);   /* most links start nothing */
	json_array_foreach(json_object_get(f, "lines"), i, line) {
		const char *text = json_string_value(line);

		if (text && *text && (!created || is_own_line(c, text)))
			steps_remove_line(p->steps, path, text, c->sha256, STEP_OPTIONAL | (created ? STEP_CREATED : 0));
	}
	if (strcmp(change, "created") && !json_object_get(f, "lines") && strcmp(change, "deleted") && type && !strcmp(type, "file"))
		note(p, "the sample changes", path, "what it was before is not known");
}

/* Markers and locks, where the sample made the folder and the plan takes more from it. */
static void from_empty_file(struct plan *p, const struct piece *c, const json_t *f)
{
	const char *path = jsonio_str(f, "path"), *change = jsonio_str(f, "change"), *type = jsonio_str(f, "type"), *slash;
	size_t i;
	json_t *d;

	slash = path ? strrchr(path, '/') : NULL;
	if (!slash || !change || strcmp(change, "created") || (type && strcmp(type, "file")) || jsonio_int(f, "size", -1) != 0 ||
	    !steps_takes_from(p->steps, path, (size_t)(slash - path)))
		return;
	json_array_foreach(json_object_get(c->dynamic, "files"), i, d) {
		const char *at = jsonio_str(d, "path"), *how = jsonio_str(d, "change"), *what = jsonio_str(d, "type");

		if (at && how && what && !strcmp(how, "created") && !strcmp(what, "dir") && strlen(at) == (size_t)(slash - path) &&
		    !strncmp(at, path, (size_t)(slash - path)))
			steps_quarantine(p->steps, path, EMPTY_SHA256, 0, c->sha256, STEP_OPTIONAL);
	}
}

/* A program that the sample put somewhere and ran: ended where it runs from exactly there. */
static void from_process(struct plan *p, const struct piece *c, const json_t *process)
{
	const char *path = jsonio_str(process, "path"), *sha = jsonio_str(process, "sha256");
	size_t i;
	json_t *f;

	if (!path || !sha || !digest_ok(sha) || malicious(p, sha))
		return;
	json_array_foreach(json_object_get(c->dynamic, "files"), i, f) {
		const char *at = jsonio_str(f, "path"), *its = jsonio_str(f, "sha256"), *change = jsonio_str(f, "change");

		if (at && its && change && !strcmp(at, path) && !strcmp(its, sha) && !strcmp(change, "created"))
			steps_terminate_path(p->steps, sha, jsonio_int(f, "size", -1), path, c->sha256, STEP_OPTIONAL);
	}
}

static void from_dynamic(struct plan *p, const struct piece *c)
{
	size_t i;
	json_t *v;

	if (!c->dynamic)
		return;
	if (!is_kind(c->about, "memory") && !is_kind(c->about, "script") && !is_kind(c->about, "startup"))
		steps_terminate(p->steps, c->sha256, jsonio_int(c->about, "size", -1), c->sha256, STEP_OPTIONAL);
	json_array_foreach(json_object_get(c->dynamic, "processes"), i, v)
		from_process(p, c, v);
	json_array_foreach(json_object_get(c->dynamic, "files"), i, v)
		from_file(p, c, v);
	json_array_foreach(json_object_get(c->dynamic, "files"), i, v)
		from_empty_file(p, c, v);
}

static json_t *plan_json(struct plan *p, json_t *operations)
{
	char created[CLOCK_RFC3339], expires[CLOCK_RFC3339], id[33];
	unsigned char raw[16];
	json_t *codes = json_array(), *j;
	struct timespec t;

	if (getrandom(raw, sizeof raw, 0) != sizeof raw)
		abort();
	digest_tohex(raw, sizeof raw, id);
	clock_gettime(CLOCK_REALTIME, &t);
	clock_rfc3339(t.tv_sec, created);
	clock_rfc3339(t.tv_sec + PLAN_DAYS * 86400, expires);
	for (size_t i = 0; i < p->pieces; i++)
		json_array_append_new(codes, json_string(p->piece[i].sha256));
	/* Milliseconds: a later plan for the same host has a higher version without anybody keeping count. */
	j = json_pack("{s:s, s:s, s:s, s:O, s:s, s:s, s:s, s:I, s:o, s:o}", "format", PLAN_FORMAT, "id", id, "case", p->id, "host", p->host, "target",
		REMEDY_TARGET, "created", created, "expires", expires, "version", (json_int_t)t.tv_sec * 1000 + t.tv_nsec / 1000000, "codes", codes,
		"operations", operations);
	if (json_array_size(p->notes))
		json_object_set(j, "notes", p->notes);
	return j;
}

int plan_make(struct plan *p, json_t **out, struct err *e)
{
	json_t *operations;

	*out = NULL;
	if (!p->pieces)
		return 0;
	if (!p->host)
		return err_set(e, EX_DATAERR, "the case names no host");
	for (size_t i = 0; i < p->pieces; i++)
		from_sightings(p, &p->piece[i]);
	for (size_t i = 0; i < p->pieces; i++)
		from_dynamic(p, &p->piece[i]);
	impostor_link(p->impostors, p->steps, note_process, p);
	operations = steps_list(p->steps);
	if (!json_array_size(operations)) {
		json_decref(operations);
		msg_warn("there is malicious code, and nothing that may be removed safely");
		return 0;
	}
	*out = plan_json(p, operations);
	if (check_plan(*out, clock_now(), e)) {
		json_decref(*out);
		*out = NULL;
		err_wrap(e, "our own plan");
		e->code = EX_SOFTWARE;
		return -1;
	}
	return 1;
}
