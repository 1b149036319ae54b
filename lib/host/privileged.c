/* Files that give whoever runs them more rights than he has. */
#include "host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CAP_DEPTH 48u          /* each open folder takes a descriptor and some 4 KB of stack */
#define CAP_ENTRIES 4000000u   /* of all: some two microseconds each */
#define CAP_TOPS 32u
#ifndef SYS_getxattrat         /* Linux 6.13 */
#define SYS_getxattrat 464
#endif

/* Where programs are searched, and where they are dropped, in this order. */
static const char *const tops[] = {
	"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/tmp", "/var/tmp", "/dev/shm", "/run", "/root",
	"/home", "/usr/libexec", "/opt", "/usr/local", "/srv", "/etc", "/var", "/usr/lib",
};

/* Other systems' roots, whose files are none of ours. */
static const char *const stores[] = {
	"/var/lib/docker", "/var/lib/containers", "/var/lib/containerd", "/var/lib/lxc", "/var/lib/lxd", "/var/lib/machines",
	"/var/lib/flatpak", "/var/lib/snapd", "/var/lib/schroot", "/var/lib/kubelet", "/var/lib/libvirt", "/var/cache/pbuilder",
};

/* With another's rights, these do or write whatever they are told. */
static const char *const tools[] = {
	"find", "env", "vi", "vim", "vim.basic", "vim.tiny", "nvim", "nano", "ed", "emacs", "cp", "mv", "dd", "tar", "cpio", "install", "tee",
	"sed", "cat", "less", "more", "xxd", "nmap", "gdb", "strace", "socat", "nc", "nc.openbsd", "nc.traditional", "ncat", "busybox",
	"rsync", "curl", "wget", "openssl", "nice", "timeout", "xargs", "setarch", "chroot", "unshare", "nsenter", "systemctl", "docker",
	"make", "gcc", "git", "ip", "ld.so", "ld-linux-x86-64.so.2", "cpulimit", "stdbuf", "flock", "start-stop-daemon", "capsh", "setpriv",
};

/* Any of these is as good as root's own rights. */
#define MIGHTY (1ull << CAP_SETUID | 1ull << CAP_SETGID | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_DAC_READ_SEARCH | 1ull << CAP_FOWNER \
	| 1ull << CAP_CHOWN | 1ull << CAP_SYS_ADMIN | 1ull << CAP_SYS_PTRACE | 1ull << CAP_SYS_MODULE | 1ull << CAP_SYS_RAWIO \
	| 1ull << CAP_SETFCAP)

struct search {
	struct host *h;
	unsigned entries;
	bool full;
	dev_t dev;
	struct { dev_t dev; ino_t ino; } done[CAP_TOPS];
	size_t done_count;
};

static bool powerful_tool(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(tools) / sizeof(*tools); i++)
		if (!strcmp(name, tools[i]))
			return true;
	return script_interpreter(name);
}

/* n: of its bytes that were read, or -1. */
static uint64_t given(const struct vfs_ns_cap_data *c, ssize_t n)
{
	if (n < (ssize_t)XATTR_CAPS_SZ_1)
		return 0;
	return c->data[0].permitted | c->data[0].inheritable
		| (n >= (ssize_t)XATTR_CAPS_SZ_2 ? (uint64_t)(c->data[1].permitted | c->data[1].inheritable) << 32 : 0);
}

/* The capabilities that the file gives (permitted, or inheritable with the caller's): 0 none. */
static uint64_t file_capabilities(int dir, const char *name)
{
	static bool by_path;   /* the kernel is older: the way round is five times as long */
	struct vfs_ns_cap_data c = { 0 };
	struct { uint64_t value; uint32_t size, flags; } arguments = { (uintptr_t)&c, sizeof(c), 0 };
	char path[PATH_MAX];
	ssize_t n;

	if (!by_path) {
		n = syscall(SYS_getxattrat, dir, name, AT_SYMLINK_NOFOLLOW, "security.capability", &arguments, sizeof(arguments));
		/* containers' filters of system calls know no new ones, and refuse them with EPERM */
		if (n >= 0 || (errno != ENOSYS && errno != EPERM))
			return given(&c, n);
		by_path = true;
	}
	if (snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name) >= (int)sizeof(path))
		return 0;
	return given(&c, lgetxattr(path, "security.capability", &c, sizeof(c)));
}

