#include "micro/ahead.h"
#include "micro/capability.h"
#include "micro/wine.h"

#include "casefile/casefile.h"
#include "known/known.h"

#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATIC_DESERVES 10.0   /* static signs and rules of this weight let a piece be run whatever its score */

struct micro {
	const struct micro_options *o;
	struct verdict *v;
	struct capability_rules *capabilities;
	struct learnt_store *known;
	struct functions *functions[MICRO_INDEXES];
	json_t *bodies;            /* from the first pass: the pieces that have one */
	uint64_t done, total;
	pthread_mutex_t store;     /* held while `known` is asked or told */
	pthread_mutex_t garden;    /* held while a sample runs: one at a time, so that none disturbs what another shows */
	struct ahead *ahead;
	json_t *names;             /* of the piece that is being written: its members that are passed on */
};

bool micro_add(struct micro_extra *x, const char *name, unsigned mode, int fd)
{
	for (size_t i = 0; i < x->count; i++) {
		if (!strcmp(x->member[i].name, name)) {
			close(fd);
			return true;
		}
	}
	if (x->count >= MICRO_EXTRA) {
		close(fd);
		return false;
	}
	if (x->count == x->room) {
		x->room = x->room ? x->room * 2 : 16;
		x->member = buf_realloc(x->member, x->room, sizeof *x->member);
	}
	x->member[x->count++] = (struct micro_member){ buf_strdup(name), mode, fd };
	return true;
}

void micro_extra_free(struct micro_extra *x)
{
	for (size_t i = 0; i < x->count; i++) {
		free(x->member[i].name);
		io_close(&x->member[i].fd);
	}
	free(x->member);
	*x = (struct micro_extra){ 0 };
}

/* ---- the sample, as its sightings tell ---- */

struct seen { struct buf path, *argument; const char **argv; size_t argc; };

static void take_path(struct buf *out, const char *json_name)
{
	static const char gone[] = " (deleted)";
	size_t n;

	if (out->len || !json_name || json_name[0] != '/' || jsonio_tobytes(json_name, out))
		return;
	n = sizeof gone - 1;
	if (out->len > n && !memcmp(out->p + out->len - n, gone, n))
		out->p[out->len -= n] = '\0';
}

static void take_argv(struct seen *s, const json_t *cmdline)
{
	size_t n = json_array_size(cmdline);

	if (s->argv || !n)
		return;
	n = n < 256 ? n : 256;
	s->argv = buf_alloc((n + 1) * sizeof *s->argv);
	s->argument = buf_alloc(n * sizeof *s->argument);
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(cmdline, i));

		if (text && jsonio_tobytes(text, &s->argument[i]))
			buf_clear(&s->argument[i]);
		s->argv[s->argc++] = buf_str(&s->argument[i]);
	}
}

static void look_at_sightings(const json_t *about, struct seen *s)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(about, "sightings"), i, o) {
		const char *how = jsonio_str(o, "how");

		if (!how || (strcmp(how, "exe") && strcmp(how, "script")))
			continue;
		take_path(&s->path, jsonio_str(o, "path"));
		if (!strcmp(how, "exe"))
			take_path(&s->path, jsonio_str(o, "exe"));
		take_argv(s, json_object_get(o, "cmdline"));
	}
	json_array_foreach(json_object_get(about, "paths"), i, o)
		take_path(&s->path, json_string_value(o));
}

static void seen_free(struct seen *s)
{
	for (size_t i = 0; i < s->argc; i++)
		buf_free(&s->argument[i]);
	free(s->argument);
	free(s->argv);
	buf_free(&s->path);
}

/* ---- what is run ---- */

static bool sighted(const json_t *about, const char *how)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(about, "sightings"), i, o)
		if (jsonio_str(o, "how") && !strcmp(jsonio_str(o, "how"), how))
			return true;
	return false;
}

static bool is_library(const struct micro_sample *s, const json_t *elf)
{
	const char *base = s->path ? strrchr(s->path, '/') : NULL, *so;

	if (sighted(s->about, "exe"))
		return false;
	so = base ? strstr(base, ".so") : NULL;
	if (so && (so[3] == '\0' || so[3] == '.'))
		return true;
	/* Position-independent programs without an interpreter export nothing. */
	return jsonio_int(elf, "type", 0) == ET_DYN && !jsonio_str(elf, "interpreter") &&
		(json_array_size(json_object_get(elf, "exports")) || json_array_size(json_object_get(elf, "needed")));
}

