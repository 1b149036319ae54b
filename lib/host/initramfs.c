/*
 * What runs from the images of the initial file system, before any file of the machine does. helper-initrd tells what is in an
 * image; what the bytes of no package's file explain is a piece of code. An image that was once looked at is not unpacked again
 * while it stays as it is: the scan index has what was found, and what a package explained then stays explained.
 */
#include "host/internal.h"

#include "confine/confine.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HELPER_MS 120000
#define CAP_FOLDER 4096u          /* names of one folder below /boot */
#define CAP_IMAGES 64u            /* a machine with some dozen kernels */
#define CAP_FOUND 256u            /* files of one image that no package explains */
#define HELPER "helper-initrd"

struct images {
	struct host *h;
	struct sums *sums;        /* loaded when first asked for */
	unsigned count;
	struct err *e;
};

struct image {
	struct images *all;
	struct host *h;
	char path[PATH_MAX];
	int fd;
	struct stat st;
	char sha256[DIGEST_HEX];
	json_t *found;            /* {"files":[...],"problem"?}: what is not explained */
	json_t *explained;        /* by the machine's own files: once is enough of what an image holds a thousand times */
};

/* What the kernel would not take for an image lies beside some: sums, signatures. It skips zeros, and knows more compressions than
 * we do: such a one is told as unread. */
static bool is_image(int fd)
{
	static const struct { size_t n; const char *bytes; } magic[] = {
		{ 5, "07070" }, { 2, "\x1f\x8b" }, { 3, "BZh" }, { 5, "\xfd" "7zXZ" }, { 2, "\x5d\0" }, { 4, "\x02\x21\x4c\x18" },
		{ 4, "\x04\x22\x4d\x18" }, { 4, "\x28\xb5\x2f\xfd" }, { 4, "\x89LZO" },
		{ 1, "\0" },
	};
	char head[8] = "";
	size_t i;

	if (pread(fd, head, sizeof(head), 0) != sizeof(head))
		return false;
	for (i = 0; i < sizeof(magic) / sizeof(*magic); i++)
		if (!memcmp(head, magic[i].bytes, magic[i].n))
			return true;
	return false;
}

static int ask_helper(const struct image *m, const char *const *args, struct helper_result *r)
{
	struct err e;
	int rc;

	watch_waits(true);
	rc = helper_run(HELPER, args, m->fd, HELPER_MS, r, &e);
	watch_waits(false);
	if (rc < 0)
		host_missed(m->h, "the initial file systems were not looked at: %s", e.msg);
	return rc;
}

static const char *how_ended(const struct helper_result *r)
{
	switch (r->end) {
	case HELPER_DONE: return r->status ? "its reader failed" : NULL;
	case HELPER_CRASHED: return "its reader crashed";
	case HELPER_TIMEOUT: return "it takes too long to read";
	case HELPER_MEMORY: return "it takes too much memory to read";
	case HELPER_REFUSED: break;
	}
	return "its reader tried what it may not";
}

/* Where on the machine such a file comes from, beside the same path: number i; false past the last. */
static bool source_of(const char *path, unsigned i, char out[PATH_MAX])
{
	static const char *const compressed[] = { ".xz", ".zst", ".gz" };
	size_t n = strlen(path);

	if (i == 0)
		return snprintf(out, PATH_MAX, "/%s", path) < PATH_MAX;
	if (i == 1 && !strncmp(path, "scripts/", 8))
		return snprintf(out, PATH_MAX, "/etc/initramfs-tools/%s", path) < PATH_MAX;
	if (i == 1 && !strncmp(path, "conf/", 5))
		return snprintf(out, PATH_MAX, "/etc/initramfs-tools/%s", path + 5) < PATH_MAX;
	if (i < 4 && n > 3 && !strcmp(path + n - 3, ".ko"))
		return snprintf(out, PATH_MAX, "/%s%s", path, compressed[i - 1]) < PATH_MAX;
	return false;
}

