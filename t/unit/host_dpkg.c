/* What packages own, and in which version: the same number in every run, another one when the version is another. */
#include "host/internal.h"
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/host_dpkg.XXXXXX";

static void put(const char *name, const char *text)
{
	char *path = buf_printf("%s/var/lib/dpkg/%s", dir, name);
	struct err e;

	if (atomic_write(path, 0600, text, strlen(text), &e) < 0)
		exit(msg_fail(&e));
	free(path);
}

static uint64_t version_of(const char *path, bool load)
{
	int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dpkg *d = dpkg_open(root);
	uint64_t v;

	if (!d)
		exit(1);
	if (load)
		dpkg_load_versions(d);
	v = dpkg_version(d, path);
	dpkg_close(d);
	close(root);
	return v;
}

/* The names of those that list the path beside its owner, with a blank behind each. */
static char *sharers_of(const char *path)
{
	int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dpkg *d = dpkg_open(root);
	struct buf names = { 0 };
	const char *name;
	char *info;
	int64_t since;
	size_t at = 0;

	if (!d)
		exit(1);
	name = dpkg_package(d, path, &since);
	buf_addf(&names, "%s ", name ? "owner" : "none");
	while ((name = dpkg_sharer(d, path, &at)))
		buf_addf(&names, "%s ", name);
	dpkg_close(d);
	close(root);
	info = buf_strdup(buf_str(&names));
	buf_free(&names);
	return info;
}

static const char status[] =
	"Package: one\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\nDescription: a\n Version: 9\n\n"
	"Package: two\nArchitecture: amd64\nMulti-Arch: same\nVersion: 2:7\n\n"
	"Package: two\nArchitecture: i386\nMulti-Arch: same\nVersion: 2:7\n\n"
	"Package: three\nArchitecture: all\nVersion: 1.0-1\n";

int main(void)
{
	struct err e = { 0 };
	char *info;
	uint64_t one, three;

	if (!mkdtemp(dir))
		return 1;
	info = buf_printf("%s/var/lib/dpkg/info", dir);
	if (io_mkdirs(info, 0700, &e) < 0)
		return msg_fail(&e);
	put("info/one.list", "/.\n/usr/bin/one\n");
	put("info/two:amd64.list", "/.\n/usr/lib/two\n");
	put("info/three.list", "/.\n/usr/bin/three\n");
	put("info/four.list", "/.\n/usr/bin/four\n");
	put("status", status);

	one = version_of("/usr/bin/one", true);
	three = version_of("/usr/bin/three", true);
	OK(one > DPKG_UNVERSIONED && one == version_of("/usr/bin/one", true), "a package's version has the same number in every run");
	OK(one == version_of("/bin/one", true), "also below the merged name");
	OK(one != three, "another package of the same version has another number");
	OK(version_of("/usr/lib/two", true) > DPKG_UNVERSIONED, "a list that names its architecture finds its version");
	OK(version_of("/usr/bin/four", true) == DPKG_UNVERSIONED, "a package without a version is owned all the same");
	free(info);
	info = sharers_of("/usr/lib/two");
	OK(!strcmp(info, "owner "), "what one package lists has no other owner");
	free(info);
	put("info/five.list", "/.\n/lib/two\n");
	put("info/six.list", "/.\n/usr/lib/two\n");
	info = sharers_of("/usr/lib/two");
	/* which is the owner: whoever comes first in the folder */
	OK(strlen(info) == strlen("owner five six ") || strlen(info) == strlen("owner two:amd64 six ")
	   || strlen(info) == strlen("owner two:amd64 five "), "what three list has two more, also below the merged name");
	OK(version_of("/usr/bin/one", false) == DPKG_UNVERSIONED, "and so is all before versions are loaded");
	OK(version_of("/usr/bin/none", true) == 0, "what no package owns has none");
	put("status", "Package: one\nArchitecture: amd64\nVersion: 1.0-2\n");
	OK(version_of("/usr/bin/one", true) != one, "an upgrade changes the number");
	put("status", "");
	OK(version_of("/usr/bin/one", true) == DPKG_UNVERSIONED, "an empty database breaks nothing");
	put("status", "Package: one\nVersion:\n\n\n\nPackage:\n\nVersion: 1\nPackage");
	OK(version_of("/usr/bin/one", true) == DPKG_UNVERSIONED, "nor does a broken one");
	io_rmtree(AT_FDCWD, dir, &e);
	free(info);
	return unit_end();
}
