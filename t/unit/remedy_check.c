/* Unsafe plans: each of them is one change away from a good one, and each is rejected. */
#include "remedy/remedy.h"
#include "unit.h"

#include <stdlib.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define NOW 1800000000

static json_t *parsed(const char *text)
{
	struct err e = { 0 };
	json_t *j = jsonio_parse(text, strlen(text), "the test's own", &e);

	if (!j)
		printf("# %s: %s\n", text, e.msg);
	return j;
}

static json_t *good_plan(void)
{
	return parsed("{\"format\":\"muss-plan/1\",\"id\":\"0123456789abcdef0123456789abcdef\",\"case\":\"0123456789abcdef0123456789abcdef\","
		"\"host\":{\"id\":\"0123456789abcdef0123456789abcdef\",\"name\":\"h\"},\"target\":\"linux-x86_64\","
		"\"created\":\"2027-01-15T08:00:00Z\",\"expires\":\"2027-01-22T08:00:00Z\",\"version\":1,\"codes\":[\"" A "\"],\"operations\":["
		"{\"op\":\"terminate\",\"id\":1,\"sha256\":\"" A "\",\"size\":100,\"why\":\"" A "\",\"hint\":{\"pid\":77,\"start\":5}},"
		"{\"op\":\"quarantine\",\"id\":2,\"path\":\"/tmp/x/evil\",\"sha256\":\"" A "\",\"size\":100,\"why\":\"" A "\"},"
		"{\"op\":\"remove-line\",\"id\":3,\"path\":\"/etc/crontab\",\"line\":\"* * * * * root /tmp/x/evil\","
		"\"line_sha256\":\"dec6d56ab7c9aecad0faa7a2f0d1ae7ec94d72a1a0f4e6bb1b3ad6e1f2ef7a3d\",\"why\":\"" A "\"},"
		"{\"op\":\"remove-link\",\"id\":4,\"path\":\"/etc/systemd/system/multi-user.target.wants/evil.service\",\"target\":\"../evil.service\",\"why\":\"" A "\"}]}");
}

/* The digest of whatever line stands there now. */
static void seal_lines(json_t *plan)
{
	size_t i;
	json_t *op;

	json_array_foreach(json_object_get(plan, "operations"), i, op) {
		const char *line = jsonio_str(op, "line");
		struct buf b = { 0 };
		char hex[DIGEST_HEX];

		if (!line || !json_object_get(op, "line_sha256") || jsonio_tobytes(line, &b))
			continue;
		digest_bytes(b.p, b.len, hex);
		if (strncmp(jsonio_str(op, "line_sha256"), "bad", 3))
			json_object_set_new(op, "line_sha256", json_string(hex));
		buf_free(&b);
	}
}

