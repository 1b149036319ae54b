/*
 * badcase: archives for the tests of whatever reads a case.
 *   badcase KIND            one of badcase.h's, on standard output
 *   badcase kinds           their names, each with what the refusal must name ("-": none, it is sound), by a tab
 *   badcase large MIB       a sound case with one incompressible body of so many MiB
 */
#include "badcase.h"
#include "casefile/casefile.h"

#include <unistd.h>

#define CHUNK ((size_t)1 << 20)

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016). */
static void noise(uint64_t *p, size_t words, uint64_t *x)
{
	for (size_t i = 0; i < words; i++) {
		*x ^= *x >> 12;
		*x ^= *x << 25;
		*x ^= *x >> 27;
		p[i] = *x * 0x2545f4914f6cdd1dULL;
	}
}

static int large(uint64_t mib, struct err *e)
{
	uint64_t *chunk = buf_alloc(CHUNK), x = 1;
	struct digest *d = digest_new();
	json_t *head = casefilter_new_case("badcase", json_object()), *about = json_object();
	struct caseout *out = NULL;
	char hex[DIGEST_HEX], path[CAP_PATH];
	int rc = -1;

	for (uint64_t i = 0; i < mib; i++) {
		noise(chunk, CHUNK / 8, &x);
		digest_add(d, chunk, CHUNK);
	}
	digest_end(d, hex);
	out = caseout_open(STDOUT_FILENO, false, e);
	if (!out || caseout_json(out, "case.json", head, e))
		goto out;
	snprintf(path, sizeof path, "code/%s/about.json", hex);
	json_object_set_new(about, "sha256", json_string(hex));
	if (caseout_json(out, path, about, e))
		goto out;
	snprintf(path, sizeof path, "code/%s/body", hex);
	if (caseout_begin(out, path, 0, mib * CHUNK, e))
		goto out;
	x = 1;
	for (uint64_t i = 0; i < mib; i++) {
		noise(chunk, CHUNK / 8, &x);
		if (caseout_write(out, chunk, CHUNK, e))
			goto out;
	}
	if (caseout_end(out, e))
		goto out;
	rc = caseout_finish(out, NULL, NULL, e);
	out = NULL;
out:
	caseout_abort(out);
	json_decref(head);
	json_decref(about);
	digest_free(d);
	free(chunk);
	return rc;
}

int main(int argc, char **argv)
{
	struct buf b = { 0 };
	struct err e = { 0 };
	int rc = 0;

	msg_init("badcase");
	if (argc == 3 && !strcmp(argv[1], "large")) {
		rc = large(strtoull(argv[2], NULL, 10), &e) ? msg_fail(&e) : 0;
	} else if (argc == 2 && !strcmp(argv[1], "kinds")) {
		for (size_t i = 0; i < sizeof badcase_kinds / sizeof *badcase_kinds; i++)
			printf("%s\t%s\n", badcase_kinds[i].kind, badcase_kinds[i].names ? badcase_kinds[i].names : "-");
	} else if (argc != 2 || badcase_make(argv[1], &b)) {
		fputs("usage: badcase KIND | kinds | large MIB\n", stderr);
		rc = EX_USAGE;
	} else if (b.len && io_write(STDOUT_FILENO, b.p, b.len)) {
		rc = EX_IOERR;
	}
	buf_free(&b);
	return rc;
}
