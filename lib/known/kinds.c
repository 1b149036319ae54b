/* kinds: what all sources share: their names and counts, and which function reads which. */
#include "known/known.h"

#include <stdlib.h>
#include <string.h>

int known_source(struct build *b, const char *kind, const char *path, uint32_t *number, struct err *e)
{
	char *name = buf_printf("%s %s", kind, strcmp(path, "-") ? path : "standard input");
	int rc = build_source(b, name, number, e);

	free(name);
	return rc;
}

void known_count(struct known_stats *s, enum crew_result result)
{
	s->code += result != CREW_NO_CODE;
	s->matched += result == CREW_GOOD;
	s->altered += result == CREW_ALTERED;
	s->missing += result == CREW_MISSING;
	s->unreadable += result == CREW_UNREADABLE;
	s->changing += result == CREW_CHANGING;
}

int known_add(struct build *b, enum known_kind kind, const char *path, const char *root, unsigned want, struct known_stats *s, struct err *e)
{
	switch (kind) {
	case KNOWN_DPKG: return dpkg_add(b, root, want, s, e);
	case KNOWN_DIR: return folder_add(b, path, want, s, e);
	case KNOWN_LIST: return list_add(b, path, s, e);
	case KNOWN_NSRL: return nsrl_add(b, path, s, e);
	case KNOWN_HASHLOOKUP: return hashlookup_add(b, path, s, e);
	case KNOWN_RPM: return rpm_add(b, path, root, want, s, e);
	case KNOWN_CASE: break;
	}
	return err_set(e, EX_SOFTWARE, "no such kind of source");
}

json_t *known_stats_json(const struct known_stats *s)
{
	return json_pack("{sI sI sI sI sI sI sI sI sI sI sI sI}", "files", (json_int_t)s->files, "code", (json_int_t)s->code, "matched",
		(json_int_t)s->matched, "altered", (json_int_t)s->altered, "missing", (json_int_t)s->missing, "unreadable",
		(json_int_t)s->unreadable, "changing", (json_int_t)s->changing, "packages", (json_int_t)s->packages, "packages_without_sums",
		(json_int_t)s->packages_without_sums, "left_out", (json_int_t)s->left_out, "without_sha256", (json_int_t)s->without_digest,
		"bytes", (json_int_t)s->bytes);
}

char *known_stats_text(const struct known_stats *s)
{
	struct buf b = {0};

	buf_addf(&b, "%llu files, %llu of them code, %llu matched, %llu altered, %llu missing, %llu unreadable, %llu changing",
		(unsigned long long)s->files, (unsigned long long)s->code, (unsigned long long)s->matched, (unsigned long long)s->altered,
		(unsigned long long)s->missing, (unsigned long long)s->unreadable, (unsigned long long)s->changing);
	if (s->left_out)
		buf_addf(&b, ", %llu left out as malicious or not trusted", (unsigned long long)s->left_out);
	if (s->without_digest)
		buf_addf(&b, ", %llu without SHA-256", (unsigned long long)s->without_digest);
	return (char *)b.p;
}
