/* Archives that self-extracting scripts and programs carry, and those that samples come in. */
#include "carve/internal.h"

#include "casefile/casefile.h"

#include <stdlib.h>
#include <string.h>

#define TAR_MAGIC 257u
#define FIRST "P!07MR"             /* bytes of what archives_at() knows, but for tar */

static bool tar_at(const unsigned char *p, size_t n)
{
	return n >= 512 && p[TAR_MAGIC] == 'u' && !memcmp(p + TAR_MAGIC, "ustar", 5) && *p;
}

const char *archives_at(const unsigned char *p, size_t n)
{
	static const struct { const char *name, *magic; size_t n; } known[] = {
		{ "zip", "PK\3\4", 4 }, { "ar", "!<arch>\n", 8 }, { "cpio", "070701", 6 }, { "cpio", "070702", 6 }, { "cpio", "070707", 6 },
		{ "7zip", "7z\xbc\xaf\x27\x1c", 6 }, { "cab", "MSCF\0\0\0\0", 8 }, { "rar", "Rar!\x1a\x07", 6 },
	};

	if (n <= 8)
		return NULL;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (*p == (unsigned char)*known[i].magic && !memcmp(p, known[i].magic, known[i].n))
			return known[i].name;
	return tar_at(p, n) ? "tar" : NULL;
}

struct list { struct carved *c; size_t count; uint64_t held; };

/* What means nothing, or leads over the bytes of all pieces together, is left out. */
static void keep(struct within *w, struct list *l, struct carved *c)
{
	c->what = l->held + c->bytes.len <= w->l->bytes ? meaning_of(c->bytes.p, c->bytes.len) : CARVE_NOTHING;
	if (!c->what) {
		carve_free(c);
		return;
	}
	if (l->count % 64 == 0)
		l->c = buf_realloc(l->c, l->count + 64, sizeof *l->c);
	l->held += c->bytes.len;
	l->c[l->count++] = *c;
}

/* Members that mean something; how much of the bytes the archive takes. */
static size_t unpack(struct within *w, const char *coding, size_t at, struct list *l)
{
	struct err e = { 0 };
	struct members *m = carve_work(w, OPENING) ? members_open(coding, w->p + at, w->n - at, &e) : NULL;
	const char *name;
	const void *block;
	size_t used;

	while (m && *w->work && members_next(m, &name, &e) > 0) {
		struct carved c = { .offset = at, .coding = coding, .name = name ? buf_strdup(name) : NULL };
		ssize_t got;

		while ((got = members_read(m, &block, &e)) > 0 && carve_work(w, (uint64_t)got) && c.bytes.len <= w->l->bytes)
			buf_add(&c.bytes, block, (size_t)got);
		keep(w, l, &c);
	}
	used = m ? members_used(m) : 0;
	if (!used)
		used = extent_of(w->p + at, w->n - at);
	members_close(m);
	return used < w->n - at ? used : w->n - at;
}

/* Programs and what holds more come before texts: an archive of documents is not to hide them. */
static void offer(struct within *w, struct list *l, size_t size)
{
	for (int texts = 0; texts <= 1; texts++)
		for (size_t i = 0; i < l->count; i++)
			if ((l->c[i].what == CARVE_TEXT) == texts && l->c[i].coding) {
				l->c[i].size = size;
				carve_offer(w, &l->c[i]);
			}
	free(l->c);
}

void archives_look(struct within *w)
{
	bool first[256] = { false };

	carve_mark(first, FIRST, sizeof FIRST - 1);
	for (size_t at = 0; at + 8 < w->n && *w->work; at++) {
		struct list l = { 0 };
		const char *coding;
		size_t size;

		if (!first[w->p[at]] && (at + TAR_MAGIC >= w->n || w->p[at + TAR_MAGIC] != 'u'))
			continue;
		coding = archives_at(w->p + at, w->n - at);
		if (!coding || carve_taken(w, at))
			continue;
		size = unpack(w, coding, at, &l);
		if (l.count)
			at += size - 1;
		offer(w, &l, size);
	}
}
