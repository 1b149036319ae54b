/*
 * The scan index as a file. It is read into memory as a whole: what was verified is then what is used, whatever becomes of
 * the file. Its MAC (HMAC-SHA-256, RFC 2104) covers all of it; the key stands beside it, readable by its owner alone. That
 * keeps out an index that was damaged, cut, written by whoever may write to the folder but is not the owner, or that comes
 * from another machine. It cannot keep out who is root there: for that, files are read again at random.
 */
#include "known/cache-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE (sizeof(struct cache_header) + CACHE_MAX_ENTRIES * sizeof(struct cache_entry) + CACHE_MAX_TEXT + \
                  CACHE_MAX_HISTORIES * (sizeof(struct cache_path) + CACHE_BEFORE * sizeof(struct cache_past)) + \
                  CACHE_MAX_NO_CODE * sizeof(uint64_t))

static const char magic[8] = { 'm', 'u', 's', 's', 's', 'c', 'a', 'n' };

_Static_assert(sizeof(struct cache_header) == 144 && sizeof(struct cache_entry) == 96 && sizeof(struct cache_path) == 72
               && sizeof(struct cache_past) == 40, "the format has no holes");

struct cache_file {
	char *path, *name, *key_name;   /* the names are in the folder */
	int folder, lock;
	bool locked;
	unsigned char key[CACHE_KEY];
	unsigned char *bytes;
};

/* ---- HMAC ---- */

struct mac { struct digest *d; unsigned char outer[64]; };

static void mac_begin(struct mac *m, const unsigned char key[CACHE_KEY])
{
	unsigned char inner[64];
	size_t i;

	for (i = 0; i < sizeof(inner); i++) {
		unsigned char k = i < CACHE_KEY ? key[i] : 0;

		inner[i] = k ^ 0x36;
		m->outer[i] = k ^ 0x5c;
	}
	m->d = digest_new();
	digest_add(m->d, inner, sizeof(inner));
	explicit_bzero(inner, sizeof(inner));
}

static void mac_end(struct mac *m, unsigned char out[KNOWN_DIGEST])
{
	char hex[DIGEST_HEX];

	digest_end(m->d, hex);
	digest_unhex(hex, out, KNOWN_DIGEST);
	digest_add(m->d, m->outer, sizeof(m->outer));
	digest_add(m->d, out, KNOWN_DIGEST);
	digest_end(m->d, hex);
	digest_unhex(hex, out, KNOWN_DIGEST);
	digest_free(m->d);
	explicit_bzero(m->outer, sizeof(m->outer));
}

/* Over what stands behind the header, then over the header without its last field, the MAC. */
static void header_mac(struct mac *m, const struct cache_header *h, unsigned char out[KNOWN_DIGEST])
{
	digest_add(m->d, h, offsetof(struct cache_header, mac));
	mac_end(m, out);
}

void cachefile_key(const struct cache_file *f, const char *purpose, void *out, size_t n)
{
	unsigned char sum[KNOWN_DIGEST];
	struct mac m;

	mac_begin(&m, f->key);
	digest_add(m.d, purpose, strlen(purpose));
	mac_end(&m, sum);
	memcpy(out, sum, n < sizeof(sum) ? n : sizeof(sum));
}

/* ---- what a file must be ---- */

/* A regular file with one name, ours alone. -1 and why. */
static int open_own(int folder, const char *name, struct stat *st, const char **why)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		*why = errno == ENOENT ? NULL : errno == ELOOP ? "it is a symbolic link" : strerror(errno);
		return -1;
	}
	*why = "it cannot be looked at";
	if (fstat(fd, st) == 0)
		*why = !S_ISREG(st->st_mode) ? "it is no regular file" : st->st_uid != geteuid() ? "it belongs to somebody else"
			: st->st_mode & 077 ? "others may use it" : st->st_nlink != 1 ? "it has another name as well" : NULL;
	if (*why)
		io_close(&fd);
	return fd;
}

