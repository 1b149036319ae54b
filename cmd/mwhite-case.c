#include "mwhite.h"
#include "casefile/casefile.h"

struct case_source { struct build *b; uint32_t number; struct known_stats *s; };

static int vouch(void *ctx, const char *sha256, json_t *about, struct err *e)
{
	struct case_source *c = ctx;
	const char *why = decide_vouch(about), *path = json_string_value(json_array_get(json_object_get(about, "paths"), 0));
	unsigned char digest[KNOWN_DIGEST];
	struct buf name = {0};
	int rc;

	c->s->files++;
	if (why || digest_unhex(sha256, digest, sizeof(digest)) < 0) {
		c->s->left_out++;
		msg_info("left out: %s: %s", sha256, why ? why : "no digest");
		return 1;
	}
	c->s->matched++;
	rc = build_add(c->b, digest, c->number, path && !jsonio_tobytes(path, &name) ? buf_str(&name) : NULL, e);
	buf_free(&name);
	return rc < 0 ? -1 : 1;
}

int mwhite_case(struct build *b, const char *path, struct known_stats *s, struct err *e)
{
	struct case_source c = {.b = b, .s = s};
	struct casefilter cf = {.ctx = &c, .about = vouch};
	int rc = -1, in = io_open_in(path, e);

	if (in >= 0 && !known_source(b, "case", path, &c.number, e))
		rc = casefilter_run(&cf, in, -1, e);
	io_close(&in);
	if (!rc)
		build_from(b, KNOWN_FROM_CASE, 0);
	return rc;
}
