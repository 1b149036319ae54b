#include "micro/wine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECIPE "muss-wine 1"     /* another number where what stands below changes */
#define BUILD_SECONDS 180
#define BUILD_BYTES (3 * GIB)    /* Wine copies its libraries; what is kept of it are links */
#define NLS "/usr/share/wine/nls/"

/* What a prefix gets beyond Wine's own: no picture drawn, no offer to fetch .NET or a browser, calls told of all but Wine's own modules. */
static const char SETTINGS[] = "Windows Registry Editor Version 5.00\r\n\r\n"
	"[HKEY_CURRENT_USER\\Software\\Wine\\Drivers]\r\n\"Graphics\"=\"null\"\r\n\"Audio\"=\"\"\r\n\r\n"
	"[HKEY_CURRENT_USER\\Software\\Wine\\DllOverrides]\r\n\"mscoree\"=\"\"\r\n\"mshtml\"=\"\"\r\n\"winemenubuilder.exe\"=\"\"\r\n\r\n"
	"[HKEY_LOCAL_MACHINE\\Software\\Microsoft\\Windows NT\\CurrentVersion\\AeDebug]\r\n\"Debugger\"=\"none\"\r\n\r\n"
	"[HKEY_CURRENT_USER\\Software\\Wine\\Debug]\r\n"
	"\"RelayExclude\"=\"msvcrt.*;ucrtbase.*;ntdll.RtlEnterCriticalSection;ntdll.RtlLeaveCriticalSection;ntdll.RtlTryEnterCriticalSection;"
	"ntdll.RtlGetLastWin32Error;ntdll.RtlSetLastWin32Error;ntdll.RtlAllocateHeap;ntdll.RtlFreeHeap;ntdll.RtlReAllocateHeap;ntdll.RtlSizeHeap;"
	"kernel32.TlsGetValue;kernel32.TlsSetValue;kernel32.FlsGetValue;kernel32.FlsSetValue\"\r\n\"RelayFromExclude\"=\"";

static const char BUILD[] = "export WINEDEBUG=-all; cd /; w=" WINE_LOADER "\n"
	"WINEDLLOVERRIDES=mscoree,mshtml= $w wineboot.exe -i && $w winecfg.exe /v \"$1\" && $w regedit.exe /S 'Z:\\muss.reg' || exit 1\n"
	WINE_SERVER " -k; " WINE_SERVER " -w\n";

bool wine_installed(void)
{
	return access(WINE_LOADER, X_OK) == 0 && access(WINE_SERVER, X_OK) == 0 && access(WINE_LIBRARIES "/ntdll.dll", R_OK) == 0;
}

/* ---- the cache ---- */

static char *cache_folder(void)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (xdg && xdg[0] == '/')
		return buf_printf("%s/muss", xdg);
	if (geteuid() == 0 || !home || home[0] != '/')
		return buf_strdup("/var/cache/muss");
	return buf_printf("%s/.cache/muss", home);
}

/* Another Wine or another recipe is another folder. */
static char *own_folder(const char *windows)
{
	static const char *const PARTS[] = { WINE_LOADER, WINE_SERVER, WINE_LIBRARIES "/ntdll.dll", WINE_LIBRARIES "/wineboot.exe" };
	struct digest *d = digest_new();
	char hex[DIGEST_HEX], text[96], *cache = cache_folder(), *folder;
	struct stat st;

	digest_add(d, RECIPE, sizeof RECIPE);
	digest_add(d, SETTINGS, sizeof SETTINGS);
	digest_add(d, BUILD, sizeof BUILD);
	for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
		if (stat(PARTS[i], &st))
			st = (struct stat){ 0 };
		snprintf(text, sizeof text, "%lld %lld %u", (long long)st.st_size, (long long)st.st_mtime, geteuid());
		digest_add(d, text, strlen(text));
	}
	digest_end(d, hex);
	digest_free(d);
	folder = buf_printf("%s/wine-%.12s-%s", cache, hex, windows);
	free(cache);
	return folder;
}

/* ---- making one ---- */

static int put_text(struct world *w, const char *path, const char *text, size_t n, struct err *e)
{
	int fd = io_tmp(e), rc;

	if (fd < 0)
		return -1;
	rc = io_write(fd, text, n) ? err_sys(e, "cannot write a file") : world_put(w, path, 0644, fd, e);
	close(fd);
	return rc;
}

static json_t *library_names(void)
{
	json_t *list = json_array();
	struct dirent *entry;
	DIR *d = opendir(WINE_LIBRARIES);

	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			json_array_append_new(list, json_string(entry->d_name));
	if (d)
		closedir(d);
	return list;
}