/* The digest of an installed file, out of its compression when it has one that the image's has not. */
static bool digest_installed(const struct image *m, int fd, const struct stat *st, bool compressed, char sha256[DIGEST_HEX])
{
	static const char *const args[] = { "digest", NULL };
	struct image it = { .h = m->h, .fd = fd };
	struct helper_result r = { 0 };
	bool ok;

	if (!compressed)
		return !reading_digest(m->h, fd, st, sha256, NULL);
	ok = !ask_helper(&it, args, &r) && r.end == HELPER_DONE && r.out.len >= DIGEST_HEX - 1;
	if (ok)
		snprintf(sha256, DIGEST_HEX, "%.*s", DIGEST_HEX - 1, buf_str(&r.out));
	helper_free(&r);
	return ok && digest_ok(sha256);
}

/* The installed file with the same bytes; *owned: a package vouches for it. */
static bool installed(const struct image *m, const json_t *file, char path[PATH_MAX], bool *owned)
{
	const char *want = jsonio_str(file, "sha256");
	char sha256[DIGEST_HEX], package[256];
	const struct dpkg *d = m->h->dpkg;
	struct buf name = { 0 };
	bool same = false;
	struct stat st;
	unsigned i;
	int fd;

	if (jsonio_tobytes(jsonio_str(file, "path"), &name) < 0)
		goto out;
	for (i = 0; !same && source_of(buf_str(&name), i, path); i++) {
		fd = rooted_regular(m->h->root, path, &st);
		if (fd < 0)
			continue;
		same = (i > 0 && !strcmp(jsonio_str(file, "like"), "module")) || st.st_size == jsonio_int(file, "size", -1);
		same = same && digest_installed(m, fd, &st, st.st_size != jsonio_int(file, "size", -1), sha256) && !strcmp(sha256, want);
		same = same && !rooted_path(m->h, fd, path, PATH_MAX);
		*owned = same && dpkg_owns(d, path) && !altered_file(d, m->h->root, path, &st, package, sizeof(package));
		close(fd);
	}
out:
	buf_free(&name);
	return same;
}

/* What the tools that make images write themselves, and what cannot make anything run. */
static bool generated(const json_t *file)
{
	const char *path = jsonio_str(file, "path"), *like = jsonio_str(file, "like"), *base = strrchr(path, '/');

	return (!strncmp(path, "conf/", 5) && !strcmp(like, "settings")) || (base && !strcmp(base, "/ORDER") && !strcmp(like, "order"));
}

static bool sound(const json_t *file)
{
	const char *sha256 = jsonio_str(file, "sha256");

	return sha256 && digest_ok(sha256) && jsonio_str(file, "path") && jsonio_str(file, "like");
}

/* By the machine's own file, which a package vouches for? Where none does, the file is told where that stands. */
static bool vouched(struct image *m, json_t *file)
{
	char path[PATH_MAX], *key = buf_printf("%s %s", jsonio_str(file, "sha256"), jsonio_str(file, "path"));
	bool owned = json_object_get(m->explained, key) != NULL;

	if (!owned && installed(m, file, path, &owned) && !owned)
		json_object_set_new(file, "installed", jsonio_name(path));
	if (owned)
		json_object_set_new(m->explained, key, json_true());
	free(key);
	return owned;
}

/* Keeps of the helper's list what no package explains. */
static void sift(struct image *m, const json_t *list)
{
	json_t *kept = jsonio_array(m->found, "files"), *o;
	size_t i;

	m->explained = json_object();
	json_array_foreach(json_object_get(list, "files"), i, o) {
		watch_beat();
		if (!sound(o) || !jsonio_str(o, "md5") || generated(o))
			continue;
		if (!m->all->sums)
			m->all->sums = sums_load(m->h->dpkg);
		if (sums_has(m->all->sums, jsonio_str(o, "md5")))
			continue;
		if (vouched(m, o))
			continue;
		if (json_array_size(kept) >= CAP_FOUND) {
			json_object_set_new(m->found, "problem", json_sprintf("it holds more than %u files that no package explains", CAP_FOUND));
			break;
		}
		json_object_del(o, "md5");
		json_array_append(kept, o);
	}
	json_decref(m->explained);
}

