/* index: the whitelist index as its readers see it. */
#include "known/known.h"
#include "known/known-format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define VERIFY_ALWAYS (64 * MIB)   /* 40 ms of hashing */
#define SPOTS 1024u

struct index {
	unsigned char *map;
	size_t size;
	uint64_t count, sources, text_size;
	const unsigned char *digests, *records, *source_table;
	const char *text;
	const char *path;
};

static const unsigned char *digest_at(const struct index *x, uint64_t i)
{
	return x->digests + i * KNOWN_DIGEST;
}

static const char *text_at(const struct index *x, uint32_t offset)
{
	return offset < x->text_size ? x->text + offset : "";
}

static int bad(const struct index *x, struct err *e, const char *why)
{
	return err_set(e, EX_DATAERR, "%s is no usable whitelist index: %s", err_q(x->path), why);
}

/* The sections' places follow from the counts; the counts must account for every byte. */
static int lay_out(struct index *x, struct err *e)
{
	const unsigned char *h = x->map;
	uint64_t want;

	if (x->size < FORMAT_HEADER || memcmp(h + AT_MAGIC, format_magic, sizeof(format_magic)))
		return bad(x, e, "not in its format");
	if (format_get32(h + AT_VERSION) != FORMAT_VERSION || format_get32(h + AT_HEADER_SIZE) != FORMAT_HEADER)
		return bad(x, e, "another version of the format");
	x->count = format_get64(h + AT_COUNT);
	x->sources = format_get64(h + AT_SOURCES);
	x->text_size = format_get64(h + AT_TEXT);
	if (x->count > FORMAT_MAX_COUNT || x->sources > FORMAT_MAX_COUNT || x->text_size > FORMAT_MAX_TEXT ||
	    x->text_size < 1)
		return bad(x, e, "impossible counts");
	want = FORMAT_HEADER + x->count * (KNOWN_DIGEST + FORMAT_RECORD) + x->sources * 4 + x->text_size;
	if (want != x->size || format_get64(h + AT_FILE_SIZE) != want)
		return bad(x, e, "cut or overlong");
	x->digests = h + FORMAT_HEADER;
	x->records = x->digests + x->count * KNOWN_DIGEST;
	x->source_table = x->records + x->count * FORMAT_RECORD;
	x->text = (const char *)x->source_table + x->sources * 4;
	if (x->text[0] || x->text[x->text_size - 1])
		return bad(x, e, "its text does not end");
	return 0;
}

static int check_spots(const struct index *x, struct err *e)
{
	uint64_t step = x->count / SPOTS + 1;

	for (uint64_t i = 1; i < x->count; i += step)
		if (memcmp(digest_at(x, i - 1), digest_at(x, i), KNOWN_DIGEST) >= 0)
			return bad(x, e, "its digests are out of order");
	return 0;
}

struct index *index_open(const char *path, struct err *e)
{
	struct index *x = buf_alloc(sizeof(*x));
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	x->path = buf_strdup(path);
	if (fd < 0 || fstat(fd, &st) < 0) {
		err_sys(e, "cannot open whitelist index %s", err_q(path));
		goto fail;
	}
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)FORMAT_HEADER) {
		bad(x, e, "not in its format");
		goto fail;
	}
	x->map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (x->map == MAP_FAILED) {
		x->map = NULL;
		err_sys(e, "cannot map whitelist index %s", err_q(path));
		goto fail;
	}
	x->size = (size_t)st.st_size;
	if (lay_out(x, e) < 0 || check_spots(x, e) < 0)
		goto fail;
	if (x->size <= VERIFY_ALWAYS && index_verify(x, e) < 0)
		goto fail;
	io_close(&fd);
	return x;
fail:
	io_close(&fd);
	index_close(x);
	return NULL;
}

