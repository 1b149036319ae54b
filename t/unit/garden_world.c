/* A world: what stands in it, what a program leaves in it, and that nothing of it reaches the machine. */
#include "base/base.h"
#include "garden/garden.h"
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int text_fd(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	if (fd < 0 || io_write(fd, text, strlen(text)))
		return -1;
	return fd;
}

static const json_t *change_of(const json_t *changes, const char *path)
{
	size_t i;
	json_t *o;

	json_array_foreach(changes, i, o)
		if (jsonio_str(o, "path") && !strcmp(jsonio_str(o, "path"), path))
			return o;
	return NULL;
}

static const char *change_kind(const json_t *changes, const char *path)
{
	const json_t *o = change_of(changes, path);

	return o ? jsonio_str(o, "change") : "none";
}

static bool what_has(const json_t *o, const char *aspect)
{
	size_t i;
	json_t *v;

	json_array_foreach(json_object_get(o, "what"), i, v)
		if (!strcmp(json_string_value(v), aspect))
			return true;
	return false;
}

/* Runs sh -c script in the world; its output into out. */
static int shell(struct world *w, const char *script, struct buf *out, struct err *e)
{
	const char *argv[] = { "/bin/sh", "-c", script, NULL };
	struct run r = { .argv = argv, .seconds = 20, .in = -1, .errfd = 2 };

	r.out = memfd_create("out", MFD_CLOEXEC);
	if (garden_run(w, &r, e)) {
		printf("# %s\n", e->msg);
		close(r.out);
		return -1;
	}
	lseek(r.out, 0, SEEK_SET);
	buf_clear(out);
	io_slurp(r.out, MIB, out, "output", e);
	close(r.out);
	return r.exec_errno ? -2 : r.status;
}

static void test_isolation(struct world *w, struct err *e)
{
	struct buf b = { 0 };

	OK(shell(w, "test -f /.muss-scratch && id -u", &b, e) == 0, "a program runs");
	OK_STR(buf_str(&b), "0\n", "as the inner root");
	OK(shell(w, "echo $$; ls /proc | grep -c '^[0-9]'", &b, e) == 0 && strtol(buf_str(&b), NULL, 10) < 10, "in a process table of its own");
	OK(shell(w, "cat /proc/net/dev | grep -vc -e lo: -e face -e Inter", &b, e) == 1, "with the loopback interface alone");
	OK(shell(w, "mount -t tmpfs x /tmp || umount /proc || unshare -m true", &b, e) != 0, "mounts nothing");
	OK(shell(w, "echo x > /proc/sysrq-trigger", &b, e) != 0, "writes no sysrq");
	OK(shell(w, "echo x > /proc/sys/kernel/hostname", &b, e) != 0, "writes no sysctl");
	OK(shell(w, "ls -A /home /root | grep -v : | grep -c .", &b, e) == 1, "sees no homes");
	OK(shell(w, "cat /proc/1/environ /proc/1/maps; ls /proc/1/fd/ && ls -l /proc/1/exe", &b, e) != 0, "can't look into its init");
	OK(shell(w, "kill -9 1; sleep 0.05; echo alive", &b, e) == 0 && !strcmp(buf_str(&b), "alive\n"), "can't kill its init");
	OK(shell(w, "grep -c '[$][0-9y]' /etc/shadow", &b, e) == 1, "sees no password digests");
	OK(shell(w, "head -c4 /dev/urandom | wc -c; echo x > /dev/null; ls /dev", &b, e) == 0 && !strstr(buf_str(&b), "vda"), "has devices that do no harm");
	OK(shell(w, "echo hi > /dev/shm/a && echo hi > /tmp/b && cat /dev/shm/a", &b, e) == 0, "has shared memory and /tmp");
	buf_free(&b);
}

