/* mls: lists what is in a case: a table for people, JSON lines with -j. Nothing is printed before the case's end was verified. */
#include "casefile/casefile.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
"usage: mls [-jm] [-s DIGEST] [case]\n"
"Lists the pieces of code in a case, the worst first: score, kind, verdict, SHA-256, processes, first path.\n"
"  -j          one JSON object a piece of code, in the case's order\n"
"  -m          the case's members instead: size, SHA-256, name\n"
"  -s DIGEST   only code whose SHA-256 begins so\n"
"  -q  less    -v  more    -V  version    -h  this help\n"
"Examples:\n"
"  mscan | mls\n"
"  mls -j out.case | jq -r 'select(.score > 50) | .paths[]'\n"
"Exit: 0 done; 1 -s found nothing; 64 usage; 65 bad case; 66 no input; 74 input or output; 75 try again later;\n"
"  77 not permitted.\n";

#define PIDS_SHOWN 3

struct row { double score; char *line; };
struct list {
	struct tool t;
	const char *prefix;      /* -s, or "" */
	bool members;
	FILE *held;              /* the output, until the case is verified */
	bool colour;
	struct row *rows;        /* the table, which is sorted */
	size_t n, cap;
	size_t found;
	json_t *code;            /* the piece of code that is open */
	struct buf analysis;     /* the member of it that is looked into */
	char analysis_name[16];  /* or "" */
};

/* A name out of JSON, fit for a terminal: quoted only where something had to be escaped. */
static void add_name(struct buf *out, const char *json)
{
	struct buf raw = { 0 };
	const char *q;

	if (!json || jsonio_tobytes(json, &raw)) {
		buf_clear(&raw);
		buf_adds(&raw, "-");
	}
	q = err_qn(raw.p ? raw.p : (const unsigned char *)"", raw.len);
	if (raw.len && strlen(q) == raw.len + 2)
		buf_add(out, q + 1, raw.len);
	else
		buf_adds(out, q);
	buf_free(&raw);
}

/* Words of ours have these letters only. */
static const char *word(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";

	if (!s)
		return "-";
	return *s && strlen(s) <= 10 && strspn(s, letters) == strlen(s) ? s : "?";
}

/* ---- one piece of code ---- */

static bool has_string(json_t *array, const char *s)
{
	for (size_t i = 0; i < json_array_size(array); i++)
		if (!strcmp(json_string_value(json_array_get(array, i)), s))
			return true;
	return false;
}

/* So that a hostile case cannot make it slow, a list has an end. */
static void add_string(json_t *array, json_t *s)
{
	if (json_is_string(s) && json_array_size(array) < CAP_SIGHTINGS && !has_string(array, json_string_value(s)))
		json_array_append(array, s);
}

static void add_signs(json_t *code, const json_t *from)
{
	json_t *signs = json_object_get(from, "signs");

	for (size_t i = 0; i < json_array_size(signs); i++)
		add_string(jsonio_array(code, "signs"), json_object_get(json_array_get(signs, i), "name"));
}

static void add_pid(json_t *pids, const json_t *pid)
{
	for (size_t i = 0; i < json_array_size(pids); i++)
		if (json_equal(json_array_get(pids, i), pid))
			return;
	if (json_is_integer(pid))
		json_array_append_new(pids, json_integer(json_integer_value(pid)));
}

static json_t *number_of(const json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_copy(v) : json_integer(0);
}

