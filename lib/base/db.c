#include "base/base.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define FOREIGN_STEPS 1000000    /* of SQLite's machine, between looks */
#define FOREIGN_LOOKS 1000u      /* without a row: some minutes */
#define FOREIGN_LENGTH 1000000   /* of a value or a row: a file's name has some hundred bytes */

struct db {
	sqlite3 *sql;
	char *path;
	bool foreign;
	unsigned looks;
};
struct db_row {
	struct db *db;
	sqlite3_stmt *st;
};

static int db_err(struct db *d, struct err *e, const char *what)
{
	int code = sqlite3_errcode(d->sql) & 0xff;
	int ex = d->foreign && code != SQLITE_NOMEM && code != SQLITE_IOERR ? EX_DATAERR : code == SQLITE_BUSY || code == SQLITE_LOCKED ? EX_TEMPFAIL :
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

static int too_long(void *arg)
{
	struct db *d = arg;

	return ++d->looks > FOREIGN_LOOKS;
}

/* The path as a URI: only so can a database be opened as one that nobody writes to. */
static char *immutable_uri(const char *path)
{
	struct buf uri = {0};

	buf_adds(&uri, *path == '/' ? "file:" : "file:./");
	for (; *path; path++)
		if (strchr("%?#", *path) || (unsigned char)*path <= ' ')
			buf_addf(&uri, "%%%02x", (unsigned char)*path);
		else
			buf_addc(&uri, *path);
	buf_adds(&uri, "?immutable=1");
	return (char *)uri.p;
}

/* As sqlite.org/security.html advises for untrusted files. */
static void distrust(struct db *d)
{
	sqlite3_db_config(d->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(d->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(d->sql, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(d->sql, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_limit(d->sql, SQLITE_LIMIT_LENGTH, FOREIGN_LENGTH);
	sqlite3_limit(d->sql, SQLITE_LIMIT_SQL_LENGTH, 10000);
	sqlite3_limit(d->sql, SQLITE_LIMIT_COLUMN, 100);
	sqlite3_limit(d->sql, SQLITE_LIMIT_EXPR_DEPTH, 20);
	sqlite3_limit(d->sql, SQLITE_LIMIT_COMPOUND_SELECT, 3);
	sqlite3_limit(d->sql, SQLITE_LIMIT_VDBE_OP, 25000);
	sqlite3_limit(d->sql, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_progress_handler(d->sql, FOREIGN_STEPS, too_long, d);
}

struct db *db_open_foreign(const char *path, struct err *e)
{
	struct db *d = buf_alloc(sizeof *d);
	char *uri = immutable_uri(path);
	int rc = sqlite3_open_v2(uri, &d->sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);

	free(uri);
	d->path = buf_strdup(path);
	d->foreign = true;
	if (!rc) {
		distrust(d);
		rc = sqlite3_exec(d->sql, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0;", NULL, NULL, NULL);
	}
	if (!rc)
		return d;
	if (d->sql)
		db_err(d, e, "cannot read the database");
	else
		err_set(e, EX_OSERR, "cannot open the database %s", err_q(path));
	db_close(d);
	return NULL;
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
	r->db->looks = 0;
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

int db_image(const char *script, struct buf *out, struct err *e)
{
	sqlite3 *sql = NULL;
	unsigned char *image = NULL;
	sqlite3_int64 n = 0;
	int rc = 0;

	if (sqlite3_open_v2(":memory:", &sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) || sqlite3_exec(sql, script, NULL, NULL, NULL))
		rc = err_set(e, EX_DATAERR, "cannot make a database: %s", sql ? sqlite3_errmsg(sql) : "no memory");
	else if (!(image = sqlite3_serialize(sql, "main", &n, 0)))
		rc = err_set(e, EX_OSERR, "cannot make a database: no memory");
	else
		buf_add(out, image, (size_t)n);
	sqlite3_free(image);
	sqlite3_close(sql);
	return rc;
}
