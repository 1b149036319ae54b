#include "confine/confine.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

int become_user(const struct passwd *user, struct err *e)
{
	const struct rlimit none = { 0, 0 };

	if (user && (setgroups(0, NULL) || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) ||
		     setresuid(user->pw_uid, user->pw_uid, user->pw_uid)))
		return err_sys(e, "cannot become user %s", err_q(user->pw_name));
	/* The key is in memory: no core file, no debugger (LeakSanitizer is one). */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || setrlimit(RLIMIT_CORE, &none))
		return err_sys(e, "cannot give up rights");
#ifndef __SANITIZE_ADDRESS__
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return err_sys(e, "cannot give up rights");
#endif
	return 0;
}
