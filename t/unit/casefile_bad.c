/* What must be refused: each kind of t/badcase.h, a sound case cut at every length and with every byte changed. */
#include "../badcase.h"
#include "casefile/casefile.h"
#include "unit.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The sanitizers look closer, at a sample. */
#ifdef __SANITIZE_ADDRESS__
#define STEP 7
#else
#define STEP 1
#endif

static int in_fd, out_fd;

static void put(int fd, const void *p, size_t n)
{
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET) || (n && io_write(fd, p, n)) || lseek(fd, 0, SEEK_SET)) {
		perror("put");
		exit(70);
	}
}

/* Through the filter that changes nothing. */
static int filter(const void *p, size_t n, struct err *e)
{
	static const struct casefilter f;

	put(in_fd, p, n);
	put(out_fd, NULL, 0);
	err_clear(e);
	return casefilter_run(&f, in_fd, out_fd, e);
}

/* The reader alone, without the writer's own checks behind it. */
static int just_read(const void *p, size_t n, struct err *e)
{
	static const struct casefilter f;

	put(in_fd, p, n);
	err_clear(e);
	return casefilter_run(&f, in_fd, -1, e);
}

/* Does a reader take what came out for whole? */
static bool output_verifies(void)
{
	static const struct casefilter f;
	struct err e = { 0 };

	lseek(out_fd, 0, SEEK_SET);
	return casefilter_run(&f, out_fd, -1, &e) == 0;
}

static void kinds(void)
{
	struct err e;

	for (size_t i = 0; i < sizeof badcase_kinds / sizeof *badcase_kinds; i++) {
		const struct badcase_kind *k = &badcase_kinds[i];
		struct buf b = { 0 };
		int rc;

		badcase_make(k->kind, &b);
		rc = filter(b.p, b.len, &e);
		if (!k->names) {
			OK(rc == 0 && output_verifies(), k->kind);
		} else if (!OK(rc == -1 && e.code == EX_DATAERR && strstr(e.msg, k->names) && !strchr(e.msg, '\n') && !output_verifies(),
			       k->kind)) {
			printf("# rc %d code %d: %s\n", rc, e.code, e.msg);
		}
		rc = just_read(b.p, b.len, &e);
		if (k->names && !OK(rc == -1 && e.code == EX_DATAERR && strstr(e.msg, k->names), k->kind))
			printf("# only read: rc %d code %d: %s\n", rc, e.code, e.msg);
		buf_free(&b);
	}
}

static void make_zstd(const struct buf *plain, struct buf *out)
{
	struct err e = { 0 };

	put(in_fd, plain->p, plain->len);
	put(out_fd, NULL, 0);
	if (squeeze_fd(in_fd, out_fd, &e))
		exit(msg_fail(&e));
	lseek(out_fd, 0, SEEK_SET);
	if (io_slurp(out_fd, MIB, out, "zstd", &e))
		exit(msg_fail(&e));
}

static void cuts(const struct buf *whole, const char *name)
{
	struct err e;
	size_t bad = 0, len = 0;
	char msg[sizeof e.msg] = "";

	for (size_t n = 0; n < whole->len; n += STEP) {
		if (filter(whole->p, n, &e) == -1 && e.code == EX_DATAERR && !output_verifies())
			continue;
		if (!bad++) {
			len = n;
			memcpy(msg, e.msg, sizeof msg);
		}
	}
	if (!OK(bad == 0, name))
		printf("# %zu lengths of %zu; the first: %zu: %s\n", bad, whole->len, len, msg);
}

static void flips(const struct buf *whole, const char *name)
{
	static const unsigned char masks[] = { 0x01, 0x20, 0x80, 0xff };
	struct err e;
	size_t bad = 0, at = 0;

	for (size_t i = 0; i < whole->len; i += STEP) {
		unsigned char mask = masks[(i + i / 512) % sizeof masks];

		whole->p[i] ^= mask;
		if (filter(whole->p, whole->len, &e) == 0 || e.code != EX_DATAERR || output_verifies()) {
			if (!bad++)
				at = i;
		}
		whole->p[i] ^= mask;
	}
	if (!OK(bad == 0, name))
		printf("# %zu bytes of %zu; the first: %zu\n", bad, whole->len, at);
}

