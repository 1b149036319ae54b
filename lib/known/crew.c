/* crew: two threads that read files once and compute both sums of each. */
#include "known/known.h"
#include "known/md5.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS 2
#define BLOCK (64 * KIB)

struct crew {
	struct crew_list *list;
	int root;                       /* descriptor */
	unsigned want;
	_Atomic size_t next, done;
	_Atomic uint64_t bytes;
};

struct crew_item *crew_add(struct crew_list *l, const char *path, size_t len)
{
	struct crew_item *n;

	if (l->len == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->p = buf_realloc(l->p, l->cap, sizeof(*l->p));
	}
	n = &l->p[l->len++];
	memset(n, 0, sizeof(*n));
	n->path = buf_alloc(len + 1);
	memcpy(n->path, path, len);
	return n;
}

void crew_free(struct crew_list *l)
{
	for (size_t i = 0; i < l->len; i++) {
		free(l->p[i].path);
		buf_free(&l->p[i].pages);
	}
	free(l->p);
	memset(l, 0, sizeof(*l));
}

/* Links on the way are followed inside the root only; the file itself is no link. */
static int open_inside(int root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, .resolve = RESOLVE_IN_ROOT,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	if (fd < 0 && errno == ENOSYS)   /* before Linux 5.6 */
		fd = openat(root, *path == '/' ? path + 1 : path, (int)how.flags);
	return (int)fd;
}

static bool ends(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && !strcmp(name + n - m, suffix);
}

static bool code_by_name(const char *path)
{
	static const char *const suffixes[] = {
		".ko", ".ko.xz", ".ko.zst", ".ko.gz", ".py", ".pyc", ".sh", ".bash", ".pl", ".pm", ".rb", ".lua", ".js", ".mjs",
		".cjs", ".php", ".tcl", ".jar", ".class", ".dll", ".exe", ".sys", ".efi", ".wasm",
		".service", ".timer", ".socket", ".path", ".mount", ".desktop", ".rules", ".pth", ".hook", ".install", ".inc", ".csh", ".zsh", ".fish",
	};
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

	/* What /etc/profile and new users' start-up files were copied from. */
	if (!strncmp(path, "/usr/share/base-files/", 22))
		return true;
	/* Start-up places hold settings that name code. */
	if (!strncmp(path, "/usr/lib/", 9) && ends(name, ".conf"))
		return true;
	if (!strncmp(path, "/usr/share/binfmts/", 19) || !strncmp(path, "/usr/share/pam", 14) || !strncmp(path, "/usr/lib/pam.d/", 15))
		return true;
	if (!strncmp(path, "/etc/", 5) || ends(name, ".so") || strstr(name, ".so."))
		return true;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (ends(name, suffixes[i]))
			return true;
	return false;
}

