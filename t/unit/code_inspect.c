/* Functions, strings, entropy, rules, and the object they make. */
#include "code/code.h"
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Found as functions of their own, with two blocks at least and a call. */
__attribute__((noinline)) int inspected_callee(int n);
__attribute__((noinline)) int inspected_caller(int n);

int inspected_callee(int n)
{
	return n * 3 + (int)getpid();
}

int inspected_caller(int n)
{
	for (int i = 0; i < n; i++)
		if (inspected_callee(i) == 7)
			return i;
	return -1;
}

static const json_t *function_at(const json_t *list, uint64_t address)
{
	char text[32];
	const json_t *o;
	size_t i;

	snprintf(text, sizeof text, "%llx", (unsigned long long)address);
	json_array_foreach(list, i, o)
		if (!strcmp(jsonio_str(o, "address"), text))
			return o;
	return NULL;
}

static uint64_t address_of(const struct elf *f, const char *name)
{
	for (size_t i = 0; i < f->locals; i++)
		if (!strcmp(f->local[i].name, name))
			return f->local[i].value;
	return 0;
}

static void test_disasm(const struct buf *self)
{
	struct disasm_limits few = { .functions = 3 }, little = { .instructions = 10 };
	struct elf *f = elf_open(self->p, self->len);
	const json_t *caller, *callee;
	struct disasm d;
	char want[64];

	OK(disasm_elf(f, NULL, &d), "x86-64 is disassembled");
	OK(!d.stopped && json_array_size(d.functions) > 50, "all of this program fits the limits");
	OK(json_array_size(d.entry) > 5, "the entry point is shown");
	caller = function_at(d.functions, address_of(f, "inspected_caller"));
	callee = function_at(d.functions, address_of(f, "inspected_callee"));
	OK(caller && callee, "functions stand at their addresses");
	OK(jsonio_int(caller, "blocks", 0) >= 3, "a loop has blocks");
	OK(jsonio_int(callee, "instructions", 0) > 2 && jsonio_int(callee, "size", 0) < 4096, "and a size");
	snprintf(want, sizeof want, "%llx", (unsigned long long)address_of(f, "inspected_callee"));
	OK(caller && json_array_size(json_object_get(caller, "calls")) >= 1 &&
		!strcmp(json_string_value(json_array_get(json_object_get(caller, "calls"), 0)), want), "a call names its target");
	snprintf(want, sizeof want, "function %llx:", (unsigned long long)address_of(f, "inspected_caller"));
	OK(strstr(buf_str(&d.text), want), "the listing has it");
	disasm_free(&d);
	disasm_elf(f, &few, &d);
	OK(json_array_size(d.functions) <= 3 && d.stopped && !strcmp(d.stopped, "functions"), "functions are limited");
	disasm_free(&d);
	disasm_elf(f, &little, &d);
	OK(d.instructions <= 10 && d.stopped && !strcmp(d.stopped, "instructions"), "instructions are limited");
	disasm_free(&d);
	elf_free(f);
}

static void test_strings(void)
{
	static const char data[] = "\x01\x02plain words\0\x03/etc/cron.d/x\0shrt\0\0h\0i\0d\0d\0e\0n\0w\0\xff\xfe" "connect 10.1.2.3 now\0\x80";
	struct strings_options two = { .most = 2 };
	json_t *list = strings_find(data, sizeof data - 1, NULL);
	const json_t *first = json_array_get(list, 0), *o;
	bool wide = false, plain = false;
	size_t i;

	OK_STR(jsonio_str(first, "text"), "/etc/cron.d/x", "interesting strings come first");
	OK(jsonio_int(first, "offset", 0) == 15, "with their offset");
	OK_STR(jsonio_str(json_array_get(list, 1), "text"), "connect 10.1.2.3 now", "an address is interesting");
	json_array_foreach(list, i, o) {
		plain |= !strcmp(jsonio_str(o, "text"), "plain words");
		wide |= !strcmp(jsonio_str(o, "text"), "hiddenw") && jsonio_str(o, "encoding");
	}
	OK(plain && wide && json_array_size(list) == 4, "plain and wide ones follow, short ones do not");
	json_decref(list);
	list = strings_find(data, sizeof data - 1, &two);
	OK(json_array_size(list) == 2, "their number is limited");
	json_decref(list);
	OK(!strings_interesting("version 1.2.3.4.5 of 999.1.1.1", 30), "a version is no address");
}

