#include "lived/internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NESTED 8u        /* entries of lists that name lists */
#define WORD 64u
#define TEXT (MIB)       /* one text that is expanded */

void template_seed(struct template *t, const struct template *from, const char *what)
{
	*t = *from;
	t->key[1] = sip_hash(from->key, what, strlen(what));
	t->count = 0;
}

uint64_t template_number(struct template *t, uint64_t least, uint64_t most)
{
	uint64_t count = t->count++, n = sip_hash(t->key, &count, sizeof count);

	return most <= least ? least : least + n % (most - least + 1);
}

uint64_t template_range(struct template *t, const json_t *range, uint64_t otherwise)
{
	json_int_t least = json_integer_value(json_array_get(range, 0)), most = json_integer_value(json_array_get(range, 1));

	if (!json_is_array(range))
		return json_is_integer(range) && json_integer_value(range) >= 0 ? (uint64_t)json_integer_value(range) : otherwise;
	return least < 0 || most < least ? otherwise : template_number(t, (uint64_t)least, (uint64_t)most);
}

/* ---- what may stand in braces ---- */

static int letters(struct template *t, const char *set, const char *count, struct buf *out)
{
	unsigned long n = count ? strtoul(count, NULL, 10) : 0;

	if (n == 0 || n > 4096)
		return -1;
	while (n--)
		buf_addc(out, set[template_number(t, 0, strlen(set) - 1)]);
	return 0;
}

