/*
 * line: one exact line leaves a start-up file; the rest stays as it is, byte for byte. The file as it was is kept. Its
 * new form has a new time, because cron re-reads what has one.
 */

struct image {
	struct text before, after;      /* the file; the file without the line */
	char pre[HEX], post[HEX];
	unsigned lines;                 /* how often it stood there */
	int bare;                       /* nothing but blanks and comments is left */
};

static void image_free(struct image *m)
{
	free(m->before.p);
	free(m->after.p);
}

static void line_cut(const struct op *op, struct image *m)
{
	m->bare = 1;
	m->lines = 0;
	m->after.len = 0;
	text_add(&m->after, "", 0);
	for (size_t at = 0; at < m->before.len;) {
		const char *line = m->before.p + at, *end = memchr(line, '\n', m->before.len - at);
		size_t n = end ? (size_t)(end - line) : m->before.len - at, whole = n + (end != NULL);
		size_t k = 0;

		at += whole;
		if (n == op->length && !memcmp(line, op->text, n)) {
			m->lines++;
			continue;
		}
		while (k < n && isspace((unsigned char)line[k]))
			k++;
		if (k < n && line[k] != '#')
			m->bare = 0;
		text_add(&m->after, line, whole);
	}
	sha_bytes(m->before.p, m->before.len, m->pre);
	sha_bytes(m->after.p, m->after.len, m->post);
}

static int line_look(const struct op *op, struct outcome *o, int *dir, const char **name, int *fd, struct stat *st, struct image *m)
{
	*fd = -1;
	*dir = open_parent(op, name);
	if (*dir >= 0)
		*fd = open_regular(*dir, *name, st);
	if (*fd < 0) {
		say_unopened(o, op);
		return -1;
	}
	if (read_all(*fd, CAP_TEXT, &m->before)) {
		if (errno == EFBIG)
			say(o, op->flags & OPTIONAL ? ABSENT : FAILED, 0, "too large for a start-up file; left alone");
		else
			say(o, FAILED, errno, "cannot read");
		return -1;
	}
	line_cut(op, m);
	if (!m->lines) {
		say(o, ABSENT, 0, "");
		return -1;
	}
	say(o, WOULD, 0, m->bare && (op->flags & CREATED) ? "nothing else is in the file: all of it" : "");
	return 0;
}

static void line_plan(const struct op *op, struct outcome *o)
{
	struct image m = { 0 };
	const char *name;
	struct stat st;
	int dir, fd;

	line_look(op, o, &dir, &name, &fd, &st, &m);
	image_free(&m);
	close(fd);
	close(dir);
}

/* A run was killed after the line was gone and before it was written down. */
static int line_was_cut(const struct record *r, const struct image *m, const struct outcome *o)
{
	size_t n;
	const char *post = journal_field(r->kept, "post", &n);

	if (r->state != S_KEPT || !post || o->result != ABSENT)
		return 0;
	return n == 64 ? m->before.p && !memcmp(post, m->pre, 64) : 1;
}

