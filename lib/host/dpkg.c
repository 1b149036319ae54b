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
	uint16_t *owner;    /* beside each slot: 1 + place in package, 0 unknown */
	size_t size, count;
	struct sharer { uint64_t hash; uint16_t owner; } *sharer;   /* what more packages than the slot's owner hold */
	size_t sharers;
	struct package { uint64_t name, version; char *file; int64_t since; } *package;
	size_t packages;
	int folder;         /* of the database */
};

/* /usr/bin/x and /bin/x are one file on a system whose /usr was merged, whichever name the package knows. */
static const char *unmerged(const char *path, size_t *n)
{
	static const char *const tops[] = { "/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/libx32/" };
	static const unsigned char length[] = { 5, 6, 5, 7, 7, 8 };
	size_t i;

	/* most end here: this is asked for each name of each package */
	if (*n < 10 || memcmp(path, "/usr/", 5) || (path[5] != 'b' && path[5] != 's' && path[5] != 'l'))
		return path;
	for (i = 0; i < sizeof(tops) / sizeof(*tops); i++)
		if (*n - 4 > length[i] && !memcmp(path + 4, tops[i], length[i])) {
			*n -= 4;
			return path + 4;
		}
	return path;
}

static uint64_t key_of(const struct dpkg *d, const char *path, size_t n)
{
	uint64_t v;

	path = unmerged(path, &n);
	v = sip_hash(d->key, path, n);
	return v ? v : 1;
}

static size_t find(const struct dpkg *d, uint64_t v)
{
	size_t i = v & (d->size - 1);

	while (d->slot[i] && d->slot[i] != v)
		i = (i + 1) & (d->size - 1);
	return i;
}

static void share(struct dpkg *d, uint64_t v, uint16_t owner)
{
	if (!owner)
		return;
	if (!(d->sharers & (d->sharers - 1)))
		d->sharer = buf_realloc(d->sharer, d->sharers ? d->sharers * 2 : 1, sizeof(*d->sharer));
	d->sharer[d->sharers++] = (struct sharer){ v, owner };
}

static void put(struct dpkg *d, uint64_t v, uint16_t owner)
{
	size_t i = find(d, v);

	if (d->slot[i]) {
		share(d, v, owner);
		return;
	}
	d->count++;
	d->slot[i] = v;
	d->owner[i] = owner;
}

static void add(struct dpkg *d, const char *path, size_t n, uint16_t owner)
{
	if (d->count * 4 >= d->size * 3) {
		uint64_t *old = d->slot;
		uint16_t *old_owner = d->owner;
		size_t old_size = d->size, i;

		d->size = d->size ? d->size * 2 : 1u << 16;
		d->slot = buf_alloc(d->size * sizeof(*d->slot));
		d->owner = buf_alloc(d->size * sizeof(*d->owner));
		d->count = 0;
		for (i = 0; i < old_size; i++)
			if (old[i])
				put(d, old[i], old_owner[i]);
		free(old);
		free(old_owner);
	}
	put(d, key_of(d, path, n), owner);
}

static void add_lines(struct dpkg *d, const struct buf *b, unsigned every, unsigned which, uint16_t owner)
{
	const char *p = buf_str(b), *end = p + b->len;
	unsigned line = 0;

	while (p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((stop ? stop : end) - p);

		if (n > 1 && *p == '/' && line % every == which)
			add(d, p, n, owner);
		line++;
		p += n + 1;
	}
}

/* Names and versions are compared from one scan to another: their hashes have no key of this run. */
static uint64_t plain_hash(const char *s, size_t n, uint64_t with)
{
	const uint64_t key[2] = { with, 0 };

	return sip_hash(key, s, n);
}

/* "NAME.list" or "NAME:ARCH.list". 0 when there are more packages than the table numbers. */
static uint16_t add_package(struct dpkg *d, int folder, const char *name, size_t n)
{
	struct stat st;

	if (d->packages >= UINT16_MAX)
		return 0;
	if (!(d->packages & (d->packages - 1)))
		d->package = buf_realloc(d->package, d->packages ? d->packages * 2 : 1, sizeof(*d->package));
	d->package[d->packages++] = (struct package){
		.name = plain_hash(name, n, 0), .file = buf_printf("%.*s", (int)n, name),
		.since = fstatat(folder, name, &st, 0) < 0 ? 0 : st.st_ctim.tv_sec,
	};
	return (uint16_t)d->packages;
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
	d->folder = -1;
	if (getrandom(d->key, sizeof(d->key), 0) != (ssize_t)sizeof(d->key))
		d->key[0] = (uint64_t)clock_mono_ms();
	while ((entry = readdir(dir))) {
		size_t n = strlen(entry->d_name);

		if (n < 6 || strcmp(entry->d_name + n - 5, ".list"))
			continue;
		buf_clear(&text);
		if (io_slurp_at(fd, entry->d_name, CAP_SLURP, &text) > 0)
			add_lines(d, &text, 1, 0, add_package(d, fd, entry->d_name, n - 5));
	}
	closedir(dir);
	/* diversions come in three lines: from, to, by whom; "to" is owned as well */
	fd = rooted_open(root, "/var/lib/dpkg", O_RDONLY | O_DIRECTORY);
	if (fd >= 0) {
		buf_clear(&text);
		if (io_slurp_at(fd, "diversions", CAP_SLURP, &text) > 0)
			add_lines(d, &text, 3, 1, 0);
		d->folder = fd;
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
	return d->slot[find(d, key_of(d, path, strlen(path)))] != 0;
}

/* One field of a stanza; its length in *n. NULL: not there. */
static const char *field(const char *stanza, const char *end, const char *name, size_t *n)
{
	size_t k = strlen(name);
	const char *p = stanza;

	while (p < end) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));

		stop = stop ? stop : end;
		if ((size_t)(stop - p) > k + 1 && !memcmp(p, name, k) && p[k] == ':') {
			for (p += k + 1; p < stop && *p == ' '; p++)
				;
			*n = (size_t)(stop - p);
			return p;
		}
		p = stop + 1;
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct package *const *x = a, *const *y = b;

	return ((*x)->name > (*y)->name) - ((*x)->name < (*y)->name);
}

