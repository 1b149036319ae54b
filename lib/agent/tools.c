#include "agent/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_ARGS 600

struct args { const char *v[MOST_ARGS]; size_t n; char number[24], index[PATH_MAX]; };

static void add(struct args *a, const char *arg)
{
	if (a->n < MOST_ARGS - 1)
		a->v[a->n++] = arg;
	a->v[a->n] = NULL;
}

/* What is sent in. Paths that somebody named are wanted whole: a file at rest shows few signs. */
static void add_score(const struct agent_config *c, struct args *a)
{
	if (c->score < 0 && c->paths)
		return;
	snprintf(a->number, sizeof(a->number), "%ld", c->score);
	add(a, "-s");
	add(a, c->score < 0 ? "submit" : a->number);
}

/* The strings are the configuration's, or live in *a. With `whole`, code of any score, for after a removal it
 * scores less, and all of it read: whether something is gone is to be seen, not remembered. */
static void scan_args(const struct agent_config *c, struct args *a, bool whole)
{
	*a = (struct args){ 0 };
	add(a, "mscan");
	add(a, "-q");
	if (c->background)
		add(a, "-b");
	if (!whole && (size_t)snprintf(a->index, sizeof(a->index), "%s/scan.idx", c->state) < sizeof(a->index)) {
		add(a, "-i");
		add(a, a->index);
	} else {
		add(a, "--no-index");
	}
	if (!whole)
		add_score(c, a);
	if (c->paths)
		add(a, "-f");
	for (char **p = c->paths; p && *p; p++)
		add(a, *p);
}

static void link_args(const struct agent_config *c, struct args *a, const char *state)
{
	*a = (struct args){ 0 };
	add(a, "msend");
	add(a, "-q");
	add(a, "-k"), add(a, c->key);
	add(a, "-c"), add(a, c->certificate);
	add(a, "-a"), add(a, c->authority);
	add(a, "-s"), add(a, state);
	if (c->revoked)
		add(a, "-C"), add(a, c->revoked);
	if (c->centre_name)
		add(a, "-n"), add(a, c->centre_name);
}

struct look { struct row *r; json_t *host; const json_t *wanted; json_t *found; bool report; };

static int look_head(void *ctx, json_t *case_json, struct err *e)
{
	struct look *l = ctx;
	const char *id = jsonio_str(case_json, "id"), *host = jsonio_str(json_object_get(case_json, "host"), "id");

	if (!id_ok(id) || !id_ok(host))
		return err_set(e, EX_DATAERR, "case.json lacks an id or its host's");
	if (l->r) {
		memcpy(l->r->id, id, ID);
		memcpy(l->r->host, host, ID);
	}
	return 0;
}

static int look_about(void *ctx, const char *sha256, json_t *about, struct err *e)
{
	struct look *l = ctx;
	const json_t *o;
	size_t i;

	(void)e, (void)about;
	if (l->r)
		l->r->codes++;
	json_array_foreach(l->wanted, i, o)
		if (json_is_string(o) && !strcmp(json_string_value(o), sha256))
			json_array_append_new(l->found, json_string(sha256));
	return 0;
}

static int look_at(int fd, struct look *l, struct err *e)
{
	const struct casefilter f = { .ctx = l, .head = look_head, .about = look_about };

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot read a case back");
	return casefilter_run(&f, fd, -1, e);
}

