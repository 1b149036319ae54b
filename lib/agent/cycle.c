#include "agent/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define ATTEMPTS 5   /* at one state, over as many runs */

struct cycle {
	const struct agent_config *c;
	struct db *d;
	struct verifier *v;
};

static void say(struct row *r, const char *fmt, ...) PRINTF(2, 3);
static void say(struct row *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
}

static void drop_file(const struct agent_config *c, const char *folder, const char *id)
{
	char *path = journal_path(c, folder, id, ".case");

	unlink(path);
	free(path);
}

/* ---- one step each: 0 and another state, or -1 with *e (75: to be tried again) ---- */

static int send_case(struct cycle *k, struct row *r, struct err *e)
{
	int64_t attempts;

	if (tools_send(k->c, r->id, e) < 0) {
		if (e->code != EX_DATAERR && e->code != EX_NOINPUT)
			return -1;
		say(r, "not sent: %s", e->msg);
		return journal_move(k->d, r, FAILED, e);
	}
	say(r, "%lld pieces of code sent", (long long)r->codes);
	attempts = r->attempts;   /* a centre that loses it each time is to be given up */
	if (journal_move(k->d, r, SENT, e) < 0)
		return -1;
	r->attempts = attempts;
	return journal_save(k->d, r, e);
}

static int refuse(struct cycle *k, struct row *r, struct err *e)
{
	char *from = journal_path(k->c, "incoming", r->id, ".case"), *to = journal_path(k->c, "refused", r->id, ".case");

	say(r, "%s", e->msg);
	msg_warn("the answer to case %s is refused: %s", r->id, e->msg);
	if (rename(from, to) < 0)
		msg_info("%s is not there any more", err_q(from));
	free(from);
	free(to);
	return journal_move(k->d, r, REFUSED, e);
}

static int fetch_answer(struct cycle *k, struct row *r, struct err *e)
{
	if (tools_fetch(k->c, r->id, e) == 0) {
		drop_file(k->c, "outgoing", r->id);
		say(r, "answered");
		return journal_move(k->d, r, ANSWERED, e);
	}
	if (e->code == EX_DATAERR)   /* what came is no case, or answers another */
		return refuse(k, r, e);
	if (e->code != EX_NO)
		return -1;
	if (++r->attempts >= ATTEMPTS) {
		say(r, "the centre does not know this case");
		return journal_move(k->d, r, FAILED, e);
	}
	r->state = SCANNED;   /* the centre has lost it: once more */
	return journal_save(k->d, r, e);
}

static int no_remedy(struct cycle *k, struct row *r, const struct answer *a, struct err *e)
{
	const char *outcome = jsonio_str(a->case_json, "outcome");
	bool harmless = outcome && !strcmp(outcome, "nothing");

	say(r, harmless ? "the centre found nothing malicious" : outcome && !strcmp(outcome, "unsafe") ?
	    "malicious, but no remover was proven safe" : "the centre could not analyse this case");
	drop_file(k->c, "incoming", r->id);
	return journal_move(k->d, r, harmless ? NOTHING_FOUND : UNSOLVED, e);
}

static int check(struct cycle *k, struct row *r, struct err *e)
{
	char *path = journal_path(k->c, "incoming", r->id, ".case"), *folder = NULL;
	struct expected x = { .host = r->host, .case_id = r->id, .environment = k->c->environment, .now = clock_now() };
	struct answer a = { .remover = -1 };
	const char *id;
	int rc = -1;

	if (journal_newest(k->d, &x.newest, e) < 0)
		goto out;
	if (answer_read(path, k->v, k->c->environment, &a, e) < 0) {
		rc = e->code == EX_DATAERR || e->code == EX_NOPERM ? refuse(k, r, e) : -1;
		goto out;
	}
	id = jsonio_str(a.case_json, "id");
	if (!id || strcmp(id, r->id)) {
		err_set(e, EX_DATAERR, "it answers another case");
		rc = refuse(k, r, e);
		goto out;
	}
	if (!a.plan && !a.certificate && a.remover < 0) {
		rc = no_remedy(k, r, &a, e);
		goto out;
	}
	if (check_answer(&a, k->v, &x, e) < 0) {
		rc = refuse(k, r, e);
		goto out;
	}
	snprintf(r->plan, sizeof(r->plan), "%s", jsonio_str(a.plan, "id"));
	folder = journal_path(k->c, "removers", r->plan, "");
	if (answer_keep(&a, folder, e) < 0 || journal_accept(k->d, (int64_t)jsonio_int(a.certificate, "version", 0), e) < 0)
		goto out;
	say(r, "a remover for %zu pieces of code passed all checks", json_array_size(json_object_get(a.plan, "codes")));
	rc = journal_move(k->d, r, CHECKED, e);
out:
	answer_free(&a);
	free(path);
	free(folder);
	return rc;
}

