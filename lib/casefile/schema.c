#include "casefile/internal.h"

#include <string.h>

static int bad(const char *path, const char *why, struct err *e)
{
	return err_set(e, EX_DATAERR, "member %s: %s", err_q(path), why);
}

static int check_shape(const char *path, struct err *e)
{
	size_t n = strlen(path);
	const char *p = path;

	if (n == 0)
		return bad(path, "empty name", e);
	if (n > CAP_PATH)
		return bad(path, "name too long", e);
	for (const char *c = path; *c; c++)
		if (*c < 0x21 || *c > 0x7e)
			return bad(path, "a name has a byte outside of 0x21 to 0x7e", e);
	if (*path == '/')
		return bad(path, "absolute name", e);
	for (;;) {
		size_t len = strcspn(p, "/");

		if (len == 0)
			return bad(path, "empty part in a name", e);
		if ((len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
			return bad(path, "'.' or '..' in a name", e);
		if (!p[len])
			return 0;
		p += len + 1;
	}
}

/* "<start>-<end>": lower-case hex without 0x, 1 to 16 digits each, start before end; then "tail". */
static bool range_ok(const char *s, const char *tail)
{
	static const char hex[] = "0123456789abcdef";
	uint64_t v[2] = { 0, 0 };

	for (int i = 0; i < 2; i++) {
		size_t n = strspn(s, hex);

		if (n < 1 || n > 16)
			return false;
		for (size_t k = 0; k < n; k++)
			v[i] = v[i] << 4 | (uint64_t)(strchr(hex, s[k]) - hex);
		s += n;
		if (i == 0 && *s++ != '-')
			return false;
	}
	return !strcmp(s, tail) && v[0] < v[1];
}

/* Is the path `name` itself, or below it as if it were a folder? */
static bool is_or_below(const char *path, const char *name, bool *below)
{
	size_t n = strlen(name);

	if (strncmp(path, name, n) || (path[n] && path[n] != '/'))
		return false;
	*below = path[n] == '/';
	return true;
}

static int classify_code(const char *path, struct member *m, struct err *e)
{
	static const struct { const char *name; enum member_kind kind; } known[] = {
		{ "about.json", MEMBER_ABOUT }, { "body", MEMBER_BODY }, { "body.cms", MEMBER_BODY_CMS },
	};
	const char *rest = path + strlen("code/");
	bool below;

	if (strlen(rest) < 64 || (rest[64] && rest[64] != '/'))
		return bad(path, "not below code/ and a SHA-256", e);
	memcpy(m->code, rest, 64);
	m->code[64] = '\0';
	if (!digest_ok(m->code))
		return bad(path, "not below code/ and a SHA-256", e);
	if (!rest[64])
		return bad(path, "a folder of the schema as a file", e);
	m->name = rest + 65;
	m->kind = MEMBER_CODE;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (!is_or_below(m->name, known[i].name, &below))
			continue;
		if (below)
			return bad(path, "a file of the schema as a folder", e);
		m->kind = known[i].kind;
		return 0;
	}
	if (is_or_below(m->name, "memory", &below)) {
		if (below && range_ok(m->name + strlen("memory/"), ".cms"))
			return 0;   /* sealed: not memory for those who look for it */
		if (!below || !range_ok(m->name + strlen("memory/"), ""))
			return bad(path, "not a range of memory", e);
		m->kind = MEMBER_MEMORY;
	}
	return 0;
}

int schema_classify(const char *path, struct member *m, struct err *e)
{
	static const struct { const char *name; enum member_kind kind; } known[] = {
		{ "case.json", MEMBER_CASE }, { "MANIFEST", MEMBER_MANIFEST }, { "MANIFEST.sig", MEMBER_SIGNATURE },
	};
	bool below;

	*m = (struct member){ .path = path, .name = path, .kind = MEMBER_OTHER };
	if (check_shape(path, e))
		return -1;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (!is_or_below(path, known[i].name, &below))
			continue;
		if (below)
			return bad(path, "a file of the schema as a folder", e);
		m->kind = known[i].kind;
		return 0;
	}
	if (!is_or_below(path, "code", &below))
		return 0;
	if (!below)
		return bad(path, "a folder of the schema as a file", e);
	return classify_code(path, m, e);
}

int schema_folder(const char *path, struct err *e)
{
	char probe[CAP_PATH + 80];
	struct member m;

	if (check_shape(path, e))
		return -1;
	if (!strcmp(path, "code"))
		return 0;
	/* It is one when something unknown may stand below it, or a range of memory. */
	snprintf(probe, sizeof probe, "%s/x", path);
	if (schema_classify(probe, &m, e) == 0)
		return 0;
	snprintf(probe, sizeof probe, "%s/0-1", path);
	if (schema_classify(probe, &m, e) == 0)
		return 0;
	return bad(path, "a folder that the schema has no place for", e);
}

int64_t schema_time(const json_t *case_json)
{
	const char *time = jsonio_str(case_json, "time");
	int64_t t;

	/* What a header has no room for is left out. */
	return time && clock_parse(time, &t) == 0 && t >= 0 && t < (int64_t)1 << 33 ? t : 0;
}

bool schema_is_sample(const struct member *m)
{
	static const char *const begin[] = { "dropped/", "embedded/", "memory/", "memory-dynamic/", "unpacked-" };
	size_t n = strlen(m->name);

	if (!*m->code || (n > 4 && !strcmp(m->name + n - 4, ".cms")))
		return false;
	for (size_t i = 0; i < sizeof(begin) / sizeof(*begin); i++)
		if (!strncmp(m->name, begin[i], strlen(begin[i])))
			return true;
	return m->kind == MEMBER_BODY;
}

unsigned schema_mode(const struct member *m, unsigned mode)
{
	if (schema_is_sample(m))
		return 0;
	return mode & 0444 ? 0644 : 0;
}
