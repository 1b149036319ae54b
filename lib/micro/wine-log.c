#include "micro/wine.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define LOG_MAX (64 * MIB)       /* a loop of calls fills a disk otherwise */

static void *read_all(void *arg)
{
	struct wine_log *d = arg;
	char block[65536];
	ssize_t n;

	while ((n = read(d->from, block, sizeof block)) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0 || d->kept >= LOG_MAX)
			continue;
		d->kept += (uint64_t)n;
		if (io_write(d->to, block, (size_t)n))
			d->kept = LOG_MAX;
	}
	return NULL;
}

int log_begin(struct wine_log *d, struct err *e)
{
	int ends[2];

	*d = (struct wine_log){ .from = -1, .to = io_tmp(e) };
	if (d->to < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC))
		return err_sys(e, "cannot make a pipe");
	d->from = ends[0];
	if (pthread_create(&d->thread, NULL, read_all, d)) {
		close(ends[1]);
		return err_set(e, EX_TEMPFAIL, "cannot make a thread");
	}
	d->running = true;
	return ends[1];
}

void log_end(struct wine_log *d)
{
	if (d->running)
		pthread_join(d->thread, NULL);
	d->running = false;
	io_close(&d->from);
}
