#include "agent/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS cycle(n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, host TEXT NOT NULL, plan TEXT NOT NULL,"
	" report TEXT NOT NULL, state TEXT NOT NULL, started INTEGER NOT NULL, changed INTEGER NOT NULL, codes INTEGER NOT NULL,"
	" attempts INTEGER NOT NULL, remaining INTEGER NOT NULL, text TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS event(n INTEGER PRIMARY KEY, id TEXT NOT NULL, time INTEGER NOT NULL, state TEXT NOT NULL, text TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS newest(one INTEGER PRIMARY KEY CHECK(one = 1), version INTEGER NOT NULL);"
	"CREATE TABLE IF NOT EXISTS delta(n INTEGER PRIMARY KEY, id TEXT NOT NULL, version INTEGER NOT NULL, time INTEGER NOT NULL,"
	" state TEXT NOT NULL, text TEXT NOT NULL);";

#define COLUMNS "id, host, plan, report, state, started, changed, codes, attempts, remaining, text"

static const char *const names[STATES] = {
	[SCANNED] = "scanned", [SENT] = "sent", [ANSWERED] = "answered", [CHECKED] = "checked", [APPLIED] = "applied",
	[NOTHING_FOUND] = "nothing-found", [REPORTED] = "reported", [UNSOLVED] = "unsolved", [REFUSED] = "refused",
	[FAILED] = "failed", [UNDONE] = "undone",
};

const char *journal_state_name(enum state s)
{
	return names[s];
}

bool id_ok(const char *id)
{
	return id && strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32;
}

char *journal_path(const struct agent_config *c, const char *folder, const char *name, const char *suffix)
{
	return buf_printf("%s/%s/%s%s", c->state, folder, name, suffix);
}

int journal_lock(const struct agent_config *c, struct err *e)
{
	static const char *const folders[] = { "outgoing", "incoming", "removers", "reports", "refused" };
	char *path = buf_printf("%s/lock", c->state);
	int fd = -1;

	if (io_mkdirs(c->state, 0700, e) < 0)
		goto out;
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		char *folder = buf_printf("%s/%s", c->state, folders[i]);
		int rc = io_mkdirs(folder, 0700, e);

		free(folder);
		if (rc < 0)
			goto out;
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		err_sys(e, "cannot open %s", err_q(path));
	} else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			err_set(e, EX_TEMPFAIL, "another run is under way in %s", err_q(c->state));
		else
			err_sys(e, "cannot lock %s", err_q(path));
		io_close(&fd);
	}
out:
	free(path);
	return fd;
}

struct db *journal_open(const struct agent_config *c, struct err *e)
{
	char *path = buf_printf("%s/journal.db", c->state);
	struct db *d = db_open(path, schema, e);

	free(path);
	return d;
}

static int event(struct db *d, const struct row *r, struct err *e)
{
	return db_run(d, e, "INSERT INTO event(id, time, state, text) VALUES(?, ?, ?, ?)", "siss", r->id, clock_now(), names[r->state], r->text);
}

int journal_add(struct db *d, const struct row *r, struct err *e)
{
	if (db_run(d, e, "INSERT INTO cycle(" COLUMNS ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "sssssiiiiis", r->id, r->host, r->plan,
		   r->report, names[r->state], r->started, clock_now(), r->codes, r->attempts, r->remaining, r->text) < 0)
		return -1;
	return event(d, r, e);
}

int journal_save(struct db *d, struct row *r, struct err *e)
{
	r->changed = clock_now();
	return db_run(d, e, "UPDATE cycle SET plan = ?, report = ?, state = ?, changed = ?, codes = ?, attempts = ?, remaining = ?, text = ?"
		" WHERE id = ?", "sssiiiiss", r->plan, r->report, names[r->state], r->changed, r->codes, r->attempts, r->remaining, r->text, r->id);
}

int journal_move(struct db *d, struct row *r, enum state to, struct err *e)
{
	r->state = to;
	r->attempts = 0;
	return journal_save(d, r, e) < 0 || event(d, r, e) < 0 ? -1 : 0;
}

static void take_text(struct db_row *q, int column, char *out, size_t size)
{
	const char *s = db_text(q, column);

	snprintf(out, size, "%s", s ? s : "");
}

static int take_row(struct db_row *q, struct row *r, struct err *e)
{
	const char *state;

	*r = (struct row){ 0 };
	take_text(q, 0, r->id, sizeof(r->id));
	take_text(q, 1, r->host, sizeof(r->host));
	take_text(q, 2, r->plan, sizeof(r->plan));
	take_text(q, 3, r->report, sizeof(r->report));
	state = db_text(q, 4);
	r->started = db_int(q, 5);
	r->changed = db_int(q, 6);
	r->codes = db_int(q, 7);
	r->attempts = db_int(q, 8);
	r->remaining = db_int(q, 9);
	take_text(q, 10, r->text, sizeof(r->text));
	for (int s = 0; s < STATES; s++)
		if (state && !strcmp(state, names[s])) {
			r->state = (enum state)s;
			return 1;
		}
	return err_set(e, EX_DATAERR, "the journal holds the unknown state %s", err_q(state ? state : ""));
}

