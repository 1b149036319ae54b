/* cache: the scan index as a scan uses it: looked up in what the last scan left, added to beside, merged at the end. */
#include "known/cache-internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#define DAY (24 * 60 * 60)
#define DAILY 0.01          /* of all files are read again, at random */
static uint64_t next_random(struct cache *c)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return c->random >> 32;
}

static void set_chance(struct cache *c)
{
	int64_t since = c->old.header ? c->now - c->old.header->written : 0;

	if (since < 0 || since > 100 * DAY)   /* the clock was set, or it is time */
		since = since < 0 ? DAY : 100 * DAY;
	c->due = (uint64_t)((double)since / DAY * DAILY * 4294967296.0);
	if (getrandom(&c->random, sizeof(c->random), 0) != sizeof(c->random) || !c->random)
		c->random = (uint64_t)c->now | 1;
}

struct cache *cache_open(const char *path, const unsigned char stamp[32], bool all)
{
	struct cache *c = buf_alloc(sizeof(*c));
	struct err e;

	c->now = clock_now();
	c->all = all;
	memcpy(c->stamp, stamp, sizeof(c->stamp));
	c->file = cachefile_open(path, &c->old, &e);
	if (!c->file)
		msg_warn("%s; the scan goes on without", e.msg);
	else if (e.code)
		msg_warn("%s; the scan goes on without, and makes a new one", e.msg);
	else if (!cachefile_locked(c->file))
		msg_info("scan index %s is in use by another scan: it is read only", err_q(path));
	if (!c->file)
		return c;
	cachefile_key(c->file, "muss scan index 1: names", c->sip, sizeof(c->sip));
	set_chance(c);
	if (c->old.header) {
		c->same_stamp = !memcmp(c->old.header->stamp, stamp, sizeof(c->stamp));
		c->entry_fate = buf_alloc(c->old.header->entries + 1);
		c->path_fate = buf_alloc(c->old.header->histories + 1);
		c->no_code_fate = buf_alloc(c->old.header->no_code + 1);
	}
	return c;
}

/* ---- looking up ---- */

/* Which file system is it, when its files may be in the index? fd -1: none open. */
static bool volume_of(struct cache *c, int fd, dev_t dev, uint64_t *volume)
{
	size_t i;

	for (i = 0; i < c->volume_count; i++)
		if (c->volumes[i].dev == dev) {
			*volume = c->volumes[i].volume;
			return c->volumes[i].good;
		}
	if (fd < 0 || i == CACHE_VOLUMES)
		return false;
	c->volumes[i].dev = dev;
	c->volumes[i].good = steady_volume(fd, &c->volumes[i].volume);
	c->volume_count++;
	*volume = c->volumes[i].volume;
	return c->volumes[i].good;
}

