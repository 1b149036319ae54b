/* mgen: makes the removal tool: a case with verdicts in, the same with plan, source and program out. */
#include "remedy/remedy.h"

#include <getopt.h>
#include <string.h>

static const char usage[] =
"usage: mgen [-t TARGET] [-o FILE] [case]\n"
"Makes a removal tool for the malicious code of a case: the plan as data, C source from the parts the plan needs, and\n"
"a static program. Takes a case (standard input) and writes it with remedy/ added (standard output).\n"
"  -t TARGET     what the tool runs on: linux-x86_64 (the only one so far)\n"
"  -o FILE       where the case goes; appears whole or not at all\n"
"  -q  less    -v  more    -V  version    -h  this help\n"
"A case in which nothing is malicious passes through unchanged but for the trail.\n"
"Examples:\n"
"  mnicter micro < in.case | mgen > remedy.case\n"
"  mgen -v -o remedy.case analysed.case && bsdtar -xOf remedy.case remedy/plan.json\n"
"Exit: 0 done; 64 usage; 65 bad case; 66 no input; 69 no compiler or no confinement; 70 bug; 74 input or output; 75 try later; 77 not permitted.\n";

int main(int argc, char **argv)
{
	const char *target = REMEDY_TARGET;
	struct atomic *out = NULL;
	struct err e = { 0 };
	struct tool t;
	int c, in = -1, rc = -1;

	tool_init(&t, "mgen", usage, argc, argv);
	while ((c = tool_getopt(&t, "t:o:", NULL)) != -1)
		if (c == 't')
			target = optarg;
	if (strcmp(target, REMEDY_TARGET))
		tool_usage(&t, "unknown target %s: there is " REMEDY_TARGET, err_q(target));
	if (argc - optind > 1)
		tool_usage(&t, "one case at a time");
	in = io_open_in(argv[optind], &e);
	if (in < 0)
		goto out;
	out = atomic_open(t.out, 0600, false, &e);
	if (!out)
		goto out;
	rc = remedy_run(in, atomic_fd(out), &e);
	if (!rc)
		rc = atomic_commit(out, &e);
	else
		atomic_abort(out);
out:
	io_close(&in);
	return tool_end(&t, rc, &e);
}
