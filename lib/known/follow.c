/*
 * follow: keeps an index up with dpkg's database: reads the packages again whose version or lists changed, forgets those that
 * are gone, and keeps what an upgraded package was as outdated for a while, since it may still run. It takes no lock; what
 * dpkg exchanges just now is left for the next time.
 */
#include "known/follow.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY (24 * 60 * 60)
#define RACY 2   /* seconds: a file changed within them may change again and bear the same time */

struct follow {
	const struct follow_options *o;
	struct follow_report *r;
	struct memory m;
	struct packages d;
	struct build *b;
	struct index *x;                /* NULL: there was none */
	json_t *in_index;               /* names of its sources */
	int64_t now, expires;
	char *database;                 /* packages_stamp() before anything was read */
	bool moving;                    /* dpkg is at work */
};

/* ---- names of sources ---- */

#define OUTDATED " (outdated since "

bool source_outdated(const char *name, size_t len, int64_t *since)
{
	char when[CLOCK_RFC3339];
	size_t tail = strlen(OUTDATED) + CLOCK_RFC3339 - 1 + 1;
	int64_t t;

	if (len <= tail || memcmp(name + len - tail, OUTDATED, strlen(OUTDATED)) != 0 || name[len - 1] != ')')
		return false;
	memcpy(when, name + len - CLOCK_RFC3339, CLOCK_RFC3339 - 1);
	when[CLOCK_RFC3339 - 1] = 0;
	if (clock_parse(when, &t) < 0)
		return false;
	if (since)
		*since = t;
	return true;
}

/* "dpkg NAME VERSION" and what follows; false: another kind. */
static bool split(const char *source, char **name, const char **version)
{
	const char *blank;

	if (strncmp(source, "dpkg ", 5) != 0 || !(blank = strchr(source + 5, ' ')))
		return false;
	*name = buf_alloc((size_t)(blank - source - 5) + 1);
	memcpy(*name, source + 5, (size_t)(blank - source - 5));
	*version = blank + 1;
	return true;
}

/* ---- what of the old index stays, and as what ---- */

static bool outdated_stays(struct follow *f, const struct package *p, int64_t since)
{
	int64_t until = since + (int64_t)f->o->keep_days * DAY;

	if (!p || p->state == PACKAGE_GONE || until <= f->now) {
		f->r->forgotten++;
		return false;
	}
	f->r->outdated++;
	if (!f->expires || until < f->expires)
		f->expires = until;
	return true;
}

static bool stays(void *ctx, const char *source, struct buf *new_name)
{
	struct follow *f = ctx;
	const char *version;
	struct package *p;
	char *name, when[CLOCK_RFC3339];
	int64_t since;

	if (!split(source, &name, &version))
		return true;
	p = packages_find(&f->d, name);
	free(name);
	if (source_outdated(source, strlen(source), &since))
		return outdated_stays(f, p, since);
	if (p && p->state == PACKAGE_MOVING)
		return true;
	if (p && p->state == PACKAGE_THERE && !strcmp(version, p->version))
		return !p->read || p->again;
	if (!outdated_stays(f, p, f->now))
		return false;
	clock_rfc3339(f->now, when);
	buf_addf(new_name, "%s" OUTDATED "%s)", source, when);
	return true;
}

/* ---- which packages are read again ---- */

static bool remembered(const struct follow *f, const struct package *p)
{
	const json_t *m = json_object_get(f->m.packages, p->key);
	const char *stamp = json_string_value(json_array_get(m, 0));

	return stamp && !strcmp(stamp, p->stamp) && (!json_is_true(json_array_get(m, 1)) || json_object_get(f->in_index, p->source));
}

/* An operator's word: what he withdrew does not come back by itself. */
static bool withdrawn(const struct follow *f, const struct package *p)
{
	char *name = buf_printf("withdrawn %s", p->source);
	bool is = json_object_get(f->in_index, name) != NULL;

	free(name);
	return is;
}

static void choose(struct follow *f)
{
	for (size_t i = 0; i < f->d.n; i++) {
		struct package *p = &f->d.p[i];

		if (p->state == PACKAGE_MOVING) {
			f->moving = true;
			f->r->left++;
		}
		if (p->state != PACKAGE_THERE || remembered(f, p) || withdrawn(f, p))
			continue;
		packages_list(&f->d, p);
		f->r->read++;
		f->r->stats.packages += p->sums != NULL;
		f->r->stats.packages_without_sums += !p->sums;
	}
}

