/* Texts that code puts together, uses of the system, indicators, who made a file: each on its trait and on the near miss. */
#include "code/traits.h"
#include "unit.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const json_t *with_text(const json_t *list, const char *key, const char *text)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
		if (jsonio_str(o, key) && !strcmp(jsonio_str(o, key), text))
			return o;
	return NULL;
}

/* ---- strings_stack ---- */

static json_t *stack_of(const char *code, size_t n, unsigned bits)
{
	struct layout v = { .bits = bits, .regions = 1, .region = { { 0x1000, (const unsigned char *)code, n, true } } };

	return strings_stack(&v, 100);
}

struct stacked { const char *what, *code; size_t n; unsigned bits; const char *text, *address; };
#define X(what, code, bits, text, address) { what, code "\xc3\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90", sizeof(code "\xc3\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90") - 1, bits, text, address }

static const struct stacked stacked[] = {
	X("bytes, one after the other", "\xc6\x44\x24\x10/\xc6\x44\x24\x11t\xc6\x44\x24\x12m\xc6\x44\x24\x13p\xc6\x44\x24\x14\0", 64, "/tmp", "1000"),
	X("in any order, by address", "\xc6\x45\xf3p\xc6\x45\xf2m\xc6\x45\xf0/\xc6\x45\xf1t", 64, "/tmp", "1000"),
	X("words of four", "\xc7\x45\xf0/bin\xc7\x45\xf4/sh\0", 32, "/bin/sh", "1000"),
	X("words of four and of two", "\xc7\x45\xf0/bin\x66\xc7\x45\xf4/x\xc6\x45\xf6\0", 64, "/bin/x", "1000"),
	X("movabs and a store", "\x48\xb8/etc/pas\x48\x89\x04\x24\xc7\x44\x24\x08swd\0", 64, "/etc/passwd", "100a"),
	X("by a register of the later eight", "\x41\xc6\x40\x00" "a\x41\xc6\x40\x01" "b\x41\xc6\x40\x02" "c\x41\xc6\x40\x03" "d", 64, "abcd", "1000"),
	X("pushed, as by 32-bit code", "\x68//sh\x68/bin\x89\xe3", 32, "/bin//sh", "1000"),
	X("wide characters", "\x66\xc7\x45\xf0h\0\x66\xc7\x45\xf2i\0\x66\xc7\x45\xf4" "d\0\x66\xc7\x45\xf6" "e\0", 32, "hide", "1000"),
	X("calls in between", "\xc6\x44\x24\x10/\xc6\x44\x24\x11t\xe8\0\0\0\0\xc6\x44\x24\x12m\xc6\x44\x24\x13p", 64, "/tmp", "1000"),
	X("two texts, with a gap", "\xc7\x45\xe0" "abcd\xc6\x45\xe4\0\xc7\x45\xf0/bin\xc7\x45\xf4/sh\0", 64, "/bin/sh", "100b"),
	X("no text: one number of four bytes", "\xc7\x45\xf0" "abcd", 64, NULL, NULL),
	X("no text: too short", "\xc6\x44\x24\x10/\xc6\x44\x24\x11t\xc6\x44\x24\x12m", 64, NULL, NULL),
	X("no text: places apart", "\xc6\x44\x24\x10/\xc6\x44\x24\x20t\xc6\x44\x24\x30m\xc6\x44\x24\x40p", 64, NULL, NULL),
	X("no text: the register changed in between", "\xc6\x40\x00/\xc6\x40\x01t\x48\x8d\x40\x08\xc6\x40\x02m\xc6\x40\x03p", 64, NULL, NULL),
};

static void test_stack(void)
{
	json_t *out;

	for (size_t i = 0; i < sizeof stacked / sizeof *stacked; i++) {
		const struct stacked *s = &stacked[i];
		const json_t *o;

		out = stack_of(s->code, s->n, s->bits);
		o = s->text ? with_text(out, "text", s->text) : NULL;
		OK(s->text ? o && !strcmp(jsonio_str(o, "address"), s->address) : !json_array_size(out), s->what);
		if (s->text && !o)
			json_dumpf(out, stdout, JSON_COMPACT);
		json_decref(out);
	}
}

/* ---- strings_new ---- */

