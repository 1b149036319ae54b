/*
 * delta: signed changes of an index: a small index of what is added and revoked, and in front of it a manifest with its sum, the id
 * and the versions it leads from and to, and when it ends; the signature is the manifest's. An index has the sum of the last
 * manifest that was applied, and a manifest that of the one before it: two deltas of the same version are told apart.
 */
#include "known/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char magic[8] = {'m', 'u', 's', 's', 'd', 'e', 'l', 't'};
#define VERSION 1u
#define HEAD 20u                       /* magic, version, sizes of manifest and signature */
#define CAP_TERMS (64 * KIB)        /* ours has 400 bytes */
#define CAP_SIGNATURE (1 * MIB)        /* trust takes no longer one */
#define CAP_PAYLOAD (16 * GIB)         /* eight times an index of 100 million */

static const char format[] = "muss-known-delta/1";

/* ---- making ---- */

static json_t *manifest_of(const struct index *x, int64_t seconds, uint64_t added, uint64_t revoked, uint64_t bytes, const char *sum)
{
	char id[2 * FORMAT_ID + 1], now[CLOCK_RFC3339], end[CLOCK_RFC3339], previous[DIGEST_HEX];

	digest_tohex(x->id, FORMAT_ID, id);
	digest_tohex(x->delta_sum, KNOWN_DIGEST, previous);
	clock_rfc3339(clock_now(), now);
	clock_rfc3339(clock_now() + seconds, end);
	return json_pack("{ss ss sI ss sI ss ss sI sI sI ss}", "format", format, "base", id, "from", (json_int_t)x->delta, "previous", previous,
		"version", (json_int_t)x->delta + 1, "created", now, "expires", end, "digests", (json_int_t)added, "revoked", (json_int_t)revoked, "bytes",
		(json_int_t)bytes, "sha256", sum);
}

static int write_delta(int payload, const struct buf *manifest, const struct buf *sig, const char *path, struct err *e)
{
	struct atomic *a = atomic_open(path, 0644, false, e);
	unsigned char head[HEAD];
	uint64_t copied;

	if (!a)
		return -1;
	memcpy(head, magic, sizeof(magic));
	format_put32(head + 8, VERSION);
	format_put32(head + 12, (uint32_t)manifest->len);
	format_put32(head + 16, (uint32_t)sig->len);
	if (io_write(atomic_fd(a), head, sizeof(head)) < 0 || io_write(atomic_fd(a), manifest->p, manifest->len) < 0 ||
	    io_write(atomic_fd(a), sig->p, sig->len) < 0) {
		err_sys(e, "cannot write %s", err_q(path));
		goto fail;
	}
	if (lseek(payload, 0, SEEK_SET) < 0 || io_copy(payload, atomic_fd(a), CAP_PAYLOAD, &copied, e) < 0)
		goto fail;
	return atomic_commit(a, e);
fail:
	atomic_abort(a);
	return -1;
}

static int sign_and_write(const struct index *x, int payload, uint64_t added, uint64_t revoked, int64_t seconds, delta_sign_fn *sign,
                          void *ctx, const char *path, struct err *e)
{
	struct buf manifest = {0}, sig = {0};
	char sum[DIGEST_HEX];
	uint64_t bytes = 0;
	json_t *j;
	int rc = -1;

	if (digest_fd(payload, CAP_PAYLOAD, sum, &bytes, e) < 0)
		return -1;
	j = manifest_of(x, seconds, added, revoked, bytes, sum);
	jsonio_dump_line(j, &manifest);
	json_decref(j);
	if (sign(ctx, manifest.p, manifest.len, &sig, e) == 0)
		rc = write_delta(payload, &manifest, &sig, path, e);
	buf_free(&manifest);
	buf_free(&sig);
	return rc;
}

int delta_make(struct build *b, const char *index, int64_t seconds, delta_sign_fn *sign, void *ctx, const char *path, uint64_t *version,
               struct err *e)
{
	struct index *x = index_open(index, e);
	uint64_t added = 0, revoked = b->revoked.len / KNOWN_DIGEST;
	int payload = x ? io_tmp(e) : -1, rc = -1;

	if (payload < 0) {
		build_abort(b);
		goto out;
	}
	memcpy(b->id, x->id, sizeof(b->id));
	*version = x->delta + 1;
	if (build_finish_fd(b, payload, &added, e) == 0)
		rc = sign_and_write(x, payload, added, revoked, seconds, sign, ctx, path, e);
out:
	io_close(&payload);
	index_close(x);
	return rc;
}

/* ---- applying ---- */

struct delta {
	const char *path;
	int fd, payload;
	struct buf manifest, sig;
	json_t *terms;
	unsigned char sum[KNOWN_DIGEST];   /* of the manifest */
	struct index *x;                /* the payload */
};

static int damaged(const struct delta *d, const char *why, struct err *e)
{
	return err_set(e, EX_DATAERR, "%s is no usable delta: %s", err_q(d->path), why);
}

