/* mverify: proves a removal tool in an infected copy of a system before it is let out. */
#include "proof/proof.h"

#include <getopt.h>
#include <string.h>

static const char usage[] =
"usage: mverify -e ENVIRONMENT [-k SIGNER.KEY -c SIGNER.CRT] [-o FILE] [case]\n"
"Runs the removal tool of a case in an infected copy of a system and compares everything before, infected and after.\n"
"Takes a case (standard input) and writes it with proof/ added (standard output). When the tool is not safe, the case is\n"
"written all the same, without a certificate, and the exit status is 1.\n"
"  -e ENVIRONMENT  the system it is tried on: host (a copy of this machine's, made of overlays)\n"
"  -k, -c          the signer's key and certificate: a safe tool gets a signed certificate, and MANIFEST a signature\n"
"  -o FILE         where the case goes; appears whole or not at all\n"
"  -q  less    -v  more (each check)    -V  version    -h  this help\n"
"Examples:\n"
"  mnicter micro < in.case | mgen | mverify -e host > out.case\n"
"  mverify -v -e host -k signer.key -c signer.crt -o out.case remedy.case && bsdtar -xOf out.case proof/host.json\n"
"Exit: 0 safe, or no remedy in the case; 1 not safe; 64 usage; 65 bad case; 66 no input; 69 no closed worlds here; 70 bug;\n"
"  74 input or output; 75 try again later; 77 not permitted.\n";

int main(int argc, char **argv)
{
	struct proof_options o = { 0 };
	struct atomic *out = NULL;
	struct err e = { 0 };
	struct tool t;
	int c, in = -1, rc = -1;

	tool_init(&t, "mverify", usage, argc, argv);
	while ((c = tool_getopt(&t, "e:k:c:o:", NULL)) != -1) {
		if (c == 'e')
			o.environment = optarg;
		else if (c == 'k')
			o.key = optarg;
		else if (c == 'c')
			o.crt = optarg;
	}
	if (!o.environment || strcmp(o.environment, "host"))
		tool_usage(&t, o.environment ? "unknown environment %s: there is host" : "tried on what?%s give -e host", o.environment ? err_q(o.environment) : "");
	if (!o.key != !o.crt)
		tool_usage(&t, "-k and -c go together");
	if (argc - optind > 1)
		tool_usage(&t, "one case at a time");
	in = io_open_in(argv[optind], &e);
	if (in < 0)
		goto out;
	out = atomic_open(t.out, 0600, false, &e);
	if (!out)
		goto out;
	rc = proof_run(&o, in, atomic_fd(out), &e);
	if (rc < 0)
		atomic_abort(out);
	else if (atomic_commit(out, &e))
		rc = -1;
out:
	io_close(&in);
	return tool_end(&t, rc, &e);
}
