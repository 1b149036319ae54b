#include "micro/capability.h"
#include "micro/learnt.h"

#include "casefile/casefile.h"
#include "known/known.h"

#include <elf.h>
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
	/* the piece at hand */
	json_t *about;
	int body;
	json_t *names;             /* its members that are passed on */
	struct buf old_static, old_dynamic;
};

bool micro_add(struct micro_extra *x, const char *name, unsigned mode, int fd)
{
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

static int analyse(struct micro *m, struct micro_sample *s, struct learnt_parts *p, struct err *e)
{
	int known = m->known ? learnt_get(m->known, s->sha256, p, e) : 0;
	bool learnt = false;

	if (known < 0)
		return -1;
	if (!known) {
		p->stat = static_analyse(s, &p->disasm, e);
		if (!p->stat)
			return -1;
		verdict_weigh(m->v, "static", json_object_get(p->stat, "signs"));
		capability_static(m->capabilities, p->stat);
		learnt = true;
	}
	s->stat = p->stat;
	/* What was only parsed before may deserve a run now. */
	if (!p->dynamic && deserves_running(m, s)) {
		msg_info("%.12s: running it for %d s", s->sha256, m->o->seconds);
		p->dynamic = dynamic_analyse(s, m->o, &p->extra, e);
		if (!p->dynamic)
			return err_wrap(e, "cannot run %.12s (--static leaves runs out)", s->sha256);
		verdict_weigh(m->v, "dynamic", json_object_get(p->dynamic, "signs"));
		capability_dynamic(m->capabilities, p->stat, p->dynamic);
		learnt = true;
	}
	return m->known && learnt ? learnt_put(m->known, s->sha256, p, e) : 0;
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
static int recall(struct micro *m, struct micro_sample *s, struct learnt_parts *p, bool *passed, struct err *e)
{
	int known;

	if (m->old_static.len) {
		*passed = true;
		p->stat = jsonio_parse(m->old_static.p, m->old_static.len, "static.json", e);
		if (p->stat && m->old_dynamic.len)
			p->dynamic = jsonio_parse(m->old_dynamic.p, m->old_dynamic.len, "dynamic.json", e);
		return p->stat && (p->dynamic || !m->old_dynamic.len) ? 0 : -1;
	}
	known = m->known ? learnt_get(m->known, s->sha256, p, e) : 0;
	if (known)
		return known < 0 ? -1 : 0;
	p->stat = static_analyse(s, &p->disasm, e);
	return p->stat ? 0 : -1;
}

static int on_code_end(void *ctx, const char *sha256, struct caseout *out, struct err *e)
{
	struct micro *m = ctx;
	struct micro_sample s = { .sha256 = sha256, .kind = jsonio_str(m->about, "kind"), .about = m->about, .body = m->body };
	struct learnt_parts parts = { 0 }, written;
	struct seen seen = { 0 };
	bool passed = false;
	json_t *verdict;
	int rc;

	if (!s.kind)
		s.kind = "file";
	look_at_sightings(m->about, &seen);
	s.path = seen.path.len ? buf_str(&seen.path) : NULL;
	s.argv = seen.argv;
	rc = s.body >= 0 ? analyse(m, &s, &parts, e) : recall(m, &s, &parts, &passed, e);
	if (!rc) {
		if (!passed)
			look_up(m, parts.stat);
		verdict = verdict_judge(m->v, sha256, m->about, parts.stat, parts.dynamic);
		msg_info("%.12s: %s", sha256, jsonio_str(verdict, "verdict"));
		written = passed ? (struct learnt_parts){ 0 } : parts;
		rc = write_parts(m, out, sha256, &written, verdict, e);
		json_decref(verdict);
	}
	learnt_parts_free(&parts);
	seen_free(&seen);
	io_close(&m->body);
	progress("analysing", ++m->done, m->total);
	return rc;
}

/* ---- the filter ---- */

static int on_about(void *ctx, const char *sha256, json_t *about, struct err *e)
{
	struct micro *m = ctx;

	(void)sha256;
	(void)e;
	json_decref(m->about);
	m->about = json_incref(about);
	json_object_clear(m->names);
	buf_clear(&m->old_static);
	buf_clear(&m->old_dynamic);
	io_close(&m->body);
	return 1;
}

static bool is_ours(const char *name)
{
	static const char *const ours[] = { "static.json", "disasm.txt", "dynamic.json", "verdict.json", "net.pcap" };

	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (!strcmp(name, ours[i]))
			return true;
	return !strncmp(name, "dropped/", 8) || !strncmp(name, "memory-dynamic/", 15) || !strncmp(name, "unpacked-", 9);
}

static int on_member(void *ctx, const struct member *member, struct tap *t, struct err *e)
{
	struct micro *m = ctx;

	if (!*member->code)
		return TAP_PASS;
	if (member->kind == MEMBER_BODY) {
		m->body = io_tmp(e);
		if (m->body < 0)
			return -1;
		t->fd = m->body;
	} else if (member->kind == MEMBER_CODE && is_ours(member->name)) {
		if (json_object_get(m->bodies, member->code) || !strcmp(member->name, "verdict.json"))
			return TAP_DROP;
		if (!strcmp(member->name, "static.json"))
			t->buf = &m->old_static;
		if (!strcmp(member->name, "dynamic.json"))
			t->buf = &m->old_dynamic;
	}
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

int micro_run(const struct micro_options *o, int in, int out, struct err *e)
{
	struct micro m = { .o = o, .body = -1, .bodies = json_object(), .names = json_object() };
	const struct casefilter first = { .ctx = &m, .about = count_code, .tap = count_member };
	const struct casefilter second = { .tool = "mnicter", .ctx = &m, .about = on_about, .tap = on_member, .code_end = on_code_end };
	int fd = -1, rc = -1;
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
	if (lseek(fd, at, SEEK_SET) != at) {
		err_sys(e, "cannot read the case a second time");
		goto out;
	}
	rc = casefilter_run(&second, fd, out, e);
out:
	progress_end();
	io_close(&fd);
	io_close(&m.body);
	json_decref(m.about);
	json_decref(m.bodies);
	json_decref(m.names);
	buf_free(&m.old_static);
	buf_free(&m.old_dynamic);
	learnt_close(m.known);
	for (size_t i = 0; i < o->indexes; i++)
		functions_close(m.functions[i]);
	capability_free(m.capabilities);
	verdict_free(m.v);
	return rc;
}
