/* main: looks at everything, then acts: processes first, then files in a confined child, then processes again. */

static void file_plan(size_t i)
{
	switch (ops[i].kind) {
#ifdef WITH_QUARANTINE
	case OP_QUARANTINE:
		quarantine_plan(&ops[i], &outcomes[i]);
		break;
#endif
#ifdef WITH_LINE
	case OP_LINE:
		line_plan(&ops[i], &outcomes[i]);
		break;
#endif
#ifdef WITH_LINK
	case OP_LINK:
		link_plan(&ops[i], &outcomes[i]);
		break;
#endif
	default:
		break;
	}
}

static void file_apply(size_t i)
{
	switch (ops[i].kind) {
#ifdef WITH_QUARANTINE
	case OP_QUARANTINE:
		quarantine_apply(&ops[i], &records[i], &outcomes[i]);
		break;
#endif
#ifdef WITH_LINE
	case OP_LINE:
		line_apply(&ops[i], &records[i], &outcomes[i]);
		break;
#endif
#ifdef WITH_LINK
	case OP_LINK:
		link_apply(&ops[i], &records[i], &outcomes[i]);
		break;
#endif
	default:
		break;
	}
}

static void file_undo(size_t i)
{
	struct record *r = &records[i];

	if (r->state != S_KEPT && r->state != S_DONE && r->state != S_UNDOING) {
		say(&outcomes[i], ABSENT, 0, r->state == S_UNDONE ? "undone by an earlier run" : "nothing was done");
		return;
	}
	if (!r->meta) {
		say(&outcomes[i], FAILED, 0, "the journal does not tell how it was");
		return;
	}
	switch (ops[i].kind) {
#ifdef WITH_QUARANTINE
	case OP_QUARANTINE:
		quarantine_undo(&ops[i], r, &outcomes[i]);
		break;
#endif
#ifdef WITH_LINE
	case OP_LINE:
		line_undo(&ops[i], r, &outcomes[i]);
		break;
#endif
#ifdef WITH_LINK
	case OP_LINK:
		link_undo(&ops[i], r, &outcomes[i]);
		break;
#endif
	default:
		break;
	}
}

/* Changes files in a child that can write nowhere else. */
static void change_files(enum mode mode)
{
	pid_t parent = getpid(), child;
	int status = 0;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent || confine_files())
			_exit(EXIT_RIGHTS);
		outcomes[op_count].result = landlocked ? DONE : NONE;
		for (size_t k = 0; k < op_count; k++) {
			size_t i = mode == MODE_UNDO ? op_count - 1 - k : k;

			if (ops[i].kind == OP_TERMINATE)
				continue;
			if (mode == MODE_UNDO)
				file_undo(i);
			else if (outcomes[i].result == WOULD || (records[i].state != S_NONE && records[i].state != S_UNDONE))
				file_apply(i);
		}
		_exit(0);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	landlocked = outcomes[op_count].result == DONE;
	if (child > 0 && WIFEXITED(status) && !WEXITSTATUS(status))
		return;
	for (size_t i = 0; i < op_count; i++)
		if (ops[i].kind != OP_TERMINATE && (outcomes[i].result == WOULD || outcomes[i].result == NONE))
			say(&outcomes[i], FAILED, 0, "the part that changes files could not be confined, or was ended");
}

static int give_up(const char *what)
{
	int code = errno == EACCES || errno == EPERM ? EXIT_RIGHTS : errno == EWOULDBLOCK ? EXIT_LATER : EXIT_IO;

	if (code == EXIT_LATER)
		fprintf(stderr, "remover: another run of this remover is under way\n");
	else
		fprintf(stderr, "remover: %s '%s/%s': %s\n", what, base_folder, plan_id, strerror(errno));
	return code;
}

static int apply(void)
{
	int todo = 0;

	/* A reader's look at the journal first: a clean machine is left without so much as an empty folder. */
	if (quarantine_open(0, 1) && errno != ENOENT)
		return give_up("cannot use");
	for (size_t i = 0; i < op_count; i++)
		todo |= outcomes[i].result == WOULD || (records[i].state != S_NONE && records[i].state != S_UNDONE);
	if (!todo)
		return 0;
	if (quarantine < 0) {
		if (time(NULL) > plan_expires) {
			fprintf(stderr, "remover: this plan has expired\n");
			return EXIT_SOME;
		}
		if (quarantine_open(1, 1) || journal_add(0, S_BEGUN, mode_names[MODE_APPLY]))
			return give_up("cannot make");
	}
#ifdef WITH_TERMINATE
	terminate_all();
#endif
	change_files(MODE_APPLY);
#ifdef WITH_TERMINATE
	/* What restarts it has nothing to start by now. */
	terminate_all();
	victims_free();
#endif
	return 0;
}

static int undo(void)
{
	if (quarantine_open(0, 1)) {
		if (errno != ENOENT)
			return give_up("cannot use");
		for (size_t i = 0; i < op_count; i++)
			say(&outcomes[i], ops[i].kind == OP_TERMINATE ? NOT_UNDOABLE : ABSENT, 0, "nothing was done");
		return 0;
	}
	for (size_t i = 0; i < op_count; i++)
		say(&outcomes[i], ops[i].kind == OP_TERMINATE ? NOT_UNDOABLE : NONE, 0, "");
	change_files(MODE_UNDO);
	return 0;
}

int main(int argc, char **argv)
{
	enum mode mode = MODE_PLAN;
	int json = 0, given = 0, code = 0;
	double begun = now();

	for (int i = 1; i < argc; i++) {
		int k;

		if (!strcmp(argv[i], "--report")) {
			json = 1;
			continue;
		}
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			fputs(usage, stdout);
			return fflush(stdout) ? EXIT_IO : 0;
		}
		for (k = 0; k < 3; k++)
			if (!strncmp(argv[i], "--", 2) && !strcmp(argv[i] + 2, mode_names[k]))
				break;
		if (k == 3 || (given++ && mode != (enum mode)k)) {
			fprintf(stderr, "remover: bad argument; see remover --help\n");
			return EXIT_USE;
		}
		mode = (enum mode)k;
	}
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return EXIT_IO;
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	confine_calls();
	records = must(calloc(op_count + 1, sizeof *records));
	outcomes = mmap(NULL, (op_count + 1) * sizeof *outcomes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (outcomes == MAP_FAILED)
		must(NULL);
	if (mode != MODE_UNDO) {
#ifdef WITH_TERMINATE
		terminate_plan();
#endif
		for (size_t i = 0; i < op_count; i++)
			file_plan(i);
	}
	if (mode == MODE_APPLY)
		code = apply();
	else if (mode == MODE_UNDO)
		code = undo();
	if (code)
		return code;
	return report(mode, json, now() - begun);
}
