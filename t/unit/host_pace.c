#include "unit.h"

#include <sys/sysmacros.h>

#include "host/internal.h"

#define S INT64_C(1000000000)

static void debts(void)
{
	/* a tenth of a core: what took 1 s of processor is owed 10 s of wall time */
	OK(pace_debt(0.1, S, S) == 9 * S, "a tenth of a core");
	OK(pace_debt(0.1, S, 10 * S) == 0, "paid off");
	OK(pace_debt(0.5, S, 10 * S) == -8 * S, "a credit");
	OK(pace_debt(1, S, S) == 0, "a whole core owes nothing");
}

static bool near(double a, double b)
{
	return a - b < 1e-9 && b - a < 1e-9;
}

static void following(void)
{
	double share = 1;
	int i;

	OK(near(pace_others(S / 2, S / 4, S), 0.25), "what we waited ourselves is not the others'");
	OK(near(pace_others(S / 4, S / 2, S), 0), "never below nothing");
	OK(near(pace_others(S, 0, 0), 0), "no time passed");
	OK(near(pace_follow(1, 0.5, 1), 0.5), "half, while others wait");
	OK(near(pace_follow(0.5, 0.07, 1), 0.5), "as it was, in between");
	for (i = 0; i < 20; i++)
		share = pace_follow(share, 1, 1);
	OK(near(share, 0.05), "the scan still ends");
	for (i = 0; i < 20; i++)
		share = pace_follow(share, 0, 0.3);
	OK(near(share, 0.3), "back to what is allowed, and no more");
}

static const char mountinfo[] =
	"22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
	"30 22 0:45 / /home rw shared:1 master:2 - nfs4 server:/home rw,addr=10.0.0.1\n"
	"31 22 0:46 / /mnt/a\\040b\\012c rw - fuse.sshfs who@where:/ rw\n"
	"32 30 254:1 / /home/local rw - ext4 /dev/vdb rw\n"
	"33 22 0:47 / /over rw - nfs a:/b rw\n"
	"34 22 254:2 / /over rw - xfs /dev/vdc rw\n"
	"broken\n";

static void finding(void)
{
	struct mount m;

	OK(mounts_find(mountinfo, 0, "/home/u/.profile", &m) && m.remote && !strcmp(m.point, "/home") && !strcmp(m.type, "nfs4"), "by path");
	OK(mounts_find(mountinfo, 0, "/homes/u", &m) && !m.remote && !strcmp(m.point, "/"), "whole components only");
	OK(mounts_find(mountinfo, 0, "/home/local/x", &m) && !m.remote, "the nearest");
	OK(mounts_find(mountinfo, 0, "/over/x", &m) && !m.remote, "the uppermost");
	OK(mounts_find(mountinfo, 0, "/mnt/a b\nc/x", &m) && m.remote && m.dev == makedev(0, 46), "a name with blanks and newlines");
	OK(mounts_find(mountinfo, makedev(0, 45), "/anything", &m) && !strcmp(m.point, "/home"), "by device");
	OK(!mounts_find(mountinfo, makedev(9, 9), "/home", &m), "no such device");
	OK(!mounts_find("", 0, "/", &m), "no mounts");
}

int main(void)
{
	debts();
	following();
	finding();
	return unit_end();
}
