#include "pack/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((size_t)128 << 10)
#define TRIES 64u   /* different files of one piece of code; libc stands in a thousand sightings, but is one file */

struct search {
	const char *sha256;
	uint64_t size;                  /* what the scan saw; 0: not told */
	int to;
	struct { dev_t dev; ino_t ino; } seen[TRIES];
	unsigned tries;
	bool changed, denied, special;  /* why it was none of those */
	struct err *e;
};

/* Copies and digests in one pass: what is kept is what was digested. 1, 0 another file, -1 cannot write. */
static int copy_if_same(struct search *s, int from)
{
	off_t begin = lseek(s->to, 0, SEEK_CUR);
	unsigned char *chunk = buf_alloc(CHUNK);
	struct digest *d = digest_new();
	char hex[DIGEST_HEX];
	uint64_t total = 0;
	ssize_t n;
	int rc = 0;

	while ((n = io_read(from, chunk, CHUNK)) > 0) {
		total += (uint64_t)n;
		if (total > CAP_BODY)
			break;
		digest_add(d, chunk, (size_t)n);
		if (io_write(s->to, chunk, (size_t)n) < 0) {
			rc = err_sys(s->e, "cannot write a body");
			break;
		}
	}
	digest_end(d, hex);
	digest_free(d);
	free(chunk);
	if (rc == 0 && n == 0 && !strcmp(hex, s->sha256))
		return 1;
	if (begin < 0 || lseek(s->to, begin, SEEK_SET) < 0 || ftruncate(s->to, begin) < 0)
		rc = err_sys(s->e, "cannot write a body");
	s->changed |= rc == 0;
	return rc;
}

/* follow: the last part of the path is one of the kernel's own links. */
static int try_path(struct search *s, const char *path, bool follow)
{
	char again[64];
	struct stat st;
	int fd = open(path, O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW)), from, rc;

	if (fd < 0) {
		s->denied |= errno == EACCES || errno == EPERM;
		return 0;
	}
	rc = 0;
	if (fstat(fd, &st) < 0)
		goto out;
	if (!S_ISREG(st.st_mode)) {
		s->special = true;
		goto out;
	}
	if (s->size && (uint64_t)st.st_size != s->size) {
		s->changed = true;
		goto out;
	}
	for (unsigned i = 0; i < s->tries; i++)
		if (s->seen[i].dev == st.st_dev && s->seen[i].ino == st.st_ino)
			goto out;
	if (s->tries == TRIES)
		goto out;
	s->seen[s->tries].dev = st.st_dev;
	s->seen[s->tries++].ino = st.st_ino;
	/* Opened for reading only now that it is known to be a file: opening a device can be an act. */
	snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
	from = open(again, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (from < 0) {
		s->denied |= errno == EACCES || errno == EPERM;
		goto out;
	}
	rc = copy_if_same(s, from);
	close(from);
out:
	close(fd);
	return rc;
}

static int try_name(struct search *s, const char *prefix, const char *json_path)
{
	struct buf b = { 0 };
	int rc = 0;

	buf_adds(&b, prefix);
	if (json_path && *json_path == '/' && jsonio_tobytes(json_path, &b) == 0)
		rc = try_path(s, buf_str(&b), false);
	buf_free(&b);
	return rc;
}

static int try_sighting(struct search *s, const json_t *sighting)
{
	json_int_t pid = jsonio_int(sighting, "pid", 0), length = jsonio_int(sighting, "length", 0);
	const char *how = jsonio_str(sighting, "how"), *address = jsonio_str(sighting, "address");
	char path[128];
	int rc = 0;

	if (pid <= 0 || pid > INT32_MAX)
		return 0;
	if (!how || !strcmp(how, "exe")) {
		snprintf(path, sizeof(path), "/proc/%lld/exe", (long long)pid);
		rc = try_path(s, path, true);
	}
	if (rc == 0 && address && length > 0 && strlen(address) <= 16 && strspn(address, "0123456789abcdef") == strlen(address)) {
		unsigned long long start = strtoull(address, NULL, 16);

		snprintf(path, sizeof(path), "/proc/%lld/map_files/%llx-%llx", (long long)pid, start,
			 start + (unsigned long long)length);
		rc = try_path(s, path, true);
	}
	if (rc == 0) {
		snprintf(path, sizeof(path), "/proc/%lld/root", (long long)pid);
		rc = try_name(s, path, jsonio_str(sighting, "path"));
		if (rc == 0)
			rc = try_name(s, path, jsonio_str(sighting, "exe"));
	}
	return rc;
}

int collect_body(const char *sha256, const json_t *about, int to, const char **why, struct err *e)
{
	struct search s = { .sha256 = sha256, .to = to, .e = e };
	json_int_t size = jsonio_int(about, "size", 0);
	const json_t *o;
	size_t i;
	int rc = 0;

	s.size = size > 0 ? (uint64_t)size : 0;
	json_array_foreach(json_object_get(about, "paths"), i, o)
		if (rc == 0)
			rc = try_name(&s, "", json_string_value(o));
	json_array_foreach(json_object_get(about, "sightings"), i, o) {
		if (rc)
			break;
		rc = try_sighting(&s, o);
		if (rc == 0)
			rc = try_name(&s, "", jsonio_str(o, "file"));
	}
	*why = s.changed ? "it changed after it was scanned" : s.denied ? "not permitted to read it" :
	       s.special ? "there is no file in its place" : "it is gone";
	return rc;
}
