/*
 * An image of an initial file system. Nothing crashes; what is listed is given back by its number, with the digest that was told.
 * rooms: initrd casefile base
 */
#include "initrd/initrd.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const json_t *file, const void *p, size_t n)
{
	char sha256[DIGEST_HEX];

	digest_bytes(p, n, sha256);
	if (strcmp(sha256, jsonio_str(file, "sha256")) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *o = list_make(data, size), *file;
	const json_t *files = json_object_get(o, "files");
	size_t count = json_array_size(files), i;
	uint64_t *number = buf_alloc((count + 1) * sizeof(*number));
	struct buf out = { 0 };
	const char *at;

	json_array_foreach(files, i, file) {
		number[i] = (uint64_t)jsonio_int(file, "number", 0);
		if (i && number[i] <= number[i - 1])
			abort();
	}
	list_take(data, size, number, count, &out);
	at = buf_str(&out);
	json_array_foreach(files, i, file) {
		char *next;
		unsigned long long is = strtoull(at, &next, 10), n;

		if ((size_t)(next - (char *)out.p) >= out.len)
			break;
		if (is != number[i])
			continue;
		n = strtoull(next, &next, 10);
		if (n > out.len - (size_t)(next + 1 - (char *)out.p))
			break;   /* the image ends within it */
		check(file, next + 1, (size_t)n);
		at = next + 1 + n;
	}
	free(number);
	json_decref(o);
	buf_free(&out);
	return 0;
}
