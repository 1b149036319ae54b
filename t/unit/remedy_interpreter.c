/* Processes of an honest interpreter: which of them are the code, which only may be, and which are left alone. */
#include "remedy/remedy.h"
#include "remedy_case.h"

#include <stdlib.h>

#define BAD "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define PERL "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define OTHER "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define SCRIPT "{'kind':'script','size':50,'paths':['/usr/share/.x/upd'],'sightings':[]}"
#define PROCESS "'path':'/usr/bin/perl','sha256':'" PERL "','file':'/usr/share/.x/upd','end':'running'"
#define GARDEN(argv, comm, more) "{'processes':[{'pid':9," PROCESS ",'argv':[" argv "],'comm':'" comm "'" more "}]}"
#define RENAMED ",'renamed':true"
/* A process of the interpreter on the host. */
#define RUNS(pid, comm, argv) "{'how':'exe','pid':" pid ",'start':7" pid ",'comm':'" comm "','cmdline':[" argv "],'exe':'/usr/bin/perl'}"
#define INTERPRETER(sightings, signs) "{'kind':'file','size':3000,'paths':['/usr/bin/perl'],'signs':[" signs "],'sightings':[" sightings "]}"
#define HONEST RUNS("30", "perl", "'/usr/bin/perl','/opt/daemon.pl'")
#define KERNEL RUNS("40", "[kworker/1:2]", "'[kworker/1:2]'")

/* The plan of a malicious script that ran so, and an interpreter seen so on the host; extra: another script's about.json. */
static json_t *make(const char *garden, const char *interpreter, const char *extra)
{
	struct plan *p = plan_new();
	json_t *c = J(CASE), *plan = NULL;
	struct err e = { 0 };

	OK(plan_case(p, c, &e) == 0, "a case");
	json_decref(c);
	/* The interpreter may stand before or after the script that uses it. */
	if (interpreter)
		code(p, PERL, interpreter, NULL, "suspicious");
	code(p, BAD, SCRIPT, garden, "malicious");
	if (extra)
		code(p, OTHER, extra, NULL, "suspicious");
	OK(plan_make(p, &plan, &e) == 1, "a plan");
	plan_free(p);
	return plan;
}

/* Which process of the host is ended: its number, 0 none, -1 the interpreter in general or more than one. */
static int ended(const json_t *plan)
{
	int found = 0;
	size_t i;
	json_t *op;

	json_array_foreach(json_object_get(plan, "operations"), i, op) {
		const char *sha = jsonio_str(op, "sha256"), *why = jsonio_str(op, "why");
		const json_t *hint = json_object_get(op, "hint");

		if (strcmp(jsonio_str(op, "op"), "terminate") || !sha || strcmp(sha, PERL))
			continue;
		found = found || !jsonio_bool(op, "only", false) || !why || strcmp(why, BAD) ? -1 : (int)jsonio_int(hint, "pid", -1);
		if (jsonio_int(hint, "start", -1) != 700 + found || jsonio_int(op, "size", -1) != 3000)
			found = -1;
	}
	return found;
}

static size_t notes_of(const json_t *plan, const char *text)
{
	size_t n = 0, i;
	json_t *v;

	json_array_foreach(json_object_get(plan, "notes"), i, v)
		n += strstr(json_string_value(v), text) != NULL;
	return n;
}

static void test_linked(void)
{
	json_t *plan = make(GARDEN("'[kworker/1:2]'", "[kworker/1:2]", RENAMED), INTERPRETER(HONEST "," KERNEL, ""), NULL);

	OK(ended(plan) == 40, "the one that wears the garden's disguise, and no other");
	OK(!json_object_get(plan, "notes"), "and nothing is left open");
	json_decref(plan);
	plan = make(GARDEN("'/usr/bin/perl','/usr/share/.x/upd'", "perl", ""), INTERPRETER(HONEST "," KERNEL, ""), NULL);
	OK(ended(plan) == 40, "a kernel thread's name on the code's interpreter is enough");
	json_decref(plan);
	plan = make(GARDEN("'updater: idle   ',''", "updater: idle", RENAMED),
		INTERPRETER(RUNS("50", "updater: idle", "'updater: idle',''") "," HONEST, ""), NULL);
	OK(ended(plan) == 50, "any other name that it gave itself");
	json_decref(plan);
}

