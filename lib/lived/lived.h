/*
 * lived: what makes a machine look lived in: from rules/garden/machine.json to users, homes, documents, logs, services, names and hardware, as
 * a plan that the garden lays into its worlds. Uses base. Never knows what a world is.
 */
#ifndef LIVED_H
#define LIVED_H

#include "base/base.h"

/*
 * The plan of a machine that the settings in the file `path` describe (muss-garden(7)), over the lower root `lower` (an open folder):
 * {"host","uptime" (seconds),"device","files":[{"path","type":"file"|"dir"|"link","mode","uid","gid","mtime","at","size","target","keep"}],
 *  "services":[{"name","argv","exe","uid","gid"}],"sys":[{"path","text"|"target"}],"proc":[the same],"card":{..}}.
 * at and size are of the file's bytes in *contents, a sealed memory file that becomes the caller's; a file may have "text" instead. All but
 * the keys is the same for the same settings, host name and hour, and made once in that hour. 78: bad settings; 66: none. New reference.
 */
json_t *lived_plan(const char *path, int lower, int *contents, struct err *e);

#endif
