#include "code/code.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <yara.h>

#define RULES_MATCHES 16         /* shown of one rule */
#define RULES_TEXT 80            /* bytes shown of one match */

struct rules { YR_RULES *r; };

static void on_message(int level, const char *file, int line, const YR_RULE *rule, const char *message, void *arg)
{
	struct err *e = arg;

	(void)rule;
	if (level == YARA_ERROR_LEVEL_ERROR && !e->code)
		err_set(e, EX_CONFIG, "%s:%d: %s", err_q(file ? file : "rules"), line, message);
}

static int is_yar(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return d->d_name[0] != '.' && n > 4 && !strcmp(d->d_name + n - 4, ".yar");
}

static int add_file(YR_COMPILER *c, const char *folder, const char *name, struct err *e)
{
	char *path = buf_printf("%s/%s", folder, name);
	FILE *f = fopen(path, "re");
	int rc = 0;

	if (!f)
		rc = err_sys(e, "cannot read %s", err_q(path));
	else if (yr_compiler_add_file(c, f, NULL, path))
		rc = e->code ? -1 : err_set(e, EX_CONFIG, "%s is no set of rules", err_q(path));
	if (f)
		fclose(f);
	free(path);
	return rc;
}

struct rules *rules_open(const char *folder, struct err *e)
{
	struct rules *r = NULL;
	struct dirent **names = NULL;
	YR_COMPILER *c = NULL;
	int n, rc = -1;

	if (yr_initialize()) {
		err_set(e, EX_UNAVAILABLE, "cannot start libyara");
		return NULL;
	}
	n = scandir(folder, &names, is_yar, alphasort);
	if (n < 0) {
		err_sys(e, "cannot read %s", err_q(folder));
		goto out;
	}
	if (yr_compiler_create(&c)) {
		err_set(e, EX_OSERR, "out of memory");
		goto out;
	}
	yr_compiler_set_callback(c, on_message, e);
	yr_compiler_set_include_callback(c, NULL, NULL, NULL);
	for (int i = 0; i < n; i++)
		if (add_file(c, folder, names[i]->d_name, e))
			goto out;
	r = buf_alloc(sizeof *r);
	if (yr_compiler_get_rules(c, &r->r)) {
		err_set(e, EX_OSERR, "out of memory");
		goto out;
	}
	rc = 0;
out:
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	if (c)
		yr_compiler_destroy(c);
	if (rc) {
		free(r);
		yr_finalize();
		return NULL;
	}
	return r;
}

int rules_prepare(struct err *e)
{
	return yr_initialize() ? err_set(e, EX_UNAVAILABLE, "cannot start libyara") : 0;
}

static size_t write_some(const void *p, size_t size, size_t count, void *to)
{
	return io_write(*(int *)to, p, size * count) ? 0 : count;
}

