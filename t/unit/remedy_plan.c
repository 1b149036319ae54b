/* The plan from what a case says: what gets into it, and what never does. */
#include "remedy/remedy.h"
#include "remedy_case.h"

#include <stdarg.h>
#include <stdlib.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static struct plan *begin(void)
{
	struct plan *p = plan_new();
	json_t *c = J(CASE);
	struct err e = { 0 };

	OK(plan_case(p, c, &e) == 0, "a case");
	json_decref(c);
	return p;
}

/* The operation with these members, given as JSON. */
static const json_t *find(const json_t *plan, const char *members)
{
	json_t *want = J(members), *op, *value;
	const json_t *found = NULL;
	const char *key;
	size_t i;

	json_array_foreach(json_object_get(plan, "operations"), i, op) {
		bool all = true;

		json_object_foreach(want, key, value)
			all &= json_is_null(value) ? !json_object_get(op, key) : json_equal(json_object_get(op, key), value);
		if (all)
			found = op;
	}
	json_decref(want);
	return found;
}

static json_t *finish(struct plan *p, int want)
{
	struct err e = { 0 };
	json_t *plan = NULL;
	int rc = plan_make(p, &plan, &e);

	OK(rc == want, "plan_make");
	if (rc != want)
		printf("# %d: %s\n", rc, e.msg);
	plan_free(p);
	return plan;
}

static void test_nothing(void)
{
	struct plan *p = begin();
	struct err e = { 0 };
	json_t *bad = J("{'id':'x','host':{'id':'y'}}");

	code(p, A, "{'kind':'file','size':5,'paths':['/tmp/a'],'sightings':[{'how':'exe','pid':5,'start':6}]}", NULL, "suspicious");
	code(p, B, "{'kind':'file','size':5,'paths':['/tmp/b'],'sightings':[]}", NULL, "good");
	OK(finish(p, 0) == NULL, "nothing malicious: no plan");
	p = plan_new();
	OK(plan_case(p, bad, &e) == -1 && e.code == EX_DATAERR, "a case without host");
	json_decref(bad);
	plan_free(p);
}

static void test_container(void)
{
	struct plan *p = begin();
	json_t *plan;

	code(p, A, "{'kind':'file','size':50,'paths':['/app/evil'],'sightings':["
		"{'how':'exe','pid':50,'start':60,'exe':'/app/evil','container':'box'},"
		"{'how':'startup','file':'/etc/crontab','text':'@reboot root /app/evil','file_sha256':'" B "','whole':false,'container':'box'},"
		"{'how':'startup','file':'/etc/cron.d/evil','file_sha256':'" C "','whole':true,'container':'box'}]}", NULL, "malicious");
	plan = finish(p, 1);
	OK(find(plan, "{'op':'terminate','sha256':'" A "'}"), "a container's process is ended");
	OK(!find(plan, "{'path':'/etc/crontab'}") && !find(plan, "{'path':'/etc/cron.d/evil'}"), "a container's start-up files are not sought here");
	json_decref(plan);
}

static void test_sightings(void)
{
	struct plan *p = begin();
	json_t *plan;

	code(p, A, "{'kind':'file','size':50,'paths':['/tmp/.x/evil','/opt/evil (deleted)'],'sightings':["
		"{'how':'exe','pid':50,'start':60,'exe':'/tmp/.x/evil'},{'how':'exe','pid':51,'start':61},"
		"{'how':'startup','file':'/etc/crontab','text':'@reboot root /tmp/.x/evil','file_sha256':'" B "','whole':false},"
		"{'how':'startup','file':'/etc/systemd/system/evil.service','text':'ExecStart=/tmp/.x/evil','file_sha256':'" C "','whole':true}]}", NULL, "malicious");
	plan = finish(p, 1);
	OK(find(plan, "{'op':'terminate','sha256':'" A "','size':50,'hint':{'pid':50,'start':60}}") != NULL, "its processes, by digest");
	OK(find(plan, "{'op':'quarantine','path':'/tmp/.x/evil','sha256':'" A "','size':50,'optional':null}") != NULL, "its file");
	OK(find(plan, "{'op':'quarantine','path':'/opt/evil','optional':true}") != NULL, "a deleted one may be back");
	OK(find(plan, "{'op':'remove-line','path':'/etc/crontab','line':'@reboot root /tmp/.x/evil'}") != NULL, "its line");
	OK(find(plan, "{'op':'quarantine','path':'/etc/systemd/system/evil.service','sha256':'" C "'}") != NULL, "its whole unit");
	OK(json_array_size(json_object_get(plan, "operations")) == 5, "and no more");
	OK_STR(jsonio_str(json_array_get(json_object_get(plan, "operations"), 0), "op"), "terminate", "processes first");
	json_decref(plan);
}

