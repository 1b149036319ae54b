#include "micro/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work, change;   /* there is a job, or the end; a job was begun or done */
	struct pool_job *first, **last;
	unsigned waiting, workers;
	bool stop;
	void (*run)(void *ctx, struct pool_job *job);
	void *ctx;
	pthread_t thread[];
};

static void *serve(void *arg)
{
	struct pool *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct pool_job *job;

		while (!p->first && !p->stop)
			pthread_cond_wait(&p->work, &p->lock);
		if (p->stop)
			break;
		job = p->first;
		p->first = job->next;
		if (!p->first)
			p->last = &p->first;
		p->waiting--;
		pthread_cond_broadcast(&p->change);
		pthread_mutex_unlock(&p->lock);
		p->run(p->ctx, job);
		pthread_mutex_lock(&p->lock);
		job->done = true;
		pthread_cond_broadcast(&p->change);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

struct pool *pool_open(unsigned workers, void (*run)(void *ctx, struct pool_job *job), void *ctx, struct err *e)
{
	struct pool *p = buf_alloc(sizeof *p + workers * sizeof *p->thread);
	int rc;

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->change, NULL);
	p->last = &p->first;
	p->run = run;
	p->ctx = ctx;
	for (; p->workers < workers; p->workers++) {
		rc = pthread_create(&p->thread[p->workers], NULL, serve, p);
		if (!rc)
			continue;
		errno = rc;
		err_sys(e, "cannot start a worker");
		pool_close(p);
		return NULL;
	}
	return p;
}

void pool_add(struct pool *p, struct pool_job *job)
{
	job->next = NULL;
	job->done = false;
	pthread_mutex_lock(&p->lock);
	*p->last = job;
	p->last = &job->next;
	p->waiting++;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

bool pool_hungry(struct pool *p)
{
	bool hungry;

	pthread_mutex_lock(&p->lock);
	hungry = p->waiting < p->workers;
	pthread_mutex_unlock(&p->lock);
	return hungry;
}

bool pool_done(struct pool *p, const struct pool_job *job)
{
	bool done;

	pthread_mutex_lock(&p->lock);
	done = job->done;
	pthread_mutex_unlock(&p->lock);
	return done;
}

void pool_wait(struct pool *p, const struct pool_job *job, bool or_hungry)
{
	pthread_mutex_lock(&p->lock);
	while (!job->done && !(or_hungry && p->waiting < p->workers))
		pthread_cond_wait(&p->change, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

void pool_close(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->workers; i++)
		pthread_join(p->thread[i], NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->change);
	free(p);
}