static void test_new(void)
{
	static const char file[] = "\0hidden path /etc/here\0\0w\0i\0d\0e\0r\0t\0e\0x\0t\0\0\0";
	static const char dump[] = "\1here is one /tmp/decoded\0\1etc/here\0\1w\0i\0d\0e\0r\0t\0e\0x\0t\0\0\0n\0e\0w\0w\0i\0d\0e\0\0\0/tmp/decoded\0here is one /tmp/decoded\0";
	json_t *list = strings_new(dump, sizeof dump, file, sizeof file, NULL);

	OK(with_text(list, "text", "here is one /tmp/decoded") && with_text(list, "text", "newwide"), "what the file lacks is new");
	OK(!with_text(list, "text", "etc/here") && !with_text(list, "text", "widertext"), "a part of what it has is not");
	if (!OK(json_array_size(list) == 3, "and each is told once"))
		json_dumpf(list, stdout, JSON_COMPACT);
	json_decref(list);
	list = strings_new(dump, sizeof dump, "", 0, &(struct strings_options){ .most = 2 });
	OK(json_array_size(list) == 2, "their number is limited; a file may be empty");
	json_decref(list);
}

/* ---- uses ---- */

__attribute__((noinline)) int described_caller(int n);
int described_caller(int n)
{
	long r;

	if (n > 100)
		return socket(AF_INET, n, 0) + (int)gethostid();
	__asm__ volatile("mov $39, %%eax\n\tsyscall" : "=a"(r) : : "rcx", "r11", "memory");
	return (int)r;
}

/* A PE file of headers alone, whose table of exceptions is said to go on for 4 GiB. */
static void test_endless(void)
{
	unsigned char pe[400] = "MZ";
	struct layout v;
	clock_t before = clock();

	pe[0x3c] = 0x80;
	memcpy(pe + 0x80, "PE\0\0\x64\x86", 6);
	pe[0x94] = 240;
	pe[0x98] = 0x0b;
	pe[0x99] = 2;
	pe[0x98 + 33] = pe[0x98 + 37] = pe[0x98 + 57] = 0x10;
	pe[0x98 + 108] = 16;
	memset(pe + 0x98 + 112 + 8 * 3 + 4, 0xff, 4);
	layout_open(&v, pe, sizeof pe);
	OK(v.bits == 64 && v.windows && clock() - before < CLOCKS_PER_SEC / 4, "a table ends where the image does, whatever it says");
	layout_free(&v);
}

static void test_uses(const struct buf *self)
{
	const json_t *o, *found = NULL;
	struct layout v;
	json_t *list;
	size_t i;
	char text[24];
	bool cut, others = false;

	layout_open(&v, self->p, self->len);
	OK(v.bits == 64 && v.regions >= 3 && v.slots > 10 && v.starts > 50, "a program is seen as code, slots and starts");
	list = uses_find(&v, &cut);
	json_array_foreach(list, i, o)
		if (json_object_get(json_object_get(o, "calls"), "gethostid"))
			found = o;
	OK(found && json_object_get(json_object_get(found, "calls"), "socket"), "what one function calls stands together");
	OK(found && json_object_get(json_object_get(found, "syscalls"), "getpid"), "with the system calls that it makes itself");
	json_array_foreach(list, i, o)
		others |= o != found && json_object_get(json_object_get(o, "calls"), "json_array_size") != NULL;
	OK(found && others && !json_object_get(json_object_get(found, "calls"), "json_array_size"), "and with nothing that others call");
	json_decref(list);
	layout_free(&v);
	OK_STR(uses_syscall(true, 101, text), "ptrace", "numbers of x86-64");
	OK_STR(uses_syscall(false, 26, text), "ptrace", "and of i386");
	OK_STR(uses_syscall(true, 999, text), "syscall_999", "and what nobody knows");
}

static const json_t *syscalls_in(const char *code, size_t n, unsigned bits, json_t **list)
{
	struct layout v = { .bits = bits, .regions = 1, .region = { { 0x1000, (const unsigned char *)code, n, true } } };
	bool cut;

	*list = uses_find(&v, &cut);
	return json_object_get(json_array_get(*list, 0), "syscalls");
}

static void test_syscalls(void)
{
	static const struct { const char *what, *code; size_t n; unsigned bits; const char *name; } codes[] = {
#define C(what, code, bits, name) { what, code, sizeof(code) - 1, bits, name }
		C("mov eax, number", "\xb8\x65\0\0\0\x0f\x05", 64, "ptrace"),
		C("push and pop", "\x6a\x3b\x58\x0f\x05", 64, "execve"),
		C("al alone, behind xor", "\x31\xc0\xb0\x0b\xcd\x80", 32, "execve"),
		C("other registers in between", "\xb8\x65\0\0\0\x31\xff\x48\x89\xd6\x0f\x05", 64, "ptrace"),
		C("xor alone is read", "\x31\xc0\x0f\x05", 64, "read"),
		C("a call in between: not known", "\xb8\x65\0\0\0\xe8\0\0\0\0\x0f\x05", 64, NULL),
		C("from memory: not known", "\x8b\x47\x08\x0f\x05", 64, NULL),
	};

	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		json_t *list;
		const json_t *names = syscalls_in(codes[i].code, codes[i].n, codes[i].bits, &list);

		OK(codes[i].name ? json_object_size(names) == 1 && json_object_get(names, codes[i].name) : json_object_size(names) == 0, codes[i].what);
		json_decref(list);
	}
}