/* What is seen through a link: the link goes, and the file it leads to by the sighting of its own. */
static void test_links(void)
{
	struct plan *p = begin();
	json_t *plan;

	code(p, A, "{'kind':'file','size':50,'paths':['/opt/evil'],'sightings':["
		"{'how':'startup','file':'/etc/systemd/system/a.target.wants/e.service','link':'../e.service','text':'ExecStart=/opt/evil','file_sha256':'" C "','whole':true},"
		"{'how':'startup','file':'/etc/systemd/system/e.service','text':'ExecStart=/opt/evil','file_sha256':'" C "','whole':true},"
		"{'how':'startup','file':'/etc/cron.daily/e','link':'/opt/evil','file_sha256':'" A "','whole':true},"
		"{'how':'startup','file':'/etc/cron.daily/within','container':'web','file_sha256':'" A "','whole':true}]}",
		"{'files':[{'path':'/etc/systemd/system/a.target.wants/e.service','change':'created','type':'link','target':'../e.service'}]}", "malicious");
	plan = finish(p, 1);
	OK(find(plan, "{'op':'remove-link','path':'/etc/systemd/system/a.target.wants/e.service','target':'../e.service','optional':null}") != NULL, "a unit's link");
	OK(find(plan, "{'op':'remove-link','path':'/etc/cron.daily/e','target':'/opt/evil','optional':null}") != NULL, "a link to the code itself");
	OK(!find(plan, "{'op':'quarantine','path':'/etc/systemd/system/a.target.wants/e.service'}"), "which is no file to be moved");
	OK(find(plan, "{'op':'quarantine','path':'/etc/systemd/system/e.service','sha256':'" C "'}") != NULL, "the unit");
	OK(!find(plan, "{'path':'/etc/cron.daily/within'}"), "a container's name is none of this machine's");
	OK(json_array_size(json_object_get(plan, "operations")) == 5, "and no more");
	json_decref(plan);
}

static void test_dynamic(void)
{
	struct plan *p = begin();
	json_t *plan;

	code(p, A, "{'kind':'file','size':50,'paths':['/tmp/evil'],'sightings':[{'how':'startup','file':'/etc/cron.d/e','text':'* * * * * root /tmp/evil','file_sha256':'"
		B "','whole':false}]}",
		"{'files':[{'path':'/etc/cron.d/e','change':'created','type':'file','sha256':'" B "','size':30,'lines':['# c','MAILTO=nobody','* * * * * root /tmp/evil']},"
		"{'path':'/etc/crontab','change':'modified','type':'file','sha256':'" C "','size':99,'lines':['@reboot root /tmp/evil']},"
		"{'path':'/var/lib/e','change':'created','type':'dir'},{'path':'/var/lib/e/copy','change':'created','type':'file','sha256':'" A "','size':50},"
		"{'path':'/var/lib/e/lock','change':'created','type':'file','sha256':'" EMPTY_SHA256 "','size':0},"
		"{'path':'/var/lib/lock','change':'created','type':'file','sha256':'" EMPTY_SHA256 "','size':0},"
		"{'path':'/root/.config/autostart/a.desktop','change':'created','type':'file','sha256':'" C "','size':9,'lines':['Type=Application']},"
		"{'path':'/etc/systemd/system/a.target.wants/e','change':'created','type':'link','target':'../e'},"
		"{'path':'/etc/passwd','change':'created','type':'file','sha256':'" C "','size':9},"
		"{'path':'/usr/bin/dpkg','change':'created','type':'file','sha256':'" C "','size':9}]}", "malicious");
	plan = finish(p, 1);
	OK(find(plan, "{'op':'quarantine','path':'/etc/cron.d/e','sha256':'" B "','size':30,'optional':null}") != NULL, "a start-up file that the sample makes goes as a whole");
	OK(find(plan, "{'op':'remove-line','path':'/etc/cron.d/e','created':true,'line':'* * * * * root /tmp/evil'}") != NULL, "or its own line");
	OK(!find(plan, "{'op':'remove-line','line':'MAILTO=nobody'}"), "but no line that may be another's");
	OK(find(plan, "{'op':'remove-line','path':'/etc/crontab','optional':true,'created':null}") != NULL, "a line that it adds");
	OK(find(plan, "{'op':'quarantine','path':'/var/lib/e/copy','optional':true}") != NULL, "a stored copy");
	OK(find(plan, "{'op':'quarantine','path':'/var/lib/e/lock','size':0,'optional':true}") != NULL, "a lock in its own folder");
	OK(!find(plan, "{'path':'/var/lib/lock'}"), "no empty file elsewhere");
	OK(!find(plan, "{'op':'remove-line','path':'/root/.config/autostart/a.desktop'}"), "no lines of desktop files");
	OK(find(plan, "{'op':'remove-link','path':'/etc/systemd/system/a.target.wants/e','target':'../e'}") != NULL, "a unit's link");
	OK(!find(plan, "{'path':'/etc/passwd'}") && !find(plan, "{'path':'/usr/bin/dpkg'}"), "never a protected place");
	OK(json_array_size(json_object_get(plan, "notes")) == 2, "and that is noted");
	json_decref(plan);
}

