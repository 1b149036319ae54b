/* mcenter: the centre's half as one managed flow. */
#include "centre/flow.h"

#include <getopt.h>
#include <string.h>

static const char usage[] =
"usage: mcenter run -c CONF\n"
"       mcenter status -c CONF [-j]\n"
"       mcenter publish -c CONF DELTA...\n"
"One cycle over the cases that mrecv received, for cron: opens each, analyses it, makes and proves a removal tool, and\n"
"puts the signed answer where mrecv hands it out. What fails is tried again, then kept in failed/ with its reason.\n"
"  run        one cycle\n"
"  status     the casebook\n"
"  publish    verify deltas of a whitelist index (mwhite delta) and hand them out to hosts, in order\n"
"  -c CONF    the configuration: spool, authority, analysis-key, signer-key, ... (see mcenter(1))\n"
"  -j         JSON lines    -q  less    -v  more    -V  version    -h  this help\n"
"Examples:\n"
"  mcenter run -c /etc/muss/centre.conf\n"
"  mcenter publish -c /etc/muss/centre.conf 7.delta\n"
"  mcenter status -j -c /etc/muss/centre.conf | jq -r 'select(.state == \"failed\") | [.case, .text] | @tsv'\n"
"Exit: 0 every case was dealt with; 1 one or more failed for good; 64 usage; 65 bad data; 66 no such file; 69 confinement\n"
"  is not available; 74 input or output; 75 a case waits for its next try, or another run is under way; 77 not permitted;\n"
"  78 configuration.\n";

int main(int argc, char **argv)
{
	struct flow_config c;
	const char *conf = NULL, *verb;
	struct err e = { 0 };
	struct tool t;
	int letter, rc;

	tool_init(&t, "mcenter", usage, argc, argv);
	while ((letter = tool_getopt(&t, "c:j", NULL)) != -1)
		if (letter == 'c')
			conf = optarg;
	verb = optind < argc ? argv[optind] : "";
	if (strcmp(verb, "run") && strcmp(verb, "status") && strcmp(verb, "publish"))
		tool_usage(&t, "what is to be done? run, status or publish");
	if (*verb != 'p' && argc - optind > 1)
		tool_usage(&t, "'%s' takes no operand", verb);
	if (*verb == 'p' && argc - optind < 2)
		tool_usage(&t, "publish what? give a delta that mwhite delta made");
	if (!conf)
		tool_usage(&t, "which configuration? give -c CONF");
	if (flowconf_load(conf, &c, &e) < 0)
		return tool_end(&t, -1, &e);
	rc = *verb == 'r' ? flow_run(&c, &e) : *verb == 's' ? casebook_print(c.spool, t.json, &e) : publish_run(&c, argv + optind + 1, &e);
	flowconf_free(&c);
	return tool_end(&t, rc, &e);
}