static void test_changes(struct world *w, struct err *e)
{
	struct buf b = { 0 };
	json_t *c;
	const json_t *o;
	struct stat st;

	OK(shell(w, "mkdir -p /etc/cron.d && echo '* * * * * root /tmp/x' > /etc/cron.d/muss-x; echo more >> /etc/hosts; rm /etc/passwd;"
		 "ln -s /nowhere /tmp/link; mkfifo /tmp/pipe; touch -d @1000000000 /etc/group; chmod 600 /etc/issue;"
		 "cp -p /etc/services /tmp/muss-services && cat /tmp/muss-services > /etc/services; touch -r /tmp/muss-services /etc/services;"
		 "rm -r /etc/init.d; mkdir /etc/init.d; echo 1 > /etc/init.d/new", &b, e) == 0, "a program changes its world");
	c = world_changes(w, e);
	OK(c != NULL, "the changes are listed");
	OK_STR(change_kind(c, "/etc/cron.d/muss-x"), "created", "a new file is created");
	OK_STR(change_kind(c, "/etc/hosts"), "modified", "an appended file is modified");
	OK(what_has(change_of(c, "/etc/hosts"), "content") && !what_has(change_of(c, "/etc/hosts"), "mode"), "in its content, not its mode");
	OK_STR(change_kind(c, "/etc/passwd"), "deleted", "a deleted file is deleted");
	o = change_of(c, "/tmp/link");
	OK(o && !strcmp(jsonio_str(o, "type"), "link") && !strcmp(jsonio_str(o, "target"), "/nowhere"), "a link has its target");
	o = change_of(c, "/tmp/pipe");
	OK(o && !strcmp(jsonio_str(o, "type"), "fifo"), "a fifo is one");
	o = change_of(c, "/etc/group");
	OK(o && what_has(o, "mtime") && !what_has(o, "content"), "a forged time is seen");
	o = change_of(c, "/etc/issue");
	OK(o && what_has(o, "mode") && jsonio_int(o, "mode", 0) == 0600, "a mode is seen");
	OK_STR(change_kind(c, "/etc/services"), "none", "a file changed and changed back is no change");
	OK_STR(change_kind(c, "/etc/init.d/new"), "created", "a file in a folder made anew");
	OK(access("/etc/init.d/cron", F_OK) || !strcmp(change_kind(c, "/etc/init.d/cron"), "deleted"), "and what had stood there is deleted");
	OK_STR(change_kind(c, "/etc"), "none", "a folder's own times are no change");
	OK_STR(change_kind(c, "/dev/shm/a"), "created", "shared memory is looked at");
	OK(stat("/etc/cron.d/muss-x", &st) != 0, "the machine has none of it");
	json_decref(c);
	OK(shell(w, "rm -f /etc/cron.d/muss-x", &b, e) == 0, "and away again");
	c = world_changes(w, e);
	OK_STR(change_kind(c, "/etc/cron.d/muss-x"), "none", "gone from the list as well");
	json_decref(c);
	buf_free(&b);
}

static void test_files(struct world *w, struct err *e)
{
	int fd = text_fd("planted\n");
	struct buf b = { 0 };

	OK(world_put(w, "/home/alice/.config/x", 0755, fd, e) == 0, "a file is put");
	OK(shell(w, "cat /home/alice/.config/x; stat -c %a /home/alice/.config/x", &b, e) == 0, "and read there");
	OK_STR(buf_str(&b), "planted\n755\n", "with its bytes and its mode");
	OK(world_append(w, "/home/alice/.config/x", 0, "more\n", e) == 0, "and appended to");
	close(fd);
	fd = world_open_file(w, "/home/alice/.config/x", e);
	buf_clear(&b);
	OK(fd >= 0 && io_slurp(fd, MIB, &b, "x", e) == 0, "and opened from outside");
	OK_STR(buf_str(&b), "planted\nmore\n", "with both lines");
	io_close(&fd);
	OK(shell(w, "ln -s /etc /home/alice/out; mkfifo /home/alice/fifo; ln -s /proc/1/root/etc/hosts /home/alice/l", &b, e) == 0, "traps");
	fd = text_fd("inside\n");
	OK(world_put(w, "/home/alice/out/muss-trap", 0644, fd, e) == 0 && access("/etc/muss-trap", F_OK), "a link leads nowhere outside");
	close(fd);
	OK(world_open_file(w, "/home/alice/fifo", e) < 0 && e->code == EX_DATAERR, "a fifo is refused");
	OK(world_open_file(w, "/home/alice/l", e) < 0, "a link is refused");
	OK(world_open_file(w, "/home/alice/none", e) < 0 && e->code == EX_NOINPUT, "what is not there is 66");
	OK(world_put(w, "relative", 0644, 0, e) < 0 && e->code == EX_USAGE, "a relative path is 64");
	fd = world_open_lower(w, "/etc/hosts", e);
	OK(fd >= 0, "the lower file opens");
	io_close(&fd);
	OK(world_open_lower(w, "/root/.bashrc", e) < 0 && e->code == EX_NOINPUT, "a hidden one does not");
	buf_free(&b);
}

static void write_at(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || io_write(fd, text, strlen(text)))
		printf("# cannot write %s\n", name);
	io_close(&fd);
}