static void test_memory(void)
{
	struct plan *p = begin();
	json_t *plan;

	code(p, A, "{'kind':'file','size':50,'paths':['/opt/app'],'sightings':[{'how':'exe','pid':9,'start':90},{'how':'exe','pid':10,'start':91}]}", NULL, "unknown");
	code(p, B, "{'kind':'memory','size':4096,'paths':[],'sightings':[{'how':'memory','pid':9,'start':90,'exe':'/opt/app'}]}", NULL, "malicious");
	plan = finish(p, 1);
	OK(find(plan, "{'op':'terminate','sha256':'" A "','only':true,'hint':{'pid':9,'start':90}}") != NULL, "foreign code in memory: that one process");
	OK(json_array_size(json_object_get(plan, "operations")) == 1, "not its program, not its file");
	json_decref(plan);
	p = begin();
	code(p, B, "{'kind':'memory','size':4096,'paths':[],'sightings':[{'how':'memory','pid':9,'start':90,'exe':'/opt/app'}]}", NULL, "malicious");
	OK(finish(p, 0) == NULL, "a program that is not in the case: nothing that is exact enough");
	p = begin();
	code(p, A, "{'kind':'memfd','size':50,'paths':['/memfd:x (deleted)'],'sightings':[{'how':'exe','pid':9,'start':90}]}", NULL, "malicious");
	plan = finish(p, 1);
	OK(json_array_size(json_object_get(plan, "operations")) == 1, "a memfd has processes and no file");
	json_decref(plan);
}

static void test_mapped(void)
{
	struct plan *p = begin();
	struct buf many = { 0 };
	json_t *plan;

	code(p, A, "{'kind':'file','size':50,'paths':['/opt/l.so'],'sightings':[{'how':'mapped','pid':9,'start':90,'path':'/opt/l.so'}]}", NULL, "malicious");
	plan = finish(p, 1);
	OK(find(plan, "{'op':'terminate','sha256':'" A "','mapped':true}") != NULL, "who loaded a malicious library is ended");
	json_decref(plan);
	p = begin();
	buf_adds(&many, "{'kind':'file','size':50,'paths':['/opt/l.so'],'sightings':[{'how':'startup','file':'/etc/ld.so.preload','text':'/opt/l.so','whole':false}");
	for (int i = 0; i < 17; i++)
		buf_addf(&many, ",{'how':'mapped','pid':%d,'start':90,'path':'/opt/l.so'}", 20 + i);
	buf_adds(&many, "]}");
	code(p, A, buf_str(&many), NULL, "malicious");
	buf_free(&many);
	plan = finish(p, 1);
	OK(!find(plan, "{'op':'terminate'}"), "unless that is half the machine");
	OK(find(plan, "{'op':'remove-line','path':'/etc/ld.so.preload'}") && json_array_size(json_object_get(plan, "notes")) == 1, "which is to be restarted, then");
	json_decref(plan);
}

static void test_script(void)
{
	struct plan *p = begin();
	json_t *plan;

	code(p, A, "{'kind':'script','size':50,'paths':['/bin/evil.sh'],'sightings':[{'how':'script','pid':9,'start':90,'path':'/bin/evil.sh','exe':'/usr/bin/dash'}]}", NULL,
		"malicious");
	plan = finish(p, 1);
	OK(find(plan, "{'op':'terminate','sha256':'" A "','path':'/bin/evil.sh','exe':'/usr/bin/dash'}") != NULL, "the interpreter of that script");
	OK(find(plan, "{'op':'quarantine','path':'/bin/evil.sh','optional':true}") && find(plan, "{'op':'quarantine','path':'/usr/bin/evil.sh','optional':true}"),
	   "both names of a merged system");
	json_decref(plan);
}

int main(void)
{
	msg_init("remedy_plan");
	msg_level(-1);
	test_nothing();
	test_sightings();
	test_container();
	test_links();
	test_dynamic();
	test_memory();
	test_mapped();
	test_script();
	return unit_end();
}