/* A file that gets its name when it is whole: without one until then where the file system can do that, else under another. */
struct fresh { int fd; char *beside; bool named; };

static int fresh_open(int folder, const char *name, struct fresh *n)
{
	uint64_t r = 0;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = (uint64_t)getpid();
	n->beside = buf_printf(".%.200s.%016llx", name, (unsigned long long)r);
	n->named = false;
	n->fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (n->fd < 0) {
		n->fd = openat(folder, n->beside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		n->named = n->fd >= 0;
	}
	return n->fd < 0 ? -1 : 0;
}

/* Takes the place of what has the name, or, with keep, leaves it where it is. */
static int fresh_name(int folder, struct fresh *n, const char *name, bool keep)
{
	char own[32];

	if (!n->named) {
		snprintf(own, sizeof(own), "/proc/self/fd/%d", n->fd);
		if (linkat(AT_FDCWD, own, folder, n->beside, AT_SYMLINK_FOLLOW) < 0)
			return -1;
		n->named = true;
	}
	if (keep)
		return linkat(folder, n->beside, folder, name, 0) < 0 && errno != EEXIST ? -1 : 0;
	if (renameat(folder, n->beside, folder, name) < 0)
		return -1;
	n->named = false;
	return 0;
}

static void fresh_close(int folder, struct fresh *n)
{
	int saved = errno;

	if (n->named)
		unlinkat(folder, n->beside, 0);
	io_close(&n->fd);
	free(n->beside);
	errno = saved;
}

/* ---- the key, which is the lock as well ---- */

static int make_key(struct cache_file *f, bool replace, struct err *e)
{
	unsigned char key[CACHE_KEY];
	struct fresh n = { .fd = -1 };
	int rc;

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return err_set(e, EX_OSERR, "there are no random bytes for the key of the scan index");
	rc = fresh_open(f->folder, f->key_name, &n);
	if (!rc)
		rc = io_write(n.fd, key, sizeof(key));
	if (!rc)
		rc = fsync(n.fd);
	if (!rc)   /* without replace another scan may have made one meanwhile: then that one is it */
		rc = fresh_name(f->folder, &n, f->key_name, !replace);
	fresh_close(f->folder, &n);
	explicit_bzero(key, sizeof(key));
	return rc < 0 ? err_sys(e, "cannot make the key of scan index %s", err_q(f->path)) : 0;
}

/* A writer before us may have made another one while we waited for nothing: the name must still be the locked file's. */
static bool is_current(const struct cache_file *f, int fd)
{
	struct stat a, b;

	return !fstat(fd, &a) && !fstatat(f->folder, f->key_name, &b, AT_SYMLINK_NOFOLLOW) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* 0; 1: one had to be made anew, *refused says why; -1. */
static int load_key(struct cache_file *f, const char **refused, struct err *e)
{
	struct stat st;
	const char *why;
	int tries, made = 0;

	for (tries = 0; tries < 4; tries++) {
		f->lock = open_own(f->folder, f->key_name, &st, &why);
		if (f->lock < 0 && !why) {
			if (make_key(f, false, e) < 0)
				return -1;
			continue;
		}
		if (f->lock >= 0 && (st.st_size != CACHE_KEY || io_read(f->lock, f->key, CACHE_KEY) != CACHE_KEY))
			why = "it is no key";
		if (why) {
			io_close(&f->lock);
			*refused = why;
			made = 1;
			if (make_key(f, true, e) < 0)
				return -1;
			continue;
		}
		f->locked = flock(f->lock, LOCK_EX | LOCK_NB) == 0;
		if (is_current(f, f->lock))
			return made;
		io_close(&f->lock);
	}
	return err_set(e, EX_TEMPFAIL, "the key of scan index %s changes all the time", err_q(f->path));
}

/* ---- reading ---- */

static bool ordered(const struct cache_view *v)
{
	const struct cache_header *h = v->header;
	uint64_t i;

	for (i = 1; i < h->entries; i++) {
		const struct cache_entry *a = &v->entries[i - 1], *b = a + 1;

		if (a->volume > b->volume || (a->volume == b->volume && a->ino >= b->ino))
			return false;
	}
	for (i = 1; i < h->histories; i++)
		if (v->paths[i - 1].path >= v->paths[i].path)
			return false;
	for (i = 1; i < h->no_code; i++)
		if (v->no_code[i - 1] >> 8 >= v->no_code[i] >> 8)
			return false;
	return true;
}

static bool inside(const struct cache_view *v)
{
	const struct cache_header *h = v->header;
	uint64_t i;

	for (i = 0; i < h->entries; i++) {
		const struct cache_entry *x = &v->entries[i];

		if ((uint64_t)x->facts + x->facts_length > h->text || (x->facts_length && v->text[x->facts + x->facts_length - 1]))
			return false;
	}
	for (i = 0; i < h->histories; i++)
		if (v->paths[i].changes && (uint64_t)v->paths[i].past + CACHE_BEFORE > h->pasts)
			return false;
	return true;
}

int cachefile_lay_out(const unsigned char *p, size_t n, struct cache_view *v, const char **why)
{
	const struct cache_header *h = (const void *)p;

	*why = "it is not in its format";
	if (n < sizeof(*h) || memcmp(h->magic, magic, sizeof(magic)))
		return -1;
	*why = "it is of another version";
	if (h->version != CACHE_VERSION || h->header_size != sizeof(*h))
		return -1;
	*why = "it is cut or overlong";
	if (h->entries > CACHE_MAX_ENTRIES || h->histories > CACHE_MAX_HISTORIES || h->no_code > CACHE_MAX_NO_CODE
	    || h->pasts > CACHE_BEFORE * CACHE_MAX_HISTORIES || h->text > CACHE_MAX_TEXT || h->file_size != n
	    || n != sizeof(*h) + h->entries * sizeof(*v->entries) + h->histories * sizeof(*v->paths) + h->pasts * sizeof(*v->pasts)
	              + h->no_code * sizeof(*v->no_code) + h->text)
		return -1;
	v->header = h;
	v->entries = (const void *)(p + sizeof(*h));
	v->paths = (const void *)(v->entries + h->entries);
	v->pasts = (const void *)(v->paths + h->histories);
	v->no_code = (const void *)(v->pasts + h->pasts);
	v->text = (const void *)(v->no_code + h->no_code);
	*why = "it is out of order";
	return ordered(v) && inside(v) ? 0 : -1;
}

static bool authentic(const struct cache_file *f, size_t n)
{
	const struct cache_header *h = (const void *)f->bytes;
	unsigned char sum[KNOWN_DIGEST], differs = 0;
	struct mac m;
	size_t i;

	mac_begin(&m, f->key);
	digest_add(m.d, f->bytes + sizeof(*h), n - sizeof(*h));
	header_mac(&m, h, sum);
	for (i = 0; i < sizeof(sum); i++)
		differs |= sum[i] ^ h->mac[i];
	return !differs;
}

/* NULL when well or not there, else why it is refused. */
static const char *load(struct cache_file *f, struct cache_view *v)
{
	const char *why;
	struct stat st;
	size_t n;
	int fd = open_own(f->folder, f->name, &st, &why);

	if (fd < 0)
		return why;
	n = (size_t)st.st_size;
	if (n < sizeof(struct cache_header) || n > MAX_FILE) {
		close(fd);
		return "it is not in its format";
	}
	f->bytes = buf_realloc(NULL, n, 1);
	if (io_read(fd, f->bytes, n) != (ssize_t)n)
		why = "it cannot be read";
	else if (memcmp(f->bytes, magic, sizeof(magic)))
		why = "it is not in its format";
	else if (!authentic(f, n))
		why = "it was altered, or is not of this machine";
	else if (!cachefile_lay_out(f->bytes, n, v, &why))
		why = NULL;
	close(fd);
	return why;
}

struct cache_file *cachefile_open(const char *path, struct cache_view *v, struct err *e)
{
	struct cache_file *f = buf_alloc(sizeof(*f));
	char *copy = buf_strdup(path), *copy2 = buf_strdup(path);
	const char *refused = NULL, *why;
	int rc;

	memset(v, 0, sizeof(*v));
	err_clear(e);
	f->lock = -1;
	f->path = buf_strdup(path);
	f->name = buf_strdup(basename(copy));
	f->key_name = buf_printf("%s.key", f->name);
	f->folder = open(dirname(copy2), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	free(copy2);
	if (f->folder < 0) {
		err_sys(e, "cannot use scan index %s", err_q(path));
		goto fail;
	}
	rc = load_key(f, &refused, e);
	if (rc < 0)
		goto fail;
	why = load(f, v);
	if (rc || why) {
		if (rc)
			err_set(e, EX_DATAERR, "the key of scan index %s is refused: %s", err_q(path), refused);
		else
			err_set(e, EX_DATAERR, "scan index %s is refused: %s", err_q(path), why);
		cachefile_forget(f, v);
	}
	return f;
fail:
	cachefile_close(f);
	return NULL;
}

bool cachefile_locked(const struct cache_file *f)
{
	return f->locked;
}

void cachefile_forget(struct cache_file *f, struct cache_view *v)
{
	memset(v, 0, sizeof(*v));
	free(f->bytes);
	f->bytes = NULL;
}

/* ---- writing ---- */

static int put(int fd, struct mac *m, const void *p, size_t n)
{
	if (!n)
		return 0;
	digest_add(m->d, p, n);
	return io_write(fd, p, n);
}

static int write_parts(const struct cache_file *f, int fd, struct cache_header *h, const struct cache_view *v)
{
	struct mac m;
	int rc;

	mac_begin(&m, f->key);
	rc = lseek(fd, sizeof(*h), SEEK_SET) < 0 ? -1 : 0;
	if (!rc)
		rc = put(fd, &m, v->entries, h->entries * sizeof(*v->entries));
	if (!rc)
		rc = put(fd, &m, v->paths, h->histories * sizeof(*v->paths));
	if (!rc)
		rc = put(fd, &m, v->pasts, h->pasts * sizeof(*v->pasts));
	if (!rc)
		rc = put(fd, &m, v->no_code, h->no_code * sizeof(*v->no_code));
	if (!rc)
		rc = put(fd, &m, v->text, h->text);
	header_mac(&m, h, h->mac);
	if (!rc)
		rc = pwrite(fd, h, sizeof(*h), 0) == (ssize_t)sizeof(*h) ? 0 : -1;
	return rc;
}

int cachefile_write(struct cache_file *f, struct cache_header *h, const struct cache_view *v, struct err *e)
{
	struct fresh n = { .fd = -1 };
	int rc = fresh_open(f->folder, f->name, &n);

	memcpy(h->magic, magic, sizeof(magic));
	h->version = CACHE_VERSION;
	h->header_size = sizeof(*h);
	h->file_size = sizeof(*h) + h->entries * sizeof(*v->entries) + h->histories * sizeof(*v->paths) + h->pasts * sizeof(*v->pasts)
	               + h->no_code * sizeof(*v->no_code) + h->text;
	if (!rc)
		rc = write_parts(f, n.fd, h, v);
	if (!rc)
		rc = fdatasync(n.fd);
	if (!rc)
		rc = fresh_name(f->folder, &n, f->name, false);
	fresh_close(f->folder, &n);
	return rc < 0 ? err_sys(e, "cannot write scan index %s", err_q(f->path)) : 0;
}

void cachefile_close(struct cache_file *f)
{
	if (!f)
		return;
	io_close(&f->lock);
	io_close(&f->folder);
	explicit_bzero(f->key, sizeof(f->key));
	free(f->bytes);
	free(f->path);
	free(f->name);
	free(f->key_name);
	free(f);
}
