/*
 * Looks at a machine as code does that would rather not run where it is watched: one line a check, "ok NAME" or "no NAME: what was seen".
 * What only a tracer could answer otherwise is told as "beyond NAME: ..." and is no check. Reads, and does nothing else.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

static char text[1 << 20], seen[256];
static int failed;

static void say(const char *name, int good)
{
	printf(good ? "ok %s\n" : "no %s: %s\n", name, seen);
	failed += !good;
	seen[0] = '\0';
}

static int note(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(seen, sizeof seen, format, ap);
	va_end(ap);
	return 0;
}

static const char *slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;

	if (f)
		fclose(f);
	for (size_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
	text[n] = '\0';
	if (!n)
		note("%s is empty", path);
	return text;
}

/* None of the words, which end with NULL. */
static int none(const char *where, const char *const *words)
{
	for (; *words; words++)
		if (strcasestr(where, *words))
			return note("%s in %.100s", *words, where);
	return 1;
}

static const char *const SANDBOX[] = { "sandbox", "malware", "virus", "sample", "cuckoo", "analysis", "honey", "test", "vmware", "virtual", "garden", "muss", NULL };
static const char *const MACHINES[] = { "QEMU", "VMware", "VirtualBox", "VBOX", "innotek", "Bochs", "Xen", "KVM", "Amazon", "Google", "Microsoft Corporation",
	"Parallels", "Firecracker", "virtio", NULL };
static const char *const WATCHERS[] = { "strace", "ltrace", "gdb", "frida", "tcpdump", "wireshark", "vmtoolsd", "VBoxService", "qemu-ga", "helper-", "mnicter",
	"python", "timeout", NULL };

static int count(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	for (struct dirent *e; d && (e = readdir(d)); )
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static void clocks(void)
{
	struct sysinfo s;
	struct timespec boot, mono;
	double up = strtod(slurp("/proc/uptime"), NULL);

	sysinfo(&s);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	note("%f %ld %ld %ld", up, s.uptime, (long)boot.tv_sec, (long)mono.tv_sec);
	say("uptime", up > 5 * 86400 && labs((long)up - s.uptime) < 3 && labs((long)up - (long)boot.tv_sec) < 3 && mono.tv_sec > 5 * 86400);
}

static void names(void)
{
	struct utsname u;
	char host[256] = "";

	uname(&u);
	gethostname(host, sizeof host);
	say("host name", none(host, SANDBOX) && strcmp(host, "localhost") && !strcmp(host, u.nodename) && !strncmp(slurp("/etc/hostname"), host, strlen(host)));
}

static void users(void)
{
	char *line, *rest;
	int n = 0, good = 1;

	slurp("/etc/passwd");
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char login[64], home[256];
		unsigned uid;

		if (sscanf(line, "%63[^:]:x:%u:%*u:%*[^:]:%255[^:]", login, &uid, home) != 3 || uid < 1000 || uid > 60000)
			continue;
		n++;
		good = good && none(login, SANDBOX) && (access(home, F_OK) == 0 || note("no %s", home));
	}
	say("user names", good && (n >= 1 || note("no ordinary user")));
}

static void firmware(void)
{
	static const char *const FILES[] = { "sys_vendor", "product_name", "board_vendor", "bios_vendor", "chassis_vendor" };
	int good = 1;

	for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
		char path[128];

		snprintf(path, sizeof path, "/sys/class/dmi/id/%s", FILES[i]);
		good = good && *slurp(path) && none(text, MACHINES);
	}
	say("firmware vendor", good);
}

static int is_hypervisors(const char *mac)
{
	static const char *const PREFIX[] = { "08:00:27", "00:0c:29", "00:50:56", "00:05:69", "52:54:00", "00:16:3e", "00:1c:42", "00:15:5d", "00:00:00" };

	for (size_t i = 0; i < sizeof PREFIX / sizeof *PREFIX; i++)
		if (!strncasecmp(mac, PREFIX[i], 8))
			return 1;
	return 0;
}

