#include "micro/capability.h"
#include "micro/inner.h"

#include "code/traits.h"

#include <stdlib.h>
#include <string.h>

#define CAPABILITY_EVIDENCE 12u  /* told of one rule */
#define CAPABILITY_SHOWN 160u    /* bytes of a text */

/* A search: over which facts, in which function (NULL: any), and what was found. */
struct search { const struct facts *f; const json_t *function; bool trace_only; json_t *evidence; };

static void found(struct search *s, const char *kind, const char *at, const char *text)
{
	json_t *o;

	if (json_array_size(s->evidence) >= CAPABILITY_EVIDENCE)
		return;
	o = json_object();
	json_object_set_new(o, "kind", json_string(kind));
	json_object_set_new(o, "at", json_string(at));
	json_object_set_new(o, "text", jsonio_bytes(text, strnlen(text, CAPABILITY_SHOWN)));
	json_array_append_new(s->evidence, o);
}

/* ---- names of functions ---- */

/* "CreateFile" is also CreateFileA and CreateFileW, "open" also open64: the same function for other texts or sizes. */
static const json_t *look_up(const json_t *set, const char *name, const char **as, char text[320])
{
	static const char *const ends[] = { "", "A", "W", "64" };

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		const json_t *v;

		snprintf(text, 320, "%s%s", name, ends[i]);
		v = json_object_get(set, text);
		*as = text;
		if (v)
			return v;
	}
	return NULL;
}

static bool named(struct search *s, const char *kind, const json_t *set, const char *name)
{
	char text[320];
	const char *as;
	const json_t *v = look_up(set, name, &as, text);

	if (v)
		found(s, kind, json_is_string(v) ? json_string_value(v) : "", as);
	return v != NULL;
}

static bool is_call(const json_t *call, const char *name)
{
	const char *c = jsonio_str(call, "call");
	size_t n = strlen(name);

	return c && !strncmp(c, name, n) && (!c[n] || !strcmp(c + n, "A") || !strcmp(c + n, "W") || !strcmp(c + n, "64"));
}

static void found_call(struct search *s, size_t i, const json_t *call, const char *argument)
{
	char at[32];
	struct buf b = { 0 };

	snprintf(at, sizeof at, "calls:%zu", i);
	buf_adds(&b, jsonio_str(call, "call"));
	if (argument)
		buf_addf(&b, " %s", argument);
	found(s, "call", at, buf_str(&b));
	buf_free(&b);
}

static const char *argument_matching(const json_t *call, const struct condition *c)
{
	const json_t *a;
	size_t i;

	json_array_foreach(json_object_get(call, "args"), i, a)
		if (json_is_string(a) && (c->index < 0 || (size_t)c->index == i) && !regexec(c->pattern, json_string_value(a), 0, NULL, 0))
			return json_string_value(a);
	return NULL;
}

/* A call that was made, with an argument that matches. */
static bool made(struct search *s, const char *name, const struct condition *c)
{
	const json_t *call;
	size_t i;

	json_array_foreach(s->f->trace, i, call) {
		const char *argument = NULL;

		if (!is_call(call, name) || (c->pattern && !(argument = argument_matching(call, c))))
			continue;
		found_call(s, i, call, argument);
		return true;
	}
	return false;
}

static bool holds_call(struct search *s, const struct condition *c)
{
	for (size_t i = 0; i < c->names; i++) {
		if (s->function && !c->pattern) {
			if (named(s, "call", json_object_get(s->function, "calls"), c->name[i]) || named(s, "syscall", json_object_get(s->function, "syscalls"), c->name[i]))
				return true;
			continue;
		}
		if (!c->pattern && !s->trace_only && (named(s, "import", s->f->imports, c->name[i]) || named(s, "syscall", s->f->syscalls, c->name[i])))
			return true;
		if (!s->function && made(s, c->name[i], c))
			return true;
	}
	return false;
}

static bool holds_sequence(struct search *s, const struct condition *c)
{
	size_t next = 0, at[64], i;
	const json_t *call;

	json_array_foreach(s->f->trace, i, call) {
		if (next < c->names && is_call(call, c->name[next]))
			at[next++] = i;
	}
	if (next < c->names)
		return false;
	for (i = 0; i < c->names; i++)
		found_call(s, at[i], json_array_get(s->f->trace, at[i]), NULL);
	return true;
}