/* What the listing says, out of about.json; it stays small, however long that is. */
static json_t *listed(const char *sha256, json_t *about)
{
	json_t *sightings = json_object_get(about, "sightings"), *paths = json_object_get(about, "paths");
	const char *kind = jsonio_str(about, "kind");
	json_t *code = json_pack("{s:s, s:s, s:o, s:o, s:n, s:n, s:[], s:[], s:[], s:[s]}", "sha256", sha256, "kind", kind ? kind : "-",
		"size", number_of(about, "size"), "score", number_of(about, "score"), "verdict", "path", "paths", "pids", "signs",
		"members", "about.json");

	for (size_t i = 0; i < json_array_size(paths); i++)
		add_string(json_object_get(code, "paths"), json_array_get(paths, i));
	for (size_t i = 0; i < json_array_size(sightings) && i < CAP_SIGHTINGS; i++) {
		json_t *s = json_array_get(sightings, i);

		add_pid(json_object_get(code, "pids"), json_object_get(s, "pid"));
		if (!json_array_size(paths))
			add_string(json_object_get(code, "paths"), json_object_get(s, json_object_get(s, "path") ? "path" : "file"));
	}
	if (json_array_size(json_object_get(code, "paths")))
		json_object_set(code, "path", json_array_get(json_object_get(code, "paths"), 0));
	add_signs(code, about);
	return code;
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
	if (!strcmp(l->analysis_name, "verdict.json")) {
		if (jsonio_str(j, "verdict"))
			json_object_set(l->code, "verdict", json_object_get(j, "verdict"));
		if (json_is_number(json_object_get(j, "score")))
			json_object_set(l->code, "score", json_object_get(j, "score"));
	} else {
		add_signs(l->code, j);
	}
	json_decref(j);
	*l->analysis_name = '\0';
	buf_clear(&l->analysis);
	return 0;
}

static const char *colour_of(const struct list *l, const char *verdict)
{
	if (!l->colour || !verdict)
		return "";
	return !strcmp(verdict, "malicious") ? "\033[31m" : !strcmp(verdict, "suspicious") ? "\033[33m" :
		!strcmp(verdict, "good") ? "\033[32m" : "";
}

static void add_row(struct list *l)
{
	json_t *pids = json_object_get(l->code, "pids"), *paths = json_object_get(l->code, "paths");
	const char *verdict = jsonio_str(l->code, "verdict"), *colour = colour_of(l, verdict);
	struct buf line = { 0 }, cell = { 0 };
	double score = jsonio_num(l->code, "score", 0);

	buf_addf(&line, "%s%6.1f  %-8s %-10s  %.12s  ", colour, score, word(jsonio_str(l->code, "kind")), word(verdict),
		jsonio_str(l->code, "sha256"));
	for (size_t i = 0; i < json_array_size(pids) && i < PIDS_SHOWN; i++)
		buf_addf(&cell, "%s%lld", i ? "," : "", (long long)json_integer_value(json_array_get(pids, i)));
	if (json_array_size(pids) > PIDS_SHOWN)
		buf_addf(&cell, ",+%zu", json_array_size(pids) - PIDS_SHOWN);
	buf_addf(&line, "%-16s  ", cell.len ? buf_str(&cell) : "-");
	add_name(&line, json_string_value(json_array_get(paths, 0)));
	if (json_array_size(paths) > 1)
		buf_addf(&line, " (+%zu)", json_array_size(paths) - 1);
	buf_addf(&line, "%s\n", *colour ? "\033[0m" : "");
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 256;
		l->rows = buf_realloc(l->rows, l->cap, sizeof *l->rows);
	}
	l->rows[l->n++] = (struct row){ score, (char *)line.p };
	buf_free(&cell);
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
	if (strncmp(sha256, l->prefix, strlen(l->prefix)))
		return 0;
	l->found++;
	l->code = listed(sha256, about);
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
	for (size_t i = 0; i < sizeof looked_into / sizeof *looked_into; i++) {
		if (strcmp(m->name, looked_into[i]))
			continue;
		snprintf(l->analysis_name, sizeof l->analysis_name, "%s", m->name);
		t->buf = &l->analysis;
		return TAP_TAKE;
	}
	return TAP_DROP;
}

