#include "centre/flow.h"

#include "casefile/casefile.h"
#include "trust/trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct flow {
	const struct flow_config *c;
	struct spool *spool;
	struct db *book;
	struct verifier *v;
	struct signer *signer;
	struct stat owner;        /* of out/: the front end must be able to read the answers */
	unsigned failed, waiting;
};

static char *place(const struct flow *k, const char *folder, const char *id, const char *suffix)
{
	return buf_printf("%s/%s/%s%s", k->c->spool, folder, id, suffix);
}

static int move(const struct flow *k, const char *id, const char *to, struct err *e)
{
	char *a = place(k, "in", id, ".case"), *b = place(k, to, id, ".case");
	int rc = rename(a, b) < 0 && errno != ENOENT ? err_sys(e, "cannot move %s to %s/", err_q(a), to) : 0;

	free(a);
	free(b);
	return rc;
}

static int settle(const struct flow *k, struct casebook_row *r, const char *state, struct err *e)
{
	snprintf(r->state, sizeof(r->state), "%s", state);
	if (casebook_save(k->book, r, e) < 0)
		return -1;
	msg_info("%s: %s%s%s", r->id, r->state, *r->text ? ": " : "", r->text);
	return 0;
}

/* ---- writing what comes out ---- */

static int write_file(const struct flow *k, const char *folder, const char *id, const struct reply *reply, int from, struct err *e)
{
	char *path = place(k, folder, id, ".case");
	struct atomic *a = atomic_open(path, 0600, true, e);
	int rc = -1;

	if (!a)
		goto out;
	if (geteuid() == 0 && fchown(atomic_fd(a), k->owner.st_uid, k->owner.st_gid) < 0) {
		err_sys(e, "cannot give %s to the spool's owner", err_q(path));
		goto out;
	}
	if ((reply ? reply_write(reply, from, atomic_fd(a), e) : reply_archive(from, atomic_fd(a), e)) < 0)
		goto out;
	rc = atomic_commit(a, e);
	a = NULL;
out:
	atomic_abort(a);
	free(path);
	return rc;
}

static int answer(const struct flow *k, struct casebook_row *r, enum outcome outcome, int from, struct err *e)
{
	const struct reply reply = {
		.outcome = outcome, .signer = k->signer, .book = outcome == OUTCOME_FAILED ? NULL : k->book, .row = r,
	};

	return write_file(k, "out", r->id, &reply, from, e);
}

/* ---- the stages ---- */

/* Opens, analyses, generates: from `in` to `gen`. */
static int analyse(const struct flow *k, int in, int gen, bool *bad_case, struct err *e)
{
	char *store = buf_printf("%s/store", k->c->spool), seconds[24];
	const char *pack[16] = { "mpack", "-u", "-s", store, "-a", k->c->authority, "-k", k->c->analysis_key, "-c", k->c->analysis_certificate };
	const char *micro[12] = { "mnicter", "micro" }, *gen_argv[] = { "mgen", NULL };
	struct pipeline_stage stages[] = { { .argv = pack }, { .argv = micro }, { .argv = gen_argv } };
	size_t n = 2, failed = 0;
	int rc;

	if (k->c->revoked) {
		pack[10] = "-l";
		pack[11] = k->c->revoked;
	}
	if (k->c->known) {
		micro[n++] = "-k";
		micro[n++] = k->c->known;
	}
	if (k->c->seconds >= 0) {
		snprintf(seconds, sizeof(seconds), "%ld", k->c->seconds);
		micro[n++] = "-t";
		micro[n++] = seconds;
	}
	if (!k->c->run_samples)
		micro[n++] = "--static";
	rc = lseek(in, 0, SEEK_SET) < 0 ? err_sys(e, "cannot read the case") :
	     pipeline_run(stages, 3, in, gen, (int)(k->c->timeout * 1000), &failed, e);
	*bad_case = rc < 0 && failed == 0 && e->code == EX_DATAERR;
	free(store);
	return rc;
}