static int put_settings(struct world *w, struct err *e)
{
	struct buf b = { 0 };
	json_t *names = library_names(), *v;
	size_t i;
	int rc;

	buf_adds(&b, SETTINGS);
	json_array_foreach(names, i, v)
		buf_addf(&b, "%s%s", i ? ";" : "", json_string_value(v));
	buf_adds(&b, "\"\r\n");
	rc = put_text(w, "/muss.reg", (char *)b.p, b.len, e);
	json_decref(names);
	buf_free(&b);
	return rc;
}

static bool same_bytes(int fd, const char *path)
{
	char ours[DIGEST_HEX], theirs[DIGEST_HEX];
	struct err ignored;
	int other = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	bool same = other >= 0 && digest_fd(fd, CAP_BODY, ours, NULL, &ignored) == 0 && digest_fd(other, CAP_BODY, theirs, NULL, &ignored) == 0 &&
		!strcmp(ours, theirs);

	io_close(&other);
	return same;
}

/* A file that Wine copied from where its own stand is kept as a link there. */
static int keep_file(int tree, const char *rel, int from, struct err *e)
{
	static const char *const ORIGINS[] = { WINE_LIBRARIES "/", NLS };
	const char *slash = strrchr(rel, '/'), *name = slash ? slash + 1 : rel;
	int to, rc;

	for (size_t i = 0; i < sizeof ORIGINS / sizeof *ORIGINS; i++) {
		char *origin = buf_printf("%s%s", ORIGINS[i], name);
		bool linked = same_bytes(from, origin) && symlinkat(origin, tree, rel) == 0;

		free(origin);
		if (linked)
			return 0;
	}
	to = openat(tree, rel, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (to < 0)
		return err_sys(e, "cannot keep %s", err_q(rel));
	rc = io_copy(from, to, CAP_BODY, NULL, e);
	close(to);
	return rc;
}

static int keep_one(struct world *w, int tree, const json_t *change, struct err *e)
{
	const char *type = jsonio_str(change, "type"), *path = jsonio_str(change, "path"), *rel;
	struct timespec fixed[2] = { { .tv_sec = 1704067200 }, { .tv_sec = 1704067200 } };
	int fd, rc = 0;

	if (!type || !path || strncmp(path, WINE_AT "/", sizeof WINE_AT))
		return 0;
	rel = path + sizeof WINE_AT;
	/* Where this run's server was to be met; another one's is elsewhere. */
	if (!strcmp(rel, "wineserver"))
		return 0;
	/* Wine makes folders of a user links to those of Unix. */
	if (!strcmp(type, "dir") || (!strcmp(type, "link") && !strncmp(rel, "drive_c/users/", 14))) {
		if (mkdirat(tree, rel, 0755) && errno != EEXIST)
			return err_sys(e, "cannot make %s", err_q(rel));
	} else if (!strcmp(type, "link")) {
		if (symlinkat(jsonio_str(change, "target"), tree, rel))
			return err_sys(e, "cannot link %s", err_q(rel));
	} else if (!strcmp(type, "file")) {
		fd = world_open_file(w, path, e);
		if (fd < 0)
			return -1;
		rc = keep_file(tree, rel, fd, e);
		close(fd);
	}
	utimensat(tree, rel, fixed, AT_SYMLINK_NOFOLLOW);
	return rc;
}

static int keep_tree(struct world *w, int folder, struct err *e)
{
	json_t *changes = world_changes(w, e), *v;
	int tree = -1, rc = changes ? 0 : -1;
	size_t i;

	if (!rc && (mkdirat(folder, "tree", 0755) || (tree = openat(folder, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0))
		rc = err_sys(e, "cannot make a folder");
	/* Sorted by path: a folder stands before what is in it. */
	json_array_foreach(changes, i, v)
		if (!rc)
			rc = keep_one(w, tree, v, e);
	if (!rc && faccessat(tree, "system.reg", R_OK, 0))
		rc = err_set(e, EX_UNAVAILABLE, "Wine made no registry");
	json_decref(changes);
	io_close(&tree);
	return rc;
}

/* Programs know Wine by exports of ntdll; other names of the same length, that sort the same, are asked for by nobody. */
static int keep_ntdll(int folder, struct err *e)
{
	static const char OTHER[] = { 'w', 'c', 's', 'z' };
	static const char *const TELLING[] = { "wine_get_version", "wine_get_build_id", "wine_get_host_version" };
	struct buf b = { 0 };
	int fd, rc;

	if (io_slurp_path(WINE_LIBRARIES "/ntdll.dll", CAP_SLURP, &b, e))
		return -1;
	for (size_t i = 0; i < sizeof TELLING / sizeof *TELLING; i++) {
		unsigned char *at = memmem(b.p, b.len, TELLING[i], strlen(TELLING[i]) + 1);

		if (at)
			memcpy(at, OTHER, sizeof OTHER);
	}
	fd = openat(folder, "ntdll.dll", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	rc = fd < 0 || io_write(fd, b.p, b.len) ? err_sys(e, "cannot keep ntdll.dll") : 0;
	io_close(&fd);
	buf_free(&b);
	return rc;
}

static int make(int folder, const char *windows, struct err *e)
{
	struct world_options options = { .size_bytes = BUILD_BYTES };
	char **envp = wine_environment("-all");
	const char *const argv[] = { "/bin/sh", "-c", BUILD, "sh", windows, NULL };
	struct run r = { .argv = argv, .envp = (const char *const *)envp, .seconds = BUILD_SECONDS, .in = -1, .out = -1, .errfd = -1,
		.memory_bytes = 2 * GIB, .processes = 256 };
	struct world *w = world_open(&options, e);
	int rc = w && put_settings(w, e) == 0 && garden_run(w, &r, e) == 0 ? 0 : -1;

	if (!rc && r.status)
		rc = err_set(e, EX_UNAVAILABLE, "Wine made no prefix (%s %d)", r.timed_out ? "time is up," : "status", r.status);
	if (!rc)
		rc = keep_tree(w, folder, e) || keep_ntdll(folder, e) ? -1 : 0;
	world_close(w);
	wine_environment_free(envp);
	return rc;
}

/* Beside, and then in place; of two at once, one does it. */
static int make_beside(const char *folder, const char *windows, struct err *e)
{
	const char *slash = strrchr(folder, '/');
	char *cache = buf_printf("%.*s", (int)(slash - folder), folder), *beside = buf_printf("%s.new", slash + 1);
	struct stat st;
	int dir = -1, fd = -1, rc = -1;

	if (io_mkdirs(cache, 0755, e))
		goto out;
	dir = open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || flock(dir, LOCK_EX)) {
		err_sys(e, "cannot open %s", err_q(cache));
		goto out;
	}
	if (stat(folder, &st) == 0) {
		rc = 0;
		goto out;
	}
	msg_info("making a prefix of Wine for %s in %s", windows, err_q(cache));
	if (io_rmtree(dir, beside, e) || mkdirat(dir, beside, 0755) || (fd = openat(dir, beside, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		if (!e->code)
			err_sys(e, "cannot make a folder in %s", err_q(cache));
		goto out;
	}
	rc = make(fd, windows, e);
	if (!rc && renameat(dir, beside, dir, slash + 1))
		rc = err_sys(e, "cannot make %s", err_q(folder));
	if (rc) {
		struct err ignored;

		io_rmtree(dir, beside, &ignored);
	}
out:
	io_close(&fd);
	io_close(&dir);
	free(cache);
	free(beside);
	return rc;
}

static int open_kept(void *ctx, const char *name)
{
	char *path = buf_printf("%s/%s", (const char *)ctx, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	free(path);
	return fd;
}

struct wine *wine_open(const char *windows, struct err *e)
{
	struct wine *w = buf_alloc(sizeof *w);
	struct err ignored;
	char *noise;

	w->folder = own_folder(windows);
	w->tree = buf_printf("%s/tree", w->folder);
	if (access(w->folder, F_OK) && make_beside(w->folder, windows, e)) {
		wine_free(w);
		return NULL;
	}
	w->ntdll = buf_printf("%s/ntdll.dll", w->folder);
	w->registry = registry_open(open_kept, w->tree);
	noise = buf_printf("%s/noise.json", w->folder);
	w->noise = jsonio_load(noise, &ignored);
	free(noise);
	return w;
}

int wine_keep_noise(const struct wine *w, struct err *e)
{
	char *path = buf_printf("%s/noise.json", w->folder);
	struct buf b = { 0 };
	int rc;

	jsonio_dump(w->noise, &b);
	rc = atomic_write(path, 0644, b.p, b.len, e);
	buf_free(&b);
	free(path);
	return rc;
}

void wine_free(struct wine *w)
{
	if (!w)
		return;
	free(w->folder);
	free(w->tree);
	free(w->ntdll);
	json_decref(w->noise);
	registry_free(w->registry);
	free(w);
}
