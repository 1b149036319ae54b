/* db_*: what was written is there after it was closed; what is no database is said so. */
#include "base/base.h"
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	static const char schema[] = "CREATE TABLE IF NOT EXISTS t (name TEXT PRIMARY KEY, n INTEGER);";
	char dir[] = "/tmp/muss-unit-XXXXXX", *path;
	struct err e = { 0 };
	struct db_row *r;
	struct db *d;

	if (!mkdtemp(dir))
		return 1;
	path = buf_printf("%s/x.db", dir);
	d = db_open(path, schema, &e);
	OK(d != NULL, "a database is made");
	OK(db_run(d, &e, "INSERT INTO t VALUES (?, ?)", "si", "it's; DROP TABLE t", (int64_t)1 << 40) == 0, "a row is written");
	OK(db_run(d, &e, "INSERT INTO t VALUES (?, ?)", "si", "it's; DROP TABLE t", (int64_t)1) == -1, "not twice");
	db_close(d);
	d = db_open(path, schema, &e);
	r = db_query(d, &e, "SELECT name, n FROM t WHERE n > ?", "i", (int64_t)0);
	OK(r && db_next(r, &e) == 1, "it is there when opened again");
	OK_STR(db_text(r, 0), "it's; DROP TABLE t", "text comes back");
	OK(db_int(r, 1) == (int64_t)1 << 40, "and the number");
	OK(db_next(r, &e) == 0, "and no more");
	db_done(r);
	db_close(d);
	OK(atomic_write(path, 0600, "this is no database, whatever its name says, and is long enough", 63, &e) == 0 &&
	   !db_open(path, schema, &e) && e.code == EX_DATAERR, "no database is 65");
	io_rmtree(AT_FDCWD, dir, &e);
	free(path);
	return unit_end();
}
