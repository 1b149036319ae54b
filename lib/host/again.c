/* The same processes looked at again: code that changes, comes and goes. */
#include "host/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASSES 4u             /* looks behind the first one, evenly spread */
#define CAP_SAMPLES 65536u

/* What a process held when it was looked at last. */
struct sample {
	pid_t pid;
	uint64_t start;
	const struct piece *exe;  /* another one: it became another program */
	struct span *spans, *texts;
	size_t span_count, text_count;
};

struct again {
	struct sample *sample;
	size_t count;
};

static struct sample *sample_of(const struct again *a, const struct proc *p, const struct piece *exe)
{
	size_t i;

	for (i = 0; i < a->count; i++)
		if (a->sample[i].pid == p->pid && a->sample[i].start == p->start && a->sample[i].exe == exe)
			return &a->sample[i];
	return NULL;
}

bool again_known(const struct host *h, const struct proc *p, const struct piece *exe)
{
	return h->pass && sample_of(h->again, p, exe);
}

static const struct span *overlapping(const struct span *list, size_t n, const struct span *s)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i].start < s->end && s->start < list[i].end)
			return &list[i];
	return NULL;
}

/* Memory that a runtime makes changes all the time. */
static bool counts(const struct span *s)
{
	return !s->expected && !strcmp(s->piece->kind, "memory");
}

static void compare_memory(struct host *h, const struct proc *p, const struct sample *old, const struct span *spans, size_t n)
{
	const struct span *s, *now;
	size_t i;

	for (i = 0; i < old->span_count; i++) {
		s = &old->spans[i];
		if (!counts(s))
			continue;
		now = overlapping(spans, n, s);
		if (!now)
			piece_sign(h, s->piece, "memory-vanished", "process %d (%s) executed it at %llx, and did so no more a little later", (int)p->pid,
			           p->comm, (unsigned long long)s->start);
		else if (now->piece != s->piece && counts(now)) {
			piece_sign(h, s->piece, "memory-changing", "at %llx of process %d (%s) stood %.12s a little later", (unsigned long long)s->start,
			           (int)p->pid, p->comm, now->piece->sha256);
			piece_sign(h, now->piece, "memory-changing", "at %llx of process %d (%s) stood %.12s a little before",
			           (unsigned long long)now->start, (int)p->pid, p->comm, s->piece->sha256);
		}
	}
	for (i = 0; i < n; i++)
		if (counts(&spans[i]) && !overlapping(old->spans, old->span_count, &spans[i]))
			piece_sign(h, spans[i].piece, "memory-appeared", "process %d (%s) executes it at %llx, and did not a little before", (int)p->pid,
			           p->comm, (unsigned long long)spans[i].start);
}

static void compare_text(struct host *h, const struct proc *p, const struct span *from, size_t n, const struct span *to, size_t count,
                         const char *how)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const struct span *s = overlapping(to, count, &from[i]);

		if (!s || s->hash != from[i].hash)
			piece_sign(h, from[i].piece, "memory-changing", "its code in process %d (%s) at %llx %s", (int)p->pid, p->comm,
			           (unsigned long long)from[i].start, s ? "changed from one look to the next" : how);
	}
}

static struct span *copy(const struct span *list, size_t n)
{
	struct span *mine = buf_realloc(NULL, n + 1, sizeof(*list));

	if (n)
		memcpy(mine, list, n * sizeof(*list));
	return mine;
}

void again_note(struct host *h, const struct proc *p, const struct piece *exe, const struct span *spans, size_t span_count,
                const struct span *texts, size_t text_count)
{
	struct again *a = h->again;
	struct sample *s;

	if (!a)
		return;
	s = sample_of(a, p, exe);
	if (s) {
		compare_memory(h, p, s, spans, span_count);
		compare_text(h, p, s->texts, s->text_count, texts, text_count, "was put back");
		compare_text(h, p, texts, text_count, s->texts, s->text_count, "was changed meanwhile");
		free(s->spans);
		free(s->texts);
	} else {
		if (a->count >= CAP_SAMPLES)
			return;
		if (!(a->count & (a->count - 1)))
			a->sample = buf_realloc(a->sample, a->count ? a->count * 2 : 1, sizeof(*a->sample));
		s = &a->sample[a->count++];
	}
	*s = (struct sample){ p->pid, p->start, exe, copy(spans, span_count), copy(texts, text_count), span_count, text_count };
}

void again_begin(struct host *h)
{
	h->again = buf_alloc(sizeof(*h->again));
}

int again_look(struct host *h, unsigned seconds, pid_t only, struct err *e)
{
	struct pid_found one = { .pid = only }, *list;
	int rc = 0;

	for (h->pass = 1; !rc && h->pass <= PASSES; h->pass++) {
		int64_t until = clock_mono_ms() + (int64_t)seconds * 1000 / PASSES;
		size_t n = 1, i;

		msg_info("looked at %u of %u times", h->pass, PASSES + 1);
		for (; clock_mono_ms() < until; watch_beat())
			watch_rest(50000000);
		list = &one;
		if (!only)
			/* who hides is sought as long as it takes only once more */
			n = h->pass < PASSES ? pids_visible(h, &list) : pids_list(h, &list);
		for (i = 0; !rc && i < n; i++)
			rc = host_look_at(h, &list[i], e);
		if (list != &one)
			free(list);
	}
	return rc;
}

void again_free(struct host *h)
{
	size_t i;

	for (i = 0; h->again && i < h->again->count; i++) {
		free(h->again->sample[i].spans);
		free(h->again->sample[i].texts);
	}
	if (h->again)
		free(h->again->sample);
	free(h->again);
}
