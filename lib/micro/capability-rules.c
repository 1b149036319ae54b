#include "micro/capability.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define CAPABILITY_FORMAT "muss-capability/1"
/* A rule is written by people; what is longer is a mistake. */
#define CAPABILITY_DEPTH 8u
#define CAPABILITY_PARTS 64u
#define CAPABILITY_NAMES 64u
#define CAPABILITY_TEXT 300u
#define CAPABILITY_RULES 2000u

struct reader { const char *file, *rule; struct err *e; };

static int wrong(const struct reader *r, const char *what, const char *subject)
{
	char *rule = r->rule ? buf_printf(": rule %s", err_q(r->rule)) : buf_strdup("");

	err_set(r->e, EX_CONFIG, "%s%s: %s%s%s", err_q(r->file), rule, what, subject ? " " : "", subject ? err_q(subject) : "");
	free(rule);
	return -1;
}

/* ---- conditions ---- */

static const struct { const char *key; enum condition_kind kind; } kinds[] = {
	{ "all", COND_ALL }, { "any", COND_LEAST }, { "least", COND_LEAST }, { "not", COND_NOT }, { "import", COND_IMPORT }, { "syscall", COND_SYSCALL },
	{ "call", COND_CALL }, { "sequence", COND_SEQUENCE }, { "string", COND_STRING }, { "pattern", COND_PATTERN }, { "yara", COND_YARA },
	{ "format", COND_FORMAT }, { "os", COND_OS }, { "sign", COND_SIGN },
};

/* The longest run of plain characters that every match of an extended regular expression contains; NULL: cannot tell. */
static char *literal_of(const char *s)
{
	size_t best = 0, best_n = 0, run = 0;
	int depth = 0;
	struct buf out = { 0 };

	for (size_t i = 0; s[i]; i++) {
		bool plain = depth == 0 && (isalnum((unsigned char)s[i]) || strchr("/_ -:=@,;<>&%~\"'", s[i]));

		if (s[i] == '(')
			depth++;
		else if (s[i] == ')' && depth)
			depth--;
		else if (s[i] == '|' && !depth)
			return NULL;
		if (s[i] == '\\' && s[i + 1])
			i++;
		/* How often; and a class, which may begin with "]". */
		if (s[i] == '{')
			i += strcspn(s + i, "}") - (strchr(s + i, '}') == NULL);
		if (s[i] == '[') {
			i += s[i + 1] == '^';
			i += s[i + 1] == ']';
			while (s[i + 1] && s[i + 1] != ']')
				i++;
		}
		if (plain && s[i + 1] && strchr("?*{", s[i + 1]))
			plain = false;
		run = plain ? run + 1 : 0;
		if (run > best_n) {
			best_n = run;
			best = i + 1 - run;
		}
	}
	if (best_n < 2)
		return NULL;
	buf_add(&out, s + best, best_n);
	return (char *)out.p;
}

static int read_pattern(const struct reader *r, const json_t *v, struct condition *c)
{
	const char *s = json_string_value(v);
	char why[128];
	int rc;

	if (!s || !*s || strlen(s) > CAPABILITY_TEXT)
		return wrong(r, "a pattern is a text of 1 to 300 bytes", NULL);
	/* Counted repetitions are expanded in memory. */
	for (const char *p = s; (p = strchr(p, '{')); p++)
		if (strtoul(p + 1, NULL, 10) > 255 || (strchr(p, ',') && strtoul(strchr(p, ',') + 1, NULL, 10) > 255))
			return wrong(r, "repeats more than 255 times:", s);
	c->pattern = buf_alloc(sizeof *c->pattern);
	rc = regcomp(c->pattern, s, REG_EXTENDED | REG_NOSUB);
	if (rc) {
		regerror(rc, c->pattern, why, sizeof why);
		free(c->pattern);
		c->pattern = NULL;
		return wrong(r, why, s);
	}
	c->literal = literal_of(s);
	return 0;
}

