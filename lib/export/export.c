#include "export/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMATS 4u

static const struct export_writer *const writers[FORMATS] = {
	[EXPORT_STIX] = &export_stix, [EXPORT_MISP] = &export_misp, [EXPORT_YARA] = &export_yara, [EXPORT_HTML] = &export_html,
};

const char *const verdict_names[4] = { "malicious", "suspicious", "unknown", "good" };

int export_format_of(const char *name, enum export_format *f)
{
	for (size_t i = 0; i < FORMATS; i++) {
		if (strcmp(writers[i]->name, name))
			continue;
		*f = (enum export_format)i;
		return 0;
	}
	return -1;
}

const char *export_suffix(enum export_format f)
{
	return writers[f]->suffix;
}

enum verdict piece_verdict(const struct piece *p)
{
	const char *said = jsonio_str(p->verdict, "verdict");

	for (int i = 0; said && i < 4; i++)
		if (!strcmp(said, verdict_names[i]))
			return (enum verdict)i;
	return UNKNOWN;
}

const char *piece_path(const struct piece *p)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(p->about, "paths"), i, o)
		if (json_is_string(o) && *json_string_value(o))
			return json_string_value(o);
	json_array_foreach(json_object_get(p->about, "sightings"), i, o) {
		const char *path = jsonio_str(o, "path");

		if (!path || !*path)
			path = jsonio_str(o, "exe");
		if (path && *path)
			return path;
	}
	return NULL;
}

const char *piece_base(const struct piece *p)
{
	const char *path = piece_path(p), *slash = path ? strrchr(path, '/') : NULL;

	return slash && slash[1] ? slash + 1 : path;
}

/* ---- the case ---- */

static void forget(struct piece *p)
{
	json_decref(p->about);
	json_decref(p->stat);
	json_decref(p->dynamic);
	json_decref(p->verdict);
	json_decref(p->members);
	buf_free(&p->disasm);
	io_close(&p->body);
	for (size_t i = 0; i < p->unpackeds; i++)
		io_close(&p->unpacked[i]);
	*p = (struct piece){ .body = -1 };
}

/* The member that was tapped last is complete now. */
static int take(struct exporter *x, struct err *e)
{
	json_t *j, **to = !strcmp(x->tapped_name, "static.json") ? &x->p.stat : !strcmp(x->tapped_name, "dynamic.json") ? &x->p.dynamic : &x->p.verdict;

	if (!*x->tapped_name)
		return 0;
	*x->tapped_name = '\0';
	j = jsonio_parse(x->raw.p, x->raw.len, "an analysis", e);
	buf_clear(&x->raw);
	if (!j)
		return err_wrap(e, "code %.12s", x->p.sha256);
	json_decref(*to);
	*to = j;
	return 0;
}

static int on_head(void *ctx, json_t *head, struct err *e)
{
	struct exporter *x = ctx;
	const char *time = jsonio_str(head, "time");

	(void)e;
	x->head = json_incref(head);
	x->id = jsonio_str(head, "id");
	if (!time || clock_parse(time, &x->time) || x->time < 0) {
		msg_warn("the case tells no time; 1970 stands in its place");
		x->time = 0;
	}
	return 0;
}

static int on_about(void *ctx, const char *sha256, json_t *about, struct err *e)
{
	struct exporter *x = ctx;

	(void)e;
	forget(&x->p);
	snprintf(x->p.sha256, sizeof x->p.sha256, "%s", sha256);
	x->p.about = json_incref(about);
	x->p.members = json_array();
	return 1;
}

static int spool(int *fd, struct tap *t, struct err *e)
{
	*fd = io_tmp(e);
	t->fd = *fd;
	return *fd < 0 ? -1 : TAP_TAKE;
}

static int on_member(void *ctx, const struct member *m, struct tap *t, struct err *e)
{
	struct exporter *x = ctx;
	struct piece *p = &x->p;

	if (!*m->code)
		return TAP_DROP;
	if (take(x, e))
		return -1;
	json_array_append_new(p->members, json_string(m->name));
	if (!strcmp(m->name, "static.json") || !strcmp(m->name, "dynamic.json") || !strcmp(m->name, "verdict.json")) {
		snprintf(x->tapped_name, sizeof x->tapped_name, "%s", m->name);
		t->buf = &x->raw;
		return TAP_TAKE;
	}
	if (!strcmp(m->name, "disasm.txt") && x->w->wants_disasm) {
		t->buf = &p->disasm;
		return TAP_TAKE;
	}
	if (x->w->wants_bytes && m->kind == MEMBER_BODY)
		return spool(&p->body, t, e);
	if (x->w->wants_bytes && !strncmp(m->name, "unpacked-", 9) && p->unpackeds < EXPORT_UNPACKED)
		return spool(&p->unpacked[p->unpackeds++], t, e);
	return TAP_DROP;
}

static int on_code_end(void *ctx, const char *sha256, struct caseout *out, struct err *e)
{
	struct exporter *x = ctx;
	int rc;

	(void)sha256;
	(void)out;
	if (take(x, e))
		return -1;
	x->count[piece_verdict(&x->p)]++;
	rc = x->w->piece(x, &x->p, e);
	forget(&x->p);
	return rc;
}

/* ---- the output ---- */

static FILE *hold(struct err *e)
{
	int fd = io_tmp(e);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w+");

	if (fd >= 0 && !f) {
		err_sys(e, "cannot hold the export in a temporary file");
		close(fd);
	}
	return f;
}

static int copy_held(FILE *held, FILE *out, struct err *e)
{
	char chunk[65536];
	size_t n;

	if (ferror(held) || fflush(held) || fseek(held, 0, SEEK_SET))
		return err_sys(e, "cannot hold the export in a temporary file");
	while ((n = fread(chunk, 1, sizeof chunk, held)) > 0)
		fwrite(chunk, 1, n, out);
	return ferror(held) ? err_sys(e, "cannot read the held export") : 0;
}

static int write_out(struct exporter *x, FILE *out, struct err *e)
{
	if (x->w->begin(x, out, e) || copy_held(x->held, out, e))
		return -1;
	for (size_t i = 0; i < LATER; i++)
		if (copy_held(x->later[i], out, e))
			return -1;
	if (x->w->end(x, out, e))
		return -1;
	return fflush(out) || ferror(out) ? err_sys(e, "cannot write the export") : 0;
}

int export_case(enum export_format f, int in, FILE *out, char id[33], struct err *e)
{
	struct exporter x = { .w = writers[f], .p = { .body = -1 }, .seen = json_object() };
	const struct casefilter filter = { .ctx = &x, .head = on_head, .about = on_about, .tap = on_member, .code_end = on_code_end };
	bool ready = (x.attack = attack_load(e)) && (x.held = hold(e));
	int rc = -1;

	for (size_t i = 0; ready && i < LATER; i++)
		ready = (x.later[i] = hold(e)) != NULL;
	if (!ready)
		goto out;
	rc = casefilter_run(&filter, in, -1, e);
	if (!rc && id)
		snprintf(id, 33, "%s", x.id);
	if (!rc)
		rc = write_out(&x, out, e);
	if (!rc && f == EXPORT_YARA && !x.written)
		rc = EX_NO;
out:
	if (x.held)
		fclose(x.held);
	for (size_t i = 0; i < LATER; i++)
		if (x.later[i])
			fclose(x.later[i]);
	forget(&x.p);
	json_decref(x.head);
	json_decref(x.attack);
	json_decref(x.seen);
	for (size_t i = 0; i < sizeof x.rows / sizeof *x.rows; i++)
		buf_free(&x.rows[i]);
	buf_free(&x.raw);
	return rc;
}
