/* Another root than the host's own, as a container has: its start-up places, held against its own packages. */
#include "unit.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/internal.h"

static char root[PATH_MAX];

static void put(const char *path, const char *text, mode_t mode)
{
	char full[2 * PATH_MAX], *slash;
	struct err e;
	int fd;

	snprintf(full, sizeof(full), "%s%s", root, path);
	slash = strrchr(full, '/');
	*slash = '\0';
	OK(io_mkdirs(full, 0755, &e) == 0, full);
	*slash = '/';
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC, mode);
	OK(fd >= 0 && io_write(fd, text, strlen(text)) == 0, path);
	io_close(&fd);
}

static struct piece *of(struct host *h, const char *text)
{
	char sha256[DIGEST_HEX];

	digest_bytes(text, strlen(text), sha256);
	return piece_find(h, sha256);
}

static void scanned(struct host *h, int fd)
{
	const json_t *s;
	struct piece *p;
	struct err e;
	char *own = buf_strdup(h->root_path);

	OK(startup_scan_root(h, fd, "web\n1", &e) == 0, "scanned");
	p = of(h, "#!/bin/sh\n# mine\n");
	OK(p && json_array_size(p->sightings) == 1 && piece_has_path(p, "/opt/mine"), "what cron starts there, by its path there");
	OK(p && piece_signed(p, "startup-cron") && piece_signed(p, "unowned"), "no package there owns it");
	s = p ? json_array_get(p->sightings, 0) : NULL;
	OK(s && !strcmp(jsonio_str(s, "container"), "web\n1") && !strcmp(jsonio_str(s, "file"), "/etc/cron.d/a"), "the sighting names the container");
	p = of(h, "#!/bin/sh\n# theirs\n");
	OK(p && !piece_signed(p, "unowned"), "a package there owns that");
	OK(!of(h, "out\n"), "a link leads nowhere outside");
	OK(!h->container && !strcmp(h->root_path, own) && h->root != fd && fcntl(fd, F_GETFD) >= 0, "the host is itself again");
	free(own);
}

int main(void)
{
	struct err e;
	struct judge *j = judge_load(NULL, &e);
	struct host *h;
	int fd;

	snprintf(root, sizeof(root), "%s/muss-roots.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	OK(mkdtemp(root) != NULL, "a folder");
	put("/etc/cron.d/a", "* * * * * root /opt/mine\n* * * * * root /opt/theirs\n* * * * * root /opt/out\n", 0644);
	put("/opt/mine", "#!/bin/sh\n# mine\n", 0755);
	put("/opt/theirs", "#!/bin/sh\n# theirs\n", 0755);
	put("/var/lib/dpkg/info/x.list", "/opt/theirs\n", 0644);
	put("/out", "out\n", 0755);
	fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	OK(symlinkat("../../../../../../../../../../etc/hostname", fd, "opt/out") == 0, "a link outwards");
	h = host_open("/", j, &e);
	OK(j && h && fd >= 0, "opened");
	if (j && h)
		scanned(h, fd);
	host_close(h);
	judge_free(j);
	io_close(&fd);
	io_rmtree(AT_FDCWD, root, &e);
	return unit_end();
}
