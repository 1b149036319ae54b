/* Whether a start-up file as a whole is the entry, when all of its entries were read. */
#include "host/internal.h"

#include <string.h>

/* Lines that do nothing but hold a script together. */
static bool idle_line(const char *p, size_t n)
{
	static const char *const idle[] = { "exit", "return", "sleep", "true", ":", "cd", "if", "then", "else", "fi", "do", "done", "{",
	                                    "}", "wait", "nohup", "#" };
	size_t i, k;

	while (n && (*p == ' ' || *p == '\t' || *p == '\r')) {
		p++;
		n--;
	}
	for (i = 0; i < sizeof(idle) / sizeof(*idle); i++) {
		k = strlen(idle[i]);
		if (n >= k && !memcmp(p, idle[i], k) && (n == k || strchr(" \t\r;#!", p[k]) || *idle[i] == '#'))
			return true;
	}
	return !n;
}

/* Does the script do anything on a line that starts nothing of what was sighted? */
static bool does_more(const struct startup *s)
{
	const char *p = buf_str(&s->text), *end = p + s->text.len;
	size_t given = json_array_size(s->given), next = 0;
	json_int_t number = 0;

	/* sightings come in the order of their lines, nearly: what a nested command moved counts as more */
	while (p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((stop ? stop : end) - p);
		bool told = false;

		number++;
		for (; next < given && jsonio_int(json_array_get(s->given, next), "line", 0) <= number; next++)
			told |= jsonio_int(json_array_get(s->given, next), "line", 0) == number;
		if (!told && !idle_line(p, n))
			return true;
		p += n + 1;
	}
	return false;
}

void settle_whole(struct startup *s)
{
	bool owned = s->h->dpkg && dpkg_owns(s->h->dpkg, s->path), whole = s->whole;
	size_t i;
	json_t *o;

	if (s->script)
		whole &= !s->several && !does_more(s);
	else if (owned)
		whole &= !s->several;
	json_array_foreach(s->given, i, o)
		json_object_set_new(o, "whole", json_boolean(whole && (!s->script || jsonio_int(o, "line", 0))));
}