/* A root of the caller's: what it hides, and that it stays as it was. */
static void test_lower(struct err *e)
{
	char path[] = "/tmp/muss-lower-XXXXXX";
	const char *hide[] = { "/keys", "/etc/secret", NULL };
	struct world_options o = { .lower = path, .hide = hide, .size_bytes = 8 * MIB };
	struct world *w;
	json_t *c;
	int dir, fd;

	if (!mkdtemp(path) || chmod(path, 0755) || (dir = open(path, O_RDONLY | O_DIRECTORY)) < 0)
		return;
	mkdirat(dir, "etc", 0755);
	mkdirat(dir, "keys", 0755);
	mkdirat(dir, "var", 0755);
	write_at(dir, "etc/secret", "secret\n");
	write_at(dir, "etc/a", "a\n");
	write_at(dir, "keys/k", "key\n");
	write_at(dir, "var/v", "v\n");
	write_at(dir, "spool-k", "v\n");
	setenv("MUSS_HIDE", "/spool-k:relative::/nothing", 1);
	w = world_open(&o, e);
	unsetenv("MUSS_HIDE");
	if (!OK(w != NULL, "a world over another root")) {
		printf("# %s\n", e->msg);
		return;
	}
	fd = world_open_file(w, "/etc/a", e);
	OK(fd >= 0, "has its files");
	io_close(&fd);
	OK(world_open_file(w, "/etc/secret", e) < 0 && world_open_file(w, "/keys/k", e) < 0, "but not the hidden ones");
	OK(world_open_file(w, "/spool-k", e) < 0, "nor those of MUSS_HIDE");
	OK(world_open_lower(w, "/keys/k", e) < 0 && world_open_lower(w, "/etc/secret", e) < 0, "not by the lower door either");
	OK(world_append(w, "/etc/a", 0, "b\n", e) == 0 && world_append(w, "/keys/new", 0600, "n\n", e) == 0, "files change");
	c = world_changes(w, e);
	OK(c && json_array_size(c) == 2, "two changes");
	OK_STR(change_kind(c, "/etc/a"), "modified", "one modified");
	OK_STR(change_kind(c, "/keys/new"), "created", "one created, in a hidden folder");
	json_decref(c);
	fd = memfd_create("big", MFD_CLOEXEC);
	OK(ftruncate(fd, 9 << 20) == 0 && world_put(w, "/big", 0644, fd, e) < 0, "no more than its size goes in");
	close(fd);
	world_close(w);
	OK(faccessat(dir, "keys/new", F_OK, 0) != 0, "the root below has none of it");
	OK(io_rmtree(AT_FDCWD, path, e) == 0, "and is cleared away");
	close(dir);
}

/* A further folder, also one below what the world's own file system covers. */
static void test_shown(struct err *e)
{
	char folder[] = "/tmp/muss-shown-XXXXXX", *file;
	struct world_options o = { .shown = mkdtemp(folder), .shown_at = "/shown" };
	struct buf out = { 0 };
	struct world *w;
	json_t *c;

	file = buf_printf("%s/a", folder);
	if (!o.shown || atomic_write(file, 0644, "below\n", 6, e) || !OK((w = world_open(&o, e)) != NULL, "a world that shows a folder opens")) {
		printf("# %s\n", e->msg);
		free(file);
		return;
	}
	OK(shell(w, "cat /shown/a; echo more >>/shown/a; echo new >/shown/b", &out, e) == 0 && !strcmp(buf_str(&out), "below\n"), "it is read");
	c = world_changes(w, e);
	OK_STR(change_kind(c, "/shown/a"), "modified", "and changed");
	OK_STR(change_kind(c, "/shown/b"), "created", "and added to");
	OK(json_array_size(c) == 2, "and nothing else changed");
	world_close(w);
	buf_free(&out);
	io_slurp_path(file, 100, &out, e);
	OK_STR(buf_str(&out), "below\n", "but the folder itself is as it was");
	json_decref(c);
	buf_free(&out);
	free(file);
	io_rmtree(AT_FDCWD, folder, e);
}

int main(void)
{
	struct err e = { 0 };
	struct world_options o = { 0 };
	int64_t began = clock_mono_ms();
	struct world *w = world_open(&o, &e);
	json_t *c;

	msg_init("garden_world");
	if (!OK(w != NULL, "a world opens")) {
		printf("# %s\n", e.msg);
		return unit_end();
	}
	printf("# opened in %d ms, %s\n", (int)(clock_mono_ms() - began), world_privileged(w) ? "privileged" : "unprivileged");
	c = world_changes(w, &e);
	OK(c && json_array_size(c) == 0, "a new world has no changes");
	if (c && json_array_size(c)) {
		char *s = json_dumps(json_array_get(c, 0), 0);
		printf("# %d: %s\n", (int)json_array_size(c), s);
		free(s);
	}
	json_decref(c);
	test_isolation(w, &e);
	test_changes(w, &e);
	test_files(w, &e);
	printf("# %s\n", e.msg);
	world_close(w);
	test_lower(&e);
	test_shown(&e);
	return unit_end();
}
