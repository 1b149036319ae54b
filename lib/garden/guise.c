#include "garden/garden-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define SYS_OPTIONS "size=4m,nr_inodes=4096,mode=0755"
#define FIRST_PID "400"   /* as on a machine where the kernel's threads came first; below cage.c's PIDS */

/* The init of a run shows its command line to whoever asks; ours is a helper's. proc_pid_cmdline(5): where the last byte of the
 * arguments was overwritten, the text ends at the first NUL. */
void guise_init(char **argv)
{
	static const char name[] = "/sbin/init";
	size_t n = 0;

	for (char **p = argv; *p; p++)
		n = (size_t)(*p - argv[0]) + strlen(*p) + 1;
	if (n <= sizeof name)
		return;
	memset(argv[0], 0, n);
	memcpy(argv[0], name, sizeof name);
	argv[0][n - 1] = '-';
	prctl(PR_SET_NAME, "systemd");
}

void guise_name(const struct machine *m)
{
	const char *host = jsonio_str(m->plan, "host");

	if (host && sethostname(host, strlen(host)))
		msg_debug("the run has this machine's name");
}

/* time_namespaces(7): both clocks by the same, and neither below zero. */
void guise_time(const struct machine *m, pid_t pid)
{
	struct timespec up;
	char path[64], text[128];
	int64_t offset;
	int fd;

	if (!m->plan || clock_gettime(CLOCK_BOOTTIME, &up))
		return;
	offset = jsonio_int(m->plan, "uptime", 0) - (int64_t)up.tv_sec;
	if (clock_gettime(CLOCK_MONOTONIC, &up) || offset + (int64_t)up.tv_sec < 0)
		return;
	snprintf(path, sizeof path, "/proc/%d/timens_offsets", (int)pid);
	snprintf(text, sizeof text, "monotonic %lld 0\nboottime %lld 0\n", (long long)offset, (long long)offset);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || io_write(fd, text, strlen(text)))
		msg_debug("the run has this machine's uptime");
	io_close(&fd);
}

/* Whoever answers for the kernel, as the tracer does, must read the clocks that the run's processes read. */
void guise_clocks(void)
{
	int fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && setns(fd, 0))
		msg_debug("the garden's init has this machine's uptime");
	io_close(&fd);
}

/* ---- files that the kernel would make ---- */

static int write_under(int root, const char *path, const json_t *o, struct err *e)
{
	const char *text = jsonio_str(o, "text"), *target = jsonio_str(o, "target"), *name = strrchr(path, '/') + 1;
	int dir = files_parent(root, path, e), fd;

	if (dir < 0)
		return -1;
	if (target) {
		fd = symlinkat(target, dir, name);
	} else {
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
		if (fd >= 0 && text && io_write(fd, text, strlen(text)))
			io_close(&fd);
	}
	if (fd < 0)
		err_sys(e, "cannot make %s", err_q(path));
	close(dir);
	if (!target)
		io_close(&fd);
	return e->code ? -1 : 0;
}

/* Over files of /proc: what is bound outlives the folder's own mount. */
static int bind_proc(const struct machine *m, struct err *e)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(m->plan, "proc"), i, o) {
		const char *path = jsonio_str(o, "path");
		char *from = path ? buf_printf("sys/proc%s", path) : NULL, *to = path ? buf_printf("proc%s", path) : NULL;

		/* A kernel without that file needs none instead of it. */
		if (to && access(to, F_OK) == 0 && mount(from, to, NULL, MS_BIND, NULL))
			err_sys(e, "cannot put another %s into the world", err_q(to));
		free(from);
		free(to);
	}
	return e->code ? -1 : 0;
}

static int fill(const char *under, const json_t *list, struct err *e)
{
	int root = open("sys", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		const char *path = jsonio_str(o, "path");
		char *whole = buf_printf("%s%s", under, path ? path : "");

		if (path && write_under(root, whole, o, e)) {
			free(whole);
			break;
		}
		free(whole);
	}
	io_close(&root);
	return e->code ? -1 : 0;
}

/* Without the kernel's own threads the first process would have the number 2. */
static void skip_pids(void)
{
	int fd = open("proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && io_write(fd, FIRST_PID, sizeof FIRST_PID - 1))
		errno = 0;
	io_close(&fd);
}

static int mount_sys(struct err *e)
{
	if (mount("sysfs", "sys", "tmpfs", MS_NOSUID | MS_NODEV, SYS_OPTIONS))
		return err_sys(e, "cannot mount the world's /sys");
	return 0;
}

void guise_pids(const struct machine *m)
{
	if (m->plan)
		skip_pids();
}

int guise_kernel(struct machine *m, struct err *e)
{
	unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV;
	struct err why = { 0 };

	if (!m->plan) {
		if (mount("none", "sys", "tmpfs", flags | MS_NOEXEC, "size=4k,nr_inodes=2"))
			return err_sys(e, "cannot mount the world's /sys");
		return 0;
	}
	/* A file system of its own for what is bound and for the services' programs: it is nowhere to be seen afterwards. */
	if (mount_sys(&why) || fill("/proc", json_object_get(m->plan, "proc"), &why) || services_prepare(m, "sys", &why) ||
	    mount(NULL, "sys", NULL, MS_REMOUNT | flags, SYS_OPTIONS) || bind_proc(m, &why) || umount2("sys", MNT_DETACH) ||
	    mount_sys(&why) || fill("", json_object_get(m->plan, "sys"), &why) ||
	    mount(NULL, "sys", NULL, MS_REMOUNT | flags | MS_NOEXEC, SYS_OPTIONS)) {
		if (!why.code)
			err_sys(&why, "cannot mount the world's /sys");
		*e = why;
		return -1;
	}
	return 0;
}