static int apply(struct cycle *k, struct row *r, struct err *e)
{
	int rc;

	if (!k->c->apply)
		return err_set(e, EX_TEMPFAIL, "plan %s is checked, and waits for 'apply yes'", r->plan);
	rc = removal_run(k->c, k->v, k->d, r, false, e);
	if (rc < 0)
		return r->state == REFUSED ? refuse(k, r, e) : -1;
	drop_file(k->c, "incoming", r->id);
	say(r, "applied");
	return journal_move(k->d, r, APPLIED, e);
}

/* The remover's report, and whether another look still finds what it was for. */
static json_t *whole_report(struct cycle *k, struct row *r, const struct answer *a, struct err *e)
{
	char *path = journal_path(k->c, "reports", r->plan, ".json"), now[CLOCK_RFC3339];
	json_t *j = jsonio_load(path, e), *found;

	free(path);
	if (!j || !k->c->rescan)
		return j;
	found = json_array();
	if (tools_rescan(k->c, json_object_get(a->plan, "codes"), found, e) < 0) {
		msg_warn("the second scan failed: %s", e->msg);
		json_decref(found);
		return j;
	}
	clock_rfc3339(clock_now(), now);
	if (json_array_size(found) > 0 && r->remaining == 0)
		r->remaining = (int64_t)json_array_size(found);
	json_object_set_new(j, "rescan", json_pack("{ss so}", "time", now, "found", found));
	return j;
}

static int report(struct cycle *k, struct row *r, struct err *e)
{
	char *folder = journal_path(k->c, "removers", r->plan, "");
	struct answer a = { .remover = -1 };
	json_t *j = NULL;
	int rc = -1;

	if (answer_load(folder, &a, e) < 0)
		goto out;
	if (!*r->report) {
		j = whole_report(k, r, &a, e);
		if (!j || tools_report(k->c, r, a.case_json, j, e) < 0 || journal_save(k->d, r, e) < 0)
			goto out;
	}
	if (tools_send(k->c, r->report, e) < 0)
		goto out;
	drop_file(k->c, "outgoing", r->report);
	say(r, r->remaining ? "%zu pieces of code: something could not be removed" : "%zu pieces of code removed",
	    json_array_size(json_object_get(a.plan, "codes")));
	rc = journal_move(k->d, r, REPORTED, e);
out:
	json_decref(j);
	answer_free(&a);
	free(folder);
	return rc;
}

/* ---- a row to its end ---- */

static int step(struct cycle *k, struct row *r, struct err *e)
{
	switch (r->state) {
	case SCANNED: return send_case(k, r, e);
	case SENT: return fetch_answer(k, r, e);
	case ANSWERED: return check(k, r, e);
	case CHECKED: return apply(k, r, e);
	case APPLIED: return report(k, r, e);
	default: return err_set(e, EX_SOFTWARE, "nothing is to be done at state %s", journal_state_name(r->state));
	}
}

