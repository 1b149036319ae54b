#include "unit.h"

#include <stdlib.h>

#include "host/internal.h"

/* What the parsers say, as one line of text: commands by "|", words by " ". */
static struct buf said;

static void on_command(void *ctx, const struct shell_command *c)
{
	size_t i;

	(void)ctx;
	if (said.len)
		buf_adds(&said, " | ");
	if (c->from_pipe)
		buf_adds(&said, "PIPED ");
	if (c->nested)
		buf_adds(&said, "NESTED ");
	if (c->computed)
		buf_adds(&said, "COMPUTED ");
	for (i = 0; i < c->words; i++)
		buf_addf(&said, "%s%s", i ? " " : "", c->word[i]);
	if (c->input)
		buf_addf(&said, " <%s", c->input);
	if (c->cut)
		buf_adds(&said, " CUT");
	buf_addf(&said, "@%u", c->line);
}

static void is(const char *text, bool plain, const char *want)
{
	buf_clear(&said);
	shell_commands(text, strlen(text), "/home/u", plain, on_command, NULL);
	if (!OK(!strcmp(buf_str(&said), want), err_q(text)))
		printf("# got  %s\n# want %s\n", buf_str(&said), want);
}

static void shell(void)
{
	is("/opt/a --x 'y z' \"w\\\"v\" >/dev/null 2>&1 &", false, "/opt/a --x y z w\"v@1");
	is("cd / && run-parts --report /etc/x", false, "cd /@1 | run-parts --report /etc/x@1");
	is("curl -s http://x|sh", false, "curl -s http://x@1 | PIPED sh@1");
	is("echo x >&-|sh", false, "echo x@1 | PIPED sh@1");
	is("A=1 B='2 3' /opt/a", false, "/opt/a@1");
	is("if [ -x /opt/a ]; then /opt/b; fi\n/opt/c", false, "[ -x /opt/a ]@1 | /opt/b@1 | /opt/c@2");
	is("for x in /opt/a /opt/b; do $x; done", false, "COMPUTED @1");
	is("(~/a; $HOME/b; ${HOME}/c)", false, "/home/u/a@1 | /home/u/b@1 | /home/u/c@1");
	is("eval \"$(wget -O- x)\"", false, "NESTED wget -O- x@1 | eval @1");
	is("x=`/opt/a`", false, "NESTED /opt/a@1");
	is("sh < /opt/a", false, "sh </opt/a@1");
	is("cat <<E\n/opt/no\nE\n/opt/yes", false, "cat@1 | /opt/yes@4");
	is("cat <<1234567890123456789012345678901234567890123456789012345678901234567890\n/opt/no\n"
	   "1234567890123456789012345678901234567890123456789012345678901234567890\n/opt/yes", false, "cat@1 | /opt/yes@4");
	is("# /opt/no\n/opt/a # no\n/opt/a#b", false, "/opt/a@2 | /opt/a#b@3");
	is("f() { /opt/a; }\nfunction g {\n/opt/b\n}", false, "/opt/a@1 | /opt/b@3");
	is("case $x in a) /opt/a ;; esac", false, "/opt/a@1");
	is("/opt/a \\\n -b\n/opt/c", false, "/opt/a -b@1 | /opt/c@3");
	is("/opt/a; /opt/b ; \"/opt/c d\"", true, "/opt/a; /opt/b@1 | /opt/c d@1");
	is("((((((((((((((((((((((((((((((", false, "");
	is("$($(/opt/a", false, "NESTED /opt/a@1 | NESTED COMPUTED @1 | COMPUTED @1");
	is("'unclosed", false, "unclosed@1");
	is("", false, "");
}