static int read_names(const struct reader *r, const char *key, const json_t *v, struct condition *c)
{
	size_t n = json_is_array(v) ? json_array_size(v) : 1;

	if (!n || n > CAPABILITY_NAMES)
		return wrong(r, "wants a text, or 1 to 64 of them:", key);
	c->name = buf_alloc(n * sizeof *c->name);
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_is_array(v) ? json_array_get(v, i) : v;
		const char *s = json_string_value(o);

		if (!s || !*s || strlen(s) > CAPABILITY_TEXT)
			return wrong(r, "wants texts of 1 to 300 bytes:", key);
		c->name[c->names++] = buf_strdup(s);
		for (char *p = c->name[c->names - 1]; c->nocase && *p; p++)
			*p = (char)tolower((unsigned char)*p);
	}
	return 0;
}

static int read_condition(const struct reader *r, const json_t *o, unsigned depth, struct condition *c);

static int read_parts(const struct reader *r, const char *key, const json_t *list, unsigned depth, struct condition *c)
{
	size_t n = json_array_size(list);

	if (!n || n > CAPABILITY_PARTS)
		return wrong(r, "wants a list of 1 to 64 conditions:", key);
	c->part = buf_alloc(n * sizeof *c->part);
	for (size_t i = 0; i < n; i++) {
		c->parts = i + 1;
		if (read_condition(r, json_array_get(list, i), depth + 1, &c->part[i]))
			return -1;
	}
	return 0;
}

/* Beside the key that names its kind, a condition has the keys of that kind and no others. */
static const char *stranger(const json_t *o, const char *key)
{
	const char *k;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)o, k, v) {
		if (!strcmp(k, key) || (!strcmp(key, "least") && !strcmp(k, "of")) || (!strcmp(key, "call") && (!strcmp(k, "argument") || !strcmp(k, "index"))) ||
		    (!strcmp(key, "string") && !strcmp(k, "nocase")))
			continue;
		return k;
	}
	return NULL;
}

static int read_condition(const struct reader *r, const json_t *o, unsigned depth, struct condition *c)
{
	const json_t *v = NULL;
	const char *key = NULL, *odd;
	size_t i;

	if (depth > CAPABILITY_DEPTH)
		return wrong(r, "conditions stand deeper than 8", NULL);
	if (!json_is_object(o))
		return wrong(r, "a condition is an object", NULL);
	for (i = 0; i < sizeof kinds / sizeof *kinds && !v; i++)
		v = json_object_get(o, key = kinds[i].key);
	if (!v)
		return wrong(r, "a condition of no kind that is known:", json_object_size(o) ? json_object_iter_key(json_object_iter((json_t *)(uintptr_t)o)) : "{}");
	c->kind = kinds[i - 1].kind;
	odd = stranger(o, key);
	if (odd)
		return wrong(r, "a key that does not belong there:", odd);
	switch (c->kind) {
	case COND_ALL:
		return read_parts(r, key, v, depth, c);
	case COND_LEAST:
		c->least = 1;
		if (!strcmp(key, "any"))
			return read_parts(r, key, v, depth, c);
		if (!json_is_integer(v) || json_integer_value(v) < 1 || (size_t)json_integer_value(v) > json_array_size(json_object_get(o, "of")))
			return wrong(r, "least is a number from 1 to the length of \"of\"", NULL);
		c->least = (size_t)json_integer_value(v);
		return read_parts(r, "of", json_object_get(o, "of"), depth, c);
	case COND_NOT:
		c->part = buf_alloc(sizeof *c->part);
		c->parts = 1;
		return read_condition(r, v, depth + 1, c->part);
	case COND_PATTERN:
		return read_pattern(r, v, c);
	case COND_STRING:
		c->nocase = jsonio_bool(o, "nocase", false);
		break;
	case COND_CALL:
		if (json_object_get(o, "argument") && read_pattern(r, json_object_get(o, "argument"), c))
			return -1;
		c->index = (int)jsonio_int(o, "index", -1);
		if (json_object_get(o, "index") && (!c->pattern || !json_is_integer(json_object_get(o, "index")) || c->index < 0 || c->index > 15))
			return wrong(r, "index is a number from 0 to 15, beside an argument", NULL);
		break;
	default:
		break;
	}
	return read_names(r, key, v, c);
}

