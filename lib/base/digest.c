#include "base/base.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((size_t)128 << 10)

struct digest {
	EVP_MD_CTX *ctx;
	const EVP_MD *md;
};

/* OpenSSL fails here only for want of memory or of its own library; there is no going on without digests. */
static void must(int ok)
{
	static const char text[] = "muss: OpenSSL cannot compute digests\n";

	if (ok)
		return;
	io_write(STDERR_FILENO, text, sizeof text - 1);
	_exit(EX_OSERR);
}

/* Looked up once: a look-up takes as long as the digest of a small file. */
static const EVP_MD *fetched(_Atomic(EVP_MD *) *kept, const char *name)
{
	EVP_MD *md = atomic_load(kept), *none = NULL;

	if (md)
		return md;
	md = EVP_MD_fetch(NULL, name, NULL);
	must(md != NULL);
	if (atomic_compare_exchange_strong(kept, &none, md))
		return md;
	EVP_MD_free(md);
	return none;
}

static struct digest *digest_begin(const EVP_MD *md)
{
	struct digest *d = buf_alloc(sizeof *d);

	d->md = md;
	d->ctx = EVP_MD_CTX_new();
	must(d->ctx && EVP_DigestInit_ex(d->ctx, md, NULL));
	return d;
}

struct digest *digest_new(void)
{
	static _Atomic(EVP_MD *) md;

	return digest_begin(fetched(&md, "SHA256"));
}

struct digest *digest_new_md5(void)
{
	static _Atomic(EVP_MD *) md;

	return digest_begin(fetched(&md, "MD5"));
}

struct digest *digest_new_sha1(void)
{
	static _Atomic(EVP_MD *) md;

	return digest_begin(fetched(&md, "SHA1"));
}

void digest_add(struct digest *d, const void *p, size_t n)
{
	must(EVP_DigestUpdate(d->ctx, p, n));
}

void digest_tohex(const unsigned char *p, size_t n, char *hex)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		hex[2 * i] = digits[p[i] >> 4];
		hex[2 * i + 1] = digits[p[i] & 15];
	}
	hex[2 * n] = '\0';
}

void digest_end(struct digest *d, char hex[DIGEST_HEX])
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned n;

	must(EVP_DigestFinal_ex(d->ctx, raw, &n));
	digest_tohex(raw, n, hex);
	must(EVP_DigestInit_ex(d->ctx, d->md, NULL));
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void digest_bytes(const void *p, size_t n, char hex[DIGEST_HEX])
{
	struct digest *d = digest_new();

	digest_add(d, p, n);
	digest_end(d, hex);
	digest_free(d);
}

int digest_fd(int fd, uint64_t cap, char hex[DIGEST_HEX], uint64_t *size, struct err *e)
{
	static _Thread_local char chunk[CHUNK];
	struct digest *d;
	struct stat st;
	uint64_t at = 0;
	int rc = 0;

	/* a sparse file of a terabyte costs nobody else anything, and us minutes */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size > cap)
		return err_set(e, EX_DATAERR, "longer than %llu bytes", (unsigned long long)cap);
	d = digest_new();
	for (;;) {
		ssize_t r = pread(fd, chunk, sizeof chunk, (off_t)at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			rc = err_sys(e, "cannot read");
			break;
		}
		if (r == 0)
			break;
		at += (uint64_t)r;
		if (at > cap) {
			rc = err_set(e, EX_DATAERR, "longer than %llu bytes", (unsigned long long)cap);
			break;
		}
		digest_add(d, chunk, (size_t)r);
	}
	digest_end(d, hex);
	digest_free(d);
	if (size)
		*size = at;
	return rc;
}

bool digest_ok(const char *hex)
{
	return hex && strspn(hex, "0123456789abcdef") == 64 && hex[64] == '\0';
}

/* A digit's value and 1, 0 for all else: lists have hundreds of millions. */
static const unsigned char digits[256] = {
	['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10,
	['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
	['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

int digest_unhex(const char *hex, unsigned char *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned a = digits[(unsigned char)hex[2 * i]], b = a ? digits[(unsigned char)hex[2 * i + 1]] : 0;

		if (!b)
			return -1;
		out[i] = (unsigned char)((a - 1) << 4 | (b - 1));
	}
	return 0;
}
