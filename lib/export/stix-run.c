/*
 * STIX 2.1: what a sample did in the garden. The addresses that the dummy Internet gave to names are nobody's business outside: traffic goes
 * to the name, and no domain resolves to anything here.
 */
#include "export/processes.h"
#include "export/stix.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define TRAFFIC 200u             /* objects of one piece */
#define MAILS 50u
#define STIX_PROCESSES 100u
#define EXCHANGES_READ 8000u
#define WORDS_MOST 2000u         /* bytes of a command line */
#define TO_MOST 40u

struct told {
	struct exporter *x;
	const struct piece *p;
	json_t *found;               /* references */
	json_t *opened;              /* by "run pid": references to what that process said */
	size_t traffic, mails;
};

static void refer(json_t *list, const struct stix_id *id)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (!strcmp(json_string_value(o), id->text))
			return;
	json_array_append_new(list, json_string(id->text));
}

/* An object of its contributing properties and what else there is to it; both are taken. */
static struct stix_id write_object(struct told *t, const char *type, json_t *contributing, json_t *others)
{
	const struct stix_id id = stix_id_of(type, contributing);
	json_t *o = json_pack("{s:s, s:s, s:s}", "type", type, "spec_version", "2.1", "id", id.text);

	json_object_update(o, contributing);
	json_object_update(o, others);
	json_decref(contributing);
	json_decref(others);
	stix_emit(t->x, o);
	refer(t->found, &id);
	return id;
}

/* ---- traffic, section 6.12 ---- */

/* From the transport outwards in, in lower case: section 6.12.1. */
static json_t *protocols(const json_t *exchange)
{
	static const char *const transports[] = { "tcp", "udp" };
	const char *service = checked_text(exchange, "service");
	json_t *list = json_array();
	size_t n = strspn(service, "abcdefghijklmnopqrstuvwxyz0123456789-");

	for (size_t i = 0; i < sizeof transports / sizeof *transports; i++)
		if (!strcmp(checked_text(exchange, "protocol"), transports[i]))
			json_array_append_new(list, json_string(transports[i]));
	if (n && !service[n] && n <= 20 && strcmp(service, "unknown"))
		json_array_append_new(list, json_string(service));
	return list;
}

static json_t *lower(const char *s)
{
	char word[24];
	size_t n = 0;

	for (; s[n] && n + 1 < sizeof word; n++)
		word[n] = (char)tolower((unsigned char)s[n]);
	word[n] = '\0';
	return json_string(word);
}

/* Section 6.12.3; the keys in their order. NULL: it lacks what is required. */
static json_t *request(const json_t *http)
{
	json_t *o, *headers;

	if (!*checked_text(http, "method") || !*checked_text(http, "path"))
		return NULL;
	o = json_object();
	headers = json_object();
	if (jsonio_int(http, "body_size", 0) > 0)
		json_object_set_new(o, "message_body_length", json_integer(jsonio_int(http, "body_size", 0)));
	if (*checked_text(http, "host"))
		json_object_set_new(headers, "Host", json_pack("[s]", checked_text(http, "host")));
	if (*checked_text(http, "user_agent"))
		json_object_set_new(headers, "User-Agent", json_pack("[s]", checked_text(http, "user_agent")));
	if (json_object_size(headers))
		json_object_set(o, "request_header", headers);
	json_decref(headers);
	json_object_set_new(o, "request_method", lower(checked_text(http, "method")));
	json_object_set_new(o, "request_value", json_string(checked_text(http, "path")));
	return json_pack("{s:o}", "http-request-ext", o);
}

/* extensions is taken, and may be NULL. */
static void traffic(struct told *t, const json_t *exchange, const char *peer, json_t *extensions)
{
	struct stix_id to, id;
	json_int_t port = jsonio_int(exchange, "port", 0);
	json_t *list = protocols(exchange), *o;
	char who[48];

	if (t->traffic >= TRAFFIC || !json_array_size(list) || !stix_observe(t->x, checked_is_name(peer) ? "domain" : strchr(peer, ':') ? "ip6" : "ip", peer, &to)) {
		json_decref(list);
		json_decref(extensions);
		return;
	}
	t->traffic++;
	o = json_object();
	if (port > 0 && port < 65536)
		json_object_set_new(o, "dst_port", json_integer(port));
	json_object_set_new(o, "dst_ref", json_string(to.text));
	if (extensions)
		json_object_set_new(o, "extensions", extensions);
	json_object_set_new(o, "protocols", list);
	id = write_object(t, "network-traffic", o, NULL);
	snprintf(who, sizeof who, "%lld %lld", (long long)processes_run(exchange), (long long)jsonio_int(exchange, "pid", 0));
	refer(jsonio_array(t->opened, who), &id);
}

/* ---- mails, section 6.6 ---- */

static json_t *recipients(struct told *t, const json_t *to)
{
	json_t *list = json_array();
	struct stix_id id;
	const json_t *o;
	size_t i;

	json_array_foreach(to, i, o) {
		if (i >= TO_MOST)
			break;
		if (!checked_email(json_string_value(o)) || !stix_observe(t->x, "email", json_string_value(o), &id))
			continue;
		refer(list, &id);
		refer(t->found, &id);
	}
	return list;
}

