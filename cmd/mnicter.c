/* mnicter: the analysis centre's tool: analyses what a case holds, and hands the analysis on. */
#include "mnicter.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
"usage: mnicter micro [-qv] [-t seconds] [-k folder] [-x index] [-j workers]\n"
"                     [-o file] [--static] [--all-dynamic] [--min-score score]\n"
"                     [case]\n"
"       mnicter index build | add | query | info ... (mnicter index -h)\n"
"       mnicter export -f format [-qv] [-o file|folder] [case]\n"
"\n"
"  micro               read a case, analyse each piece of code in it that has\n"
"                      a body, write the case with what was found\n"
"  index               make and ask an index of functions, good and bad\n"
"  export              write what was found for other tools, or as a page\n"
"  -t seconds          let a sample run for so long (8; 1 to 600)\n"
"  -k folder           keep what is learnt there, and use what is known already\n"
"  -x index            say what functions are known to mnicter index; may be\n"
"                      given several times\n"
"  -j workers          analyse so many pieces at once (one a processor)\n"
"  -f format           stix (STIX 2.1), misp (an event), yara (rules) or html (a\n"
"                      page that needs nothing else)\n"
"  -o file             write there, not to standard output; export to a folder:\n"
"                      under the case's id\n"
"  --static            parse and emulate only: no sample is run\n"
"  --all-dynamic       run whatever can be run\n"
"  --min-score score   run pieces that mscan gave at least this score (20)\n"
"  -q, -v              say less, more; -h this help; -V the version\n"
"\n"
"examples:\n"
"  mscan -f /bin/ls | mpack -p | mnicter micro --static | mls -j\n"
"  mnicter micro -k /var/lib/muss/known -o out.case in.case\n"
"  mnicter export -f html -o out.html out.case\n"
"\n"
"exit: 0 done; 1 no rule could be made (yara); 64 usage; 65 the case is\n"
"damaged; 66 no such case; 69 samples cannot be confined here; 74 input or\n"
"output; 75 try again; 78 rules are wrong\n";

enum { OPT_STATIC = 256, OPT_ALL, OPT_SCORE, OPTIONS };

static const struct option longs[] = {
	{ "static", no_argument, NULL, OPT_STATIC }, { "all-dynamic", no_argument, NULL, OPT_ALL },
	{ "min-score", required_argument, NULL, OPT_SCORE }, { "seconds", required_argument, NULL, 't' },
	{ "known", required_argument, NULL, 'k' }, { "workers", required_argument, NULL, 'j' },
	{ "format", required_argument, NULL, 'f' }, { 0 },
};
static const char letters[] = "t:k:x:o:j:f:";

/* options: those that go with it; S: --static, A: --all-dynamic, M: --min-score. */
static const struct verb { const char *name; mnicter_verb *run; size_t operands; const char *options; } verbs[] = {
	{ "micro", mnicter_micro, 1, "tkxojSAM" }, { "export", mnicter_export, 1, "fo" },
};

double mnicter_number(const struct tool *t, const char *text, double least, double most)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(text, &end);
	if (end == text || *end || errno || !isfinite(v) || v < least || v > most)
		tool_usage(t, "%s is not a number from %g to %g", err_q(text), least, most);
	return v;
}

static unsigned whole(const struct tool *t, const char *text, unsigned most)
{
	double v = mnicter_number(t, text, 1, most);

	if (v > floor(v))
		tool_usage(t, "%s is no whole number", err_q(text));
	return (unsigned)v;
}

static void option(struct options *o, int c)
{
	switch (c) {
	case 't': o->micro.seconds = (int)mnicter_number(&o->t, optarg, 1, 600); break;
	case 'k': o->micro.known = optarg; break;
	case 'x':
		if (o->micro.indexes == MICRO_INDEXES)
			tool_usage(&o->t, "takes at most %u indexes", MICRO_INDEXES);
		o->micro.index[o->micro.indexes++] = optarg;
		break;
	case 'j': o->micro.workers = whole(&o->t, optarg, MICRO_WORKERS); break;
	case 'f': o->format = optarg; break;
	case OPT_STATIC: o->micro.static_only = true; break;
	case OPT_ALL: o->micro.all_dynamic = true; break;
	case OPT_SCORE: o->micro.min_score = mnicter_number(&o->t, optarg, -1000, 1000); break;
	}
}

static const struct verb *verb_of(const struct tool *t, const char *name)
{
	struct buf names = { 0 };

	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (name && !strcmp(name, verbs[i].name))
			return &verbs[i];
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		buf_addf(&names, "%s%s", i ? ", " : "", verbs[i].name);
	buf_adds(&names, ", index");
	if (!name)
		tool_usage(t, "wants a verb: %s", buf_str(&names));
	tool_usage(t, "%s is no verb: there are %s", err_q(name), buf_str(&names));
}

/* Nothing that was asked for is passed over without a word. */
static void check_options(const struct tool *t, const struct verb *verb, const bool *given)
{
	for (int c = 0; c < OPTIONS; c++) {
		int letter = c == OPT_STATIC ? 'S' : c == OPT_ALL ? 'A' : c == OPT_SCORE ? 'M' : c;

		if (!given[c] || strchr(verb->options, letter))
			continue;
		for (const struct option *l = longs; l->name; l++)
			if (l->val == c && c >= OPT_STATIC)
				tool_usage(t, "the option --%s does not go with 'mnicter %s'", l->name, verb->name);
		tool_usage(t, "the option -%c does not go with 'mnicter %s'", c, verb->name);
	}
}

int main(int argc, char **argv)
{
	struct options o = { .micro = { .seconds = 8, .min_score = 20 } };
	bool given[OPTIONS] = { false };
	const struct verb *verb;
	struct err e = { 0 };
	int c;

	if (argc > 1 && !strcmp(argv[1], "index"))
		return mnicter_index(argc - 1, argv + 1);
	tool_init(&o.t, "mnicter", usage, argc, argv);
	while ((c = tool_getopt(&o.t, letters, longs)) != -1) {
		if (c > 0 && c < OPTIONS)
			given[c] = c != 'q' && c != 'v';
		option(&o, c);
	}
	verb = verb_of(&o.t, argv[optind]);
	check_options(&o.t, verb, given);
	if ((size_t)(argc - optind - 1) > verb->operands)
		tool_usage(&o.t, "takes one case");
	if (o.micro.static_only && o.micro.all_dynamic)
		tool_usage(&o.t, "--static and --all-dynamic exclude each other");
	o.operands = (const char *const *)argv + optind + 1;
	return tool_end(&o.t, verb->run(&o, &e), &e);
}
