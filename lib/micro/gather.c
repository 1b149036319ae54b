#include "micro/gather.h"

#include "casefile/casefile.h"
#include "code/code.h"
#include "confine/confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GATHER_MS 60000
#define GATHER_DEPTH 128         /* folders; one descriptor each */
#define GATHER_WORKERS 2u
#define GATHER_QUEUE 16u         /* descriptors that wait for a worker */

struct job { int fd; char *called, *within; };

struct gather {
	gather_fn *fn;
	void *ctx;
	struct gather_count *n;
	const char *within;            /* of the operand at hand */
	pthread_mutex_t lock;
	pthread_cond_t turned;
	/* under the lock */
	struct job job[GATHER_QUEUE];
	size_t first, jobs;
	bool ending, failed;
	struct err err;
	/* a case: the piece at hand */
	char *path;
};

static void job_free(struct job *j)
{
	io_close(&j->fd);
	free(j->called);
	free(j->within);
}

static json_t *identity_of(int fd, struct err *e)
{
	struct helper_result r;
	json_t *o = NULL;

	if (helper_run("helper-functions", NULL, fd, GATHER_MS, &r, e) == 0 && r.end == HELPER_DONE && !r.status) {
		/* The helper parsed hostile bytes: what it says is looked at as if they had said it. */
		o = jsonio_parse(r.out.p, r.out.len, "what the helper printed", e);
		if (o && !json_is_object(o)) {
			json_decref(o);
			o = NULL;
		}
		err_clear(e);
	}
	helper_free(&r);
	return o;
}

static int work(struct gather *g, struct job *j, struct err *e)
{
	char sha256[DIGEST_HEX];
	struct gathered one = { .sha256 = sha256, .called = j->called, .within = j->within };
	int rc = 0;

	one.identity = identity_of(j->fd, e);
	if (e->code)
		return -1;
	/* A file that vanishes or changes meanwhile is nobody's failure. */
	if (one.identity && !digest_fd(j->fd, CAP_BODY, sha256, NULL, e)) {
		pthread_mutex_lock(&g->lock);
		if (json_array_size(json_object_get(one.identity, "functions")))
			g->n->programs++;
		rc = g->failed ? 0 : g->fn(g->ctx, &one, e);
		pthread_mutex_unlock(&g->lock);
	} else {
		err_clear(e);
		pthread_mutex_lock(&g->lock);
		g->n->failed++;
		pthread_mutex_unlock(&g->lock);
		msg_info("%s could not be taken apart", err_q(j->called));
	}
	json_decref(one.identity);
	return rc;
}

