/* What Wine says of a run: its registry files, its relay channel, what is its own; and the emulator's calls as effects. */
#include "micro/dynamic-internal.h"
#include "micro/wine.h"
#include "unit_json.h"

#include <unistd.h>

static struct registry *registry_of(const char *text)
{
	struct registry *r = buf_alloc(sizeof *r);

	r->key = json_object();
	registry_read(r, "HKLM", text, strlen(text));
	return r;
}

static const json_t *value(const struct registry *r, const char *key, const char *name)
{
	return json_object_get(json_object_get(r->key, key), name);
}

static bool holds(const struct registry *r, const char *name, const char *type, const char *data)
{
	const json_t *v = value(r, "HKLM\\Soft ware\\K", name);

	return v && !strcmp(json_string_value(json_array_get(v, 0)), type) && !strcmp(json_string_value(json_array_get(v, 1)), data);
}

#define HEAD "WINE REGISTRY Version 2\n;; All keys\n\n#arch=win64\n\n[Soft ware\\\\K] 1795858546\n#time=1dd\n"

static void values(void)
{
	struct registry *r = registry_of(HEAD "@=\"default\"\n\"Text\"=\"a\\\\b \\\"c\\\" \\x00e9\\n\"\n\"Word\"=dword:000000ff\n"
		"\"Expand\"=str(2):\"%TEMP%\\\\x\"\n\"Multi\"=str(7):\"one\\0two\\0\"\n\"Bytes\"=hex:de,ad,\\\n  be,ef\n"
		"\"Wide\"=hex(7):6f,00,00,00,74,00,00,00,00,00\n\"Long\"=hex(b):01,00,00,00,00,00,00,00\n\"None\"=hex(0):\n");

	OK(holds(r, "", "REG_SZ", "default"), "the default value");
	OK(holds(r, "Text", "REG_SZ", "a\\b \"c\" \303\251\n"), "text with its escapes");
	OK(holds(r, "Word", "REG_DWORD", "255"), "a number");
	OK(holds(r, "Expand", "REG_EXPAND_SZ", "%TEMP%\\x"), "text with variables");
	OK(holds(r, "Multi", "REG_MULTI_SZ", "one\ntwo"), "several texts");
	OK(holds(r, "Bytes", "REG_BINARY", "deadbeef"), "bytes over two lines");
	OK(holds(r, "Wide", "REG_MULTI_SZ", "o\nt"), "several texts as bytes");
	OK(holds(r, "Long", "REG_QWORD", "1"), "a long number");
	OK(holds(r, "None", "REG_NONE", ""), "nothing");
	registry_free(r);
}

static void broken(void)
{
	static const char *const TEXTS[] = { "", "[", "[a", "[a]\n\"", "[a]\n\"x\"", "[a]\n\"x\"=", "[a]\n\"x\"=\"", "[a]\n\"x\"=hex(", "[a]\n\"x\"=str(7):",
		"[a]\n\"x\"=str(7):\"", "\"x\"=\"no key\"\n", "[a\\", "[a]\n@\n", "[a]\n\"x\"=hex:zz,\\\n", "[a]\n\"\\x\"=\"\\x\"\n", "\\\n\\\n" };
	size_t kept = 0;

	for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
		struct registry *r = registry_of(TEXTS[i]);

		kept += json_object_size(r->key);
		registry_free(r);
	}
	OK(kept <= 12, "what is no registry is passed over");
}

static const json_t *change(const json_t *list, const char *value, const char *what)
{
	size_t i;
	json_t *o;

	json_array_foreach(list, i, o) {
		const char *name = jsonio_str(o, "value");

		if (!strcmp(name ? name : "-", value) && !strcmp(jsonio_str(o, "change"), what))
			return o;
	}
	return NULL;
}

static void comparison(void)
{
	struct registry *a = registry_of("[A] 1\n\"same\"=\"1\"\n\"other\"=\"1\"\n\"gone\"=\"1\"\n[B] 1\n\"x\"=\"1\"\n");
	struct registry *b = registry_of("[A] 1\n\"same\"=\"1\"\n\"other\"=\"2\"\n\"new\"=dword:00000001\n[C] 1\n");
	unsigned lost = 0;
	json_t *list = registry_compare(a, b, &lost);

	OK(json_array_size(list) == 6 && !lost, "six changes");
	OK(change(list, "new", "created") && !strcmp(jsonio_str(change(list, "new", "created"), "type"), "REG_DWORD"), "a new value with its type");
	OK(change(list, "other", "modified") && !strcmp(jsonio_str(change(list, "other", "modified"), "before"), "1"), "another value and what it was");
	OK(change(list, "gone", "deleted") && change(list, "x", "deleted"), "values that are gone");
	OK(change(list, "-", "created") && change(list, "-", "deleted"), "keys that are new, and gone");
	json_decref(list);
	registry_free(a);
	registry_free(b);
}

