/* magent: the host's half as one managed cycle. */
#include "agent/agent.h"

#include <getopt.h>
#include <string.h>

static const char usage[] =
"usage: magent run -c CONF\n"
"       magent status -c CONF [-j]\n"
"       magent undo -c CONF PLAN\n"
"One cycle on a user's machine, for cron: scans, packs, sends, fetches the answer, checks it, runs the removal tool when\n"
"every check holds, and reports. What was begun and not finished is finished first.\n"
"  run        one cycle; prints a line when something was found\n"
"  status     the history\n"
"  undo       run the kept removal tool of a plan the other way\n"
"  -c CONF    the configuration: state, centre, key, certificate, authority, analysis, ... (see magent(1))\n"
"  -j         JSON lines    -q  less    -v  more    -V  version    -h  this help\n"
"Examples:\n"
"  magent run -c /etc/muss/agent.conf\n"
"  magent status -j -c /etc/muss/agent.conf | jq -r 'select(.plan) | .plan'\n"
"Exit: 0 nothing was found, or all of it is gone; 1 an answer or a delta was refused, there is no remover, or something is left;\n"
"  64 usage; 65 bad data; 66 no such plan; 69 no such centre; 74 input or output; 75 not yet answered, no network, or another\n"
"  run is under way; 76 not our protocol; 77 not permitted; 78 configuration.\n";

int main(int argc, char **argv)
{
	struct agent_config c;
	const char *conf = NULL, *verb;
	struct err e = { 0 };
	struct tool t;
	int letter, rc;

	tool_init(&t, "magent", usage, argc, argv);
	while ((letter = tool_getopt(&t, "c:j", NULL)) != -1)
		if (letter == 'c')
			conf = optarg;
	verb = optind < argc ? argv[optind] : "";
	if (strcmp(verb, "run") && strcmp(verb, "status") && strcmp(verb, "undo"))
		tool_usage(&t, "what is to be done? run, status or undo");
	if (argc - optind - 1 != (*verb == 'u'))
		tool_usage(&t, *verb == 'u' ? "undo what? give one plan's id" : "'%s' takes no operand", verb);
	if (!conf)
		tool_usage(&t, "which configuration? give -c CONF");
	if (config_load(conf, &c, &e) < 0)
		return tool_end(&t, -1, &e);
	rc = *verb == 'r' ? cycle_run(&c, &e) : *verb == 's' ? journal_print(&c, t.json, &e) : undo_run(&c, argv[optind + 1], &e);
	config_free(&c);
	return tool_end(&t, rc, &e);
}
