/*
 * helper-internet: the garden's dummy Internet, alone in a process of its own, in the network namespace of a run (see lib/internet).
 * Descriptor 3 is the control socket, 4 takes the records, 5 the capture; the only argument is the file of settings.
 */
#include "confine/confine.h"
#include "internet/internet.h"

#include <unistd.h>

#define CONTROL 3
#define RECORDS 4
#define PCAP 5

/* Far more than it uses: the room's own limits keep it under 64 MiB. Files: the capture, or the records. */
static const struct confine_limits limits = { 512 * MIB, 600, 80 * MIB };

static int give_up_rights(struct err *e)
{
	return confine_enter(CONFINE_NETWORK, &limits, e);
}

int main(int argc, char **argv)
{
	struct internet_options o = { .control = CONTROL, .records = RECORDS, .pcap = PCAP, .ready = give_up_rights };
	struct err e = { 0 };
	int rc;

	msg_init("helper-internet");
	if (argc != 2)
		return msg_fail((err_set(&e, EX_USAGE, "is started by the garden, never by hand"), &e));
	o.settings = jsonio_load(argv[1], &e);
	if (!o.settings)
		return msg_fail((e.code = EX_CONFIG, &e));
	rc = internet_run(&o, &e);
	if (rc)
		msg_fail(&e);
	json_decref(o.settings);
	/* _exit: what the libraries do at exit is not in the profile. */
	_exit(rc ? e.code : 0);
}
