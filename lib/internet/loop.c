#include "internet/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 32          /* events before the control socket is looked at again: it must be answered at once */
#define DRAIN_ROUNDS 256  /* at the end: a flood does not keep us here */
#define SWEEP_MS 1000     /* how often idle flows are written down */
#define FLOW_IDLE_MS 5000

int loop_open(struct err *e)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return fd < 0 ? err_sys(e, "cannot wait for events") : fd;
}

int loop_add(struct net *n, struct watch *w, uint32_t events)
{
	struct epoll_event v = { .events = events, .data.ptr = w };

	return epoll_ctl(n->epoll, EPOLL_CTL_ADD, w->fd, &v);
}

void loop_change(struct net *n, struct watch *w, uint32_t events)
{
	struct epoll_event v = { .events = events, .data.ptr = w };

	epoll_ctl(n->epoll, EPOLL_CTL_MOD, w->fd, &v);
}

void loop_remove(struct net *n, struct watch *w)
{
	if (w->fd < 0)
		return;
	epoll_ctl(n->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	io_close(&w->fd);
}

void loop_free(struct net *n, void *p)
{
	buf_add(&n->grave, &p, sizeof p);
}

void loop_bury(struct net *n)
{
	void *p;

	for (size_t i = 0; i < n->grave.len; i += sizeof p) {
		memcpy(&p, n->grave.p + i, sizeof p);
		free(p);
	}
	buf_clear(&n->grave);
}

/* A watch whose descriptor was closed by an event before it in the same batch. */
static void dispatch(struct net *n, const struct epoll_event *v)
{
	struct watch *w = v->data.ptr;

	if (w->fd >= 0)
		w->ready(n, w, v->events);
}

void loop_drain(struct net *n)
{
	struct epoll_event v[BATCH];
	int others = 1;

	for (int round = 0; round < DRAIN_ROUNDS && others; round++) {
		int got = epoll_wait(n->epoll, v, BATCH, 0);

		others = 0;
		for (int i = 0; i < got; i++) {
			if (v[i].data.ptr == &n->control)
				continue;
			dispatch(n, &v[i]);
			others++;
		}
		conn_bury(n);
		loop_bury(n);
	}
}

int loop_run(struct net *n, struct err *e)
{
	struct epoll_event v[BATCH];
	int64_t swept = clock_mono_ms(), now, wake;

	while (!n->stopped) {
		int timeout = SWEEP_MS, got;

		wake = conn_wake_all(n);
		if (wake >= 0 && wake < timeout)
			timeout = (int)wake;
		conn_bury(n);
		loop_bury(n);
		got = epoll_wait(n->epoll, v, BATCH, timeout);
		if (got < 0 && errno != EINTR)
			return err_sys(e, "cannot wait for events");
		for (int i = 0; i < got; i++)
			if (v[i].data.ptr == &n->control)
				dispatch(n, &v[i]);
		for (int i = 0; i < got && !n->stopped; i++)
			if (v[i].data.ptr != &n->control)
				dispatch(n, &v[i]);
		now = clock_mono_ms();
		if (now - swept >= SWEEP_MS) {
			udp_end(n, FLOW_IDLE_MS);
			capture_flush(n);
			swept = now;
		}
	}
	return 0;
}