/* Words of any number and length, up to what a program can be given. */
static void many_words(void)
{
	struct buf text = { 0 }, want = { 0 };
	unsigned i;

	buf_adds(&text, "/opt/a");
	for (i = 0; i < 1000; i++)
		buf_addf(&text, " w%u", i);
	buf_addf(&text, " '%*s'", 20000, "x");
	buf_add(&want, text.p, text.len - 20002);
	buf_addf(&want, "%*s@1", 20000, "x");
	buf_clear(&said);
	shell_commands(buf_str(&text), text.len, "/", false, on_command, NULL);
	OK_STR(buf_str(&said), buf_str(&want), "a thousand words, and one of 20000 bytes");
	buf_clear(&text);
	for (i = 0; i < 300000; i++)
		buf_adds(&text, " a");
	buf_adds(&text, "\n/opt/b");
	buf_clear(&said);
	shell_commands(buf_str(&text), text.len, "/", false, on_command, NULL);
	OK(said.len > 300000 && strstr(buf_str(&said), " CUT@1 | /opt/b@2"), "more than a program can be given is cut, and told");
	buf_free(&text);
	buf_free(&want);
}

static void on_cron(void *ctx, const struct cron_entry *c)
{
	(void)ctx;
	buf_addf(&said, "%u[%.*s]{%.*s}%s%s;", c->line, (int)c->command_length, c->command, (int)c->length, c->text,
	         c->path ? " PATH=" : "", c->path ? c->path : "");
}

static void cron(const char *text, enum cron_form form, const char *want)
{
	buf_clear(&said);
	crontab_parse(text, strlen(text), form, on_cron, NULL);
	if (!OK(!strcmp(buf_str(&said), want), err_q(text)))
		printf("# got  %s\n# want %s\n", buf_str(&said), want);
}

static void crontabs(void)
{
	cron("*/5 * * * * root /a b\n", CRON_SYSTEM, "1[/a b]{*/5 * * * * root /a b};");
	cron("# x\n\n\t@reboot\troot\t/a", CRON_SYSTEM, "3[/a]{\t@reboot\troot\t/a};");
	cron("1 2 3 4 5 /a\n@daily /b", CRON_USER, "1[/a]{1 2 3 4 5 /a};2[/b]{@daily /b};");
	cron("PATH = \"/x:/y\"\n* * * * * /a%b\n", CRON_USER, "2[/a]{* * * * * /a%b} PATH=/x:/y;");
	cron("1 5 cron.daily run-parts /x\n@monthly 1 n /y\n", CRON_ANACRON,
	     "1[run-parts /x]{1 5 cron.daily run-parts /x};2[/y]{@monthly 1 n /y};");
	cron("* * * * *\n* * * * * root\n* *", CRON_SYSTEM, "");
	cron("* * * * * root /a \\% b\r\n", CRON_SYSTEM, "1[/a \\% b\r]{* * * * * root /a \\% b\r};");
}

static void on_unit(void *ctx, const struct unit_entry *u)
{
	(void)ctx;
	buf_addf(&said, "%u[%s]%s=%s%s;", u->line, u->section, u->key, u->value, u->continued ? "+" : "");
}

static void unit(const char *text, const char *want)
{
	buf_clear(&said);
	unit_parse(text, strlen(text), on_unit, NULL);
	if (!OK(!strcmp(buf_str(&said), want), err_q(text)))
		printf("# got  %s\n# want %s\n", buf_str(&said), want);
}

static void units(void)
{
	unit("[Service]\n ExecStart = /a b \n#ExecStart=/no\n;x=y\n[Install]\nWantedBy=x",
	     "2[Service]ExecStart=/a b;6[Install]WantedBy=x;");
	unit("[S]\nExec=/a \\\n  -b \\\n# between\n  -c\nD=1\n", "2[S]Exec=/a  -b  -c+;6[S]D=1;");
	unit("x=1\n[\n[]\n=\nnothing\n", "1[]x=1;4[]=;");
	unit("a=b\\", "1[]a=b;");
}

static void script(const char *line, enum script_kind kind, const char *want)
{
	char *copy = buf_strdup(line), *rest = copy, *argv[16];
	const char *arg;
	size_t argc = 0;
	enum script_kind got;

	while (argc < 16 && (argv[argc] = strsep(&rest, " ")))
		argc++;
	got = script_of(argv, argc, argv[0], &arg);
	if (!OK(got == kind && (!want || (arg && !strcmp(arg, want))), line))
		printf("# got %d %s\n", (int)got, arg ? arg : "nothing");
	free(copy);
}

