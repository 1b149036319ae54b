#include "remedy/remedy.h"

#include <fcntl.h>
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

bool place_normal(const char *path, size_t n)
{
	if (n < 2 || n >= PATH_MAX || *path != '/' || strlen(path) != n)
		return false;
	for (const char *p = path; *p;) {
		size_t k = strcspn(++p, "/");

		if (k == 0 || k > NAME_MAX || (k == 1 && *p == '.') || (k == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += k;
	}
	return !strpbrk(path, "\n\r");
}

static bool is_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	return !strncmp(path, folder, n) && (path[n] == '/' || !path[n]);
}

/* The kernel's own, what starts the machine, the package database, ours. */
static const char *const never_below[] = {
	"/proc", "/sys", "/boot", "/efi", "/run/muss", "/var/lib/muss", "/var/spool/muss", "/etc/muss", "/var/lib/dpkg", "/var/lib/apt",
	"/etc/pam.d", "/etc/security", "/etc/ssl", "/lib/modules", "/usr/lib/modules",
};
/* Files without which nobody can log in, or that say what the machine is. */
static const char *const never_file[] = {
	"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid", "/etc/sudoers", "/etc/fstab", "/etc/hosts",
	"/etc/hostname", "/etc/machine-id", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/ld.so.cache", "/etc/ld.so.conf",
	"/etc/os-release", "/etc/shells", "/etc/login.defs", "/etc/ssh/sshd_config", "/usr/lib/os-release",
	"/sbin/init", "/usr/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd", "/init", "/.muss-scratch",
};
/* Libraries and programs that everything stands on, wherever a system keeps them. */
static const char *const never_library[] = {
	"ld-linux", "ld-musl-", "libc.so", "libc-", "libm.so", "libdl.so", "libpthread.so", "librt.so", "libpam.so", "libcrypto.so", "libssl.so",
	"libsystemd", "libselinux.so", "libnss_", "libz.so", "libgcc_s.so", "libstdc++.so",
};

static bool is_system_folder(const char *path)
{
	static const char *const folders[] = { "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr" };

	for (size_t i = 0; i < COUNT(folders); i++)
		if (is_below(path, folders[i]))
			return true;
	return false;
}

const char *place_never(const char *path)
{
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	if (is_below(path, "/dev") && !is_below(path, "/dev/shm"))
		return "a device's place";
	for (size_t i = 0; i < COUNT(never_below); i++)
		if (is_below(path, never_below[i]))
			return "a protected folder";
	for (size_t i = 0; i < COUNT(never_file); i++)
		if (!strcmp(path, never_file[i]))
			return "a file the system cannot do without";
	for (size_t i = 0; i < COUNT(never_library) && is_system_folder(path) && !is_below(path, "/usr/local"); i++)
		if (!strncmp(name, never_library[i], strlen(never_library[i])))
			return "a library the system cannot do without";
	if (strchr(path + 1, '/') == NULL && is_system_folder(path))
		return "a folder of the system";
	return NULL;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && !strcmp(s + n - k, end);
}

bool place_startup(const char *path)
{
	static const char *const below[] = {
		"/etc/cron.d", "/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly", "/etc/cron.yearly", "/var/spool/cron",
		"/var/spool/anacron", "/etc/profile.d", "/etc/init.d", "/etc/rc.d", "/etc/local.d", "/etc/systemd", "/run/systemd/system",
		"/usr/lib/systemd", "/lib/systemd", "/usr/local/lib/systemd", "/etc/xdg/autostart", "/usr/share/autostart", "/etc/X11/Xsession.d",
		"/etc/X11/xinit", "/etc/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d", "/etc/modules-load.d", "/etc/update-motd.d",
		"/etc/network", "/etc/NetworkManager/dispatcher.d", "/etc/ppp", "/etc/dhcp", "/etc/apt/apt.conf.d", "/etc/logrotate.d", "/etc/zsh",
		"/etc/rc0.d", "/etc/rc1.d", "/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d", "/etc/rc6.d", "/etc/rcS.d", "/etc/init",
		"/etc/conf.d", "/etc/runlevels", "/etc/env.d", "/etc/environment.d", "/var/spool/at",
	};
	static const char *const file[] = {
		"/etc/crontab", "/etc/anacrontab", "/etc/profile", "/etc/bash.bashrc", "/etc/bashrc", "/etc/rc.local", "/etc/inittab", "/etc/modules",
		"/etc/ld.so.preload", "/etc/environment", "/etc/csh.cshrc", "/etc/csh.login", "/etc/inetd.conf", "/etc/rc.sysinit",
	};
	static const char *const home[] = {
		"/.bashrc", "/.bash_profile", "/.bash_login", "/.bash_logout", "/.bash_aliases", "/.profile", "/.zshrc", "/.zshenv", "/.zprofile", "/.zlogin",
		"/.cshrc", "/.tcshrc", "/.login", "/.xprofile", "/.xinitrc", "/.xsession", "/.xsessionrc", "/.config/fish/config.fish", "/.pam_environment",
		"/.ssh/rc", "/.ssh/authorized_keys", "/.ssh/environment",
	};

	for (size_t i = 0; i < COUNT(below); i++)
		if (is_below(path, below[i]) && strcmp(path, below[i]))
			return true;
	for (size_t i = 0; i < COUNT(file); i++)
		if (!strcmp(path, file[i]))
			return true;
	for (size_t i = 0; i < COUNT(home); i++)
		if (ends_with(path, home[i]))
			return true;
	return strstr(path, "/.config/autostart/") || strstr(path, "/.config/systemd/user/") || strstr(path, "/.config/autostart-scripts/") ||
	       strstr(path, "/.local/share/systemd/user/") || strstr(path, "/.config/environment.d/") || strstr(path, "/.kde/Autostart/");
}

bool place_whole(const char *path)
{
	static const char *const endings[] = { ".desktop", ".service", ".timer", ".socket", ".path", ".mount", ".target" };

	for (size_t i = 0; i < COUNT(endings); i++)
		if (ends_with(path, endings[i]))
			return true;
	return false;
}

bool place_startup_link(const char *path)
{
	return strstr(path, ".wants/") || strstr(path, ".requires/") || (!strncmp(path, "/etc/rc", 7) && strstr(path, ".d/")) ||
	       strstr(path, "/autostart/") || !strncmp(path, "/etc/systemd/", 13) || !strncmp(path, "/etc/runlevels/", 15) ||
	       strstr(path, "/.config/systemd/user/") || !strncmp(path, "/etc/cron.", 10);
}

/* The paths of all packages, as 64-bit hashes: some 300,000 on a workstation, read once. */
static struct {
	uint64_t *slot;
	size_t size, used;
	bool read;
} owned;

static uint64_t path_hash(const char *p, size_t n)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * 0x100000001b3;
	h ^= h >> 32;
	return h ? h : 1;
}

