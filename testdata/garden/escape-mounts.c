/* escape: other roots, other namespaces, the machine's files and devices. */
#include "escape.h"

#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif
#define RW O_RDWR

static int chroot_twice(void)
{
	int here = open("/", O_PATH | O_DIRECTORY), r;

	mkdir("/var/tmp/deep", 0755);
	r = stopped(chroot("/var/tmp/deep"), "chroot");
	if (r && fchdir(here) == 0) {
		for (int i = 0; i < 64; i++)
			if (chdir(".."))
				break;
		r = stopped_if(access(folder + 1, F_OK) != 0, "chroot twice");
	}
	return r;
}

static int dots(void)
{
	char path[4200] = "";

	for (int i = 0; i < 40; i++)
		strcat(path, "../");
	strcat(path, in_folder("hidden/secret") + 1);
	return no_open(path, RW);
}

static int hidden(void) { return no_open(in_folder("hidden/secret"), RW); }
static int of_init(const char *name)
{
	char path[4200];

	snprintf(path, sizeof path, "/proc/1/%s%s", name, in_folder("hidden/secret"));
	return no_open(path, RW);
}

static int root_of_init(void) { return of_init("root"); }
static int folder_of_init(void) { return of_init("cwd"); }

/* Whatever descriptors it was born with, and what they lead to. */
static int born_with(void)
{
	char path[4300];
	int bad = 0;

	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			bad |= stopped_if(false, "a descriptor is left open");
	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof path, "/proc/self/fd/%d/../../../../../..%s", fd, in_folder("hidden/secret"));
		if (fd < 5 || fd == 1023)
			bad |= no_open(path, RW);
	}
	return bad;
}

static int fds_of_init(void)
{
	char path[64];
	int bad = 0;

	for (int fd = 0; fd < 20; fd++) {
		snprintf(path, sizeof path, "/proc/1/fd/%d", fd);
		bad |= no_open(path, RW);
	}
	return bad;
}

/* The copy in the world is another file: the test looks at the machine's. */
static int write_lower(void)
{
	int fd = open(in_folder("shown/file"), O_WRONLY | O_APPEND);

	if (fd < 0 || write(fd, "escaped\n", 8) != 8)
		return stopped_if(true, "can't be written");
	close(fd);
	chmod(in_folder("shown/file"), 0777);
	return stopped_if(true, "a copy was written");
}

static int lower_socket(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%.100s", in_folder("shown/socket"));
	return stopped(connect(s, (void *)&a, sizeof a), "a socket of the machine");
}

static int lower_fifo(void)
{
	int fd = open(in_folder("shown/fifo"), O_RDWR | O_NONBLOCK);

	/* A reader of the machine would get it. */
	if (fd >= 0 && write(fd, "escaped\n", 8) == 8)
		return stopped_if(true, "a pipe of the world's own was written");
	return stopped_if(true, "no pipe");
}

static int lower_device(void) { return no_open(in_folder("shown/null"), RW); }

/* To the mode that it has: nothing would change. */
static int same_mode(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return stopped(-1, path);
	return stopped(chmod(path, st.st_mode & 07777), path);
}

static int device_mode(void) { return same_mode("/dev/full"); }
/* Not each of them is on each machine. */
static int masked_mode(void) { return same_mode("/proc/kcore") | same_mode("/proc/keys") | same_mode("/proc/kallsyms") | same_mode("/proc/kmsg"); }
static int stdin_mode(void)
{
	struct stat st;

	return fstat(0, &st) ? 1 : stopped(fchmod(0, st.st_mode & 07777), "the mode of stdin's file");
}

static int device_owner(void)
{
	struct stat st;

	return stat("/dev/full", &st) ? 1 : stopped(chown("/dev/full", st.st_uid, st.st_gid), "the owner of /dev/full");
}

static int memory_devices(void) { return no_open("/dev/mem", RW) | no_open("/dev/kmem", RW) | no_open("/dev/port", RW) | no_open("/dev/kmsg", RW); }
static int disks(void)
{
	return no_open("/dev/sda", RW) | no_open("/dev/vda", RW) | no_open("/dev/nvme0n1", RW) | no_open("/dev/loop0", RW) |
		no_open("/dev/mapper/control", RW) | no_open("/dev/loop-control", RW);
}

