/*
 * helper-carve: finds what a file hides without running it, in a process of its own (see lib/confine). Descriptor 3 is the sample,
 * descriptor 4 takes the bytes of what was found. static.json's "carved" goes to standard output.
 */
#include "carve/carve.h"
#include "confine/confine.h"

#include <locale.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SAMPLE 3
#define BYTES 4
#define SAMPLE_MOST (64 * MIB)    /* of a larger one the beginning is looked through */

static const struct confine_limits limits = { GIB, 60, 256 * MIB };

static int look(const void *p, size_t n, struct err *e)
{
	struct carving found;
	struct buf out = { 0 };
	json_t *o;

	carve(p, n, NULL, &found);
	o = carving_report(&found, BYTES, e);
	if (!o)
		return e->code;
	jsonio_dump_line(o, &out);
	return io_write(STDOUT_FILENO, out.p, out.len) ? EX_IOERR : 0;
}

int main(void)
{
	struct err e = { 0 };
	const void *p = "";
	struct stat st;
	char hex[DIGEST_HEX];
	size_t n;
	int status;

	msg_init("helper-carve");
	setlocale(LC_CTYPE, "C.UTF-8");   /* libarchive hands out names in it, */
	setenv("TZ", "UTC0", 1);          /* and reads times, for which the C library would open the machine's zone */
	tzset();
	if (fstat(SAMPLE, &st) || st.st_size < 0)
		return msg_fail((err_sys(&e, "cannot read the sample"), &e));
	n = st.st_size < (off_t)SAMPLE_MOST ? (size_t)st.st_size : SAMPLE_MOST;
	if (n) {
		p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, SAMPLE, 0);
		if (p == MAP_FAILED)
			return msg_fail((err_sys(&e, "cannot map the sample"), &e));
	}
	digest_bytes(p, 0, hex);   /* OpenSSL opens its configuration with the first digest */
	if (confine_enter(CONFINE_PARSER, &limits, &e))
		return msg_fail(&e);
	status = look(p, n, &e);
	if (status)
		msg_fail(&e);
	/* _exit: what the libraries do at exit is not in the profile. */
	_exit(status);
}
