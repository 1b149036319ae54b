/* What was said to the dummy Internet, by service: tables. muss-garden(7) tells the members of an exchange. */
#include "export/html-run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXCHANGES_READ 8000u     /* of all runs; one run lists 1,000 */
#define SHOWN 100u               /* rows of one table */
#define SERVERS 200u
#define TEXTS 40u                /* of one list in an exchange */

const char *html_peer(const json_t *exchange)
{
	return *checked_text(exchange, "name") ? checked_text(exchange, "name") : checked_text(exchange, "address");
}

/* ---- tables that begin with their first row ---- */

struct table {
	struct buf *b;
	const struct processes *p;
	const char *title, *head;    /* names of columns, as markup */
	size_t rows, left_out;
};

/* false: enough rows. */
static bool begin_row(struct table *t)
{
	if (t->rows == SHOWN) {
		t->left_out++;
		return false;
	}
	if (!t->rows++) {
		buf_addf(t->b, "<h4>%s</h4>", t->title);
		html_scroll(t->b, t->title);
		buf_addf(t->b, "<table><thead><tr>%s</tr></thead><tbody>\n", t->head);
	}
	buf_adds(t->b, "<tr>");
	return true;
}

static void end_row(struct table *t, const json_t *exchange)
{
	processes_cell(t->b, t->p, exchange);
	buf_adds(t->b, "</tr>\n");
}

static void end_table(const struct table *t)
{
	if (!t->rows)
		return;
	buf_adds(t->b, "</tbody></table>");
	html_scroll_end(t->b);
	if (t->left_out)
		buf_addf(t->b, "<p class=\"note\">%zu more stand in dynamic.json.</p>", t->left_out);
}

/* What follows the note in an exchange's list, for each: exchange, entry. */
static void each(struct table *t, const char *key, void (*row)(struct table *, const json_t *, const json_t *))
{
	const json_t *o, *v;
	size_t i, k;

	json_array_foreach(json_object_get(t->p->dynamic, "exchanges"), i, o) {
		if (i >= EXCHANGES_READ)
			break;
		json_array_foreach(json_object_get(o, key), k, v)
			row(t, o, v);
	}
	end_table(t);
}

/* ---- servers ---- */

struct server { const json_t *first; size_t times; double sent, received; bool scanned; };
struct servers { struct server server[SERVERS]; size_t n, left_out; };

static double bytes_of(const json_t *o, const char *key)
{
	double v = jsonio_num(o, key, 0);

	return v > 0 && v < 1e15 ? v : 0;
}

static void add_server(struct servers *s, const json_t *dynamic, const json_t *o)
{
	bool scanned = checked_scanned(dynamic, o);
	struct server *q;
	size_t i;

	for (i = 0; i < s->n; i++) {
		q = &s->server[i];
		if (q->scanned == scanned && jsonio_int(q->first, "port", 0) == jsonio_int(o, "port", 0) && !strcmp(checked_text(q->first, "protocol"), checked_text(o, "protocol")) &&
			!strcmp(checked_text(q->first, "service"), checked_text(o, "service")) && (scanned || !strcmp(html_peer(q->first), html_peer(o))))
			break;
	}
	if (i == SERVERS) {
		s->left_out++;
		return;
	}
	q = &s->server[i];
	if (i == s->n) {
		s->n++;
		*q = (struct server){ .first = o, .scanned = scanned };
	}
	q->times++;
	q->sent += bytes_of(o, "sent");
	q->received += bytes_of(o, "received");
}

static void inside(struct buf *b, const json_t *o)
{
	const json_t *tls = json_object_get(o, "tls"), *tunnel = json_object_get(o, "tunnel");

	if (json_is_object(tls)) {
		buf_adds(b, "TLS, JA3 <code>");
		html_text(b, checked_text(tls, "ja3"), 40);
		buf_adds(b, "</code> ");
	}
	if (jsonio_str(o, "tls_error")) {
		buf_adds(b, "TLS failed: ");
		html_text(b, checked_text(o, "tls_error"), 80);
		buf_addc(b, ' ');
	}
	if (json_is_object(tunnel)) {
		buf_adds(b, "through ");
		html_text(b, checked_text(tunnel, "through"), 20);
		buf_adds(b, " to ");
		html_text(b, checked_text(tunnel, "host"), 100);
	}
}