/* where: "" the plan, else the operation of that number, "codes", "host". value NULL: the member is taken away. */
static const struct mutation { const char *where, *key, *value, *says; } mutations[] = {
	{ "", "format", "\"muss-plan/2\"", "format" },
	{ "", "format", NULL, "format" },
	{ "", "id", "\"0123\"", "id" },
	{ "", "id", "\"0123456789ABCDEF0123456789abcdef\"", "id" },
	{ "", "id", "\"../../../../../../../../../../etc\"", "id" },
	{ "", "case", NULL, "case" },
	{ "", "host", "{\"name\":\"all\"}", "host" },
	{ "", "host", NULL, "host" },
	{ "", "target", "\"linux-arm\"", "target" },
	{ "", "created", NULL, "time" },
	{ "", "created", "\"2028-01-15T08:00:00Z\"", "long" },
	{ "", "expires", NULL, "time" },
	{ "", "expires", "\"tomorrow\"", "time" },
	{ "", "expires", "\"2027-01-15T07:59:59Z\"", "long" },
	{ "", "expires", "\"2027-01-15T08:00:00Z\"", "long" },
	{ "", "expires", "\"2037-01-15T08:00:00Z\"", "long" },
	{ "", "expires", "\"2027-01-15T08:00:00.5Z\"", "time" },
	{ "", "version", "0", "version" },
	{ "", "version", "-3", "version" },
	{ "", "codes", "[]", "no code" },
	{ "", "codes", "[\"x\"]", "SHA-256" },
	{ "", "codes", "[7]", "SHA-256" },
	{ "", "codes", "[\"" B "\"]", "reason" },
	{ "", "operations", "[]", "no operations" },
	{ "", "operations", "{}", "no operations" },
	{ "", "shell", "\"rm -rf /\"", "unknown key" },
	{ "1", "op", "\"shell\"", "closed set" },
	{ "1", "op", "\"delete\"", "closed set" },
	{ "1", "op", NULL, "closed set" },
	{ "1", "id", "0", "number" },
	{ "2", "id", "1", "number" },
	{ "2", "id", "\"2\"", "number" },
	{ "1", "id", "99999999", "number" },
	{ "1", "why", NULL, "reason" },
	{ "1", "why", "\"" B "\"", "reason" },
	{ "1", "sha256", NULL, "missing" },
	{ "1", "sha256", "\"aaaa\"", "SHA-256" },
	{ "1", "sha256", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"", "SHA-256" },
	{ "1", "sha256", "\"" EMPTY_SHA256 "\"", "essential" },
	{ "1", "size", NULL, "size" },
	{ "1", "size", "0", "size" },
	{ "1", "size", "-1", "size" },
	{ "1", "size", "99999999999", "size" },
	{ "1", "size", "1.5", "type" },
	{ "1", "hint", "{\"pid\":1,\"start\":0}", "process 1" },
	{ "1", "hint", "{\"pid\":-1,\"start\":0}", "process 1" },
	{ "1", "hint", "{\"pid\":0,\"start\":0}", "process 1" },
	{ "1", "hint", "{\"pid\":77,\"start\":0,\"name\":\"sshd\"}", "process 1" },
	{ "1", "name", "\"sshd\"", "unknown key" },
	{ "1", "pid", "77", "unknown key" },
	{ "1", "mapped", "\"yes\"", "type" },
	{ "1", "exe", "\"/bin/sh\"", "together" },
	{ "1", "path", "\"tmp/evil\"", "absolute" },
	{ "1", "path", "\"/boot/vmlinuz\"", "protected" },
	{ "2", "path", NULL, "missing" },
	{ "2", "path", "7", "missing" },
	{ "2", "path", "\"\"", "absolute" },
	{ "2", "path", "\"/\"", "absolute" },
	{ "2", "path", "\"tmp/x/evil\"", "absolute" },
	{ "2", "path", "\"/tmp/../etc/evil\"", "absolute" },
	{ "2", "path", "\"/tmp/./evil\"", "absolute" },
	{ "2", "path", "\"/tmp//evil\"", "absolute" },
	{ "2", "path", "\"/tmp/evil/\"", "absolute" },
	{ "2", "path", "\"/tmp/ev\\nil\"", "absolute" },
	{ "2", "path", "\"/proc/1/exe\"", "protected" },
	{ "2", "path", "\"/sys/power/state\"", "protected" },
	{ "2", "path", "\"/dev/sda\"", "device" },
	{ "2", "path", "\"/boot/grub/grub.cfg\"", "protected" },
	{ "2", "path", "\"/etc/passwd\"", "cannot do without" },
	{ "2", "path", "\"/etc/shadow\"", "cannot do without" },
	{ "2", "path", "\"/etc/pam.d/common-auth\"", "protected" },
	{ "2", "path", "\"/sbin/init\"", "cannot do without" },
	{ "2", "path", "\"/usr/lib/systemd/systemd\"", "cannot do without" },
	{ "2", "path", "\"/lib/x86_64-linux-gnu/libc.so.6\"", "cannot do without" },
	{ "2", "path", "\"/lib64/ld-linux-x86-64.so.2\"", "cannot do without" },
	{ "2", "path", "\"/usr/lib/modules/6.1/kernel/fs/ext4.ko\"", "protected" },
	{ "2", "path", "\"/var/lib/muss/quarantine/x\"", "protected" },
	{ "2", "path", "\"/var/lib/dpkg/status\"", "protected" },
	{ "2", "path", "\"/usr\"", "folder" },
	{ "2", "path", "\"/usr/bin/dpkg\"", "package" },
	{ "2", "path", "\"/bin/ls\"", "package" },
	{ "2", "size", NULL, "size" },
	{ "2", "sha256", "\"" EMPTY_SHA256 "\"", "essential" },
	{ "2", "recursive", "true", "unknown key" },
	{ "2", "line", "\"x\"", "unknown key" },
	{ "3", "path", "\"/etc/passwd\"", "cannot do without" },
	{ "3", "path", "\"/etc/ssh/ssh_config\"", "starts nothing" },
	{ "3", "path", "\"/home/a/letter.txt\"", "starts nothing" },
	{ "3", "path", "\"/etc/systemd/system/evil.service\"", "not lines" },
	{ "3", "line", NULL, "missing" },
	{ "3", "line", "\"\"", "one line" },
	{ "3", "line", "\"   \"", "too little" },
	{ "3", "line", "\"#!/bin/sh\"", "too little" },
	{ "3", "line", "\"# m h dom mon dow user command\"", "too little" },
	{ "3", "line", "\"fi\"", "too little" },
	{ "3", "line", "\"exit 0\"", "too little" },
	{ "3", "line", "\"[Service]\"", "too little" },
	{ "3", "line", "\"a /tmp/b\\nc /tmp/d\"", "one line" },
	{ "3", "line_sha256", "\"bad6d56ab7c9aecad0faa7a2f0d1ae7ec94d72a1a0f4e6bb1b3ad6e1f2ef7a3d\"", "digest" },
	{ "3", "line_sha256", NULL, "missing" },
	{ "3", "regex", "true", "unknown key" },
	{ "4", "path", "\"/home/a/link\"", "enables nothing" },
	{ "4", "path", "\"/lib\"", "folder" },
	{ "4", "target", NULL, "missing" },
	{ "4", "target", "\"\"", "target" },
};