static int machines(void) { return no_open("/dev/kvm", RW) | no_open("/dev/vhost-net", RW) | no_open("/dev/vhost-vsock", RW) | no_open("/dev/vfio/vfio", RW); }
static int other_devices(void)
{
	return no_open("/dev/fuse", RW) | no_open("/dev/net/tun", RW) | no_open("/dev/uinput", RW) | no_open("/dev/watchdog", RW) |
		no_open("/dev/rtc0", RW) | no_open("/dev/console", RW) | no_open("/dev/tty0", RW) | no_open("/dev/dri/card0", RW);
}

static int block_node(void) { return stopped(mknod("/var/tmp/sda", S_IFBLK | 0600, 0x800), "mknod"); }
static int memory_node(void) { return stopped(mknod("/var/tmp/mem", S_IFCHR | 0600, 0x101), "mknod"); }
static int node_at(void) { return stopped(mknodat(AT_FDCWD, "/dev/shm/kmsg", S_IFCHR | 0600, 0x10b), "mknodat"); }

static int terminal(unsigned long request, const char *name)
{
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	char c = '\n';

	return stopped(ioctl(fd, request, &c), name);
}

static int tiocsti(void) { return terminal(TIOCSTI, "TIOCSTI"); }
static int tioclinux(void) { return terminal(TIOCLINUX, "TIOCLINUX"); }
static int tioccons(void) { return terminal(TIOCCONS, "TIOCCONS"); }
static int tiocsetd(void) { return terminal(TIOCSETD, "TIOCSETD"); }
static int tty(void) { return no_open("/dev/tty", RW); }
static int other_pts(void) { return no_open("/dev/pts/0", RW) | no_open("/dev/pts/1", RW); }

static int sysctls(void)
{
	return no_open("/proc/sys/kernel/core_pattern", RW) | no_open("/proc/sys/kernel/modprobe", RW) | no_open("/proc/sys/kernel/hostname", RW) |
		no_open("/proc/sys/kernel/pid_max", RW) | no_open("/proc/sys/fs/binfmt_misc/register", RW) | no_open("/proc/sys/vm/drop_caches", RW) |
		no_open("/proc/sys/net/ipv4/ip_forward", RW);
}

static int sysrq(void) { return no_open("/proc/sysrq-trigger", O_WRONLY); }
static int kernel_files(void)
{
	int fd = open("/proc/kcore", O_RDWR);
	char c;

	/* What is masked is empty. */
	return (fd >= 0 ? stopped_if(read(fd, &c, 1) <= 0, "kcore") : stopped(-1, "kcore")) | no_open("/proc/irq/default_smp_affinity", RW) |
		no_open("/proc/mtrr", RW) | no_open("/proc/scsi/scsi", RW) | no_open("/proc/acpi/wakeup", RW);
}

static int sysfs(void)
{
	return no_open("/sys/kernel/uevent_helper", RW) | no_open("/sys/power/state", RW) | no_open("/sys/kernel/debug/x", RW) |
		no_open("/sys/kernel/new", RW | O_CREAT) | no_open("/sys/firmware/efi/efivars/x", RW | O_CREAT);
}

static int groups(void)
{
	return no_open("/sys/fs/cgroup/cgroup.procs", RW) | no_open("/sys/fs/cgroup/release_agent", RW) | no_open("/sys/fs/cgroup/pids/cgroup.procs", RW) |
		no_open("/sys/fs/cgroup/memory/cgroup.procs", RW);
}

static int maps(void)
{
	int fd = open("/proc/self/uid_map", O_WRONLY), a = stopped(fd < 0 ? -1 : write(fd, "0 0 1\n", 6), "uid_map");

	fd = open("/proc/self/setgroups", O_WRONLY);
	return a | stopped(fd < 0 ? -1 : write(fd, "allow", 5), "setgroups");
}