static int on_code_end(void *ctx, const char *sha256, struct caseout *out, struct err *e)
{
	struct list *l = ctx;
	int rc;

	(void)sha256, (void)out;
	if (look_into(l, e))
		return -1;
	rc = 0;
	if (!l->t.json)
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

static int list_members(struct list *l, int fd, struct err *e)
{
	struct casein *in = casein_open(fd, e);
	const struct member *m;
	const void *p;
	ssize_t n;
	int rc = -1;

	if (!in)
		return -1;
	while ((rc = casein_next(in, &m, e)) > 0) {
		while ((n = casein_block(in, &p, e)) > 0)
			;
		if (n < 0) {
			rc = -1;
			break;
		}
		if (strncmp(m->code, l->prefix, strlen(l->prefix)))
			continue;
		l->found++;
		if (!l->t.json) {
			fprintf(l->held, "%12llu  %s  %s\n", (unsigned long long)m->size, casein_digest(in), m->path);
		} else {
			json_t *j = json_pack("{s:s, s:I, s:s}", "path", m->path, "size", (json_int_t)m->size, "sha256", casein_digest(in));

			jsonio_print(l->held, j);
			json_decref(j);
		}
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
static int show(struct list *l, struct err *e)
{
	char chunk[8192];
	size_t n;

	if (fflush(l->held) || fseek(l->held, 0, SEEK_SET))
		return err_sys(e, "cannot hold the list in a temporary file");
	if (!l->t.json && l->members)
		printf("%12s  %-64s  %s\n", "SIZE", "SHA256", "MEMBER");
	else if (!l->t.json)
		printf("%6s  %-8s %-10s  %-12s  %-16s  %s\n", "SCORE", "KIND", "VERDICT", "SHA256", "PIDS", "PATH");
	if (l->n)
		qsort(l->rows, l->n, sizeof *l->rows, worse);
	for (size_t i = 0; i < l->n; i++)
		fputs(l->rows[i].line, stdout);
	while ((n = fread(chunk, 1, sizeof chunk, l->held)) > 0)
		fwrite(chunk, 1, n, stdout);
	if (ferror(l->held))
		return err_sys(e, "cannot read the held list");
	return *l->prefix && !l->found ? EX_NO : 0;
}

static int list(struct list *l, const char *path, struct err *e)
{
	int fd = io_open_in(path, e), tmp, rc = -1;

	if (fd < 0)
		return -1;
	tmp = io_tmp(e);
	if (tmp < 0)
		goto err0;
	l->held = fdopen(tmp, "w+");
	if (!l->held) {
		err_sys(e, "cannot hold the list in a temporary file");
		goto err1;
	}
	rc = l->members ? list_members(l, fd, e) : list_code(l, fd, e);
	if (rc == 0)
		rc = show(l, e);
	if (rc < 0 && e->code == EX_DATAERR && path && strcmp(path, "-"))
		err_wrap(e, "%s", err_q(path));
	for (size_t i = 0; i < l->n; i++)
		free(l->rows[i].line);
	free(l->rows);
	json_decref(l->code);
	buf_free(&l->analysis);
	fclose(l->held);
	close(fd);
	return rc;
err1:
	close(tmp);
err0:
	close(fd);
	return rc;
}

int main(int argc, char **argv)
{
	struct list l = { .prefix = "" };
	struct err e = { 0 };
	int c;

	tool_init(&l.t, "mls", usage, argc, argv);
	while ((c = tool_getopt(&l.t, "jms:", NULL)) != -1) {
		if (c == 'm')
			l.members = true;
		else if (c == 's')
			l.prefix = optarg;
	}
	if (argc - optind > 1)
		tool_usage(&l.t, "one case at a time");
	if (strlen(l.prefix) > 64 || strspn(l.prefix, "0123456789abcdef") != strlen(l.prefix))
		tool_usage(&l.t, "%s is not the beginning of a SHA-256 in lower-case hex", err_q(l.prefix));
	l.colour = progress_colour(stdout);
	return tool_end(&l.t, list(&l, argv[optind], &e), &e);
}
