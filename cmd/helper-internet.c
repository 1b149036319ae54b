/*
 * helper-internet: the garden's dummy Internet, alone in a process of its own, in the network namespace of a run (see lib/internet).
 * Descriptor 3 is the control socket, 4 takes the records, 5 the capture; the only argument is the file of settings, or the number of its
 * descriptor. Where there are descriptors 6 and 7, they are a user and a network namespace that it enters. With -a it prints an authority.
 */
#include "confine/confine.h"
#include "internet/internet.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONTROL 3
#define RECORDS 4
#define PCAP 5
#define USER 6
#define NET 7

/* Far more than it uses: the room's own limits keep it under 64 MiB. Files: the capture, or the records. */
static const struct confine_limits limits = { 512 * MIB, 600, 80 * MIB };

static int give_up_rights(struct err *e)
{
	return confine_enter(CONFINE_NETWORK, &limits, e);
}

/* Its root, its files and its processes stay those of whoever started it: what it serves is not to reach it. */
static int enter_namespaces(struct err *e)
{
	if (fcntl(NET, F_GETFD) < 0)
		return 0;
	if (setns(USER, CLONE_NEWUSER) || setns(NET, CLONE_NEWNET)) {
		err_sys(e, "cannot enter the run's namespaces");
		e->code = EX_UNAVAILABLE;
		return -1;
	}
	close(USER);
	close(NET);
	return 0;
}

static json_t *settings_of(const char *file, struct err *e)
{
	struct buf b = { 0 };
	char *end;
	int fd = (int)strtol(file, &end, 10);
	json_t *o = NULL;

	if (end == file || *end)
		return jsonio_load(file, e);
	if (lseek(fd, 0, SEEK_SET) < 0)
		err_sys(e, "cannot read the settings");
	else if (io_slurp(fd, MIB, &b, "settings", e) == 0)
		o = jsonio_parse(b.p, b.len, "settings", e);
	close(fd);
	buf_free(&b);
	return o;
}

static int print_authority(struct err *e)
{
	json_t *o = internet_authority(e);
	struct buf b = { 0 };
	int rc;

	if (!o)
		return msg_fail(e);
	jsonio_dump_line(o, &b);
	rc = io_write(STDOUT_FILENO, b.p, b.len) ? EX_IOERR : 0;
	buf_free(&b);
	json_decref(o);
	return rc;
}

int main(int argc, char **argv)
{
	struct internet_options o = { .control = CONTROL, .records = RECORDS, .pcap = PCAP, .ready = give_up_rights };
	struct err e = { 0 };
	int rc;

	msg_init("helper-internet");
	setenv("TZ", "UTC0", 1);   /* else the C library opens the machine's zone with the first date */
	tzset();
	if (argc != 2)
		return msg_fail((err_set(&e, EX_USAGE, "is started by the garden, never by hand"), &e));
	if (!strcmp(argv[1], "-a"))
		return print_authority(&e);
	o.settings = settings_of(argv[1], &e);
	if (!o.settings)
		return msg_fail((e.code = EX_CONFIG, &e));
	rc = enter_namespaces(&e) || internet_run(&o, &e) ? -1 : 0;
	if (rc)
		msg_fail(&e);
	json_decref(o.settings);
	/* _exit: what the libraries do at exit is not in the profile. */
	_exit(rc ? e.code : 0);
}
