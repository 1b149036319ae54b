#include "micro/capability.h"
#include "micro/inner.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define FACTS_TEXTS 50000u
#define FACTS_BYTES (16 * MIB)
#define FACTS_TRACE 20000u

static void note(json_t *set, const char *name, const char *where)
{
	if (name && *name && !json_object_get(set, name))
		json_object_set_new(set, name, json_string(where));
}

/* ---- imports ---- */

/* Names of functions wherever they stand: texts, or objects with "name" and lists of such. */
static void imports_in(json_t *set, const json_t *j, unsigned depth)
{
	const json_t *o;
	size_t i;

	if (json_is_string(j))
		note(set, json_string_value(j), "imports");
	if (json_is_object(j)) {
		note(set, jsonio_str(j, "name"), "imports");
		note(set, jsonio_str(j, "function"), "imports");
		if (depth) {
			imports_in(set, json_object_get(j, "functions"), depth - 1);
			imports_in(set, json_object_get(j, "imports"), depth - 1);
			imports_in(set, json_object_get(j, "names"), depth - 1);
		}
	}
	json_array_foreach(j, i, o)
		if (depth)
			imports_in(set, o, depth - 1);
}

static void note_uses(struct facts *f, const json_t *uses)
{
	const char *name;
	json_t *at, *o;
	size_t i;

	json_array_foreach(uses, i, o) {
		json_array_append(f->functions, o);
		json_object_foreach(json_object_get(o, "calls"), name, at)
			json_object_set(f->imports, name, at);
		json_object_foreach(json_object_get(o, "syscalls"), name, at)
			note(f->syscalls, name, json_is_string(at) ? json_string_value(at) : "");
	}
}

/* ---- texts ---- */

static void note_texts(struct facts *f, const char *source, const json_t *strings)
{
	const json_t *o;
	size_t i;

	json_array_foreach(strings, i, o) {
		const char *s = json_is_string(o) ? json_string_value(o) : jsonio_str(o, "text");

		if (!s || f->texts >= FACTS_TEXTS || f->all.len > FACTS_BYTES)
			continue;
		if (f->texts % 1024 == 0)
			f->text = buf_realloc(f->text, f->texts + 1024, sizeof *f->text);
		f->text[f->texts++] = (struct facts_text){ f->all.len, source, o };
		buf_adds(&f->all, s);
		buf_addc(&f->all, '\n');
	}
}

static void lower_all(struct facts *f)
{
	buf_add(&f->lower, f->all.p, f->all.len);
	for (size_t i = 0; i < f->lower.len; i++)
		f->lower.p[i] = (unsigned char)tolower(f->lower.p[i]);
}

const struct facts_text *facts_text_at(const struct facts *f, size_t offset)
{
	size_t low = 0, high = f->texts;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (f->text[mid].at <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low ? &f->text[low - 1] : NULL;
}

/* ---- calls that were made ---- */

static void trace(struct facts *f, const char *call, json_t *args, const char *from)
{
	json_t *o;
	char index[24];

	if (!call || json_array_size(f->trace) >= FACTS_TRACE) {
		json_decref(args);
		return;
	}
	o = json_object();
	json_object_set_new(o, "call", json_string(call));
	json_object_set_new(o, "args", args ? args : json_array());
	json_object_set_new(o, "from", json_string(from ? from : ""));
	snprintf(index, sizeof index, "%zu", json_array_size(f->trace));
	note(f->called, call, index);
	json_array_append_new(f->trace, o);
}

/* The same form, whoever saw the calls: "call" or "event" names it. */
static void note_calls(struct facts *f, const json_t *calls)
{
	const json_t *o;
	size_t i;

	json_array_foreach(calls, i, o)
		trace(f, jsonio_str(o, "call") ? jsonio_str(o, "call") : jsonio_str(o, "event"), json_incref(json_object_get(o, "args")), jsonio_str(o, "from"));
}

static void note_names(json_t *set, const json_t *list, const char *where)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		note(set, jsonio_str(o, "name"), where);
}

