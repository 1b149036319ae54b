/* The rules of capabilities: what is refused, and how each condition and scope holds. */
#include "micro/capability.h"
#include "unit_json.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/muss-capability-XXXXXX";

/* The rules of one file, written with single quotes. */
static struct capability_rules *rules_of(const char *text, struct err *e)
{
	char *path = buf_printf("%s/one.json", folder);
	char *copy = buf_strdup(text);
	struct capability_rules *r;

	err_clear(e);
	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	if (atomic_write(path, 0600, copy, strlen(copy), e))
		printf("# %s\n", e->msg);
	r = capability_open(folder, e);
	free(copy);
	free(path);
	return r;
}

#define RULE(when) "{'format':'muss-capability/1','rules':[{'name':'a-rule','namespace':'x/y','meaning':'m','technique':['T1000.001'],'when':" when "}]}"
#define SCOPED(scope, when) "{'format':'muss-capability/1','rules':[{'name':'a-rule','namespace':'x','meaning':'m','technique':[],'scope':'" scope "','when':" when "}]}"

/* ---- what is refused ---- */

static const struct { const char *what, *file, *says; } bad[] = {
	{ "no JSON", "{", "bad JSON" },
	{ "another format", "{'format':'muss-capability/2','rules':[]}", "no file of rules" },
	{ "no list", "{'format':'muss-capability/1','rules':{}}", "no file of rules" },
	{ "a rule that is none", "{'format':'muss-capability/1','rules':[7]}", "wants a name" },
	{ "no name", "{'format':'muss-capability/1','rules':[{'when':{}}]}", "wants a name" },
	{ "a name for a terminal", "{'format':'muss-capability/1','rules':[{'name':'A\\u001b[2J'}]}", "wants a name" },
	{ "no namespace", "{'format':'muss-capability/1','rules':[{'name':'a','meaning':'m','technique':[],'when':{'string':'x'}}]}", "namespace" },
	{ "no meaning", "{'format':'muss-capability/1','rules':[{'name':'a','namespace':'n','technique':[],'when':{'string':'x'}}]}", "meaning" },
	{ "a technique of another kind", "{'format':'muss-capability/1','rules':[{'name':'a','namespace':'n','meaning':'m','technique':['T12'],'when':{'string':'x'}}]}", "no technique" },
	{ "techniques in no list", "{'format':'muss-capability/1','rules':[{'name':'a','namespace':'n','meaning':'m','technique':'T1000','when':{'string':'x'}}]}", "list of techniques" },
	{ "an unknown key", "{'format':'muss-capability/1','rules':[{'name':'a','namespace':'n','meaning':'m','technique':[],'wen':{'string':'x'}}]}", "unknown key 'wen'" },
	{ "an unknown scope", SCOPED("block", "{'string':'x'}"), "not 'block'" },
	{ "a name twice", "{'format':'muss-capability/1','rules':[{'name':'a','namespace':'n','meaning':'m','technique':[],'when':{'string':'x'}},"
	  "{'name':'a','namespace':'n','meaning':'m','technique':[],'when':{'string':'x'}}]}", "taken" },
	{ "no condition", RULE("null"), "a condition is an object" },
	{ "a condition of no kind", RULE("{'strnig':'x'}"), "'strnig'" },
	{ "an empty one", RULE("{}"), "no kind" },
	{ "two kinds at once", RULE("{'string':'x','import':'y'}"), "does not belong there" },
	{ "no parts", RULE("{'all':[]}"), "1 to 64 conditions" },
	{ "parts that are none", RULE("{'any':[{'string':'x'},7]}"), "a condition is an object" },
	{ "more than there are", RULE("{'least':3,'of':[{'string':'x'},{'string':'y'}]}"), "least is a number" },
	{ "none of them", RULE("{'least':0,'of':[{'string':'x'}]}"), "least is a number" },
	{ "an empty text", RULE("{'string':''}"), "1 to 300" },
	{ "a number as text", RULE("{'string':5}"), "1 to 300" },
	{ "no texts", RULE("{'string':[]}"), "1 to 64" },
	{ "a pattern that is none", RULE("{'pattern':'(x'}"), "'(x'" },
	{ "a pattern that grows", RULE("{'pattern':'(x{200}){1000}'}"), "255" },
	{ "a call's argument that is none", RULE("{'call':'open','argument':'[a'}"), "[a" },
	{ "an argument elsewhere", RULE("{'import':'open','argument':'a'}"), "'argument'" },
	{ "an argument of no number", RULE("{'call':'open','argument':'a','index':-1}"), "index is" },
	{ "a number of no argument", RULE("{'call':'open','index':1}"), "index is" },
	{ "too deep", RULE("{'not':{'not':{'not':{'not':{'not':{'not':{'not':{'not':{'not':{'not':{'string':'x'}}}}}}}}}}}"), "deeper" },
	{ "what holds of everything", RULE("{'not':{'string':'x'}}"), "everything" },
	{ "and this, too", RULE("{'all':[{'format':'elf'},{'os':'linux'}]}"), "everything" },
};

