#include "places/places.h"

#include <fnmatch.h>
#include <limits.h>
#include <string.h>

bool places_ending(const char *name, const char *endings)
{
	size_t n = strlen(name);

	if (!endings)
		return true;
	while (*endings) {
		size_t k = strcspn(endings, "|");

		if (n > k && !strncmp(name + n - k, endings, k))
			return true;
		endings += k + (endings[k] == '|');
	}
	return false;
}

/* Its path without what stands behind the last slash but `up`; false: there are not so many. */
static bool folder_of(const char *path, unsigned up, char folder[PATH_MAX])
{
	char *slash;

	if ((size_t)snprintf(folder, PATH_MAX, "%s", path) >= PATH_MAX)
		return false;
	do {
		slash = strrchr(folder, '/');
		if (!slash)
			return false;
		*slash = '\0';
	} while (up--);
	return true;
}

static bool stands_in(const struct place *p, const char *path)
{
	char pattern[PATH_MAX], folder[PATH_MAX];
	size_t n = strlen(p->path);

	if (p->path[n - 1] != '/')
		return !fnmatch(p->path, path, FNM_PATHNAME);
	snprintf(pattern, sizeof pattern, "%.*s", (int)(n - 1), p->path);
	for (unsigned up = 0; up <= (p->flags & PLACE_BELOW ? 1u : 0u); up++)
		if (folder_of(path, up, folder) && !fnmatch(pattern, folder, FNM_PATHNAME))
			return true;
	return false;
}

static const struct place *find(const struct place *p, const char *path, bool executable)
{
	for (; p->path; p++)
		if (stands_in(p, path) && places_ending(path, p->endings) &&
		    (!(p->flags & PLACE_RUNS) || (executable && !places_ending(path, ".sample"))))
			return p;
	return NULL;
}

/* What stands behind the home that a path is in, with its slash; NULL: it is in none. */
static const char *below_home(const char *path)
{
	static const char *const homes[] = { "/root/", "/etc/skel/" };

	for (size_t i = 0; i < sizeof homes / sizeof *homes; i++)
		if (!strncmp(path, homes[i], strlen(homes[i])))
			return path + strlen(homes[i]) - 1;
	return strncmp(path, "/home/", 6) ? NULL : strchr(path + 6, '/');
}

const struct place *places_find(const char *path, bool executable)
{
	const struct place *p = find(places_system, path, executable);
	const char *rest = p ? NULL : below_home(path);

	return rest ? find(places_user, rest, executable) : p;
}
