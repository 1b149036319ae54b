/*
 * dpkg: the files of Debian packages as a source. An MD5 alone makes nothing good: only the file that is there, matches the sum
 * its package states, and is then known by its SHA-256.
 */
#include "known/packages.h"

#include <string.h>

int packages_take(struct packages *d, struct build *b, struct known_stats *s, struct err *e)
{
	static const char *const told[] = {[CREW_ALTERED] = "altered", [CREW_UNREADABLE] = "cannot read",
		[CREW_CHANGING] = "skipped, it changes meanwhile"};

	for (size_t i = 0; i < d->files.len; i++) {
		const struct crew_item *f = &d->files.p[i];
		struct package *p = &d->p[f->owner];

		s->files++;
		known_count(s, f->result);
		if (f->result == CREW_GOOD && !p->again) {
			if (!p->numbered && build_source(b, p->source, &p->number, e) < 0)
				return -1;
			p->numbered = p->vouched = true;
			if (crew_take(b, f, p->number, f->path, e) < 0)
				return -1;
		} else if (f->result != CREW_GOOD && f->result < (int)(sizeof(told) / sizeof(told[0])) && told[f->result]) {
			msg_info("%s: %s of package %s", told[f->result], err_q(f->path), err_q(p->name));
		}
	}
	return 0;
}

int dpkg_add(struct build *b, const char *root, unsigned want, struct known_stats *s, struct err *e)
{
	int64_t now = clock_now();
	struct packages d;
	int rc = packages_read(&d, root, e);

	for (size_t i = 0; !rc && i < d.n; i++) {
		struct package *p = &d.p[i];

		if (p->state != PACKAGE_THERE)
			continue;
		if (!p->sums) {
			msg_info("package %s states no sums: its files stay unknown", err_q(p->name));
			s->packages_without_sums++;
		}
		s->packages += p->sums != NULL;
		packages_list(&d, p);
	}
	if (!rc)
		rc = crew_run(&d.files, d.root, want, &s->bytes, e);
	if (!rc)
		rc = packages_take(&d, b, s, e);
	if (!rc)
		build_from(b, KNOWN_FROM_DPKG | (want & CREW_PAGES ? KNOWN_FROM_PAGES : 0), now);
	packages_free(&d);
	return rc;
}
