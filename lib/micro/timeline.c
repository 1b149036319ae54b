/* What happened in a run, in order: the tracer's events and the dummy Internet's exchanges as lines that people read. */
#include "micro/dynamic-internal.h"

#include <string.h>

#define LINES 1000u
#define BACK 16u                 /* lines in which a repetition is looked for */
#define WHAT 300u                /* bytes of one */

/* Steps of every program that say nothing by themselves. */
static const char *const LEFT_OUT[] = { "fork", "socket", "name", "exit" };

static void words(struct buf *b, const json_t *argv)
{
	size_t i;
	json_t *v;

	json_array_foreach(argv, i, v)
		buf_addf(b, "%s%s", i ? " " : "", json_is_string(v) ? json_string_value(v) : "");
}

static void what_exchange(struct buf *b, const json_t *o)
{
	const json_t *dns = json_array_get(json_object_get(o, "dns"), 0), *http = json_array_get(json_object_get(o, "http"), 0);
	const char *name = jsonio_str(o, "name");

	if (dns)
		buf_addf(b, "%s %s", jsonio_text(dns, "type"), jsonio_text(dns, "name"));
	else if (http)
		buf_addf(b, "%s %s%s", jsonio_text(http, "method"), jsonio_text(http, "host"), jsonio_text(http, "path"));
	else
		buf_addf(b, "%s port %lld, %lld bytes", name ? name : jsonio_text(o, "address"), (long long)jsonio_int(o, "port", 0),
			(long long)jsonio_int(o, "received", 0));
}

static void what_event(struct buf *b, const char *event, const json_t *v)
{
	if (!strcmp(event, "exec")) {
		words(b, json_object_get(v, "argv"));
		if (!b->len)
			buf_adds(b, jsonio_text(v, "path"));
	} else if (!strcmp(event, "sleep")) {
		buf_addf(b, "%.9g s", jsonio_num(v, "seconds", 0));
	} else if (!strcmp(event, "memory")) {
		buf_addf(b, "%lld bytes at %s", (long long)jsonio_int(v, "size", 0), jsonio_text(v, "address"));
	} else if (!strcmp(event, "kill")) {
		buf_addf(b, "signal %lld to %lld %s", (long long)jsonio_int(v, "signal", 0), (long long)jsonio_int(v, "target", 0), jsonio_text(v, "service"));
	} else if (jsonio_str(v, "address")) {
		buf_addf(b, "%s %s port %lld", jsonio_text(v, "protocol"), jsonio_text(v, "address"), (long long)jsonio_int(v, "port", 0));
	} else if (jsonio_str(v, "path")) {
		buf_adds(b, jsonio_text(v, "path"));
		if (jsonio_str(v, "to"))
			buf_addf(b, " %s", jsonio_text(v, "to"));
	} else {
		static const char *const KEYS[] = { "syscall", "request", "what", "protocol" };

		for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
			buf_addf(b, "%s", jsonio_text(v, KEYS[i]));
		if (json_object_get(v, "id"))
			buf_addf(b, "%lld", (long long)jsonio_int(v, "id", 0));
	}
}

/* A text of JSON is cut between two characters, not in one. */
static json_t *cut(const struct buf *b)
{
	size_t n = b->len < WHAT ? b->len : WHAT;

	while (n && n < b->len && (b->p[n] & 0xc0) == 0x80)
		n--;
	return json_stringn_nocheck((const char *)b->p, n);
}

static bool repeats(json_t *list, const json_t *o)
{
	size_t n = json_array_size(list);

	for (size_t i = n; i > 0 && n - i < BACK; i--) {
		json_t *was = json_array_get(list, i - 1);

		if (strcmp(jsonio_text(was, "event"), jsonio_text(o, "event")) || strcmp(jsonio_text(was, "what"), jsonio_text(o, "what")) ||
			jsonio_int(was, "pid", 0) != jsonio_int(o, "pid", 0) || !json_object_get(was, "error") != !json_object_get(o, "error"))
			continue;
		json_object_set_new(was, "times", json_integer(jsonio_int(was, "times", 1) + 1));
		return true;
	}
	return false;
}

static void add(json_t *list, const json_t *v, const char *event, const struct buf *what, unsigned *left_out)
{
	static const char *const KEYS[] = { "t", "clock", "pid", "error" };
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
		if (json_object_get(v, KEYS[i]))
			json_object_set(o, KEYS[i], json_object_get(v, KEYS[i]));
	json_object_set_new(o, "event", json_string(event));
	json_object_set_new(o, "what", cut(what));
	if (repeats(list, o)) {
		json_decref(o);
	} else if (json_array_size(list) >= LINES) {
		++*left_out;
		json_decref(o);
	} else {
		json_array_append_new(list, o);
	}
}

static bool left_out_event(const char *event, const json_t *v)
{
	const char *protocol = jsonio_text(v, "protocol");

	/* What the C library asks the kernel and a daemon that is not there; datagrams are told of where they are answered. */
	if (!strcmp(protocol, "netlink") || (!strcmp(protocol, "unix") && json_object_get(v, "error")) ||
		(!strcmp(protocol, "udp") && !strcmp(event, "connect")))
		return true;
	if (!strcmp(event, "open") && (!strcmp(jsonio_text(v, "path"), "/dev/null") || !strcmp(jsonio_text(v, "path"), "/dev/tty")))
		return true;
	for (size_t i = 0; i < sizeof LEFT_OUT / sizeof *LEFT_OUT; i++)
		if (!strcmp(event, LEFT_OUT[i]))
			return true;
	return false;
}

json_t *timeline_of(const json_t *events, const json_t *exchanges, unsigned *left_out)
{
	json_t *list = json_array();
	size_t at = 0, next = 0;

	while (at < json_array_size(events) || next < json_array_size(exchanges)) {
		const json_t *v = json_array_get(events, at), *x = json_array_get(exchanges, next);
		struct buf what = { 0 };

		if (!v || (x && jsonio_num(x, "t", 0) < jsonio_num(v, "t", 0))) {
			what_exchange(&what, x);
			add(list, x, jsonio_text(x, "service"), &what, left_out);
			next++;
		} else {
			const char *event = jsonio_text(v, "event");

			if (!left_out_event(event, v)) {
				what_event(&what, event, v);
				add(list, v, event, &what, left_out);
			}
			at++;
		}
		buf_free(&what);
	}
	return list;
}