static int one_row(struct db_row *q, struct row *r, struct err *e)
{
	int rc = q ? db_next(q, e) : -1;

	if (rc > 0)
		rc = take_row(q, r, e);
	db_done(q);
	return rc;
}

int journal_next_open(struct db *d, const struct row *after, struct row *r, struct err *e)
{
	return one_row(db_query(d, e, "SELECT " COLUMNS " FROM cycle WHERE state IN ('scanned', 'sent', 'answered', 'checked', 'applied')"
		" AND n > coalesce((SELECT n FROM cycle WHERE id = ?), 0) ORDER BY n LIMIT 1", "s", after ? after->id : ""), r, e);
}

int journal_find(struct db *d, const char *column, const char *value, struct row *r, struct err *e)
{
	char *sql = buf_printf("SELECT " COLUMNS " FROM cycle WHERE %s = ? ORDER BY n DESC LIMIT 1", column);
	int rc = one_row(db_query(d, e, sql, "s", value), r, e);

	free(sql);
	return rc;
}

int journal_newest(struct db *d, int64_t *version, struct err *e)
{
	struct db_row *q = db_query(d, e, "SELECT version FROM newest", "");
	int rc = q ? db_next(q, e) : -1;

	*version = rc > 0 ? db_int(q, 0) : 0;
	db_done(q);
	return rc < 0 ? -1 : 0;
}

int journal_accept(struct db *d, int64_t version, struct err *e)
{
	return db_run(d, e, "INSERT INTO newest(one, version) VALUES(1, ?) ON CONFLICT(one) DO UPDATE SET version = max(version, excluded.version)",
		      "i", version);
}

int journal_delta(struct db *d, const char *index, uint64_t version, const char *state, const char *text, struct err *e)
{
	return db_run(d, e, "INSERT INTO delta(id, version, time, state, text) VALUES(?, ?, ?, ?, ?)", "siiss", index, (int64_t)version,
		      clock_now(), state, text);
}

static void print_delta(struct db_row *q, bool json)
{
	const char *id = db_text(q, 0), *state = db_text(q, 3), *text = db_text(q, 4);
	char when[CLOCK_RFC3339];

	clock_rfc3339(db_int(q, 2), when);
	if (json) {
		json_t *j = json_pack("{ss* sI ss ss* ss*}", "index", id, "version", (json_int_t)db_int(q, 1), "changed", when, "state", state, "text", text);

		jsonio_print(stdout, j);
		json_decref(j);
	} else {
		printf("%-20s  %-13s  %5s  %-32s  %s\n", when, state ? state : "", "index", id ? id : "", text ? text : "");
	}
}

/* The newest word on each index. */
static int print_deltas(struct db *d, bool json, struct err *e)
{
	struct db_row *q = db_query(d, e, "SELECT id, version, time, state, text FROM delta WHERE n IN (SELECT max(n) FROM delta GROUP BY id)"
		" ORDER BY n DESC", "");
	int rc = q ? 0 : -1;

	while (q && (rc = db_next(q, e)) > 0)
		print_delta(q, json);
	db_done(q);
	return rc;
}

static void print_row(const struct row *r, bool json)
{
	char started[CLOCK_RFC3339], changed[CLOCK_RFC3339];

	clock_rfc3339(r->started, started);
	clock_rfc3339(r->changed, changed);
	if (json) {
		json_t *j = json_pack("{ss ss ss ss sI sI ss* ss* ss}", "case", r->id, "state", names[r->state], "started", started,
			"changed", changed, "codes", (json_int_t)r->codes, "remaining", (json_int_t)r->remaining, "plan",
			*r->plan ? r->plan : NULL, "report", *r->report ? r->report : NULL, "text", r->text);

		jsonio_print(stdout, j);
		json_decref(j);
	} else {
		printf("%-20s  %-13s  %5lld  %-32s  %s\n", started, names[r->state], (long long)r->codes, *r->plan ? r->plan : "-", r->text);
	}
}

int journal_print(const struct agent_config *c, bool json, struct err *e)
{
	char *path = buf_printf("%s/journal.db", c->state);
	struct db *d = NULL;
	struct db_row *q = NULL;
	struct row r;
	int rc = 0;

	if (access(path, F_OK) == 0) {   /* no run yet: an empty history, and no file made */
		d = journal_open(c, e);
		q = d ? db_query(d, e, "SELECT " COLUMNS " FROM cycle ORDER BY n DESC", "") : NULL;
		rc = q ? 0 : -1;
	}
	if (rc == 0 && !json)
		printf("%-20s  %-13s  %5s  %-32s  %s\n", "STARTED", "STATE", "CODES", "PLAN", "");
	while (q && (rc = db_next(q, e)) > 0) {
		rc = take_row(q, &r, e);
		if (rc < 0)
			break;
		print_row(&r, json);
	}
	db_done(q);
	if (rc == 0 && d)
		rc = print_deltas(d, json, e);
	db_close(d);
	free(path);
	return rc;
}
