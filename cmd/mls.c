/* mls: lists what is in a case: a table for people, JSON lines with -j. */
#include "listing/listing.h"

#include <string.h>
#include <unistd.h>

static const char usage[] =
"usage: mls [-jlm] [-s DIGEST] [case]\n"
"Lists the pieces of code in a case, the worst first: score, kind, verdict, SHA-256, processes, why, first path.\n"
"A '>' before the score: the scan finds it suspicious enough to be sent in.\n"
"  -l          below each the signs it bears: weight (in brackets: another of its group counts), meaning, reason\n"
"  -j          one JSON object a piece of code, in the case's order\n"
"  -m          the case's members instead: size, SHA-256, name\n"
"  -s DIGEST   only code whose SHA-256 begins so\n"
"  -q  less    -v  more    -V  version    -h  this help\n"
"Examples:\n"
"  mscan | mls -l | less\n"
"  mls -j out.case | jq -r 'select(.score > 50) | .paths[]'\n"
"Exit: 0 done; 1 -s found nothing; 64 usage; 65 bad case; 66 no input; 74 input or output; 75 try again later;\n"
"  77 not permitted; 78 bad criteria.\n";

/* Without criteria the case is listed all the same; wrong ones are an error. */
static int list(struct listing_options *o, const char *path, struct err *e)
{
	struct judge *judge = judge_load(NULL, e);
	int fd, rc;

	if (!judge && e->code != EX_NOINPUT)
		return -1;
	if (!judge)
		msg_info("no threshold and no meaning of signs: %s", e->msg);
	err_clear(e);
	o->judge = judge;
	fd = io_open_in(path, e);
	rc = fd < 0 ? -1 : listing_show(fd, o, stdout, e);
	if (fd >= 0 && rc < 0 && e->code == EX_DATAERR && path && strcmp(path, "-"))
		err_wrap(e, "%s", err_q(path));
	io_close(&fd);
	judge_free(judge);
	return rc;
}

int main(int argc, char **argv)
{
	struct listing_options o = { .prefix = "" };
	struct tool t;
	struct err e = { 0 };
	int c;

	tool_init(&t, "mls", usage, argc, argv);
	while ((c = tool_getopt(&t, "jlms:", NULL)) != -1)
		switch (c) {
		case 'l': o.details = true; break;
		case 'm': o.members = true; break;
		case 's': o.prefix = optarg; break;
		}
	if (argc - optind > 1)
		tool_usage(&t, "one case at a time");
	if (strlen(o.prefix) > 64 || strspn(o.prefix, "0123456789abcdef") != strlen(o.prefix))
		tool_usage(&t, "%s is not the beginning of a SHA-256 in lower-case hex", err_q(o.prefix));
	if (o.details && (o.members || t.json))
		tool_usage(&t, "-l goes with neither -j, which says all of it, nor -m");
	o.json = t.json;
	o.colour = progress_colour(stdout);
	return tool_end(&t, list(&o, argv[optind], &e), &e);
}
