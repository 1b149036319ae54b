/*
 * When may a file be believed to hold what it held? Its times must tell of every change. So:
 *
 * - only local file systems that stamp each change: none across a network or in user space, where a server makes up times,
 *   nor those with times of two seconds;
 * - not tmpfs, memory files and their like: there a write through a mapping that was read first changes no time (measured
 *   with Linux 6.18; ext4 stamps it);
 * - nothing that changed in the last two seconds, for a clock ticks, and a second change in one tick shows nowhere (git's
 *   "racily clean" entries);
 * - nothing that somebody holds open for writing, for of many writes through a mapping only the first is stamped until the
 *   page is cleaned. A read lease is granted only when there is no writer (fcntl(2)); it is asked for, and given back.
 */
#include "known/cache-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#define YOUNG 2            /* seconds */
#define YOUNG_UNLEASED 60  /* where nobody tells of writers: pages are cleaned after 35 s */

/* linux/magic.h lacks these. */
#define JFS_MAGIC 0x3153464a
#define ZFS_MAGIC 0x2fc12fc1
#define BCACHEFS_MAGIC 0xca451a4e

bool steady_volume(int fd, uint64_t *volume)
{
	static const uint32_t good[] = {
		EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, SQUASHFS_MAGIC,
		EROFS_SUPER_MAGIC_V1, ISOFS_SUPER_MAGIC, REISERFS_SUPER_MAGIC, JFS_MAGIC, NILFS_SUPER_MAGIC, ZFS_MAGIC, BCACHEFS_MAGIC,
	};
	const uint64_t key[2] = { 0x6d757373, 0x766f6c };
	struct { uint64_t dev, type; int fsid[2]; } who = { 0 };
	struct statfs fs;
	struct stat st;
	size_t i;

	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return false;
	for (i = 0; i < sizeof(good) / sizeof(*good); i++)
		if ((uint32_t)fs.f_type == good[i])
			break;
	if (i == sizeof(good) / sizeof(*good))
		return false;
	/* devices are numbered anew at each start; the file system's own number stays with it */
	who.dev = st.st_dev;
	who.type = (uint32_t)fs.f_type;
	memcpy(who.fsid, &fs.f_fsid, sizeof(who.fsid));
	*volume = sip_hash(key, &who, sizeof(who));
	return true;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* 1: somebody may write to it; 0: nobody; -1: it cannot be told. */
static int has_writer(int fd)
{
	if (fcntl(fd, F_SETSIG, SIGURG) < 0)   /* whoever comes in between breaks the lease: no signal that would end us */
		return -1;
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN ? 1 : -1;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return 0;
}

bool steady_begin(int fd, const struct stat *st)
{
	struct timespec now;
	time_t age;
	int writer;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return false;
	age = now.tv_sec - st->st_ctim.tv_sec - (now.tv_nsec < st->st_ctim.tv_nsec);
	if (age < YOUNG)
		return false;
	writer = has_writer(fd);
	return !writer || (writer < 0 && age >= YOUNG_UNLEASED);
}

bool steady_end(int fd, const struct stat *st)
{
	struct stat now;

	return fstat(fd, &now) == 0 && now.st_dev == st->st_dev && now.st_ino == st->st_ino && now.st_size == st->st_size
		&& same_time(&now.st_ctim, &st->st_ctim) && same_time(&now.st_mtim, &st->st_mtim);
}
