/* mkey: the authority, its certificates, and the keys of those who enrol. */
#include "trust/trust.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
"usage: mkey init [-d DAYS] DIR [NAME]\n"
"       mkey issue [-d DAYS] [-a ALT] [-o OUTDIR] DIR ROLE NAME\n"
"       mkey request [-o OUTDIR] NAME\n"
"       mkey sign [-d DAYS] [-a ALT] [-o FILE] DIR ROLE REQUEST\n"
"       mkey revoke DIR CERTIFICATE\n"
"       mkey crl DIR\n"
"       mkey show [-j] CERTIFICATE...\n"
"Makes the authority of a centre in DIR, and the keys and certificates of hosts, front ends, analysis and signer.\n"
"ROLE is host, front, analysis or signer. Nothing that exists is overwritten. Keys have mode 0600 and no passphrase.\n"
"  -d DAYS    how long a certificate is valid: the authority 3650, others 365\n"
"  -a ALT     host names and addresses of a front, separated by commas; default: its name\n"
"  -o WHERE   the folder of NAME.key, NAME.crt and NAME.csr (default: DIR/issued; for request, this one),\n"
"             or the file of a signed certificate (default: DIR/issued/NAME.crt)\n"
"  -j         JSON lines instead of text    -q  less    -v  more    -V  version    -h  this help\n"
"Examples:\n"
"  mkey init pki && mkey issue -a centre.example,192.0.2.1 pki front centre\n"
"  mkey request host7 && mkey sign -o host7.crt pki host host7.csr\n"
"Exit: 0 done; 64 usage; 65 bad data; 66 no input; 73 exists already; 74 input or output; 77 not permitted;\n"
"  78 a key that does not belong to its certificate.\n";

struct options { struct tool t; const char *alt; int days; };

static int init(const struct options *o, char **a, struct err *e)
{
	return pki_init(a[0], a[1] ? a[1] : "muss-authority", o->days < 0 ? 3650 : o->days, e);
}

static int issue(const struct options *o, char **a, struct err *e)
{
	return pki_issue(a[0], a[1], a[2], o->alt, o->days < 0 ? 365 : o->days, o->t.out, e);
}

static int request(const struct options *o, char **a, struct err *e)
{
	const char *dir = o->t.out ? o->t.out : ".";
	char *key = buf_printf("%s/%s.key", dir, a[0]), *csr = buf_printf("%s/%s.csr", dir, a[0]);
	int rc = pki_request(a[0], key, csr, e);

	free(key);
	free(csr);
	return rc;
}

static int sign(const struct options *o, char **a, struct err *e)
{
	return pki_sign_request(a[0], a[1], a[2], o->alt, o->days < 0 ? 365 : o->days, o->t.out, e);
}

static int revoke(const struct options *o, char **a, struct err *e)
{
	(void)o;
	return pki_revoke(a[0], a[1], e);
}

static int crl(const struct options *o, char **a, struct err *e)
{
	(void)o;
	return pki_renew_list(a[0], e);
}

static int show(const struct options *o, char **a, struct err *e)
{
	for (; *a; a++) {
		json_t *j = cert_describe(*a, e);

		if (!j)
			return -1;
		if (o->t.json)
			jsonio_print(stdout, j);
		else
			printf("%-24s %-9s %s to %s%s  %s\n", jsonio_str(j, "name"), jsonio_str(j, "role"), jsonio_str(j, "from"),
			       jsonio_str(j, "until"), jsonio_bool(j, "valid", false) ? "" : " (not valid now)", err_q(*a));
		json_decref(j);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct { const char *name; int min, max; int (*run)(const struct options *, char **, struct err *); } verbs[] = {
		{ "init", 1, 2, init }, { "issue", 3, 3, issue }, { "request", 1, 1, request }, { "sign", 3, 3, sign },
		{ "revoke", 2, 2, revoke }, { "crl", 1, 1, crl }, { "show", 1, 10000, show },
	};
	struct options o = { .days = -1 };
	struct err e = { 0 };
	char **a, *end;
	int c;

	tool_init(&o.t, "mkey", usage, argc, argv);
	while ((c = tool_getopt(&o.t, "a:d:o:j", NULL)) != -1)
		if (c == 'a') {
			o.alt = optarg;
		} else if (c == 'd') {
			long days = strtol(optarg, &end, 10);

			if (end == optarg || *end || days < 0 || days > 36500)
				tool_usage(&o.t, "%s is no number of days", err_q(optarg));
			o.days = (int)days;
		}
	a = argv + optind;
	for (size_t i = 0; *a && i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(*a, verbs[i].name)) {
			int n = argc - optind - 1;

			if (n < verbs[i].min || n > verbs[i].max)
				tool_usage(&o.t, "'%s' takes %d operand%s, not %d", *a, verbs[i].min, verbs[i].min > 1 ? "s" : "", n);
			return tool_end(&o.t, verbs[i].run(&o, a + 1, &e), &e);
		}
	if (*a)
		tool_usage(&o.t, "%s is no command", err_q(*a));
	tool_usage(&o.t, "what is to be done? init, issue, request, sign, revoke, crl or show");
}
