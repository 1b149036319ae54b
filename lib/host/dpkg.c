#include "host/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/*
 * The names of all files that packages own, as keyed 64-bit hashes: SipHash-2-4 (Aumasson and Bernstein 2012), so that
 * nobody can choose a name that collides with an owned one.
 */
struct dpkg {
	uint64_t key[2];
	uint64_t *slot;     /* open addressing; 0: free */
	size_t size, count;
};

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static void sip_round(uint64_t v[4])
{
	v[0] += v[1]; v[1] = ROTL(v[1], 13); v[1] ^= v[0]; v[0] = ROTL(v[0], 32);
	v[2] += v[3]; v[3] = ROTL(v[3], 16); v[3] ^= v[2];
	v[0] += v[3]; v[3] = ROTL(v[3], 21); v[3] ^= v[0];
	v[2] += v[1]; v[1] = ROTL(v[1], 17); v[1] ^= v[2]; v[2] = ROTL(v[2], 32);
}

static uint64_t siphash(const uint64_t key[2], const char *s, size_t n)
{
	uint64_t v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
	                  key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 };
	uint64_t last = (uint64_t)n << 56, m;
	int i;

	for (; n >= 8; n -= 8, s += 8) {
		memcpy(&m, s, 8);
		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
	}
	m = 0;
	memcpy(&m, s, n);
	last |= m;
	v[3] ^= last;
	sip_round(v);
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* /usr/bin/x and /bin/x are one file on a system whose /usr was merged, whichever name the package knows. */
static const char *unmerged(const char *path, size_t *n)
{
	static const char *const tops[] = { "/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/" };
	size_t i;

	if (*n > 4 && !memcmp(path, "/usr", 4))
		for (i = 0; i < sizeof(tops) / sizeof(*tops); i++)
			if (*n - 4 > strlen(tops[i]) && !memcmp(path + 4, tops[i], strlen(tops[i]))) {
				*n -= 4;
				return path + 4;
			}
	return path;
}

static uint64_t key_of(const struct dpkg *d, const char *path, size_t n)
{
	uint64_t v;

	path = unmerged(path, &n);
	v = siphash(d->key, path, n);
	return v ? v : 1;
}

static void put(struct dpkg *d, uint64_t v)
{
	size_t i = v & (d->size - 1);

	while (d->slot[i] && d->slot[i] != v)
		i = (i + 1) & (d->size - 1);
	d->count += !d->slot[i];
	d->slot[i] = v;
}

static void add(struct dpkg *d, const char *path, size_t n)
{
	if (d->count * 2 >= d->size) {
		uint64_t *old = d->slot;
		size_t old_size = d->size, i;

		d->size = d->size ? d->size * 2 : 1u << 16;
		d->slot = buf_alloc(d->size * sizeof(*d->slot));
		d->count = 0;
		for (i = 0; i < old_size; i++)
			if (old[i])
				put(d, old[i]);
		free(old);
	}
	put(d, key_of(d, path, n));
}

static void add_lines(struct dpkg *d, const struct buf *b, unsigned every, unsigned which)
{
	const char *p = buf_str(b), *end = p + b->len;
	unsigned line = 0;

	while (p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((stop ? stop : end) - p);

		if (n > 1 && *p == '/' && line % every == which)
			add(d, p, n);
		line++;
		p += n + 1;
	}
}

struct dpkg *dpkg_open(int root)
{
	struct dpkg *d;
	struct buf text = { 0 };
	struct dirent *entry;
	DIR *dir;
	int fd = rooted_open(root, "/var/lib/dpkg/info", O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return NULL;
	}
	d = buf_alloc(sizeof(*d));
	if (getrandom(d->key, sizeof(d->key), 0) != (ssize_t)sizeof(d->key))
		d->key[0] = (uint64_t)clock_mono_ms();
	while ((entry = readdir(dir))) {
		size_t n = strlen(entry->d_name);

		if (n < 6 || strcmp(entry->d_name + n - 5, ".list"))
			continue;
		buf_clear(&text);
		if (io_slurp_at(fd, entry->d_name, CAP_SLURP, &text) > 0)
			add_lines(d, &text, 1, 0);
	}
	closedir(dir);
	/* diversions come in three lines: from, to, by whom; "to" is owned as well */
	fd = rooted_open(root, "/var/lib/dpkg", O_RDONLY | O_DIRECTORY);
	if (fd >= 0) {
		buf_clear(&text);
		if (io_slurp_at(fd, "diversions", CAP_SLURP, &text) > 0)
			add_lines(d, &text, 3, 1);
		close(fd);
	}
	buf_free(&text);
	if (!d->count) {
		dpkg_close(d);
		return NULL;
	}
	return d;
}

bool dpkg_owns(const struct dpkg *d, const char *path)
{
	uint64_t v = key_of(d, path, strlen(path));
	size_t i = v & (d->size - 1);

	while (d->slot[i]) {
		if (d->slot[i] == v)
			return true;
		i = (i + 1) & (d->size - 1);
	}
	return false;
}

void dpkg_close(struct dpkg *d)
{
	if (!d)
		return;
	free(d->slot);
	free(d);
}
