#include "garden/garden-internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILE_BYTES 2147483648LL   /* one file, memory files included */

struct running {
	struct world *world;
	struct run *run;
	int sock, events;
	int table;
	struct gateway gateway;
	int64_t began_ns;
};

static const char *const ENVIRONMENT[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
	"LANG=C.UTF-8", "TERM=linux", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", NULL };

static json_t *names(const char *const *list)
{
	json_t *a = json_array();

	for (; list && *list; list++)
		json_array_append_new(a, jsonio_name(*list));
	return a;
}

static json_t *request(const char *what, const struct run *r)
{
	json_t *q = json_object();

	json_object_set_new(q, "do", json_string(what));
	if (r->path)
		json_object_set_new(q, "path", jsonio_name(r->path));
	if (r->cwd)
		json_object_set_new(q, "cwd", jsonio_name(r->cwd));
	json_object_set_new(q, "argv", names(r->argv));
	json_object_set_new(q, "envp", names(r->envp ? r->envp : ENVIRONMENT));
	json_object_set_new(q, "events_max", json_integer(r->events_max && r->events_max < GARDEN_EVENTS ? r->events_max : GARDEN_EVENTS));
	json_object_set_new(q, "uid", json_integer(r->uid));
	json_object_set_new(q, "seconds", json_integer(r->seconds > 0 ? r->seconds : 60));
	json_object_set_new(q, "memory", json_integer((json_int_t)(r->memory_bytes ? r->memory_bytes : GIB)));
	json_object_set_new(q, "processes", json_integer(r->processes ? r->processes : 64));
	json_object_set_new(q, "bend", json_boolean(r->bend));
	json_object_set_new(q, "start", json_integer(r->start_ns));
	json_object_set_new(q, "file", json_integer(FILE_BYTES));
	return q;
}

static int open_table(struct running *g, struct err *e)
{
	json_t *q = request("table", g->run);
	struct message m;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		json_decref(q);
		return err_sys(e, "cannot make a socket");
	}
	g->sock = pair[0];
	r = message_call(world_socket(g->world), q,
			 (struct message_fd[]){ { "sock", pair[1] }, { NULL, -1 } }, GARDEN_REPLY_MS, &m, e);
	close(pair[1]);
	if (r)
		return -1;
	g->table = (int)jsonio_int(m.body, "table", 0);
	g->run->grouped = jsonio_bool(m.body, "grouped", false);
	message_free(&m);
	/* The new init's first word: ready, or why not. */
	r = message_receive(g->sock, GARDEN_REPLY_MS, &m, e);
	if (r == 0)
		err_set(e, EX_UNAVAILABLE, "the garden's init ended at once");
	if (r == 1 && jsonio_str(m.body, "error"))
		r = err_set(e, (int)jsonio_int(m.body, "code", EX_SOFTWARE), "%s", jsonio_str(m.body, "error"));
	message_free(&m);
	return r == 1 ? 0 : -1;
}

/* The run's namespaces are given out by its init alone, before anything else runs in them. */
static int open_gateway(struct running *g, struct err *e)
{
	const char *settings = world_internet(g->world);
	struct message m;
	struct err why = { 0 };
	int user, net, rc;

	if (!settings || g->run->offline)
		return 0;
	if (message_call(g->sock, json_pack("{s:s}", "do", "namespaces"), NULL, GARDEN_REPLY_MS, &m, e))
		return -1;
	user = message_take(&m, "user");
	net = message_take(&m, "net");
	rc = user < 0 || net < 0 ? err_set(e, EX_SOFTWARE, "a run without namespaces") :
		gateway_start(&g->gateway, settings, user, net, g->run->capture > 0 ? g->run->capture : -1, &why);
	/* Bad settings are to be mended; where there is no such thing a sample is still worth a run, and the run says so. */
	if (rc && why.code == EX_UNAVAILABLE) {
		msg_warn("%s; the sample is run without", why.msg);
		g->run->net = gateway_lost();
		rc = 0;
	} else if (rc && why.code) {
		*e = why;
	}
	io_close(&user);
	io_close(&net);
	message_free(&m);
	return rc;
}

static void drop(struct running *g)
{
	struct message m;
	struct err ignored;

	gateway_drop(&g->gateway);
	io_close(&g->sock);
	if (g->table > 0 && message_call(world_socket(g->world), json_pack("{s:s, s:i}", "do", "end", "table", g->table), NULL,
					 GARDEN_REPLY_MS, &m, &ignored) == 0)
		message_free(&m);
	io_close(&g->events);
	free(g);
}

