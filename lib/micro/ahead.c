#include "micro/ahead.h"

#include "casefile/casefile.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How far reading may be ahead of a piece that takes its time: what waits to be written is in memory, its bodies in files. */
#define AHEAD_PIECES 256u
#define AHEAD_MEMORY (256 * MIB)
#define AHEAD_FILES 256u            /* descriptors: a process has 1,024 as a rule */

struct ahead {
	struct casein *in;
	bool at_end;
	const json_t *bodies;
	struct job *first, **last;      /* given to the workers, in the case's order */
	struct job *open;               /* the one that is being read */
	size_t pieces;
	_Atomic size_t memory, files;
	struct pool *pool;
	void (*analyse)(void *ctx, struct job *job);
	void *ctx;
};

void job_free(struct job *j)
{
	if (!j)
		return;
	json_decref(j->about);
	io_close(&j->body);
	buf_free(&j->old_static);
	buf_free(&j->old_dynamic);
	learnt_parts_free(&j->parts);
	free(j);
}

/* What Jansson takes for it, roughly: enough to hold a bound. Its depth was bounded when it was parsed. */
static size_t weight(const json_t *v)
{
	size_t n = 40, i;
	const char *key;
	json_t *o;

	if (json_is_string(v))
		return n + json_string_length(v);
	if (json_is_array(v)) {
		json_array_foreach(v, i, o)
			n += 8 + weight(o);
	} else if (json_is_object(v)) {
		json_object_foreach((json_t *)(uintptr_t)v, key, o)
			n += 64 + strlen(key) + weight(o);
	}
	return n;
}

static void work(void *ctx, struct pool_job *link)
{
	struct ahead *a = ctx;
	struct job *j = (struct job *)link;

	a->analyse(a->ctx, j);
	if (j->body >= 0) {
		io_close(&j->body);
		atomic_fetch_sub(&a->files, 1);
	}
	j->held = weight(j->parts.stat) + weight(j->parts.dynamic) + j->parts.disasm.len;
	atomic_fetch_add(&a->memory, j->held);
	atomic_fetch_add(&a->files, j->parts.extra.count);
}

/* ---- reading ---- */

static void hand_over(struct ahead *a)
{
	struct job *j = a->open;

	if (!j)
		return;
	a->open = NULL;
	*a->last = j;
	a->last = &j->next;
	a->pieces++;
	pool_add(a->pool, &j->link);
}

static int begin(struct ahead *a, const struct member *m, struct err *e)
{
	json_t *about;

	hand_over(a);
	about = casein_json(a->in, e);
	if (!about)
		return -1;
	a->open = buf_alloc(sizeof *a->open);
	a->open->body = -1;
	a->open->about = about;
	memcpy(a->open->sha256, m->code, sizeof a->open->sha256);
	return 0;
}

static int take_body(struct ahead *a, struct err *e)
{
	const void *p;
	ssize_t n;

	a->open->body = io_tmp(e);
	if (a->open->body < 0)
		return -1;
	atomic_fetch_add(&a->files, 1);
	while ((n = casein_block(a->in, &p, e)) > 0)
		if (io_write(a->open->body, p, (size_t)n))
			return err_sys(e, "cannot hold a body in a temporary file");
	return n < 0 ? -1 : 0;
}

static int take(struct ahead *a, const struct member *m, struct err *e)
{
	if (!a->open)
		return err_set(e, EX_DATAERR, "a member of code stands before its about.json");
	if (m->kind == MEMBER_BODY)
		return take_body(a, e);
	if (m->kind != MEMBER_CODE || json_object_get(a->bodies, m->code))
		return 0;
	if (!strcmp(m->name, "static.json"))
		return casein_load(a->in, CAP_JSON, &a->open->old_static, e);
	if (!strcmp(m->name, "dynamic.json"))
		return casein_load(a->in, CAP_JSON, &a->open->old_dynamic, e);
	return 0;
}

/* Until one more piece was read and handed over, or the end. */
static int read_piece(struct ahead *a, struct err *e)
{
	size_t before = a->pieces;
	const struct member *m;
	int rc = 0;

	while (a->pieces == before && !a->at_end) {
		rc = casein_next(a->in, &m, e);
		if (rc < 0)
			return -1;
		a->at_end = rc == 0;
		if (rc == 0 || !*m->code)
			hand_over(a);
		else if (m->kind == MEMBER_ABOUT ? begin(a, m, e) : take(a, m, e))
			return -1;
	}
	return 0;
}

static bool has_room(struct ahead *a)
{
	return a->pieces < AHEAD_PIECES && atomic_load(&a->memory) < AHEAD_MEMORY && atomic_load(&a->files) < AHEAD_FILES;
}

/* ---- the room's side ---- */

struct ahead *ahead_open(int in, const json_t *bodies, unsigned workers, void (*analyse)(void *ctx, struct job *job), void *ctx, struct err *e)
{
	struct ahead *a = buf_alloc(sizeof *a);

	a->bodies = bodies;
	a->last = &a->first;
	a->analyse = analyse;
	a->ctx = ctx;
	a->in = casein_open(in, e);
	a->pool = a->in ? pool_open(workers, work, a, e) : NULL;
	if (a->pool)
		return a;
	ahead_close(a);
	return NULL;
}

struct job *ahead_next(struct ahead *a, const char *sha256, struct err *e)
{
	struct job *j;

	if (!a->first && read_piece(a, e))
		return NULL;
	j = a->first;
	if (!j || strcmp(j->sha256, sha256)) {
		err_set(e, EX_DATAERR, "the case changed while it was read");
		return NULL;
	}
	while (!pool_done(a->pool, &j->link)) {
		bool more = !a->at_end && has_room(a);

		if (!more || !pool_hungry(a->pool))
			pool_wait(a->pool, &j->link, more);
		else if (read_piece(a, e))
			return NULL;
	}
	a->first = j->next;
	if (!a->first)
		a->last = &a->first;
	a->pieces--;
	atomic_fetch_sub(&a->memory, j->held);
	atomic_fetch_sub(&a->files, j->parts.extra.count);
	return j;
}

void ahead_close(struct ahead *a)
{
	if (!a)
		return;
	pool_close(a->pool);
	for (struct job *j = a->first, *next; j; j = next) {
		next = j->next;
		job_free(j);
	}
	job_free(a->open);
	casein_close(a->in);
	free(a);
}