static void condition_free(struct condition *c)
{
	for (size_t i = 0; i < c->parts; i++)
		condition_free(&c->part[i]);
	for (size_t i = 0; i < c->names; i++)
		free(c->name[i]);
	if (c->pattern)
		regfree(c->pattern);
	free(c->pattern);
	free(c->literal);
	free(c->part);
	free(c->name);
}

/* ---- rules ---- */

static bool is_word(const char *s, const char *more)
{
	if (!s || !*s || strlen(s) > 64)
		return false;
	for (; *s; s++)
		if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && !strchr(more, *s))
			return false;
	return true;
}

/* "T1053" or "T1053.003" */
static bool is_technique(const char *s)
{
	static const char form[] = "T0000.000";
	size_t i = 0;

	for (; s && s[i] && i < 9; i++)
		if (form[i] == '0' ? !isdigit((unsigned char)s[i]) : s[i] != form[i])
			return false;
	return s && !s[i] && (i == 5 || i == 9);
}

static int read_head(const struct reader *r, const json_t *o, struct capability_rule *c)
{
	static const char *const keys[] = { "name", "namespace", "meaning", "technique", "scope", "when", "example", "near" };
	static const char *const scopes[] = { [SCOPE_FILE] = "file", [SCOPE_FUNCTION] = "function", [SCOPE_TRACE] = "trace" };
	const char *k, *scope = jsonio_str(o, "scope");
	const json_t *technique = json_object_get(o, "technique"), *t;
	json_t *v;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)o, k, v) {
		for (i = 0; i < sizeof keys / sizeof *keys && strcmp(k, keys[i]); i++)
			;
		if (i == sizeof keys / sizeof *keys)
			return wrong(r, "unknown key", k);
	}
	if (!is_word(jsonio_str(o, "namespace"), "-/"))
		return wrong(r, "wants a namespace of lower-case letters, digits, \"-\" and \"/\"", NULL);
	if (!jsonio_str(o, "meaning") || !*jsonio_str(o, "meaning"))
		return wrong(r, "wants a meaning", NULL);
	if (!json_is_array(technique))
		return wrong(r, "wants a list of techniques", NULL);
	json_array_foreach(technique, i, t)
		if (!is_technique(json_string_value(t)))
			return wrong(r, "no technique of ATT&CK:", json_is_string(t) ? json_string_value(t) : "");
	for (i = 0; scope && i < sizeof scopes / sizeof *scopes && strcmp(scope, scopes[i]); i++)
		;
	if (i == sizeof scopes / sizeof *scopes && scope)
		return wrong(r, "scope is file, function or trace, not", scope);
	c->scope = scope ? (enum capability_scope)i : SCOPE_FILE;
	c->space = buf_strdup(jsonio_str(o, "namespace"));
	c->meaning = buf_strdup(jsonio_str(o, "meaning"));
	c->technique = json_deep_copy(technique);
	c->example = json_incref(json_object_get(o, "example"));
	c->near = json_incref(json_object_get(o, "near"));
	return 0;
}

static void rule_free(struct capability_rule *c)
{
	free(c->name);
	free(c->space);
	free(c->meaning);
	json_decref(c->technique);
	json_decref(c->example);
	json_decref(c->near);
	condition_free(&c->when);
}