static void cards(void)
{
	DIR *d = opendir("/sys/class/net");
	int n = 0, good = 1, sock = socket(AF_INET, SOCK_DGRAM, 0);

	for (struct dirent *e; d && (e = readdir(d)); ) {
		char path[300], mac[18];
		struct ifreq r = { 0 };

		if (e->d_name[0] == '.' || !strcmp(e->d_name, "lo"))
			continue;
		snprintf(path, sizeof path, "/sys/class/net/%s/address", e->d_name);
		good = good && *slurp(path) && (!is_hypervisors(text) || note("%s", text));
		/* The kernel may have none of that kind; when there is one, they agree. */
		snprintf(r.ifr_name, sizeof r.ifr_name, "%.15s", e->d_name);
		if (ioctl(sock, SIOCGIFHWADDR, &r) == 0) {
			unsigned char *h = (unsigned char *)r.ifr_hwaddr.sa_data;

			snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4], h[5]);
			good = good && (!strncmp(mac, text, 17) || note("%s is not %s", mac, text));
		} else {
			printf("beyond network card: this kernel lends none\n");
		}
		n++;
	}
	if (d)
		closedir(d);
	close(sock);
	say("network card", good && (n >= 1 || note("none")));
}

static void hardware(void)
{
	cpu_set_t set;
	struct sysinfo s;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), listed = 0;

	note("%s", slurp("/sys/block/sda/size"));
	say("disk size", strtoull(text, NULL, 10) / 2 / 1024 / 1024 > 100 && *slurp("/sys/block/sda/device/model") && none(text, MACHINES));
	say("partitions", strstr(slurp("/proc/partitions"), "sda") && none(text, (const char *const[]){ "vda", "xvda", NULL }));
	sysinfo(&s);
	note("%lu", s.totalram);
	say("memory", (unsigned long long)s.totalram * s.mem_unit > 900ull << 20);
	sched_getaffinity(0, sizeof set, &set);
	slurp("/proc/cpuinfo");
	for (char *p = text; (p = strstr(p, "processor\t")); p++)
		listed++;
	note("%ld by sysconf, %d by affinity, %ld in cpuinfo", cpus, CPU_COUNT(&set), listed);
	if (cpus < 2)
		printf("beyond processors: this machine has one\n");
	else
		say("processors", CPU_COUNT(&set) >= 2 && listed == cpus && strchr(slurp("/sys/devices/system/cpu/online"), '-'));
	say("processor flags", none(slurp("/proc/cpuinfo"), (const char *const[]){ "hypervisor", "QEMU Virtual", NULL }));
	say("temperature", strtol(slurp("/sys/class/thermal/thermal_zone0/temp"), NULL, 10) > 20000);
	say("mouse", strcasestr(slurp("/sys/class/input/mouse0/device/name"), "mouse") != NULL);
	say("hypervisor folder", access("/sys/hypervisor", F_OK) || note("/sys/hypervisor"));
	say("modules", (access("/sys/module/vboxguest", F_OK) && access("/sys/module/virtio_blk", F_OK) && access("/sys/module/vmw_balloon", F_OK)) || note("a guest's"));
	say("pci devices", count("/sys/bus/pci/devices") >= 3 || note("%d", count("/sys/bus/pci/devices")));
}

