/*
 * The whitelist index: the first byte says what the rest is: an index file (even; its own sum
 * is put right, so that what lies behind is reached) or a list of digests (odd).
 * Whatever it is, nothing crashes, and an index that opens is one whose every entry is found again.
 * rooms: known base
 */
#include "known/known.h"
#include "known/known-format.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *in_memory(const void *p, size_t n, int *fd)
{
	*fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (*fd < 0 || io_write(*fd, p, n) < 0 || lseek(*fd, 0, SEEK_SET) < 0)
		abort();
	return buf_printf("/proc/self/fd/%d", *fd);
}

static void put_right(int fd, const uint8_t *p, size_t n)
{
	static const unsigned char zero[FORMAT_HEADER - AT_SHA256];
	struct digest *d;
	char hex[DIGEST_HEX];
	unsigned char sum[KNOWN_DIGEST];

	if (n < FORMAT_HEADER)
		return;
	d = digest_new();
	digest_add(d, p + FORMAT_HEADER, n - FORMAT_HEADER);
	digest_add(d, p, AT_SHA256);
	digest_add(d, zero, sizeof(zero));
	digest_end(d, hex);
	digest_free(d);
	digest_unhex(hex, sum, sizeof(sum));
	if (pwrite(fd, sum, sizeof(sum), AT_SHA256) != sizeof(sum))
		abort();
}

static void read_index(const char *path)
{
	struct err e = {0};
	struct index *x = index_open(path, &e);
	struct index_hit hit;

	if (!x) {
		if (e.code != EX_DATAERR)
			abort();
		return;
	}
	for (uint64_t i = 0; i < index_count(x); i++) {
		const unsigned char *d = index_get(x, i, &hit);

		if (strlen(hit.source) > 65536 || (hit.name && strlen(hit.name) > 65536) || !index_find(x, d, &hit))
			abort();
	}
	json_decref(index_info(x));
	index_close(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = {0};
	int fd;
	char *path;

	if (!size)
		return 0;
	msg_level(-1);
	path = in_memory(data + 1, size - 1, &fd);
	if (data[0] % 2 == 0) {
		put_right(fd, data + 1, size - 1);
		read_index(path);
	} else {
		struct known_stats s = {0};
		struct build *b = build_new(&e);
		int out;
		char *index = in_memory("", 0, &out);

		if (list_add(b, path, &s, &e) < 0)
			build_abort(b);
		else if (!build_finish(b, index, NULL, &e))
			read_index(index);
		io_close(&out);
		free(index);
	}
	io_close(&fd);
	free(path);
	return 0;
}