static void test_refused(void)
{
	struct err e = { 0 };

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct capability_rules *r = rules_of(bad[i].file, &e);

		if (!OK(!r && e.code == EX_CONFIG && strstr(e.msg, bad[i].says) && strstr(e.msg, "one.json"), bad[i].what))
			printf("# %d %s\n", e.code, e.msg);
		capability_free(r);
	}
	err_clear(&e);
	OK(!rules_of(RULE("{'string':5}"), &e) && strstr(e.msg, "'a-rule'"), "the rule is named");
	err_clear(&e);
	OK(!capability_open("/nowhere/at/all", &e) && e.code == EX_NOINPUT, "no folder: 66");
}

/* ---- what holds ---- */

#define STAT "{'format':'elf64-x86-64','elf':{'imports':['socket','connect','open64','stdin']}," \
	"'uses':[{'function':'1000','calls':{'socket':'1004','connect':'1010'},'syscalls':{}},{'function':'2000','calls':{'open64':'2008'},'syscalls':{'ptrace':'2010'}}]," \
	"'strings':[{'offset':64,'text':'one NICK %s'},{'offset':80,'text':'/etc/Shadow'}],'stack_strings':[{'address':'1020','text':'from the stack'}]," \
	"'rules':[{'name':'aes'}],'signs':[{'name':'packed'}]," \
	"'unpack':{'strings':[{'offset':5,'text':'decoded'}],'findings':[{'name':'stalls'}],'calls':[{'call':'open','args':['/etc/shadow','0x0'],'from':'1'}," \
	"{'call':'CreateFileW','args':['C:\\\\x'],'from':'2'},{'call':'read','args':['0x3'],'from':'3'}]}," \
	"'unpacked':{'strings':[{'offset':7,'text':'inner text'}],'rules':[{'name':'rc4'}],'uses':[{'function':'3000','calls':{'fork':'3004'},'syscalls':{}}]}}"

static const struct { const char *what, *file; bool holds; const char *kind, *at; } conditions[] = {
	{ "an import", RULE("{'import':'connect'}"), true, "import", "1010" },
	{ "of another size", RULE("{'import':'open'}"), true, "import", "2008" },
	{ "none", RULE("{'import':'bind'}"), false, "", "" },
	{ "one of several", RULE("{'import':['bind','connect']}"), true, "import", "1010" },
	{ "a system call", RULE("{'syscall':'ptrace'}"), true, "syscall", "2010" },
	{ "a system call is a call", RULE("{'call':'ptrace'}"), true, "syscall", "2010" },
	{ "a call that was only seen made", RULE("{'call':'read'}"), true, "call", "calls:2" },
	{ "for wide texts", RULE("{'call':'CreateFile'}"), true, "call", "calls:1" },
	{ "with an argument", RULE("{'call':'open','argument':'^/etc/shadow$'}"), true, "call", "calls:0" },
	{ "with another argument", RULE("{'call':'open','argument':'^/etc/passwd$'}"), false, "", "" },
	{ "with its first argument", RULE("{'call':'open','argument':'^0x0$','index':1}"), true, "call", "calls:0" },
	{ "with another one", RULE("{'call':'open','argument':'^0x0$','index':0}"), false, "", "" },
	{ "a sequence", RULE("{'sequence':['open','read']}"), true, "call", "calls:0" },
	{ "in the other order", RULE("{'sequence':['read','open']}"), false, "", "" },
	{ "a text", RULE("{'string':'NICK '}"), true, "string", "strings:40" },
	{ "in upper case", RULE("{'string':'/etc/shadow'}"), false, "", "" },
	{ "in any case", RULE("{'string':'/ETC/shadow','nocase':true}"), true, "string", "strings:50" },
	{ "not across texts", RULE("{'string':'%s\\n/etc'}"), true, "string", "strings:40" },
	{ "of the stack", RULE("{'string':'the stack'}"), true, "string", "stack_strings:1020" },
	{ "decoded", RULE("{'string':'decoded'}"), true, "string", "unpack.strings:5" },
	{ "of what it unpacked", RULE("{'string':'inner text'}"), true, "string", "unpacked.strings:7" },
	{ "a call there", RULE("{'call':'fork'}"), true, "import", "3004" },
	{ "and a YARA rule there", RULE("{'yara':'rc4'}"), true, "yara", "unpacked.rules" },
	{ "a pattern", RULE("{'pattern':'^from .*k$'}"), true, "pattern", "stack_strings:1020" },
	{ "a pattern without a fixed part", RULE("{'pattern':'(N|J)I[A-Z]K'}"), true, "pattern", "strings:40" },
	{ "a pattern with repetition", RULE("{'pattern':'/etc.{0,1}/?S[a-z]{4}w'}"), true, "pattern", "strings:50" },
	{ "a pattern with a class", RULE("{'pattern':'[]|(]?from'}"), true, "pattern", "stack_strings:1020" },
	{ "a pattern with alternatives", RULE("{'pattern':'nowhere at all|decoded'}"), true, "pattern", "unpack.strings:5" },
	{ "a pattern that is anchored", RULE("{'pattern':'^NICK'}"), false, "", "" },
	{ "a YARA rule", RULE("{'yara':'aes'}"), true, "yara", "rules" },
	{ "a sign of the file", RULE("{'sign':'packed'}"), true, "sign", "signs" },
	{ "a finding of emulation", RULE("{'sign':'stalls'}"), true, "sign", "unpack.findings" },
	{ "all", RULE("{'all':[{'import':'socket'},{'os':'linux'},{'format':'elf'}]}"), true, "import", "1004" },
	{ "all but one", RULE("{'all':[{'import':'socket'},{'os':'windows'}]}"), false, "", "" },
	{ "any", RULE("{'any':[{'import':'bind'},{'import':'socket'}]}"), true, "import", "1004" },
	{ "two of three", RULE("{'least':2,'of':[{'import':'bind'},{'import':'socket'},{'string':'NICK'}]}"), true, "import", "1004" },
	{ "one of three is not two", RULE("{'least':2,'of':[{'import':'bind'},{'import':'socket'},{'string':'QUIT'}]}"), false, "", "" },
	{ "not", RULE("{'all':[{'import':'socket'},{'not':{'import':'bind'}}]}"), true, "import", "1004" },
	{ "not so", RULE("{'all':[{'import':'socket'},{'not':{'import':'connect'}}]}"), false, "", "" },
	{ "in one function", SCOPED("function", "{'all':[{'call':'socket'},{'call':'connect'}]}"), true, "call", "1004" },
	{ "in two functions", SCOPED("function", "{'all':[{'call':'socket'},{'call':'ptrace'}]}"), false, "", "" },
	{ "in a run, as in one function", SCOPED("function", "{'all':[{'call':'open'},{'call':'read'}]}"), true, "call", "calls:0" },
	{ "calls that were made", SCOPED("trace", "{'call':'read'}"), true, "call", "calls:2" },
	{ "calls that are only there", SCOPED("trace", "{'call':'connect'}"), false, "", "" },
};