static void test_honest(void)
{
	json_t *plan = make(GARDEN("'/usr/bin/perl','/opt/daemon.pl'", "perl", ""), INTERPRETER(HONEST, ""), NULL);

	OK(ended(plan) == 0 && !json_object_get(plan, "notes"), "a like command line is no disguise");
	json_decref(plan);
	plan = make(GARDEN("'[kworker/1:2]'", "[kworker/1:2]", RENAMED), INTERPRETER(HONEST, ""), NULL);
	OK(ended(plan) == 0 && !json_object_get(plan, "notes"), "the same interpreter without the disguise");
	json_decref(plan);
	plan = make(NULL, NULL, NULL);
	OK(ended(plan) == 0 && !json_object_get(plan, "notes"), "no interpreter at all");
	json_decref(plan);
}

static void test_doubtful(void)
{
	const char *celery = RUNS("60", "python", "'[celeryd: worker]'");
	char *about = buf_printf(INTERPRETER("%s", ""), celery);
	json_t *plan = make(GARDEN("'[kworker/1:2]'", "[kworker/1:2]", RENAMED), about, NULL);

	OK(ended(plan) == 0 && notes_of(plan, "process 60, called '[celeryd: worker]', of '/usr/bin/perl'") == 1, "a daemon in brackets is looked at by somebody");
	json_decref(plan);
	free(about);
	plan = make(GARDEN("'updater: 17'", "updater", RENAMED), INTERPRETER(RUNS("50", "updater", "'updater: 18'"), ""), NULL);
	OK(ended(plan) == 0 && notes_of(plan, "process 50,") == 1, "half of the disguise");
	json_decref(plan);
	plan = make("{'processes':[]}", INTERPRETER(HONEST "," KERNEL, ""), NULL);
	OK(ended(plan) == 0 && notes_of(plan, "process 40,") == 1 && notes_of(plan, "process 30,") == 0, "a kernel thread's name, and nothing that links it");
	json_decref(plan);
	plan = make("{'processes':[]}", INTERPRETER(RUNS("70", "irq", "'irq'"), "{'name':'kernel-thread-name','reason':'process 70 calls itself irq'}"), NULL);
	OK(ended(plan) == 0 && notes_of(plan, "process 70,") == 1, "the scan's own sign of it");
	json_decref(plan);
	plan = make(GARDEN("'/usr/bin/perl','/usr/share/.x/upd'", "perl", ""), NULL, "{'kind':'deleted','size':9,'paths':[],'signs':[{'name':'deleted'}],'sightings':["
		"{'how':'script','pid':80,'start':1,'comm':'perl','cmdline':['perl'],'exe':'/usr/bin/perl','exe_sha256':'" PERL "','path':'/tmp/z'}]}");
	OK(ended(plan) == 0 && notes_of(plan, "process 80,") == 1, "a deleted script by the same interpreter");
	json_decref(plan);
}

/* The checks let a single process of an interpreter go, and never all of them. */
static void test_check(void)
{
	char hex[DIGEST_HEX];
	struct err e = { 0 };
	uint64_t size = 0;
	int fd = io_open_in("/bin/sh", &e);
	json_t *op;

	OK(fd >= 0 && !digest_fd(fd, CAP_BODY, hex, &size, &e), "this machine's shell");
	io_close(&fd);
	op = json_pack("{s:s, s:i, s:s, s:I, s:s, s:b, s:{s:i, s:i}}", "op", "terminate", "id", 1, "sha256", hex, "size", (json_int_t)size, "why", BAD,
		"only", 1, "hint", "pid", 40, "start", 740);
	OK(check_operation(op, NULL, &e) == 0, "one process of it may be ended");
	json_object_set_new(op, "only", json_false());
	OK(check_operation(op, NULL, &e) == -1 && strstr(e.msg, "essential"), "not all of them");
	json_object_set_new(op, "only", json_true());
	json_object_del(op, "hint");
	OK(check_operation(op, NULL, &e) == -1, "nor one of which it is not known which");
	json_decref(op);
}

int main(void)
{
	msg_init("remedy_interpreter");
	msg_level(-1);
	test_linked();
	test_honest();
	test_doubtful();
	test_check();
	return unit_end();
}
