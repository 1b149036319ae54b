/*
 * The names of the scan index and of its key. A wrong name must cost nothing: only what is missing, or begins with the mark of an
 * index or of a key, is ever written. Hence no atomic_open() here, which follows links, writes into devices, and replaces whatever
 * file there is.
 */
#include "known/cache-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what has it ---- */

static const char *stranger(const struct stat *st)
{
	return S_ISLNK(st->st_mode) ? "it is a symbolic link" : !S_ISREG(st->st_mode) ? "it is no regular file"
		: st->st_uid != geteuid() ? "it belongs to somebody else" : NULL;
}

static bool begins(const struct cache_standing *x, const char *mark, size_t n)
{
	char head[CACHE_KEY_MAGIC];

	return n <= sizeof(head) && pread(x->fd, head, n, 0) == (ssize_t)n && !memcmp(head, mark, n);
}

/* Nothing else is even opened: that alone rewinds a tape, or wakes who waits at a FIFO. */
void cachename_look(int folder, const char *name, const char *mark, size_t n, bool empty, struct cache_standing *x)
{
	*x = (struct cache_standing){ .fd = -1 };
	if (fstatat(folder, name, &x->st, AT_SYMLINK_NOFOLLOW) < 0) {
		x->why = errno == ENOENT ? NULL : strerror(errno);
		x->foreign = x->why != NULL;
		return;
	}
	x->foreign = true;
	x->why = stranger(&x->st);
	if (x->why)
		return;
	x->fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (x->fd < 0 || fstat(x->fd, &x->st) < 0)
		x->why = strerror(errno);
	else
		x->why = stranger(&x->st);
	if (!x->why && !begins(x, mark, n) && (x->st.st_size || !empty))
		x->why = "it is none";
	if (!x->why) {
		x->foreign = false;
		x->why = x->st.st_mode & 077 ? "others may use it" : x->st.st_nlink != 1 ? "it has another name as well" : NULL;
	}
	if (x->why)
		io_close(&x->fd);
}

/* ---- what is to have it ---- */

int cachename_open(int folder, const char *name, struct cache_fresh *n)
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

int cachename_name(int folder, struct cache_fresh *n, const char *name, bool replace)
{
	char own[32];

	if (!n->named) {
		snprintf(own, sizeof(own), "/proc/self/fd/%d", n->fd);
		if (linkat(AT_FDCWD, own, folder, replace ? n->beside : name, AT_SYMLINK_FOLLOW) < 0)
			return -1;
		if (!replace)
			return 0;
		n->named = true;
	}
	if (!replace)   /* the name beside goes with cachename_close */
		return linkat(folder, n->beside, folder, name, 0);
	if (renameat(folder, n->beside, folder, name) < 0)
		return -1;
	n->named = false;
	return 0;
}

void cachename_close(int folder, struct cache_fresh *n)
{
	int saved = errno;

	if (n->named)
		unlinkat(folder, n->beside, 0);
	io_close(&n->fd);
	free(n->beside);
	errno = saved;
}
