#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/internal.h"

static void disguises(void)
{
	OK(disguise_kernel_thread("kworker/0:1") && disguise_kernel_thread("[jbd2/sda1-8]") && disguise_kernel_thread("ksoftirqd/3")
	   && disguise_kernel_thread("kworker"), "kernel threads' names");
	OK(!disguise_kernel_thread("irqbalance") && !disguise_kernel_thread("bash") && !disguise_kernel_thread("")
	   && !disguise_kernel_thread("kworkers") && !disguise_kernel_thread("["), "and others");
	OK(disguise_service("dbus-daemon", "/root/.cache/dbus-daemon") && disguise_service("systemd-journal", "/tmp/x"),
	   "a service's name elsewhere");
	OK(!disguise_service("dbus-daemon", "/usr/bin/dbus-daemon") && !disguise_service("mine", "/root/mine")
	   && !disguise_service("sshd", "relative"), "or where it belongs");
	OK(disguise_hidden("/root/.cache/x") && disguise_hidden("/tmp/.x") && disguise_hidden("/opt/ /x") && disguise_hidden("/x/.../y"),
	   "hidden");
	OK(!disguise_hidden("/root/x.y") && !disguise_hidden("/root/.bashrc"), "not hidden");
	OK(disguise_odd("/opt/x ") && disguise_odd("/opt/x /y") && disguise_odd("/opt/ x") && disguise_odd("/opt/...") && disguise_odd("/opt/..../x")
	   && disguise_odd("/opt/a\nb") && disguise_odd("/opt/a\x7f") && disguise_odd("/opt/\xe2\x80\xaex") && disguise_odd("/opt/s\xc2\xa0t"),
	   "names that are made to be misread");
	OK(!disguise_odd("/opt/a b/c d") && !disguise_odd("/opt/...x") && !disguise_odd("/opt/x...") && !disguise_odd("/opt/\xc3\xa4\xe2\x80\x93\xe6\x97\xa5")
	   && !disguise_odd("/opt/\xff\xc2") && !disguise_odd("relative"), "and names that are only strange");
	OK(disguise_temporary("/tmp/x") && disguise_temporary("/dev/shm/a/b") && !disguise_temporary("/tmpx") && !disguise_temporary("/usr/tmp2"),
	   "temporary places");
}

static void put(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || io_write(fd, text, strlen(text)) < 0)
		exit(1);
	close(fd);
}

static void packages(void)
{
	char path[] = "/tmp/muss-dpkg.XXXXXX";
	struct err e;
	struct dpkg *d;
	int root;

	if (!mkdtemp(path) || (root = open(path, O_RDONLY | O_DIRECTORY)) < 0)
		exit(1);
	OK(!dpkg_open(root), "no database is no database");
	mkdirat(root, "var", 0755);
	mkdirat(root, "var/lib", 0755);
	mkdirat(root, "var/lib/dpkg", 0755);
	mkdirat(root, "var/lib/dpkg/info", 0755);
	put(root, "var/lib/dpkg/info/a.list", "/.\n/usr\n/usr/bin/a\n/lib/x/b.so\n/opt/c");
	put(root, "var/lib/dpkg/info/b.md5sums", "/usr/bin/no\n");
	put(root, "var/lib/dpkg/diversions", "/usr/bin/d\n/usr/bin/d.real\na\n");
	d = dpkg_open(root);
	OK(d != NULL, "a database");
	OK(dpkg_owns(d, "/usr/bin/a") && dpkg_owns(d, "/bin/a") && dpkg_owns(d, "/usr/lib/x/b.so") && dpkg_owns(d, "/lib/x/b.so")
	   && dpkg_owns(d, "/opt/c"), "owned, by either name of a merged /usr");
	OK(dpkg_owns(d, "/usr/bin/d.real"), "where a diversion put it");
	OK(!dpkg_owns(d, "/usr/bin/no") && !dpkg_owns(d, "/usr/opt/c") && !dpkg_owns(d, "/usr/bin/") && !dpkg_owns(d, ""), "not owned");
	dpkg_close(d);
	close(root);
	io_rmtree(AT_FDCWD, path, &e);
}

static void stats(void)
{
	struct proc p = { 0 };

	OK(proc_parse_stat("12 (a) b (c) S 1 12 12 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4567 8 9", &p) == 0 && p.pid == 12 && p.ppid == 1
	   && p.start == 4567 && p.state == 'S' && !p.kernel && p.session == 12 && !p.terminal, "a stat line");
	OK_STR(p.comm, "a) b (c", "whose name has brackets");
	OK(proc_parse_stat("12 (a) S 1 12 7 34816 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4567 8 9", &p) == 0 && p.session == 7 && p.terminal,
	   "of a process at a terminal");
	OK(proc_parse_stat("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0", &p) == 0 && p.kernel, "a kernel thread");
	OK(proc_parse_stat("2 kthreadd", &p) < 0 && proc_parse_stat("", &p) < 0 && proc_parse_stat("1 ) ( S", &p) < 0, "no stat line");
}

int main(void)
{
	disguises();
	packages();
	stats();
	return unit_end();
}
