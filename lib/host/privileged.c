/* Files that give whoever runs them more rights than he has. */
#include "host/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#define CAP_DEPTH 12u
#define CAP_ENTRIES 20000u    /* looked at below one folder of the list */
#define WALK_MS 500           /* for all of them: what is bounded is told in the manual, not in each case */
#define CAP_TOPS 32u

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

struct walk {
	struct host *h;
	int64_t until;
	unsigned entries;
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
	struct vfs_ns_cap_data c = { 0 };
	char path[PATH_MAX];

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

static void take(struct walk *w, int dir, const char *name, uint64_t capabilities)
{
	struct host *h = w->h;
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char path[PATH_MAX], package[256];
	bool owned, tool, altered;
	struct piece *p;
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || rooted_path(h, fd, path, sizeof(path)) < 0)
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

static void look(struct walk *w, int dir, const char *name, const struct stat *st)
{
	uint64_t capabilities;

	if (!(st->st_mode & 0111))
		return;
	capabilities = file_capabilities(dir, name);
	if (capabilities || st->st_mode & S_ISUID || (st->st_mode & S_ISGID && st->st_mode & S_IXGRP))
		take(w, dir, name, capabilities);
}

/* A folder that is another system's root: but not where anybody can make one. */
static bool another_root(int dir, const char *path)
{
	size_t i;

	for (i = 0; i < sizeof(stores) / sizeof(*stores); i++)
		if (!strcmp(path, stores[i]))
			return true;
	return *path && !disguise_temporary(path) && !disguise_hidden(path)
		&& (!faccessat(dir, "etc/os-release", F_OK, AT_SYMLINK_NOFOLLOW) || !faccessat(dir, "usr/lib/os-release", F_OK, 0));
}

static void walk(struct walk *w, int dir, unsigned depth)
{
	char path[PATH_MAX];
	struct dirent *d;
	struct stat st;
	DIR *list;

	if (depth >= CAP_DEPTH || fstat(dir, &st) < 0 || (depth && st.st_dev != w->dev) || rooted_path(w->h, dir, path, sizeof(path)) < 0
	    || another_root(dir, path) || !(list = fdopendir(dir))) {
		close(dir);
		return;
	}
	while (w->entries < CAP_ENTRIES && (d = readdir(list))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (!(++w->entries % 64) && clock_mono_ms() > w->until)
			w->entries = CAP_ENTRIES;
		if ((d->d_type != DT_REG && d->d_type != DT_DIR && d->d_type != DT_UNKNOWN)
		    || fstatat(dirfd(list), d->d_name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
			continue;
		if (S_ISREG(st.st_mode)) {
			look(w, dirfd(list), d->d_name, &st);
		} else if (S_ISDIR(st.st_mode) && st.st_dev == w->dev) {
			int sub = openat(dirfd(list), d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (sub >= 0)
				walk(w, sub, depth + 1);
		}
	}
	closedir(list);
}

int privileged_scan(struct host *h, struct err *e)
{
	struct walk w = { .h = h, .until = clock_mono_ms() + WALK_MS };
	struct stat st;
	size_t i, k;

	(void)e;
	for (i = 0; i < sizeof(tops) / sizeof(*tops) && clock_mono_ms() <= w.until; i++) {
		int fd = rooted_open(h->root, tops[i], O_RDONLY | O_DIRECTORY);

		if (fd < 0 || fstat(fd, &st) < 0) {
			io_close(&fd);
			continue;
		}
		for (k = 0; k < w.done_count && (w.done[k].dev != st.st_dev || w.done[k].ino != st.st_ino); k++)
			;
		if (k < w.done_count) {
			close(fd);
			continue;
		}
		w.done[w.done_count].dev = st.st_dev;
		w.done[w.done_count++].ino = st.st_ino;
		w.dev = st.st_dev;
		w.entries = 0;
		walk(&w, fd, 0);
	}
	return 0;
}