static bool can_run(const struct micro_sample *s)
{
	const char *format = jsonio_str(s->stat, "format");
	const json_t *elf = json_object_get(s->stat, "elf");
	json_int_t type = jsonio_int(elf, "type", 0);

	if (s->body < 0 || !format || !strcmp(s->kind, "module") || !strcmp(s->kind, "memory"))
		return false;
	if (!strcmp(format, "script") || (!strcmp(s->kind, "script") && !strcmp(format, "data")))
		return true;
	if (windows_program(s))
		return true;
	/* A parser that died says nothing of the format: let the garden's kernel say whether it runs. */
	if (strcmp(format, "elf64-x86-64"))
		return !elf && jsonio_str(s->stat, "parser") && strcmp(jsonio_str(s->stat, "parser"), "ok") && sighted(s->about, "exe");
	return (type == ET_EXEC || type == ET_DYN) && !is_library(s, elf);
}

static bool deserves_running(const struct micro *m, const struct micro_sample *s)
{
	if (m->o->static_only || !can_run(s))
		return false;
	if (m->o->all_dynamic || jsonio_num(s->about, "score", 0) >= m->o->min_score)
		return true;
	/* A file that was named on the command line: somebody asks about it. */
	if (!strcmp(s->kind, "file") && !json_array_size(json_object_get(s->about, "sightings")))
		return true;
	return verdict_sum(s->stat) >= STATIC_DESERVES;
}

/* ---- one piece ---- */

static int write_parts(struct micro *m, struct caseout *out, const char *sha256, const struct learnt_parts *p, const json_t *verdict, struct err *e)
{
	char path[CAP_PATH + 1];

	snprintf(path, sizeof path, "code/%s/static.json", sha256);
	if (p->stat && caseout_json(out, path, p->stat, e))
		return -1;
	snprintf(path, sizeof path, "code/%s/disasm.txt", sha256);
	if (p->disasm.len && caseout_bytes(out, path, 0644, p->disasm.p, p->disasm.len, e))
		return -1;
	snprintf(path, sizeof path, "code/%s/dynamic.json", sha256);
	if (p->dynamic && caseout_json(out, path, p->dynamic, e))
		return -1;
	for (size_t i = 0; i < p->extra.count; i++) {
		const struct micro_member *x = &p->extra.member[i];

		if (snprintf(path, sizeof path, "code/%s/%s", sha256, x->name) >= (int)sizeof path || json_object_get(m->names, x->name))
			continue;
		json_object_set_new(m->names, x->name, json_true());
		if (caseout_fd(out, path, x->mode, x->fd, e))
			return -1;
	}
	snprintf(path, sizeof path, "code/%s/verdict.json", sha256);
	return caseout_json(out, path, verdict, e);
}

static int recollect(struct micro *m, const char *sha256, struct learnt_parts *p, struct err *e)
{
	int known;

	if (!m->known)
		return 0;
	pthread_mutex_lock(&m->store);
	known = learnt_get(m->known, sha256, p, e);
	pthread_mutex_unlock(&m->store);
	return known;
}

static int remember(struct micro *m, const char *sha256, const struct learnt_parts *p, struct err *e)
{
	int rc;

	if (!m->known)
		return 0;
	pthread_mutex_lock(&m->store);
	rc = learnt_put(m->known, sha256, p, e);
	pthread_mutex_unlock(&m->store);
	return rc;
}

static json_t *run_sample(struct micro *m, const struct micro_sample *s, struct micro_extra *extra, struct err *e)
{
	json_t *dynamic;

	pthread_mutex_lock(&m->garden);
	msg_info("%.12s: running it for %d s", s->sha256, m->o->seconds);
	dynamic = dynamic_analyse(s, m->o, extra, e);
	pthread_mutex_unlock(&m->garden);
	return dynamic;
}