/* 0 or EX_NO at an end, -1 when it stays open. */
static int advance(struct cycle *k, struct row *r, struct err *e)
{
	enum state before;
	struct err saving;

	while (r->state < NOTHING_FOUND) {
		before = r->state;
		err_clear(e);
		if (step(k, r, e) == 0)
			continue;
		r->state = before;
		if (e->code != EX_TEMPFAIL)
			r->attempts++;
		say(r, "%s", e->msg);
		if (r->attempts >= ATTEMPTS || (before <= SENT && clock_now() - r->started > k->c->patience)) {
			msg_warn("case %s is given up: %s", r->id, e->msg);
			r->state = FAILED;
		}
		if ((r->state == FAILED ? journal_move(k->d, r, FAILED, &saving) : journal_save(k->d, r, &saving)) < 0) {
			*e = saving;
			return -1;
		}
		if (r->state != FAILED)
			return -1;
	}
	if (r->state != NOTHING_FOUND)
		printf("case %s: %s: %s\n", r->id, journal_state_name(r->state), r->text);
	return r->state == NOTHING_FOUND || (r->state == REPORTED && r->remaining == 0) ? 0 : EX_NO;
}

/* What a run that was ended made, but had not yet written down: it is made anew. */
static void sweep_outgoing(struct cycle *k)
{
	char *folder = buf_printf("%s/outgoing", k->c->state);
	DIR *dir = opendir(folder);
	struct dirent *entry;
	struct row r;
	struct err ignored;

	while (dir && (entry = readdir(dir))) {
		char id[ID] = "";

		if (entry->d_name[0] == '.')
			continue;
		if (strlen(entry->d_name) == 37 && !strcmp(entry->d_name + 32, ".case"))
			memcpy(id, entry->d_name, 32);
		if (!id_ok(id) || (journal_find(k->d, "id", id, &r, &ignored) == 0 && journal_find(k->d, "report", id, &r, &ignored) == 0))
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir)
		closedir(dir);
	free(folder);
}

static int finish_open(struct cycle *k, struct err *e)
{
	struct row r = { 0 }, before = { 0 };
	struct err first = { 0 };
	int got, rc, worst = 0;
	bool open = false;

	while ((got = journal_next_open(k->d, *before.id ? &before : NULL, &r, e)) > 0) {
		rc = advance(k, &r, e);
		if (rc < 0 && !open) {
			open = true;
			first = *e;
		}
		worst = rc > worst ? rc : worst;
		before = r;
	}
	if (got < 0)
		return -1;
	*e = first;
	return open ? -1 : worst;
}

static int new_cycle(struct cycle *k, struct err *e)
{
	struct row r;

	if (tools_scan(k->c, &r, e) < 0)
		return -1;
	if (r.codes == 0) {
		r.state = NOTHING_FOUND;
		say(&r, "nothing suspicious");
		drop_file(k->c, "outgoing", r.id);
		return journal_add(k->d, &r, e);
	}
	say(&r, "%lld pieces of code found", (long long)r.codes);
	return journal_add(k->d, &r, e) < 0 ? -1 : advance(k, &r, e);
}

/* The whitelist first, so that what is scanned is held against the newest. What cannot be done costs no scan: the index is one
 * still. 0 or EX_NO. */
static int follow_deltas(struct cycle *k)
{
	struct err e = { 0 };
	int rc = k->c->deltas ? deltas_follow(k->c, k->d, &e) : 0;

	if (rc < 0)
		msg_warn("the whitelist stays as it is: %s", e.msg);
	return rc < 0 ? 0 : rc;
}

int cycle_run(const struct agent_config *c, struct err *e)
{
	struct cycle k = { .c = c };
	int lock = journal_lock(c, e), rc = -1, worst, deltas;

	if (lock < 0)
		return -1;
	if (c->niceness && setpriority(PRIO_PROCESS, 0, (int)c->niceness) < 0)
		msg_info("the priority stays as it is");
	if (!(k.d = journal_open(c, e)) || !(k.v = verify_open(c->authority, c->revoked, e)))
		goto out;
	sweep_outgoing(&k);
	deltas = follow_deltas(&k);
	worst = finish_open(&k, e);
	if (worst < 0)
		goto out;
	rc = new_cycle(&k, e);
	if (rc >= 0 && worst > rc)
		rc = worst;
	if (rc >= 0 && deltas > rc)
		rc = deltas;
out:
	verify_free(k.v);
	db_close(k.d);
	io_close(&lock);
	return rc;
}
