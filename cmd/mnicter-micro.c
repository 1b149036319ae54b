/* mnicter micro: analyses what a case holds. */
#include "mnicter.h"

int mnicter_micro(struct options *o, struct err *e)
{
	int in = io_open_in(o->operands[0], e), rc;
	struct atomic *out;

	if (in < 0)
		return -1;
	out = atomic_open(o->t.out, 0600, false, e);
	if (!out) {
		io_close(&in);
		return -1;
	}
	rc = micro_run(&o->micro, in, atomic_fd(out), e);
	io_close(&in);
	if (!rc)
		return atomic_commit(out, e);
	atomic_abort(out);
	return rc;
}
