/*
 * Code pages: the first byte says whether the rest is a file whose code pages are asked for (even) or an about.json that is
 * held against an index (odd). Nothing crashes, pages come whole and within the file, and a decision marks what it keeps.
 * rooms: known base
 */
#include "known/known.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check(void *ctx, uint64_t where, const unsigned char *page)
{
	const size_t *size = ctx;
	unsigned char copy[KNOWN_PAGE];

	memcpy(copy, page, sizeof(copy));
	if (where % KNOWN_PAGE || where >= *size)
		abort();
	return 0;
}

static struct index *an_index(void)
{
	struct err e = {0};
	struct build *b = build_new(&e);
	unsigned char key[KNOWN_DIGEST] = {0};
	char path[] = "/tmp/fuzz_pages.XXXXXX";
	int fd = mkstemp(path);
	uint32_t s;
	struct index *x;

	pages_key(key);                 /* the page whose digest is all zeros */
	if (!b || build_source(b, "dpkg a 1", &s, &e) < 0 || build_add(b, key, s, NULL, &e) < 0)
		abort();
	build_from(b, KNOWN_FROM_PAGES, 0);
	if (build_finish(b, path, NULL, &e) < 0 || !(x = index_open(path, &e)))
		abort();
	unlink(path);
	close(fd);
	return x;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct index *x;
	struct err e = {0};

	if (!size)
		return 0;
	msg_level(-1);
	if (data[0] % 2 == 0) {
		int fd = memfd_create("fuzz", MFD_CLOEXEC);
		size_t n = size - 1;

		if (fd < 0 || io_write(fd, data + 1, n) < 0)
			abort();
		pages_each(fd, check, &n);
		close(fd);
	} else {
		json_t *about = jsonio_parse(data + 1, size - 1, "it", &e);

		if (!x)
			x = an_index();
		if (json_is_object(about) && decide_about(x, about) == DECIDE_KEEP && !json_object_get(about, "known"))
			abort();
		json_decref(about);
	}
	return 0;
}