static void set_version(struct package *const *sorted, size_t count, const char *name, size_t n, uint64_t version)
{
	struct package key = { .name = plain_hash(name, n, 0) }, *const at = &key, *const *found;

	found = bsearch(&at, sorted, count, sizeof(struct package *), by_name);
	if (found)
		(*found)->version = version;
}

static void stanza_version(struct package *const *sorted, size_t count, const char *p, const char *end)
{
	size_t name_n = 0, arch_n = 0, version_n = 0;
	const char *name = field(p, end, "Package", &name_n), *arch = field(p, end, "Architecture", &arch_n);
	const char *version = field(p, end, "Version", &version_n);
	char full[512];
	uint64_t stamp;
	int n;

	if (!name || !version)
		return;
	stamp = plain_hash(version, version_n, plain_hash(name, name_n, 0));
	stamp = stamp > DPKG_UNVERSIONED ? stamp : stamp + 2;
	set_version(sorted, count, name, name_n, stamp);
	n = snprintf(full, sizeof(full), "%.*s:%.*s", (int)(name_n & 0xff), name, arch ? (int)(arch_n & 0xff) : 0, arch ? arch : "");
	set_version(sorted, count, full, (size_t)n, stamp);
}

void dpkg_load_versions(struct dpkg *d)
{
	struct package **sorted = buf_realloc(NULL, d->packages + 1, sizeof(struct package *));
	struct buf text = { 0 };
	const char *p, *end, *stop;
	size_t i;

	for (i = 0; i < d->packages; i++)
		sorted[i] = &d->package[i];
	qsort(sorted, d->packages, sizeof(struct package *), by_name);
	if (d->folder >= 0 && io_slurp_at(d->folder, "status", CAP_SLURP, &text) > 0) {
		end = buf_str(&text) + text.len;
		for (p = buf_str(&text); p < end; p = stop < end ? stop + 2 : end) {
			stop = memmem(p, (size_t)(end - p), "\n\n", 2);
			stop = stop ? stop : end;
			stanza_version(sorted, d->packages, p, stop);
		}
	}
	buf_free(&text);
	free(sorted);
}

uint64_t dpkg_version(const struct dpkg *d, const char *path)
{
	size_t i = find(d, key_of(d, path, strlen(path)));
	uint64_t stamp;

	if (!d->slot[i])
		return 0;
	stamp = d->owner[i] ? d->package[d->owner[i] - 1].version : 0;
	return stamp ? stamp : DPKG_UNVERSIONED;
}

uint64_t dpkg_version_of(const struct dpkg *d, const char *package)
{
	uint64_t name = plain_hash(package, strlen(package), 0);
	size_t i;

	for (i = 0; i < d->packages; i++)
		if (d->package[i].name == name)
			return d->package[i].version ? d->package[i].version : DPKG_UNVERSIONED;
	return 0;
}

const char *dpkg_package(const struct dpkg *d, const char *path, int64_t *since)
{
	size_t i = find(d, key_of(d, path, strlen(path)));

	if (!d->slot[i] || !d->owner[i])
		return NULL;
	*since = d->package[d->owner[i] - 1].since;
	return d->package[d->owner[i] - 1].file;
}

const char *dpkg_sharer(const struct dpkg *d, const char *path, size_t *at)
{
	uint64_t v = key_of(d, path, strlen(path));

	while (*at < d->sharers) {
		const struct sharer *s = &d->sharer[(*at)++];

		if (s->hash == v)
			return d->package[s->owner - 1].file;
	}
	return NULL;
}

const char *dpkg_package_at(const struct dpkg *d, size_t i)
{
	return i < d->packages ? d->package[i].file : NULL;
}

int dpkg_folder(const struct dpkg *d)
{
	return d->folder;
}

bool dpkg_same_path(const char *a, const char *b)
{
	size_t n = strlen(a), k = strlen(b);

	a = unmerged(a, &n);
	b = unmerged(b, &k);
	return n == k && !memcmp(a, b, n);
}

void dpkg_close(struct dpkg *d)
{
	size_t i;

	if (!d)
		return;
	for (i = 0; i < d->packages; i++)
		free(d->package[i].file);
	io_close(&d->folder);
	free(d->slot);
	free(d->owner);
	free(d->sharer);
	free(d->package);
	free(d);
}
