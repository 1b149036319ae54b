/* Rules of capabilities, and what they are held against: either half is anything. rooms: micro garden code confine casefile judge known places lived base */
#include "micro/capability.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static char folder[64];

static void end(void)
{
	struct err e = { 0 };

	io_rmtree(AT_FDCWD, folder, &e);
}

static void put(const uint8_t *p, size_t n)
{
	char path[96];
	int fd;

	snprintf(path, sizeof path, "%s/one.json", folder);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || io_write(fd, p, n))
		abort();
	close(fd);
}

/* The input: a file of rules, a NUL, static.json's object. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const uint8_t *half = memchr(p, 0, n);
	size_t first = half ? (size_t)(half - p) : n;
	struct capability_rules *r;
	struct err e = { 0 };
	json_t *stat;

	if (!*folder) {
		snprintf(folder, sizeof folder, "%s/muss-fuzz-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
		if (!mkdtemp(folder))
			abort();
		atexit(end);
	}
	put(p, first);
	r = capability_open(folder, &e);
	if (!r && e.code != EX_CONFIG)
		abort();
	stat = half ? jsonio_parse(half + 1, n - first - 1, "static.json", &e) : NULL;
	if (r && json_is_object(stat)) {
		json_t *dynamic = json_deep_copy(stat);

		capability_static(r, stat);
		capability_dynamic(r, stat, dynamic);
		json_decref(dynamic);
	}
	json_decref(stat);
	capability_free(r);
	return 0;
}
