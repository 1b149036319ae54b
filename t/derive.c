/* derive: weights and threshold of the criteria from labelled observations; a table, or JSON with -j; -w writes the criteria. */
#include "judge/judge.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: derive [-jqw] [-c criteria] observations ...\n"
	"Derives the weight of each sign and the threshold from labelled observations (lines of JSON).\n"
	"  -c criteria   the file of criteria (default: criteria.json of the rules)\n"
	"  -j            JSON instead of tables\n"
	"  -w            write the weights into the criteria\n"
	"  -q -v -V -h   quiet, verbose, version, help\n"
	"exit: 0 done; 1 without -w: the criteria's weights are others; 64 usage, 65 bad observations, 66 no input, 74 output, 78 criteria\n";

static int finish(const char *path, const json_t *report, bool write, struct err *e)
{
	struct buf old = { 0 }, new = { 0 };
	int rc = io_slurp_path(path, CAP_SLURP, &old, e);

	if (!rc)
		rc = criteria_rewrite(buf_str(&old), report, &new, e);
	if (!rc && (old.len != new.len || memcmp(old.p, new.p, old.len)))
		rc = write ? atomic_write(path, 0644, new.p, new.len, e)
		           : err_set(e, EX_NO, "%s has other weights than these observations give: 'make derive' writes them", err_q(path));
	buf_free(&old);
	buf_free(&new);
	return rc;
}

int main(int argc, char **argv)
{
	struct observed *o = NULL;
	json_t *report = NULL;
	struct judge *j = NULL;
	char *path = NULL;
	bool write = false;
	struct tool t;
	struct err e;
	int c, rc = -1;

	err_clear(&e);
	tool_init(&t, "derive", usage, argc, argv);
	while ((c = tool_getopt(&t, "c:jw", NULL)) != -1)
		switch (c) {
		case 'c': free(path); path = buf_strdup(optarg); break;
		case 'w': write = true; break;
		}
	if (optind == argc)
		tool_usage(&t, "observations of what? name their files");
	path = path ? path : spawn_share("criteria.json");
	if (!(j = judge_load(path, &e)) || !(o = observed_open(j, &e)))
		goto out;
	for (rc = 0; !rc && optind < argc; optind++)
		rc = observed_read(o, argv[optind], &e);
	report = rc ? NULL : derive_report(j, o, &e);
	rc = report ? 0 : -1;
	if (report && t.json)
		rc = jsonio_print(stdout, report);
	else if (report)
		report_print(report, stdout);
	if (report)
		rc = finish(path, report, write, &e);
out:
	json_decref(report);
	observed_free(o);
	judge_free(j);
	free(path);
	return tool_end(&t, rc, &e);
}
