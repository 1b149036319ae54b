/* mnicter: the analysis centre's tool; its verb micro analyses what a case holds. */
#include "mnicter.h"

#include "micro/micro.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
"usage: mnicter micro [-qv] [-t seconds] [-k folder] [-x index] [-o file]\n"
"                     [--static] [--all-dynamic] [--min-score score] [case]\n"
"       mnicter index build | add | query | info ... (mnicter index -h)\n"
"\n"
"  micro               read a case, analyse each piece of code in it that has\n"
"                      a body, write the case with what was found\n"
"  -t seconds          let a sample run for so long (8; 1 to 600)\n"
"  -k folder           keep what is learnt there, and use what is known already\n"
"  -x index            say what functions are known to mnicter index; may be\n"
"                      given several times\n"
"  -o file             write the case there, not to standard output\n"
"  --static            parse only: no sample is run\n"
"  --all-dynamic       run whatever can be run\n"
"  --min-score score   run pieces that mscan gave at least this score (20)\n"
"  -q, -v              say less, more; -h this help; -V the version\n"
"\n"
"examples:\n"
"  mscan -f /bin/ls | mpack -p | mnicter micro --static | mls -j\n"
"  mnicter micro -k /var/lib/muss/known -o out.case in.case\n"
"\n"
"exit: 0 done; 64 usage; 65 the case is damaged; 66 no such case; 69 samples\n"
"cannot be confined here; 74 input or output; 75 try again; 78 rules are wrong\n";

enum { OPT_STATIC = 256, OPT_ALL, OPT_SCORE };

static const struct option longs[] = {
	{ "static", no_argument, NULL, OPT_STATIC }, { "all-dynamic", no_argument, NULL, OPT_ALL },
	{ "min-score", required_argument, NULL, OPT_SCORE }, { "seconds", required_argument, NULL, 't' },
	{ "known", required_argument, NULL, 'k' }, { 0 },
};

static double number(const struct tool *t, const char *text, double least, double most)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(text, &end);
	if (end == text || *end || errno || !isfinite(v) || v < least || v > most)
		tool_usage(t, "%s is not a number from %g to %g", err_q(text), least, most);
	return v;
}

int main(int argc, char **argv)
{
	struct tool t;
	struct err e = { 0 };
	struct micro_options o = { .seconds = 8, .min_score = 20 };
	struct atomic *out;
	int c, in, rc;

	if (argc > 1 && !strcmp(argv[1], "index"))
		return mnicter_index(argc - 1, argv + 1);
	tool_init(&t, "mnicter", usage, argc, argv);
	while ((c = tool_getopt(&t, "t:k:x:o:", longs)) != -1) {
		switch (c) {
		case 't': o.seconds = (int)number(&t, optarg, 1, 600); break;
		case 'k': o.known = optarg; break;
		case 'x':
			if (o.indexes == MICRO_INDEXES)
				tool_usage(&t, "takes at most %u indexes", MICRO_INDEXES);
			o.index[o.indexes++] = optarg;
			break;
		case OPT_STATIC: o.static_only = true; break;
		case OPT_ALL: o.all_dynamic = true; break;
		case OPT_SCORE: o.min_score = number(&t, optarg, -1000, 1000); break;
		}
	}
	if (optind >= argc)
		tool_usage(&t, "wants a verb: micro, index");
	if (strcmp(argv[optind], "micro"))
		tool_usage(&t, "%s is no verb: micro and index are", err_q(argv[optind]));
	if (argc - optind > 2)
		tool_usage(&t, "takes one case");
	if (o.static_only && o.all_dynamic)
		tool_usage(&t, "--static and --all-dynamic exclude each other");
	in = io_open_in(argv[optind + 1], &e);
	if (in < 0)
		return tool_end(&t, -1, &e);
	out = atomic_open(t.out, 0600, false, &e);
	if (!out)
		return tool_end(&t, -1, &e);
	rc = micro_run(&o, in, atomic_fd(out), &e);
	if (rc)
		atomic_abort(out);
	else
		rc = atomic_commit(out, &e);
	return tool_end(&t, rc, &e);
}
