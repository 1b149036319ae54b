#include "garden/garden-internal.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAP(n) ((uint64_t)1 << (n))

/* What a sample that thinks it is root expects of its own files and network, all within its user namespace. */
#define SAMPLE (CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER) | CAP(CAP_FSETID) | CAP(CAP_KILL) | CAP(CAP_SETUID) | \
	CAP(CAP_SETGID) | CAP(CAP_SETPCAP) | CAP(CAP_NET_BIND_SERVICE) | CAP(CAP_NET_RAW) | CAP(CAP_SETFCAP))
#define BESIDE (SAMPLE | CAP(CAP_DAC_READ_SEARCH) | CAP(CAP_SYS_PTRACE) | CAP(CAP_LINUX_IMMUTABLE) | CAP(CAP_NET_ADMIN))

static int limit(int what, uint64_t value)
{
	struct rlimit r = { value, value }, old;

	/* One that is lower already stays: to raise it needs a right that may not be there. */
	if (getrlimit((__rlimit_resource_t)what, &old) == 0 && old.rlim_max < value)
		r.rlim_cur = r.rlim_max = old.rlim_max;
	return setrlimit((__rlimit_resource_t)what, &r) ? errno : 0;
}

static int drop_bounding(uint64_t keep)
{
	for (unsigned c = 0; c < 64; c++) {
		if (keep & CAP(c) || prctl(PR_CAPBSET_READ, c, 0, 0, 0) < 0)
			continue;
		if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0))
			return errno;
	}
	return 0;
}

static int set_capabilities(uint64_t keep, bool inherit)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	for (int i = 0; i < 2; i++) {
		uint32_t half = (uint32_t)(keep >> (32 * i));

		d[i] = (struct __user_cap_data_struct){ half, half, inherit ? half : 0 };
	}
	return syscall(SYS_capset, &h, d) ? errno : 0;
}

/* Another user number, where there are others. */
static int become(unsigned uid, unsigned gid)
{
	/* An unprivileged world has no other user than its root. */
	if (setgroups(0, NULL) && errno != EPERM)
		return errno;
	if ((setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) && errno != EINVAL)
		return errno;
	return 0;
}

int rights_forgo(void)
{
	int rc = drop_bounding(0);

	return rc ? rc : prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? errno : 0;
}

int rights_none(unsigned uid, unsigned gid)
{
	int rc = become(uid, gid);

	return rc ? rc : set_capabilities(0, false);
}

int rights_drop(const struct rights *r)
{
	uint64_t keep = r->beside ? BESIDE : SAMPLE;
	int rc;

	/* 1, not 0: a program that the machine hands cores to is started for 0 as well, see core(5). */
	if ((rc = limit(RLIMIT_CORE, 1)) || (rc = limit(RLIMIT_AS, r->memory)) || (rc = limit(RLIMIT_FSIZE, r->file)) ||
	    (rc = limit(RLIMIT_NOFILE, 1024)) || (rc = limit(RLIMIT_MEMLOCK, 64 * KIB)) || (rc = limit(RLIMIT_MSGQUEUE, 64 * KIB)) ||
	    (rc = limit(RLIMIT_SIGPENDING, 1024)))
		return rc;
	if ((rc = drop_bounding(keep)))
		return rc;
	if (r->uid && (rc = become(r->uid, r->uid)))
		return rc;
	if (geteuid() == 0 && (rc = set_capabilities(keep, false)))
		return rc;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return errno;
	return filter_enter(r->traced, r->bend);
}
