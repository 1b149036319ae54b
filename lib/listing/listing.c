#include "listing/internal.h"

#include "casefile/casefile.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct row { double score; char *line; };

struct list {
	const struct listing_options *o;
	FILE *held;              /* the output, until the case is verified */
	struct row *rows;        /* the table, which is sorted */
	size_t n, cap;
	size_t found;
	json_t *code;            /* the piece of code that is open */
	struct buf analysis;     /* the member of it that is looked into */
	char analysis_name[16];  /* or "" */
};

static bool wanted(const struct list *l, const char *sha256)
{
	return !strncmp(sha256, l->o->prefix, strlen(l->o->prefix));
}

/* The analysis that was tapped last is complete now. */
static int look_into(struct list *l, struct err *e)
{
	json_t *j;

	if (!*l->analysis_name)
		return 0;
	j = jsonio_parse(l->analysis.p, l->analysis.len, l->analysis_name, e);
	if (!j)
		return err_wrap(e, "code %s", err_q(jsonio_str(l->code, "sha256")));
	piece_learn(l->code, l->analysis_name, j);
	json_decref(j);
	*l->analysis_name = '\0';
	buf_clear(&l->analysis);
	return 0;
}

static void add_row(struct list *l)
{
	struct buf line = { 0 };

	table_row(l->code, l->o, &line);
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 256;
		l->rows = buf_realloc(l->rows, l->cap, sizeof(*l->rows));
	}
	l->rows[l->n++] = (struct row){ jsonio_num(l->code, "score", 0), (char *)line.p };
}

/* ---- the case ---- */

static int on_head(void *ctx, json_t *j, struct err *e)
{
	const char *name = jsonio_str(json_object_get(j, "host"), "name"), *time = jsonio_str(j, "time");

	(void)ctx, (void)e;
	msg_info("case %s of %s, %s", jsonio_str(j, "id"), name ? err_q(name) : "no host", time ? err_q(time) : "without a time");
	return 0;
}

static int on_about(void *ctx, const char *sha256, json_t *about, struct err *e)
{
	struct list *l = ctx;

	(void)e;
	if (!wanted(l, sha256))
		return 0;
	l->found++;
	l->code = piece_listed(sha256, about);
	return 1;
}

static int on_member(void *ctx, const struct member *m, struct tap *t, struct err *e)
{
	static const char *const looked_into[] = { "static.json", "dynamic.json", "verdict.json" };
	struct list *l = ctx;

	if (!*m->code)
		return TAP_DROP;
	if (look_into(l, e))
		return -1;
	json_array_append_new(json_object_get(l->code, "members"), json_string(m->name));
	for (size_t i = 0; i < sizeof(looked_into) / sizeof(*looked_into); i++) {
		if (strcmp(m->name, looked_into[i]))
			continue;
		snprintf(l->analysis_name, sizeof(l->analysis_name), "%s", m->name);
		t->buf = &l->analysis;
		return TAP_TAKE;
	}
	return TAP_DROP;
}

static int on_code_end(void *ctx, const char *sha256, struct caseout *out, struct err *e)
{
	struct list *l = ctx;
	int rc = 0;

	(void)sha256, (void)out;
	if (look_into(l, e))
		return -1;
	piece_finish(l->code, l->o->judge);
	if (!l->o->json)
		add_row(l);
	else if (jsonio_print(l->held, l->code))
		rc = err_sys(e, "cannot hold the list in a temporary file");
	json_decref(l->code);
	l->code = NULL;
	return rc;
}

static int list_code(struct list *l, int fd, struct err *e)
{
	struct casefilter f = { .ctx = l, .head = on_head, .about = on_about, .tap = on_member, .code_end = on_code_end };

	return casefilter_run(&f, fd, -1, e);
}

static void list_member(struct list *l, const struct member *m, const char *sha256)
{
	json_t *j;

	if (!wanted(l, m->code))
		return;
	l->found++;
	if (!l->o->json) {
		fprintf(l->held, "%12llu  %s  %s\n", (unsigned long long)m->size, sha256, m->path);
		return;
	}
	j = json_pack("{s:s, s:I, s:s}", "path", m->path, "size", (json_int_t)m->size, "sha256", sha256);
	jsonio_print(l->held, j);
	json_decref(j);
}

static int list_members(struct list *l, int fd, struct err *e)
{
	struct casein *in = casein_open(fd, e);
	const struct member *m;
	const void *p;
	ssize_t n;
	int rc;

	if (!in)
		return -1;
	while ((rc = casein_next(in, &m, e)) > 0) {
		while ((n = casein_block(in, &p, e)) > 0)
			;
		if (n < 0) {
			rc = -1;
			break;
		}
		list_member(l, m, casein_digest(in));
	}
	casein_close(in);
	return rc;
}

static int worse(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->score != y->score ? (x->score < y->score ? 1 : -1) : strcmp(x->line, y->line);
}

/* The case is verified: now it may be seen. */
static int show(struct list *l, FILE *out, struct err *e)
{
	char chunk[8192];
	size_t n;

	if (fflush(l->held) || fseek(l->held, 0, SEEK_SET))
		return err_sys(e, "cannot hold the list in a temporary file");
	if (!l->o->json && l->o->members)
		fprintf(out, "%12s  %-64s  %s\n", "SIZE", "SHA256", "MEMBER");
	else if (!l->o->json)
		table_head(out);
	if (l->n)
		qsort(l->rows, l->n, sizeof(*l->rows), worse);
	for (size_t i = 0; i < l->n; i++)
		fputs(l->rows[i].line, out);
	while ((n = fread(chunk, 1, sizeof(chunk), l->held)) > 0)
		fwrite(chunk, 1, n, out);
	if (ferror(l->held))
		return err_sys(e, "cannot read the held list");
	return *l->o->prefix && !l->found ? EX_NO : 0;
}

int listing_show(int fd, const struct listing_options *o, FILE *out, struct err *e)
{
	struct list l = { .o = o };
	int tmp = io_tmp(e), rc;

	if (tmp < 0)
		return -1;
	l.held = fdopen(tmp, "w+");
	if (!l.held) {
		close(tmp);
		return err_sys(e, "cannot hold the list in a temporary file");
	}
	rc = o->members ? list_members(&l, fd, e) : list_code(&l, fd, e);
	if (rc == 0)
		rc = show(&l, out, e);
	for (size_t i = 0; i < l.n; i++)
		free(l.rows[i].line);
	free(l.rows);
	json_decref(l.code);
	buf_free(&l.analysis);
	fclose(l.held);
	return rc;
}
