/*
 * What Wine wrote down of a run, and a sample may have written to: the first byte says whether it is a registry file or a log of calls.
 * rooms: micro garden code confine casefile judge known places lived base
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "micro/dynamic-internal.h"
#include "micro/wine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void registry(const char *text, size_t n)
{
	struct registry r = { .key = json_object() }, none = { .key = json_object() };
	json_t *changes, *startup = json_array();
	unsigned lost = 0;

	registry_read(&r, "HKLM", text, n);
	changes = registry_compare(&none, &r, &lost);
	startup_of_registry(changes, startup);
	if (json_array_size(startup) > json_array_size(changes))
		abort();
	json_decref(startup);
	json_decref(changes);
	json_decref(r.key);
	json_decref(none.key);
}

static void calls(const void *text, size_t n)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	json_t *list, *signs = json_array();
	struct err e = { 0 };
	unsigned count = 0;
	bool loaded = false;

	if (fd < 0 || io_write(fd, text, n))
		abort();
	list = calls_read(fd, &count, &loaded, &e);
	if (!list || json_array_size(list) > count || json_array_size(list) > WINE_CALLS)
		abort();
	calls_signs(list, signs);
	json_decref(signs);
	json_decref(list);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	if (size < 1)
		return 0;
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		registry(copy, size - 1);
	else
		calls(copy, size - 1);
	free(copy);
	return 0;
}
