/* Who ran: the processes of dynamic.json with their parents, what they are to the sample, and what they did. */
#include "export/processes.h"

#include <stdlib.h>
#include <string.h>

#define DEEPEST 24u              /* further ones stand beside their parents: a page is as wide as it is */
#define LINES_READ 10000u        /* of the timeline: more than all runs of an honest case have */

json_int_t processes_run(const json_t *entry)
{
	const json_t *first = json_array_get(json_object_get(entry, "runs"), 0);

	return json_is_integer(first) ? json_integer_value(first) : 0;
}

bool processes_idle(const json_t *dynamic, json_int_t run)
{
	const json_t *runs = json_object_get(dynamic, "runs"), *o;
	bool shown = false;
	size_t i;

	json_array_foreach(runs, i, o)
		shown |= i < RUNS_TOLD && json_is_false(json_object_get(o, "silent"));
	return shown && run >= 0 && jsonio_bool(json_array_get(runs, (size_t)run), "silent", false);
}

/* ---- what happened ---- */

enum deed processes_deed(const struct processes *p, const char *event)
{
	static const struct { const char *event; enum deed deed; } EVENTS[] = {
		{ "exec", DEED_PROGRAM }, { "open", DEED_FILE }, { "unlink", DEED_FILE }, { "rmdir", DEED_FILE }, { "mkdir", DEED_FILE },
		{ "mknod", DEED_FILE }, { "rename", DEED_FILE }, { "link", DEED_FILE }, { "symlink", DEED_FILE }, { "chmod", DEED_FILE },
		{ "chown", DEED_FILE }, { "truncate", DEED_FILE }, { "connect", DEED_NETWORK }, { "bind", DEED_NETWORK }, { "listen", DEED_NETWORK },
		{ "sendto", DEED_NETWORK }, { "memory", DEED_MEMORY }, { "memfd", DEED_MEMORY }, { "sleep", DEED_WAIT },
	};

	for (size_t i = 0; i < sizeof EVENTS / sizeof *EVENTS; i++)
		if (!strcmp(event, EVENTS[i].event))
			return EVENTS[i].deed;
	return json_object_get(p->services, event) ? DEED_NETWORK : DEED_OTHER;
}

static void load_services(struct processes *p)
{
	const json_t *o;
	size_t i;

	p->services = json_object();
	json_array_foreach(json_object_get(p->dynamic, "exchanges"), i, o)
		if (i < LINES_READ && jsonio_str(o, "service"))
			json_object_set_new(p->services, jsonio_str(o, "service"), json_true());
}

size_t processes_find(const struct processes *p, json_int_t run, json_int_t pid)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->process[i].pid == pid && p->process[i].run == run)
			return i;
	return NO_PROCESS;
}

/* Each line goes to the image that the process had then: its first one that was executed is that of its first entry. */
static void count_deeds(struct processes *p)
{
	size_t *now = buf_alloc((p->count + 1) * sizeof *now);
	bool *began = buf_alloc(p->count + 1);
	const json_t *o;
	size_t i;

	for (i = 0; i < p->count; i++)
		now[i] = i;
	json_array_foreach(json_object_get(p->dynamic, "timeline"), i, o) {
		const char *event = checked_text(o, "event");
		size_t first = i < LINES_READ ? processes_find(p, processes_run(o), jsonio_int(o, "pid", 0)) : NO_PROCESS;

		if (first == NO_PROCESS)
			continue;
		if (!strcmp(event, "exec") && !json_object_get(o, "error")) {
			if (began[first] && p->process[now[first]].next_image != NO_PROCESS)
				now[first] = p->process[now[first]].next_image;
			began[first] = true;
		} else {
			json_int_t times = jsonio_int(o, "times", 1);

			p->process[now[first]].did[processes_deed(p, event)] += times > 0 && times < 1000000 ? (size_t)times : 1;
		}
	}
	free(now);
	free(began);
}

/* ---- what ran ---- */

