/*
 * store: bytes and all that belongs to them (mode, owner, times, attributes, flags) into the quarantine and back.
 */

#define GET_FLAGS 0x80086601ul
#define SET_FLAGS 0x40086602ul
#define FIXED_FLAGS 0x30          /* immutable, append only */

/* Names beside a file, for the moments in which it changes. */
static void beside(char out[64], const struct op *op, const char *what)
{
	snprintf(out, 64, ".muss-%.8s-%u.%s", plan_id, op->id, what);
}

/* What a killed run left beside a file; the name is ours once the journal has the operation. */
static void sweep(const struct op *op, const struct record *r, int dir)
{
	char fresh[64];

	if (dir < 0 || (r->state != S_KEPT && r->state != S_UNDOING))
		return;
	beside(fresh, op, "new");
	unlinkat(dir, fresh, 0);
}

static int rename_how(int dir, const char *from, const char *to, unsigned how)
{
	return (int)syscall(SYS_renameat2, dir, from, dir, to, how);
}

static int no_such_rename(void)
{
	return errno == EINVAL || errno == ENOSYS || errno == EPERM;
}

/* Without taking anybody's place. */
static int rename_new(int dir, const char *from, const char *to)
{
	if (!rename_how(dir, from, to, RENAME_NOREPLACE))
		return 0;
	if (!no_such_rename() || linkat(dir, from, dir, to, 0))
		return -1;
	return unlinkat(dir, from, 0);
}

static long get_flags(int fd)
{
	long flags = 0;

	return ioctl(fd, GET_FLAGS, &flags) ? 0 : flags;
}

/* Clears what forbids to rename or change the file; it stands in the journal by then. */
static void clear_flags(int fd)
{
	long flags = get_flags(fd);

	if (flags & FIXED_FLAGS) {
		flags &= ~(long)FIXED_FLAGS;
		ioctl(fd, SET_FLAGS, &flags);
	}
}

/* What a file is besides its bytes, as a journal's fields. -1 with errno. */
static int meta_take(int dir, int fd, const struct stat *st, struct text *t)
{
	char head[400], *names = NULL, *value = NULL;
	struct stat parent;
	ssize_t n = flistxattr(fd, NULL, 0);
	int rc = -1;

	if (fstat(dir, &parent))
		return -1;
	snprintf(head, sizeof head, "mode=%u uid=%u gid=%u size=%lld at=%lld an=%ld mt=%lld mn=%ld pt=%lld pn=%ld fl=%ld dev=%llu ino=%llu x=",
		 (unsigned)st->st_mode & 07777, st->st_uid, st->st_gid, (long long)st->st_size, (long long)st->st_atim.tv_sec,
		 st->st_atim.tv_nsec, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec, (long long)parent.st_mtim.tv_sec,
		 parent.st_mtim.tv_nsec, get_flags(fd) & FIXED_FLAGS, (unsigned long long)st->st_dev, (unsigned long long)st->st_ino);
	text_puts(t, head);
	if (n > 0) {
		names = must(malloc((size_t)n));
		n = flistxattr(fd, names, (size_t)n);
		if (n < 0)
			goto out;
		value = must(malloc(65536));
		for (char *p = names; p < names + n; p += strlen(p) + 1) {
			ssize_t k = fgetxattr(fd, p, value, 65536);

			if (k < 0)
				continue;
			text_hex(t, p, strlen(p));
			text_add(t, ":", 1);
			text_hex(t, value, (size_t)k);
			text_add(t, ",", 1);
		}
	}
	text_puts(t, ".");
	rc = 0;
out:
	free(names);
	free(value);
	return rc;
}

/*
 * Announces the act: what the file is goes into the journal. A run that was killed had announced it already; what it saw
 * then is what undo must bring back (flags and the folder's time may be others by now).
 */
static int begin(const struct op *op, const struct record *r, int dir, int fd, const struct stat *st, struct text *meta)
{
	if ((r->state == S_BEGUN || r->state == S_KEPT) && r->meta && journal_number(r->meta, "ino") == (long long)st->st_ino &&
	    journal_number(r->meta, "size") == st->st_size && journal_number(r->meta, "mt") == st->st_mtim.tv_sec &&
	    journal_number(r->meta, "mn") == st->st_mtim.tv_nsec) {
		text_puts(meta, r->meta);
		return 0;
	}
	return meta_take(dir, fd, st, meta) || journal_add(op->id, S_BEGUN, meta->p) ? -1 : 0;
}

