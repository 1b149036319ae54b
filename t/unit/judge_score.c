#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

#include "judge/judge.h"

static struct judge *load(const char *text, struct err *e)
{
	char path[] = "/tmp/muss-judge.XXXXXX";
	int fd = mkstemp(path);
	struct judge *j;

	err_clear(e);
	if (fd < 0 || io_write(fd, text, strlen(text)) < 0)
		exit(1);
	j = judge_load(path, e);
	close(fd);
	unlink(path);
	return j;
}

static const char good[] =
	"{\"format\":\"muss-criteria/1\",\"signs\":["
	"{\"name\":\"b\",\"source\":\"host\",\"group\":\"g\",\"weight\":10,\"meaning\":\"B\"},"
	"{\"name\":\"a\",\"source\":\"host\",\"group\":\"g\",\"weight\":25,\"meaning\":\"A\",\"technique\":\"T1\"},"
	"{\"name\":\"c\",\"source\":\"host\",\"group\":\"h\",\"weight\":4.25,\"meaning\":\"C\"},"
	"{\"name\":\"n\",\"source\":\"host\",\"group\":\"h\",\"weight\":-3,\"meaning\":\"N\"}]}";

static void scores(void)
{
	struct err e;
	struct judge *j = load(good, &e);
	json_t *signs = json_array(), *s;
	double zero = judge_score(signs);

	OK(j && judge_count(j) == 4, "criteria are read");
	OK_STR(judge_find(j, "a")->technique, "T1", "the technique is there");
	OK_STR(judge_find(j, "b")->technique, "", "and empty where there is none");
	OK(!judge_find(j, "zz") && !judge_at(j, 4), "what is not listed is not found");
	OK(zero < 0.01 && zero > -0.01, "no sign, no score");
	judge_add(j, signs, "b", "first");
	judge_add(j, signs, "b", "second");
	OK(json_array_size(signs) == 1, "a sign stands there once");
	s = json_array_get(signs, 0);
	OK_STR(jsonio_str(s, "reason"), "first", "with its first reason");
	OK_STR(jsonio_str(s, "group"), "g", "and its group");
	judge_add(j, signs, "a", "");
	OK((int)(judge_score(signs) * 10) == 250, "of a group the heaviest counts");
	judge_add(j, signs, "n", "");
	OK((int)(judge_score(signs) * 10) == 220, "a sign of innocence counts alone in its group");
	judge_add(j, signs, "c", "");
	OK((int)(judge_score(signs) * 10 + 0.5) == 293, "groups add up, one decimal");
	judge_add(j, signs, "strange", "x\xff");
	OK((int)(judge_score(signs) * 10 + 0.5) == 293, "an unlisted sign weighs nothing");
	OK_STR(jsonio_str(json_array_get(signs, 4), "group"), "unlisted", "but is seen");
	json_decref(signs);
	judge_free(j);
}

#define TWICE "{\"name\":\"a\",\"source\":\"s\",\"group\":\"g\",\"weight\":1,\"meaning\":\"A\"}"

static void refusals(void)
{
	static const char *const bad[] = {
		"{\"format\":\"other/1\",\"signs\":[]}", "{\"format\":\"muss-criteria/1\"}", "[]", "not json",
		"{\"format\":\"muss-criteria/1\",\"signs\":[{\"name\":\"a\",\"source\":\"host\",\"group\":\"g\",\"meaning\":\"A\"}]}",
		"{\"format\":\"muss-criteria/1\",\"signs\":[" TWICE "," TWICE "]}",
	};
	struct err e;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct judge *j = load(bad[i], &e);

		OK(!j && e.code == EX_CONFIG && e.msg[0], "wrong criteria are refused with 78");
		judge_free(j);
	}
	err_clear(&e);
	OK(!judge_load("/nonexistent/criteria.json", &e) && e.code == EX_NOINPUT, "missing ones with 66");
}

static void ours(void)
{
	struct err e;
	struct judge *j = judge_load("rules/criteria.json", &e);
	static const char *const must[] = {
		"deleted", "memfd", "exe-replaced", "anonymous-exec", "wx-memory", "elf-in-memory", "text-modified", "kernel-thread-name",
		"system-name", "hidden-folder", "temporary-place", "unowned", "preload-file", "preload-environment", "startup-cron",
		"high-entropy", "packer-section", "no-section-table", "fresh", "traced", "raw-socket", "hidden-process", "module-hidden",
	};
	size_t i, missing = 0;

	if (!OK(j != NULL, "rules/criteria.json is right"))
		return;
	for (i = 0; i < sizeof(must) / sizeof(*must); i++)
		missing += !judge_find(j, must[i]);
	OK(!missing, "and lists what mscan promises");
	judge_free(j);
}

int main(void)
{
	scores();
	refusals();
	ours();
	return unit_end();
}