static void text(const char *line, const char *want)
{
	char *copy = buf_strdup(line), *rest = copy, *argv[16], *got;
	size_t argc = 0;

	while (argc < 16 && (argv[argc] = strsep(&rest, " ")))
		argc++;
	got = script_text(argv, argc, argv[0]);
	OK(got && !strcmp(got, want), line);
	free(got);
	free(copy);
}

static void scripts(void)
{
	script("/bin/sh /opt/a b", SCRIPT_FILE, "/opt/a");
	script("bash -x -o pipefail ./a", SCRIPT_FILE, "./a");
	script("sh -ec code name", SCRIPT_INLINE, "code");
	script("sh -c -x code", SCRIPT_INLINE, "code");
	script("bash --rcfile /x /opt/a", SCRIPT_FILE, "/opt/a");
	script("-bash", SCRIPT_STDIN, NULL);
	script("sh -s x", SCRIPT_STDIN, NULL);
	script("python3.11 -u -W ignore a.py -c no", SCRIPT_FILE, "a.py");
	script("python3 -ccode", SCRIPT_INLINE, "code");
	script("python3 -m http.server", SCRIPT_MODULE, "http.server");
	script("python3 -um http.server 80", SCRIPT_MODULE, "http.server");
	script("perl -MTime::HiRes -Ilib a.pl", SCRIPT_FILE, "a.pl");
	script("perl -pi.bak -e code file", SCRIPT_INLINE, "code");
	script("perl -pie x", SCRIPT_FILE, "x");
	script("perl -lne code", SCRIPT_INLINE, "code");
	script("node --eval=code x", SCRIPT_INLINE, "code");
	script("php --run code", SCRIPT_INLINE, "code");
	script("php --file=a.php", SCRIPT_FILE, "a.php");
	script("gawk -F : -f a.awk x", SCRIPT_FILE, "a.awk");
	script("mawk -W interactive code", SCRIPT_INLINE, "code");
	script("java -Xmx1g -cp x A.java", SCRIPT_FILE, "A.java");
	script("deno run -A a.ts", SCRIPT_FILE, "a.ts");
	script("deno eval code", SCRIPT_INLINE, "code");
	script("deno fmt", SCRIPT_FILE, "fmt");
	script("fish -c code", SCRIPT_INLINE, "code");
	script("guile -s a.scm", SCRIPT_FILE, "a.scm");
	script("luajit-2.1.0-beta3 -jon a.lua", SCRIPT_FILE, "a.lua");
	script("bash -c", SCRIPT_NONE, NULL);
	script("bash -o", SCRIPT_NONE, NULL);
	script("sh -- -x", SCRIPT_FILE, "-x");
	script("python3 - x", SCRIPT_STDIN, NULL);
	text("perl -e a -w -e b c", "a\nb");
	text("sh -c a -c b", "a");
	text("awk a b", "a");
	script("perl -I lib -we code", SCRIPT_INLINE, "code");
	script("perl -w a.pl", SCRIPT_FILE, "a.pl");
	script("node --require x a.js", SCRIPT_FILE, "a.js");
	script("node --eval code", SCRIPT_INLINE, "code");
	script("php -f a.php", SCRIPT_FILE, "a.php");
	script("java -cp x -jar a.jar", SCRIPT_FILE, "a.jar");
	script("java Main", SCRIPT_NONE, NULL);
	script("/lib64/ld-linux-x86-64.so.2 --library-path x /opt/a", SCRIPT_FILE, "/opt/a");
	script("lua5.4 a.lua", SCRIPT_FILE, "a.lua");
	script("sh -c", SCRIPT_NONE, NULL);
	script("cat a", SCRIPT_NONE, NULL);
	OK(!script_interpreter("shred") && !script_interpreter("pythonista") && script_interpreter("/usr/bin/python3"), "names");
}

int main(void)
{
	shell();
	many_words();
	crontabs();
	units();
	scripts();
	buf_free(&said);
	return unit_end();
}
