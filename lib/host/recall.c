/*
 * What earlier scans found: the scan index (room known) between the files and whoever wants to know what they hold. The
 * facts of a file are kept as strings: whether it is code by its first bytes, then name and reason of each sign in its bytes.
 */
#include "host/internal.h"

#include "known/known.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WEEK (7 * 24 * 60 * 60)
#define UNSTEADY 3u      /* scans in a row */

static const char code[] = "code", data[] = "data";

/* What the facts depend on is this program: an index that another build of it made is not believed, but for its histories. */
void host_stamp(unsigned char stamp[32])
{
	struct { uint64_t dev, ino, size, mtime, mtime_ns, ctime, ctime_ns; } who = { 0 };
	char hex[DIGEST_HEX];
	struct stat st;

	if (stat("/proc/self/exe", &st) == 0) {
		who.dev = st.st_dev;
		who.ino = st.st_ino;
		who.size = (uint64_t)st.st_size;
		who.mtime = (uint64_t)st.st_mtim.tv_sec;
		who.mtime_ns = (uint64_t)st.st_mtim.tv_nsec;
		who.ctime = (uint64_t)st.st_ctim.tv_sec;
		who.ctime_ns = (uint64_t)st.st_ctim.tv_nsec;
	}
	digest_bytes(&who, sizeof(who), hex);
	digest_unhex(hex, stamp, 32);
}

void host_use_cache(struct host *h, struct cache *c)
{
	h->cache = c;
	if (h->dpkg)
		dpkg_load_versions(h->dpkg);
}

bool recall_is_code(const void *p, size_t n)
{
	return (n >= 2 && !memcmp(p, "#!", 2)) || (n >= 4 && !memcmp(p, "\177ELF", 4));
}

/* The strings of the facts; NULL past the last. */
static const char *next_string(const char **at, const char *end)
{
	const char *s = *at;

	if (s >= end)
		return NULL;
	*at = s + strlen(s) + 1;
	return s;
}

static void apply(struct host *h, struct piece *p, const char *facts, size_t n)
{
	const char *at = facts, *end = facts + n, *name, *reason;

	if (p->looked_into)
		return;
	p->looked_into = true;
	next_string(&at, end);
	/* an empty name: what follows is a note */
	while ((name = next_string(&at, end)) && *name && (reason = next_string(&at, end)))
		piece_sign(h, p, name, "%s", reason);
}

/* The signs in the file's own bytes as strings. */
static void look(struct host *h, int fd, uint64_t size, struct buf *facts)
{
	struct piece bare = { 0 };
	unsigned char magic[4];
	ssize_t n = pread(fd, magic, sizeof(magic), 0);
	size_t i;

	buf_add(facts, n > 0 && recall_is_code(magic, (size_t)n) ? code : data, sizeof(code));
	facts_look(h, &bare, fd, size);
	for (i = 0; i < bare.sign_count; i++) {
		const char *name = bare.sign[i], *reason = name + strlen(name) + 1;

		buf_add(facts, name, strlen(name) + 1);
		buf_add(facts, reason, strlen(reason) + 1);
		free(bare.sign[i]);
	}
	free(bare.sign);
}

struct piece *recall_find(struct host *h, int fd, const struct stat *st, const char *kind, bool *is_code)
{
	struct cache_hit hit;
	char sha256[DIGEST_HEX];
	struct piece *p;

	if (is_code)
		*is_code = true;
	if (!h->cache)
		return NULL;
	switch (cache_find(h->cache, fd, st, &hit)) {
	case CACHE_CODE:
		if (is_code && !(st->st_mode & 0111) && (hit.facts_length < sizeof(code) || strcmp(hit.facts, code))) {
			*is_code = false;
			return NULL;
		}
		digest_tohex(hit.sha256, sizeof(hit.sha256), sha256);
		p = piece_get(h, sha256, kind, (uint64_t)st->st_size);
		apply(h, p, hit.facts, hit.facts_length);
		return p;
	case CACHE_NO_CODE:
		if (is_code)
			*is_code = false;
		return NULL;
	case CACHE_UNKNOWN:
		break;
	}
	return NULL;
}

struct piece *recall_read(struct host *h, int fd, const struct stat *st, const char *kind)
{
	unsigned char raw[KNOWN_DIGEST];
	char sha256[DIGEST_HEX], was[DIGEST_HEX];
	struct cache_hit hit;
	struct buf facts = { 0 };
	struct piece *p;
	uint64_t size;

	if (h->cache)
		cache_begin(h->cache, fd, st);
	if (reading_digest(h, fd, st, sha256, &size) < 0)
		return NULL;
	h->bytes += size;
	p = piece_get(h, sha256, kind, size);
	if (h->cache || !p->looked_into)
		look(h, fd, size, &facts);
	apply(h, p, buf_str(&facts), facts.len);
	if (h->cache) {
		digest_unhex(sha256, raw, sizeof(raw));
		if (cache_put(h->cache, fd, raw, buf_str(&facts), facts.len, &hit)) {
			digest_tohex(hit.sha256, sizeof(hit.sha256), was);
			piece_sign(h, p, "hash-mismatch", "its size and all its times are still those it had as %.16s..", was);
		}
	}
	buf_free(&facts);
	return p;
}

void recall_begin(struct host *h, int fd, const struct stat *st)
{
	if (h->cache)
		cache_begin(h->cache, fd, st);
}

