#include "host/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MD5_HEX 32

/* In text of lines "MD5  usr/bin/x": the sum of that path. Few lines end in its name, and only those are compared as a whole. */
static bool sum_in(const char *text, const char *path, char sum[MD5_HEX + 1])
{
	const char *p, *next, *end = text + strlen(text), *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t k = strlen(base), n;
	char name[4096];

	for (p = text; p < end; p = next + 1) {
		next = memchr(p, '\n', (size_t)(end - p));
		next = next ? next : end;
		n = (size_t)(next - p);
		if (n < MD5_HEX + 3 || n - MD5_HEX - 2 >= sizeof(name) - 1 || n < k || memcmp(next - k, base, k))
			continue;
		snprintf(name, sizeof(name), "/%.*s", (int)(n - MD5_HEX - 2), p + MD5_HEX + 2);
		if (dpkg_same_path(name, path)) {
			snprintf(sum, MD5_HEX + 1, "%.*s", MD5_HEX, p);
			return true;
		}
	}
	return false;
}

static bool line_in(const char *text, const char *path)
{
	const char *p;
	char name[4096];

	for (p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t n = strcspn(p, "\n");

		/* in conffiles, "remove-on-upgrade " can stand before */
		if (n && n < sizeof(name)) {
			const char *slash = memchr(p, '/', n);

			snprintf(name, sizeof(name), "%.*s", slash ? (int)(n - (size_t)(slash - p)) : 0, slash ? slash : "");
			if (dpkg_same_path(name, path))
				return true;
		}
	}
	return false;
}

static bool read_info(const struct dpkg *d, const char *package, const char *ending, struct buf *text)
{
	char name[512];

	buf_clear(text);
	return (size_t)snprintf(name, sizeof(name), "info/%s.%s", package, ending) < sizeof(name)
		&& io_slurp_at(dpkg_folder(d), name, CAP_SLURP, text) >= 0;
}

static bool md5_of(int fd, char sum[DIGEST_HEX])
{
	static unsigned char block[65536];
	struct digest *md5 = digest_new_md5();
	off_t at = 0;
	ssize_t n;

	while ((n = pread(fd, block, sizeof(block), at)) > 0 && (uint64_t)at < CAP_BODY) {
		digest_add(md5, block, (size_t)n);
		at += n;
	}
	digest_end(md5, sum);
	digest_free(md5);
	return n == 0;
}

/* Does the package hold it as it is now, or as one that is there to be altered? */
static bool excused_by(const struct dpkg *d, const char *package, const char *path, const char *sum)
{
	struct buf text = { 0 };
	char theirs[MD5_HEX + 1];
	bool is = read_info(d, package, "md5sums", &text) && sum_in(buf_str(&text), path, theirs) && !strcmp(theirs, sum);

	is = is || (read_info(d, package, "conffiles", &text) && line_in(buf_str(&text), path));
	buf_free(&text);
	return is;
}

/* Another package may own the name as well (a diversion, a replacement), or it is a file that is there to be altered. Only
 * packages that list it are asked: all of them would be some thousand files to read for one that npm brought up to date. */
static bool excused(const struct dpkg *d, const char *owner, const char *path, const char *sum)
{
	struct buf text = { 0 };
	bool is = io_slurp_at(dpkg_folder(d), "diversions", CAP_SLURP, &text) > 0 && line_in(buf_str(&text), path);
	const char *package = owner;
	size_t at = 0;

	for (; !is && package; package = dpkg_sharer(d, path, &at))
		is = excused_by(d, package, path, sum);
	buf_free(&text);
	return is;
}

bool altered_file(const struct dpkg *d, int root, const char *path, const struct stat *st, char *package, size_t size)
{
	char want[MD5_HEX + 1], have[DIGEST_HEX];
	struct buf text = { 0 };
	const char *name;
	struct stat now;
	int64_t since;
	bool altered = false;
	int fd;

	name = dpkg_package(d, path, &since);
	/* ctime cannot be set back as mtime can */
	if (!name || dpkg_folder(d) < 0 || st->st_ctim.tv_sec <= since || !read_info(d, name, "md5sums", &text)
	    || !sum_in(buf_str(&text), path, want))
		goto out;
	fd = rooted_regular(root, path, &now);
	if (fd < 0)
		goto out;
	altered = now.st_dev == st->st_dev && now.st_ino == st->st_ino && md5_of(fd, have) && strcmp(have, want) && !excused(d, name, path, have);
	close(fd);
	/* a package that is being upgraded just now */
	if (altered && fstatat(dpkg_folder(d), "info", &now, 0) == 0 && clock_now() - now.st_mtim.tv_sec < 2)
		altered = false;
	snprintf(package, size, "%s", name);
out:
	buf_free(&text);
	return altered;
}