static void server_row(struct table *t, const struct server *q)
{
	if (!begin_row(t))
		return;
	buf_adds(t->b, "<td class=\"code\">");
	if (q->scanned)
		buf_adds(t->b, "many, see scans");
	else
		html_text(t->b, html_peer(q->first), 120);
	buf_addf(t->b, "</td><td class=\"num\">%lld</td><td>", (long long)jsonio_int(q->first, "port", 0));
	html_text(t->b, checked_text(q->first, "service"), 20);
	buf_adds(t->b, " <span class=\"note\">");
	html_text(t->b, checked_text(q->first, "protocol"), 8);
	buf_addf(t->b, "</span></td><td class=\"num\">%zu</td><td class=\"num\">", q->times);
	html_size(t->b, q->received);
	buf_adds(t->b, "</td><td class=\"num\">");
	html_size(t->b, q->sent);
	buf_adds(t->b, "</td><td class=\"note\">");
	inside(t->b, q->first);
	buf_adds(t->b, "</td>");
	end_row(t, q->first);
}

static void servers(struct buf *b, const struct processes *p)
{
	struct table t = { .b = b, .p = p, .title = "Servers", .head = "<th>Server</th><th class=\"num\">Port</th><th>Service</th><th class=\"num\">Times</th><th class=\"num\">Said</th>"
		"<th class=\"num\">Heard</th><th></th><th>Process</th>" };
	struct servers *s = buf_alloc(sizeof *s);
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(p->dynamic, "exchanges"), i, o)
		if (i < EXCHANGES_READ && json_is_object(o))
			add_server(s, p->dynamic, o);
	for (i = 0; i < s->n; i++)
		server_row(&t, &s->server[i]);
	t.left_out += s->left_out;
	end_table(&t);
	free(s);
}

/* ---- by service ---- */

/* The addresses in an answer are the garden's own: it makes one up for each name. */
static void note_name(json_t *names, const json_t *exchange, const json_t *q)
{
	const char *name = checked_text(q, "name"), *type = checked_text(q, "type"), *types;
	json_t *o = json_object_get(names, name);

	if (!o) {
		o = json_object();
		json_object_set_new(names, name, o);
		json_object_set(o, "exchange", (json_t *)(uintptr_t)exchange);
		json_object_set_new(o, "types", json_string(type));
	}
	types = jsonio_str(o, "types");
	if (!strstr(types, type) && strlen(types) < 60)
		json_object_set_new(o, "types", json_sprintf("%s, %s", types, type));
	json_object_set_new(o, "times", json_integer(jsonio_int(o, "times", 0) + 1));
	if (!strcmp(checked_text(q, "answer"), "NXDOMAIN"))
		json_object_set_new(o, "refused", json_true());
}

static void names(struct buf *b, const struct processes *p)
{
	struct table t = { .b = b, .p = p, .title = "Names it asked for", .head = "<th>Name</th><th>Records</th><th class=\"num\">Times</th><th></th><th>Process</th>" };
	json_t *all = json_object(), *o, *q;
	const char *name;
	size_t i, k;

	json_array_foreach(json_object_get(p->dynamic, "exchanges"), i, o) {
		if (i >= EXCHANGES_READ)
			break;
		json_array_foreach(json_object_get(o, "dns"), k, q)
			if (jsonio_str(q, "name"))
				note_name(all, o, q);
	}
	json_object_foreach(all, name, o) {
		if (!begin_row(&t))
			continue;
		html_cell(b, "code", name, 260);
		html_cell(b, NULL, jsonio_str(o, "types"), 60);
		buf_addf(b, "<td class=\"num\">%lld</td><td class=\"note\">%s</td>", (long long)jsonio_int(o, "times", 0), json_object_get(o, "refused") ? "there is no such name" : "");
		end_row(&t, json_object_get(o, "exchange"));
	}
	end_table(&t);
	json_decref(all);
}

static void http_row(struct table *t, const json_t *o, const json_t *q)
{
	if (!begin_row(t))
		return;
	html_cell(t->b, NULL, checked_text(q, "method"), 12);
	buf_addf(t->b, "<td class=\"code\">%s://", json_object_get(o, "tls") ? "https" : "http");
	html_text(t->b, *checked_text(q, "host") ? checked_text(q, "host") : html_peer(o), 200);
	html_text(t->b, checked_text(q, "path"), 400);
	buf_adds(t->b, "</td>");
	html_cell(t->b, NULL, checked_text(q, "user_agent"), 200);
	buf_adds(t->b, "<td class=\"code\">");
	if (json_is_number(json_object_get(q, "body_size"))) {
		html_size(t->b, bytes_of(q, "body_size"));
		buf_addc(t->b, ' ');
		html_text(t->b, checked_text(q, "body_head"), 256);
	}
	buf_adds(t->b, "</td>");
	end_row(t, o);
}

