#include "export/yara.h"

#include "confine/confine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROVE_MS 30000
#define PROVE_MOST (256 * MIB)   /* of one file; of a larger one so much */

/* The rule and the files one behind the other, their lengths as arguments: a helper is handed one descriptor. */
static int gather(const char *rule, const int *file, size_t files, char lengths[][24], struct err *e)
{
	int all = io_tmp(e);
	size_t n = strlen(rule);

	if (all < 0)
		return -1;
	snprintf(lengths[0], 24, "%zu", n);
	if (io_write(all, rule, n))
		goto fail;
	for (size_t i = 0; i < files; i++) {
		char chunk[65536];
		uint64_t done = 0;
		ssize_t got;

		while (done < PROVE_MOST && (got = pread(file[i], chunk, sizeof chunk, (off_t)done)) > 0) {
			if (io_write(all, chunk, (size_t)got))
				goto fail;
			done += (uint64_t)got;
		}
		snprintf(lengths[1 + i], 24, "%llu", (unsigned long long)done);
	}
	return all;
fail:
	err_sys(e, "cannot hold a sample in a temporary file");
	io_close(&all);
	return -1;
}

int yara_prove(const char *rule, const int *file, size_t files, struct err *e)
{
	char lengths[EXPORT_UNPACKED + 2][24];
	const char *args[EXPORT_UNPACKED + 3] = { NULL };
	struct helper_result r;
	int fd, proven = -1;

	fd = gather(rule, file, files, lengths, e);
	if (fd < 0)
		return -1;
	for (size_t i = 0; i <= files; i++)
		args[i] = lengths[i];
	if (!helper_run("helper-yara", args, fd, PROVE_MS, &r, e)) {
		proven = r.end == HELPER_DONE && r.status == 0;
		if (!proven)
			msg_info("a rule is not kept: %s", r.err.len ? err_qn(r.err.p, r.err.len) : "it matches nothing");
	}
	helper_free(&r);
	io_close(&fd);
	return proven;
}
