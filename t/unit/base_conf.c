/* Configuration files: what is read, and that each mistake is named with its line. */
#include "unit.h"
#include "base/base.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char *text, *path, **list;
static long number;
static bool flag;
static struct err e;
static char file[] = "/tmp/muss-conf-XXXXXX";

static const struct conf_key keys[] = {
	{ "name", CONF_TEXT, &text, true, 0, 0 }, { "file", CONF_PATH, &path, false, 0, 0 },
	{ "number", CONF_NUMBER, &number, false, 1, 9 }, { "flag", CONF_BOOL, &flag, false, 0, 0 },
	{ "item", CONF_LIST, &list, false, 0, 0 },
};
#define N (sizeof(keys) / sizeof(*keys))

static int load(const char *s)
{
	int rc;

	conf_free(keys, N);
	number = 5;
	flag = false;
	err_clear(&e);
	if (atomic_write(file, 0600, s, strlen(s), &e))
		exit(99);
	rc = conf_load(file, keys, N, &e);
	return rc ? e.code : 0;
}

static bool says(const char *s, const char *what)
{
	return load(s) == EX_CONFIG && strstr(e.msg, what);
}

int main(void)
{
	int fd = mkstemp(file);

	if (fd < 0)
		return 99;
	close(fd);
	OK(load("# a comment\n\n  name   two words \r\nfile x/y\nnumber 9\nflag yes\nitem /a\n\titem b\n") == 0, "a file is read");
	OK_STR(text, "two words", "blanks around a value are not part of it");
	OK_STR(path, "/tmp/x/y", "a path is relative to the file's folder");
	OK(number == 9 && flag, "numbers and flags");
	OK(list && !strcmp(list[0], "/a") && !strcmp(list[1], "/tmp/b") && !list[2], "a list");
	OK(load("name x") == 0 && number == 5 && !path && !list, "what is absent keeps its default; the last newline may lack");
	OK(says("name x\n\ncolour red\n", "line 3: unknown key 'colour'"), "an unknown key is named with its line");
	OK(says("name x\nname y\n", "line 2: a second value"), "a second value");
	OK(says("file x\n", "lacks the key 'name'"), "a missing key");
	OK(says("name\n", "line 1: no value"), "a key without value");
	OK(says("name x\nnumber 10\n", "from 1 to 9"), "a number out of range");
	OK(says("name x\nnumber 5x\n", "from 1 to 9"), "no number");
	OK(says("name x\nflag maybe\n", "yes or no"), "neither yes nor no");
	OK(says("name x\n\x1b[2J y\n", "\\x1b"), "control bytes are shown escaped");
	if (load("name x\n") || chmod(file, 0666))
		return 99;
	OK(conf_load(file, keys, N, &e) < 0 && e.code == EX_CONFIG && strstr(e.msg, "everybody"), "a file that everybody may write to");
	unlink(file);
	OK(conf_load(file, keys, N, &e) < 0 && e.code == EX_NOINPUT, "no file: 66");
	conf_free(keys, N);
	return unit_end();
}
