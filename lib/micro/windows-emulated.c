/*
 * What a Windows program would have done, from the calls that the emulator saw: for machines where it cannot be run. Handles of keys are not
 * modelled there: a value belongs to the key that was opened before it.
 */
#include "micro/dynamic-internal.h"
#include "micro/wine.h"

#include <stdlib.h>
#include <string.h>

#define GENERIC_WRITE 0x40000000u
#define OPEN_EXISTING 3u
#define SERVICES "HKLM\\System\\CurrentControlSet\\Services\\"

struct emulated {
	json_t *d;
	char *key;                   /* opened last */
};

/* A name without the A or W that tells its texts' width. */
static bool is(const char *call, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(call, name, n) && (!call[n] || ((call[n] == 'A' || call[n] == 'W') && !call[n + 1]));
}

static const char *text(const json_t *call, size_t i)
{
	const char *s = json_string_value(json_array_get(json_object_get(call, "args"), i));

	return s ? s : "";
}

static unsigned long long number(const json_t *call, size_t i)
{
	return strtoull(text(call, i), NULL, 16);
}

/* Numbers stand where no text was found. */
static bool names(const char *s)
{
	return *s && strncmp(s, "0x", 2);
}

static void add_file(struct emulated *m, const char *path, const char *change, const char *sha256)
{
	json_t *files = json_object_get(m->d, "files"), *o;
	const char *place;
	size_t i;

	if (!names(path))
		return;
	json_array_foreach(files, i, o) {
		if (strcmp(jsonio_str(o, "path"), path) || strcmp(jsonio_str(o, "change"), change))
			continue;
		if (sha256)
			json_object_set_new(o, "sha256", json_string(sha256));
		return;
	}
	o = json_pack("{s:s,s:s,s:s,s:s}", "path", path, "windows_path", path, "change", change, "type", "file");
	if (sha256)
		json_object_set_new(o, "sha256", json_string(sha256));
	place = strcmp(change, "deleted") ? startup_of_file(path) : NULL;
	if (place) {
		json_object_set_new(o, "startup", json_string(place));
		json_array_append_new(json_object_get(m->d, "startup"), json_pack("{s:s,s:s,s:b}", "place", place, "file", path, "whole", 1));
	}
	json_array_append_new(files, o);
}

static const char *type_of(unsigned long long type)
{
	return type == 1 ? "REG_SZ" : type == 2 ? "REG_EXPAND_SZ" : type == 4 ? "REG_DWORD" : type == 7 ? "REG_MULTI_SZ" : "REG_BINARY";
}

static void add_value(struct emulated *m, const char *key, const char *value, const char *change, const char *type, const char *data)
{
	json_t *o = json_pack("{s:s,s:s,s:s}", "key", key, "value", value, "change", change);

	if (type)
		json_object_set_new(o, "type", json_string(type));
	if (data)
		json_object_set_new(o, "data", json_string(data));
	json_array_append_new(json_object_get(m->d, "registry"), o);
}

/* Of a predefined handle, sign-extended in 64-bit programs; another one is a key that was opened before. */
static const char *root_of(unsigned long long handle)
{
	static const char *const ROOTS[] = { "HKCR", "HKCU", "HKLM", "HKU" };
	uint32_t low = (uint32_t)handle;

	return low >= 0x80000000u && low < 0x80000004u ? ROOTS[low - 0x80000000u] : NULL;
}

static void open_key(struct emulated *m, const json_t *o)
{
	const char *root = root_of(number(o, 0)), *sub = text(o, 1);
	char *key;

	if (!names(sub) || (!root && !m->key))
		return;
	key = buf_printf("%s\\%s", root ? root : m->key, sub);
	free(m->key);
	m->key = key;
}

static void on_registry(struct emulated *m, const json_t *o, const char *call)
{
	if (is(call, "RegCreateKey") || is(call, "RegCreateKeyEx") || is(call, "RegOpenKey") || is(call, "RegOpenKeyEx"))
		open_key(m, o);
	else if (is(call, "RegSetValueEx") && m->key)
		add_value(m, m->key, names(text(o, 1)) ? text(o, 1) : "", "created", type_of(number(o, 3)), names(text(o, 4)) ? text(o, 4) : NULL);
	else if (is(call, "RegDeleteValue") && m->key && names(text(o, 1)))
		add_value(m, m->key, text(o, 1), "deleted", NULL, NULL);
	else if (is(call, "CreateService") && names(text(o, 1)) && names(text(o, 7))) {
		char *key = buf_printf(SERVICES "%s", text(o, 1));

		add_value(m, key, "ImagePath", "created", "REG_EXPAND_SZ", text(o, 7));
		free(key);
	}
}

