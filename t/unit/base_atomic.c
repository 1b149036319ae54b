/* atomic_*: output appears whole or not at all, and devices are not replaced. */
#include "base/base.h"
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int entries(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n - 2;
}

int main(void)
{
	char dir[] = "/tmp/muss-unit-XXXXXX", *path, *link;
	struct buf b = { 0 };
	struct err e = { 0 };
	struct atomic *a;
	struct stat st;

	if (!mkdtemp(dir))
		return 1;
	path = buf_printf("%s/out", dir);
	link = buf_printf("%s/link", dir);

	a = atomic_open(path, 0640, false, &e);
	OK(a && io_write(atomic_fd(a), "new", 3) == 0 && access(path, F_OK) != 0, "nothing is in place before commit");
	OK(atomic_commit(a, &e) == 0 && io_slurp_path(path, 100, &b, &e) == 0, "commit puts it in place");
	OK_STR(buf_str(&b), "new", "whole");
	OK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640, "with its mode");

	a = atomic_open(path, 0600, false, &e);
	OK(a && io_write(atomic_fd(a), "half", 4) == 0, "a second output");
	atomic_abort(a);
	buf_clear(&b);
	OK(io_slurp_path(path, 100, &b, &e) == 0 && !strcmp(buf_str(&b), "new"), "abort leaves the old file");
	OK(entries(dir) == 1, "and nothing beside it");

	OK(symlink("out", link) == 0 && atomic_write(link, 0600, "through", 7, &e) == 0, "a link is written through");
	OK(lstat(link, &st) == 0 && S_ISLNK(st.st_mode), "and stays a link");
	buf_clear(&b);
	OK(io_slurp_path(path, 100, &b, &e) == 0 && !strcmp(buf_str(&b), "through"), "to the file behind it");

	OK(atomic_write("/dev/full", 0600, "x", 1, &e) == -1 && e.code == EX_IOERR, "a full disk is 74");
	OK(stat("/dev/full", &st) == 0 && S_ISCHR(st.st_mode), "and the device is still there");
	OK(!atomic_open("/nonexistent/x", 0600, false, &e), "no folder, no file");

	OK(io_rmtree(AT_FDCWD, dir, &e) == 0 && access(dir, F_OK) != 0, "rmtree leaves nothing");
	buf_free(&b);
	free(path);
	free(link);
	return unit_end();
}