const char *recall_noted(struct host *h, int fd, const struct stat *st, char sha256[DIGEST_HEX])
{
	struct cache_hit hit;
	const char *at, *end, *s;

	if (!h->cache || cache_find(h->cache, fd, st, &hit) != CACHE_CODE)
		return NULL;
	at = hit.facts;
	end = at + hit.facts_length;
	while ((s = next_string(&at, end)) && *s)
		;
	digest_tohex(hit.sha256, sizeof(hit.sha256), sha256);
	return s ? next_string(&at, end) : NULL;
}

void recall_note(struct host *h, int fd, uint64_t size, const char *sha256, const char *note)
{
	unsigned char raw[KNOWN_DIGEST];
	struct buf facts = { 0 };
	struct cache_hit hit;

	if (!h->cache || digest_unhex(sha256, raw, sizeof(raw)) < 0)
		return;
	look(h, fd, size, &facts);
	buf_addc(&facts, '\0');
	buf_add(&facts, note, strlen(note) + 1);
	cache_put(h->cache, fd, raw, buf_str(&facts), facts.len, &hit);
	buf_free(&facts);
}

void recall_no_code(struct host *h, int fd)
{
	if (h->cache)
		cache_put_no_code(h->cache, fd);
}

/* The digest of a file, from the index or read into it. */
static bool digest_of(struct host *h, int folder, const char *name, const struct stat *st, unsigned char sha256[KNOWN_DIGEST])
{
	struct cache_hit hit;
	struct buf facts = { 0 };
	char hex[DIGEST_HEX];
	struct stat now;
	bool ok = false;
	int fd;

	if (cache_find(h->cache, -1, st, &hit) == CACHE_CODE) {
		memcpy(sha256, hit.sha256, KNOWN_DIGEST);
		return true;
	}
	fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return false;
	/* the file system may have been none that the index knew yet */
	if (fstat(fd, &now) < 0 || !S_ISREG(now.st_mode))
		goto out;
	ok = cache_find(h->cache, fd, &now, &hit) == CACHE_CODE;
	if (ok) {
		memcpy(sha256, hit.sha256, KNOWN_DIGEST);
		goto out;
	}
	cache_begin(h->cache, fd, &now);
	if (reading_digest(h, fd, &now, hex, NULL) < 0)
		goto out;
	ok = !digest_unhex(hex, sha256, KNOWN_DIGEST);
	look(h, fd, (uint64_t)now.st_size, &facts);
	cache_put(h->cache, fd, sha256, buf_str(&facts), facts.len, &hit);
	buf_free(&facts);
out:
	close(fd);
	return ok;
}

unsigned recall_changes(struct host *h, int folder, const char *name, const struct stat *st, const char *path, uint64_t version)
{
	unsigned char sha256[KNOWN_DIGEST];
	struct cache_history k;

	if (!h->cache || version <= DPKG_UNVERSIONED || !digest_of(h, folder, name, st, sha256))
		return 0;
	cache_path(h->cache, h->root_path, path, sha256, version, &k);
	return k.odd;
}

static json_t *told(const char *path, const struct cache_history *k)
{
	json_t *o = json_object(), *before;
	char when[CLOCK_RFC3339];
	size_t i;

	json_object_set_new(o, "path", jsonio_name(path));
	clock_rfc3339(k->since, when);
	json_object_set_new(o, "since", json_string(when));
	json_object_set_new(o, "changes", json_integer(k->changes));
	json_object_set_new(o, "unexplained", json_integer(k->odd));
	before = jsonio_array(o, "before");
	for (i = 0; i < k->count; i++) {
		json_t *b = json_object();

		json_object_set_new(b, "sha256", json_string(k->before[i].sha256));
		clock_rfc3339(k->before[i].since, when);
		json_object_set_new(b, "since", json_string(when));
		clock_rfc3339(k->before[i].until, when);
		json_object_set_new(b, "until", json_string(when));
		json_array_append_new(before, b);
	}
	return o;
}

/* fixed: it is a package's, and no configuration, which is there to be edited. What is of nobody's package may be edited by who
 * made it: that is news for a week. */
static void change_signs(struct host *h, struct piece *p, const char *path, const struct cache_history *k, bool fixed)
{
	if (k->odd && fixed)
		piece_sign(h, p, "hash-changed", "%s was other code %u time%s before, and its package is the same", path, k->odd,
		           k->odd == 1 ? "" : "s");
	else if (k->odd && clock_now() - k->since < WEEK)
		piece_sign(h, p, "hash-edited", "%s was other code %u time%s before", path, k->odd, k->odd == 1 ? "" : "s");
	if (k->streak >= UNSTEADY)
		piece_sign(h, p, "hash-unsteady", "%s was other code in each of the last %u scans", path, k->streak + 1);
}

void recall_path(struct host *h, struct piece *p, const char *path)
{
	unsigned char raw[KNOWN_DIGEST];
	struct cache_history k;
	uint64_t version;

	if (!h->cache || digest_unhex(p->sha256, raw, sizeof(raw)) < 0)
		return;
	version = h->dpkg ? dpkg_version(h->dpkg, path) : 0;
	cache_path(h->cache, h->root_path, path, raw, version, &k);
	change_signs(h, p, path, &k, version && strncmp(path, "/etc/", 5));
	if (!p->since && p->path_count && !strcmp(p->path[0], path))
		p->since = (uint32_t)k.since;
	if (k.changes && jsonio_int(p->history, "changes", 0) < (json_int_t)k.changes) {
		json_decref(p->history);
		p->history = told(path, &k);
	}
}