/* ---- indicators ---- */

struct indicator { const char *text, *kind, *value; };
static const struct indicator wanted[] = {
	{ "connect to http://evil.test-host.ru:8080/gate.php?id=%d now", "url", "http://evil.test-host.ru:8080/gate.php?id=%d" },
	{ "https://192.0.2.7/x.", "url", "https://192.0.2.7/x" },
	{ "stratum+tcp://pool.coins.top:3333", "url", "stratum+tcp://pool.coins.top:3333" },
	{ "c2=192.0.2.77:4444", "ip", "192.0.2.77" },
	{ "2001:db8:1f70::999:de8:7648:6e8", "ip", "2001:db8:1f70::999:de8:7648:6e8" },
	{ "update.badhost.xyz", "domain", "update.badhost.xyz" },
	{ "mail x.y+z@some-host.net please", "email", "x.y+z@some-host.net" },
	{ "/etc/cron.d/sysupd", "path", "/etc/cron.d/sysupd" },
	{ "cp %s /usr/lib/.sysd/udevd;", "path", "/usr/lib/.sysd/udevd" },
	{ "open C:\\Windows\\Temp\\x.exe", "path", "C:\\Windows\\Temp\\x.exe" },
	{ "%APPDATA%\\Microsoft\\x.dll", "path", "%APPDATA%\\Microsoft\\x.dll" },
	{ "Software\\Microsoft\\Windows\\CurrentVersion\\Run", "registry", "Software\\Microsoft\\Windows\\CurrentVersion\\Run" },
	{ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFAKEFAKEFAKEFAKE x@y", "key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFAKEFAKEFAKEFAKE" },
	{ "*/5 * * * * root /opt/x", "cron", "*/5 * * * * root /opt/x" },
	{ "@reboot /opt/x", "cron", "@reboot /opt/x" },
	{ "ExecStart=/opt/x --daemon", "unit", "ExecStart=/opt/x --daemon" },
	{ "User-Agent: Bot/1.0", "user-agent", "Bot/1.0" },
	{ "Mozilla/5.0 (X11; Linux x86_64)", "user-agent", "Mozilla/5.0 (X11; Linux x86_64" },
	/* Published examples: the first block's reward, BIP 173's vectors, Monero's donation address in its documentation's form. */
	{ "pay 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "wallet", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa" },
	{ "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "wallet", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4" },
	{ "0x52908400098527886E0F7030069857D2E4169EE7", "wallet", "0x52908400098527886E0F7030069857D2E4169EE7" },
};
static const char *const nothing[] = {
	"version 1.2.3.4", "libfoo.so.1.2.3.4", "999.1.2.3", "127.0.0.1", "255.255.255.0", "1.3.6.1.4.1.311", "2.5.29.17", "Firmware: 4.0.30319.0", "1.2.3.4.5",
	"std::vector::push", "dead::beef", "12:34:56", "a:b", "http://%s/x", "http://", "http://localhost/x", "foo.so", "self.it", "x.no", "main.cc", "org.gnome.Shell",
	"name@", "@plt", "aes256-gcm@openssh.com", "bug-gnu-utils@gnu.org", "http://www.w3.org/1999/xhtml", "/usr/include/x.h", "/build/src/x.c", "a/b/c", "/", "//", "/dev/null",
	"1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "0x0000000000000000000000000000000000000000", "1 2 3 4 5 six", "* * *", "Mozilla",
	"ssh-rsa", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "User-Agent: %s", "ExecStart=", "C:\\", "Software\\",
};

static json_t *indicators_of(const char *text)
{
	json_t *list = json_array(), *strings = json_pack("[{s:i, s:s}]", "offset", 0x1f40, "text", text);

	indicators_add(list, strings, "strings");
	json_decref(strings);
	return list;
}

static void test_indicators(void)
{
	json_t *list, *calls;
	const json_t *o;

	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		list = indicators_of(wanted[i].text);
		o = with_text(list, "value", wanted[i].value);
		OK(o && !strcmp(jsonio_str(o, "kind"), wanted[i].kind) && !strcmp(jsonio_str(o, "from"), "strings:1f40"), wanted[i].text);
		if (!o)
			json_dumpf(list, stdout, JSON_COMPACT);
		json_decref(list);
	}
	for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
		list = indicators_of(nothing[i]);
		if (!OK(!json_array_size(list), nothing[i]))
			json_dumpf(list, stdout, JSON_COMPACT);
		json_decref(list);
	}
	calls = json_pack("[{s:s, s:[s,s,s]}, {s:s, s:[s,s]}]", "call", "CreateMutexA", "args", "0x0", "0x1", "Global\\x-one", "call", "connect", "args", "0x3", "192.0.2.9:80");
	list = json_array();
	indicators_calls(list, calls);
	indicators_calls(list, calls);
	o = with_text(list, "value", "Global\\x-one");
	OK(o && !strcmp(jsonio_str(o, "kind"), "mutex") && !strcmp(jsonio_str(o, "from"), "calls:0"), "a mutex's name comes from a call");
	OK(with_text(list, "value", "192.0.2.9") && json_array_size(list) == 2, "arguments are looked at, and each value is told once");
	json_decref(list);
	json_decref(calls);
	list = json_array();
	for (int i = 0; i < 2000; i++) {
		char text[64];
		json_t *strings;

		snprintf(text, sizeof text, "/opt/many/%d /etc/many/%d 192.0.%d.%d", i, i, i % 256, i / 256);
		strings = json_pack("[{s:i, s:s}]", "offset", i, "text", text);
		indicators_add(list, strings, "strings");
		json_decref(strings);
	}
	OK(json_array_size(list) == 300, "each kind has its cap");
	json_decref(list);
}

