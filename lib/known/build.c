/* build: gathers what goes into an index: digests, who vouches for them, their names, and what is revoked. */
#include "known/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

struct build *build_new(struct err *e)
{
	struct build *b = buf_alloc(sizeof(*b));

	b->text = b->lock = -1;
	b->created = clock_now();
	b->sources = sources_new();
	if (!(b->spill = spill_new(e)) || (b->text = io_tmp(e)) < 0)
		goto fail;
	if (getrandom(b->id, sizeof(b->id), 0) != (ssize_t)sizeof(b->id)) {
		err_sys(e, "cannot get random bytes");
		goto fail;
	}
	buf_addc(&b->text_tail, '\0');   /* offset 0 is the empty text */
	b->text_size = 1;
	return b;
fail:
	build_abort(b);
	return NULL;
}

int build_flush_text(struct build *b, struct err *e)
{
	if (io_write(b->text, b->text_tail.p, b->text_tail.len) < 0)
		return err_sys(e, "cannot write a temporary file");
	buf_clear(&b->text_tail);
	return 0;
}

static int add_text(struct build *b, const char *s, uint32_t *offset, struct err *e)
{
	size_t n = strlen(s) + 1;

	if (b->text_size + n > FORMAT_MAX_TEXT) {
		if (!b->names_full)
			msg_warn("the index holds no more than 4 GiB of names; further digests have none");
		b->names_full = true;
		return 0;
	}
	*offset = (uint32_t)b->text_size;
	buf_add(&b->text_tail, s, n);
	b->text_size += n;
	return b->text_tail.len >= MIB ? build_flush_text(b, e) : 0;
}

int build_source(struct build *b, const char *name, uint32_t *source, struct err *e)
{
	return sources_number(b->sources, name, source, e);
}

static int add_entry(struct build *b, const unsigned char *digest, const uint32_t *source, size_t sources, const char *name,
                     struct err *e)
{
	struct entry n = {.name = FORMAT_NO_NAME};

	memcpy(n.digest, digest, KNOWN_DIGEST);
	if (name && *name && sources && add_text(b, name, &n.name, e) < 0)
		return -1;
	for (size_t i = 0; i < sources; i++) {
		n.source = source[i];
		if (spill_add(b->spill, &n, e) < 0)
			return -1;
	}
	return 0;
}

int build_take(struct build *b, const unsigned char *digest, const struct index_hit *hit, struct err *e)
{
	const struct vouchers *v = &b->base_vouchers[hit->number];

	return add_entry(b, digest, v->number, v->count, hit->name, e);
}

/* 1 when the base has the digest from this source. What it has from others goes with it when it is put behind the base, so that
 * the youngest segment's word is complete. */
static int from_base(struct build *b, const unsigned char *digest, uint32_t source, struct err *e)
{
	const struct vouchers *v;
	struct index_hit hit;

	if (!index_find(b->base, digest, &hit) || hit.number >= index_sources(b->base))
		return 0;
	v = &b->base_vouchers[hit.number];
	for (size_t i = 0; i < v->count; i++)
		if (v->number[i] == source)
			return 1;
	return b->extended ? build_take(b, digest, &hit, e) : 0;
}

int build_add(struct build *b, const unsigned char digest[KNOWN_DIGEST], uint32_t source, const char *name, struct err *e)
{
	int rc = b->base ? from_base(b, digest, source, e) : 0;

	if (rc)
		return rc < 0 ? -1 : 0;
	return add_entry(b, digest, &source, 1, name, e);
}

void build_revoke(struct build *b, const unsigned char digest[KNOWN_DIGEST])
{
	buf_add(&b->revoked, digest, KNOWN_DIGEST);
}

void build_from(struct build *b, unsigned from, int64_t when)
{
	b->from |= from;
	if ((from & KNOWN_FROM_DPKG) && when > b->dpkg_time)
		b->dpkg_time = when;
}

int build_id(struct build *b, const char *hex, struct err *e)
{
	if (strlen(hex) != 2 * (size_t)FORMAT_ID || digest_unhex(hex, b->id, FORMAT_ID) < 0)
		return err_set(e, EX_USAGE, "an index's id has 32 hexadecimal digits: %s", err_q(hex));
	return 0;
}

/* ---- from another index ---- */

