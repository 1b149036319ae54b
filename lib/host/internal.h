/*
 * host's own, for whoever needs more than one part of it: each part is a header that a file may include alone.
 *   types.h      the scan's data: struct host, struct piece; caps
 *   scan.h       steps, watch, pace, pieces, the spool, the profile
 *   files.h      files and folders, packages, the scan index, images of the initial file system
 *   processes.h  processes, their memory and interpreters, containers' roots
 *   startup.h    start-up places, the forms of their files, entries and commands
 */
#ifndef HOST_INTERNAL_H
#define HOST_INTERNAL_H

#include "host/files.h"
#include "host/processes.h"
#include "host/scan.h"
#include "host/startup.h"
#include "host/types.h"

#endif
