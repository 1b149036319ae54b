#include "garden/garden-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#define PIDS "4096"   /* more than any run may have tasks, few enough for the machine to go on beside a fork bomb */

/* What the inner root, who may be this machine's, must not write to; and what it need not read. */
static const char *const READ_ONLY[] = { "proc/sys", "proc/sysrq-trigger", "proc/irq", "proc/bus", "proc/fs", "proc/mtrr",
	"proc/1" };   /* the last: who has our user number could make us the first to go when memory is short */
static const char *const MASKED[] = { "proc/kcore", "proc/kmsg", "proc/keys", "proc/key-users", "proc/timer_list",
	"proc/sched_debug", "proc/kallsyms", "proc/kpagecount", "proc/kpageflags", "proc/kpagecgroup", "proc/config.gz",
	"proc/vmallocinfo", "proc/slabinfo" };
static const char *const MASKED_FOLDERS[] = { "proc/acpi", "proc/scsi", "proc/asound", "proc/driver", "proc/dynamic_debug" };
static const char *const DEVICES[] = { "null", "zero", "full", "random", "urandom", "tty" };
static const char *const LINKS[][2] = { { "/proc/self/fd", "dev/fd" }, { "/proc/self/fd/0", "dev/stdin" },
	{ "/proc/self/fd/1", "dev/stdout" }, { "/proc/self/fd/2", "dev/stderr" }, { "pts/ptmx", "dev/ptmx" } };

#define COUNT(a) (sizeof(a) / sizeof *(a))

static bool there(const char *path)
{
	return access(path, F_OK) == 0;
}

static int read_only(const char *path, struct err *e)
{
	/* Flags that the mount has already may not be taken away by a lesser root. */
	unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (!there(path))
		return 0;
	if (mount(path, path, NULL, MS_BIND | MS_REC, NULL) || mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL))
		return err_sys(e, "cannot protect %s", err_q(path));
	return 0;
}

/* A device file of the machine's own: it works on a read-only mount as well, but its mode and owner stay what they are. */
static int bind_device(const char *from, const char *to, struct err *e)
{
	if (mount(from, to, NULL, MS_BIND, NULL) ||
	    mount(NULL, to, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL))
		return err_sys(e, "cannot put %s into the world as %s", err_q(from), err_q(to));
	return 0;
}

/* A fork bomb is ended by the warden, who has to be given the processor for that: until then the kernel keeps it from taking
 * the machine's process numbers. Before Linux 6.14 that setting was the whole machine's, and stays as it is. */
static void bound_pids(void)
{
	struct utsname u;
	unsigned long major, minor;
	char *end;
	int fd;

	if (uname(&u))
		return;
	major = strtoul(u.release, &end, 10);
	minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	if (major < 6 || (major == 6 && minor < 14))
		return;
	fd = open("proc/sys/kernel/pid_max", O_WRONLY | O_CLOEXEC);
	/* Refused where the machine's own number is lower. */
	if (fd >= 0 && io_write(fd, PIDS, sizeof PIDS - 1))
		errno = 0;
	io_close(&fd);
}

static int mount_proc(const struct machine *m, struct err *e)
{
	if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		return err_sys(e, "cannot mount a process table");
	bound_pids();
	guise_pids(m);
	for (size_t i = 0; i < COUNT(READ_ONLY); i++)
		if (read_only(READ_ONLY[i], e))
			return -1;
	for (size_t i = 0; i < COUNT(MASKED); i++)
		if (there(MASKED[i]) && bind_device("/dev/null", MASKED[i], e))
			return -1;
	for (size_t i = 0; i < COUNT(MASKED_FOLDERS); i++)
		if (there(MASKED_FOLDERS[i]) &&
		    mount("none", MASKED_FOLDERS[i], "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,nr_inodes=2"))
			return err_sys(e, "cannot mask %s", err_q(MASKED_FOLDERS[i]));
	return 0;
}

static int mount_dev(const struct layers *l, const struct machine *m, struct err *e)
{
	const char *rel;
	char link[64], shm[128];
	ssize_t n;
	int fd;

	if (mount(m->plan ? "udev" : "muss-dev", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "size=1m,nr_inodes=256,mode=0755"))
		return err_sys(e, "cannot mount the world's /dev");
	for (size_t i = 0; i < COUNT(DEVICES); i++) {
		char from[32], to[32];

		snprintf(from, sizeof from, "/dev/%s", DEVICES[i]);
		snprintf(to, sizeof to, "dev/%s", DEVICES[i]);
		if (!there(from))
			continue;
		fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
		io_close(&fd);
		if (bind_device(from, to, e))
			return -1;
	}
	for (size_t i = 0; i < COUNT(LINKS); i++)
		if (symlink(LINKS[i][0], LINKS[i][1]))
			return err_sys(e, "cannot make %s in the world", err_q(LINKS[i][1]));
	if (mkdir("dev/pts", 0755) || mkdir("dev/shm", 01777))
		return err_sys(e, "cannot make folders in the world's /dev");
	if (mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"))
		return err_sys(e, "cannot mount the world's terminals");
	/* By its path: the descriptor stands for a mount of the keeper's namespace. */
	snprintf(link, sizeof link, "/proc/self/fd/%d", layers_of(l, "/dev/shm/x", &rel)->upper);
	n = readlink(link, shm, sizeof shm - 1);
	shm[n > 0 ? n : 0] = '\0';
	if (mount(shm, "dev/shm", NULL, MS_BIND, NULL))
		return err_sys(e, "cannot mount the world's shared memory");
	return 0;
}

static int enter_root(const struct layers *l, struct machine *m, struct err *e)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || chdir(l->merged))
		return err_sys(e, "cannot enter the world");
	if (mount_proc(m, e) || mount_dev(l, m, e) || guise_kernel(m, e))
		return -1;
	if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
		return err_sys(e, "cannot make the world the root");
	return 0;
}

int cage_enter(const struct layers *l, struct machine *m, int sync, struct err *e)
{
	char c;

	if (enter_root(l, m, e)) {
		e->code = EX_UNAVAILABLE;
		return -1;
	}
	/* From here on no right over anything outside; the mounts above can't be taken apart from in here. */
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)) {
		err_sys(e, "no namespaces can be had for a run");
		e->code = EX_UNAVAILABLE;
		return -1;
	}
	/* A kernel without time namespaces gives its own uptime. */
	if (m->plan && unshare(CLONE_NEWTIME))
		msg_debug("the run has this machine's uptime");
	/* The keeper may write the maps, and the clocks' offsets, only while our files in /proc are not the real root's. Nothing else runs in here yet. */
	prctl(PR_SET_DUMPABLE, 1);
	if (io_write(sync, "u", 1) || read(sync, &c, 1) != 1)
		return err_set(e, EX_UNAVAILABLE, "no users for a run");
	if (m->plan)
		guise_clocks();
	/* Both forgot with the change of rights. What runs here must not look into its init. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_DUMPABLE, 0);
	if (!m->plan)
		prctl(PR_SET_NAME, "init");
	else
		guise_name(m);
	if (net_up(e))
		return -1;
	card_plug(m);
	return 0;
}
