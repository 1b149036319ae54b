#include "host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define PATIENT_TIMES 6           /* a process has so many times the patience that a single answer has */

struct host *host_open(const char *root, const struct judge *j, struct err *e)
{
	struct host *h = buf_alloc(sizeof(*h));
	char real[PATH_MAX];
	struct stat st;

	h->judge = j;
	h->root = h->proc = h->groups = -1;
	h->began = clock_mono_ms();
	h->unseen = json_array();
	h->spool = spool_new();
	if (getrandom(&h->secret, sizeof(h->secret), 0) != (ssize_t)sizeof(h->secret))
		h->secret = (uint64_t)h->began;
	if (!root)
		root = "/";
	if (!realpath(root, real)) {
		err_sys(e, "cannot look at %s", err_q(root));
		goto fail;
	}
	h->live = !strcmp(real, "/");
	h->root_path = buf_strdup(h->live ? "" : real);
	h->root = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->root < 0) {
		err_sys(e, "cannot look at %s", err_q(root));
		goto fail;
	}
	if (h->live) {
		h->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (h->proc < 0) {
			err_sys(e, "cannot look at '/proc'");
			goto fail;
		}
		h->groups = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (!fstatat(h->proc, "self/ns/mnt", &st, 0))
			h->mntns = st.st_ino;
		if (!fstatat(h->proc, "self/ns/pid", &st, 0))
			h->pidns = st.st_ino;
	}
	h->dpkg = dpkg_open(h->root);
	h->runtimes = h->live && h->dpkg ? runtime_load(e) : NULL;
	if (h->live && h->dpkg && !h->runtimes && e->code != EX_NOINPUT)
		goto fail;
	err_clear(e);
	return h;
fail:
	host_close(h);
	return NULL;
}

void host_close(struct host *h)
{
	size_t i;

	if (!h)
		return;
	for (i = 0; i < h->piece_count; i++)
		piece_free(h->pieces[i]);
	free(h->pieces);
	free(h->index);
	free(h->seen);
	free(h->raw.inode);
	free(h->listening.inode);
	free(h->root_path);
	io_close(&h->root);
	io_close(&h->proc);
	io_close(&h->groups);
	dpkg_close(h->dpkg);
	roots_free(h);
	again_free(h);
	spool_free(h->spool);
	json_decref(h->unseen);
	json_decref(h->runtimes);
	buf_free(&h->unseen_line);
	free(h);
}

void host_missed(struct host *h, const char *fmt, ...)
{
	char reason[512];
	const json_t *o;
	json_t *name;
	va_list ap;
	size_t i;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	name = jsonio_name(reason);
	json_array_foreach(h->unseen, i, o)
		if (json_equal(o, name))
			goto out;
	if (json_array_size(h->unseen) < CAP_UNSEEN)
		json_array_append(h->unseen, name);
out:
	json_decref(name);
}

static void time_taken(struct host *h)
{
	h->seconds = (double)(clock_mono_ms() - h->began) / 1000;
}

bool host_late(struct host *h)
{
	if (!watch_patience() || watch_clock() - h->process_began < PATIENT_TIMES * (int64_t)watch_patience())
		return false;
	host_missed(h, "a process has so much code that it was not all looked at in time");
	return true;
}

/* A point to go on from, when one of the next steps does not answer. */
bool host_spare(struct host *h)
{
	if (!watch_spare(h))
		return false;
	/* the forerunner may have put something there */
	spool_take_back(h->spool, (int64_t)spool_used(h->spool));
	pace_resume();
	return true;
}

int host_look_at(struct host *h, const struct pid_found *p, struct err *e)
{
	char name[32];
	int rc;

	host_spare(h);
	snprintf(name, sizeof(name), "process %d", (int)p->pid);
	if (!watch_enter(watch_id(1, &p->pid, sizeof(p->pid)), DEV_NONE, name)) {
		h->processes++;
		h->processes_unseen++;
		return 0;
	}
	h->process_began = watch_clock();
	rc = process_scan(h, p->pid, p->hidden, e);
	watch_leave();
	return rc;
}

static int step(struct host *h, int (*scan)(struct host *, struct err *), const char *name, struct err *e)
{
	int rc;

	host_spare(h);
	if (!watch_enter(watch_id(3, name, strlen(name)), DEV_NONE, name))
		return 0;
	rc = scan(h, e);
	watch_leave();
	return rc;
}

/* An ordinary user can be shown his own processes alone, and then counts no others. */
static void tell_hidepid(struct host *h)
{
	if (kill(1, 0) < 0 && errno == EPERM && faccessat(h->proc, "1", F_OK, 0) < 0 && errno == ENOENT)
		host_missed(h, "/proc hides other users' processes (hidepid)");
}