/* ---- namespaces ---- */

static int cloned(unsigned long flags, const char *name)
{
	pid_t pid = (pid_t)syscall(SYS_clone, flags | 17, NULL, NULL, NULL, NULL);

	if (pid == 0)
		_exit(0);
	return stopped(pid, name);
}

static int clone_user(void) { return cloned(CLONE_NEWUSER, "user"); }
static int clone_others(void)
{
	return cloned(CLONE_NEWNS, "mount") | cloned(CLONE_NEWPID, "process") | cloned(CLONE_NEWNET, "network") | cloned(CLONE_NEWIPC, "IPC") |
		cloned(CLONE_NEWUTS, "UTS") | cloned(CLONE_NEWCGROUP, "cgroup");
}

static int clone3_user(void)
{
	uint64_t args[11] = { CLONE_NEWUSER, 0, 0, 0, 17 };
	pid_t pid = (pid_t)syscall(SYS_clone3, args, sizeof args);

	if (pid == 0)
		_exit(0);
	return stopped(pid, "clone3");
}

static int enter_init(void)
{
	int fd = open("/proc/1/ns/mnt", O_RDONLY), pidfd = (int)syscall(SYS_pidfd_open, 1, 0);

	return stopped(fd, "init's namespace") | stopped(setns(pidfd, CLONE_NEWNS), "setns");
}

static int parent_space(void)
{
	int fd = open("/proc/self/ns/user", O_RDONLY);

	return stopped(ioctl(fd, NS_GET_PARENT), "the user namespace above") | stopped(ioctl(fd, NS_GET_USERNS), "an owner");
}

#define CALL(name, ...) { #name, "roots", "denied:" #name, #name "(2)", NULL, SYS_##name, { __VA_ARGS__ }, false }
#define SPACE(name, flag) { "unshare-" name, "namespaces", "denied:unshare", "a " name " namespace of its own", NULL, SYS_unshare, { A(flag) }, false }
#define TRY(name, kind, record, what, function) { name, kind, record, what, function, 0, { 0 }, false }