static bool starts(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static bool is_made(const struct processes *p, const char *sha256)
{
	const json_t *o;
	size_t i;

	if (!*sha256)
		return false;
	json_array_foreach(json_object_get(p->dynamic, "files"), i, o)
		if (i < LINES_READ && !strcmp(checked_text(o, "sha256"), sha256))
			return true;
	return false;
}

static enum image image_of(const struct processes *p, const struct process *q)
{
	const char *path = checked_text(q->o, "path"), *sample = checked_text(p->dynamic, "path"), *sha256 = checked_text(q->o, "sha256");
	const struct process *parent = q->parent == NO_PROCESS ? NULL : &p->process[q->parent];
	json_t *file = json_object_get(q->o, "file");

	if ((*sha256 && !strcmp(sha256, checked_text(p->dynamic, "sha256"))) || (*sample && file && !strcmp(checked_text(q->o, "file"), sample)))
		return IMAGE_SAMPLE;
	/* A fork goes on with its parent's program: of a script too. */
	if (parent && !file && json_equal(json_object_get(q->o, "argv"), json_object_get(parent->o, "argv")) && !strcmp(path, checked_text(parent->o, "path")))
		return parent->image;
	if (is_made(p, sha256))
		return IMAGE_MADE;
	if (starts(path, "/memfd:"))
		return IMAGE_MEMORY;
	return starts(path, "/usr/") || starts(path, "/bin/") || starts(path, "/sbin/") || starts(path, "/lib") ? IMAGE_SYSTEM : IMAGE_OTHER;
}

/* The last one before it that had its parent's number; a program that was executed in its place is its own child. */
static size_t parent_of(const struct processes *p, size_t i)
{
	const struct process *q = &p->process[i];
	json_int_t ppid = jsonio_int(q->o, "ppid", 0);

	for (size_t k = i; k-- > 0;)
		if (p->process[k].run == q->run && p->process[k].pid == q->pid && json_equal(json_object_get(p->process[k].o, "ppid"), json_object_get(q->o, "ppid")))
			return k;
	for (size_t k = i; k-- > 0;)
		if (p->process[k].run == q->run && p->process[k].pid == ppid)
			return k;
	return NO_PROCESS;
}

static void load(struct processes *p)
{
	const json_t *list = json_object_get(p->dynamic, "processes"), *o;
	size_t i;

	p->process = buf_alloc(PROCESSES_TOLD * sizeof *p->process);
	json_array_foreach(list, i, o) {
		struct process *q = &p->process[p->count];

		if (p->count == PROCESSES_TOLD || !json_is_object(o)) {
			p->left_out++;
			continue;
		}
		*q = (struct process){ .o = o, .run = processes_run(o), .pid = jsonio_int(o, "pid", 0), .next_image = NO_PROCESS, .as = p->count, .times = 1 };
		q->last = q->pid;
		q->parent = parent_of(p, p->count);
		q->depth = q->parent == NO_PROCESS ? 0 : p->process[q->parent].depth + 1;
		if (q->parent != NO_PROCESS && p->process[q->parent].pid == q->pid)
			p->process[q->parent].next_image = p->count;
		if (q->depth > DEEPEST) {
			q->parent = p->process[q->parent].parent;
			q->depth = DEEPEST;
		}
		q->image = image_of(p, q);
		p->count++;
	}
}

/* ---- rows ---- */

static bool look_alike(const struct process *a, const struct process *b)
{
	static const char *const KEYS[] = { "path", "argv", "end", "comm", "sha256" };

	if (a->run != b->run || a->parent != b->parent || a->pid == b->pid)
		return false;
	for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
		const json_t *x = json_object_get(a->o, KEYS[i]), *y = json_object_get(b->o, KEYS[i]);

		if (x != y && !(x && y && json_equal(x, y)))
			return false;
	}
	return true;
}

/* A process without children that is like the one its parent started before it is told with that one: a loop is one row. */
static void fold(struct processes *p, const bool *has_child)
{
	size_t *before = buf_alloc((p->count + 1) * sizeof *before);   /* the last child of each parent, behind all: of nobody */

	for (size_t i = 0; i <= p->count; i++)
		before[i] = NO_PROCESS;
	for (size_t i = 0; i < p->count; i++) {
		struct process *q = &p->process[i], *to;
		size_t *last = &before[q->parent == NO_PROCESS ? p->count : q->parent];

		if (*last == NO_PROCESS || has_child[i] || has_child[*last] || !look_alike(&p->process[*last], q)) {
			*last = i;
			continue;
		}
		q->as = *last;
		to = &p->process[*last];
		to->times++;
		to->last = q->pid > to->last ? q->pid : to->last;
		for (int d = 0; d < DEEDS; d++)
			to->did[d] += q->did[d];
	}
	free(before);
}

/* Depth first, without recursion: how deep it goes is not ours to say. */
static void order(struct processes *p)
{
	size_t n = p->count, *next = buf_alloc((n + 1) * sizeof *next), *child = buf_alloc((n + 1) * sizeof *child), at;

	for (size_t i = 0; i <= n; i++)
		next[i] = child[i] = NO_PROCESS;
	/* From the end, so that the first child is found first; child[n]: those that are nobody's. */
	for (size_t i = n; i-- > 0;) {
		size_t parent = p->process[i].parent == NO_PROCESS ? n : p->process[i].parent;

		if (p->process[i].as != i)
			continue;
		next[i] = child[parent];
		child[parent] = i;
	}
	p->row = buf_alloc((n + 1) * sizeof *p->row);
	for (at = child[n]; at != NO_PROCESS;) {
		p->row[p->rows++] = at;
		if (child[at] != NO_PROCESS) {
			at = child[at];
			continue;
		}
		while (at != NO_PROCESS && next[at] == NO_PROCESS)
			at = p->process[at].parent;
		at = at == NO_PROCESS ? at : next[at];
	}
	free(next);
	free(child);
}

void processes_load(struct processes *p, const json_t *dynamic)
{
	bool *has_child;

	*p = (struct processes){ .dynamic = dynamic };
	load_services(p);
	load(p);
	count_deeds(p);
	has_child = buf_alloc(p->count + 1);
	for (size_t i = 0; i < p->count; i++)
		if (p->process[i].parent != NO_PROCESS)
			has_child[p->process[i].parent] = true;
	fold(p, has_child);
	free(has_child);
	order(p);
}

void processes_free(struct processes *p)
{
	free(p->process);
	free(p->row);
	json_decref(p->services);
}
