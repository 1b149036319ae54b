/* load: PEM files into OpenSSL's objects, and OpenSSL's error queue into struct err. For the room alone. */
#ifndef TRUST_LOAD_H
#define TRUST_LOAD_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "trust/trust.h"

/* As err_set, with ": REASON" of OpenSSL's first queued error behind it, where there is one; empties the queue. */
int load_error(struct err *e, int code, const char *fmt, ...) PRINTF(3, 4);
/* A private key that only its owner may read (else 77), never a passphrase prompt. The PEM text is wiped. */
EVP_PKEY *load_key(const char *path, struct err *e);
X509 *load_crt(const char *path, struct err *e);
X509_CRL *load_crl(const char *path, struct err *e);
X509_REQ *load_csr(const char *path, struct err *e);
/* Every certificate of a PEM file, at least one. */
STACK_OF(X509) *load_crts(const char *path, struct err *e);
/* A certificate and its own key: a pair that does not match is 78. */
int load_pair(const char *crt_path, const char *key_path, X509 **crt, EVP_PKEY **key, struct err *e);

/* cert.c: the one CN and the one OU of a certificate. */
int cert_subject_of(const X509 *x, char name[128], char role[64], struct err *e);
/* The CN of a name, whatever else stands in it; only letters, digits and "._@:-", 1 to 64 bytes (RFC 5280, ub-common-name). */
int cert_common_name(const X509_NAME *n, char name[128], struct err *e);
bool cert_name_ok(const char *name);
bool cert_role_ok(const char *role);   /* one that a leaf may have */

/* mint.c: making keys, certificates and lists in memory. */
EVP_PKEY *mint_key(struct err *e);
/* key: the subject's public key; ca NULL: self-signed, an authority. alt: comma-separated DNS names and addresses, or NULL. */
X509 *mint_crt(const char *role, const char *name, const char *alt, int days, EVP_PKEY *key,
	       X509 *ca, EVP_PKEY *ca_key, struct err *e);
X509_REQ *mint_request(const char *name, EVP_PKEY *key, struct err *e);
/* A list after `old` (NULL: the first), with `revoked` (may be NULL) added. */
X509_CRL *mint_crl(X509 *ca, EVP_PKEY *ca_key, const X509_CRL *old, const X509 *revoked, int days, struct err *e);

#endif
