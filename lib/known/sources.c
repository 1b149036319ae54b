#include "known/sources.h"
#include "known/known.h"

#include <stdlib.h>
#include <string.h>

#define CAP_SOURCES ((size_t)INT32_MAX)

struct sources {
	char **name;
	size_t count, cap;
	json_t *numbers;                /* name: number */
	uint32_t last[CAP_VOUCHERS];    /* the set asked for last */
	size_t last_count;
	uint32_t last_number;
};

struct sources *sources_new(void)
{
	struct sources *s = buf_alloc(sizeof(*s));

	s->numbers = json_object();
	return s;
}

static int number_of(struct sources *s, const char *name, uint32_t *number, struct err *e)
{
	json_t *seen = json_object_get(s->numbers, name);

	if (seen) {
		*number = (uint32_t)json_integer_value(seen);
		return 0;
	}
	if (s->count == CAP_SOURCES)
		return err_set(e, EX_DATAERR, "too many sources for one index");
	if (s->count == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->name = buf_realloc(s->name, s->cap, sizeof(*s->name));
	}
	if (json_object_set_new_nocheck(s->numbers, name, json_integer((json_int_t)s->count)) < 0)
		return err_set(e, EX_OSERR, "out of memory");
	*number = (uint32_t)s->count;
	s->name[s->count++] = buf_strdup(name);
	return 0;
}

int sources_number(struct sources *s, const char *name, uint32_t *number, struct err *e)
{
	struct buf plain = {0};
	int rc;

	if (!strchr(name, '\n'))
		return number_of(s, name, number, e);
	for (; *name; name++)
		if (*name == '\n')
			buf_adds(&plain, "\\n");
		else
			buf_addc(&plain, *name);
	rc = number_of(s, buf_str(&plain), number, e);
	buf_free(&plain);
	return rc;
}

int sources_load(struct sources *s, const char *name, struct err *e)
{
	size_t before = s->count;
	uint32_t number = 0;

	if (number_of(s, name, &number, e) < 0)
		return -1;
	return number == before ? 0 : err_set(e, EX_DATAERR, "the whitelist index is damaged: it names a source twice");
}

int sources_set(struct sources *s, const uint32_t *members, size_t count, uint32_t *number, struct err *e)
{
	struct buf name = {0};
	int rc;

	if (count == 1) {
		*number = *members;
		return 0;
	}
	if (count > CAP_VOUCHERS)
		count = CAP_VOUCHERS;
	if (count == s->last_count && !memcmp(members, s->last, count * sizeof(*members))) {
		*number = s->last_number;
		return 0;
	}
	for (size_t i = 0; i < count; i++)
		buf_addf(&name, "%s%s", i ? "\n" : "", sources_name(s, members[i]));
	rc = number_of(s, buf_str(&name), number, e);
	buf_free(&name);
	if (!rc) {
		memcpy(s->last, members, count * sizeof(*members));
		s->last_count = count;
		s->last_number = *number;
	}
	return rc;
}

size_t sources_count(const struct sources *s)
{
	return s->count;
}

const char *sources_name(const struct sources *s, uint32_t number)
{
	return number < s->count ? s->name[number] : "";
}

void sources_free(struct sources *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		free(s->name[i]);
	free(s->name);
	json_decref(s->numbers);
	free(s);
}

/* ---- as readers see them ---- */

bool source_next(const char **set, const char **name, size_t *len)
{
	const char *end;

	if (!*set || !**set)
		return false;
	end = strchrnul(*set, '\n');
	*name = *set;
	*len = (size_t)(end - *set);
	*set = *end ? end + 1 : end;
	return true;
}

bool source_has(const char *set, const char *source)
{
	const char *name;
	size_t len;

	while (source_next(&set, &name, &len))
		if (len == strlen(source) && !memcmp(name, source, len))
			return true;
	return false;
}

json_t *source_names(const char *set)
{
	json_t *names = json_array();
	const char *name;
	size_t len;

	while (source_next(&set, &name, &len))
		json_array_append_new(names, jsonio_bytes(name, len));
	return names;
}

static void count_in(json_t *counts, const char *key, json_int_t more)
{
	json_object_set_new(counts, key, json_integer(jsonio_int(counts, key, 0) + more));
}

static void count_source(json_t *by_name, const char *set, uint64_t digests)
{
	const char *at = set, *name;
	size_t len;

	while (source_next(&at, &name, &len)) {
		json_t *key = jsonio_bytes(name, len), *o = json_object_get(by_name, json_string_value(key));

		if (!o) {
			o = json_object();
			json_object_set(o, "source", key);
			json_object_set_new(by_name, json_string_value(key), o);
		}
		count_in(o, "digests", (json_int_t)digests);
		count_in(o, "alone", strchr(set, '\n') ? 0 : (json_int_t)digests);
		json_decref(key);
	}
}

static int count_entry(void *ctx, const unsigned char *digest, const struct index_hit *hit)
{
	(void)digest;
	++((uint64_t *)ctx)[hit->number];
	return 0;
}

json_t *source_counts(const struct index *x)
{
	uint64_t *count = buf_alloc((index_sources(x) + 1) * sizeof(*count));
	json_t *by_name = json_object(), *all = json_array(), *o;
	const char *key;

	index_walk(x, 0, count_entry, count);
	for (uint64_t i = 0; i < index_sources(x); i++)
		count_source(by_name, index_source(x, i), count[i]);
	json_object_foreach(by_name, key, o)
		if (jsonio_int(o, "digests", 0))
			json_array_append(all, o);
	json_decref(by_name);
	free(count);
	return all;
}
