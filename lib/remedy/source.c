#include "remedy/remedy.h"

#include <stdlib.h>
#include <string.h>

#define CAP_PART (256 * KIB)

struct kind { const char *op, *name, *with; bool used; };

void source_literal(struct buf *out, const void *p, size_t n)
{
	const unsigned char *s = p;

	buf_addc(out, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = s[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("/._- ,:;=*+<>()[]{}|&$#@!~^'", c)))
			buf_addc(out, (char)c);
		else
			buf_addf(out, "\\%03o", c);   /* three digits: what follows cannot join in; and no trigraph */
	}
	buf_addc(out, '"');
}

static void member(struct buf *out, const char *name, const void *p, size_t n)
{
	buf_addf(out, ", .%s = ", name);
	source_literal(out, p, n);
}

/* The path three times: its bytes, as JSON, and as a terminal may show it. */
static void path_members(struct buf *out, const char *json_path)
{
	json_t *j = json_string(json_path);
	char *dumped = json_dumps(j, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	struct buf b = { 0 };

	if (!jsonio_tobytes(json_path, &b)) {
		const char *show = err_qn(b.p, b.len);

		member(out, "path", b.p, b.len);
		member(out, "json", dumped, strlen(dumped));
		member(out, "show", show, strlen(show));
	}
	buf_free(&b);
	free(dumped);
	json_decref(j);
}

static void operation(struct buf *out, const json_t *op, const struct kind *k)
{
	static const struct { const char *key, *flag; } flags[] = {
		{ "optional", "OPTIONAL" }, { "mapped", "MAPPED" }, { "only", "ONLY" }, { "created", "CREATED" }, { "exe", "SCRIPT" },
	};
	const char *path = jsonio_str(op, "path"), *sha = jsonio_str(op, "sha256"), *text = jsonio_str(op, "line");
	const json_t *hint = json_object_get(op, "hint");
	struct buf b = { 0 };

	buf_addf(out, "\t{ .kind = %s, .id = %lld, .name = \"%s\", .flags = 0", k->name, (long long)jsonio_int(op, "id", 0), k->op);
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (json_is_string(json_object_get(op, flags[i].key)) || jsonio_bool(op, flags[i].key, false))
			buf_addf(out, " | %s", flags[i].flag);
	buf_addf(out, ", .size = %lld", (long long)jsonio_int(op, "size", -1));
	if (path)
		path_members(out, path);
	if (sha)
		member(out, "sha", sha, strlen(sha));
	if (!text)
		text = jsonio_str(op, "target");
	if (!text)
		text = jsonio_str(op, "exe");
	if (text && !jsonio_tobytes(text, &b)) {
		member(out, "text", b.p, b.len);
		buf_addf(out, ", .length = %zu", b.len);
	}
	if (hint)
		buf_addf(out, ", .pid = %lld, .start = %lldull", (long long)jsonio_int(hint, "pid", 0), (long long)jsonio_int(hint, "start", 0));
	buf_adds(out, " },\n");
	buf_free(&b);
}

/* What the plan leaves out, as a terminal may show it and as JSON. */
static void notes(struct buf *out, const json_t *list)
{
	size_t i;
	json_t *v;

	buf_adds(out, "static const struct note notes[] = {\n");
	json_array_foreach((json_t *)(uintptr_t)list, i, v) {
		char *dumped = json_is_string(v) ? json_dumps(v, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
		char *show;

		if (!dumped)
			continue;
		show = buf_strdup(json_string_value(v));
		for (unsigned char *p = (unsigned char *)show; *p; p++)
			if (*p < ' ' || *p > '~')
				*p = '?';
		buf_adds(out, "\t{ ");
		source_literal(out, show, strlen(show));
		buf_adds(out, ", ");
		source_literal(out, dumped, strlen(dumped));
		buf_adds(out, " },\n");
		free(show);
		free(dumped);
	}
	buf_adds(out, "\t{ 0, 0 },\n};\n");
}

static int part(struct buf *out, const char *name, struct err *e)
{
	char *inside = buf_printf("remover/%s.c", name), *path = spawn_share(inside);
	int rc = io_slurp_path(path, CAP_PART, out, e);

	buf_adds(out, "\n");
	free(inside);
	free(path);
	return rc;
}

int source_make(const json_t *plan, struct buf *out, struct err *e)
{
	struct kind kinds[] = {
		{ "terminate", "OP_TERMINATE", "WITH_TERMINATE", false }, { "quarantine", "OP_QUARANTINE", "WITH_QUARANTINE", false },
		{ "remove-line", "OP_LINE", "WITH_LINE", false }, { "remove-link", "OP_LINK", "WITH_LINK", false },
	};
	enum { TERMINATE, QUARANTINE, LINE, LINK, KINDS };
	int64_t created = 0, expires = 0;
	size_t i;
	json_t *op;

	/* An old plan may be looked at again: expiry is for who runs it. */
	if (clock_parse(jsonio_str(plan, "created") ? jsonio_str(plan, "created") : "", &created) || check_plan(plan, created, e))
		return e->code ? -1 : err_set(e, EX_DATAERR, "unsafe plan: no time of creation");
	clock_parse(jsonio_str(plan, "expires"), &expires);
	buf_addf(out, "/* muss remover for %s, plan %s, case %s; made by mgen from its parts. */\n", jsonio_str(plan, "target"), jsonio_str(plan, "id"),
		 jsonio_str(plan, "case"));
	if (part(out, "core", e))
		return -1;
	buf_addf(out, "static const char plan_id[] = \"%s\";\nstatic const long long plan_expires = %lldll;\nstatic const struct op ops[] = {\n",
		 jsonio_str(plan, "id"), (long long)expires);
	json_array_foreach(json_object_get(plan, "operations"), i, op) {
		for (int k = 0; k < KINDS; k++) {
			if (strcmp(kinds[k].op, jsonio_str(op, "op")))
				continue;
			operation(out, op, &kinds[k]);
			kinds[k].used = true;
		}
	}
	buf_adds(out, "};\n");
	notes(out, json_object_get(plan, "notes"));
	buf_addf(out, "static const size_t op_count = sizeof ops / sizeof *ops;\n");
	for (int k = 0; k < KINDS; k++)
		if (kinds[k].used)
			buf_addf(out, "#define %s 1\n", kinds[k].with);
	buf_adds(out, "\n");
	if (part(out, "sha256", e) || part(out, "journal", e))
		return -1;
	if (kinds[TERMINATE].used && part(out, "terminate", e))
		return -1;
	if ((kinds[QUARANTINE].used || kinds[LINE].used || kinds[LINK].used) && part(out, "store", e))
		return -1;
	/* A line's file can go as a whole, which is quarantine's work. */
	if ((kinds[QUARANTINE].used || kinds[LINE].used) && part(out, "quarantine", e))
		return -1;
	if (kinds[LINE].used && part(out, "line", e))
		return -1;
	if (kinds[LINK].used && part(out, "link", e))
		return -1;
	if (part(out, "confine", e) || part(out, "report", e) || part(out, "main", e))
		return -1;
	return 0;
}
