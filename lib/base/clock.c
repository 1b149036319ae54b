#include "base/base.h"

#include <string.h>
#include <time.h>

void clock_rfc3339(int64_t unix_s, char out[CLOCK_RFC3339])
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	/* Beyond year 9999 the form has no room: the epoch says "no time known". */
	if (!gmtime_r(&t, &tm) || tm.tm_year + 1900 > 9999 || tm.tm_year + 1900 < 0)
		tm = (struct tm){ .tm_year = 70, .tm_mday = 1 };
	strftime(out, CLOCK_RFC3339, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int clock_parse(const char *s, int64_t *unix_s)
{
	struct tm tm = { 0 };
	char again[CLOCK_RFC3339];
	const char *end;

	if (!s || strlen(s) != CLOCK_RFC3339 - 1)
		return -1;
	end = strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (!end || *end)
		return -1;
	*unix_s = (int64_t)timegm(&tm);
	/* strptime takes the 31st of February. */
	clock_rfc3339(*unix_s, again);
	return strcmp(s, again) ? -1 : 0;
}

int64_t clock_now(void)
{
	return (int64_t)time(NULL);
}

int64_t clock_mono_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
