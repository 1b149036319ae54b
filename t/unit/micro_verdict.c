/* The verdict: what the evidence adds up to, on cases unlike any specimen. */
#include "micro/micro.h"
#include "unit.h"

#include <stdlib.h>

#define SELF "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

#define UNOWNED "{'name':'unowned','group':'identity','weight':10}"
#define DELETED "{'name':'deleted','group':'image','weight':25}"
#define SYSTEM "{'name':'system-name','group':'identity','weight':30}"
#define HIDDEN "{'name':'hidden-folder','group':'place','weight':15}"
#define TEMPORARY "{'name':'temporary-place','group':'place','weight':20}"
#define CRON "{'name':'startup-cron','group':'startup','weight':5}"
#define UNIT_FILE "{'name':'startup-systemd','group':'startup','weight':3}"
#define JIT "{'name':'memory-code','group':'memory','weight':10}"

struct sample { const char *what, *paths, *signs, *stat, *dynamic, *verdict; };

static const struct sample samples[] = {
	/* ordinary */
	{ "nothing at all", "'/usr/bin/x'", "", "{}", "{}", "unknown" },
	{ "a daemon from elsewhere that a unit starts", "'/opt/d/d'", UNOWNED "," UNIT_FILE, "{}",
	  "{'signs':[{'name':'listens','reason':''},{'name':'daemonises','reason':''}]}", "unknown" },
	{ "a daemon whose file an upgrade took away", "'/usr/sbin/d (deleted)'", DELETED "," UNIT_FILE, "{}",
	  "{'signs':[{'name':'listens','reason':''}]}", "suspicious" },
	{ "a just-in-time compiler in a home folder, updated", "'/home/a/.tool/bin/node'", UNOWNED "," HIDDEN "," JIT "," DELETED, "{}",
	  "{'memory':[{'address':'7f00','size':4096,'sha256':'" OTHER "'}],'connections':[{'protocol':'tcp','address':'192.0.2.1','port':443}]}", "suspicious" },
	{ "an installer: other programs, a unit for one of them", "'/tmp/setup.sh'", UNOWNED "," TEMPORARY, "{}",
	  "{'path':'/tmp/setup.sh','files':[{'path':'/usr/local/bin/tool','change':'created','type':'file','mode':'755','sha256':'" OTHER "'},"
	  "{'path':'/etc/systemd/system/tool.service','change':'created','type':'file','sha256':'" OTHER "','startup':'systemd','lines':['ExecStart=/usr/local/bin/tool']}],"
	  "'startup':[{'place':'systemd','file':'/etc/systemd/system/tool.service','line':'ExecStart=/usr/local/bin/tool'}]}", "suspicious" },
	{ "a desktop program that starts itself with the session", "'/opt/chat/chat'", UNOWNED, "{}",
	  "{'startup':[{'place':'autostart','file':'/root/.config/autostart/chat.desktop','line':'Exec=/opt/chat/chat'}]}", "suspicious" },
	{ "a network tool with every trait in its words", "'/usr/bin/tool'", "",
	  "{'rules':[{'name':'a','tags':['remote'],'meta':{'weight':25}},{'name':'b','tags':['miner'],'meta':{'weight':20}},{'name':'c','tags':['attack'],'meta':{'weight':15}}]}",
	  "{}", "suspicious" },
	{ "a service's name in a hidden folder, started by a unit, nothing else", "'/home/brew/.brew/sbin/sshd'", SYSTEM "," HIDDEN "," UNIT_FILE, "{}", "{}", "suspicious" },
	/* not ordinary */
	{ "registers itself and deletes itself", "'/opt/x'", UNOWNED, "{}",
	  "{'signs':[{'name':'deletes-itself','reason':''}],'startup':[{'place':'cron','file':'/etc/cron.d/y','line':'* * * * * root /opt/x'}]}", "malicious" },
	{ "copies itself to a plain place, registers the copy, came from a temporary place", "'/dev/shm/x'", UNOWNED "," TEMPORARY, "{}",
	  "{'files':[{'path':'/usr/local/bin/y','change':'created','type':'file','mode':493,'sha256':'" SELF "'}],"
	  "'startup':[{'place':'systemd','file':'/etc/systemd/system/y.service','line':'ExecStart=/usr/local/bin/y'}]}", "malicious" },
	{ "the copy stands in a start-up folder itself", "'/var/tmp/x'", UNOWNED "," TEMPORARY, "{}",
	  "{'files':[{'path':'/etc/cron.hourly/y','change':'created','type':'file','mode':'755','sha256':'" SELF "','startup':'cron'}]}", "malicious" },
	{ "drops another program into a hidden place, registers that, takes another's name", "'/opt/x'", UNOWNED, "{}",
	  "{'signs':[{'name':'disguised-name','reason':''}],'files':[{'path':'/usr/lib/.z/y','change':'created','type':'file','mode':'755','sha256':'" OTHER "'}],"
	  "'startup':[{'place':'profile','file':'/root/.bashrc','line':'/usr/lib/.z/y &'}]}", "malicious" },
	{ "calls itself a kernel thread and scans", "'/usr/local/bin/x'", UNOWNED, "{}",
	  "{'processes':[{'pid':2,'ppid':1,'argv':['[kworker/0:1]'],'path':'/usr/local/bin/x'}],'signs':[{'name':'scans','reason':''}]}", "malicious" },
	{ "a second stage: deleted, a service's name, a hidden folder, started by cron", "'/var/lib/.x/udevd'", DELETED "," SYSTEM "," HIDDEN "," CRON, "{}", "{}", "malicious" },
	{ "a library forced into every program that blinds them", "'/usr/lib/x.so'",
	  "{'name':'preload-file','group':'injection','weight':35}," UNOWNED, "{'rules':[{'name':'preload_rootkit','tags':['rootkit'],'meta':{'weight':15}}]}", "{}", "malicious" },
	/* in between */
	{ "hidden and disguised on the host, never seen acting", "'/var/lib/.x/udevd'", SYSTEM "," HIDDEN, "{}", "{}", "suspicious" },
	{ "made the parser crash", "'/opt/x'", UNOWNED "," "{'name':'fresh','group':'age','weight':3}", "{'parser':'crashed'}", "{}", "suspicious" },
	{ "a sign of innocence outweighs", "'/opt/x'", "{'name':'vouched','group':'vouch','weight':-30}," UNOWNED, "{}", "{}", "good" },
};

