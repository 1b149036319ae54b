/* mwhite without a verb: drops known-good code from a case. */
#include "mwhite.h"
#include "casefile/casefile.h"

struct filter { const struct index *x; bool keep_all; uint64_t seen, known, kept, outdated; };

static void tell_outdated(struct filter *f, const json_t *about)
{
	const json_t *known = json_object_get(about, "known");
	const char *source = jsonio_str(known, "source"), *path = json_string_value(json_array_get(json_object_get(about, "paths"), 0));

	if (!jsonio_bool(known, "outdated", false))
		return;
	f->outdated++;
	msg_info("out of date: %s of %s", err_q(path ? path : "-"), err_q(source ? source : ""));
}

static int about(void *ctx, const char *sha256, json_t *a, struct err *e)
{
	struct filter *f = ctx;
	enum decision d = decide_about(f->x, a);

	(void)sha256;
	(void)e;
	f->seen++;
	f->known += d != DECIDE_UNKNOWN;
	tell_outdated(f, a);
	if (d == DECIDE_DROP && !f->keep_all)
		return 0;
	f->kept += d != DECIDE_UNKNOWN;
	return 1;
}

static void tell(const struct filter *f)
{
	bool one = f->outdated == 1;

	if (f->outdated)
		msg_warn("%llu known piece%s of code %s out of date: %s package was upgraded while it ran; -v names %s", (unsigned long long)f->outdated,
			one ? "" : "s", one ? "is" : "are", one ? "its" : "each one's", one ? "it" : "them");
	msg_info("%llu of %llu pieces of code are known good, %llu of these kept", (unsigned long long)f->known,
		(unsigned long long)f->seen, (unsigned long long)f->kept);
}

int mwhite_filter(const struct options *o, char **operands, struct err *e)
{
	struct filter f = {.keep_all = o->keep_all};
	struct casefilter cf = {.tool = "mwhite", .ctx = &f, .about = about};
	struct index *x = mwhite_open(o, e);
	struct atomic *a = NULL;
	int in = -1, rc = -1;

	if (!x)
		return -1;
	f.x = x;
	if ((in = io_open_in(*operands, e)) < 0 || !(a = atomic_open(o->t.out, 0600, false, e)))
		goto out;
	if (casefilter_run(&cf, in, atomic_fd(a), e) < 0)
		goto out;
	rc = atomic_commit(a, e);
	a = NULL;
	tell(&f);
out:
	atomic_abort(a);
	io_close(&in);
	index_close(x);
	return rc;
}