static int read_part(const struct delta *d, size_t n, struct buf *to, struct err *e)
{
	ssize_t got;

	buf_reserve(to, n);
	got = io_read(d->fd, to->p, n);
	if (got < 0)
		return err_sys(e, "cannot read %s", err_q(d->path));
	to->len = (size_t)got;
	return to->len == n ? 0 : damaged(d, "it is cut", e);
}

/* The manifest, once its signature holds. */
static int read_terms(struct delta *d, delta_verify_fn *verify, void *ctx, char signer[128], struct err *e)
{
	struct buf head = {0};
	uint32_t manifest, sig;
	char sum[DIGEST_HEX];
	int rc = -1;

	if (read_part(d, HEAD, &head, e) < 0)
		goto out;
	manifest = format_get32(head.p + 12);
	sig = format_get32(head.p + 16);
	if (memcmp(head.p, magic, sizeof(magic)) || format_get32(head.p + 8) != VERSION || manifest > CAP_TERMS || sig > CAP_SIGNATURE) {
		damaged(d, "not in its format", e);
		goto out;
	}
	if (read_part(d, manifest, &d->manifest, e) < 0 || read_part(d, sig, &d->sig, e) < 0)
		goto out;
	if (verify(ctx, d->manifest.p, d->manifest.len, &d->sig, signer, e) < 0) {
		err_wrap(e, "%s", err_q(d->path));
		goto out;
	}
	digest_bytes(d->manifest.p, d->manifest.len, sum);
	digest_unhex(sum, d->sum, sizeof(d->sum));
	d->terms = jsonio_parse(d->manifest.p, d->manifest.len, d->path, e);
	if (d->terms && (!jsonio_str(d->terms, "format") || strcmp(jsonio_str(d->terms, "format"), format)))
		damaged(d, "another version of the format", e);
	else if (d->terms)
		rc = 0;
out:
	buf_free(&head);
	return rc;
}

/* The payload into an unnamed file, so that nobody can change it between being summed and being read. */
static int read_payload(struct delta *d, struct err *e)
{
	const char *stated = jsonio_str(d->terms, "sha256");
	char is[DIGEST_HEX];
	uint64_t copied = 0;

	if ((d->payload = io_tmp(e)) < 0)
		return -1;
	if (io_copy(d->fd, d->payload, CAP_PAYLOAD, &copied, e) < 0 || digest_fd(d->payload, CAP_PAYLOAD, is, NULL, e) < 0)
		return -1;
	if (!stated || strcmp(is, stated) || jsonio_int(d->terms, "bytes", -1) != (json_int_t)copied)
		return damaged(d, "it is not what was signed", e);
	return (d->x = state_open(d->payload, d->path, e)) ? 0 : -1;
}

/* Two were made for the same version: whoever has one of them lacks the other one, and what builds on it. */
static int another(const struct delta *d, const struct index *x, const char *than, struct err *e)
{
	return err_set(e, EX_DATAERR, "version %llu of %s was made by another delta than %s%s: what it adds or revokes is missing here; whoever "
		"signs must apply a delta to the own index before making the next", (unsigned long long)x->delta, err_q(x->path), than, err_q(d->path));
}

/* An index that was written before sums were noted has none, zeros: then nothing can be said. */
static bool same(const unsigned char *a, const unsigned char *b)
{
	static const unsigned char none[KNOWN_DIGEST];

	return !memcmp(a, b, KNOWN_DIGEST) || !memcmp(a, none, KNOWN_DIGEST) || !memcmp(b, none, KNOWN_DIGEST);
}

static int check_order(const struct delta *d, const struct index *x, uint64_t from, uint64_t version, struct err *e)
{
	const char *previous = jsonio_str(d->terms, "previous");
	unsigned char sum[KNOWN_DIGEST] = {0};

	if (previous && (!digest_ok(previous) || digest_unhex(previous, sum, sizeof(sum)) < 0))
		return damaged(d, "its manifest is incomplete", e);
	if (version == x->delta && !same(d->sum, x->delta_sum))
		return another(d, x, "", e);
	if (version <= x->delta)
		return err_set(e, EX_NO, "%s has version %llu already; %s would make version %llu of it", err_q(x->path),
			(unsigned long long)x->delta, err_q(d->path), (unsigned long long)version);
	if (from == x->delta && !same(sum, x->delta_sum))
		return another(d, x, "the one before ", e);
	return 0;
}

/* What the manifest says; all but `signer`. */
static int take_terms(const struct delta *d, struct delta_terms *t, struct err *e)
{
	const char *base = jsonio_str(d->terms, "base"), *end = jsonio_str(d->terms, "expires");
	json_int_t from = jsonio_int(d->terms, "from", -1), version = jsonio_int(d->terms, "version", -1);
	unsigned char id[FORMAT_ID];

	if (!base || strlen(base) != 2 * (size_t)FORMAT_ID || digest_unhex(base, id, sizeof(id)) < 0 || from < 0 || version <= from || !end ||
	    clock_parse(end, &t->expires) < 0)
		return damaged(d, "its manifest is incomplete", e);
	digest_tohex(id, sizeof(id), t->base);
	t->from = (uint64_t)from;
	t->version = (uint64_t)version;
	return 0;
}