static void test_mutations(void)
{
	for (size_t i = 0; i < sizeof mutations / sizeof *mutations; i++) {
		const struct mutation *m = &mutations[i];
		json_t *plan = good_plan(), *at = plan, *value = NULL;
		struct err e = { 0 };
		char name[200];

		if (m->value) {
			char *wrapped = buf_printf("[%s]", m->value);
			json_t *list = parsed(wrapped);

			value = json_incref(json_array_get(list, 0));
			json_decref(list);
			free(wrapped);
		}
		if (*m->where)
			at = json_array_get(json_object_get(plan, "operations"), (size_t)atoi(m->where) - 1);
		if (value)
			json_object_set_new(at, m->key, value);
		else
			json_object_del(at, m->key);
		seal_lines(plan);
		snprintf(name, sizeof name, "%s %s %s", m->where, m->key, m->value ? m->value : "(absent)");
		OK(check_plan(plan, NOW, &e) == -1 && e.code == EX_DATAERR && strstr(e.msg, m->says), name);
		if (!strstr(e.msg, m->says))
			printf("# said: %s\n", e.msg);
		json_decref(plan);
	}
}

static void test_good(void)
{
	json_t *plan = good_plan(), *list;
	struct err e = { 0 };

	seal_lines(plan);
	OK(check_plan(plan, NOW, &e) == 0, "the good plan passes");
	printf("# %s\n", e.msg);
	OK(check_plan(plan, NOW + 8 * 86400, &e) == -1 && strstr(e.msg, "expired"), "until it has expired");
	list = json_array();
	for (json_int_t i = 1; i <= CAP_OPERATIONS + 1; i++) {
		json_t *op = json_deep_copy(json_array_get(json_object_get(plan, "operations"), 1));

		json_object_set_new(op, "id", json_integer(i));
		json_array_append_new(list, op);
	}
	json_object_set_new(plan, "operations", list);
	OK(check_plan(plan, NOW, &e) == -1 && strstr(e.msg, "more than"), "too many operations");
	json_decref(plan);
	plan = json_array();
	OK(check_plan(plan, NOW, &e) == -1, "not an object");
	json_decref(plan);
}

static void test_essential(void)
{
	json_t *plan = good_plan(), *op = json_array_get(json_object_get(plan, "operations"), 0);
	char hex[DIGEST_HEX], path[5000];
	struct err e = { 0 };
	uint64_t size = 0;
	int fd;

	seal_lines(plan);
	snprintf(path, sizeof path, "/bin/sh");
	fd = io_open_in(path, &e);
	OK(fd >= 0 && !digest_fd(fd, CAP_BODY, hex, &size, &e), "this machine's shell");
	io_close(&fd);
	json_object_set_new(op, "sha256", json_string(hex));
	json_object_set_new(op, "size", json_integer((json_int_t)size));
	OK(check_plan(plan, NOW, &e) == -1 && strstr(e.msg, "essential"), "is never ended, whoever says it is malicious");
	json_decref(plan);
}

static void test_places(void)
{
	char longest[5000] = "/", component[300] = "/";

	memset(longest + 1, 'a', 4990);
	memset(component + 1, 'a', 256);
	OK(!place_normal(longest, strlen(longest)), "a path over PATH_MAX");
	OK(!place_normal(component, strlen(component)), "a component over NAME_MAX");
	OK(!place_normal("/a\0b", 4), "a NUL");
	OK(place_normal("/tmp/a b\xff*", 10), "any other byte is a name's");
	OK(place_startup("/home/u/.bashrc") && place_startup("/etc/cron.d/x") && place_startup("/root/.config/autostart/a.desktop"), "start-up places");
	OK(!place_startup("/etc/cron.d") && !place_startup("/etc/hostname"), "and others");
	OK(place_owned("/usr/bin/dpkg") && place_owned("/bin/ls") && place_owned("/usr/bin/ls"), "owned files, by both names of a merged system");
	OK(!place_owned("/usr/bin/no-such-program") && !place_owned("/tmp/x"), "unowned ones");
	OK(place_never("/usr/local/lib/libz.so.1") == NULL, "an unowned library of /usr/local may go");
}

int main(void)
{
	test_good();
	test_mutations();
	test_essential();
	test_places();
	return unit_end();
}
