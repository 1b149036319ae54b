/*
 * STIX 2.1 (OASIS Standard, 10 June 2021): one bundle a case. Sections named below are that document's.
 * Every piece of code is a file and a malware-analysis of it; a malicious one is malware too, with what it uses and talks to; a
 * malicious or suspicious one has an indicator, and its run's processes, traffic and mails.
 */
#include "export/stix.h"

#include <stdlib.h>
#include <string.h>

#define STIX_DROPS 100u       /* files of one piece */

/* What identifies us never changes, nor does when it was made: section 3.6.1. */
static const char identity_made[] = "2026-01-01T00:00:00.000Z";

/* ---- objects ---- */

static void stamp(const struct exporter *x, char out[32])
{
	char second[CLOCK_RFC3339];

	clock_rfc3339(x->time, second);
	snprintf(out, 32, "%.19s.000Z", second);
}

static struct stix_id our_id(const struct exporter *x, const char *type, const char *key, const char *more)
{
	char uuid[UUID_TEXT];
	struct stix_id id;

	/* With the case: section 3.6.1 wants one time of creation for one identifier. */
	uuid_ours(uuid, type, x->id, key, more, (char *)NULL);
	snprintf(id.text, sizeof id.text, "%s--%s", type, uuid);
	return id;
}

static struct stix_id identity(void)
{
	char uuid[UUID_TEXT];
	struct stix_id id;

	uuid_ours(uuid, "identity", (char *)NULL);
	snprintf(id.text, sizeof id.text, "identity--%s", uuid);
	return id;
}

/* The properties that every domain and relationship object has; section 3.2. */
static json_t *object(const struct exporter *x, const char *type, const char *id)
{
	const struct stix_id by = identity();
	char now[32];

	stamp(x, now);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "type", type, "spec_version", "2.1", "id", id, "created_by_ref", by.text,
		"created", now, "modified", now);
}

static void relate(struct exporter *x, const char *from, const char *how, const char *to)
{
	const struct stix_id id = our_id(x, "relationship", from, to);
	json_t *o = object(x, "relationship", id.text);

	json_object_set_new(o, "relationship_type", json_string(how));
	json_object_set_new(o, "source_ref", json_string(from));
	json_object_set_new(o, "target_ref", json_string(to));
	stix_emit(x, o);
}

static bool is_peer(const char *kind)
{
	return !strcmp(kind, "ip") || !strcmp(kind, "ip6") || !strcmp(kind, "domain") || !strcmp(kind, "url");
}

/* ---- one piece ---- */

static json_t *reason_texts(const struct piece *p)
{
	struct buf b = { 0 };
	const json_t *o;
	json_t *text;
	size_t i;

	json_array_foreach(json_object_get(p->verdict, "reasons"), i, o) {
		const char *said = jsonio_str(o, "text"), *source = jsonio_str(o, "source");

		if (said && *said && i < 40)
			buf_addf(&b, "%s%s (%s)", b.len ? "; " : "", said, source ? source : "-");
	}
	text = json_string(buf_str(&b));
	buf_free(&b);
	return text;
}

/* Section 10.18: the open vocabulary of kinds of malware, as far as our rules' tags tell. */
static json_t *malware_types(const struct piece *p)
{
	static const char *const kinds[][2] = { { "rootkit", "rootkit" }, { "miner", "resource-exploitation" }, { "remote", "backdoor" }, { "attack", "ddos" } };
	json_t *list = json_array();
	const json_t *o, *tag;
	size_t i, j;
	bool have[4] = { false };

	json_array_foreach(json_object_get(p->stat, "rules"), i, o)
		json_array_foreach(json_object_get(o, "tags"), j, tag)
			for (size_t k = 0; k < 4; k++)
				have[k] |= json_is_string(tag) && !strcmp(json_string_value(tag), kinds[k][0]);
	for (size_t k = 0; k < 4; k++)
		if (have[k])
			json_array_append_new(list, json_string(kinds[k][1]));
	if (!json_array_size(list))
		json_array_append_new(list, json_string("unknown"));
	return list;
}

static struct stix_id malware(struct exporter *x, const struct piece *p, const char *sample)
{
	const struct stix_id id = our_id(x, "malware", p->sha256, NULL);
	json_t *o = object(x, "malware", id.text);
	const char *name = piece_base(p);

