#include "proof/internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 20
#define STILL_MS 300               /* nothing new for so long: the specimens are done */
#define WAIT_MS 5000

int infect_beside(struct running *g, const char *const *argv, struct buf *out, struct err *e)
{
	struct run r = { .argv = argv, .seconds = 60, .in = -1, .out = -1, .errfd = -1 };
	int rc;

	r.out = memfd_create("out", MFD_CLOEXEC);
	if (r.out < 0)
		return err_sys(e, "cannot make a file in memory");
	rc = run_beside(g, &r, e);
	if (!rc && out) {
		buf_clear(out);
		if (lseek(r.out, 0, SEEK_SET) < 0 || io_slurp(r.out, CAP_SLURP, out, "what the remover printed", e))
			rc = -1;
	}
	close(r.out);
	if (!rc && r.exec_errno)
		rc = err_set(e, EX_UNAVAILABLE, "cannot run %s in the world", err_q(argv[0]));
	return rc ? -1 : r.timed_out ? 124 : r.status;
}

static bool made_by_specimen(const struct evidence *v, const char *path)
{
	json_t *name = jsonio_name(path), *f;
	bool made = false;
	size_t i;

	for (size_t k = 0; k < v->specimens; k++) {
		json_array_foreach(json_object_get(v->specimen[k].dynamic, "files"), i, f) {
			const char *at = jsonio_str(f, "path"), *change = jsonio_str(f, "change");

			made |= at && change && !strcmp(change, "created") && !strcmp(at, json_string_value(name));
		}
	}
	json_decref(name);
	return made;
}

static bool ends_amid_line(struct world *w, const char *path)
{
	struct err ignored;
	int fd = world_open_file(w, path, &ignored);
	bool amid = false;
	char last;

	if (fd >= 0) {
		amid = lseek(fd, -1, SEEK_END) >= 0 && read(fd, &last, 1) == 1 && last != '\n';
		close(fd);
	}
	return amid;
}

int infect_prepare(struct world *w, const struct evidence *v, const struct signs *s, struct err *e)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct sign *n = &s->sign[i];
		bool other = n->kind != SIGN_LINE || made_by_specimen(v, n->path);
		char *text;
		int rc;

		for (size_t k = 0; k < s->count && !other; k++)
			other = s->sign[k].kind == SIGN_FILE && !strcmp(s->sign[k].path, n->path);
		if (other)
			continue;
		/* Near misses of the line belong to the clean system, and stay: beside what is there, or in a file that the host has
		   and this machine lacks. */
		text = buf_printf("%s# what else the host has in this file\n#%s\n%s#\n", ends_amid_line(w, n->path) ? "\n" : "", n->text, n->text);
		rc = world_append(w, n->path, 0644, text, e);
		free(text);
		if (rc)
			return -1;
	}
	return 0;
}

/* For a shell: in single quotes, which hold every byte but themselves. */
static void quoted(struct buf *b, const char *s)
{
	buf_addc(b, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			buf_adds(b, "'\\''");
		else
			buf_addc(b, *s);
	}
	buf_addc(b, '\'');
}

/* For what has no place of its own, as code that runs from memory alone. */
static char *placeholder(const struct specimen *c)
{
	return buf_printf("/tmp/%.12s", c->sha256);
}

/* Where a piece of code is started from: where its processes were seen, else where it was found. */
static char *start_path(const struct specimen *c)
{
	static const char gone[] = " (deleted)";
	const char *path = NULL;
	struct buf b = { 0 };
	size_t i;
	json_t *s;

	json_array_foreach(json_object_get(c->about, "sightings"), i, s) {
		const char *how = jsonio_str(s, "how");

		if (!path && how && (!strcmp(how, "exe") || !strcmp(how, "script")))
			path = jsonio_str(s, !strcmp(how, "exe") && jsonio_str(s, "exe") ? "exe" : "path");
	}
	if (!path)
		path = json_string_value(json_array_get(json_object_get(c->about, "paths"), 0));
	if (!path || *path != '/' || !strncmp(path, "/memfd:", 7) || jsonio_tobytes(path, &b))
		return placeholder(c);
	if (b.len > sizeof gone - 1 && !strcmp((char *)b.p + b.len - (sizeof gone - 1), gone))
		b.p[b.len - (sizeof gone - 1)] = '\0';
	return (char *)b.p;
}

