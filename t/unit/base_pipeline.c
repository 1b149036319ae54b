/* Pipelines: what flows, who is blamed, and that nobody stays. */
#include "unit.h"
#include "base/base.h"

#include <stdlib.h>
#include <unistd.h>

static struct err e;
static size_t failed;

#define SH(script) ((const char *const[]){ "/bin/sh", "-c", script, NULL })

static int run3(const char *a, const char *b, const char *c, int well, int ms, struct buf *out)
{
	struct pipeline_stage s[] = { { .argv = SH(a) }, { .argv = SH(b) }, { .argv = SH(c), .well = well } };
	int fd = io_tmp(&e), rc;

	err_clear(&e);
	rc = pipeline_run(s, 3, -1, fd, ms, &failed, &e);
	buf_clear(out);
	if (lseek(fd, 0, SEEK_SET) || io_slurp(fd, 1 << 20, out, "it", &(struct err){ 0 }))
		exit(99);
	close(fd);
	return rc ? e.code : 0;
}

int main(void)
{
	struct buf out = { 0 };
	int64_t began;

	msg_level(-1);
	OK(run3("echo one; echo two", "sed s/o/0/", "cat; echo three", 0, 10000, &out) == 0, "three stages");
	OK_STR(buf_str(&out), "0ne\ntw0\nthree\n", "one after the other");
	OK(run3("cat", "cat", "wc -c", 0, 10000, &out) == 0 && strtol(buf_str(&out), NULL, 10) == 0, "no input is an empty one");
	OK(run3("echo first: no >&2; exit 69", "cat; sleep .2; echo cut >&2; exit 65", "cat", 0, 10000, &out) == 69 && failed == 0,
	   "the first that fails is to blame, not who gets too little");
	OK_STR(e.msg, "first: no", "with its own words");
	OK(run3("echo a: none >&2; exec >&-; sleep .3; exit 66", "cat >/dev/null; echo empty >&2; exec >&-; exit 65", "cat >/dev/null; exit 65", 0, 10000, &out)
	   == 66 && failed == 0, "also when it closed its output before it ended");
	OK(run3("yes; sleep .2; exit 74", "echo 'noise' >&2; echo 'b: bad  ' >&2; exit 65", "cat", 0, 10000, &out) == 65 && failed == 1,
	   "nor who cannot write any more");
	OK_STR(e.msg, "b: bad", "the last line counts");
	OK(run3("true", "true", "exit 1", 1, 10000, &out) == 0, "an exit code that is well");
	OK(run3("true", "exit 1", "true", 1, 10000, &out) == 1 && failed == 1, "is so for its own stage alone");
	OK(run3("true", "kill -9 $$", "cat", 0, 10000, &out) == EX_SOFTWARE && failed == 1 && strstr(e.msg, "signal 9"), "a signal");
	OK(run3("true", "exit 7", "cat", 0, 10000, &out) == 7 && strstr(e.msg, "ended with 7"), "a failure without words");
	OK(run3("printf '\\033[2J\\233x' >&2; exit 65", "cat", "cat", 0, 10000, &out) == 65 && !strcmp(e.msg, "?[2J?x"), "control bytes are not repeated");
	OK(run3("head -c 300000 /dev/zero | tr '\\0' x >&2; echo >&2; echo end >&2; exit 65", "cat", "cat", 0, 10000, &out) == 65 && !strcmp(e.msg, "end"),
	   "much noise is no obstacle");
	began = clock_mono_ms();
	OK(run3("true", "sleep 30", "cat", 0, 300, &out) == EX_TEMPFAIL && failed == 1, "the time limit: 75");
	OK(clock_mono_ms() - began < 5000, "and all are gone then");
	began = clock_mono_ms();
	OK(run3("true", "sleep 20 >/dev/null & true", "cat", 0, 10000, &out) == 0, "who leaves a child behind has ended all the same");
	OK(clock_mono_ms() - began < 5000, "soon");
	OK(pipeline_run((struct pipeline_stage[]){ { .argv = (const char *const[]){ "/nowhere/tool", NULL } } }, 1, -1, -1, 1000, &failed, &e) < 0 &&
	   e.code == 127, "a tool that is not there");
	buf_free(&out);
	return unit_end();
}