int rules_save(struct rules *r, struct err *e)
{
	int fd = memfd_create("rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	YR_STREAM s = { .user_data = &fd, .write = write_some };

	/* A helper that a sample took over must not change what the next one is given. */
	if (fd >= 0 && yr_rules_save_stream(r->r, &s) == ERROR_SUCCESS &&
		!fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		return fd;
	err_sys(e, "cannot keep the compiled rules");
	io_close(&fd);
	return -1;
}

struct bytes { const unsigned char *p; size_t n; };

static size_t read_some(void *to, size_t size, size_t count, void *from)
{
	struct bytes *b = from;

	if (!size || count > b->n / size)
		count = size ? b->n / size : 0;
	memcpy(to, b->p, size * count);
	b->p += size * count;
	b->n -= size * count;
	return count;
}

struct rules *rules_load(const void *p, size_t n, struct err *e)
{
	struct bytes b = { p, n };
	YR_STREAM s = { .user_data = &b, .read = read_some };
	struct rules *r = buf_alloc(sizeof *r);

	if (yr_initialize()) {
		err_set(e, EX_UNAVAILABLE, "cannot start libyara");
	} else if (yr_rules_load_stream(&s, &r->r) == ERROR_SUCCESS) {
		return r;
	} else {
		err_set(e, EX_SOFTWARE, "these are no compiled rules");
		yr_finalize();
	}
	free(r);
	return NULL;
}

struct rules *rules_compile(const char *text, struct err *e)
{
	struct rules *r = buf_alloc(sizeof *r);
	YR_COMPILER *c = NULL;

	if (yr_initialize()) {
		err_set(e, EX_UNAVAILABLE, "cannot start libyara");
		free(r);
		return NULL;
	}
	if (yr_compiler_create(&c)) {
		err_set(e, EX_OSERR, "out of memory");
		goto fail;
	}
	yr_compiler_set_callback(c, on_message, e);
	yr_compiler_set_include_callback(c, NULL, NULL, NULL);
	if (yr_compiler_add_string(c, text, NULL)) {
		if (!e->code)
			err_set(e, EX_CONFIG, "the text is no set of rules");
		goto fail;
	}
	if (yr_compiler_get_rules(c, &r->r)) {
		err_set(e, EX_OSERR, "out of memory");
		goto fail;
	}
	yr_compiler_destroy(c);
	return r;
fail:
	if (c)
		yr_compiler_destroy(c);
	yr_finalize();
	free(r);
	return NULL;
}

static json_t *metas(YR_RULE *rule)
{
	json_t *o = json_object();
	YR_META *m;

	yr_rule_metas_foreach(rule, m) {
		json_t *v = m->type == META_TYPE_INTEGER ? json_integer(m->integer) :
			m->type == META_TYPE_BOOLEAN ? json_boolean(m->integer) : jsonio_name(m->string);

		json_object_set_new(o, m->identifier, v);
	}
	return o;
}

/* libyara 4.2 keeps its matches unaligned, which x86-64 and arm64 bear. */
__attribute__((no_sanitize("alignment")))
static int on_match(YR_SCAN_CONTEXT *ctx, int message, void *data, void *arg)
{
	YR_RULE *rule = data;
	json_t *o, *tags, *matches;
	const char *tag;
	YR_STRING *s;
	YR_MATCH *m;

	if (message != CALLBACK_MSG_RULE_MATCHING)
		return CALLBACK_CONTINUE;
	o = json_object();
	tags = json_array();
	matches = json_array();
	yr_rule_tags_foreach(rule, tag)
		json_array_append_new(tags, json_string(tag));
	yr_rule_strings_foreach(rule, s) {
		yr_string_matches_foreach(ctx, s, m) {
			json_t *one;

			if (json_array_size(matches) >= RULES_MATCHES)
				break;
			one = json_object();
			json_object_set_new(one, "offset", json_integer(m->base + m->offset));
			json_object_set_new(one, "text", jsonio_bytes(m->data, (size_t)(m->data_length < RULES_TEXT ? m->data_length : RULES_TEXT)));
			json_array_append_new(matches, one);
		}
	}
	json_object_set_new(o, "name", json_string(rule->identifier));
	json_object_set_new(o, "tags", tags);
	json_object_set_new(o, "meta", metas(rule));
	json_object_set_new(o, "matches", matches);
	json_array_append_new(arg, o);
	return CALLBACK_CONTINUE;
}

json_t *rules_scan(struct rules *r, const void *p, size_t n, int seconds, struct err *e)
{
	json_t *out = json_array();
	/* A SIGBUS or SIGSEGV is for the helper's parent to see, not for libyara to catch. */
	int rc = yr_rules_scan_mem(r->r, p, n, SCAN_FLAGS_NO_TRYCATCH, on_match, out, seconds);

	if (rc == ERROR_SCAN_TIMEOUT) {
		err_set(e, EX_TEMPFAIL, "the rules took longer than %d s", seconds);
	} else if (rc) {
		json_decref(out);
		err_set(e, EX_OSERR, "libyara gave up with error %d", rc);
		return NULL;
	}
	return out;
}

void rules_free(struct rules *r)
{
	if (!r)
		return;
	yr_rules_destroy(r->r);
	yr_finalize();
	free(r);
}
