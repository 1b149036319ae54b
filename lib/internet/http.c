/* HTTP/1.x (RFC 9112), as a server of pages, as a proxy, and as whatever a client takes it for. */
#include "internet/internal.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEADERS_MOST 200u
#define DEFAULT_PORT 80
#define AGENT_MOST 512u
#define PATH_MOST 2048u

enum phase { REQUEST, HEADERS, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILERS };
struct http {
	enum phase phase;
	char method[25], *path, *host, *agent, *accept;
	bool old, bare, keep, chunked, length_bad, expects;   /* old: HTTP/1.0; bare: HTTP/0.9 */
	uint64_t left;            /* bytes of the body or of this chunk that are to come */
	unsigned headers;
	struct kept body;
};

static void forget(struct http *h)
{
	free(h->path);
	free(h->host);
	free(h->agent);
	free(h->accept);
	record_drop(&h->body);
	*h = (struct http){ .phase = REQUEST };
}

/* ---- answering ---- */

static void date(const struct net *n, char *out, size_t room)
{
	time_t now = (time_t)net_now(n);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(out, room, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

static const char *reason(int status)
{
	switch (status) {
	case 200: return "OK";
	case 201: return "Created";
	case 204: return "No Content";
	case 301: return "Moved Permanently";
	case 302: return "Found";
	case 400: return "Bad Request";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 505: return "HTTP Version Not Supported";
	default: return "Unknown";
	}
}

static void answer(struct conn *c, int status, const char *type, const char *more, const struct buf *body)
{
	const struct http *h = c->state;
	const bool head = !strcmp(h->method, "HEAD");
	struct buf out = { 0 };
	char now[40];

	date(c->net, now, sizeof now);
	if (!h->bare) {
		buf_addf(&out, "HTTP/1.%d %d %s\r\nDate: %s\r\nServer: %s\r\n", h->old ? 0 : 1, status, reason(status), now,
			 serve_text(c->net, "http", "server", "Apache/2.4.57 (Debian)"));
		if (status != 204)
			buf_addf(&out, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, body->len);
		buf_addf(&out, "%sConnection: %s\r\n\r\n", more, h->keep ? "keep-alive" : "close");
	}
	if (!head && status != 204)
		buf_add(&out, body->p, body->len);
	conn_write(c, out.p, out.len);
	buf_free(&out);
}

/* $ADDRESS: the address that this machine has, seen from outside. */
static void put_template(const struct net *n, const char *text, struct buf *out)
{
	const char *at, *mark = "$ADDRESS";

	while ((at = strstr(text, mark))) {
		buf_add(out, text, (size_t)(at - text));
		buf_adds(out, serve_text(n, "http", "address", "203.0.113.57"));
		text = at + strlen(mark);
	}
	buf_adds(out, text);
}

static bool wild(const char *pattern, const char *text)
{
	return !pattern || !fnmatch(pattern, text, 0);
}

/* The page of the settings that goes with this host and path, or NULL. */
static const json_t *page_for(const struct net *n, const char *host, const char *path)
{
	const json_t *pages = serve_list(n, "http", "pages"), *o, *found = NULL;
	size_t i, len = strcspn(host, ":");
	char *bare = buf_strdup(host);

	bare[len] = '\0';
	json_array_foreach(pages, i, o) {
		if (wild(jsonio_str(o, "host"), bare) && wild(jsonio_str(o, "path"), path)) {
			found = o;
			break;
		}
	}
	free(bare);
	return found;
}

static const char *host_of(const struct conn *c)
{
	const struct http *h = c->state;
	const char *name = h->host ? h->host : c->x.name ? c->x.name : names_of(c->net->names, &c->x.address);

	return name ? name : "";
}

static int serve(struct conn *c)
{
	const struct http *h = c->state;
	const json_t *page = page_for(c->net, host_of(c), h->path);
	int status = (int)jsonio_int(page, "status", 200);
	const char *type, *body = jsonio_str(page, "body");
	struct buf out = { 0 };

	if (!strcmp(h->method, "OPTIONS")) {
		answer(c, 200, "text/plain", "Allow: GET, HEAD, POST, PUT, OPTIONS\r\n", &out);
		return 200;
	}
	if (page) {
		type = jsonio_str(page, "type") ? jsonio_str(page, "type") : "text/html";
		put_template(c->net, body ? body : "", &out);
	} else {
		type = content_of(c->net, h->path, h->accept ? h->accept : "", &out);
	}
	if (!strcmp(h->method, "PUT") && !page)
		status = 201;
	answer(c, status, type, "", &out);
	buf_free(&out);
	return status;
}

static void note(struct conn *c, int status)
{
	struct http *h = c->state;
	const char *host = host_of(c);
	json_t *o = json_pack("{s:o,s:o,s:o,s:o,s:i}", "method", jsonio_name(h->method), "host", *host ? jsonio_name(host) : json_null(),
		"path", jsonio_name(h->path), "user_agent", h->agent ? jsonio_name(h->agent) : json_null(), "status", status);

	if (h->body.size)
		record_kept(&h->body, o, "body_");
	record_note(&c->x, "http", o);
}

/* "host:port", "[v6]:port" */
static uint16_t split_host(char *target, uint16_t port)
{
	char *colon = strrchr(target, ':');

	if (colon && !strchr(colon, ']')) {
		unsigned long v = strtoul(colon + 1, NULL, 10);

		*colon = '\0';
		if (v && v < 65536)
			port = (uint16_t)v;
	}
	if (*target == '[' && target[strlen(target) - 1] == ']') {
		memmove(target, target + 1, strlen(target));
		target[strlen(target) - 1] = '\0';
	}
	return port;
}

static void tunnel(struct conn *c)
{
	struct http *h = c->state;
	char *target = buf_strdup(h->path);
	uint16_t port = split_host(target, 443);

	conn_say(c, "HTTP/1.%d 200 Connection established\r\n\r\n", h->old ? 0 : 1);
	note(c, 200);
	conn_tunnel(c, "http", target, port);
	free(target);
}

/* The request is whole. */
static void finish(struct conn *c)
{
	struct http *h = c->state;
	bool keep = h->keep;

	if (!strcmp(h->method, "CONNECT")) {
		tunnel(c);
		return;
	}
	note(c, serve(c));
	forget(h);
	if (!keep)
		conn_close(c);
}

static void refuse(struct conn *c, int status)
{
	struct http *h = c->state;
	struct buf body = { 0 };

	h->keep = false;
	if (!h->path)
		h->path = buf_strdup("");
	buf_addf(&body, "<html><head><title>%d %s</title></head><body><h1>%s</h1></body></html>\n", status, reason(status), reason(status));
	answer(c, status, "text/html", "", &body);
	note(c, status);
	buf_free(&body);
	forget(h);
	conn_close(c);
}

/* ---- reading ---- */

/* "http://host/path" asks a proxy; what is left is the path. */
static void take_target(struct http *h, const char *target)
{
	const char *scheme = strstr(target, "://"), *slash;

	if (scheme && scheme - target < 10 && *target != '/') {
		slash = scheme + 3 + strcspn(scheme + 3, "/?");
		h->host = buf_printf("%.*s", (int)(slash - scheme - 3 > 255 ? 255 : slash - scheme - 3), scheme + 3);
		target = *slash ? slash : "/";
	}
	h->path = buf_printf("%.*s", (int)PATH_MOST, target);
}

static void read_request(struct conn *c, char *line)
{
	struct http *h = c->state;
	char *target, *version;
	size_t n;

	if (!*line)   /* RFC 9112 2.2: empty lines before it */
		return;
	n = strcspn(line, " \t");
	snprintf(h->method, sizeof h->method, "%.*s", (int)n, line);
	target = line + n + strspn(line + n, " \t");
	version = strrchr(target, ' ');
	if (version && !strncmp(version + 1, "HTTP/", 5))
		*version++ = '\0';
	else
		version = NULL;
	h->bare = !version;
	h->old = !version || !strcmp(version, "HTTP/1.0");
	h->keep = !h->old;
	take_target(h, target);
	h->phase = HEADERS;
	if (!*target || (version && strncmp(version, "HTTP/1.", 7) != 0))
		refuse(c, *target ? 505 : 400);
	else if (h->bare)
		finish(c);
}

static void keep_text(char **at, const char *value, unsigned most)
{
	free(*at);
	*at = buf_printf("%.*s", (int)most, value);
}

static void read_header(struct http *h, char *line)
{
	char *value = strchr(line, ':'), *end;

	if (!value)
		return;
	*value++ = '\0';
	value += strspn(value, " \t");
	if (!strcasecmp(line, "host") && !h->host) {
		keep_text(&h->host, value, 255);
	} else if (!strcasecmp(line, "user-agent")) {
		keep_text(&h->agent, value, AGENT_MOST);
	} else if (!strcasecmp(line, "accept")) {
		keep_text(&h->accept, value, AGENT_MOST);
	} else if (!strcasecmp(line, "connection") || !strcasecmp(line, "proxy-connection")) {
		if (strcasestr(value, "close"))
			h->keep = false;
		else if (strcasestr(value, "keep-alive"))
			h->keep = true;
	} else if (!strcasecmp(line, "transfer-encoding")) {
		h->chunked = strcasestr(value, "chunked") != NULL;
	} else if (!strcasecmp(line, "content-length")) {
		h->left = strtoull(value, &end, 10);
		h->length_bad = !isdigit((unsigned char)*value) || *end || h->left > INT64_MAX;
	} else if (!strcasecmp(line, "expect")) {
		h->expects = strcasestr(value, "100-continue") != NULL;
	}
}

static void headers_end(struct conn *c)
{
	struct http *h = c->state;

	if (h->length_bad) {
		refuse(c, 400);
		return;
	}
	if (!strcmp(h->method, "CONNECT")) {
		finish(c);
		return;
	}
	if (h->expects && !h->old)
		conn_say(c, "HTTP/1.1 100 Continue\r\n\r\n");
	h->phase = h->chunked ? CHUNK_SIZE : BODY;
	if (h->phase == BODY && !h->left)
		finish(c);
}

/* Of a body; true: something was taken. */
static bool read_body(struct conn *c)
{
	struct http *h = c->state;
	size_t n = h->left < c->in.len ? (size_t)h->left : c->in.len;

	record_keep(&h->body, c->in.p, n);
	conn_took(c, n);
	h->left -= n;
	if (!h->left && h->phase == BODY)
		finish(c);
	else if (!h->left)
		h->phase = CHUNK_END;
	return n > 0;
}

static void read_chunk_size(struct conn *c, const char *line)
{
	struct http *h = c->state;
	char *end;

	h->left = strtoull(line, &end, 16);
	if (!isxdigit((unsigned char)*line) || (*end && *end != ';' && *end != ' ') || h->left > INT64_MAX)
		refuse(c, 400);
	else
		h->phase = h->left ? CHUNK : TRAILERS;
}

static void read_line(struct conn *c, char *line)
{
	struct http *h = c->state;

	switch (h->phase) {
	case REQUEST:
		read_request(c, line);
		break;
	case HEADERS:
		if (!*line)
			headers_end(c);
		else if (++h->headers > HEADERS_MOST)
			refuse(c, 400);
		else
			read_header(h, line);
		break;
	case CHUNK_SIZE:
		read_chunk_size(c, line);
		break;
	case CHUNK_END:
		h->phase = CHUNK_SIZE;
		break;
	default:
		if (!*line)
			finish(c);
		else if (++h->headers > HEADERS_MOST)
			refuse(c, 400);
		break;
	}
}

static void http_open(struct conn *c)
{
	c->state = buf_alloc(sizeof(struct http));
}

static void http_data(struct conn *c)
{
	while (!conn_full(c) && !c->closing && c->service == &http_service) {
		struct http *h = c->state;
		char *line;

		if (h->phase == BODY || h->phase == CHUNK) {
			if (!c->in.len || !read_body(c))
				return;
			continue;
		}
		line = conn_line(c, NULL);
		if (!line)
			return;
		read_line(c, line);
	}
}

/* A request whose end never came is told as well. */
static void http_close(struct conn *c)
{
	struct http *h = c->state;

	if (h && h->path && strcmp(h->method, "CONNECT") != 0)
		note(c, 0);
	if (h)
		forget(h);
	free(h);
}

const struct service http_service = { .name = "http", .secure = "https", .open = http_open, .data = http_data, .close = http_close };