static void take_terms(struct build *b, const struct index *x)
{
	b->from |= x->from;
	if (x->dpkg_time > b->dpkg_time)
		b->dpkg_time = x->dpkg_time;
	buf_add(&b->revoked, x->revocations, (size_t)x->revoked * KNOWN_DIGEST);
	for (unsigned i = 0; i < x->n; i++)
		b->cut |= x->segments[i].shape.kept < KNOWN_DIGEST;
	memcpy(b->id, x->id, sizeof(b->id));
	b->delta = x->delta;
	memcpy(b->delta_sum, x->delta_sum, sizeof(b->delta_sum));
}

/* What each member of a set is called from now on. */
static int rename_set(struct build *b, const char *set, build_rename_fn *fn, void *ctx, struct vouchers *v, struct err *e)
{
	const char *name;
	size_t len;

	while (source_next(&set, &name, &len)) {
		struct buf old = {0}, new = {0};
		uint32_t number;
		bool twice = false;
		int rc = 0;

		buf_add(&old, name, len);
		if (!fn || fn(ctx, buf_str(&old), &new)) {
			rc = sources_number(b->sources, new.len ? buf_str(&new) : buf_str(&old), &number, e);
			for (size_t i = 0; !rc && i < v->count; i++)
				twice |= v->number[i] == number;
			if (!rc && !twice) {
				v->number = buf_realloc(v->number, v->count + 1, sizeof(*v->number));
				v->number[v->count++] = number;
			}
		}
		buf_free(&old);
		buf_free(&new);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int rename_all(struct build *b, const struct index *x, build_rename_fn *fn, void *ctx, struct err *e)
{
	b->base = x;
	b->base_vouchers = buf_alloc((x->sources + 1) * sizeof(*b->base_vouchers));
	for (uint64_t i = 0; i < x->sources; i++)
		if (rename_set(b, index_source(x, i), fn, ctx, &b->base_vouchers[i], e) < 0)
			return -1;
	return 0;
}

struct taking { struct build *b; struct err *e; };

static int take(void *ctx, const unsigned char *digest, const struct index_hit *hit)
{
	const struct taking *t = ctx;

	return build_take(t->b, digest, hit, t->e);
}

int build_add_index(struct build *b, const struct index *x, build_rename_fn *fn, void *ctx, struct err *e)
{
	struct taking t = {b, e};

	take_terms(b, x);
	return rename_all(b, x, fn, ctx, e) < 0 || index_walk(x, 0, take, &t) < 0 ? -1 : 0;
}

static int wait_for(int fd, const char *path, struct err *e)
{
	int rc = flock(fd, LOCK_EX | LOCK_NB);

	if (rc < 0 && errno == EWOULDBLOCK) {
		msg_info("waiting for somebody else who changes %s", err_q(path));
		do
			rc = flock(fd, LOCK_EX);
		while (rc < 0 && errno == EINTR);
	}
	return rc < 0 ? err_sys(e, "cannot lock whitelist index %s", err_q(path)) : 0;
}

/* Whoever wrote before may have put another file in its place. */
int build_lock(struct build *b, const char *path, struct err *e)
{
	struct stat is, there;

	for (;;) {
		b->lock = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (b->lock < 0)
			return err_sys(e, "cannot open whitelist index %s", err_q(path));
		if (wait_for(b->lock, path, e) < 0)
			return -1;
		if (!fstat(b->lock, &is) && !stat(path, &there) && is.st_dev == there.st_dev && is.st_ino == there.st_ino)
			return 0;
		io_close(&b->lock);
	}
}

int build_extend(struct build *b, const char *path, struct err *e)
{
	struct index *x;

	if (build_lock(b, path, e) < 0 || !(x = b->extended = state_open(b->lock, path, e)))
		return -1;
	take_terms(b, x);
	for (uint64_t i = 0; i < x->sources; i++)
		if (sources_load(b->sources, index_source(x, i), e) < 0)
			return -1;
	return rename_all(b, x, NULL, NULL, e);
}

void build_abort(struct build *b)
{
	if (!b)
		return;
	for (uint64_t i = 0; b->base_vouchers && i < b->base->sources; i++)
		free(b->base_vouchers[i].number);
	free(b->base_vouchers);
	sources_free(b->sources);
	spill_free(b->spill);
	buf_free(&b->text_tail);
	buf_free(&b->revoked);
	index_close(b->extended);
	io_close(&b->text);
	io_close(&b->lock);
	free(b);
}