/* ---- identify ---- */

static bool identified(const void *p, size_t n, const char *kind, const char *name)
{
	json_t *list = maker_find(p, n);
	const json_t *o;
	bool yes = false;
	size_t i;

	json_array_foreach(list, i, o)
		yes |= !strcmp(jsonio_str(o, "kind"), kind) && strstr(jsonio_str(o, "name"), name) && *jsonio_str(o, "evidence");
	json_decref(list);
	return yes;
}

/* A copy of a program with something behind it. */
static bool with(const struct buf *program, const void *tail, size_t n, const char *kind, const char *name)
{
	struct buf b = { 0 };
	bool yes;

	buf_add(&b, program->p, program->len);
	buf_add(&b, tail, n);
	yes = identified(b.p, b.len, kind, name);
	buf_free(&b);
	return yes;
}

static void test_identify(const struct buf *self, const struct buf *other)
{
	static const char script[] = "#!/bin/sh\n# This script was generated using Makeself 2.4\n";
	static const char go[] = "\xff Go buildinf:\x08\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\10go1.99.7x";
	static const char pyinstaller[] = "MEI\014\013\012\013\016\0\0\1\0\0\0\0\0\0\0\0\0\0\0\1\x37libpython";
	static const char rust[] = "\0/rustc/0123456789abcdef0123456789abcdef01234567/library/core/src/fmt.rs\0";

	OK(identified(self->p, self->len, "compiler", "GCC: (") || identified(self->p, self->len, "compiler", "clang"), "this program's own compiler, by .comment");
	OK(identified(self->p, self->len, "runtime", "glibc"), "its C library");
	OK(!identified(self->p, self->len, "packer", "UPX") && !with(other, "UPX!", 4, "packer", "UPX"), "four letters are no packer");
	OK(identified(script, sizeof script - 1, "packer", "makeself"), "makeself");
	OK(with(other, go, sizeof go - 1, "compiler", "go1.99.7"), "Go, by its build information");
	OK(!with(other, go, 20, "compiler", "go"), "but not by a part of it");
	OK(with(other, rust, sizeof rust - 1, "compiler", "rustc (commit 012345678"), "Rust, by a source path");
	OK(!with(other, "/rustc/zz/", 10, "compiler", "rustc"), "which has a commit");
	OK(with(other, pyinstaller, sizeof pyinstaller - 1, "runtime", "PyInstaller (Python 3.11)"), "PyInstaller, by its cookie");
	OK(!with(other, pyinstaller, 12, "runtime", "PyInstaller"), "a whole one");
	OK(!with(other, "MEI\014\013\012\013\016\0\0\1\0\0\0\0\0\0\0\0\0\x7f\0\0\0libpython", 33, "runtime", "PyInstaller"), "of a version that can be");
	OK(with(other, "\0AU3!EA06", 9, "runtime", "AutoIt"), "AutoIt");
	OK(!identified("", 0, "packer", "") && !identified("\177ELF", 4, "compiler", ""), "nothing in nothing");
}

int main(void)
{
	struct buf self = { 0 }, other = { 0 };
	struct err e = { 0 };

	if (described_caller(1) == 0 || io_slurp_path("/proc/self/exe", CAP_SLURP * 4, &self, &e) || io_slurp_path("/usr/bin/env", CAP_SLURP, &other, &e))
		return 1;
	test_stack();
	test_new();
	test_endless();
	test_uses(&self);
	test_syscalls();
	test_indicators();
	test_identify(&self, &other);
	buf_free(&self);
	buf_free(&other);
	return unit_end();
}
