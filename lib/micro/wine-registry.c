#include "micro/wine.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (32 * MIB)      /* Wine's own has 2 */
#define CHANGES 2000u
#define DATA 4096u               /* bytes of one value that are told */

/* ---- the text of one line ---- */

/* A text in quotes or brackets up to `end`, with its escapes resolved, as UTF-8. Behind it, or NULL: it has no end. */
static const char *quoted(const char *p, const char *stop, char end, struct buf *out)
{
	for (; p < stop && *p != end; p++) {
		unsigned long c = (unsigned char)*p;

		if (c == '\\' && p + 1 < stop) {
			c = (unsigned char)*++p;
			if (c == 'n' || c == 'r' || c == '0') {
				c = c == 'n' ? '\n' : c == 'r' ? '\r' : 0;
			} else if (c == 'x') {
				char hex[5] = { 0 };
				size_t n = 0;

				while (n < 4 && p + 1 < stop && isxdigit((unsigned char)p[1]))
					hex[n++] = *++p;
				c = strtoul(hex, NULL, 16);
			}
		}
		if (c < 0x80)
			buf_addc(out, (char)c);
		else if (c < 0x800)
			buf_addf(out, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 63)));
		else
			buf_addf(out, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
	}
	return p < stop ? p + 1 : NULL;
}

static void hex_bytes(const char *p, const char *stop, struct buf *out)
{
	while (p < stop) {
		if (stop - p >= 2 && isxdigit((unsigned char)p[0]) && isxdigit((unsigned char)p[1])) {
			char two[3] = { p[0], p[1], '\0' };

			buf_addc(out, (char)strtoul(two, NULL, 16));
			p += 2;
		} else {
			p++;
		}
	}
}

/* UTF-16 texts, each ended by a zero: with newlines between them. */
static void wide_texts(const struct buf *b, struct buf *out)
{
	size_t end = b->len / 2;

	while (end && !b->p[2 * end - 1] && !b->p[2 * end - 2])
		end--;
	for (size_t i = 0; i < end; i++) {
		unsigned c = b->p[2 * i] | (unsigned)b->p[2 * i + 1] << 8;

		if (c == 0)
			buf_addc(out, '\n');
		else if (c < 0x80)
			buf_addc(out, (char)c);
		else if (c < 0x800)
			buf_addf(out, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 63)));
		else
			buf_addf(out, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 63)), (int)(0x80 | (c & 63)));
	}
}

static const char *type_name(unsigned long type)
{
	static const char *const NAMES[] = { "REG_NONE", "REG_SZ", "REG_EXPAND_SZ", "REG_BINARY", "REG_DWORD", "REG_DWORD_BIG_ENDIAN", "REG_LINK",
		"REG_MULTI_SZ", "REG_RESOURCE_LIST", "REG_FULL_RESOURCE_DESCRIPTOR", "REG_RESOURCE_REQUIREMENTS_LIST", "REG_QWORD" };

	return type < sizeof NAMES / sizeof *NAMES ? NAMES[type] : "REG_UNKNOWN";
}

static json_t *value_of(unsigned long type, const struct buf *b)
{
	size_t n = b->len < DATA ? b->len : DATA;
	json_t *text;

	if (type == 11 && b->len == 8) {
		uint64_t v = 0;

		for (int i = 7; i >= 0; i--)
			v = v << 8 | b->p[i];
		text = json_sprintf("%llu", (unsigned long long)v);
	} else if (type == 3 || type == 0 || type > 7 || type == 4 || type == 5) {
		char *hex = buf_alloc(2 * n + 1);

		digest_tohex(b->p ? b->p : (const unsigned char *)"", n, hex);
		text = json_string(hex);
		free(hex);
	} else {
		text = jsonio_bytes(b->p ? b->p : (const unsigned char *)"", strnlen(buf_str(b), n));
	}
	return json_pack("[s,o]", type_name(type), text);
}

/* What stands behind "name"=: [type, data], or NULL. */
static json_t *parse_data(const char *p, const char *stop)
{
	struct buf b = { 0 }, text = { 0 };
	unsigned long type = 3;
	json_t *v = NULL;
	char *end;

	if (p < stop && *p == '"') {
		if (quoted(p + 1, stop, '"', &b))
			v = value_of(1, &b);
	} else if (stop - p > 6 && !strncmp(p, "dword:", 6)) {
		v = json_pack("[s,o]", "REG_DWORD", json_sprintf("%lu", strtoul(p + 6, NULL, 16)));
	} else if (stop - p > 4 && !strncmp(p, "str(", 4)) {
		type = strtoul(p + 4, &end, 16);
		if (stop - end > 3 && !strncmp(end, "):\"", 3) && quoted(end + 3, stop, '"', &b)) {
			/* The texts of a list are parted by zeros. */
			while (type == 7 && b.len && !b.p[b.len - 1])
				b.len--;
			for (size_t i = 0; type == 7 && i < b.len; i++)
				if (!b.p[i])
					b.p[i] = '\n';
			v = value_of(type, &b);
		}
	} else if (stop - p >= 4 && !strncmp(p, "hex", 3)) {
		if (p[3] == '(')
			type = strtoul(p + 4, NULL, 16);
		p = memchr(p, ':', (size_t)(stop - p));
		if (p) {
			hex_bytes(p + 1, stop, &b);
			if (type == 1 || type == 2 || type == 6 || type == 7)
				wide_texts(&b, &text);
			v = value_of(type, text.len ? &text : &b);
		}
	}
	buf_free(&b);
	buf_free(&text);
	return v;
}