void privileged_running(struct host *h, struct piece *p, int fd, const char *path)
{
	struct vfs_ns_cap_data c = { 0 };
	uint64_t capabilities = given(&c, fgetxattr(fd, "security.capability", &c, sizeof(c)));

	if (capabilities && piece_signed(p, "unowned"))
		piece_sign(h, p, "capability-unowned", "%s has the capabilities %llx", path, (unsigned long long)capabilities);
}

static json_t *sighting(const char *path, const struct stat *st, uint64_t capabilities)
{
	json_t *o = json_object();

	json_object_set_new(o, "how", json_string("found"));
	json_object_set_new(o, "path", jsonio_name(path));
	json_object_set_new(o, "mode", json_sprintf("%04o", st->st_mode & 07777u));
	if (capabilities)
		json_object_set_new(o, "capabilities", json_sprintf("%llx", (unsigned long long)capabilities));
	return o;
}

/* Takes fd. */
static void take(struct search *w, int fd, const char *name, const struct stat *open, uint64_t capabilities)
{
	struct host *h = w->h;
	char path[PATH_MAX], package[256];
	bool owned, tool, altered;
	struct stat st = *open;
	struct piece *p;

	if (rooted_path(h, fd, path, sizeof(path)) < 0)
		goto out;
	owned = h->dpkg && dpkg_owns(h->dpkg, path);
	tool = powerful_tool(name) && (st.st_mode & S_ISUID || capabilities & MIGHTY);
	altered = owned && altered_file(h->dpkg, h->root, path, &st, package, sizeof(package));
	if (!tool && !altered && (owned || !h->dpkg))
		goto out;
	p = image_take(h, fd, "file", &st);
	if (!p)
		goto out;
	image_place(h, p, path, &st, true);
	if (tool)
		piece_sign(h, p, "setuid-tool", "%s has mode %04o and capabilities %llx, and does what it is told", path, st.st_mode & 07777u,
		           (unsigned long long)capabilities);
	if (capabilities && !owned && h->dpkg)
		piece_sign(h, p, "capability-unowned", "%s has the capabilities %llx", path, (unsigned long long)capabilities);
	piece_sight(p, sighting(path, &st, capabilities));
out:
	close(fd);
}

/* Does the file give its caller rights? */
static bool gives(int dir, const char *name, const struct stat *st, uint64_t *capabilities)
{
	if (!(st->st_mode & 0111))
		return false;
	*capabilities = file_capabilities(dir, name);
	return *capabilities || st->st_mode & S_ISUID || (st->st_mode & S_ISGID && st->st_mode & S_IXGRP);
}

/* A folder that is another system's root: but not where anybody can make one. File systems that count do so: 2 and each folder in it. */
static bool another_root(const struct folder *f, const struct stat *st, const char *path)
{
	int dir = dirfd(f->dir);
	bool is;
	size_t i;

	for (i = 0; i < sizeof(stores) / sizeof(*stores); i++)
		if (!strcmp(path, stores[i]))
			return true;
	if (!*path || (st->st_nlink > 1 && st->st_nlink < 4) || disguise_temporary(path) || disguise_hidden(path) || !walk_enter(f, "etc/os-release", true))
		return false;
	is = !faccessat(dir, "etc/os-release", F_OK, AT_SYMLINK_NOFOLLOW) || !faccessat(dir, "usr/lib/os-release", F_OK, 0);
	watch_leave();
	return is;
}

/* Nobody but root can go in (an access list would show in the group's bits): what stands there gives rights to nobody else. */
static bool roots_own(const struct stat *st)
{
	return !st->st_uid && !(st->st_mode & (S_IXGRP | S_IXOTH));
}