/* Two frames are one stream; rubbish behind a frame, or a frame in a frame, are not. */
static void frames(const struct buf *plain)
{
	struct buf a = { 0 }, b = { 0 }, first = *plain, second;
	struct err e;

	first.len = 700;
	second = (struct buf){ plain->p + 700, plain->len - 700, 0 };
	make_zstd(&first, &a);
	make_zstd(&second, &a);
	OK(filter(a.p, a.len, &e) == 0 && output_verifies(), "two frames");
	buf_addc(&a, 'x');
	OK(filter(a.p, a.len, &e) == -1 && e.code == EX_DATAERR, "rubbish behind a frame");
	buf_clear(&a);
	make_zstd(plain, &a);
	make_zstd(&a, &b);
	OK(filter(b.p, b.len, &e) == -1 && e.code == EX_DATAERR && strstr(e.msg, "more than once"), "compressed twice");
	buf_free(&a);
	buf_free(&b);
}

/* What comes in a byte at a time, as from a slow pipe. */
static void trickle(const struct buf *plain)
{
	static const struct casefilter f;
	struct err e = { 0 };
	int p[2];
	pid_t pid;

	if (pipe(p) || (pid = fork()) < 0)
		exit(75);
	if (pid == 0) {
		for (size_t i = 0; i < plain->len; i++)
			if (write(p[1], plain->p + i, 1) != 1)
				_exit(1);
		_exit(0);
	}
	close(p[1]);
	put(out_fd, NULL, 0);
	OK(casefilter_run(&f, p[0], out_fd, &e) == 0 && output_verifies(), "a byte at a time");
	close(p[0]);
	waitpid(pid, NULL, 0);
}

static void writer(void)
{
	struct err e = { 0 };
	struct caseout *out;
	char sha[DIGEST_HEX], path[CAP_PATH];
	static const char *const names[] = { "/x", "a/../b", "code/x/body", "a b", "" };

	put(out_fd, NULL, 0);
	out = caseout_open(out_fd, false, &e);
	OK(out && caseout_bytes(out, "remedy/x", 0644, "x", 1, &e) == -1, "nothing before case.json");
	caseout_abort(out);
	out = caseout_open(out_fd, false, &e);
	caseout_bytes(out, "case.json", 0644, BADCASE_HEAD, strlen(BADCASE_HEAD), &e);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		OK(caseout_bytes(out, names[i], 0644, "x", 1, &e) == -1 && e.code == EX_DATAERR, names[i]);
	OK(caseout_bytes(out, "remedy/x", 0644, "x", 1, &e) == 0, "a member");
	OK(caseout_bytes(out, "remedy/x", 0644, "x", 1, &e) == -1, "twice");
	OK(caseout_begin(out, "remedy/y", 0644, 3, &e) == 0 && caseout_write(out, "xxxx", 4, &e) == -1, "longer than said");
	caseout_abort(out);
	out = caseout_open(out_fd, false, &e);
	caseout_bytes(out, "case.json", 0644, BADCASE_HEAD, strlen(BADCASE_HEAD), &e);
	OK(caseout_begin(out, "remedy/y", 0644, 3, &e) == 0 && caseout_end(out, &e) == -1, "shorter than said");
	caseout_abort(out);
	out = caseout_open(out_fd, false, &e);
	caseout_bytes(out, "case.json", 0644, BADCASE_HEAD, strlen(BADCASE_HEAD), &e);
	digest_bytes("x", 1, sha);
	snprintf(path, sizeof path, "code/%s/about.json", sha);
	OK(caseout_bytes(out, path, 0644, "{}", 2, &e) == 0, "a code");
	snprintf(path, sizeof path, "code/%s/body", sha);
	OK(caseout_bytes(out, path, 0644, "y", 1, &e) == -1 && e.code == EX_DATAERR, "a body of another digest");
	caseout_abort(out);
	OK(!output_verifies(), "an aborted case is not whole");
	out_fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	out = caseout_open(out_fd, false, &e);
	OK(out && caseout_bytes(out, "case.json", 0644, BADCASE_HEAD, strlen(BADCASE_HEAD), &e) == 0 &&
		   caseout_finish(out, NULL, NULL, &e) == -1 && e.code == EX_IOERR, "a full disk");
}

int main(void)
{
	struct buf plain = { 0 }, zstd = { 0 };
	struct err e = { 0 };

	msg_init("casefile_bad");
	in_fd = io_tmp(&e);
	out_fd = io_tmp(&e);
	if (in_fd < 0 || out_fd < 0)
		return msg_fail(&e);
	kinds();
	badcase_make("signed", &plain);
	make_zstd(&plain, &zstd);
	OK(filter(zstd.p, zstd.len, &e) == 0 && output_verifies(), "zstd");
	cuts(&plain, "cut at every length");
	cuts(&zstd, "cut at every length, zstd");
	/* Not the signed one: a signature's bytes are for whoever verifies it. */
	buf_clear(&plain);
	badcase_make("good", &plain);
	flips(&plain, "every byte changed");
	frames(&plain);
	trickle(&plain);
	writer();
	buf_free(&plain);
	buf_free(&zstd);
	return unit_end();
}
