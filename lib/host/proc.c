#include "host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PF_KTHREAD 0x00200000u

int proc_parse_stat(const char *text, struct proc *p)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')'), *at;
	uint64_t field[22] = { 0 };   /* by proc(5)'s numbers, less one; from the fourth */
	size_t i, n;

	if (!open || !close || close < open || close[1] != ' ' || !close[2])
		return -1;
	at = close + 3;
	for (i = 3; i < 22; i++) {
		char *end;

		field[i] = strtoull(at, &end, 10);
		if (end == at)
			return -1;
		at = end;
	}
	n = (size_t)(close - open - 1);
	if (n >= sizeof(p->comm))
		n = sizeof(p->comm) - 1;
	memcpy(p->comm, open + 1, n);
	p->comm[n] = '\0';
	p->pid = (pid_t)strtol(text, NULL, 10);
	p->state = close[2];
	p->ppid = (pid_t)field[3];
	p->session = (pid_t)field[5];
	p->terminal = field[6];
	p->kernel = field[8] & PF_KTHREAD;
	p->start = field[21];
	return 0;
}

static long status_field(const char *status, const char *name, long otherwise)
{
	const char *at = strstr(status, name);

	return at ? strtol(at + strlen(name), NULL, 10) : otherwise;
}

static ino_t namespace_of(const struct proc *p, const char *name)
{
	struct stat st;

	return fstatat(p->dir, name, &st, 0) < 0 ? 0 : st.st_ino;
}

ssize_t proc_memory_text(const struct proc *p, const char *name, struct buf *out)
{
	char step[64];
	ssize_t n;

	snprintf(step, sizeof(step), "%s of process %d", name, (int)p->pid);
	if (!watch_enter(watch_id(p->start, step, strlen(step)), DEV_NONE, step))
		return -1;
	n = io_slurp_at(p->dir, name, CAP_SLURP, out);
	watch_leave();
	return n;
}

int proc_open(struct host *h, pid_t pid, struct proc *p)
{
	struct buf text = { 0 };
	char name[16];

	memset(p, 0, sizeof(*p));
	snprintf(name, sizeof(name), "%d", (int)pid);
	p->dir = openat(h->proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dir < 0)
		return -1;
	if (io_slurp_at(p->dir, "stat", CAP_SLURP, &text) <= 0)
		goto gone;
	if (proc_parse_stat(buf_str(&text), p) < 0 || p->pid != pid) {
		errno = ESRCH;
		goto gone;
	}
	buf_clear(&text);
	if (io_slurp_at(p->dir, "status", CAP_SLURP, &text) <= 0)
		goto gone;
	p->uid = (uid_t)status_field(buf_str(&text), "\nUid:", -1);
	p->tracer = (pid_t)status_field(buf_str(&text), "\nTracerPid:", 0);
	buf_free(&text);
	if (p->kernel)
		return 0;
	proc_memory_text(p, "cmdline", &p->cmdline);
	p->pidns = namespace_of(p, "ns/pid");
	p->mntns = namespace_of(p, "ns/mnt");
	p->foreign = p->mntns && h->mntns && p->mntns != h->mntns;
	p->other_pidns = p->pidns && p->pidns != h->pidns;
	p->root = roots_of(h, p);
	return 0;
gone:
	buf_free(&text);
	proc_close(p);
	return -1;
}

void proc_close(struct proc *p)
{
	int saved = errno;

	io_close(&p->dir);
	buf_free(&p->cmdline);
	errno = saved;
}

int proc_link(const struct proc *p, const char *name, char *out, size_t size)
{
	ssize_t n = readlinkat(p->dir, name, out, size - 1);

	if (n < 0)
		return -1;
	out[n] = '\0';
	return 0;
}

const char *proc_arg(const struct proc *p, size_t i)
{
	const char *at = buf_str(&p->cmdline), *end = at + p->cmdline.len;

	for (; at < end; at += strlen(at) + 1)
		if (!i--)
			return at;
	return NULL;
}

json_t *proc_sighting(const struct proc *p, const char *how, bool whole)
{
	json_t *o = json_object(), *args;
	const char *arg;
	size_t i, told = 0;

	json_object_set_new(o, "how", json_string(how));
	json_object_set_new(o, "pid", json_integer(p->pid));
	json_object_set_new(o, "ppid", json_integer(p->ppid));
	json_object_set_new(o, "start", json_integer((json_int_t)p->start));
	json_object_set_new(o, "uid", json_integer(p->uid));
	json_object_set_new(o, "comm", jsonio_name(p->comm));
	if (whole) {
		args = json_array();
		for (i = 0; (arg = proc_arg(p, i)) && told < CAP_CMDLINE; i++) {
			size_t n = strnlen(arg, CAP_CMDLINE - told);

			json_array_append_new(args, jsonio_bytes(arg, n));
			told += n + 1;
		}
		json_object_set_new(o, "cmdline", args);
	}
	if (p->other_pidns)
		json_object_set_new(o, "pidns", json_integer((json_int_t)p->pidns));
	if (p->foreign)
		json_object_set_new(o, "mntns", json_integer((json_int_t)p->mntns));
	if (p->root && p->root->name[0])
		json_object_set_new(o, "container", jsonio_name(p->root->name));
	return o;
}

bool proc_env(const struct proc *p, const char *name, char *out, size_t size)
{
	struct buf env = { 0 };
	const char *at, *end;
	size_t n = strlen(name);
	bool found = false;

	if (proc_memory_text(p, "environ", &env) > 0)
		for (at = buf_str(&env), end = at + env.len; !found && at < end; at += strlen(at) + 1)
			if (!strncmp(at, name, n) && at[n] == '=')
				found = (size_t)snprintf(out, size, "%s", at + n + 1) < size;
	if (env.p)
		explicit_bzero(env.p, env.len);
	buf_free(&env);
	return found;
}

int proc_open_path(const struct proc *p, const char *path)
{
	char full[2 * PATH_MAX], cwd[PATH_MAX];
	int root = openat(p->dir, "root", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1, saved;

	if (root < 0)
		return -1;
	if (*path == '/') {
		fd = rooted_regular(root, path, NULL);
	} else if (proc_link(p, "cwd", cwd, sizeof(cwd)) >= 0 && *cwd == '/') {
		snprintf(full, sizeof(full), "%s/%s", roots_inner(p->root, cwd), path);
		fd = rooted_regular(root, full, NULL);
	}
	saved = errno;
	close(root);
	errno = saved;
	return fd;
}
