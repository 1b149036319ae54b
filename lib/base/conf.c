#include "base/base.h"

#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONF_LIST_MOST 256

struct reader {
	const char *path;
	char *folder;
	unsigned line;
	const struct conf_key *keys;
	size_t n;
	bool *seen;
};

static int bad(const struct reader *r, struct err *e, const char *what, const char *subject)
{
	return err_set(e, EX_CONFIG, "%s line %u: %s %s", err_q(r->path), r->line, what, err_q(subject));
}

static char *path_of(const struct reader *r, const char *value)
{
	return *value == '/' ? buf_strdup(value) : buf_printf("%s/%s", r->folder, value);
}

static int add_to_list(const struct reader *r, char ***list, const char *value, struct err *e)
{
	size_t n = 0;

	while (*list && (*list)[n])
		n++;
	if (n == CONF_LIST_MOST)
		return bad(r, e, "too many of these:", value);
	*list = buf_realloc(*list, n + 2, sizeof **list);
	(*list)[n] = path_of(r, value);
	(*list)[n + 1] = NULL;
	return 0;
}

static int set_value(const struct reader *r, const struct conf_key *k, const char *value, struct err *e)
{
	char *end;
	long v;

	switch (k->kind) {
	case CONF_TEXT:
		*(char **)k->at = buf_strdup(value);
		return 0;
	case CONF_PATH:
		*(char **)k->at = path_of(r, value);
		return 0;
	case CONF_NUMBER:
		v = strtol(value, &end, 10);
		if (end == value || *end || v < k->least || v > k->most)
			return err_set(e, EX_CONFIG, "%s line %u: %s wants a number from %ld to %ld, not %s", err_q(r->path), r->line, k->name,
				k->least, k->most, err_q(value));
		*(long *)k->at = v;
		return 0;
	case CONF_BOOL:
		if (strcmp(value, "yes") && strcmp(value, "no"))
			return bad(r, e, "yes or no is wanted, not", value);
		*(bool *)k->at = *value == 'y';
		return 0;
	case CONF_LIST:
		return add_to_list(r, k->at, value, e);
	}
	return -1;
}

/* line: without its newline, changed here. */
static int take_line(struct reader *r, char *line, struct err *e)
{
	size_t len = strlen(line), i;
	char *value;

	while (len && strchr(" \t\r", line[len - 1]))
		line[--len] = '\0';
	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return 0;
	value = line + strcspn(line, " \t");
	if (*value) {
		*value++ = '\0';
		value += strspn(value, " \t");
	}
	for (i = 0; i < r->n && strcmp(line, r->keys[i].name); i++)
		;
	if (i == r->n)
		return bad(r, e, "unknown key", line);
	if (!*value)
		return bad(r, e, "no value for", line);
	if (r->seen[i] && r->keys[i].kind != CONF_LIST)
		return bad(r, e, "a second value for", line);
	r->seen[i] = true;
	return set_value(r, &r->keys[i], value, e);
}

int conf_load(const char *path, const struct conf_key *keys, size_t n, struct err *e)
{
	char *copy = buf_strdup(path), *line, *next;
	struct reader r = { .path = path, .folder = dirname(copy), .keys = keys, .n = n, .seen = buf_alloc(n + 1) };
	struct buf b = { 0 };
	struct stat st;
	int rc = -1;

	if (stat(path, &st)) {
		err_sys(e, "cannot read the configuration %s", err_q(path));
		goto out;
	}
	if (st.st_mode & S_IWOTH) {
		err_set(e, EX_CONFIG, "the configuration %s may be written to by everybody", err_q(path));
		goto out;
	}
	if (io_slurp_path(path, CAP_SLURP, &b, e))
		goto out;
	if (b.len && memchr(b.p, '\0', b.len)) {
		err_set(e, EX_CONFIG, "the configuration %s has a NUL in it", err_q(path));
		goto out;
	}
	for (line = (char *)b.p; line && *line; line = next) {
		size_t len = strcspn(line, "\n");

		next = line + len + (line[len] == '\n');
		line[len] = '\0';
		r.line++;
		if (take_line(&r, line, e))
			goto out;
	}
	for (size_t i = 0; i < n; i++)
		if (keys[i].required && !r.seen[i]) {
			err_set(e, EX_CONFIG, "the configuration %s lacks the key '%s'", err_q(path), keys[i].name);
			goto out;
		}
	rc = 0;
out:
	buf_free(&b);
	free(r.seen);
	free(copy);
	return rc;
}

void conf_free(const struct conf_key *keys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (keys[i].kind == CONF_TEXT || keys[i].kind == CONF_PATH) {
			free(*(char **)keys[i].at);
			*(char **)keys[i].at = NULL;
		} else if (keys[i].kind == CONF_LIST) {
			char ***list = keys[i].at;

			for (size_t k = 0; *list && (*list)[k]; k++)
				free((*list)[k]);
			free(*list);
			*list = NULL;
		}
	}
}
