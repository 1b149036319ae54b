#include "agent/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REMOVER_MEMBER "remedy/linux-x86_64/remover"
#define REMOVER_MOST (64 * MIB)   /* measured: 40 KiB */

struct reading {
	struct answer *a;
	struct verifier *v;
	char proof[CAP_PATH + 1];
};

static int on_head(void *ctx, json_t *case_json, struct err *e)
{
	struct reading *r = ctx;

	(void)e;
	r->a->case_json = json_deep_copy(case_json);
	jsonio_dump(case_json, &r->a->case_bytes);
	return 0;
}

static int on_member(void *ctx, const struct member *m, struct tap *t, struct err *e)
{
	struct reading *r = ctx;

	if (!strcmp(m->path, REMOVER_MEMBER)) {
		if (m->size > REMOVER_MOST)
			return err_set(e, EX_DATAERR, "member %s: longer than any remover", err_q(m->path));
		t->fd = r->a->remover;
	} else if (!strcmp(m->path, "remedy/plan.json")) {
		t->buf = &r->a->plan_bytes;
	} else if (!strcmp(m->path, "proof/certificate.json")) {
		t->buf = &r->a->certificate_bytes;
	} else if (!strcmp(m->path, "proof/certificate.json.sig")) {
		t->buf = &r->a->certificate_sig;
	} else if (!strcmp(m->path, r->proof)) {
		t->buf = &r->a->proof_bytes;
	} else {
		return TAP_DROP;
	}
	return TAP_TAKE;
}

static int on_verified(void *ctx, const struct casein *in, struct err *e)
{
	struct reading *r = ctx;
	const struct buf *manifest = casein_manifest(in);
	char name[128];

	if (verify_bytes(r->v, ROLE_SIGNER, manifest->p, manifest->len, casein_signature(in), name, e) < 0)
		return err_wrap(e, "MANIFEST.sig");
	return 0;
}

static int parse(const struct buf *b, const char *what, json_t **j, struct err *e)
{
	if (!b->len)
		return 0;
	*j = jsonio_parse(b->p, b->len, what, e);
	return *j ? 0 : -1;
}

/* What follows from the bytes. */
static int understand(struct answer *a, struct err *e)
{
	uint64_t size;

	if ((!a->case_json && parse(&a->case_bytes, "case.json", &a->case_json, e) < 0) ||
	    parse(&a->plan_bytes, "remedy/plan.json", &a->plan, e) < 0 ||
	    parse(&a->certificate_bytes, "proof/certificate.json", &a->certificate, e) < 0 ||
	    parse(&a->proof_bytes, "the proof", &a->proof, e) < 0)
		return -1;
	digest_bytes(a->plan_bytes.p, a->plan_bytes.len, a->plan_sha256);
	if (a->remover >= 0 && digest_fd(a->remover, REMOVER_MOST, a->remover_sha256, &size, e) < 0)
		return -1;
	return 0;
}

int answer_read(const char *path, struct verifier *v, const char *environment, struct answer *a, struct err *e)
{
	struct reading r = { .a = a, .v = v };
	const struct casefilter f = { .ctx = &r, .head = on_head, .tap = on_member, .verified = on_verified };
	int fd, rc = -1;
	struct stat st;

	*a = (struct answer){ .remover = -1 };
	snprintf(r.proof, sizeof(r.proof), "proof/%s.json", environment);
	fd = io_open_in(path, e);
	if (fd < 0)
		return -1;
	a->remover = io_tmp(e);
	if (a->remover < 0 || casefilter_run(&f, fd, -1, e) < 0)
		goto out;
	if (fstat(a->remover, &st) == 0 && st.st_size == 0)
		io_close(&a->remover);
	rc = understand(a, e);
out:
	close(fd);
	if (rc < 0)
		answer_free(a);
	return rc;
}

void answer_free(struct answer *a)
{
	json_decref(a->case_json);
	json_decref(a->plan);
	json_decref(a->certificate);
	json_decref(a->proof);
	buf_free(&a->case_bytes);
	buf_free(&a->plan_bytes);
	buf_free(&a->certificate_bytes);
	buf_free(&a->certificate_sig);
	buf_free(&a->proof_bytes);
	io_close(&a->remover);
	*a = (struct answer){ .remover = -1 };
}

static const struct { const char *name; size_t offset; } files[] = {
	{ "case.json", offsetof(struct answer, case_bytes) },
	{ "plan.json", offsetof(struct answer, plan_bytes) },
	{ "certificate.json", offsetof(struct answer, certificate_bytes) },
	{ "certificate.json.sig", offsetof(struct answer, certificate_sig) },
	{ "proof.json", offsetof(struct answer, proof_bytes) },
};

static int copy_remover(const struct answer *a, const char *path, struct err *e)
{
	int out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0700), rc = -1;

	if (out < 0)
		return err_sys(e, "cannot create %s", err_q(path));
	if (lseek(a->remover, 0, SEEK_SET) < 0 || io_copy(a->remover, out, REMOVER_MOST, NULL, e) < 0)
		err_wrap(e, "%s", err_q(path));
	else if (fsync(out) < 0)
		err_sys(e, "cannot write %s", err_q(path));
	else
		rc = 0;
	close(out);
	return rc;
}

int answer_keep(const struct answer *a, const char *folder, struct err *e)
{
	char *beside = buf_printf("%s.new", folder), *path = NULL;
	struct err ignored;
	int rc = -1;

	io_rmtree(AT_FDCWD, beside, &ignored);   /* what a killed run left */
	if (mkdir(beside, 0700) < 0) {
		err_sys(e, "cannot make the folder %s", err_q(beside));
		goto out;
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		const struct buf *b = (const void *)((const char *)a + files[i].offset);

		free(path);
		path = buf_printf("%s/%s", beside, files[i].name);
		if (atomic_write(path, 0600, buf_str(b), b->len, e) < 0)
			goto out;
	}
	free(path);
	path = buf_printf("%s/remover", beside);
	if (copy_remover(a, path, e) < 0)
		goto out;
	if (access(folder, F_OK) == 0 && io_rmtree(AT_FDCWD, folder, e) < 0)
		goto out;
	if (rename(beside, folder) < 0)
		err_sys(e, "cannot keep %s", err_q(folder));
	else
		rc = 0;
out:
	if (rc < 0)
		io_rmtree(AT_FDCWD, beside, &ignored);
	free(beside);
	free(path);
	return rc;
}

int answer_load(const char *folder, struct answer *a, struct err *e)
{
	char *path = NULL;
	int rc = -1;

	*a = (struct answer){ .remover = -1 };
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		free(path);
		path = buf_printf("%s/%s", folder, files[i].name);
		if (io_slurp_path(path, CAP_JSON, (struct buf *)(void *)((char *)a + files[i].offset), e) < 0)
			goto out;
	}
	free(path);
	path = buf_printf("%s/remover", folder);
	a->remover = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (a->remover < 0)
		err_sys(e, "cannot open the remover %s", err_q(path));
	else
		rc = understand(a, e);
out:
	free(path);
	if (rc < 0)
		answer_free(a);
	return rc;
}
