#include "centre/parts.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARTS_OF_OWNER 16   /* hosts must not fill the disk with beginnings */
#define OWNER_AT 38u        /* in "part/<32 hex>.<16 hex>.<32 hex>" */
#define WHOLE_NAME 87u

void parts_name(const struct spool_upload *u, char name[PARTS_NAME])
{
	char *all = buf_printf("%s\n%s\n%llu\n%s\n", u->owner, u->id, (unsigned long long)u->size, u->sha256);
	char key[DIGEST_HEX], owner[DIGEST_HEX];

	digest_bytes(all, strlen(all), key);
	free(all);
	digest_bytes(u->owner, strlen(u->owner), owner);
	snprintf(name, PARTS_NAME, "part/%s.%.16s.%.32s", u->id, owner, key);
}

typedef void part_fn(struct spool *s, const char *path, time_t changed, void *arg);

/* Calls fn, which may remove it, for every part. */
static void each(struct spool *s, part_fn *fn, void *arg)
{
	int fd = openat(s->fd, "part", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;
	char path[PARTS_NAME];
	struct stat st;

	if (!d) {
		io_close(&fd);
		return;
	}
	while ((de = readdir(d))) {
		if (de->d_name[0] == '.' || strlen(de->d_name) > WHOLE_NAME - 5)
			continue;
		snprintf(path, sizeof(path), "part/%.82s", de->d_name);
		if (!fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
			fn(s, path, st.st_mtime, arg);
	}
	closedir(d);
}

static void drop(struct spool *s, const char *path)
{
	char owner[48];

	/* An owner's record beside a part was written for a commit that never was. */
	if (strlen(path) == WHOLE_NAME) {
		snprintf(owner, sizeof(owner), "owner/%.32s", path + 5);
		unlinkat(s->fd, owner, 0);
	}
	unlinkat(s->fd, path, 0);
}

static void drop_old(struct spool *s, const char *path, time_t changed, void *arg)
{
	if (clock_now() - changed > *(const int64_t *)arg)
		drop(s, path);
}

void parts_drop_old(struct spool *s, int64_t keep_s)
{
	each(s, drop_old, &keep_s);
}

struct crowd { const char *mine; unsigned n; char oldest[PARTS_NAME]; time_t changed; };

static void count(struct spool *s, const char *path, time_t changed, void *arg)
{
	struct crowd *c = arg;

	(void)s;
	if (strlen(path) != WHOLE_NAME || !strcmp(path, c->mine) || strncmp(path + OWNER_AT, c->mine + OWNER_AT, 16) != 0)
		return;
	if (!c->n++ || changed < c->changed) {
		c->changed = changed;
		snprintf(c->oldest, sizeof(c->oldest), "%s", path);
	}
}

void parts_make_room(struct spool *s, const struct spool_upload *u)
{
	char mine[PARTS_NAME];
	struct crowd c;

	parts_name(u, mine);
	do {
		c = (struct crowd){ .mine = mine };
		each(s, count, &c);
		if (c.n >= PARTS_OF_OWNER)
			drop(s, c.oldest);
	} while (c.n > PARTS_OF_OWNER);
}