static uint64_t key_of(const unsigned char *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

/* Interpolation over the first eight bytes, which are uniform in an honest index; bisection where that does not close in. */
static bool find(const struct index *x, const unsigned char *digest, uint64_t *at)
{
	uint64_t lo = 0, hi = x->count, key = key_of(digest);

	for (int round = 0; lo < hi; round++) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (round < 6 && hi - lo > 8) {
			uint64_t klo = key_of(digest_at(x, lo)), khi = key_of(digest_at(x, hi - 1));

			if (key < klo || key > khi)
				return false;
			if (khi > klo)
				mid = lo + (uint64_t)((double)(key - klo) / (double)(khi - klo) * (double)(hi - 1 - lo));
			if (mid >= hi)
				mid = hi - 1;
		}
		int c = memcmp(digest, digest_at(x, mid), KNOWN_DIGEST);

		if (!c) {
			*at = mid;
			return true;
		}
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return false;
}

static void describe(const struct index *x, uint64_t i, struct index_hit *hit)
{
	const unsigned char *r = x->records + i * FORMAT_RECORD;
	uint32_t source = format_get32(r), name = format_get32(r + 4);

	hit->number = source;
	hit->source = index_source(x, source);
	hit->name = name == FORMAT_NO_NAME ? NULL : text_at(x, name);
}

bool index_find(const struct index *x, const unsigned char digest[KNOWN_DIGEST], struct index_hit *hit)
{
	uint64_t at;

	if (!find(x, digest, &at))
		return false;
	if (hit)
		describe(x, at, hit);
	return true;
}

bool index_find_hex(const struct index *x, const char *hex, struct index_hit *hit)
{
	unsigned char digest[KNOWN_DIGEST];

	return digest_ok(hex) && !digest_unhex(hex, digest, sizeof(digest)) && index_find(x, digest, hit);
}

uint64_t index_count(const struct index *x)
{
	return x->count;
}

uint64_t index_sources(const struct index *x)
{
	return x->sources;
}

const char *index_source(const struct index *x, uint64_t number)
{
	return number < x->sources ? text_at(x, format_get32(x->source_table + number * 4)) : "";
}

const unsigned char *index_get(const struct index *x, uint64_t i, struct index_hit *hit)
{
	if (hit)
		describe(x, i, hit);
	return digest_at(x, i);
}

/* The sum covers what stands behind the header, then the header with the sum's own place zero. */
int index_verify(const struct index *x, struct err *e)
{
	static const unsigned char zero[FORMAT_HEADER - AT_SHA256];
	char is[DIGEST_HEX], stated[DIGEST_HEX];
	struct digest *d = digest_new();

	digest_add(d, x->map + FORMAT_HEADER, x->size - FORMAT_HEADER);
	digest_add(d, x->map, AT_SHA256);
	digest_add(d, zero, sizeof(zero));
	digest_end(d, is);
	digest_free(d);
	digest_tohex(x->map + AT_SHA256, KNOWN_DIGEST, stated);
	if (strcmp(is, stated))
		return bad(x, e, "it does not match its own SHA-256");
	for (uint64_t i = 1; i < x->count; i++)
		if (memcmp(digest_at(x, i - 1), digest_at(x, i), KNOWN_DIGEST) >= 0)
			return bad(x, e, "its digests are out of order");
	return 0;
}

json_t *index_info(const struct index *x)
{
	static const char *const kinds[] = {"dpkg", "dir", "list", "nsrl", "hashlookup", "rpm", "case"};   /* KNOWN_FROM_* */
	json_t *j = json_object(), *from = json_array();
	uint64_t names = 0;
	char when[CLOCK_RFC3339], sum[DIGEST_HEX];
	unsigned f = index_from(x);

	for (uint64_t i = 0; i < x->count; i++)
		names += format_get32(x->records + i * FORMAT_RECORD + 4) != FORMAT_NO_NAME;
	json_object_set_new(j, "format", json_string("muss-known/1"));
	json_object_set_new(j, "digests", json_integer((json_int_t)x->count));
	json_object_set_new(j, "sources", json_integer((json_int_t)x->sources));
	json_object_set_new(j, "names", json_integer((json_int_t)names));
	json_object_set_new(j, "bytes", json_integer((json_int_t)x->size));
	digest_tohex(x->map + AT_SHA256, KNOWN_DIGEST, sum);
	json_object_set_new(j, "sha256", json_string(sum));
	clock_rfc3339((int64_t)format_get64(x->map + AT_CREATED), when);
	json_object_set_new(j, "created", json_string(when));
	if (index_dpkg_time(x)) {
		clock_rfc3339(index_dpkg_time(x), when);
		json_object_set_new(j, "dpkg", json_string(when));
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (f & 1u << i)
			json_array_append_new(from, json_string(kinds[i]));
	json_object_set_new(j, "from", from);
	return j;
}

unsigned index_from(const struct index *x)
{
	return format_get32(x->map + AT_FROM);
}

int64_t index_dpkg_time(const struct index *x)
{
	return (int64_t)format_get64(x->map + AT_DPKG_TIME);
}

bool index_outdated(const struct index *x, const char *root)
{
	char *path = buf_printf("%s/var/lib/dpkg/status", root && strcmp(root, "/") ? root : "");
	struct stat st;
	bool old = index_dpkg_time(x) && !stat(path, &st) && st.st_mtime > index_dpkg_time(x);

	free(path);
	return old;
}

void index_close(struct index *x)
{
	if (!x)
		return;
	if (x->map)
		munmap(x->map, x->size);
	free((void *)(uintptr_t)x->path);
	free(x);
}
