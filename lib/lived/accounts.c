#include "lived/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ORDINARY 1000u    /* login.defs(5): UID_MIN */
#define NOBODY 65000u

/* The lower root's own lines are few enough to look at each, and may be anything. */
static void slurp(int lower, const char *path, struct buf *b)
{
	int fd = io_open_beneath(lower, path, O_RDONLY | O_NONBLOCK);
	struct err ignored;

	if (fd < 0 || io_slurp(fd, MIB, b, path, &ignored))
		buf_clear(b);
	io_close(&fd);
}

static const char *field(const char *line, unsigned n)
{
	while (n-- && line) {
		line = strchr(line, ':');
		line = line ? line + 1 : NULL;
	}
	return line;
}

/* Is the line's first field this name? */
static bool names(const char *line, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(line, name, n) && line[n] == ':';
}

static const char *line_of(const struct buf *b, const char *name)
{
	const char *line = b->len ? (const char *)b->p : NULL;

	while (line && *line && !names(line, name)) {
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return line && *line ? line : NULL;
}

/* The lines of a file without those whose third field is an ordinary user's or group's number. */
static void take_over(const struct buf *from, struct buf *to)
{
	for (const char *line = from->len ? (const char *)from->p : "", *end; *line; line = end + (*end == '\n')) {
		const char *number = field(line, 2);
		unsigned long id;

		end = line + strcspn(line, "\n");
		if (!number || number > end)
			continue;
		id = strtoul(number, NULL, 10);
		if (id >= ORDINARY && id < NOBODY)
			continue;
		buf_add(to, line, (size_t)(end - line));
		buf_addc(to, '\n');
	}
}

static bool number_taken(const struct buf *b, unsigned id)
{
	char text[16];

	snprintf(text, sizeof text, "%u:", id);
	for (const char *line = b->len ? (const char *)b->p : "", *end; *line; line = end + (*end == '\n')) {
		const char *number = field(line, 2);

		end = line + strcspn(line, "\n");
		if (number && number < end && !strncmp(number, text, strlen(text)))
			return true;
	}
	return false;
}

/* A service's account, where the lower root has none of that name. */
static void add_system(struct accounts *a, const json_t *o)
{
	const char *login = jsonio_str(o, "login"), *home = jsonio_str(o, "home"), *name = jsonio_str(o, "name");
	unsigned uid = (unsigned)jsonio_int(o, "uid", 0);

	if (!login || line_of(&a->passwd, login))
		return;
	while (number_taken(&a->passwd, uid) || number_taken(&a->group, uid))
		uid++;
	buf_addf(&a->passwd, "%s:x:%u:%u:%s:%s:/usr/sbin/nologin\n", login, uid, uid, name ? name : "", home ? home : "/nonexistent");
	if (!line_of(&a->group, login))
		buf_addf(&a->group, "%s:x:%u:\n", login, uid);
}

/* The group file again, with `login` among the members of those groups. */
static void join(struct buf *group, const json_t *groups, const char *login)
{
	struct buf out = { 0 };

	for (const char *line = group->len ? (const char *)group->p : "", *end; *line; line = end + (*end == '\n')) {
		size_t i;
		json_t *v;
		bool member = false;

		end = line + strcspn(line, "\n");
		json_array_foreach(groups, i, v)
			member = member || (json_is_string(v) && names(line, json_string_value(v)));
		buf_add(&out, line, (size_t)(end - line));
		if (member)
			buf_addf(&out, "%s%s", end[-1] == ':' ? "" : ",", login);
		buf_addc(&out, '\n');
	}
	buf_free(group);
	*group = out;
}

static void add_person(struct accounts *a, const json_t *o, const json_t *groups)
{
	const char *login = jsonio_str(o, "login"), *name = jsonio_str(o, "name");
	unsigned uid = (unsigned)jsonio_int(o, "uid", ORDINARY);

	buf_addf(&a->passwd, "%s:x:%u:%u:%s,,,:/home/%s:/bin/bash\n", login, uid, uid, name, login);
	join(&a->group, groups, login);
	buf_addf(&a->group, "%s:x:%u:\n", login, uid);
}

/* One line an account or group; persons and root have what looks like a digest of yescrypt, and is nobody's. */
static int shadows(struct accounts *a, const json_t *people, struct template *t, struct err *e)
{
	for (const char *line = a->passwd.len ? (const char *)a->passwd.p : "", *end; *line; line = end + 1) {
		size_t i;
		json_t *v;
		bool person = names(line, "root");
		const char *colon = strchr(line, ':');

		end = line + strcspn(line, "\n");
		json_array_foreach(people, i, v)
			person = person || names(line, jsonio_str(v, "login"));
		buf_addf(&a->shadow, "%.*s:", (int)(colon - line), line);
		if (person ? template_expand(t, "$y$j9T${base64 22}${base64 43}", &a->shadow, e) : (buf_addc(&a->shadow, '*'), 0))
			return -1;
		buf_addf(&a->shadow, ":%u:0:99999:7:::\n", 19400 + (unsigned)template_number(t, 0, person ? 300 : 0));
	}
	for (const char *line = a->group.len ? (const char *)a->group.p : "", *end; *line; line = end + 1) {
		const char *colon = strchr(line, ':'), *members = field(line, 3);

		end = line + strcspn(line, "\n");
		buf_addf(&a->gshadow, "%.*s:*::%.*s\n", (int)(colon - line), line, members && members <= end ? (int)(end - members) : 0,
			 members && members <= end ? members : "");
	}
	return 0;
}

int accounts_make(struct accounts *a, int lower, const json_t *settings, const json_t *people, struct template *t, struct err *e)
{
	struct buf passwd = { 0 }, group = { 0 };
	const json_t *groups = json_object_get(settings, "groups");
	size_t i;
	json_t *v;

	*a = (struct accounts){ 0 };
	slurp(lower, "etc/passwd", &passwd);
	slurp(lower, "etc/group", &group);
	take_over(&passwd, &a->passwd);
	take_over(&group, &a->group);
	if (!line_of(&a->passwd, "root"))
		buf_adds(&a->passwd, "root:x:0:0:root:/root:/bin/bash\n");
	if (!line_of(&a->group, "root"))
		buf_adds(&a->group, "root:x:0:\n");
	json_array_foreach(json_object_get(settings, "accounts"), i, v)
		add_system(a, v);
	json_array_foreach(people, i, v)
		add_person(a, v, groups);
	buf_free(&passwd);
	buf_free(&group);
	return shadows(a, people, t, e);
}

bool accounts_find(const struct accounts *a, const char *login, unsigned *uid, unsigned *gid)
{
	const char *line = line_of(&a->passwd, login), *number = line ? field(line, 2) : NULL;
	char *end;

	if (!number)
		return false;
	*uid = (unsigned)strtoul(number, &end, 10);
	*gid = *end == ':' ? (unsigned)strtoul(end + 1, NULL, 10) : *uid;
	return true;
}

void accounts_free(struct accounts *a)
{
	buf_free(&a->passwd);
	buf_free(&a->group);
	buf_free(&a->shadow);
	buf_free(&a->gshadow);
}
