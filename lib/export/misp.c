/*
 * MISP's core format: one event a case (https://www.misp-standard.org/rfc/misp-standard-core.html), as PyMISP's MISPEvent.load_file() and
 * MISP's own import read it. A malicious or suspicious piece of code is an object of the template "file"; what it
 * contacts and contains are attributes of the event; its techniques are galaxy tags.
 */
#include "export/misp.h"

#include <stdlib.h>
#include <string.h>

/* Of misp-objects. */
static const struct misp_template file_template = { "file", "file", "688c46fb-5edb-40a3-8273-1af7923e2215", "23" };

/* What the pieces leave for the event's own part. */
static json_t *set(struct exporter *x, const char *name)
{
	json_t *o = json_object_get(x->seen, name);

	if (!o) {
		o = json_object();
		json_object_set_new(x->seen, name, o);
	}
	return o;
}

json_t *misp_attribute(const struct exporter *x, const char *of, const char *type, const char *category, const char *value, bool to_ids)
{
	char uuid[UUID_TEXT], second[32];

	uuid_ours(uuid, "misp-attribute", x->id, of, type, value, (char *)NULL);
	snprintf(second, sizeof second, "%lld", (long long)x->time);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s}", "uuid", uuid, "type", type, "category", category, "value", value,
		"timestamp", second, "to_ids", to_ids, "distribution", "5");
}

static void add(const struct exporter *x, json_t *list, const struct piece *p, const char *relation, const char *type, const char *value, bool to_ids)
{
	json_t *a = misp_attribute(x, p->sha256, type, strcmp(type, "filename") && strcmp(relation, "sha256") ? "Other" : "Payload delivery", value, to_ids);

	json_object_set_new(a, "object_relation", json_string(relation));
	/* The same path and name may both be a text. */
	if (strcmp(relation, type)) {
		char uuid[UUID_TEXT];

		uuid_ours(uuid, "misp-attribute", x->id, p->sha256, relation, value, (char *)NULL);
		json_object_set_new(a, "uuid", json_string(uuid));
	}
	json_array_append_new(list, a);
}

static json_t *comment(const struct piece *p)
{
	struct buf b = { 0 };
	const json_t *o;
	json_t *text;
	size_t i;

	buf_addf(&b, "%s, score %.0f", verdict_names[piece_verdict(p)], jsonio_num(p->verdict, "score", 0));
	json_array_foreach(json_object_get(p->verdict, "reasons"), i, o)
		if (i < 20 && jsonio_str(o, "text"))
			buf_addf(&b, "; %s", jsonio_str(o, "text"));
	text = json_string(buf_str(&b));
	buf_free(&b);
	return text;
}

static json_t *file_attributes(const struct exporter *x, const struct piece *p)
{
	json_t *list = json_array(), *said = comment(p);
	const char *path = piece_path(p), *base = piece_base(p), *tlsh = jsonio_str(json_object_get(p->stat, "similarity"), "tlsh");
	json_int_t size = jsonio_int(p->about, "size", -1);
	double entropy = jsonio_num(p->stat, "entropy", -1);
	char number[40];

	add(x, list, p, "sha256", "sha256", p->sha256, true);
	if (base)
		add(x, list, p, "filename", "filename", base, false);
	if (path && strchr(path, '/'))
		add(x, list, p, "fullpath", "text", path, false);
	if (size >= 0) {
		snprintf(number, sizeof number, "%lld", (long long)size);
		add(x, list, p, "size-in-bytes", "size-in-bytes", number, false);
	}
	if (entropy >= 0 && entropy <= 8) {
		snprintf(number, sizeof number, "%.3f", entropy);
		add(x, list, p, "entropy", "float", number, false);
	}
	if (tlsh)
		add(x, list, p, "tlsh", "tlsh", tlsh, false);
	if (piece_verdict(p) == MALICIOUS)
		add(x, list, p, "state", "text", "Malicious", false);
	add(x, list, p, "text", "text", json_string_value(said), false);
	json_decref(said);
	return list;
}

static void note_indicators(struct exporter *x, const struct piece *p)
{
	static const struct { const char *kind, *type, *category; } types[] = {
		{ "ip", "ip-dst", "Network activity" }, { "ip6", "ip-dst", "Network activity" }, { "domain", "domain", "Network activity" },
		{ "url", "url", "Network activity" }, { "email", "email-src", "Payload delivery" }, { "registry", "regkey", "Persistence mechanism" },
		{ "mutex", "mutex", "Artifacts dropped" }, { "user-agent", "user-agent", "Network activity" },
		{ "path", "filename", "Artifacts dropped" },
	};
	json_t *list = checked_indicators(p), *attributes = set(x, "attributes");
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		const char *kind = jsonio_str(o, "kind"), *value = jsonio_str(o, "value");

		for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
			char *key;

			if (strcmp(types[k].kind, kind))
				continue;
			key = buf_printf("%s %s", types[k].type, value);
			if (!json_object_get(attributes, key)) {
				json_t *a = misp_attribute(x, "", types[k].type, types[k].category, value, false);

				json_object_set_new(a, "comment", json_pack("s+", "found in ", p->sha256));
				json_object_set_new(attributes, key, a);
			}
			free(key);
		}
	}
	json_decref(list);
}