int tools_scan(const struct agent_config *c, struct row *r, struct err *e)
{
	struct args scan;
	const char *white[] = { "mwhite", "-q", "-d", c->known, NULL };
	const char *pack[] = { "mpack", "-q", "-r", c->analysis, "-k", c->key, "-c", c->certificate, NULL };
	struct pipeline_stage stages[3];
	struct look l = { .r = r };
	char *begun = journal_path(c, "outgoing", ".new", ""), *path = NULL;
	size_t n = 0, failed;
	int fd, rc = -1;

	*r = (struct row){ .state = SCANNED, .started = clock_now() };
	scan_args(c, &scan, false);
	stages[n++] = (struct pipeline_stage){ .argv = scan.v };
	if (c->known)
		stages[n++] = (struct pipeline_stage){ .argv = white };
	stages[n++] = (struct pipeline_stage){ .argv = pack };
	fd = open(begun, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		err_sys(e, "cannot create %s", err_q(begun));
		goto out;
	}
	if (pipeline_run(stages, n, -1, fd, (int)(c->timeout * 1000), &failed, e) < 0 || look_at(fd, &l, e) < 0)
		goto out;
	path = journal_path(c, "outgoing", r->id, ".case");
	if (fsync(fd) < 0 || rename(begun, path) < 0)
		err_sys(e, "cannot keep the case %s", err_q(path));
	else
		rc = 0;
out:
	if (rc < 0)
		unlink(begun);
	io_close(&fd);
	free(begun);
	free(path);
	return rc;
}

int tools_rescan(const struct agent_config *c, const json_t *codes, json_t *found, struct err *e)
{
	struct args scan;
	struct pipeline_stage stage = { .argv = scan.v };
	struct look l = { .wanted = codes, .found = found };
	size_t failed;
	int fd = io_tmp(e), rc;

	if (fd < 0)
		return -1;
	scan_args(c, &scan, true);
	rc = pipeline_run(&stage, 1, -1, fd, (int)(c->timeout * 1000), &failed, e);
	if (rc == 0)
		rc = look_at(fd, &l, e);
	close(fd);
	return rc;
}

int tools_send(const struct agent_config *c, const char *id, struct err *e)
{
	char *path = journal_path(c, "outgoing", id, ".case"), *state = buf_printf("%s/link", c->state);
	struct args a;
	struct pipeline_stage stage = { .argv = a.v };
	size_t failed;
	int rc = -1;

	link_args(c, &a, state);
	add(&a, c->centre), add(&a, path);
	if (access(path, R_OK) < 0)
		err_sys(e, "cannot read the case %s", err_q(path));
	else if (io_mkdirs(state, 0700, e) == 0)
		rc = pipeline_run(&stage, 1, -1, -1, -1, &failed, e);
	free(path);
	free(state);
	return rc;
}

int tools_fetch(const struct agent_config *c, const char *id, struct err *e)
{
	char *path = journal_path(c, "incoming", id, ".case"), *state = buf_printf("%s/link", c->state);
	struct args a;
	struct pipeline_stage stage = { .argv = a.v };
	char wait[24];
	size_t failed;
	int rc = io_mkdirs(state, 0700, e);

	snprintf(wait, sizeof(wait), "%ld", c->wait);
	link_args(c, &a, state);
	add(&a, "-w"), add(&a, wait);
	add(&a, "-o"), add(&a, path);
	add(&a, "--fetch"), add(&a, id);
	add(&a, c->centre);
	if (rc == 0)
		rc = pipeline_run(&stage, 1, -1, -1, -1, &failed, e);
	free(path);
	free(state);
	return rc;
}

int tools_index(const struct agent_config *c, char id[ID], uint64_t *version, struct err *e)
{
	const char *info[] = { "mwhite", "-q", "info", "-j", "-d", c->known, NULL };
	struct pipeline_stage stage = { .argv = info };
	struct buf b = { 0 };
	json_t *j = NULL;
	size_t failed;
	int fd = io_tmp(e), rc = -1;

	if (fd < 0)
		return -1;
	if (pipeline_run(&stage, 1, -1, fd, (int)(c->timeout * 1000), &failed, e) < 0)
		goto out;
	if (lseek(fd, 0, SEEK_SET) < 0 || io_slurp(fd, CAP_JSON, &b, "what mwhite says", e) < 0 || !(j = jsonio_parse(b.p, b.len, "what mwhite says", e)))
		goto out;
	if (!id_ok(jsonio_str(j, "id")) || jsonio_int(j, "delta", -1) < 0) {
		err_set(e, EX_SOFTWARE, "mwhite info tells no id and version of %s", err_q(c->known));
		goto out;
	}
	memcpy(id, jsonio_str(j, "id"), ID);
	*version = (uint64_t)jsonio_int(j, "delta", 0);
	rc = 0;
out:
	json_decref(j);
	buf_free(&b);
	close(fd);
	return rc;
}

