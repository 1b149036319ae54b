/* What the formats of an export share. */
#ifndef EXPORT_INTERNAL_H
#define EXPORT_INTERNAL_H

#include "export/export.h"

#include "casefile/casefile.h"

#define EXPORT_UNPACKED 16u      /* members unpacked-N that rules are held against: more layers tell nothing new */
#define EXPORT_INDICATORS 500u   /* of one piece: a list of words is no list of indicators */
#define UUID_TEXT 37
#define LATER 3u

/* One piece of code with what is known of it. What the case lacks is NULL, empty or -1. */
struct piece {
	char sha256[DIGEST_HEX];
	json_t *about, *stat, *dynamic, *verdict;
	json_t *members;               /* names */
	struct buf disasm;             /* where the format wants it */
	int body, unpacked[EXPORT_UNPACKED];
	size_t unpackeds;
};

struct exporter;
struct export_writer {
	const char *name, *suffix;
	bool wants_disasm, wants_bytes;
	/* Adds the piece to x->held, or to one of x->later. */
	int (*piece)(struct exporter *x, const struct piece *p, struct err *e);
	/* Before and behind what is held. */
	int (*begin)(struct exporter *x, FILE *out, struct err *e);
	int (*end)(struct exporter *x, FILE *out, struct err *e);
};
extern const struct export_writer export_stix, export_misp, export_yara, export_html;

struct exporter {
	const struct export_writer *w;
	json_t *head;                  /* case.json */
	const char *id;                /* of the case */
	int64_t time;                  /* the case's, seconds since 1970; 0: it tells none */
	FILE *held, *later[LATER];         /* what the pieces became, until the case is verified; and what comes behind that */
	json_t *attack;                /* attack.c's table */
	json_t *seen;                  /* set of what stands in the output already, for the writer */
	struct buf rows[4];            /* html: the summary's rows, by verdict */
	size_t count[4];               /* pieces by verdict: as enum verdict */
	size_t told[4], written;       /* html: pieces told in full, by verdict; others: objects or rules written */
	/* the piece at hand */
	struct piece p;
	char tapped_name[16];         /* its member that is being read into raw */
	struct buf raw;
};

enum verdict { MALICIOUS, SUSPICIOUS, UNKNOWN, GOOD };
enum verdict piece_verdict(const struct piece *p);
extern const char *const verdict_names[4];
/* Where it stood, as in about.json (a name); NULL: nowhere. */
const char *piece_path(const struct piece *p);
const char *piece_base(const struct piece *p);   /* the last component of it */

/* ---- checked.c: what a sample says, held against the form it must have ---- */

const char *checked_text(const json_t *o, const char *key);   /* "": absent, or no text */
/* {"kind","value"} of dynamic.json's connections and indicators and of static.json's indicators, each once, those alone whose value has its kind's
 * form (RFC 1123 names, numeric addresses, printable URLs ...). kind: path, url, ip, ip6, domain, registry, mutex, email, key, wallet, user-agent, cron, unit.
 * New reference. */
json_t *checked_indicators(const struct piece *p);
/* With whom a connection or exchange of dynamic.json was, as the world knows it: the name that led there, else the address; NULL: nobody
 * that could be told to others (this machine, the garden's own resolver, an address that was but scanned). Borrowed. */
const char *checked_peer(const json_t *dynamic, const json_t *o);
bool checked_is_name(const char *peer);   /* a name, no address */
/* Is it to a port whose addresses were asked one after the other? */
bool checked_scanned(const json_t *dynamic, const json_t *o);
bool checked_email(const char *s);   /* NULL-safe */
bool checked_url(const char *s);
/* "T1234" or "T1234.567". */
bool checked_technique(const char *s);
/* The piece's ATT&CK techniques, each once: {"technique","name","tactic","why":[...]} from capabilities (of the file and of its run) and rules. New reference. */
json_t *checked_techniques(const struct exporter *x, const struct piece *p);

/* ---- attack.c: names and tactics of ATT&CK's techniques, from rules/attack.json ---- */

struct attack_tactic { const char *id, *name; };
extern const struct attack_tactic attack_tactics[];   /* in the matrix's order, ends with a NULL */
json_t *attack_load(struct err *e);
/* A sub-technique that is not listed has its parent's tactic. Name NULL, tactic "": not listed. */
const char *attack_name(const json_t *attack, const char *technique);
const char *attack_tactic(const json_t *attack, const char *technique);

/* ---- uuid.c ---- */

/* RFC 9562 version 5, from a namespace (16 bytes) and a name. */
void uuid_v5(const unsigned char space[16], const void *name, size_t n, char out[UUID_TEXT]);
/* In our own namespace, of "kind" and the further words, a NUL behind each; the last is NULL. */
void uuid_ours(char out[UUID_TEXT], const char *kind, ...) __attribute__((sentinel));

#endif
