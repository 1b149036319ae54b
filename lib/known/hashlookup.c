/*
 * hashlookup: exports of CIRCL's hashlookup as a source: JSON (draft-dulaunoy-hashlookup-format), an object or an array of
 * objects a line, or CSV whose first line names the columns. Only a SHA-256 counts. What is known to be malicious or has a
 * trust below 50 (its middle) is left out. A Bloom filter says "perhaps", so it can confirm nothing and is refused.
 */
#include "known/lines.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct hashlookup {
	struct csv_list csv;
	bool json;
};

bool known_distrusted(const char *trust)
{
	char *end;
	double value = strtod(trust, &end);

	while (*end == ' ')
		end++;
	return end == trust || *end || !(value >= 50 && value <= 100);
}

bool known_malicious(const char *word)
{
	return *word && strcasecmp(word, "false") != 0;
}

static const json_t *one_of(const json_t *o, const char *const *names)
{
	for (; *names; names++)
		if (json_object_get(o, *names))
			return json_object_get(o, *names);
	return NULL;
}

static bool distrusted(const json_t *o)
{
	const json_t *trust = json_object_get(o, "hashlookup:trust"), *malicious = json_object_get(o, "KnownMalicious");

	if (json_is_string(malicious) ? known_malicious(json_string_value(malicious)) : malicious && !json_is_false(malicious) && !json_is_null(malicious))
		return true;
	if (json_is_string(trust))
		return known_distrusted(json_string_value(trust));
	return trust && !(json_is_number(trust) && json_number_value(trust) >= 50 && json_number_value(trust) <= 100);
}

static int add_object(const struct hashlookup *h, const struct lines *l, const json_t *o, struct err *e)
{
	static const char *const digests[] = {"SHA-256", "sha256", "SHA256", NULL}, *const names[] = {"FileName", "filename", NULL};
	const char *hex = json_string_value(one_of(o, digests)), *name = json_string_value(one_of(o, names));
	unsigned char digest[KNOWN_DIGEST];

	if (!json_is_object(o))
		return lines_refuse(l, "no JSON object", e);
	l->s->files++;
	if (!one_of(o, digests)) {
		l->s->without_digest++;
		return 0;
	}
	if (!hex || strlen(hex) != 64 || !lines_digest(hex, 64, digest))
		return lines_refuse(l, "its SHA-256 is none", e);
	if (distrusted(o)) {
		l->s->left_out++;
		return 0;
	}
	l->s->matched++;
	return lines_add(h->csv.b, digest, h->csv.source, name, name ? strlen(name) : 0, e);
}

static int add_json(const struct hashlookup *h, const struct lines *l, const char *text, size_t n, struct err *e)
{
	struct err why = {0};
	json_t *j = jsonio_parse(text, n, "it", &why), *o;
	const char *bad = strstr(why.msg, "bad JSON"), *what = strstr(why.msg, "JSON ");
	size_t i;
	int rc = 0;

	if (!j)   /* the line is named here */
		return lines_refuse(l, bad ? bad : what ? what : why.msg, e);
	if (json_is_array(j)) {
		json_array_foreach(j, i, o)
			if (!rc)
				rc = add_object(h, l, o, e);
	} else {
		rc = add_object(h, l, j, e);
	}
	json_decref(j);
	return rc;
}

static int add_line(void *ctx, struct lines *l, const char *text, size_t n, struct err *e)
{
	struct hashlookup *h = ctx;

	while (n && (*text == ' ' || *text == '\t'))
		text++, n--;
	if (!n)
		return 0;
	if (memchr(text, 0, n))
		return lines_refuse(l, "this is binary; a Bloom filter only says 'perhaps' and cannot confirm: take the JSON or CSV export", e);
	if (!h->csv.begun && !h->json)
		h->json = *text == '{' || *text == '[';
	return h->json ? add_json(h, l, text, n, e) : csv_add(&h->csv, l, text, n, e);
}

int hashlookup_add(struct build *b, const char *path, struct known_stats *s, struct err *e)
{
	struct hashlookup h = {.csv.b = b};
	uint64_t before = s->files - s->without_digest;
	int rc = known_source(b, "hashlookup", path, &h.csv.source, e);

	if (!rc)
		rc = lines_each(path, CAP_LINE_JSON, add_line, &h, s, e);
	csv_free(&h.csv.line);
	if (!rc && s->files - s->without_digest == before)
		rc = err_set(e, EX_DATAERR, "%s has no SHA-256: weaker sums can confirm nothing", err_q(path));
	if (!rc)
		build_from(b, KNOWN_FROM_HASHLOOKUP, 0);
	return rc;
}