const struct attempt escape_mounts[] = {
	CALL(mount, "none", "/mnt", "tmpfs", A(0), A(0)), CALL(umount2, "/proc/sys", A(MNT_DETACH)), CALL(pivot_root, "/", "/"),
	CALL(move_mount, A(-1), "", A(-1), "", A(0)), CALL(open_tree, A(-100), "/", A(1)), CALL(fsopen, "tmpfs", A(0)), CALL(fspick, A(-100), "/", A(0)),
	CALL(fsconfig, A(-1), A(0), A(0), A(0), A(0)), CALL(fsmount, A(-1), A(0), A(0)), CALL(mount_setattr, A(-1), "", A(0), A(0), A(0)),
	CALL(open_tree_attr, A(-100), "/", A(1), A(0), A(0)),
	{ "mount-remount", "roots", "denied:mount", "makes /proc/sys writable", NULL, SYS_mount, { "none", "/proc/sys", A(0), A(MS_REMOUNT | MS_BIND), A(0) }, false },
	{ "mount-over", "roots", "denied:mount", "puts its root over /proc", NULL, SYS_mount, { "/", "/proc", A(0), A(MS_BIND | MS_REC), A(0) }, false },
	{ "mount-shared", "roots", "denied:mount", "lets mounts reach its makers", NULL, SYS_mount, { "none", "/", A(0), A(MS_SHARED | MS_REC), A(0) }, false },
	TRY("chroot", "roots", "denied:chroot", "two roots, and out between them", chroot_twice),
	TRY("dots", "roots", "open:ENOENT", "folders above its root", dots),
	TRY("hidden", "roots", "open:ENOENT", "a file that worlds hide", hidden),
	TRY("init-root", "roots", "open:EACCES", "its init's root", root_of_init),
	TRY("init-cwd", "roots", "open:EACCES", "its init's folder", folder_of_init),
	TRY("descriptors", "roots", "open:ENOENT|open:ENOTDIR", "descriptors it was born with", born_with),
	TRY("init-descriptors", "roots", "open:EACCES", "its init's descriptors", fds_of_init),
	TRY("lower-file", "roots", "open:@shown/file", "a file of the machine below its world", write_lower),
	TRY("lower-socket", "roots", "connect:@shown/socket", "a socket file of the machine", lower_socket),
	TRY("lower-fifo", "roots", "open:@shown/fifo", "a named pipe of the machine", lower_fifo),
	TRY("lower-device", "devices", "open:@shown/null", "a device file below its world", lower_device),
	TRY("device-mode", "devices", "chmod:/dev/full", "the mode of the machine's device file", device_mode),
	TRY("device-owner", "devices", "chown:/dev/full", "its owner", device_owner),
	TRY("masked-mode", "devices", "chmod:EROFS|chmod:EPERM", "the mode of what masks a file of /proc", masked_mode),
	TRY("stdin-mode", "devices", "chmod:/dev/null", "the mode of the file it was given", stdin_mode),
	TRY("device-memory", "devices", "open:/dev/mem", "the machine's memory", memory_devices),
	TRY("device-disks", "devices", "open:/dev/sda", "disks and loop devices", disks),
	TRY("device-machines", "devices", "open:/dev/kvm", "virtual machines", machines),
	TRY("device-others", "devices", "open:/dev/net/tun|open:ENOENT", "FUSE, TUN, input, watchdog, clock, consoles", other_devices),
	TRY("mknod-block", "devices", "mknod:/var/tmp/sda", "makes a disk", block_node),
	TRY("mknod-memory", "devices", "mknod:/var/tmp/mem", "makes the memory device", memory_node),
	TRY("mknodat", "devices", "mknod:/dev/shm/kmsg", "makes the kernel's log", node_at),
	TRY("tiocsti", "devices", "denied:TIOCSTI", "types for somebody else", tiocsti),
	TRY("tioclinux", "devices", "denied:TIOCLINUX", "pastes for somebody else", tioclinux),
	TRY("tioccons", "devices", "denied:TIOCCONS", "takes the console's output", tioccons),
	TRY("tiocsetd", "devices", "denied:TIOCSETD", "has a line discipline loaded", tiocsetd),
	TRY("tty", "devices", "open:/dev/tty", "the terminal of who started it", tty),
	TRY("terminals", "devices", "open:/dev/pts/0", "the machine's terminals", other_pts),
	TRY("sysctl", "kernel files", "open:/proc/sys/kernel/core_pattern", "settings of the kernel", sysctls),
	TRY("sysrq", "kernel files", "open:/proc/sysrq-trigger", "the magic key", sysrq),
	TRY("proc-kernel", "kernel files", "open:/proc/kcore", "the kernel's memory, interrupts, buses", kernel_files),
	TRY("sysfs", "kernel files", "open:/sys/kernel/uevent_helper", "helpers, power, debug and firmware files", sysfs),
	TRY("cgroups", "kernel files", "open:/sys/fs/cgroup/cgroup.procs", "another group, a release agent", groups),
	TRY("maps", "namespaces", "open:EPERM|open:EACCES|open:@/uid_map", "other users for itself", maps),
	SPACE("user", CLONE_NEWUSER), SPACE("mount", CLONE_NEWNS), SPACE("process", CLONE_NEWPID), SPACE("network", CLONE_NEWNET),
	SPACE("ipc", CLONE_NEWIPC), SPACE("uts", CLONE_NEWUTS), SPACE("cgroup", CLONE_NEWCGROUP), SPACE("time", 0x80),
	TRY("clone-user", "namespaces", "denied:clone", "a child with a user namespace", clone_user),
	TRY("clone-others", "namespaces", "denied:clone", "a child with one of the six others", clone_others),
	TRY("clone3-user", "namespaces", "denied:clone3", "the same, the flags in memory", clone3_user),
	TRY("setns", "namespaces", "denied:setns", "its init's namespaces", enter_init),
	TRY("ns-parent", "namespaces", "denied:NS_GET_PARENT", "the namespace above its own", parent_space),
	{ 0 },
};
