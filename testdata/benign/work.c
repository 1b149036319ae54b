/* A program that somebody built: works a little, then waits. TAG makes each build another program. */
#include <stdio.h>
#include <unistd.h>

#ifndef TAG
#define TAG 0
#endif

int main(void)
{
	volatile unsigned s = TAG;
	unsigned i;

	for (;;) {
		for (i = 0; i < 1000; i++)
			s = s * 31 + i;
		usleep(200000);
	}
}
