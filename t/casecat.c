/*
 * casecat: the filter that changes nothing, for the tests and the benchmark of casefile: casecat [FILE] <case >case.
 * With FILE the output goes there as a tool's -o does; else nothing is synced. $CASECAT_PEAK names a file for the peak of resident KiB.
 */
#include "casefile/casefile.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int report_peak(struct err *e)
{
	const char *path = getenv("CASECAT_PEAK");
	struct rusage u;
	char text[32];

	if (!path || getrusage(RUSAGE_SELF, &u))
		return 0;
	snprintf(text, sizeof text, "%ld\n", u.ru_maxrss);
	return atomic_write(path, 0600, text, strlen(text), e);
}

int main(int argc, char **argv)
{
	struct casefilter f = { 0 };
	struct err e = { 0 };
	struct atomic *a = NULL;
	int rc;

	msg_init("casecat");
	if (argc > 1) {
		a = atomic_open(argv[1], 0600, false, &e);
		if (!a)
			return msg_fail(&e);
	}
	rc = casefilter_run(&f, STDIN_FILENO, a ? atomic_fd(a) : STDOUT_FILENO, &e);
	if (rc)
		atomic_abort(a);
	else if (a)
		rc = atomic_commit(a, &e);
	if (rc == 0)
		rc = report_peak(&e);
	return rc ? msg_fail(&e) : 0;
}
