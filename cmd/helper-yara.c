/*
 * helper-yara: compiles YARA rules and says whether they match, alone in a process of its own (see lib/confine). Descriptor 3 is the
 * rules' text and behind it files; the arguments are the lengths of the text and of each file. Exit: 0 a rule matches one of the files;
 * 1 none does, or the text is no rule.
 */
#include "code/code.h"
#include "confine/confine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GIVEN 3
#define SCAN_SECONDS 10

static const struct confine_limits limits = { 6 * GIB, 30, CAP_JSON };

static bool matches(struct rules *r, const unsigned char *p, size_t n)
{
	struct err e = { 0 };
	json_t *found = rules_scan(r, p, n, SCAN_SECONDS, &e);

	return json_array_size(found) > 0;
}

static bool any_matches(const unsigned char *p, size_t size, int argc, char **argv, struct err *e)
{
	size_t at = 0;
	struct rules *r = NULL;

	for (int i = 1; i < argc; i++) {
		size_t n = strtoull(argv[i], NULL, 10);

		if (n > size - at) {
			err_set(e, EX_SOFTWARE, "the lengths do not fit what was given");
			return false;
		}
		if (i == 1) {
			char *text = buf_alloc(n + 1);

			if (n)
				memcpy(text, p, n);
			r = rules_compile(text, e);
			if (!r)
				return false;
		} else if (matches(r, p + at, n)) {
			return true;
		}
		at += n;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	struct stat st;
	const void *p = "";

	msg_init("helper-yara");
	if (argc < 2)
		return msg_fail((err_set(&e, EX_SOFTWARE, "wants lengths"), &e));
	if (fstat(GIVEN, &st) || st.st_size < 0)
		return msg_fail((err_sys(&e, "cannot read what was given"), &e));
	if (st.st_size) {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, GIVEN, 0);
		if (p == MAP_FAILED)
			return msg_fail((err_sys(&e, "cannot map what was given"), &e));
	}
	if (rules_prepare(&e) || confine_enter(CONFINE_PARSER, &limits, &e))
		return msg_fail(&e);
	if (any_matches(p, (size_t)st.st_size, argc, argv, &e))
		_exit(0);
	if (e.code)
		msg_fail(&e);
	/* _exit: what the libraries do at exit is not in the profile. */
	_exit(e.code == EX_SOFTWARE ? EX_SOFTWARE : EX_NO);
}
