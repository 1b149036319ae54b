/* What became of accounts: passwd(5), shadow(5), group(5) and sudoers(5), before and after. */
#include "micro/dynamic-internal.h"

#include <stdlib.h>
#include <string.h>

#define ACCOUNTS 200u        /* changes that are listed */
#define FIELDS 7u            /* of passwd; the others have fewer that count here */

bool accounts_file(const char *path)
{
	static const char *const files[] = { "/etc/passwd", "/etc/shadow", "/etc/group", "/etc/sudoers" };

	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (!strcmp(path, files[i]))
			return true;
	return !strncmp(path, "/etc/sudoers.d/", 15);
}

struct account { char *field[FIELDS]; };
struct table { struct account *account; size_t count; };

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct account *)a)->field[0], ((const struct account *)b)->field[0]);
}

/* Cuts the text up; of two lines with one name both stay. */
static struct table read_table(struct buf *b)
{
	struct table t = { 0 };
	size_t room = 0;
	char *line, *rest = b->len ? (char *)b->p : NULL;

	while (rest && (line = strsep(&rest, "\n"))) {
		struct account a;

		for (size_t i = 0; i < FIELDS; i++)
			a.field[i] = line ? strsep(&line, ":") : (char *)(uintptr_t)"";
		if (!*a.field[0])
			continue;
		if (t.count == room) {
			room = room ? room * 2 : 64;
			t.account = buf_realloc(t.account, room, sizeof *t.account);
		}
		t.account[t.count++] = a;
	}
	if (t.count)
		qsort(t.account, t.count, sizeof *t.account, by_name);
	return t;
}

static const struct account *find(const struct table *t, const struct account *a)
{
	return t->count ? bsearch(a, t->account, t->count, sizeof *t->account, by_name) : NULL;
}

static void tell(struct effects *f, const char *path, const char *account, const char *change, const char *detail)
{
	json_t *o;

	if (json_array_size(f->accounts) >= ACCOUNTS) {
		f->left_out++;
		return;
	}
	o = json_object();
	json_object_set_new(o, "account", jsonio_bytes(account, strnlen(account, 256)));
	json_object_set_new(o, "change", json_string(change));
	json_object_set_new(o, "file", jsonio_name(path));
	if (detail)
		json_object_set_new(o, "detail", jsonio_bytes(detail, strnlen(detail, 1024)));
	json_array_append_new(f->accounts, o);
}

static void passwd_line(struct effects *f, const char *path, const struct account *now, const struct account *before)
{
	static const struct { unsigned field; const char *change; } what[] = { { 1, "password" }, { 2, "uid" }, { 3, "gid" }, { 5, "home" }, { 6, "shell" } };

	if (!before) {
		tell(f, path, now->field[0], "created", now->field[2]);
		return;
	}
	for (size_t i = 0; i < sizeof what / sizeof *what; i++)
		if (strcmp(now->field[what[i].field], before->field[what[i].field]))
			tell(f, path, now->field[0], what[i].change, what[i].field == 1 ? NULL : now->field[what[i].field]);
}

/* A digest is nobody's business but the account's; that it is another is. A new account's is told by passwd. */
static void shadow_line(struct effects *f, const char *path, const struct account *now, const struct account *before)
{
	if (before && strcmp(now->field[1], before->field[1]))
		tell(f, path, now->field[0], "password", NULL);
}

static bool member(const char *list, const char *name, size_t n)
{
	for (const char *p = list; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
		if (strcspn(p, ",") == n && !strncmp(p, name, n))
			return true;
	return false;
}

static void group_line(struct effects *f, const char *path, const struct account *now, const struct account *before)
{
	for (const char *p = now->field[3]; *p; ) {
		size_t n = strcspn(p, ",");
		char name[257];

		snprintf(name, sizeof name, "%.*s", (int)(n < 256 ? n : 256), p);
		if (n && (!before || !member(before->field[3], p, n)))
			tell(f, path, name, "group", now->field[0]);
		p += n + (p[n] == ',');
	}
}

typedef void line_fn(struct effects *f, const char *path, const struct account *now, const struct account *before);

static void compare(struct effects *f, const char *path, struct buf *now, struct buf *before, line_fn *fn)
{
	struct table a = read_table(now), b = read_table(before);

	for (size_t i = 0; i < a.count; i++)
		fn(f, path, &a.account[i], find(&b, &a.account[i]));
	for (size_t i = 0; fn == passwd_line && i < b.count; i++)
		if (!find(&a, &b.account[i]))
			tell(f, path, b.account[i].field[0], "deleted", NULL);
	free(a.account);
	free(b.account);
}

static void sudoers(struct effects *f, const char *path, struct buf *now, struct buf *before)
{
	json_t *lines = lines_added(now, before), *v;
	size_t i;

	json_array_foreach(lines, i, v) {
		const char *text = json_string_value(v);
		char who[256];

		text += strspn(text, " \t");
		/* "#1000 ALL=..." is a user by number. */
		if (!*text || (*text == '#' && !(text[1] >= '0' && text[1] <= '9')) || *text == '@' || !strncmp(text, "Defaults", 8))
			continue;
		snprintf(who, sizeof who, "%.*s", (int)strcspn(text, " \t"), text);
		tell(f, path, who, "rights", text);
	}
	json_decref(lines);
}

void accounts_compare(struct effects *f, const char *path)
{
	struct buf now = { 0 }, before = { 0 };

	effects_read(f, true, path, &before);
	/* Not there any more: nobody can log in, and nothing of it is an account's. */
	if (effects_read(f, false, path, &now)) {
		if (!strncmp(path, "/etc/sudoers", 12))
			sudoers(f, path, &now, &before);
		else
			compare(f, path, &now, &before, !strcmp(path, "/etc/passwd") ? passwd_line : !strcmp(path, "/etc/shadow") ? shadow_line : group_line);
	}
	buf_free(&now);
	buf_free(&before);
}
