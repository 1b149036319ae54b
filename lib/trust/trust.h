/*
 * trust: keys, certificates, sealing, signing, revocation. OpenSSL's X.509 and CMS live here (TLS in link,
 * digests in base). Keys are ECDSA P-256. It never knows what it signs.
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

/* ---- pki.c: the authority's folder: ca.crt, ca.key, serial, crl.pem, issued/ ---- */

int pki_init(const char *dir, const char *name, int days, struct err *e);  /* refuses to overwrite (73 EX_CANTCREAT) */
/* A new key and certificate DIR/issued/NAME.{key,crt} (or into outdir); alt: DNS name or IP for ROLE_FRONT, may be NULL. */
int pki_issue(const char *dir, const char *role, const char *name, const char *alt, int days, const char *outdir, struct err *e);
int pki_sign_request(const char *dir, const char *role, const char *csr_path, int days, const char *out_path, struct err *e);
int pki_request(const char *name, const char *key_out, const char *csr_out, struct err *e);  /* the key never leaves its machine */
int pki_revoke(const char *dir, const char *crt_path, struct err *e);      /* writes crl.pem anew */

/* ---- seal.c ---- */

struct seal;   /* a recipient: the centre's analysis certificate */
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
void sign_free(struct signer *s);
struct verifier;
/* crl_path may be NULL. */
struct verifier *verify_open(const char *ca_path, const char *crl_path, struct err *e);
/* Chain, validity, revocation, role and signature. 0 and the signer's CN in name[128], or -1: 65 a bad signature,
 * 77 a certificate that must not sign this. */
int verify_bytes(struct verifier *v, const char *role, const void *p, size_t n, const struct buf *sig, char name[128], struct err *e);
void verify_free(struct verifier *v);

/* ---- cert.c ---- */

/* CN and role (OU) of a certificate in DER (a TLS peer's), for link. */
int cert_subject_der(const unsigned char *der, size_t n, char name[128], char role[64], struct err *e);
int cert_subject(const char *crt_path, char name[128], char role[64], struct err *e);

#endif