/* What changed while it was read, or differs from its list while dpkg is at work, is read again next time. */
static void distrust(struct follow *f)
{
	int64_t newest;
	char *after = packages_stamp(f->o->root, &newest);

	f->moving |= strcmp(after, f->database) != 0;
	free(after);
	for (size_t i = 0; i < f->d.files.len; i++) {
		const struct crew_item *c = &f->d.files.p[i];
		struct package *p = &f->d.p[c->owner];

		p->again |= c->result == CREW_CHANGING || (f->moving && (c->result == CREW_ALTERED || c->result == CREW_MISSING));
	}
	for (size_t i = 0; i < f->d.n; i++) {
		struct package *p = &f->d.p[i];
		char stamp[33];

		if (!p->read)
			continue;
		packages_restamp(&f->d, p, stamp);
		p->again |= strcmp(stamp, p->stamp) != 0;
		f->r->left += p->again;
	}
}

/* ---- the whole ---- */

static void remember(struct follow *f)
{
	json_t *packages = json_object();

	for (size_t i = 0; i < f->d.n; i++) {
		const struct package *p = &f->d.p[i];
		json_t *old = json_object_get(f->m.packages, p->key);

		if (p->state == PACKAGE_GONE || p->again)
			continue;
		if (p->read)
			json_object_set_new(packages, p->key, json_pack("[sb]", p->stamp, p->vouched));
		else if (old)
			json_object_set(packages, p->key, old);
	}
	json_decref(f->m.packages);
	f->m.packages = packages;
}

static json_t *options_of(const struct follow *f)
{
	return json_pack("[io]", (int)f->o->want, jsonio_name(f->o->root ? f->o->root : "/"));
}

static int note(struct follow *f, int64_t newest, struct err *e)
{
	char *index = memory_stamp(f->o->index);
	bool settled = !f->moving && !f->r->left && newest + RACY < f->now;

	remember(f);
	json_decref(f->m.head);
	f->m.head = json_pack("{ss ss sI}", "index", index, "database", settled ? f->database : "", "expires", (json_int_t)f->expires);
	json_object_set_new(f->m.head, "options", options_of(f));
	free(index);
	return memory_write(&f->m, e);
}

/* Nothing changed since the last time, as far as five looks at files tell. */
static bool unchanged(const struct follow *f)
{
	char *index = memory_stamp(f->o->index);
	const char *was = jsonio_str(f->m.head, "index"), *database = jsonio_str(f->m.head, "database");
	json_int_t expires = jsonio_int(f->m.head, "expires", 0);
	json_t *options = options_of(f);
	bool same = was && *index && !strcmp(was, index) && database && !strcmp(database, f->database) && (!expires || expires > f->now) &&
		    json_equal(options, json_object_get(f->m.head, "options"));

	json_decref(options);
	free(index);
	return same;
}

static int open_old(struct follow *f, struct err *e)
{
	json_t *options = options_of(f);
	bool same = json_equal(options, json_object_get(f->m.head, "options"));

	json_decref(options);
	f->in_index = json_object();
	if (!(f->b = build_new(e)))
		return -1;
	if (access(f->o->index, F_OK) == 0 && (build_lock(f->b, f->o->index, e) < 0 || !(f->x = index_open(f->o->index, e))))
		return -1;
	for (uint64_t i = 0; f->x && i < index_sources(f->x); i++) {
		const char *set = index_source(f->x, i), *name;
		size_t len;

		while (source_next(&set, &name, &len))
			json_object_setn_nocheck(f->in_index, name, len, json_true());
	}
	if (f->x && same) {
		memory_read_packages(&f->m);
	} else {
		json_decref(f->m.packages);
		f->m.packages = json_object();
	}
	return 0;
}

static int rebuild(struct follow *f, struct err *e)
{
	struct build *b = f->b;

	if ((f->x && build_add_index(b, f->x, stays, f, e) < 0) || packages_take(&f->d, b, &f->r->stats, e) < 0)
		return -1;
	f->b = NULL;
	build_from(b, KNOWN_FROM_DPKG | (f->o->want & CREW_PAGES ? KNOWN_FROM_PAGES : 0), f->now);
	return build_finish(b, f->o->index, &f->r->digests, e);
}

int follow_run(const struct follow_options *o, struct follow_report *r, struct err *e)
{
	struct follow f = {.o = o, .r = r, .now = clock_now()};
	int64_t newest;
	int rc = -1;

	memset(r, 0, sizeof(*r));
	f.database = packages_stamp(o->root, &newest);
	memory_read(&f.m, o->index);
	if (unchanged(&f)) {
		r->unchanged = true;
		rc = 0;
		goto out;
	}
	if (packages_read(&f.d, o->root, e) < 0 || open_old(&f, e) < 0)
		goto out;
	choose(&f);
	if (f.d.files.len && crew_run(&f.d.files, f.d.root, o->want, &r->stats.bytes, e) < 0)
		goto out;
	distrust(&f);
	if (rebuild(&f, e) == 0)
		rc = note(&f, newest, e);
out:
	build_abort(f.b);
	index_close(f.x);
	json_decref(f.in_index);
	packages_free(&f.d);
	memory_free(&f.m);
	free(f.database);
	return rc;
}
