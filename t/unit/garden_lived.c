/* A machine that looks lived in: what a program sees that looks around, that none of it is its doing, and that it can do no harm with it. */
#include "base/base.h"
#include "garden/garden.h"
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *settings;
static struct buf output;

static int compiled(const char *source)
{
	char path[] = "/tmp/muss-lookout-XXXXXX";
	int fd = mkstemp(path), out, rc;
	struct err e;
	const char *argv[] = { "cc", "-O1", "-w", "-static", "-o", path, source, NULL };
	struct spawn s = { .argv = argv, .in = -1, .out = -1, .errfd = -1 };

	close(fd);
	rc = spawn_start(&s, &e) ? -1 : spawn_wait(&s, 60000, &e);
	out = rc ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	return out;
}

static struct world *lived(const char *machine, struct err *e)
{
	struct world_options o = { .machine = machine };
	struct world *w = world_open(&o, e);

	if (!w)
		printf("# %s\n", e->msg);
	return w;
}

static bool bent;   /* time, of the runs to come */

/* Runs it; what it says is in `output`. */
static int runs(struct world *w, const char *const *argv, json_t *events, struct err *e)
{
	struct run r = { .argv = argv, .seconds = 20, .in = -1, .errfd = -1, .processes = 12, .events = events,
		.bend = bent };

	r.out = memfd_create("out", MFD_CLOEXEC);
	if (garden_run(w, &r, e)) {
		printf("# %s\n", e->msg);
		close(r.out);
		return -1;
	}
	lseek(r.out, 0, SEEK_SET);
	buf_clear(&output);
	io_slurp(r.out, MIB, &output, "output", e);
	close(r.out);
	return r.timed_out || r.limit_processes || r.limit_memory ? -3 : r.exec_errno ? -2 : r.status;
}

static int shell(struct world *w, const char *script, json_t *events, struct err *e)
{
	return runs(w, (const char *[]){ "/bin/sh", "-c", script, NULL }, events, e);
}

/* ---- what it sees ---- */

