#include "known/lines.h"

#include <string.h>
#include <strings.h>

int csv_split(struct csv *c, const char *line, size_t n)
{
	size_t i = 0;

	buf_clear(&c->text);
	for (c->count = 0; c->count < CSV_FIELDS; c->count++) {
		bool quoted = i < n && line[i] == '"';

		c->at[c->count] = c->text.len;
		for (i += quoted;; i++) {
			bool end = i == n || line[i] == ',';

			if (quoted && i == n)
				return -1;
			if (quoted && line[i] == '"' && i + 1 < n && line[i + 1] == '"')
				i++;
			else if (quoted && line[i] == '"' && (i + 1 == n || line[i + 1] == ','))
				quoted = false, end = true, i++;
			if (end && !quoted)
				break;
			buf_addc(&c->text, line[i]);
		}
		c->len[c->count] = c->text.len - c->at[c->count];
		buf_addc(&c->text, '\0');
		if (i == n) {
			c->count++;
			return 0;
		}
		i++;
	}
	return -1;
}

const char *csv_field(const struct csv *c, size_t i, size_t *len)
{
	size_t none;

	if (!len)
		len = &none;
	*len = i < c->count ? c->len[i] : 0;
	return i < c->count ? buf_str(&c->text) + c->at[i] : "";
}

size_t csv_find(const struct csv *c, const char *const *names)
{
	for (size_t i = 0; i < c->count; i++)
		for (const char *const *name = names; *name; name++)
			if (!strcasecmp(csv_field(c, i, NULL), *name))
				return i;
	return CSV_FIELDS;
}

void csv_free(struct csv *c)
{
	buf_free(&c->text);
}

static int head(struct csv_list *list, const struct lines *l, struct err *e)
{
	static const char *const digests[] = {"SHA-256", "SHA256", "SHA_256", NULL}, *const names[] = {"FileName", "file_name", "name", NULL},
		*const specials[] = {"SpecialCode", "KnownMalicious", NULL}, *const trusts[] = {"hashlookup:trust", "trust", NULL},
		*const weaker[] = {"SHA-1", "SHA1", "MD5", NULL};

	list->digest = csv_find(&list->line, digests);
	list->name = csv_find(&list->line, names);
	list->special = csv_find(&list->line, specials);
	list->trust = csv_find(&list->line, trusts);
	if (list->digest != CSV_FIELDS)
		return 0;
	return lines_refuse(l, csv_find(&list->line, weaker) == CSV_FIELDS ? "it does not name a column SHA-256" :
		"it has no SHA-256, only weaker sums, which can confirm nothing: take an edition with SHA-256", e);
}

/* NSRL's special code M, or any word but "false" in hashlookup's column, says that the file is malicious. */
static bool left_out(const struct csv_list *list)
{
	const char *special = csv_field(&list->line, list->special, NULL), *trust = csv_field(&list->line, list->trust, NULL);

	return (known_malicious(special) && strcasecmp(special, "S") != 0) || (*trust && known_distrusted(trust));
}

int csv_add(struct csv_list *list, struct lines *l, const char *text, size_t n, struct err *e)
{
	unsigned char digest[KNOWN_DIGEST];
	const char *hex, *name;
	size_t len, name_len;

	if (!n)
		return 0;
	if (memchr(text, 0, n) || csv_split(&list->line, text, n) < 0)
		return lines_refuse(l, "no line of comma-separated values", e);
	if (!list->begun) {
		list->begun = true;
		return head(list, l, e);
	}
	l->s->files++;
	hex = csv_field(&list->line, list->digest, &len);
	if (!len) {
		l->s->without_digest++;
		return 0;
	}
	if (len != 64 || !lines_digest(hex, len, digest))
		return lines_refuse(l, "no SHA-256 in its column", e);
	if (left_out(list)) {
		l->s->left_out++;
		return 0;
	}
	l->s->matched++;
	name = csv_field(&list->line, list->name, &name_len);
	return lines_add(list->b, digest, list->source, name, name_len, e);
}
