/*
 * helper-static: the parser of sample bytes, alone in a process of its own (see lib/confine). Descriptor 3 is the sample,
 * descriptor 4 the compiled rules, or the only argument their folder; static.json's object goes to standard output.
 */
#include "code/code.h"
#include "confine/confine.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAMPLE 3
#define RULES 4
#define SAMPLE_MOST (256 * MIB)   /* the rest of a larger file is left unread, and the result says so */

static const struct confine_limits limits = { 2 * GIB, 40, CAP_JSON };

static json_t *look(const unsigned char *p, size_t size, struct rules *r)
{
	size_t n = size < SAMPLE_MOST ? size : (size_t)SAMPLE_MOST;
	json_t *o = inspect(p, n, r);

	if (size > SAMPLE_MOST)
		json_array_append_new(jsonio_array(o, "limits"), json_string("size"));
	return o;
}

/* What a descriptor leads to; NULL: it cannot be had. */
static const void *mapped(int fd, size_t *n, struct err *e)
{
	struct stat st;
	const void *p = "";

	if (fstat(fd, &st) || st.st_size < 0)
		p = MAP_FAILED;
	else if (st.st_size)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED) {
		err_sys(e, "cannot map descriptor %d", fd);
		return NULL;
	}
	*n = (size_t)st.st_size;
	return p;
}

static struct rules *rules_of(int argc, char **argv, struct err *e)
{
	size_t n;
	const void *p;

	if (argc == 2)
		return rules_open(argv[1], e);
	p = mapped(RULES, &n, e);
	return p ? rules_load(p, n, e) : NULL;
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	struct buf out = { 0 };
	struct rules *r;
	const void *p;
	size_t n;

	msg_init("helper-static");
	r = rules_of(argc, argv, &e);
	p = r ? mapped(SAMPLE, &n, &e) : NULL;
	if (!p)
		return msg_fail(&e);
	inspect_prepare();
	if (confine_enter(CONFINE_PARSER, &limits, &e))
		return msg_fail(&e);
	jsonio_dump_line(look(p, n, r), &out);
	/* _exit: what the libraries do at exit is not in the profile. */
	_exit(io_write(STDOUT_FILENO, out.p, out.len) ? EX_IOERR : 0);
}
