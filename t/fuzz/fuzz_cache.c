/*
 * The scan index: the input is an index (its MAC is put right, so that what lies behind is reached) that is opened, asked,
 * added to and written. Whatever it is, nothing crashes, and what is written is an index that is taken.
 * rooms: known base
 */
#include "known/cache-internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64], idx[80];
static const unsigned char stamp[32];

static void sweep(void)
{
	struct err e;

	io_rmtree(AT_FDCWD, dir, &e);
}

static void begin(void)
{
	static bool begun;

	if (begun)
		return;
	begun = true;
	msg_level(-1);
	/* nothing there is to be kept: in memory, when that is to be had */
	snprintf(dir, sizeof(dir), "%s/fuzz_cache.XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(dir))
		abort();
	snprintf(idx, sizeof(idx), "%s/idx", dir);
	atexit(sweep);
}

/* Written by ourselves, so that key and MAC are right; the counts stay what the input says. */
static void put(const uint8_t *data, size_t size)
{
	struct cache_view v;
	struct cache_header h = { 0 };
	unsigned char *bytes = buf_alloc(size + 1);
	const char *why;
	struct err e;
	struct cache_file *f = cachefile_open(idx, &v, &e);

	memcpy(bytes, data, size);
	if (!f)
		abort();
	cachefile_forget(f, &v);
	if (!cachefile_lay_out(bytes, size, &v, &why)) {
		h = *v.header;
		v.header = &h;
		if (cachefile_write(f, &h, &v, &e) < 0)
			abort();
	}
	cachefile_close(f);
	free(bytes);
}

static void use(void)
{
	struct cache *c = cache_open(idx, stamp, false);
	struct cache_hit hit;
	struct cache_history past;
	struct stat st;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		abort();
	for (uint64_t i = 0; c->old.header && i < c->old.header->entries && i < 64; i++) {
		const struct cache_entry *x = &c->old.entries[i];
		struct stat as = st;

		c->volume_count = 1;
		c->volumes[0].dev = st.st_dev;
		c->volumes[0].volume = x->volume;
		c->volumes[0].good = true;
		as.st_ino = x->ino;
		as.st_size = (off_t)x->size;
		as.st_mtim.tv_sec = x->mtime;
		as.st_mtim.tv_nsec = x->mtime_ns;
		as.st_ctim.tv_sec = x->ctime;
		as.st_ctim.tv_nsec = x->ctime_ns;
		if (cache_find(c, fd, &as, &hit) == CACHE_CODE && hit.facts_length && hit.facts[hit.facts_length - 1])
			abort();
	}
	c->volume_count = 0;
	cache_find(c, fd, &st, &hit);
	cache_begin(c, fd, &st);
	cache_put(c, fd, stamp, "code", 5, &hit);
	cache_path(c, "", "/p", stamp, 0, &past);
	cache_path(c, "", "/q", stamp, 1, &past);
	cache_commit(c, true);
	cache_close(c);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cache_view v;
	struct cache_file *f;
	struct err e;

	begin();
	unlink(idx);
	put(data, size);
	use();
	f = cachefile_open(idx, &v, &e);
	if (!f || e.code || !v.header)
		abort();
	cachefile_close(f);
	return 0;
}
