/* What was asked of many addresses, one after the other, in words: the scan profiles of muss-garden(7). */
#include "export/html-run.h"

#define SHOWN 100u

static void header_number(struct buf *b, const json_t *header, const char *key, const char *name)
{
	if (json_is_integer(json_object_get(header, key)))
		buf_addf(b, ", %s %lld", name, (long long)jsonio_int(header, key, 0));
}

static void header_word(struct buf *b, const json_t *header, const char *key, const char *name)
{
	if (!jsonio_str(header, key))
		return;
	buf_addf(b, ", %s ", name);
	html_text(b, checked_text(header, key), 60);
}

static void scan(struct buf *b, const struct processes *p, const json_t *o)
{
	const json_t *header = json_object_get(o, "header"), *payload = json_object_get(o, "payload");
	double rate = jsonio_num(o, "rate", -1), share = jsonio_num(payload, "share", -1);

	buf_adds(b, "<li>It asked <strong>");
	html_count(b, jsonio_int(o, "addresses", 0));
	buf_adds(b, "</strong> addresses for <strong>");
	html_text(b, checked_text(o, "protocol"), 8);
	if (jsonio_int(o, "port", 0))
		buf_addf(b, " port %lld", (long long)jsonio_int(o, "port", 0));
	buf_adds(b, "</strong>, in <strong>");
	html_text(b, checked_text(o, "order"), 20);
	buf_adds(b, "</strong> order");
	if (rate >= 0 && rate < 1e9)
		buf_addf(b, rate < 10 ? ", %.1f a second" : ", %.0f a second", rate);
	if (json_array_size(json_object_get(p->dynamic, "runs")) > 1) {
		buf_adds(b, " (");
		processes_run_name(b, p->dynamic, processes_run(o));
		buf_addc(b, ')');
	}
	buf_addf(b, "<span class=\"why\">%lld attempts", (long long)jsonio_int(o, "count", 0));
	header_number(b, header, "ttl", "TTL");
	header_number(b, header, "window", "window");
	header_number(b, header, "source_port", "always from port");
	header_word(b, header, "options", "options");
	header_word(b, header, "ip_id", "IP identification");
	header_word(b, header, "sequence", "sequence number");
	if (jsonio_str(payload, "sha256")) {
		buf_adds(b, ", first payload <code>");
		html_text(b, checked_text(payload, "sha256"), 64);
		buf_adds(b, "</code>");
		if (share >= 0 && share <= 1)
			buf_addf(b, ", the same in %.0f %%", share * 100);
	}
	buf_adds(b, "</span></li>");
}

void html_scans(struct buf *b, const struct processes *p)
{
	const json_t *list = json_object_get(p->dynamic, "scans"), *o;
	size_t i;

	if (!json_array_size(list))
		return;
	buf_adds(b, "<h4>Scans</h4><ul class=\"plain\">");
	json_array_foreach(list, i, o)
		if (i < SHOWN)
			scan(b, p, o);
	buf_adds(b, "</ul>\n");
}
