/* crew: two threads that read files once and compute both sums of each. */
#include "known/known.h"

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
#define BLOCK (256 * KIB)

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

static enum crew_result read_item(struct crew *c, struct crew_item *i, unsigned char *block, struct digest *md5,
                                  struct digest *sha)
{
	struct stat st;
	char hex[DIGEST_HEX];
	unsigned char sum[16];
	enum crew_result result = CREW_UNREADABLE;
	uint64_t total = 0;
	ssize_t n = 0;
	int fd = open_inside(c->root, i->path);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? CREW_MISSING : errno == ELOOP ? CREW_ALTERED : CREW_UNREADABLE;
	if (fstat(fd, &st) < 0)
		goto out;
	if (!S_ISREG(st.st_mode)) {
		result = CREW_ALTERED;
		goto out;
	}
	if (!(c->want & CREW_ALL) && !(st.st_mode & 0111) && !code_by_name(i->path)) {
		n = pread(fd, block, 4, 0);
		if (n < 0)
			goto out;
		if (!code_by_content(block, (size_t)n)) {
			result = CREW_NO_CODE;
			goto out;
		}
	}
	while ((n = io_read(fd, block, BLOCK)) > 0) {
		if (i->md5_known)
			digest_add(md5, block, (size_t)n);
		digest_add(sha, block, (size_t)n);
		total += (uint64_t)n;
	}
	c->bytes += total;
	digest_end(sha, hex);
	digest_unhex(hex, i->sha256, sizeof(i->sha256));
	if (i->md5_known) {
		digest_end(md5, hex);
		if (strlen(hex) != 32 || digest_unhex(hex, sum, sizeof(sum)) < 0)
			goto out;
	}
	if (n < 0)
		goto out;
	result = !i->md5_known || !memcmp(sum, i->md5, sizeof(sum)) ? CREW_GOOD : CREW_ALTERED;
	/* A package manager at work: neither good nor altered. */
	if ((result == CREW_ALTERED || !i->md5_known) && !unchanged(c, i->path, fd, &st))
		result = CREW_CHANGING;
	if (result == CREW_GOOD && c->want & CREW_PAGES)
		read_pages(c, i, fd, &st, sha);
out:
	io_close(&fd);
	return result;
}

static void *work(void *arg)
{
	struct crew *c = arg;
	unsigned char *block = buf_alloc(BLOCK);
	struct digest *md5 = digest_new_md5(), *sha = digest_new();
	size_t i;

	while ((i = c->next++) < c->list->len) {
		c->list->p[i].result = read_item(c, &c->list->p[i], block, md5, sha);
		c->done++;
	}
	digest_free(md5);
	digest_free(sha);
	free(block);
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
