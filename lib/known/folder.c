/* folder: a tree of files an operator vouches for, as a source. */
#include "known/known.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAP_DEPTH 128   /* one descriptor each */

static int walk(struct crew_list *l, int dirfd, struct buf *path, int depth, struct known_stats *s, struct err *e)
{
	DIR *dir = fdopendir(dirfd);
	struct dirent *entry;
	size_t len = path->len;
	int rc = 0;

	if (!dir) {
		io_close(&dirfd);
		return err_sys(e, "cannot read %s", err_q(buf_str(path)));
	}
	while (!rc && (entry = readdir(dir))) {
		int type = entry->d_type, sub = -1;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		path->len = len;
		buf_addf(path, "/%s", entry->d_name);
		if (type == DT_DIR || type == DT_UNKNOWN)
			sub = openat(dirfd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		if (sub >= 0 && depth == CAP_DEPTH) {
			io_close(&sub);
			s->unreadable++;
			msg_warn("skipped, too deep: %s", err_q(buf_str(path)));
		} else if (sub >= 0) {
			rc = walk(l, sub, path, depth + 1, s, e);
		} else if (type == DT_DIR && errno != ENOENT) {
			s->unreadable++;
			msg_warn("skipped: cannot read %s: %s", err_q(buf_str(path)), strerror(errno));
		} else if (type == DT_REG || type == DT_UNKNOWN) {
			crew_add(l, buf_str(path), path->len);
		}
	}
	path->len = len;
	closedir(dir);
	return rc;
}

int folder_add(struct build *b, const char *path, unsigned want, struct known_stats *s, struct err *e)
{
	struct crew_list l = {0};
	struct buf below = {0};
	char *full = realpath(path, NULL), *source = NULL;
	uint32_t number;
	int rc = -1, fd;

	if (!full || (fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		err_sys(e, "cannot read folder %s", err_q(path));
		goto out;
	}
	if (walk(&l, fd, &below, 0, s, e) < 0 || crew_run(&l, full, want, &s->bytes, e) < 0)
		goto out;
	source = buf_printf("dir %s", full);
	if (build_source(b, source, &number, e) < 0)
		goto out;
	for (size_t i = 0; i < l.len; i++) {
		const struct crew_item *f = &l.p[i];
		char *name;

		s->files++;
		known_count(s, f->result);
		if (f->result == CREW_UNREADABLE || f->result == CREW_CHANGING)
			msg_info("skipped: %s", err_q(f->path));
		if (f->result != CREW_GOOD)
			continue;
		name = buf_printf("%s%s", strcmp(full, "/") ? full : "", f->path);
		rc = crew_take(b, f, number, name, e);
		free(name);
		if (rc < 0)
			goto out;
	}
	build_from(b, KNOWN_FROM_DIR | (want & CREW_PAGES ? KNOWN_FROM_PAGES : 0), 0);
	rc = 0;
out:
	crew_free(&l);
	buf_free(&below);
	free(source);
	free(full);
	return rc;
}
