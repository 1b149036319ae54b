/*
 * journal: the quarantine folder and what was done, in the order it was done. Each record is written and on the disk
 * before the act that it announces, and carries a checksum over itself and its predecessor's: a run that was killed
 * anywhere is taken up where it stopped. A last record that was cut short was never acted upon, and is dropped.
 */

enum state { S_NONE, S_BEGUN, S_KEPT, S_DONE, S_UNDOING, S_UNDONE, S_COUNT };
static const char *const state_names[S_COUNT] = { "none", "begun", "kept", "done", "undoing", "undone" };

struct record {
	enum state state;
	char *meta;       /* of the last "begun": what the file was */
	char *kept;       /* of the last "kept" */
};
static struct record *records;       /* one an operation */
static int quarantine = -1, journal = -1;
static unsigned long long journal_next;
static char journal_check[HEX];
static const char base_folder[] = "/var/lib/muss/quarantine";

static void journal_sum(const char *line, size_t n, char hex[HEX])
{
	struct sha s;

	sha_begin(&s);
	sha_add(&s, journal_check, strlen(journal_check));
	sha_add(&s, line, n);
	sha_end(&s, hex);
	hex[16] = 0;
}

/* "SEQ ID STATE FIELDS CHECK\n", on the disk when this returns. -1 with errno. */
static int journal_add(unsigned id, enum state state, const char *fields)
{
	struct text t = { 0 };
	char head[64], check[HEX];
	off_t end = lseek(journal, 0, SEEK_END);
	int rc = -1;

	snprintf(head, sizeof head, "%llu %u %s ", journal_next, id, state_names[state]);
	text_puts(&t, head);
	text_puts(&t, fields && *fields ? fields : "-");
	text_add(&t, " ", 1);
	journal_sum(t.p, t.len, check);
	text_add(&t, check, 16);
	text_add(&t, "\n", 1);
	if (end >= 0 && !write_all(journal, t.p, t.len) && !fsync(journal)) {
		memcpy(journal_check, check, sizeof check);
		journal_next++;
		rc = 0;
	} else if (end >= 0) {
		int keep = errno;

		/* Half a record would be taken for damage once another stands behind it. */
		if (ftruncate(journal, end))
			keep = EIO;
		errno = keep;
	}
	free(t.p);
	return rc;
}

static int journal_take(unsigned id, enum state state, const char *fields, size_t n)
{
	for (size_t i = 0; i < op_count; i++) {
		struct record *r = &records[i];

		if (ops[i].id != id)
			continue;
		if (state == S_BEGUN) {
			free(r->meta);
			r->meta = must(strndup(fields, n));
		} else if (state == S_KEPT) {
			free(r->kept);
			r->kept = must(strndup(fields, n));
		}
		r->state = state;
		return 0;
	}
	return id == 0 ? 0 : -1;
}

static int journal_parse(char *line, size_t n)
{
	char *p = line, *fields, check[HEX];
	unsigned long long seq;
	unsigned long id;
	int state;

	if (n < 20 || line[n - 17] != ' ')
		return -1;
	journal_sum(line, n - 16, check);
	if (memcmp(check, line + n - 16, 16))
		return -1;
	seq = strtoull(p, &p, 10);
	if (seq != journal_next || *p != ' ')
		return -1;
	id = strtoul(p + 1, &p, 10);
	if (*p++ != ' ')
		return -1;
	for (state = 0; state < S_COUNT; state++) {
		size_t k = strlen(state_names[state]);

		if (!strncmp(p, state_names[state], k) && p[k] == ' ')
			break;
	}
	if (state == S_COUNT)
		return -1;
	fields = p + strlen(state_names[state]) + 1;
	if (fields > line + n - 17 || journal_take((unsigned)id, (enum state)state, fields, (size_t)(line + n - 17 - fields)))
		return -1;
	memcpy(journal_check, check, sizeof check);
	journal_next++;
	return 0;
}

/* Reads what is there. A bad record with nothing behind it is the one that was being written. */
static int journal_load(void)
{
	struct text t = { 0 };
	size_t at = 0;
	int rc = -1;

	snprintf(journal_check, sizeof journal_check, "%s", plan_id);
	if (read_all(journal, CAP_JOURNAL, &t))
		goto out;
	while (at < t.len) {
		char *line = t.p + at, *end = memchr(line, '\n', t.len - at);

		if (!end || journal_parse(line, (size_t)(end - line))) {
			if (end && end + 1 < t.p + t.len) {
				errno = EBADMSG;
				goto out;
			}
			break;
		}
		at = (size_t)(end + 1 - t.p);
	}
	if (at < t.len && (fcntl(journal, F_GETFL) & O_ACCMODE) != O_RDONLY && ftruncate(journal, (off_t)at))
		goto out;
	rc = 0;
out:
	free(t.p);
	return rc;
}

/* One step towards the quarantine: a folder of ours that nobody else may write to. */
static int step_into(int dir, const char *name, int make, int ours)
{
	struct stat st;
	int fd, created = 0;

	if (make && !mkdirat(dir, name, 0700))
		created = 1;
	else if (make && errno != EEXIST)
		return -1;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || !ours)
		return fd;
	if (created && fsync(dir)) {
		close(fd);
		return -1;
	}
	if (fstat(fd, &st) || st.st_uid != geteuid() || (st.st_mode & 022)) {
		close(fd);
		errno = EPERM;
		return -1;
	}
	return fd;
}

/* Opens quarantine and journal and takes the lock. 0; -1 errno, ENOENT when nothing is there and make is 0. */
static int quarantine_open(int make, int writing)
{
	char path[sizeof base_folder + 40], *p = path + 1;
	int dir = open_folder("/"), depth = 0;

	snprintf(path, sizeof path, "%s/%s", base_folder, plan_id);
	if (quarantine >= 0) {
		close(dir);
		return 0;
	}
	while (dir >= 0 && p) {
		char *name = strsep(&p, "/");
		int next = step_into(dir, name, make, depth++ >= 2), keep = errno;

		close(dir);
		errno = keep;
		dir = next;
	}
	if (dir < 0)
		return -1;
	journal = openat(dir, "journal", (writing ? O_RDWR | O_APPEND : O_RDONLY) | (make ? O_CREAT : 0) | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (journal < 0 || (writing && flock(journal, LOCK_EX | LOCK_NB)) || journal_load()) {
		int keep = errno;

		close(dir);
		if (journal >= 0)
			close(journal);
		journal = -1;
		errno = keep;
		return -1;
	}
	quarantine = dir;
	return make ? fsync(dir) : 0;
}

static const char *journal_field(const char *fields, const char *key, size_t *n)
{
	size_t k = strlen(key);

	for (const char *p = fields; p && *p; p = strchr(p, ' ')) {
		while (*p == ' ')
			p++;
		if (!strncmp(p, key, k) && p[k] == '=') {
			*n = strcspn(p + k + 1, " ");
			return p + k + 1;
		}
	}
	*n = 0;
	return NULL;
}

static long long journal_number(const char *fields, const char *key)
{
	size_t n;
	const char *p = journal_field(fields, key, &n);

	return p ? strtoll(p, NULL, 10) : 0;
}