/* A folder of the same file system, or a file that gives rights. -1: it is none of these, or does not answer. */
static int open_entry(const struct search *w, const struct folder *f, const struct dirent *d, struct stat *st, uint64_t *capabilities)
{
	int dir = dirfd(f->dir), fd = -1;

	if (!walk_enter(f, d->d_name, f->remote || d->d_type != DT_REG))
		return -1;
	if (fstatat(dir, d->d_name, st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
		goto out;
	if (S_ISREG(st->st_mode) && gives(dir, d->d_name, st, capabilities))
		fd = openat(dir, d->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	else if (S_ISDIR(st->st_mode) && st->st_dev == w->dev && !roots_own(st))
		fd = openat(dir, d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* it may be another by now */
	if (fd >= 0 && (fstat(fd, st) < 0 || !(S_ISREG(st->st_mode) || (S_ISDIR(st->st_mode) && st->st_dev == w->dev))))
		io_close(&fd);
out:
	watch_leave();
	return fd;
}

/* No crowd of files hides the rest without a word. */
static bool room(struct search *w, const char *path)
{
	if (w->entries < CAP_ENTRIES)
		return true;
	if (!w->full)
		host_missed(w->h, "of more than %u files not all were looked at for rights that they give: from %s on they were left out", CAP_ENTRIES, path);
	w->full = true;
	return false;
}

static void read_folder(struct search *w, int fd, const struct stat *at, struct folder *above, const char *called)
{
	const char *path;
	uint64_t capabilities;
	struct dirent *d;
	struct stat st;
	struct folder f;

	if (!walk_open(&f, fd, at, above))
		return;
	walk_name(&f, called);
	path = walk_below(w->h, &f);
	if (f.depth >= CAP_DEPTH || !path) {
		host_missed(w->h, "some folders stand too deep to be looked at for files that give rights");
		goto out;
	}
	if (another_root(&f, at, path))
		goto out;
	while (walk_spare(w->h, &f), room(w, path) && (d = walk_next(&f))) {
		w->entries++;
		if (d->d_type != DT_REG && d->d_type != DT_DIR && d->d_type != DT_UNKNOWN)
			continue;
		capabilities = 0;
		fd = open_entry(w, &f, d, &st, &capabilities);
		if (fd >= 0 && S_ISDIR(st.st_mode)) {
			read_folder(w, fd, &st, &f, d->d_name);
		} else if (fd >= 0 && walk_enter(&f, d->d_name, f.remote)) {
			take(w, fd, d->d_name, &st, capabilities);
			watch_leave();
		} else if (fd >= 0) {
			close(fd);
		}
	}
out:
	free(f.path);
	closedir(f.dir);
}

/* -1: it is not there, does not answer, or was looked at under another name. */
static int open_top(struct search *w, const char *path, struct stat *st)
{
	int fd = rooted_open(w->h->root, path, O_RDONLY | O_DIRECTORY);
	bool is = false;
	size_t k;

	if (fd >= 0 && rooted_enter(w->h->root, path)) {
		is = !fstat(fd, st);
		if (is)
			mounts_remote(fd, st->st_dev);   /* asked and remembered where it may hang */
		watch_leave();
	}
	for (k = 0; is && k < w->done_count; k++)
		is = w->done[k].dev != st->st_dev || w->done[k].ino != st->st_ino;
	if (!is) {
		io_close(&fd);
		return -1;
	}
	w->done[w->done_count].dev = st->st_dev;
	w->done[w->done_count++].ino = st->st_ino;
	return fd;
}

int privileged_scan(struct host *h, struct err *e)
{
	struct search w = { .h = h };
	struct stat st = { 0 };
	size_t i;
	int fd;

	(void)e;
	for (i = 0; i < sizeof(tops) / sizeof(*tops); i++) {
		fd = open_top(&w, tops[i], &st);
		if (fd < 0)
			continue;
		w.dev = st.st_dev;
		if (roots_own(&st))
			close(fd);
		else
			read_folder(&w, fd, &st, NULL, NULL);
	}
	return 0;
}