static int analyse(struct micro *m, struct micro_sample *s, struct learnt_parts *p, struct err *e)
{
	int known = recollect(m, s->sha256, p, e);
	bool learnt = false;

	if (known < 0)
		return -1;
	if (!known) {
		p->stat = static_analyse(s, &p->disasm, e);
		if (!p->stat || carve_analyse(s, p->stat, &p->extra, e) || unpack_analyse(s, p->stat, &p->disasm, &p->extra, e))
			return -1;
		verdict_weigh(m->v, "static", json_object_get(p->stat, "signs"));
		capability_static(m->capabilities, p->stat);
		learnt = true;
	}
	s->stat = p->stat;
	/* What was only parsed before may deserve a run now. */
	if (!p->dynamic && deserves_running(m, s)) {
		p->dynamic = run_sample(m, s, &p->extra, e);
		if (!p->dynamic)
			return err_wrap(e, "cannot run %.12s (--static leaves runs out)", s->sha256);
		verdict_weigh(m->v, "dynamic", json_object_get(p->dynamic, "signs"));
		capability_dynamic(m->capabilities, p->stat, p->dynamic);
		learnt = true;
	}
	return learnt ? remember(m, s->sha256, p, e) : 0;
}

/* Never learnt: indexes change. */
static void look_up(struct micro *m, json_t *stat)
{
	const json_t *minhash = json_object_get(json_object_get(stat, "similarity"), "minhash");
	json_t *unpacked = json_object_get(stat, "unpacked");

	if (!m->o->indexes)
		return;
	if (json_is_object(unpacked))
		look_up(m, unpacked);
	json_object_set_new(stat, "known", functions_tell(m->functions, m->o->indexes, json_object_get(stat, "functions"), minhash));
}

/* The case brought no bytes: what an earlier analysis left in it counts, and else about.json alone. */
static int recall(struct micro *m, struct micro_sample *s, struct job *j, struct err *e)
{
	struct learnt_parts *p = &j->parts;
	int known;

	if (j->old_static.len) {
		j->passed = true;
		p->stat = jsonio_parse(j->old_static.p, j->old_static.len, "static.json", e);
		if (p->stat && j->old_dynamic.len)
			p->dynamic = jsonio_parse(j->old_dynamic.p, j->old_dynamic.len, "dynamic.json", e);
		return p->stat && (p->dynamic || !j->old_dynamic.len) ? 0 : -1;
	}
	known = recollect(m, s->sha256, p, e);
	if (known)
		return known < 0 ? -1 : 0;
	p->stat = static_analyse(s, &p->disasm, e);
	return p->stat ? 0 : -1;
}

/* In one of the workers. */
static void analyse_job(void *ctx, struct job *j)
{
	struct micro *m = ctx;
	struct micro_sample s = { .sha256 = j->sha256, .kind = jsonio_str(j->about, "kind"), .about = j->about, .body = j->body };
	struct seen seen = { 0 };

	if (!s.kind)
		s.kind = "file";
	look_at_sightings(j->about, &seen);
	s.path = seen.path.len ? buf_str(&seen.path) : NULL;
	s.argv = seen.argv;
	j->rc = s.body >= 0 ? analyse(m, &s, &j->parts, &j->e) : recall(m, &s, j, &j->e);
	if (!j->rc && !j->passed)
		look_up(m, j->parts.stat);
	seen_free(&seen);
}

static int on_code_end(void *ctx, const char *sha256, struct caseout *out, struct err *e)
{
	struct micro *m = ctx;
	struct job *j = ahead_next(m->ahead, sha256, e);
	const struct learnt_parts none = { 0 };
	json_t *verdict;
	int rc;

	if (!j)
		return -1;
	if (j->rc) {
		*e = j->e;
		rc = -1;
	} else {
		verdict = verdict_judge(m->v, sha256, j->about, j->parts.stat, j->parts.dynamic);
		msg_info("%.12s: %s", sha256, jsonio_str(verdict, "verdict"));
		rc = write_parts(m, out, sha256, j->passed ? &none : &j->parts, verdict, e);
		json_decref(verdict);
	}
	job_free(j);
	progress("analysing", ++m->done, m->total);
	return rc;
}

/* ---- the filter ---- */

static int on_about(void *ctx, const char *sha256, json_t *about, struct err *e)
{
	(void)sha256;
	(void)about;
	(void)e;
	json_object_clear(((struct micro *)ctx)->names);
	return 1;
}

static bool is_ours(const char *name)
{
	static const char *const ours[] = { "static.json", "disasm.txt", "dynamic.json", "verdict.json", "net.pcap" };

	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (!strcmp(name, ours[i]))
			return true;
	return !strncmp(name, "dropped/", 8) || !strncmp(name, "embedded/", 9) || !strncmp(name, "memory-dynamic/", 15) || !strncmp(name, "unpacked-", 9);
}