static int unhex(const char *s, size_t n, char *out)
{
	for (size_t i = 0; i + 1 < n; i += 2) {
		char two[3] = { s[i], s[i + 1], 0 };

		if (!isxdigit((unsigned char)two[0]) || !isxdigit((unsigned char)two[1]))
			return -1;
		out[i / 2] = (char)strtoul(two, NULL, 16);
	}
	return n % 2 ? -1 : 0;
}

/* Owner, attributes, mode; times with `times`. What the file system doesn't take is said in *missed. */
static void meta_give(int fd, const char *meta, int times, int *missed)
{
	size_t n;
	const char *x = journal_field(meta, "x", &n), *end = x ? x + n : NULL;
	struct timespec t[2];

	clear_flags(fd);
	if (fchown(fd, (uid_t)journal_number(meta, "uid"), (gid_t)journal_number(meta, "gid")))
		*missed = 1;
	while (x && x < end && *x != '.') {
		const char *colon = memchr(x, ':', (size_t)(end - x));
		const char *comma = memchr(x, ',', (size_t)(end - x));
		char *name, *value;

		if (!colon || !comma || colon > comma)
			break;
		name = must(calloc(1, (size_t)(colon - x) / 2 + 1));
		value = must(calloc(1, (size_t)(comma - colon) / 2 + 1));
		if (unhex(x, (size_t)(colon - x), name) || unhex(colon + 1, (size_t)(comma - colon - 1), value) ||
		    fsetxattr(fd, name, value, (size_t)(comma - colon - 1) / 2, 0))
			*missed = 1;
		free(name);
		free(value);
		x = comma + 1;
	}
	if (fchmod(fd, (mode_t)journal_number(meta, "mode")))
		*missed = 1;
	if (!times)
		return;
	t[0].tv_sec = journal_number(meta, "at");
	t[0].tv_nsec = (long)journal_number(meta, "an");
	t[1].tv_sec = journal_number(meta, "mt");
	t[1].tv_nsec = (long)journal_number(meta, "mn");
	if (futimens(fd, t))
		*missed = 1;
}

/* The last step of a restore: flags, which would forbid all others, and the folder's own time. */
static void meta_seal(int dir, int fd, const char *meta)
{
	long flags = (long)journal_number(meta, "fl");
	struct timespec t[2] = { { 0, UTIME_OMIT }, { (time_t)journal_number(meta, "pt"), (long)journal_number(meta, "pn") } };

	if (flags) {
		flags |= get_flags(fd);
		ioctl(fd, SET_FLAGS, &flags);
	}
	futimens(dir, t);
}

static void kept_name(char out[96], const struct op *op, const char *sha)
{
	snprintf(out, 96, "%u-%s", op->id, sha);
}

