#include "agent/internal.h"

#include <string.h>

int undo_run(const struct agent_config *c, const char *plan, struct err *e)
{
	struct verifier *v = NULL;
	struct db *d = NULL;
	struct row r;
	int lock, rc = -1;

	if (!id_ok(plan))
		return err_set(e, EX_USAGE, "%s is no plan: 32 hex digits", err_q(plan));
	lock = journal_lock(c, e);
	if (lock < 0)
		return -1;
	if (!(d = journal_open(c, e)) || !(v = verify_open(c->authority, c->revoked, e)))
		goto out;
	rc = journal_find(d, "plan", plan, &r, e);
	if (rc == 0)
		rc = err_set(e, EX_NOINPUT, "no plan %s was applied here", plan);
	if (rc < 0)
		goto out;
	rc = removal_run(c, v, d, &r, true, e);
	if (rc < 0) {
		if (r.state == REFUSED)
			err_wrap(e, "the remover of plan %s is refused", plan);
		goto out;
	}
	snprintf(r.text, sizeof(r.text), rc ? "undone in part: some of it could not be put back" : "undone");
	if (journal_move(d, &r, UNDONE, e) < 0)
		rc = -1;
	else
		printf("plan %s %s\n", plan, r.text);
out:
	verify_free(v);
	db_close(d);
	io_close(&lock);
	return rc;
}