static void test_conditions(void)
{
	json_t *stat = J(STAT);
	struct err e = { 0 };

	for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
		struct capability_rules *r = rules_of(conditions[i].file, &e);
		struct facts f;
		json_t *list;
		const json_t *first;
		bool well;

		if (!r) {
			printf("# %s\n", e.msg);
			OK(false, conditions[i].what);
			continue;
		}
		facts_of_static(&f, stat);
		list = capability_match(r, &f);
		first = json_array_get(json_object_get(json_array_get(list, 0), "evidence"), 0);
		well = conditions[i].holds ? json_array_size(list) == 1 && !strcmp(jsonio_str(first, "kind"), conditions[i].kind) &&
			!strcmp(jsonio_str(first, "at"), conditions[i].at) : json_array_size(list) == 0;
		if (!OK(well, conditions[i].what))
			json_dumpf(list, stdout, JSON_COMPACT);
		json_decref(list);
		facts_free(&f);
		capability_free(r);
	}
	json_decref(stat);
}

static void test_object(void)
{
	struct err e = { 0 };
	struct capability_rules *r = rules_of(RULE("{'call':['connect','unlink']}"), &e);
	json_t *stat = J(STAT), *dynamic = J("{'connections':[{'address':'192.0.2.1','port':80,'event':'connect'}],'files':[{'path':'/etc/x','change':'deleted'}]}");
	const json_t *o;

	capability_static(r, stat);
	o = json_array_get(json_object_get(stat, "capabilities"), 0);
	OK_STR(jsonio_str(o, "name"), "a-rule", "a capability has its name");
	OK_STR(jsonio_str(o, "namespace"), "x/y", "its namespace");
	OK_STR(json_string_value(json_array_get(json_object_get(o, "technique"), 0)), "T1000.001", "and its technique");
	OK(json_array_size(json_object_get(stat, "indicators")) == 1, "what emulation showed names an indicator");
	capability_dynamic(r, stat, dynamic);
	o = json_array_get(json_object_get(json_array_get(json_object_get(dynamic, "capabilities"), 0), "evidence"), 0);
	OK(o && strstr(jsonio_str(o, "text"), "connect"), "the same rule holds over a run in the garden");
	json_decref(dynamic);
	dynamic = J("{}");
	capability_dynamic(r, stat, dynamic);
	OK(json_array_size(json_object_get(dynamic, "capabilities")) == 0, "of which the file is no part");
	json_decref(stat);
	json_decref(dynamic);
	/* Whatever an analysis says, it is only JSON. */
	stat = J("{'format':7,'elf':[],'pe':'x','uses':[1,{'function':2,'calls':[],'syscalls':'x'}],'strings':[1,'x',{'text':5}],'unpack':[],'rules':{},'signs':'x'}");
	capability_static(r, stat);
	OK(json_array_size(json_object_get(stat, "capabilities")) == 0, "odd objects are no harm");
	json_decref(stat);
	capability_free(r);
}

int main(void)
{
	struct err e = { 0 };

	if (!mkdtemp(folder))
		return 1;
	test_refused();
	test_conditions();
	test_object();
	io_rmtree(AT_FDCWD, folder, &e);
	return unit_end();
}
