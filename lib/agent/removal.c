#include "agent/internal.h"

#include <stdlib.h>
#include <string.h>

/* What the remover printed, as it is to be kept; whatever it printed. */
static json_t *understand_report(const struct buf *said, const char *plan, const char *mode, int status)
{
	struct err ignored;
	json_t *j = said->len ? jsonio_parse(said->p, said->len, "the report", &ignored) : NULL;

	if (!json_is_object(j)) {
		json_decref(j);
		j = json_pack("{ss ss s[] si}", "plan", plan, "mode", mode, "operations", "remaining", -1);
	}
	json_object_set_new(j, "exit", json_integer(status));
	return j;
}

static int store_report(const struct agent_config *c, const struct row *r, bool undo, const json_t *report, struct err *e)
{
	char *path = journal_path(c, "reports", r->plan, undo ? ".undo.json" : ".json");
	struct buf b = { 0 };
	int rc;

	jsonio_dump(report, &b);
	rc = atomic_write(path, 0600, b.p, b.len, e);
	buf_free(&b);
	free(path);
	return rc;
}

static int run(const struct agent_config *c, struct row *r, const struct answer *a, bool undo, struct err *e)
{
	struct buf said = { 0 };
	int status = tools_remover(c, a->remover, undo ? "--undo" : "--apply", &said, e), rc = -1;
	json_t *report = NULL;

	if (status < 0)
		goto out;
	report = understand_report(&said, r->plan, undo ? "undo" : "apply", status);
	r->remaining = (int64_t)jsonio_int(report, "remaining", status == 0 ? 0 : -1);
	if (store_report(c, r, undo, report, e) < 0)
		goto out;
	if (status > EX_NO)
		err_set(e, status < 128 ? status : EX_SOFTWARE, "the remover of plan %s ended with %d", r->plan, status);
	else
		rc = status;
out:
	json_decref(report);
	buf_free(&said);
	return rc;
}

int removal_run(const struct agent_config *c, struct verifier *v, struct db *d, struct row *r, bool undo, struct err *e)
{
	char *folder = journal_path(c, "removers", r->plan, "");
	struct expected x = { .host = r->host, .case_id = r->id, .environment = c->environment, .now = clock_now(), .newest = -1 };
	struct answer a;
	int rc = -1;

	if ((!undo && journal_newest(d, &x.newest, e) < 0) || answer_load(folder, &a, e) < 0)
		goto out;
	/* Once more, on what is kept: it may have lain there for long, and the list of the revoked has grown. */
	if (check_answer(&a, v, &x, e) < 0)
		r->state = REFUSED;
	else if (strcmp(jsonio_str(a.plan, "id"), r->plan))
		rc = err_set(e, EX_DATAERR, "%s holds another plan", err_q(folder));
	else
		rc = run(c, r, &a, undo, e);
	answer_free(&a);
out:
	free(folder);
	return rc;
}
