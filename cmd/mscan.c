/* mscan: finds the code that runs on this machine or starts by itself, and writes a case. */
#include "mscan.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: mscan [-bqvz] [--budget percent] [--patience seconds] [-i index] [-w index] [-R root] [-s score] [-W seconds] [-p pid | -f path ...] [-o file]\n"
	"       mscan --list-signs | --explain sign\n"
	"\n"
	"Finds the code that runs on this machine or starts by itself, and writes a case.\n"
	"\n"
	"  -f path ...    these files and trees instead of the machine\n"
	"  -p pid         this process instead of the machine\n"
	"  -R root        the start-up places of a system that does not run\n"
	"  -i index       remember there what files hold, and read those that did not change no more\n"
	"                 (default: " DEFAULT_INDEX " for root, where that folder exists)\n"
	"  --rehash       read them all the same, and hold them against it\n"
	"  --no-index     remember nothing\n"
	"  -w index       leave out what the whitelist index knows, as 'mwhite -d index' does\n"
	"  -s score       only code of at least this score; 'submit': of the score at which code is sent to the centre\n"
	"  -W seconds     look at memory and processes again and again for so long: finds code that changes or hides\n"
	"  -b             in the background: only when the machine has nothing else to do, and slower while others wait\n"
	"  --budget percent  take no more than that of one processor core\n"
	"  --patience seconds  give up on a file or process that does not answer for so long (default: 10)\n"
	"  -z             compress the case with zstd\n"
	"  -o file        write the case there (default: standard output)\n"
	"  --list-signs   all signs with their groups and weights (~: estimated)\n"
	"  --explain sign what a sign means, and where its weight comes from\n"
	"  -q -v -V -h    quiet, verbose, version, help\n"
	"\n"
	"examples:\n"
	"  mscan -s submit -o today.case\n"
	"  mscan -f /usr/local/bin | mls\n"
	"\n"
	"exit: 0 done (what could not be seen is in the case), 64 usage, 65 bad index, 66 no such input, 69 unavailable,\n"
	"      74 output failed, 77 not permitted, 78 criteria\n";

enum { OPT_LIST = 256, OPT_EXPLAIN, OPT_REHASH, OPT_NO_INDEX, OPT_BUDGET, OPT_PATIENCE };
static const struct option longs[] = {
	{ "list-signs", no_argument, NULL, OPT_LIST }, { "explain", required_argument, NULL, OPT_EXPLAIN },
	{ "background", no_argument, NULL, 'b' }, { "budget", required_argument, NULL, OPT_BUDGET },
	{ "patience", required_argument, NULL, OPT_PATIENCE }, { "rehash", no_argument, NULL, OPT_REHASH },
	{ "no-index", no_argument, NULL, OPT_NO_INDEX }, { NULL, 0, NULL, 0 },
};

static double number(const struct tool *t, const char *option, const char *text, double least, double most)
{
	char *end;
	double v = strtod(text, &end);

	if (*end || end == text || !(v >= least && v <= most))
		tool_usage(t, "%s wants a number from %g to %g, not %s", option, least, most, err_q(text));
	return v;
}

static pid_t process(const struct tool *t, const char *text)
{
	char *end;
	long pid = strtol(text, &end, 10);

	if (*end || end == text || pid <= 0 || strlen(text) > 7 || pid > 1 << 22)
		tool_usage(t, "-p wants the number of a process, not %s", err_q(text));
	return (pid_t)pid;
}

static void score(struct options *o, const char *text)
{
	char *end;

	o->submit = !strcmp(text, "submit");
	o->least = strtod(text, &end);
	if (!o->submit && (*end || end == text || !isfinite(o->least)))
		tool_usage(&o->t, "-s wants a score or 'submit', not %s", err_q(text));
}

/* What the options say; true: -f was among them. */
static bool options(struct options *o)
{
	bool files = false;
	int c;

	while ((c = tool_getopt(&o->t, "bfi:o:p:R:s:w:W:z", longs)) != -1)
		switch (c) {
		case 'b': o->idle = true; break;
		case 'f': files = true; break;
		case 'i': o->index = optarg; break;
		case 'R': o->root = optarg; break;
		case 'w': o->known = optarg; break;
		case 'z': o->zstd = true; break;
		case 'p': o->pid = process(&o->t, optarg); break;
		case 's': score(o, optarg); break;
		case 'W': o->watch = (unsigned)number(&o->t, "-W", optarg, 1, 86400); break;
		case OPT_LIST: o->list = true; break;
		case OPT_REHASH: o->rehash = true; break;
		case OPT_NO_INDEX: o->forget = true; break;
		case OPT_EXPLAIN: o->sign = optarg; break;
		case OPT_BUDGET: o->budget = number(&o->t, "--budget", optarg, 0.1, 100); break;
		case OPT_PATIENCE: o->patience = number(&o->t, "--patience", optarg, 0.2, 3600); break;
		}
	return files;
}

/* What does not go together, and what follows from the rest. */
static void settle(struct options *o, bool files, char **operands)
{
	if (files ? !*operands : *operands != NULL)
		tool_usage(&o->t, files ? "-f wants a path" : "unexpected operand %s", files ? "" : err_q(*operands));
	if (o->pid && (files || o->root))
		tool_usage(&o->t, "-p goes with neither -f nor -R");
	if (o->watch && (files || o->root))
		tool_usage(&o->t, "-W goes with neither -f nor -R");
	if (o->forget && (o->index || o->rehash))
		tool_usage(&o->t, "--no-index goes with neither -i nor --rehash");
	if (!o->forget && !o->index && !o->pid && !files && !o->root)
		o->index = mscan_default_index();
	mscan_check_index(o);
	if (o->rehash && !o->index)
		tool_usage(&o->t, "--rehash needs the index to hold files against: -i");
	o->files = files ? operands : NULL;
}

int main(int argc, char **argv)
{
	struct options o = { .least = -1e9, .patience = 10 };
	struct judge *j;
	struct err e;
	bool files;
	int rc = -1;

	err_clear(&e);
	tool_init(&o.t, "mscan", usage, argc, argv);
	files = options(&o);
	settle(&o, files, argv + optind);
	j = judge_load(NULL, &e);
	if (j)
		rc = o.list ? mscan_list(j) : o.sign ? mscan_explain(j, o.sign, &e) : mscan_look(&o, j, &e);
	judge_free(j);
	return tool_end(&o.t, rc, &e);
}
