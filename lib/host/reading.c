/*
 * Files' bytes, read with manners: what was not in the page cache before is not left in it, so that a scan drives nobody's
 * files out of memory; what others must answer for (network, FUSE) is bounded; and what does not answer is given up.
 */
#include "host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define BLOCK (128 * 1024)
#define WINDOW (2 * MIB)          /* of a file, that was cached or was not */
#define REMOTE_BYTES (1 * GIB)    /* of one scan of a machine */
#define REMOTE_MS 60000

/* linux/mman.h since 6.5 */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
struct cache_range { uint64_t off, len; };
struct cache_stat { uint64_t cached, dirty, writeback, evicted, recently_evicted; };

/* A kernel that cannot tell is treated as if all was cached: then nothing is dropped that was somebody's. */
static bool was_cached(int fd, uint64_t at, uint64_t size)
{
	struct cache_range range = { at, size - at < WINDOW ? size - at : WINDOW };
	struct cache_stat cs;
	static bool unknown;

	if (unknown)
		return true;
	if (syscall(SYS_cachestat, fd, &range, &cs, 0) < 0) {
		unknown = errno == ENOSYS || errno == EPERM;
		return true;
	}
	return cs.cached > 0;
}

/* 0, or -1 errno; *at: how far it came. */
static int digest(int fd, uint64_t size, struct digest *d, uint64_t *at)
{
	static char block[BLOCK];
	bool keep = true;
	uint64_t window = 0;
	ssize_t n;

	for (*at = 0; *at <= CAP_BODY; *at += (uint64_t)n) {
		if (*at >= window && *at < size) {
			if (!keep)
				posix_fadvise(fd, (off_t)(window - WINDOW), WINDOW, POSIX_FADV_DONTNEED);
			keep = was_cached(fd, *at, size);
			window = *at + WINDOW;
		}
		n = pread(fd, block, sizeof(block), (off_t)*at);
		if (n < 0)
			return -1;
		if (!n)
			break;
		digest_add(d, block, (size_t)n);
		watch_beat();
	}
	if (!keep)
		posix_fadvise(fd, (off_t)(window - WINDOW), WINDOW, POSIX_FADV_DONTNEED);
	return 0;
}

int reading_stat(int fd, struct stat *st)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &sx) < 0)
		return -1;
	*st = (struct stat){
		.st_dev = makedev(sx.stx_dev_major, sx.stx_dev_minor), .st_ino = sx.stx_ino, .st_mode = sx.stx_mode,
		.st_nlink = sx.stx_nlink, .st_uid = sx.stx_uid, .st_gid = sx.stx_gid,
		.st_rdev = makedev(sx.stx_rdev_major, sx.stx_rdev_minor), .st_size = (off_t)sx.stx_size,
		.st_blksize = sx.stx_blksize, .st_blocks = (blkcnt_t)sx.stx_blocks,
		.st_atim = { sx.stx_atime.tv_sec, sx.stx_atime.tv_nsec }, .st_mtim = { sx.stx_mtime.tv_sec, sx.stx_mtime.tv_nsec },
		.st_ctim = { sx.stx_ctime.tv_sec, sx.stx_ctime.tv_nsec },
	};
	return 0;
}

static bool changed(const struct stat *a, const struct stat *b)
{
	return a->st_size != b->st_size || a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

static int digest_steady(struct host *h, int fd, const struct stat *st, const char *name, char sha256[DIGEST_HEX], uint64_t *size)
{
	struct digest *d = digest_new();
	struct stat before = *st, after;
	int rc = -1;
	unsigned tries;

	for (tries = 0; tries < 3; tries++, before = after) {
		rc = digest(fd, (uint64_t)before.st_size, d, size);
		digest_end(d, sha256);
		if (rc < 0 || fstat(fd, &after) < 0 || !changed(&before, &after))
			break;
	}
	if (tries == 3)
		host_missed(h, "%s changed while it was read", *name ? err_q(name) : "a file");
	digest_free(d);
	h->unlooked += rc < 0;
	return rc;
}

static const char *name_of(int fd, char name[PATH_MAX])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, PATH_MAX - 1);
	name[n > 0 ? n : 0] = '\0';
	return name;
}

static int digest_remote(struct host *h, int fd, const struct stat *st, char sha256[DIGEST_HEX], uint64_t *size)
{
	char name[PATH_MAX];
	int64_t began = watch_clock();
	int rc;

	if (mounts_dead_dev(st->st_dev) || (h->whole && (h->remote_ms > REMOTE_MS || h->remote_bytes + (uint64_t)st->st_size > REMOTE_BYTES))) {
		h->remote_left++;
		return -1;
	}
	if (!watch_enter(watch_id(st->st_dev, &st->st_ino, sizeof(st->st_ino)), st->st_dev, name_of(fd, name))) {
		h->remote_left++;
		return -1;
	}
	rc = digest_steady(h, fd, st, name, sha256, size);
	watch_leave();
	h->remote_ms += watch_clock() - began;
	h->remote_bytes += *size;
	return rc;
}

int reading_digest(struct host *h, int fd, const struct stat *st, char sha256[DIGEST_HEX], uint64_t *size)
{
	char name[PATH_MAX];
	uint64_t none = 0;
	int rc;

	size = size ? size : &none;
	*size = 0;
	if ((uint64_t)st->st_size > CAP_BODY) {
		h->unlooked++;
		host_missed(h, "%s was not read: it has %lld bytes", err_q(name_of(fd, name)), (long long)st->st_size);
		return -1;
	}
	if (mounts_remote(fd, st->st_dev))
		return digest_remote(h, fd, st, sha256, size);
	if (!watch_enter(watch_id(st->st_dev, &st->st_ino, sizeof(st->st_ino)), DEV_NONE, name_of(fd, name)))
		return -1;
	rc = digest_steady(h, fd, st, name, sha256, size);
	watch_leave();
	return rc;
}
