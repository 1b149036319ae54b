/*
 * Foreign lists: the first byte says which: NSRL's text, hashlookup's exports, rpm's listing, an SQLite set.
 * Whatever it is, nothing crashes, and what is refused is refused as bad data.
 * rooms: known base
 */
#include "known/known.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum known_kind kinds[] = {KNOWN_NSRL, KNOWN_HASHLOOKUP, KNOWN_RPM, KNOWN_LIST};
	struct err e = {0};
	struct known_stats s = {0};
	struct build *b;
	int fd, rc;
	char *path;

	if (!size)
		return 0;
	msg_level(-1);
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || io_write(fd, data + 1, size - 1) < 0 || lseek(fd, 0, SEEK_SET) < 0 || !(b = build_new(&e)))
		abort();
	path = buf_printf("/proc/self/fd/%d", fd);
	rc = known_add(b, kinds[*data % 4], path, "/nonexistent", false, &s, &e);
	/* an MD5 of rpm's makes it look into the root, which is not there */
	if (rc < 0 && e.code != EX_DATAERR && !(kinds[*data % 4] == KNOWN_RPM && e.code == EX_NOINPUT))
		abort();
	if (s.matched + s.left_out + s.without_digest > s.files)
		abort();
	build_abort(b);
	io_close(&fd);
	free(path);
	return 0;
}
