#include "base/base.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct db {
	sqlite3 *sql;
	char *path;
};
struct db_row {
	struct db *db;
	sqlite3_stmt *st;
};

static int db_err(struct db *d, struct err *e, const char *what)
{
	int code = sqlite3_errcode(d->sql) & 0xff;
	int ex = code == SQLITE_BUSY || code == SQLITE_LOCKED ? EX_TEMPFAIL :
		code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? EX_DATAERR :
		code == SQLITE_CANTOPEN || code == SQLITE_PERM || code == SQLITE_READONLY ? EX_NOPERM : EX_IOERR;

	return err_set(e, ex, "%s %s: %s", what, err_q(d->path), sqlite3_errmsg(d->sql));
}

struct db *db_open(const char *path, const char *schema, struct err *e)
{
	struct db *d = buf_alloc(sizeof *d);

	d->path = buf_strdup(path);
	if (sqlite3_open_v2(path, &d->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW, NULL)) {
		if (d->sql)
			db_err(d, e, "cannot open the database");
		else
			err_set(e, EX_OSERR, "cannot open the database %s", err_q(path));
		db_close(d);
		return NULL;
	}
	sqlite3_busy_timeout(d->sql, 10000);
	if (sqlite3_exec(d->sql, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;", NULL, NULL, NULL) ||
	    (schema && sqlite3_exec(d->sql, schema, NULL, NULL, NULL))) {
		db_err(d, e, "cannot prepare the database");
		db_close(d);
		return NULL;
	}
	return d;
}

void db_close(struct db *d)
{
	if (!d)
		return;
	sqlite3_close_v2(d->sql);
	free(d->path);
	free(d);
}

static sqlite3_stmt *prepare(struct db *d, struct err *e, const char *sql, const char *fmt, va_list ap)
{
	sqlite3_stmt *st;
	int rc = SQLITE_OK;

	if (sqlite3_prepare_v2(d->sql, sql, -1, &st, NULL)) {
		db_err(d, e, "cannot use the database");
		return NULL;
	}
	for (int i = 1; fmt && *fmt && rc == SQLITE_OK; fmt++, i++) {
		if (*fmt == 's') {
			rc = sqlite3_bind_text(st, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
		} else if (*fmt == 'i') {
			rc = sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
		} else {
			const void *p = va_arg(ap, const void *);

			rc = sqlite3_bind_blob64(st, i, p, va_arg(ap, size_t), SQLITE_TRANSIENT);
		}
	}
	if (rc != SQLITE_OK) {
		db_err(d, e, "cannot use the database");
		sqlite3_finalize(st);
		return NULL;
	}
	return st;
}

int db_run(struct db *d, struct err *e, const char *sql, const char *fmt, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	st = prepare(d, e, sql, fmt, ap);
	va_end(ap);
	if (!st)
		return -1;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		;
	if (rc != SQLITE_DONE)
		db_err(d, e, "cannot write to the database");
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : -1;
}

struct db_row *db_query(struct db *d, struct err *e, const char *sql, const char *fmt, ...)
{
	struct db_row *r;
	sqlite3_stmt *st;
	va_list ap;

	va_start(ap, fmt);
	st = prepare(d, e, sql, fmt, ap);
	va_end(ap);
	if (!st)
		return NULL;
	r = buf_alloc(sizeof *r);
	r->db = d;
	r->st = st;
	return r;
}

int db_next(struct db_row *r, struct err *e)
{
	switch (sqlite3_step(r->st)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		return db_err(r->db, e, "cannot read the database");
	}
}

const char *db_text(struct db_row *r, int column)
{
	return (const char *)sqlite3_column_text(r->st, column);
}

int64_t db_int(struct db_row *r, int column)
{
	return sqlite3_column_int64(r->st, column);
}

void db_done(struct db_row *r)
{
	if (!r)
		return;
	sqlite3_finalize(r->st);
	free(r);
}