static json_t *parse(const char *text)
{
	char *copy = buf_strdup(text);
	struct err e = { 0 };
	json_t *o;

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	o = jsonio_parse(copy, strlen(copy), "test", &e);
	if (!o)
		printf("# %s: %s\n", e.msg, text);
	free(copy);
	return o;
}

static bool has_reason(const json_t *v, const char *source, const char *sign)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(v, "reasons"), i, o)
		if (!strcmp(jsonio_str(o, "source"), source) && !strcmp(jsonio_str(o, "sign"), sign))
			return true;
	return false;
}

static json_t *judge(const struct verdict *v, const char *paths, const char *signs, const char *stat, const char *dynamic)
{
	char *text = buf_printf("{'kind':'file','paths':[%s],'sightings':[],'signs':[%s]}", paths, signs);
	json_t *about = parse(text), *s = parse(stat), *d = parse(dynamic), *out = verdict_judge(v, SELF, about, s, d);

	free(text);
	json_decref(about);
	json_decref(s);
	json_decref(d);
	return out;
}

static void test_derived(const struct verdict *v)
{
	json_t *o = judge(v, "'/opt/x'", "", "{}", "{'files':[{'path':'/opt/x','change':'created','type':'file','mode':'755','sha256':'" SELF "'}]}");

	OK(!has_reason(o, "dynamic", "copies-itself"), "where we put it is no copy");
	json_decref(o);
	o = judge(v, "'/opt/x'", "", "{}", "{'startup':[{'place':'cron','file':'/etc/cron.d/y','line':'* * * * * root /opt/xyz'}]}");
	OK(has_reason(o, "dynamic", "registers-startup") && !has_reason(o, "dynamic", "registers-itself"), "a longer name is another program");
	json_decref(o);
	o = judge(v, "'/opt/x'", "", "{}", "{'startup':[{'place':'cron','file':'/etc/cron.d/y','line':'* * * * * root /opt/xyz; /opt/x'}]}");
	OK(has_reason(o, "dynamic", "registers-itself"), "but it may stand further on");
	json_decref(o);
	o = judge(v, "'/opt/x'", "", "{}", "{'connections':[{'protocol':'tcp','address':'127.0.0.1','port':80},{'protocol':'unix','address':'/run/x','port':0}]}");
	OK(!has_reason(o, "dynamic", "connects-out"), "talking to oneself is not talking out");
	json_decref(o);
	o = judge(v, "'/opt/x'", "{'name':'unowned','group':'identity','weight':1e300}", "{'rules':[{'name':'r','meta':{'weight':1e300}}],'signs':[{'name':'nonsense','weight':900}]}", "{}");
	OK(jsonio_num(o, "score", 0) <= 100, "no single sign of a case weighs what it likes");
	json_decref(o);
	o = judge(v, "1,null,{}", "1,null,{'name':5}", "{'rules':[1,{'name':3}],'signs':'x','parser':4}", "{'files':[1,{'path':3}],'startup':{},'signs':[[]],'processes':[3],'connections':[{'address':7}]}");
	OK_STR(jsonio_str(o, "verdict"), "unknown", "members of odd types are passed over");
	json_decref(o);
}

static const json_t *reason(const json_t *v, const char *sign)
{
	const json_t *o;
	size_t i;

	json_array_foreach(json_object_get(v, "reasons"), i, o)
		if (!strcmp(jsonio_str(o, "sign"), sign))
			return o;
	return NULL;
}

static bool seen_at(const json_t *v, const char *sign, const char *member, const char *kind, const char *at)
{
	const json_t *o = json_array_get(json_object_get(reason(v, sign), "evidence"), 0);

	return o && !strcmp(jsonio_str(o, "member"), member) && !strcmp(jsonio_str(o, "kind"), kind) && !strcmp(jsonio_str(o, "at"), at);
}