int tools_delta(const struct agent_config *c, const char *id, uint64_t from, const char *to, struct err *e)
{
	char *state = buf_printf("%s/link", c->state), *which = buf_printf("%s:%llu", id, (unsigned long long)from);
	struct args a;
	struct pipeline_stage stage = { .argv = a.v };
	size_t failed;
	int rc = io_mkdirs(state, 0700, e);

	link_args(c, &a, state);
	add(&a, "-o"), add(&a, to);
	add(&a, "--delta"), add(&a, which);
	add(&a, c->centre);
	if (rc == 0)
		rc = pipeline_run(&stage, 1, -1, -1, -1, &failed, e);
	free(state);
	free(which);
	return rc;
}

int tools_apply(const struct agent_config *c, const char *delta, struct err *e)
{
	struct args a = { 0 };
	struct pipeline_stage stage = { .argv = a.v };
	size_t failed;

	add(&a, "mwhite"), add(&a, "-q"), add(&a, "apply");
	add(&a, "-d"), add(&a, c->known);
	add(&a, "-a"), add(&a, c->authority);
	if (c->revoked)
		add(&a, "-l"), add(&a, c->revoked);
	add(&a, delta);
	return pipeline_run(&stage, 1, -1, -1, (int)(c->timeout * 1000), &failed, e);
}

int tools_remover(const struct agent_config *c, int remover, const char *what, struct buf *report, struct err *e)
{
	static const char *const clean[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL };
	char path[64];
	const char *argv[] = { path, what, "--report", NULL };
	const int keep[] = { remover, -1 };
	struct spawn s = { .argv = argv, .envp = clean, .in = -1, .out = io_tmp(e), .errfd = -1, .keep = keep };
	int rc;

	if (s.out < 0)
		return -1;
	/* The very file that was digested, whatever stands under its name by now. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", remover);
	rc = spawn_start(&s, e);
	if (rc == 0)
		rc = spawn_wait(&s, (int)(c->timeout * 1000), e);
	if (rc >= 0 && (lseek(s.out, 0, SEEK_SET) < 0 || io_slurp(s.out, CAP_JSON, report, "the remover's report", e) < 0))
		rc = -1;
	close(s.out);
	return rc;
}

static int sign_manifest(void *arg, const struct buf *manifest, struct buf *sig, struct err *e)
{
	return sign_bytes(arg, manifest->p, manifest->len, sig, e);
}

int tools_report(const struct agent_config *c, struct row *r, const json_t *case_json, const json_t *report, struct err *e)
{
	json_t *host = json_deep_copy(json_object_get(case_json, "host"));
	json_t *j = casefilter_new_case("magent", host ? host : json_object());
	char *path = journal_path(c, "outgoing", jsonio_str(j, "id"), ".case"), *member = buf_printf("report/%s.json", r->plan);
	struct signer *s = sign_open(c->certificate, c->key, e);
	struct atomic *a = s ? atomic_open(path, 0600, true, e) : NULL;
	struct caseout *out = a ? caseout_open(atomic_fd(a), false, e) : NULL;
	int rc = -1;

	if (!out)
		goto out;
	json_object_set_new(j, "answers", json_string(r->id));
	if (caseout_json(out, "case.json", j, e) < 0 || caseout_json(out, member, report, e) < 0)
		goto out;
	rc = caseout_finish(out, sign_manifest, s, e);
	out = NULL;
	if (rc == 0) {
		rc = atomic_commit(a, e);
		a = NULL;
	}
	if (rc == 0)
		snprintf(r->report, sizeof(r->report), "%s", jsonio_str(j, "id"));
out:
	caseout_abort(out);
	atomic_abort(a);
	sign_free(s);
	json_decref(j);
	free(path);
	free(member);
	return rc;
}
