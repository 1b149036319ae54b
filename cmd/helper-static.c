/*
 * helper-static: the parser of sample bytes, alone in a process of its own (see lib/confine). Descriptor 3 is the sample,
 * the only argument the folder of rules; static.json's object goes to standard output.
 */
#include "code/code.h"
#include "confine/confine.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAMPLE 3
#define SAMPLE_MOST (256 * MIB)   /* the rest of a larger file is left unread, and the result says so */

static const struct confine_limits limits = { 2 * GIB, 40, CAP_JSON };

static json_t *look(const unsigned char *p, uint64_t size, struct rules *r)
{
	size_t n = size < SAMPLE_MOST ? (size_t)size : (size_t)SAMPLE_MOST;
	json_t *o = inspect(p, n, r);

	if (size > SAMPLE_MOST)
		json_array_append_new(jsonio_array(o, "limits"), json_string("size"));
	return o;
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	struct buf out = { 0 };
	struct rules *r;
	struct stat st;
	const void *p = "";

	msg_init("helper-static");
	if (argc != 2)
		return msg_fail((err_set(&e, EX_SOFTWARE, "wants the folder of rules"), &e));
	r = rules_open(argv[1], &e);
	if (!r)
		return msg_fail(&e);
	if (fstat(SAMPLE, &st) || st.st_size < 0)
		return msg_fail((err_sys(&e, "cannot read the sample"), &e));
	if (st.st_size) {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, SAMPLE, 0);
		if (p == MAP_FAILED)
			return msg_fail((err_sys(&e, "cannot map the sample"), &e));
	}
	inspect_prepare();
	if (confine_enter(CONFINE_PARSER, &limits, &e))
		return msg_fail(&e);
	jsonio_dump_line(look(p, (uint64_t)st.st_size, r), &out);
	/* _exit: what the libraries do at exit is not in the profile. */
	_exit(io_write(STDOUT_FILENO, out.p, out.len) ? EX_IOERR : 0);
}
