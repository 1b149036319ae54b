/* Which start-up place a path is. */
#include "places/places.h"
#include "unit.h"

#include <stddef.h>

static void is(const char *path, bool executable, const char *place)
{
	const struct place *p = places_find(path, executable);

	if (!OK(p ? place && !strcmp(p->place, place) : !place, path))
		printf("# it is %s\n", p ? p->place : "none");
}

static void matching(void)
{
	is("/etc/crontab", false, "cron");
	is("/etc/crontab.bak", false, NULL);
	is("/etc/cron.d/x", false, "cron");
	is("/etc/cron.d", false, NULL);
	is("/etc/cron.d/x/y", false, NULL);
	is("/etc/systemd/system/x.service", false, "systemd");
	is("/etc/systemd/system/x.service.d/y.conf", false, "systemd");
	is("/etc/systemd/system/a/b/x.service", false, NULL);
	is("/etc/systemd/system/README", false, NULL);
	is("/etc/rc2.d/S99x", false, "init");
	is("/etc/rc22.d/S99x", false, NULL);
	is("/etc/network/if-up.d/x", false, "network");
	is("/usr/local/lib/python3.11/dist-packages/x.pth", false, "python");
	is("/usr/local/lib/python3.11/dist-packages/x.py", false, NULL);
	is("/root/.bashrc", false, "profile");
	is("/home/anna/.bashrc", false, "profile");
	is("/etc/skel/.bashrc", false, "profile");
	is("/home/.bashrc", false, NULL);
	is("/srv/.bashrc", false, NULL);
	is("/home/anna/work/.git/hooks/post-merge", true, "git");
	is("/home/anna/work/.git/hooks/post-merge", false, NULL);
	is("/home/anna/work/.git/hooks/post-merge.sample", true, NULL);
	is("/home/anna/.vimrc", false, "editor");
	is("", false, NULL);
	is("/", false, NULL);
	is("x", false, NULL);
}

static void long_path(void)
{
	char path[10000];

	memset(path, 'a', sizeof path - 1);
	memcpy(path, "/etc/cron.d/", 12);
	path[sizeof path - 1] = '\0';
	OK(!places_find(path, false), "what is longer than a path is in none");
}

static void endings(void)
{
	OK(places_ending("x.service", ".timer|.service") && !places_ending(".service", ".service") && places_ending("x", NULL), "endings");
	OK(!places_ending("x.servic", ".timer|.service") && !places_ending("", ".a"), "and what has none");
}

int main(void)
{
	msg_init("places_find");
	matching();
	long_path();
	endings();
	return unit_end();
}
