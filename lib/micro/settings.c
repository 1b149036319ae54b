#include "micro/dynamic-internal.h"

#include <stdlib.h>
#include <string.h>

#define SETTING_WORDS 32u

struct settings {
	json_t *list;                /* owns the texts */
	struct setting *setting;
	size_t count;
};

static const char **words_of(const json_t *list, struct err *e)
{
	size_t n = json_array_size(list);
	const char **words = buf_alloc((n + 1) * sizeof *words);

	for (size_t i = 0; i < n; i++)
		if (!(words[i] = json_string_value(json_array_get(list, i))))
			err_set(e, EX_CONFIG, "only texts may stand there");
	if (n > SETTING_WORDS)
		err_set(e, EX_CONFIG, "more than %u texts stand there", SETTING_WORDS);
	return words;
}

static int read_one(const json_t *o, struct setting *s, struct err *e)
{
	static const char *const KNOWN[] = { "name", "uid", "env", "argv", "cwd", "days", "offline", "windows" };
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)o, key, v) {
		size_t i = 0;

		while (i < sizeof KNOWN / sizeof *KNOWN && strcmp(KNOWN[i], key))
			i++;
		if (i == sizeof KNOWN / sizeof *KNOWN)
			return err_set(e, EX_CONFIG, "no setting is called %s", err_q(key));
	}
	s->name = jsonio_str(o, "name");
	if (!s->name)
		return err_set(e, EX_CONFIG, "one has no name");
	s->uid = (unsigned)jsonio_int(o, "uid", 0);
	s->cwd = jsonio_str(o, "cwd");
	s->days = (int)jsonio_int(o, "days", 0);
	s->offline = jsonio_bool(o, "offline", false);
	s->windows = jsonio_str(o, "windows");
	e->code = 0;
	if (json_object_get(o, "env"))
		s->envp = words_of(json_object_get(o, "env"), e);
	if (json_object_get(o, "argv"))
		s->argv = words_of(json_object_get(o, "argv"), e);
	return e->code ? err_wrap(e, "%s", err_q(s->name)) : 0;
}

struct settings *settings_open(const char *file, struct err *e)
{
	char *path = spawn_share(file);
	struct settings *s = buf_alloc(sizeof *s);
	int rc = -1;

	s->list = jsonio_load(path, e);
	s->count = json_array_size(s->list);
	s->setting = buf_alloc((s->count + 1) * sizeof *s->setting);
	if (s->list && !s->count)
		err_set(e, EX_CONFIG, "it lists no run");
	for (size_t i = 0; i < s->count && !(rc = read_one(json_array_get(s->list, i), &s->setting[i], e)); i++)
		;
	if (rc) {
		err_wrap(e, "%s", err_q(path));
		settings_free(s);
		s = NULL;
	}
	free(path);
	return s;
}

const struct setting *settings_get(const struct settings *s, size_t i)
{
	return i < s->count ? &s->setting[i] : NULL;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	for (size_t i = 0; s->setting && i < s->count; i++) {
		free((void *)(uintptr_t)s->setting[i].envp);
		free((void *)(uintptr_t)s->setting[i].argv);
	}
	free(s->setting);
	json_decref(s->list);
	free(s);
}
