/*
 * Files' bytes, read with manners: what was not in the page cache before is not left in it, so that a scan drives nobody's
 * files out of memory; what others must answer for (network, FUSE) is bounded; and what does not answer is given up.
 */
#include "host/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define BLOCK (128 * 1024)
#define PAGE 4096u
#define WINDOW (2 * MIB)          /* of a file, that was cached or was not */
#define MAP_LEAST (64 * 1024)     /* below it a copy takes less than a mapping */
#define REMOTE_BYTES (1 * GIB)    /* of one scan of a machine */
#define REMOTE_MS 60000

/* linux/mman.h since 6.5 */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
struct cache_range { uint64_t off, len; };
struct cache_stat { uint64_t cached, dirty, writeback, evicted, recently_evicted; };

/* How much of the window at `at` is in the page cache. A kernel that cannot tell is treated as if something was: then nothing
 * is dropped that was somebody's. */
enum cached { CACHED_NONE, CACHED_SOME, CACHED_ALL };

static enum cached how_cached(int fd, uint64_t at, uint64_t size)
{
	struct cache_range range = { at, size - at < WINDOW ? size - at : WINDOW };
	struct cache_stat cs;
	static bool unknown;

	if (unknown)
		return CACHED_SOME;
	if (syscall(SYS_cachestat, fd, &range, &cs, 0) < 0) {
		unknown = errno == ENOSYS || errno == EPERM;
		return CACHED_SOME;
	}
	return !cs.cached ? CACHED_NONE : cs.cached * PAGE >= range.len ? CACHED_ALL : CACHED_SOME;
}

/* ---- what is in memory already is hashed where it stands: a copy of it would take a tenth of the time ---- */

static struct { char *at; size_t size; volatile sig_atomic_t gone; } window;

/* The file was cut while we read, or its disk failed: zeros take the place of the rest, and the window does not count. */
static void on_bus(int sig, siginfo_t *info, void *context)
{
	char *at = (char *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1));

	(void)context;
	if (at < window.at || at >= window.at + window.size
	    || mmap(at, (size_t)(window.at + window.size - at), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		signal(sig, SIG_DFL);
	window.gone = 1;
}

/* Adds n bytes at a multiple of the page size. 1: they cannot be had so, and d is spoilt; 0. */
static int digest_mapped(int fd, uint64_t at, size_t n, struct digest *d)
{
	const struct sigaction act = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	struct sigaction before;
	size_t size = (n + PAGE - 1) & ~(size_t)(PAGE - 1);
	char *p = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, (off_t)at);

	if (p == MAP_FAILED)
		return 1;
	window.at = p;
	window.size = size;
	window.gone = 0;
	if (sigaction(SIGBUS, &act, &before) < 0) {
		munmap(p, size);
		return 1;
	}
	digest_add(d, p, n);
	sigaction(SIGBUS, &before, NULL);
	window.size = 0;
	munmap(p, size);
	return window.gone;
}

/* 0; 1: not with mappings; -1 errno. *at: how far it came. */
static int digest(int fd, uint64_t size, struct digest *d, uint64_t *at, bool map)
{
	static char block[BLOCK];
	enum cached cached = CACHED_ALL;
	uint64_t end = 0;
	ssize_t n;

	for (*at = 0; *at <= CAP_BODY && (!*at || *at != size); *at += (uint64_t)n) {
		if (*at >= end && *at < size) {
			if (cached == CACHED_NONE)
				posix_fadvise(fd, (off_t)(end - WINDOW), WINDOW, POSIX_FADV_DONTNEED);
			cached = how_cached(fd, *at, size);
			end = *at + WINDOW;
			n = (ssize_t)(size - *at < WINDOW ? size - *at : WINDOW);
			if (map && cached == CACHED_ALL && *at % PAGE == 0 && n >= MAP_LEAST) {
				if (digest_mapped(fd, *at, (size_t)n, d))
					return 1;
				watch_beat();
				continue;
			}
		}
		n = pread(fd, block, sizeof(block), (off_t)*at);
		if (n < 0)
			return -1;
		if (!n)
			break;
		digest_add(d, block, (size_t)n);
		watch_beat();
	}
	if (cached == CACHED_NONE)
		posix_fadvise(fd, (off_t)(end - WINDOW), WINDOW, POSIX_FADV_DONTNEED);
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

/* map: it may be mapped, for no one else must answer for it. */
static int digest_steady(struct host *h, int fd, const struct stat *st, const char *name, bool map, char sha256[DIGEST_HEX],
                         uint64_t *size)
{
	struct digest *d = digest_new();
	struct stat before = *st, after;
	int rc = -1;
	unsigned tries;

	for (tries = 0; tries < 3; tries++, before = after) {
		rc = digest(fd, (uint64_t)before.st_size, d, size, map && !tries);
		digest_end(d, sha256);
		if (rc > 0) {
			rc = digest(fd, (uint64_t)before.st_size, d, size, false);
			digest_end(d, sha256);
		}
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
	rc = digest_steady(h, fd, st, name, false, sha256, size);
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
	rc = digest_steady(h, fd, st, name, true, sha256, size);
	watch_leave();
	return rc;
}
