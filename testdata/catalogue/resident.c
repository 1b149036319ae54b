/*
 * resident: the catalogue's compiled specimen (README.md). It shows one technique, chosen when it is compiled, upon itself
 * or upon a process that the runner names, and then sleeps. It is inert: it acts only in a root that holds /.muss-scratch,
 * ends when that file is gone or after ten minutes, never spreads, and talks to nobody.
 *
 * resident [ARGUMENT]
 */
#include "specimen.h"

#include "image.h"
#include "memory.h"
#include "process.h"

UNUSED static void act_plain(int argc, char **argv)
{
	(void)argc;
	(void)argv;
}

int main(int argc, char **argv)
{
	int i;

	if (!in_scratch())
		return 0;
	signal(SIGHUP, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	if (*NAME)
		prctl(PR_SET_NAME, NAME);
	ACT(argc, argv);
	for (i = 0; i < FORKS && !getenv("MORPHED"); i++)   /* who begins anew has them already */
		if (!fork())
			break;
	ready();
	rest();
	return 0;
}
