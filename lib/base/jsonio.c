#include "base/base.h"

#include <stdlib.h>
#include <string.h>

/* The range in which bytes that are no UTF-8 are kept: see jsonio_bytes. */
#define ESCAPE_BASE 0xf700u

int jsonio_depth_feed(struct jsonio_depth *d, const void *p, size_t n)
{
	const unsigned char *c = p;

	for (size_t i = 0; i < n; i++) {
		if (d->in_string) {
			if (d->escaped)
				d->escaped = false;
			else if (c[i] == '\\')
				d->escaped = true;
			else if (c[i] == '"')
				d->in_string = false;
		} else if (c[i] == '"') {
			d->in_string = true;
		} else if (c[i] == '[' || c[i] == '{') {
			if (++d->depth > CAP_JSON_DEPTH)
				return -1;
		} else if ((c[i] == ']' || c[i] == '}') && d->depth > 0) {
			d->depth--;
		}
	}
	return 0;
}

json_t *jsonio_parse(const void *p, size_t n, const char *what, struct err *e)
{
	struct jsonio_depth depth = { 0 };
	json_error_t je;
	json_t *j;

	if (n > CAP_JSON) {
		err_set(e, EX_DATAERR, "%s: JSON longer than %llu bytes", err_q(what), (unsigned long long)CAP_JSON);
		return NULL;
	}
	/* Before Jansson sees it: its parser recurses. */
	if (jsonio_depth_feed(&depth, p, n)) {
		err_set(e, EX_DATAERR, "%s: JSON nested deeper than %u", err_q(what), CAP_JSON_DEPTH);
		return NULL;
	}
	j = json_loadb(n ? p : "", n, JSON_REJECT_DUPLICATES, &je);
	if (!j)
		err_set(e, EX_DATAERR, "%s: line %d: bad JSON: %s", err_q(what), je.line, je.text);
	return j;
}

json_t *jsonio_load(const char *path, struct err *e)
{
	struct buf b = { 0 };
	json_t *j = NULL;

	if (io_slurp_path(path, CAP_JSON, &b, e) == 0)
		j = jsonio_parse(b.p, b.len, path, e);
	buf_free(&b);
	return j;
}

static int add_to_buf(const char *p, size_t n, void *arg)
{
	buf_add(arg, p, n);
	return 0;
}

void jsonio_dump(const json_t *j, struct buf *out)
{
	json_dump_callback(j, add_to_buf, out, JSON_INDENT(1) | JSON_ENCODE_ANY);
	buf_addc(out, '\n');
}

void jsonio_dump_line(const json_t *j, struct buf *out)
{
	json_dump_callback(j, add_to_buf, out, JSON_COMPACT | JSON_ENCODE_ANY);
	buf_addc(out, '\n');
}

int jsonio_print(FILE *f, const json_t *j)
{
	struct buf b = { 0 };
	int rc;

	jsonio_dump_line(j, &b);
	rc = fwrite(b.p, 1, b.len, f) == b.len ? 0 : -1;
	buf_free(&b);
	return rc;
}

const char *jsonio_str(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

const char *jsonio_text(const json_t *o, const char *key)
{
	const char *s = jsonio_str(o, key);

	return s ? s : "";
}

json_int_t jsonio_int(const json_t *o, const char *key, json_int_t otherwise)
{
	json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

double jsonio_num(const json_t *o, const char *key, double otherwise)
{
	json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : otherwise;
}

bool jsonio_bool(const json_t *o, const char *key, bool otherwise)
{
	json_t *v = json_object_get(o, key);

	return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

json_t *jsonio_array(json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	if (!json_is_array(v)) {
		v = json_array();
		json_object_set_new(o, key, v);
	}
	return v;
}

json_t *jsonio_bytes(const void *s, size_t n)
{
	const unsigned char *p = s;
	struct buf b = { 0 };
	json_t *j;

	n = strnlen(s, n);
	for (size_t i = 0; i < n;) {
		uint32_t cp;
		size_t len = utf8_length(p + i, n - i, &cp);

		if (len && !(cp >= ESCAPE_BASE + 0x80 && cp <= ESCAPE_BASE + 0xff)) {
			buf_add(&b, p + i, len);
			i += len;
		} else {
			uint32_t c = ESCAPE_BASE + p[i++];
			unsigned char u[3] = { (unsigned char)(0xe0 | c >> 12), (unsigned char)(0x80 | (c >> 6 & 0x3f)),
				(unsigned char)(0x80 | (c & 0x3f)) };

			buf_add(&b, u, 3);
		}
	}
	j = json_stringn(buf_str(&b), b.len);
	buf_free(&b);
	return j;
}

json_t *jsonio_name(const char *s)
{
	return jsonio_bytes(s, strlen(s));
}

int jsonio_tobytes(const char *s, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)s;

	if (!s)
		return -1;
	while (*p) {
		/* U+F780..U+F7FF is EF 9E 80 .. EF 9F BF. */
		if (p[0] == 0xef && (p[1] == 0x9e || p[1] == 0x9f) && p[2]) {
			uint32_t c = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);

			buf_addc(out, (char)(c - ESCAPE_BASE));
			p += 3;
		} else {
			buf_addc(out, (char)*p++);
		}
	}
	return 0;
}
