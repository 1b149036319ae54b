/* store: sealed bodies under the digest of what is sealed. The first one stays; nobody here can open it. */
#include "centre/centre.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_PATH 96
static void path_of(const char *sha256, char path[STORE_PATH])
{
	snprintf(path, STORE_PATH, "store/%.2s/%.64s.cms", sha256, sha256);
}

bool store_has(struct spool *s, const char *sha256)
{
	char path[STORE_PATH];

	if (!digest_ok(sha256))
		return false;
	path_of(sha256, path);
	return faccessat(s->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int store_get(struct spool *s, const char *sha256, struct err *e)
{
	char path[STORE_PATH];
	int fd;

	if (!digest_ok(sha256))
		return err_set(e, EX_NOINPUT, "no digest: %s", err_q(sha256));
	path_of(sha256, path);
	fd = openat(s->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? err_sys(e, "cannot read sealed body %s", sha256) : fd;
}

void store_forget(struct spool *s, const char *sha256)
{
	char path[STORE_PATH];

	if (!digest_ok(sha256))
		return;
	path_of(sha256, path);
	unlinkat(s->fd, path, 0);
}

int store_stage(struct spool *s, const char *id, struct err *e)
{
	char path[STORE_PATH];
	int fd;

	store_unstage(s, id);
	snprintf(path, sizeof(path), "store/new/%s", id);
	if (mkdirat(s->fd, path, 0700))
		return spool_sys(e, "cannot make %s", err_q(path));
	fd = openat(s->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "cannot open %s", err_q(path)) : fd;
}

int store_stage_open(int stage, const char *sha256, struct err *e)
{
	int fd = openat(stage, sha256, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? spool_sys(e, "cannot make sealed body %s", err_q(sha256)) : fd;
}

static int move(struct spool *s, int stage, const char *sha256, struct err *e)
{
	char path[STORE_PATH], folder[16];

	path_of(sha256, path);
	snprintf(folder, sizeof(folder), "store/%.2s", sha256);
	if (mkdirat(s->fd, folder, 0700) && errno != EEXIST)
		return spool_sys(e, "cannot make %s", err_q(folder));
	if (renameat(stage, sha256, s->fd, path))
		return spool_sys(e, "cannot keep sealed body %s", sha256);
	return 0;
}

/* The contents are on the disk before anybody is told that they are. Not syncfs(): what others write is not our wait. */
static int settle(int stage, const char *sha256, struct err *e)
{
	int fd = openat(stage, sha256, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), rc = fd < 0 ? -1 : fsync(fd);

	if (rc)
		spool_sys(e, "cannot write a sealed body to disk");
	io_close(&fd);
	return rc;
}

static unsigned digest_byte(const char *sha256)
{
	unsigned char b;

	digest_unhex(sha256, &b, 1);
	return b;
}

static int settle_folder(struct spool *s, const char *path, struct err *e)
{
	int fd = openat(s->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = fd < 0 ? -1 : fsync(fd);

	if (rc)
		spool_sys(e, "cannot write %s to disk", err_q(path));
	io_close(&fd);
	return rc;
}

/* The names, too. */
static int settle_folders(struct spool *s, const bool touched[256], struct err *e)
{
	char path[16];

	for (unsigned i = 0; i < 256; i++) {
		snprintf(path, sizeof(path), "store/%02x", i & 255);
		if (touched[i] && settle_folder(s, path, e) < 0)
			return -1;
	}
	return settle_folder(s, "store", e);
}

int store_publish(struct spool *s, int stage, struct err *e)
{
	int fd = openat(stage, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = -1;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;
	bool touched[256] = { false };

	if (!d) {
		err_sys(e, "cannot read the store");
		io_close(&fd);
		return -1;
	}
	while ((de = readdir(d))) {
		if (!digest_ok(de->d_name) || store_has(s, de->d_name))
			continue;
		if (settle(stage, de->d_name, e) < 0 || move(s, stage, de->d_name, e) < 0)
			goto out;
		touched[digest_byte(de->d_name)] = true;
	}
	rc = settle_folders(s, touched, e);
out:
	closedir(d);
	return rc;
}

void store_unstage(struct spool *s, const char *id)
{
	int fd = openat(s->fd, "store/new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e;

	if (fd >= 0 && faccessat(fd, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		io_rmtree(fd, id, &e);
	io_close(&fd);
}
