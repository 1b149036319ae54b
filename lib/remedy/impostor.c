/*
 * impostor: processes of an honest interpreter that are the malicious code. A script that deletes its file and renames its process
 * leaves no trace but the interpreter's own; such a process is ended, alone and by number, when it wears what the script wore in the
 * garden. An honest process of the same interpreter is never touched, and where it cannot be told a note says so.
 */
#include "remedy/remedy.h"

#include <stdlib.h>
#include <string.h>

#define CAP_SEEN 100000u
#define CAP_WORN 20000u

/* One process of a program that is not malicious itself. */
struct seen { char sha256[DIGEST_HEX]; json_int_t size; json_t *sighting; bool marked; };
/* A script of which nothing is known but that its file is gone or that it has none. */
struct doubt { char sha256[DIGEST_HEX]; json_t *sighting; };
/* What the malicious code was in the garden, or on the host. process may be NULL: its interpreter alone. */
struct worn { char sha256[DIGEST_HEX], why[DIGEST_HEX]; json_t *process; };

struct impostors {
	struct seen *seen;
	struct doubt *doubt;
	struct worn *worn;
	size_t seen_count, seen_room, doubt_count, doubt_room, worn_count, worn_room;
};

struct impostors *impostor_new(void)
{
	return buf_alloc(sizeof(struct impostors));
}

void impostor_free(struct impostors *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->seen_count; i++)
		json_decref(m->seen[i].sighting);
	for (size_t i = 0; i < m->doubt_count; i++)
		json_decref(m->doubt[i].sighting);
	for (size_t i = 0; i < m->worn_count; i++)
		json_decref(m->worn[i].process);
	free(m->seen);
	free(m->doubt);
	free(m->worn);
	free(m);
}

/* Room for one more, zeroed; NULL over the cap. */
static void *more(void *list, size_t *count, size_t *room, size_t size, size_t cap)
{
	void **p = list;
	char *at;

	if (*count >= cap)
		return NULL;
	if (*count == *room) {
		*room = *room ? *room * 2 : 64;
		*p = buf_realloc(*p, *room, size);
	}
	at = (char *)*p + (*count)++ * size;
	memset(at, 0, size);
	return at;
}

static bool same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

static json_t *keep(const json_t *j)
{
	return json_incref((json_t *)(uintptr_t)j);
}

static void wears(struct impostors *m, const char *sha256, const char *why, const json_t *process)
{
	struct worn *w;

	if (!digest_ok(sha256) || same(sha256, why) || !(w = more(&m->worn, &m->worn_count, &m->worn_room, sizeof *w, CAP_WORN)))
		return;
	memcpy(w->sha256, sha256, DIGEST_HEX);
	memcpy(w->why, why, DIGEST_HEX);
	w->process = process ? keep(process) : NULL;
}

static bool has_sign(const json_t *about, const char *name)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(about, "signs"), i, v)
		if (same(jsonio_str(v, "name"), name))
			return true;
	return false;
}

/* Does a sign of the program speak of this process's name? */
static bool is_marked(const json_t *about, json_int_t pid)
{
	char *begin = buf_printf("process %lld ", (long long)pid);
	bool found = false;
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(about, "signs"), i, v) {
		const char *name = jsonio_str(v, "name"), *reason = jsonio_str(v, "reason");

		found |= reason && same(name, "kernel-thread-name") && !strncmp(reason, begin, strlen(begin));
	}
	free(begin);
	return found;
}

static void from_honest(struct impostors *m, const char *sha256, const json_t *about, const char *verdict)
{
	size_t i;
	json_t *s;

	json_array_foreach(json_object_get(about, "sightings"), i, s) {
		const char *how = jsonio_str(s, "how"), *by = jsonio_str(s, "exe_sha256");
		json_int_t pid = jsonio_int(s, "pid", 0);

		if (pid < 2)
			continue;
		if (same(how, "exe")) {
			struct seen *p = more(&m->seen, &m->seen_count, &m->seen_room, sizeof *p, CAP_SEEN);

			if (!p)
				continue;
			memcpy(p->sha256, sha256, DIGEST_HEX);
			p->size = jsonio_int(about, "size", -1);
			p->sighting = keep(s);
			p->marked = is_marked(about, pid);
		} else if (same(how, "script") && same(verdict, "suspicious") && digest_ok(by) && (has_sign(about, "deleted") || jsonio_bool(s, "inline", false))) {
			struct doubt *d = more(&m->doubt, &m->doubt_count, &m->doubt_room, sizeof *d, CAP_SEEN);

			if (!d)
				continue;
			memcpy(d->sha256, by, DIGEST_HEX);
			d->sighting = keep(s);
		}
	}
}

void impostor_code(struct impostors *m, const char *sha256, const json_t *about, const json_t *dynamic, const char *verdict)
{
	size_t i;
	json_t *v;

	if (!same(verdict, "malicious")) {
		from_honest(m, sha256, about, verdict);
		return;
	}
	json_array_foreach(json_object_get(dynamic, "processes"), i, v)
		wears(m, jsonio_str(v, "sha256"), sha256, v);
	json_array_foreach(json_object_get(about, "sightings"), i, v)
		if (same(jsonio_str(v, "how"), "script"))
			wears(m, jsonio_str(v, "exe_sha256"), sha256, NULL);
}

