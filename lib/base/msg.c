#include "base/base.h"

#include <string.h>
#include <unistd.h>

static char tool_name[64] = "muss";
static int level;

void msg_init(const char *tool)
{
	snprintf(tool_name, sizeof tool_name, "%s", tool);
}

void msg_level(int l)
{
	level = l;
}

int msg_get_level(void)
{
	return level;
}

/* One buffer, one write: messages of the tools in a pipeline must not mix within a line. */
static void say(const char *kind, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static void say(const char *kind, const char *fmt, va_list ap)
{
	char line[1024];
	int n, m;

	n = snprintf(line, sizeof line, "%s: %s", tool_name, kind);
	m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
	if (m < 0)
		return;
	if (m > (int)sizeof line - n - 2)
		m = (int)sizeof line - n - 2;
	n += m;
	/* Subjects are quoted where they are put in; this is for whatever was forgotten. */
	for (int i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[n++] = '\n';
	io_write(STDERR_FILENO, line, (size_t)n);
}

void msg_warn(const char *fmt, ...)
{
	va_list ap;

	if (level < 0)
		return;
	va_start(ap, fmt);
	say("warning: ", fmt, ap);
	va_end(ap);
}

void msg_info(const char *fmt, ...)
{
	va_list ap;

	if (level < 1)
		return;
	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

void msg_debug(const char *fmt, ...)
{
	va_list ap;

	if (level < 2)
		return;
	va_start(ap, fmt);
	say("debug: ", fmt, ap);
	va_end(ap);
}

static void fail(const char *fmt, ...) PRINTF(1, 2);
static void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

int msg_fail(const struct err *e)
{
	fail("%s", e->msg[0] ? e->msg : "failed without saying why (a bug)");
	return e->code ? e->code : EX_SOFTWARE;
}