static void begin(struct facts *f, const json_t *stat)
{
	const char *format = jsonio_str(stat, "format");

	*f = (struct facts){ .format = format ? format : "data", .imports = json_object(), .functions = json_array(), .syscalls = json_object(), .trace = json_array(),
		.called = json_object(), .yara = json_object(), .signs = json_object() };
	f->os = !strncmp(f->format, "elf", 3) || !strcmp(f->format, "script") ? "linux" : !strncmp(f->format, "pe", 2) ? "windows" : "";
}

/* What one file holds: the sample, or what was found in it. */
static void note_file(struct facts *f, const json_t *file, const char *strings, const char *stack, const char *rules)
{
	imports_in(f->imports, json_object_get(json_object_get(file, "elf"), "imports"), 2);
	imports_in(f->imports, json_object_get(json_object_get(file, "pe"), "imports"), 3);
	note_uses(f, json_object_get(file, "uses"));
	note_texts(f, strings, json_object_get(file, "strings"));
	note_texts(f, stack, json_object_get(file, "stack_strings"));
	note_names(f->yara, json_object_get(file, "rules"), rules);
}

void facts_of_static(struct facts *f, const json_t *stat)
{
	const json_t *unpack = json_object_get(stat, "unpack"), *o;
	const struct inner_list *from;
	size_t i;

	begin(f, stat);
	note_file(f, stat, "strings", "stack_strings", "rules");
	for (i = 0; (o = inner_at(stat, i, &from)); i++)
		note_file(f, o, from->strings, from->stack_strings, from->rules);
	note_texts(f, "unpack.strings", json_object_get(unpack, "strings"));
	lower_all(f);
	note_calls(f, json_object_get(unpack, "calls"));
	note_names(f->signs, json_object_get(stat, "signs"), "signs");
	note_names(f->signs, json_object_get(stat, "anomalies"), "anomalies");
	note_names(f->signs, json_object_get(unpack, "findings"), "unpack.findings");
}

/* What a run in the garden tells without naming the calls. */
static void note_effects(struct facts *f, const json_t *dynamic)
{
	static const struct { const char *change, *call; } changes[] = { { "created", "write" }, { "modified", "write" }, { "deleted", "unlink" } };
	const json_t *o;
	size_t i, k;

	json_array_foreach(json_object_get(dynamic, "processes"), i, o)
		if (i)   /* the first one is ours */
			trace(f, "execve", json_deep_copy(json_object_get(o, "argv")), "processes");
	json_array_foreach(json_object_get(dynamic, "connections"), i, o) {
		const char *event = jsonio_str(o, "event"), *address = jsonio_str(o, "address");
		json_t *args = json_array();

		json_array_append_new(args, jsonio_name(address ? address : ""));
		json_array_append_new(args, json_sprintf("%lld", (long long)jsonio_int(o, "port", 0)));
		trace(f, event ? event : "connect", args, "connections");
	}
	json_array_foreach(json_object_get(dynamic, "files"), i, o) {
		for (k = 0; k < sizeof changes / sizeof *changes; k++) {
			if (!jsonio_str(o, "change") || !jsonio_str(o, "path") || strcmp(jsonio_str(o, "change"), changes[k].change))
				continue;
			trace(f, changes[k].call, json_pack("[s]", jsonio_str(o, "path")), "files");
		}
		note_texts(f, "lines", json_object_get(o, "lines"));
	}
}

void facts_of_dynamic(struct facts *f, const json_t *stat, const json_t *dynamic)
{
	begin(f, stat);
	note_calls(f, json_object_get(dynamic, "calls"));
	note_calls(f, json_object_get(dynamic, "events"));
	note_effects(f, dynamic);
	lower_all(f);
	note_names(f->signs, json_object_get(dynamic, "signs"), "signs");
}

void facts_free(struct facts *f)
{
	json_decref(f->imports);
	json_decref(f->functions);
	json_decref(f->syscalls);
	json_decref(f->trace);
	json_decref(f->called);
	json_decref(f->yara);
	json_decref(f->signs);
	buf_free(&f->all);
	buf_free(&f->lower);
	free(f->text);
	*f = (struct facts){ 0 };
}
