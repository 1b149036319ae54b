#include "unit.h"

#include "host/internal.h"

static bool at(const char *text, uint64_t sp, uint64_t ip)
{
	uint64_t s = 0, i = 0;

	return threads_parse(text, &s, &i) && s == sp && i == ip;
}

int main(void)
{
	uint64_t sp, ip;

	OK(at("230 0x0 0x0 0x7ffd1 0x7ffd2 0x0 0x0 0x7ffd8a0 0x7f12ab\n", 0x7ffd8a0, 0x7f12ab), "in a system call");
	OK(at("-1 0x7ffd8a0 0x7f12ab\n", 0x7ffd8a0, 0x7f12ab), "in a page fault");
	OK(!threads_parse("running\n", &sp, &ip), "on a processor");
	OK(!threads_parse("", &sp, &ip) && !threads_parse(" ", &sp, &ip) && !threads_parse("1 2\n", &sp, &ip) && !threads_parse("a b c", &sp, &ip)
	   && !threads_parse("1 0x2 \n", &sp, &ip) && !threads_parse("\n", &sp, &ip), "text in no form");
	return unit_end();
}
