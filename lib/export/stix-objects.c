/* STIX 2.1: what is written once, and the cyber-observable objects, section 6. */
#include "export/stix.h"

#include <stdlib.h>
#include <string.h>

/* Section 2.9: the namespace of identifiers of cyber-observable objects. */
static const unsigned char observable_space[16] = { 0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c, 0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7 };

int stix_emit(struct exporter *x, json_t *o)
{
	const char *id = jsonio_str(o, "id");
	struct buf b = { 0 };

	if (!json_object_get(x->seen, id)) {
		json_object_set_new(x->seen, id, json_true());
		if (x->written++)
			fputs(",\n", x->held);
		jsonio_dump_line(o, &b);
		fwrite(b.p, 1, b.len - 1, x->held);
		buf_free(&b);
	}
	json_decref(o);
	return 0;
}

/* RFC 8785 section 3.2.2.2. */
static void canonical(struct buf *b, const char *s)
{
	static const char special[] = "\b\f\n\r\t\"\\", letter[] = "bfnrt\"\\";
	const char *at;

	buf_addc(b, '"');
	for (; *s; s++) {
		at = strchr(special, *s);
		if (at) {
			buf_addc(b, '\\');
			buf_addc(b, letter[at - special]);
		} else if ((unsigned char)*s < 0x20) {
			buf_addf(b, "\\u%04x", (unsigned char)*s);
		} else {
			buf_addc(b, *s);
		}
	}
	buf_addc(b, '"');
}

static struct stix_id observable_id(const char *type, const struct buf *contributing)
{
	char uuid[UUID_TEXT];
	struct stix_id id;

	uuid_v5(observable_space, contributing->p, contributing->len, uuid);
	snprintf(id.text, sizeof id.text, "%s--%s", type, uuid);
	return id;
}

/* RFC 8785, of what we put together ourselves: it is no deeper than that. */
static void canonical_value(struct buf *b, const json_t *v)
{
	const char *key;
	json_t *o;
	size_t i;

	if (json_is_object(v)) {
		buf_addc(b, '{');
		json_object_foreach((json_t *)(uintptr_t)v, key, o) {
			if (b->p[b->len - 1] != '{')
				buf_addc(b, ',');
			canonical(b, key);
			buf_addc(b, ':');
			canonical_value(b, o);
		}
		buf_addc(b, '}');
	} else if (json_is_array(v)) {
		buf_addc(b, '[');
		json_array_foreach(v, i, o) {
			buf_adds(b, i ? "," : "");
			canonical_value(b, o);
		}
		buf_addc(b, ']');
	} else if (json_is_string(v)) {
		canonical(b, json_string_value(v));
	} else {
		buf_addf(b, "%lld", (long long)json_integer_value(v));
	}
}

struct stix_id stix_id_of(const char *type, const json_t *contributing)
{
	struct buf b = { 0 };
	struct stix_id id;

	canonical_value(&b, contributing);
	id = observable_id(type, &b);
	buf_free(&b);
	return id;
}

struct stix_id stix_file(struct exporter *x, const char *sha256, const char *name, json_int_t size, const char *tlsh)
{
	struct buf b = { 0 };
	struct stix_id id;
	json_t *o;

	buf_addf(&b, "{\"hashes\":{\"SHA-256\":\"%s\"}", sha256);
	if (name) {
		buf_adds(&b, ",\"name\":");
		canonical(&b, name);
	}
	buf_addc(&b, '}');
	id = observable_id("file", &b);
	buf_free(&b);
	o = json_pack("{s:s, s:s, s:s, s:{s:s}}", "type", "file", "spec_version", "2.1", "id", id.text, "hashes", "SHA-256", sha256);
	if (tlsh)
		json_object_set_new(json_object_get(o, "hashes"), "TLSH", json_string(tlsh));
	if (name)
		json_object_set_new(o, "name", json_string(name));
	if (size >= 0)
		json_object_set_new(o, "size", json_integer(size));
	stix_emit(x, o);
	return id;
}

/* Objects that are one value alone. */
struct stix_id stix_single(struct exporter *x, const char *type, const char *property, const char *value)
{
	struct buf b = { 0 };
	struct stix_id id;

	buf_addf(&b, "{\"%s\":", property);
	canonical(&b, value);
	buf_addc(&b, '}');
	id = observable_id(type, &b);
	buf_free(&b);
	stix_emit(x, json_pack("{s:s, s:s, s:s, s:s}", "type", type, "spec_version", "2.1", "id", id.text, property, value));
	return id;
}

/* Section 6.17: the hive is never abbreviated. */
static struct stix_id registry_key(struct exporter *x, const char *key)
{
	static const char *const hives[][2] = { { "HKLM", "HKEY_LOCAL_MACHINE" }, { "HKCU", "HKEY_CURRENT_USER" }, { "HKCR", "HKEY_CLASSES_ROOT" },
		{ "HKU", "HKEY_USERS" }, { "HKCC", "HKEY_CURRENT_CONFIG" } };
	char *whole = NULL;
	struct stix_id id;

	for (size_t i = 0; !whole && i < sizeof hives / sizeof *hives; i++) {
		size_t n = strlen(hives[i][0]);

		if (!strncasecmp(key, hives[i][0], n) && key[n] == '\\')
			whole = buf_printf("%s%s", hives[i][1], key + n);
	}
	id = stix_single(x, "windows-registry-key", "key", whole ? whole : key);
	free(whole);
	return id;
}

/* false: STIX has no object for it. */
bool stix_observe(struct exporter *x, const char *kind, const char *value, struct stix_id *id)
{
	static const struct { const char *kind, *type, *property; } singles[] = {
		{ "ip", "ipv4-addr", "value" }, { "ip6", "ipv6-addr", "value" }, { "domain", "domain-name", "value" }, { "url", "url", "value" },
		{ "email", "email-addr", "value" }, { "mutex", "mutex", "name" },
	};

	if (!strcmp(kind, "registry")) {
		*id = registry_key(x, value);
		return true;
	}
	for (size_t i = 0; i < sizeof singles / sizeof *singles; i++) {
		if (strcmp(kind, singles[i].kind))
			continue;
		*id = stix_single(x, singles[i].type, singles[i].property, value);
		return true;
	}
	return false;
}
