#include "casefile/internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* Below this a thread is not worth its start. */
#define THREAD_FROM (8 * MIB)
#define JOBS 8

struct job { const unsigned char *p; size_t n; };
struct hasher {
	struct digest *digest;
	bool threaded;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct job jobs[JOBS];    /* [done % JOBS] is at work */
	uint64_t put, done;
	uint64_t enough;          /* whoever waits goes on when no more than so many are undone */
	bool stop;
};

struct hasher *hasher_new(void)
{
	struct hasher *h = buf_alloc(sizeof *h);

	h->digest = digest_new();
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->changed, NULL);
	return h;
}

static void *hasher_work(void *arg)
{
	struct hasher *h = arg;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		struct job j;

		while (h->done == h->put && !h->stop)
			pthread_cond_wait(&h->changed, &h->lock);
		if (h->done == h->put)
			break;
		j = h->jobs[h->done % JOBS];
		pthread_mutex_unlock(&h->lock);
		digest_add(h->digest, j.p, j.n);
		pthread_mutex_lock(&h->lock);
		h->done++;
		if (h->put - h->done <= h->enough)
			pthread_cond_broadcast(&h->changed);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

void hasher_begin(struct hasher *h, uint64_t size)
{
	sigset_t all, old;

	if (size < THREAD_FROM)
		return;
	h->stop = false;
	/* Signals are the tool's own. Without a thread it is slower, nothing else. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	h->threaded = pthread_create(&h->thread, NULL, hasher_work, h) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Until no more than `left` jobs are undone. */
static void hasher_wait(struct hasher *h, uint64_t left)
{
	h->enough = left;
	while (h->put - h->done > left)
		pthread_cond_wait(&h->changed, &h->lock);
}

void hasher_add(struct hasher *h, const void *p, size_t n, bool stays)
{
	if (!h->threaded) {
		digest_add(h->digest, p, n);
		return;
	}
	pthread_mutex_lock(&h->lock);
	/* When it is full, half of it at once: waking for each job would cost more than the job. */
	if (h->put - h->done == JOBS)
		hasher_wait(h, JOBS / 2);
	h->jobs[h->put++ % JOBS] = (struct job){ p, n };
	if (h->put - h->done == 1)
		pthread_cond_broadcast(&h->changed);
	if (!stays)
		hasher_wait(h, 0);
	pthread_mutex_unlock(&h->lock);
}

void hasher_release(struct hasher *h, const void *from, size_t n)
{
	const unsigned char *p = from;
	uint64_t last = 0;   /* the last job in there, and one */

	if (!h->threaded)
		return;
	pthread_mutex_lock(&h->lock);
	for (uint64_t i = h->done; i < h->put; i++)
		if (h->jobs[i % JOBS].p < p + n && h->jobs[i % JOBS].p + h->jobs[i % JOBS].n > p)
			last = i + 1;
	if (last > h->done)
		hasher_wait(h, h->put - last < JOBS / 2 ? h->put - last : JOBS / 2);
	pthread_mutex_unlock(&h->lock);
}

void hasher_end(struct hasher *h, char hex[DIGEST_HEX])
{
	if (h->threaded) {
		pthread_mutex_lock(&h->lock);
		h->stop = true;
		pthread_cond_broadcast(&h->changed);
		pthread_mutex_unlock(&h->lock);
		pthread_join(h->thread, NULL);
		h->threaded = false;
	}
	digest_end(h->digest, hex);
}

void hasher_free(struct hasher *h)
{
	char hex[DIGEST_HEX];

	if (!h)
		return;
	hasher_end(h, hex);
	digest_free(h->digest);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->changed);
	free(h);
}
