/* frames: making and reading the frames of the protocol. */
#include "link/frames.h"

#include <string.h>

enum kind { K_ID, K_SHA, K_TAG, K_TIME, K_UINT, K_BOOL, K_TEXT };
struct field { const char *key; enum kind kind; size_t at, room; uint64_t max; };
#define AT(m) offsetof(struct frames_msg, m), sizeof(((struct frames_msg *)0)->m)
enum { F_CASE, F_SHA, F_ORIGIN, F_TAG, F_TIME, F_SIZE, F_OFFSET, F_BODIES, F_VERSION, F_WAIT, F_MAX_CASE, F_MAX_BODIES, F_IDLE,
       F_AGAIN, F_CODE, F_TEXT, F_SOFTWARE, F_FROM, F_DELTAS, FIELDS };
static const struct field fields[FIELDS] = {
	[F_CASE] = { "case", K_ID, AT(id), 0 },
	[F_SHA] = { "sha256", K_SHA, AT(sha256), 0 },
	[F_ORIGIN] = { "origin", K_SHA, AT(origin), 0 },
	[F_TAG] = { "tag", K_TAG, AT(tag), 0 },
	[F_TIME] = { "time", K_TIME, AT(time), 0 },
	[F_SIZE] = { "size", K_UINT, AT(size), INT64_MAX },
	[F_OFFSET] = { "offset", K_UINT, AT(offset), INT64_MAX },
	[F_BODIES] = { "bodies", K_UINT, AT(bodies), CAP_MEMBERS },
	[F_VERSION] = { "version", K_UINT, AT(version), 1000 },
	[F_WAIT] = { "wait", K_UINT, AT(wait), 86400 },
	[F_MAX_CASE] = { "max_case", K_UINT, AT(max_case), INT64_MAX },
	[F_MAX_BODIES] = { "max_bodies", K_UINT, AT(max_bodies), INT64_MAX },
	[F_IDLE] = { "idle", K_UINT, AT(idle), 86400 },
	[F_AGAIN] = { "again", K_BOOL, AT(again), 0 },
	[F_CODE] = { "code", K_TEXT, AT(code), 0 },
	[F_TEXT] = { "text", K_TEXT, AT(text), 0 },
	[F_SOFTWARE] = { "software", K_TEXT, AT(software), 0 },
	[F_FROM] = { "from", K_UINT, AT(from), INT64_MAX },
	[F_DELTAS] = { "deltas", K_BOOL, AT(deltas), 0 },
};
#define B(f) (1u << (f))
static const struct type { const char *name; size_t cap; bool json; unsigned must, may; } types[FRAME_TYPES] = {
	[FRAME_HELLO] = { "HELLO", FRAMES_CONTROL, true, B(F_VERSION),
			  B(F_SOFTWARE) | B(F_MAX_CASE) | B(F_MAX_BODIES) | B(F_IDLE) | B(F_DELTAS) },
	[FRAME_OFFER] = { "OFFER", FRAMES_CONTROL, true, B(F_CASE) | B(F_SHA) | B(F_BODIES), 0 },
	[FRAME_BODIES] = { "BODIES", CAP_FRAME, false, 0, 0 },
	[FRAME_WANT] = { "WANT", FRAMES_CONTROL, false, 0, 0 },
	[FRAME_SEND] = { "SEND", FRAMES_CONTROL, true, B(F_CASE) | B(F_SIZE) | B(F_SHA), B(F_ORIGIN) },
	[FRAME_FROM] = { "FROM", FRAMES_CONTROL, true, B(F_OFFSET), 0 },
	[FRAME_DATA] = { "DATA", CAP_FRAME, false, 0, 0 },
	[FRAME_END] = { "END", 0, false, 0, 0 },
	[FRAME_RECEIPT] = { "RECEIPT", FRAMES_CONTROL, true, B(F_CASE) | B(F_SHA) | B(F_SIZE) | B(F_TIME), B(F_AGAIN) },
	[FRAME_FETCH] = { "FETCH", FRAMES_CONTROL, true, B(F_CASE), B(F_OFFSET) | B(F_TAG) },
	[FRAME_ANSWER] = { "ANSWER", FRAMES_CONTROL, true, B(F_CASE) | B(F_SIZE) | B(F_OFFSET) | B(F_TAG), 0 },
	[FRAME_NOT_YET] = { "NOT-YET", FRAMES_CONTROL, true, B(F_CASE), B(F_WAIT) },
	[FRAME_UNKNOWN] = { "UNKNOWN", FRAMES_CONTROL, true, B(F_CASE), 0 },
	[FRAME_WAIT] = { "WAIT", 0, false, 0, 0 },
	[FRAME_ERROR] = { "ERROR", FRAMES_CONTROL, true, B(F_CODE), B(F_TEXT) },
	[FRAME_DELTA] = { "DELTA", FRAMES_CONTROL, true, B(F_CASE) | B(F_FROM), B(F_OFFSET) | B(F_TAG) },
};

