/*
 * terminate: processes that run exactly this code. All of them are stopped before the first is killed, so that none can
 * restart another; each is held by a pidfd and looked at again once it stands still, so that a number that was given to
 * somebody else meanwhile, or a process that became another program, is never hit.
 */

#define ROUNDS 12              /* of looking for what appeared meanwhile */

struct victim {
	int pid, pidfd, dir;           /* dir: /proc/PID, which stays this process's */
	size_t op;
	unsigned long long start;
	int by_exe;
	struct stat exe;
};
static struct victim *victims;
static size_t victim_count, victim_cap;
static unsigned unseen_processes;

static struct {
	struct stat st;
	char hex[HEX];
} hashed[64];
static unsigned hashed_count;

/* Is the open file this size and digest? What was hashed once is remembered by inode and times. */
static int is_code(int fd, const struct op *op, struct stat *st)
{
	char hex[HEX];

	if (fstat(fd, st) || !S_ISREG(st->st_mode) || st->st_size != op->size)
		return 0;
	for (unsigned i = 0; i < hashed_count; i++) {
		const struct stat *h = &hashed[i].st;

		if (h->st_dev == st->st_dev && h->st_ino == st->st_ino && h->st_size == st->st_size &&
		    h->st_mtim.tv_sec == st->st_mtim.tv_sec && h->st_mtim.tv_nsec == st->st_mtim.tv_nsec &&
		    h->st_ctim.tv_sec == st->st_ctim.tv_sec && h->st_ctim.tv_nsec == st->st_ctim.tv_nsec)
			return !strcmp(hashed[i].hex, op->sha);
	}
	if (sha_fd(fd, op->size, hex))
		return 0;
	if (hashed_count < sizeof hashed / sizeof *hashed) {
		hashed[hashed_count].st = *st;
		memcpy(hashed[hashed_count++].hex, hex, HEX);
	}
	return !strcmp(hex, op->sha);
}

/* Does /proc/PID/exe name this path, deleted or not? */
static int exe_is(int dir, const char *path)
{
	static const char gone[] = " (deleted)";
	static char link[4200];
	ssize_t n = readlinkat(dir, "exe", link, sizeof link - 1);
	size_t k = strlen(path);

	if (n < 0)
		return 0;
	link[n] = 0;
	return !strcmp(link, path) || (!strncmp(link, path, k) && !strcmp(link + k, gone));
}

/* State letter and start time; 0 when the process is no more. */
static char stat_of(int dir, unsigned long long *start)
{
	struct text t = { 0 };
	char *p, state = 0;

	if (!read_proc(dir, "stat", &t) && (p = strrchr(t.p, ')')) && p[1] == ' ' && p[2]) {
		state = p[2];
		p += 2;
		for (int i = 3; i < 22 && p; i++)
			p = strchr(p + 1, ' ');
		*start = p ? strtoull(p, NULL, 10) : 0;
	}
	free(t.p);
	return state;
}

static int maps_code(int dir, const struct op *op)
{
	struct text t = { 0 };
	char *line, *rest;
	unsigned long long last = 0;
	int found = 0;

	if (read_proc(dir, "maps", &t))
		goto out;
	rest = t.p;
	while (!found && (line = strsep(&rest, "\n"))) {
		char range[64], perms[8], name[96];
		unsigned long long inode;
		struct stat st;
		int fd;

		if (sscanf(line, "%63s %7s %*s %*s %llu", range, perms, &inode) != 3 || !inode || perms[2] != 'x' || inode == last)
			continue;
		last = inode;
		snprintf(name, sizeof name, "map_files/%s", range);
		fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		found = is_code(fd, op, &st);
		close(fd);
	}
out:
	free(t.p);
	return found;
}

