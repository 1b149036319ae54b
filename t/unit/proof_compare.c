/* Two states of a world: what counts as a difference. */
#include "proof/internal.h"
#include "unit_json.h"

#include <stdlib.h>

static size_t differences(const char *a, const char *b)
{
	json_t *x = J(a), *y = J(b), *d = compare_changes(x, y);
	size_t n = json_array_size(d);

	json_decref(d);
	json_decref(x);
	json_decref(y);
	return n;
}

#define FILE_A "{'path':'/a','change':'created','type':'file','mode':420,'uid':0,'gid':0,'size':3,'mtime_ns':5,'sha256':'x','xattrs':{}}"

int main(void)
{
	json_t *j;

	OK(differences("[]", "[]") == 0, "nothing and nothing");
	OK(differences("[" FILE_A "]", "[" FILE_A "]") == 0, "the same");
	OK(differences("[" FILE_A "]", "[]") == 1, "gone");
	OK(differences("[]", "[" FILE_A "]") == 1, "come");
	OK(differences("[" FILE_A "]", "[{'path':'/a','change':'created','type':'file','mode':420,'uid':0,'gid':0,'size':3,'mtime_ns':6,'sha256':'x','xattrs':{}}]") == 1, "a nanosecond");
	OK(differences("[" FILE_A "]", "[{'path':'/a','change':'created','type':'file','mode':384,'uid':0,'gid':0,'size':3,'mtime_ns':5,'sha256':'x','xattrs':{}}]") == 1, "a mode");
	OK(differences("[" FILE_A "]", "[{'path':'/a','change':'created','type':'file','mode':420,'uid':0,'gid':0,'size':3,'mtime_ns':5,'sha256':'x','xattrs':{'user.a':'00'}}]") == 1, "an attribute");
	OK(differences("[{'path':'/d','change':'created','type':'dir','mode':493,'size':40,'mtime_ns':1}]", "[{'path':'/d','change':'created','type':'dir','mode':493,'size':60,'mtime_ns':2}]") == 0,
	   "a folder's time and size follow its content");
	OK(differences("[{'path':'/d','change':'created','type':'dir','mode':493}]", "[{'path':'/d','change':'created','type':'dir','mode':511}]") == 1, "its mode does not");
	OK(differences("[]", "[{'path':'/var/lib/muss/quarantine/1/journal','change':'created','type':'file'}]") == 0, "the quarantine is ours");
	OK(differences("[]", "[{'path':'/var/lib/mussels','change':'created','type':'file'}]") == 1, "what begins like it is not");
	j = J("[" FILE_A "]");
	OK(compare_find(j, "/a") && !compare_find(j, "/b") && !compare_find(NULL, "/a"), "looking up a path");
	json_decref(j);
	return unit_end();
}