static void places(void)
{
	static const struct { const char *key, *value, *place; } P[] = {
		{ "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run", "x", "run-key" },
		{ "HKLM\\SOFTWARE\\Wow6432Node\\Microsoft\\Windows\\CurrentVersion\\RunOnce", "x", "run-once" },
		{ "HKLM\\System\\ControlSet001\\Services\\S", "ImagePath", "service" }, { "HKLM\\System\\CurrentControlSet\\Services\\S", "Start", NULL },
		{ "HKLM\\Software\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon", "Userinit", "winlogon" },
		{ "HKLM\\Software\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon", "DefaultUserName", NULL },
		{ "HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\X", "Run", NULL },
		{ "HKCU\\Environment", "UserInitMprLogonScript", "winlogon" },
	};
	bool good = true;

	for (size_t i = 0; i < sizeof P / sizeof *P; i++) {
		json_t *changes = json_pack("[{s:s,s:s,s:s,s:s}]", "key", P[i].key, "value", P[i].value, "change", "created", "data", "x.exe");
		json_t *list = json_array();
		const char *place;

		startup_of_registry(changes, list);
		place = jsonio_str(json_array_get(list, 0), "place");
		if (P[i].place ? !place || strcmp(place, P[i].place) : place != NULL) {
			printf("# %s %s: %s\n", P[i].key, P[i].value, place ? place : "none");
			good = false;
		}
		json_decref(changes);
		json_decref(list);
	}
	OK(good, "start-up places of the registry");
	OK(startup_of_file("C:\\Windows\\System32\\Tasks\\A") && !startup_of_file("C:\\Windows\\System32\\TasksX"), "and of the drive");
}

static json_t *read_log(const char *text, unsigned *count, bool *loaded)
{
	struct err e = { 0 };
	int fd = io_tmp(&e);
	json_t *list;

	*loaded = false;
	if (fd < 0 || io_write(fd, text, strlen(text)))
		return NULL;
	list = calls_read(fd, count, loaded, &e);
	close(fd);
	return list;
}

static void calls(void)
{
	unsigned count;
	bool loaded;
	json_t *list = read_log("10.000:0020:0024:Starting thread proc 1\n"
		"10.500:0020:0024:Call KERNEL32.CreateFileW(0021fe10 L\"C:\\\\t\\00e9(,)\\\"\",40000000,ffffffffffffffff) ret=140001000\n"
		"noise\n10.501:0020:0028:Call user32.A.B(00000001) ret=140001005\n"
		"10.502:0020:0024:Call ntdll.NtClose(00000000) ret=140001010\n10.503:0020:0024:Ret  ntdll.NtClose() retval=c0000008 ret=140001010\n"
		"10.503:0020:0024:Ret  KERNEL32.CreateFileW() retval=00000070 ret=140001000\n10.504:0020:0024:Call KERNEL32.BaseThreadInitThunk(1) ret=7\n"
		"10.505:0020:0024:Call \n10.506:0020:0024:Call x(\n10.507:0020:0024:Ret  \n10.5:0020", &count, &loaded);
	const json_t *one = json_array_get(list, 0), *args = json_object_get(one, "args");

	OK(loaded && count == 3 && json_array_size(list) == 3, "three calls among what is none");
	OK_STR(jsonio_str(one, "call"), "CreateFileW", "its name");
	OK(json_array_size(args) == 3 && !strcmp(json_string_value(json_array_get(args, 0)), "C:\\t\303\251(,)\""), "text with brackets and commas");
	OK(!strcmp(json_string_value(json_array_get(args, 1)), "0x40000000") && !strcmp(jsonio_str(one, "result"), "0x70"), "numbers, and what came back over another call");
	OK(jsonio_int(one, "pid", 0) == 0x20 && json_is_null(json_object_get(json_array_get(list, 1), "result")), "one that has not come back");
	json_decref(list);
}

static void flood(void)
{
	struct buf b = { 0 };
	unsigned count;
	bool loaded;
	json_t *list;

	for (int i = 0; i < 5000; i++)
		buf_addf(&b, "1.0:0020:0024:Call KERNEL32.Sleep(%08x) ret=1\n", i);
	list = read_log(buf_str(&b), &count, &loaded);
	OK(count == 5000 && json_array_size(list) == WINE_CALLS && !loaded, "a loop is told up to a cap");
	json_decref(list);
	buf_free(&b);
}

