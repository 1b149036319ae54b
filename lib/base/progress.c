#include "base/base.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool shown;
static int64_t last_ms;

void progress(const char *stage, uint64_t done, uint64_t total)
{
	static int terminal = -1;
	char line[160];
	int64_t now;
	int n;

	if (terminal < 0)
		terminal = isatty(STDERR_FILENO);
	if (!terminal || msg_get_level() < 0)
		return;
	now = clock_mono_ms();
	if (shown && now - last_ms < 100 && done != total)
		return;
	last_ms = now;
	if (total)
		n = snprintf(line, sizeof line, "\r\033[K%.100s %llu/%llu", stage, (unsigned long long)done, (unsigned long long)total);
	else
		n = snprintf(line, sizeof line, "\r\033[K%.100s %llu", stage, (unsigned long long)done);
	io_write(STDERR_FILENO, line, (size_t)n);
	shown = true;
}

void progress_end(void)
{
	if (shown)
		io_write(STDERR_FILENO, "\r\033[K", 4);
	shown = false;
}

bool progress_colour(FILE *f)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(f)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}
