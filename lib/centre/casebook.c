#include "centre/flow.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS entry(n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, host TEXT NOT NULL, state TEXT NOT NULL,"
	" answers TEXT NOT NULL, received INTEGER NOT NULL, changed INTEGER NOT NULL, attempts INTEGER NOT NULL, codes INTEGER NOT NULL,"
	" malicious INTEGER NOT NULL, text TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS event(n INTEGER PRIMARY KEY, id TEXT NOT NULL, time INTEGER NOT NULL, state TEXT NOT NULL, text TEXT NOT NULL);"
	"CREATE TABLE IF NOT EXISTS code(id TEXT NOT NULL, sha256 TEXT NOT NULL, verdict TEXT NOT NULL, score REAL NOT NULL, PRIMARY KEY(id, sha256));"
	"CREATE INDEX IF NOT EXISTS code_sha256 ON code(sha256);"
	"CREATE TABLE IF NOT EXISTS report(id TEXT PRIMARY KEY, answers TEXT NOT NULL, json TEXT NOT NULL);";

#define COLUMNS "id, host, state, answers, received, changed, attempts, codes, malicious, text"

struct db *casebook_open(const char *spool, struct err *e)
{
	char *path = buf_printf("%s/casebook.db", spool);
	struct db *d = db_open(path, schema, e);

	free(path);
	return d;
}

static void take_text(struct db_row *q, int column, char *out, size_t size)
{
	const char *s = db_text(q, column);

	snprintf(out, size, "%s", s ? s : "");
}

static void take_row(struct db_row *q, struct casebook_row *r)
{
	*r = (struct casebook_row){ 0 };
	take_text(q, 0, r->id, sizeof(r->id));
	take_text(q, 1, r->host, sizeof(r->host));
	take_text(q, 2, r->state, sizeof(r->state));
	take_text(q, 3, r->answers, sizeof(r->answers));
	r->received = db_int(q, 4);
	r->changed = db_int(q, 5);
	r->attempts = db_int(q, 6);
	r->codes = db_int(q, 7);
	r->malicious = db_int(q, 8);
	take_text(q, 9, r->text, sizeof(r->text));
}

int casebook_find(struct db *d, const char *id, struct casebook_row *r, struct err *e)
{
	struct db_row *q = db_query(d, e, "SELECT " COLUMNS " FROM entry WHERE id = ?", "s", id);
	int rc = q ? db_next(q, e) : -1;

	if (rc > 0)
		take_row(q, r);
	db_done(q);
	return rc;
}

int casebook_save(struct db *d, struct casebook_row *r, struct err *e)
{
	r->changed = clock_now();
	if (db_run(d, e, "INSERT INTO entry(" COLUMNS ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET host = excluded.host,"
		   " state = excluded.state, answers = excluded.answers, changed = excluded.changed, attempts = excluded.attempts,"
		   " codes = excluded.codes, malicious = excluded.malicious, text = excluded.text",
		   "ssssiiiiis", r->id, r->host, r->state, r->answers, r->received, r->changed, r->attempts, r->codes, r->malicious, r->text) < 0)
		return -1;
	return db_run(d, e, "INSERT INTO event(id, time, state, text) VALUES(?, ?, ?, ?)", "siss", r->id, r->changed, r->state, r->text);
}

int casebook_code(struct db *d, const char *id, const char *sha256, const char *verdict, double score, struct err *e)
{
	char text[32];

	snprintf(text, sizeof(text), "%.3f", score);
	return db_run(d, e, "INSERT OR REPLACE INTO code(id, sha256, verdict, score) VALUES(?, ?, ?, CAST(? AS REAL))", "ssss", id, sha256,
		      verdict, text);
}

int casebook_report(struct db *d, const char *id, const char *answers, const char *json, struct err *e)
{
	return db_run(d, e, "INSERT OR REPLACE INTO report(id, answers, json) VALUES(?, ?, ?)", "sss", id, answers, json);
}

static json_t *codes_of(struct db *d, const char *id, struct err *e)
{
	struct db_row *q = db_query(d, e, "SELECT sha256, verdict, CAST(score AS TEXT) FROM code WHERE id = ? ORDER BY score DESC", "s", id);
	json_t *list = json_array();

	while (q && db_next(q, e) > 0)
		json_array_append_new(list, json_pack("{ss ss sf}", "sha256", db_text(q, 0), "verdict", db_text(q, 1), "score",
			strtod(db_text(q, 2), NULL)));
	db_done(q);
	return list;
}

static void print_row(struct db *d, const struct casebook_row *r, bool json, struct err *e)
{
	char received[CLOCK_RFC3339], changed[CLOCK_RFC3339];

	clock_rfc3339(r->received, received);
	clock_rfc3339(r->changed, changed);
	if (json) {
		json_t *j = json_pack("{ss so ss ss ss sI sI sI ss* ss so}", "case", r->id, "host", jsonio_name(r->host), "state", r->state,
			"received", received, "changed", changed, "attempts", (json_int_t)r->attempts, "codes", (json_int_t)r->codes, "malicious",
			(json_int_t)r->malicious, "answers", *r->answers ? r->answers : NULL, "text", r->text, "verdicts", codes_of(d, r->id, e));

		jsonio_print(stdout, j);
		json_decref(j);
	} else {
		printf("%-20s  %-32s  %-16s  %-9s  %5lld  %9lld  %s\n", received, r->id, r->host, r->state, (long long)r->codes,
		       (long long)r->malicious, r->text);
	}
}

int casebook_print(const char *spool, bool json, struct err *e)
{
	char *path = buf_printf("%s/casebook.db", spool);
	struct db *d = NULL;
	struct db_row *q = NULL;
	struct casebook_row r;
	int rc = 0;

	if (access(path, F_OK) == 0) {   /* no run yet: an empty book, and no file made */
		d = casebook_open(spool, e);
		q = d ? db_query(d, e, "SELECT " COLUMNS " FROM entry ORDER BY n DESC", "") : NULL;
		rc = q ? 0 : -1;
	}
	if (rc == 0 && !json)
		printf("%-20s  %-32s  %-16s  %-9s  %5s  %9s  %s\n", "RECEIVED", "CASE", "HOST", "STATE", "CODES", "MALICIOUS", "");
	while (q && (rc = db_next(q, e)) > 0) {
		take_row(q, &r);
		print_row(d, &r, json, e);
	}
	db_done(q);
	db_close(d);
	free(path);
	return rc;
}