struct running *run_start(struct world *w, struct run *r, struct err *e)
{
	struct running *g = buf_alloc(sizeof *g);
	struct message m;

	*g = (struct running){ .world = w, .run = r, .sock = -1, .events = -1, .gateway = { .control = -1, .records = -1 } };
	r->status = r->exec_errno = 0;
	r->timed_out = r->limit_memory = r->limit_processes = r->limit_events = r->settled = false;
	r->elapsed = 0;
	r->skipped_ns = 0;
	r->net = NULL;
	if (r->events) {
		g->events = memfd_create("events", MFD_CLOEXEC);
		if (g->events < 0) {
			err_sys(e, "cannot make a memory file");
			goto fail;
		}
	}
	if (open_table(g, e) || open_gateway(g, e))
		goto fail;
	/* Not the init's: its clock is the run's. */
	g->began_ns = clock_mono_ms() * 1000000;
	if (message_call(g->sock, request("run", r), (struct message_fd[]){ { "in", r->in }, { "out", r->out }, { "err", r->errfd },
			 { "events", g->events }, { "dumps", r->dumps > 0 ? r->dumps : -1 },
			 { "gateway", g->gateway.control }, { NULL, -1 } }, GARDEN_REPLY_MS, &m, e))
		goto fail;
	r->exec_errno = (int)jsonio_int(m.body, "exec_errno", 0);
	message_free(&m);
	return g;
fail:
	err_wrap(e, "cannot run in the garden");
	drop(g);
	return NULL;
}

int run_settle(struct running *g, int ms, int quiet_ms, struct err *e)
{
	struct message m;
	int state;

	if (message_call(g->sock, json_pack("{s:s, s:i, s:i}", "do", "settle", "ms", ms, "quiet", quiet_ms), NULL,
			 ms + GARDEN_REPLY_MS, &m, e))
		return -1;
	state = (int)jsonio_int(m.body, "state", 0);
	message_free(&m);
	return state;
}

int run_beside(struct running *g, struct run *r, struct err *e)
{
	struct message m;
	int seconds = r->seconds > 0 ? r->seconds : 60;

	if (message_call(g->sock, request("beside", r), (struct message_fd[]){ { "in", r->in }, { "out", r->out }, { "err", r->errfd },
			 { NULL, -1 } }, seconds * 1000 + GARDEN_REPLY_MS, &m, e))
		return -1;
	r->exec_errno = (int)jsonio_int(m.body, "exec_errno", 0);
	r->status = (int)jsonio_int(m.body, "status", 0);
	r->timed_out = jsonio_bool(m.body, "timed_out", false);
	r->elapsed = jsonio_num(m.body, "elapsed", 0);
	message_free(&m);
	return 0;
}

json_t *run_processes(struct running *g, struct err *e)
{
	struct message m;
	json_t *list;

	if (message_call(g->sock, json_pack("{s:s}", "do", "processes"), NULL, GARDEN_REPLY_MS, &m, e))
		return NULL;
	list = json_incref(json_object_get(m.body, "processes"));
	message_free(&m);
	if (!list)
		err_set(e, EX_SOFTWARE, "no processes in the garden's answer");
	return list;
}

int run_stop(struct running *g, struct err *e)
{
	struct message m;
	struct run *r = g->run;
	int rc = message_call(g->sock, json_pack("{s:s}", "do", "stop"), NULL, GARDEN_REPLY_MS, &m, e);

	if (rc == 0) {
		r->status = (int)jsonio_int(m.body, "status", 0);
		r->timed_out = jsonio_bool(m.body, "timed_out", false);
		r->limit_memory = jsonio_bool(m.body, "limit_memory", false);
		r->limit_processes = jsonio_bool(m.body, "limit_processes", false);
		r->elapsed = jsonio_num(m.body, "elapsed", 0);
		r->skipped_ns = jsonio_int(m.body, "skipped", 0);
		message_free(&m);
		rc = record_collect(r, g->events, e);
	}
	if (rc == 0 && g->gateway.control >= 0)
		r->net = gateway_stop(&g->gateway, r->exchanges, g->began_ns);
	drop(g);
	return rc;
}
