/* What a sample did in the garden, as objects of MISP's templates. The addresses that the dummy Internet gave to names are left out. */
#include "export/misp.h"

#include <stdlib.h>
#include <string.h>

#define OBJECTS 200u             /* of one piece and template */
#define EXCHANGES_READ 8000u
#define TO_MOST 40u
#define VALUE_MOST 2000u         /* longer ones are data, not something to look for */

static const struct misp_template connection_template = { "network-connection", "network", "af16764b-f8e5-4603-9de1-de34d272f80b", "3" };
static const struct misp_template request_template = { "http-request", "network", "b4a8d163-8110-4239-bfcf-e08f3a9fdf7b", "5" };
static const struct misp_template mail_template = { "email", "network", "a0c666e0-fc65-4be8-b48f-3423d788b552", "3" };

struct written {
	struct exporter *x;
	const struct piece *p;
	json_t *keys;                /* set of what was written */
};

static void add(const struct written *w, json_t *list, const char *key, const char *relation, const char *type, const char *category, const char *value)
{
	char *of;
	json_t *a;

	if (!*value || strlen(value) > VALUE_MOST)
		return;
	of = buf_printf("%s %s %s", w->p->sha256, relation, key);
	a = misp_attribute(w->x, of, type, category, value, false);
	json_object_set_new(a, "object_relation", json_string(relation));
	json_array_append_new(list, a);
	free(of);
}

/* Each once. false: it was there, or there are enough. */
static bool is_new(struct written *w, const char *key)
{
	if (json_object_get(w->keys, key) || json_object_size(w->keys) >= OBJECTS)
		return false;
	json_object_set_new(w->keys, key, json_true());
	return true;
}

static void write_object(struct written *w, const struct misp_template *t, const char *key, json_t *list)
{
	misp_object(w->x, t, w->p, key, json_sprintf("by %s in the garden", w->p->sha256), list);
}

static void connection(struct written *w, const json_t *o, const char *peer)
{
	const char *protocol = checked_text(o, "protocol"), *service = checked_text(o, "service");
	json_int_t port = jsonio_int(o, "port", 0);
	char *key, number[24];
	json_t *list;

	if (port <= 0 || port > 65535)
		return;
	key = buf_printf("%s %lld %s %s", peer, (long long)port, protocol, service);
	if (is_new(w, key)) {
		list = json_array();
		snprintf(number, sizeof number, "%lld", (long long)port);
		add(w, list, key, checked_is_name(peer) ? "hostname-dst" : "ip-dst", checked_is_name(peer) ? "hostname" : "ip-dst", "Network activity", peer);
		add(w, list, key, "dst-port", "port", "Network activity", number);
		add(w, list, key, "layer4-protocol", "text", "Other", !strcmp(protocol, "udp") ? "UDP" : "TCP");
		if (strcmp(service, "unknown"))
			add(w, list, key, "layer7-protocol", "text", "Other", service);
		write_object(w, &connection_template, key, list);
	}
	free(key);
}

static void request(struct written *w, const json_t *o, const json_t *q, const char *peer)
{
	const char *host = checked_text(q, "host");
	char *key, *url;
	json_t *list;

	if (!*checked_text(q, "path"))
		return;
	host = checked_is_name(host) ? host : peer;
	url = buf_printf("%s://%s%s", json_object_get(o, "tls") ? "https" : "http", host, checked_text(q, "path"));
	key = buf_printf("%s %s %s", checked_text(q, "method"), url, checked_text(q, "user_agent"));
	if (checked_url(url) && is_new(w, key)) {
		list = json_array();
		add(w, list, key, "url", "url", "Network activity", url);
		add(w, list, key, "uri", "uri", "Network activity", checked_text(q, "path"));
		add(w, list, key, "method", "http-method", "Network activity", checked_text(q, "method"));
		if (checked_is_name(host))
			add(w, list, key, "host", "hostname", "Network activity", host);
		add(w, list, key, "user-agent", "user-agent", "Network activity", checked_text(q, "user_agent"));
		write_object(w, &request_template, key, list);
	}
	free(key);
	free(url);
}

static void mail(struct written *w, const json_t *m)
{
	const char *from = checked_text(m, "from"), *subject = checked_text(m, "subject");
	char *key = buf_printf("%s %s %s", from, subject, checked_text(m, "sha256"));
	json_t *list = json_array(), *to;
	size_t i;

	if (checked_email(from))
		add(w, list, key, "from", "email-src", "Payload delivery", from);
	add(w, list, key, "subject", "email-subject", "Payload delivery", subject);
	json_array_foreach(json_object_get(m, "to"), i, to) {
		const char *address = json_string_value(to);
		char *of = buf_printf("%zu %s", i, key);

		if (i < TO_MOST && checked_email(address))
			add(w, list, of, "to", "email-dst", "Payload delivery", address);
		free(of);
	}
	if (json_array_size(list) && is_new(w, key))
		write_object(w, &mail_template, key, json_incref(list));
	json_decref(list);
	free(key);
}

void misp_run(struct exporter *x, const struct piece *p)
{
	struct written w = { .x = x, .p = p, .keys = json_object() };
	const json_t *o, *q;
	size_t i, k;

	json_array_foreach(json_object_get(p->dynamic, "exchanges"), i, o) {
		const char *peer = checked_peer(p->dynamic, o);

		if (i >= EXCHANGES_READ)
			break;
		json_array_foreach(json_object_get(o, "smtp"), k, q)
			mail(&w, q);
		if (!peer)
			continue;
		connection(&w, o, peer);
		json_array_foreach(json_object_get(o, "http"), k, q)
			request(&w, o, q, peer);
	}
	json_decref(w.keys);
}