static bool code_by_content(const unsigned char *p, size_t n)
{
	return (n >= 4 && !memcmp(p, "\177ELF", 4)) || (n >= 2 && (!memcmp(p, "#!", 2) || !memcmp(p, "MZ", 2)));
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Whether the path still leads to the file as it was when it was opened. */
static bool unchanged(struct crew *c, const char *path, int fd, const struct stat *before)
{
	struct stat now, there;
	int again = open_inside(c->root, path);
	bool is = again >= 0 && !fstat(fd, &now) && !fstat(again, &there) && same(before, &now) && same(before, &there);

	io_close(&again);
	return is;
}

struct paging { struct digest *sha; struct buf *keys; };

static int add_page(void *ctx, uint64_t where, const unsigned char *page)
{
	const struct paging *p = ctx;
	unsigned char key[KNOWN_DIGEST];
	char hex[DIGEST_HEX];

	(void)where;
	digest_add(p->sha, page, KNOWN_PAGE);
	digest_end(p->sha, hex);
	digest_unhex(hex, key, sizeof(key));
	pages_key(key);
	buf_add(p->keys, key, sizeof(key));
	return 0;
}

/* Pages of a file that was found good: it must be the same still. */
static void read_pages(struct crew *c, struct crew_item *i, int fd, const struct stat *st, struct digest *sha)
{
	struct paging p = {sha, &i->pages};

	if (pages_each(fd, add_page, &p) < 0 || !unchanged(c, i->path, fd, st))
		buf_free(&i->pages);
}

int crew_take(struct build *b, const struct crew_item *f, uint32_t source, const char *name, struct err *e)
{
	if (build_add(b, f->sha256, source, name, e) < 0)
		return -1;
	for (size_t at = 0; at < f->pages.len; at += KNOWN_DIGEST)
		if (build_add(b, f->pages.p + at, source, NULL, e) < 0)
			return -1;
	return 0;
}

/* ---- opening, and what is known then ---- */

/* CREW_TODO: it is open and is to be read. */
static enum crew_result open_item(struct crew *c, const struct crew_item *i, int *fd, struct stat *st)
{
	unsigned char start[4];
	enum crew_result result = CREW_TODO;
	ssize_t n;

	*fd = open_inside(c->root, i->path);
	if (*fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? CREW_MISSING : errno == ELOOP ? CREW_ALTERED : CREW_UNREADABLE;
	if (fstat(*fd, st) < 0) {
		result = CREW_UNREADABLE;
	} else if (!S_ISREG(st->st_mode)) {
		result = CREW_ALTERED;
	} else if (!(c->want & CREW_ALL) && !(st->st_mode & 0111) && !code_by_name(i->path)) {
		n = pread(*fd, start, sizeof(start), 0);
		result = n < 0 ? CREW_UNREADABLE : code_by_content(start, (size_t)n) ? CREW_TODO : CREW_NO_CODE;
	}
	if (result != CREW_TODO)
		io_close(fd);
	return result;
}

/* ---- reading: files with an MD5 eight at a time, md5.h says why ---- */

struct lane {
	struct crew_item *item;         /* NULL: none */
	int fd;
	struct stat st;
	struct digest *sha;
	unsigned char *block;           /* BLOCK bytes and what ends an MD5 */
	size_t at, have;                /* for the MD5 */
	uint64_t total;
	bool ended, failed;
};

struct worker {
	struct crew *c;
	struct lane lane[MD5_LANES];
	struct md5 md5;
};

static void read_more(struct lane *l)
{
	size_t rest = l->have - l->at;
	ssize_t n;

	memmove(l->block, l->block + l->at, rest);
	n = io_read(l->fd, l->block + rest, BLOCK - rest);
	l->at = 0;
	l->have = rest;
	if (n < 0) {
		l->failed = l->ended = true;
		return;
	}
	digest_add(l->sha, l->block + rest, (size_t)n);
	l->have += (size_t)n;
	l->total += (uint64_t)n;
	l->ended = (size_t)n < BLOCK - rest;
}

/* The last bytes, made whole as an MD5 wants it. */
static void complete(struct lane *l)
{
	unsigned char end[2 * MD5_BLOCK];
	size_t whole = l->have / MD5_BLOCK * MD5_BLOCK, n = md5_end(l->block + whole, l->total, end);

	memcpy(l->block + whole, end, n);
	l->have = whole + n;
}

/* md5: of all that was read, or NULL. */
static void finish(struct crew *c, struct lane *l, const unsigned char *md5)
{
	struct crew_item *i = l->item;
	char hex[DIGEST_HEX];

	c->bytes += l->total;
	digest_end(l->sha, hex);
	digest_unhex(hex, i->sha256, sizeof(i->sha256));
	i->result = l->failed ? CREW_UNREADABLE : !md5 || !memcmp(md5, i->md5, sizeof(i->md5)) ? CREW_GOOD : CREW_ALTERED;
	/* A package manager at work: neither good nor altered. */
	if ((i->result == CREW_ALTERED || (i->result == CREW_GOOD && !md5)) && !unchanged(c, i->path, l->fd, &l->st))
		i->result = CREW_CHANGING;
	if (i->result == CREW_GOOD && c->want & CREW_PAGES)
		read_pages(c, i, l->fd, &l->st, l->sha);
	io_close(&l->fd);
	l->item = NULL;
	c->done++;
}

/* The next file that has an MD5 into lane k; others are done on the way. False: there is none. */
static bool take_next(struct worker *w, unsigned k)
{
	struct crew *c = w->c;
	struct lane *l = &w->lane[k];
	size_t n;

	while ((n = c->next++) < c->list->len) {
		l->item = &c->list->p[n];
		l->at = l->have = 0;
		l->total = 0;
		l->ended = l->failed = false;
		l->item->result = open_item(c, l->item, &l->fd, &l->st);
		if (l->item->result != CREW_TODO) {
			l->item = NULL;
			c->done++;
			continue;
		}
		if (l->item->md5_known) {
			md5_begin(&w->md5, k);
			return true;
		}
		do {
			l->at = l->have;
			read_more(l);
		} while (!l->ended);
		finish(c, l, NULL);
	}
	return false;
}

/* Makes lane k have a block at least; false: there are no more files for it. */
static bool ready(struct worker *w, unsigned k)
{
	struct lane *l = &w->lane[k];
	unsigned char md5[16];

	for (;;) {
		if (!l->item && !take_next(w, k))
			return false;
		if (l->have - l->at >= MD5_BLOCK)
			return true;
		if (!l->ended) {
			read_more(l);
			if (l->ended && !l->failed)
				complete(l);
			continue;
		}
		md5_sum(&w->md5, k, md5);
		finish(w->c, l, md5);
	}
}

static void *work(void *arg)
{
	struct worker *w = buf_alloc(sizeof(*w));
	const unsigned char *data[MD5_LANES];

	w->c = arg;
	for (unsigned k = 0; k < MD5_LANES; k++) {
		w->lane[k].fd = -1;
		w->lane[k].sha = digest_new();
		w->lane[k].block = buf_alloc(BLOCK + 2 * MD5_BLOCK);
	}
	for (;;) {
		size_t blocks = SIZE_MAX, some = MD5_LANES;

		for (unsigned k = 0; k < MD5_LANES; k++) {
			bool has = ready(w, k);
			size_t n = has ? (w->lane[k].have - w->lane[k].at) / MD5_BLOCK : SIZE_MAX;

			data[k] = has ? w->lane[k].block + w->lane[k].at : NULL;
			if (has && n <= blocks)
				blocks = n;
			if (has)
				some = k;
		}
		if (some == MD5_LANES)
			break;
		for (unsigned k = 0; k < MD5_LANES; k++)
			if (data[k])
				w->lane[k].at += blocks * MD5_BLOCK;
			else
				data[k] = data[some];
		md5_blocks(&w->md5, data, blocks);
	}
	for (unsigned k = 0; k < MD5_LANES; k++) {
		digest_free(w->lane[k].sha);
		free(w->lane[k].block);
	}
	free(w);
	return NULL;
}

int crew_run(struct crew_list *l, const char *root, unsigned want, uint64_t *bytes, struct err *e)
{
	struct crew c = {.list = l, .want = want};
	pthread_t threads[THREADS];
	int started = 0;

	if ((c.root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return err_sys(e, "cannot open %s", err_q(root));
	while (started < THREADS && !pthread_create(&threads[started], NULL, work, &c))
		started++;
	if (!started)
		work(&c);
	while (c.done < l->len) {
		nanosleep(&(struct timespec){.tv_nsec = l->len - c.done > 1000 ? 50000000 : 1000000}, NULL);
		progress("hash", c.done, l->len);
	}
	for (int i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	progress_end();
	io_close(&c.root);
	if (bytes)
		*bytes += c.bytes;
	return 0;
}
