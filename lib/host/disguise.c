#include "host/internal.h"

#include <string.h>

/* Kernel threads, without the part behind the slash; "kworker/0:1" matches "kworker". */
static const char *const kernel_threads[] = {
	"kworker", "ksoftirqd", "kthreadd", "migration", "rcu_sched", "rcu_preempt", "rcu_gp", "rcu_par_gp", "rcu_tasks_kthre",
	"kswapd", "khugepaged", "kcompactd", "ksmd", "kdevtmpfs", "kauditd", "khungtaskd", "oom_reaper", "writeback", "kintegrityd",
	"kblockd", "watchdogd", "kthrotld", "cpuhp", "idle_inject", "netns", "ecryptfs-kthrea", "scsi_eh", "scsi_tmf", "jbd2",
	"ext4-rsv-conver", "xfsaild", "btrfs-transacti", "nvme-wq", "nfsd", "lockd", "irq", "kdmflush", "md_misc", "ata_sff",
	"kpsmoused", "zswap-shrink", "charger_manager", "slub_flushwq", "mm_percpu_wq", "inet_frag_wq", "kstrp", "tpm_dev_wq",
	"edac-poller", "devfreq_wq", "kmpath_rdacd", "kaluad", "ipv6_addrconf", "blkcg_punt_bio", "events_unbound", "kthreadd",
};

bool disguise_kernel_thread(const char *name)
{
	size_t i, n = strlen(name);

	if (n > 2 && name[0] == '[' && memchr(name, ']', n))
		return true;
	for (i = 0; i < sizeof(kernel_threads) / sizeof(*kernel_threads); i++) {
		size_t k = strlen(kernel_threads[i]);

		if (!strncmp(name, kernel_threads[i], k) && (!name[k] || name[k] == '/' || name[k] == '-' || name[k] == '_'
		                                             || (name[k] >= '0' && name[k] <= '9')))
			return true;
	}
	return false;
}

static const char *const services[] = {
	"systemd", "systemd-journald", "systemd-udevd", "systemd-logind", "systemd-resolved", "systemd-networkd",
	"systemd-timesyncd", "systemd-machined", "systemd-hostnamed", "systemd-oomd", "init", "dbus-daemon", "dbus-broker", "sshd",
	"cron", "crond", "atd", "anacron", "rsyslogd", "syslogd", "syslog-ng", "udevd", "agetty", "getty", "login", "polkitd",
	"networkmanager", "wpa_supplicant", "dhclient", "dhcpcd", "chronyd", "ntpd", "cupsd", "avahi-daemon", "rtkit-daemon",
	"accounts-daemon", "acpid", "auditd", "irqbalance", "udisksd", "upowerd", "modemmanager", "gdm", "gdm3", "lightdm", "xorg",
	"gnome-shell", "gnome-keyring-daemon", "gnome-keyring-d", "pulseaudio", "pipewire", "wireplumber", "gvfsd", "snapd",
	"packagekitd", "dockerd", "containerd", "containerd-shim", "kubelet", "nginx", "apache2", "httpd", "mysqld", "mariadbd",
	"postgres", "php-fpm", "exim4", "master", "sendmail", "dnsmasq", "named", "unbound", "smbd", "nmbd", "rpcbind", "inetd",
	"xinetd", "ssh-agent", "gpg-agent", "at-spi-bus-launcher", "multipathd", "lvmetad", "mdadm", "bluetoothd", "thermald",
};

static const char *const homes_of_programs[] = {
	"/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/opt/", "/snap/", "/nix/store/", "/gnu/store/",
};

bool disguise_service(const char *name, const char *path)
{
	size_t i;
	bool service = false;

	for (i = 0; i < sizeof(services) / sizeof(*services) && !service; i++) {
		size_t n = strlen(services[i]);

		/* a process's name is cut at 15 bytes */
		service = !strcasecmp(name, services[i]) || (n > 15 && strlen(name) == 15 && !strncasecmp(name, services[i], 15));
	}
	if (!service || path[0] != '/')
		return false;
	for (i = 0; i < sizeof(homes_of_programs) / sizeof(*homes_of_programs); i++)
		if (!strncmp(path, homes_of_programs[i], strlen(homes_of_programs[i])))
			return false;
	return true;
}

/* Files whose place is a home and whose name begins with a dot by custom. */
static bool customary(const char *name)
{
	static const char *const names[] = {
		".profile", ".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".zshrc", ".zshenv", ".zprofile",
		".zlogin", ".kshrc", ".xprofile", ".xinitrc", ".xsession", ".xsessionrc",
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

bool disguise_hidden(const char *path)
{
	const char *p = path;

	while ((p = strchr(p, '/'))) {
		p++;
		if ((*p == '.' || *p == ' ') && !customary(p))
			return true;
	}
	return false;
}

/* Characters that show as nothing, as a blank, or that turn the rest of a line round (Unicode, general categories Cf and Zs),
 * by their UTF-8. */
static size_t invisible(const unsigned char *p)
{
	static const char *const marks[] = {
		"\xc2\xa0", "\xc2\xad", "\xd8\x9c", "\xe1\x9a\x80", "\xe1\xa0\x8e", "\xe2\x80\x80", "\xe2\x80\x81", "\xe2\x80\x82",
		"\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89",
		"\xe2\x80\x8a", "\xe2\x80\x8b", "\xe2\x80\x8c", "\xe2\x80\x8d", "\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x80\xa8",
		"\xe2\x80\xa9", "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", "\xe2\x80\xad", "\xe2\x80\xae", "\xe2\x80\xaf",
		"\xe2\x81\x9f", "\xe2\x81\xa0", "\xe2\x81\xa1", "\xe2\x81\xa2", "\xe2\x81\xa3", "\xe2\x81\xa4", "\xe2\x81\xa6",
		"\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9", "\xe3\x80\x80", "\xe3\x85\xa4", "\xef\xbb\xbf",
	};
	size_t i, n;

	for (i = 0; *p >= 0xc2 && i < sizeof(marks) / sizeof(*marks); i++) {
		n = strlen(marks[i]);
		if (!strncmp((const char *)p, marks[i], n))
			return n;
	}
	return 0;
}

bool disguise_odd(const char *path)
{
	const unsigned char *p = (const unsigned char *)path;

	for (; *p; p++) {
		if (*p < ' ' || *p == 0x7f || invisible(p))
			return true;
		/* a blank at a name's end or beginning, and a name of dots alone */
		if (*p == ' ' && (p[1] == '/' || !p[1] || (p > (const unsigned char *)path && p[-1] == '/')))
			return true;
		if (*p == '/' && p[1] == '.' && p[2] == '.' && p[3] == '.' && (!p[3 + strspn((const char *)p + 3, ".")]
		                                                              || p[3 + strspn((const char *)p + 3, ".")] == '/'))
			return true;
	}
	return false;
}

bool disguise_temporary(const char *path)
{
	static const char *const places[] = { "/tmp/", "/var/tmp/", "/dev/", "/run/shm/", "/run/user/", "/var/run/user/" };
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (!strncmp(path, places[i], strlen(places[i])))
			return true;
	return false;
}
