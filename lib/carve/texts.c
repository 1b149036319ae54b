/* Bytes that stand in a file as text: base64, base32 and hex (RFC 4648), in one piece or in lines and quotes that a program joins. */
#include "carve/internal.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_LEAST 16u           /* characters of one line or quoted text */
#define RUN_LEAST 24u               /* characters of all together */
#define JOINT_MOST 64u              /* characters between two segments */

enum alphabet { BASE64 = 1, BASE32 = 2, HEX = 4 };

/* Without <ctype.h>, whose functions are calls: every byte of a sample is asked for. */
static inline unsigned alphabets(unsigned char c)
{
	unsigned u = c, lower = u | 0x20u, of = 0;

	if (lower - 'a' < 26u || u - '0' < 10u || c == '+' || c == '/' || c == '-' || c == '_')
		of |= BASE64;
	if (u - 'A' < 26u || u - '2' < 6u)
		of |= BASE32;
	if (lower - 'a' < 6u || u - '0' < 10u)
		of |= HEX;
	return of;
}

/* Characters of one alphabet, what joins them left out. */
struct run {
	size_t from, to;            /* in the file */
	struct buf text;
	unsigned of;                /* alphabets that have all of them */
	bool quoted;                /* what joins them has quotes, not the ends of lines alone */
	bool part;                  /* a line of several that mean nothing together: a text in it, as in certificates, is chance */
	size_t short_to, short_len; /* the same without the last segment, where that is a short one; else 0 */
};

static size_t segment(const struct within *w, size_t at, unsigned *of)
{
	size_t end = at;

	*of = BASE64 | BASE32 | HEX;
	for (; end < w->n && alphabets(w->p[end]); end++)
		*of &= alphabets(w->p[end]);
	return end;
}

/* Where the next segment that is long enough may begin. One of sixteen characters has one at every sixteenth place: the others are not
 * looked at where that one is none. */
static size_t next_segment(const struct within *w, size_t at)
{
	size_t probe = at + SEGMENT_LEAST - 1;

	while (probe < w->n && !alphabets(w->p[probe]))
		probe += SEGMENT_LEAST;
	if (probe >= w->n)
		return w->n;
	at = probe + 1 - SEGMENT_LEAST;
	while (probe > at && alphabets(w->p[probe - 1]))
		probe--;
	return probe;
}

/* Where a text goes on that ends here: behind the end of a line, or a quote's end, and another's beginning. 0: it does not. */
static size_t joint(const struct within *w, size_t at, bool *quoted)
{
	static const char between[] = " \t\r\n\\\"'`+.,&|(){}[];";
	size_t end = at;
	bool breaks = false;

	for (; end < w->n && end - at < JOINT_MOST && w->p[end] && strchr(between, w->p[end]); end++) {
		bool quote = w->p[end] == '"' || w->p[end] == '\'' || w->p[end] == '`';

		*quoted |= quote;
		breaks |= quote || w->p[end] == '\n';
	}
	return breaks && end > at && end < w->n && alphabets(w->p[end]) ? end : 0;
}

static void add(struct run *r, const struct within *w, size_t from, size_t to)
{
	buf_add(&r->text, w->p + from, to - from);
	r->to = to;
}

/* From a first segment on: it alone, or with all that are joined to it. */
static void gather(const struct within *w, size_t from, size_t to, unsigned of, bool joined, struct run *r)
{
	*r = (struct run){ .from = from, .of = of };
	add(r, w, from, to);
	while (joined) {
		size_t next = joint(w, r->to, &r->quoted), end;
		unsigned more;

		if (!next)
			break;
		end = segment(w, next, &more);
		if ((r->of & more) != r->of)
			break;
		/* Only the last line may be short; or it is a word that follows. */
		if (end - next < SEGMENT_LEAST) {
			r->short_to = r->to;
			r->short_len = r->text.len;
		}
		add(r, w, next, end);
		if (end - next < SEGMENT_LEAST)
			break;
	}
	while (r->to < w->n && w->p[r->to] == '=' && r->text.len % 4) {
		buf_addc(&r->text, '=');
		r->to++;
	}
}

/* ---- decoders: of the run's characters alone ---- */

static void from_hex(const struct buf *text, struct buf *out)
{
	for (size_t i = 0; i + 1 < text->len; i += 2) {
		const char pair[3] = { (char)text->p[i], (char)text->p[i + 1], 0 };

		buf_addc(out, (char)strtoul(pair, NULL, 16));
	}
}

static void from_base32(const struct buf *text, struct buf *out)
{
	uint64_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < text->len && text->p[i] != '='; i++) {
		bits = bits << 5 | (unsigned)(isupper(text->p[i]) ? text->p[i] - 'A' : text->p[i] - '2' + 26);
		have += 5;
		if (have >= 8) {
			have -= 8;
			buf_addc(out, (char)(bits >> have));
		}
	}
}