static int check_terms(const struct delta *d, const struct index *x, struct err *e)
{
	struct delta_terms t = {0};
	char id[2 * FORMAT_ID + 1];

	digest_tohex(x->id, FORMAT_ID, id);
	if (take_terms(d, &t, e) < 0)
		return -1;
	if (strcmp(t.base, id))
		return err_set(e, EX_NOPERM, "%s is for the index with the id %s, not for %s, whose id is %s", err_q(d->path), err_q(t.base),
			err_q(x->path), id);
	if (check_order(d, x, t.from, t.version, e) < 0)
		return -1;
	if (t.expires <= clock_now())
		return err_set(e, EX_NOPERM, "%s expired at %s", err_q(d->path), err_q(jsonio_str(d->terms, "expires")));
	if (t.from > x->delta)
		return err_set(e, EX_TEMPFAIL, "%s leads from version %llu, and %s has version %llu: the deltas between come first",
			err_q(d->path), (unsigned long long)t.from, err_q(x->path), (unsigned long long)x->delta);
	return 0;
}

/* Entries of the payload, from sources that are called after who signed. */
struct merging { struct build *b; const struct index *x; uint32_t *number; struct err *e; };

static int merge(void *ctx, const unsigned char *digest, const struct index_hit *hit)
{
	const struct merging *m = ctx;

	return build_add(m->b, digest, m->number[hit->number], hit->name, m->e);
}

/* A set of sources of the centre's is one here: it is the centre that vouches. */
static int merge_payload(struct build *b, const struct index *x, const char *signer, struct err *e)
{
	struct merging m = {b, x, buf_realloc(NULL, x->sources + 1, sizeof(uint32_t)), e};
	int rc = 0;

	for (uint64_t i = 0; !rc && i < x->sources; i++) {
		char *name = buf_printf("delta %s %s", signer, index_source(x, i));

		for (char *c = name; (c = strchr(c, '\n'));)
			*c = '+';
		rc = build_source(b, name, &m.number[i], e);
		free(name);
	}
	if (!rc)
		rc = index_walk(x, 0, merge, &m);
	for (uint64_t i = 0; !rc && i < x->revoked; i++)
		build_revoke(b, x->revocations + i * KNOWN_DIGEST);
	for (unsigned i = 0; i < x->n; i++)
		b->cut |= x->segments[i].shape.kept < KNOWN_DIGEST;
	free(m.number);
	return rc;
}

static int merge_delta(const struct delta *d, const char *index, struct delta_report *r, struct err *e)
{
	struct build *b = build_new(e);

	if (!b)
		return -1;
	if (build_extend(b, index, e) < 0 || check_terms(d, b->extended, e) < 0 || merge_payload(b, d->x, r->signer, e) < 0) {
		build_abort(b);
		return -1;
	}
	r->version = b->delta = (uint64_t)jsonio_int(d->terms, "version", 0);
	memcpy(b->delta_sum, d->sum, sizeof(b->delta_sum));
	r->added = index_count(d->x);
	r->revoked = d->x->revoked;
	build_from(b, KNOWN_FROM_DELTA, 0);
	return build_finish(b, index, &r->digests, e);
}

/* Opened, signed by whom it may be, and whole. */
static int open_delta(struct delta *d, const char *path, delta_verify_fn *verify, void *ctx, char signer[128], struct err *e)
{
	*d = (struct delta){.path = path, .payload = -1};
	d->fd = io_open_in(path, e);
	return d->fd >= 0 && read_terms(d, verify, ctx, signer, e) == 0 && read_payload(d, e) == 0 ? 0 : -1;
}

static void close_delta(struct delta *d)
{
	io_close(&d->fd);
	io_close(&d->payload);
	buf_free(&d->manifest);
	buf_free(&d->sig);
	json_decref(d->terms);
	index_close(d->x);
}

int delta_look(const char *path, delta_verify_fn *verify, void *ctx, struct delta_terms *t, struct err *e)
{
	struct delta d;
	int rc;

	memset(t, 0, sizeof(*t));
	rc = open_delta(&d, path, verify, ctx, t->signer, e) < 0 ? -1 : take_terms(&d, t, e);
	close_delta(&d);
	return rc;
}

int delta_apply(const char *index, const char *path, delta_verify_fn *verify, void *ctx, struct delta_report *r, struct err *e)
{
	struct delta d;
	int rc;

	memset(r, 0, sizeof(*r));
	rc = open_delta(&d, path, verify, ctx, r->signer, e) < 0 ? -1 : merge_delta(&d, index, r, e);
	close_delta(&d);
	return rc;
}