/* ---- a file ---- */

/* The end of the line that begins at p; one that ends in a backslash goes on, where it is no key's. */
static const char *line_end(const char *p, const char *stop)
{
	const char *end = memchr(p, '\n', (size_t)(stop - p));
	bool key = *p == '[';

	while (end && !key && end > p && end[-1] == '\\' && end + 1 < stop)
		end = memchr(end + 1, '\n', (size_t)(stop - end - 1));
	return end ? end : stop;
}

static json_t *key_at(struct registry *r, const char *root, const char *p, const char *stop)
{
	struct buf b = { 0 };
	json_t *name, *o = NULL;

	buf_addf(&b, "%s\\", root);
	if (quoted(p, stop, ']', &b)) {
		name = jsonio_bytes(b.p, strnlen(buf_str(&b), b.len));
		o = json_object_get(r->key, json_string_value(name));
		if (!o) {
			o = json_object();
			json_object_set_new(r->key, json_string_value(name), o);
		}
		json_decref(name);
	}
	buf_free(&b);
	return o;
}

static void value_at(json_t *key, const char *p, const char *stop)
{
	struct buf b = { 0 };
	json_t *name, *v;

	p = *p == '"' ? quoted(p + 1, stop, '"', &b) : p + 1;
	if (p && p < stop && *p == '=' && (v = parse_data(p + 1, stop))) {
		name = jsonio_bytes(b.p ? b.p : (const unsigned char *)"", strnlen(buf_str(&b), b.len));
		json_object_set_new(key, json_string_value(name), v);
		json_decref(name);
	}
	buf_free(&b);
}

void registry_read(struct registry *r, const char *root, const char *text, size_t n)
{
	const char *p = text, *stop = text + n, *end;
	json_t *key = NULL;

	for (; p < stop; p = end + 1) {
		end = line_end(p, stop);
		if (*p == '[')
			key = key_at(r, root, p + 1, end);
		else if (key && (*p == '"' || *p == '@'))
			value_at(key, p, end);
	}
}

struct registry *registry_open(int (*open_file)(void *ctx, const char *name), void *ctx)
{
	static const char *const FILES[][2] = { { "system.reg", "HKLM" }, { "user.reg", "HKCU" }, { "userdef.reg", "HKU\\.Default" } };
	struct registry *r = buf_alloc(sizeof *r);

	r->key = json_object();
	for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
		struct buf b = { 0 };
		struct err ignored;
		int fd = open_file(ctx, FILES[i][0]);

		if (fd < 0 || io_slurp(fd, FILE_MAX, &b, FILES[i][0], &ignored))
			r->left_out++;
		else
			registry_read(r, FILES[i][1], buf_str(&b), b.len);
		io_close(&fd);
		buf_free(&b);
	}
	return r;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	json_decref(r->key);
	free(r);
}

/* ---- what is other ---- */

struct comparison { json_t *list; unsigned *left_out; };

static void tell(struct comparison *c, const char *key, const char *value, const char *change, const json_t *now, const json_t *before)
{
	json_t *o;

	if (json_array_size(c->list) >= CHANGES) {
		++*c->left_out;
		return;
	}
	o = json_object();
	json_object_set_new(o, "key", json_string(key));
	if (value)
		json_object_set_new(o, "value", json_string(value));
	json_object_set_new(o, "change", json_string(change));
	if (now || before)
		json_object_set(o, "type", json_array_get(now ? now : before, 0));
	if (now)
		json_object_set(o, "data", json_array_get(now, 1));
	if (before)
		json_object_set(o, "before", json_array_get(before, 1));
	json_array_append_new(c->list, o);
}

json_t *registry_compare(const struct registry *before, const struct registry *now, unsigned *left_out)
{
	struct comparison c = { json_array(), left_out };
	const char *key, *value;
	json_t *there, *was, *v;

	json_object_foreach(now->key, key, there) {
		was = json_object_get(before->key, key);
		if (!was)
			tell(&c, key, NULL, "created", NULL, NULL);
		json_object_foreach(there, value, v) {
			const json_t *old = json_object_get(was, value);

			if (!old || !json_equal(old, v))
				tell(&c, key, value, old ? "modified" : "created", v, old);
		}
	}
	json_object_foreach(before->key, key, was) {
		there = json_object_get(now->key, key);
		if (!there)
			tell(&c, key, NULL, "deleted", NULL, NULL);
		json_object_foreach(was, value, v)
			if (!json_object_get(there, value))
				tell(&c, key, value, "deleted", NULL, v);
	}
	return c.list;
}