static void from_base64(const struct buf *text, struct buf *out)
{
	struct buf b = { 0 };
	size_t n = text->len;
	int got;

	while (n && text->p[n - 1] == '=')
		n--;
	n -= n % 4 == 1;   /* no byte's: a letter too many */
	for (size_t i = 0; i < n; i++)
		buf_addc(&b, text->p[i] == '-' ? '+' : text->p[i] == '_' ? '/' : (char)text->p[i]);
	while (b.len % 4)
		buf_addc(&b, '=');
	buf_reserve(out, b.len);
	got = EVP_DecodeBlock(out->p, b.p, (int)b.len);
	out->len = got > 0 ? (size_t)got - (b.len - n) : 0;
	buf_free(&b);
}

static void reversed(const struct buf *text, struct buf *out)
{
	for (size_t i = text->len; i > 0; i--)
		buf_addc(out, (char)text->p[i - 1]);
}

static void rotated(const struct buf *text, struct buf *out)
{
	for (size_t i = 0; i < text->len; i++) {
		unsigned char c = text->p[i], a = isupper(c) ? 'A' : 'a';

		buf_addc(out, isalpha(c) ? (char)(a + (c - a + 13) % 26) : (char)c);
	}
}

/* ---- what is tried ---- */

static bool offer(struct within *w, const struct run *r, const char *coding, struct buf *bytes)
{
	struct carved c = { .offset = r->from, .size = r->to - r->from, .coding = coding, .encoded = true, .bytes = *bytes };

	*bytes = (struct buf){ 0 };
	return carve_offer(w, &c);
}

/* coding: what it is called when the decoded bytes mean something; deflated: when they have to be inflated first, or NULL. */
static bool try_one(struct within *w, const struct run *r, void (*decode)(const struct buf *, struct buf *), const char *coding,
                    const char *deflated)
{
	struct buf bytes = { 0 }, out = { 0 };
	enum carve_what what;
	bool found;

	if (!carve_work(w, r->text.len))
		return false;
	decode(&r->text, &bytes);
	what = meaning_of(bytes.p, bytes.len);
	found = what && !(r->part && what == CARVE_TEXT);
	if (!found && deflated && streams_deflated(w, &bytes, &out))
		found = offer(w, r, deflated, &out);
	else if (found)
		found = offer(w, r, coding, &bytes);
	buf_free(&bytes);
	buf_free(&out);
	return found;
}

static void from_base64_rotated(const struct buf *text, struct buf *out)
{
	struct buf bytes = { 0 };

	from_base64(text, &bytes);
	rotated(&bytes, out);
	buf_free(&bytes);
}

static bool try_base64(struct within *w, const struct run *r)
{
	struct run back = { .from = r->from, .to = r->to, .part = r->part }, turned = back;
	bool found = try_one(w, r, from_base64, "base64", "base64-deflate");

	if (!found) {
		reversed(&r->text, &back.text);
		rotated(&r->text, &turned.text);
		found = try_one(w, &back, from_base64, "base64-reversed", "base64-reversed-deflate") ||
			try_one(w, &turned, from_base64, "base64-rot13", "base64-rot13-deflate") ||
			try_one(w, r, from_base64_rotated, "rot13-base64", "rot13-base64-deflate");
	}
	buf_free(&back.text);
	buf_free(&turned.text);
	return found;
}

static bool try_all(struct within *w, const struct run *r)
{
	if (r->text.len < RUN_LEAST)
		return false;
	return (r->of & HEX && try_one(w, r, from_hex, "hex", NULL)) || (r->of & BASE32 && try_one(w, r, from_base32, "base32", NULL)) ||
		(r->of & BASE64 && try_base64(w, r));
}

/* Does all of it read as text only when the short line behind it is none of it? Of other bytes a few too many do no harm. */
static bool ends_before(const struct run *r)
{
	struct buf cut = { .p = r->text.p, .len = r->short_len }, all = { 0 }, less = { 0 };
	bool before;

	from_base64(&r->text, &all);
	from_base64(&cut, &less);
	before = !meaning_text(all.p, all.len) && meaning_text(less.p, less.len);
	buf_free(&all);
	buf_free(&less);
	return before;
}

/* A run, or what is left of it without the short line behind it, which may be a word of the program's. */
static bool try_run(struct within *w, struct run *r)
{
	size_t to = r->to, len = r->text.len;

	if (!r->short_len)
		return try_all(w, r);
	if (!ends_before(r) && try_all(w, r))
		return true;
	r->to = r->short_to;
	r->text.len = r->short_len;
	if (try_all(w, r))
		return true;
	r->to = to;
	r->text.len = len;
	return false;
}

void texts_look(struct within *w)
{
	size_t at = 0, end, tried = 0;
	bool lines = false;
	unsigned of;

	while (at < w->n && *w->work) {
		struct run r;
		bool found = false;

		at = next_segment(w, at);
		end = segment(w, at, &of);
		if (end - at < SEGMENT_LEAST || carve_taken(w, at)) {
			at = end + 1;
			continue;
		}
		/* What belongs to lines that mean nothing together is looked at line by line, and once. */
		for (int joined = at >= tried; joined >= 0 && !found; joined--) {
			gather(w, at, end, of, joined, &r);
			if (joined) {
				tried = r.to;
				lines = !r.quoted && r.to > end + 1;
			}
			r.part = !joined && lines;
			found = try_run(w, &r);
			buf_free(&r.text);
		}
		at = found ? r.to : end;
	}
}
