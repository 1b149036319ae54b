/* revoke: what is not known any more, whoever vouches for it. */
#include "known/known.h"

static int revoke_all(struct build *b, const char *const *lists, char *const *operands, struct known_stats *s, struct err *e)
{
	unsigned char digest[KNOWN_DIGEST];
	char hex[DIGEST_HEX];

	for (; *lists; lists++)
		if (list_revoke(b, *lists, s, e) < 0)
			return -1;
	for (; *operands; operands++, s->matched++) {
		if (query_digest(*operands, hex, e) < 0)
			return -1;
		digest_unhex(hex, digest, sizeof(digest));
		build_revoke(b, digest);
	}
	return 0;
}

int revoke_run(const char *path, const char *out, const char *const *lists, char *const *operands, uint64_t *left, uint64_t *gone, struct err *e)
{
	struct known_stats s = {0};
	struct build *b = build_new(e);

	if (!b)
		return -1;
	if (build_extend(b, path, e) < 0 || revoke_all(b, lists, operands, &s, e) < 0) {
		build_abort(b);
		return -1;
	}
	*gone = s.matched;
	return build_finish(b, out, left, e);
}
