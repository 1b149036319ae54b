/* report: what was done, for people or as JSON. Paths were made fit for both when the remover was generated. */

static const char usage[] =
	"usage: remover [--plan | --apply | --undo] [--report]\n"
	"  --plan    say what would be done, change nothing (the default)\n"
	"  --apply   end the processes, move the files to /var/lib/muss/quarantine, take the lines out\n"
	"  --undo    put everything back but the processes\n"
	"  --report  say it as JSON\n"
	"exit: 0 done or nothing to do, 1 something could not be removed, 64 usage, 74 input or output,\n"
	"      75 another run is under way, 77 permission\n";

static int is_left(const struct op *op, const struct outcome *o, enum mode mode)
{
	switch (o->result) {
	case WOULD:
		return 1;
	case FAILED:
		return 1;
	case CHANGED:
		return mode == MODE_UNDO || !(op->flags & OPTIONAL);
	default:
		return 0;
	}
}

static void report_json(enum mode mode, unsigned left, double seconds)
{
	printf("{\"plan\":\"%s\",\"mode\":\"%s\",\"operations\":[", plan_id, mode_names[mode]);
	for (size_t i = 0; i < op_count; i++) {
		const struct op *op = &ops[i];
		const struct outcome *o = &outcomes[i];

		printf("%s\n {\"id\":%u,\"op\":\"%s\"", i ? "," : "", op->id, op->name);
		if (op->path)
			printf(",\"path\":%s", op->json);
		printf(",\"result\":\"%s\",\"detail\":\"%s\"}", result_names[o->result], o->detail);
	}
	printf("],\n \"notes\":[");
	for (const struct note *n = notes; n->show; n++)
		printf("%s%s", n > notes ? ",\n  " : "", n->json);
	printf("],\n \"remaining\":%u,\"confined\":[%s%s%s],\"seconds\":%.3f}\n", left, confined ? "\"seccomp\"" : "",
	       confined && landlocked ? "," : "", landlocked ? "\"landlock\"" : "", seconds);
}

static void report_lines(void)
{
	for (size_t i = 0; i < op_count; i++) {
		const struct op *op = &ops[i];
		const struct outcome *o = &outcomes[i];

		printf("%-12s %-11s ", result_names[o->result], op->name);
		if (op->path)
			printf("%s", op->show);
		else
			printf("%.16s...", op->sha);
		printf("%s%s%s\n", *o->detail ? " (" : "", o->detail, *o->detail ? ")" : "");
	}
	for (const struct note *n = notes; n->show; n++)
		printf("%-12s %s\n", "left alone", n->show);
}

static int report(enum mode mode, int json, double seconds)
{
	unsigned left = 0;
	int code = 0;

	for (size_t i = 0; i < op_count; i++) {
		const struct outcome *o = &outcomes[i];

		left += (unsigned)is_left(&ops[i], o, mode);
		if (mode == MODE_PLAN || !is_left(&ops[i], o, mode))
			continue;
		if (o->error == ENOSPC || o->error == EDQUOT || o->error == EIO || o->error == EFBIG)
			code = EXIT_IO;
		else if ((o->error == EACCES || o->error == EPERM) && code != EXIT_IO)
			code = EXIT_RIGHTS;
		else if (!code)
			code = EXIT_SOME;
	}
	if (json)
		report_json(mode, left, seconds);
	else
		report_lines();
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "remover: cannot write the report: %s\n", strerror(errno));
		return EXIT_IO;
	}
	return code;
}