static void processes(void)
{
	DIR *d = opendir("/proc");
	int n = 0, good = 1, known = 0;
	char path[300];

	for (struct dirent *e; d && (e = readdir(d)); ) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9' || strtol(e->d_name, NULL, 10) == getpid())
			continue;
		n++;
		snprintf(path, sizeof path, "/proc/%.20s/comm", e->d_name);
		good = good && none(slurp(path), WATCHERS);
		known += !strcmp(text, "sshd\n") || !strcmp(text, "cron\n") || !strcmp(text, "dbus-daemon\n");
		snprintf(path, sizeof path, "/proc/%.20s/cmdline", e->d_name);
		good = good && none(slurp(path), WATCHERS);
	}
	if (d)
		closedir(d);
	say("watchers", good);
	note("%d, %d", n, known);
	say("processes", n >= 20 && known >= 3);
	snprintf(path, sizeof path, "/proc/%d/comm", (int)getppid());
	say("parent", none(slurp(path), WATCHERS));
	say("init", !strcmp(slurp("/proc/1/comm"), "systemd\n") || note("%.40s", text));
	say("own number", getpid() > 300 || note("%d", (int)getpid()));
}

static void containers(void)
{
	say("container files", (access("/.dockerenv", F_OK) && access("/run/.containerenv", F_OK)) || note("one is there"));
	say("container groups", none(slurp("/proc/1/cgroup"), (const char *const[]){ "docker", "lxc", "kubepods", "garden", NULL }) && *text);
	say("kernel's word", none(slurp("/proc/version"), SANDBOX) && *text && none(slurp("/proc/cmdline"), (const char *const[]){ "console=ttyS0", "firecracker", NULL }) && *text);
}

/* ---- is somebody at home? ---- */

static int recent, old, all, pictures, documents, history, places;

static void walk(const char *folder, int depth)
{
	DIR *d = opendir(folder);
	struct stat st;

	for (struct dirent *e; d && (e = readdir(d)); ) {
		char path[1024];

		snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || lstat(path, &st))
			continue;
		if (S_ISDIR(st.st_mode)) {
			if (depth < 8)
				walk(path, depth + 1);
			continue;
		}
		all++;
		recent += time(NULL) - st.st_mtime < 30 * 86400;
		old += time(NULL) - st.st_mtime > 90 * 86400;
		pictures += strstr(path, "/Pictures/") && st.st_size > 10000;
		documents += strstr(path, "/Documents/") && st.st_size > 0;
		places += strstr(path, "/places.sqlite") && !strncmp(slurp(path), "SQLite format 3", 15);
		if (!strcmp(e->d_name, ".bash_history"))
			for (const char *p = slurp(path); *p; p++)
				history += *p == '\n';
	}
	if (d)
		closedir(d);
}

static void home(void)
{
	struct utmp u;
	FILE *f = fopen("/var/run/utmp", "r");
	int in = 0;

	walk("/home", 0);
	note("%d files, %d recent, %d old", all, recent, old);
	say("files of all ages", all >= 60 && recent >= 10 && old >= 20);
	note("%d", documents);
	say("documents", documents >= 20);
	note("%d", pictures);
	say("pictures", pictures >= 2);
	note("%d", places);
	say("browser history", places >= 1);
	note("%d", history);
	say("shell history", history >= 100);
	note("%d", count("/usr/bin"));
	say("programs", count("/usr/bin") >= 200);
	note("%d", count("/var/log"));
	say("logs", count("/var/log") >= 8);
	while (f && fread(&u, sizeof u, 1, f) == 1)
		in += u.ut_type == USER_PROCESS;
	if (f)
		fclose(f);
	say("logged in", in >= 1 || note("nobody"));
}

static void beyond(void)
{
	struct statfs s;
	struct utsname u;
	const char *p = strstr(slurp("/proc/self/status"), "TracerPid:");

	printf("beyond tracer: %.20s\n", p ? strtok(strdup(p), "\n") : "?");
	uname(&u);
	printf("beyond kernel: %s %s\n", u.release, u.version);
	if (statfs("/", &s) == 0)
		printf("beyond file system: %llu MiB, type %lx\n", (unsigned long long)s.f_blocks * (unsigned long long)s.f_bsize >> 20, (long)s.f_type);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	clocks();
	names();
	users();
	firmware();
	cards();
	hardware();
	processes();
	containers();
	home();
	beyond();
	return failed > 99 ? 99 : failed;
}
