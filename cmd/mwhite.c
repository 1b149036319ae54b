/* mwhite: the whitelist: builds and asks its index; with no verb, drops known-good code from a case. */
#include "mwhite.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
"usage: mwhite -d INDEX [-o FILE] [--keep-all] [case]\n"
"       mwhite build -o INDEX SOURCE... [--id ID] [--all] [--pages] [--root DIR] [-j]\n"
"       mwhite add -d INDEX [-o INDEX] SOURCE... [--all] [--pages] [--root DIR] [-j]\n"
"       mwhite follow -d INDEX [--all] [--pages] [--keep DAYS] [--root DIR] [-j]\n"
"       mwhite query -d INDEX [-j] DIGEST|FILE...\n"
"       mwhite revoke -d INDEX [-o INDEX] [--list FILE]... [DIGEST|FILE...] [-j]\n"
"       mwhite delta -d INDEX -k KEY -c CRT -o DELTA [--days DAYS] [--revoke LIST]... [SOURCE...]\n"
"       mwhite apply -d INDEX -a CA [-l CRL] [-j] DELTA\n"
"       mwhite withdraw -d INDEX [-o INDEX] SOURCE...\n"
"       mwhite sources -d INDEX [-j]\n"
"       mwhite info -d INDEX [-j]\n"
"Drops the pieces of code from a case whose digest is known good; builds and asks the index of such digests.\n"
"  -d INDEX      the index to use\n"
"  -o FILE       where the case or the index goes\n"
"  --keep-all    keep known code, marked \"known\" in its about.json\n"
"  --dpkg        source: files of Debian packages that match their package's own sum\n"
"  --dir DIR     source: all code below a folder\n"
"  --list FILE   source: a list of SHA-256 (sha256sum's form, bare, or the first column of CSV; -: standard input)\n"
"  --nsrl FILE   source: NSRL's reference data set, SQLite (RDSv3) or text with a column SHA-256\n"
"  --hashlookup FILE  source: an export of hashlookup, JSON lines or CSV\n"
"  --rpm FILE    source: what 'rpm -qa --dump' prints\n"
"  --case FILE   source: a case that mscan wrote on a clean machine\n"
"  --all         take in all files, not only what may be code\n"
"  --pages       take in the pages of files' code too, so that code in memory is held against them\n"
"  --root DIR    --dpkg and --rpm look at the system below DIR\n"
"  --keep DAYS   how long what an upgraded package was stays known, as outdated (30)\n"
"  --id ID       the id of the index that is built: that of a centre's index, whose deltas it takes then\n"
"  --days DAYS   how long a delta may be applied (30)\n"
"  --revoke LIST what a delta revokes, a list as --list takes it\n"
"  -k KEY  -c CRT  who signs a delta, of role signer    -a CA  -l CRL  the authority that the signer must be of, its list\n"
"  -j            JSON instead of text    -q  less    -v  more    -V  version    -h  this help\n"
"Examples:\n"
"  mwhite build -o known.idx --dpkg --dir /opt && mscan | mwhite -d known.idx | mls\n"
"  mwhite query -d known.idx /bin/sh\n"
"  * * * * * root mwhite follow -d /var/lib/muss/known.idx      # in a crontab: the index follows the packages\n"
"Exit: 0 done; 1 something is unknown (query, withdraw), applied already (apply); 64 usage; 65 bad index, list or case; 66 no input; 74 input or output;\n"
"  75 try again later; 77 not permitted.\n";

enum { OPT_SOURCE = 256, OPTIONS = OPT_SOURCE + MWHITE_REVOKED + 1 };   /* OPT_SOURCE: with a kind of source behind it */

static const struct option longs[] = {
	{"index", required_argument, NULL, 'd'}, {"all", no_argument, NULL, 'A'}, {"pages", no_argument, NULL, 'P'}, {"keep-all", no_argument, NULL, 'E'},
	{"root", required_argument, NULL, 'R'}, {"keep", required_argument, NULL, 'K'}, {"dpkg", no_argument, NULL, OPT_SOURCE + KNOWN_DPKG},
	{"dir", required_argument, NULL, OPT_SOURCE + KNOWN_DIR}, {"list", required_argument, NULL, OPT_SOURCE + KNOWN_LIST},
	{"nsrl", required_argument, NULL, OPT_SOURCE + KNOWN_NSRL}, {"rpm", required_argument, NULL, OPT_SOURCE + KNOWN_RPM},
	{"hashlookup", required_argument, NULL, OPT_SOURCE + KNOWN_HASHLOOKUP}, {"case", required_argument, NULL, OPT_SOURCE + KNOWN_CASE},
	{"revoke", required_argument, NULL, OPT_SOURCE + MWHITE_REVOKED}, {"id", required_argument, NULL, 'I'},
	{"days", required_argument, NULL, 'D'}, {0},
};

#define ANY SIZE_MAX