/* The settings are ours, and strftime writes no more than its room whatever the format. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static int moment(const struct template *t, const char *format, struct buf *out)
{
	char text[256];
	time_t when = (time_t)t->time;
	struct tm tm;

	if (!format || !gmtime_r(&when, &tm) || !strftime(text, sizeof text, format, &tm))
		return -1;
	buf_adds(out, text);
	return 0;
}
#pragma GCC diagnostic pop

static int expand(struct template *t, const char *text, struct buf *out, unsigned depth, struct err *e);

static int pick(struct template *t, const char *list, struct buf *out, unsigned depth, struct err *e)
{
	const json_t *all = list ? json_object_get(t->lists, list) : NULL;
	const char *one;

	if (!json_array_size(all))
		return err_set(e, EX_CONFIG, "no list %s", err_q(list ? list : ""));
	one = json_string_value(json_array_get(all, template_number(t, 0, json_array_size(all) - 1)));
	return one ? expand(t, one, out, depth + 1, e) : err_set(e, EX_CONFIG, "not a text in the list %s", err_q(list));
}

static int number(struct template *t, const char *range, struct buf *out)
{
	char *end;
	unsigned long long least = range ? strtoull(range, &end, 10) : 0;

	if (!range || *end != '-')
		return -1;
	buf_addf(out, "%llu", (unsigned long long)template_number(t, least, strtoull(end + 1, NULL, 10)));
	return 0;
}

/* One {word argument}. */
static int command(struct template *t, const char *word, const char *argument, struct buf *out, unsigned depth, struct err *e)
{
	const char *value = jsonio_str(t->values, word);
	int rc = -1;

	if (value && !argument) {
		buf_adds(out, value);
		return 0;
	}
	if (!strcmp(word, "pick"))
		return pick(t, argument, out, depth, e);
	if (!strcmp(word, "number"))
		rc = number(t, argument, out);
	else if (!strcmp(word, "hex"))
		rc = letters(t, "0123456789abcdef", argument, out);
	else if (!strcmp(word, "letters"))
		rc = letters(t, "abcdefghijklmnopqrstuvwxyz0123456789", argument, out);
	else if (!strcmp(word, "base64"))
		rc = letters(t, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", argument, out);
	else if (!strcmp(word, "time"))
		rc = moment(t, argument, out);
	else if (!strcmp(word, "seconds") || !strcmp(word, "milliseconds") || !strcmp(word, "microseconds")) {
		buf_addf(out, "%lld%s", (long long)t->time, *word == 's' ? "" : *word == 'm' && word[2] == 'l' ? "000" : "000000");
		rc = 0;
	}
	return rc ? err_set(e, EX_CONFIG, "{%s} says nothing here", word) : 0;
}

static int expand(struct template *t, const char *text, struct buf *out, unsigned depth, struct err *e)
{
	if (depth > NESTED)
		return err_set(e, EX_CONFIG, "lists name each other without end");
	while (*text) {
		size_t plain = strcspn(text, "{}"), n;
		char word[WORD], *argument;

		if (out->len + plain > TEXT)
			return err_set(e, EX_CONFIG, "a text of more than %d bytes", (int)TEXT);
		buf_add(out, text, plain);
		text += plain;
		if (*text && text[0] == text[1]) {
			buf_addc(out, *text);
			text += 2;
			continue;
		}
		if (!*text)
			break;
		n = strcspn(text, "}");
		if (*text == '}' || text[n] == '\0' || n >= sizeof word)
			return err_set(e, EX_CONFIG, "a brace alone in %s", err_q(text));
		memcpy(word, text + 1, n - 1);
		word[n - 1] = '\0';
		argument = strchr(word, ' ');
		if (argument)
			*argument++ = '\0';
		if (command(t, word, argument, out, depth, e))
			return -1;
		text += n + 1;
	}
	return 0;
}

int template_expand(struct template *t, const char *text, struct buf *out, struct err *e)
{
	return expand(t, text, out, 0, e);
}

char *template_string(struct template *t, const char *text, struct err *e)
{
	struct buf b = { 0 };

	if (!text || template_expand(t, text, &b, e)) {
		if (!text)
			err_set(e, EX_CONFIG, "a text is missing");
		buf_free(&b);
		return NULL;
	}
	if (!b.p)
		return buf_strdup("");
	return (char *)b.p;
}

/* ---- whole texts ---- */

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

#define REPEAT 5000u

/* So many lines, each one of `of`, at times of their own between t->time and `end`. */
static int repeated(struct template *t, const json_t *item, int64_t end, struct buf *out, struct err *e)
{
	uint64_t n = template_range(t, json_object_get(item, "repeat"), 0);
	const json_t *of = json_object_get(item, "of");
	int64_t *when, begin = t->time;
	int rc = 0;

	if (n == 0 || n > REPEAT || !json_array_size(of))
		return err_set(e, EX_CONFIG, "a \"repeat\" that is not 1 to %u, or has no \"of\"", REPEAT);
	when = buf_alloc(n * sizeof *when);
	for (uint64_t i = 0; i < n; i++)
		when[i] = begin + (int64_t)template_number(t, 0, end > begin ? (uint64_t)(end - begin) : 0);
	qsort(when, n, sizeof *when, by_time);
	for (uint64_t i = 0; i < n && rc == 0; i++) {
		const char *line = json_string_value(json_array_get(of, template_number(t, 0, json_array_size(of) - 1)));

		t->time = when[i];
		rc = line ? template_expand(t, line, out, e) : err_set(e, EX_CONFIG, "\"of\" has something else than texts");
		buf_addc(out, '\n');
	}
	free(when);
	return rc;
}

int template_text(struct template *t, const json_t *text, int64_t begin, int64_t end, struct buf *out, struct err *e)
{
	size_t i;
	json_t *v;

	t->time = begin;
	json_array_foreach(text, i, v) {
		if (json_is_object(v)) {
			if (repeated(t, v, end, out, e))
				return -1;
		} else if (!json_is_string(v) || template_expand(t, json_string_value(v), out, e)) {
			return e->code ? -1 : err_set(e, EX_CONFIG, "\"text\" has something else than texts");
		} else {
			buf_addc(out, '\n');
		}
	}
	t->time = end;
	return 0;
}

json_t *template_json(struct template *t, const json_t *value, struct err *e)
{
	json_t *made, *member;
	const char *key;
	char *text;
	size_t i;

	if (json_is_string(value)) {
		text = template_string(t, json_string_value(value), e);
		made = text ? json_string(text) : NULL;
		free(text);
		return made;
	}
	if (json_is_array(value)) {
		made = json_array();
		json_array_foreach(value, i, member)
			if (json_array_append_new(made, template_json(t, member, e)))
				goto fail;
		return made;
	}
	if (json_is_object(value)) {
		made = json_object();
		json_object_foreach((json_t *)(uintptr_t)value, key, member)
			if (json_object_set_new(made, key, template_json(t, member, e)))
				goto fail;
		return made;
	}
	return json_deep_copy(value);
fail:
	json_decref(made);
	return NULL;
}
