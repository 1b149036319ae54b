/* withdraw: takes sources out of an index; what another source vouches for as well stays. */
#include "known/known.h"

#include <stdlib.h>
#include <string.h>

struct withdrawal {
	char *const *names;
	bool *met;
	json_t *gone;             /* what was taken out */
};

/* As a terminal is shown it, with the quotation marks or without; not where it was cut short. */
static bool shown(const char *name, const char *source)
{
	const char *text = err_q(source);
	size_t n = strlen(name), len = strlen(text);

	return text[len - 1] == '\'' && (!strcmp(name, text) || (n == len - 2 && !memcmp(name, text + 1, n)));
}

/* "dir /opt" is that folder, "dir" are all folders. */
static bool named(const char *name, const char *source)
{
	size_t n = strlen(name);

	return !strcmp(name, source) || shown(name, source) || (!strchr(name, ' ') && !strncmp(name, source, n) && source[n] == ' ');
}

static bool stays(void *ctx, const char *source, struct buf *new_name)
{
	struct withdrawal *w = ctx;
	bool stay = true;

	(void)new_name;
	for (size_t i = 0; w->names[i]; i++)
		if (named(w->names[i], source)) {
			w->met[i] = true;
			stay = false;
		}
	if (!stay)
		json_array_append_new(w->gone, json_string_nocheck(source));
	return stay;
}

static int all_met(const struct withdrawal *w, const char *path, struct err *e)
{
	for (size_t i = 0; w->names[i]; i++)
		if (!w->met[i])
			return err_set(e, EX_NO, "%s vouches for nothing in %s; 'mwhite sources' lists who does", err_q(w->names[i]), err_q(path));
	return 0;
}

/* What is withdrawn stays so, though whoever made the index (follow_run()) comes by again. */
static int note(struct build *b, const struct withdrawal *w, struct err *e)
{
	const json_t *o;
	uint32_t number;
	size_t i;

	json_array_foreach(w->gone, i, o) {
		char *name = buf_printf("withdrawn %s", json_string_value(o));
		int rc = build_source(b, name, &number, e);

		free(name);
		if (rc < 0)
			return -1;
	}
	return 0;
}

int withdraw_run(const char *path, const char *out, char *const *names, uint64_t *left, uint64_t *gone, struct err *e)
{
	struct withdrawal w = {.names = names};
	struct build *b = build_new(e);
	struct index *x = NULL;
	size_t n = 0;
	int rc = -1;

	while (names[n])
		n++;
	w.gone = json_array();
	w.met = buf_alloc((n + 1) * sizeof(*w.met));
	if (!b || build_lock(b, path, e) < 0 || !(x = index_open(path, e)) || build_add_index(b, x, stays, &w, e) < 0 ||
	    all_met(&w, path, e) < 0 || note(b, &w, e) < 0)
		goto out;
	rc = build_finish(b, out, left, e);
	b = NULL;
	*gone = index_count(x) - *left;
out:
	build_abort(b);
	free(w.met);
	json_decref(w.gone);
	index_close(x);
	return rc;
}
