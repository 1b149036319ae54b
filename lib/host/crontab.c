#include "host/internal.h"

#include <stdlib.h>
#include <string.h>

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* NAME = value, as crontab(5) has it: optional blanks and quotes. True when the line is one. */
static bool setting(const char *p, const char *end, char **path)
{
	const char *name = p, *stop;
	size_t n;

	if (p < end && (*p == '"' || *p == '\''))
		name = ++p;
	while (p < end && ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || *p == '_' || (p > name && *p >= '0' && *p <= '9')))
		p++;
	n = (size_t)(p - name);
	if (!n)
		return false;
	if (p < end && (*p == '"' || *p == '\''))
		p++;
	while (p < end && blank(*p))
		p++;
	if (p >= end || *p != '=')
		return false;
	p++;
	while (p < end && (blank(*p) || *p == '"' || *p == '\''))
		p++;
	for (stop = end; stop > p && (blank(stop[-1]) || stop[-1] == '"' || stop[-1] == '\''); stop--)
		;
	if (n == 4 && !memcmp(name, "PATH", 4)) {
		struct buf b = { 0 };

		buf_add(&b, p, (size_t)(stop - p));
		free(*path);
		*path = buf_strdup(buf_str(&b));
		buf_free(&b);
	}
	return true;
}

static const char *field(const char **p, const char *end, size_t *n)
{
	const char *start;

	while (*p < end && blank(**p))
		(*p)++;
	start = *p;
	while (*p < end && !blank(**p))
		(*p)++;
	*n = (size_t)(*p - start);
	return *n ? start : NULL;
}

/* What stands behind the first % that is not escaped goes to the command's standard input. */
static size_t until_percent(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] == '%' && (!i || p[i - 1] != '\\'))
			return i;
	return n;
}

static bool parse_line(const char *p, const char *end, enum cron_form form, struct cron_entry *c)
{
	unsigned times = form == CRON_ANACRON ? 3 : 5, i;
	size_t n;

	if (*p == '@')
		times = form == CRON_ANACRON ? 3 : 1;
	for (i = 0; i < times; i++)
		if (!field(&p, end, &n))
			return false;
	if (form == CRON_SYSTEM) {
		c->user = field(&p, end, &c->user_length);
		if (!c->user)
			return false;
	}
	while (p < end && blank(*p))
		p++;
	c->command = p;
	c->command_length = form == CRON_ANACRON ? (size_t)(end - p) : until_percent(p, (size_t)(end - p));
	return c->command_length > 0;
}

void crontab_parse(const char *text, size_t n, enum cron_form form, cron_fn *fn, void *ctx)
{
	const char *line = text, *last = text + n;
	unsigned number = 0;
	char *path = NULL;

	while (line < last) {
		const char *end = memchr(line, '\n', (size_t)(last - line)), *p = line;
		struct cron_entry c = { .line = ++number, .text = line };

		if (!end)
			end = last;
		c.length = (size_t)(end - line);
		while (p < end && blank(*p))
			p++;
		if (p < end && *p != '#' && !setting(p, end, &path) && parse_line(p, end, form, &c)) {
			c.path = path;
			fn(ctx, &c);
		}
		line = end < last ? end + 1 : last;
	}
	free(path);
}