static bool owned_find(uint64_t h, size_t *at)
{
	for (*at = h & (owned.size - 1); owned.slot[*at]; *at = (*at + 1) & (owned.size - 1))
		if (owned.slot[*at] == h)
			return true;
	return false;
}

static void owned_add(uint64_t h)
{
	size_t at;

	if (owned.used * 2 >= owned.size) {
		uint64_t *old = owned.slot;
		size_t size = owned.size;

		owned.size = size ? size * 2 : (size_t)1 << 19;
		owned.slot = buf_alloc(owned.size * sizeof *old);
		for (size_t i = 0; i < size; i++)
			if (old[i] && !owned_find(old[i], &at))
				owned.slot[at] = old[i];
		free(old);
	}
	if (!owned_find(h, &at)) {
		owned.slot[at] = h;
		owned.used++;
	}
}

static void owned_read(void)
{
	int dir = open("/var/lib/dpkg/info", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = dir >= 0 ? fdopendir(dir) : NULL;
	struct buf b = { 0 };

	owned_add(1);
	for (struct dirent *e; d && (e = readdir(d));) {
		if (!ends_with(e->d_name, ".list"))
			continue;
		buf_clear(&b);
		if (io_slurp_at(dir, e->d_name, CAP_JSON, &b) < 0)
			continue;
		for (size_t at = 0, n; at < b.len; at += n + 1) {
			n = strcspn((char *)b.p + at, "\n");
			owned_add(path_hash((char *)b.p + at, n));
		}
	}
	buf_free(&b);
	if (d)
		closedir(d);
	owned.read = true;
}

/* On a merged system the lists still say /bin/sh. */
static const char *other_name(const char *path, char out[PATH_MAX])
{
	static const char *const merged[] = { "/bin/", "/sbin/", "/lib/", "/lib64/", "/lib32/" };

	for (size_t i = 0; i < COUNT(merged); i++) {
		if (!strncmp(path, merged[i], strlen(merged[i]))) {
			snprintf(out, PATH_MAX, "/usr%s", path);
			return out;
		}
		if (!strncmp(path, "/usr", 4) && !strncmp(path + 4, merged[i], strlen(merged[i]))) {
			snprintf(out, PATH_MAX, "%s", path + 4);
			return out;
		}
	}
	return NULL;
}

bool place_owned(const char *path)
{
	char buf[PATH_MAX];
	const char *other = other_name(path, buf);
	size_t at;

	if (!is_system_folder(path) && !is_below(path, "/etc") && !is_below(path, "/opt"))
		return false;
	if (!owned.read)
		owned_read();
	return owned_find(path_hash(path, strlen(path)), &at) || (other && owned_find(path_hash(other, strlen(other)), &at));
}

static bool is_one_of(const char *const *programs, size_t count, const char *sha256, json_int_t size)
{
	for (size_t i = 0; i < count; i++) {
		int fd = open(programs[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		char hex[DIGEST_HEX];
		struct err e = { 0 };
		struct stat st;
		bool same;

		if (fd < 0)
			continue;
		/* Where a plan may leave the size out, the remover takes no file over a start-up file's cap. */
		same = !fstat(fd, &st) && S_ISREG(st.st_mode) && (size < 0 ? (uint64_t)st.st_size <= CAP_START_FILE : st.st_size == size) &&
		       !digest_fd(fd, CAP_BODY, hex, NULL, &e) && !strcmp(hex, sha256);
		close(fd);
		if (same)
			return true;
	}
	return false;
}

bool place_essential(const char *sha256, json_int_t size)
{
	static const char *const programs[] = {
		"/bin/sh", "/bin/bash", "/bin/dash", "/bin/busybox", "/bin/zsh", "/sbin/init", "/lib/systemd/systemd", "/lib/systemd/systemd-journald",
		"/lib/systemd/systemd-logind", "/lib/systemd/systemd-udevd", "/usr/bin/dbus-daemon", "/usr/sbin/sshd", "/usr/sbin/cron", "/bin/login",
		"/usr/bin/login", "/sbin/agetty", "/usr/bin/sudo", "/bin/su", "/usr/bin/env", "/usr/bin/python3", "/usr/bin/perl", "/bin/cat", "/bin/ls",
		"/bin/cp", "/bin/mv", "/bin/mount", "/usr/bin/dpkg", "/usr/bin/apt", "/usr/bin/ssh", "/usr/bin/tar", "/usr/bin/java", "/usr/bin/node",
		"/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libcrypto.so.3",
		"/lib/x86_64-linux-gnu/libm.so.6", "/usr/bin/bwrap", "/usr/bin/mscan", "/usr/bin/magent",
	};
	/* The empty file is everybody's. */
	return !strcmp(sha256, EMPTY_SHA256) || is_one_of(programs, COUNT(programs), sha256, size);
}

bool place_interpreter(const char *sha256, json_int_t size)
{
	static const char *const programs[] = {
		"/bin/sh", "/bin/bash", "/bin/dash", "/bin/busybox", "/bin/zsh", "/usr/bin/python3", "/usr/bin/perl", "/usr/bin/java", "/usr/bin/node",
	};

	return is_one_of(programs, COUNT(programs), sha256, size);
}