/* ---- texts ---- */

static void found_text(struct search *s, const char *kind, size_t offset)
{
	const struct facts_text *t = facts_text_at(s->f, offset);
	const char *address = jsonio_str(t->string, "address"), *text = json_is_string(t->string) ? json_string_value(t->string) : jsonio_str(t->string, "text");
	char at[64];

	if (address)
		snprintf(at, sizeof at, "%s:%.24s", t->source, address);
	else
		snprintf(at, sizeof at, "%s:%llx", t->source, (unsigned long long)jsonio_int(t->string, "offset", 0));
	found(s, kind, at, text);
}

static bool holds_string(struct search *s, const struct condition *c)
{
	const struct buf *in = c->nocase ? &s->f->lower : &s->f->all;

	for (size_t i = 0; i < c->names && in->len; i++) {
		const unsigned char *at = memmem(in->p, in->len, c->name[i], strlen(c->name[i]));

		if (!at)
			continue;
		found_text(s, "string", (size_t)(at - in->p));
		return true;
	}
	return false;
}

static bool text_matches(const struct facts_text *t, const regex_t *pattern)
{
	const char *text = json_is_string(t->string) ? json_string_value(t->string) : jsonio_str(t->string, "text");

	return text && !regexec(pattern, text, 0, NULL, 0);
}

static bool holds_pattern(struct search *s, const struct condition *c)
{
	const struct buf *in = &s->f->all;
	size_t n = c->literal ? strlen(c->literal) : 0, at = 0;

	for (size_t i = 0; !n && i < s->f->texts; i++) {
		if (!text_matches(&s->f->text[i], c->pattern))
			continue;
		found_text(s, "pattern", s->f->text[i].at);
		return true;
	}
	/* Only the texts that contain what every match contains: regular expressions are slow. */
	while (n && at < in->len) {
		const unsigned char *hit = memmem(in->p + at, in->len - at, c->literal, n), *end;
		const struct facts_text *t;

		if (!hit)
			return false;
		t = facts_text_at(s->f, (size_t)(hit - in->p));
		if (t && text_matches(t, c->pattern)) {
			found_text(s, "pattern", t->at);
			return true;
		}
		end = memchr(hit, '\n', in->len - (size_t)(hit - in->p));
		at = end ? (size_t)(end - in->p) + 1 : in->len;
	}
	return false;
}

/* ---- conditions ---- */

static bool holds(struct search *s, const struct condition *c);

static bool holds_least(struct search *s, const struct condition *c, size_t least)
{
	size_t have = 0, before = json_array_size(s->evidence);

	for (size_t i = 0; i < c->parts && have < least && c->parts - i >= least - have; i++)
		have += holds(s, &c->part[i]);
	if (have >= least)
		return true;
	while (json_array_size(s->evidence) > before)
		json_array_remove(s->evidence, json_array_size(s->evidence) - 1);
	return false;
}

static bool any_begins(const struct condition *c, const char *text)
{
	for (size_t i = 0; i < c->names; i++)
		if (!strncmp(text, c->name[i], strlen(c->name[i])))
			return true;
	return false;
}

static bool any_named(struct search *s, const struct condition *c, const char *kind, const json_t *set)
{
	for (size_t i = 0; i < c->names; i++) {
		const json_t *v = json_object_get(set, c->name[i]);

		if (!v)
			continue;
		found(s, kind, json_is_string(v) ? json_string_value(v) : "", c->name[i]);
		return true;
	}
	return false;
}

static bool any_import(struct search *s, const struct condition *c)
{
	for (size_t i = 0; i < c->names; i++)
		if (named(s, "import", s->function ? json_object_get(s->function, "calls") : s->f->imports, c->name[i]))
			return true;
	return false;
}

static bool any_syscall(struct search *s, const struct condition *c)
{
	for (size_t i = 0; i < c->names; i++)
		if (named(s, "syscall", s->function ? json_object_get(s->function, "syscalls") : s->f->syscalls, c->name[i]))
			return true;
	return false;
}

static bool holds_not(struct search *s, const struct condition *c)
{
	struct search quiet = *s;
	bool hold;

	quiet.evidence = json_array();
	hold = holds(&quiet, c);
	json_decref(quiet.evidence);
	return !hold;
}