static void signs(void)
{
	json_t *list = J("[{'call':'IsDebuggerPresent','args':[]},{'call':'VirtualAllocEx','args':['0xffffffffffffffff']},"
		"{'call':'Sleep','args':['0x36ee80']},{'call':'NtQueryInformationProcess','args':['0x70','0x1b']}]"), *told = json_array();

	calls_signs(list, told);
	OK(json_array_size(told) == 2 && !strcmp(jsonio_str(json_array_get(told, 0), "name"), "watches-for-tracer") &&
	   !strcmp(jsonio_str(json_array_get(told, 1), "name"), "long-sleep"), "signs, and none for its own process");
	json_decref(list);
	json_decref(told);
}

static void noise(void)
{
	json_t *known = json_object(), *one = J("{'registry':[{'key':'K','value':'v','data':'1'},{'key':'K','value':'w','data':'1'}]}");
	json_t *two = J("{'registry':[{'key':'K','value':'v','data':'1'},{'key':'K','value':'w','data':'2'}]}");
	json_t *d = J("{'registry':[{'key':'K','value':'v','data':'9'},{'key':'K','value':'w','data':'9'},{'key':'K','value':'v','data':'1'},{'key':'K','data':'1'}]}");

	noise_learn(known, one);
	noise_learn(known, two);
	noise_drop(known, d);
	OK(json_array_size(json_object_get(d, "registry")) == 2 &&
	   !strcmp(jsonio_str(json_array_get(json_object_get(d, "registry"), 0), "data"), "9"), "what always is so, and what is another each time, is left out");
	json_decref(known);
	json_decref(one);
	json_decref(two);
	json_decref(d);
}

static void processes(void)
{
	json_t *events = J("[{'event':'exec','pid':2,'path':'/usr/lib/wine/wine64','argv':['/usr/lib/wine/wine64','C:\\\\a.exe']},"
		"{'event':'exec','pid':2,'path':'/usr/lib/wine/wine64','argv':['/usr/lib/wine/wine64','C:\\\\a.exe']},"
		"{'event':'fork','pid':2,'child':3},{'event':'fork','pid':3,'child':4},"
		"{'event':'exec','pid':4,'path':'/usr/lib/wine/wine64','argv':['/usr/lib/wine/wine64','cmd.exe','/c']},{'event':'exit','pid':4,'status':3}]");
	json_t *list = processes_of(events, NULL);

	OK(json_array_size(list) == 2, "the loader counts once");
	OK(jsonio_int(json_array_get(list, 1), "ppid", 0) == 2 && !strcmp(jsonio_str(json_array_get(list, 1), "path"), "cmd.exe") &&
	   !strcmp(jsonio_str(json_array_get(list, 1), "end"), "3"), "who started it, over two forks");
	json_decref(events);
	json_decref(list);
}

static void paths(void)
{
	char *a = wine_windows_path("/windows/drive_c/users/x y"), *b = wine_windows_path("/windows/drive_cx"), *c = wine_world_path("c:\\a\\b");

	OK_STR(a, "C:\\users\\x y", "a path of drive C:");
	OK_STR(b, "Z:\\windows\\drive_cx", "one beside it");
	OK_STR(c, "/windows/drive_c/a/b", "and back");
	free(a);
	free(b);
	free(c);
}

static void emulated(void)
{
	json_t *stat = J("{'unpack':{'call_count':4,'calls':[{'call':'RegCreateKeyExA','args':['0x80000001','Software\\\\K']},"
		"{'call':'RegSetValueExA','args':['0x0','v','0x0','0x4','0x12f000','0x4']},{'call':'CreateFileA','args':['C:\\\\r','0x80000000','0x0','0x0','0x3']},"
		"{'call':'MoveFileExW','args':['C:\\\\r','C:\\\\s','0x0']},{'call':7},{'args':[]}]}}"), *d = json_object();

	emulated_effects(stat, d);
	OK(json_array_size(json_object_get(d, "registry")) == 1 && json_array_size(json_object_get(d, "files")) == 2, "what a call names, and no file that is only read");
	OK_STR(jsonio_str(json_array_get(json_object_get(d, "registry"), 0), "key"), "HKCU\\Software\\K", "under the key that was opened before");
	json_decref(stat);
	json_decref(d);
}

int main(void)
{
	msg_init("micro_wine");
	values();
	broken();
	comparison();
	places();
	calls();
	flood();
	signs();
	noise();
	processes();
	paths();
	emulated();
	return unit_end();
}
