#include "host/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY (24 * 60 * 60)

static bool same_file(const struct seen *s, const struct stat *st)
{
	return s->dev == st->st_dev && s->ino == st->st_ino && s->size == st->st_size && s->mtime.tv_sec == st->st_mtim.tv_sec
		&& s->mtime.tv_nsec == st->st_mtim.tv_nsec && s->ctime.tv_sec == st->st_ctim.tv_sec
		&& s->ctime.tv_nsec == st->st_ctim.tv_nsec;
}

static struct seen *seen_slot(struct host *h, const struct stat *st)
{
	size_t i = ((uint64_t)st->st_ino * 0x9e3779b97f4a7c15u ^ (uint64_t)st->st_dev * 0xff51afd7ed558ccdu) >> 7;

	for (i &= h->seen_size - 1; h->seen[i].piece && !same_file(&h->seen[i], st);)
		i = (i + 1) & (h->seen_size - 1);
	return &h->seen[i];
}

static void seen_grow(struct host *h)
{
	struct seen *old = h->seen;
	size_t old_size = h->seen_size, i;

	if (h->seen_count * 2 < h->seen_size)
		return;
	h->seen_size = h->seen_size ? h->seen_size * 2 : 1024;
	h->seen = buf_alloc(h->seen_size * sizeof(*h->seen));
	for (i = 0; i < old_size; i++)
		if (old[i].piece) {
			struct stat st = { .st_dev = old[i].dev, .st_ino = old[i].ino, .st_size = old[i].size,
			                   .st_mtim = old[i].mtime, .st_ctim = old[i].ctime };

			*seen_slot(h, &st) = old[i];
		}
	free(old);
}

struct piece *image_take(struct host *h, int fd, const char *kind, struct stat *st)
{
	struct stat mine;
	struct seen *s;
	struct piece *p;
	struct err e;
	char sha256[DIGEST_HEX];
	uint64_t size;

	if (!st)
		st = &mine;
	if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode))
		return NULL;
	seen_grow(h);
	s = seen_slot(h, st);
	if (s->piece)
		return piece_get(h, s->piece->sha256, kind, s->piece->size);
	if (digest_fd(fd, CAP_BODY, sha256, &size, &e) < 0) {
		h->unlooked++;
		return NULL;
	}
	h->files++;
	h->bytes += size;
	p = piece_get(h, sha256, kind, size);
	if (!p->looked_into) {
		p->looked_into = true;
		facts_look(h, p, fd, size);
	}
	*s = (struct seen){ .dev = st->st_dev, .ino = st->st_ino, .size = st->st_size, .mtime = st->st_mtim,
	                    .ctime = st->st_ctim, .piece = p };
	h->seen_count++;
	return p;
}

void image_place(struct host *h, struct piece *p, const char *path, const struct stat *st, bool ours)
{
	const char *name = strrchr(path, '/');
	bool owned = ours && h->dpkg && dpkg_owns(h->dpkg, path);

	if (!piece_path(p, path))
		return;
	if (!owned) {
		if (h->dpkg && ours)
			piece_sign(h, p, "unowned", "no package owns %s", path);
		if (disguise_hidden(path))
			piece_sign(h, p, "hidden-folder", "%s is hidden", path);
		if (disguise_temporary(path))
			piece_sign(h, p, "temporary-place", "%s is a place for temporary data", path);
		if (name && disguise_service(name + 1, path))
			piece_sign(h, p, "system-name", "%s bears the name of a system service that belongs elsewhere", path);
		if (h->dpkg && ours && st->st_mode & (S_ISUID | S_ISGID) && st->st_mode & 0111)
			piece_sign(h, p, "setuid-unowned", "%s has mode %04o", path, st->st_mode & 07777u);
	}
	if (clock_now() - st->st_ctim.tv_sec < DAY && st->st_ctim.tv_sec <= clock_now() + DAY)
		piece_sign(h, p, "fresh", "%s changed %lld minutes ago", path,
		           (long long)(clock_now() - st->st_ctim.tv_sec) / 60);
}