static bool holds(struct search *s, const struct condition *c)
{
	switch (c->kind) {
	case COND_ALL: return holds_least(s, c, c->parts);
	case COND_LEAST: return holds_least(s, c, c->least);
	case COND_NOT: return holds_not(s, c->part);
	case COND_IMPORT: return !s->trace_only && any_import(s, c);
	case COND_SYSCALL: return !s->trace_only && any_syscall(s, c);
	case COND_CALL: return holds_call(s, c);
	case COND_SEQUENCE: return holds_sequence(s, c);
	case COND_STRING: return holds_string(s, c);
	case COND_PATTERN: return holds_pattern(s, c);
	case COND_YARA: return any_named(s, c, "yara", s->f->yara);
	case COND_FORMAT: return any_begins(c, s->f->format);
	case COND_OS: return any_begins(c, s->f->os);
	case COND_SIGN: return any_named(s, c, "sign", s->f->signs);
	}
	return false;
}

/* ---- rules ---- */

static bool has_not(const struct condition *c)
{
	bool has = c->kind == COND_NOT;

	for (size_t i = 0; i < c->parts && !has; i++)
		has = has_not(&c->part[i]);
	return has;
}

static bool holds_in_function(struct search *s, const struct condition *c)
{
	const json_t *function;
	bool possible = has_not(c) || holds(s, c);
	size_t i;

	/* What does not hold of the whole holds of no part of it. */
	json_array_clear(s->evidence);
	if (!possible)
		return false;
	json_array_foreach(s->f->functions, i, function) {
		s->function = function;
		if (holds(s, c)) {
			found(s, "function", jsonio_str(function, "function") ? jsonio_str(function, "function") : "", "in this function");
			s->function = NULL;
			return true;
		}
		json_array_clear(s->evidence);
	}
	s->function = NULL;
	return false;
}

static bool applies(struct search *s, const struct capability_rule *rule)
{
	bool hold = false;

	if (rule->scope == SCOPE_FILE)
		return holds(s, &rule->when);
	if (rule->scope == SCOPE_FUNCTION)
		hold = holds_in_function(s, &rule->when);
	/* Calls that were made belong together as those of one function do. */
	s->trace_only = true;
	return hold || (json_array_size(s->f->trace) && holds(s, &rule->when));
}

json_t *capability_match(const struct capability_rules *r, const struct facts *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->count; i++) {
		const struct capability_rule *rule = &r->rule[i];
		struct search s = { .f = f, .evidence = json_array() };

		if (applies(&s, rule)) {
			json_t *o = json_object();

			json_object_set_new(o, "name", json_string(rule->name));
			json_object_set(o, "technique", rule->technique);
			json_object_set_new(o, "namespace", json_string(rule->space));
			json_object_set_new(o, "meaning", jsonio_name(rule->meaning));
			json_object_set(o, "evidence", s.evidence);
			json_array_append_new(list, o);
		}
		json_decref(s.evidence);
	}
	return list;
}

void capability_static(const struct capability_rules *r, json_t *stat)
{
	const json_t *unpack = json_object_get(stat, "unpack"), *o;
	const struct inner_list *from;
	struct facts f;
	size_t i;

	facts_of_static(&f, stat);
	json_object_set_new(stat, "capabilities", capability_match(r, &f));
	facts_free(&f);
	if (json_is_object(unpack)) {
		indicators_add(jsonio_array(stat, "indicators"), json_object_get(unpack, "strings"), "unpack.strings");
		indicators_calls(jsonio_array(stat, "indicators"), json_object_get(unpack, "calls"));
	}
	for (i = 0; (o = inner_at(stat, i, &from)); i++) {
		indicators_add(jsonio_array(stat, "indicators"), json_object_get(o, "strings"), from->strings);
		indicators_add(jsonio_array(stat, "indicators"), json_object_get(o, "stack_strings"), from->stack_strings);
	}
}

void capability_dynamic(const struct capability_rules *r, const json_t *stat, json_t *dynamic)
{
	struct facts f;

	facts_of_dynamic(&f, stat, dynamic);
	json_object_set_new(dynamic, "capabilities", capability_match(r, &f));
	facts_free(&f);
}