	json_object_set_new(o, "name", json_string(name ? name : p->sha256));
	json_object_set_new(o, "description", reason_texts(p));
	json_object_set_new(o, "malware_types", malware_types(p));
	json_object_set_new(o, "is_family", json_false());
	json_object_set_new(o, "sample_refs", json_pack("[s]", sample));
	stix_emit(x, o);
	return id;
}

static struct stix_id analysis(struct exporter *x, const struct piece *p, const char *sample, json_t *found)
{
	static const char *const results[4] = { "malicious", "suspicious", "unknown", "benign" };
	const struct stix_id id = our_id(x, "malware-analysis", p->sha256, NULL);
	json_t *o = object(x, "malware-analysis", id.text), *modules = json_array();
	const char *run = jsonio_str(p->dynamic, "run");

	json_object_set_new(o, "product", json_string("muss"));
	json_object_set_new(o, "version", json_string(MUSS_VERSION));
	if (p->stat)
		json_array_append_new(modules, json_string("static"));
	if (run && strcmp(run, "none"))
		json_array_append_new(modules, json_string("dynamic"));
	if (json_array_size(modules))
		json_object_set(o, "modules", modules);
	json_decref(modules);
	json_object_set_new(o, "result", json_string(results[piece_verdict(p)]));
	json_object_set_new(o, "sample_ref", json_string(sample));
	if (json_array_size(found))
		json_object_set(o, "analysis_sco_refs", found);
	stix_emit(x, o);
	return id;
}

static struct stix_id indicator(struct exporter *x, const struct piece *p, const char *name, const char *pattern)
{
	const struct stix_id id = our_id(x, "indicator", pattern, NULL);
	json_t *o = object(x, "indicator", id.text);
	char now[32];

	stamp(x, now);
	json_object_set_new(o, "name", json_string(name));
	json_object_set_new(o, "description", reason_texts(p));
	json_object_set_new(o, "indicator_types", json_pack("[s]", piece_verdict(p) == MALICIOUS ? "malicious-activity" : "anomalous-activity"));
	json_object_set_new(o, "pattern", json_string(pattern));
	json_object_set_new(o, "pattern_type", json_string("stix"));
	json_object_set_new(o, "pattern_version", json_string("2.1"));
	json_object_set_new(o, "valid_from", json_string(now));
	stix_emit(x, o);
	return id;
}

static struct stix_id file_indicator(struct exporter *x, const struct piece *p)
{
	char *pattern = buf_printf("[file:hashes.'SHA-256' = '%s']", p->sha256);
	const char *name = piece_base(p);
	struct stix_id id = indicator(x, p, name ? name : p->sha256, pattern);

	free(pattern);
	return id;
}

/* An address that it was seen to talk to; numeric, so that nothing in the pattern wants escaping. */
static void peer_indicator(struct exporter *x, const struct piece *p, const char *kind, const char *address, const char *mal)
{
	char *pattern = buf_printf("[%s:value = '%s']", !strcmp(kind, "ip6") ? "ipv6-addr" : "ipv4-addr", address);
	const struct stix_id id = indicator(x, p, address, pattern);

	relate(x, id.text, "indicates", mal);
	free(pattern);
}

static bool was_contacted(const struct piece *p, const char *address)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(p->dynamic, "connections"), i, o) {
		const char *peer = checked_peer(p->dynamic, o);

		if (peer && !strcmp(peer, address))
			return true;
	}
	return false;
}

/* What was found in it, as references; and where it is malware, that it talks to it. */
static void observe_indicators(struct exporter *x, const struct piece *p, const char *mal, json_t *found)
{
	json_t *list = checked_indicators(p);
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		const char *kind = jsonio_str(o, "kind"), *value = jsonio_str(o, "value");
		struct stix_id id;

		if (!stix_observe(x, kind, value, &id))
			continue;
		json_array_append_new(found, json_string(id.text));
		if (!mal || !is_peer(kind))
			continue;
		relate(x, mal, "communicates-with", id.text);
		if (!strncmp(kind, "ip", 2) && was_contacted(p, value))
			peer_indicator(x, p, kind, value, mal);
	}
	json_decref(list);
}