static const struct { const char *code; int exit; } codes[] = {
	{ "version", EX_PROTOCOL }, { "frame", EX_PROTOCOL }, { "order", EX_PROTOCOL },
	{ "role", EX_NOPERM }, { "denied", EX_NOPERM },
	{ "case", EX_DATAERR },
	{ "later", EX_TEMPFAIL }, { "timeout", EX_TEMPFAIL }, { "internal", EX_TEMPFAIL },
};

const char *frames_name(enum frame type)
{
	return type > 0 && type < FRAME_TYPES ? types[type].name : "?";
}

int frames_code_exit(const char *code)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (!strcmp(codes[i].code, code))
			return codes[i].exit;
	return EX_PROTOCOL;
}

static bool hex32(const char *s)
{
	return strlen(s) == 32 && strspn(s, "0123456789abcdef") == 32;
}

bool frames_id_ok(const char *id)
{
	return hex32(id);
}

/* One value into its place; false when it is not of the field's form. */
static bool take(const struct field *f, const json_t *v, struct frames_msg *m)
{
	char *at = (char *)m + f->at;
	const char *s = json_string_value(v);
	int64_t t;

	switch (f->kind) {
	case K_UINT:
		if (!json_is_integer(v) || json_integer_value(v) < 0 || (uint64_t)json_integer_value(v) > f->max)
			return false;
		*(uint64_t *)(void *)at = (uint64_t)json_integer_value(v);
		return true;
	case K_BOOL:
		*(bool *)at = json_is_true(v);
		return json_is_boolean(v);
	case K_ID:
	case K_TAG:
		if (!s || !hex32(s))
			return false;
		break;
	case K_SHA:
		if (!s || !digest_ok(s))
			return false;
		break;
	case K_TIME:
		if (!s || clock_parse(s, &t) < 0)
			return false;
		break;
	case K_TEXT:
		if (!s)
			return false;
		snprintf(at, f->room, "%s", s);   /* for people; cut when long */
		return true;
	}
	if (strlen(s) >= f->room)
		return false;
	memcpy(at, s, strlen(s) + 1);
	return true;
}

int frames_parse(enum frame type, const void *p, size_t n, struct frames_msg *m, struct err *e)
{
	const struct type *t = &types[type];
	json_t *o;
	int rc = -1;

	memset(m, 0, sizeof(*m));
	o = jsonio_parse(p, n, t->name, e);
	if (!json_is_object(o)) {
		err_set(e, EX_PROTOCOL, "%s is no JSON object", t->name);
		goto out;
	}
	for (int i = 0; i < FIELDS; i++) {
		const json_t *v = json_object_get(o, fields[i].key);

		if (!((t->must | t->may) & B(i)))
			continue;
		if (v ? !take(&fields[i], v, m) : !!(t->must & B(i))) {
			err_set(e, EX_PROTOCOL, "%s %s '%s'", t->name, v ? "has a bad" : "lacks", fields[i].key);
			goto out;
		}
	}
	rc = 0;
out:
	json_decref(o);
	return rc;
}

void frames_head(enum frame type, size_t n, unsigned char h[FRAMES_HEAD])
{
	h[0] = (unsigned char)(n >> 24);
	h[1] = (unsigned char)(n >> 16);
	h[2] = (unsigned char)(n >> 8);
	h[3] = (unsigned char)n;
	h[4] = (unsigned char)type;
}

