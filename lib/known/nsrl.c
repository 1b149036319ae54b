/*
 * nsrl: the Reference Data Set of NIST's National Software Reference Library as a source. Since 2022 (RDSv3) it is an SQLite
 * database with a table FILE, or in its full form METADATA, with columns sha256, file_name, package_id, and a table PKG that
 * tells what kind of application a package is; before, text with the columns named in its first line (NSRLFile.txt). NSRL
 * collects what exists, not what is good: what it says to be malicious, or made for attacks, is left out.
 */
#include "known/lines.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ids { int64_t *id; size_t count, cap; };

struct nsrl {
	struct build *b;
	struct db *db;
	const char *path, *table;
	uint32_t source;
	struct ids bad;                 /* packages left out, ascending */
	struct known_stats *s;
};

/* ---- the SQLite form ---- */

static int has_column(const struct nsrl *n, const char *table, const char *column, struct err *e)
{
	struct db_row *r = db_query(n->db, e, "SELECT 1 FROM pragma_table_info(?) WHERE lower(name) = ?", "ss", table, column);
	int has = r ? db_next(r, e) : -1;

	db_done(r);
	return has;
}

/* A table as such: no view, nor one that code stands behind. */
static int has_table(const struct nsrl *n, const char *table, struct err *e)
{
	struct db_row *r = db_query(n->db, e, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND upper(name) = ? AND rootpage > 0", "s",
		table);
	int has = r ? db_next(r, e) : -1;

	db_done(r);
	return has;
}

/* Whether what that kind of application is made for is no reason to trust its files. */
static bool made_for_attacks(const char *type)
{
	static const char *const words[] = {"hack", "crack", "malware", "malicious", "spyware", "keylog", "key log", "keyboard log", "exploit",
		"stegan", "rootkit"};

	if (!type || strcasestr(type, "anti"))
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasestr(type, words[i]))
			return true;
	return false;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static int find_bad(struct nsrl *n, struct err *e)
{
	struct ids *ids = &n->bad;
	struct db_row *r;
	int rc = has_table(n, "PKG", e), kind = rc > 0 ? has_column(n, "PKG", "application_type", e) : rc;

	if (kind <= 0)
		return kind;
	if (!(r = db_query(n->db, e, "SELECT [package_id], [application_type] FROM [PKG]", NULL)))
		return -1;
	while ((rc = db_next(r, e)) > 0)
		if (made_for_attacks(db_text(r, 1))) {
			if (ids->count == ids->cap) {
				ids->cap = ids->cap ? 2 * ids->cap : 256;
				ids->id = buf_realloc(ids->id, ids->cap, sizeof(*ids->id));
			}
			ids->id[ids->count++] = db_int(r, 0);
		}
	db_done(r);
	if (ids->count)
		qsort(ids->id, ids->count, sizeof(*ids->id), by_value);
	return rc;
}

static int add_row(const struct nsrl *n, struct db_row *r, bool named, uint64_t row, struct err *e)
{
	unsigned char digest[KNOWN_DIGEST];
	const char *hex = db_text(r, 0), *name = named ? db_text(r, 1) : NULL;
	int64_t package = db_int(r, 2);

	n->s->files++;
	if (!hex || !*hex) {
		n->s->without_digest++;
		return 0;
	}
	if (strlen(hex) != 64 || !lines_digest(hex, 64, digest))
		return err_set(e, EX_DATAERR, "%s, row %llu of %s: %s is no SHA-256", err_q(n->path), (unsigned long long)row, n->table, err_q(hex));
	if (n->bad.count && bsearch(&package, n->bad.id, n->bad.count, sizeof(package), by_value)) {
		n->s->left_out++;
		return 0;
	}
	n->s->matched++;
	return lines_add(n->b, digest, n->source, name, name ? strlen(name) : 0, e);
}

static int read_rows(struct nsrl *n, struct err *e)
{
	int named = has_column(n, n->table, "file_name", e), packaged = named < 0 ? -1 : has_column(n, n->table, "package_id", e), rc;
	struct db_row *r;
	uint64_t row = 0;
	char *sql;

	if (packaged < 0)
		return -1;
	if ((rc = has_column(n, n->table, "sha256", e)) <= 0)
		return rc ? rc : err_set(e, EX_DATAERR, "%s: its table %s has no column sha256, and weaker sums can confirm nothing", err_q(n->path), n->table);
	sql = buf_printf("SELECT [sha256], %s, %s FROM [%s]", named ? "[file_name]" : "NULL", packaged ? "[package_id]" : "-1", n->table);
	r = db_query(n->db, e, sql, NULL);
	free(sql);
	if (!r)
		return -1;
	while ((rc = db_next(r, e)) > 0) {
		if (add_row(n, r, named, ++row, e) < 0) {
			rc = -1;
			break;
		}
		if (!(row & 0xffff))
			progress("nsrl", row, 0);
	}
	progress_end();
	db_done(r);
	return rc;
}

static int add_database(struct nsrl *n, struct err *e)
{
	int has;

	if (!(n->db = db_open_foreign(n->path, e)))
		return -1;
	n->table = "FILE";
	if (!(has = has_table(n, n->table, e))) {
		n->table = "METADATA";
		has = has_table(n, n->table, e);
	}
	if (has < 0)
		return -1;
	if (!has)
		return err_set(e, EX_DATAERR, "%s is no reference data set: it has neither a table FILE nor METADATA", err_q(n->path));
	return find_bad(n, e) < 0 ? -1 : read_rows(n, e);
}

/* ---- the text form ---- */

static int add_line(void *ctx, struct lines *l, const char *text, size_t n, struct err *e)
{
	return csv_add(ctx, l, text, n, e);
}

static int add_text(const struct nsrl *n, struct err *e)
{
	struct csv_list list = {.b = n->b, .source = n->source};
	int rc = lines_each(n->path, CAP_LINE, add_line, &list, n->s, e);

	csv_free(&list.line);
	if (!rc && !list.begun)
		return err_set(e, EX_DATAERR, "%s is empty", err_q(n->path));
	return rc;
}

static ssize_t peek(const char *path, char *magic, size_t size)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
	ssize_t n = fd >= 0 ? pread(fd, magic, size, 0) : -1;

	io_close(&fd);
	return n;
}

int nsrl_add(struct build *b, const char *path, struct known_stats *s, struct err *e)
{
	struct nsrl n = {.b = b, .path = path, .s = s};
	char magic[16] = "";
	ssize_t got = peek(path, magic, sizeof(magic));
	int rc;

	if (got >= 4 && !memcmp(magic, "PK\3\4", 4))
		return err_set(e, EX_DATAERR, "%s is a zip archive: unpack it first", err_q(path));
	if (known_source(b, "nsrl", path, &n.source, e) < 0)
		return -1;
	rc = got == 16 && !memcmp(magic, "SQLite format 3", 16) ? add_database(&n, e) : add_text(&n, e);
	db_close(n.db);
	free(n.bad.id);
	if (!rc)
		build_from(b, KNOWN_FROM_NSRL, 0);
	return rc;
}
