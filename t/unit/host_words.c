/* Programs that run others: which of their words is what they run. */
#include "unit.h"

#include <stdlib.h>

#include "host/internal.h"

static void is(const char *line, const char *want)
{
	char *copy = buf_strdup(line), *rest = copy, *word[32];
	size_t n = 0, at;
	bool command;

	while (n < 32 && (word[n] = strsep(&rest, " ")))
		n++;
	at = words_wrapped(word, n, &command);
	if (!OK(want ? at && at < n && !strcmp(word[at], want + (*want == '!')) && command == (*want == '!') : !at, line))
		printf("# got %zu%s\n", at, command ? ", a command line" : "");
	free(copy);
}

int main(void)
{
	is("nice -n 5 /opt/a -n", "/opt/a");
	is("nice -n5 /opt/a", "/opt/a");
	is("env -i A=b -u C D=e /opt/a F=g", "/opt/a");
	is("sudo -u mail -E /opt/a", "/opt/a");
	is("timeout -k 5 10 /opt/a", "/opt/a");
	is("/usr/bin/timeout 10s /opt/a", "/opt/a");
	is("flock -n /run/lock /opt/a", "/opt/a");
	is("flock -n /run/lock -c /opt/a", "!/opt/a");
	is("su - man -c /opt/a", "!/opt/a");
	is("runuser -u man -- /opt/a -c b", "/opt/a");
	is("start-stop-daemon --start -p /run/x --exec /opt/a -- -c", "/opt/a");
	is("start-stop-daemon --stop --pidfile /run/x", NULL);
	is("find /opt -name x -exec /opt/a {} ;", "/opt/a");
	is("find /opt -delete", NULL);
	is("command -v sh", NULL);
	is("command sh", "sh");
	is("setsid -f -- /opt/a", "/opt/a");
	is("chroot /srv /opt/a", "/opt/a");
	is("taskset 1 /opt/a", "/opt/a");
	is("screen -dmS x /opt/a", "/opt/a");
	is("env", NULL);
	is("su -c", NULL);
	is("nohup", NULL);
	is("cat /opt/a", NULL);
	OK(words_wrapper("/usr/bin/env") && words_wrapper("nohup") && !words_wrapper("envy") && !words_wrapper("/usr/bin/cat"), "wrappers");
	OK(words_builtin("test") && !words_builtin("/bin/test") && words_fetcher("curl") && !words_fetcher("curly"), "other words");
	return unit_end();
}
