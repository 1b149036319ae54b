/* The authority's folder: what it refuses, what its files look like, what a request may say. */
#include "unit.h"
#include "trust/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/muss-pki-XXXXXX";
static struct err e;
static char path[16][128];
static unsigned next_path;

static const char *at(const char *name)
{
	char *p = path[next_path++ % 16];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static unsigned mode_of(const char *name)
{
	struct stat st;

	return stat(at(name), &st) == 0 ? st.st_mode & 07777 : 0;
}

static int code(int rc)
{
	int c = rc < 0 ? e.code : 0;

	err_clear(&e);
	return c;
}

static void same(const char *name, struct buf *b)
{
	buf_clear(b);
	if (io_slurp_path(at(name), 1 << 16, b, &e) < 0)
		exit(99);
}

int main(void)
{
	char name[128], role[64];
	struct buf before = { 0 }, after = { 0 };
	json_t *j;

	if (!mkdtemp(dir) || mkdir(at("full"), 0700) || atomic_write(at("full/x"), 0600, "x", 1, &e) < 0)
		return 99;
	OK(code(pki_init(at("p"), "a/b", 10, &e)) == EX_USAGE, "an authority's name has no slash");
	OK(access(at("p"), F_OK) < 0, "and nothing appeared");
	OK(code(pki_init(at("p"), "the-ca", 10, &e)) == 0, "an authority is made");
	OK(mode_of("p/ca.key") == 0600, "its key is its owner's alone");
	OK(mode_of("p/issued") == 0700, "so is the folder of what it issued");
	OK(code(cert_subject(at("p/ca.crt"), name, role, &e)) == 0 && !strcmp(name, "the-ca") && !strcmp(role, ROLE_CA), "it says who it is");
	same("p/ca.key", &before);
	OK(code(pki_init(at("p"), "another", 10, &e)) == EX_CANTCREAT, "it is not overwritten");
	OK(code(pki_init(at("full/"), "another", 10, &e)) == EX_CANTCREAT, "nor is any other folder with files in it");
	same("p/ca.key", &after);
	OK(before.len == after.len && !memcmp(before.p, after.p, before.len), "its key is what it was");

	OK(code(pki_issue(at("p"), "authority", "x", NULL, 10, NULL, &e)) == EX_USAGE, "no second authority is issued");
	OK(code(pki_issue(at("p"), "boss", "x", NULL, 10, NULL, &e)) == EX_USAGE, "nor a role that there is not");
	OK(code(pki_issue(at("p"), ROLE_HOST, "../x", NULL, 10, NULL, &e)) == EX_USAGE, "no name leaves its folder");
	OK(code(pki_issue(at("p"), ROLE_HOST, "", NULL, 10, NULL, &e)) == EX_USAGE, "an empty name is none");
	OK(code(pki_issue(at("p"), ROLE_HOST, "x", "localhost", 10, NULL, &e)) == EX_USAGE, "a host has no host names to serve");
	OK(code(pki_issue(at("p"), ROLE_FRONT, "x", "a,email:copy", 10, NULL, &e)) == 0, "a name with a colon is a name, no directive");
	OK(code(pki_issue(at("p"), ROLE_FRONT, "y", "a b", 10, NULL, &e)) == EX_USAGE, "a blank is refused");
	OK(code(pki_issue(at("p"), ROLE_FRONT, "z", "a,,b", 10, NULL, &e)) == EX_USAGE, "an empty alternative as well");
	OK(code(pki_issue(at("none"), ROLE_HOST, "x", NULL, 10, NULL, &e)) == EX_NOINPUT, "no authority: 66");
	OK(code(pki_issue(at("p"), ROLE_HOST, "h", NULL, 10, NULL, &e)) == 0 && mode_of("p/issued/h.key") == 0600, "a host, its key 0600");
	same("p/issued/h.key", &before);
	OK(code(pki_issue(at("p"), ROLE_HOST, "h", NULL, 10, NULL, &e)) == EX_CANTCREAT, "it is not overwritten");
	unlink(at("p/issued/h.crt"));
	OK(code(pki_issue(at("p"), ROLE_HOST, "h", NULL, 10, NULL, &e)) == 0, "what was interrupted is completed");
	same("p/issued/h.key", &after);
	OK(before.len == after.len && !memcmp(before.p, after.p, before.len), "with the key that was there");

	OK(code(pki_request("laptop", at("l.key"), at("l.csr"), &e)) == 0 && mode_of("l.key") == 0600, "a request, its key 0600");
	OK(code(pki_request("laptop", at("l.key"), at("l.csr"), &e)) == EX_CANTCREAT, "it is not overwritten");
	OK(code(pki_sign_request(at("p"), ROLE_HOST, at("l.csr"), NULL, 10, at("l.crt"), &e)) == 0, "is signed");
	OK(code(cert_subject(at("l.crt"), name, role, &e)) == 0 && !strcmp(name, "laptop") && !strcmp(role, ROLE_HOST), "in the role the authority gave");
	OK(code(pki_sign_request(at("p"), ROLE_HOST, at("l.csr"), NULL, 10, at("l.crt"), &e)) == EX_CANTCREAT, "is not signed over");
	same("l.csr", &before);
	before.p[before.len / 2] = before.p[before.len / 2] == 'A' ? 'B' : 'A';
	if (atomic_write(at("bad.csr"), 0600, before.p, before.len, &e) < 0)
		return 99;
	OK(code(pki_sign_request(at("p"), ROLE_HOST, at("bad.csr"), NULL, 10, at("bad.crt"), &e)) == EX_DATAERR, "an altered request: 65");
	OK(access(at("bad.crt"), F_OK) < 0, "and no certificate");
	OK(code(pki_sign_request(at("p"), ROLE_HOST, at("l.crt"), NULL, 10, at("bad.crt"), &e)) == EX_DATAERR, "a certificate is no request");

	if (pki_init(at("q"), "the-ca", 10, &e) < 0)
		return 99;
	OK(code(pki_revoke(at("q"), at("l.crt"), &e)) == EX_DATAERR, "nobody revokes what another issued");
	same("p/crl.pem", &before);
	OK(code(pki_revoke(at("p"), at("l.crt"), &e)) == 0, "the authority revokes");
	same("p/crl.pem", &after);
	OK(before.len != after.len || memcmp(before.p, after.p, before.len), "its list is new");
	OK(code(pki_revoke(at("p"), at("l.crt"), &e)) == 0, "revoking twice is well");
	same("p/crl.pem", &before);
	OK(before.len == after.len && !memcmp(before.p, after.p, before.len), "and changes nothing");

	j = cert_describe(at("l.crt"), &e);
	OK(j && jsonio_bool(j, "valid", false) && strlen(jsonio_str(j, "serial")) == 32, "a serial number has 128 bits");
	json_decref(j);
	OK(cert_subject_der((const unsigned char *)"0", 1, name, role, &e) < 0 && e.code == EX_DATAERR, "no certificate in DER: 65");
	io_rmtree(AT_FDCWD, dir, &e);
	buf_free(&before);
	buf_free(&after);
	return unit_end();
}
