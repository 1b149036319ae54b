/* The whole way: written, read, filtered; plain and in zstd. */
#include "casefile/casefile.h"
#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

static struct err e;
static const char text[] = "#!/bin/sh\nexit 0\n";
static char sha[DIGEST_HEX], other[DIGEST_HEX];

static int scratch(void)
{
	int fd = io_tmp(&e);

	if (fd < 0)
		exit(msg_fail(&e));
	return fd;
}

static int add_code(struct caseout *out, const char *hex, const void *p, size_t n)
{
	char path[CAP_PATH];
	json_t *j = json_pack("{s:s, s:s, s:i, s:[]}", "sha256", hex, "kind", "file", "size", (int)n, "signs");
	int rc;

	snprintf(path, sizeof path, "code/%s/about.json", hex);
	rc = caseout_json(out, path, j, &e);
	json_decref(j);
	snprintf(path, sizeof path, "code/%s/body", hex);
	return rc || caseout_bytes(out, path, 0, p, n, &e);
}

static int sign(void *arg, const struct buf *manifest, struct buf *sig, struct err *err)
{
	(void)err;
	*(size_t *)arg = manifest->len;
	buf_adds(sig, "a signature");
	return 0;
}

static int new_case(bool zstd, size_t *signed_len)
{
	json_t *head = casefilter_new_case("test", json_pack("{s:s}", "name", "here"));
	int fd = scratch();
	struct caseout *out = caseout_open(fd, zstd, &e);

	if (!out || caseout_json(out, "case.json", head, &e) || add_code(out, sha, text, strlen(text)) ||
	    add_code(out, other, "other", 5) || caseout_bytes(out, "remedy/unknown", 0644, "x", 1, &e) ||
	    caseout_finish(out, signed_len ? sign : NULL, signed_len, &e))
		exit(msg_fail(&e));
	json_decref(head);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void read_back(bool zstd)
{
	size_t len = 0;
	int fd = new_case(zstd, &len), n = 0, rc;
	struct casein *in = casein_open(fd, &e);
	const struct member *m;
	struct buf b = { 0 };
	char seen[1024] = "";

	OK(in, "opens");
	OK(casein_was_zstd(in) == zstd, "knows its compression");
	while ((rc = casein_next(in, &m, &e)) > 0) {
		n++;
		snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%d:%s:%o ", m->kind, m->name, m->mode);
		if (m->kind == MEMBER_BODY && !strcmp(m->code, sha)) {
			char c[4];

			OK(casein_read(in, c, 4, &e) == 4 && !memcmp(c, text, 4), "first bytes");
			OK(casein_load(in, 100, &b, &e) == 0, "the rest");
			OK_STR(buf_str(&b), text + 4, "is the rest");
			OK(casein_read(in, c, 4, &e) == 0, "nothing behind it");
		}
	}
	OK(rc == 0, rc ? e.msg : "verified to the end");
	OK(n == 6, "six members");
	OK_STR(seen, "0:case.json:644 1:about.json:644 2:body:0 1:about.json:644 2:body:0 6:remedy/unknown:644 ", "kinds, names, modes");
	OK(len == casein_manifest(in)->len, "the signer saw the manifest");
	OK_STR(buf_str(casein_signature(in)), "a signature", "signature");
	buf_free(&b);
	casein_close(in);
	close(fd);
}

static int about(void *ctx, const char *hex, json_t *j, struct err *err)
{
	(void)ctx, (void)err;
	json_object_set_new(j, "score", json_integer(7));
	return strcmp(hex, other) != 0;
}

static int tap(void *ctx, const struct member *m, struct tap *t, struct err *err)
{
	(void)err;
	if (m->kind == MEMBER_BODY)
		t->buf = ctx;
	return !strcmp(m->path, "remedy/unknown") ? TAP_DROP : m->kind == MEMBER_BODY ? TAP_TAKE : TAP_PASS;
}

static int code_end(void *ctx, const char *hex, struct caseout *out, struct err *err)
{
	char path[CAP_PATH];

	snprintf(path, sizeof path, "code/%s/size.txt", hex);
	return caseout_bytes(out, path, 0644, ((struct buf *)ctx)->p, 3, err);
}

static int verified, ended;
static int on_verified(void *ctx, const struct casein *in, struct err *err)
{
	(void)ctx, (void)err;
	verified = casein_manifest(in)->len > 0 && !ended;
	return 0;
}

static int on_end(void *ctx, struct caseout *out, struct err *err)
{
	(void)ctx;
	ended = 1;
	return caseout_bytes(out, "report/x", 0644, "y", 1, err);
}

static void filter(bool zstd)
{
	struct buf kept = { 0 }, all = { 0 };
	struct casefilter f = { .tool = "filter", .ctx = &kept, .about = about, .tap = tap, .code_end = code_end,
		.verified = on_verified, .end = on_end };
	int in = new_case(zstd, NULL), out = scratch(), rc;
	struct casein *c;
	const struct member *m;

	verified = ended = 0;
	rc = casefilter_run(&f, in, out, &e);
	OK(rc == 0, rc ? e.msg : "filter runs");
	OK_STR(buf_str(&kept), text, "the kept code was tapped, the dropped not");
	OK(verified && ended, "verified, then end");
	lseek(out, 0, SEEK_SET);
	c = casein_open(out, &e);
	OK(c && casein_was_zstd(c) == zstd, "same compression");
	while ((rc = casein_next(c, &m, &e)) > 0) {
		buf_addf(&all, "%s ", m->name);
		if (m->kind == MEMBER_ABOUT) {
			json_t *j = casein_json(c, &e);

			OK(jsonio_int(j, "score", 0) == 7, "about was edited");
			json_decref(j);
		} else if (m->kind == MEMBER_CASE) {
			json_t *j = casein_json(c, &e);

			OK(json_array_size(json_object_get(j, "trail")) == 2, "the trail grew");
			json_decref(j);
		}
	}
	OK(rc == 0, rc ? e.msg : "output verifies");
	OK_STR(buf_str(&all), "case.json about.json size.txt report/x ", "members of the output");
	casein_close(c);
	buf_free(&kept);
	buf_free(&all);
	close(in);
	close(out);
}

static void squeeze(void)
{
	int a = scratch(), b = scratch(), c = scratch();
	struct buf got = { 0 };

	OK(io_write(a, text, strlen(text)) == 0 && lseek(a, 0, SEEK_SET) == 0, "a body");
	OK(squeeze_fd(a, b, &e) == 0 && lseek(b, 0, SEEK_SET) == 0, "squeezed");
	OK(unsqueeze_fd(b, c, strlen(text), &e) == 0, "unsqueezed");
	lseek(c, 0, SEEK_SET);
	OK(io_slurp(c, 1000, &got, "c", &e) == 0 && !strcmp(buf_str(&got), text), "is the body");
	lseek(b, 0, SEEK_SET);
	OK(unsqueeze_fd(b, c, strlen(text) - 1, &e) == -1 && e.code == EX_DATAERR, "over the cap");
	lseek(a, 0, SEEK_SET);
	OK(unsqueeze_fd(a, c, 1000, &e) == -1 && e.code == EX_DATAERR, "no zstd");
	OK(ftruncate(b, lseek(b, 0, SEEK_END) - 1) == 0 && lseek(b, 0, SEEK_SET) == 0, "cut");
	OK(unsqueeze_fd(b, c, 1000, &e) == -1 && e.code == EX_DATAERR, "cut is refused");
	OK(ftruncate(a, 0) == 0 && ftruncate(b, 0) == 0 && ftruncate(c, 0) == 0, "empty");
	lseek(a, 0, SEEK_SET);
	lseek(b, 0, SEEK_SET);
	OK(squeeze_fd(a, b, &e) == 0 && lseek(b, 0, SEEK_END) > 0, "an empty body is a frame");
	lseek(b, 0, SEEK_SET);
	OK(unsqueeze_fd(b, c, 0, &e) == 0 && lseek(c, 0, SEEK_END) == 0, "and back");
	buf_free(&got);
	close(a);
	close(b);
	close(c);
}

int main(void)
{
	msg_init("casefile_run");
	digest_bytes(text, strlen(text), sha);
	digest_bytes("other", 5, other);
	read_back(false);
	read_back(true);
	filter(false);
	filter(true);
	squeeze();
	return unit_end();
}