#define SHELL "{'name':'shell-text','namespace':'remote/shell','meaning':'m','evidence':[{'kind':'pattern','at':'strings:40','text':'x'}]}"

static void test_evidence(const struct verdict *v)
{
	json_t *o = judge(v, "'/opt/x'", "{'name':'fresh','group':'age','weight':3}," UNOWNED,
		"{'signs':[{'name':'nonsense'},{'name':'packed','reason':'r'}],'capabilities':[{'name':'unheard-of','namespace':'z','evidence':[]}," SHELL "],"
		"'rules':[{'name':'y','tags':['remote'],'meta':{'weight':20},'matches':[{'offset':64,'text':'t'}]},{'name':'quiet','meta':{'weight':0}}]}",
		"{'files':[{'path':'/tmp/a','change':'deleted'},{'path':'/usr/bin/b','change':'created','type':'file','mode':'755','sha256':'" OTHER "'}],"
		"'connections':[{'protocol':'tcp','address':'127.0.0.1'},{'protocol':'tcp','address':'192.0.2.1'}],'signs':[{'name':'listens','reason':''}]}");

	OK(seen_at(o, "unowned", "about.json", "sign", "signs:1"), "a sign of the host is named where it stands");
	OK(seen_at(o, "packed", "static.json", "sign", "signs:1"), "so is one of the parser");
	OK(seen_at(o, "y", "static.json", "offset", "40"), "a YARA rule with its match's offset");
	OK(seen_at(o, "shell-text", "static.json", "pattern", "strings:40"), "a capability with what it was found by");
	OK(seen_at(o, "drops-program", "dynamic.json", "sign", "files:1"), "what a run showed with the file");
	OK(seen_at(o, "connects-out", "dynamic.json", "sign", "connections:1"), "or the connection");
	OK(seen_at(o, "listens", "dynamic.json", "sign", "signs:0"), "or the sign");
	OK(!reason(o, "unheard-of") && !reason(o, "quiet"), "what weighs nothing is no reason");
	OK_STR(jsonio_str(reason(o, "shell-text"), "group"), "rule-remote", "a capability is of the group of YARA's rules of its kind");
	json_decref(o);
	o = judge(v, "'/opt/x'", "", "{'rules':[{'name':'y','tags':['remote'],'meta':{'weight':20}}],'capabilities':[" SHELL "]}", "{}");
	OK(jsonio_num(o, "score", 0) > 19.9 && jsonio_num(o, "score", 0) < 20.1, "so that one trait counts once");
	json_decref(o);
	o = judge(v, "'/opt/x'", "", "{'capabilities':[1,{'name':4},{'name':'shell-text'},{'name':'shell-listen','namespace':5,'evidence':{}},{'name':'listen','evidence':[1,{}]}]}",
		"{'capabilities':'x'}");
	OK(reason(o, "shell-text") != NULL, "odd capabilities are no harm");
	json_decref(o);
	o = judge(v, "'/opt/x'", "", "{'capabilities':[" SHELL ",{'name':'load-module','namespace':'rootkit/module'},{'name':'mine-coins','namespace':'miner/pool'},"
		"{'name':'kill-others','namespace':'attack/others'},{'name':'read-keyboard','namespace':'collection/keys'}]}", "{}");
	OK(reason(o, "mine-coins") && jsonio_num(o, "score", 99) > 0 && jsonio_num(o, "score", 99) < 12.1, "a program of many uses is no worse than its worst");
	json_decref(o);
}

static void test_weights(const struct verdict *v)
{
	json_t *signs = parse("[{'name':'packed'},{'name':'nonsense'}]"), *stat = parse("{'signs':[{'name':'x','group':'g','weight':8},{'name':'y','group':'g','weight':5}],"
		"'rules':[{'name':'r','tags':['t'],'meta':{'weight':7}}]}");

	verdict_weigh(v, "static", signs);
	OK(jsonio_num(json_array_get(signs, 0), "weight", 0) > 0 && !json_object_get(json_array_get(signs, 1), "weight"), "signs get their weight");
	OK((int)verdict_sum(stat) == 15, "of a group the heaviest counts");
	json_decref(signs);
	json_decref(stat);
}

int main(void)
{
	struct err e = { 0 };
	struct verdict *v = verdict_open(&e);

	if (!v) {
		printf("# %s\n", e.msg);
		return 1;
	}
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		const struct sample *s = &samples[i];
		json_t *o = judge(v, s->paths, s->signs, s->stat, s->dynamic);

		OK_STR(jsonio_str(o, "verdict"), s->verdict, s->what);
		json_decref(o);
	}
	test_derived(v);
	test_evidence(v);
	test_weights(v);
	verdict_free(v);
	setenv("MUSS_SHARE", "/nowhere", 1);
	OK(!verdict_open(&e) && e.code == EX_NOINPUT, "missing weights are an error");
	return unit_end();
}