static void test_lookout(struct world *w, struct err *e)
{
	int fd = compiled("testdata/garden/lookout.c");
	char *line, *rest;
	json_t *events = json_array();
	const char *argv[] = { "/opt/lookout", NULL };

	if (!OK(fd >= 0 && world_put(w, "/opt/lookout", 0755, fd, e) == 0, "a program that looks around"))
		return;
	close(fd);
	OK(runs(w, argv, NULL, e) == 0, "finds nothing that gives the garden away");
	OK(runs(w, argv, events, e) == 0, "nor when it is traced");
	bent = true;
	OK(runs(w, argv, events, e) == 0, "nor where time is bent");
	bent = false;
	for (line = strtok_r((char *)output.p, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (strncmp(line, "beyond ", 7))
			OK(!strncmp(line, "ok ", 3), line + 3);
		else
			printf("# %s\n", line);
	}
	json_decref(events);
}

static void test_tools(struct world *w, struct err *e)
{
	OK(shell(w, "hostname", NULL, e) == 0 && output.len > 3, "it has a name");
	OK(shell(w, "awk '{ exit $1 < 5 * 86400 }' /proc/uptime", NULL, e) == 0, "and is up for days");
	OK(shell(w, "id -un 1000 && ls /home/$(id -un 1000)/Documents/invoices/*.pdf", NULL, e) == 0, "its user has documents");
	OK(shell(w, "ps ax | grep -c /usr/sbin/cron", NULL, e) == 0, "ps shows services");
	OK(shell(w, "test $(ls /proc | grep -c '^[0-9]') -ge 20 && ls -l /proc/*/exe 2>/dev/null | grep -q /usr/sbin/rsyslogd", NULL, e) == 0, "with their programs");
	if (access("/usr/bin/ssh-keygen", X_OK) == 0)
		OK(shell(w, "k=/home/$(id -un 1000)/.ssh/id_ed25519; ssh-keygen -l -f $k && test \"$(ssh-keygen -y -f $k)\" = \"$(cat $k.pub)\"", NULL, e) == 0,
		   "a key that is one");
	if (access("/usr/bin/sqlite3", X_OK) == 0)
		OK(shell(w, "for p in /home/*/.mozilla/firefox/*/places.sqlite; do sqlite3 $p 'PRAGMA integrity_check; SELECT count(*) > 100 FROM moz_historyvisits'; done | sort -u | tr '\\n' ' '", NULL, e) == 0 &&
		   !strcmp(buf_str(&output), "1 ok "), "a browser's history that is one");
	OK(shell(w, "grep -c hypervisor /proc/cpuinfo; cat /proc/sys/kernel/hostname /etc/hostname | sort -u | wc -l", NULL, e) == 0 && !strcmp(buf_str(&output), "0\n1\n"),
	   "and what the kernel says agrees");
	OK(shell(w, "echo x > /sys/class/dmi/id/sys_vendor || echo x > /proc/version", NULL, e) != 0, "which nobody can write to");
}

/* ---- and what it does ---- */

static const json_t *change_of(const json_t *changes, const char *path)
{
	size_t i;
	json_t *o;

	json_array_foreach(changes, i, o)
		if (!strcmp(jsonio_str(o, "path"), path))
			return o;
	return NULL;
}

static bool same(int a, int b)
{
	char x[DIGEST_HEX], y[DIGEST_HEX];
	struct err e;

	return a >= 0 && b >= 0 && digest_fd(a, MIB, x, NULL, &e) == 0 && digest_fd(b, MIB, y, NULL, &e) == 0 && !strcmp(x, y);
}

static void test_changes(struct err *e)
{
	struct world *w = lived(settings, e), *other = lived(settings, e);
	json_t *c;
	char *file, *gone, *key, *kept;
	const json_t *o;
	int a, b;

	if (!OK(w && other, "two worlds of one machine"))
		return;
	file = buf_printf("%s/.bashrc", world_home(w));
	gone = buf_printf("%s/.gitconfig", world_home(w));
	kept = buf_printf("%s/.profile", world_home(w));
	key = buf_printf("%s/.ssh/id_ed25519", world_home(w));
	OK(shell(w, "true", NULL, e) == 0, "true runs");
	c = world_changes(w, e);
	OK(c && json_array_size(c) == 0, "and has changed nothing");
	json_decref(c);
	/* As many bytes as before, and the old times. */
	OK(shell(w, "cd $(getent passwd 1000 | cut -d: -f6) && cp -p .bashrc /tmp/b && cp -p .profile /tmp/p && tr e f </tmp/b >.bashrc && touch -r /tmp/b .bashrc &&"
		 "rm .gitconfig /tmp/b && echo x >.profile && cat /tmp/p >.profile && touch -r /tmp/p .profile && rm /tmp/p", NULL, e) == 0, "a document is changed, another deleted");
	c = world_changes(w, e);
	OK(c && json_array_size(c) == 2, "both are listed, and nothing else");
	o = change_of(c, file);
	OK(o && !strcmp(jsonio_str(o, "change"), "modified") && !strcmp(json_string_value(json_array_get(json_object_get(o, "what"), 0)), "content") &&
	   json_array_size(json_object_get(o, "what")) == 1, "the changed one by its content alone");
	o = change_of(c, gone);
	OK(o && !strcmp(jsonio_str(o, "change"), "deleted"), "the deleted one as deleted");
	json_decref(c);
	a = world_open_lower(w, file, e);
	b = world_open_file(other, file, e);
	OK(same(a, b), "what it was before can be read, and is the same in the other world");
	io_close(&a);
	io_close(&b);
	a = world_open_file(w, file, e);
	b = world_open_lower(w, file, e);
	OK(a >= 0 && b >= 0 && !same(a, b), "and is not what it is now");
	io_close(&a);
	io_close(&b);
	a = world_open_file(w, key, e);
	b = world_open_file(other, key, e);
	OK(a >= 0 && b >= 0 && !same(a, b), "each world has a key of its own");
	io_close(&a);
	io_close(&b);
	free(file);
	free(gone);
	free(kept);
	free(key);
	world_close(w);
	world_close(other);
}

static const json_t *event_of(const json_t *events, const char *name, const char *key)
{
	size_t i;
	json_t *o;

	json_array_foreach(events, i, o)
		if (!strcmp(jsonio_str(o, "event"), name) && json_object_get(o, key))
			return o;
	return NULL;
}

static void test_services(struct world *w, struct err *e)
{
	json_t *events = json_array(), *list;
	const char *argv[] = { "/bin/sh", "-c", "sleep 30 & sleep 30 & wait", NULL };
	const char *killer[] = { "/bin/sh", "-c", "cd /proc; for p in [0-9]*; do case $(readlink $p/exe) in */sleep) kill -9 $p;; esac; done", NULL };
	struct run r = { .argv = argv, .seconds = 20, .in = -1, .out = -1, .errfd = -1, .events = json_array() };
	struct run k = { .argv = killer, .seconds = 10, .in = -1, .out = -1, .errfd = -1 };
	struct running *g;
	const json_t *o;
	int64_t began;

	OK(shell(w, "p=$(pgrep -x cron) && kill -9 $p && sleep 0.2 && ! kill -0 $p && ls / >/dev/null && echo on", events, e) == 0 && !strcmp(buf_str(&output), "on\n"),
	   "a service can be killed, and the run goes on");
	o = event_of(events, "kill", "service");
	OK(o && !strcmp(jsonio_str(o, "service"), "cron"), "the kill is recorded with its name");
	OK(event_of(events, "exit", "status") && json_array_size(events) < 60, "its end is not the run's");
	json_decref(events);
	OK(shell(w, "kill -9 -1; sleep 0.3; echo on", NULL, e) == 0 && !strcmp(buf_str(&output), "on\n"), "all of them as well");
	/* mkdir("/tmp/in") in place of the system call that it waits in, which is made again when it was stopped and goes on. */
	OK(shell(w, "p=$(pgrep -x cron); printf '\\110\\215\\075\\014\\0\\0\\0\\276\\355\\001\\0\\0\\152\\123\\130\\017\\005\\353\\376/tmp/in\\0' |"
		 "dd of=/proc/$p/mem bs=1 seek=$((0x40010f)) conv=notrunc 2>/dev/null; kill -STOP $p; sleep 0.1; kill -CONT $p; sleep 0.2;"
		 "kill -0 $p 2>/dev/null && echo lives; test -d /tmp/in && echo in; echo on", NULL, e) == 0 &&
	   !strcmp(buf_str(&output), "on\n"), "or be written into: the first call of its new code ends it");
	began = clock_mono_ms();
	OK(shell(w, "exit 7", NULL, e) == 7 && clock_mono_ms() - began < 8000, "a run ends with its last process, not with the services");
	OK(shell(w, "for i in 1 2 3 4 5 6 7 8; do sleep 0.3 & done; wait; echo all", NULL, e) == 0 && !strcmp(buf_str(&output), "all\n"), "services count for no limit");
	g = run_start(w, &r, e);
	if (!OK(g != NULL, "a run with services begins"))
		return;
	OK(run_settle(g, 10000, 500, e) == 2, "and settles beside them");
	list = run_processes(g, e);
	OK(list && json_array_size(list) == 3, "three processes are its own");
	json_decref(list);
	OK(run_beside(g, &k, e) == 0 && k.status == 0 && run_settle(g, 10000, 0, e) == 1, "it is over once they are gone");
	OK(run_stop(g, e) == 0 && !r.timed_out && r.status == 0, "and ends well");
	json_decref(r.events);
}

/* ---- settings that are none ---- */

static int code_of(const char *text, struct err *e)
{
	char path[] = "/tmp/muss-machine-XXXXXX";
	int fd = mkstemp(path);
	struct world_options o = { .machine = path };
	struct world *w;

	if (fd < 0 || io_write(fd, text, strlen(text)))
		return -1;
	close(fd);
	w = world_open(&o, e);
	unlink(path);
	world_close(w);
	return w ? 0 : e->code ? e->code : -1;
}

#define HEAD "{\"format\":\"muss-machine/1\",\"persons\":1,\"people\":[{\"login\":\"a\",\"name\":\"A B\"}],\"values\":{\"host\":\"h\"},"

static void test_settings(struct err *e)
{
	struct world_options o = { .machine = "/nowhere/machine.json" };

	OK(world_open(&o, e) == NULL && e->code == EX_NOINPUT, "settings that are not there: 66");
	OK(code_of("[", e) == EX_DATAERR, "that are no JSON: 65");
	OK(code_of("{}", e) == EX_CONFIG, "of another format: 78");
	OK(code_of(HEAD "\"files\":[]}", e) == 0, "few settings are enough");
	OK(code_of("{\"format\":\"muss-machine/1\",\"people\":[{\"login\":\"a:b\",\"name\":\"A B\"}],\"values\":{\"host\":\"h\"}}", e) == EX_CONFIG, "a login that is none: 78");
	OK(code_of(HEAD "\"files\":[{\"path\":\"/x\",\"text\":[\"{nothing}\"]}]}", e) == EX_CONFIG && strstr(e->msg, "nothing"), "a word that is not known: 78, with the word");
	OK(code_of(HEAD "\"files\":[{\"path\":\"/x/../../y\",\"text\":[]}]}", e) == EX_CONFIG, "a path that leads up: 78");
	OK(code_of(HEAD "\"lists\":{\"l\":[\"{pick l}\"]},\"files\":[{\"path\":\"/x\",\"text\":[\"{pick l}\"]}]}", e) == EX_CONFIG, "a list of itself: 78");
	OK(code_of(HEAD "\"files\":[{\"path\":\"/x\",\"text\":[{\"repeat\":[1000000,1000000],\"of\":[\"x\"]}]}]}", e) == EX_CONFIG, "lines without end: 78");
	OK(code_of(HEAD "\"files\":[{\"path\":\"/x\",\"make\":\"sqlite\",\"text\":[\"no SQL\"]}]}", e) == EX_DATAERR, "a script that is no SQL: 65");
	OK(code_of(HEAD "\"files\":[{\"path\":\"/x\",\"make\":\"magic\"}]}", e) == EX_CONFIG, "a way to make it that is none: 78");
	OK(code_of(HEAD "\"services\":[{\"name\":\"x\"}]}", e) == EX_CONFIG, "a service without a program: 78");
	OK(code_of(HEAD "\"sys\":[{\"path\":\"x\"}]}", e) == EX_CONFIG, "a relative path in /sys: 78");
}

int main(void)
{
	struct err e = { 0 };
	char *path = spawn_share("garden/machine.json");
	int64_t began = clock_mono_ms();
	struct world *w, *plain;

	msg_init("garden_lived");
	settings = path;
	w = lived(settings, &e);
	if (!OK(w != NULL, "a world that looks lived in opens"))
		return unit_end();
	printf("# opened in %d ms, %s\n", (int)(clock_mono_ms() - began), world_privileged(w) ? "privileged" : "unprivileged");
	OK(world_home(w) && !strncmp(world_home(w), "/home/", 6), "with somebody's home");
	test_lookout(w, &e);
	test_tools(w, &e);
	test_services(w, &e);
	world_close(w);
	test_changes(&e);
	test_settings(&e);
	plain = lived(NULL, &e);
	OK(plain && !world_home(plain) && shell(plain, "ls -A /home /sys | grep -v : | grep -c .", NULL, &e) == 1, "a world without settings has none of it");
	world_close(plain);
	buf_free(&output);
	free(path);
	return unit_end();
}
