/* msend: takes a sealed case to the centre, without the bodies it has; fetches the answer. */
#include "agent/agent.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
"usage: msend -k KEY -c CRT -a CA [-C CRL] [-n NAME] [-s STATEDIR] [-j] [-o FILE] [--plain] HOST:PORT [case]\n"
"       msend -k KEY -c CRT -a CA [-C CRL] [-n NAME] [-s STATEDIR] [-w SECONDS] [-o FILE] --fetch CASEID HOST:PORT\n"
"       msend -k KEY -c CRT -a CA [-C CRL] [-n NAME] [-s STATEDIR] [-o FILE] --delta INDEXID:VERSION HOST:PORT\n"
"Sends a sealed case (see mpack) to the centre's mrecv over TLS 1.3 and prints the receipt. Bodies that the centre has are\n"
"left out and the case is signed again. --fetch writes the centre's answer, a case, to standard output; --delta the signed\n"
"change that leads on from this version of a whitelist index (mwhite info tells both), for mwhite apply, which verifies it.\n"
"  -k KEY -c CRT   this host's key and certificate, of role host\n"
"  -a CA -C CRL    the authority; its revocation list\n"
"  -n NAME         the name the centre's certificate must carry; default: HOST\n"
"  -r N            try N times again (3) when the network or the centre fails, waiting ever longer\n"
"  -s STATEDIR     keep there what is needed to go on after msend was killed\n"
"  -w SECONDS      --fetch: wait so long for the answer\n"
"  --idle SECONDS  a connection silent for so long is given up (60)\n"
"  --plain         send bodies although they are not sealed\n"
"  -o FILE  -j  receipt or answer to FILE; receipt as JSON    -q  less    -v  more    -V  version    -h  this help\n"
"Examples:\n"
"  msend -k host.key -c host.crt -a ca.crt centre.example:8443 sealed.case\n"
"  msend -k host.key -c host.crt -a ca.crt -w 600 --fetch 0123456789abcdef0123456789abcdef centre.example:8443 > answer.case\n"
"Exit: 0 done; 1 the centre does not know that case, or has no newer delta; 64 usage; 65 bad case, refused, or bodies not sealed; 66 no input;\n"
"  69 no such centre; 74 input or output; 75 try again later: no network, centre full or busy, no answer yet;\n"
"  76 not our protocol; 77 a certificate, or another host's case; 78 key and certificate differ.\n";

enum { O_FETCH = 256, O_PLAIN, O_IDLE, O_DELTA };
static const struct option longs[] = {
	{ "fetch", required_argument, NULL, O_FETCH }, { "plain", no_argument, NULL, O_PLAIN },
	{ "idle", required_argument, NULL, O_IDLE }, { "delta", required_argument, NULL, O_DELTA }, { 0 },
};

struct msend { struct tool t; struct send_options o; const char *fetch; char index[LINK_ID]; uint64_t from; };

static unsigned number(const struct tool *t, const char *s, unsigned max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(s, &end, 10);
	if (*s < '0' || *s > '9' || *end || errno || n > max)
		tool_usage(t, "no number up to %u: %s", max, err_q(s));
	return (unsigned)n;
}

/* "INDEXID:VERSION". */
static void index_version(struct msend *m, const char *s)
{
	size_t id = strcspn(s, ":"), digits = s[id] ? strspn(s + id + 1, "0123456789") : 0;

	if (id == LINK_ID - 1)
		memcpy(m->index, s, id);
	if (!frames_id_ok(m->index) || !digits || digits > 18 || s[id + 1 + digits])
		tool_usage(&m->t, "no index id of 32 hex digits, colon and version: %s", err_q(s));
	m->from = strtoull(s + id + 1, NULL, 10);
}

static void option(struct msend *m, int c)
{
	switch (c) {
	case 'k': m->o.files.key = optarg; break;
	case 'c': m->o.files.crt = optarg; break;
	case 'a': m->o.files.ca = optarg; break;
	case 'C': m->o.files.crl = optarg; break;
	case 'n': m->o.to.name = optarg; break;
	case 's': m->o.state = optarg; break;
	case 'r': m->o.retries = number(&m->t, optarg, 1000); break;
	case 'w': m->o.wait_s = number(&m->t, optarg, 30 * 86400); break;
	case O_FETCH: m->fetch = optarg; break;
	case O_DELTA: index_version(m, optarg); break;
	case O_PLAIN: m->o.plain = true; break;
	case O_IDLE: m->o.to.idle_ms = 1000 * (int)number(&m->t, optarg, 86400); break;
	}
}

/* "HOST:PORT" or "[ADDRESS]:PORT", into m->o.to; the host is the caller's to free. */
static char *split(struct msend *m, const char *where)
{
	const char *colon = strrchr(where, ':');
	size_t n = colon ? (size_t)(colon - where) : 0;

	if (n < 1 || !colon[1])
		tool_usage(&m->t, "no HOST:PORT: %s", err_q(where));
	m->o.to.port = colon + 1;
	m->o.to.host = where[0] == '[' && n > 2 && where[n - 1] == ']' ? buf_printf("%.*s", (int)n - 2, where + 1) :
		     buf_printf("%.*s", (int)n, where);
	return (char *)(uintptr_t)m->o.to.host;
}

int main(int argc, char **argv)
{
	struct msend m = { .o.retries = 3, .o.to.idle_ms = 60000 };
	struct err e = { 0 };
	char *host;
	int c, rc;

	tool_init(&m.t, "msend", usage, argc, argv);
	while ((c = tool_getopt(&m.t, "k:c:a:C:n:r:s:w:o:j", longs)) != -1)
		option(&m, c);
	if (!m.o.files.key || !m.o.files.crt || !m.o.files.ca || optind == argc || argc - optind > (m.fetch || *m.index ? 1 : 2) || (m.fetch && *m.index))
		tool_usage(&m.t, "wants -k, -c, -a, HOST:PORT and at most one case");
	if (m.fetch && !frames_id_ok(m.fetch))
		tool_usage(&m.t, "no case id of 32 hex digits: %s", err_q(m.fetch));
	host = split(&m, argv[optind]);
	m.o.out = m.t.out;
	m.o.json = m.t.json;
	rc = *m.index ? fetch_delta(&m.o, m.index, m.from, &e) : m.fetch ? fetch_run(&m.o, m.fetch, &e) : send_run(&m.o, argv[optind + 1], &e);
	free(host);
	return tool_end(&m.t, rc, &e);
}