/* 0 proven, EX_NO not safe, -1. */
static int prove(const struct flow *k, int gen, int proven, struct err *e)
{
	const char *argv[] = { "mverify", "-e", k->c->environment, "-k", k->c->signer_key, "-c", k->c->signer_certificate, NULL };
	struct pipeline_stage stage = { .argv = argv, .well = EX_NO };
	size_t failed = 0;

	if (lseek(gen, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot read the case");
	if (pipeline_run(&stage, 1, gen, proven, (int)(k->c->timeout * 1000), &failed, e) < 0)
		return -1;
	return stage.status;
}

static int work(struct flow *k, struct casebook_row *r, int in, bool *bad_case, struct err *e)
{
	struct reply_facts f = { 0 };
	enum outcome outcome = OUTCOME_NOTHING;
	int gen = io_tmp(e), proven = -1, rc = -1, safe;
	struct err ignored;

	if (gen < 0 || analyse(k, in, gen, bad_case, e) < 0 || reply_look(gen, NULL, &f, e) < 0)
		goto out;
	r->codes = f.codes;
	r->malicious = f.malicious;
	snprintf(r->text, sizeof(r->text), f.malicious ? "no removal is possible" : "nothing malicious");
	if (f.malicious)
		outcome = OUTCOME_UNSAFE;
	if (f.plan) {
		proven = io_tmp(e);
		safe = proven < 0 ? -1 : prove(k, gen, proven, e);
		if (safe < 0)
			goto out;
		outcome = safe == 0 ? OUTCOME_REMEDY : OUTCOME_UNSAFE;
		snprintf(r->text, sizeof(r->text), safe == 0 ? "a removal tool, proven" : "the removal tool was not proven safe");
		reply_facts_free(&f);
		/* What is not safe need not have written a whole case. */
		if (safe != 0 && reply_look(proven, NULL, &f, &ignored) < 0)
			io_close(&proven);
	}
	if (write_file(k, "analysed", r->id, NULL, proven >= 0 ? proven : gen, e) < 0 ||
	    answer(k, r, outcome, outcome == OUTCOME_REMEDY ? proven : gen, e) < 0)
		goto out;
	rc = settle(k, r, outcome == OUTCOME_UNSAFE ? "unsafe" : "answered", e);
out:
	reply_facts_free(&f);
	io_close(&gen);
	io_close(&proven);
	return rc;
}

/* ---- errors and retries ---- */

static int give_up(struct flow *k, struct casebook_row *r, const char *why, int in, bool genuine, struct err *e)
{
	char *path = place(k, "failed", r->id, ".txt");
	int rc = -1;

	snprintf(r->text, sizeof(r->text), "%s", why);
	msg_warn("case %s failed: %s", r->id, r->text);
	k->failed++;
	/* The host is told, so that it doesn't wait; but no answer goes to what is no case of a host of ours. */
	if (genuine && answer(k, r, OUTCOME_FAILED, in, e) < 0)
		goto out;
	if (atomic_write(path, 0600, r->text, strlen(r->text), e) < 0 || settle(k, r, "failed", e) < 0)
		goto out;
	rc = move(k, r->id, "failed", e);
out:
	free(path);
	return rc;
}

/* Is it the centre itself that is not in order? Then no case pays for it. */
static bool own_trouble(int code)
{
	return code == EX_NOINPUT || code == EX_UNAVAILABLE || code == EX_OSERR || code == EX_IOERR || code == EX_NOPERM ||
	       code == EX_CONFIG || code == EX_USAGE || code == EX_CANTCREAT || code == 126 || code == 127;
}

static int take_report(struct flow *k, struct casebook_row *r, const struct reply_facts *f, struct err *e)
{
	char *text = f->report ? json_dumps(f->report, JSON_COMPACT) : NULL;
	json_int_t left = f->report ? jsonio_int(f->report, "remaining", -1) : -1;
	int rc = text ? casebook_report(k->book, r->id, f->answers, text, e) : 0;

	free(text);
	memcpy(r->answers, f->answers, CENTRE_ID);
	snprintf(r->text, sizeof(r->text), left == 0 ? "all is removed" : left > 0 ? "something is left" : "no result");
	return rc < 0 || settle(k, r, "reported", e) < 0 || move(k, r->id, "done", e) < 0 ? -1 : 0;
}

static int open_row(struct flow *k, const char *id, int in, struct casebook_row *r, struct err *e)
{
	struct stat st;
	int rc = casebook_find(k->book, id, r, e);

	if (rc)
		return rc;
	*r = (struct casebook_row){ .received = fstat(in, &st) == 0 ? st.st_mtime : clock_now() };
	snprintf(r->id, sizeof(r->id), "%s", id);
	snprintf(r->state, sizeof(r->state), "received");
	return casebook_save(k->book, r, e) < 0 ? -1 : 0;
}

static int try_case(struct flow *k, struct casebook_row *r, int in, struct err *e)
{
	struct reply_facts f = { 0 };
	bool bad_case = false;
	struct err why = { 0 };
	int rc;

	if (reply_look(in, k->v, &f, &why) < 0 || strcmp(f.id, r->id)) {
		rc = give_up(k, r, why.code ? why.msg : "the case has another id than its file", in, false, e);
		goto out;
	}
	snprintf(r->host, sizeof(r->host), "%s", f.signer_name);
	r->codes = f.codes;
	if (*f.answers) {
		rc = take_report(k, r, &f, e);
		goto out;
	}
	rc = work(k, r, in, &bad_case, &why);
	if (rc == 0) {
		rc = move(k, r->id, "done", e);
	} else if (bad_case) {
		rc = give_up(k, r, why.msg, in, true, e);
	} else if (own_trouble(why.code)) {
		snprintf(r->text, sizeof(r->text), "%s", why.msg);
		if (settle(k, r, "retry", e) == 0)
			*e = why;
	} else if (++r->attempts > k->c->retries) {
		rc = give_up(k, r, why.msg, in, true, e);
	} else {
		k->waiting++;
		snprintf(r->text, sizeof(r->text), "%s", why.msg);
		msg_warn("case %s is tried again (%lld of %ld): %s", r->id, (long long)r->attempts, k->c->retries, why.msg);
		rc = settle(k, r, "retry", e);
	}
out:
	reply_facts_free(&f);
	return rc;
}

static int one_case(struct flow *k, const char *id, struct err *e)
{
	char *path = place(k, "in", id, ".case");
	struct casebook_row r;
	int in = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), rc = -1;

	if (in < 0) {
		err_sys(e, "cannot read %s", err_q(path));
		goto out;
	}
	if (open_row(k, id, in, &r, e) < 0)
		goto out;
	/* It came to an end, but the run was ended before the file was moved. */
	if (!strcmp(r.state, "answered") || !strcmp(r.state, "unsafe") || !strcmp(r.state, "reported"))
		rc = move(k, id, "done", e);
	else if (!strcmp(r.state, "failed"))
		rc = move(k, id, "failed", e);
	else
		rc = try_case(k, &r, in, e);
out:
	io_close(&in);
	free(path);
	return rc;
}

/* ---- the spool's cases, oldest first ---- */

struct waiting { char id[CENTRE_ID]; struct timespec since; };

static int by_age(const void *a, const void *b)
{
	const struct waiting *x = a, *y = b;

	if (x->since.tv_sec != y->since.tv_sec)
		return x->since.tv_sec < y->since.tv_sec ? -1 : 1;
	if (x->since.tv_nsec != y->since.tv_nsec)
		return x->since.tv_nsec < y->since.tv_nsec ? -1 : 1;
	return strcmp(x->id, y->id);
}

static int list(const struct flow *k, struct waiting **all, size_t *n, struct err *e)
{
	int fd = openat(k->spool->fd, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t room = 0;
	struct stat st;

	if (!dir) {
		io_close(&fd);
		return err_sys(e, "cannot read the spool %s", err_q(k->c->spool));
	}
	while ((entry = readdir(dir))) {
		char id[CENTRE_ID] = "";

		if (strlen(entry->d_name) != 37 || strcmp(entry->d_name + 32, ".case"))
			continue;
		memcpy(id, entry->d_name, 32);
		if (!spool_id_ok(id) || fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (*n == room) {
			room = room ? 2 * room : 64;
			*all = buf_realloc(*all, room, sizeof(**all));
		}
		memcpy((*all)[*n].id, id, CENTRE_ID);
		(*all)[(*n)++].since = st.st_mtim;
	}
	closedir(dir);
	if (*n)
		qsort(*all, *n, sizeof(**all), by_age);
	return 0;
}

static int prepare(struct flow *k, struct err *e)
{
	static const char *const folders[] = { "analysed", "work" };
	char *out = buf_printf("%s/out", k->c->spool), *path = NULL;
	int rc = -1;

	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		free(path);
		path = buf_printf("%s/%s", k->c->spool, folders[i]);
		if (io_mkdirs(path, 0700, e) < 0)
			goto out;
	}
	/* What is between the stages can be large; /tmp may be memory. */
	if (!getenv("TMPDIR"))
		setenv("TMPDIR", path, 1);
	if (stat(out, &k->owner) < 0)
		err_sys(e, "cannot look at %s", err_q(out));
	else if ((k->book = casebook_open(k->c->spool, e)) && (k->v = verify_open(k->c->authority, k->c->revoked, e)) &&
		 (k->signer = sign_open(k->c->signer_certificate, k->c->signer_key, e)))
		rc = 0;
	if (rc == 0 && strcmp(sign_role(k->signer), ROLE_SIGNER))
		rc = err_set(e, EX_CONFIG, "%s has not the role signer", err_q(k->c->signer_certificate));
out:
	free(out);
	free(path);
	return rc;
}

int flow_run(const struct flow_config *c, struct err *e)
{
	struct flow k = { .c = c };
	char *lock_path = buf_printf("%s/mcenter.lock", c->spool);
	struct waiting *all = NULL;
	size_t n = 0;
	int lock = -1, rc = -1;

	if (!(k.spool = spool_open(c->spool, (uid_t)-1, (gid_t)-1, e)))
		goto out;
	lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0) {
		err_sys(e, "cannot open %s", err_q(lock_path));
		goto out;
	}
	if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			err_set(e, EX_TEMPFAIL, "another run is under way in %s", err_q(c->spool));
		else
			err_sys(e, "cannot lock %s", err_q(lock_path));
		goto out;
	}
	if (prepare(&k, e) < 0 || list(&k, &all, &n, e) < 0)
		goto out;
	for (size_t i = 0; i < n; i++) {
		progress("cases", i, n);
		if (one_case(&k, all[i].id, e) < 0)
			goto out;
	}
	rc = k.failed ? EX_NO : 0;
	if (k.waiting)
		rc = err_set(e, EX_TEMPFAIL, "%u of %zu cases wait for their next try", k.waiting, n);
out:
	progress_end();
	sign_free(k.signer);
	verify_free(k.v);
	db_close(k.book);
	spool_free(k.spool);
	io_close(&lock);
	free(lock_path);
	free(all);
	return rc;
}
