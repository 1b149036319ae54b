#include "internet/internal.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#define PREFIX6 "2606:4700::"

int64_t net_now(const struct net *n)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (t.tv_sec * 1000000000LL + t.tv_nsec + n->offset_ns) / 1000000000;
}

/* Where names lead when the settings say nothing: ranges of large hosters, as the names of the world do. */
static json_t *default_pools(void)
{
	return json_pack("[s,s,s,s]", "104.16.0.0/13", "151.101.0.0/16", "185.199.108.0/22", "95.216.0.0/16");
}

static int open_names(struct net *n, struct err *e)
{
	json_t *dns = json_object_get(n->settings, "dns");
	const char *prefix = serve_text(n, "dns", "prefix6", PREFIX6);
	json_t *pools = json_object_get(dns, "pools");

	pools = json_is_array(pools) ? json_incref(pools) : default_pools();
	n->names = names_new(pools, prefix);
	json_decref(pools);
	if (!n->names)
		return err_set(e, EX_CONFIG, "the pools of addresses are none");
	n->dns = (struct dns_settings){ .names = n->names, .txt = serve_list(n, "dns", "txt"), .nxdomain = serve_list(n, "dns", "nxdomain"),
					.ttl = (unsigned)serve_number(n, "dns", "ttl", 300) };
	return 0;
}

static int open_all(struct net *n, const struct internet_options *o, struct err *e)
{
	n->epoll = loop_open(e);
	if (n->epoll < 0 || serve_load(n->serve, n->settings, e) || open_names(n, e))
		return -1;
	n->tls = tls_context_new(n, e);
	if (!n->tls)
		return -1;
	n->capture = capture_open(n, o->pcap, e);
	if (!n->capture || ports_standing(n, e))
		return -1;
	if (loop_add(n, &n->control, EPOLLIN))
		return err_sys(e, "cannot wait for the control socket");
	return 0;
}

static void close_all(struct net *n)
{
	conn_end_all(n);
	if (n->names)
		udp_end(n, 0);
	ports_free(n);
	loop_bury(n);
	capture_close(n->capture);
	tls_context_free(n->tls);
	names_free(n->names);
	record_close(&n->record);
	json_decref(n->limits);
	buf_free(&n->asked);
	buf_free(&n->grave);
	io_close(&n->epoll);
	free(n->serve);
	free(n);
}

int internet_run(const struct internet_options *o, struct err *e)
{
	struct net *n = buf_alloc(sizeof *n);
	struct timespec t;
	int rc = -1;

	signal(SIGPIPE, SIG_IGN);
	clock_gettime(CLOCK_MONOTONIC, &t);
	n->began_ns = t.tv_sec * 1000000000LL + t.tv_nsec;
	n->epoll = -1;
	n->control = (struct watch){ o->control, control_ready };
	n->settings = o->settings;
	n->serve = buf_alloc(sizeof *n->serve);
	n->ports = buf_alloc(sizeof *n->ports);
	n->limits = json_array();
	record_open(&n->record, o->records);
	if (open_all(n, o, e) == 0 && (!o->ready || o->ready(e) == 0)) {
		if (control_say(n, json_pack("{s:b,s:I}", "ready", 1, "monotonic_ns", (json_int_t)n->began_ns)))
			err_sys(e, "cannot write to the control socket");
		else
			rc = loop_run(n, e);
	}
	close_all(n);
	return rc;
}
