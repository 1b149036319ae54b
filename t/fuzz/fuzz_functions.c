/*
 * The index of functions, as a stranger may have made it: the input is an index file, whose sums are put right (as in fuzz_index.c,
 * which has the whole format), or the names of programs in one that is well-formed. Nothing crashes, and it opens or is refused.
 * rooms: known base
 */
#include "known/build.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static char folder[] = "/tmp/fuzz_functions.XXXXXX";
static char *file;

static void clean(void)
{
	struct err e = { 0 };

	io_rmtree(AT_FDCWD, folder, &e);
}

static void ask(void)
{
	struct err e = { 0 };
	struct functions *f = functions_open(file, &e);
	json_t *list, *minhash = json_array(), *known, *info;

	if (!f && e.code != EX_DATAERR)
		abort();
	if (f) {
		list = json_pack("[{ss}{s[]}]", "digest", "0123456789abcdef", "digest");
		for (unsigned k = 0; k < FUNCTIONS_MINHASH; k++)
			json_array_append_new(minhash, json_integer(k));
		known = functions_tell(&f, 1, list, minhash);
		info = functions_info(f);
		if (!known || !info)
			abort();
		json_decref(known);
		json_decref(info);
		json_decref(list);
	}
	json_decref(minhash);
	functions_close(f);
}

/* Lines: what kind of source; the name of a program's entry. */
static void make(const uint8_t *p, size_t n)
{
	struct err e = { 0 };
	struct build *b = build_new(&e);
	unsigned number = 0;

	if (!b)
		abort();
	build_from(b, KNOWN_FROM_FUNCTIONS, 0);
	while (n && number < 64) {
		const uint8_t *end = memchr(p, '\n', n);
		size_t len = end ? (size_t)(end - p) : n;
		char *line = buf_alloc(len + 1), key[32], hex[DIGEST_HEX], *source;
		unsigned char digest[KNOWN_DIGEST];
		uint32_t at;

		memcpy(line, p, len);
		snprintf(key, sizeof key, "program %u", number++);
		digest_bytes(key, strlen(key), hex);
		digest_unhex(hex, digest, sizeof digest);
		pages_key(digest);
		source = buf_printf("%s", *line == 'm' ? "malware a" : *line == 'g' ? "goodware b" : line);
		if (build_source(b, *source ? source : "x", &at, &e) || build_add(b, digest, at, *line ? line + 1 : NULL, &e))
			abort();
		free(source);
		free(line);
		p += len + (end != NULL);
		n -= len + (end != NULL);
	}
	if (build_finish(b, file, NULL, &e))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	int fd;

	if (!n)
		return 0;
	if (!file) {
		msg_level(-1);
		if (!mkdtemp(folder))
			abort();
		atexit(clean);
		file = buf_printf("%s/index", folder);
	}
	if (p[0] & 1) {
		make(p + 1, n - 1);
	} else {
		fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0 || io_write(fd, p + 1, n - 1))
			abort();
		close(fd);
	}
	ask();
	return 0;
}