/* The first bytes of a body on one line. */
static void head_cell(struct buf *b, const char *head)
{
	struct buf line = { 0 };

	for (const char *s = head; *s; s++) {
		if (*s == '\n')
			buf_adds(&line, " \xe2\x86\xb5 ");
		else if (*s != '\r' || s[1] != '\n')
			buf_addc(&line, *s);
	}
	html_cell(b, "code", buf_str(&line), 300);
	buf_free(&line);
}

static void mail_row(struct table *t, const json_t *o, const json_t *q)
{
	const json_t *to;
	size_t i;

	if (!begin_row(t))
		return;
	html_cell(t->b, "code", checked_text(q, "from"), 120);
	buf_adds(t->b, "<td class=\"code\">");
	json_array_foreach(json_object_get(q, "to"), i, to) {
		if (i >= TEXTS)
			break;
		buf_adds(t->b, i ? ", " : "");
		html_text(t->b, json_string_value(to), 120);
	}
	buf_adds(t->b, "</td>");
	html_cell(t->b, NULL, checked_text(q, "subject"), 200);
	html_size_cell(t->b, q);
	head_cell(t->b, checked_text(q, "head"));
	end_row(t, o);
}

static void login_row(struct table *t, const json_t *o, const json_t *q)
{
	if (!begin_row(t))
		return;
	html_cell(t->b, NULL, checked_text(o, "service"), 20);
	html_cell(t->b, "code", html_peer(o), 120);
	html_cell(t->b, "code", checked_text(q, *checked_text(q, "user") ? "user" : "user_base64"), 120);
	html_cell(t->b, "code", checked_text(q, *checked_text(q, "password") ? "password" : "password_base64"), 120);
	end_row(t, o);
}

static void stored_row(struct table *t, const json_t *o, const json_t *q)
{
	if (!begin_row(t))
		return;
	html_cell(t->b, NULL, checked_text(o, "service"), 20);
	html_cell(t->b, "code", html_peer(o), 120);
	html_cell(t->b, "code", checked_text(q, *checked_text(q, "path") ? "path" : "name"), 200);
	html_size_cell(t->b, q);
	end_row(t, o);
}

static void typed_row(struct table *t, const json_t *o, const json_t *q)
{
	if (!json_is_string(q) || !begin_row(t))
		return;
	html_cell(t->b, NULL, checked_text(o, "service"), 20);
	html_cell(t->b, "code", html_peer(o), 120);
	html_cell(t->b, "code", json_string_value(q), 300);
	end_row(t, o);
}

void html_network(struct buf *b, const struct processes *p)
{
	static const struct { const char *key, *title, *head; void (*row)(struct table *, const json_t *, const json_t *); } TABLES[] = {
		{ "http", "Pages it asked for", "<th>Method</th><th>Address</th><th>User agent</th><th>Body</th>", http_row },
		{ "smtp", "Mails", "<th>From</th><th>To</th><th>Subject</th><th class=\"num\">Size</th><th>Begins</th>", mail_row },
		{ "credentials", "Logins", "<th>Service</th><th>Server</th><th>User</th><th>Password</th>", login_row },
		{ "stored", "Files it sent", "<th>Service</th><th>Server</th><th>File</th><th class=\"num\">Size</th>", stored_row },
		{ "tftp", "Files by TFTP", "<th>Service</th><th>Server</th><th>File</th><th class=\"num\">Size</th>", stored_row },
		{ "commands", "Commands it typed", "<th>Service</th><th>Server</th><th>Command</th>", typed_row },
		{ "queries", "Queries", "<th>Service</th><th>Server</th><th>Query</th>", typed_row },
		{ "messages", "Messages it sent", "<th>Service</th><th>Server</th><th>Message</th>", typed_row },
	};

	html_scans(b, p);
	servers(b, p);
	names(b, p);
	for (size_t i = 0; i < sizeof TABLES / sizeof *TABLES; i++) {
		char *head = buf_printf("%s<th>Process</th>", TABLES[i].head);
		struct table t = { .b = b, .p = p, .title = TABLES[i].title, .head = head };

		each(&t, TABLES[i].key, TABLES[i].row);
		free(head);
	}
	html_irc(b, p);
}
