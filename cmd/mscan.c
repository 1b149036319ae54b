#include <getopt.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "casefile/casefile.h"
#include "host/host.h"
#include "known/known.h"

#define DEFAULT_FOLDER "/var/lib/muss"
#define DEFAULT_INDEX DEFAULT_FOLDER "/scan.idx"

static const char usage[] =
	"usage: mscan [-bqvz] [--budget percent] [--patience seconds] [-i index] [-w index] [-R root] [-s score] [-W seconds] [-p pid | -f path ...] [-o file]\n"
	"       mscan --list-signs | --explain sign\n"
	"\n"
	"Finds the code that runs on this machine or starts by itself, and writes a case.\n"
	"\n"
	"  -f path ...    these files and trees instead of the machine\n"
	"  -p pid         this process instead of the machine\n"
	"  -R root        the start-up places of a system that does not run\n"
	"  -i index       remember there what files hold, and read those that did not change no more\n"
	"                 (default: " DEFAULT_INDEX " for root, where that folder exists)\n"
	"  --rehash       read them all the same, and hold them against it\n"
	"  --no-index     remember nothing\n"
	"  -w index       leave out what the whitelist index knows, as 'mwhite -d index' does\n"
	"  -s score       only code of at least this score; 'submit': of the score at which code is sent to the centre\n"
	"  -W seconds     look at memory and processes again and again for so long: finds code that changes or hides\n"
	"  -b             in the background: only when the machine has nothing else to do, and slower while others wait\n"
	"  --budget percent  take no more than that of one processor core\n"
	"  --patience seconds  give up on a file or process that does not answer for so long (default: 10)\n"
	"  -z             compress the case with zstd\n"
	"  -o file        write the case there (default: standard output)\n"
	"  --list-signs   all signs with their groups and weights (~: estimated)\n"
	"  --explain sign what a sign means, and where its weight comes from\n"
	"  -q -v -V -h    quiet, verbose, version, help\n"
	"\n"
	"examples:\n"
	"  mscan -s submit -o today.case\n"
	"  mscan -f /usr/local/bin | mls\n"
	"\n"
	"exit: 0 done (what could not be seen is in the case), 64 usage, 66 no such input, 74 output failed, 78 criteria\n";

enum { OPT_LIST = 256, OPT_EXPLAIN, OPT_REHASH, OPT_NO_INDEX, OPT_BUDGET, OPT_PATIENCE };

static int list_signs(const struct judge *j)
{
	const struct judge_sign *s;
	size_t i;

	for (i = 0; (s = judge_at(j, i)); i++)
		printf("%-20s %-10s %6.1f%c %s\n", s->name, s->group, s->weight, s->derived ? ' ' : '~', s->meaning);
	return 0;
}

static int explain(const struct judge *j, const char *name, struct err *e)
{
	const struct judge_sign *s = judge_find(j, name);
	struct buf text = { 0 };

	if (!s)
		return err_set(e, EX_USAGE, "there is no sign %s; see --list-signs", err_q(name));
	judge_explain(s, &text);
	fputs(buf_str(&text), stdout);
	buf_free(&text);
	return 0;
}

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

static int write_case(struct host *h, json_t *profile, const char *path, bool zstd, double least, const struct index *known, struct err *e)
{
	struct host_sink sink = { .about = put_about, .bytes = put_bytes };
	struct atomic *a = atomic_open(path, 0600, false, e);
	struct caseout *out = a ? caseout_open(atomic_fd(a), zstd, e) : NULL;
	struct output o = { out, known };
	json_t *head = NULL;
	int rc = -1;

	if (out) {
		head = casefilter_new_case("mscan", json_incref(profile));
		sink.ctx = &o;
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

/* Nobody at the machine shall notice: the scan gives way to everything. */
static void step_back(bool idle)
{
	const struct sched_param none = { 0 };

	if (setpriority(PRIO_PROCESS, 0, 19) < 0)
		msg_debug("cannot lower the priority");
	if (!idle)
		return;
	if (sched_setscheduler(0, SCHED_IDLE, &none) < 0
	    || syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)) < 0)
		msg_debug("cannot become idle");
}

/* Of the whole machine, root remembers without being told, where nobody else could write. */
static const char *default_index(void)
{
	struct stat st;

	return !geteuid() && !lstat(DEFAULT_FOLDER, &st) && S_ISDIR(st.st_mode) && !st.st_uid && !(st.st_mode & 022) ? DEFAULT_INDEX : NULL;
}

static struct cache *open_cache(const char *path, bool rehash)
{
	unsigned char stamp[32];

	if (!path)
		return NULL;
	host_stamp(stamp);
	return cache_open(path, stamp, rehash);
}

struct job {
	const struct judge *j;
	const char *root, *index, *remember, *out;
	char **files;             /* ends with NULL; NULL: not these but the machine */
	pid_t pid;
	unsigned watch;           /* seconds */
	bool zstd, idle, rehash;
	double least, budget;
};

