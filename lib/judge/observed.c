#include "judge/internal.h"

#include <stdlib.h>
#include <string.h>

bool signset_has(const struct signset *s, size_t i)
{
	return s->word[i / 64] >> (i % 64) & 1;
}

void signset_add(struct signset *s, size_t i)
{
	s->word[i / 64] |= (uint64_t)1 << (i % 64);
}

static size_t position(const struct judge *j, const struct judge_sign *s)
{
	return (size_t)(s - judge_at(j, 0));
}

static void note_unlisted(struct observed *o, const char *name)
{
	const json_t *have;
	size_t i;

	json_array_foreach(o->unlisted, i, have)
		if (!strcmp(json_string_value(have), name))
			return;
	json_array_append_new(o->unlisted, json_string(name));
}

static int take_set(struct observed *o, const json_t *names, struct signset *set, struct err *e)
{
	const json_t *name;
	size_t i;

	if (!json_is_array(names))
		return err_set(e, EX_DATAERR, "its signs are no list");
	json_array_foreach(names, i, name) {
		const struct judge_sign *s;

		if (!json_is_string(name))
			return err_set(e, EX_DATAERR, "a sign is no name");
		s = judge_find(o->judge, json_string_value(name));
		if (s)
			signset_add(set, position(o->judge, s));
		else
			note_unlisted(o, json_string_value(name));
	}
	return 0;
}

static void grow_cases(struct observed *o)
{
	if (!(o->count & (o->count + 1)))
		o->cases = buf_realloc(o->cases, 2 * (o->count + 1), sizeof(*o->cases));
}

static struct observed_piece *add_piece(struct observed_case *c)
{
	if (!(c->count & (c->count + 1)))
		c->pieces = buf_realloc(c->pieces, 2 * (c->count + 1), sizeof(*c->pieces));
	c->pieces[c->count] = (struct observed_piece){ .count = 1 };
	return &c->pieces[c->count++];
}

static int take_piece(struct observed *o, struct observed_case *c, const json_t *line, struct err *e)
{
	struct observed_piece *p = add_piece(c);
	const char *kind = jsonio_str(line, "kind");
	size_t i;

	if (!kind)
		return err_set(e, EX_DATAERR, "a piece has no kind");
	p->host = jsonio_str(line, "host");
	p->memory = !strcmp(kind, "memory");
	p->left = jsonio_bool(line, "left", true);
	p->count = (long)jsonio_int(line, "count", 1);
	p->bytes = (long)jsonio_int(line, "bytes", 0);
	if (p->count < 1 || p->bytes < 0)
		return err_set(e, EX_DATAERR, "a count cannot be");
	if (take_set(o, json_object_get(line, "signs"), &p->signs, e) < 0)
		return -1;
	for (i = 0; i < DERIVE_SIGNS / 64; i++)
		c->any.word[i] |= p->signs.word[i];
	return 0;
}

static int take_suspicious(struct observed *o, const json_t *line, struct err *e)
{
	const json_t *pieces = json_object_get(line, "pieces"), *own = json_object_get(line, "own"), *piece;
	struct observed_case *c;
	size_t i;

	grow_cases(o);
	c = &o->cases[o->count++];
	*c = (struct observed_case){ .suspicious = true, .name = jsonio_str(line, "technique"), .variation = (long)jsonio_int(line, "variation", 0) };
	if (!c->name || !json_is_array(pieces) || c->variation < 0)
		return err_set(e, EX_DATAERR, "a suspicious case lacks a technique, a variation or pieces");
	if (own && take_set(o, own, &c->own, e) < 0)
		return -1;
	json_array_foreach(pieces, i, piece)
		if (take_piece(o, c, piece, e) < 0)
			return -1;
	return 0;
}

static int take_benign(struct observed *o, const json_t *line, struct err *e)
{
	const char *host = jsonio_str(line, "host"), *source = jsonio_str(line, "source"), *seen = jsonio_str(line, "seen");
	const json_t *at;
	char *key;

	if (!host || !source || !seen || (strcmp(seen, "live") && strcmp(seen, "rest")))
		return err_set(e, EX_DATAERR, "a benign piece lacks a host, a source or how it was seen");
	key = buf_printf("%s\n%s", source, seen);
	at = json_object_get(o->where, key);
	if (!at) {
		grow_cases(o);
		o->cases[o->count] = (struct observed_case){ .name = source, .rest = !strcmp(seen, "rest") };
		json_object_set_new(o->where, key, json_integer((json_int_t)o->count++));
		at = json_object_get(o->where, key);
	}
	free(key);
	return take_piece(o, &o->cases[json_integer_value(at)], line, e);
}

static int take_line(struct observed *o, const char *text, size_t n, struct err *e)
{
	json_t *line = jsonio_parse(text, n, "an observation", e);
	const char *label = line ? jsonio_str(line, "label") : NULL;

	if (!line)
		return -1;
	json_array_append_new(o->lines, line);
	if (label && !strcmp(label, "suspicious"))
		return take_suspicious(o, line, e);
	if (label && !strcmp(label, "benign"))
		return take_benign(o, line, e);
	return err_set(e, EX_DATAERR, "the label is neither suspicious nor benign");
}

struct observed *observed_open(const struct judge *j, struct err *e)
{
	struct observed *o;

	if (judge_count(j) > DERIVE_SIGNS) {
		err_set(e, EX_CONFIG, "the criteria list more than %u signs", DERIVE_SIGNS);
		return NULL;
	}
	o = buf_alloc(sizeof(*o));
	o->judge = j;
	o->where = json_object();
	o->lines = json_array();
	o->unlisted = json_array();
	return o;
}

int observed_read(struct observed *o, const char *path, struct err *e)
{
	struct buf text = { 0 };
	const char *p, *end;
	unsigned long number = 0;
	int rc = io_slurp_path(path, CAP_OBSERVED, &text, e);

	p = buf_str(&text);
	for (end = p + text.len; !rc && p < end;) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));

		stop = stop ? stop : end;
		number++;
		if (stop > p && take_line(o, p, (size_t)(stop - p), e) < 0)
			rc = err_wrap(e, "%s, line %lu", err_q(path), number);
		p = stop + 1;
	}
	buf_free(&text);
	return rc;
}

void observed_free(struct observed *o)
{
	size_t i;

	if (!o)
		return;
	for (i = 0; i < o->count; i++)
		free(o->cases[i].pieces);
	free(o->cases);
	json_decref(o->where);
	json_decref(o->lines);
	json_decref(o->unlisted);
	free(o);
}
