#include "pack/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct unpacking {
	const struct unpack *u;
	struct unpack_stats *stats;
	struct spool spool;
	char code[DIGEST_HEX];
	char waiting[CAP_PATH + 1];   /* the sealed member in spool.plain, or "" */
	bool found;                   /* the case holds the body */
	bool missing;                 /* and says that it does not */
};

/* The sealed bytes in `from`, opened, as member `name` into the spool; `digest` NULL: of any digest. */
static int put_opened(struct unpacking *k, int from, const char *name, const char *digest, struct err *e)
{
	char hex[DIGEST_HEX];
	struct err ignored;

	if (spool_rewind(from, false, e) < 0 || spool_rewind(k->spool.squeezed, true, e) < 0 ||
	    unseal_fd(k->u->unseal, from, k->spool.squeezed, CAP_SEALED, e) < 0 || spool_rewind(k->spool.squeezed, false, e) < 0 ||
	    spool_begin(&k->spool, name, 0, e) < 0)
		return -1;
	if (unsqueeze_fd(k->spool.squeezed, k->spool.fd, CAP_BODY, e) < 0 || spool_end(&k->spool, e) < 0 ||
	    spool_digest(&k->spool, hex, e) < 0)
		goto fail;
	if (digest && strcmp(hex, digest)) {
		err_set(e, EX_DATAERR, "what was sealed is not what its name says");
		goto fail;
	}
	return 0;
fail:
	spool_drop(&k->spool, &ignored);
	return -1;
}

static int open_waiting(struct unpacking *k, struct err *e)
{
	char name[CAP_PATH + 1], waiting[CAP_PATH + 1];
	const char *digest = NULL;

	if (!*k->waiting)
		return 0;
	memcpy(waiting, k->waiting, sizeof(waiting));
	memcpy(name, k->waiting, sizeof(name));
	name[strlen(name) - 4] = '\0';
	*k->waiting = '\0';
	if (!strcmp(name, "body"))
		digest = k->code;
	else if (!strncmp(name, "dropped/", 8))
		digest = name + 8;
	else if (!strncmp(name, "embedded/", 9))
		digest = name + 9;
	if (put_opened(k, k->spool.plain, name, digest, e) < 0)
		return err_wrap(e, "member 'code/%s/%s'", k->code, waiting);
	k->stats->opened++;
	return 0;
}

static int on_about(void *ctx, const char *sha256, json_t *about, struct err *e)
{
	struct unpacking *k = ctx;
	const char *state = jsonio_str(about, "body");

	(void)e;
	memcpy(k->code, sha256, sizeof(k->code));
	k->found = false;
	k->missing = state && !strcmp(state, "missing");
	return 1;
}

static bool is_sealed_sample(const struct member *m)
{
	size_t n = strlen(m->name);
	struct member plain;
	char path[CAP_PATH + 1];
	struct err ignored;

	if (n <= 4 || strcmp(m->name + n - 4, ".cms"))
		return false;
	snprintf(path, sizeof(path), "%.*s", (int)strlen(m->path) - 4, m->path);
	return schema_classify(path, &plain, &ignored) == 0 && schema_is_sample(&plain);
}

static int on_member(void *ctx, const struct member *m, struct tap *t, struct err *e)
{
	struct unpacking *k = ctx;

	if (!*m->code)
		return TAP_PASS;
	if (open_waiting(k, e) < 0)
		return -1;
	if (m->kind == MEMBER_BODY || m->kind == MEMBER_BODY_CMS) {
		if (k->found)   /* there twice, plain and sealed */
			return TAP_DROP;
		k->found = true;
	}
	if (!is_sealed_sample(m))
		return TAP_PASS;
	if (spool_rewind(k->spool.plain, true, e) < 0)
		return -1;
	snprintf(k->waiting, sizeof(k->waiting), "%s", m->name);
	t->fd = k->spool.plain;
	return TAP_TAKE;
}

/* From the store; whatever is wrong with the stored body is this body's loss, not the case's. */
static int fetch(struct unpacking *k, struct err *e)
{
	char *path = buf_printf("%s/%.2s/%s.cms", k->u->store, k->code, k->code);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), rc = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		msg_warn("no body of %.16s: neither in the case nor in the store", k->code);
		k->stats->missing++;
		goto out;
	}
	if (put_opened(k, fd, "body", k->code, e) == 0) {
		k->stats->fetched++;
		goto out;
	}
	if (e->code != EX_DATAERR) {
		rc = -1;
		goto out;
	}
	msg_warn("%s is dropped from the store: %s", err_q(path), e->msg);
	err_clear(e);
	k->stats->missing++;
	if (unlink(path) < 0 && errno != ENOENT)
		rc = err_sys(e, "cannot drop %s", err_q(path));
out:
	io_close(&fd);
	free(path);
	return rc;
}

static int on_code_end(void *ctx, const char *sha256, struct caseout *out, struct err *e)
{
	struct unpacking *k = ctx;

	if (open_waiting(k, e) < 0)
		return -1;
	if (!k->found && !k->missing && k->u->store && fetch(k, e) < 0)
		return -1;
	return spool_flush(&k->spool, sha256, out, e);
}

static int on_verified(void *ctx, const struct casein *in, struct err *e)
{
	struct unpacking *k = ctx;
	const struct buf *manifest = casein_manifest(in);

	if (!k->u->verifier)
		return 0;
	if (verify_bytes(k->u->verifier, k->u->role ? k->u->role : ROLE_HOST, manifest->p, manifest->len, casein_signature(in),
			 k->stats->signer, e) < 0)
		return err_wrap(e, "the case is refused");
	return 0;
}

int unpack_run(const struct unpack *u, int in, int out, struct unpack_stats *s, struct err *e)
{
	struct unpacking k = { .u = u, .stats = s };
	const struct casefilter f = {
		.tool = "mpack", .ctx = &k, .about = on_about, .tap = on_member, .code_end = on_code_end, .verified = on_verified,
	};
	int rc;

	*s = (struct unpack_stats){ 0 };
	if (spool_open(&k.spool, e) < 0)
		return -1;
	rc = casefilter_run(&f, in, out, e);
	spool_close(&k.spool);
	return rc;
}