/* 0, or -1: nothing was found out. */
static int unpack(struct image *m)
{
	struct helper_result r = { 0 };
	const char *why;
	json_t *list;
	struct err e;

	if (ask_helper(m, NULL, &r) < 0)
		return -1;
	m->found = json_object();
	why = how_ended(&r);
	list = why ? NULL : jsonio_parse(buf_str(&r.out), r.out.len, HELPER, &e);
	if (list)
		sift(m, list);
	if (!why && !list)
		why = "its reader says nonsense";
	if (!why)
		why = jsonio_str(list, "problem");
	if (!why && jsonio_bool(list, "more", false))
		why = "it holds more files than are looked at";
	if (why)
		json_object_set_new(m->found, "problem", json_string(why));
	json_decref(list);
	helper_free(&r);
	return 0;
}

static json_t *sighting(const struct image *m, const json_t *file)
{
	json_t *o = json_object();

	json_object_set_new(o, "how", json_string("initramfs"));
	json_object_set_new(o, "file", jsonio_name(m->path));
	json_object_set_new(o, "file_sha256", json_string(m->sha256));
	json_object_set(o, "member", json_object_get(file, "path"));
	json_object_set(o, "mode", json_object_get(file, "mode"));
	return o;
}

/* The machine's own file, of no package, that became part of the image. False: it is another one by now. */
static bool take_installed(const struct image *m, const json_t *file)
{
	struct buf path = { 0 };
	struct piece *p = NULL;
	struct stat st;
	int fd = -1;

	if (jsonio_str(file, "installed") && !jsonio_tobytes(jsonio_str(file, "installed"), &path))
		fd = rooted_regular(m->h->root, buf_str(&path), &st);
	if (fd >= 0)
		p = image_take(m->h, fd, !strcmp(jsonio_str(file, "like"), "elf") ? "file" : "script", &st);
	if (p && strcmp(p->sha256, jsonio_str(file, "sha256")) != 0)
		p = NULL;
	if (p) {
		image_place(m->h, p, buf_str(&path), &st, true);
		piece_sign(m->h, p, "startup-initramfs", "it is part of %s", m->path);
		piece_sight(p, sighting(m, file));
	}
	io_close(&fd);
	buf_free(&path);
	return p != NULL;
}

static const char *kind_of(const json_t *file)
{
	const char *like = jsonio_str(file, "like");

	return !strcmp(like, "module") ? "module" : !strcmp(like, "elf") || !strcmp(like, "data") ? "file" : "script";
}

static struct piece *take_piece(const struct image *m, const json_t *file)
{
	struct piece *p = piece_get(m->h, jsonio_str(file, "sha256"), kind_of(file), (uint64_t)jsonio_int(file, "size", 0));

	piece_sign(m->h, p, "initramfs-unexplained", "%s holds %s, whose bytes are no package's file's", m->path, jsonio_str(file, "path"));
	piece_sight(p, sighting(m, file));
	return p;
}

/* One file's bytes, as the helper gives them back, into the spool. */
static int keep_body(const struct image *m, const void *bytes, size_t n)
{
	char sha256[DIGEST_HEX];
	struct piece *p;
	int64_t offset;

	digest_bytes(bytes, n, sha256);
	p = piece_find(m->h, sha256);
	if (!p || p->part_count)
		return 0;
	if (spool_begin(m->h->spool, n, &offset, m->all->e) < 0 || spool_put(m->h->spool, offset, bytes, n, m->all->e) < 0)
		return -1;
	piece_part(p, "body", offset, n);
	return 0;
}

static int keep_bodies(const struct image *m, const char *const *numbers)
{
	struct helper_result r = { 0 };
	const char *at, *end;
	int rc = 0;

	if (ask_helper(m, numbers, &r) < 0)
		return 0;
	at = buf_str(&r.out);
	end = at + r.out.len;
	while (!rc && at < end) {
		char *next;
		unsigned long long n;

		strtoull(at, &next, 10);
		n = strtoull(next, &next, 10);
		if (*next != '\n' || n > (unsigned long long)(end - next - 1))
			break;
		rc = keep_body(m, next + 1, (size_t)n);
		at = next + 1 + n;
	}
	helper_free(&r);
	return rc;
}