static bool is_started(const struct specimen *c)
{
	const char *kind = jsonio_str(c->about, "kind");
	bool seen = !c->dynamic || !jsonio_str(c->dynamic, "run") || strcmp(jsonio_str(c->dynamic, "run"), "ran");
	size_t i;
	json_t *s;

	if (!kind || !strcmp(kind, "memory") || !strcmp(kind, "startup") || !strcmp(kind, "module"))
		return false;
	json_array_foreach(json_object_get(c->about, "sightings"), i, s) {
		const char *how = jsonio_str(s, "how");

		if (how && (!strcmp(how, "exe") || !strcmp(how, "script")))
			return true;
	}
	return !seen;   /* analysis could run it */
}

/* Puts the specimens into the world and writes the command that starts them, a decoy of an honest program first. */
static int write_start(struct world *w, const struct evidence *v, struct buf *script, struct err *e)
{
	unsigned started = 0;

	buf_adds(script, "/bin/sleep 1000 & ");
	for (size_t i = 0; i < v->specimens && started < CAP_STARTED; i++) {
		const struct specimen *c = &v->specimen[i];
		int fd = evidence_bytes(v, c->sha256);
		json_t *argv = json_object_get(c->dynamic, "argv"), *word;
		char *path;
		size_t k;

		if (fd < 0 || !is_started(c))
			continue;
		path = start_path(c);
		if (world_put(w, path, 0755, fd, e)) {
			free(path);
			return -1;
		}
		quoted(script, path);
		free(path);
		json_array_foreach(argv, k, word) {
			struct buf b = { 0 };

			if (k && json_is_string(word) && !jsonio_tobytes(json_string_value(word), &b)) {
				buf_addc(script, ' ');
				quoted(script, buf_str(&b));
			}
			buf_free(&b);
		}
		buf_adds(script, " </dev/null & ");
		started++;
	}
	buf_adds(script, "wait");
	return 0;
}

/* On the host there is no such file, so no plan speaks of it; the processes go on without. */
static int drop_placeholders(const struct evidence *v, struct running *g, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < v->specimens && rc >= 0; i++) {
		char *path = start_path(&v->specimen[i]), *made_up = placeholder(&v->specimen[i]);

		if (is_started(&v->specimen[i]) && !strcmp(path, made_up))
			rc = infect_beside(g, (const char *const[]){ "/bin/rm", "-f", "--", path, NULL }, NULL, e);
		free(path);
		free(made_up);
	}
	return rc < 0 ? -1 : 0;
}

/* How many of the signs are there; sets planted. */
static size_t count_present(struct world *w, struct signs *s, struct running *g, const json_t *changes, struct err *e)
{
	json_t *processes = run_processes(g, e);
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++) {
		s->sign[i].planted = signs_present(w, &s->sign[i], processes, changes);
		n += s->sign[i].planted;
	}
	json_decref(processes);
	return n;
}

static void wait_for_specimens(struct world *w, struct signs *s, struct running *g, struct err *e)
{
	int64_t begun = clock_mono_ms(), last = begun;
	size_t best = 0;

	while (clock_mono_ms() - begun < WAIT_MS) {
		size_t n = count_present(w, s, g, NULL, e);

		if (n == s->count)
			break;
		if (n > best) {
			best = n;
			last = clock_mono_ms();
		}
		if (clock_mono_ms() - last > STILL_MS)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000L }, NULL);
	}
	err_clear(e);
}

