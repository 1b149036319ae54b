/*
 * mutate FROM TO SEED FILE...: damaged copies of the files, of the row that the seed makes those numbered FROM up to before TO,
 * each given twice to helper-static, confined and limited as always. Prints what became of them; exit 1 when one crashed, hung, ran out of memory, was refused or differed when run again,
 * which is then kept in $MUTATE_KEEP.
 */
#include "confine/confine.h"
#include "fuzz/fields.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define SIZE_MOST (4 * MIB)      /* of a file that is damaged */
#define RUN_MS 60000             /* as the static analysis allows */

enum kind { BITS, FIELDS, CUT, SPLICED, MOVED, KINDS };
static const char *const kind_names[KINDS] = { "bits flipped", "fields changed", "cut", "spliced", "blocks moved" };
static const char *const end_names[] = { "done", "crashed", "over the time", "over the memory", "refused" };

struct sample { const char *path; struct buf b; };

static void flip(struct buf *b, uint64_t *state)
{
	unsigned n = 1 + fields_random(state) % 64;
	/* half of them where the headers stand */
	size_t within = fields_random(state) % 2 && b->len > 1024 ? 1024 : b->len;

	for (unsigned i = 0; i < n; i++)
		b->p[fields_random(state) % within] ^= (unsigned char)(1u << fields_random(state) % 8);
}

static void join(struct buf *b, const struct buf *other, uint64_t *state)
{
	size_t at = fields_random(state) % b->len, from = fields_random(state) % other->len;

	b->len = at;
	buf_add(b, other->p + from, other->len - from);
}

static void move(struct buf *b, uint64_t *state)
{
	size_t n = 1 + fields_random(state) % (b->len < 4096 ? b->len : 4096);
	size_t from = fields_random(state) % (b->len - n + 1), to = fields_random(state) % (b->len - n + 1);

	if (fields_random(state) % 4 == 0)
		memset(b->p + to, fields_random(state) % 2 ? 0xff : 0, n);
	else
		memmove(b->p + to, b->p + from, n);
}

static void damage(struct buf *b, enum kind kind, const struct buf *other, uint64_t *state)
{
	unsigned times = 1 + fields_random(state) % 6;

	switch (kind) {
	case BITS: flip(b, state); break;
	case FIELDS:
		while (times--)
			fields_change(b->p, b->len, state);
		break;
	case CUT: b->len = fields_random(state) % (b->len + 1); break;
	case SPLICED: join(b, other, state); break;
	default: move(b, state); break;
	}
}

static int run(const struct buf *b, const char *rules, struct helper_result *r, struct err *e)
{
	const char *args[] = { rules, NULL };
	int fd = memfd_create("mutant", MFD_CLOEXEC), rc;

	if (fd < 0 || io_write(fd, b->p, b->len))
		return err_sys(e, "cannot hold a mutant");
	rc = helper_run("helper-static", args, fd, RUN_MS, r, e);
	close(fd);
	return rc;
}

static void keep(const struct buf *b, size_t i)
{
	const char *folder = getenv("MUTATE_KEEP");
	struct err e = { 0 };
	char *path = folder ? buf_printf("%s/mutant-%zu", folder, i) : NULL;

	if (path && !atomic_write(path, 0600, b->p, b->len, &e))
		printf("# kept as %s\n", path);
	free(path);
}

/* 0: as it should be. */
static int one(const struct buf *b, const char *rules, size_t *ends, int64_t *slowest, size_t i, const char *what)
{
	struct helper_result first = { 0 }, second = { 0 };
	struct err e = { 0 };
	int64_t begin = clock_mono_ms();
	int bad = run(b, rules, &first, &e);

	if (clock_mono_ms() - begin > *slowest)
		*slowest = clock_mono_ms() - begin;
	if (!bad) {
		ends[first.end]++;
		bad = first.end != HELPER_DONE || first.status || run(b, rules, &second, &e);
	}
	if (bad)
		printf("# mutant %zu of %s: %s %d %s%s\n", i, what, end_names[first.end], first.status, e.msg, first.err.len ? err_qn(first.err.p, first.err.len) : "");
	else if (first.end != second.end || first.out.len != second.out.len || memcmp(first.out.p, second.out.p, first.out.len))
		bad = printf("# mutant %zu of %s: another result when run again\n", i, what);
	if (bad)
		keep(b, i);
	helper_free(&first);
	helper_free(&second);
	return bad != 0;
}

int main(int argc, char **argv)
{
	size_t from = argc > 4 ? strtoul(argv[1], NULL, 10) : 0, to = argc > 4 ? strtoul(argv[2], NULL, 10) : 0;
	size_t samples = argc > 4 ? (size_t)argc - 4 : 0, failed = 0, ends[5] = { 0 }, of[KINDS] = { 0 };
	struct sample *s = buf_alloc((samples + 1) * sizeof *s);
	uint64_t state = argc > 4 ? strtoul(argv[3], NULL, 10) + 1 : 0;
	char *rules = spawn_share(".");
	struct err e = { 0 };
	int64_t slowest = 0;
	struct rusage u;

	msg_init("mutate");
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (from >= to)
		return msg_fail((err_set(&e, EX_USAGE, "usage: mutate FROM TO SEED FILE..."), &e));
	for (size_t i = 0; i < samples; i++) {
		s[i].path = argv[4 + i];
		if (io_slurp_path(s[i].path, SIZE_MOST, &s[i].b, &e) || !s[i].b.len)
			return msg_fail(e.code ? &e : (err_set(&e, EX_DATAERR, "%s is empty", err_q(s[i].path)), &e));
	}
	for (size_t i = 0; i < to; i++) {
		const struct sample *one_of = &s[fields_random(&state) % samples], *other = &s[fields_random(&state) % samples];
		enum kind kind = (enum kind)(i % KINDS);
		struct buf b = { 0 };

		buf_add(&b, one_of->b.p, one_of->b.len);
		damage(&b, kind, &other->b, &state);
		if (i >= from) {
			of[kind]++;
			failed += (size_t)one(&b, rules, ends, &slowest, i, one_of->path);
		}
		buf_free(&b);
	}
	getrusage(RUSAGE_CHILDREN, &u);
	printf("%zu mutants:", to - from);
	for (int k = 0; k < KINDS; k++)
		printf(" %zu %s%s", of[k], kind_names[k], k + 1 < KINDS ? "," : "; ");
	for (int k = 0; k < 5; k++)
		printf("%s%zu %s", k ? ", " : "", ends[k], end_names[k]);
	printf("; %zu failed; slowest %lld ms, largest %ld MiB\n", failed, (long long)slowest, u.ru_maxrss / 1024);
	for (size_t i = 0; i < samples; i++)
		buf_free(&s[i].b);
	free(s);
	free(rules);
	return failed ? EX_NO : 0;
}
