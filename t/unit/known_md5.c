/* Eight MD5 sums at once agree with OpenSSL's, whatever lengths stand side by side. */
#include "known/known.h"
#include "known/md5.h"
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>

/* By the lanes, block by block as they are filled. */
static void sums(const unsigned char *const text[MD5_LANES], const size_t n[MD5_LANES], unsigned char sum[MD5_LANES][16])
{
	struct md5 m;
	unsigned char end[MD5_LANES][2 * MD5_BLOCK];
	size_t whole[MD5_LANES], all[MD5_LANES], most = 0;

	for (unsigned k = 0; k < MD5_LANES; k++) {
		md5_begin(&m, k);
		whole[k] = n[k] / MD5_BLOCK;
		all[k] = whole[k] + md5_end(text[k] + whole[k] * MD5_BLOCK, n[k], end[k]) / MD5_BLOCK;
		most = all[k] > most ? all[k] : most;
	}
	for (size_t b = 0; b < most; b++) {
		const unsigned char *data[MD5_LANES];

		for (unsigned k = 0; k < MD5_LANES; k++)
			data[k] = b < whole[k] ? text[k] + b * MD5_BLOCK : b < all[k] ? end[k] + (b - whole[k]) * MD5_BLOCK : end[k];
		md5_blocks(&m, data, 1);
		for (unsigned k = 0; k < MD5_LANES; k++)
			if (b + 1 == all[k])
				md5_sum(&m, k, sum[k]);
	}
}

static bool agree(const unsigned char *text, const size_t n[MD5_LANES])
{
	const unsigned char *texts[MD5_LANES];
	unsigned char sum[MD5_LANES][16];
	struct digest *d = digest_new_md5();
	bool good = true;

	for (unsigned k = 0; k < MD5_LANES; k++)
		texts[k] = text + k;
	sums(texts, n, sum);
	for (unsigned k = 0; k < MD5_LANES; k++) {
		char is[33], want[DIGEST_HEX];

		digest_add(d, texts[k], n[k]);
		digest_end(d, want);
		digest_tohex(sum[k], 16, is);
		good &= !strcmp(is, want);
	}
	digest_free(d);
	return good;
}

/* Files of many sizes through the crew: what matches is good, one other byte is not. */
static void crew(void)
{
	char dir[] = "/tmp/known_md5.XXXXXX";
	static const size_t sizes[] = {0, 1, 55, 56, 63, 64, 65, 119, 120, 4096, 65535, 65536, 65537, 131071, 131072, 200000, 1000000};
	const size_t count = sizeof(sizes) / sizeof(sizes[0]);
	unsigned char *text = buf_alloc(1000000);
	struct digest *d = digest_new_md5();
	struct crew_list l = {0};
	struct err e = {0};
	uint64_t bytes = 0;
	int good = 0, altered = 0, sha = 0;

	for (size_t i = 0; i < 1000000; i++)
		text[i] = (unsigned char)(i * 2654435761u >> 13);
	if (!mkdtemp(dir))
		exit(1);
	for (size_t i = 0; i < 4 * count; i++) {
		char *path = buf_printf("%s/%zu", dir, i), hex[DIGEST_HEX];
		size_t n = sizes[i % count];
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
		struct crew_item *item = crew_add(&l, path + strlen(dir), strlen(path) - strlen(dir));

		if (fd < 0 || io_write(fd, text, n) < 0)
			exit(1);
		io_close(&fd);
		digest_add(d, text, n);
		if (i % 5 == 4)
			digest_add(d, "x", 1);
		digest_end(d, hex);
		item->md5_known = i % 7 != 6;
		digest_unhex(hex, item->md5, sizeof(item->md5));
		free(path);
	}
	OK(!crew_run(&l, dir, CREW_ALL, &bytes, &e), "files are read");
	for (size_t i = 0; i < l.len; i++) {
		char is[DIGEST_HEX], want[DIGEST_HEX];

		good += (l.p[i].result == CREW_GOOD) == (i % 5 != 4 || i % 7 == 6);
		altered += (l.p[i].result == CREW_ALTERED) == (i % 5 == 4 && i % 7 != 6);
		digest_tohex(l.p[i].sha256, KNOWN_DIGEST, is);
		digest_bytes(text, sizes[i % count], want);
		sha += !strcmp(is, want);
	}
	OK(good == (int)l.len && altered == (int)l.len, "those that match are good, the others altered");
	OK(sha == (int)l.len, "their SHA-256 are right");
	crew_free(&l);
	digest_free(d);
	free(text);
	io_rmtree(AT_FDCWD, dir, &e);
}

int main(void)
{
	unsigned char *text = buf_alloc(20000);
	bool all = true;

	for (size_t i = 0; i < 20000; i++)
		text[i] = (unsigned char)(i * 2654435761u >> 11);
	for (size_t n = 0; n < 300; n++)
		all &= agree(text, (size_t[]){n, 299 - n, 0, 64, n / 2, n * 7, 55, 9000});
	OK(all, "all lanes agree with the one");
	free(text);
	crew();
	return unit_end();
}
