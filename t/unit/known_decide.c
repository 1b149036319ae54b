/* What a known digest does not excuse. */
#include "known/known.h"
#include "unit.h"

static void kept(const char *json, bool want, const char *what)
{
	struct err e = {0};
	json_t *about = jsonio_parse(json, strlen(json), "test", &e);

	OK(about && (decide_keep(about) != NULL) == want, what);
	json_decref(about);
}

int main(void)
{
	kept("{\"kind\":\"file\",\"paths\":[\"/bin/ls\"],\"signs\":[],\"sightings\":[{\"how\":\"exe\",\"pid\":1}]}", false, "a plain file goes");
	kept("{\"kind\":\"file\",\"paths\":[\"/bin/ls\"],\"memory\":[],\"signs\":[{\"name\":\"deleted\"},{\"name\":\"exe-replaced\"}]}", false,
	     "one deleted in an upgrade goes");
	kept("{\"kind\":\"script\",\"paths\":[\"/usr/bin/ldd\"]}", false, "a script goes");
	kept("{\"kind\":\"startup\",\"signs\":[{\"name\":\"startup-inline\"}]}", false, "a package's own start-up file goes");
	kept("{\"kind\":\"memory\"}", true, "memory stays");
	kept("{}", true, "no kind stays");
	kept("{\"kind\":7}", true, "a wrong kind stays");
	kept("{\"kind\":\"file\",\"memory\":[{\"start\":\"1000\",\"end\":\"2000\"}]}", true, "changed memory stays");
	kept("{\"kind\":\"file\",\"signs\":[{\"name\":\"text-modified\"}]}", true, "a changed text stays");
	kept("{\"kind\":\"file\",\"signs\":[{\"name\":\"text-forced\"}]}", true, "a text that others wrote to stays");
	kept("{\"kind\":\"file\",\"sightings\":[{\"how\":\"exe\",\"pages_modified\":2}]}", true, "changed pages stay");
	kept("{\"kind\":\"file\",\"sightings\":[{\"how\":\"exe\",\"pages_modified\":0}]}", false, "no changed pages go");
	kept("{\"kind\":\"file\",\"signs\":[{\"name\":\"kernel-thread-name\"}]}", true, "a shell that poses as a kernel thread stays");
	kept("{\"kind\":\"file\",\"signs\":[{\"name\":\"setuid-unowned\"}]}", true, "a shell that was copied and made setuid stays");
	kept("{\"kind\":\"file\",\"signs\":[{\"name\":\"exe-unmapped\"}]}", true, "a program that something else took the place of stays");
	kept("{\"kind\":\"file\",\"signs\":[{\"name\":\"hidden-process\"}]}", true, "a hidden process stays");
	kept("{\"kind\":\"file\",\"signs\":[{\"name\":\"preload-environment\"}]}", true, "a library forced upon others stays");
	kept("{\"kind\":\"file\",\"paths\":[\"/usr/lib/.x/py\"],\"signs\":[{\"name\":\"interpreter-copied\"}]}", true, "a copied interpreter stays");
	kept("{\"kind\":\"file\",\"paths\":[\"/var/tmp/.sh\"],\"signs\":[{\"name\":\"setuid-unowned\"}]}", true, "a copied shell with its owner's rights stays");
	kept("{\"kind\":\"file\",\"signs\":[{\"name\":\"unowned\"},{\"name\":\"fresh\"}]}", false, "a mere copy goes");
	kept("{\"kind\":\"file\",\"paths\":[\"/usr/bin/python3.11\"],\"sightings\":[{\"how\":\"startup\",\"text\":\"@reboot root python3 -c 'x'\"}]}",
	     true, "an interpreter with code in a start-up line stays");
	kept("{\"kind\":\"file\",\"paths\":[\"/bin/dash\"],\"sightings\":[{\"how\":\"startup\",\"text\":\"* * * * * root sh /usr/lib/x\"}]}",
	     false, "an interpreter that starts a script goes");
	kept("{\"kind\":\"file\",\"paths\":[\"/bin/ls\"],\"sightings\":[{\"how\":\"startup\",\"text\":\"ls -c\"}]}", false,
	     "a start-up line of another program goes");
	kept("{\"kind\":\"file\",\"paths\":7,\"signs\":\"x\",\"sightings\":{\"a\":1},\"memory\":3}", false, "wrong types are no trouble");
	return unit_end();
}
