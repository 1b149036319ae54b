/* Writes what a scan found as a case. */
#include "mscan.h"
#include "casefile/casefile.h"
#include "known/known.h"

#include <unistd.h>

struct output {
	struct caseout *out;
	const struct index *known;   /* or NULL */
};

static int put_about(void *ctx, const char *path, const json_t *about, struct err *e)
{
	const struct output *o = ctx;
	json_t *marked = o->known ? json_copy((json_t *)(uintptr_t)about) : NULL;
	int rc = 1;

	if (!marked || decide_about(o->known, marked) != DECIDE_DROP)
		rc = caseout_json(o->out, path, marked ? marked : about, e);
	json_decref(marked);
	return rc;
}

static int put_bytes(void *ctx, const char *path, int fd, int64_t offset, uint64_t size, struct err *e)
{
	struct caseout *out = ((const struct output *)ctx)->out;
	static unsigned char block[65536];
	ssize_t n;

	if (caseout_begin(out, path, 0, size, e) < 0)
		return -1;
	for (; size; size -= (uint64_t)n, offset += n) {
		n = pread(fd, block, size < sizeof(block) ? (size_t)size : sizeof(block), offset);
		if (n <= 0)
			return err_sys(e, "cannot read dumped memory back");
		if (caseout_write(out, block, (size_t)n, e) < 0)
			return -1;
	}
	return caseout_end(out, e);
}

int mscan_case(const struct options *o, double least, struct host *h, json_t *profile, const struct index *known, struct err *e)
{
	struct host_sink sink = { .about = put_about, .bytes = put_bytes };
	struct atomic *a = atomic_open(o->t.out, 0600, false, e);
	struct caseout *out = a ? caseout_open(atomic_fd(a), o->zstd, e) : NULL;
	struct output to = { out, known };
	json_t *head = NULL;
	int rc = -1;

	if (out) {
		head = casefilter_new_case("mscan", json_incref(profile));
		sink.ctx = &to;
		rc = caseout_json(out, "case.json", head, e);
	}
	if (!rc)
		rc = host_emit(h, least, &sink, e);
	json_decref(head);
	if (rc < 0)
		caseout_abort(out);
	else
		rc = caseout_finish(out, NULL, NULL, e);
	if (!rc)
		return atomic_commit(a, e);
	atomic_abort(a);
	return -1;
}
