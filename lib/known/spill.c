#include "known/spill.h"

#include <pthread.h>
#include <stdlib.h>

#define BATCH 8192u   /* entries: they fit a processor's cache */
#define BATCHES 4u

struct batch { size_t n; struct entry p[BATCH]; };

struct spill {
	struct spread *spread;          /* the thread's while batches are handed over that it did not give back */
	struct batch *batches;          /* BATCHES of them; number i stands at i % BATCHES */
	bool has_thread;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t turned;
	/* under the lock, but that only the one who adds changes `handed` */
	uint64_t handed, done;
	bool ending, failed;
	struct err err;
};

struct spill *spill_new(struct err *e)
{
	struct spill *s = buf_alloc(sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->turned, NULL);
	if (!(s->spread = spread_new(e))) {
		spill_free(s);
		return NULL;
	}
	s->batches = buf_realloc(NULL, BATCHES, sizeof(*s->batches));
	for (size_t i = 0; i < BATCHES; i++)
		s->batches[i].n = 0;
	return s;
}

static struct batch *batch_of(struct spill *s, uint64_t number)
{
	return &s->batches[number % BATCHES];
}

/* The lock is not held: nobody else touches a batch that was handed over, nor what it is spread over. */
static bool spread_batch(struct spill *s, struct batch *b)
{
	bool good = spread_add(s->spread, b->p, b->n, &s->err) == 0;

	b->n = 0;
	return good;
}

static void *run(void *ctx)
{
	struct spill *s = ctx;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		bool good;

		while (!s->ending && !s->failed && s->done == s->handed)
			pthread_cond_wait(&s->turned, &s->lock);
		if (s->failed || s->done == s->handed)
			break;
		pthread_mutex_unlock(&s->lock);
		good = spread_batch(s, batch_of(s, s->done));
		pthread_mutex_lock(&s->lock);
		s->done++;
		s->failed |= !good;
		pthread_cond_broadcast(&s->turned);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* With the lock held: until no more than `most` batches are with the thread. */
static int wait_for(struct spill *s, uint64_t most, struct err *e)
{
	while (!s->failed && s->handed - s->done > most)
		pthread_cond_wait(&s->turned, &s->lock);
	if (s->failed)
		*e = s->err;
	return s->failed ? -1 : 0;
}

static int hand_over(struct spill *s, struct err *e)
{
	int rc;

	if (!s->has_thread && !s->failed) {
		spread_many(s->spread);
		s->has_thread = !pthread_create(&s->thread, NULL, run, s);
	}
	if (!s->has_thread) {
		s->failed = s->failed || !spread_batch(s, batch_of(s, s->handed));
		if (s->failed)
			*e = s->err;
		return s->failed ? -1 : 0;
	}
	pthread_mutex_lock(&s->lock);
	s->handed++;
	pthread_cond_broadcast(&s->turned);
	rc = wait_for(s, BATCHES - 1, e);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int spill_add(struct spill *s, const struct entry *n, struct err *e)
{
	struct batch *b = batch_of(s, s->handed);

	if (b->n == BATCH) {   /* nobody took it: an earlier call failed */
		*e = s->err;
		return -1;
	}
	b->p[b->n++] = *n;
	return b->n == BATCH ? hand_over(s, e) : 0;
}

/* The last batch as well, without the thread: it has nothing to do then. */
static int drain(struct spill *s, struct err *e)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = wait_for(s, 0, e);
	if (!rc && !spread_batch(s, batch_of(s, s->handed))) {
		s->failed = true;
		*e = s->err;
		rc = -1;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

uint64_t spill_count(struct spill *s)
{
	struct err later;   /* spill_add() and spill_close() tell it */

	if (drain(s, &later) < 0)
		return 1;
	return spread_count(s->spread);
}

static void end_thread(struct spill *s)
{
	if (!s->has_thread)
		return;
	pthread_mutex_lock(&s->lock);
	s->ending = true;
	pthread_cond_broadcast(&s->turned);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	s->has_thread = false;
}

const struct spread *spill_close(struct spill *s, struct err *e)
{
	int rc = drain(s, e);

	end_thread(s);
	return rc < 0 || spread_close(s->spread, e) < 0 ? NULL : s->spread;
}

void spill_free(struct spill *s)
{
	if (!s)
		return;
	end_thread(s);
	pthread_cond_destroy(&s->turned);
	pthread_mutex_destroy(&s->lock);
	spread_free(s->spread);
	free(s->batches);
	free(s);
}
