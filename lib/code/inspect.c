#include "code/describe.h"
#include "code/traits.h"
#include "code/view.h"

#define INSPECT_RULES_SECONDS 10

static void disassemble(json_t *o, const struct code_view *v)
{
	struct disasm d;

	if (disasm_view(v, NULL, &d)) {
		json_object_set(o, "entry", d.entry);
		json_object_set(o, "functions", d.functions);
		json_object_set(o, "graph", d.graph);
		if (d.minhash)
			json_object_set_new(o, "similarity", json_pack("{sO}", "minhash", d.minhash));
		json_object_set_new(o, "instructions", describe_number(d.instructions));
		if (d.stopped)
			json_array_append_new(jsonio_array(o, "limits"), json_string(d.stopped));
		json_object_set_new(o, "disasm", jsonio_bytes(buf_str(&d.text), d.text.len));
	}
	disasm_free(&d);
}

static const char *inspect_elf(json_t *o, struct findings *l, const void *p, size_t n)
{
	struct elf *f = elf_open(p, n);
	struct code_view *v = view_elf(f);
	const char *problem = f->problem;

	json_object_set_new(o, "elf", elf_describe(f));
	elf_anomalies(f, l);
	disassemble(o, v);
	view_free(v);
	elf_free(f);
	return problem ? "malformed" : "ok";
}

static const char *inspect_pe(json_t *o, struct findings *l, const void *p, size_t n)
{
	struct pe *f = pe_open(p, n);
	struct code_view *v = view_pe(f);
	const char *problem = f->problem;

	json_object_set_new(o, "pe", pe_describe(f));
	pe_anomalies(f, l);
	disassemble(o, v);
	view_free(v);
	pe_free(f);
	return problem ? "malformed" : "ok";
}

void inspect_prepare(void)
{
	char text[CLOCK_RFC3339];

	/* OpenSSL's configuration, and the C library's time zone, which it reads for UTC as well */
	digest_free(digest_new());
	digest_free(digest_new_md5());
	clock_rfc3339(0, text);
}

json_t *inspect(const void *p, size_t n, struct rules *r)
{
	struct findings l = { json_array(), json_array() };
	json_t *o = json_object(), *rules;
	const char *parser = "ok";
	struct err e = { 0 };
	char format[32], interpreter[256];

	json_object_set_new(o, "format", json_string(format_of(p, n, format)));
	json_object_set_new(o, "parser", json_string(parser));
	json_object_set_new(o, "size", describe_number(n));
	json_object_set_new(o, "entropy", describe_entropy(entropy_of(p, n)));
	if (elf_is(p, n)) {
		parser = inspect_elf(o, &l, p, n);
		json_object_set_new(o, "parser", json_string(parser));
	} else if (pe_is(p, n)) {
		parser = inspect_pe(o, &l, p, n);
		json_object_set_new(o, "parser", json_string(parser));
	}
	format_interpreter(p, n, interpreter);
	if (*interpreter)
		json_object_set_new(o, "interpreter", jsonio_name(interpreter));
	json_object_set_new(o, "strings", strings_find(p, n, NULL));
	traits_add(o, p, n);
	rules = r ? rules_scan(r, p, n, INSPECT_RULES_SECONDS, &e) : json_array();
	if (e.code)
		json_array_append_new(jsonio_array(o, "limits"), json_string("rules"));
	json_object_set_new(o, "rules", rules ? rules : json_array());
	json_object_set_new(o, "anomalies", l.anomalies);
	json_object_set_new(o, "signs", l.signs);
	return o;
}