static void mail(struct told *t, const json_t *m)
{
	json_t *o = json_object(), *others = json_object(), *to;
	struct stix_id from;

	if (t->mails >= MAILS) {
		json_decref(o);
		json_decref(others);
		return;
	}
	t->mails++;
	if (checked_email(jsonio_str(m, "from")) && stix_observe(t->x, "email", checked_text(m, "from"), &from)) {
		json_object_set_new(o, "from_ref", json_string(from.text));
		refer(t->found, &from);
	}
	if (*checked_text(m, "subject"))
		json_object_set_new(o, "subject", json_string(checked_text(m, "subject")));
	to = recipients(t, json_object_get(m, "to"));
	if (json_array_size(to))
		json_object_set(others, "to_refs", to);
	json_decref(to);
	json_object_set_new(others, "is_multipart", json_boolean(strcasestr(checked_text(m, "head"), "multipart/") != NULL));
	if (json_object_size(o)) {
		write_object(t, "email-message", o, others);
		return;
	}
	json_decref(o);
	json_decref(others);
}

static void exchanges(struct told *t)
{
	const json_t *o, *h;
	size_t i, k;

	json_array_foreach(json_object_get(t->p->dynamic, "exchanges"), i, o) {
		const char *peer = checked_peer(t->p->dynamic, o);
		size_t requests = 0;

		if (i >= EXCHANGES_READ)
			break;
		json_array_foreach(json_object_get(o, "smtp"), k, h)
			mail(t, h);
		if (!peer)
			continue;
		json_array_foreach(json_object_get(o, "http"), k, h) {
			json_t *extensions = request(h);

			if (extensions) {
				requests++;
				traffic(t, o, peer, extensions);
			}
		}
		if (!requests)
			traffic(t, o, peer, NULL);
	}
}

/* ---- processes, section 6.13 ---- */

/* Nothing of a process contributes to its identifier: then it is to be of version 4, pseudo-random. That repeats, as all of an export does. */
static struct stix_id process_id(const struct told *t, size_t i)
{
	char uuid[UUID_TEXT], number[24];
	struct stix_id id;

	snprintf(number, sizeof number, "%zu", i);
	uuid_ours(uuid, "process", t->x->id, t->p->sha256, number, (char *)NULL);
	uuid[14] = '4';
	snprintf(id.text, sizeof id.text, "process--%s", uuid);
	return id;
}

static json_t *command_line(const json_t *argv)
{
	struct buf b = { 0 };
	const json_t *o;
	json_t *text;
	size_t i;

	json_array_foreach(argv, i, o) {
		const char *s = json_string_value(o);

		if (!s || b.len + strlen(s) > WORDS_MOST)
			break;
		buf_addf(&b, "%s%s", i ? " " : "", s);
	}
	text = json_string(buf_str(&b));
	buf_free(&b);
	return text;
}

static struct stix_id image(struct told *t, const json_t *process)
{
	const char *path = checked_text(process, "path"), *slash = strrchr(path, '/');

	path = slash && slash[1] ? slash + 1 : path;
	return stix_file(t->x, checked_text(process, "sha256"), *path ? path : NULL, -1, NULL);
}

/* What it executed in its own place is no child of its. */
static size_t parent_of(const struct processes *p, size_t i)
{
	size_t parent = p->process[i].parent;

	while (parent != NO_PROCESS && p->process[parent].pid == p->process[i].pid)
		parent = p->process[parent].parent;
	return parent;
}

static json_t *children(const struct told *t, const struct processes *p, size_t n, size_t of)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (parent_of(p, p->row[i]) == of)
			json_array_append_new(list, json_string(process_id(t, p->row[i]).text));
	return list;
}

/* Of the n processes that are written. */
static void process(struct told *t, const struct processes *p, size_t n, size_t i)
{
	const struct process *q = &p->process[i];
	const struct stix_id id = process_id(t, i);
	json_t *o = json_pack("{s:s, s:s, s:s, s:I}", "type", "process", "spec_version", "2.1", "id", id.text, "pid", q->pid), *list;
	struct stix_id file;
	char who[48];

	if (json_array_size(json_object_get(q->o, "argv")))
		json_object_set_new(o, "command_line", command_line(json_object_get(q->o, "argv")));
	if (digest_ok(checked_text(q->o, "sha256"))) {
		file = image(t, q->o);
		json_object_set_new(o, "image_ref", json_string(file.text));
		refer(t->found, &file);
	}
	if (parent_of(p, i) != NO_PROCESS)
		json_object_set_new(o, "parent_ref", json_string(process_id(t, parent_of(p, i)).text));
	list = children(t, p, n, i);
	if (json_array_size(list))
		json_object_set(o, "child_refs", list);
	json_decref(list);
	snprintf(who, sizeof who, "%lld %lld", (long long)q->run, (long long)q->pid);
	if (json_array_size(json_object_get(t->opened, who)))
		json_object_set(o, "opened_connection_refs", json_object_get(t->opened, who));
	stix_emit(t->x, o);
	refer(t->found, &id);
}

static void all_processes(struct told *t)
{
	struct processes p;
	size_t n;

	processes_load(&p, t->p->dynamic);
	/* Parents stand before children: whose parent is left out is left out as well. */
	n = p.rows < STIX_PROCESSES ? p.rows : STIX_PROCESSES;
	for (size_t i = 0; i < n; i++)
		process(t, &p, n, p.row[i]);
	processes_free(&p);
}

void stix_run(struct exporter *x, const struct piece *p, json_t *found)
{
	struct told t = { .x = x, .p = p, .found = found, .opened = json_object() };

	exchanges(&t);
	all_processes(&t);
	json_decref(t.opened);
}