/* The interpreter holds the script open, or its first argument that is no option names it. */
static int runs_script(int dir, const struct op *op)
{
	struct text t = { 0 };
	struct stat st;
	int found = 0, fds, fd;
	DIR *d;

	if (!exe_is(dir, op->text))
		return 0;
	fds = openat(dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fds >= 0 ? fdopendir(fds) : NULL;
	for (struct dirent *e; d && !found && (e = readdir(d));) {
		if (fstatat(fds, e->d_name, &st, 0) || !S_ISREG(st.st_mode) || st.st_size != op->size)
			continue;
		fd = openat(fds, e->d_name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0) {
			found = is_code(fd, op, &st);
			close(fd);
		}
	}
	if (d)
		closedir(d);
	if (!found && !read_proc(dir, "cmdline", &t)) {
		size_t at = strlen(t.p) + 1;

		while (at < t.len && t.p[at] == '-')
			at += strlen(t.p + at) + 1;
		if (at < t.len && !strcmp(t.p + at, op->path)) {
			const char *name;
			int parent = open_parent(op, &name);

			fd = parent >= 0 ? open_regular(parent, name, &st) : -1;
			found = fd >= 0 && is_code(fd, op, &st);
			if (fd >= 0)
				close(fd);
			if (parent >= 0)
				close(parent);
		}
	}
	free(t.p);
	return found;
}

static int runs(int dir, int pid, const struct op *op, int exe, unsigned long long start, struct victim *v)
{
	if ((op->flags & ONLY) && (pid != op->pid || start != op->start))
		return 0;
	v->by_exe = 0;
	if (op->flags & SCRIPT)
		return runs_script(dir, op);
	if (is_code(exe, op, &v->exe) && (!op->path || exe_is(dir, op->path))) {
		v->by_exe = 1;
		return 1;
	}
	return (op->flags & MAPPED) && maps_code(dir, op);
}

static int is_known(int pid, unsigned long long start)
{
	for (size_t i = 0; i < victim_count; i++)
		if (victims[i].pid == pid && victims[i].start == start)
			return 1;
	return 0;
}

/* One look at every process; each new match is added. Returns how many. */
static size_t look_for(void)
{
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = proc >= 0 ? fdopendir(proc) : NULL;
	size_t fresh = 0;

	unseen_processes = 0;
	for (struct dirent *e; d && (e = readdir(d));) {
		struct victim v = { .pid = atoi(e->d_name), .pidfd = -1 };
		int exe;

		if (v.pid <= 0 || v.pid == getpid())
			continue;
		v.dir = openat(proc, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (v.dir < 0)
			continue;
		exe = openat(v.dir, "exe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (exe < 0) {
			if (errno == EACCES || errno == EPERM)
				unseen_processes++;
			close(v.dir);
			continue;
		}
		if (!stat_of(v.dir, &v.start) || is_known(v.pid, v.start)) {
			close(exe);
			close(v.dir);
			continue;
		}
		for (v.op = 0; v.op < op_count; v.op++)
			if (ops[v.op].kind == OP_TERMINATE && runs(v.dir, v.pid, &ops[v.op], exe, v.start, &v))
				break;
		close(exe);
		if (v.op == op_count) {
			close(v.dir);
			continue;
		}
		if (victim_count == victim_cap) {
			victim_cap = victim_cap ? victim_cap * 2 : 16;
			victims = must(realloc(victims, victim_cap * sizeof *victims));
		}
		victims[victim_count++] = v;
		fresh++;
	}
	if (d)
		closedir(d);
	return fresh;
}

static int send_signal(const struct victim *v, int sig)
{
	if (v->pidfd >= 0)
		return (int)syscall(SYS_pidfd_send_signal, v->pidfd, sig, NULL, 0);
	return kill(v->pid, sig);
}

static int is_alive(const struct victim *v)
{
	unsigned long long start = 0;
	char state = stat_of(v->dir, &start);

	return state && state != 'Z' && state != 'X' && start == v->start;
}

static void rest(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* Holds the process and stops it. 0 when it is not what was found any more. */
static int hold(struct victim *v)
{
	unsigned long long start;
	struct stat st;

	if (v->pid == 1)
		return 0;
	v->pidfd = (int)syscall(SYS_pidfd_open, v->pid, 0);
	/* Its folder still answers, so the number was still its own when the pidfd was opened. */
	if (!stat_of(v->dir, &start) || start != v->start || send_signal(v, SIGSTOP))
		return 0;
	for (int i = 0; i < 50; i++) {
		char state = stat_of(v->dir, &start);

		if (!state || state == 'T' || state == 't' || state == 'Z')
			break;
		rest(1);
	}
	if (v->by_exe && (fstatat(v->dir, "exe", &st, 0) || st.st_ino != v->exe.st_ino || st.st_dev != v->exe.st_dev)) {
		if (is_alive(v))
			send_signal(v, SIGCONT);
		return 0;
	}
	return 1;
}

static void victims_free(void)
{
	for (size_t i = 0; i < victim_count; i++) {
		if (victims[i].pidfd >= 0)
			close(victims[i].pidfd);
		close(victims[i].dir);
	}
	free(victims);
	victims = NULL;
	victim_count = victim_cap = 0;
}

static void terminate_say(const struct op *op, struct outcome *o, enum result how)
{
	size_t n = 0, at;
	char list[100] = "";

	for (size_t i = 0; i < victim_count; i++) {
		if (&ops[victims[i].op] != op)
			continue;
		at = strlen(list);
		if (at < sizeof list - 16)
			snprintf(list + at, sizeof list - at, " %d", victims[i].pid);
		n++;
	}
	if (n && o->result != FAILED) {
		say(o, how, 0, "");
		snprintf(o->detail, sizeof o->detail, "%u process%s:%s", (unsigned)n, n == 1 ? "" : "es", list);
	} else if (o->result == NONE) {
		say(o, ABSENT, 0, "");
		if (unseen_processes)
			snprintf(o->detail, sizeof o->detail, "%u processes could not be looked at", unseen_processes);
	}
}

static void terminate_plan(void)
{
	look_for();
	for (size_t i = 0; i < op_count; i++)
		if (ops[i].kind == OP_TERMINATE)
			terminate_say(&ops[i], &outcomes[i], WOULD);
	victims_free();
}

/* Kills what runs the code, until a look finds no more of it. */
static void terminate_all(void)
{
	static size_t done;
	int round;

	for (size_t i = 0; i < op_count; i++)
		if (ops[i].kind == OP_TERMINATE)
			outcomes[i].result = NONE;
	for (round = 0; round < ROUNDS; round++) {
		size_t first = victim_count;

		while (look_for() && victim_count - first < 4096) {
			for (; done < victim_count; done++) {
				struct victim *v = &victims[done];
				struct outcome *o = &outcomes[v->op];

				if (v->pid == 1)
					say(o, FAILED, 0, "it is process 1 and cannot be ended from within");
				else
					hold(v);
			}
		}
		if (victim_count == first)
			break;
		for (size_t i = first; i < victim_count; i++)
			if (victims[i].pid != 1 && is_alive(&victims[i]) && send_signal(&victims[i], SIGKILL) && errno != ESRCH)
				say(&outcomes[victims[i].op], FAILED, errno, "cannot be ended");
		for (size_t i = first; i < victim_count; i++)
			for (int ms = 0; ms < 3000 && victims[i].pid != 1 && is_alive(&victims[i]); ms++)
				rest(1);
		for (size_t i = first; i < victim_count; i++)
			if (victims[i].pid != 1 && is_alive(&victims[i]))
				say(&outcomes[victims[i].op], FAILED, 0, "does not end");
	}
	for (size_t i = 0; i < op_count; i++)
		if (ops[i].kind == OP_TERMINATE)
			terminate_say(&ops[i], &outcomes[i], DONE);
	if (round == ROUNDS)
		for (size_t i = 0; i < op_count; i++)
			if (ops[i].kind == OP_TERMINATE && outcomes[i].result == DONE)
				say(&outcomes[i], FAILED, 0, "it comes back as often as it is ended");
}