static void test_entropy(void)
{
	unsigned char all[256];

	for (int i = 0; i < 256; i++)
		all[i] = (unsigned char)i;
	OK(entropy_of(all, 256) > 7.999 && entropy_of(all, 256) < 8.001, "all bytes once: 8 bits");
	OK(!(entropy_of("aaaa", 4) > 0) && !(entropy_of("", 0) > 0), "one byte only: 0 bits");
}

static void put(const char *folder, const char *name, const char *text)
{
	char *path = buf_printf("%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || io_write(fd, text, strlen(text)))
		printf("# cannot write %s\n", path);
	close(fd);
	free(path);
}

static void test_rules(void)
{
	char folder[] = "/tmp/muss-rules-XXXXXX";
	struct err e = { 0 };
	struct rules *r;
	json_t *o, *rules;

	if (!mkdtemp(folder))
		return;
	put(folder, "one.yar", "rule one : tagged { meta: description = \"d\" weight = 7 sure = true strings: $a = \"needle\" condition: $a }\n");
	r = rules_open(folder, &e);
	OK(r != NULL, "a folder of rules is compiled");
	rules = rules_scan(r, "hay needle hay needle", 21, 5, &e);
	o = json_array_get(rules, 0);
	OK(json_array_size(rules) == 1 && !strcmp(jsonio_str(o, "name"), "one"), "a rule matches");
	OK(jsonio_int(json_object_get(o, "meta"), "weight", 0) == 7 && jsonio_bool(json_object_get(o, "meta"), "sure", false), "with its meta data");
	OK(json_array_size(json_object_get(o, "matches")) == 2 && jsonio_int(json_array_get(json_object_get(o, "matches"), 1), "offset", 0) == 15, "and where");
	json_decref(rules);
	rules = rules_scan(r, "hay", 3, 5, &e);
	OK(json_array_size(rules) == 0 && !e.code, "and does not match what it should not");
	json_decref(rules);
	rules_free(r);

	put(folder, "two.yar", "rule two { condition: nonsense }\n");
	OK(!rules_open(folder, &e) && e.code == EX_CONFIG && strstr(e.msg, "two.yar"), "a wrong rule is named");
	err_clear(&e);
	put(folder, "two.yar", "include \"/etc/passwd\"\n");
	OK(!rules_open(folder, &e) && e.code == EX_CONFIG, "no rule includes other files");
	io_rmtree(-100, folder, &e);
}

static void test_signs(const struct buf *self)
{
	json_t *o = inspect(self->p, self->len, NULL);
	unsigned char noise[8192];
	struct buf copy = { 0 };

	OK_STR(jsonio_str(o, "parser"), "ok", "a linker's work is ok");
	OK(json_array_size(json_object_get(o, "signs")) == 0, "and bears no sign");
	OK(json_is_string(json_object_get(o, "disasm")), "the listing is in the object");
	json_decref(o);

	for (size_t i = 0; i < sizeof noise; i++)
		noise[i] = (unsigned char)((i * 2654435761u) >> 13 ^ i >> 3);
	buf_add(&copy, self->p, self->len);
	buf_add(&copy, noise, sizeof noise);
	o = inspect(copy.p, copy.len, NULL);
	OK(jsonio_int(json_object_get(o, "elf"), "overlay", 0) == sizeof noise, "what follows the last section is overlay");
	json_decref(o);
	memset(copy.p + 40, 0, 8);    /* e_shoff */
	memset(copy.p + 60, 0, 4);    /* e_shnum, e_shstrndx */
	o = inspect(copy.p, copy.len, NULL);
	OK(json_array_size(json_object_get(o, "signs")) >= 1 &&
		!strcmp(jsonio_str(json_array_get(json_object_get(o, "signs"), 0), "name"), "no-section-table"), "a missing section table is a sign");
	json_decref(o);
	buf_free(&copy);
}

int main(void)
{
	struct buf self = { 0 };
	struct err e = { 0 };

	if (inspected_caller(2) == 1 || io_slurp_path("/proc/self/exe", CAP_SLURP * 4, &self, &e))
		return 1;
	test_disasm(&self);
	test_strings();
	test_entropy();
	test_rules();
	test_signs(&self);
	buf_free(&self);
	return unit_end();
}
