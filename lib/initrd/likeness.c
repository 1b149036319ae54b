/* What of an initial file system runs: programs, modules, scripts, and the files that these read as commands. */
#include "initrd/initrd.h"

#include <string.h>

/* Read as commands or rules by initramfs-tools' and dracut's scripts (cryptsetup's, live-boot's and ZFS's among them), udev, modprobe,
 * the loader or systemd; below /usr as well. */
static const char *const read_there[] = {
	"scripts/", "conf/", "hooks/", "bin/", "sbin/", "lib/dracut/", "lib/modprobe.d/", "etc/modprobe.d/", "run/modprobe.d/",
	"lib/udev/rules.d/", "etc/udev/rules.d/", "run/udev/rules.d/", "etc/ld.so.preload", "etc/profile", "etc/systemd/system/",
	"lib/systemd/system/", "run/systemd/system/", "etc/cmdline.d/", "etc/conf.d/", "root/.profile", "var/lib/dracut/hooks/",
	"lib/cryptsetup/", "lib/live/", "etc/zfs/", "etc/default/zfs",
};
/* Of kmod and udev, in their folders: read through, and nothing but tables. */
static const char *const tables[] = { ".bin", ".dep", ".alias", ".symbols", ".softdep", ".builtin", ".order", ".modinfo" };

static bool ends(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && !strcmp(s + n - k, end);
}

static bool is_module(const char *path)
{
	return ends(path, ".ko") || ends(path, ".ko.xz") || ends(path, ".ko.zst") || ends(path, ".ko.gz");
}

static bool is_table(const char *path)
{
	size_t i;

	if (strncmp(path, "lib/modules/", 12) != 0 && strncmp(path, "lib/udev/", 9) != 0 && strncmp(path, "etc/udev/", 9) != 0)
		return false;
	for (i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		if (ends(path, tables[i]))
			return true;
	return false;
}

bool likeness_runs(const struct initrd_file *f, const void *p, size_t n)
{
	const char *path = f->path;
	size_t i;

	if (!strncmp(path, "usr/", 4))
		path += 4;
	if (f->linked || is_module(path) || (n >= 2 && !memcmp(p, "#!", 2)) || (n >= 4 && !memcmp(p, "\177ELF", 4)))
		return true;
	for (i = 0; i < sizeof(read_there) / sizeof(*read_there); i++)
		if (!strncmp(path, read_there[i], strlen(read_there[i])))
			return true;
	return f->mode & 0111 && !is_table(path);
}

static const char *line_end(const char *p, const char *end)
{
	const char *stop = memchr(p, '\n', (size_t)(end - p));

	return stop ? stop : end;
}

static bool only(const char *p, const char *end, const char *more)
{
	for (; p < end; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || (*p && strchr(more, *p))))
			return false;
	return true;
}

/* Variables of initramfs-tools' own configuration and of what its hooks write: what they are set to is data. PATH, LD_PRELOAD, init
 * and whatever else makes something run is not among them. */
static bool harmless(const char *name, size_t n)
{
	static const char *const names[] = {
		"DPKG_ARCH", "RESUME", "ROOT", "ROOTDELAY", "ROOTFLAGS", "ROOTFSTYPE", "FSTYPE", "BOOT", "MODULES", "BUSYBOX", "KEYMAP", "COMPRESS",
		"COMPRESSLEVEL", "DEVICE", "NFSROOT", "NFSOPTS", "RUNSIZE", "UMASK", "CRYPTSETUP", "FRAMEBUFFER", "ASKPASS", "DROPBEAR", "LVM",
		"FSCKFIX", "fastboot", "forcefsck", "quiet", "IP", "DNSDOMAINNAME",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i]) == n && !memcmp(names[i], name, n))
			return true;
	return false;
}

/* NAME=value, perhaps with "export" before it and quotes around the value. */
static bool setting(const char *p, const char *end)
{
	const char *equals, *more;

	if (end - p > 7 && !memcmp(p, "export ", 7))
		p += 7;
	equals = memchr(p, '=', (size_t)(end - p));
	if (!equals)
		return harmless(p, (size_t)(end - p));
	/* a script of this name is read as commands: of another folder, too */
	more = equals - p == 4 && !memcmp(p, "BOOT", 4) ? "_-" : "/_.,:+-@%= ";
	p = harmless(p, (size_t)(equals - p)) ? equals + 1 : NULL;
	if (!p)
		return false;
	if (end - p >= 2 && (*p == '"' || *p == '\'') && end[-1] == *p) {
		p++;
		end--;
		return only(p, end, more);
	}
	return !memchr(p, ' ', (size_t)(end - p)) && only(p, end, more);
}

/* A script of the image, by its name, as initramfs-tools calls it; or what it reads behind each. */
static bool ordered(const char *p, const char *end)
{
	static const char call[] = " \"$@\"", params[] = "[ -e /conf/param.conf ] && . /conf/param.conf";
	size_t k = sizeof(call) - 1;

	if ((size_t)(end - p) == sizeof(params) - 1 && !memcmp(p, params, sizeof(params) - 1))
		return true;
	return (size_t)(end - p) > k + 9 && !memcmp(p, "/scripts/", 9) && !memcmp(end - k, call, k) && only(p, end - k, "/_.-");
}

static bool each_line(const char *p, size_t n, bool (*is)(const char *p, const char *end))
{
	const char *end = p + n, *stop;

	for (; p < end; p = stop + 1) {
		stop = line_end(p, end);
		if (memchr(p, '\0', (size_t)(stop - p)))
			return false;
		while (p < stop && (*p == ' ' || *p == '\t'))
			p++;
		if (p < stop && *p != '#' && !is(p, stop))
			return false;
	}
	return true;
}

const char *likeness_of(const char *path, const void *p, size_t n, bool whole)
{
	if (is_module(path))
		return "module";
	if (n >= 4 && !memcmp(p, "\177ELF", 4))
		return "elf";
	if (n >= 2 && !memcmp(p, "#!", 2))
		return "script";
	if (whole && each_line(p, n, setting))
		return "settings";
	if (whole && each_line(p, n, ordered))
		return "order";
	return memchr(p, '\0', n) ? "data" : "text";
}
