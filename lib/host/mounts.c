/* File systems: which of them somebody else must answer for, and which stopped answering. */
#include "host/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#define CAP_DEAD 64u
#define CAP_KNOWN 64u

static const unsigned long remote_magic[] = {
	NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC, CEPH_SUPER_MAGIC, AFS_SUPER_MAGIC, AFS_FS_MAGIC,
	CODA_SUPER_MAGIC, NCP_SUPER_MAGIC, V9FS_MAGIC, FUSE_SUPER_MAGIC, OCFS2_SUPER_MAGIC, AUTOFS_SUPER_MAGIC,
	0x01161970 /* GFS2 */, 0x0bd00bd0 /* Lustre */, 0x19830326 /* BeeGFS */, 0x47504653 /* GPFS */,
};

static const char *const remote_names[] = {
	"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "afs", "coda", "ncpfs", "9p", "virtiofs", "ocfs2", "autofs", "gfs2", "lustre",
	"beegfs", "gpfs", "glusterfs", "davfs", "vboxsf", "prl_fs", "orangefs", "pvfs2",
};

/* Facts of this machine, not of one scan: they are the same for each. */
static struct { dev_t dev; bool remote; } seen[CAP_KNOWN];
static size_t seen_count;
static struct { char point[PATH_MAX]; dev_t dev; } *dead;
static size_t dead_count;

bool mounts_remote(int fd, dev_t dev)
{
	struct statfs fs;
	bool remote = false;
	size_t i;

	for (i = 0; i < seen_count; i++)
		if (seen[i].dev == dev)
			return seen[i].remote;
	if (fstatfs(fd, &fs) < 0)
		return true;
	for (i = 0; i < sizeof(remote_magic) / sizeof(*remote_magic); i++)
		remote |= (unsigned long)fs.f_type == remote_magic[i];
	if (seen_count < CAP_KNOWN) {
		seen[seen_count].dev = dev;
		seen[seen_count++].remote = remote;
	}
	return remote;
}

static bool remote_name(const char *type, size_t n)
{
	size_t i;

	if (n >= 4 && !strncmp(type, "fuse", 4))
		return true;
	for (i = 0; i < sizeof(remote_names) / sizeof(*remote_names); i++)
		if (strlen(remote_names[i]) == n && !strncmp(type, remote_names[i], n))
			return true;
	return false;
}

/* The n'th word of a line, from 1; proc(5) escapes blanks, newlines and backslashes in it as \ooo. */
static size_t word(const char *line, unsigned n, char *out, size_t size)
{
	size_t k = 0;

	for (; n > 1; n--) {
		line += strcspn(line, " \n");
		line += *line == ' ';
	}
	for (; *line && *line != ' ' && *line != '\n' && k < size - 1; line++) {
		if (line[0] == '\\' && line[1] >= '0' && line[1] <= '3' && line[2] && line[3]) {
			out[k++] = (char)((line[1] - '0') * 64 + (line[2] - '0') * 8 + (line[3] - '0'));
			line += 3;
		} else {
			out[k++] = *line;
		}
	}
	out[k] = '\0';
	return k;
}

bool mounts_below(const char *path, const char *point)
{
	size_t n = strlen(point);

	return n == 1 || (!strncmp(path, point, n) && (path[n] == '/' || !path[n]));
}

static dev_t device(const char *line)
{
	char text[32], *colon;

	word(line, 3, text, sizeof(text));
	colon = strchr(text, ':');
	return makedev((unsigned)strtoul(text, NULL, 10), colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0);
}

/* By path, the last of the longest wins: it lies over the others. */
bool mounts_find(const char *mountinfo, dev_t dev, const char *path, struct mount *m)
{
	const char *line, *next, *dash;
	char point[PATH_MAX];
	size_t longest = 0, n;

	for (line = mountinfo; *line; line = next) {
		next = line + strcspn(line, "\n");
		next += *next == '\n';
		n = word(line, 5, point, sizeof(point));
		dash = strstr(line, " - ");
		if (!n || !dash || dash >= next || (dev ? device(line) != dev : n < longest || !mounts_below(path, point)))
			continue;
		longest = n;
		memcpy(m->point, point, n + 1);
		m->dev = device(line);
		word(dash + 3, 1, m->type, sizeof(m->type));
		m->remote = remote_name(m->type, strlen(m->type));
	}
	return longest;
}

bool mounts_dead(const char *path)
{
	size_t i;

	for (i = 0; i < dead_count; i++)
		if (mounts_below(path, dead[i].point))
			return true;
	return false;
}

bool mounts_dead_dev(dev_t dev)
{
	size_t i;

	for (i = 0; i < dead_count; i++)
		if (dead[i].dev == dev)
			return true;
	return false;
}

void mounts_lost(struct host *h, dev_t dev, const char *path)
{
	struct buf text = { 0 };
	struct mount m = { .dev = dev };
	bool ours;

	if (dev == DEV_NONE || dead_count >= CAP_DEAD || io_slurp_at(AT_FDCWD, "/proc/self/mountinfo", CAP_SLURP, &text) <= 0)
		goto out;
	ours = mounts_find(buf_str(&text), dev, path, &m);
	if (ours ? !m.remote || mounts_dead_dev(m.dev) : !dev || mounts_dead_dev(dev))
		goto out;
	dead = buf_realloc(dead, dead_count + 1, sizeof(*dead));
	memcpy(dead[dead_count].point, m.point, sizeof(m.point));
	dead[dead_count++].dev = m.dev;
	if (ours)
		host_missed(h, "nothing below %s was looked at any more: this %s file system does not answer", err_q(m.point), m.type);
out:
	buf_free(&text);
}
