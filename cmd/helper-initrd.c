/*
 * helper-initrd: the reader of initial file systems' images, alone in a process of its own (see lib/confine). Descriptor 3 is the
 * image. Without arguments the list of what runs goes to standard output, as JSON; with numbers of files their bytes; with "digest"
 * the SHA-256 of what a compressed file, which is no image, holds.
 */
#include "confine/confine.h"
#include "initrd/initrd.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE 3

/* xz and zstd may ask for a window of a gigabyte or two; the processor's time is that of the largest image, ten times. */
static const struct confine_limits limits = { 6 * GIB, 60, CAP_JSON };

int main(int argc, char **argv)
{
	struct err e = { 0 };
	struct buf out = { 0 };
	uint64_t *number = buf_alloc(((size_t)argc + 1) * sizeof(*number));
	const void *p = "";
	struct stat st;
	json_t *o;
	int i;

	msg_init("helper-initrd");
	for (i = 1; i < argc; i++)
		number[i - 1] = strtoull(argv[i], NULL, 10);
	if (fstat(IMAGE, &st) || st.st_size < 0)
		return msg_fail((err_sys(&e, "cannot read the image"), &e));
	if (st.st_size) {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, IMAGE, 0);
		if (p == MAP_FAILED)
			return msg_fail((err_sys(&e, "cannot map the image"), &e));
	}
	/* OpenSSL opens its configuration with the first of each; afterwards it could not. */
	digest_free(digest_new());
	digest_free(digest_new_md5());
	if (confine_enter(CONFINE_PARSER, &limits, &e))
		return msg_fail(&e);
	if (argc > 1 && !strcmp(argv[1], "digest")) {
		if (list_digest(p, (size_t)st.st_size, &out, &e) < 0)
			return msg_fail(&e);
	} else if (argc > 1) {
		list_take(p, (size_t)st.st_size, number, (size_t)argc - 1, &out);
	} else {
		o = list_make(p, (size_t)st.st_size);
		jsonio_dump_line(o, &out);
	}
	/* _exit: what the libraries do at exit is not in the profile. */
	_exit(io_write(STDOUT_FILENO, out.p, out.len) ? EX_IOERR : 0);
}
