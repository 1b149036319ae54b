/* link: a symbolic link with one exact target, as those that enable a unit. */

static int link_look(const struct op *op, struct outcome *o, int *dir, const char **name, struct stat *st)
{
	char target[4097];
	ssize_t n;

	*dir = open_parent(op, name);
	if (*dir < 0 || fstatat(*dir, *name, st, AT_SYMLINK_NOFOLLOW)) {
		say_unopened(o, op);
		return -1;
	}
	n = S_ISLNK(st->st_mode) ? readlinkat(*dir, *name, target, sizeof target) : 0;
	if (n < 0 || (size_t)n != op->length || memcmp(target, op->text, op->length)) {
		say(o, CHANGED, 0, "points elsewhere; left alone");
		return -1;
	}
	say(o, WOULD, 0, "");
	return 0;
}

static void link_plan(const struct op *op, struct outcome *o)
{
	const char *name;
	struct stat st;
	int dir;

	link_look(op, o, &dir, &name, &st);
	close(dir);
}

static void link_apply(const struct op *op, struct record *r, struct outcome *o)
{
	const char *name;
	char aside[64], fields[300];
	struct stat st, moved, parent;
	int dir;

	beside(aside, op, "old");
	if (link_look(op, o, &dir, &name, &st)) {
		if (r->state == S_KEPT && o->result == ABSENT && dir >= 0) {
			unlinkat(dir, aside, 0);
			if (journal_add(op->id, S_DONE, "resumed"))
				say(o, FAILED, errno, "cannot finish what an earlier run began");
			else
				say(o, DONE, 0, "finished what an earlier run began");
		}
		goto out;
	}
	if (fstat(dir, &parent)) {
		say(o, FAILED, errno, "cannot be looked at");
		goto out;
	}
	snprintf(fields, sizeof fields, "uid=%u gid=%u at=%lld an=%ld mt=%lld mn=%ld pt=%lld pn=%ld", st.st_uid, st.st_gid, (long long)st.st_atim.tv_sec,
		 st.st_atim.tv_nsec, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long)parent.st_mtim.tv_sec, parent.st_mtim.tv_nsec);
	/* What a killed run announced stands, the folder's time above all. */
	if (((r->state != S_BEGUN && r->state != S_KEPT) && journal_add(op->id, S_BEGUN, fields)) || journal_add(op->id, S_KEPT, "")) {
		say(o, FAILED, errno, "the journal cannot be written, so it stays");
		goto out;
	}
	unlinkat(dir, aside, 0);
	if (rename_new(dir, name, aside)) {
		say(o, FAILED, errno, "cannot be removed");
	} else if (fstatat(dir, aside, &moved, AT_SYMLINK_NOFOLLOW) || moved.st_ino != st.st_ino || moved.st_dev != st.st_dev) {
		rename_new(dir, aside, name);
		say(o, CHANGED, 0, "changed while it was looked at; left alone");
	} else if (unlinkat(dir, aside, 0) || fsync(dir)) {
		say(o, FAILED, errno, "cannot be removed");
	} else if (journal_add(op->id, S_DONE, "")) {
		say(o, FAILED, errno, "removed, but the journal cannot be written");
	} else {
		say(o, DONE, 0, "");
	}
out:
	close(dir);
}

static void link_undo(const struct op *op, struct record *r, struct outcome *o)
{
	const char *name, *m = r->meta;
	char aside[64], fresh[64], target[4097];
	int dir = open_parent(op, &name);
	struct timespec t[2], folder[2] = { { 0, UTIME_OMIT }, { 0, 0 } };
	ssize_t n;

	if (dir < 0) {
		say(o, FAILED, errno, "its folder cannot be opened");
		return;
	}
	if (journal_add(op->id, S_UNDOING, "")) {
		say(o, FAILED, errno, "the journal cannot be written");
		goto out;
	}
	beside(aside, op, "old");
	beside(fresh, op, "new");
	rename_new(dir, aside, name);
	unlinkat(dir, aside, 0);
	unlinkat(dir, fresh, 0);
	n = readlinkat(dir, name, target, sizeof target);
	if (n >= 0 || errno != ENOENT) {
		if (n < 0 || (size_t)n != op->length || memcmp(target, op->text, op->length)) {
			say(o, CHANGED, 0, "something else stands in its place; left alone");
			goto out;
		}
	} else if (symlinkat(op->text, dir, fresh) ||
		   fchownat(dir, fresh, (uid_t)journal_number(m, "uid"), (gid_t)journal_number(m, "gid"), AT_SYMLINK_NOFOLLOW) ||
		   rename_new(dir, fresh, name)) {
		say(o, FAILED, errno, "cannot be put back");
		unlinkat(dir, fresh, 0);
		goto out;
	}
	t[0].tv_sec = journal_number(m, "at");
	t[0].tv_nsec = (long)journal_number(m, "an");
	t[1].tv_sec = journal_number(m, "mt");
	t[1].tv_nsec = (long)journal_number(m, "mn");
	utimensat(dir, name, t, AT_SYMLINK_NOFOLLOW);
	folder[1].tv_sec = journal_number(m, "pt");
	folder[1].tv_nsec = (long)journal_number(m, "pn");
	futimens(dir, folder);
	fsync(dir);
	if (journal_add(op->id, S_UNDONE, ""))
		say(o, FAILED, errno, "put back, but the journal cannot be written");
	else
		say(o, UNDONE, 0, "");
out:
	close(dir);
}