static const struct cache_entry *find_entry(const struct cache *c, uint64_t volume, uint64_t ino)
{
	uint64_t lo = 0, hi = c->old.header ? c->old.header->entries : 0;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;
		const struct cache_entry *x = &c->old.entries[mid];

		if (x->volume == volume && x->ino == ino)
			return x;
		if (x->volume < volume || (x->volume == volume && x->ino < ino))
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static bool same_state(const struct cache_entry *x, const struct stat *st)
{
	return x->size == (uint64_t)st->st_size && x->mtime == st->st_mtim.tv_sec && x->mtime_ns == (uint32_t)st->st_mtim.tv_nsec
		&& x->ctime == st->st_ctim.tv_sec && x->ctime_ns == (uint32_t)st->st_ctim.tv_nsec;
}

static uint64_t no_code_of(const struct cache *c, uint64_t volume, const struct stat *st)
{
	const uint64_t all[] = {
		volume, st->st_ino, (uint64_t)st->st_size, (uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec,
		(uint64_t)st->st_ctim.tv_sec, (uint64_t)st->st_ctim.tv_nsec, st->st_mode,
	};

	return sip_hash(c->sip, all, sizeof(all)) >> 8;
}

/* Interpolation, since hashes are uniform; bisection where that does not close in. */
static bool find_no_code(const struct cache *c, uint64_t hash, uint64_t *at)
{
	uint64_t lo = 0, hi = c->old.header ? c->old.header->no_code : 0, mid, first, last;
	const uint64_t *list = c->old.no_code;
	int round;

	for (round = 0; lo < hi; round++) {
		mid = lo + (hi - lo) / 2;
		if (round < 6) {
			first = list[lo] >> 8;
			last = list[hi - 1] >> 8;
			if (hash < first || hash > last)
				return false;
			if (last > first)
				mid = lo + (uint64_t)((double)(hash - first) / (double)(last - first) * (double)(hi - 1 - lo));
		}
		if (list[mid] >> 8 == hash) {
			*at = mid;
			return true;
		}
		if (list[mid] >> 8 < hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static bool is_due(struct cache *c)
{
	return c->all || next_random(c) < c->due;
}

enum cache_found cache_find(struct cache *c, int fd, const struct stat *st, struct cache_hit *hit)
{
	const struct cache_entry *x;
	uint64_t volume, at;

	if (!c->old.header || !c->same_stamp || !volume_of(c, fd, st->st_dev, &volume))
		return CACHE_UNKNOWN;
	x = find_entry(c, volume, st->st_ino);
	if (x && same_state(x, st)) {
		if (is_due(c))
			return CACHE_UNKNOWN;
		c->entry_fate[x - c->old.entries] = CACHE_SEEN;
		c->counts.found++;
		memcpy(hit->sha256, x->sha256, KNOWN_DIGEST);
		hit->facts = c->old.text + x->facts;
		hit->facts_length = x->facts_length;
		return CACHE_CODE;
	}
	if (x || !find_no_code(c, no_code_of(c, volume, st), &at) || is_due(c))
		return CACHE_UNKNOWN;
	c->no_code_fate[at] = CACHE_SEEN;
	c->counts.no_code++;
	return CACHE_NO_CODE;
}

/* ---- adding ---- */

void cache_begin(struct cache *c, int fd, const struct stat *st)
{
	uint64_t volume;

	c->begun = *st;
	c->steady = c->file && volume_of(c, fd, st->st_dev, &volume) && steady_begin(fd, st);
}

static void add_entry(struct cache *c, uint64_t volume, const unsigned char *sha256, const char *facts, size_t n)
{
	const struct stat *st = &c->begun;
	struct cache_entry *x;

	if (c->entry_count >= CACHE_MAX_ENTRIES || c->text.len + n > CACHE_MAX_TEXT || !cachefile_locked(c->file))
		return;
	if (!(c->entry_count & (c->entry_count - 1)))
		c->entries = buf_realloc(c->entries, c->entry_count ? c->entry_count * 2 : 1, sizeof(*c->entries));
	x = &c->entries[c->entry_count++];
	*x = (struct cache_entry){
		.volume = volume, .ino = st->st_ino, .size = (uint64_t)st->st_size,
		.mtime = st->st_mtim.tv_sec, .mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		.ctime = st->st_ctim.tv_sec, .ctime_ns = (uint32_t)st->st_ctim.tv_nsec,
		.facts = (uint32_t)c->text.len, .facts_length = (uint32_t)n, .hashed = (uint32_t)c->now,
	};
	memcpy(x->sha256, sha256, KNOWN_DIGEST);
	if (n)
		buf_add(&c->text, facts, n);
}

int cache_put(struct cache *c, int fd, const unsigned char sha256[KNOWN_DIGEST], const char *facts, size_t n, struct cache_hit *hit)
{
	const struct cache_entry *x;
	uint64_t volume;
	int rc = 0;

	if (!c->file || !volume_of(c, fd, c->begun.st_dev, &volume))
		return 0;
	x = find_entry(c, volume, c->begun.st_ino);
	if (x) {
		c->entry_fate[x - c->old.entries] = CACHE_GONE;
		if (same_state(x, &c->begun) && memcmp(x->sha256, sha256, KNOWN_DIGEST) && steady_end(fd, &c->begun)) {
			memcpy(hit->sha256, x->sha256, KNOWN_DIGEST);
			rc = 1;
		}
	}
	if (c->steady && steady_end(fd, &c->begun)) {
		add_entry(c, volume, sha256, facts, n);
		c->counts.put++;
	}
	return rc;
}

void cache_put_no_code(struct cache *c, int fd)
{
	uint64_t volume, at, hash;

	if (!c->file || !c->steady || !volume_of(c, fd, c->begun.st_dev, &volume) || !steady_end(fd, &c->begun)
	    || !cachefile_locked(c->file))
		return;
	hash = no_code_of(c, volume, &c->begun);
	if (find_no_code(c, hash, &at)) {
		c->no_code_fate[at] = CACHE_SEEN;
		return;
	}
	if (c->no_code_count >= CACHE_MAX_NO_CODE)
		return;
	if (!(c->no_code_count & (c->no_code_count - 1)))
		c->no_code = buf_realloc(c->no_code, c->no_code_count ? c->no_code_count * 2 : 1, sizeof(*c->no_code));
	c->no_code[c->no_code_count++] = hash << 8;
}

/* ---- what stood at a path ---- */

static const struct cache_path *find_path(const struct cache *c, uint64_t path)
{
	uint64_t lo = 0, hi = c->old.header ? c->old.header->histories : 0;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (c->old.paths[mid].path == path)
			return &c->old.paths[mid];
		if (c->old.paths[mid].path < path)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static void tell(const struct cache_change *k, struct cache_history *h)
{
	size_t i;

	*h = (struct cache_history){ .since = k->path.since, .changes = k->path.changes, .odd = k->path.odd, .streak = k->path.streak };
	for (i = 0; i < CACHE_BEFORE && i < k->path.changes; i++) {
		digest_tohex(k->before[i].sha256, KNOWN_DIGEST, h->before[i].sha256);
		h->before[i].since = k->before[i].since;
		h->before[i].until = k->before[i].until;
	}
	h->count = i;
}

void cache_path(struct cache *c, const char *root, const char *path, const unsigned char sha256[KNOWN_DIGEST], uint64_t owner,
                struct cache_history *h)
{
	char both[8192];
	const struct cache_path *old;
	struct cache_change k;
	uint64_t key;
	int n = snprintf(both, sizeof(both), "%s%c%s", root, 0, path);

	if (n < 0 || (size_t)n >= sizeof(both) || !c->file) {
		*h = (struct cache_history){ .since = c->now };
		return;
	}
	key = sip_hash(c->sip, both, (size_t)n);
	old = find_path(c, key);
	history_advance(old, old && old->changes ? c->old.pasts + old->past : NULL, sha256, owner, (uint32_t)c->now, &k);
	k.path.path = key;
	tell(&k, h);
	if (old) {
		unsigned char *fate = &c->path_fate[old - c->old.paths];

		if (*fate != CACHE_UNSEEN)   /* told before in this scan */
			return;
		*fate = memcmp(old->sha256, sha256, KNOWN_DIGEST) || old->owner != owner ? CACHE_GONE : CACHE_SEEN;
		if (*fate == CACHE_SEEN)
			return;
	}
	if (c->path_count >= CACHE_MAX_HISTORIES || !cachefile_locked(c->file))
		return;
	if (!(c->path_count & (c->path_count - 1)))
		c->paths = buf_realloc(c->paths, c->path_count ? c->path_count * 2 : 1, sizeof(*c->paths));
	c->paths[c->path_count++] = k;
}

void cache_counts(const struct cache *c, struct cache_counts *n)
{
	*n = c->counts;
}

void cache_commit(struct cache *c, bool round)
{
	struct err e;

	if (c->file && cachefile_locked(c->file) && cachemerge_write(c, round, &e) < 0)
		msg_warn("%s; the next scan takes longer", e.msg);
}

void cache_close(struct cache *c)
{
	if (!c)
		return;
	cachefile_close(c->file);
	free(c->entry_fate);
	free(c->path_fate);
	free(c->no_code_fate);
	free(c->entries);
	free(c->paths);
	free(c->no_code);
	buf_free(&c->text);
	free(c);
}