static void observe_drop(struct exporter *x, const char *sha256, json_int_t size, const char *mal, json_t *found)
{
	struct stix_id id;

	if (!sha256 || !digest_ok(sha256) || json_array_size(found) > EXPORT_INDICATORS + STIX_DROPS)
		return;
	id = stix_file(x, sha256, NULL, size, NULL);
	json_array_append_new(found, json_string(id.text));
	if (mal)
		relate(x, mal, "drops", id.text);
}

static void observe_drops(struct exporter *x, const struct piece *p, const char *mal, json_t *found)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(p->dynamic, "files"), i, o)
		if (jsonio_str(o, "sha256") && strcmp(jsonio_str(o, "sha256"), p->sha256))
			observe_drop(x, jsonio_str(o, "sha256"), jsonio_int(o, "size", -1), mal, found);
	json_array_foreach(json_object_get(json_object_get(p->stat, "unpack"), "drops"), i, o)
		observe_drop(x, jsonio_str(o, "sha256"), jsonio_int(o, "size", -1), mal, found);
}

static void techniques(struct exporter *x, const struct piece *p, const char *mal)
{
	json_t *list = checked_techniques(x, p);
	const json_t *t;
	size_t i;

	json_array_foreach(list, i, t) {
		const char *technique = jsonio_str(t, "technique"), *tactic = jsonio_str(t, "tactic");
		const struct stix_id id = our_id(x, "attack-pattern", technique, NULL);
		json_t *o = object(x, "attack-pattern", id.text);
		char *url = buf_printf("https://attack.mitre.org/techniques/%s", technique), *dot;

		/* The sub-technique's own page: T1053/003. */
		if (strchr(technique, '.') && (dot = strrchr(url, '.')))
			*dot = '/';
		json_object_set_new(o, "name", json_string(jsonio_str(t, "name")));
		if (*tactic)
			json_object_set_new(o, "kill_chain_phases", json_pack("[{s:s, s:s}]", "kill_chain_name", "mitre-attack", "phase_name", tactic));
		json_object_set_new(o, "external_references", json_pack("[{s:s, s:s, s:s}]", "source_name", "mitre-attack", "external_id", technique, "url", url));
		stix_emit(x, o);
		relate(x, mal, "uses", id.text);
		free(url);
	}
	json_decref(list);
}

static int stix_piece(struct exporter *x, const struct piece *p, struct err *e)
{
	const char *tlsh = jsonio_str(json_object_get(p->stat, "similarity"), "tlsh");
	const struct stix_id sample = stix_file(x, p->sha256, piece_base(p), jsonio_int(p->about, "size", -1), tlsh);
	enum verdict v = piece_verdict(p);
	json_t *found = json_array();
	struct stix_id mal = { "" }, of, ind;

	(void)e;
	if (v == MALICIOUS) {
		mal = malware(x, p, sample.text);
		techniques(x, p, mal.text);
	}
	if (v == MALICIOUS || v == SUSPICIOUS) {
		observe_indicators(x, p, *mal.text ? mal.text : NULL, found);
		observe_drops(x, p, *mal.text ? mal.text : NULL, found);
		stix_run(x, p, found);
		ind = file_indicator(x, p);
		if (v == MALICIOUS)
			relate(x, ind.text, "indicates", mal.text);
	}
	of = analysis(x, p, sample.text, found);
	if (v == MALICIOUS)
		relate(x, of.text, "analysis-of", mal.text);
	json_decref(found);
	return 0;
}

static int stix_begin(struct exporter *x, FILE *out, struct err *e)
{
	const struct stix_id who = identity();
	struct buf b = { 0 };
	char uuid[UUID_TEXT];
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "type", "identity", "spec_version", "2.1", "id", who.text,
		"created", identity_made, "modified", identity_made, "name", "muss", "identity_class", "system");

	(void)e;
	uuid_ours(uuid, "bundle", x->id, (char *)NULL);
	jsonio_dump_line(o, &b);
	fprintf(out, "{\"type\":\"bundle\",\"id\":\"bundle--%s\",\"objects\":[\n%.*s%s", uuid, (int)b.len - 1, buf_str(&b), x->written ? ",\n" : "");
	buf_free(&b);
	json_decref(o);
	return 0;
}

static int stix_end(struct exporter *x, FILE *out, struct err *e)
{
	(void)x;
	(void)e;
	fputs("\n]}\n", out);
	return 0;
}

const struct export_writer export_stix = { "stix", "stix.json", false, false, stix_piece, stix_begin, stix_end };