/* "[kworker/1:2]" or "kworker/1:2", but not "[celeryd: worker]": no interpreter is a thread of the kernel. */
static bool is_kernel_name(const char *name)
{
	static const char *const threads[] = { "kworker", "ksoftirqd", "kthreadd", "migration", "rcu_sched", "rcu_preempt", "rcu_gp", "rcu_par_gp", "kswapd",
		"khugepaged", "kcompactd", "kdevtmpfs", "kauditd", "khungtaskd", "oom_reaper", "kintegrityd", "kblockd", "watchdogd", "kthrotld", "cpuhp",
		"scsi_eh", "scsi_tmf", "jbd2", "xfsaild", "kdmflush", "kpsmoused" };

	if (!name)
		return false;
	name += *name == '[';
	for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
		size_t n = strlen(threads[i]);

		if (!strncmp(name, threads[i], n) && (!name[n] || strchr("/]-_", name[n]) || (name[n] >= '0' && name[n] <= '9')))
			return true;
	}
	return false;
}

/* Arguments as one text: what was written over ends in blanks or in empty words. Caller frees. */
static char *joined(const json_t *words)
{
	struct buf b = { 0 };
	char *text;
	size_t i;
	json_t *v;

	json_array_foreach((json_t *)(uintptr_t)words, i, v)
		buf_addf(&b, "%s%s", i ? "\n" : "", json_is_string(v) ? json_string_value(v) : "");
	while (b.len && strchr(" \n", b.p[b.len - 1]))
		b.len--;
	text = buf_printf("%.*s", (int)b.len, b.len ? (const char *)b.p : "");
	buf_free(&b);
	return text;
}

static bool same_words(const json_t *a, const json_t *b)
{
	char *x = joined(a), *y = joined(b);
	bool is = *x && !strcmp(x, y);

	free(x);
	free(y);
	return is;
}

static const char *first_word(const json_t *words)
{
	return json_string_value(json_array_get(words, 0));
}

static bool kernel_like(const struct seen *p)
{
	return is_kernel_name(jsonio_str(p->sighting, "comm")) || is_kernel_name(first_word(json_object_get(p->sighting, "cmdline")));
}

enum link { STRANGER, PERHAPS, FIRM };

/* Is that process what ran in the garden? */
static enum link compare(const struct seen *p, const struct worn *w)
{
	const json_t *mine = json_object_get(p->sighting, "cmdline"), *its = json_object_get(w->process, "argv");
	const char *comm = jsonio_str(p->sighting, "comm"), *name = jsonio_str(w->process, "comm"), *first;
	bool disguised, comms, words;

	if (strcmp(p->sha256, w->sha256))
		return STRANGER;
	if (kernel_like(p))
		return FIRM;
	first = first_word(mine);
	if (p->marked || (first && *first == '['))
		return PERHAPS;
	/* Only a name that it gave itself tells it from others: one script's command line is like another's. */
	disguised = jsonio_bool(w->process, "renamed", false);
	comms = same(comm, name);
	words = same_words(mine, its);
	if (!disguised || (!comms && !words))
		return STRANGER;
	return comms && words ? FIRM : PERHAPS;
}

static void say_one(const json_t *sighting, impostor_note *note, void *ctx, const char *why)
{
	const char *name = first_word(json_object_get(sighting, "cmdline")), *exe = jsonio_str(sighting, "exe");
	struct buf b = { 0 };
	char *what;

	if (!name || !*name)
		name = jsonio_str(sighting, "comm");
	if (!name || jsonio_tobytes(name, &b))
		buf_clear(&b);
	what = buf_printf("process %lld, called %s, of", (long long)jsonio_int(sighting, "pid", 0), b.len ? err_qn(b.p, b.len) : "nothing");
	note(ctx, what, exe, why);
	free(what);
	buf_free(&b);
}

void impostor_link(const struct impostors *m, struct steps *s, impostor_note *note, void *ctx)
{
	for (size_t i = 0; i < m->seen_count; i++) {
		const struct seen *p = &m->seen[i];
		enum link best = p->marked || kernel_like(p) ? PERHAPS : STRANGER;
		const char *why = NULL, *refused;

		for (size_t k = 0; k < m->worn_count && best != FIRM; k++) {
			enum link l = compare(p, &m->worn[k]);

			if (l > best || (l == best && !why))
				why = m->worn[k].why;
			best = l > best ? l : best;
		}
		if (best == PERHAPS)
			say_one(p->sighting, note, ctx, "it may be the code in disguise, which cannot be told: look at it");
		if (best != FIRM)
			continue;
		refused = steps_terminate_process(s, p->sha256, p->size, jsonio_int(p->sighting, "pid", 0), jsonio_int(p->sighting, "start", -1), why);
		if (refused)
			say_one(p->sighting, note, ctx, refused);
	}
	for (size_t i = 0; i < m->doubt_count; i++)
		for (size_t k = 0; k < m->worn_count; k++)
			if (!strcmp(m->doubt[i].sha256, m->worn[k].sha256)) {
				say_one(m->doubt[i].sighting, note, ctx, "it runs a script without a file by the interpreter that the code uses: look at it");
				break;
			}
}