static void line_apply(const struct op *op, struct record *r, struct outcome *o)
{
	struct image m = { 0 };
	struct text meta = { 0 };
	const char *name;
	char fresh[64], aside[64], fields[200], detail[sizeof o->detail];
	struct stat st;
	int dir, fd, out = -1, rc, missed = 0, whole;

	rc = line_look(op, o, &dir, &name, &fd, &st, &m);
	sweep(op, r, dir);
	beside(fresh, op, "new");
	beside(aside, op, "old");
	if (r->state == S_KEPT && dir >= 0)
		unlinkat(dir, aside, 0);
	if (rc) {
		if (line_was_cut(r, &m, o)) {
			if (journal_add(op->id, S_DONE, "resumed"))
				say(o, FAILED, errno, "cannot finish what an earlier run began");
			else
				say(o, DONE, 0, "finished what an earlier run began");
		} else if (r->state == S_DONE && o->result == ABSENT) {
			say(o, ABSENT, 0, "removed by an earlier run");
		}
		goto out;
	}
	whole = m.bare && (op->flags & CREATED);
	snprintf(detail, sizeof detail, "%s", o->detail);
	snprintf(fields, sizeof fields, "pre=%s post=%s", m.pre, whole ? "none" : m.post);
	if (begin(op, r, dir, fd, &st, &meta) || keep_copy(op, fd, m.pre) ||
	    journal_add(op->id, S_KEPT, fields)) {
		say(o, FAILED, errno, "the file cannot be kept in quarantine, so the line stays");
		goto out;
	}
	unlinkat(dir, aside, 0);
	clear_flags(fd);
	if (whole) {
		rc = take_away(dir, name, aside, fd, m.pre);
	} else {
		out = write_new(dir, fresh, -1, m.after.p, m.after.len, meta.p, 0, &missed);
		rc = out < 0 ? -1 : exchange(dir, name, fresh, fd, m.pre);
		if (!rc && journal_number(meta.p, "fl")) {
			long flags = get_flags(out) | (long)journal_number(meta.p, "fl");

			ioctl(out, SET_FLAGS, &flags);
		}
	}
	if (rc > 0)
		say(o, CHANGED, 0, "changed while it was looked at; left alone");
	else if (rc < 0)
		say(o, FAILED, errno, "the line cannot be removed");
	else if (journal_add(op->id, S_DONE, ""))
		say(o, FAILED, errno, "removed, but the journal cannot be written");
	else
		say(o, DONE, 0, missed ? "not all of owner, mode and attributes could be kept" : detail);
	if (rc) {
		int keep = errno;

		unlinkat(dir, fresh, 0);
		errno = keep;
	}
out:
	if (out >= 0)
		close(out);
	free(meta.p);
	image_free(&m);
	close(fd);
	close(dir);
}

/*
 * The file has changed since: the line goes back behind the line it stood behind, where that is still there and there
 * once. -1: its place cannot be told.
 */
static int line_place(const struct op *op, const struct text *was, const struct text *is, size_t *place)
{
	const char *previous = NULL, *found = NULL;
	size_t length = 0;

	for (size_t at = 0; at < was->len;) {
		const char *line = was->p + at, *end = memchr(line, '\n', was->len - at);
		size_t n = end ? (size_t)(end - line) : was->len - at;

		if (n == op->length && !memcmp(line, op->text, n))
			break;
		previous = line;
		length = n;
		at += n + 1;
	}
	if (!previous) {
		*place = 0;
		return 0;
	}
	for (size_t at = 0; at < is->len;) {
		const char *line = is->p + at, *end = memchr(line, '\n', is->len - at);
		size_t n = end ? (size_t)(end - line) : is->len - at;

		if (n == length && !memcmp(line, previous, n)) {
			if (found || !end)
				return -1;
			found = end + 1;
		}
		at += n + 1;
	}
	if (!found)
		return -1;
	*place = (size_t)(found - is->p);
	return 0;
}

/* Puts the line into the file as it is now. */
static void line_insert(const struct op *op, int dir, const char *name, int fd, struct stat *st, struct image *m, const struct text *was,
			struct outcome *o)
{
	struct text meta = { 0 }, with = { 0 };
	char fresh[64];
	size_t place;
	int out, missed = 0, rc;

	beside(fresh, op, "new");
	if (m->lines) {
		say(o, UNDONE, 0, "the line is there already");
		return;
	}
	if (line_place(op, was, &m->before, &place)) {
		say(o, CHANGED, 0, "the file changed and the line's place cannot be told; left alone");
		return;
	}
	text_add(&with, m->before.p, place);
	text_add(&with, op->text, op->length);
	text_add(&with, "\n", 1);
	text_add(&with, m->before.p + place, m->before.len - place);
	if (meta_take(dir, fd, st, &meta)) {
		say(o, FAILED, errno, "cannot be looked at");
	} else {
		clear_flags(fd);
		out = write_new(dir, fresh, -1, with.p, with.len, meta.p, 0, &missed);
		rc = out < 0 ? -1 : exchange(dir, name, fresh, fd, m->pre);
		if (rc > 0)
			say(o, CHANGED, 0, "changed while it was looked at; left alone");
		else if (rc < 0)
			say(o, FAILED, errno, "the line cannot be put back");
		else
			say(o, UNDONE, 0, "the line is back; the file had changed otherwise");
		if (rc)
			unlinkat(dir, fresh, 0);
		if (out >= 0)
			close(out);
	}
	free(meta.p);
	free(with.p);
}