int host_scan(struct host *h, struct err *e)
{
	struct pid_found *list = NULL;
	size_t n, i;
	int rc = 0;

	h->whole = true;
	if (h->live) {
		sockets_load(h);
		tell_hidepid(h);
		n = pids_list(h, &list);
		for (i = 0; !rc && i < n; i++) {
			progress("processes", i, n);
			rc = host_look_at(h, &list[i], e);
		}
		progress_end();
		free(list);
		if (!rc)
			rc = step(h, modules_scan, "the list of modules", e);
	}
	if (!rc)
		rc = step(h, startup_scan, "the start-up places", e);
	if (!rc)
		rc = step(h, maintainer_scan, "the packages' scripts", e);
	if (!rc)
		rc = step(h, initramfs_scan, "the initial file systems", e);
	if (!rc)
		rc = step(h, roots_startup, "the start-up places of containers", e);
	if (!rc) {
		host_spare(h);
		rc = privileged_scan(h, e);   /* many steps, each of its own */
	}
	time_taken(h);
	return rc;
}

int host_scan_process(struct host *h, pid_t pid, struct err *e)
{
	const struct pid_found one = { .pid = pid };
	char name[32];
	int rc;

	snprintf(name, sizeof(name), "%d", (int)pid);
	if (!h->live || pid <= 0 || faccessat(h->proc, name, F_OK, 0) < 0)
		return err_set(e, EX_NOINPUT, "there is no process %d", (int)pid);
	sockets_load(h);
	rc = host_look_at(h, &one, e);
	time_taken(h);
	return rc;
}

void host_watch(struct host *h)
{
	again_begin(h);
}

int host_again(struct host *h, unsigned seconds, pid_t only, struct err *e)
{
	int rc = again_look(h, seconds, only, e);

	time_taken(h);
	return rc;
}

int host_scan_path(struct host *h, const char *path, struct err *e)
{
	int rc = tree_scan(h, path, e);

	time_taken(h);
	return rc;
}

json_t *host_profile(const struct host *h, struct err *e)
{
	return profile_make(h, e);
}

const char *host_unseen(struct host *h)
{
	const json_t *o;
	size_t i;

	buf_clear(&h->unseen_line);
	if (h->processes_unseen)
		buf_addf(&h->unseen_line, "%u of %u processes could not be looked at", h->processes_unseen, h->processes);
	if (h->unlooked)
		buf_addf(&h->unseen_line, "%s%u files could not be read", h->unseen_line.len ? "; " : "", h->unlooked);
	if (h->remote_left)
		buf_addf(&h->unseen_line, "%s%u files on network or FUSE file systems were left out", h->unseen_line.len ? "; " : "", h->remote_left);
	json_array_foreach(h->unseen, i, o)
		buf_addf(&h->unseen_line, "%s%s", h->unseen_line.len ? "; " : "", json_string_value(o));
	if (!h->unseen_line.len)
		return NULL;
	if (geteuid())
		buf_adds(&h->unseen_line, " (not run as root)");
	return buf_str(&h->unseen_line);
}

static int heaviest_first(const void *a, const void *b)
{
	const struct piece *x = *(struct piece *const *)a, *y = *(struct piece *const *)b;

	if (x->score > y->score)
		return -1;
	if (x->score < y->score)
		return 1;
	return strcmp(x->sha256, y->sha256);
}

static int emit_one(const struct host *h, const struct piece *p, const struct host_sink *sink, struct err *e)
{
	json_t *about = piece_about(h, p);
	char path[CAP_PATH + 1];
	size_t i;
	int rc;

	snprintf(path, sizeof(path), "code/%s/about.json", p->sha256);
	rc = sink->about(sink->ctx, path, about, e);
	json_decref(about);
	if (rc == 1)
		return 0;
	for (i = 0; !rc && i < p->part_count; i++) {
		const struct part *part = &p->parts[i];

		snprintf(path, sizeof(path), "code/%s/%s", p->sha256, part->name);
		rc = sink->bytes(sink->ctx, path, spool_fd(h->spool), part->offset, part->size, e);
	}
	return rc;
}

int host_emit(struct host *h, double least_score, const struct host_sink *sink, struct err *e)
{
	struct piece **order = buf_realloc(NULL, h->piece_count + 1, sizeof(struct piece *));
	size_t i;
	int rc = 0;

	for (i = 0; i < h->piece_count; i++) {
		json_t *signs = piece_signs(h, h->pieces[i]);

		h->pieces[i]->score = judge_score(signs);
		json_decref(signs);
		order[i] = h->pieces[i];
	}
	if (h->piece_count)
		qsort(order, h->piece_count, sizeof(struct piece *), heaviest_first);
	for (i = 0; !rc && i < h->piece_count; i++)
		if (order[i]->score >= least_score)
			rc = emit_one(h, order[i], sink, e);
	free(order);
	return rc;
}
