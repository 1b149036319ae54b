/* The scan: as far back as it is to stand, with the indexes that it uses. */
#include "mscan.h"
#include "known/known.h"

#include <linux/ioprio.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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
const char *mscan_default_index(void)
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

struct job { const struct options *o; const struct judge *j; };

static int scan(struct host *h, const struct options *o, struct err *e)
{
	char **file;
	int rc;

	if (o->watch)
		host_watch(h);
	rc = o->pid ? host_scan_process(h, o->pid, e) : o->files ? 0 : host_scan(h, e);
	if (!rc && o->watch)
		rc = host_again(h, o->watch, o->pid, e);
	for (file = o->files; !rc && file && *file; file++)
		rc = host_scan_path(h, *file, e);
	return rc;
}

/* The scan is over: its case. */
static int tell(struct host *h, const struct job *job, const struct index *known, struct err *e)
{
	double least = job->o->submit ? judge_submit(job->j) : job->o->least;
	json_t *profile = host_profile(h, e);
	const char *missed;
	int rc = profile ? host_guard_over(e) : -1;

	if (!rc)
		rc = mscan_case(job->o, least, h, profile, known, e);
	missed = rc ? NULL : host_unseen(h);
	if (missed)
		msg_warn("not everything was seen: %s", missed);
	json_decref(profile);
	return rc;
}

static int inspect(void *ctx, struct err *e)
{
	const struct job *job = ctx;
	const struct options *o = job->o;
	struct index *known = NULL;
	struct host *h = NULL;
	struct cache *cache = NULL;
	int rc = -1;

	host_pace(o->budget, o->idle);
	if (o->known && !(known = index_open(o->known, e)))
		goto out;
	h = host_open(o->root, job->j, e);
	if (!h)
		goto out;
	cache = open_cache(o->index, o->rehash);
	if (cache)
		host_use_cache(h, cache);
	rc = scan(h, o, e);
	if (!rc)
		rc = tell(h, job, known, e);
out:
	host_close(h);
	if (cache && !rc)   /* a sign that no case tells is not to be forgotten */
		cache_commit(cache, !o->pid);
	cache_close(cache);
	index_close(known);
	return rc;
}

int mscan_look(const struct options *o, const struct judge *j, struct err *e)
{
	struct job job = { o, j };

	step_back(o->idle);
	return host_guarded(inspect, &job, (unsigned)(o->patience * 1000), e);
}