static int plant_link(struct running *g, const struct sign *s, struct err *e)
{
	char *folder = buf_strdup(s->path), *slash = strrchr(folder, '/');
	int rc = 0;

	*slash = '\0';
	if (*folder)
		rc = infect_beside(g, (const char *const[]){ "/bin/mkdir", "-p", "--", folder, NULL }, NULL, e);
	if (rc >= 0)
		rc = infect_beside(g, (const char *const[]){ "/bin/ln", "-sfn", "--", s->text, s->path, NULL }, NULL, e);
	free(folder);
	return rc < 0 ? -1 : 0;
}

/* What the specimens left undone, files first: a line may stand in one of them. */
static int plant(struct world *w, const struct evidence *v, struct signs *s, struct running *g, struct err *e)
{
	for (size_t i = 0; i < s->count; i++) {
		struct sign *n = &s->sign[i];
		int fd = n->kind == SIGN_FILE ? evidence_bytes(v, n->sha256) : -1;

		if (n->planted || fd < 0 || compare_is_ours(n->path))
			continue;
		if (world_put(w, n->path, evidence_is_body(v, n->sha256) ? 0755 : 0644, fd, e))
			return -1;
	}
	for (size_t i = 0; i < s->count; i++) {
		struct sign *n = &s->sign[i];

		if (n->kind == SIGN_LINE && !n->planted && !signs_present(w, n, NULL, NULL)) {
			char *line = buf_printf("%s\n", n->text);
			int rc = world_append(w, n->path, 0, line, e);

			free(line);
			if (rc)
				return -1;
		} else if (n->kind == SIGN_LINK && n->text && plant_link(g, n, e)) {
			return -1;
		}
	}
	return 0;
}

/* Near misses beside a body: the same name with other bytes elsewhere, another name with a byte more in the same folder. */
static int plant_decoys(struct world *w, const struct evidence *v, const struct signs *s, struct err *e)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct sign *n = &s->sign[i];
		int fd = n->kind == SIGN_FILE && evidence_is_body(v, n->sha256) ? evidence_bytes(v, n->sha256) : -1, copy;
		char *beside, *elsewhere;
		int rc = -1;

		if (fd < 0)
			continue;
		copy = io_tmp(e);
		if (copy < 0)
			return -1;
		beside = buf_printf("%s.near", n->path);
		elsewhere = buf_printf("/opt/near%s", strrchr(n->path, '/'));
		if (lseek(fd, 0, SEEK_SET) == 0 && !io_copy(fd, copy, CAP_BODY, NULL, e) && !io_write(copy, "\n", 1) &&
		    !world_put(w, beside, 0755, copy, e))
			rc = world_put(w, elsewhere, 0755, copy, e);
		free(beside);
		free(elsewhere);
		close(copy);
		return rc;
	}
	return 0;
}

int infect(struct world *w, const struct evidence *v, struct signs *s, struct running **g, struct run *r, struct err *e)
{
	static const char *argv[] = { "/bin/sh", "-c", NULL, NULL };
	struct buf script = { 0 };
	json_t *changes;
	int rc = -1;

	if (write_start(w, v, &script, e))
		goto out;
	argv[2] = buf_str(&script);
	*r = (struct run){ .argv = argv, .seconds = 120, .processes = 256, .in = -1, .out = -1, .errfd = -1 };
	*g = run_start(w, r, e);
	if (!*g)
		goto out;
	wait_for_specimens(w, s, *g, e);
	/* Held still from here on, so that each difference is the remover's. */
	if (infect_beside(*g, (const char *const[]){ "/bin/sh", "-c", "kill -STOP -1", NULL }, NULL, e) < 0)
		goto out;
	if (drop_placeholders(v, *g, e) || plant(w, v, s, *g, e) || plant_decoys(w, v, s, e))
		goto out;
	changes = world_changes(w, e);
	if (!changes)
		goto out;
	count_present(w, s, *g, changes, e);
	json_decref(changes);
	rc = e->code ? -1 : 0;
out:
	argv[2] = NULL;
	buf_free(&script);
	return rc;
}
