#include "micro/dynamic-internal.h"

#include <string.h>

/* Names that the system's own programs have; a sample that takes one of them wants to be taken for it. */
static const char *const SERVICES[] = { "systemd", "init", "sshd", "cron", "crond", "atd", "rsyslogd", "syslogd", "dbus-daemon", "udevd",
	"agetty", "getty", "login", "polkitd", "NetworkManager", "dhclient", "ntpd", "chronyd", "bash", "sh", "nginx", "apache2", "httpd",
	"mysqld", "kthreadd", "kswapd0", "khugepaged", "watchdogd", "auditd", "irqbalance", "accounts-daemon", "snapd", "containerd" };
static const char *const FAMILIES[] = { "kworker", "ksoftirqd", "migration", "rcu_", "systemd-", "jbd2", "kblockd", "scsi_eh", "cpuhp", "[" };

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool system_name(const char *name)
{
	for (size_t i = 0; i < sizeof SERVICES / sizeof *SERVICES; i++)
		if (!strcmp(name, SERVICES[i]))
			return true;
	for (size_t i = 0; i < sizeof FAMILIES / sizeof *FAMILIES; i++)
		if (!strncmp(name, FAMILIES[i], strlen(FAMILIES[i])))
			return true;
	return false;
}

/* "kworker/0:2" is a whole name, "/usr/sbin/sshd" a path, "sshd: root@pts/0" a title. */
static bool claims(const char *name, const char *path)
{
	char word[64];

	snprintf(word, sizeof word, "%.*s", (int)strcspn(name, ": "), name);
	return system_name(name[0] == '[' ? name : word) && strcmp(base(path), word);
}

bool disguise_claims(const char *name, const char *path)
{
	return claims(name, path) || claims(base(name), path);
}