/* What is kept has mode 0000, which root's rights override where root has them all. */
static int open_kept(const char *name)
{
	int fd = openat(quarantine, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 || errno != EACCES || fstatat(quarantine, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return fd;
	if (fchmodat(quarantine, name, 0400, 0))
		return -1;
	fd = openat(quarantine, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	fchmodat(quarantine, name, 0, 0);
	return fd;
}

/* Copies the bytes of fd, whose digest must be sha, into the quarantine: there and on the disk when it returns.
 * EBADMSG when the bytes are others. */
static int keep_copy(const struct op *op, int fd, const char *sha)
{
	static char chunk[65536];
	char name[96], part[104], hex[HEX];
	long long limit = (long long)1 << 40;
	int out = -1, rc = -1, keep;
	off_t at = 0;

	kept_name(name, op, sha);
	snprintf(part, sizeof part, "%s.part", name);
	out = open_kept(name);
	if (out >= 0) {
		rc = sha_fd(out, limit, hex);
		close(out);
		out = -1;
		if (!rc && !strcmp(hex, sha))
			return 0;
		rc = -1;
		if (unlinkat(quarantine, name, 0))
			return -1;
	}
	if (unlinkat(quarantine, part, 0) && errno != ENOENT)
		return -1;
	out = openat(quarantine, part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -1;
	for (;;) {
		ssize_t n = pread(fd, chunk, sizeof chunk, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || write_all(out, chunk, (size_t)n))
			goto out;
		if (!n)
			break;
		at += n;
	}
	if (fchmod(out, 0) || fsync(out) || sha_fd(out, limit, hex))
		goto out;
	if (strcmp(hex, sha)) {
		errno = EBADMSG;
		goto out;
	}
	if (renameat(quarantine, part, quarantine, name) || fsync(quarantine))
		goto out;
	rc = 0;
out:
	keep = errno;
	close(out);
	if (rc)
		unlinkat(quarantine, part, 0);
	errno = keep;
	return rc;
}

/* The kept bytes into memory or a descriptor; digest checked. */
static int kept_open(const struct op *op, const char *sha)
{
	char name[96], hex[HEX];
	int fd;

	kept_name(name, op, sha);
	fd = open_kept(name);
	if (fd < 0)
		return -1;
	if (sha_fd(fd, (long long)1 << 40, hex) || strcmp(hex, sha)) {
		close(fd);
		errno = EBADMSG;
		return -1;
	}
	return fd;
}

static void kept_drop(const struct op *op, const char *sha)
{
	char name[96];

	kept_name(name, op, sha);
	unlinkat(quarantine, name, 0);
	fsync(quarantine);
}

/* A new file `name`, from memory or (from >= 0) from a descriptor, with meta's owner, mode, attributes; times with `times`. Open for reading, or -1. */
static int write_new(int dir, const char *name, int from, const void *bytes, size_t n, const char *meta, int times, int *missed)
{
	static char chunk[65536];
	int out, keep, bad = 0;
	off_t at = 0;

	if (unlinkat(dir, name, 0) && errno != ENOENT)
		return -1;
	out = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -1;
	if (from < 0)
		bad = write_all(out, bytes, n);
	while (from >= 0 && !bad) {
		ssize_t k = pread(from, chunk, sizeof chunk, at);

		if (k < 0 && errno == EINTR)
			continue;
		if (k == 0)
			break;
		bad = k < 0 || write_all(out, chunk, (size_t)k);
		at += k;
	}
	if (!bad) {
		meta_give(out, meta, times, missed);
		bad = fsync(out);
	}
	if (!bad)
		return out;
	keep = errno;
	close(out);
	unlinkat(dir, name, 0);
	errno = keep;
	return -1;
}

/*
 * Takes `name` away, provided it is still the inode and the bytes that were looked at: it is moved aside first and
 * looked at again there, so that nothing which was put in its place meanwhile is lost. 1: it was another; it is back.
 */
static int take_away(int dir, const char *name, const char *aside, int fd, const char *sha)
{
	struct stat st, mine;
	char hex[HEX];

	if (fstat(fd, &mine))
		return -1;
	if (rename_new(dir, name, aside))
		return -1;
	if (fstatat(dir, aside, &st, AT_SYMLINK_NOFOLLOW) || st.st_ino != mine.st_ino || st.st_dev != mine.st_dev ||
	    sha_fd(fd, mine.st_size, hex) || strcmp(hex, sha)) {
		if (rename_new(dir, aside, name))
			return -1;
		return 1;
	}
	return unlinkat(dir, aside, 0) || fsync(dir) ? -1 : 0;
}

/* Puts `fresh` in the place of `name`, which is the open file fd of digest sha; the same promise. */
static int exchange(int dir, const char *name, const char *fresh, int fd, const char *sha)
{
	struct stat st, mine;
	char hex[HEX];

	if (fstat(fd, &mine))
		return -1;
	if (rename_how(dir, fresh, name, RENAME_EXCHANGE)) {
		if (!no_such_rename())
			return -1;
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || st.st_ino != mine.st_ino || sha_fd(fd, mine.st_size, hex) || strcmp(hex, sha))
			return 1;
		return renameat(dir, fresh, dir, name) || fsync(dir) ? -1 : 0;
	}
	if (fstatat(dir, fresh, &st, AT_SYMLINK_NOFOLLOW) || st.st_ino != mine.st_ino || st.st_dev != mine.st_dev ||
	    sha_fd(fd, mine.st_size, hex) || strcmp(hex, sha)) {
		if (rename_how(dir, fresh, name, RENAME_EXCHANGE))
			return -1;
		return 1;
	}
	return unlinkat(dir, fresh, 0) || fsync(dir) ? -1 : 0;
}
