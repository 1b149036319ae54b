#include "garden/garden-internal.h"

int garden_keeper(int argc, char **argv)
{
	return keeper_main(argc, argv);
}

int garden_run(struct world *w, struct run *r, struct err *e)
{
	struct running *g = run_start(w, r, e);
	int rc;

	if (!g)
		return -1;
	/* The warden ends the run in time; here is only what a warden that hangs is given beyond that. */
	rc = run_settle(g, (r->seconds ? r->seconds : 60) * 1000 + 2000, r->quiet_ms, e);
	if (rc == 2)
		r->settled = true;
	if (rc < 0) {
		struct err ignored;

		run_stop(g, &ignored);
		return -1;
	}
	return run_stop(g, e);
}