static int inspect(void *ctx, struct err *e)
{
	const struct job *job = ctx;
	struct index *known = NULL;
	struct host *h = NULL;
	struct cache *cache = NULL;
	json_t *profile = NULL;
	const char *missed;
	char **file;
	int rc = -1;

	host_pace(job->budget, job->idle);
	if (job->index && !(known = index_open(job->index, e)))
		goto out;
	h = host_open(job->root, job->j, e);
	if (!h)
		goto out;
	cache = open_cache(job->remember, job->rehash);
	if (cache)
		host_use_cache(h, cache);
	if (job->watch)
		host_watch(h);
	rc = job->pid ? host_scan_process(h, job->pid, e) : job->files ? 0 : host_scan(h, e);
	if (!rc && job->watch)
		rc = host_again(h, job->watch, job->pid, e);
	for (file = job->files; !rc && file && *file; file++)
		rc = host_scan_path(h, *file, e);
	if (!rc && !(profile = host_profile(h, e)))
		rc = -1;
	if (!rc)
		rc = host_guard_over(e);
	if (!rc)
		rc = write_case(h, profile, job->out, job->zstd, job->least, known, e);
	missed = rc ? NULL : host_unseen(h);
	if (missed)
		msg_warn("not everything was seen: %s", missed);
out:
	json_decref(profile);
	host_close(h);
	if (cache && !rc)   /* a sign that no case tells is not to be forgotten */
		cache_commit(cache, !job->pid);
	cache_close(cache);
	index_close(known);
	return rc;
}

static double number(const struct tool *t, const char *option, const char *text, double least, double most)
{
	char *end;
	double v = strtod(text, &end);

	if (*end || end == text || !(v >= least && v <= most))
		tool_usage(t, "%s wants a number from %g to %g, not %s", option, least, most, err_q(text));
	return v;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "list-signs", no_argument, NULL, OPT_LIST }, { "explain", required_argument, NULL, OPT_EXPLAIN },
		{ "background", no_argument, NULL, 'b' }, { "budget", required_argument, NULL, OPT_BUDGET },
		{ "patience", required_argument, NULL, OPT_PATIENCE }, { "rehash", no_argument, NULL, OPT_REHASH },
		{ "no-index", no_argument, NULL, OPT_NO_INDEX }, { NULL, 0, NULL, 0 },
	};
	struct job job = { .least = -1e9 };
	const char *sign = NULL;
	bool submit = false, forget = false, list = false, idle = false, files = false;
	double budget = 0, patience = 10;
	struct judge *j;
	struct tool t;
	struct err e;
	char *end = NULL;
	int c, rc = -1;

	err_clear(&e);
	tool_init(&t, "mscan", usage, argc, argv);
	while ((c = tool_getopt(&t, "bfi:o:p:R:s:w:W:z", longs)) != -1)
		switch (c) {
		case 'b': idle = true; break;
		case 'f': files = true; break;
		case 'i': job.remember = optarg; break;
		case 'R': job.root = optarg; break;
		case 'w': job.index = optarg; break;
		case 'z': job.zstd = true; break;
		case 'p':
			job.pid = (pid_t)strtol(optarg, &end, 10);
			if (*end || end == optarg || job.pid <= 0 || strlen(optarg) > 7 || job.pid > 1 << 22)
				tool_usage(&t, "-p wants the number of a process, not %s", err_q(optarg));
			break;
		case 's':
			submit = !strcmp(optarg, "submit");
			job.least = strtod(optarg, &end);
			if (!submit && (*end || end == optarg))
				tool_usage(&t, "-s wants a score or 'submit', not %s", err_q(optarg));
			break;
		case 'W':
			job.watch = (unsigned)number(&t, "-W", optarg, 1, 86400);
			break;
		case OPT_LIST: list = true; break;
		case OPT_REHASH: job.rehash = true; break;
		case OPT_NO_INDEX: forget = true; break;
		case OPT_EXPLAIN: sign = optarg; break;
		case OPT_BUDGET: budget = number(&t, "--budget", optarg, 0.1, 100); break;
		case OPT_PATIENCE: patience = number(&t, "--patience", optarg, 0.2, 3600); break;
		}
	if (files ? optind >= argc : optind < argc)
		tool_usage(&t, files ? "-f wants a path" : "unexpected operand %s", files ? "" : err_q(argv[optind]));
	if (job.pid && (files || job.root))
		tool_usage(&t, "-p goes with neither -f nor -R");
	if (job.watch && (files || job.root))
		tool_usage(&t, "-W goes with neither -f nor -R");
	if (forget && (job.remember || job.rehash))
		tool_usage(&t, "--no-index goes with neither -i nor --rehash");
	if (!forget && !job.remember && !job.pid && !files && !job.root)
		job.remember = default_index();
	if (job.rehash && !job.remember)
		tool_usage(&t, "--rehash needs the index to hold files against: -i");
	j = judge_load(NULL, &e);
	if (!j)
		goto out;
	if (submit)
		job.least = judge_submit(j);
	if (list || sign) {
		rc = list ? list_signs(j) : explain(j, sign, &e);
		goto out;
	}
	step_back(idle);
	job.budget = budget;
	job.idle = idle;
	job.j = j;
	job.out = t.out;
	job.files = files ? argv + optind : NULL;
	rc = host_guarded(inspect, &job, (unsigned)(patience * 1000), &e);
out:
	judge_free(j);
	return tool_end(&t, rc, &e);
}