static void *worker(void *arg)
{
	struct gather *g = arg;

	pthread_mutex_lock(&g->lock);
	for (;;) {
		struct err e = { 0 };
		struct job j;
		int rc;

		while (!g->jobs && !g->ending)
			pthread_cond_wait(&g->turned, &g->lock);
		if (!g->jobs)
			break;
		j = g->job[g->first];
		g->first = (g->first + 1) % GATHER_QUEUE;
		g->jobs--;
		pthread_cond_broadcast(&g->turned);
		pthread_mutex_unlock(&g->lock);
		rc = work(g, &j, &e);
		job_free(&j);
		pthread_mutex_lock(&g->lock);
		if (rc && !g->failed) {
			g->failed = true;
			g->err = e;
		}
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

static bool is_program(int fd)
{
	char format[32];
	unsigned char head[4096];
	ssize_t n = pread(fd, head, sizeof head, 0);

	/* format_of() wants the header that a PE file's first bytes lead to; it stands in the first page. */
	return n > 4 && (!strncmp(format_of(head, (size_t)n, format), "elf", 3) || (head[0] == 'M' && head[1] == 'Z'));
}

/* Takes fd. -1 with *e: what a worker met. */
static int hand_over(struct gather *g, int fd, const char *called, struct err *e)
{
	int rc;

	g->n->files++;
	if (!is_program(fd)) {
		close(fd);
		return 0;
	}
	pthread_mutex_lock(&g->lock);
	while (g->jobs == GATHER_QUEUE && !g->failed)
		pthread_cond_wait(&g->turned, &g->lock);
	rc = g->failed ? -1 : 0;
	if (rc) {
		*e = g->err;
		close(fd);
	} else {
		g->job[(g->first + g->jobs++) % GATHER_QUEUE] = (struct job){ fd, buf_strdup(called), g->within ? buf_strdup(g->within) : NULL };
		pthread_cond_broadcast(&g->turned);
	}
	pthread_mutex_unlock(&g->lock);
	progress("taking apart", g->n->files, 0);
	return rc;
}

/* ---- folders ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk_folder(struct gather *g, int folder, struct buf *path, int depth, struct err *e)
{
	struct dirent **entry = NULL;
	int n = scandirat(folder, ".", &entry, NULL, by_name), rc = 0;
	size_t len = path->len;

	if (n < 0)
		return err_sys(e, "cannot read folder %s", err_q(buf_str(path)));
	for (int i = 0; i < n; i++) {
		const char *name = entry[i]->d_name;
		struct stat st;
		int fd;

		if (!rc && strcmp(name, ".") && strcmp(name, "..") && !fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) &&
		    (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))) {
			path->len = len;
			buf_addf(path, "/%s", name);
			fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | (S_ISDIR(st.st_mode) ? O_DIRECTORY : 0));
			if (fd < 0) {
				msg_info("skipped: cannot read %s: %s", err_q(buf_str(path)), strerror(errno));
			} else if (S_ISREG(st.st_mode)) {
				rc = hand_over(g, fd, buf_str(path), e);
			} else {
				if (depth < GATHER_DEPTH)
					rc = walk_folder(g, fd, path, depth + 1, e);
				else
					msg_warn("skipped, too deep: %s", err_q(buf_str(path)));
				close(fd);
			}
		}
		free(entry[i]);
	}
	path->len = len;
	free(entry);
	return rc;
}

/* ---- cases ---- */

struct piece { struct gather *g; int fd[8]; char *called[8]; size_t n; };

static int case_about(void *ctx, const char *sha256, json_t *about, struct err *e)
{
	struct piece *p = ctx;
	const char *path = json_string_value(json_array_get(json_object_get(about, "paths"), 0));

	(void)e;
	free(p->g->path);
	p->g->path = buf_strdup(path ? path : sha256);
	return 1;
}

static int case_member(void *ctx, const struct member *m, struct tap *t, struct err *e)
{
	struct piece *p = ctx;
	bool unpacked = m->kind == MEMBER_CODE && !strncmp(m->name, "unpacked-", 9);

	if (!*m->code || (m->kind != MEMBER_BODY && !unpacked) || p->n == sizeof p->fd / sizeof *p->fd)
		return TAP_DROP;
	t->fd = p->fd[p->n] = io_tmp(e);
	if (t->fd < 0)
		return -1;
	p->called[p->n++] = unpacked ? buf_printf("%s (%s)", p->g->path, m->name) : buf_strdup(p->g->path);
	return TAP_TAKE;
}

static int case_code_end(void *ctx, const char *sha256, struct caseout *out, struct err *e)
{
	struct piece *p = ctx;
	int rc = 0;

	(void)sha256;
	(void)out;
	for (size_t i = 0; i < p->n; i++) {
		if (rc)
			close(p->fd[i]);
		else
			rc = hand_over(p->g, p->fd[i], p->called[i], e);
		free(p->called[i]);
	}
	p->n = 0;
	return rc;
}

static int walk_case(struct gather *g, int fd, struct err *e)
{
	struct piece p = { .g = g };
	const struct casefilter f = { .ctx = &p, .about = case_about, .tap = case_member, .code_end = case_code_end };
	int rc = casefilter_run(&f, fd, -1, e);

	for (size_t i = 0; i < p.n; i++) {
		close(p.fd[i]);
		free(p.called[i]);
	}
	free(g->path);
	g->path = NULL;
	return rc;
}

/* tar's magic, or zstd's. */
static bool is_case(int fd)
{
	unsigned char head[512];

	return pread(fd, head, sizeof head, 0) == sizeof head && (!memcmp(head + 257, "ustar", 5) || !memcmp(head, "\x28\xb5\x2f\xfd", 4));
}

static int take_operand(struct gather *g, const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), rc;
	struct buf folder = { 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		io_close(&fd);
		return err_sys(e, "cannot read %s", err_q(path));
	}
	if (S_ISDIR(st.st_mode)) {
		buf_adds(&folder, path);
		g->within = path;
		rc = walk_folder(g, fd, &folder, 0, e);
		buf_free(&folder);
	} else if (!S_ISREG(st.st_mode)) {
		rc = err_set(e, EX_NOINPUT, "%s is neither a file nor a folder", err_q(path));
	} else if (is_case(fd)) {
		g->within = path;
		rc = walk_case(g, fd, e);
		if (rc)
			err_wrap(e, "%s", err_q(path));
	} else {
		g->within = NULL;
		return hand_over(g, fd, path, e);
	}
	close(fd);
	return rc;
}

int gather_run(char *const *operands, gather_fn *fn, void *ctx, struct gather_count *n, struct err *e)
{
	struct gather g = { .fn = fn, .ctx = ctx, .n = n };
	pthread_t thread[GATHER_WORKERS];
	unsigned threads = 0;
	int rc = 0;

	pthread_mutex_init(&g.lock, NULL);
	pthread_cond_init(&g.turned, NULL);
	while (threads < GATHER_WORKERS && !pthread_create(&thread[threads], NULL, worker, &g))
		threads++;
	if (!threads)
		rc = err_set(e, EX_TEMPFAIL, "cannot start a thread");
	for (; !rc && *operands; operands++)
		rc = take_operand(&g, *operands, e);
	pthread_mutex_lock(&g.lock);
	g.ending = true;
	pthread_cond_broadcast(&g.turned);
	pthread_mutex_unlock(&g.lock);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	if (!rc && g.failed) {
		*e = g.err;
		rc = -1;
	}
	for (; g.jobs; g.jobs--, g.first = (g.first + 1) % GATHER_QUEUE)
		job_free(&g.job[g.first]);
	progress_end();
	pthread_mutex_destroy(&g.lock);
	pthread_cond_destroy(&g.turned);
	return rc;
}
