/* Sealing and signing: what must open and hold, and everything that must not. */
#include "unit.h"
#include "trust/trust.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/muss-trust-XXXXXX";
static struct err e;
static char path[16][128];
static unsigned next_path;

static const char *at(const char *name)
{
	char *p = path[next_path++ % 16];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static int fd_of(const void *p, size_t n)
{
	int fd = io_tmp(&e);

	if (fd < 0 || io_write(fd, p, n) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		exit(99);
	return fd;
}

static void contents(int fd, struct buf *b)
{
	buf_clear(b);
	if (lseek(fd, 0, SEEK_SET) < 0 || io_slurp(fd, 1 << 20, b, "it", &e) < 0)
		exit(99);
}

/* Opens `cms` with that pair; the exit code, and in *out what was written. */
static int opens(const struct buf *cms, const char *who, uint64_t cap, struct buf *out)
{
	char crt[128], key[128];
	struct unseal *u;
	int in = fd_of(cms->p, cms->len), to = io_tmp(&e), rc;

	snprintf(crt, sizeof(crt), "%s/p/issued/%s.crt", dir, who);
	snprintf(key, sizeof(key), "%s/p/issued/%s.key", dir, who);
	err_clear(&e);
	u = unseal_open(crt, key, &e);
	rc = u ? unseal_fd(u, in, to, cap, &e) : -1;
	unseal_free(u);
	contents(to, out);
	close(in);
	close(to);
	return rc < 0 ? e.code : 0;
}

static void seals(void)
{
	static const char text[] = "the body of a sample, \0 and more of it";
	struct buf cms = { 0 }, out = { 0 };
	struct seal *s = seal_open(at("p/issued/an.crt"), &e);
	int in = fd_of(text, sizeof(text)), to = io_tmp(&e);
	size_t opened = 0, leaked = 0;

	OK(s && seal_fd(s, in, to, &e) == 0, "a body is sealed");
	contents(to, &cms);
	OK(!memmem(cms.p, cms.len, "sample", 6), "nothing of it shows");
	OK(opens(&cms, "an", 1000, &out) == 0 && out.len == sizeof(text) && !memcmp(out.p, text, sizeof(text)), "it opens");
	OK(opens(&cms, "an", sizeof(text), &out) == 0, "at the cap it opens");
	OK(opens(&cms, "an", sizeof(text) - 1, &out) == EX_DATAERR && out.len == 0, "over the cap: 65, nothing written");
	OK(opens(&cms, "an2", 1000, &out) == EX_DATAERR && out.len == 0, "another analysis key does not open it");
	OK(opens(&cms, "h1", 1000, &out) == EX_DATAERR && out.len == 0, "nor does a host's key");
	/* Each byte, flipped: nothing opens unless the very same text comes out (the key identifier has redundant forms). */
	for (size_t i = 0; i < cms.len; i++) {
		cms.p[i] ^= 1;
		if (opens(&cms, "an", 1000, &out) == 0 && (out.len != sizeof(text) || memcmp(out.p, text, sizeof(text))))
			opened++;
		else if (e.code && out.len)
			leaked++;
		cms.p[i] ^= 1;
	}
	OK(opened == 0, "no flipped byte changes what comes out");
	OK(leaked == 0, "and none releases anything before it is found");
	for (size_t n = 0, full = cms.len; n < full; n += 7) {
		cms.len = n;
		opened += opens(&cms, "an", 1000, &out) == 0;
		cms.len = full;
	}
	OK(opened == 0, "nothing that was cut opens");
	buf_addc(&cms, 'x');
	OK(opens(&cms, "an", 1000, &out) == EX_DATAERR, "trailing bytes are refused");
	seal_free(s);
	close(in);
	close(to);
	buf_free(&cms);
	buf_free(&out);
	err_clear(&e);
	OK(!seal_open(at("p/issued/h1.crt"), &e) && e.code == EX_NOPERM, "nothing is sealed to a host");
	OK(!seal_open(at("p/issued/old.crt"), &e) && e.code == EX_NOPERM, "nor to an expired certificate");
	OK(!seal_open(at("p/none.crt"), &e) && e.code == EX_NOINPUT, "nor to one that is not there");
}

static void sign_as(const char *who, const char *text, struct buf *sig)
{
	char crt[128], key[128];
	struct signer *s;

	snprintf(crt, sizeof(crt), "%s/%s.crt", dir, who);
	snprintf(key, sizeof(key), "%s/%s.key", dir, who);
	buf_clear(sig);
	s = sign_open(crt, key, &e);
	if (!s || sign_bytes(s, text, strlen(text), sig, &e) < 0) {
		fprintf(stderr, "# %s\n", e.msg);
		exit(99);
	}
	sign_free(s);
}

static int holds(const char *crl, const char *role, const char *text, const struct buf *sig, char name[128])
{
	struct verifier *v = verify_open(at("p/ca.crt"), crl, &e);
	int rc;

	err_clear(&e);
	rc = v ? verify_bytes(v, role, text, strlen(text), sig, name, &e) : -1;
	verify_free(v);
	return rc < 0 ? e.code : 0;
}

static void signs(void)
{
	struct buf sig = { 0 }, empty = { 0 };
	char name[128];
	size_t wrong = 0;

	sign_as("p/issued/sg", "a plan", &sig);
	OK(holds(NULL, ROLE_SIGNER, "a plan", &sig, name) == 0, "a signature holds");
	OK_STR(name, "sg", "and names its signer");
	OK(holds(NULL, ROLE_SIGNER, "a plaN", &sig, name) == EX_DATAERR, "not over other bytes: 65");
	OK_STR(name, "", "and then names nobody");
	OK(holds(NULL, ROLE_SIGNER, "", &sig, name) == EX_DATAERR, "nor over none");
	OK(holds(NULL, ROLE_HOST, "a plan", &sig, name) == EX_NOPERM && strstr(e.msg, "role 'signer'"), "another role: 77");
	OK(holds(NULL, ROLE_SIGNER, "a plan", &empty, name) == EX_DATAERR && strstr(e.msg, "not signed"), "no signature: 65");
	for (size_t i = 0; i < sig.len; i++) {
		sig.p[i] ^= 1;
		wrong += holds(NULL, ROLE_SIGNER, "another plan", &sig, name) == 0;
		sig.p[i] ^= 1;
	}
	OK(wrong == 0, "no flipped byte makes it hold over other bytes");
	buf_addc(&sig, 'x');
	OK(holds(NULL, ROLE_SIGNER, "a plan", &sig, name) == EX_DATAERR, "trailing bytes are refused");
	OK(holds(at("p/crl.pem"), ROLE_SIGNER, "a plan", &sig, name) == EX_DATAERR, "with a list as well");

	sign_as("p/issued/sg2", "a plan", &sig);
	OK(holds(NULL, ROLE_SIGNER, "a plan", &sig, name) == 0, "a second signer, while no list is asked");
	OK(pki_revoke(at("p"), at("p/issued/sg2.crt"), &e) == 0, "is revoked");
	OK(holds(at("p/crl.pem"), ROLE_SIGNER, "a plan", &sig, name) == EX_NOPERM && strstr(e.msg, "revoked"), "and refused: 77");
	sign_as("p/issued/sg", "a plan", &sig);
	OK(holds(at("p/crl.pem"), ROLE_SIGNER, "a plan", &sig, name) == 0, "the first is not");
	OK(pki_renew_list(at("p"), &e) == 0, "a new list");
	sign_as("p/issued/sg2", "a plan", &sig);
	OK(holds(at("p/crl.pem"), ROLE_SIGNER, "a plan", &sig, name) == EX_NOPERM, "keeps who was revoked");

	sign_as("q/issued/sg", "a plan", &sig);
	OK(holds(NULL, ROLE_SIGNER, "a plan", &sig, name) == EX_NOPERM, "another authority's signer of the same name: 77");
	sign_as("p/ca", "a plan", &sig);
	OK(holds(NULL, ROLE_SIGNER, "a plan", &sig, name) == EX_NOPERM, "the authority's own key signs no plan");
	sign_as("p/issued/f1", "a plan", &sig);
	OK(holds(NULL, ROLE_FRONT, "a plan", &sig, name) == EX_NOPERM, "a front's certificate is for TLS alone");
	buf_clear(&sig);
	err_clear(&e);
	OK(!sign_open(at("p/issued/old.crt"), at("p/issued/old.key"), &e) && e.code == EX_NOPERM, "an expired certificate signs nothing");
	err_clear(&e);
	OK(!sign_open(at("p/issued/sg.crt"), at("p/issued/h1.key"), &e) && e.code == EX_CONFIG, "a pair that does not match: 78");
	err_clear(&e);
	if (chmod(at("p/issued/h1.key"), 0640))
		exit(99);
	OK(!sign_open(at("p/issued/h1.crt"), at("p/issued/h1.key"), &e) && e.code == EX_NOPERM, "a key that others may read: 77");
	err_clear(&e);
	OK(!sign_open(at("p/issued/sg.crt"), at("p/ca.crt"), &e) && e.code == EX_NOPERM, "a certificate is no key");
	err_clear(&e);
	OK(!verify_open(at("p/issued/sg.key"), NULL, &e) && e.code == EX_DATAERR, "a key is no authority");
	buf_free(&sig);
}

int main(void)
{
	if (!mkdtemp(dir) || pki_init(at("p"), "ca", 10, &e) < 0 || pki_init(at("q"), "ca", 10, &e) < 0 ||
	    pki_issue(at("p"), ROLE_ANALYSIS, "an", NULL, 10, NULL, &e) < 0 || pki_issue(at("p"), ROLE_ANALYSIS, "an2", NULL, 10, NULL, &e) < 0 ||
	    pki_issue(at("p"), ROLE_ANALYSIS, "old", NULL, 0, NULL, &e) < 0 || pki_issue(at("p"), ROLE_HOST, "h1", NULL, 10, NULL, &e) < 0 ||
	    pki_issue(at("p"), ROLE_SIGNER, "sg", NULL, 10, NULL, &e) < 0 || pki_issue(at("p"), ROLE_SIGNER, "sg2", NULL, 10, NULL, &e) < 0 ||
	    pki_issue(at("p"), ROLE_FRONT, "f1", NULL, 10, NULL, &e) < 0 || pki_issue(at("q"), ROLE_SIGNER, "sg", NULL, 10, NULL, &e) < 0) {
		fprintf(stderr, "# %s\n", e.msg);
		return 99;
	}
	seals();
	signs();
	io_rmtree(AT_FDCWD, dir, &e);
	return unit_end();
}
