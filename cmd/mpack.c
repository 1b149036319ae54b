/* mpack: collects the bodies of a case, seals them for the centre and signs the case; -u opens it again. */
#include "pack/pack.h"

#include <getopt.h>

static const char usage[] =
"usage: mpack -r RECIPIENT.crt [-k KEY -c CRT] [-o FILE] [case]\n"
"       mpack -p [-k KEY -c CRT] [-o FILE] [case]\n"
"       mpack -u -k KEY -c CRT [-a CA [-l CRL] [-R ROLE]] [-s STORE] [-o FILE] [case]\n"
"Adds the bodies of the code in a case, each held against its digest. Then seals them for the centre's analysis\n"
"certificate, or (-p) leaves them plain, mode 0000. With a key, signs the case. -u opens what was sealed.\n"
"  -r CRT     seal for this certificate, of role analysis\n"
"  -p         only collect: a plain case, for use on one machine\n"
"  -u         open a sealed case with the analysis key\n"
"  -k KEY     the key to sign with; with -u: the one to open with\n"
"  -c CRT     its certificate\n"
"  -a CA      -u: refuse a case that is not signed by a certificate of this authority\n"
"  -l CRL     -u: nor by one that was revoked\n"
"  -R ROLE    -u: nor by another role (host)\n"
"  -s STORE   -u: sealed bodies that the case lacks are taken from STORE/<aa>/<sha256>.cms\n"
"  -o FILE    where the case goes    -q  less    -v  more    -V  version    -h  this help\n"
"Examples:\n"
"  mscan | mpack -r analysis.crt -k host.key -c host.crt -o sealed.case\n"
"  mscan -f sample | mpack -p | mls\n"
"Exit: 0 done, also where a body could not be had (a warning names it); 64 usage; 65 bad case, bad signature or sealed\n"
"  for another; 66 no input; 74 input or output; 77 a certificate that may not do this; 78 key and certificate differ.\n";

struct options {
	struct tool t;
	const char *recipient, *key, *crt, *ca, *crl, *role, *store;
	bool plain, open;
};

static void report(const struct options *o, const struct pack_stats *p, const struct unpack_stats *u)
{
	if (o->open)
		msg_info("%u bodies opened, %u fetched from the store, %u missing%s%s", u->opened, u->fetched, u->missing,
			 *u->signer ? ", signed by " : "", u->signer);
	else
		msg_info("%u pieces of code: %u bodies collected, %u sealed, %u missing", p->codes, p->collected, p->sealed, p->missing);
}

static int run(const struct options *o, const char *path, struct err *e)
{
	struct pack p = { 0 };
	struct unpack u = { .role = o->role, .store = o->store };
	struct pack_stats ps = { 0 };
	struct unpack_stats us = { 0 };
	struct atomic *a = NULL;
	int in = -1, rc = -1;

	if ((o->open && !(u.unseal = unseal_open(o->crt, o->key, e))) || (o->ca && !(u.verifier = verify_open(o->ca, o->crl, e))) ||
	    (o->recipient && !(p.seal = seal_open(o->recipient, e))) || (o->key && !o->open && !(p.signer = sign_open(o->crt, o->key, e))) ||
	    (in = io_open_in(path, e)) < 0 || !(a = atomic_open(o->t.out, 0600, false, e)))
		goto out;
	if ((o->open ? unpack_run(&u, in, atomic_fd(a), &us, e) : pack_run(&p, in, atomic_fd(a), &ps, e)) < 0)
		goto out;
	rc = atomic_commit(a, e);
	a = NULL;
	report(o, &ps, &us);
out:
	atomic_abort(a);
	io_close(&in);
	unseal_free(u.unseal);
	verify_free(u.verifier);
	seal_free(p.seal);
	sign_free(p.signer);
	return rc;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	struct err e = { 0 };
	int c;

	tool_init(&o.t, "mpack", usage, argc, argv);
	while ((c = tool_getopt(&o.t, "r:puk:c:a:l:R:s:o:", NULL)) != -1)
		switch (c) {
		case 'r': o.recipient = optarg; break;
		case 'p': o.plain = true; break;
		case 'u': o.open = true; break;
		case 'k': o.key = optarg; break;
		case 'c': o.crt = optarg; break;
		case 'a': o.ca = optarg; break;
		case 'l': o.crl = optarg; break;
		case 'R': o.role = optarg; break;
		case 's': o.store = optarg; break;
		}
	if (o.plain + o.open + !!o.recipient != 1)
		tool_usage(&o.t, "one of -r, -p and -u says what is to be done");
	if (!o.key != !o.crt)
		tool_usage(&o.t, "-k and -c go together");
	if (o.open && !o.key)
		tool_usage(&o.t, "-u wants the analysis key: -k KEY -c CRT");
	if (!o.open && (o.ca || o.crl || o.role || o.store))
		tool_usage(&o.t, "-a, -l, -R and -s go with -u");
	if ((o.crl || o.role) && !o.ca)
		tool_usage(&o.t, "-l and -R go with -a");
	if (optind + 1 < argc)
		tool_usage(&o.t, "unexpected operand %s", err_q(argv[optind + 1]));
	return tool_end(&o.t, run(&o, argv[optind], &e), &e);
}
