#include "initrd/initrd.h"

#include "casefile/casefile.h"

#include <stdlib.h>
#include <string.h>

/* The file that is being read. */
struct listing {
	json_t *files;
	struct digest *sha256, *md5;
	struct buf head;
	size_t names;             /* bytes of them */
	bool more, runs, asked;
};

static void begin(void *ctx, const struct initrd_file *f)
{
	struct listing *l = ctx;
	char none[DIGEST_HEX];

	(void)f;
	/* the one before may have been cut short */
	if (l->runs) {
		digest_end(l->sha256, none);
		digest_end(l->md5, none);
	}
	buf_clear(&l->head);
	l->runs = l->asked = false;
}

/* What does not run costs no sums. */
static void ask(struct listing *l, const struct initrd_file *f)
{
	if (l->asked)
		return;
	l->asked = true;
	l->runs = f->size && likeness_runs(f, l->head.p, l->head.len);
	if (l->runs && (json_array_size(l->files) >= INITRD_LISTED || l->names + strlen(f->path) > INITRD_NAMES)) {
		l->more = true;
		l->runs = false;
	}
	if (!l->runs)
		return;
	l->names += strlen(f->path);
	digest_add(l->sha256, l->head.p, l->head.len);
	digest_add(l->md5, l->head.p, l->head.len);
}

static void told(struct listing *l, const struct initrd_file *f)
{
	char sha256[DIGEST_HEX], md5[DIGEST_HEX];
	json_t *o = json_object();

	digest_end(l->sha256, sha256);
	digest_end(l->md5, md5);
	json_object_set_new(o, "number", json_integer((json_int_t)f->number));
	json_object_set_new(o, "path", jsonio_name(f->path));
	json_object_set_new(o, "mode", json_sprintf("%04o", f->mode));
	json_object_set_new(o, "size", json_integer((json_int_t)f->size));
	json_object_set_new(o, "sha256", json_string(sha256));
	json_object_set_new(o, "md5", json_string(md5));
	json_object_set_new(o, "like", json_string(likeness_of(f->path, l->head.p, l->head.len, l->head.len == f->size)));
	json_array_append_new(l->files, o);
}

static void part(void *ctx, const struct initrd_file *f, const void *p, size_t n)
{
	struct listing *l = ctx;
	size_t room = INITRD_KEPT - l->head.len, k = n < room ? n : room;

	if (p && !l->asked) {
		buf_add(&l->head, p, k);
		p = (const char *)p + k;
		n -= k;
		if (l->head.len == INITRD_KEPT)
			ask(l, f);
	}
	if (p && n && l->runs) {
		digest_add(l->sha256, p, n);
		digest_add(l->md5, p, n);
	}
	if (p)
		return;
	ask(l, f);
	if (l->runs)
		told(l, f);
	l->runs = false;
}

json_t *list_make(const void *p, size_t n)
{
	struct listing l = { .files = json_array(), .sha256 = digest_new(), .md5 = digest_new_md5() };
	const struct initrd_sink sink = { &l, begin, part };
	json_t *o = json_object();
	struct err e;

	json_object_set_new(o, "files", l.files);
	if (image_read(p, n, &sink, &e) < 0)
		json_object_set_new(o, "problem", json_string(e.msg));
	if (l.more)
		json_object_set_new(o, "more", json_true());
	digest_free(l.sha256);
	digest_free(l.md5);
	buf_free(&l.head);
	return o;
}

struct taking {
	const uint64_t *number;
	size_t count, next;
	bool takes;
	struct buf *out;
};

static void begin_taking(void *ctx, const struct initrd_file *f)
{
	struct taking *t = ctx;

	while (t->next < t->count && t->number[t->next] < f->number)
		t->next++;
	t->takes = t->next < t->count && t->number[t->next] == f->number && f->size <= INITRD_TAKEN && t->out->len + f->size <= INITRD_TAKEN;
	if (t->takes)
		buf_addf(t->out, "%llu %llu\n", (unsigned long long)f->number, (unsigned long long)f->size);
}

static void take_part(void *ctx, const struct initrd_file *f, const void *p, size_t n)
{
	struct taking *t = ctx;

	(void)f;
	if (p && t->takes)
		buf_add(t->out, p, n);
}

void list_take(const void *p, size_t n, const uint64_t *numbers, size_t count, struct buf *out)
{
	struct taking t = { .number = numbers, .count = count, .out = out };
	const struct initrd_sink sink = { &t, begin_taking, take_part };
	struct err e;

	/* what is damaged ends early here as well */
	image_read(p, n, &sink, &e);
}

int list_digest(const void *p, size_t n, struct buf *out, struct err *e)
{
	struct unroll *u = unroll_open(p, n, e);
	struct digest *d = digest_new();
	char hex[DIGEST_HEX];
	const void *block;
	uint64_t total = 0;
	ssize_t got = -1;

	while (u && (got = unroll_block(u, &block, e)) > 0) {
		digest_add(d, block, (size_t)got);
		total += (uint64_t)got;
		if (total > INITRD_MOST)
			got = err_set(e, EX_DATAERR, "it unpacks to more than %llu bytes", (unsigned long long)INITRD_MOST);
		if (got < 0)
			break;
	}
	digest_end(d, hex);
	if (!got)
		buf_adds(out, hex);
	digest_free(d);
	unroll_close(u);
	return (int)got;
}
