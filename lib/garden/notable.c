#include "garden/garden-internal.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* prctl's other options are told by name; "prctl" alone says nothing. */
static const struct { unsigned option; const char *name; } OPTIONS[] = {
	{ PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG" }, { PR_SET_DUMPABLE, "PR_SET_DUMPABLE" }, { PR_SET_SECCOMP, "PR_SET_SECCOMP" },
	{ PR_SET_SECUREBITS, "PR_SET_SECUREBITS" }, { PR_SET_MM, "PR_SET_MM" }, { PR_SET_CHILD_SUBREAPER, "PR_SET_CHILD_SUBREAPER" },
	{ PR_CAP_AMBIENT, "PR_CAP_AMBIENT" }, { PR_SET_PTRACER, "PR_SET_PTRACER" },
	{ PR_SET_SYSCALL_USER_DISPATCH, "PR_SET_SYSCALL_USER_DISPATCH" },
};
static const struct { unsigned request; const char *name; } REQUESTS[] = {
	{ TIOCSTI, "TIOCSTI" }, { TIOCLINUX, "TIOCLINUX" }, { TIOCCONS, "TIOCCONS" }, { TIOCSETD, "TIOCSETD" }, { SIOCADDRT, "SIOCADDRT" },
	{ SIOCDELRT, "SIOCDELRT" }, { SIOCSIFFLAGS, "SIOCSIFFLAGS" }, { SIOCSIFADDR, "SIOCSIFADDR" }, { SIOCSIFHWADDR, "SIOCSIFHWADDR" },
	{ NS_GET_USERNS, "NS_GET_USERNS" }, { NS_GET_PARENT, "NS_GET_PARENT" },
};
static const struct { int nr; const char *name; } CALLS[] = {
	{ SYS_semget, "semget" }, { SYS_msgget, "msgget" }, { SYS_mq_open, "mq_open" }, { SYS_capset, "capset" }, { SYS_setgroups, "setgroups" },
	{ SYS_personality, "personality" }, { SYS_seccomp, "seccomp" },
	{ SYS_prctl, "prctl" },
};

#define COUNT(a) (sizeof(a) / sizeof *(a))

const char *notable_ioctl(uint64_t request)
{
	for (size_t i = 0; i < COUNT(REQUESTS); i++)
		if (REQUESTS[i].request == (unsigned)request)
			return REQUESTS[i].name;
	return NULL;
}

static bool attribute(struct task *t)
{
	char *name = tracee_string(t->tid, t->arg[1]), *path;
	json_t *o;

	path = t->nr == SYS_fsetxattr ? tracee_fd(t->tid, (int)t->arg[0]) : tracee_path(t, AT_FDCWD, t->arg[0]);
	o = json_pack("{s:o, s:o}", "path", jsonio_name(path ? path : "?"), "name", jsonio_name(name));
	free(name);
	free(path);
	t->pending = o;
	t->pending_name = "setxattr";
	return true;
}

const char *notable_clock(const struct task *t)
{
	unsigned modes = 0;   /* the first member of struct timex; 0: only asked */

	if (t->nr != SYS_adjtimex && t->nr != SYS_clock_adjtime)
		return NULL;
	tracee_bytes(t->tid, t->arg[t->nr == SYS_clock_adjtime ? 1 : 0], &modes, sizeof modes);
	return !modes ? NULL : t->nr == SYS_adjtimex ? "adjtimex" : "clock_adjtime";
}

bool notable_call(struct task *t)
{
	const char *name = notable_clock(t);

	if (t->nr == SYS_setxattr || t->nr == SYS_lsetxattr || t->nr == SYS_fsetxattr)
		return attribute(t);
	/* The latter is asked, not changed. */
	if (t->nr == SYS_personality && (unsigned)t->arg[0] == 0xffffffff)
		return false;
	/* All that can be read can be run from now on: no call will tell of code in memory. */
	if (t->nr == SYS_personality && t->arg[0] & READ_IMPLIES_EXEC)
		t->code_memory = true;
	for (size_t i = 0; i < COUNT(CALLS); i++)
		if (CALLS[i].nr == t->nr)
			name = CALLS[i].name;
	for (size_t i = 0; t->nr == SYS_prctl && i < COUNT(OPTIONS); i++)
		if (OPTIONS[i].option == (unsigned)t->arg[0])
			name = OPTIONS[i].name;
	if (!name)
		return false;
	t->pending = json_pack("{s:s}", "syscall", name);
	t->pending_name = "call";
	return true;
}