/* The whole file as it was: either beside and exchanged, or its name is free. */
static void line_restore(const struct op *op, struct record *r, int dir, const char *name, int fd, const char *pre, const char *post, struct outcome *o)
{
	char fresh[64];
	int from, out, rc, missed = 0;

	if (fd < 0) {
		put_back(op, r, dir, name, pre, o);
		return;
	}
	beside(fresh, op, "new");
	from = kept_open(op, pre);
	out = from < 0 ? -1 : write_new(dir, fresh, from, NULL, 0, r->meta, 1, &missed);
	clear_flags(fd);
	rc = out < 0 ? -1 : exchange(dir, name, fresh, fd, post);
	if (rc > 0) {
		say(o, CHANGED, 0, "changed while it was looked at; left alone");
	} else if (rc < 0) {
		say(o, FAILED, errno, "cannot be put back");
	} else {
		meta_seal(dir, out, r->meta);
		say(o, UNDONE, 0, missed ? "not all of owner, mode and attributes could be set" : "");
	}
	if (rc)
		unlinkat(dir, fresh, 0);
	if (out >= 0)
		close(out);
	if (from >= 0)
		close(from);
}

static void line_undo(const struct op *op, struct record *r, struct outcome *o)
{
	struct image m = { 0 };
	struct text was = { 0 };
	const char *name, *p;
	char pre[HEX] = "", post[HEX] = "", aside[64];
	struct stat st;
	size_t n;
	int dir = open_parent(op, &name), fd = -1, kept = -1, missed = 0;

	if (dir < 0) {
		say(o, FAILED, errno, "its folder cannot be opened");
		return;
	}
	p = journal_field(r->kept, "pre", &n);
	if (p && n == 64)
		memcpy(pre, p, 64);
	p = journal_field(r->kept, "post", &n);
	if (p && n == 64)
		memcpy(post, p, 64);
	if (journal_add(op->id, S_UNDOING, "")) {
		say(o, FAILED, errno, "the journal cannot be written");
		goto out;
	}
	sweep(op, r, dir);
	/* Killed while the whole file was being removed: it may still stand beside its place. */
	beside(aside, op, "old");
	rename_new(dir, aside, name);
	unlinkat(dir, aside, 0);
	kept = kept_open(op, pre);
	if (kept < 0 || read_all(kept, CAP_TEXT, &was)) {
		say(o, FAILED, errno, "the kept copy cannot be read");
		goto out;
	}
	fd = open_regular(dir, name, &st);
	if (fd < 0 && errno != ENOENT) {
		say(o, CHANGED, 0, "something else stands in its place; left alone");
		goto out;
	}
	if (fd >= 0 && read_all(fd, CAP_TEXT, &m.before)) {
		say(o, FAILED, errno, "cannot read");
		goto out;
	}
	if (fd >= 0)
		line_cut(op, &m);
	if (fd >= 0 && !strcmp(m.pre, pre)) {
		meta_give(fd, r->meta, 1, &missed);
		meta_seal(dir, fd, r->meta);
		say(o, UNDONE, 0, missed ? "not all of owner, mode and attributes could be set" : "");
	} else if (fd < 0 && *post) {
		say(o, CHANGED, 0, "the file is gone");
	} else if (fd < 0 || !strcmp(m.pre, post)) {
		line_restore(op, r, dir, name, fd, pre, post, o);
	} else {
		line_insert(op, dir, name, fd, &st, &m, &was, o);
	}
	if (o->result != UNDONE)
		goto out;
	if (journal_add(op->id, S_UNDONE, ""))
		say(o, FAILED, errno, "put back, but the journal cannot be written");
	else
		kept_drop(op, pre);
out:
	if (kept >= 0)
		close(kept);
	if (fd >= 0)
		close(fd);
	close(dir);
	free(was.p);
	image_free(&m);
}
