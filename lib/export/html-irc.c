/* Dialogues on IRC: who it said to be, where it went, what it was told and what it said. */
#include "export/html-run.h"

#include <string.h>

#define EXCHANGES_READ 8000u     /* of all runs; one run lists 1,000 */
#define TEXTS 40u                /* dialogues; of one list in each */

static void irc_commands(struct buf *b, const json_t *list)
{
	const json_t *v;
	size_t i;

	if (!json_array_size(list))
		return;
	buf_adds(b, "<li><span class=\"note\">it was told</span>");
	json_array_foreach(list, i, v) {
		if (i >= TEXTS)
			break;
		buf_adds(b, " <code>");
		html_text(b, json_string_value(v), 200);
		buf_adds(b, "</code>");
	}
	buf_adds(b, "</li>");
}

static void irc_fact(struct buf *b, const char *name, const char *value)
{
	if (!*value)
		return;
	buf_addf(b, "<div><dt>%s</dt><dd class=\"code\">", name);
	html_text(b, value, 120);
	buf_adds(b, "</dd></div>");
}

static void irc_list(struct buf *b, const json_t *o, const char *key, const char *says)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(o, key), i, v) {
		const char *whom = *checked_text(v, "to") ? checked_text(v, "to") : checked_text(v, "channel"), *text = checked_text(v, "text");

		if (i >= TEXTS)
			break;
		buf_addf(b, "<li><span class=\"note\">%s</span> <code>", says);
		html_text(b, whom, 80);
		buf_addf(b, "%s</code> <code>", *whom && *text ? ":" : "");
		html_text(b, text, 400);
		buf_adds(b, "</code>");
		if (*checked_text(v, "key")) {
			buf_adds(b, " <span class=\"note\">with the key</span> <code>");
			html_text(b, checked_text(v, "key"), 80);
			buf_adds(b, "</code>");
		}
		buf_adds(b, "</li>");
	}
}

void html_irc(struct buf *b, const struct processes *p)
{
	const json_t *o;
	size_t i, shown = 0;

	json_array_foreach(json_object_get(p->dynamic, "exchanges"), i, o) {
		if (i >= EXCHANGES_READ || shown >= TEXTS)
			break;
		if (!jsonio_str(o, "nick") && !json_array_size(json_object_get(o, "joined")) && !json_array_size(json_object_get(o, "said")))
			continue;
		buf_adds(b, shown++ ? "" : "<h4>IRC</h4>");
		buf_adds(b, "<dl class=\"facts\">");
		irc_fact(b, "server", html_peer(o));
		irc_fact(b, "nick", checked_text(o, "nick"));
		irc_fact(b, "user", checked_text(o, "user"));
		irc_fact(b, "password", checked_text(o, "password"));
		irc_fact(b, "real name", checked_text(o, "realname"));
		irc_fact(b, "left with", checked_text(o, "quit"));
		buf_adds(b, "</dl><ul class=\"plain\">");
		irc_list(b, o, "joined", "it joined");
		irc_commands(b, json_object_get(o, "commanded"));
		irc_list(b, o, "said", "it said to");
		buf_adds(b, "<li class=\"note\">by ");
		processes_label(b, p, processes_run(o), jsonio_int(o, "pid", 0));
		buf_adds(b, "</li></ul>\n");
	}
}
