/*
 * casecat: the filter that changes nothing, for the tests and the benchmark of casefile: casecat [FILE] <case >case.
 * With FILE the output goes there as a tool's -o does.
 */
#include "casefile/casefile.h"

#include <unistd.h>

int main(int argc, char **argv)
{
	struct casefilter f = { 0 };
	struct err e = { 0 };
	struct atomic *a;

	msg_init("casecat");
	a = atomic_open(argc > 1 ? argv[1] : NULL, 0600, false, &e);
	if (!a)
		return msg_fail(&e);
	if (casefilter_run(&f, STDIN_FILENO, atomic_fd(a), &e)) {
		atomic_abort(a);
		return msg_fail(&e);
	}
	return atomic_commit(a, &e) ? msg_fail(&e) : 0;
}
