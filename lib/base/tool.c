#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tool_init(struct tool *t, const char *name, const char *usage, int argc, char **argv)
{
	/* A closed standard descriptor would be taken by the next file opened, and written to. Output that goes nowhere fails. */
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY) != fd)
			_exit(EX_OSERR);
	signal(SIGPIPE, SIG_IGN);
	msg_init(name);
	*t = (struct tool){ .name = name, .usage = usage, .argc = argc, .argv = argv };
}

int tool_getopt(struct tool *t, const char *own, const struct option *longs)
{
	static const struct option common[] = {
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' },
		{ "quiet", no_argument, NULL, 'q' }, { "verbose", no_argument, NULL, 'v' },
		{ "output", required_argument, NULL, 'o' }, { "json", no_argument, NULL, 'j' },
	};
	struct option all[64] = { 0 };
	char letters[128];
	bool has_o = strstr(own, "o:") != NULL, has_j = strchr(own, 'j') && !strstr(own, "j:");
	size_t n = 0;
	int c;

	for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
		if ((common[i].val == 'o' && !has_o) || (common[i].val == 'j' && !has_j))
			continue;
		all[n++] = common[i];
	}
	for (; longs && longs->name && n < sizeof all / sizeof *all - 1; longs++)
		all[n++] = *longs;
	/* ':': the messages are ours. */
	snprintf(letters, sizeof letters, ":hVqv%s", own);
	opterr = 0;
	for (;;) {
		c = getopt_long(t->argc, t->argv, letters, all, NULL);
		switch (c) {
		case 'h':
			fputs(t->usage, stdout);
			exit(tool_end(t, 0, &(struct err){ 0 }));
		case 'V':
			printf("%s (muss) %s\n", t->name, MUSS_VERSION);
			exit(tool_end(t, 0, &(struct err){ 0 }));
		case 'q':
			msg_level(-1);
			break;
		case 'v':
			msg_level(msg_get_level() < 0 ? 1 : msg_get_level() + 1);
			break;
		case ':':
			tool_usage(t, "option %s wants a value", err_q(t->argv[optind - 1]));
		case '?':
			tool_usage(t, "unknown option %s", err_q(t->argv[optind - 1]));
		case 'o':
			if (has_o)
				t->out = optarg;
			return c;
		case 'j':
			t->json = has_j;
			return c;
		default:
			return c;
		}
	}
}

_Noreturn void tool_usage(const struct tool *t, const char *fmt, ...)
{
	struct err e = { 0 };
	va_list ap;
	size_t len;

	e.code = EX_USAGE;
	va_start(ap, fmt);
	vsnprintf(e.msg, sizeof e.msg - 64, fmt, ap);
	va_end(ap);
	len = strlen(e.msg);
	snprintf(e.msg + len, sizeof e.msg - len, "; '%s -h' shows how it is used", t->name);
	exit(msg_fail(&e));
}

int tool_end(const struct tool *t, int rc, struct err *e)
{
	(void)t;
	progress_end();
	if (rc < 0)
		rc = msg_fail(e);
	/* What was written into a full disk shows itself only now. */
	if (fflush(stdout) || ferror(stdout)) {
		err_sys(e, "cannot write to standard output");
		if (rc == 0 || rc == EX_NO) {
			e->code = EX_IOERR;
			rc = msg_fail(e);
		}
	} else if (close(STDOUT_FILENO) && errno != EBADF && (rc == 0 || rc == EX_NO)) {
		err_sys(e, "cannot write to standard output");
		e->code = EX_IOERR;
		rc = msg_fail(e);
	}
	return rc;
}