static void on_file(struct emulated *m, const json_t *o, const char *call)
{
	if (is(call, "CreateFile") && number(o, 1) & GENERIC_WRITE && number(o, 4) != OPEN_EXISTING)
		add_file(m, text(o, 0), "created", NULL);
	else if (is(call, "CopyFile") || is(call, "CopyFileEx") || is(call, "URLDownloadToFile"))
		add_file(m, text(o, is(call, "URLDownloadToFile") ? 2 : 1), "created", NULL);
	else if (is(call, "MoveFile") || is(call, "MoveFileEx")) {
		add_file(m, text(o, 0), "deleted", NULL);
		add_file(m, text(o, 1), "created", NULL);
	} else if (is(call, "DeleteFile")) {
		add_file(m, text(o, 0), "deleted", NULL);
	}
}

static void on_process(struct emulated *m, const json_t *o, const char *call)
{
	const char *file = NULL, *arguments = NULL;
	json_t *p;

	if (is(call, "WinExec")) {
		file = text(o, 0);
	} else if (is(call, "CreateProcess")) {
		file = names(text(o, 0)) ? text(o, 0) : text(o, 1);
		arguments = names(text(o, 1)) ? text(o, 1) : NULL;
	} else if (is(call, "ShellExecute")) {
		file = text(o, 2);
		arguments = names(text(o, 3)) ? text(o, 3) : NULL;
	}
	if (!file || !names(file))
		return;
	p = json_pack("{s:s,s:[s]}", "path", file, "argv", file);
	if (arguments)
		json_array_append_new(json_object_get(p, "argv"), json_string(arguments));
	json_array_append_new(json_object_get(m->d, "processes"), p);
}

static void on_network(struct emulated *m, const json_t *o, const char *call)
{
	const char *host = NULL;
	json_int_t port = 0;
	char *name = NULL;

	if (is(call, "InternetConnect") || is(call, "WinHttpConnect")) {
		host = text(o, 1);
		port = (json_int_t)(number(o, 2) & 0xffff);
	} else if (is(call, "InternetOpenUrl") || is(call, "URLDownloadToFile")) {
		const char *at = strstr(text(o, 1), "://");

		if (at) {
			name = buf_printf("%.*s", (int)strcspn(at + 3, "/:?#"), at + 3);
			host = name;
			port = strncmp(text(o, 1), "https", 5) ? 80 : 443;
		}
	}
	if (host && names(host))
		json_array_append_new(json_object_get(m->d, "connections"), json_pack("{s:s,s:s,s:I,s:s}", "protocol", "tcp", "address", host, "port", port,
			"event", "connect"));
	free(name);
}

void emulated_effects(const json_t *stat, json_t *d)
{
	static const char *const LISTS[] = { "files", "registry", "startup", "processes", "connections", "calls", "signs" };
	const json_t *unpack = json_object_get(stat, "unpack");
	struct emulated m = { .d = d };
	size_t i;
	json_t *o;

	for (i = 0; i < sizeof LISTS / sizeof *LISTS; i++)
		jsonio_array(d, LISTS[i]);
	json_array_foreach(json_object_get(unpack, "calls"), i, o) {
		const char *call = jsonio_str(o, "call");

		if (!call)
			continue;
		on_registry(&m, o, call);
		on_file(&m, o, call);
		on_process(&m, o, call);
		on_network(&m, o, call);
		json_array_append(json_object_get(d, "calls"), o);
	}
	json_array_foreach(json_object_get(unpack, "drops"), i, o)
		if (jsonio_str(o, "kind") && !strcmp(jsonio_str(o, "kind"), "file") && jsonio_str(o, "name"))
			add_file(&m, jsonio_str(o, "name"), "created", jsonio_str(o, "sha256"));
	startup_of_registry(json_object_get(d, "registry"), json_object_get(d, "startup"));
	calls_signs(json_object_get(d, "calls"), json_object_get(d, "signs"));
	json_object_set_new(d, "call_count", json_integer(jsonio_int(unpack, "call_count", 0)));
	free(m.key);
}