static int on_member(void *ctx, const struct member *member, struct tap *t, struct err *e)
{
	struct micro *m = ctx;

	(void)t;
	(void)e;
	if (!*member->code)
		return TAP_PASS;
	if (member->kind == MEMBER_CODE && is_ours(member->name) && (json_object_get(m->bodies, member->code) || !strcmp(member->name, "verdict.json")))
		return TAP_DROP;
	json_object_set_new(m->names, member->name, json_true());
	return TAP_PASS;
}

/* The first pass: nothing of a case is run before its end was checked. */
static int count_member(void *ctx, const struct member *member, struct tap *t, struct err *e)
{
	struct micro *m = ctx;

	(void)t;
	(void)e;
	if (member->kind == MEMBER_BODY)
		json_object_set_new(m->bodies, member->code, json_true());
	return TAP_DROP;
}

static int count_code(void *ctx, const char *sha256, json_t *about, struct err *e)
{
	(void)sha256;
	(void)about;
	(void)e;
	((struct micro *)ctx)->total++;
	return 1;
}

/* The input as something that can be read twice; *at is where it begins. */
static int spool(int in, off_t *at, struct err *e)
{
	uint64_t copied;
	int fd;

	*at = lseek(in, 0, SEEK_CUR);
	if (*at >= 0)
		return dup(in);
	*at = 0;
	fd = io_tmp(e);
	if (fd >= 0 && (io_copy(in, fd, CAP_CASE, &copied, e) || lseek(fd, 0, SEEK_SET) != 0))
		io_close(&fd);
	return fd;
}

static struct capability_rules *open_capabilities(struct err *e)
{
	char *folder = spawn_share("capability");
	struct capability_rules *r = capability_open(folder, e);

	free(folder);
	return r;
}

/* The same once more, with an offset of its own. A file that may not be opened again is copied. */
static int reopen(int fd, off_t at, struct err *e)
{
	char path[64];
	uint64_t copied;
	int again, tmp;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	if (again >= 0 && lseek(again, at, SEEK_SET) == at)
		return again;
	io_close(&again);
	tmp = io_tmp(e);
	if (tmp >= 0 && (lseek(fd, at, SEEK_SET) != at || io_copy(fd, tmp, CAP_CASE, &copied, e) || lseek(tmp, 0, SEEK_SET) != 0)) {
		if (!e->code)
			err_sys(e, "cannot read the case a second time");
		io_close(&tmp);
	}
	return tmp;
}

static unsigned workers(const struct micro_options *o)
{
	long n = o->workers ? o->workers : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > MICRO_WORKERS ? MICRO_WORKERS : (unsigned)n;
}

int micro_run(const struct micro_options *o, int in, int out, struct err *e)
{
	struct micro m = { .o = o, .bodies = json_object(), .names = json_object(), .store = PTHREAD_MUTEX_INITIALIZER, .garden = PTHREAD_MUTEX_INITIALIZER };
	const struct casefilter first = { .ctx = &m, .about = count_code, .tap = count_member };
	const struct casefilter second = { .tool = "mnicter", .ctx = &m, .about = on_about, .tap = on_member, .code_end = on_code_end };
	int fd = -1, again = -1, rc = -1;
	off_t at;

	m.v = verdict_open(e);
	m.capabilities = m.v ? open_capabilities(e) : NULL;
	if (!m.capabilities)
		goto out;
	for (size_t i = 0; i < o->indexes; i++)
		if (!(m.functions[i] = functions_open(o->index[i], e)))
			goto out;
	if (o->known) {
		m.known = learnt_open(o->known, e);
		if (!m.known)
			goto out;
	}
	fd = spool(in, &at, e);
	if (fd < 0 || casefilter_run(&first, fd, -1, e))
		goto out;
	again = reopen(fd, at, e);
	if (again < 0)
		goto out;
	if (lseek(fd, at, SEEK_SET) != at) {
		err_sys(e, "cannot read the case a second time");
		goto out;
	}
	m.ahead = ahead_open(again, m.bodies, workers(o), analyse_job, &m, e);
	if (m.ahead)
		rc = casefilter_run(&second, fd, out, e);
out:
	progress_end();
	ahead_close(m.ahead);
	io_close(&again);
	io_close(&fd);
	json_decref(m.bodies);
	json_decref(m.names);
	learnt_close(m.known);
	for (size_t i = 0; i < o->indexes; i++)
		functions_close(m.functions[i]);
	capability_free(m.capabilities);
	verdict_free(m.v);
	return rc;
}