void frames_raw(enum frame type, const void *p, size_t n, struct buf *out)
{
	unsigned char h[FRAMES_HEAD];

	frames_head(type, n, h);
	buf_add(out, h, sizeof(h));
	if (n)
		buf_add(out, p, n);
}

void frames_make(enum frame type, const struct frames_msg *m, struct buf *out)
{
	const struct type *t = &types[type];
	json_t *o = json_object();
	struct buf b = { 0 };

	for (int i = 0; i < FIELDS; i++) {
		const struct field *f = &fields[i];
		const char *at = (const char *)m + f->at;
		json_t *v = NULL;

		if (!((t->must | t->may) & B(i)))
			continue;
		if (f->kind == K_UINT)
			v = json_integer((json_int_t)*(const uint64_t *)(const void *)at);
		else if (f->kind == K_BOOL)
			v = json_boolean(*(const bool *)at);
		else if (*at || (t->must & B(i)))
			v = f->kind == K_TEXT ? jsonio_name(at) : json_string(at);
		if (v)
			json_object_set_new(o, f->key, v);
	}
	jsonio_dump_line(o, &b);
	json_decref(o);
	frames_raw(type, b.p, b.len, out);
	buf_free(&b);
}

void frames_record(const struct link_body *b, unsigned char r[FRAMES_RECORD])
{
	digest_unhex(b->sha256, r, 32);
	for (int i = 0; i < 8; i++)
		r[32 + i] = (unsigned char)(b->size >> (56 - 8 * i));
}

void frames_unrecord(const unsigned char r[FRAMES_RECORD], struct link_body *b)
{
	digest_tohex(r, 32, b->sha256);
	b->size = 0;
	for (int i = 0; i < 8; i++)
		b->size = b->size << 8 | r[32 + i];
}

static int head_ok(struct frames_in *in, struct err *e)
{
	const unsigned char *h = in->head;
	uint32_t n = (uint32_t)h[0] << 24 | (uint32_t)h[1] << 16 | (uint32_t)h[2] << 8 | h[3];

	if (h[4] == 0 || h[4] >= FRAME_TYPES)
		return err_set(e, EX_PROTOCOL, "a frame of unknown type %u", h[4]);
	if (n > types[h[4]].cap)
		return err_set(e, EX_PROTOCOL, "a %s frame of %u bytes, more than %zu", types[h[4]].name, n, types[h[4]].cap);
	if (n == 0 && (h[4] == FRAME_DATA || h[4] == FRAME_BODIES))
		return err_set(e, EX_PROTOCOL, "an empty %s frame", types[h[4]].name);
	in->type = (enum frame)h[4];
	in->left = n;
	buf_clear(&in->body);
	return 0;
}

int frames_next(struct frames_in *in, const unsigned char **p, size_t *n, struct frames_got *g, struct err *e)
{
	size_t k;

	if (in->have < FRAMES_HEAD) {
		k = FRAMES_HEAD - in->have < *n ? FRAMES_HEAD - in->have : *n;
		if (k)
			memcpy(in->head + in->have, *p, k);
		in->have += (unsigned)k;
		*p += k;
		*n -= k;
		if (in->have < FRAMES_HEAD)
			return 0;
		if (head_ok(in, e) < 0) {
			in->have = 0;
			return -1;
		}
	}
	k = in->left < *n ? in->left : *n;
	if (in->type == FRAME_DATA) {
		if (!k)
			return 0;
		*g = (struct frames_got){ in->type, *p, k };
	} else {
		if (k)
			buf_add(&in->body, *p, k);
		*g = (struct frames_got){ in->type, in->body.p, in->body.len };
	}
	*p += k;
	*n -= k;
	in->left -= (uint32_t)k;
	if (!in->left)
		in->have = 0;
	return in->type == FRAME_DATA || !in->left;
}

bool frames_between(const struct frames_in *in)
{
	return in->have == 0;
}

void frames_free(struct frames_in *in)
{
	buf_free(&in->body);
}
