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
static const char key_magic[CACHE_KEY_MAGIC] = { 'm', 'u', 's', 's', '-', 's', 'c', 'a', 'n', '-', 'k', 'e', 'y', '/', '1', '\n' };

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

static void look_at_index(const struct cache_file *f, struct cache_standing *x)
{
	cachename_look(f->folder, f->name, magic, sizeof(magic), true, x);
}

static void look_at_key(const struct cache_file *f, struct cache_standing *x)
{
	cachename_look(f->folder, f->key_name, key_magic, sizeof(key_magic), false, x);
}

/* ---- the key, which is the lock as well ---- */

/* given: the key's bytes; NULL: random ones. */
static int make_key(struct cache_file *f, const unsigned char *given, bool replace, struct err *e)
{
	unsigned char key[CACHE_KEY];
	struct cache_fresh n = { .fd = -1 };
	int rc;

	if (given)
		memcpy(key, given, sizeof(key));
	else if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return err_set(e, EX_OSERR, "there are no random bytes for the key of the scan index");
	rc = cachename_open(f->folder, f->key_name, &n);
	if (!rc)
		rc = io_write(n.fd, key_magic, sizeof(key_magic));
	if (!rc)
		rc = io_write(n.fd, key, sizeof(key));
	if (!rc)
		rc = fsync(n.fd);
	if (!rc)
		rc = cachename_name(f->folder, &n, f->key_name, replace);
	if (rc < 0 && errno == EEXIST && !replace)   /* another scan made one meanwhile: that one is it */
		rc = 0;
	cachename_close(f->folder, &n);
	explicit_bzero(key, sizeof(key));
	return rc < 0 ? err_sys(e, "cannot make the key of scan index %s", err_q(f->path)) : 0;
}

/* A writer before us may have made another one while we waited for nothing: the name must still be the locked file's. */
static bool is_current(const struct cache_file *f, int fd)
{
	struct stat a, b;

	return !fstat(fd, &a) && !fstatat(f->folder, f->key_name, &b, AT_SYMLINK_NOFOLLOW) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool read_key(struct cache_file *f, const struct cache_standing *x)
{
	return x->st.st_size == CACHE_KEY_MAGIC + CACHE_KEY && pread(x->fd, f->key, CACHE_KEY, CACHE_KEY_MAGIC) == CACHE_KEY;
}

/* Before anything is made beside it. */
static int check_index(const struct cache_file *f, struct err *e)
{
	struct cache_standing x;

	look_at_index(f, &x);
	io_close(&x.fd);
	return !x.foreign ? 0 : err_set(e, EX_DATAERR, "cannot use scan index %s: %s; give another name, or move it away",
	                                err_q(f->path), x.why);
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
	struct cache_standing x;
	size_t n;

	look_at_index(f, &x);
	if (x.fd < 0)
		return x.why;
	n = (size_t)x.st.st_size;
	if (n < sizeof(struct cache_header) || n > MAX_FILE) {
		close(x.fd);
		return "it is not in its format";
	}
	f->bytes = buf_realloc(NULL, n, 1);
	if (io_read(x.fd, f->bytes, n) != (ssize_t)n)
		why = "it cannot be read";
	else if (memcmp(f->bytes, magic, sizeof(magic)))
		why = "it is not in its format";
	else if (((const struct cache_header *)(const void *)f->bytes)->version != CACHE_VERSION)
		why = "it is of another version";
	else if (!authentic(f, n))
		why = "it was altered, or is not of this machine";
	else if (!cachefile_lay_out(f->bytes, n, v, &why))
		why = NULL;
	close(x.fd);
	return why;
}

/* Whether these are the bare bytes of the key, without a mark, as older versions wrote it: what the index is authentic with can be
 * nothing else. It is in f->key then. */
static bool is_older_key(struct cache_file *f, const struct stat *st)
{
	struct cache_view v = { 0 };
	int fd;
	bool is;

	if (!S_ISREG(st->st_mode) || st->st_uid != geteuid() || st->st_nlink != 1 || st->st_mode & 077 || st->st_size != CACHE_KEY)
		return false;
	fd = openat(f->folder, f->key_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	is = fd >= 0 && pread(fd, f->key, CACHE_KEY, 0) == CACHE_KEY && !load(f, &v) && f->bytes;
	io_close(&fd);
	cachefile_forget(f, &v);
	return is;
}

/* 0; 1: one had to be made anew, *refused says why; -1. */
static int load_key(struct cache_file *f, const char **refused, struct err *e)
{
	struct cache_standing x;
	int tries, made = 0;

	for (tries = 0; tries < 4; tries++) {
		look_at_key(f, &x);
		if (x.foreign && is_older_key(f, &x.st)) {
			msg_warn("the key of scan index %s is of an older version: it is written anew", err_q(f->path));
			if (make_key(f, f->key, true, e) < 0)
				return -1;
			continue;
		}
		if (x.foreign)
			return err_set(e, EX_DATAERR, "cannot use scan index %s: %s stands where its key belongs, and %s; "
			               "give another name, or move that away", err_q(f->path), err_q(f->key_name), x.why);
		if (x.fd >= 0 && !read_key(f, &x))
			x.why = "it is cut or overlong";
		if (x.fd < 0 || x.why) {
			io_close(&x.fd);
			if (x.why) {
				*refused = x.why;
				made = 1;
			}
			if (make_key(f, NULL, x.why != NULL, e) < 0)
				return -1;
			continue;
		}
		f->lock = x.fd;
		f->locked = flock(f->lock, LOCK_EX | LOCK_NB) == 0;
		if (is_current(f, f->lock))
			return made;
		io_close(&f->lock);
	}
	return err_set(e, EX_TEMPFAIL, "the key of scan index %s changes all the time", err_q(f->path));
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
	rc = check_index(f, e);
	if (!rc)
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
	struct cache_fresh n = { .fd = -1 };
	struct cache_standing x = { .fd = -1 };
	int rc = cachename_open(f->folder, f->name, &n);

	memcpy(h->magic, magic, sizeof(magic));
	h->version = CACHE_VERSION;
	h->header_size = sizeof(*h);
	h->file_size = sizeof(*h) + h->entries * sizeof(*v->entries) + h->histories * sizeof(*v->paths) + h->pasts * sizeof(*v->pasts)
	               + h->no_code * sizeof(*v->no_code) + h->text;
	if (!rc)
		rc = write_parts(f, n.fd, h, v);
	if (!rc)
		rc = fdatasync(n.fd);
	if (!rc)   /* a scan takes long: who knows what has the name by now */
		look_at_index(f, &x);
	io_close(&x.fd);
	if (!rc && !x.foreign)
		rc = cachename_name(f->folder, &n, f->name, x.why || x.st.st_nlink);
	cachename_close(f->folder, &n);
	if (x.foreign)
		return err_set(e, EX_DATAERR, "cannot write scan index %s: %s", err_q(f->path), x.why);
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
