/* quarantine: a file whose whole content is the code goes into the quarantine; undone, it is back as it was. */

static int quarantine_look(const struct op *op, struct outcome *o, int *dir, const char **name, int *fd, struct stat *st)
{
	char hex[HEX];

	*fd = -1;
	*dir = open_parent(op, name);
	if (*dir < 0) {
		say_unopened(o, op);
		return -1;
	}
	*fd = open_regular(*dir, *name, st);
	if (*fd < 0) {
		say_unopened(o, op);
		return -1;
	}
	/* Of a start-up file the plan may not tell the size. */
	if ((op->size < 0 ? st->st_size > CAP_TEXT : st->st_size != op->size) || sha_fd(*fd, st->st_size, hex) || strcmp(hex, op->sha)) {
		say(o, CHANGED, 0, "other content; left alone");
		return -1;
	}
	say(o, WOULD, 0, "");
	if (st->st_nlink > 1)
		snprintf(o->detail, sizeof o->detail, "%lld bytes; %u other hard links to it stay", (long long)st->st_size, (unsigned)st->st_nlink - 1);
	else
		snprintf(o->detail, sizeof o->detail, "%lld bytes", (long long)st->st_size);
	return 0;
}

static void quarantine_plan(const struct op *op, struct outcome *o)
{
	const char *name;
	struct stat st;
	int dir, fd;

	quarantine_look(op, o, &dir, &name, &fd, &st);
	close(fd);
	close(dir);
}

/* A run was killed between moving the file aside and deleting it. */
static int quarantine_resume(const struct op *op, int dir)
{
	char aside[64], hex[HEX];
	struct stat st;
	int fd, rc = 0;

	beside(aside, op, "old");
	fd = open_regular(dir, aside, &st);
	if (fd < 0)
		return 0;
	if (!sha_fd(fd, st.st_size, hex) && !strcmp(hex, op->sha))
		rc = unlinkat(dir, aside, 0) || fsync(dir) ? -1 : 1;
	close(fd);
	return rc;
}

static void quarantine_apply(const struct op *op, struct record *r, struct outcome *o)
{
	const char *name;
	char aside[64], detail[sizeof o->detail];
	struct text meta = { 0 };
	struct stat st;
	int dir, fd, resumed = 0, rc;

	rc = quarantine_look(op, o, &dir, &name, &fd, &st);
	sweep(op, r, dir);
	if (rc) {
		if (r->state == S_KEPT && dir >= 0)
			resumed = quarantine_resume(op, dir);
		if (resumed || (r->state == S_KEPT && o->result == ABSENT)) {
			if (resumed < 0 || journal_add(op->id, S_DONE, "resumed"))
				say(o, FAILED, errno, "cannot finish what an earlier run began");
			else
				say(o, DONE, 0, "finished what an earlier run began");
		} else if (r->state == S_DONE && o->result == ABSENT) {
			say(o, ABSENT, 0, "in quarantine since an earlier run");
		} else if (r->state == S_DONE && o->result == CHANGED) {
			say(o, ABSENT, 0, "in quarantine since an earlier run; something else is there now");
		}
		goto out;
	}
	snprintf(detail, sizeof detail, "%s", o->detail);
	beside(aside, op, "old");
	if (begin(op, r, dir, fd, &st, &meta) || keep_copy(op, fd, op->sha) ||
	    journal_add(op->id, S_KEPT, "")) {
		say(o, FAILED, errno, "cannot be kept in quarantine, so it stays");
		goto out;
	}
	if (unlinkat(dir, aside, 0) && errno != ENOENT) {
		say(o, FAILED, errno, "cannot clear the place beside it");
		goto out;
	}
	clear_flags(fd);
	rc = take_away(dir, name, aside, fd, op->sha);
	if (rc > 0)
		say(o, CHANGED, 0, "changed while it was looked at; left alone");
	else if (rc < 0)
		say(o, FAILED, errno, "kept in quarantine but cannot be removed");
	else if (journal_add(op->id, S_DONE, ""))
		say(o, FAILED, errno, "removed, but the journal cannot be written");
	else
		say(o, DONE, 0, detail);
out:
	free(meta.p);
	close(fd);
	close(dir);
}

/* The kept file to its old place, which must be free. Used for whole start-up files too. */
static int put_back(const struct op *op, struct record *r, int dir, const char *name, const char *sha, struct outcome *o)
{
	char fresh[64];
	int from = kept_open(op, sha), fd, missed = 0;

	if (from < 0) {
		say(o, FAILED, errno, "the kept copy cannot be read");
		return -1;
	}
	beside(fresh, op, "new");
	fd = write_new(dir, fresh, from, NULL, 0, r->meta, 1, &missed);
	close(from);
	if (fd < 0 || rename_new(dir, fresh, name)) {
		say(o, FAILED, errno, "cannot be put back");
		if (fd >= 0) {
			close(fd);
			unlinkat(dir, fresh, 0);
		}
		return -1;
	}
	meta_seal(dir, fd, r->meta);
	fsync(dir);
	close(fd);
	say(o, UNDONE, 0, missed ? "not all of owner, mode and attributes could be set" : "");
	return 0;
}

static void quarantine_undo(const struct op *op, struct record *r, struct outcome *o)
{
	const char *name;
	char aside[64], hex[HEX];
	struct stat st;
	int dir = open_parent(op, &name), fd = -1, missed = 0;

	if (dir < 0) {
		say(o, FAILED, errno, "its folder cannot be opened");
		return;
	}
	if (journal_add(op->id, S_UNDOING, "")) {
		say(o, FAILED, errno, "the journal cannot be written");
		goto out;
	}
	sweep(op, r, dir);
	/* Killed while it was being removed: the file itself may still stand beside its place. */
	beside(aside, op, "old");
	fd = open_regular(dir, aside, &st);
	if (fd >= 0 && !sha_fd(fd, st.st_size, hex) && !strcmp(hex, op->sha))
		rename_new(dir, aside, name);
	if (fd >= 0)
		close(fd);
	fd = open_regular(dir, name, &st);
	if (fd >= 0 && !sha_fd(fd, st.st_size, hex) && !strcmp(hex, op->sha)) {
		meta_give(fd, r->meta, 1, &missed);
		meta_seal(dir, fd, r->meta);
		say(o, UNDONE, 0, missed ? "not all of owner, mode and attributes could be set" : "");
	} else if (fd >= 0 || errno != ENOENT) {
		say(o, CHANGED, 0, "something else stands in its place; left alone");
		goto out;
	} else if (put_back(op, r, dir, name, op->sha, o)) {
		goto out;
	}
	if (journal_add(op->id, S_UNDONE, ""))
		say(o, FAILED, errno, "put back, but the journal cannot be written");
	else
		kept_drop(op, op->sha);
out:
	if (fd >= 0)
		close(fd);
	close(dir);
}
