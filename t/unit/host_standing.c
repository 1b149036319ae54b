/* Who accounts for a process, and where data belongs. */
#include "unit.h"

#include "host/internal.h"

static void accounted(void)
{
	OK(standing_accounted("0::/system.slice/cron.service\n"), "a service's process");
	OK(standing_accounted("12:cpu:/x\n1:name=systemd:/system.slice/ssh.service\n0::/\n"), "the same, by the old hierarchies");
	OK(standing_accounted("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-x-12.scope\n"), "a desktop's program");
	OK(standing_accounted("0::/user.slice/user-1000.slice/user@1000.service/session.slice/pipewire.service"), "a user's service");
	OK(standing_accounted("0::/system.slice/docker-0123.scope\n"), "a scope that some manager made");
	OK(standing_accounted("0::/system.slice/x.service/inner\n"), "a group of its own within a service");
	OK(!standing_accounted("0::/user.slice/user-1000.slice/session-3.scope\n"), "what a login left behind is not");
	OK(!standing_accounted("0::/user.slice/user-1000.slice/user@1000.service\n"), "nor what a user's manager was left with");
	OK(!standing_accounted("0::/init.scope\n") && !standing_accounted("0::/\n") && !standing_accounted(""), "nor what is nowhere");
	OK(!standing_accounted("5:pids:/system.slice/cron.service\n"), "other hierarchies say nothing of units");
	OK(!standing_accounted("0::/.servicex/scope\n0:"), "no unit's name");
}

static void data(void)
{
	OK(standing_data("/var/lib/x/y") && standing_data("/etc/x") && standing_data("/srv/a") && standing_data("/usr/share/fonts/x"), "data");
	OK(!standing_data("/usr/bin/x") && !standing_data("/usr/lib/x/y") && !standing_data("/opt/x/bin/y") && !standing_data("/home/u/x")
	   && !standing_data("/usr/local/bin/x") && !standing_data("") && !standing_data("/variety/x"), "programs, and a person's own");
}

int main(void)
{
	accounted();
	data();
	return unit_end();
}