/* A rule that asks for nothing would be found in everything. */
static bool holds_of_nothing(const struct condition *c)
{
	size_t hold = 0;

	for (size_t i = 0; i < c->parts; i++)
		hold += holds_of_nothing(&c->part[i]);
	switch (c->kind) {
	case COND_ALL: return hold == c->parts;
	case COND_LEAST: return hold >= c->least;
	case COND_NOT: return !hold;
	case COND_FORMAT: case COND_OS: return true;   /* everything has one */
	default: return false;
	}
}

static int read_rule(struct reader *r, const json_t *o, struct capability_rules *all)
{
	struct capability_rule *c;

	r->rule = jsonio_str(o, "name");
	if (!json_is_object(o) || !is_word(r->rule, "-"))
		return wrong(r, "a rule wants a name of lower-case letters, digits and \"-\"", NULL);
	for (size_t i = 0; i < all->count; i++)
		if (!strcmp(all->rule[i].name, r->rule))
			return wrong(r, "the name is taken", NULL);
	if (all->count >= CAPABILITY_RULES)
		return wrong(r, "more than 2000 rules", NULL);
	if (all->count % 64 == 0)
		all->rule = buf_realloc(all->rule, all->count + 64, sizeof *all->rule);
	c = &all->rule[all->count++];
	*c = (struct capability_rule){ .name = buf_strdup(r->rule) };
	if (read_head(r, o, c) || read_condition(r, json_object_get(o, "when"), 0, &c->when))
		return -1;
	return holds_of_nothing(&c->when) ? wrong(r, "it would be found in everything", NULL) : 0;
}

static int is_json(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 5 && !strcmp(d->d_name + n - 5, ".json");
}

static int read_file(const char *path, struct capability_rules *all, struct err *e)
{
	struct reader r = { path, NULL, e };
	json_t *j = jsonio_load(path, e);
	const json_t *o;
	int rc = -1;
	size_t i;

	if (!j) {
		e->code = e->code == EX_DATAERR ? EX_CONFIG : e->code;
		return -1;
	}
	if (!jsonio_str(j, "format") || strcmp(jsonio_str(j, "format"), CAPABILITY_FORMAT) || !json_is_array(json_object_get(j, "rules"))) {
		wrong(&r, "is no file of rules (" CAPABILITY_FORMAT ")", NULL);
		goto out;
	}
	json_array_foreach(json_object_get(j, "rules"), i, o)
		if (read_rule(&r, o, all))
			goto out;
	rc = 0;
out:
	json_decref(j);
	return rc;
}

typedef int on_file(const char *path, void *ctx, struct err *e);

static int each_file(const char *folder, on_file *fn, void *ctx, struct err *e)
{
	struct dirent **names = NULL;
	int n = scandir(folder, &names, is_json, alphasort), rc = 0;

	if (n < 0)
		return err_sys(e, "cannot read %s", err_q(folder));
	for (int i = 0; i < n; i++) {
		char *path = buf_printf("%s/%s", folder, names[i]->d_name);

		if (!rc)
			rc = fn(path, ctx, e);
		free(path);
		free(names[i]);
	}
	free(names);
	return rc;
}

static int load(const char *path, void *ctx, struct err *e)
{
	return read_file(path, ctx, e);
}

static int digest(const char *path, void *ctx, struct err *e)
{
	struct buf b = { 0 };
	int rc = io_slurp_path(path, CAP_SLURP, &b, e);

	digest_add(ctx, b.p, b.len);
	buf_free(&b);
	return rc;
}

struct capability_rules *capability_open(const char *folder, struct err *e)
{
	struct capability_rules *all = buf_alloc(sizeof *all);

	if (each_file(folder, load, all, e)) {
		capability_free(all);
		return NULL;
	}
	return all;
}

int capability_digest(const char *folder, struct digest *d, struct err *e)
{
	return each_file(folder, digest, d, e);
}

void capability_free(struct capability_rules *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++)
		rule_free(&r->rule[i]);
	free(r->rule);
	free(r);
}
