/*
 * forgeindex INDEX FILE: makes a scan index say that FILE, in the state in which it is now, held other bytes, as if the file
 * had been changed and all its times put back. Exit 1: the index does not know it.
 */
#include "known/cache-internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct cache_view v;
	struct cache_header h;
	struct cache_entry *entries = NULL;
	struct cache_file *f;
	struct stat st;
	struct err e;
	uint64_t i;
	int fd, rc = EX_NO;

	msg_init("forgeindex");
	fd = argc == 3 ? open(argv[2], O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0 || fstat(fd, &st) < 0)
		return EX_USAGE;
	close(fd);
	f = cachefile_open(argv[1], &v, &e);
	if (!f || e.code)
		return msg_fail(&e);
	h = *v.header;
	entries = buf_realloc(NULL, h.entries + 1, sizeof(*entries));
	memcpy(entries, v.entries, h.entries * sizeof(*entries));
	for (i = 0; i < h.entries; i++)
		if (entries[i].ino == st.st_ino && entries[i].ctime == st.st_ctim.tv_sec) {
			entries[i].sha256[0] ^= 1;
			rc = 0;
		}
	v.header = &h;
	v.entries = entries;
	if (!rc && cachefile_write(f, &h, &v, &e) < 0)
		rc = msg_fail(&e);
	cachefile_close(f);
	free(entries);
	return rc;
}