/* options: those that go with it, as the letters that they have in longs and in getopt's string; S: a source, X: --revoke. */
static const struct verb { const char *name; mwhite_verb *run; size_t operands; const char *options; } verbs[] = {
	{"build", mwhite_build, 0, "oSIAPRj"}, {"add", mwhite_add, 0, "doSAPRj"}, {"follow", mwhite_follow, 0, "dAPKRj"},
	{"query", mwhite_query, ANY, "djR"}, {"revoke", mwhite_revoke, ANY, "doSj"}, {"delta", mwhite_delta, 0, "dkcoDXSAPR"},
	{"apply", mwhite_apply, 1, "dalj"}, {"withdraw", mwhite_withdraw, ANY, "doj"}, {"sources", mwhite_sources, 0, "djR"},
	{"info", mwhite_info, 0, "djR"},
};
static const struct verb no_verb = {"", mwhite_filter, 1, "doER"};
static const char letters[] = "d:o:jk:c:a:l:";

static unsigned days(const struct tool *t, const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || *text == '-' || n > 36500)
		tool_usage(t, "--keep and --days want a number of days, not %s", err_q(text));
	return (unsigned)n;
}

static void option(struct options *o, int c)
{
	switch (c) {
	case 'd': o->index = optarg; break;
	case 'A': o->want |= CREW_ALL; break;
	case 'P': o->want |= CREW_PAGES; break;
	case 'E': o->keep_all = true; break;
	case 'k': o->key = optarg; break;
	case 'c': o->crt = optarg; break;
	case 'a': o->ca = optarg; break;
	case 'l': o->crl = optarg; break;
	case 'I': o->id = optarg; break;
	case 'D': o->delta_days = days(&o->t, optarg); break;
	case 'R': o->root = optarg; break;
	case 'K': o->keep_days = days(&o->t, optarg); break;
	default:
		if (c >= OPT_SOURCE)
			o->sources[o->n++] = (struct source){(enum known_kind)(c - OPT_SOURCE), optarg};
	}
}

/* Sets given[c] of those that were given. */
static void options(struct options *o, bool *given)
{
	int c;

	while ((c = tool_getopt(&o->t, letters, longs)) != -1) {
		given[c] = true;
		option(o, c);
	}
}

/* Nothing that was asked for is passed over without a word. */
static void check_options(const struct tool *t, const struct verb *verb, const bool *given)
{
	char what[64];

	if (*verb->name)
		snprintf(what, sizeof(what), "'mwhite %s'", verb->name);
	else
		snprintf(what, sizeof(what), "mwhite without a verb");
	for (int c = 0; c < OPTIONS; c++) {
		int letter = c < OPT_SOURCE ? c : c == OPT_SOURCE + MWHITE_REVOKED ? 'X' : 'S';

		if (!given[c] || strchr(verb->options, letter))
			continue;
		for (const struct option *l = longs; l->name; l++)
			if (l->val == c && (c >= OPT_SOURCE || !strchr(letters, c)))
				tool_usage(t, "the option --%s does not go with %s", l->name, what);
		tool_usage(t, "the option -%c does not go with %s", c, what);
	}
}

/* A case that there is not, or more than one, or without an index: it was meant to be a verb. */
static void check_verb(const struct options *o, char *const *operands)
{
	struct buf names = {0};

	if (!*operands || !strcmp(*operands, "-") || (o->index && !operands[1]) || !access(*operands, F_OK))
		return;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		buf_addf(&names, "%s%s", i ? ", " : "", verbs[i].name);
	tool_usage(&o->t, "%s is no verb: there are %s", err_q(*operands), buf_str(&names));
}

/* Moves *operands behind the verb, where there is one. */
static const struct verb *verb_of(char ***operands)
{
	for (size_t i = 0; **operands && i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(**operands, verbs[i].name)) {
			++*operands;
			return &verbs[i];
		}
	return &no_verb;
}

int main(int argc, char **argv)
{
	struct options o = {.keep_days = 30, .delta_days = 30, .sources = buf_alloc((size_t)argc * sizeof(*o.sources))};
	bool given[OPTIONS] = {false};
	const struct verb *verb;
	struct err e = {0};
	char **operands;
	size_t n = 0;
	int rc;

	tool_init(&o.t, "mwhite", usage, argc, argv);
	options(&o, given);
	operands = argv + optind;
	verb = verb_of(&operands);
	if (verb == &no_verb)
		check_verb(&o, operands);
	check_options(&o.t, verb, given);
	if (verb != &no_verb && o.t.out && !strcmp(o.t.out, "-"))
		tool_usage(&o.t, "-o wants the name of a file: an index or a delta does not go to standard output");
	while (operands[n])
		if (n++ >= verb->operands)
			tool_usage(&o.t, "unexpected operand %s", err_q(operands[n - 1]));
	rc = verb->run(&o, operands, &e);
	free(o.sources);
	return tool_end(&o.t, rc, &e);
}
