/*
 * trust: keys, certificates, sealing, signing, revocation. OpenSSL's X.509 and CMS live here (TLS in link,
 * digests in base). Keys are ECDSA P-256, in files that only their
 * owner may read (else 77). It never knows what it signs.
 */
#ifndef TRUST_H
#define TRUST_H

#include "base/base.h"

/* A certificate's role is its subject's OU, put there by the authority: whoever verifies names the role it expects. */
#define ROLE_CA "authority"      /* signs certificates */
#define ROLE_HOST "host"         /* a user's machine: TLS client, signs its cases */
#define ROLE_FRONT "front"       /* mrecv: TLS server; decrypts nothing */
#define ROLE_ANALYSIS "analysis" /* bodies are sealed to it */
#define ROLE_SIGNER "signer"     /* signs proofs and answers */

/* ---- pki.c: the authority's folder: ca.crt, ca.key, crl.pem, issued/ (mode 0700) ---- */

/*
 * Nothing that exists is overwritten (73 EX_CANTCREAT), but for crl.pem. What appears, appears whole. Keys have mode 0600.
 * Names: 1 to 64 letters, digits and ._@:-. days: 0 (expired at once: for tests) to 36500. alt: for ROLE_FRONT alone,
 * comma-separated DNS names and addresses; NULL: the name.
 */
int pki_init(const char *dir, const char *name, int days, struct err *e);   /* an empty folder may be there */
/* DIR/issued/NAME.{key,crt}, or in outdir. A NAME.key without certificate is used. */
int pki_issue(const char *dir, const char *role, const char *name, const char *alt, int days, const char *outdir, struct err *e);
/* On the machine that keeps the key: it never leaves. A key that exists is used (renewal). */
int pki_request(const char *name, const char *key_out, const char *csr_out, struct err *e);
/* out_path NULL: DIR/issued/NAME.crt. */
int pki_sign_request(const char *dir, const char *role, const char *csr_path, const char *alt, int days, const char *out_path,
		     struct err *e);
int pki_revoke(const char *dir, const char *crt_path, struct err *e);      /* writes crl.pem anew; valid for 90 days */
int pki_renew_list(const char *dir, struct err *e);                        /* the same list, for another 90 days */

/* ---- seal.c ---- */

struct seal;   /* a recipient: the centre's analysis certificate */
/* Refuses (77) a certificate of another role or out of its time. */
struct seal *seal_open(const char *crt_path, struct err *e);
/* Seals the bytes of `in` as CMS AuthEnvelopedData (AES-256-GCM, DER) into out; whoever wants them compressed does so before. */
int seal_fd(struct seal *s, int in, int out, struct err *e);
void seal_free(struct seal *s);
struct unseal;
struct unseal *unseal_open(const char *crt_path, const char *key_path, struct err *e);
/* Decrypts and authenticates before a byte is written (65 when it fails). Plain text is at most cap bytes. */
int unseal_fd(struct unseal *u, int in, int out, uint64_t cap, struct err *e);
void unseal_free(struct unseal *u);

/* ---- sign.c: detached CMS signatures, DER, signer's certificate included ---- */

struct signer;
struct signer *sign_open(const char *crt_path, const char *key_path, struct err *e);
int sign_bytes(struct signer *s, const void *p, size_t n, struct buf *sig, struct err *e);
const char *sign_name(const struct signer *s);      /* the certificate's CN */
const char *sign_role(const struct signer *s);
void sign_free(struct signer *s);
struct verifier;
/* crl_path may be NULL. A list past its time refuses everything: `mkey crl` renews it. */
struct verifier *verify_open(const char *ca_path, const char *crl_path, struct err *e);
/* Chain, validity, revocation, role and signature. 0 and the signer's CN in name[128], or -1: 65 a bad signature,
 * 77 a certificate that must not sign this. */
int verify_bytes(struct verifier *v, const char *role, const void *p, size_t n, const struct buf *sig, char name[128], struct err *e);
void verify_free(struct verifier *v);

/* ---- cert.c ---- */

/* CN and role (OU) of a certificate in DER (a TLS peer's), for link. */
int cert_subject_der(const unsigned char *der, size_t n, char name[128], char role[64], struct err *e);
int cert_subject(const char *crt_path, char name[128], char role[64], struct err *e);
/* {"path","name","role","serial" (hex),"from","until","valid" (now, by the clock alone)}. New reference or NULL. */
json_t *cert_describe(const char *crt_path, struct err *e);

#endif