/* The pieces of code that this image is about. */
static int tell(struct image *m)
{
	const char *problem = jsonio_str(m->found, "problem"), **numbers;
	const json_t *files = json_object_get(m->found, "files"), *o;
	size_t i, n = 0;
	int rc = 0;

	if (problem) {
		struct piece *p = piece_get(m->h, m->sha256, "file", (uint64_t)m->st.st_size);

		image_place(m->h, p, m->path, &m->st, true);
		piece_sign(m->h, p, "initramfs-unread", "%s: %s", m->path, problem);
	}
	numbers = buf_alloc((json_array_size(files) + 1) * sizeof(*numbers));
	json_array_foreach(files, i, o) {
		if (!sound(o) || take_installed(m, o))
			continue;
		if (!take_piece(m, o)->part_count)
			numbers[n++] = buf_printf("%lld", (long long)jsonio_int(o, "number", 0));
	}
	if (n)
		rc = keep_bodies(m, numbers);
	while (n)
		free((void *)(uintptr_t)numbers[--n]);
	free(numbers);
	return rc;
}

/* From the index, or from the image itself; then noted there. */
static int find_out(struct image *m)
{
	const char *note = recall_noted(m->h, m->fd, &m->st, m->sha256);
	struct err e;
	char *text;

	m->found = note ? jsonio_parse(note, strlen(note), "a note", &e) : NULL;
	if (m->found)
		return 0;
	recall_begin(m->h, m->fd, &m->st);
	if (reading_digest(m->h, m->fd, &m->st, m->sha256, NULL) < 0 || unpack(m) < 0)
		return -1;
	text = json_dumps(m->found, JSON_COMPACT);
	recall_note(m->h, m->fd, (uint64_t)m->st.st_size, m->sha256, text);
	free(text);
	return 0;
}

static int look_at(struct images *all, const char *path)
{
	struct image *m = buf_alloc(sizeof(*m));
	int rc = 0;

	m->all = all;
	m->h = all->h;
	m->fd = rooted_regular(m->h->root, path, &m->st);
	if (m->fd < 0 || !is_image(m->fd) || rooted_path(m->h, m->fd, m->path, sizeof(m->path)) < 0)
		goto out;
	if (all->count++ >= CAP_IMAGES)
		host_missed(m->h, "more than %u images of initial file systems are there", CAP_IMAGES);
	else if (!find_out(m))
		rc = tell(m);
out:
	json_decref(m->found);
	io_close(&m->fd);
	free(m);
	return rc;
}

/* Below /boot, and as boot loaders of the boot loader specification have them: MACHINE/VERSION/initrd. */
static int look_below(struct images *all, const char *folder, unsigned depth)
{
	char path[PATH_MAX], **names;
	int fd = rooted_open(all->h->root, folder, O_RDONLY | O_DIRECTORY), rc = 0;
	bool more;
	size_t n, i;

	if (fd < 0)
		return 0;
	n = startup_names(fd, CAP_FOLDER, &names, &more);
	for (i = 0; i < n; i++) {
		if (!rc && (size_t)snprintf(path, sizeof(path), "%s/%s", folder, names[i]) < sizeof(path)) {
			if (!strncmp(names[i], "initrd", 6) || !strncmp(names[i], "initramfs", 9))
				rc = look_at(all, path);
			else if (depth)
				rc = look_below(all, path, depth - 1);
		}
		free(names[i]);
	}
	free(names);
	return rc;
}

int initramfs_scan(struct host *h, struct err *e)
{
	struct images all = { .h = h, .e = e };
	int rc;

	/* where no package tells what is good, a list of all there is would tell nothing */
	if (!h->dpkg)
		return 0;
	rc = look_below(&all, "/boot", 2);
	sums_free(all.sums);
	return rc;
}