static void note_techniques(struct exporter *x, const struct piece *p)
{
	json_t *list = checked_techniques(x, p), *tags = set(x, "tags");
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o) {
		char *tag = buf_printf("misp-galaxy:mitre-attack-pattern=\"%s - %s\"", jsonio_str(o, "name"), jsonio_str(o, "technique"));

		/* Without a name it would be no cluster of the galaxy. */
		if (attack_name(x->attack, jsonio_str(o, "technique")))
			json_object_set_new(tags, tag, json_true());
		free(tag);
	}
	json_decref(list);
}

/* The packets of its runs, by the name of their member: the case has them. */
static void note_captures(struct exporter *x, const struct piece *p)
{
	json_t *attributes = set(x, "attributes"), *a, *o;
	size_t i;

	json_array_foreach(p->members, i, o) {
		const char *name = json_string_value(o);
		size_t n = strlen(name);
		char *key;

		if (strncmp(name, "net", 3) || n < 5 || strcmp(name + n - 5, ".pcap"))
			continue;
		key = buf_printf("pcap %s %s", p->sha256, name);
		a = misp_attribute(x, p->sha256, "attachment", "Network activity", name, false);
		json_object_set_new(a, "comment", json_sprintf("packets of its run in the garden: code/%s/%s of the case", p->sha256, name));
		json_object_set_new(attributes, key, a);
		free(key);
	}
}

void misp_object(struct exporter *x, const struct misp_template *t, const struct piece *p, const char *key, json_t *said, json_t *attributes)
{
	char uuid[UUID_TEXT], second[32];
	struct buf b = { 0 };
	json_t *o;

	if (key)
		uuid_ours(uuid, "misp-object", x->id, p->sha256, t->name, key, (char *)NULL);
	else
		uuid_ours(uuid, "misp-object", x->id, p->sha256, (char *)NULL);
	snprintf(second, sizeof second, "%lld", (long long)x->time);
	o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "uuid", uuid, "name", t->name, "meta-category", t->category, "template_uuid", t->uuid,
		"template_version", t->version, "timestamp", second, "distribution", "5", "comment", said, "Attribute", attributes);
	if (x->written++)
		fputs(",\n", x->held);
	jsonio_dump_line(o, &b);
	fwrite(b.p, 1, b.len - 1, x->held);
	buf_free(&b);
	json_decref(o);
}

static int misp_piece(struct exporter *x, const struct piece *p, struct err *e)
{
	enum verdict v = piece_verdict(p);

	(void)e;
	if (v != MALICIOUS && v != SUSPICIOUS)
		return 0;
	note_indicators(x, p);
	note_techniques(x, p);
	note_captures(x, p);
	misp_object(x, &file_template, p, NULL, comment(p), file_attributes(x, p));
	misp_run(x, p);
	return 0;
}

static json_t *tags(struct exporter *x)
{
	json_t *list = json_pack("[{s:s}, {s:s}]", "name", "tlp:amber", "name", "misp:tool=\"muss\"");
	const char *name;
	json_t *v;

	json_object_foreach(set(x, "tags"), name, v)
		json_array_append_new(list, json_pack("{s:s}", "name", name));
	return list;
}

static int misp_begin(struct exporter *x, FILE *out, struct err *e)
{
	const char *host = jsonio_str(json_object_get(x->head, "host"), "name"), *key;
	char uuid[UUID_TEXT], org[UUID_TEXT], day[CLOCK_RFC3339], second[32], *info;
	json_t *o, *v, *attributes = json_array();
	struct buf b = { 0 };

	(void)e;
	json_object_foreach(set(x, "attributes"), key, v)
		json_array_append(attributes, v);
	uuid_ours(uuid, "misp-event", x->id, (char *)NULL);
	uuid_ours(org, "identity", (char *)NULL);
	clock_rfc3339(x->time, day);
	day[10] = '\0';
	snprintf(second, sizeof second, "%lld", (long long)x->time);
	info = buf_printf("muss case %.12s of %s: %zu malicious, %zu suspicious pieces of code", x->id, host ? host : "no host",
		x->count[MALICIOUS], x->count[SUSPICIOUS]);
	/* threat_level_id: 1 high, 2 medium, 4 undefined; analysis 2: completed; distribution 0: your organisation only. */
	o = json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:s, s:{s:s, s:s}, s:o, s:o}", "uuid", uuid, "info", info, "date", day, "timestamp", second,
		"published", 0, "analysis", "2", "threat_level_id", x->count[MALICIOUS] ? "1" : x->count[SUSPICIOUS] ? "2" : "4", "distribution", "0",
		"Orgc", "name", "muss", "uuid", org, "Tag", tags(x), "Attribute", attributes);
	jsonio_dump_line(o, &b);
	/* The objects, which are held in a file, go in before the last brace. */
	fprintf(out, "{\"Event\":%.*s,\"Object\":[\n", (int)b.len - 2, buf_str(&b));
	buf_free(&b);
	json_decref(o);
	free(info);
	return 0;
}

static int misp_end(struct exporter *x, FILE *out, struct err *e)
{
	(void)x;
	(void)e;
	fputs("\n]}}\n", out);
	return 0;
}

const struct export_writer export_misp = { "misp", "misp.json", false, false, misp_piece, misp_begin, misp_end };
